//! Looks for personal data that nobody has said anything about, before anything is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::cell::Cell;
use super::pages::sample;
use super::personal::{Holds, by_name, by_value, holds_email};
use super::plan::TablePlan;
use super::rules::line;
use super::wire::Reads;
use crate::failure::{Exit, Failure, Outcome};

/// Rows looked at from each end of a table.
const SAMPLE: usize = 100;
/// How much of a text is looked at.
const CHARACTERS: usize = 2_000;

/// A column that looks personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Its table.
    pub table: String,
    /// Its name.
    pub column: String,
    /// Why.
    pub why: String,
    /// A rule that fits, as scrub.toml writes it.
    pub rule: String,
}

/// Finds the columns without a rule that look personal.
pub fn suspects(side: &impl Reads, plan: &TablePlan, bound: Option<&[Cell]>) -> Outcome<Vec<Suspect>> {
    let unlisted = |place: usize| plan.rules.get(place).is_none_or(Option::is_none);
    if (0..plan.table.columns.len()).all(|place| !unlisted(place)) {
        return Ok(Vec::new());
    }
    let rows = sample(side, &plan.table, bound, SAMPLE, CHARACTERS)?;
    let columns = plan.table.columns.iter().enumerate().filter(|(place, _)| unlisted(*place));
    let suspects = columns.filter_map(|(place, column)| {
        let values: Vec<&str> = rows.iter().filter_map(|row| row.get(place)).filter_map(Cell::as_text).collect();
        let (why, rule) = by_values(&values).or_else(|| by_name(&column.name).map(|rule| ("its name".to_owned(), format!("\"{rule}\""))))?;
        let rule = if rule == "\"null\"" && column.required { "{ fixed = \"\" }".to_owned() } else { rule };
        Some(Suspect { table: plan.table.name.clone(), column: column.name.clone(), why, rule })
    });
    Ok(suspects.collect())
}

/// What the values of a column say.
fn by_values(values: &[&str]) -> Option<(String, String)> {
    let found: Vec<(Holds, &str)> = values.iter().filter_map(|value| by_value(value).map(|holds| (holds, *value))).collect();
    let of = |holds: Holds| found.iter().filter(|(found, _)| *found == holds).count();
    // Numbers in groups are often something else; here and there one is no sign.
    let phones = of(Holds::Phone) * 2 > values.len();
    let holds = [Holds::EmailInside, Holds::Email, Holds::Iban].into_iter().find(|holds| of(*holds) > 0).or(phones.then_some(Holds::Phone))?;
    let rule = match json_paths(&found) {
        Some(paths) if holds == Holds::EmailInside => {
            let paths: Vec<String> = paths.iter().map(|(path, rule)| line(path, &format!("\"{rule}\""))).collect();
            format!("{{ json = {{ {} }} }}", paths.join(", "))
        }
        _ => format!("\"{}\"", holds.rule()),
    };
    Some((format!("it holds {}", holds.describe()), rule))
}

/// Where personal values stand, when all that hold some are JSON.
fn json_paths(found: &[(Holds, &str)]) -> Option<BTreeMap<String, &'static str>> {
    let mut paths = BTreeMap::new();
    for (_, text) in found {
        let document: Value = serde_json::from_str(text).ok().filter(|document: &Value| document.is_object() || document.is_array())?;
        walk(&document, "", "", &mut paths);
    }
    (!paths.is_empty()).then_some(paths)
}

fn walk(value: &Value, path: &str, name: &str, paths: &mut BTreeMap<String, &'static str>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| walk(member, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), name, paths)),
        Value::Array(members) => members.iter().for_each(|member| walk(member, &format!("{path}/*"), name, paths)),
        Value::String(text) => {
            if let Some(rule) = by_value(text).map(Holds::rule).or_else(|| by_name(name)) {
                paths.insert(path.to_owned(), rule);
            }
        }
        _ => {}
    }
}

