//! One mirror on its way: both sides, what is to be done, and how far it is.

use std::sync::atomic::Ordering;

use super::plan::TablePlan;
use super::scrub::Scrubber;
use super::state::{Progress, State};
use super::wire::{Answered, Source, Statement, Stop, Target};
use crate::failure::Outcome;
use crate::say::Say;

/// Longest batch that is sent, in bytes of its texts and values. The gateway takes 26 MB.
pub(super) const MAX_BATCH_BYTES: usize = 8 << 20;
/// Most statements of a batch; the gateway takes 5,000.
pub(super) const MAX_BATCH: usize = 480;

/// A mirror.
pub(super) struct Job {
    /// What is read.
    pub source: Source,
    /// What is written.
    pub target: Target,
    /// The tables, in an order in which every row finds what it refers to. Tables of one step are written in one
    /// transaction.
    pub steps: Vec<Vec<TablePlan>>,
    /// How far it is.
    pub state: State,
    /// Replaces personal values.
    pub scrubber: Scrubber,
    /// The file of the rules, for messages.
    pub rules_file: String,
    /// Says what goes on.
    pub say: Say,
    /// Whether somebody asked to stop.
    pub stop: Stop,
    /// Writes so far: each has a name of its own.
    pub writes: u64,
}

impl Job {
    /// Runs statements on the target as one transaction. It has to be one that can be run again.
    pub(super) fn write(&mut self, batch: &[Statement]) -> Outcome<Vec<Answered>> {
        self.writes += 1;
        self.target.write(&format!("mirror-{}-{}-{}", self.state.id, self.state.attempt, self.writes), batch)
    }

    /// The same, in as many transactions as it takes.
    pub(super) fn write_all(&mut self, statements: Vec<Statement>) -> Outcome<()> {
        let mut batch: Vec<Statement> = Vec::new();
        for statement in statements {
            batch.push(statement);
            if batch.len() == MAX_BATCH || size(&batch) > MAX_BATCH_BYTES / 2 {
                self.write(&batch)?;
                batch.clear();
            }
        }
        if batch.is_empty() { Ok(()) } else { self.write(&batch).map(|_| ()) }
    }

    /// Remembers how far a table is.
    pub(super) fn remember(&mut self, table: &str, progress: Progress) -> Outcome<()> {
        self.state.tables.insert(table.to_owned(), progress);
        self.state.save()
    }

    /// Every table.
    pub(super) fn tables(&self) -> impl Iterator<Item = &TablePlan> {
        self.steps.iter().flatten()
    }

    /// Forgets that somebody asked to stop: what is left is tidying up.
    pub(super) fn go_on(&self) {
        self.stop.store(false, Ordering::Relaxed);
    }
}

/// About how long a batch is on its way.
pub(super) fn size(batch: &[Statement]) -> usize {
    let value = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(bytes) => bytes.len() * 4,
        _ => 8,
    };
    batch.iter().map(|one| one.sql.len() + one.params.iter().map(value).sum::<usize>()).sum()
}
