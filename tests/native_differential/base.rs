//! rusqlite as the base of a shadow: it cannot be written, and what comes from it went through JSON.

use std::rc::Rc;

use dryrun_gateway::domain::operation::SqlCall;
use dryrun_gateway::domain::refusal::{Code, Problem};
use dryrun_gateway::shadow::port::{Base, BaseRow, Cell, Query, Selected, Unread};
use futures_util::future::LocalBoxFuture;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};
use serde_json::{Value, json};

use crate::engine::{LiteEngine, said, to_json};
use crate::faults::{Faults, Kind, WORDS, never};
use crate::oracle::limit;
use crate::values::bound;

/// A database in memory that nothing can write.
pub(crate) struct LiteBase {
    connection: Connection,
    faults: Rc<Faults>,
    /// Commits while the base is waited for.
    engine: Rc<LiteEngine>,
}

impl LiteBase {
    /// A base with this schema and these rows.
    pub(crate) fn new(setup: &[String], faults: Rc<Faults>, engine: Rc<LiteEngine>) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = on").unwrap();
        limit(&connection);
        for sql in setup {
            connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        connection.execute_batch("PRAGMA query_only = on").unwrap();
        Self { connection, faults, engine }
    }

    fn rows(&self, sql: &str, params: &[Value]) -> Result<(Vec<String>, Vec<Vec<rusqlite::types::Value>>), Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        assert!(statement.readonly(), "{sql} would write the base");
        for (index, param) in params.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, bound(param))?;
        }
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let cells = (0..columns.len()).map(|index| {
                Ok(match row.get_ref(index)? {
                    ValueRef::Text(text) => rusqlite::types::Value::Text(String::from_utf8_lossy(text).into_owned()),
                    other => other.into(),
                })
            });
            rows.push(cells.collect::<Result<_, Error>>()?);
        }
        Ok((columns, rows))
    }

    fn selected(&self, batch: &[Query]) -> Result<Selected, Unread> {
        let mut selected = Selected { results: Vec::new(), bytes: 0 };
        for (sql, params) in batch {
            let (_, rows) = self.rows(sql, params).map_err(|error| Unread::Sql(said(error).0))?;
            selected.bytes += rows.iter().map(|row| 20 * row.len() as u64).sum::<u64>();
            selected.results.push(rows.iter().map(|row| BaseRow(row.iter().map(cell).collect())).collect());
        }
        Ok(selected)
    }

    fn answered(&self, call: &SqlCall) -> Result<String, Problem> {
        let mut results = Vec::new();
        for one in &call.statements {
            let (columns, rows) = self
                .rows(&one.statement.text, &one.params)
                .map_err(|error| Problem::from_store(Code::SqlError, said(error).0))?;
            let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(to_json).collect()).collect();
            results.push(json!({
                "success": true,
                "results": {"columns": columns, "rows": rows},
                "meta": {"changes": 0, "last_row_id": 0},
            }));
        }
        Ok(Value::from(results).to_string())
    }
}

/// A value as JSON carries it: every number is JavaScript's, and an infinite one is null.
fn cell(value: &rusqlite::types::Value) -> Cell {
    use rusqlite::types::Value;
    match value {
        Value::Null => Cell::Null,
        #[expect(clippy::cast_precision_loss, reason = "JavaScript loses it too")]
        Value::Integer(number) => Cell::Number(*number as f64),
        Value::Real(number) if number.is_finite() => Cell::Number(*number),
        Value::Real(_) => Cell::Null,
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Blob(bytes) => Cell::Bytes(bytes.clone()),
    }
}

impl Base for LiteBase {
    fn store(&self) -> &str {
        "DB"
    }

    fn select<'a>(&'a self, batch: &'a [Query]) -> LocalBoxFuture<'a, Result<Selected, Unread>> {
        Box::pin(async move {
            let fault = self.faults.wait();
            self.engine.turn();
            if fault == Some(Kind::Cancelled) {
                never().await;
            }
            if fault.is_some() { Err(Unread::Unclear(WORDS.into())) } else { self.selected(batch) }
        })
    }

    fn read<'a>(&'a self, call: &'a SqlCall) -> LocalBoxFuture<'a, Result<String, Problem>> {
        Box::pin(async move {
            let fault = self.faults.wait();
            self.engine.turn();
            if fault == Some(Kind::Cancelled) {
                never().await;
            }
            if fault.is_some() {
                return Err(Problem::new(Code::StoreUnavailable, WORDS, "Try again."));
            }
            self.answered(call)
        })
    }
}
