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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::refusal::Code;

    #[test]
    fn the_journal_entry_format_unchanged() {
        let entry = Entry {
            position: 0,
            at: 1,
            store: "DB".into(),
            kind: StoreKind::D1,
            access: Access::Write,
            action: "update".into(),
            subject: Some("t".into()),
            request: json!({"sql": "UPDATE t SET a = 1"}),
            unbounded: vec!["updates every row of t".into()],
            mode: Some(Mode::DryRun),
            cause: Some(ModeCause::Asked),
            outcome: Outcome::Refused,
            problem: Some(Problem::new(Code::FlagUnavailable, "message", "remedy").caused_by("never stored")),
            result: json!({"changes": 1}),
            inexact: vec!["rows".into()],
            volatile: vec!["random()".into()],
            duration_ms: Some(2),
        };
        let text = serde_json::to_string(&entry).unwrap();
        let pinned = expect_test::expect![[
            r#"{"position":0,"at":1,"store":"DB","kind":"d1","access":"write","action":"update","subject":"t","request":{"sql":"UPDATE t SET a = 1"},"unbounded":["updates every row of t"],"mode":"dry_run","cause":"asked","outcome":"refused","problem":{"code":"flag_unavailable","message":"message","remedy":"remedy"},"result":{"changes":1},"inexact":["rows"],"volatile":["random()"],"duration_ms":2}"#
        ]];
        pinned.assert_eq(&text);
        let read: Entry = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn the_shortest_journal_entry_format_unchanged() {
        let text = r#"{"position":0,"at":1,"store":"CACHE","kind":"kv","access":"read","action":"get","subject":null,"request":null,"mode":null,"cause":null,"outcome":"running","problem":null,"duration_ms":null}"#;
        let read: Entry = serde_json::from_str(text).unwrap();
        assert_eq!((read.outcome, read.result, read.unbounded.len()), (Outcome::Running, Value::Null, 0));
    }
}
