//! Why a rehearsal did not come to an answer, for two readers: the caller and the log.

use std::fmt::Display;

use super::port::{SqlError, Unread};
use crate::domain::refusal::{Code, Problem};

/// Why a rehearsal did not come to an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The statement's own error, or something that cannot be rehearsed.
    Refused(Problem),
    /// A fault of the gateway's, or of what it stands on.
    Broken {
        /// What the caller is told.
        problem: Problem,
        /// What the log is told.
        cause: String,
    },
}

impl Failure {
    /// A fault of the gateway's.
    pub fn broken(cause: impl Display) -> Self {
        Self::Broken { problem: Problem::broken(&cause), cause: cause.to_string() }
    }

    /// What the caller is told, and what the log is told.
    pub fn into_parts(self) -> (Problem, Option<String>) {
        match self {
            Self::Refused(problem) => (problem, None),
            Self::Broken { problem, cause } => (problem, Some(cause)),
        }
    }

    /// A base that could not be read.
    pub fn unread(unread: Unread, store: &str) -> Self {
        match unread {
            Unread::Refused(problem) => Self::Refused(problem),
            Unread::Sql(why) => Self::Refused(Problem::new(
                Code::NotRehearsable,
                format!(
                    "The database answered a query for rows that the rehearsal needs with an error ({why}); nothing \
                     was run."
                ),
                "If its schema was changed after the run copied it, start a new run.",
            )),
            Unread::Unclear(cause) => Self::Broken {
                problem: Problem::new(
                    Code::StoreUnavailable,
                    format!("The store {store} could not be read for the rehearsal; nothing was run."),
                    "Try again. Nothing was written anywhere.",
                ),
                cause,
            },
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// An error in a statement that the gateway itself wrote is its own fault.
impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::broken(error.0)
    }
}

/// Something that the shadow wrote and cannot read any more.
pub fn unreadable(what: &str, error: &dyn Display) -> Failure {
    Failure::broken(format!("{what} of the shadow is not understood: {error}"))
}

/// A table that was there a moment ago.
pub fn gone(table: &str) -> Failure {
    Failure::broken(format!("the table {table} is not there any more"))
}
