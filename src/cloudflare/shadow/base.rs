//! Reading the base: single SELECTs, and rows in a form that keeps every value exact.

use std::rc::Rc;

use js_sys::{Array, JSON, Uint8Array};
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use super::capture::constant;
use super::catalog::Table;
use super::cells::{balanced, list, surely};
use crate::cloudflare::d1::{self, Failure};
use crate::cloudflare::js;
use crate::cloudflare::sql::whole;
use crate::domain::operation::RowShape;
use crate::domain::refusal::{Code, Problem};

/// Rows fetched at a time.
const PAGE_ROWS: u64 = 5_000;
/// D1 answers at most 100 columns (<https://developers.cloudflare.com/d1/platform/limits/>).
const MAX_RESULT_COLUMNS: usize = 100;

/// A SELECT with the values of its parameters.
pub type Query = (String, Vec<Value>);

/// Why the base did not answer a query.
#[derive(Debug)]
pub enum Unread {
    /// SQLite's own error: the rows do not compute, or the schema is not what it was.
    Sql(String),
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Problem(problem) => problem,
            Unread::Sql(why) => Self::new(
                Code::NotRehearsable,
                format!(
                    "The database answered a query for rows that the rehearsal needs with an error ({why}); nothing was run."
                ),
                "If its schema was changed after the run copied it, start a new run.",
            ),
        }
    }
}

/// The database behind a shadow.
pub struct Base<'a> {
    pub env: &'a Env,
    pub store: &'a str,
}

impl Base<'_> {
    /// One SELECT, its rows as JavaScript arrays.
    pub async fn select(&self, sql: &str) -> Result<Array, Unread> {
        let (mut results, _) = self.selects(&[(sql.to_owned(), Vec::new())]).await?;
        Ok(results.pop().unwrap_or_default())
    }

    /// SELECTs in one transaction, the rows of each, and the bytes that came.
    pub async fn selects(&self, queries: &[Query]) -> Result<(Vec<Array>, u64), Unread> {
        if queries.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let statements: Vec<(&str, &[Value])> =
            queries.iter().map(|(sql, params)| (sql.as_str(), params.as_slice())).collect();
        let text =
            d1::send(self.env, self.store, &statements, RowShape::Arrays).await.map_err(|failure| match failure {
                Failure::Problem(problem) => Unread::Problem(problem),
                Failure::Sql(why) => Unread::Sql(why),
                Failure::Unclear(why) => {
                    js::log("error", "hydration_failed", &[("store", self.store), ("why", &why)]);
                    Unread::Problem(Problem::new(
                        Code::StoreUnavailable,
                        format!("The store {} could not be read for the rehearsal; nothing was run.", self.store),
                        "Try again. Nothing was written anywhere.",
                    ))
                }
            })?;
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let answer: Array =
            JSON::parse(&text).ok().and_then(|answer| answer.dyn_into().ok()).ok_or_else(Problem::internal)?;
        let rows = answer.iter().map(|result| {
            js::member(&js::member(&result, "results"), "rows").dyn_into().map_err(|_| Problem::internal())
        });
        Ok((rows.collect::<Result<_, _>>()?, bytes))
    }
}

/// One row of an answer.
pub fn row(rows: &Array, index: u32) -> Array {
    rows.get(index).dyn_into().unwrap_or_default()
}

/// The count that an answer consists of.
pub fn count(rows: &Array) -> u64 {
    row(rows, 0).get(0).as_f64().map(whole).unwrap_or_default()
}

/// Rows of a table that are to be fetched.
#[derive(Debug, Clone)]
pub struct Selection {
    pub table: Rc<Table>,
    /// The name that the filter knows the table by.
    pub alias: String,
    /// Conditions; none for all rows.
    pub filter: Vec<String>,
    /// The values of their parameters.
    pub params: Vec<Value>,
}

/// A row as it is bound: a letter for the storage class of each value, then the values.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its identity in the base.
    pub key: String,
    /// The letters, then the values.
    pub cells: Array,
}

