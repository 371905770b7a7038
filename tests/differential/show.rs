//! Sequences and what differs in them, as people read them; and databases, as they are compared.

use std::fmt::Write as _;

use crate::compare::Lines;
use crate::oracle::Oracle;
use crate::sequence::Step;
use crate::values::{literal, quoted};

/// The answers that differ.
#[derive(Debug, Clone)]
pub(crate) struct Mismatch {
    pub what: String,
    pub oracle: Lines,
    pub live: Lines,
    pub dry: Lines,
}

pub(crate) fn report(head: &str, setup: &[String], steps: &[Step], mismatch: &Mismatch) -> String {
    let mut text = format!("\n=== {head}\n--- schema and rows\n{};\n--- requests\n", setup.join(";\n"));
    for (number, step) in steps.iter().enumerate() {
        let _ = writeln!(text, "  {number}  {}", shown(step));
    }
    let _ = writeln!(text, "--- {}", mismatch.what);
    for (who, lines) in [("oracle", &mismatch.oracle), ("live", &mismatch.live), ("dry", &mismatch.dry)] {
        let others: Vec<&String> = [&mismatch.oracle, &mismatch.live, &mismatch.dry].into_iter().flatten().collect();
        let _ = writeln!(text, "{who}: {} lines", lines.len());
        // A line that all three have says nothing.
        for line in lines.iter().filter(|line| others.iter().filter(|other| other == &line).count() < 3) {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

/// A request as one would write it by hand.
pub(crate) fn shown(step: &Step) -> String {
    let statements: Vec<String> = step
        .bound()
        .iter()
        .map(|bound| {
            if bound.params.is_empty() {
                bound.sql.clone()
            } else {
                format!(
                    "{} -- {}",
                    bound.sql,
                    bound
                        .params
                        .iter()
                        .map(|param| literal(&crate::values::bound(param)))
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            }
        })
        .collect();
    if statements.len() == 1 { statements.concat() } else { format!("batch:\n      {}", statements.join("\n      ")) }
}

/// Every table and the schema, each with the SELECT that answers all of it.
pub(crate) fn dumps(oracle: &Oracle) -> Vec<(String, String)> {
    let tables = oracle.texts(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') \
         AND name NOT LIKE 'sqlite_%' ORDER BY name",
    );
    tables
        .into_iter()
        .map(|table| (table.clone(), dump(oracle, &table)))
        .chain([("the schema".to_owned(), SCHEMA.to_owned())])
        .collect()
}

pub(crate) fn sorted(lines: impl Iterator<Item = String>) -> Lines {
    let mut lines: Lines = lines.collect();
    lines.sort();
    lines
}

pub(crate) fn joined(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(", ")
}

const SCHEMA: &str = "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') AS line FROM sqlite_master \
                      WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite_%' ORDER BY 1";

/// A SELECT of every row: rowid, storage classes and values to the last bit. REAL values stay numbers, because SQLite's
/// versions write them differently.
fn dump(oracle: &Oracle, table: &str) -> String {
    let exact = |column: &str| {
        let name = column.replace('"', "\"\"");
        let column = format!("\"{name}\"");
        format!(
            "CASE typeof({column}) WHEN 'integer' THEN 'integer ' || {column} WHEN 'text' THEN 'text ' || hex({column}) WHEN 'blob' THEN 'blob ' || hex({column}) \
             WHEN 'real' THEN CASE WHEN {column} IN (9e999, -9e999) THEN 'endless ' || ({column} > 0) ELSE {column} \
             END ELSE 'null' END AS \"{name}\""
        )
    };
    let name = quoted(table);
    let mut columns = oracle.texts(&format!("SELECT name FROM pragma_table_xinfo({name}) WHERE hidden <> 1"));
    if oracle.texts(&format!("SELECT 'without' FROM pragma_table_list WHERE name = {name} AND wr = 1")).is_empty() {
        columns.insert(0, "rowid".into());
    }
    format!("SELECT {} FROM {table}", columns.iter().map(|column| exact(column)).collect::<Vec<_>>().join(", "))
}
