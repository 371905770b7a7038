//! Copying schema and rows from the base. Only single SELECTs reach it.

use std::collections::{BTreeMap, BTreeSet};

use js_sys::{Array, JSON, Uint8Array};
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use super::capture;
use super::catalog::{Catalog, Table};
use super::cells::{balanced, identifier, list, literal};
use crate::cloudflare::d1::{self, Failure};
use crate::cloudflare::js;
use crate::cloudflare::sql::Database;
use crate::domain::limits::MAX_PARAMETERS;
use crate::domain::operation::RowShape;
use crate::domain::refusal::{Code, Problem};
use crate::domain::statement::{describes_schema, rolls_back};

/// Rows fetched at a time.
const PAGE_ROWS: u64 = 5_000;

/// What may still be copied, and what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Rows that may still be copied.
    pub rows_left: u64,
    /// Bytes that may still be copied.
    pub bytes_left: u64,
    /// Rows copied and not yet in the catalog.
    pub rows: u64,
    /// Bytes copied and not yet in the catalog.
    pub bytes: u64,
}

impl Budget {
    fn take(&mut self, rows: u64, bytes: u64, table: &str) -> Result<(), Problem> {
        if rows > self.rows_left || bytes > self.bytes_left {
            return Err(Problem::new(
                Code::ShadowBudgetExceeded,
                format!(
                    "Rehearsing this statement needs the rows of {table}, more than this run may still copy ({} rows, {} bytes); nothing was run.",
                    self.rows_left, self.bytes_left
                ),
                "Work on smaller tables in this run, or raise SHADOW_MAX_ROWS or SHADOW_MAX_BYTES.",
            ));
        }
        self.rows_left -= rows;
        self.bytes_left -= bytes;
        self.rows += rows;
        self.bytes += bytes;
        Ok(())
    }
}

/// D1 answers at most 100 columns (<https://developers.cloudflare.com/d1/platform/limits/>).
const MAX_RESULT_COLUMNS: usize = 100;

/// One SELECT on the base, its rows as JavaScript arrays.
async fn select(env: &Env, store: &str, sql: &str, params: &[Value]) -> Result<(Array, u64), Problem> {
    let (mut results, bytes) = selects(env, store, &[(sql, params)]).await?;
    Ok((results.pop().unwrap_or_default(), bytes))
}

/// Parts of the same rows, side by side: one transaction reads them all, so they fit.
async fn page(env: &Env, store: &str, statements: &[String]) -> Result<(Array, u64), Problem> {
    let statements: Vec<(&str, &[Value])> = statements.iter().map(|sql| (sql.as_str(), [].as_slice())).collect();
    let (parts, bytes) = selects(env, store, &statements).await?;
    let mut parts = parts.into_iter();
    let rows = parts.next().unwrap_or_default();
    for part in parts {
        for index in 0..rows.length() {
            let whole = row(&rows, index);
            row(&part, index).iter().for_each(|cell| {
                whole.push(&cell);
            });
        }
    }
    Ok((rows, bytes))
}

/// SELECTs on the base in one transaction, the rows of each as JavaScript arrays.
async fn selects(env: &Env, store: &str, statements: &[(&str, &[Value])]) -> Result<(Vec<Array>, u64), Problem> {
    let text = d1::send(env, store, statements, RowShape::Arrays).await.map_err(|failure| match failure {
        Failure::Problem(problem) => problem,
        Failure::Sql(why) | Failure::Unclear(why) => {
            js::log("error", "hydration_failed", &[("store", store), ("why", &why)]);
            Problem::new(Code::StoreUnavailable, format!("The store {store} could not be read for the rehearsal; nothing was run."), "Try again. Nothing was written anywhere.")
        }
    })?;
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let answer: Array = JSON::parse(&text).ok().and_then(|answer| answer.dyn_into().ok()).ok_or_else(Problem::internal)?;
    let rows = answer.iter().map(|result| js::member(&js::member(&result, "results"), "rows").dyn_into().map_err(|_| Problem::internal()));
    Ok((rows.collect::<Result<_, _>>()?, bytes))
}

fn row(rows: &Array, index: u32) -> Array {
    rows.get(index).dyn_into().unwrap_or_default()
}

/// The statements that make the base's schema: tables first, then indexes, views and triggers, each in the order in which they were made.
const SCHEMA: &str = "SELECT type, name, sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL AND substr(name, 1, 4) <> '_cf_' AND substr(name, 1, 7) <> 'sqlite_' \
                      ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid";