impl Selection {
    /// All rows of a table.
    pub fn all(table: Rc<Table>) -> Self {
        Self { alias: table.name.clone(), table, filter: Vec::new(), params: Vec::new() }
    }

    /// The columns that are copied, the rowid first where it is not one of them.
    pub fn columns(table: &Table) -> Vec<String> {
        let mut columns: Vec<String> =
            table.columns.iter().filter(|column| !column.generated).map(|column| column.name.clone()).collect();
        if let (Some(rowid), None) = (table.rowid, table.rowid_alias()) {
            columns.insert(0, rowid.to_owned());
        }
        columns
    }

    fn order(&self) -> Vec<String> {
        match self.table.rowid {
            Some(rowid) => vec![rowid.to_owned()],
            None => self.table.primary_key().iter().map(|column| surely(column)).collect(),
        }
    }

    /// How many rows there are, in at most so many.
    pub fn counting(&self, most: Option<u64>) -> Query {
        let from = self.from(None);
        let sql = match most {
            Some(most) => format!("SELECT count(*) FROM (SELECT 1 {from} LIMIT {most})"),
            None => format!("SELECT count(*) {from}"),
        };
        (sql, self.params.clone())
    }

    fn from(&self, behind: Option<&str>) -> String {
        let conditions: Vec<String> =
            self.filter.iter().map(String::as_str).chain(behind).map(|one| format!("({one})")).collect();
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        format!("FROM {} AS {}{filter}", surely(&self.table.name), surely(&self.alias))
    }

    /// The queries that fetch a page: more than one for a wide table, side by side in one transaction.
    pub fn page(&self, last: Option<&str>, exact_text: bool, most: u64) -> Result<Vec<Query>, Problem> {
        let order = self.order();
        let behind = match (last, self.table.rowid) {
            (None, _) => None,
            (Some(last), Some(rowid)) => {
                Some(format!("{rowid} > {}", last.parse::<i64>().map_err(|_| Problem::internal())?))
            }
            (Some(last), None) => {
                let values: Vec<Value> = serde_json::from_str(last).map_err(|_| Problem::internal())?;
                Some(format!(
                    "({}) > ({})",
                    order.join(", "),
                    values.iter().map(constant).collect::<Vec<_>>().join(", ")
                ))
            }
        };
        let names: Vec<String> = Self::columns(&self.table)
            .iter()
            .map(|column| if self.table.rowid == Some(column.as_str()) { column.clone() } else { surely(column) })
            .collect();
        let kinds = balanced(names.iter().map(|name| format!("substr(typeof({name}), 1, 1)")).collect());
        let key = match self.table.rowid {
            Some(rowid) => format!("CAST({rowid} AS TEXT)"),
            None => list(&order),
        };
        let rest =
            format!("{} ORDER BY {} LIMIT {}", self.from(behind.as_deref()), order.join(", "), most.min(PAGE_ROWS));
        let values: Vec<String> = names.iter().map(|name| travelling(name, exact_text)).collect();
        let mut queries = vec![(format!("SELECT {kinds}, {key} {rest}"), self.params.clone())];
        queries.extend(
            values
                .chunks(MAX_RESULT_COLUMNS)
                .map(|group| (format!("SELECT {} {rest}", group.join(", ")), self.params.clone())),
        );
        Ok(queries)
    }

    /// The rows of a page out of what its queries answered; `None` when it has to be fetched again with exact text.
    pub fn read(parts: &[Array], exact_text: bool) -> Option<Vec<Fetched>> {
        let (kinds, values) = parts.split_first()?;
        let mut rows = Vec::new();
        for index in 0..kinds.length() {
            let lead = row(kinds, index);
            let whole = Array::of1(&lead.get(0));
            for part in values {
                row(part, index).iter().for_each(|cell| {
                    whole.push(&cell);
                });
            }
            // Text that is not valid UTF-8 arrives with replacement characters; so may text that really holds one. Both travel as bytes.
            if !exact_text && whole.iter().any(|cell| cell.as_string().is_some_and(|text| text.contains('\u{fffd}'))) {
                return None;
            }
            rows.push(Fetched {
                key: lead.get(1).as_string().unwrap_or_default(),
                cells: bindable(&whole, exact_text),
            });
        }
        Some(rows)
    }

