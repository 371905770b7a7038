//! Looks for personal data that nobody has said anything about, before anything is written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::cell::Cell;
use super::pages::sample;
use super::personal::{Holds, by_name, by_value, holds_email, is_iban};
use super::plan::TablePlan;
use super::rule::{Rule, line};
use super::rules::Rules;
use super::schema::Table;
use super::wire::Reads;
use crate::failure::{Exit, Failure, Outcome};

/// Rows looked at from each end of a table.
const SAMPLE: usize = 100;
/// How much of a text is looked at.
const CHARACTERS: usize = 2_000;

/// A column that looks personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suspect {
    /// Its table.
    pub table: String,
    /// Its name.
    pub column: String,
    /// Why.
    pub why: String,
    /// A rule that fits, as scrub.toml writes it.
    pub rule: String,
}

/// Finds the columns that look personal and have no rule, or one that leaves something out.
pub(super) fn suspects(side: &impl Reads, plan: &TablePlan, bound: Option<&[Cell]>) -> Outcome<Vec<Suspect>> {
    let open = |place: usize| matches!(plan.rules.get(place), None | Some(None | Some(Rule::Json { .. })));
    if (0..plan.table.columns.len()).all(|place| !open(place)) {
        return Ok(Vec::new());
    }
    let rows = sample(side, &plan.table, bound, SAMPLE, CHARACTERS)?;
    let columns = plan.table.columns.iter().enumerate().filter(|(place, _)| open(*place));
    let suspects = columns.filter_map(|(place, column)| {
        let values: Vec<Cow<'_, str>> =
            rows.iter().filter_map(|row| row.get(place)).filter_map(Cell::readable).collect();
        let (why, rule) = match plan.rules.get(place).and_then(Option::as_ref) {
            Some(rule) => left_out(rule, &values)?,
            None => by_values(&values)
                .or_else(|| by_name(&column.name).map(|rule| ("its name".to_owned(), format!("\"{rule}\""))))?,
        };
        let rule = match rule.as_str() {
            // What could make two values the same is no rule for a unique column.
            "\"name\"" | "\"null\"" if plan.table.is_unique(place) => "\"hash\"".to_owned(),
            "\"null\"" if column.required => "{ fixed = \"\" }".to_owned(),
            _ => rule,
        };
        Some(Suspect { table: plan.table.name.clone(), column: column.name.clone(), why, rule })
    });
    Ok(suspects.collect())
}

/// A column of a table.
type Place<'a> = (&'a Table, usize);

/// A column that refers to another needs the same rule, so that what is proposed can be used as it is.
pub(super) fn follow_references(tables: &[&Table], rules: &Rules, suspects: &mut Vec<Suspect>) {
    let rule = |table: &Table, place: usize| rules.of(table).into_iter().nth(place).flatten();
    let pairs: Vec<(Place<'_>, Place<'_>)> = tables
        .iter()
        .flat_map(|child| {
            child.foreign_keys.iter().flat_map(move |key| {
                key.from.iter().zip(&key.to).map(move |(from, to)| (*child, key.parent.as_str(), from, to))
            })
        })
        .filter_map(|(child, parent, from, to)| {
            let parent = tables.iter().find(|table| table.name.eq_ignore_ascii_case(parent))?;
            Some(((child, child.place(from)?), (*parent, parent.place(to)?)))
        })
        .collect();
    // A chain of references is at most as long as there are references.
    for _ in 0..pairs.len() {
        for ((child, from), (parent, to)) in &pairs {
            let (Some(here), Some(there)) = (child.columns.get(*from), parent.columns.get(*to)) else { continue };
            let find = |suspects: &[Suspect], table: &Table, column: &str| {
                suspects.iter().position(|one| one.table == table.name && one.column == column)
            };
            let of_child = find(suspects, child, &here.name);
            if parent.is_rowid(*to) {
                // A number by which a row is found again says nothing of a person.
                suspects.retain(|one| one.table != child.name || one.column != here.name);
                continue;
            }
            let of_parent =
                find(suspects, parent, &there.name).and_then(|at| suspects.get(at)).map(|one| one.rule.clone());
            match (of_child, of_parent.or_else(|| rule(parent, *to).map(|rule| rule.spelled()))) {
                (Some(at), Some(wanted)) => {
                    if let Some(one) = suspects.get_mut(at) {
                        one.rule = wanted;
                    }
                }
                (None, Some(wanted)) if wanted != "\"keep\"" && rule(child, *from).is_none() => {
                    suspects.push(Suspect {
                        table: child.name.clone(),
                        column: here.name.clone(),
                        why: format!("it refers to {}.{}", parent.name, there.name),
                        rule: wanted,
                    });
                }
                (Some(at), None) => {
                    // Only a rule under which different values stay different is one for what is referred to.
                    let Some(one) = suspects.get_mut(at) else { continue };
                    if one.rule == "\"name\"" || one.rule == "\"null\"" || one.rule.starts_with('{') {
                        one.rule = "\"hash\"".to_owned();
                    }
                    let rule = one.rule.clone();
                    suspects.push(Suspect {
                        table: parent.name.clone(),
                        column: there.name.clone(),
                        why: format!("{}.{} refers to it", child.name, here.name),
                        rule,
                    });
                }
                (None, _) => {}
            }
        }
    }
}

