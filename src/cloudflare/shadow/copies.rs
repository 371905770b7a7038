//! Putting copied rows into the shadow, all of them or none.

use std::collections::{BTreeMap, BTreeSet};

use js_sys::Array;
use serde_json::Value;

use super::base::{Fetched, Selection};
use super::catalog::{Catalog, Table};
use super::cells::{identifier, literal};
use super::supply::Load;
use super::{capture, checks};
use crate::cloudflare::sql::{Database, SqlError};
use crate::domain::limits::MAX_PARAMETERS;
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;

impl Load<'_> {
    /// Puts everything into the shadow, or nothing.
    pub(super) fn store(self, before: &Catalog, catalog: &mut Catalog) -> Result<bool, Problem> {
        let Self { database, catalog: mut next, budget, rows, copied_whole, counters, indexes, covered, floors, referred, schema, .. } = self;
        // Counted with the copy itself: the statement that needs it may fail, and the rows are here all the same.
        next.rows += budget.rows;
        next.bytes += budget.bytes;
        (budget.rows, budget.bytes) = (0, 0);
        let mut remade = next.partial != before.partial || next.hydrated != before.hydrated;
        for table in &copied_whole {
            next.partial.remove(&table.name);
        }
        let stored = database.transaction(|| {
            let counted = if next.counters_set { Some(database.run(COUNTED, &[])?.iter().filter_map(|row| row.text(0)).collect::<Vec<_>>()) } else { None };
            database.execute("UPDATE _dryrun_state SET mode = 3", &[])?;
            // Rows come table by table, so a child may come before its parent.
            database.execute("PRAGMA defer_foreign_keys = on", &[])?;
            for (name, rows) in rows.iter().filter(|(_, rows)| !rows.is_empty()) {
                let table = schema.described(name).ok_or_else(Problem::internal)?;
                let triggers = set_triggers_aside(database, name)?;
                insert(database, &table, rows).map_err(|error| moved(name, &error))?;
                for trigger in &triggers {
                    database.run(trigger, &[])?;
                }
                if !triggers.is_empty() {
                    // The last one made fires first.
                    capture::install_on(database, name, false)?;
                    // Those of the gateway that say what is needed fire before them.
                    remade = true;
                }
                if next.partial.contains(name) {
                    let keys: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
                    database.execute(
                        "INSERT INTO _dryrun_known (name, key) SELECT ?1, value FROM json_each(?2)",
                        &[name.as_str().into(), Value::from(keys).to_string().as_str().into()],
                    )?;
                }
            }
            for name in &indexes {
                let quoted = identifier(name);
                database.execute(&format!("INSERT INTO {quoted} ({quoted}) VALUES ('rebuild')"), &[])?;
            }
            for (name, counter) in &counters {
                set_counter(database, name, counter)?;
            }
            if let Some(counted) = &counted {
                // Rows that are copied count as well; what the run set stays.
                database.execute("DELETE FROM sqlite_sequence", &[])?;
                for row in counted {
                    database.execute(row, &[])?;
                }
            }
            for table in &copied_whole {
                database.execute("DELETE FROM _dryrun_known WHERE name = ?", &[table.name.as_str().into()])?;
                database.execute("DELETE FROM _dryrun_floor WHERE name = ?", &[table.name.as_str().into()])?;
                database.execute("DELETE FROM _dryrun_changed WHERE name = ?", &[table.name.as_str().into()])?;
            }
            database.execute(
                "INSERT INTO _dryrun_covered (what) SELECT DISTINCT value FROM json_each(?1) WHERE value NOT IN (SELECT what FROM _dryrun_covered)",
                &[Value::from(covered).to_string().as_str().into()],
            )?;
            for (name, lowest) in &floors {
                database.execute("DELETE FROM _dryrun_floor WHERE name = ?", &[name.as_str().into()])?;
                if let Some(lowest) = lowest {
                    database.execute(&format!("INSERT INTO _dryrun_floor VALUES (?, {lowest})"), &[name.as_str().into()])?;
                }
            }
            let mut broken = broken_foreign_key(database, &sorted::set(copied_whole.iter().map(|table| table.name.clone())))?;
            for (parent, columns, value) in &referred {
                if broken.is_none() && !schema.has(parent, columns, value)? {
                    broken = Some(format!("tables that refer to {}", parent.name));
                }
            }
            if let Some(table) = broken {
                return Err(Problem::new(
                    Code::NotRehearsable,
                    format!("Rows of {table} break a foreign key, so they cannot be copied into a database that enforces it; nothing was run."),
                    "Try again if the data changed just now; else repair the rows first (PRAGMA foreign_key_check lists them).",
                ));
            }
            if remade {
                checks::install(database, &next)?;
            }
            database.execute("UPDATE _dryrun_state SET mode = 0", &[])?;
            capture::forget_inserts(database)?;
            next.save(database)
        });
        // Undoing does not end it, and the next event would find it on.
        database.execute("PRAGMA defer_foreign_keys = off", &[])?;
        stored?;
        *catalog = next;
        Ok(remade)
    }
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