/// The failure that stops a mirror: it prints the lines to add.
pub fn refuse(suspects: &[Suspect], file: &str) -> Failure {
    let mut message = format!(
        "{} that {} personal, and {file} says nothing about. Nothing was written.",
        if suspects.len() == 1 { "There is a column" } else { "There are columns" },
        if suspects.len() == 1 { "looks" } else { "look" }
    );
    for suspect in suspects {
        let _ = write!(message, "\n  {}.{}: {}", suspect.table, suspect.column, suspect.why);
    }
    Failure::new(Exit::Found, "personal_data", message, format!("Add rules to {file}; \"keep\" says that a column is not personal:\n\n{}", lines(suspects)))
}

/// The failure in the middle, when a value turns up that the sample did not show.
pub fn refuse_late(table: &str, column: &str, key: &str, file: &str) -> Failure {
    let suspect = Suspect { table: table.to_owned(), column: column.to_owned(), why: String::new(), rule: "\"hash\"".to_owned() };
    Failure::new(
        Exit::Found,
        "personal_data",
        format!("{table}.{column} holds an e-mail address in the row with the key {key}, and {file} says nothing about it. This row and those after it were not written."),
        format!("Add a rule to {file}, or \"keep\" if it is not personal, and begin anew with --restart:\n\n{}", lines(&[suspect])),
    )
}

/// The lines of scrub.toml for some columns.
pub fn lines(suspects: &[Suspect]) -> String {
    let mut text = String::new();
    let mut table = None;
    for suspect in suspects {
        if table != Some(&suspect.table) {
            let _ = writeln!(text, "{}[tables.{}]", if table.is_some() { "\n" } else { "" }, line(&suspect.table, "").trim_end_matches(" = "));
            table = Some(&suspect.table);
        }
        let _ = writeln!(text, "{}", line(&suspect.column, &suspect.rule));
    }
    text
}

/// The first column without a rule in which a row holds an e-mail address; what is scrubbed as JSON may not hold one any more that was there before.
pub fn holds_unlisted(plan: &TablePlan, before: &[Cell], after: &[Cell]) -> Option<usize> {
    plan.rules.iter().enumerate().find_map(|(place, rule)| {
        let text = |row: &[Cell]| row.get(place).and_then(|cell| cell.as_text().filter(|text| text.contains('@')).map(str::to_owned));
        let found = match rule {
            None => text(before).is_some_and(|text| holds_email(&text)),
            Some(super::scrub::Rule::Json { .. }) => leftover(&text(before).unwrap_or_default(), &text(after).unwrap_or_default()),
            Some(_) => false,
        };
        found.then_some(place)
    })
}

/// Whether an address of a text is still there in what became of it.
fn leftover(before: &str, after: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|character: char| character.is_whitespace() || "\"'<>()[]{},;:\\".contains(character)).filter(|word| holds_email(word)).map(str::to_owned).collect()
    };
    let known = words(before);
    words(after).iter().any(|word| known.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_suggest_rules() {
        let rule = |values: &[&str]| by_values(values).map(|(_, rule)| rule);
        assert_eq!(rule(&["ada@x.org", "none"]), Some("\"email\"".into()));
        assert_eq!(rule(&["see ada@x.org", "none"]), Some("\"hash\"".into()));
        assert_eq!(rule(&[r#"{"to":{"e/mail":"ada@x.org"},"cc":["bob@x.org"],"n":1}"#]), Some("{ json = { \"/cc/*\" = \"email\", \"/to/e~1mail\" = \"email\" } }".into()));
        assert_eq!(rule(&["+49 30 1234567"]), Some("\"phone\"".into()));
        assert_eq!(rule(&["+49 30 1234567", "a", "b"]), None);
    }

    #[test]
    fn lines_are_toml() {
        let suspect = |table: &str, column: &str| Suspect { table: table.into(), column: column.into(), why: String::new(), rule: "\"hash\"".into() };
        let text = lines(&[suspect("customers", "email"), suspect("customers", "a b"), suspect("my table", "x")]);
        let file: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(file["tables"]["customers"]["a b"].as_str(), Some("hash"));
        assert_eq!(file["tables"]["my table"]["x"].as_str(), Some("hash"));
    }

    #[test]
    fn an_address_that_is_left_is_seen() {
        assert!(leftover(r#"{"a":"x@y.org","b":"z@y.org"}"#, r#"{"a":"p@example.com","b":"z@y.org"}"#));
        assert!(!leftover(r#"{"a":"x@y.org"}"#, r#"{"a":"p@example.com"}"#));
    }
}
