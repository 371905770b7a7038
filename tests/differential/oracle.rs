//! The oracle: SQLite itself, with the platform's limits, which knows nothing of runs and copies.

use rusqlite::limits::Limit;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Statement};

use crate::support::Bound;
use crate::values;

/// What one statement answered, cells as text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    pub changes: u64,
    pub last_row_id: i64,
    /// Whether it is one that this statement made.
    pub inserted: bool,
}

/// Why a request failed. A deferred foreign key fails at the commit, after every statement has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub message: String,
    pub at_commit: bool,
}

/// What statements would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vetted {
    Fine,
    /// They would find no row and change nothing.
    Idle,
    Error,
    /// The largest rowid would be in use, after which SQLite takes new ones by chance.
    Chance,
}

impl Vetted {
    /// Whether they can be carried out.
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Fine | Self::Idle)
    }
}

pub(crate) struct Oracle(Connection);

impl Oracle {
    pub(crate) fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = on").unwrap();
        limit(&connection);
        Self(connection)
    }

    /// Runs statements in one transaction, whole or not at all.
    pub(crate) fn run(&self, statements: &[Bound]) -> Result<Vec<Outcome>, Failure> {
        self.0.execute_batch("BEGIN").unwrap();
        let done: Result<Vec<Outcome>, Error> = statements.iter().map(|one| self.one(one)).collect();
        let failure = |error: Error, at_commit| Failure { message: message(error), at_commit };
        let done =
            done.map_err(|error| failure(error, false)).and_then(|outcomes| match self.0.execute_batch("COMMIT") {
                Ok(()) => Ok(outcomes),
                Err(error) => Err(failure(error, true)),
            });
        if done.is_err() && !self.0.is_autocommit() {
            self.0.execute_batch("ROLLBACK").unwrap();
        }
        done
    }

    /// What these statements would do; undone in any case.
    pub(crate) fn vet(&self, statements: &[Bound]) -> Vetted {
        self.0.execute_batch("BEGIN").unwrap();
        let done: Result<Vec<Outcome>, Error> = statements.iter().map(|one| self.one(one)).collect();
        let vetted = match done {
            Err(_) => Vetted::Error,
            Ok(_) if self.rowids_are_used_up() => Vetted::Chance,
            Ok(outcomes) if outcomes.iter().all(|outcome| outcome.rows.is_empty() && outcome.changes == 0) => {
                Vetted::Idle
            }
            Ok(_) => Vetted::Fine,
        };
        if !self.0.is_autocommit() {
            self.0.execute_batch("ROLLBACK").unwrap();
        }
        vetted
    }

    fn rowids_are_used_up(&self) -> bool {
        let tables = self.texts(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND wr = \
                                 0 AND name NOT LIKE 'sqlite_%'",
        );
        let used_up = |table: &String| {
            self.rows(&format!("SELECT 1 FROM {table} WHERE rowid > 9007199254740991 LIMIT 1")).len() == 1
        };
        tables.iter().any(used_up)
    }

    fn one(&self, bound: &Bound) -> Result<Outcome, Error> {
        let (before, last) = (self.0.total_changes(), self.0.last_insert_rowid());
        let mut statement = self.0.prepare(&bound.sql)?;
        bind(&mut statement, &bound.params)?;
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(
                (0..columns.len())
                    .map(|index| Ok(values::shown_value(row.get_ref(index)?)))
                    .collect::<Result<_, Error>>()?,
            );
        }
        let last_row_id = self.0.last_insert_rowid();
        Ok(Outcome {
            columns,
            rows,
            changes: self.0.total_changes() - before,
            last_row_id,
            inserted: last_row_id != last,
        })
    }

    /// Rows of a SELECT of the generator's own.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = self.0.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let width = statement.column_count();
        // A generator looks at what it made, and what it made may not compute (an integer overflow in a view, say).
        let rows = statement.query_map([], |row| (0..width).map(|index| Ok(owned(row.get_ref(index)?))).collect());
        rows.and_then(Iterator::collect).unwrap_or_default()
    }

    /// The texts in the first column.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        self.rows(sql)
            .into_iter()
            .filter_map(|row| row.into_iter().next())
            .filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None })
            .collect()
    }
}

/// The limits of D1 (<https://developers.cloudflare.com/d1/platform/limits/>) and those that the runtime sets for every
/// SQLite.
pub(crate) fn limit(connection: &Connection) {
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (Limit::SQLITE_LIMIT_COLUMN, 100),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    ] {
        connection.set_limit(limit, most).unwrap();
    }
}

/// Text that is not UTF-8 becomes what an answer would show of it.
fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        other => other.into(),
    }
}

fn bind(statement: &mut Statement<'_>, params: &[serde_json::Value]) -> Result<(), Error> {
    for (index, param) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, values::bound(param))?;
    }
    Ok(())
}

fn message(error: Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) => message,
        Error::SqlInputError { msg, .. } => msg,
        other => other.to_string(),
    }
}