fn moved(table: &str, error: &SqlError) -> Problem {
    if error.0.contains("foreign key mismatch") {
        return Problem::new(
            Code::NotRehearsable,
            format!("A foreign key that refers to {table} fits no key of it, so no more rows of it can be copied; nothing was run."),
            "Repair or drop the table with that foreign key.",
        );
    }
    Problem::new(
        Code::NotRehearsable,
        format!("The rows of {table} do not fit those that were copied before, so they changed meanwhile; nothing was run."),
        "Try again; if it stays so, begin a new run.",
    )
}

/// Drops the users' triggers on a table, which must not fire for copied rows, and answers the statements that make them again.
fn set_triggers_aside(database: &Database, table: &str) -> Result<Vec<String>, Problem> {
    let rows = database
        .run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE AND substr(name, 1, 8) <> '_dryrun_' ORDER BY rowid", &[table.into()])?;
    let mut statements = Vec::new();
    for row in rows.iter() {
        statements.push(row.text(1).unwrap_or_default());
        database.execute(&format!("DROP TRIGGER {}", identifier(&row.text(0).unwrap_or_default())), &[])?;
    }
    Ok(statements)
}

/// Inserts rows. One statement for each combination of storage classes: the engine keeps them prepared.
fn insert(database: &Database, table: &Table, rows: &[Fetched]) -> Result<(), SqlError> {
    let quoted = identifier(&table.name);
    let columns: Vec<String> = Selection::columns(table).iter().map(|column| if table.rowid == Some(column.as_str()) { column.clone() } else { identifier(column) }).collect();
    let count = columns.len();
    let columns = columns.join(", ");
    let mut statements: BTreeMap<String, String> = BTreeMap::new();
    for Fetched { cells, .. } in rows {
        let kinds = cells.get(0).as_string().unwrap_or_default();
        if count > MAX_PARAMETERS {
            // A full table with a rowid has one value more than a statement has parameters; the rowid is an integer and goes into the text.
            let values: Vec<&str> = kinds.bytes().skip(1).map(placeholder).collect();
            let rowid = cells.get(1).as_string().and_then(|text| text.parse::<i64>().ok()).ok_or_else(|| SqlError("a row without a rowid".into()))?;
            database.execute_bound(&format!("INSERT INTO {quoted} ({columns}) VALUES ({rowid}, {})", values.join(", ")), &tail(cells, 2))?;
            continue;
        }
        let statement = statements.entry(kinds).or_insert_with_key(|kinds| {
            let values: Vec<&str> = kinds.bytes().map(placeholder).collect();
            format!("INSERT INTO {quoted} ({columns}) VALUES ({})", values.join(", "))
        });
        database.execute_bound(statement, &tail(cells, 1))?;
    }
    Ok(())
}

fn tail(cells: &Array, from: u32) -> Array {
    cells.slice(from, cells.length())
}

/// Continues an AUTOINCREMENT counter where the base has it.
pub fn set_counter(database: &Database, table: &str, sequence: &str) -> Result<(), Problem> {
    let known = database.run("UPDATE sqlite_sequence SET seq = CAST(? AS INTEGER) WHERE name = ? RETURNING 1", &[sequence.into(), table.into()])?;
    if known.first().is_none() {
        database.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, CAST(? AS INTEGER))", &[table.into(), sequence.into()])?;
    }
    Ok(())
}

/// The counters as they stand, each as the statement that makes it again.
pub const COUNTED: &str =
    "SELECT 'INSERT INTO sqlite_sequence (rowid, name, seq) VALUES (' || rowid || ', ' || quote(name) || ', ' || quote(seq) || ')' FROM sqlite_sequence ORDER BY rowid";

fn placeholder(kind: u8) -> &'static str {
    match kind {
        b'i' => "CAST(? AS INTEGER)",
        b't' => "CAST(? AS TEXT)",
        _ => "?",
    }
}
