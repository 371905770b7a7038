//! A target D1 database as the base of a shadow.

use std::fmt;

use futures_util::future::LocalBoxFuture;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;
use worker::Env;

use crate::app::message::Answer;
use crate::cloudflare::d1::{self, Failure};
use crate::domain::operation::{RowShape, SqlCall};
use crate::domain::refusal::Problem;
use crate::shadow::port::{Base, BaseRow, Cell, Query, Selected, Unread};

/// The database behind a binding.
pub struct TargetBase {
    env: Env,
    store: String,
}

impl TargetBase {
    /// The database that is bound by this name.
    pub fn new(env: Env, store: String) -> Self {
        Self { env, store }
    }
}

/// What D1 answers to a query in the shape `ROWS_AND_COLUMNS`; its other members are not read.
#[derive(Deserialize)]
struct QueryResult {
    results: QueryRows,
}

#[derive(Deserialize)]
struct QueryRows {
    rows: Vec<BaseRow>,
}

impl<'de> Deserialize<'de> for BaseRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of a row")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Cell, E> {
        Ok(Cell::Number(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of JSON is one of JavaScript's")]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Cell, E> {
        Ok(Cell::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of JSON is one of JavaScript's")]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Cell, E> {
        Ok(Cell::Number(number as f64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Cell, A::Error> {
        let mut bytes = Vec::with_capacity(numbers.size_hint().unwrap_or_default());
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(Cell::Bytes(bytes))
    }
}

impl Base for TargetBase {
    fn store(&self) -> &str {
        &self.store
    }

    fn select<'a>(&'a self, batch: &'a [Query]) -> LocalBoxFuture<'a, Result<Selected, Unread>> {
        Box::pin(async move {
            let statements: Vec<(&str, &[Value])> =
                batch.iter().map(|(sql, params)| (sql.as_str(), params.as_slice())).collect();
            let text =
                d1::send(&self.env, &self.store, &statements, RowShape::Arrays).await.map_err(
                    |failure| match failure {
                        Failure::Problem(problem) => Unread::Refused(problem),
                        Failure::Sql(why) => Unread::Sql(why),
                        Failure::Unclear(why) => Unread::Unclear(why),
                    },
                )?;
            let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
            let results: Vec<QueryResult> = serde_json::from_str(&text)
                .map_err(|error| Unread::Unclear(format!("an answer that is not understood: {error}")))?;
            Ok(Selected { results: results.into_iter().map(|result| result.results.rows).collect(), bytes })
        })
    }

    fn read<'a>(&'a self, call: &'a SqlCall) -> LocalBoxFuture<'a, Result<String, Problem>> {
        Box::pin(async move {
            let done = d1::perform::<(), ()>(&self.env, &self.store, call, true).await?;
            match done.answer {
                Answer::Result { result, .. } => Ok(result),
                Answer::Content { .. } => Err(Problem::broken("a select answered content")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_d1_is_read_with_every_kind_of_value() {
        let text =
            r#"[{"success":true,"results":{"columns":["a"],"rows":[[null,1,-2.5,"x\u0000",[0,255]]]},"meta":{}}]"#;
        let results: Vec<QueryResult> = serde_json::from_str(text).expect("it is such an answer");
        let rows: Vec<&BaseRow> = results.iter().flat_map(|result| &result.results.rows).collect();
        let expected = BaseRow(vec![
            Cell::Null,
            Cell::Number(1.0),
            Cell::Number(-2.5),
            Cell::Text("x\0".into()),
            Cell::Bytes(vec![0, 255]),
        ]);
        assert_eq!(rows, [&expected]);
    }
}
