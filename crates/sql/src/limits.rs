//! Limits on the text of SQL, each with its source.

/// D1's longest statement (<https://developers.cloudflare.com/d1/platform/limits/>).
pub const MAX_STATEMENT_BYTES: usize = 100_000;
/// D1's most arguments of a function (same page).
pub const MAX_ARGUMENTS: usize = 32;
/// Most statements in one request: a text, a batch, or a file of an import. They run as one transaction, whose result
/// is
/// waited for.
pub const MAX_STATEMENTS: usize = 5_000;
/// Deepest nesting of brackets and CASE that is parsed. SQLite on this platform stops at an expression depth of 100;
/// the
/// parser must not overflow its stack before that.
pub const MAX_NESTING: usize = 100;
