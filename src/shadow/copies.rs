//! Putting copied rows into the shadow, all of them or none.

use crate::domain::stores::d1::MAX_PARAMETERS;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::catalog::Catalog;
use super::cells::{identifier, shown};
use super::database::Database;
use super::failure::{Failure, gone};
use super::orphans::{self, Orphans};
use super::port::{Cell, Param, SqlError};
use super::rehearse::not_rehearsable;
use super::selection::{Fetched, Selection};
use super::supply::Load;
use super::{capture, checks, computed};
use crate::domain::refusal::{Code, Problem};

/// Why copies were not put in.
enum Unstored {
    /// They refer to nothing, which the base has to confirm.
    Orphans(Vec<Orphans>),
    /// Anything else.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Unstored {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Load<'_> {
    /// Puts everything into the shadow, or nothing, as it is in the base: foreign keys and CHECKs are for those who
    /// write, not for rows that are there already.
    pub(super) async fn store(mut self, before: &Catalog, catalog: &mut Catalog) -> Result<bool, Failure> {
        // Outside of a transaction only. Where the platform does not let it be, they are deferred, and a base that
        // breaks its own rules is refused.
        let loose = self.database.relax_rules().await?;
        let stored = self.stored(before, loose).await;
        self.database.enforce_rules().await?;
        let (next, remade) = stored?;
        // Counted with the copy itself: the statement that needs it may fail, and the rows are here all the same.
        (self.budget.rows, self.budget.bytes) = (0, 0);
        *catalog = next;
        Ok(remade)
    }

    async fn stored(&mut self, before: &Catalog, loose: bool) -> Result<(Catalog, bool), Failure> {
        let orphans = match self.put(before, loose, false) {
            Ok(stored) => return Ok(stored),
            Err(Unstored::Failed(failure)) => return Err(failure),
            Err(Unstored::Orphans(orphans)) => orphans,
        };
        orphans::confirm(self.base, &orphans).await?;
        match self.put(before, loose, true) {
            Ok(stored) => Ok(stored),
            Err(Unstored::Failed(failure)) => Err(failure),
            Err(Unstored::Orphans(_)) => Err(Failure::broken("rows refer to nothing although that was confirmed")),
        }
    }

