//! The report of a run: what a reviewer needs to understand it in a minute or two.

use dryrun_text::Words;
use serde::Serialize;
use std::collections::BTreeMap;

use super::effect::{Change, Effect, FieldDiff, Net, net};
use super::finding::{Finding, Recorded, as_text};
use super::findings::findings;
use super::journal::{Entry, Outcome, Position};
use super::moved::Movement;
use super::operation::Access;
use super::refusal::Code;
use super::run::{Millis, Mode, Phase, Run};
use super::settings::{Environment, StoreKind};

/// Everything about a run, from its journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// The run itself.
    pub run: RunSummary,
    /// Counts.
    pub summary: Summary,
    /// Net changes by store and table, keys or objects.
    pub changes: Vec<ChangeGroup>,
    /// What did not succeed, in order.
    pub problems: Vec<ProblemLine>,
    /// Writes that were accepted and changed nothing.
    pub skipped: Vec<SkippedLine>,
    /// What a reviewer should not overlook.
    pub hazards: Vec<Finding>,
    /// Which copied rows the base has differently now; absent when it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<Movement>,
    /// What the report covers, what it does not, and what in it is not exact.
    pub coverage: Coverage,
    /// Every operation, in order.
    pub operations: Vec<Entry>,
}

/// The head of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// Its id.
    pub id: String,
    /// Who opened it.
    pub owner: String,
    /// Where.
    pub environment: Environment,
    /// Its mode.
    pub mode: Mode,
    /// Why it has that mode, in words.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub mode_because: Words,
    /// Since when, in milliseconds.
    pub mode_since: Millis,
    /// Whether it still acts.
    pub phase: Phase,
    /// The run above it.
    pub parent: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The version of the prompt at work.
    pub prompt_version: Option<String>,
    /// When it was opened.
    pub opened_at: Millis,
    /// When it ends by itself.
    pub expires_at: Millis,
    /// When it was closed.
    pub closed_at: Option<Millis>,
}

/// Counts over the whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// All operations.
    pub operations: usize,
    /// Reads among them.
    pub reads: usize,
    /// Writes among them.
    pub writes: usize,
    /// Net inserted things.
    pub inserted: usize,
    /// Net updated things.
    pub updated: usize,
    /// Net deleted things.
    pub deleted: usize,
    /// Writes that changed nothing.
    pub skipped: usize,
    /// Operations that the store would have failed.
    pub failed: usize,
    /// Operations that the gateway refused.
    pub refused: usize,
    /// Writes that reached the real stores.
    pub live_writes: usize,
    /// The first operation that failed or was refused.
    pub first_problem: Option<Position>,
}

/// Net changes of one table, or of the keys or objects of one store.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeGroup {
    /// The store's binding.
    pub store: String,
    /// The store's kind.
    pub kind: StoreKind,
    /// The table, `keys`, `objects` or `schema`.
    pub subject: String,
    /// How many were inserted.
    pub inserted: usize,
    /// How many were updated.
    pub updated: usize,
    /// How many were deleted.
    pub deleted: usize,
    /// How many inserted and updated ones are not among the items. Deleted ones always are.
    pub omitted: usize,
    /// The things themselves.
    pub items: Vec<ChangeItem>,
}

/// One changed thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeItem {
    /// Which one.
    pub key: String,
    /// How it changed.
    pub change: Change,
    /// The fields that differ.
    pub fields: Vec<FieldDiff>,
    /// The operations that it comes from.
    pub operations: Vec<Position>,
}

/// One operation that did not succeed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProblemLine {
    /// Its position.
    pub position: Position,
    /// The store.
    pub store: String,
    /// What was asked.
    pub action: String,
    /// Of what.
    pub subject: Option<String>,
    /// Failed or refused.
    pub outcome: Outcome,
    /// Why, for programs.
    pub code: Code,
    /// Why, for people.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The SQL, key or object that was asked for, in one line.
    pub asked: String,
}

