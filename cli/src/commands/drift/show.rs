//! A comparison for people, for the summary of a CI job, and for programs.

use std::fmt::Write as _;

use dryrun_text::line;
use dryrun_text::markdown::{block, code};
use serde_json::{Value, json};

use super::compare::{Difference, Where};
use super::{Compared, Drifted};
use crate::settings::Environment;

/// The two environments, from and to.
type Sides = (Environment, Environment);

impl Compared {
    fn verdict(&self, (from, to): Sides) -> String {
        match (self.differences.len(), self.level.is_equal()) {
            (0, true) => format!("{from} and {to} have the same schema and the same migrations."),
            (0, false) => format!("{from} and {to} have the same schema, but not the same migrations."),
            (1, _) => format!("1 difference between {from} (+) and {to} (-)."),
            (count, _) => format!("{count} differences between {from} (+) and {to} (-)."),
        }
    }

    fn levels(&self, (from, to): Sides) -> Vec<String> {
        let Self { level, applied, .. } = self;
        let count = |list: &Option<Vec<String>>| match list {
            None => "no record of migrations".to_owned(),
            Some(names) => {
                let last = names.last().map_or_else(String::new, |last| format!(", the last one {last}"));
                format!("{} applied{last}", names.len())
            }
        };
        let mut lines = vec![
            format!("migrations of {from}: {}", count(&applied.0)),
            format!("migrations of {to}: {}", count(&applied.1)),
        ];
        lines.extend(level.pending.iter().map(|name| format!("pending in {to}: {name}")));
        lines.extend(level.missing.iter().map(|name| format!("only in {to}: {name}")));
        lines.extend(level.out_of_order.iter().map(|what| format!("out of order: {what}")));
        lines
    }

    fn text(&self, sides: Sides, text: &mut String) {
        for one in &self.differences {
            let _ = writeln!(text, "\n{}", line(&title(one, sides)));
            for detail in &one.details {
                let _ = writeln!(text, "    {}", line(detail));
            }
            for (sign, shown) in &one.lines {
                let _ = writeln!(text, "  {sign} {}", line(shown));
            }
        }
        text.push('\n');
        for level in self.levels(sides) {
            let _ = writeln!(text, "{}", line(&level));
        }
    }

    fn markdown(&self, sides: Sides, level: &str, text: &mut String) {
        for level in self.levels(sides) {
            let _ = writeln!(text, "* {}", code(&level));
        }
        for one in &self.differences {
            let _ = writeln!(text, "\n{level} {}\n", code(&title(one, sides)));
            let body = one.lines.iter().map(|(sign, shown)| format!("{sign} {}\n", line(shown))).collect::<String>();
            for detail in &one.details {
                let _ = writeln!(text, "* {}", code(detail));
            }
            let _ = writeln!(text, "\n{}", block("diff", &body));
        }
    }

    fn to_json(&self) -> Value {
        let difference = |one: &Difference| {
            let diff: Vec<String> = one.lines.iter().map(|(sign, line)| format!("{sign} {line}")).collect();
            json!({
                "kind": one.kind, "name": one.name, "table": one.table, "change": one.place.as_str(),
                "details": one.details, "columns": one.columns, "diff": diff,
            })
        };
        json!({
            "database": self.database, "equal": self.is_equal(),
            "differences": self.differences.iter().map(difference).collect::<Vec<_>>(),
            "migrations": {
                "from": self.applied.0, "to": self.applied.1,
                "pending": self.level.pending, "missing": self.level.missing, "out_of_order": self.level.out_of_order,
            },
        })
    }
}

fn title(one: &Difference, (from, to): Sides) -> String {
    let of =
        if matches!(one.kind.as_str(), "index" | "trigger") { format!(" on {}", one.table) } else { String::new() };
    let place = match one.place {
        Where::From => format!("only in {from}"),
        Where::To => format!("only in {to}"),
        Where::Both => "different".to_owned(),
    };
    format!("{} {}{of}: {place}", one.kind, one.name)
}

impl Drifted {
    /// The databases that were not compared, and why.
    fn others(&self) -> Vec<String> {
        let only = |list: &[String], place: Environment| {
            list.iter().map(|name| format!("{name}: only in {place}")).collect::<Vec<_>>()
        };
        let denied = self
            .denied
            .iter()
            .map(|(name, place)| format!("{name}: not compared, because its policy in {place} is denied"));
        [only(&self.only_in_from, self.from), only(&self.only_in_to, self.to), denied.collect()].concat()
    }

    fn verdict(&self) -> String {
        let Self { from, to, compared, .. } = self;
        let all = compared.len() + self.others().len();
        let differ = all - compared.iter().filter(|one| one.is_equal()).count();
        match (all, differ) {
            (0, _) => format!("Neither {from} nor {to} has a D1 database: there is nothing to compare."),
            (_, 0) => format!("All {all} databases of {from} and {to} have the same schema and the same migrations."),
            (1, _) => format!("The database of {from} (+) and {to} (-) could not be compared."),
            _ => format!("{differ} of {all} databases differ between {from} (+) and {to} (-)."),
        }
    }

    /// Where there is only one database, its verdict is the whole.
    fn the_only_one(&self) -> Option<&Compared> {
        match self.compared.as_slice() {
            [only] if self.others().is_empty() => Some(only),
            _ => None,
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let sides = (self.from, self.to);
        if let Some(only) = self.the_only_one() {
            let mut text = format!("{}\n", only.verdict(sides));
            only.text(sides, &mut text);
            return text;
        }
        let mut text = format!("{}\n", self.verdict());
        for other in self.others() {
            let _ = writeln!(text, "\n{}", line(&other));
        }
        for one in &self.compared {
            let _ = writeln!(text, "\n{}: {}", line(&one.database), one.verdict(sides));
            one.text(sides, &mut text);
        }
        text
    }

    /// For the summary of a CI job.
    pub(super) fn markdown(&self) -> String {
        let sides = (self.from, self.to);
        if let Some(only) = self.the_only_one() {
            let mut text = format!("## Schema drift\n\n**{}**\n\n", only.verdict(sides));
            only.markdown(sides, "###", &mut text);
            return text;
        }
        let mut text = format!("## Schema drift\n\n**{}**\n", self.verdict());
        let others: String = self.others().iter().map(|line| format!("* {}\n", code(line))).collect();
        if !others.is_empty() {
            let _ = write!(text, "\n{others}");
        }
        for one in &self.compared {
            let _ = writeln!(text, "\n### {}\n\n**{}**\n", code(&one.database), one.verdict(sides));
            one.markdown(sides, "####", &mut text);
        }
        text
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let denied = self.denied.iter().map(|(database, place)| json!({"database": database, "denied_in": place}));
        json!({
            "equal": self.is_equal(), "from": self.from, "to": self.to,
            "databases": self.compared.iter().map(Compared::to_json).collect::<Vec<_>>(),
            "only_in_from": self.only_in_from, "only_in_to": self.only_in_to, "not_compared": denied.collect::<Vec<_>>(),
        })
    }
}
