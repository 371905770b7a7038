//! What the Worker and a run's object say to each other.

use serde::{Deserialize, Serialize};

use crate::domain::operation::Operation;
use crate::domain::refusal::Problem;
use crate::domain::run::{Mode, ModeCause, Run, RunId, Terms};
use crate::domain::settings::Environment;

use super::ports::Idempotency;
use crate::domain::journal::Position;

/// Who acts, as the Worker authenticated it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The name of the key that acts, or that opened the run whose token acts.
    pub name: String,
    /// Whether the actor may read runs of others: approvers and operators.
    pub sees_all: bool,
}

/// Opens a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Its id.
    pub id: RunId,
    /// Who opens it.
    pub owner: String,
    /// The gateway's environment.
    pub environment: Environment,
    /// Whether an approver grants a live run.
    pub granted: bool,
    /// The terms.
    pub terms: Terms,
}

/// Carries out an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execute {
    /// The run that it is part of.
    pub run: RunId,
    /// Who asks.
    pub actor: Actor,
    /// What is asked.
    pub operation: Operation,
    /// Whether the request asks for a dry run.
    pub asked_dry: bool,
    /// Its idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// Brings a file of an import to its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BringFile {
    /// The run.
    pub run: RunId,
    /// Who asked for the import.
    pub actor: Actor,
    /// The binding of the database.
    pub store: String,
    /// The file.
    pub file: String,
    /// MD5 of its bytes, in hex.
    pub md5: String,
}

/// Asks a run for a file of an import or export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchFile {
    /// The run.
    pub run: RunId,
    /// Who asked for the import or export.
    pub actor: Actor,
    /// The binding of the database.
    pub store: String,
    /// Which way the file goes.
    pub direction: Direction,
    /// The file.
    pub file: String,
    /// Whether it is only looked whether there is one.
    #[serde(default)]
    pub look: bool,
}

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the database.
    In,
    /// Out of it.
    Out,
}

impl Direction {
    /// The spelling in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Everything else that a run's object is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Opens the run.
    Open(Open),
    /// Describes the run.
    Status {
        /// The run.
        run: RunId,
        /// Who asks.
        actor: Actor,
    },
    /// Turns the run dry.
    TurnDry {
        /// The run.
        run: RunId,
        /// Who asks.
        actor: Actor,
    },
    /// Ends the run.
    Close {
        /// The run.
        run: RunId,
        /// Who asks.
        actor: Actor,
    },
    /// The report, as text.
    Report {
        /// The run.
        run: RunId,
        /// Who asks.
        actor: Actor,
        /// As Markdown instead of JSON.
        markdown: bool,
        /// Whether the base is asked which of the copied rows have moved since.
        moved: bool,
    },
    /// One operation with everything that it changed, as text.
    Operation {
        /// The run.
        run: RunId,
        /// Who asks.
        actor: Actor,
        /// Its position.
        position: Position,
    },
    /// Asked by a run below: may anything under this run write live?
    Vouch {
        /// The run.
        run: RunId,
    },
}

/// What the answer says about itself: it becomes the headers `Run-Id`, `Dry-Run`, `Operation` and the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The run.
    pub run: RunId,
    /// The position in its journal; absent when nothing was journalled.
    pub position: Option<Position>,
    /// The mode that the operation was carried out in; absent when it was refused before that was decided.
    pub mode: Option<Mode>,
    /// Why.
    pub cause: Option<ModeCause>,
    /// Whether this is the recorded answer of an earlier request.
    #[serde(default)]
    pub replayed: bool,
}

impl Receipt {
    /// A receipt of something that was not journalled.
    pub fn bare(run: RunId) -> Self {
        Self { run, position: None, mode: None, cause: None, replayed: false }
    }
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<C> {
    /// The JSON of the envelope's `result`, and of its `result_info` where there is one.
    Result {
        /// `result`.
        result: String,
        /// `result_info`.
        info: Option<String>,
    },
    /// A value or object itself.
    Content {
        /// Headers that describe it.
        headers: Vec<(String, String)>,
        /// Whether it is a part of the whole.
        partial: bool,
        /// The bytes; absent for a description only.
        content: Option<C>,
    },
}

impl<C> Answer<C> {
    /// A JSON result without more.
    pub fn json(result: impl Into<String>) -> Self {
        Self::Result { result: result.into(), info: None }
    }
}

/// A run and whether its flag stands in KV, as `POST /v1/runs` and `GET /v1/runs/{id}` answer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The run.
    pub run: Run,
    /// Whether it was there before.
    pub existed: bool,
}

/// What a run says to the runs below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vouched {
    /// It is live and open, and so is everything above it.
    Live,
    /// It, or something above it, is a dry run.
    DryRun,
    /// It, or something above it, has ended or was never opened.
    Ended,
    /// Something above it did not answer.
    Unreachable,
}

/// Any answer of a run's object, or why there is none.
pub type Reply<T> = Result<T, Problem>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receipt_format_unchanged() {
        let receipt = Receipt {
            run: RunId::parse("r1").unwrap(),
            position: Some(7),
            mode: Some(Mode::DryRun),
            cause: Some(ModeCause::Asked),
            replayed: false,
        };
        let text = serde_json::to_string(&receipt).unwrap();
        let pinned =
            expect_test::expect![[r#"{"run":"r1","position":7,"mode":"dry_run","cause":"asked","replayed":false}"#]];
        pinned.assert_eq(&text);
        assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
    }
}
