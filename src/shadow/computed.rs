//! Virtual columns that some row cannot compute.
//!
//! ALTER TABLE adds a virtual column without looking at the rows, so a base can have rows for which it fails
//! (`malformed JSON`). SQLite computes
//! every generated column of a row that it inserts, so such a row goes in before the column is there, as it did in the
//! base. The gateway's
//! triggers and images leave such a column out: what SQLite never computes for the statement, they must not compute
//! either.

use std::collections::BTreeSet;

use turso_parser::lexer::Lexer;
use turso_parser::token::TokenType;

use super::catalog::Table;
use super::cells::{identifier, literal};
use super::copies::{insert, set_counter};
use super::database::Database;
use super::failure::Failure;
use super::port::SqlError;
use super::selection::{Fetched, Selection};
use crate::domain::sorted;
use dryrun_sql::reach::Affinity;
use dryrun_sql::tokens::tokens;

/// Where the gateway notes the columns.
const NOTED: &str =
    "_dryrun_uncomputed (name TEXT NOT NULL, field TEXT NOT NULL, PRIMARY KEY (name, field)) WITHOUT ROWID";

/// Holds all rows of a table while it is made again.
const STAGED: &str = "_dryrun_staged";

/// The columns of a table that some row cannot compute.
pub fn failing(database: &Database, table: &str) -> Result<BTreeSet<String>, SqlError> {
    if database.run("SELECT 1 FROM sqlite_master WHERE name = '_dryrun_uncomputed'", &[])?.first().is_none() {
        return Ok(BTreeSet::new());
    }
    let rows = database.run("SELECT field FROM _dryrun_uncomputed WHERE name = ?", &[table.into()])?;
    Ok(sorted::set(rows.iter().filter_map(|row| row.text(0))))
}

/// Finds out which columns fail for the rows that are here now.
pub fn look(database: &Database, table: &str) -> Result<(), Failure> {
    let described = Table::read(database, table)?;
    let columns: Vec<&String> =
        described.columns.iter().filter(|column| column.is_virtual).map(|column| &column.name).collect();
    if columns.is_empty() {
        return Ok(());
    }
    database.execute(&format!("CREATE TABLE IF NOT EXISTS {NOTED}"), &[])?;
    database.execute("DELETE FROM _dryrun_uncomputed WHERE name = ?", &[table.into()])?;
    for column in columns {
        // An aggregate, so that every row is computed.
        if database.run(&format!("SELECT count({}) FROM {}", identifier(column), identifier(table)), &[]).is_err() {
            database
                .execute("INSERT INTO _dryrun_uncomputed VALUES (?, ?)", &[table.into(), column.as_str().into()])?;
        }
    }
    Ok(())
}

