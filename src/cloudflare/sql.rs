//! A Durable Object's SQLite, without the traps.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use super::js::{self, SqlStorage, Storage, SyncKv};
use crate::domain::refusal::{Code, Problem};

/// A value for a parameter.
#[derive(Debug, Clone)]
pub enum Param<'a> {
    /// NULL.
    Null,
    /// A number; SQLite sees a REAL, a column with INTEGER affinity keeps it as an integer.
    Number(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl From<u64> for Param<'_> {
    #[expect(clippy::cast_precision_loss, reason = "times and counters stay far below 2^53")]
    fn from(value: u64) -> Self {
        Self::Number(value as f64)
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a, T: Into<Param<'a>>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Param<'_> {
    fn to_js(&self) -> JsValue {
        match self {
            Self::Null => JsValue::NULL,
            Self::Number(number) => JsValue::from_f64(*number),
            Self::Text(text) => JsValue::from_str(text),
            Self::Bytes(bytes) => Uint8Array::from(*bytes).into(),
        }
    }
}

fn bind(params: &[Param<'_>]) -> Array {
    params.iter().map(Param::to_js).collect()
}

/// A count, size or time that came as a JavaScript number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts, sizes and times are whole and positive"
)]
pub fn whole(number: f64) -> u64 {
    number as u64
}

/// One row of a statement.
#[derive(Debug, Clone)]
pub struct Row(Array);

impl Row {
    /// The text in a column.
    pub fn text(&self, column: u32) -> Option<String> {
        self.0.get(column).as_string()
    }

    /// The number in a column.
    pub fn number(&self, column: u32) -> Option<f64> {
        self.0.get(column).as_f64()
    }

    /// A count or time in a column.
    pub fn count(&self, column: u32) -> u64 {
        self.number(column).map(whole).unwrap_or_default()
    }

    /// The bytes in a column.
    pub fn bytes(&self, column: u32) -> Option<Vec<u8>> {
        self.0.get(column).dyn_into::<ArrayBuffer>().ok().map(|buffer| Uint8Array::new(&buffer).to_vec())
    }

    /// The row as it came.
    pub fn raw(&self) -> &Array {
        &self.0
    }
}

/// The rows of a statement, all of them, as arrays.
#[derive(Debug, Clone)]
pub struct Rows(Array);

impl Rows {
    /// The rows, one by one.
    pub fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        self.0.iter().map(|row| Row(row.unchecked_into()))
    }

    /// The first row.
    pub fn first(&self) -> Option<Row> {
        self.iter().next()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        u64::from(self.0.length())
    }

    /// The rows as they came.
    pub fn raw(&self) -> &Array {
        &self.0
    }
}

/// What an agent's statement answers: its rows, and what a client wants to know about them.
#[derive(Debug)]
pub struct Answered {
    /// The names of the columns.
    pub columns: Array,
    /// The rows.
    pub rows: Rows,
    /// Rows that SQLite read.
    pub rows_read: u64,
    /// Rows that SQLite wrote.
    pub rows_written: u64,
}

/// What a statement threw.
#[derive(Debug, Clone)]
pub struct SqlError(pub String);

impl From<JsValue> for SqlError {
    fn from(error: JsValue) -> Self {
        Self(js::message(&error))
    }
}

impl From<SqlError> for Problem {
    /// An error in a statement that the gateway itself wrote is its own fault.
    fn from(error: SqlError) -> Self {
        Self::broken(format!("storage: {}", error.0))
    }
}

/// The database of one object.
pub struct Database {
    storage: Storage,
    sql: SqlStorage,
}

impl Database {
    /// The database of the object whose state this is.
    pub fn of(state: &worker::State) -> Self {
        let storage: Storage = AsRef::<JsValue>::as_ref(state.storage().as_raw()).clone().unchecked_into();
        let sql = storage.sql();
        Self { storage, sql }
    }

