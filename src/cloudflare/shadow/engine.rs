//! A Durable Object's SQLite as the engine of a shadow.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use js_sys::{Array, ArrayBuffer, JSON, Object, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Delay;

use crate::cloudflare::js;
use crate::cloudflare::sql::{self, Database};
use crate::domain::operation::RowShape;
use crate::shadow::port::{AnswerRows, Answered, Cells, Ending, Engine, Param, RowSource, Rows, SqlError};

/// The SQLite of an object.
pub struct ObjectEngine(Database);

impl ObjectEngine {
    /// The engine that runs in this database.
    pub fn new(database: Database) -> Self {
        Self(database)
    }
}

impl From<sql::SqlError> for SqlError {
    fn from(error: sql::SqlError) -> Self {
        Self(error.0)
    }
}

impl From<JsValue> for SqlError {
    fn from(error: JsValue) -> Self {
        Self(js::message(&error))
    }
}

fn bind(params: &[Param<'_>]) -> Array {
    params
        .iter()
        .map(|param| match param {
            Param::Null => JsValue::NULL,
            Param::Number(number) => JsValue::from_f64(*number),
            Param::Text(text) => JsValue::from_str(text),
            Param::Bytes(bytes) => Uint8Array::from(bytes.as_ref()).into(),
        })
        .collect()
}

struct ObjectRows(Array);

struct ObjectRow(Array);

impl RowSource for ObjectRows {
    fn length(&self) -> u32 {
        self.0.length()
    }

    fn row(&self, index: u32) -> Box<dyn Cells> {
        Box::new(ObjectRow(self.0.get(index).unchecked_into()))
    }
}

impl Cells for ObjectRow {
    fn text(&self, column: u32) -> Option<String> {
        self.0.get(column).as_string()
    }

    fn number(&self, column: u32) -> Option<f64> {
        self.0.get(column).as_f64()
    }
}

struct ObjectAnswer {
    columns: Array,
    rows: Array,
}

impl AnswerRows for ObjectAnswer {
    fn to_json(&self, shape: RowShape) -> Result<String, SqlError> {
        if shape == RowShape::None {
            return Ok("[]".into());
        }
        let list: Array = self
            .rows
            .iter()
            .map(|row| -> JsValue {
                let row: Array = row.unchecked_into();
                let cells = row.iter().map(|cell| {
                    if cell.is_object() {
                        cell.dyn_into::<ArrayBuffer>()
                            .map_or(JsValue::NULL, |bytes| Array::from(&Uint8Array::new(&bytes)).into())
                    } else {
                        cell
                    }
                });
                match shape {
                    RowShape::Arrays => cells.collect::<Array>().into(),
                    RowShape::Objects | RowShape::None => {
                        let object = Object::new();
                        for (name, cell) in self.columns.iter().zip(cells) {
                            js::set(&object, &name.as_string().unwrap_or_default(), &cell);
                        }
                        object.into()
                    }
                }
            })
            .collect();
        let whole: JsValue = match shape {
            RowShape::Objects | RowShape::None => list.into(),
            RowShape::Arrays => {
                let object = Object::new();
                js::set(&object, "columns", &self.columns);
                js::set(&object, "rows", &list);
                object.into()
            }
        };
        JSON::stringify(&whole)?.as_string().ok_or_else(|| SqlError("rows that are no JSON".into()))
    }
}

/// Why a transaction was undone.
enum Undone {
    Asked,
    Failed(sql::SqlError),
}

impl From<sql::SqlError> for Undone {
    fn from(error: sql::SqlError) -> Self {
        Self::Failed(error)
    }
}

fn undone(ending: Ending) -> Result<(), Undone> {
    match ending {
        Ending::Keep => Ok(()),
        Ending::Undo => Err(Undone::Asked),
    }
}

fn ended(result: Result<(), Undone>) -> Result<(), SqlError> {
    match result {
        Ok(()) | Err(Undone::Asked) => Ok(()),
        Err(Undone::Failed(error)) => Err(error.into()),
    }
}

impl Engine for ObjectEngine {
    fn run(&self, statement: &str, params: &[Param<'_>]) -> Result<Rows, SqlError> {
        let rows = self.0.run_bound(statement, &bind(params))?;
        Ok(Rows::new(ObjectRows(rows.raw().clone())))
    }

    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<(), SqlError> {
        Ok(self.0.execute_bound(statement, &bind(params))?)
    }

    fn answer(&self, statement: &str, params: &[Param<'_>]) -> Result<Answered, SqlError> {
        let answered = self.0.answer(statement, &bind(params))?;
        Ok(Answered {
            rows: Box::new(ObjectAnswer { columns: answered.columns, rows: answered.rows.raw().clone() }),
            rows_read: answered.rows_read,
            rows_written: answered.rows_written,
        })
    }

    fn transaction(&self, body: &mut dyn FnMut() -> Ending) -> Result<(), SqlError> {
        ended(self.0.transaction(|| undone(body())))
    }

    fn open_transaction(&self, body: LocalBoxFuture<'static, Ending>) -> LocalBoxFuture<'_, Result<(), SqlError>> {
        Box::pin(async move { ended(self.0.open_transaction(async move { undone(body.await) }).await) })
    }

    fn committed(&self) -> LocalBoxFuture<'_, ()> {
        // The platform commits in the turn after the one that wrote.
        Box::pin(async { Delay::from(Duration::ZERO).await })
    }

    fn kept(&self, key: &str) -> Result<Option<String>, SqlError> {
        let stored = self.0.values().get(key)?;
        // An earlier version kept the number of parts as a number.
        Ok(stored.as_string().or_else(|| stored.as_f64().map(|number| number.to_string())))
    }

    fn keep(&self, key: &str, text: &str) -> Result<(), SqlError> {
        Ok(self.0.values().put(key, &JsValue::from_str(text))?)
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn entropy(&self) -> u128 {
        js::entropy()
    }
}
