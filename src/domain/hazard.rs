//! What a reviewer should not overlook.

use dryrun_text::Words;
use serde::{Serialize, Serializer};
use serde_json::Value;

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{Change, Effect, Net, SCHEMA};
use super::journal::{Entry, Outcome, Position};
use super::operation::Access;
use super::run::{Mode, Run};
use dryrun_sql::pragma::Setting;
use dryrun_sql::statement::split;

/// The kind of a hazard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HazardKind {
    /// The run wrote for real before it became a dry run.
    LiveBeforeDry,
    /// A planned row names an object that exists only in the plan.
    ObjectOnlyInPlan,
    /// An UPDATE or DELETE without a WHERE.
    Unbounded,
    /// A statement removed rows of other tables than the one that it names.
    Cascade,
    /// The run switches foreign keys off, which D1 does not do.
    ForeignKeysStayOn,
    /// A live write began and its end is not known.
    OutcomeUnknown,
}

/// One hazard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hazard {
    /// Its kind.
    pub kind: HazardKind,
    /// What it is, for a person.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub message: Words,
    /// The operations that it comes from.
    pub operations: Vec<Position>,
}

/// Shortest object key that is looked for in rows; shorter ones are found in any text.
const MIN_REFERENCE_CHARS: usize = 4;

/// Our own words and data, as one text.
pub fn as_text<S: Serializer>(words: &Words, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(words)
}

/// Finds the hazards of a run, from its journal, its effects one by one, and their net.
pub fn hazards(run: &Run, entries: &[Entry], effects: &[(Position, Effect)], nets: &[Net]) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let live: Vec<&Entry> =
        entries.iter().filter(|entry| entry.access == Access::Write && entry.mode == Some(Mode::Live)).collect();
    let written: Vec<Position> =
        live.iter().filter(|entry| entry.outcome == Outcome::Done).map(|entry| entry.position).collect();
    if run.mode == Mode::DryRun && !written.is_empty() {
        let message = Words::default()
            .number(written.len())
            .say(" of this run's writes reached the real stores before it became a dry run, because ")
            .and(run.cause.describe())
            .say(".");
        hazards.push(Hazard { kind: HazardKind::LiveBeforeDry, message, operations: written });
    }
    let unknown: Vec<Position> =
        live.iter().filter(|entry| entry.outcome == Outcome::Running).map(|entry| entry.position).collect();
    if !unknown.is_empty() {
        let message = Words::new(
            "A live write was started and its outcome was not recorded: it may or may not have reached its store. \
             Check the store before you retry.",
        );
        hazards.push(Hazard { kind: HazardKind::OutcomeUnknown, message, operations: unknown });
    }
    for entry in entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Done | Outcome::Skipped)) {
        if !entry.unbounded.is_empty() {
            let statements = entry.unbounded.iter().map(|statement| verb_and_table(statement));
            let verb = if entry.unbounded.len() == 1 { " has no WHERE: it" } else { " have no WHERE: each" };
            let message = Words::default()
                .join(statements, ", ")
                .say(verb)
                .say(" changes every row of its table, including rows that are added before this is made real.");
            hazards.push(Hazard { kind: HazardKind::Unbounded, message, operations: vec![entry.position] });
        }
    }
    let cascades = cascades(entries, effects);
    hazards.extend(foreign_keys_stay_on(entries, &cascades));
    hazards.extend(cascades);
    hazards.extend(only_in_plan(nets));
    hazards
}

/// `DELETE users`, as the journal has it: the verb is ours, the table is data.
fn verb_and_table(statement: &str) -> Words {
    match statement.split_once(' ') {
        Some((verb, table)) => self::verb(verb).say(" ").name(table),
        None => Words::default().name(statement),
    }
}

/// What a statement that can remove rows does.
fn verb(action: &str) -> Words {
    let known = ["DELETE", "UPDATE", "INSERT", "REPLACE", "DROP TABLE", "ALTER TABLE"];
    match known.into_iter().find(|known| *known == action) {
        Some(known) => Words::new(known),
        None => Words::default().name(action),
    }
}

