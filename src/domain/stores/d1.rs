//! D1: rows, reached by SQL.

mod findings;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::call::{Access, MAX_JOURNAL_STATEMENT_CHARS, StoreCall, fields};
use crate::domain::refusal::{Code, Problem};
use crate::domain::store_error::{Verdict, refused, starts_with_any};
use dryrun_sql::pragma::Setting;
use dryrun_sql::statement::{Kind, Statement};
use dryrun_text::cut_with_count;

pub use findings::findings;

/// D1's most bound parameters a statement (<https://developers.cloudflare.com/d1/platform/limits/>).
pub const MAX_PARAMETERS: usize = 100;
/// D1's longest text or BLOB, in bytes (<https://developers.cloudflare.com/d1/platform/limits/>).
pub const MAX_VALUE_BYTES: usize = 2_000_000;
/// Longest file of an import. It is in memory as text and as statements.
pub const MAX_IMPORT_BYTES: u64 = 4 << 20;
/// Longest text of all statements of a batch that the journal keeps; the statements after that are counted only.
const MAX_JOURNAL_TEXT_CHARS: usize = 200_000;
/// Longest parameter that the journal keeps whole.
const MAX_JOURNAL_PARAM_CHARS: usize = 1_000;

/// Statements that run as one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlCall {
    /// The statements, in order.
    pub statements: Vec<BoundStatement>,
    /// How rows are answered.
    pub shape: RowShape,
}

impl SqlCall {
    /// What of it a dry run leaves out.
    pub fn not_rehearsed(&self) -> Vec<String> {
        let optimizes = self.statements.iter().any(|one| one.statement.setting() == Some(Setting::Optimize));
        let note = "PRAGMA optimize was not run: afterwards D1 may choose other query plans, and rows without ORDER BY \
                    may come in another order";
        if optimizes { vec![note.to_owned()] } else { Vec::new() }
    }
}

/// A statement with its parameters: JSON scalars, or arrays of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundStatement {
    /// The statement.
    pub statement: Statement,
    /// Values for its parameters, in order.
    #[serde(default)]
    pub params: Vec<Value>,
}

/// How rows are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowShape {
    /// One JSON object a row.
    Objects,
    /// Column names once, then one JSON array a row.
    Arrays,
    /// Not at all: nobody will see them.
    None,
}

/// Operations on a database as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseCall {
    /// Writes it down as SQL.
    Export {
        /// Without the statements that make tables, indexes, triggers and views.
        no_schema: bool,
        /// Without the rows.
        no_data: bool,
        /// Only these tables; all when empty.
        tables: Vec<String>,
    },
    /// Names the state that it is in now.
    Bookmark {},
}

impl StoreCall for SqlCall {
    fn access(&self) -> Access {
        let writes = self.statements.iter().any(|one| one.statement.kind != Kind::Read);
        if writes { Access::Write } else { Access::Read }
    }

    fn action(&self) -> String {
        match self.statements.as_slice() {
            [one] => one.statement.verb.clone(),
            several => format!("BATCH of {}", several.len()),
        }
    }

    fn subject(&self) -> Option<String> {
        match self.statements.as_slice() {
            [one] => one.statement.target.clone(),
            _ => None,
        }
    }

    fn unbounded(&self) -> Vec<String> {
        self.statements
            .iter()
            .filter(|one| one.statement.unbounded)
            .map(|one| format!("{} {}", one.statement.verb, one.statement.target.as_deref().unwrap_or_default()))
            .collect()
    }

    fn request(&self) -> Value {
        let mut room = MAX_JOURNAL_TEXT_CHARS;
        let fits = |one: &&BoundStatement| {
            let fits = room > 0;
            let params =
                one.params.iter().map(|param| param.as_str().map_or(20, str::len).min(MAX_JOURNAL_PARAM_CHARS));
            let text = one.statement.text.len().min(MAX_JOURNAL_STATEMENT_CHARS);
            room = room.saturating_sub(text + params.sum::<usize>());
            fits
        };
        let statements: Vec<Value> = self.statements.iter().take_while(fits).map(BoundStatement::journalled).collect();
        if statements.len() < self.statements.len() {
            json!({ "count": self.statements.len(), "statements": statements })
        } else {
            json!({ "statements": statements })
        }
    }
}

