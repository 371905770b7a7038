//! Understands SQLite statements without running them.
//!
//! A text is split by a real SQLite grammar into single statements, each with its kind, its target and the names in it.
//! Whatever the grammar and SQLite could read differently is refused. What a statement *touches* is not decided here:
//! SQLite itself is asked that.

pub mod arguments;
pub mod limits;
pub mod named;
pub mod pragma;
pub mod quoting;
pub mod reach;
mod refusal;
pub mod statement;
pub mod tokens;
pub mod volatile;

pub use refusal::{Reason, Refusal};