/// Rows that vanish although no statement names their table: by a foreign key's action, or by a trigger.
fn cascades(entries: &[Entry], effects: &[(Position, Effect)]) -> Vec<Hazard> {
    entries
        .iter()
        .flat_map(|entry| {
            named(entry).into_iter().filter_map(|(statement, action, named)| {
                let mut removed: BTreeMap<&str, usize> = BTreeMap::new();
                let own = |effect: &Effect| {
                    effect.change() == Some(Change::Deleted) && (statement.is_none() || effect.statement == statement)
                };
                for (_, effect) in
                    effects.iter().filter(|(position, effect)| *position == entry.position && own(effect))
                {
                    if !matches!(effect.subject.as_str(), "keys" | "objects" | SCHEMA)
                        && !effect.subject.eq_ignore_ascii_case(&named)
                    {
                        *removed.entry(effect.subject.as_str()).or_default() += 1;
                    }
                }
                if removed.is_empty() {
                    return None;
                }
                let removed = removed.iter().map(|(table, count)| rows(*count).name(*table));
                let message = verb(&action).say(" ").name(named).say(" also removed ").join(removed, " and ").say(".");
                Some(Hazard { kind: HazardKind::Cascade, message, operations: vec![entry.position] })
            })
        })
        .collect()
}

/// A migration that switches foreign keys off believes that dropping a table leaves the rows that refer to it alone. On
/// D1 the actions of foreign keys take those rows along.
fn foreign_keys_stay_on(entries: &[Entry], cascades: &[Hazard]) -> Option<Hazard> {
    let switches_off = |entry: &&Entry| {
        let statements =
            entry.request.get("statements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts = statements.iter().filter_map(|statement| statement.get("sql")?.as_str());
        texts.map(Setting::of).any(|setting| setting == Some(Setting::ForeignKeys { on: false }))
    };
    let carried_out = entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Done | Outcome::Skipped));
    let operations: Vec<Position> = carried_out.filter(switches_off).map(|entry| entry.position).collect();
    if operations.is_empty() {
        return None;
    }
    let own = Words::new("PRAGMA foreign_keys = OFF has no effect on D1: foreign keys stay on.");
    let message =
        cascades.iter().take(MAX_NAMED).fold(own, |words, cascade| words.say(" ").and(cascade.message.clone()));
    Some(Hazard { kind: HazardKind::ForeignKeysStayOn, message, operations })
}

/// What the statements of an operation name: which one in a batch, what it does, its table.
fn named(entry: &Entry) -> Vec<(Option<u64>, String, String)> {
    if let Some(subject) = &entry.subject {
        return vec![(None, entry.action.clone(), subject.clone())];
    }
    let statements = entry.request.get("statements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let target = |(number, statement): (u64, &Value)| {
        let mut parsed = split(statement.get("sql")?.as_str()?).ok()?;
        let only = parsed.pop()?;
        Some((Some(number), only.verb, only.target?))
    };
    (1..).zip(statements).filter_map(target).collect()
}

fn rows(count: usize) -> Words {
    Words::default().number(count).say(if count == 1 { " row of " } else { " rows of " })
}

/// Planned objects of one store that planned changes name.
#[derive(Default)]
struct Planned<'a> {
    keys: Vec<&'a str>,
    named_in: BTreeSet<&'a str>,
    operations: BTreeSet<Position>,
}

/// Most objects that one hazard names.
const MAX_NAMED: usize = 3;