impl BoundStatement {
    fn journalled(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("sql".into(), cut_with_count(&self.statement.text, MAX_JOURNAL_STATEMENT_CHARS).into());
        if !self.params.is_empty() {
            entry.insert("params".into(), self.params.iter().map(shorten).collect());
        }
        Value::Object(entry)
    }
}

fn shorten(param: &Value) -> Value {
    match param {
        Value::String(text) => cut_with_count(text, MAX_JOURNAL_PARAM_CHARS).into(),
        Value::Array(bytes) => format!("<{} bytes>", bytes.len()).into(),
        other => other.clone(),
    }
}

impl StoreCall for DatabaseCall {
    fn access(&self) -> Access {
        Access::Read
    }

    fn action(&self) -> String {
        match self {
            Self::Export { .. } => "export".into(),
            Self::Bookmark {} => "bookmark".into(),
        }
    }

    fn subject(&self) -> Option<String> {
        None
    }

    fn request(&self) -> Value {
        fields(self)
    }
}

/// The statements of a journal entry in one line, with their parameters.
pub fn asked(request: &Value) -> String {
    let statements = request.get("statements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<String> = statements
        .iter()
        .map(|statement| {
            let sql = statement.get("sql").and_then(Value::as_str).unwrap_or_default();
            match statement.get("params") {
                Some(params) => format!("{} ← {params}", one_line(sql)),
                None => one_line(sql),
            }
        })
        .collect();
    lines.join("; ")
}

/// Without line breaks and indentation, which say nothing in one line.
fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Checks a bound value: text, or the bytes of a BLOB.
pub fn check_value(value: &serde_json::Value) -> Result<(), Problem> {
    let bytes = value.as_str().map(str::len).or(value.as_array().map(Vec::len)).unwrap_or_default();
    if bytes <= MAX_VALUE_BYTES {
        return Ok(());
    }
    Err(Problem::new(
        Code::StatementTooLong,
        format!(
            "A parameter has {bytes} bytes, D1 takes at most 2,000,000 in a text, a BLOB or a row; nothing was run."
        ),
        "Put it into R2, and its key into D1.",
    ))
}

/// An error of D1 (<https://developers.cloudflare.com/d1/observability/debug-d1/>), which says last what SQLite calls
/// it: `no such table: t: SQLITE_ERROR`.
pub fn error(text: &str) -> Verdict {
    if text.contains("D1 DB is overloaded.") {
        return Verdict::Busy;
    }
    if text.contains("Exceeded maximum DB size") || text.contains("Your account has exceeded D1's") {
        return refused(Code::StoreRefused, text);
    }
    let Some((_, name)) = text.rsplit_once(": SQLITE_") else {
        // A commit that fails answers with its error alone.
        let is_known = text.contains("FOREIGN KEY constraint failed") || starts_with_any(text, OF_THE_STATEMENT);
        return if is_known { Verdict::Statement } else { Verdict::Unknown };
    };
    match name.split(|character: char| !character.is_ascii_uppercase()).next() {
        Some(
            "ERROR" | "CONSTRAINT" | "MISMATCH" | "TOOBIG" | "AUTH" | "RANGE" | "READONLY" | "SCHEMA" | "ABORT"
            | "MISUSE" | "NOTFOUND",
        ) => Verdict::Statement,
        Some("FULL") => refused(Code::StoreRefused, text),
        Some("BUSY" | "LOCKED") => Verdict::Busy,
        // Of the rest (the disk, the memory, an interruption) nobody says whether the commit was before it.
        _ => Verdict::Unknown,
    }
}

/// What the platform says of a statement without SQLite's name for it.
const OF_THE_STATEMENT: &[&str] = &[
    "Wrong number of parameter bindings",
    "SQL code did not contain a statement",
    "No SQL statements detected",
    "not authorized",
    "To execute a transaction",
    "D1_TYPE_ERROR",
];