/// Copies the schema.
pub async fn schema(env: &Env, store: &str, database: &Database, catalog: &mut Catalog) -> Result<(), Problem> {
    let (rows, _) = select(env, store, SCHEMA, &[]).await?;
    let (has_counters, _) = select(env, store, "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'", &[]).await?;
    let counters = if has_counters.length() > 0 { select(env, store, "SELECT name, CAST(seq AS TEXT) FROM sqlite_sequence", &[]).await?.0 } else { Array::new() };
    let mut loaded = catalog.clone();
    database.transaction(|| {
        let mut virtual_tables = BTreeSet::new();
        for index in 0..rows.length() {
            let object = row(&rows, index);
            let text = |column| object.get(column).as_string().unwrap_or_default();
            let (kind, name, sql, of) = (text(0), text(1), text(2), text(3));
            let belongs_to_virtual = virtual_tables.iter().any(|table: &String| name.starts_with(&format!("{table}_")));
            let is_virtual = sql.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL"));
            let reason = if is_virtual {
                virtual_tables.insert(name.clone());
                Some("it is a virtual table".to_owned())
            } else if belongs_to_virtual && kind == "table" {
                Some("it belongs to a virtual table".to_owned())
            } else if rolls_back(&sql) {
                Some("it can answer with ROLLBACK, which ends the transaction of the rehearsal".to_owned())
            } else if kind != "table" && describes_schema(&sql) {
                Some("it describes the schema".to_owned())
            } else {
                // An object that cannot be made here, for example a trigger on a virtual table, must not be silently absent.
                database.execute(&sql, &[]).err().map(|error| format!("it cannot be made in the shadow ({})", error.0))
            };
            if let Some(reason) = reason {
                if matches!(kind.as_str(), "trigger" | "index") {
                    loaded.incomplete.insert(of, format!("its {kind} {name} is not part of the rehearsal: {reason}"));
                }
                loaded.missing.insert(name.to_ascii_lowercase(), reason);
            }
        }
        for index in 0..counters.length() {
            let counter = row(&counters, index);
            set_counter(database, &counter.get(0).as_string().unwrap_or_default(), &counter.get(1).as_string().unwrap_or_default())?;
        }
        capture::install(database)?;
        loaded.loaded = true;
        loaded.save(database)
    })?;
    *catalog = loaded;
    Ok(())
}

/// A table's rows, ready to be inserted.
struct Copied {
    table: Table,
    /// The columns that are inserted, the rowid first where it is not one of them.
    columns: Vec<String>,
    rows: Vec<Array>,
    /// Its AUTOINCREMENT counter.
    sequence: Option<String>,
}

/// Copies whole tables, with every table that their foreign keys refer to, so that the copies can stand in a database that enforces them.
pub async fn tables(env: &Env, store: &str, database: &Database, catalog: &mut Catalog, wanted: &BTreeSet<String>, budget: &mut Budget) -> Result<(), Problem> {
    let mut described: BTreeMap<String, Table> = BTreeMap::new();
    let mut waiting: Vec<String> = wanted.iter().cloned().collect();
    while let Some(name) = waiting.pop() {
        if catalog.hydrated.contains(&name) || described.contains_key(&name) {
            continue;
        }
        let table = Table::read(database, &name)?;
        if table.columns.is_empty() {
            continue;
        }
        for parent in &table.parents {
            let known = super::catalog::tables(database)?.into_iter().find(|known| known.eq_ignore_ascii_case(parent));
            waiting.extend(known);
        }
        described.insert(table.name.clone(), table);
    }
    let mut copies = Vec::new();
    for table in described.into_values() {
        copies.push(copy(env, store, table, budget).await?);
    }
    let mut hydrated = catalog.clone();
    // Counted with the copy itself: the statement that needs it may fail, and the rows are here all the same.
    hydrated.rows += budget.rows;
    hydrated.bytes += budget.bytes;
    (budget.rows, budget.bytes) = (0, 0);
    database.transaction(|| {
        let triggers = set_triggers_aside(database)?;
        capture::remove(database)?;
        // Rows come table by table, so a child may come before its parent.
        database.execute("PRAGMA defer_foreign_keys = on", &[])?;
        for copied in &copies {
            insert(database, copied).map_err(|_| moved(&copied.table.name))?;
            hydrated.hydrated.insert(copied.table.name.clone());
        }
        if let Some(table) = broken_foreign_key(database, &hydrated.hydrated)? {
            return Err(Problem::new(
                Code::NotRehearsable,
                format!("The rows of {table} break a foreign key, so they cannot be copied into a database that enforces it; nothing was run."),
                "Try again if the data changed just now; else repair the rows first (PRAGMA foreign_key_check lists them).",
            ));
        }
        database.execute("PRAGMA defer_foreign_keys = off", &[])?;
        for trigger in &triggers {
            database.run(trigger, &[])?;
        }
        capture::install(database)?;
        hydrated.save(database)
    })?;
    *catalog = hydrated;
    Ok(())
}

