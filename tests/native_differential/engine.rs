//! rusqlite as the engine of a shadow, with the traps of a Durable Object that matter.
//!
//! * What writes opens a transaction by itself, which is committed when the event loop turns: while something is
//!   awaited,
//!   and at the end of the request. A commit that fails would reset the object, so it ends the test.
//! * A statement keeps being prepared by its text. An EXPLAIN that comes twice with the same text reads freed memory
//!   there.
//! * Messages have a place and SQLite's name behind them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use dryrun_gateway::domain::operation::RowShape;
use dryrun_gateway::shadow::port::{AnswerRows, Answered, Cells, Ending, Engine, Param, RowSource, Rows, SqlError};
use futures_util::future::LocalBoxFuture;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Statement};
use serde_json::json;

use crate::faults::{Faults, Kind, WORDS, never};
use crate::oracle::limit;

/// A database in memory.
pub(crate) struct LiteEngine {
    connection: Connection,
    faults: Rc<Faults>,
    /// Whether something was written that the event loop has not committed yet.
    implicit: Cell<bool>,
    depth: Cell<u32>,
    /// Whether a transaction is open that outlives turns of the event loop.
    open: Cell<bool>,
    kept: RefCell<BTreeMap<String, Rc<str>>>,
    /// The same as it was committed last.
    durable: RefCell<BTreeMap<String, Rc<str>>>,
    explained: RefCell<HashSet<String>>,
    drawn: Cell<u128>,
}

impl LiteEngine {
    pub(crate) fn new(faults: Rc<Faults>) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        limit(&connection);
        connection.set_prepared_statement_cache_capacity(256);
        let engine = Self {
            connection,
            faults,
            implicit: Cell::new(false),
            depth: Cell::new(0),
            open: Cell::new(false),
            kept: RefCell::default(),
            durable: RefCell::default(),
            explained: RefCell::default(),
            drawn: Cell::new(1),
        };
        engine.renew();
        engine
    }

    /// What a connection begins with.
    pub(crate) fn renew(&self) {
        self.connection
            .execute_batch(
                "PRAGMA foreign_keys = on; PRAGMA ignore_check_constraints = off; PRAGMA defer_foreign_keys = off",
            )
            .unwrap();
    }

    /// A turn of the event loop.
    pub(crate) fn turn(&self) {
        if self.implicit.get() && !self.open.get() {
            assert_eq!(self.depth.get(), 0, "the event loop turned inside of a transaction");
            self.implicit.set(false);
            self.command("COMMIT");
        }
    }

    /// Undoes whatever was not committed, as the end of the process does.
    pub(crate) fn crash(&self) {
        if !self.connection.is_autocommit() {
            self.command("ROLLBACK");
            *self.kept.borrow_mut() = self.durable.borrow().clone();
        }
        self.implicit.set(false);
        self.depth.set(0);
        self.open.set(false);
        self.renew();
    }

    fn command(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}; the object would be reset"));
    }

    fn begin(&self) {
        if !self.implicit.replace(true) {
            self.command("BEGIN");
            *self.durable.borrow_mut() = self.kept.borrow().clone();
        }
    }

    fn checked<T>(&self, body: impl FnOnce() -> Result<T, Error>) -> Result<T, SqlError> {
        let fault = self.faults.call();
        if fault == Some(Kind::Before) {
            return Err(SqlError(WORDS.into()));
        }
        let done = body().map_err(said);
        if fault == Some(Kind::After) { Err(SqlError(WORDS.into())) } else { done }
    }

    fn table(&self, sql: &str, params: &[Param<'_>]) -> Result<Table, Error> {
        let is_word = |word: &str| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if sql.starts_with("/*") {
            assert!(self.explained.borrow_mut().insert(sql.to_owned()), "{sql} is prepared twice");
        }
        // A PRAGMA does what it does while it is prepared.
        if is_word("PRAGMA") || sql.starts_with("/*") {
            return self.step(&mut self.connection.prepare(sql)?, params);
        }
        self.step(&mut *self.connection.prepare_cached(sql)?, params)
    }

    fn step(&self, statement: &mut Statement<'_>, params: &[Param<'_>]) -> Result<Table, Error> {
        if !statement.readonly() {
            self.begin();
        }
        for (index, param) in params.iter().enumerate() {
            let value = match param {
                Param::Null => Value::Null,
                Param::Number(number) => Value::Real(*number),
                Param::Text(text) => Value::Text(text.to_string()),
                Param::Bytes(bytes) => Value::Blob(bytes.to_vec()),
            };
            statement.raw_bind_parameter(index + 1, value)?;
        }
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let cells = (0..columns.len()).map(|index| Ok(owned(row.get_ref(index)?)));
            rows.push(Rc::new(cells.collect::<Result<Vec<_>, Error>>()?));
        }
        Ok(Table { columns, rows })
    }

    fn nested(&self) -> String {
        self.depth.set(self.depth.get() + 1);
        format!("_nested_{}", self.depth.get())
    }

    fn end(&self, savepoint: &str, ending: Ending, before: BTreeMap<String, Rc<str>>) {
        self.depth.set(self.depth.get() - 1);
        if ending == Ending::Undo {
            self.command(&format!("ROLLBACK TO {savepoint}"));
            *self.kept.borrow_mut() = before;
        }
        self.command(&format!("RELEASE {savepoint}"));
    }
}