    /// Runs exactly one statement and takes all its rows.
    pub fn run(&self, statement: &str, params: &[Param<'_>]) -> Result<Rows, SqlError> {
        self.run_bound(statement, &bind(params))
    }

    /// The same, with parameters that are JavaScript values already.
    pub fn run_bound(&self, statement: &str, params: &Array) -> Result<Rows, SqlError> {
        Ok(Rows(self.sql.exec(statement, params)?.raw()?.to_array()?))
    }

    /// Runs exactly one statement that answers no rows. Each way into the engine costs microseconds, and this is the
    /// shortest.
    pub fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<(), SqlError> {
        self.execute_bound(statement, &bind(params))
    }

    /// The same, with parameters that are JavaScript values already.
    pub fn execute_bound(&self, statement: &str, params: &Array) -> Result<(), SqlError> {
        self.sql.exec(statement, params)?;
        Ok(())
    }

    /// Runs an agent's statement.
    pub fn answer(&self, statement: &str, params: &Array) -> Result<Answered, SqlError> {
        let cursor = self.sql.exec(statement, params)?;
        let rows = Rows(cursor.raw()?.to_array()?);
        Ok(Answered {
            columns: cursor.column_names(),
            rows,
            rows_read: whole(cursor.rows_read()),
            rows_written: whole(cursor.rows_written()),
        })
    }

    /// Runs `body` in one transaction: an error undoes all of it.
    ///
    /// The platform nests a savepoint here; it commits when the event does. A panic inside rolls back too.
    pub fn transaction<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<SqlError>,
    {
        let body = RefCell::new(Some(body));
        let outcome: RefCell<Option<Result<T, E>>> = RefCell::new(None);
        let thrown = self.storage.transaction_sync(&mut || {
            let Some(body) = body.borrow_mut().take() else { return Err(JsValue::from_str("a transaction ran twice")) };
            let result = body();
            let failed = result.is_err();
            *outcome.borrow_mut() = Some(result);
            if failed { Err(JsValue::from_str("rolled back")) } else { Ok(JsValue::UNDEFINED) }
        });
        match (thrown, outcome.into_inner()) {
            (Ok(_), Some(result)) | (Err(_), Some(result @ Err(_))) => result,
            (Err(error), _) => Err(SqlError::from(error).into()),
            (Ok(_), None) => Err(SqlError("a transaction did not run".into()).into()),
        }
    }

    /// Runs `body` in one transaction that may wait for others meanwhile: an error undoes all of it. No other request
    /// of the object is served until it ends, and the platform ends it after 30 seconds.
    pub async fn open_transaction<T, E>(&self, body: impl Future<Output = Result<T, E>> + 'static) -> Result<T, E>
    where
        T: 'static,
        E: From<SqlError> + 'static,
    {
        let outcome: Rc<RefCell<Option<Result<T, E>>>> = Rc::default();
        let slot = outcome.clone();
        let closure = Closure::once_into_js(move |_: JsValue| {
            future_to_promise(async move {
                let result = body.await;
                let failed = result.is_err();
                *slot.borrow_mut() = Some(result);
                if failed { Err(JsValue::from_str("rolled back")) } else { Ok(JsValue::UNDEFINED) }
            })
        });
        let promise = self.storage.transaction(closure.unchecked_ref()).map_err(SqlError::from)?;
        let ended = JsFuture::from(promise).await;
        let outcome = outcome.borrow_mut().take();
        match (ended, outcome) {
            (Ok(_), Some(result)) | (Err(_), Some(result @ Err(_))) => result,
            (Err(error), _) => Err(SqlError::from(error).into()),
            (Ok(_), None) => Err(SqlError("a transaction did not run".into()).into()),
        }
    }

    /// Bytes in use.
    pub fn size(&self) -> u64 {
        whole(self.sql.database_size())
    }

    /// Values by key, out of reach of any SQL.
    pub fn values(&self) -> SyncKv {
        self.storage.kv()
    }

    /// Asks to be woken at a time, in milliseconds.
    pub fn wake_at(&self, at: u64) -> Result<(), Problem> {
        #[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
        self.storage.set_alarm(at as f64).map(|_| ()).map_err(|error| SqlError::from(error).into())
    }
}

/// The problem of an object whose storage holds something that this version does not understand.
pub fn unreadable(what: &str, cause: impl Display) -> Problem {
    Problem::new(
        Code::Internal,
        format!("The run's {what} could not be read; nothing was written."),
        "An operator was alerted.",
    )
    .caused_by(format!("{what}: {cause}"))
}
