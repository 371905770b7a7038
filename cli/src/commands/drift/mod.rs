//! Where the schemas of two environments differ.

mod compare;
mod schema;

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::dry::Place;
use crate::failure::{Exit, Failure, Outcome};
use crate::markdown::{block, code};
use crate::say::Say;
use crate::settings::{Environment, Project};
use crate::text::plain;

use compare::{Difference, Level, Where, differences, level};
use schema::Side;

/// Show where the schemas of two environments differ
///
/// Tables, columns, indexes, views, triggers, foreign keys and applied migrations, read in dry runs. Blanks, comments, quotes and capitals that mean nothing are no difference.
#[derive(clap::Args)]
#[command(after_help = "It ends with 0 when both are equal and with 1 when they are not.

Examples:
  dryrun drift
  dryrun drift --from staging --to production --markdown >> \"$GITHUB_STEP_SUMMARY\"")]
pub struct Drift {
    /// The environment that is ahead: what only it has is marked +
    #[arg(long, value_name = "ENVIRONMENT", default_value = "staging")]
    from: Environment,
    /// The environment that is compared with it: what only it has is marked -
    #[arg(long, value_name = "ENVIRONMENT", default_value = "production")]
    to: Environment,
    /// The database, by binding (the names and ids of the two are different); can be left out where there is only one
    #[arg(long)]
    database: Option<String>,
    /// The table in which applied migrations are recorded
    #[arg(long, default_value = "d1_migrations")]
    table: String,
    /// Answer in Markdown, for the summary of a CI job
    #[arg(long)]
    markdown: bool,
}

struct Compared {
    from: Environment,
    to: Environment,
    databases: (String, String),
    differences: Vec<Difference>,
    level: Level,
    applied: (Option<Vec<String>>, Option<Vec<String>>),
}

impl Drift {
    /// Compares.
    pub fn run(&self, say: Say) -> Outcome<ExitCode> {
        if self.from == self.to {
            return Err(Failure::new(
                Exit::Usage,
                "same_environment",
                format!("Both sides are {}; nothing was compared.", self.from),
                "Name two environments: --from staging --to production.",
            ));
        }
        let project = Project::find()?;
        // Both are known to be there before either is read.
        let places = (self.place(&project, self.from, say)?, self.place(&project, self.to, say)?);
        let read = |place: &Place| -> Outcome<Side> { place.rehearse("drift", |run| schema::read(run, &self.table)) };
        let (from, to) = (read(&places.0)?, read(&places.1)?);
        let compared = Compared {
            from: self.from,
            to: self.to,
            databases: (places.0.database, places.1.database),
            differences: differences(&from, &to),
            level: level(from.applied.as_deref().unwrap_or_default(), to.applied.as_deref().unwrap_or_default()),
            applied: (from.applied, to.applied),
        };
        let text = if self.markdown { compared.markdown() } else { compared.text() };
        say.result(&compared.to_json(), &text);
        Ok(if compared.is_equal() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Found as u8) })
    }

    fn place(&self, project: &Project, environment: Environment, say: Say) -> Outcome<Place> {
        Place::find(crate::here::gateway(project, environment, say)?, self.database.as_deref())
    }
}

impl Compared {
    fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.level.is_equal()
    }

    fn verdict(&self) -> String {
        let Self { from, to, differences, level, .. } = self;
        match (differences.len(), level.is_equal()) {
            (0, true) => format!("{from} and {to} have the same schema and the same migrations."),
            (0, false) => format!("{from} and {to} have the same schema, but not the same migrations."),
            (count, _) => format!("{count} {} between {from} (+) and {to} (-).", if count == 1 { "difference" } else { "differences" }),
        }
    }

    fn levels(&self) -> Vec<String> {
        let Self { from, to, level, applied, .. } = self;
        let count = |list: &Option<Vec<String>>| match list {
            None => "no record of migrations".to_owned(),
            Some(names) => format!("{} applied{}", names.len(), names.last().map_or_else(String::new, |last| format!(", the last one {last}"))),
        };
        let mut lines = vec![format!("migrations of {from}: {}", count(&applied.0)), format!("migrations of {to}: {}", count(&applied.1))];
        lines.extend(level.pending.iter().map(|name| format!("pending in {to}: {name}")));
        lines.extend(level.missing.iter().map(|name| format!("only in {to}: {name}")));
        lines.extend(level.out_of_order.iter().map(|what| format!("out of order: {what}")));
        lines
    }

    fn title(&self, one: &Difference) -> String {
        let of = if matches!(one.kind.as_str(), "index" | "trigger") { format!(" on {}", one.table) } else { String::new() };
        let place = match one.place {
            Where::From => format!("only in {}", self.from),
            Where::To => format!("only in {}", self.to),
            Where::Both => "different".to_owned(),
        };
        format!("{} {}{of}: {place}", one.kind, one.name)
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.verdict());
        for one in &self.differences {
            let _ = writeln!(text, "\n{}", plain(&self.title(one)));
            for detail in &one.details {
                let _ = writeln!(text, "    {}", plain(detail));
            }
            for (sign, line) in &one.lines {
                let _ = writeln!(text, "  {sign} {}", plain(line));
            }
        }
        text.push('\n');
        for line in self.levels() {
            let _ = writeln!(text, "{}", plain(&line));
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!("## Schema drift\n\n**{}**\n\n", self.verdict());
        for line in self.levels() {
            let _ = writeln!(text, "* {}", code(&line));
        }
        for one in &self.differences {
            let _ = writeln!(text, "\n### {}\n", code(&self.title(one)));
            let body = one.lines.iter().map(|(sign, line)| format!("{sign} {}\n", plain(line))).collect::<String>();
            for detail in &one.details {
                let _ = writeln!(text, "* {}", code(detail));
            }
            let _ = writeln!(text, "\n{}", block("diff", &body));
        }
        text
    }

    fn to_json(&self) -> Value {
        let difference = |one: &Difference| {
            let diff: Vec<String> = one.lines.iter().map(|(sign, line)| format!("{sign} {line}")).collect();
            json!({"kind": one.kind, "name": one.name, "table": one.table, "change": one.place.as_str(), "details": one.details, "columns": one.columns, "diff": diff})
        };
        json!({
            "equal": self.is_equal(), "from": self.from, "to": self.to, "databases": {"from": self.databases.0, "to": self.databases.1},
            "differences": self.differences.iter().map(difference).collect::<Vec<_>>(),
            "migrations": {
                "from": self.applied.0, "to": self.applied.1,
                "pending": self.level.pending, "missing": self.level.missing, "out_of_order": self.level.out_of_order,
            },
        })
    }
}
