//! What a rehearsal needs of the outside: a SQLite that it may do anything with, and the database that it must not
//! write.
//!
//! Neither port knows a rule of the shadow. [`Engine`] is `cloudflare::shadow::engine` in a Durable Object and rusqlite
//! in
//! the native tests; [`Base`] is `cloudflare::shadow::base` in front of D1 and rusqlite there.

use std::borrow::Cow;

use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::domain::operation::{RowShape, SqlCall};
use crate::domain::refusal::Problem;
use crate::domain::store_error::Verdict;
use crate::domain::stores::d1;

/// A value for a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Param<'a> {
    /// NULL.
    Null,
    /// A number. SQLite sees a REAL; a column with INTEGER affinity keeps it as an integer.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A blob.
    Bytes(Cow<'a, [u8]>),
}

impl From<u64> for Param<'_> {
    #[expect(clippy::cast_precision_loss, reason = "counters stay far below 2^53")]
    fn from(value: u64) -> Self {
        Self::Number(value as f64)
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value.into())
    }
}

impl<'a> From<&'a Cell> for Param<'a> {
    fn from(cell: &'a Cell) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Number(number) => Self::Number(*number),
            Cell::Text(text) => Self::Text(text.into()),
            Cell::Bytes(bytes) => Self::Bytes(bytes.into()),
        }
    }
}

/// The message of a statement that failed, as SQLite and the platform wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError(pub String);

impl SqlError {
    /// Whether it says nothing of the statement: SQLite names the disk, the memory or an interruption.
    pub fn is_fault(&self) -> bool {
        self.0.contains(": SQLITE_") && d1::error(&self.0) != Verdict::Statement
    }
}

/// The cells of one row. They are read where they are, because fetching each costs a call of the platform.
pub trait Cells {
    /// The text in a column; `None` for any other storage class.
    fn text(&self, column: u32) -> Option<String>;

    /// The number in a column; `None` for any other storage class.
    fn number(&self, column: u32) -> Option<f64>;
}

/// The rows of a statement, all of them.
pub trait RowSource {
    /// How many there are.
    fn length(&self) -> u32;

    /// One of them, counted from 0.
    fn row(&self, index: u32) -> Box<dyn Cells>;
}

/// One row of a statement.
pub struct Row(Box<dyn Cells>);

impl Row {
    /// The text in a column.
    pub fn text(&self, column: u32) -> Option<String> {
        self.0.text(column)
    }

    /// A count in a column; 0 when there is none.
    pub fn count(&self, column: u32) -> u64 {
        self.0.number(column).map(whole).unwrap_or_default()
    }
}

/// The rows of a statement.
pub struct Rows(Box<dyn RowSource>);

impl Rows {
    /// Rows as an engine has them.
    pub fn new(source: impl RowSource + 'static) -> Self {
        Self(Box::new(source))
    }

    /// The rows, one by one.
    pub fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        (0..self.0.length()).map(|index| Row(self.0.row(index)))
    }

    /// The first row.
    pub fn first(&self) -> Option<Row> {
        self.iter().next()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        u64::from(self.0.length())
    }
}

/// The rows of an agent's statement. They only pass through: the engine itself writes them down.
pub trait AnswerRows {
    /// The JSON text of the rows, by the rules of JavaScript, as in D1: of columns with the same name the last one
    /// wins,
    /// integers beyond 2^53 are rounded, bytes are arrays of numbers.
    fn to_json(&self, shape: RowShape) -> Result<String, SqlError>;
}

/// What an agent's statement answers.
pub struct Answered {
    /// The rows.
    pub rows: Box<dyn AnswerRows>,
    /// Rows that SQLite read.
    pub rows_read: u64,
    /// Rows that SQLite wrote.
    pub rows_written: u64,
}

impl Answered {
    /// The answer of a statement that did nothing.
    pub fn empty(columns: &'static [&'static str]) -> Self {
        Self { rows: Box::new(NoRows(columns)), rows_read: 0, rows_written: 0 }
    }
}

struct NoRows(&'static [&'static str]);

impl AnswerRows for NoRows {
    fn to_json(&self, shape: RowShape) -> Result<String, SqlError> {
        Ok(match shape {
            RowShape::Objects | RowShape::None => "[]".into(),
            RowShape::Arrays => json!({"columns": self.0, "rows": []}).to_string(),
        })
    }
}

/// Whether what a transaction did stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It stays.
    Keep,
    /// All of it is undone.
    Undo,
}

