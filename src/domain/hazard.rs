//! What a reviewer should not overlook.

use serde::Serialize;
use serde_json::Value;

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{Change, Effect, Net, SCHEMA};
use super::journal::{Entry, Outcome, Position};
use super::markdown::code;
use super::operation::Access;
use super::run::{Mode, Run};
use super::statement::split;

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
    pub message: String,
    /// The same for Markdown, with every name in a code span.
    #[serde(skip)]
    pub markdown: String,
    /// The operations that it comes from.
    pub operations: Vec<Position>,
}

/// Shortest object key that is looked for in rows; shorter ones are found in any text.
const MIN_REFERENCE_CHARS: usize = 4;

/// Makes a hazard. `say` is given a way to write a name: as it is, or as a code span that no name can leave.
fn hazard(kind: HazardKind, operations: Vec<Position>, say: impl Fn(&dyn Fn(&str) -> String) -> String) -> Hazard {
    Hazard { kind, message: say(&str::to_owned), markdown: say(&code), operations }
}

/// Finds the hazards of a run, from its journal, its effects one by one, and their net.
pub fn hazards(run: &Run, entries: &[Entry], effects: &[(Position, Effect)], nets: &[Net]) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let live: Vec<&Entry> = entries.iter().filter(|entry| entry.access == Access::Write && entry.mode == Some(Mode::Live)).collect();
    let written: Vec<Position> = live.iter().filter(|entry| entry.outcome == Outcome::Done).map(|entry| entry.position).collect();
    if run.mode == Mode::DryRun && !written.is_empty() {
        let count = written.len();
        hazards.push(hazard(HazardKind::LiveBeforeDry, written, |_| {
            format!("{count} of this run's writes reached the real stores before it became a dry run, because {}.", run.cause.describe())
        }));
    }
    let unknown: Vec<Position> = live.iter().filter(|entry| entry.outcome == Outcome::Running).map(|entry| entry.position).collect();
    if !unknown.is_empty() {
        hazards.push(hazard(HazardKind::OutcomeUnknown, unknown, |_| {
            "A live write began and its end was never recorded: it may or may not have reached its store. Look there before trying again.".into()
        }));
    }
    for entry in entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Done | Outcome::Skipped)) {
        if !entry.unbounded.is_empty() {
            hazards.push(hazard(HazardKind::Unbounded, vec![entry.position], |name| {
                let statements: Vec<String> = entry.unbounded.iter().map(|statement| name(statement)).collect();
                format!("{} has no WHERE: it changes every row there is, also those that come later.", statements.join(", "))
            }));
        }
    }
    hazards.extend(cascades(entries, effects));
    hazards.extend(only_in_plan(nets));
    hazards
}

/// Rows that vanish although no statement names their table: by a foreign key's action, or by a trigger.
fn cascades(entries: &[Entry], effects: &[(Position, Effect)]) -> Vec<Hazard> {
    entries
        .iter()
        .flat_map(|entry| {
            named(entry).into_iter().filter_map(|(statement, action, named)| {
                let mut removed: BTreeMap<&str, usize> = BTreeMap::new();
                let own = |effect: &Effect| effect.change() == Some(Change::Deleted) && (statement.is_none() || effect.statement == statement);
                for (_, effect) in effects.iter().filter(|(position, effect)| *position == entry.position && own(effect)) {
                    if !matches!(effect.subject.as_str(), "keys" | "objects" | SCHEMA) && !effect.subject.eq_ignore_ascii_case(&named) {
                        *removed.entry(effect.subject.as_str()).or_default() += 1;
                    }
                }
                if removed.is_empty() {
                    return None;
                }
                Some(hazard(HazardKind::Cascade, vec![entry.position], |name| {
                    let removed: Vec<String> = removed.iter().map(|(table, count)| format!("{} of {}", rows(*count), name(table))).collect();
                    format!("{action} {} also removed {}.", name(&named), removed.join(" and "))
                }))
            })
        })
        .collect()
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

fn rows(count: usize) -> String {
    if count == 1 { "1 row".into() } else { format!("{count} rows") }
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

/// Objects that the plan would create and that planned rows name: if only one of the two is made real, the row points at nothing.
fn only_in_plan(nets: &[Net]) -> Vec<Hazard> {
    let mut stores: BTreeMap<&str, Planned<'_>> = BTreeMap::new();
    let objects = nets.iter().filter(|net| net.effect.subject == "objects" && net.effect.change() == Some(Change::Inserted));
    for object in objects.filter(|object| object.effect.key.chars().count() >= MIN_REFERENCE_CHARS) {
        let named_in: Vec<&Net> =
            nets.iter().filter(|net| net.effect.subject != "objects" && net.effect.after.as_ref().is_some_and(|image| names(image, &object.effect.key))).collect();
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
            hazard(HazardKind::ObjectOnlyInPlan, operations.into_iter().collect(), |name| {
                let shown: Vec<String> = keys.iter().take(MAX_NAMED).map(|key| name(key)).collect();
                let rest = if keys.len() > MAX_NAMED { format!(" and {} more", keys.len() - MAX_NAMED) } else { String::new() };
                let (noun, verb, them) = if keys.len() == 1 { ("The object", "exists", "it") } else { ("The objects", "exist", "them") };
                let subjects: Vec<String> = named_in.iter().map(|subject| name(subject)).collect();
                format!("{noun} {}{rest} in {} {verb} only in this plan, and planned changes of {} refer to {them}.", shown.join(", "), name(store), subjects.join(", "))
            })
        })
        .collect()
}

fn names(image: &super::effect::Image, key: &str) -> bool {
    image.values().any(|value| value.as_str().is_some_and(|text| text.contains(key)))
}
