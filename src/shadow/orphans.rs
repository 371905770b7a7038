//! Rows that refer to nothing.
//!
//! A base can have them: a table was dropped, or keys were deferred and forgotten. They are copied as they are. A row
//! whose parent went away
//! between two queries looks the same, so the base is asked which of the two it is.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::Value;

use super::capture;
use super::catalog::{ForeignKey, Table};
use super::cells::{identifier, list};
use super::database::Database;
use super::failure::Failure;
use super::needs::{are_plain, is_garbled, one_of};
use super::port::{Base, Query, Unread};
use crate::domain::refusal::{Code, Problem};

/// Most values that stand in the text of one query.
const MOST_IN_TEXT: usize = 200;

/// Values by which rows of a table refer to no row of another.
#[derive(Debug, Clone)]
pub struct Orphans {
    pub child: Rc<Table>,
    pub key: ForeignKey,
    pub parent: Rc<Table>,
    /// Lists of values, as JSON.
    pub values: BTreeSet<String>,
}

/// The condition of a row that refers to nothing. The parent's column decides how the values compare.
fn condition(key: &ForeignKey, parent: &Table, quoted: &dyn Fn(&str) -> String) -> String {
    let referred = parent.referred(key);
    let equal: Vec<String> =
        referred.iter().zip(&key.from).map(|(to, from)| format!("p.{} = +c.{}", quoted(to), quoted(from))).collect();
    format!(
        "{} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
        filled(key, quoted),
        quoted(&parent.name),
        equal.join(" AND ")
    )
}

/// The condition of a row that refers to anything: one with a NULL in its reference does not.
fn filled(key: &ForeignKey, quoted: &dyn Fn(&str) -> String) -> String {
    key.from.iter().map(|from| format!("c.{} IS NOT NULL", quoted(from))).collect::<Vec<_>>().join(" AND ")
}

fn values(key: &ForeignKey, quoted: &dyn Fn(&str) -> String) -> String {
    list(&key.from.iter().map(|from| format!("c.{}", quoted(from))).collect::<Vec<_>>())
}

/// Those among all rows of a table.
pub fn of_table(database: &Database, child: &Rc<Table>, all: &[Rc<Table>]) -> Result<Vec<Orphans>, Failure> {
    let mut found = Vec::new();
    for key in &child.foreign_keys {
        let Some(parent) = key.parent(all) else { continue };
        let sql = format!(
            "SELECT DISTINCT {} FROM {} AS c WHERE {}",
            values(key, &identifier),
            identifier(&child.name),
            condition(key, parent, &identifier)
        );
        let values: BTreeSet<String> =
            crate::domain::sorted::set(database.run(&sql, &[])?.iter().filter_map(|row| row.text(0)));
        if !values.is_empty() {
            found.push(Orphans { child: child.clone(), key: key.clone(), parent: parent.clone(), values });
        }
    }
    Ok(found)
}

/// What counts as a reference to nothing, besides one to a key that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// One to a table that is not there. Dropped, it takes its key from all rows that refer to it.
    Missing,
    /// That, and one to columns that are no key. SQLite looks at neither, until the table is dropped.
    Misfits,
}

/// Each row of these tables that refers to nothing, by a text that stands for the row and the reference. `known`: every
/// table and view.
pub fn all(
    database: &Database,
    tables: &[Rc<Table>],
    all: &[Rc<Table>],
    known: &BTreeSet<String>,
    counted: Counted,
) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    for child in tables {
        for (place, key) in child.foreign_keys.iter().enumerate() {
            let condition = match key.parent(all) {
                Some(parent) => condition(key, parent, &identifier),
                None if counted == Counted::Missing && known.contains(&key.parent.to_ascii_lowercase()) => continue,
                None => filled(key, &identifier),
            };
            let row = if child.rowid.is_none() && child.primary_key().is_empty() {
                "''".to_owned()
            } else {
                capture::key(child, "c")
            };
            let sql = format!(
                "SELECT {row}, {} FROM {} AS c WHERE {condition}",
                values(key, &identifier),
                identifier(&child.name)
            );
            for row in database.run(&sql, &[])?.iter() {
                found.insert(format!(
                    "{}\n{place}\n{}\n{}",
                    child.name,
                    row.text(0).unwrap_or_default(),
                    row.text(1).unwrap_or_default()
                ));
            }
        }
    }
    Ok(found)
}

/// Asks the base whether its rows refer to nothing as well; refuses when they do not.
pub async fn confirm(base: &dyn Base, orphans: &[Orphans]) -> Result<(), Failure> {
    for one in orphans {
        // Text that is not UTF-8 does not survive the way, so the base cannot be asked by it.
        let keys: Vec<String> = one.values.iter().filter(|value| !is_garbled(value)).cloned().collect();
        let chunk = if are_plain(&keys) { keys.len().max(1) } else { MOST_IN_TEXT };
        for keys in keys.chunks(chunk) {
            let answers = match base.selects(&[query(one, keys)?]).await {
                Ok((answers, _)) => answers,
                // It has no such parent: the run made it, and the rows of the base refer to nothing there.
                Err(Unread::Sql(why))
                    if ["no such table", "no such column"].iter().any(|missing| why.contains(missing)) =>
                {
                    continue;
                }
                Err(unread) => return Err(Failure::unread(unread, base.store())),
            };
            let there: BTreeSet<&str> = answers.iter().flatten().filter_map(|row| row.text(0)).collect();
            if !keys.iter().all(|key| there.contains(key.as_str())) {
                return Err(changed(&one.child.name, &one.parent.name));
            }
        }
    }
    Ok(())
}

fn query(orphans: &Orphans, keys: &[String]) -> Result<Query, Failure> {
    let Orphans { child, key, parent, .. } = orphans;
    let quoted = super::cells::surely;
    let (among, param) = one_of(&key.from, keys)?;
    let sql = format!(
        "SELECT DISTINCT {} FROM {} AS c WHERE ({among}) AND {}",
        values(key, &quoted),
        quoted(&child.name),
        condition(key, parent, &quoted)
    );
    Ok((sql, param.map(Value::from).into_iter().collect()))
}

fn changed(child: &str, parent: &str) -> Failure {
    Problem::new(
        Code::NotRehearsable,
        format!(
            "Rows of {child} and {parent} do not fit together, because others changed them while they were copied; \
             nothing was run."
        ),
        "Retry. Nothing was copied.",
    )
    .into()
}
