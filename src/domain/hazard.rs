//! What a reviewer should not overlook.

use serde::Serialize;

use super::effect::{Change, Effect};
use super::journal::{Entry, Outcome, Position};
use super::operation::Access;
use super::run::{Mode, Run};

/// The kind of a hazard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HazardKind {
    /// The run wrote for real before it became a dry run.
    LiveBeforeDry,
    /// A planned row names an object that exists only in the plan.
    ObjectOnlyInPlan,
    /// An UPDATE or DELETE without a WHERE.
    Unbounded,
    /// A live write began and its end is not known.
    OutcomeUnknown,
}

/// One hazard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hazard {
    /// Its kind.
    pub kind: HazardKind,
    /// What it is, for a person.
    pub message: String,
    /// The operations that it comes from.
    pub operations: Vec<Position>,
}

/// Shortest object key that is looked for in rows; shorter ones are found in any text.
const MIN_REFERENCE_CHARS: usize = 4;

/// Finds the hazards of a run. `effects` are its net effects.
pub fn hazards(run: &Run, entries: &[Entry], effects: &[Effect]) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let live: Vec<&Entry> = entries.iter().filter(|entry| entry.access == Access::Write && entry.mode == Some(Mode::Live)).collect();
    let written: Vec<Position> = live.iter().filter(|entry| entry.outcome == Outcome::Done).map(|entry| entry.position).collect();
    if run.mode == Mode::DryRun && !written.is_empty() {
        hazards.push(Hazard {
            kind: HazardKind::LiveBeforeDry,
            message: format!("{} of this run's writes reached the real stores before it became a dry run, because {}.", written.len(), run.cause.describe()),
            operations: written,
        });
    }
    let unknown: Vec<Position> = live.iter().filter(|entry| entry.outcome == Outcome::Running).map(|entry| entry.position).collect();
    if !unknown.is_empty() {
        hazards.push(Hazard {
            kind: HazardKind::OutcomeUnknown,
            message: "A live write began and its end was never recorded: it may or may not have reached its store. Look there before trying again.".into(),
            operations: unknown,
        });
    }
    for entry in entries {
        if !entry.unbounded.is_empty() && matches!(entry.outcome, Outcome::Done | Outcome::Skipped) {
            hazards.push(Hazard {
                kind: HazardKind::Unbounded,
                message: format!("{} has no WHERE: it changes every row there is, also those that come later.", entry.unbounded.join(", ")),
                operations: vec![entry.position],
            });
        }
    }
    hazards.extend(only_in_plan(entries, effects));
    hazards
}

/// Objects that the plan would create and that planned rows name: if only one of the two is made real, the row points at nothing.
fn only_in_plan(entries: &[Entry], effects: &[Effect]) -> Vec<Hazard> {
    let objects = effects.iter().filter(|effect| effect.subject == "objects" && effect.change() == Some(Change::Inserted));
    objects
        .filter(|object| object.key.chars().count() >= MIN_REFERENCE_CHARS)
        .filter_map(|object| {
            let rows: Vec<String> = effects
                .iter()
                .filter(|effect| effect.subject != "objects" && effect.after.as_ref().is_some_and(|image| names(image, &object.key)))
                .map(|effect| format!("{} {}", effect.subject, effect.label.as_ref().unwrap_or(&effect.key)))
                .collect();
            let first = rows.first()?;
            let others = match rows.len() {
                1 => String::new(),
                more => format!(" and {} more", more - 1),
            };
            let operations = entries.iter().filter(|entry| entry.subject.as_deref() == Some(&object.key) && entry.store == object.store).map(|entry| entry.position);
            Some(Hazard {
                kind: HazardKind::ObjectOnlyInPlan,
                message: format!("The object {} in {} exists only in this plan, and {first}{others} refers to it.", object.key, object.store),
                operations: operations.collect(),
            })
        })
        .collect()
}

fn names(image: &super::effect::Image, key: &str) -> bool {
    image.values().any(|value| value.as_str().is_some_and(|text| text.contains(key)))
}