/// One write that changed nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkippedLine {
    /// Its position.
    pub position: Position,
    /// The store.
    pub store: String,
    /// What was asked.
    pub action: String,
    /// Of what.
    pub subject: Option<String>,
    /// The SQL, key or object that was asked for, in one line.
    pub asked: String,
}

/// What is not in a report, and is real also in a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NotCovered {
    /// HTTP requests of the agent or program.
    Http,
    /// Messages that it puts into queues.
    Queues,
    /// Mail that it sends.
    Email,
    /// Stores that it reaches without this gateway.
    DirectAccess,
    /// Whatever else it does: files, processes, other services.
    Other,
}

/// What a report covers, what it does not, and what in it is not exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Coverage {
    /// What is in the report.
    pub covers: &'static [StoreKind],
    /// What is not in the report, and is real also in a dry run.
    pub does_not_cover: &'static [NotCovered],
    /// True when nothing is known that is not exact: no refused operation, no approximation, no live write without
    /// row images.
    pub exact: bool,
    /// How often each reason refused an operation.
    pub refused: BTreeMap<String, usize>,
    /// What was not exact, with the operations.
    pub inexact: BTreeMap<String, Vec<Position>>,
    /// What depends on random numbers or the current time, with the operations. The changes are those of this run.
    pub volatile: BTreeMap<String, Vec<Position>>,
    /// Live writes whose row images are not known.
    pub live_without_images: usize,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            covers: StoreKind::ALL,
            does_not_cover: &[
                NotCovered::Http,
                NotCovered::Queues,
                NotCovered::Email,
                NotCovered::DirectAccess,
                NotCovered::Other,
            ],
            exact: false,
            refused: BTreeMap::new(),
            inexact: BTreeMap::new(),
            volatile: BTreeMap::new(),
            live_without_images: 0,
        }
    }
}

/// Makes the report. `effects` are in the order in which they came about.
pub fn report(run: &Run, now: Millis, entries: Vec<Entry>, effects: &[(Position, Effect)]) -> Report {
    let nets = net(effects);
    let changes = group(&nets, &entries);
    let total = |pick: fn(&ChangeGroup) -> usize| changes.iter().map(pick).sum();
    let count = |test: &dyn Fn(&Entry) -> bool| entries.iter().filter(|entry| test(entry)).count();
    let is_write = |entry: &Entry| entry.access == Access::Write;
    let has_problem = |entry: &&Entry| matches!(entry.outcome, Outcome::Failed | Outcome::Refused);
    let summary = Summary {
        operations: entries.len(),
        reads: count(&|entry| !is_write(entry)),
        writes: count(&is_write),
        inserted: total(|group| group.inserted),
        updated: total(|group| group.updated),
        deleted: total(|group| group.deleted),
        skipped: count(&|entry| is_write(entry) && entry.outcome == Outcome::Skipped),
        failed: count(&|entry| entry.outcome == Outcome::Failed),
        refused: count(&|entry| entry.outcome == Outcome::Refused),
        live_writes: count(&|entry| {
            is_write(entry) && entry.mode == Some(Mode::Live) && entry.outcome == Outcome::Done
        }),
        first_problem: entries.iter().find(has_problem).map(|entry| entry.position),
    };
    let problems = entries
        .iter()
        .filter(has_problem)
        .filter_map(|entry| {
            let problem = entry.problem.as_ref()?;
            Some(ProblemLine {
                position: entry.position,
                store: entry.store.clone(),
                action: entry.action.clone(),
                subject: entry.subject.clone(),
                outcome: entry.outcome,
                code: problem.code,
                message: problem.message.clone(),
                remedy: problem.remedy.clone(),
                asked: asked(entry),
            })
        })
        .collect();
    let skipped = entries
        .iter()
        .filter(|entry| is_write(entry) && entry.outcome == Outcome::Skipped)
        .map(|entry| SkippedLine {
            position: entry.position,
            store: entry.store.clone(),
            action: entry.action.clone(),
            subject: entry.subject.clone(),
            asked: asked(entry),
        })
        .collect();
    Report {
        run: summarise(run, now),
        hazards: findings(&Recorded { run, entries: &entries, effects, nets: &nets }),
        moved: None,
        coverage: coverage(&entries),
        summary,
        changes,
        problems,
        skipped,
        operations: entries,
    }
}