/// Objects that the plan would create and that planned rows name: if only one of the two is made real, the row points
/// at nothing.
fn only_in_plan(nets: &[Net]) -> Vec<Hazard> {
    let mut stores: BTreeMap<&str, Planned<'_>> = BTreeMap::new();
    let objects =
        nets.iter().filter(|net| net.effect.subject == "objects" && net.effect.change() == Some(Change::Inserted));
    for object in objects.filter(|object| object.effect.key.chars().count() >= MIN_REFERENCE_CHARS) {
        let named_in: Vec<&Net> = nets
            .iter()
            .filter(|net| {
                net.effect.subject != "objects"
                    && net.effect.after.as_ref().is_some_and(|image| names(image, &object.effect.key))
            })
            .collect();
        if named_in.is_empty() {
            continue;
        }
        let planned = stores.entry(object.effect.store.as_str()).or_default();
        planned.keys.push(&object.effect.key);
        planned.named_in.extend(named_in.iter().map(|net| net.effect.subject.as_str()));
        planned.operations.extend(&object.operations);
    }
    stores
        .into_iter()
        .map(|(store, Planned { keys, named_in, operations })| {
            let name = |data: &&str| Words::default().name(*data);
            let one = keys.len() == 1;
            let mut message = Words::new(if one { "The object " } else { "The objects " });
            message = message.join(keys.iter().take(MAX_NAMED).map(name), ", ");
            if keys.len() > MAX_NAMED {
                message = message.say(" and ").number(keys.len() - MAX_NAMED).say(" more");
            }
            let message = message
                .say(" in ")
                .name(store)
                .say(if one { " exists" } else { " exist" })
                .say(" only in this plan, and planned changes of ")
                .join(named_in.iter().map(name), ", ")
                .say(if one { " refer to it." } else { " refer to them." });
            let operations = operations.into_iter().collect();
            Hazard { kind: HazardKind::ObjectOnlyInPlan, message, operations }
        })
        .collect()
}

fn names(image: &super::effect::Image, key: &str) -> bool {
    image.values().any(|value| value.as_str().is_some_and(|text| text.contains(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::effect::Image;
    use serde_json::{from_value, json};

    fn entry(position: Position, outcome: &str, statements: &[&str]) -> Entry {
        let statements: Vec<Value> = statements.iter().map(|sql| json!({ "sql": sql })).collect();
        from_value(json!({
            "position": position, "at": 0, "store": "DB", "kind": "d1", "access": "write", "action": "BATCH of 4", "subject": null, "request": { "statements": statements },
            "mode": "dry_run", "cause": null, "outcome": outcome, "problem": null, "duration_ms": null,
        }))
        .unwrap()
    }

    fn removed(table: &str, key: &str, statement: u64) -> Effect {
        let before = Some(Image::from_iter([("id".to_owned(), json!(key))]));
        Effect {
            store: "DB".into(),
            subject: table.into(),
            key: key.into(),
            label: None,
            statement: Some(statement),
            renamed_from: None,
            before,
            after: None,
        }
    }

    fn check(entries: &[Entry], effects: &[(Position, Effect)], expected: Option<(&str, &[Position])>) {
        let found = foreign_keys_stay_on(entries, &cascades(entries, effects));
        assert_eq!(
            found.as_ref().map(|found| (found.message.to_string(), found.operations.as_slice())),
            expected.map(|(message, operations)| (message.to_owned(), operations))
        );
    }

    #[test]
    fn switching_foreign_keys_off_is_told_with_what_went_although_they_were_off() {
        let rebuild = ["PRAGMA foreign_keys = off", "DROP TABLE users", "PRAGMA foreign_keys = on"];
        let gone = [
            (3, removed("notes", "1", 2)),
            (3, removed("notes", "2", 2)),
            (3, removed("users", "1", 2)),
            (3, removed("tags", "9", 2)),
        ];
        check(
            &[entry(3, "done", &rebuild), entry(4, "skipped", &["PRAGMA foreign_keys = off"])],
            &gone,
            Some((
                "PRAGMA foreign_keys = OFF has no effect on D1: foreign keys stay on. DROP TABLE users also removed 2 \
                 rows of notes and 1 row of tags.",
                &[3, 4],
            )),
        );
        check(
            &[entry(3, "done", &rebuild)],
            &[],
            Some(("PRAGMA foreign_keys = OFF has no effect on D1: foreign keys stay on.", &[3])),
        );
        // Nothing is said of what was refused, of switching them on, or of the words as a value.
        check(&[entry(3, "refused", &rebuild), entry(4, "failed", &rebuild)], &gone, None);
        check(&[entry(3, "done", &["PRAGMA foreign_keys = on", "SELECT 'PRAGMA foreign_keys = off'"])], &gone, None);
    }
}
