//! Reading the base: single SELECTs, and rows in a form that keeps every value exact.

use std::rc::Rc;

use serde_json::Value;

use super::capture::constant;
use super::catalog::Table;
use super::cells::{balanced, list, surely};
use super::failure::{Failure, unreadable};
use super::port::{Base, BaseRow, Cell, Query};

/// Rows fetched at a time.
const PAGE_ROWS: u64 = 5_000;
/// D1 answers at most 100 columns (<https://developers.cloudflare.com/d1/platform/limits/>).
const MAX_RESULT_COLUMNS: usize = 100;

/// See [`Base`]: what the base does not answer is a refusal.
pub async fn selects(base: &dyn Base, batch: &[Query]) -> Result<(Vec<Vec<BaseRow>>, u64), Failure> {
    base.selects(batch).await.map_err(|unread| Failure::unread(unread, base.store()))
}

/// The count that an answer consists of.
pub fn count(rows: &[BaseRow]) -> u64 {
    rows.first().map(|row| row.count(0)).unwrap_or_default()
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

/// A row as it is bound.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its identity in the base.
    pub key: String,
    /// A letter for the storage class of each value.
    pub kinds: String,
    /// The values.
    pub cells: Vec<Cell>,
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
    pub fn page(&self, last: Option<&str>, exact_text: bool, most: u64) -> Result<Vec<Query>, Failure> {
        let order = self.order();
        let behind = match (last, self.table.rowid) {
            (None, _) => None,
            (Some(last), Some(rowid)) => {
                Some(format!("{rowid} > {}", last.parse::<i64>().map_err(|error| unreadable("a rowid", &error))?))
            }
            (Some(last), None) => {
                let values: Vec<Value> = serde_json::from_str(last).map_err(|error| unreadable("a key", &error))?;
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
    pub fn read(parts: Vec<Vec<BaseRow>>, exact_text: bool) -> Option<Vec<Fetched>> {
        let mut parts = parts.into_iter().map(Vec::into_iter);
        let kinds = parts.next()?;
        let mut values: Vec<_> = parts.collect();
        let mut rows = Vec::with_capacity(kinds.len());
        for lead in kinds {
            let text = |column| lead.text(column).unwrap_or_default().to_owned();
            let (kinds, key) = (text(0), text(1));
            let mut cells = Vec::with_capacity(kinds.len());
            for part in &mut values {
                cells.extend(part.next().map(|row| row.0).unwrap_or_default());
            }
            // Text that is not valid UTF-8 arrives with replacement characters; so may text that really holds one. Both
            // travel as bytes.
            let is_doubtful = |cell: &Cell| matches!(cell, Cell::Text(text) if text.contains('\u{fffd}'));
            if !exact_text && cells.iter().any(is_doubtful) {
                return None;
            }
            for (cell, kind) in cells.iter_mut().zip(kinds.bytes()) {
                make_bindable(cell, kind, exact_text);
            }
            rows.push(Fetched { key, kinds, cells });
        }
        Some(rows)
    }

    /// The rows behind `last`, page by page.
    pub async fn fetch(
        &self,
        base: &dyn Base,
        mut last: Option<String>,
        mut most: u64,
        bytes: &mut dyn FnMut(u64) -> Result<(), Failure>,
    ) -> Result<Vec<Fetched>, Failure> {
        let mut rows: Vec<Fetched> = Vec::new();
        while most > 0 {
            let (parts, came) = selects(base, &self.page(last.as_deref(), false, most)?).await?;
            bytes(came)?;
            let page = match Self::read(parts, false) {
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
        base: &dyn Base,
        last: Option<&str>,
        most: u64,
        bytes: &mut dyn FnMut(u64) -> Result<(), Failure>,
    ) -> Result<Vec<Fetched>, Failure> {
        let (parts, came) = selects(base, &self.page(last, true, most)?).await?;
        bytes(came)?;
        Self::read(parts, true).ok_or_else(|| Failure::broken("a page without queries"))
    }

    /// Whether a page of so many rows may have another one behind it.
    pub fn is_full(rows: usize, most: u64) -> bool {
        u64::try_from(rows).unwrap_or(u64::MAX) >= most.min(PAGE_ROWS)
    }
}

/// Longer ones would not fit into SQLite's 2 MB once more as hexadecimal; D1 answers them as arrays of numbers.
const MAX_HEX_BYTES: usize = 500_000;

/// A column as it travels: what JSON or a JavaScript number would spoil goes as text, and a letter for each column says
/// which.
fn travelling(column: &str, exact_text: bool) -> String {
    let text = if exact_text {
        format!(
            "WHEN 'text' THEN CASE WHEN octet_length({column}) < {MAX_HEX_BYTES} THEN hex(CAST({column} AS BLOB)) ELSE \
             CAST({column} AS BLOB) END"
        )
    } else {
        String::new()
    };
    format!(
        "CASE typeof({column}) WHEN 'blob' THEN CASE WHEN length({column}) < {MAX_HEX_BYTES} THEN hex({column}) ELSE {column} END \
         WHEN 'integer' THEN CAST({column} AS TEXT) \
         WHEN 'real' THEN CASE WHEN abs({column}) < 1.8e308 THEN {column} ELSE CAST({column} AS TEXT) END {text} ELSE \
         {column} END"
    )
}

/// Turns a value as it came into the value that is bound: blobs and exact text become bytes, infinite numbers numbers.
fn make_bindable(cell: &mut Cell, kind: u8, exact_text: bool) {
    let Cell::Text(text) = cell else { return };
    match kind {
        b'b' => *cell = Cell::Bytes(hex::decode(text).unwrap_or_default()),
        b't' if exact_text => *cell = Cell::Bytes(hex::decode(text).unwrap_or_default()),
        b'r' => *cell = Cell::Number(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
}
