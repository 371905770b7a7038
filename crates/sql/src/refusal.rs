//! Why a text of SQL is not run.

/// The stable reason of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The text holds no statement.
    NoStatement,
    /// SQLite's grammar does not accept the text.
    NotParsed,
    /// A statement, a list of statements or a list of arguments is longer than D1 allows.
    TooLong,
    /// A statement nests deeper than SQLite on this platform allows.
    TooNested,
    /// Two tokenizers could divide the text differently.
    Ambiguous,
    /// The statement is valid, and agents may not run it.
    NotAllowed,
    /// The statement names an object of the gateway or of the platform.
    ReservedName,
}

impl Reason {
    /// The spelling that callers see as the problem's code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoStatement => "no_statement",
            Self::NotParsed => "sql_not_parsed",
            Self::TooLong => "statement_too_long",
            Self::TooNested => "statement_too_nested",
            Self::Ambiguous => "ambiguous_text",
            Self::NotAllowed => "statement_not_allowed",
            Self::ReservedName => "reserved_name",
        }
    }
}

/// A text that is refused before anything runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for a person. May repeat names of the text, so whoever shows it makes invisible characters visible.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason, message: message.into(), remedy: remedy.into() }
    }
}