/// A copied table with a row that breaks a foreign key. Tables that are not copied are not asked: one whose foreign keys do not fit the schema would answer with an error.
pub fn broken_foreign_key(database: &Database, copied: &BTreeSet<String>) -> Result<Option<String>, Problem> {
    for table in copied {
        // A key that fits no unique index of its parent is an error only for whoever writes through it.
        let Ok(rows) = database.run(&format!("SELECT 1 FROM pragma_foreign_key_check({}) LIMIT 1", literal(table)), &[]) else { continue };
        if rows.first().is_some() {
            return Ok(Some(table.clone()));
        }
    }
    Ok(None)
}

fn moved(table: &str) -> Problem {
    Problem::new(Code::NotRehearsable, format!("The rows of {table} do not fit together, so they changed while they were copied; nothing was run."), "Try again.")
}

/// Drops the users' triggers, which must not fire for copied rows, and answers the statements that make them again.
fn set_triggers_aside(database: &Database) -> Result<Vec<String>, Problem> {
    let rows = database.run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 8) <> '_dryrun_' ORDER BY rowid", &[])?;
    let mut statements = Vec::new();
    for row in rows.iter() {
        statements.push(row.text(1).unwrap_or_default());
        database.execute(&format!("DROP TRIGGER {}", identifier(&row.text(0).unwrap_or_default())), &[])?;
    }
    Ok(statements)
}

/// Longer ones would not fit into SQLite's 2 MB once more as hexadecimal; D1 answers them as arrays of numbers.
const MAX_HEX_BYTES: usize = 500_000;

/// A column as it travels: what JSON or a JavaScript number would spoil goes as text, and a letter for each column says which.
fn travelling(column: &str, exact_text: bool) -> String {
    let text = if exact_text {
        format!("WHEN 'text' THEN CASE WHEN octet_length({column}) < {MAX_HEX_BYTES} THEN hex(CAST({column} AS BLOB)) ELSE CAST({column} AS BLOB) END")
    } else {
        String::new()
    };
    format!(
        "CASE typeof({column}) WHEN 'blob' THEN CASE WHEN length({column}) < {MAX_HEX_BYTES} THEN hex({column}) ELSE {column} END \
         WHEN 'integer' THEN CAST({column} AS TEXT) \
         WHEN 'real' THEN CASE WHEN abs({column}) < 1.8e308 THEN {column} ELSE CAST({column} AS TEXT) END {text} ELSE {column} END"
    )
}

/// Fetches a table's rows, page by page in the order of its key.
async fn copy(env: &Env, store: &str, table: Table, budget: &mut Budget) -> Result<Copied, Problem> {
    let quoted = identifier(&table.name);
    // Counted first, and not beyond the budget: a table that is too large costs no copy.
    let bounded = format!("SELECT count(*) FROM (SELECT 1 FROM {quoted} LIMIT {})", budget.rows_left + 1);
    let (counted, _) = select(env, store, &bounded, &[]).await?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let count = row(&counted, 0).get(0).as_f64().unwrap_or_default() as u64;
    budget.take(count, 0, &table.name)?;
    let mut columns: Vec<String> = table.columns.iter().filter(|column| !column.generated).map(|column| column.name.clone()).collect();
    let order: Vec<String> = match table.rowid {
        Some(rowid) => {
            if table.rowid_alias().is_none() {
                columns.insert(0, rowid.to_owned());
            }
            vec![rowid.to_owned()]
        }
        None => table.primary_key().iter().map(|column| identifier(column)).collect(),
    };
    if table.rowid.is_none() && order.is_empty() {
        return Err(Problem::new(
            Code::NotRehearsable,
            format!("The table {} hides its rowid behind columns of that name, so its rows cannot be told apart; nothing was run.", table.name),
            "Rename one of the columns rowid, _rowid_ and oid.",
        ));
    }
    let is_rowid = |column: &String| table.rowid.is_some_and(|rowid| rowid == column);
    let names: Vec<String> = columns.iter().map(|column| if is_rowid(column) { column.clone() } else { identifier(column) }).collect();
    let mut rows: Vec<Array> = Vec::new();
    let kinds = balanced(names.iter().map(|name| format!("substr(typeof({name}), 1, 1)")).collect());
    let key = match table.rowid {
        Some(rowid) => format!("CAST({rowid} AS TEXT)"),
        None => list(&table.primary_key().iter().map(|column| identifier(column)).collect::<Vec<_>>()),
    };
    let mut exact_text = false;
    let mut behind = String::new();
    loop {
        let values: Vec<String> = names.iter().map(|name| travelling(name, exact_text)).collect();
        let from = format!("FROM {quoted} {behind} ORDER BY {} LIMIT {PAGE_ROWS}", order.join(", "));
        let mut selects = vec![format!("SELECT {kinds}, {key} {from}")];
        selects.extend(values.chunks(MAX_RESULT_COLUMNS).map(|group| format!("SELECT {} {from}", group.join(", "))));
        let (page, bytes) = page(env, store, &selects).await?;
        if !exact_text && has_replacement(&page) {
            // Text that is not valid UTF-8 arrives with replacement characters; so may text that really holds one. Both travel as bytes.
            exact_text = true;
            continue;
        }
        budget.take(0, bytes, &table.name)?;
        for index in 0..page.length() {
            rows.push(bindable(&row(&page, index), exact_text));
        }
        exact_text = false;
        if u64::from(page.length()) < PAGE_ROWS {
            break;
        }
        // The next page begins behind the last key: rows that come or go meanwhile shift no others.
        let last = row(&page, page.length() - 1).get(1).as_string().unwrap_or_default();
        behind = match table.rowid {
            Some(rowid) => format!("WHERE {rowid} > {}", last.parse::<i64>().map_err(|_| Problem::internal())?),
            None => {
                let values: Vec<Value> = serde_json::from_str(&last).map_err(|_| Problem::internal())?;
                format!("WHERE ({}) > ({})", order.join(", "), values.iter().map(capture::constant).collect::<Vec<_>>().join(", "))
            }
        };
    }
    let copied = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    budget.take(copied.saturating_sub(count), 0, &table.name)?;
    let sequence = if table.sql.to_ascii_uppercase().contains("AUTOINCREMENT") {
        let (found, _) = select(env, store, "SELECT CAST(seq AS TEXT) FROM sqlite_sequence WHERE name = ?", &[table.name.clone().into()]).await?;
        row(&found, 0).get(0).as_string()
    } else {
        None
    };
    Ok(Copied { table, columns, rows, sequence })
}