    /// `confirmed`: the base has the rows that refer to nothing as well.
    fn put(&self, before: &Catalog, loose: bool, confirmed: bool) -> Result<(Catalog, bool), Unstored> {
        let database = self.database;
        let mut next = self.catalog.clone();
        next.rows += self.budget.rows;
        next.bytes += self.budget.bytes;
        let mut remade = next.partial != before.partial || next.hydrated != before.hydrated;
        for table in &self.copied_whole {
            next.partial.remove(&table.name);
        }
        let put = database.transaction(|| -> Result<(), Unstored> {
            let counted = if next.counters_set {
                Some(database.run(COUNTED, &[])?.iter().filter_map(|row| row.text(0)).collect::<Vec<_>>())
            } else {
                None
            };
            database.execute("UPDATE _dryrun_state SET mode = 3", &[])?;
            if !loose {
                // Rows come table by table, so a child may come before its parent.
                database.execute("PRAGMA defer_foreign_keys = on", &[])?;
            }
            for (name, rows) in self.rows.iter().filter(|(_, rows)| !rows.is_empty()) {
                remade |= self.put_rows(name, rows, loose)?;
                if next.partial.contains(name) {
                    let keys: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
                    database.execute(
                        "INSERT INTO _dryrun_known (name, key) SELECT ?1, value FROM json_each(?2)",
                        &[name.as_str().into(), Value::from(keys).to_string().as_str().into()],
                    )?;
                }
            }
            for name in &self.indexes {
                let quoted = identifier(name);
                // What it indexes may be gone, or may never have been there.
                match database.execute(&format!("INSERT INTO {quoted} ({quoted}) VALUES ('rebuild')"), &[]) {
                    Ok(()) => _ = next.unbuilt.remove(name),
                    Err(error) => _ = next.unbuilt.insert(name.clone(), error.0),
                }
            }
            for (name, counter) in &self.counters {
                set_counter(database, name, counter)?;
            }
            if let Some(counted) = &counted {
                // Rows that are copied count as well; what the run set stays.
                database.execute("DELETE FROM sqlite_sequence", &[])?;
                for row in counted {
                    database.execute(row, &[])?;
                }
            }
            for table in &self.copied_whole {
                database.execute("DELETE FROM _dryrun_known WHERE name = ?", &[table.name.as_str().into()])?;
                database.execute("DELETE FROM _dryrun_floor WHERE name = ?", &[table.name.as_str().into()])?;
                database.execute("DELETE FROM _dryrun_changed WHERE name = ?", &[table.name.as_str().into()])?;
            }
            database.execute(
                "INSERT INTO _dryrun_covered (what) SELECT DISTINCT value FROM json_each(?1) WHERE value NOT IN \
                 (SELECT what FROM _dryrun_covered)",
                &[Value::from(self.covered.clone()).to_string().as_str().into()],
            )?;
            for (name, lowest) in &self.floors {
                database.execute("DELETE FROM _dryrun_floor WHERE name = ?", &[name.as_str().into()])?;
                if let Some(lowest) = lowest {
                    database
                        .execute(&format!("INSERT INTO _dryrun_floor VALUES (?, {lowest})"), &[name.as_str().into()])?;
                }
            }
            let orphans = if confirmed { Vec::new() } else { self.orphans()? };
            if !orphans.is_empty() {
                return Err(Unstored::Orphans(orphans));
            }
            if remade {
                checks::install(database, &next)?;
            }
            database.execute("UPDATE _dryrun_state SET mode = 0", &[])?;
            capture::forget_inserts(database)?;
            Ok(next.save(database)?)
        });
        if !loose {
            // Undoing does not end it, and the next event would find it on.
            database.execute("PRAGMA defer_foreign_keys = off", &[])?;
        }
        put.map(|()| (next, remade))
    }

    /// Inserts rows of a table; answers whether triggers were made anew.
    fn put_rows(&self, name: &str, rows: &[Fetched], loose: bool) -> Result<bool, Unstored> {
        let database = self.database;
        let table = self.schema.described(name).ok_or_else(|| gone(name))?;
        let triggers = set_triggers_aside(database, name)?;
        let columns = Selection::columns(&table);
        let columns: Vec<String> = columns
            .iter()
            .map(|column| if table.rowid == Some(column.as_str()) { column.clone() } else { identifier(column) })
            .collect();
        let inserted = database.transaction(|| insert(database, &identifier(name), &columns, rows));
        let mut again = !triggers.is_empty();
        if let Err(error) = inserted {
            if !table.columns.iter().any(|column| column.is_virtual) {
                return Err(unfit(name, &error).into());
            }
            if !loose {
                // Making the table again drops it, which would fire the actions of foreign keys to it.
                return Err(not_rehearsable(
                    &format!(
                        "{}, of which a virtual column fails for a row while foreign keys cannot be set aside,",
                        shown(name)
                    ),
                    "Retry, or leave the table out of the dry run.",
                )
                .into());
            }
            computed::insert_before(database, &table, rows)
                .map_err(|why| unfit(name, &SqlError(format!("{}; {}", error.0, why.0))))?;
            computed::look(database, name)?;
            again = true;
        }
        for trigger in &triggers {
            database.run(trigger, &[])?;
        }
        if again {
            // The last one made fires first. Those of the gateway that say what is needed fire before them.
            capture::install_on(database, name, false)?;
        }
        Ok(again)
    }

    /// The rows among the copies that refer to nothing.
    fn orphans(&self) -> Result<Vec<Orphans>, Failure> {
        let mut found = Vec::new();
        for table in &self.copied_whole {
            found.extend(orphans::of_table(self.database, table, &self.all)?);
        }
        for one in &self.referred {
            let referred = one.parent.referred(&one.key);
            for value in &one.values {
                if !self.schema.has(&one.parent, &referred, value)? {
                    found.push(Orphans { values: BTreeSet::from([value.clone()]), ..one.clone() });
                }
            }
        }
        Ok(found)
    }
}