/// Text that is not UTF-8 arrives with replacement characters.
fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        other => other.into(),
    }
}

/// An error in the platform's words.
pub(crate) fn said(error: Error) -> SqlError {
    let name = |code: i32| match code & 0xff {
        1 => "ERROR".to_owned(),
        8 => "READONLY".to_owned(),
        18 => "TOOBIG".to_owned(),
        19 => "CONSTRAINT".to_owned(),
        20 => "MISMATCH".to_owned(),
        23 => "AUTH".to_owned(),
        25 => "RANGE".to_owned(),
        other => format!("ERROR ({other})"),
    };
    SqlError(match error {
        Error::SqliteFailure(code, message) => {
            let message = message.unwrap_or_else(|| code.to_string());
            format!("{message}: SQLITE_{}", name(code.extended_code))
        }
        Error::SqlInputError { error, msg, offset, .. } => {
            format!("{msg} at offset {offset}: SQLITE_{}", name(error.extended_code))
        }
        other => other.to_string(),
    })
}

struct Table {
    columns: Vec<String>,
    rows: Vec<Rc<Vec<Value>>>,
}

struct Line(Rc<Vec<Value>>);

impl RowSource for Table {
    fn length(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap()
    }

    fn row(&self, index: u32) -> Box<dyn Cells> {
        Box::new(Line(self.rows[index as usize].clone()))
    }
}

impl Cells for Line {
    fn text(&self, column: u32) -> Option<String> {
        match self.0.get(column as usize) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    fn number(&self, column: u32) -> Option<f64> {
        match self.0.get(column as usize) {
            #[expect(clippy::cast_precision_loss, reason = "JavaScript loses it too")]
            Some(Value::Integer(number)) => Some(*number as f64),
            Some(Value::Real(number)) => Some(*number),
            _ => None,
        }
    }
}

/// A value as JSON carries it.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!(bytes),
    }
}

impl AnswerRows for Table {
    fn to_json(&self, shape: RowShape) -> Result<String, SqlError> {
        assert_eq!(shape, RowShape::Arrays, "the tests ask for arrays");
        let rows: Vec<Vec<serde_json::Value>> = self.rows.iter().map(|row| row.iter().map(to_json).collect()).collect();
        Ok(json!({"columns": self.columns, "rows": rows}).to_string())
    }
}

impl Engine for LiteEngine {
    fn run(&self, statement: &str, params: &[Param<'_>]) -> Result<Rows, SqlError> {
        self.checked(|| self.table(statement, params)).map(Rows::new)
    }

    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<(), SqlError> {
        self.run(statement, params).map(|_| ())
    }

    fn answer(&self, statement: &str, params: &[Param<'_>]) -> Result<Answered, SqlError> {
        let rows = self.checked(|| self.table(statement, params))?;
        Ok(Answered { rows: Box::new(rows), rows_read: 0, rows_written: 0 })
    }

    fn transaction(&self, body: &mut dyn FnMut() -> Ending) -> Result<(), SqlError> {
        let fault = self.faults.call();
        if fault == Some(Kind::Before) {
            return Err(SqlError(WORDS.into()));
        }
        self.begin();
        let (savepoint, before) = (self.nested(), self.kept.borrow().clone());
        self.command(&format!("SAVEPOINT {savepoint}"));
        let ending = body();
        self.end(&savepoint, ending, before);
        if fault == Some(Kind::After) { Err(SqlError(WORDS.into())) } else { Ok(()) }
    }

    fn open_transaction(&self, body: LocalBoxFuture<'static, Ending>) -> LocalBoxFuture<'_, Result<(), SqlError>> {
        Box::pin(async move {
            let fault = self.faults.call();
            if fault == Some(Kind::Before) {
                return Err(SqlError(WORDS.into()));
            }
            self.begin();
            let (savepoint, before) = (self.nested(), self.kept.borrow().clone());
            self.command(&format!("SAVEPOINT {savepoint}"));
            self.open.set(true);
            let ending = body.await;
            self.open.set(false);
            self.end(&savepoint, ending, before);
            if fault == Some(Kind::After) { Err(SqlError(WORDS.into())) } else { Ok(()) }
        })
    }

    fn committed(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {
            if self.faults.wait() == Some(Kind::Cancelled) {
                never().await;
            }
            self.turn();
        })
    }

    fn kept(&self, key: &str) -> Result<Option<String>, SqlError> {
        self.checked(|| Ok(self.kept.borrow().get(key).map(|text| text.to_string())))
    }

    fn keep(&self, key: &str, text: &str) -> Result<(), SqlError> {
        self.checked(|| {
            self.begin();
            self.kept.borrow_mut().insert(key.to_owned(), text.into());
            Ok(())
        })
    }

    fn size(&self) -> u64 {
        4096
    }

    fn entropy(&self) -> u128 {
        self.drawn.set(self.drawn.get().wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1));
        self.drawn.get()
    }
}