/// Inserts rows that the table as it is does not take, because a virtual column fails for one of them. The table is
/// made again by its history: its first columns, the rows, then each column behind them. Its triggers are gone
/// afterwards.
pub fn insert_before(database: &Database, table: &Table, rows: &[Fetched]) -> Result<(), SqlError> {
    let definitions = definitions(&table.sql).filter(|all| all.len() >= table.columns.len());
    let definitions =
        definitions.ok_or_else(|| SqlError(format!("the definition of {} is not understood", table.name)))?;
    let indexes = database.run(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY rowid",
        &[table.name.as_str().into()],
    )?;
    let indexes: Vec<String> = indexes.iter().filter_map(|row| row.text(0)).collect();
    let virtuals = table.columns.iter().enumerate().filter(|(_, column)| column.is_virtual).map(|(at, _)| at);
    let mut last = SqlError(format!("{} has no virtual column", table.name));
    // As late as possible: what came with the table need not fit behind its rows.
    for at in virtuals.collect::<Vec<_>>().into_iter().rev() {
        match database.transaction(|| again(database, table, &definitions, at, rows, &indexes)) {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn again(
    database: &Database,
    table: &Table,
    definitions: &[std::ops::Range<usize>],
    at: usize,
    rows: &[Fetched],
    indexes: &[String],
) -> Result<(), SqlError> {
    let name = identifier(&table.name);
    let columns = Selection::columns(table);
    let names: Vec<String> = columns
        .iter()
        .map(|column| if table.rowid == Some(column.as_str()) { column.clone() } else { identifier(column) })
        .collect();
    let staged: Vec<String> = (0..names.len()).map(|index| format!("c{index}")).collect();
    let aliased: Vec<String> = names.iter().zip(&staged).map(|(name, alias)| format!("{name} AS {alias}")).collect();
    database.execute(&format!("CREATE TABLE {STAGED} AS SELECT {} FROM {name}", aliased.join(", ")), &[])?;
    insert(database, STAGED, &staged, rows)?;
    let counter = counter(database, &table.name)?;
    // Columns that came later have their default in rows from before.
    let mut first = Vec::new();
    let mut defaults = vec!["1".to_owned()];
    for (name, alias) in columns.iter().zip(&staged) {
        match table.columns.iter().skip(at).find(|column| column.name == *name) {
            None => first.push((name, alias)),
            Some(column) => {
                let default = default(database, &table.name, &column.name)?;
                defaults.push(format!("{alias} IS {default}"));
                if column.affinity == Affinity::None {
                    defaults.push(format!("typeof({alias}) = typeof({default})"));
                }
            }
        }
    }
    let defaults = defaults.join(" AND ");
    let text =
        |range: std::ops::Range<usize>| table.sql.get(range).ok_or_else(|| SqlError("a definition ends early".into()));
    let (before, behind) =
        (at.checked_sub(1).and_then(|before| definitions.get(before)), definitions.get(table.columns.len() - 1));
    let (Some(before), Some(behind)) = (before, behind) else {
        return Err(SqlError("nothing is before the virtual column".into()));
    };
    database.execute(&format!("DROP TABLE {name}"), &[])?;
    database.execute(&format!("{}{}", text(0..before.end)?, text(behind.end..table.sql.len())?), &[])?;
    let into = |columns: &[(&String, &String)], condition: &str| {
        let pick = |side: fn(&(&String, &String)) -> String| columns.iter().map(side).collect::<Vec<_>>().join(", ");
        let quoted = |(column, _): &(&String, &String)| identifier(column);
        format!(
            "INSERT INTO {name} ({}) SELECT {} FROM {STAGED} WHERE {condition}",
            pick(quoted),
            pick(|(_, alias)| (*alias).clone())
        )
    };
    database.execute(&into(&first, &defaults), &[])?;
    for definition in definitions.iter().take(table.columns.len()).skip(at) {
        database.execute(&format!("ALTER TABLE {name} ADD COLUMN {}", text(definition.clone())?), &[])?;
    }
    let all: Vec<(&String, &String)> = columns.iter().zip(&staged).collect();
    database.execute(&into(&all, &format!("NOT ({defaults})")), &[])?;
    database.execute(&format!("DROP TABLE {STAGED}"), &[])?;
    for index in indexes {
        database.execute(index, &[])?;
    }
    if let Some(counter) = counter {
        set_counter(database, &table.name, &counter)?;
    }
    let made = database
        .run("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", &[table.name.as_str().into()])?;
    let same = |sql: &str| tokens(sql).into_iter().map(|token| (token.text, token.quote)).collect::<Vec<_>>();
    let made = made.first().and_then(|row| row.text(0)).unwrap_or_default();
    if same(&made) != same(&table.sql) {
        return Err(SqlError(format!("{} was made as {made}", table.name)));
    }
    Ok(())
}

fn default(database: &Database, table: &str, column: &str) -> Result<String, SqlError> {
    let rows = database.run(
        &format!("SELECT dflt_value FROM pragma_table_xinfo({}) WHERE name = ?", literal(table)),
        &[column.into()],
    )?;
    Ok(rows.first().and_then(|row| row.text(0)).map_or_else(|| "NULL".to_owned(), |default| format!("({default})")))
}

fn counter(database: &Database, table: &str) -> Result<Option<String>, SqlError> {
    if database.run("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'", &[])?.first().is_none() {
        return Ok(None);
    }
    let rows = database.run("SELECT CAST(seq AS TEXT) FROM sqlite_sequence WHERE name = ?", &[table.into()])?;
    Ok(rows.first().and_then(|row| row.text(0)))
}

/// The place of each part of a table's definition: its columns, then its constraints.
fn definitions(sql: &str) -> Option<Vec<std::ops::Range<usize>>> {
    let mut lexer = Lexer::new(sql.as_bytes());
    let (mut depth, mut found, mut current) = (0usize, Vec::new(), None::<std::ops::Range<usize>>);
    loop {
        let at = sql.len() - lexer.remaining().len();
        let Some(Ok(token)) = lexer.next() else { return None };
        let mut end = sql.len() - lexer.remaining().len();
        if token.token_type == TokenType::TK_LBRACKET {
            // To SQLite everything up to the next bracket is one name.
            end += sql.get(end..)?.find(']')? + 1;
            lexer = Lexer::new(sql.get(end..)?.as_bytes());
        }
        let raw = sql.get(at..end)?;
        if raw.trim().is_empty()
            || token.token_type == TokenType::TK_ILLEGAL
            || raw.trim_start().starts_with("--")
            || raw.trim_start().starts_with("/*")
        {
            continue;
        }
        let begins = at + (raw.len() - raw.trim_start().len());
        let ends = begins + raw.trim().len();
        match token.token_type {
            TokenType::TK_LP => depth += 1,
            TokenType::TK_RP => depth = depth.saturating_sub(1),
            _ => {}
        }
        let closes = depth == 0 && token.token_type == TokenType::TK_RP;
        if closes || (depth == 1 && token.token_type == TokenType::TK_COMMA) {
            found.push(current.take()?);
            if closes {
                return Some(found);
            }
        } else if depth > 1
            || (depth == 1 && !(token.token_type == TokenType::TK_LP && current.is_none() && found.is_empty()))
        {
            current = Some(current.map_or(begins, |range| range.start)..ends);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::definitions;

    fn check(sql: &str, expected: &[&str]) {
        let found = definitions(sql).map(|ranges| {
            ranges.into_iter().map(|range| sql.get(range).unwrap_or_default().to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(found.unwrap_or_default(), expected, "{sql}");
    }

    #[test]
    fn the_columns_and_constraints_of_a_table_are_told_apart() {
        check("CREATE TABLE t (a, b INT)", &["a", "b INT"]);
        check(
            "CREATE TABLE \"t(\" ( a INTEGER PRIMARY KEY , [b,c] TEXT DEFAULT (1, 2), CHECK (a > (1)) ) STRICT",
            &["a INTEGER PRIMARY KEY", "[b,c] TEXT DEFAULT (1, 2)", "CHECK (a > (1))"],
        );
        check("CREATE TABLE t(id, j, g AS (json_extract(j, '$.x')))", &["id", "j", "g AS (json_extract(j, '$.x'))"]);
        check("CREATE TABLE t (a -- not (b\n, /* nor, c */ d)", &["a", "d"]);
        check("CREATE TABLE t AS SELECT 1", &[]);
    }
}