/// The head of a report, also the answer of `GET /v1/runs/{id}`.
pub fn summarise(run: &Run, now: Millis) -> RunSummary {
    RunSummary {
        id: run.id.to_string(),
        owner: run.owner.clone(),
        environment: run.environment,
        mode: run.mode,
        mode_because: run.cause.describe(),
        mode_since: run.mode_since,
        phase: run.phase(now),
        parent: run.terms.parent.as_ref().map(ToString::to_string),
        labels: run.terms.labels.clone(),
        prompt_version: run.terms.prompt_version.clone(),
        opened_at: run.opened_at,
        expires_at: run.expires_at,
        closed_at: run.closed_at,
    }
}

/// Most inserted and updated things of a table that are listed one by one.
const MAX_LISTED: usize = 1_000;

/// Groups net effects: rows before keys before objects, the stores in the order in which the run first used them, the
/// tables in the order of their first change.
fn group(nets: &[Net], entries: &[Entry]) -> Vec<ChangeGroup> {
    let mut groups: Vec<ChangeGroup> = Vec::new();
    for Net { effect, operations } in nets {
        let Some(change) = effect.change() else { continue };
        // By its operation: a refused request may have named a store that does not exist by the name of another one.
        let is_its_own = |entry: &&Entry| operations.contains(&entry.position) && entry.store == effect.store;
        let Some(entry) = entries.iter().find(is_its_own) else { continue };
        let known = groups.iter().position(|group| group.store == effect.store && group.subject == effect.subject);
        let index = known.unwrap_or_else(|| {
            groups.push(ChangeGroup {
                store: effect.store.clone(),
                kind: entry.kind,
                subject: effect.subject.clone(),
                inserted: 0,
                updated: 0,
                deleted: 0,
                omitted: 0,
                items: Vec::new(),
            });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(index) {
            match change {
                Change::Inserted => group.inserted += 1,
                Change::Updated => group.updated += 1,
                Change::Deleted => group.deleted += 1,
            }
            let key = effect.label.clone().unwrap_or_else(|| effect.key.clone());
            if change != Change::Deleted && group.items.len() >= MAX_LISTED {
                group.omitted += 1;
                continue;
            }
            group.items.push(ChangeItem { key, change, fields: effect.diff(), operations: operations.clone() });
        }
    }
    let first_use = |store: &str| entries.iter().position(|entry| entry.store == store);
    groups.sort_by_key(|group| (group.kind, first_use(&group.store)));
    groups
}

fn coverage(entries: &[Entry]) -> Coverage {
    let mut coverage = Coverage::default();
    for entry in entries {
        if let (Outcome::Refused, Some(problem)) = (entry.outcome, &entry.problem) {
            *coverage.refused.entry(problem.code.as_str().to_owned()).or_default() += 1;
        }
        for note in &entry.inexact {
            coverage.inexact.entry(note.clone()).or_default().push(entry.position);
        }
        for what in &entry.volatile {
            coverage.volatile.entry(what.clone()).or_default().push(entry.position);
        }
        let is_live_write =
            entry.access == Access::Write && entry.mode == Some(Mode::Live) && entry.outcome == Outcome::Done;
        coverage.live_without_images += usize::from(is_live_write);
    }
    coverage.exact = coverage.refused.is_empty() && coverage.inexact.is_empty() && coverage.live_without_images == 0;
    coverage
}

/// What was asked, in one line.
pub fn asked(entry: &Entry) -> String {
    entry.kind.asked(entry.subject.as_deref(), &entry.request)
}
