//! What an error of a store says about what happened.
//!
//! A store that said no did nothing, and saying anything else would send people looking for a write that never was. A
//! store that did not answer may have done it, and calling that a no would be worse. So each error that a binding is
//! known to raise stands in a table of its store; what no table knows says nothing about a write.

use super::refusal::{Code, Problem};

/// What is known after an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The statement is at fault; all of its batch is undone.
    Statement,
    /// The store said no and did nothing.
    Refused(Problem),
    /// The store did nothing because it had too much to do.
    Busy,
    /// A write may or may not have happened.
    Unknown,
}

/// Whether the request could have changed the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It could not.
    Read,
    /// It could.
    Write,
}

impl Verdict {
    /// The problem that the caller is answered. `words` are the store's own.
    pub fn problem(self, store: &str, attempt: Attempt, words: &str) -> Problem {
        match self {
            Self::Statement => Problem::from_store(Code::SqlError, words),
            Self::Refused(problem) => problem,
            Self::Busy => busy(store),
            Self::Unknown => unanswered(store, attempt),
        }
    }
}

/// The problem of a store that gave no clear answer.
pub fn unanswered(store: &str, attempt: Attempt) -> Problem {
    match attempt {
        Attempt::Read => Problem::new(
            Code::StoreUnavailable,
            format!("The store {store} could not be read; nothing was changed."),
            "Try again.",
        ),
        Attempt::Write => Problem::new(
            Code::StoreUnavailable,
            format!("The store {store} gave no clear answer; a write may or may not have reached it."),
            "Look at the store before you send it again; with an Idempotency-Key a repetition is refused instead of \
             carried out twice.",
        ),
    }
}

fn busy(store: &str) -> Problem {
    Problem::new(
        Code::StoreBusy,
        format!("The store {store} has too many requests at the moment and refused this one; nothing was written."),
        "Retry after a pause, and send fewer requests at a time.",
    )
}

pub(super) fn refused(code: Code, words: &str) -> Verdict {
    Verdict::Refused(Problem::from_store(
        code,
        format!("The store refused the request: {}; nothing was written.", words.trim_end_matches('.')),
    ))
}

pub(super) fn starts_with_any(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| text.starts_with(beginning))
}
