//! Where the schemas of two environments differ.

mod compare;
mod schema;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use crate::dry::Site;
use crate::failure::{Exit, Failure, Outcome};
use crate::say::Say;
use crate::settings::{Environment, Project};

use compare::{Difference, Level, differences, level};
use schema::Side;

/// Show where the schemas of two environments differ
///
/// Tables, columns, indexes, views, triggers, foreign keys and applied migrations of every D1 database, read in dry
/// runs. Blanks, comments, quotes and capitals that mean nothing are no difference.
#[derive(clap::Args)]
#[command(
    after_help = "It ends with 0 when both are equal and with 1 when they are not, or when a database is only on one side.

Examples:
  dryrun drift
  dryrun drift --from staging --to production --markdown >> \"$GITHUB_STEP_SUMMARY\""
)]
pub(crate) struct Drift {
    /// The environment that is ahead: what only it has is marked +
    #[arg(long, value_name = "ENVIRONMENT", default_value = "staging")]
    from: Environment,
    /// The environment that is compared with it: what only it has is marked -
    #[arg(long, value_name = "ENVIRONMENT", default_value = "production")]
    to: Environment,
    /// One database only, by binding, name or id; without it all of them are compared, by binding
    #[arg(long)]
    database: Option<String>,
    /// The table in which applied migrations are recorded
    #[arg(long, default_value = "d1_migrations")]
    table: String,
    /// Answer in Markdown, for the summary of a CI job
    #[arg(long)]
    markdown: bool,
}

/// One database on both sides.
struct Compared {
    database: String,
    differences: Vec<Difference>,
    level: Level,
    applied: (Option<Vec<String>>, Option<Vec<String>>),
}

impl Compared {
    fn new(database: String, from: Side, to: Side) -> Self {
        let applied = |side: &Side| side.applied.clone().unwrap_or_default();
        Self {
            database,
            differences: differences(&from, &to),
            level: level(&applied(&from), &applied(&to)),
            applied: (from.applied, to.applied),
        }
    }

    fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.level.is_equal()
    }
}

/// All databases of both sides.
struct Drifted {
    from: Environment,
    to: Environment,
    compared: Vec<Compared>,
    only_in_from: Vec<String>,
    only_in_to: Vec<String>,
    /// Databases that one side does not let be read, with where that is.
    denied: Vec<(String, Environment)>,
}

impl Drifted {
    fn is_equal(&self) -> bool {
        // What was not read is not known to be equal.
        self.compared.iter().all(Compared::is_equal)
            && self.only_in_from.is_empty()
            && self.only_in_to.is_empty()
            && self.denied.is_empty()
    }
}

impl Drift {
    /// Compares.
    pub(crate) fn run(&self, say: Say) -> Outcome<ExitCode> {
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
        let find = |environment| Site::find(crate::here::gateway(&project, environment, say)?);
        let (from, to) = (find(self.from)?, find(self.to)?);
        let drifted = self.compare(&from, &to)?;
        let text = if self.markdown { drifted.markdown() } else { drifted.text() };
        say.result(&drifted.to_json(), &text);
        Ok(if drifted.is_equal() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Found as u8) })
    }

    fn compare(&self, from: &Site, to: &Site) -> Outcome<Drifted> {
        let bindings = match &self.database {
            None => from.databases.iter().chain(&to.databases).map(|one| one.binding.clone()).collect(),
            // Names and ids are those of one side, a binding is the same on both.
            Some(name) => match from.named(name).or_else(|| to.named(name)) {
                Some(database) => BTreeSet::from([database.binding.clone()]),
                None => return from.pick(Some(name)).map(|_| Drifted::new(self.from, self.to)),
            },
        };
        let mut drifted = Drifted::new(self.from, self.to);
        let mut both = Vec::new();
        let policy = |site: &Site, binding: &str| {
            site.databases.iter().find(|one| one.binding == binding).map(|one| one.policy == "denied")
        };
        for binding in bindings {
            match (policy(from, &binding), policy(to, &binding)) {
                (Some(true), _) => drifted.denied.push((binding, self.from)),
                (_, Some(true)) => drifted.denied.push((binding, self.to)),
                (Some(false), Some(false)) => both.push(binding),
                (Some(false), None) => drifted.only_in_from.push(binding),
                (None, _) => drifted.only_in_to.push(binding),
            }
        }
        if both.is_empty() {
            return Ok(drifted);
        }
        let read = |site: &Site| {
            site.rehearse("drift", |run| {
                let side = |binding: &String| Ok((binding.clone(), schema::read(&run.database(binding), &self.table)?));
                both.iter().map(side).collect::<Outcome<BTreeMap<String, Side>>>()
            })
        };
        let (here, mut there) = (read(from)?, read(to)?);
        for (binding, side) in here {
            let other = there.remove(&binding).unwrap_or_default();
            drifted.compared.push(Compared::new(binding, side, other));
        }
        Ok(drifted)
    }
}

impl Drifted {
    fn new(from: Environment, to: Environment) -> Self {
        Self { from, to, compared: Vec::new(), only_in_from: Vec::new(), only_in_to: Vec::new(), denied: Vec::new() }
    }
}
