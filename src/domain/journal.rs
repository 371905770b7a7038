//! The journal: the ordered record of a run's operations and decisions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::Access;
use super::refusal::{Blame, Problem};
use super::run::{Millis, Mode, ModeCause};
use super::settings::StoreKind;

/// The position of an operation in its run, counted from 1.
pub type Position = u64;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It began; nothing is known of its end. After a crash this is all there is.
    Running,
    /// It was done (or planned).
    Done,
    /// It was accepted and changed nothing: no row matched, a condition did not hold, the key was not there.
    Skipped,
    /// The store said no, as it would have live.
    Failed,
    /// The gateway said no.
    Refused,
}

impl Outcome {
    /// The spelling on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }

    /// How an operation with this problem is journalled.
    pub fn of(problem: &Problem) -> Self {
        match problem.code.blame() {
            Blame::Store => Self::Failed,
            Blame::Caller | Blame::Guard => Self::Refused,
        }
    }
}

/// One operation as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entry {
    /// Its position.
    pub position: Position,
    /// When it began.
    pub at: Millis,
    /// The store's binding.
    pub store: String,
    /// The store's kind.
    pub kind: StoreKind,
    /// Read or write.
    pub access: Access,
    /// What was done.
    pub action: String,
    /// The table, key or object.
    pub subject: Option<String>,
    /// What was asked, long values cut. Never holds a credential: those are not part of an operation.
    pub request: Value,
    /// Parts that change everything there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbounded: Vec<String>,
    /// The mode it was decided in; absent when it was refused before.
    pub mode: Option<Mode>,
    /// Why that mode.
    pub cause: Option<ModeCause>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not succeed.
    pub problem: Option<Problem>,
    /// What came of it: counts, sizes, etags.
    #[serde(default)]
    pub result: Value,
    /// What could not be exact, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inexact: Vec<String>,
    /// What in it is not deterministic: random numbers, the current time. What is recorded are the values of
    /// this time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volatile: Vec<String>,
    /// How long it took, in milliseconds. The platform's clock moves only with I/O.
    pub duration_ms: Option<u64>,
}
