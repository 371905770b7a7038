//! How the rows of a table are gone through, and the statements that write them again.

use super::Rows;
use super::values::{Pieces, TOO_LONG, Value, written};
use crate::domain::limits::MAX_STATEMENT_BYTES;
use crate::domain::refusal::Problem;
use dryrun_sql::quoting::{identifier, literal};

/// D1's most columns of a table, which are also the most that one INSERT names
/// (<https://developers.cloudflare.com/d1/platform/limits/>).
const MAX_COLUMNS: usize = 100;

/// Longest INSERT that is written. A dry run needs the last bytes of D1's limit for itself.
const MAX_INSERT_BYTES: usize = MAX_STATEMENT_BYTES - 1_000;

/// A table and how its rows are gone through.
#[derive(Debug)]
pub struct Table {
    name: String,
    /// The columns that have values of their own.
    columns: Vec<String>,
    order: Order,
    /// Whether no column is the rowid, so that it has to be written where SQLite would draw another.
    numbered: bool,
}

#[derive(Debug)]
enum Order {
    /// By rowid, under a name that no column has.
    Rowid(&'static str),
    /// As they are stored: a key may be compared otherwise than its columns, and rows without a key may be equal.
    Stored,
}

/// Where the last page ended.
#[derive(Debug, Clone)]
pub enum After {
    /// Nothing was read.
    Nothing,
    /// At this rowid.
    Rowid(String),
    /// After so many rows.
    Rows(usize),
}

/// A row.
#[derive(Debug)]
pub struct Row {
    rowid: Option<String>,
    /// What follows the table's name to select it alone.
    place: String,
    /// Its values as literals.
    pub cells: Vec<String>,
}

impl Table {
    /// The questions that [`Self::read`] takes the answers of.
    pub fn questions(name: &str) -> [String; 2] {
        let asked = literal(name);
        [
            format!(
                "SELECT name, CAST(pk AS TEXT), CAST(hidden AS TEXT) FROM pragma_table_xinfo({asked}) ORDER BY cid"
            ),
            format!(
                "SELECT CAST(wr AS TEXT), CAST((SELECT count(*) FROM pragma_index_list({asked}) WHERE origin = 'pk') AS TEXT) \
                 FROM pragma_table_list({asked}) WHERE schema = 'main'"
            ),
        ]
    }

    /// Reads what is known of a table.
    ///
    /// # Errors
    /// An answer that SQLite does not give.
    pub fn read(name: &str, columns: Rows, kinds: &Rows) -> Result<Self, Problem> {
        let (mut valued, mut all, mut keys) = (Vec::new(), Vec::new(), 0);
        for row in columns {
            let cells = <[Option<String>; 3]>::try_from(row).unwrap_or_default();
            let [Some(column), Some(place), Some(hidden)] = cells else {
                return Err(Problem::broken("a description of columns lacks a cell"));
            };
            keys += usize::from(place != "0");
            all.push(column.to_ascii_lowercase());
            // A generated column makes its own value.
            if hidden == "0" {
                valued.push(column);
            }
        }
        let Some([Some(without_rowid), Some(key_indexes)]) = kinds.first().map(Vec::as_slice) else {
            return Err(Problem::broken("a description of columns is not in order"));
        };
        let free = ["rowid", "_rowid_", "oid"].into_iter().find(|alias| !all.iter().any(|column| column == alias));
        let order = free.filter(|_| without_rowid != "1").map_or(Order::Stored, Order::Rowid);
        // A primary key that needs no index is the rowid itself.
        let is_rowid = keys == 1 && key_indexes == "0";
        let numbered = matches!(order, Order::Rowid(_)) && !is_rowid && valued.len() < MAX_COLUMNS;
        Ok(Self { name: name.to_owned(), columns: valued, order, numbered })
    }

