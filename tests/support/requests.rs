//! Requests and answers of `/raw`, whoever carries them out.

use serde::Deserialize;
use serde_json::Value;

/// One statement with its parameters, as the API takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    pub sql: String,
    pub params: Vec<Value>,
}

impl Bound {
    /// A statement without parameters.
    pub(crate) fn of(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new() }
    }
}

/// Why a request was not carried out: the problem's `code` and `detail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub code: String,
    pub message: String,
}

/// What `/raw` answers for one statement.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub results: Rows,
    pub meta: Meta,
}

/// Rows as arrays.
#[derive(Debug, Deserialize)]
pub(crate) struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

/// The figures that a client reads.
#[derive(Debug, Deserialize)]
pub(crate) struct Meta {
    pub changes: u64,
    /// A number as JavaScript has it.
    pub last_row_id: f64,
}
