//! Foreign keys that do not stand in the way of reading a database, but of writing its rows again.
//!
//! With deferred checks SQLite refuses every INSERT into the parent of a key that is not unique ("foreign key
//! mismatch"),
//! and always every INSERT into the child of a table that is not there. D1 holds such rows all the same: written one by
//! one without deferral, or before the parent was dropped.

use std::collections::BTreeMap;

use super::Rows;
use dryrun_sql::quoting::identifier;

/// The columns of each foreign key (of the platform's own tables nothing may be asked): child, number of the key,
/// parent, referenced column.
pub const FOREIGN_KEYS: &str = "SELECT m.name, CAST(f.id AS TEXT), f.\"table\", f.\"to\" \
    FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' AND m.name NOT LIKE \
    '\\_cf\\_%' ESCAPE '\\' ORDER BY m.name, f.id, f.seq";

/// The columns of each key that can be referenced: table, name of the key (none for the primary key), column (none for
/// an expression).
pub const KEYS: &str = "SELECT m.name, i.name, x.name FROM sqlite_master AS m, pragma_index_list(m.name) AS i, pragma_index_xinfo(i.name) AS x \
    WHERE m.type = 'table' AND m.name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND i.\"unique\" = 1 AND i.partial = 0 AND \
    i.origin <> 'pk' AND x.key = 1 \
    UNION ALL SELECT m.name, NULL, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = \
    'table' AND m.name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND c.pk > 0";

/// A foreign key.
#[derive(Debug)]
struct ForeignKey {
    child: String,
    parent: String,
    /// The referenced columns; none of them is named when it is the primary key.
    to: Vec<Option<String>>,
}

/// The foreign keys of a database, and what they can reference.
#[derive(Debug, Default)]
pub struct References {
    foreign: Vec<ForeignKey>,
    /// By table and name of the key; names in lower case.
    keys: BTreeMap<(String, Option<String>), Vec<Option<String>>>,
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl References {
    /// Reads the answers to [`FOREIGN_KEYS`] and [`KEYS`].
    pub fn read(foreign: Rows, keys: Rows) -> Self {
        let mut found: BTreeMap<(String, String), ForeignKey> = BTreeMap::new();
        for row in foreign {
            let [Some(child), Some(number), Some(parent), to] =
                <[Option<String>; 4]>::try_from(row).unwrap_or_default()
            else {
                continue;
            };
            let key = ForeignKey { child: child.clone(), parent, to: Vec::new() };
            found.entry((child, number)).or_insert(key).to.push(to);
        }
        let mut referable: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in keys {
            let [Some(table), name, column] = <[Option<String>; 3]>::try_from(row).unwrap_or_default() else {
                continue;
            };
            referable.entry((lower(&table), name)).or_default().push(column.as_deref().map(lower));
        }
        Self { foreign: found.into_values().collect(), keys: referable }
    }

    /// Whether a table references columns that are not a key of their table.
    pub fn is_mismatched(&self, child: &str, tables: &[&str]) -> bool {
        let is_there = |parent: &str| tables.iter().any(|table| table.eq_ignore_ascii_case(parent));
        self.foreign.iter().any(|foreign| foreign.child == child && is_there(&foreign.parent) && !self.fits(foreign))
    }

    fn fits(&self, foreign: &ForeignKey) -> bool {
        let parent = lower(&foreign.parent);
        let named: Vec<Option<String>> = foreign.to.iter().map(|column| column.as_deref().map(lower)).collect();
        self.keys.iter().filter(|((table, _), _)| *table == parent).any(|((_, name), columns)| {
            let is_long_enough = columns.len() == named.len();
            let is_primary = name.is_none() && named.iter().all(Option::is_none);
            is_long_enough && (is_primary || columns.iter().all(|column| column.is_some() && named.contains(column)))
        })
    }

    /// Statements that make the parents that there are not, as empty tables, and those that take them away again.
    pub fn stand_ins(&self, children: &[&str], tables: &[&str]) -> (String, String) {
        let is_in = |names: &[&str], name: &str| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        let missing =
            self.foreign.iter().filter(|foreign| is_in(children, &foreign.child) && !is_in(tables, &foreign.parent));
        let mut parents: BTreeMap<String, Vec<&ForeignKey>> = BTreeMap::new();
        missing.for_each(|foreign| parents.entry(lower(&foreign.parent)).or_default().push(foreign));
        let (mut made, mut dropped) = (String::new(), String::new());
        for foreign in parents.values() {
            let Some(name) = foreign.first().map(|key| identifier(&key.parent)) else { continue };
            let mut columns: Vec<String> = Vec::new();
            let mut keys: Vec<String> = Vec::new();
            for key in foreign {
                let is_primary = key.to.iter().any(Option::is_none);
                let unnamed = |at: usize| format!("{}_{at}", "key".repeat(key.to.len()));
                let own: Vec<String> = key
                    .to
                    .iter()
                    .enumerate()
                    .map(|(at, column)| column.as_deref().map_or_else(|| unnamed(at), lower))
                    .map(|column| identifier(&column))
                    .collect();
                let constraint = format!("{} ({})", if is_primary { "PRIMARY KEY" } else { "UNIQUE" }, own.join(", "));
                columns.extend(own.into_iter().filter(|column| !columns.contains(column)).collect::<Vec<_>>());
                if !keys.contains(&constraint) {
                    keys.push(constraint);
                }
            }
            made.push_str(&format!("CREATE TABLE {name} ({}, {});\n", columns.join(", "), keys.join(", ")));
            dropped.push_str(&format!("DROP TABLE {name};\n"));
        }
        (made, dropped)
    }
}
