//! Why a command ended without doing what it was asked, and with which exit code.

use serde_json::{Value, json};

/// The exit codes, as the help and the README list them. `exec` ends with the code of its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was looked at is not as it should be: a rehearsal that fails, a difference, a failed check.
    Found = 1,
    /// The command line is not valid. A hook blocks with this code.
    Usage = 2,
    /// The configuration is missing or not valid.
    Configuration = 3,
    /// The gateway said no.
    Refused = 4,
    /// The gateway could not be reached, or its answer was not understood.
    Unreachable = 5,
}

/// A failure with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// A stable code: the gateway's own, or one of this program.
    pub code: String,
    /// What happened, for a person.
    pub message: String,
    /// What to do about it; empty when the message says it all.
    pub remedy: String,
    /// More of the message, a line each: the message itself is one line, whatever data it repeats.
    pub reasons: Box<[String]>,
    /// More of the remedy, likewise.
    pub lines: Box<[String]>,
}

impl Failure {
    /// A failure with a remedy.
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
            reasons: Box::default(),
            lines: Box::default(),
        }
    }

    /// The same with more of the message.
    pub(crate) fn with_reasons(self, reasons: impl IntoIterator<Item = String>) -> Self {
        Self { reasons: reasons.into_iter().collect(), ..self }
    }

    /// The same with more of the remedy: lines to copy.
    pub(crate) fn with_lines(self, lines: impl IntoIterator<Item = String>) -> Self {
        Self { lines: lines.into_iter().collect(), ..self }
    }

    /// The configuration is missing or not valid.
    pub(crate) fn configuration(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Configuration, "configuration", message, remedy)
    }

    /// The gateway could not be reached, or its answer was not understood.
    pub(crate) fn unreachable(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, "unreachable", message, remedy)
    }

    /// Something was found that should not be so.
    pub(crate) fn found(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Found, "found", message, remedy)
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> Value {
        let all = |first: &str, more: &[String]| {
            let more: String = more.iter().map(|line| format!("\n{line}")).collect();
            format!("{first}{more}")
        };
        let (message, remedy) = (all(&self.message, &self.reasons), all(&self.remedy, &self.lines));
        json!({"error": {"code": self.code, "message": message, "remedy": remedy, "exit": self.exit as i32}})
    }
}

/// What most functions here answer.
pub(crate) type Outcome<T> = Result<T, Failure>;