fn has_replacement(page: &Array) -> bool {
    page.iter().any(|row| row.dyn_into::<Array>().is_ok_and(|row| row.iter().any(|cell| cell.as_string().is_some_and(|text| text.contains('\u{fffd}')))))
}

/// A row as it is bound: the letters first, then, without the key of the page, the values, blobs and exact text as bytes.
fn bindable(row: &Array, exact_text: bool) -> Array {
    let kinds = row.get(0).as_string().unwrap_or_default();
    let bound = Array::of1(&row.get(0));
    for (index, kind) in (2u32..).zip(kinds.bytes()) {
        let cell = row.get(index);
        let bytes = |cell: &JsValue| -> JsValue {
            match cell.dyn_ref::<Array>() {
                Some(numbers) => Uint8Array::new(numbers).into(),
                None => Uint8Array::from(hex::decode(cell.as_string().unwrap_or_default()).unwrap_or_default().as_slice()).into(),
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

/// Inserts a table's rows. One statement for each combination of storage classes: the engine keeps them prepared.
fn insert(database: &Database, copied: &Copied) -> Result<(), Problem> {
    let quoted = identifier(&copied.table.name);
    let is_rowid = |column: &String| copied.table.rowid.is_some_and(|rowid| rowid == column);
    let columns: Vec<String> = copied.columns.iter().map(|column| if is_rowid(column) { column.clone() } else { identifier(column) }).collect();
    let count = columns.len();
    let columns = columns.join(", ");
    let mut statements: BTreeMap<String, String> = BTreeMap::new();
    for row in &copied.rows {
        let kinds = row.get(0).as_string().unwrap_or_default();
        if count > MAX_PARAMETERS {
            // A full table with a rowid has one value more than a statement has parameters; the rowid is an integer and goes into the text.
            let values: Vec<&str> = kinds.bytes().skip(1).map(placeholder).collect();
            let rowid = row.get(1).as_string().and_then(|text| text.parse::<i64>().ok()).ok_or_else(Problem::internal)?;
            database.execute_bound(&format!("INSERT INTO {quoted} ({columns}) VALUES ({rowid}, {})", values.join(", ")), &row.slice(2, row.length()))?;
            continue;
        }
        let statement = statements.entry(kinds).or_insert_with_key(|kinds| {
            let values: Vec<&str> = kinds.bytes().map(placeholder).collect();
            format!("INSERT INTO {quoted} ({columns}) VALUES ({})", values.join(", "))
        });
        database.execute_bound(statement, &row.slice(1, row.length()))?;
    }
    if let Some(sequence) = &copied.sequence {
        set_counter(database, &copied.table.name, sequence)?;
    }
    Ok(())
}

/// Continues an AUTOINCREMENT counter where the base has it.
fn set_counter(database: &Database, table: &str, sequence: &str) -> Result<(), Problem> {
    database.execute("DELETE FROM sqlite_sequence WHERE name = ?", &[table.into()])?;
    database.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, CAST(? AS INTEGER))", &[table.into(), sequence.into()])?;
    Ok(())
}

fn placeholder(kind: u8) -> &'static str {
    match kind {
        b'i' => "CAST(? AS INTEGER)",
        b't' => "CAST(? AS TEXT)",
        _ => "?",
    }
}