/// What the values of a column say.
fn by_values(values: &[Cow<'_, str>]) -> Option<(String, String)> {
    let documents: Vec<Value> = values.iter().filter_map(|value| document(value)).collect();
    let found: Vec<Holds> =
        values.iter().filter(|value| document(value).is_none()).filter_map(|value| by_value(value)).collect();
    let of = |holds: Holds| found.iter().filter(|found| **found == holds).count();
    // Numbers in groups are often something else; here and there one is no sign.
    let phones = of(Holds::Phone) * 2 > values.len();
    let holds = [Holds::EmailInside, Holds::Email, Holds::Iban]
        .into_iter()
        .find(|holds| of(*holds) > 0)
        .or(phones.then_some(Holds::Phone));
    let places = places(&documents);
    match (holds, places) {
        (None, Ok(places)) if places.is_empty() => None,
        (Some(holds), Ok(places)) if places.is_empty() => {
            Some((format!("it holds {}", holds.describe()), format!("\"{}\"", holds.rule())))
        }
        (Some(holds), _) => Some((format!("it holds {}", holds.describe()), "\"hash\"".to_owned())),
        (None, places) => {
            let why =
                if values.iter().any(|value| holds_email(value)) { Holds::EmailInside.describe() } else { IN_JSON };
            Some((format!("it holds {why}"), places.map_or_else(|()| "\"hash\"".to_owned(), |places| spelled(&places))))
        }
    }
}

/// What a rule for places in documents leaves out, and the rule that does not.
fn left_out(rule: &Rule, values: &[Cow<'_, str>]) -> Option<(String, String)> {
    let Rule::Json { json } = rule else { return None };
    let documents: Vec<Value> = values.iter().filter_map(|value| document(value)).collect();
    let Ok(mut places) = places(&documents) else {
        return Some(("its rule cannot name all that looks personal in it".to_owned(), "\"hash\"".to_owned()));
    };
    places.retain(|path, _| !json.keys().any(|pointer| covers(pointer, path)));
    if places.is_empty() {
        return None;
    }
    let why = format!("its rule says nothing about {}", places.keys().cloned().collect::<Vec<_>>().join(", "));
    places.extend(json.iter().map(|(path, rule)| (path.clone(), rule.spelled())));
    Some((why, spelled(&places)))
}

const IN_JSON: &str = "JSON with personal values in it";
/// From so many places on a document is scrubbed as a whole: its members are no names of its own but values.
const MAX_PLACES: usize = 24;

/// A text that is a JSON object or array.
fn document(text: &str) -> Option<Value> {
    text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten()
}

/// A rule for places, as scrub.toml writes it.
fn spelled(places: &BTreeMap<String, String>) -> String {
    format!("{{ json = {{ {} }} }}", places.iter().map(|(path, rule)| line(path, rule)).collect::<Vec<_>>().join(", "))
}

/// Whether the place that a pointer names holds another one.
fn covers(pointer: &str, path: &str) -> bool {
    let mut path = path.split('/').skip(1);
    pointer.split('/').skip(1).all(|part| path.next().is_some_and(|other| part == "*" || part == other))
}

/// Where personal values stand in documents. The error: where no pointer can name them all.
fn places(documents: &[Value]) -> Result<BTreeMap<String, String>, ()> {
    let mut places = BTreeMap::new();
    for document in documents {
        walk(document, "", "", &mut places)?;
    }
    if places.len() > MAX_PLACES { Err(()) } else { Ok(places) }
}

fn walk(value: &Value, path: &str, name: &str, places: &mut BTreeMap<String, String>) -> Result<(), ()> {
    let mut found = |rule: &str| _ = places.insert(path.to_owned(), format!("\"{rule}\""));
    match value {
        // Everything below what speaks of a person does.
        Value::Object(_) | Value::Array(_) if by_name(name).is_some() && has_values(value) => {
            found(by_name(name).unwrap_or("hash"))
        }
        Value::Object(members) => {
            for (name, member) in members {
                if by_value(name).is_some() {
                    return Err(());
                }
                walk(member, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), name, places)?;
            }
        }
        Value::Array(members) => {
            members.iter().try_for_each(|member| walk(member, &format!("{path}/*"), name, places))?
        }
        Value::String(text) => {
            if let Some(rule) = by_value(text).map(Holds::rule).or_else(|| by_name(name).filter(|_| !text.is_empty())) {
                found(rule);
            }
        }
        Value::Number(_) => {
            if let Some(rule) = by_name(name) {
                found(rule);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    Ok(())
}

/// Whether there is anything in it.
fn has_values(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().any(has_values),
        Value::Array(members) => members.iter().any(has_values),
        Value::String(text) => !text.is_empty(),
        Value::Number(_) => true,
        Value::Null | Value::Bool(_) => false,
    }
}

/// The failure that stops a mirror: it prints the lines to add.
pub(super) fn refuse(suspects: &[Suspect], file: &str) -> Failure {
    let message = if suspects.len() == 1 {
        format!("A column looks personal, and {file} has no rule for it. Nothing was written.")
    } else {
        format!("{} columns look personal, and {file} has no rule for them. Nothing was written.", suspects.len())
    };
    let why = suspects.iter().map(|one| format!("{}.{}: {}", one.table, one.column, one.why));
    let remedy = format!("Add rules to {file}; \"keep\" says that a column is not personal:");
    let rules = lines(suspects);
    let rules = [""].into_iter().chain(rules.lines()).map(str::to_owned);
    Failure::new(Exit::Found, "personal_data", message, remedy).with_reasons(why).with_lines(rules)
}

/// The failure in the middle, when a value turns up that the sample did not show.
pub(super) fn refuse_late(table: &str, column: &str, key: &str, file: &str, unlisted: Unlisted) -> Failure {
    let suspect =
        Suspect { table: table.to_owned(), column: column.to_owned(), why: String::new(), rule: unlisted.rule };
    Failure::new(
        Exit::Found,
        "personal_data",
        format!(
            "{table}.{column} holds {} in the row with the key {key}, and {file} says nothing about it. This row \
                 and those after it were not written.",
            unlisted.what
        ),
        format!("Add a rule to {file}, or \"keep\" if it is not personal, and begin anew with --restart:"),
    )
    .with_lines(lines(&[suspect]).lines().map(str::to_owned))
}

/// The lines of scrub.toml for some columns.
pub(super) fn lines(suspects: &[Suspect]) -> String {
    let mut text = String::new();
    let mut table = None;
    for suspect in suspects {
        if table != Some(&suspect.table) {
            let _ = writeln!(
                text,
                "{}[tables.{}]",
                if table.is_some() { "\n" } else { "" },
                line(&suspect.table, "").trim_end_matches(" = ")
            );
            table = Some(&suspect.table);
        }
        let _ = writeln!(text, "{}", line(&suspect.column, &suspect.rule));
    }
    text
}

/// What a value holds that nobody has said anything about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unlisted {
    /// The place of its column.
    pub place: usize,
    /// What it holds, for people.
    pub what: String,
    /// A rule that fits.
    pub rule: String,
}

/// The first column of a row without a rule that holds something personal for sure; what is scrubbed as JSON may not
/// hold an address any more that was there before, nor a place that its rule leaves out.
pub(super) fn holds_unlisted(plan: &TablePlan, before: &[Cell], after: &[Cell]) -> Option<Unlisted> {
    plan.rules.iter().enumerate().find_map(|(place, rule)| {
        let text = before.get(place)?.readable()?;
        let hash = |what: &str| Some(Unlisted { place, what: what.to_owned(), rule: "\"hash\"".to_owned() });
        match rule {
            None if document(&text).is_some() => by_values(&[text]).map(|(why, rule)| Unlisted {
                place,
                what: why.trim_start_matches("it holds ").to_owned(),
                rule,
            }),
            None if holds_email(&text) => hash("an e-mail address"),
            None if is_iban(&text) => hash("an IBAN"),
            Some(rule @ Rule::Json { .. }) => match left_out(rule, std::slice::from_ref(&text)) {
                Some((_, rule)) => Some(Unlisted {
                    place,
                    what: "JSON with personal values that its rule leaves out".to_owned(),
                    rule,
                }),
                None if leftover(&text, &after.get(place)?.readable()?) => hash("an e-mail address"),
                None => None,
            },
            _ => None,
        }
    })
}

/// Whether an address of a text is still there in what became of it.
fn leftover(before: &str, after: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|character: char| character.is_whitespace() || "\"'<>()[]{},;:\\".contains(character))
            .filter(|word| holds_email(word))
            .map(str::to_owned)
            .collect()
    };
    let known = words(before);
    words(after).iter().any(|word| known.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_suggest_rules() {
        let rule = |values: &[&str]| {
            by_values(&values.iter().map(|value| Cow::Borrowed(*value)).collect::<Vec<_>>()).map(|(_, rule)| rule)
        };
        assert_eq!(rule(&["ada@x.org", "none"]), Some("\"email\"".into()));
        assert_eq!(rule(&["see ada@x.org", "none"]), Some("\"hash\"".into()));
        assert_eq!(
            rule(&[r#"{"to":{"e/mail":"ada@x.org"},"cc":["bob@x.org"],"n":1}"#]),
            Some("{ json = { \"/cc/*\" = \"email\", \"/to/e~1mail\" = \"email\" } }".into())
        );
        assert_eq!(
            rule(&[r#"{"user":{"name":"Ada","telefon":4930},"n":1}"#]),
            Some("{ json = { \"/user/name\" = \"name\", \"/user/telefon\" = \"phone\" } }".into())
        );
        assert_eq!(
            rule(&[r#"[{"adresse":{"ort":"Ulm"}}]"#]),
            Some("{ json = { \"/*/adresse\" = \"keep_format\" } }".into())
        );
        assert_eq!(rule(&[r#"{"ada@x.org":{"plan":"pro"}}"#]), Some("\"hash\"".into()));
        assert_eq!(rule(&[r#"{"name":"Ada"}"#, "ada@x.org"]), Some("\"hash\"".into()));
        assert_eq!(rule(&[r#"{"theme":"dark","name":null,"email":""}"#]), None);
        assert_eq!(rule(&["+49 30 1234567"]), Some("\"phone\"".into()));
        assert_eq!(rule(&["+49 30 1234567", "a", "b"]), None);
    }

    #[test]
    fn a_rule_for_places_has_to_name_all_of_them() {
        let rule = |json: &str| {
            toml::from_str::<BTreeMap<String, Rule>>(&format!("r = {{ json = {json} }}")).unwrap().remove("r").unwrap()
        };
        let left = |json: &str, text: &str| left_out(&rule(json), &[Cow::Borrowed(text)]).map(|(_, rule)| rule);
        let text = r#"{"user":{"name":"Ada","email":"ada@x.org"},"cc":["b@x.org"]}"#;
        let all = "{ json = { \"/cc/*\" = \"email\", \"/user/email\" = \"hash\", \"/user/name\" = \"name\" } }";
        assert_eq!(left("{ \"/user/email\" = \"hash\" }", text).as_deref(), Some(all));
        for covering in
            ["{ \"/user\" = \"keep\", \"/cc\" = \"email\" }", "{ \"/*/*\" = \"hash\" }", "{ \"\" = \"hash\" }"]
        {
            assert_eq!(left(covering, text), None, "{covering}");
        }
    }

    #[test]
    fn lines_are_toml() {
        let suspect = |table: &str, column: &str| Suspect {
            table: table.into(),
            column: column.into(),
            why: String::new(),
            rule: "\"hash\"".into(),
        };
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