    /// The question for a page of rows. Text that is not UTF-8 arrives with other characters in its place, so that its
    /// bytes have to be asked for.
    pub fn page(&self, after: &After, limit: usize, in_bytes: bool) -> String {
        let mut cells: Vec<String> = self.columns.iter().map(|column| written(&identifier(column), in_bytes)).collect();
        let place = match (&self.order, after) {
            (Order::Stored, After::Rows(count)) => format!("NOT INDEXED LIMIT {limit} OFFSET {count}"),
            (Order::Stored, After::Nothing | After::Rowid(_)) => format!("NOT INDEXED LIMIT {limit}"),
            (Order::Rowid(alias), after) => {
                // A table of D1's most columns leaves no room for one more, so the rowid stands before the first value.
                if let Some(first) = cells.first_mut() {
                    *first = format!("{alias} || ' ' || {first}");
                }
                let start =
                    if let After::Rowid(rowid) = after { format!("WHERE {alias} > {rowid} ") } else { String::new() };
                format!("{start}ORDER BY {alias} LIMIT {limit}")
            }
        };
        format!("SELECT {} FROM {} {place}", cells.join(", "), identifier(&self.name))
    }

    /// The rows of a page.
    pub fn rows(&self, after: &After, page: Rows) -> Vec<Row> {
        let start = if let After::Rows(count) = after { *count } else { 0 };
        page.into_iter().enumerate().map(|(at, cells)| self.row(start + at, cells)).collect()
    }

    fn row(&self, at: usize, cells: Vec<Option<String>>) -> Row {
        let mut cells: Vec<String> = cells.into_iter().map(Option::unwrap_or_default).collect();
        let Order::Rowid(alias) = self.order else {
            return Row { rowid: None, place: format!("NOT INDEXED LIMIT 1 OFFSET {at}"), cells };
        };
        let first = cells.first_mut().map(std::mem::take).unwrap_or_default();
        let (rowid, value) = first.split_once(' ').unwrap_or_default();
        if let Some(first) = cells.first_mut() {
            value.clone_into(first);
        }
        Row { rowid: Some(rowid.to_owned()), place: format!("WHERE {alias} = {rowid}"), cells }
    }

    /// Where a page ended.
    pub fn after(&self, after: After, rows: &[Row]) -> After {
        match (&self.order, after) {
            (Order::Rowid(_), after) => rows.last().and_then(|row| row.rowid.clone()).map_or(after, After::Rowid),
            (Order::Stored, After::Rows(count)) => After::Rows(count + rows.len()),
            (Order::Stored, _) => After::Rows(rows.len()),
        }
    }

    /// The values of a row; of those that did not come along, how they are asked for.
    pub fn values(&self, row: &Row) -> Vec<Value> {
        let pairs = row.cells.iter().zip(&self.columns);
        pairs
            .map(|(cell, column)| match cell.strip_prefix(TOO_LONG) {
                Some(kind) => Value::fetched(
                    kind == "text",
                    format!("CAST({} AS BLOB)", identifier(column)),
                    format!("{} {}", identifier(&self.name), row.place),
                ),
                None => Value::Literal(cell.clone()),
            })
            .collect()
    }

    /// The statements that write a row again. `previous` is the row before it, after which SQLite would number on.
    pub fn insert(&self, previous: Option<&Row>, row: &Row, mut values: Vec<Value>, pieces: &mut Pieces) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| identifier(column)).collect();
        let head = match (&self.order, self.rowid_of(previous, row)) {
            (Order::Rowid(alias), Some(rowid)) => {
                format!("INSERT INTO {} ({alias},{}) VALUES({rowid},", identifier(&self.name), names.join(","))
            }
            _ => format!("INSERT INTO {} ({}) VALUES(", identifier(&self.name), names.join(",")),
        };
        let mut text = pieces.take_over(&mut values, MAX_INSERT_BYTES.saturating_sub(head.len() + 2));
        let values: Vec<String> = values.into_iter().map(Value::into_sql).collect();
        text.push_str(&format!("{head}{});\n", values.join(",")));
        text
    }

    /// The rowid, where it is not the one that SQLite gives to the next row.
    fn rowid_of<'r>(&self, previous: Option<&Row>, row: &'r Row) -> Option<&'r str> {
        let number = |row: &Row| row.rowid.as_deref().and_then(|rowid| rowid.parse::<i64>().ok());
        let next = previous.map_or(Some(1), |previous| number(previous)?.checked_add(1));
        row.rowid.as_deref().filter(|_| self.numbered && number(row) != next)
    }
}
