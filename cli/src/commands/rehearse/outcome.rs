//! What became of a file and of its statements.

use std::collections::BTreeMap;

use super::judge::Finding;
use super::profile::NewNulls;
use crate::failure::Failure;
use crate::statements::Statement;

/// How a file or statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It ran.
    Done,
    /// SQLite said no.
    Failed,
    /// The gateway said no.
    Refused,
    /// It ran, and was undone because a later statement of its file did not.
    Undone,
    /// Something before it did not run.
    NotRun,
}

impl Ending {
    /// The spelling everywhere.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Undone => "undone",
            Self::NotRun => "not_run",
        }
    }
}

/// How many rows of a table a statement touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Touched {
    /// New rows.
    pub inserted: u64,
    /// Rows that are different.
    pub updated: u64,
    /// Rows that are gone.
    pub deleted: u64,
}

/// One statement of a rehearsed file.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// The statement.
    pub statement: Statement,
    /// Whether it is that by which wrangler records the migration.
    pub is_record: bool,
    /// How it ended.
    pub ending: Ending,
    /// The rows that it touched, by table.
    pub touched: BTreeMap<String, Touched>,
    /// The definitions that it changed.
    pub schema: Vec<String>,
    /// How long it took, in milliseconds, as far as the platform's clock tells.
    pub millis: f64,
}

/// One rehearsed file.
#[derive(Debug, Clone)]
pub(super) struct Rehearsed {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub ending: Ending,
    /// Why it did not end well.
    pub problem: Option<Failure>,
    /// Its statements; the last one may be that by which the migration is recorded.
    pub statements: Vec<Told>,
    /// Row counts before and after, of tables where they differ.
    pub counts: Vec<(String, Option<u64>, Option<u64>)>,
    /// NULLs where there were none.
    pub new_nulls: Vec<NewNulls>,
    /// What keeps it from passing.
    pub findings: Vec<Finding>,
    /// What a reviewer should look at.
    pub warnings: Vec<String>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

impl Rehearsed {
    /// A file that was not run.
    pub(super) fn not_run(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ending: Ending::NotRun,
            problem: None,
            statements: Vec::new(),
            counts: Vec::new(),
            new_nulls: Vec::new(),
            findings: Vec::new(),
            warnings: Vec::new(),
            millis: 0,
        }
    }

    /// Whether it would go through and do only what it says.
    pub(super) fn passes(&self) -> bool {
        self.ending == Ending::Done && self.findings.is_empty()
    }
}