    /// The rows behind `last`, page by page.
    pub async fn fetch(
        &self,
        base: &Base<'_>,
        mut last: Option<String>,
        mut most: u64,
        bytes: &mut dyn FnMut(u64) -> Result<(), Problem>,
    ) -> Result<Vec<Fetched>, Problem> {
        let mut rows: Vec<Fetched> = Vec::new();
        while most > 0 {
            let (parts, came) = base.selects(&self.page(last.as_deref(), false, most)?).await?;
            bytes(came)?;
            let page = match Self::read(&parts, false) {
                Some(page) => page,
                None => self.exactly(base, last.as_deref(), most, bytes).await?,
            };
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            let full = count == most.min(PAGE_ROWS);
            most -= count.min(most);
            last = page.last().map(|row| row.key.clone());
            rows.extend(page);
            if !full {
                break;
            }
        }
        Ok(rows)
    }

    /// A page with its text as bytes.
    pub async fn exactly(
        &self,
        base: &Base<'_>,
        last: Option<&str>,
        most: u64,
        bytes: &mut dyn FnMut(u64) -> Result<(), Problem>,
    ) -> Result<Vec<Fetched>, Problem> {
        let (parts, came) = base.selects(&self.page(last, true, most)?).await?;
        bytes(came)?;
        Self::read(&parts, true).ok_or_else(Problem::internal)
    }

    /// Whether a page of so many rows may have another one behind it.
    pub fn is_full(rows: usize, most: u64) -> bool {
        u64::try_from(rows).unwrap_or(u64::MAX) >= most.min(PAGE_ROWS)
    }
}

/// Longer ones would not fit into SQLite's 2 MB once more as hexadecimal; D1 answers them as arrays of numbers.
const MAX_HEX_BYTES: usize = 500_000;

/// A column as it travels: what JSON or a JavaScript number would spoil goes as text, and a letter for each column says which.
fn travelling(column: &str, exact_text: bool) -> String {
    let text = if exact_text {
        format!(
            "WHEN 'text' THEN CASE WHEN octet_length({column}) < {MAX_HEX_BYTES} THEN hex(CAST({column} AS BLOB)) ELSE CAST({column} AS BLOB) END"
        )
    } else {
        String::new()
    };
    format!(
        "CASE typeof({column}) WHEN 'blob' THEN CASE WHEN length({column}) < {MAX_HEX_BYTES} THEN hex({column}) ELSE {column} END \
         WHEN 'integer' THEN CAST({column} AS TEXT) \
         WHEN 'real' THEN CASE WHEN abs({column}) < 1.8e308 THEN {column} ELSE CAST({column} AS TEXT) END {text} ELSE {column} END"
    )
}

/// The letters as they came, then the values as they are bound: blobs and exact text as bytes.
fn bindable(row: &Array, exact_text: bool) -> Array {
    let kinds = row.get(0).as_string().unwrap_or_default();
    let bound = Array::of1(&row.get(0));
    for (index, kind) in (1u32..).zip(kinds.bytes()) {
        let cell = row.get(index);
        let bytes = |cell: &JsValue| -> JsValue {
            match cell.dyn_ref::<Array>() {
                Some(numbers) => Uint8Array::new(numbers).into(),
                None => {
                    Uint8Array::from(hex::decode(cell.as_string().unwrap_or_default()).unwrap_or_default().as_slice())
                        .into()
                }
            }
        };
        bound.push(&match kind {
            b'b' => bytes(&cell),
            b't' if exact_text => bytes(&cell),
            b'r' => match cell.as_string().as_deref() {
                Some(text) if text.starts_with('-') => JsValue::from_f64(f64::NEG_INFINITY),
                Some(_) => JsValue::from_f64(f64::INFINITY),
                None => cell,
            },
            _ => cell,
        });
    }
    bound
}