/// The refusal of a row that the shadow does not take.
fn unfit(table: &str, error: &SqlError) -> Failure {
    if error.0.contains("UNIQUE constraint failed") {
        return Problem::new(
            Code::NotRehearsable,
            format!(
                "A row of {table} has the same key as a row that was copied before, because others changed the table \
                 in the meantime; nothing was run."
            ),
            "Retry; if the problem persists, start a new run.",
        )
        .into();
    }
    let what = format!("A row of {table} that violates the table's definition ({}) and cannot be copied", error.0);
    not_rehearsable(&what, "Repair the row, or leave the table out of the dry run.")
}

/// Drops the users' triggers on a table, which must not fire for copied rows, and answers the statements that make them
/// again.
fn set_triggers_aside(database: &Database, table: &str) -> Result<Vec<String>, Failure> {
    let rows = database.run(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE AND \
              substr(name, 1, 8) <> '_dryrun_' ORDER BY rowid",
        &[table.into()],
    )?;
    let mut statements = Vec::new();
    for row in rows.iter() {
        statements.push(row.text(1).unwrap_or_default());
        database.execute(&format!("DROP TRIGGER {}", identifier(&row.text(0).unwrap_or_default())), &[])?;
    }
    Ok(statements)
}

/// Inserts rows. One statement for each combination of storage classes: the engine keeps them prepared.
pub fn insert(database: &Database, into: &str, columns: &[String], rows: &[Fetched]) -> Result<(), SqlError> {
    let count = columns.len();
    let columns = columns.join(", ");
    let mut statements: BTreeMap<&str, String> = BTreeMap::new();
    for Fetched { kinds, cells, .. } in rows {
        let params = |from: usize| cells.iter().skip(from).map(Param::from).collect::<Vec<_>>();
        if count > MAX_PARAMETERS {
            // A full table with a rowid has one value more than a statement has parameters; the rowid is an integer and
            // goes into the text.
            let values: Vec<&str> = kinds.bytes().skip(1).map(placeholder).collect();
            let rowid = match cells.first() {
                Some(Cell::Text(text)) => text.parse::<i64>().ok(),
                Some(Cell::Null | Cell::Number(_) | Cell::Bytes(_)) | None => None,
            };
            let rowid = rowid.ok_or_else(|| SqlError("a row without a rowid".into()))?;
            database.execute(
                &format!("INSERT INTO {into} ({columns}) VALUES ({rowid}, {})", values.join(", ")),
                &params(1),
            )?;
            continue;
        }
        let statement = statements.entry(kinds).or_insert_with(|| {
            let values: Vec<&str> = kinds.bytes().map(placeholder).collect();
            format!("INSERT INTO {into} ({columns}) VALUES ({})", values.join(", "))
        });
        database.execute(statement, &params(0))?;
    }
    Ok(())
}

/// Continues an AUTOINCREMENT counter where the base has it.
pub fn set_counter(database: &Database, table: &str, sequence: &str) -> Result<(), SqlError> {
    let known = database.run(
        "UPDATE sqlite_sequence SET seq = CAST(? AS INTEGER) WHERE name = ? RETURNING 1",
        &[sequence.into(), table.into()],
    )?;
    if known.first().is_none() {
        database.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, CAST(? AS INTEGER))",
            &[table.into(), sequence.into()],
        )?;
    }
    Ok(())
}

/// The counters as they stand, each as the statement that makes it again.
pub const COUNTED: &str = "SELECT 'INSERT INTO sqlite_sequence (rowid, name, seq) VALUES (' || rowid || ', ' || \
                           quote(name) || ', ' || quote(seq) || ')' FROM sqlite_sequence ORDER BY rowid";

fn placeholder(kind: u8) -> &'static str {
    match kind {
        b'i' => "CAST(? AS INTEGER)",
        b't' => "CAST(? AS TEXT)",
        _ => "?",
    }
}
