//! What a statement can touch, asked of SQLite itself.
//!
//! `EXPLAIN` lists the program of a statement with those of its triggers and foreign-key actions; every table or index
//! that it opens is named by its root page. Nothing is guessed from the text.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{PREFIX, TOUCHED};
use super::database::Database;
use super::port::{Param, SqlError};
use crate::domain::sorted;

/// What a statement can touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Tables that it reads or writes.
    pub tables: BTreeSet<String>,
    /// Tables among them that it writes.
    pub written: BTreeSet<String>,
    /// Tables that triggers and the actions of foreign keys write.
    pub written_inside: BTreeSet<String>,
    /// Whether it can write at all.
    pub writes: bool,
    /// Whether it reads the schema.
    pub schema: bool,
    /// Whether it opens a virtual table or a table-valued function.
    pub opens_virtual: bool,
    /// Whether it writes to a virtual table.
    pub writes_virtual: bool,
    /// Whether it reads what the gateway itself put there.
    pub gateway: bool,
}

/// The tables by root page; an index stands for its table.
pub fn roots(database: &Database) -> Result<BTreeMap<u64, String>, SqlError> {
    let rows = database.run("SELECT rootpage, tbl_name FROM sqlite_master WHERE rootpage > 0", &[])?;
    Ok(sorted::map(rows.iter().map(|row| (row.count(0), row.text(1).unwrap_or_default()))))
}

/// The bit in p5 that says that p2 is a register: a table that the statement itself is making.
const P2_IS_REGISTER: u64 = 0x10;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// An EXPLAIN that the engine has not prepared before.
///
/// The engine keeps statements prepared by their text, and an EXPLAIN that was prepared before the schema changed reads
/// freed memory when it is stepped again: it never runs the check that other statements begin with (seen as a crash of
/// the whole process in `sqlite3_step`).
pub fn once(explain: &str) -> String {
    let number = ASKED.get() + 1;
    ASKED.set(number);
    format!("/* {number} */ {explain}")
}

/// Asks SQLite. `statement` must be exactly one statement: `EXPLAIN a; b` would run b.
pub fn touched(
    database: &Database,
    roots: &BTreeMap<u64, String>,
    statement: &str,
    params: &[Param<'_>],
) -> Result<Touched, SqlError> {
    let program = database.run(&once(&format!("EXPLAIN {statement}")), params)?;
    let mut touched = Touched::default();
    let mut programs = 0;
    for row in program.iter() {
        let opcode = row.text(1).unwrap_or_default();
        // The programs of triggers stand behind that of the statement, each counted from 0.
        programs += u32::from(row.count(0) == 0);
        let (page, writes) = match opcode.as_str() {
            "Transaction" => {
                touched.writes |= row.count(3) != 0;
                continue;
            }
            "VOpen" | "VUpdate" => {
                touched.opens_virtual = true;
                touched.writes_virtual |= opcode == "VUpdate";
                continue;
            }
            "OpenRead" | "ReopenIdx" => (row.count(3), false),
            "OpenWrite" if row.count(6) & P2_IS_REGISTER == 0 => (row.count(3), true),
            "Clear" | "Destroy" => (row.count(2), true),
            _ => continue,
        };
        if page == 1 {
            touched.schema = true;
            continue;
        }
        let Some(table) = roots.get(&page) else { continue };
        if table.starts_with(PREFIX) {
            touched.gateway |= !writes && table == TOUCHED;
            continue;
        }
        touched.tables.insert(table.clone());
        if writes {
            touched.written.insert(table.clone());
            if programs > 1 {
                touched.written_inside.insert(table.clone());
            }
        }
    }
    Ok(touched)
}