/// A SQLite of the rehearsal's own.
///
/// It enforces foreign keys and has the limits of D1. Every call sees the effects of those before it. Whatever is
/// written
/// outside of [`Engine::transaction`] is durable at [`Engine::committed`] at the latest, all of it or nothing.
pub trait Engine {
    /// Runs exactly one statement of the gateway's and takes all its rows.
    fn run(&self, statement: &str, params: &[Param<'_>]) -> Result<Rows, SqlError>;

    /// Runs exactly one statement of the gateway's that answers no rows: the shortest way into the engine.
    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<(), SqlError>;

    /// Runs exactly one statement of an agent's.
    fn answer(&self, statement: &str, params: &[Param<'_>]) -> Result<Answered, SqlError>;

    /// Runs `body` in one transaction, which may be inside of another. Fails when its end is not what `body` said.
    fn transaction(&self, body: &mut dyn FnMut() -> Ending) -> Result<(), SqlError>;

    /// The same with a body that may wait for others. Nothing else is served by this engine meanwhile. A body that is
    /// dropped before its end is undone.
    fn open_transaction(&self, body: LocalBoxFuture<'static, Ending>) -> LocalBoxFuture<'_, Result<(), SqlError>>;

    /// Waits a moment, after which what was written before may be committed, so that SQLite is outside of a
    /// transaction.
    fn committed(&self) -> LocalBoxFuture<'_, ()>;

    /// A text that was kept under a key, out of reach of any SQL.
    fn kept(&self, key: &str) -> Result<Option<String>, SqlError>;

    /// Keeps a text under a key, as part of the transaction that is under way.
    fn keep(&self, key: &str, text: &str) -> Result<(), SqlError>;

    /// Bytes in use.
    fn size(&self) -> u64;

    /// Random bits that nobody can guess.
    fn entropy(&self) -> u128;
}

/// A SELECT with the values of its parameters.
pub type Query = (String, Vec<Value>);

/// A value out of the base. JSON carries it, so integers and bytes are asked for as text; see `selection`.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// Bytes, where they were too long to be asked for as text.
    Bytes(Vec<u8>),
}

/// A row out of the base.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseRow(pub Vec<Cell>);

impl BaseRow {
    /// The text in a column; `None` when there is none.
    pub fn text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Cell::Text(text)) => Some(text),
            Some(Cell::Null | Cell::Number(_) | Cell::Bytes(_)) | None => None,
        }
    }

    /// A count in a column; 0 when there is none.
    pub fn count(&self, column: usize) -> u64 {
        match self.0.get(column) {
            Some(Cell::Number(number)) => whole(*number),
            Some(Cell::Null | Cell::Text(_) | Cell::Bytes(_)) | None => 0,
        }
    }
}

/// What the base answered to a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected {
    /// The rows of each SELECT.
    pub results: Vec<Vec<BaseRow>>,
    /// Bytes that came.
    pub bytes: u64,
}

/// Why the base did not answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Unread {
    /// SQLite's own error: the rows do not compute, or the schema is not what it was.
    Sql(String),
    /// It is not known what happened; the cause is for the log.
    Unclear(String),
    /// It could not be asked.
    Refused(Problem),
}

/// The database behind a shadow. Nothing reaches it but SELECTs.
pub trait Base {
    /// Its binding.
    fn store(&self) -> &str;

    /// Runs single SELECTs of the gateway's in one transaction.
    fn select<'a>(&'a self, batch: &'a [Query]) -> LocalBoxFuture<'a, Result<Selected, Unread>>;

    /// Carries out an agent's call in which every statement is a read, and answers the JSON text of the results.
    fn read<'a>(&'a self, call: &'a SqlCall) -> LocalBoxFuture<'a, Result<String, Problem>>;
}

impl<'base> dyn Base + 'base {
    /// The rows of one SELECT without parameters.
    pub async fn rows(&self, sql: &str) -> Result<Vec<BaseRow>, Unread> {
        let (mut results, _) = self.selects(&[(sql.to_owned(), Vec::new())]).await?;
        Ok(results.pop().unwrap_or_default())
    }

    /// The rows of each SELECT, and the bytes that came. No SELECT costs no call.
    pub async fn selects(&self, batch: &[Query]) -> Result<(Vec<Vec<BaseRow>>, u64), Unread> {
        if batch.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let Selected { results, bytes } = self.select(batch).await?;
        if results.len() == batch.len() {
            Ok((results, bytes))
        } else {
            Err(Unread::Unclear(format!("{} results of {} queries", results.len(), batch.len())))
        }
    }
}

/// A count that came as a JavaScript number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole and positive")]
fn whole(number: f64) -> u64 {
    number as u64
}
