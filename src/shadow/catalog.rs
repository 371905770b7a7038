//! What the shadow knows about itself, kept where no SQL can reach it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use turso_parser::ast::{Cmd, ColumnConstraint, CreateTableBody, NamedColumnConstraint, Stmt};
use turso_parser::parser::Parser;

use super::cells::literal;
use super::database::Database;
use super::failure::{Failure, unreadable};
use super::{LostChange, computed};
use crate::domain::sorted;
use dryrun_sql::reach::{self, Affinity, Shape};

/// The prefix of everything that the gateway itself puts into a shadow's schema.
pub const PREFIX: &str = "_dryrun_";
/// The table into which triggers write what they see.
pub const TOUCHED: &str = "_dryrun_touched";

/// The state of a shadow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Whether the schema was copied.
    pub loaded: bool,
    /// Tables all of whose rows were copied.
    pub hydrated: BTreeSet<String>,
    /// Tables that are too large for that: of these, rows are copied that statements reach.
    #[serde(default)]
    pub partial: BTreeSet<String>,
    /// Tables that differ from the base.
    pub dirty: BTreeSet<String>,
    /// Whether the schema differs from the base.
    pub schema_dirty: bool,
    /// Views that differ from the base.
    #[serde(default)]
    pub views_dirty: bool,
    /// Whether the run itself set how far AUTOINCREMENT has counted.
    #[serde(default)]
    pub counters_set: bool,
    /// Whether a definition of the base runs a PRAGMA that may write.
    #[serde(default)]
    pub hostile: bool,
    /// Names that the base has and the shadow does not, with the reason.
    pub missing: BTreeMap<String, String>,
    /// Tables of which a trigger or index is missing here, with the reason: writes to them would not be what they are.
    #[serde(default)]
    pub incomplete: BTreeMap<String, String>,
    /// FTS5 tables whose index cannot be made again here from what it indexes, with SQLite's error.
    #[serde(default)]
    pub unbuilt: BTreeMap<String, String>,
    /// Rows copied, whatever became of the statements that needed them.
    #[serde(default)]
    pub rows: u64,
    /// Bytes copied.
    #[serde(default)]
    pub bytes: u64,
    /// Counts changes.
    pub serial: u64,
}

impl Catalog {
    /// Reads it from storage.
    pub fn load(database: &Database) -> Result<Self, Failure> {
        match database.kept("catalog")? {
            None => Ok(Self::default()),
            Some(text) => serde_json::from_str(&text).map_err(|error| unreadable("the catalog", &error)),
        }
    }

    /// Writes it, as part of the transaction that is under way.
    pub fn save(&self, database: &Database) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(|error| unreadable("the catalog", &error))?;
        Ok(database.keep("catalog", &text)?)
    }

    /// Whether reads of the base could differ from reads of the shadow.
    pub fn is_dirty(&self) -> bool {
        self.schema_dirty || !self.dirty.is_empty()
    }
}

/// Remembers the last change until the journal is known to have it. What is too long for one value is kept in parts,
/// whose number stands in its place.
pub fn remember_last(database: &Database, change: &LostChange) -> Result<(), Failure> {
    let text = serde_json::to_string(change).map_err(|error| unreadable("the last change", &error))?;
    // A character beyond Latin-1 makes all of them two bytes long.
    if text.len() <= MAX_VALUE_BYTES / 2 {
        return Ok(database.keep("last", &text)?);
    }
    let characters: Vec<char> = text.chars().collect();
    let mut parts: u64 = 0;
    for part in characters.chunks(MAX_VALUE_BYTES / 4) {
        database.keep(&format!("last.{parts}"), &part.iter().collect::<String>())?;
        parts += 1;
    }
    Ok(database.keep("last", &parts.to_string())?)
}

/// A value holds 2 MB, its key included (<https://developers.cloudflare.com/durable-objects/platform/limits/>).
const MAX_VALUE_BYTES: usize = 1_900_000;

/// The last change, if there was one.
pub fn last(database: &Database) -> Result<Option<LostChange>, Failure> {
    let Some(mut text) = database.kept("last")? else { return Ok(None) };
    if let Ok(parts) = text.parse::<u64>() {
        text.clear();
        for part in 0..parts {
            text.push_str(&database.kept(&format!("last.{part}"))?.unwrap_or_default());
        }
    }
    serde_json::from_str(&text).map(Some).map_err(|error| unreadable("the last change", &error))
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its place in the primary key, counted from 1; 0 when it has none.
    pub key: u64,
    /// Whether it is computed from others.
    pub generated: bool,
    /// Whether it is computed when it is read.
    pub is_virtual: bool,
    /// Whether some row cannot compute it; see [`super::computed`].
    pub uncomputed: bool,
    /// Its declared type.
    pub declared: String,
    /// How its values compare.
    pub affinity: Affinity,
    /// Its collation, in lower case.
    pub collation: String,
    /// Whether a NULL that REPLACE finds in it becomes its default.
    pub replaces_null: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The table that it refers to, as the schema spells it.
    pub parent: String,
    /// Its own columns.
    pub from: Vec<String>,
    /// The columns that they refer to; empty for the primary key.
    pub to: Vec<String>,
    /// What becomes of it when the other row goes: `CASCADE`, `SET NULL` …
    pub on_delete: String,
    /// What becomes of it when the other row gets another key.
    pub on_update: String,
}

impl ForeignKey {
    /// The table that it refers to, if there is one and the columns are a key of it. What it refers to else is never
    /// looked at.
    pub fn parent<'a>(&self, all: &'a [Rc<Table>]) -> Option<&'a Rc<Table>> {
        all.iter().find(|other| other.name.eq_ignore_ascii_case(&self.parent)).filter(|parent| parent.has_key(self))
    }
}

/// A table as the shadow has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, generated ones included.
    pub columns: Vec<Column>,
    /// The name by which its rowid can be reached; none for WITHOUT ROWID.
    pub rowid: Option<&'static str>,
    /// The columns of each unique key besides the rowid, with their collations. Expressions are left out.
    pub unique: Vec<Vec<(String, String)>>,
    /// The same for unique keys of only some of its rows.
    pub partly_unique: Vec<Vec<(String, String)>>,
    /// The columns of its primary key with their collations, where the key has an index of its own: then no column is
    /// another name of the rowid.
    pub key_index: Vec<(String, String)>,
    /// Whether a unique key has an expression.
    pub unique_expression: bool,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Whether the collations of its columns are known.
    pub understood: bool,
    /// Whether its rows must have the types of their columns.
    pub strict: bool,
    /// Its SQL.
    pub sql: String,
}

impl Table {
    /// Reads a table's description from the shadow's own schema.
    pub fn read(database: &Database, name: &str) -> Result<Self, Failure> {
        let quoted = literal(name);
        let list =
            database.run(&format!("SELECT wr, strict FROM pragma_table_list({quoted}) WHERE schema = 'main'"), &[])?;
        let without_rowid = list.first().is_some_and(|row| row.count(0) == 1);
        let strict = list.first().is_some_and(|row| row.count(1) == 1);
        let sql = database.run("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", &[name.into()])?;
        let sql = sql.first().and_then(|row| row.text(0)).unwrap_or_default();
        let collations = collations(&sql);
        let mut columns: Vec<Column> = database
            .run(
                &format!(
                    "SELECT name, pk, hidden, type, \"notnull\" AND dflt_value IS NOT NULL FROM \
                           pragma_table_xinfo({quoted}) WHERE hidden <> 1"
                ),
                &[],
            )?
            .iter()
            .map(|row| {
                let name = row.text(0).unwrap_or_default();
                let collation = collations
                    .as_ref()
                    .and_then(|all| all.get(&name.to_ascii_lowercase()).cloned())
                    .unwrap_or_else(|| "binary".into());
                let declared = row.text(3).unwrap_or_default();
                // ANY is a type of STRICT tables only; elsewhere it is a word like any other.
                let affinity = if !strict && declared.eq_ignore_ascii_case("any") {
                    Affinity::Numeric
                } else {
                    Affinity::of(&declared)
                };
                let hidden = row.count(2);
                Column {
                    affinity,
                    name,
                    key: row.count(1),
                    generated: hidden >= 2,
                    is_virtual: hidden == 2,
                    uncomputed: false,
                    declared,
                    collation,
                    replaces_null: row.count(4) == 1,
                }
            })
            .collect();
        if columns.iter().any(|column| column.is_virtual) {
            let uncomputed = computed::failing(database, name)?;
            columns.iter_mut().for_each(|column| column.uncomputed = uncomputed.contains(&column.name));
        }
        let free = |alias: &str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(alias));
        let rowid =
            if without_rowid { None } else { ["rowid", "_rowid_", "oid"].into_iter().find(|alias| free(alias)) };
        let (mut unique, mut partly_unique, mut key_index) = (Vec::new(), Vec::new(), Vec::new());
        let mut unique_expression = false;
        let indexes = database.run(
            &format!("SELECT name, partial, origin = 'pk' FROM pragma_index_list({quoted}) WHERE \"unique\" = 1"),
            &[],
        )?;
        for index in indexes.iter() {
            let partly = index.count(1) == 1;
            let primary = index.count(2) == 1;
            let index = literal(&index.text(0).unwrap_or_default());
            let parts = database.run(
                &format!("SELECT cid, name, coll FROM pragma_index_xinfo({index}) WHERE key = 1 ORDER BY seqno"),
                &[],
            )?;
            let mut key = Vec::new();
            let mut expression = false;
            for part in parts.iter() {
                match part.text(1) {
                    Some(column) => key.push((column, part.text(2).unwrap_or_else(|| "BINARY".into()))),
                    None => expression = true,
                }
            }
            if expression {
                unique_expression = true;
            } else if partly {
                partly_unique.push(key);
            } else {
                if primary {
                    key_index.clone_from(&key);
                }
                unique.push(key);
            }
        }
        let mut foreign_keys: BTreeMap<u64, ForeignKey> = BTreeMap::new();
        let parts = database.run(
            &format!(
                "SELECT id, \"table\", \"from\", \"to\", on_delete, on_update FROM \
                                           pragma_foreign_key_list({quoted}) ORDER BY id, seq"
            ),
            &[],
        )?;
        for part in parts.iter() {
            let key = foreign_keys.entry(part.count(0)).or_insert_with(|| ForeignKey {
                parent: part.text(1).unwrap_or_default(),
                from: Vec::new(),
                to: Vec::new(),
                on_delete: part.text(4).unwrap_or_default(),
                on_update: part.text(5).unwrap_or_default(),
            });
            key.from.extend(part.text(2));
            key.to.extend(part.text(3));
        }
        Ok(Self {
            name: name.to_owned(),
            columns,
            rowid,
            unique,
            partly_unique,
            key_index,
            unique_expression,
            foreign_keys: foreign_keys.into_values().collect(),
            understood: collations.is_some(),
            strict,
            sql,
        })
    }

    /// A column.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The columns of this table that a foreign key refers to.
    pub fn referred(&self, key: &ForeignKey) -> Vec<String> {
        if key.to.is_empty() {
            self.primary_key()
        } else {
            key.to
                .iter()
                .map(|name| self.column(name).map_or_else(|| name.clone(), |column| column.name.clone()))
                .collect()
        }
    }

    /// Whether a foreign key refers to a key of this table. Where it does not, SQLite answers "foreign key mismatch" to
    /// whoever uses it, whatever the rows are (<https://www.sqlite.org/foreignkeys.html#fk_indexes>).
    pub fn has_key(&self, key: &ForeignKey) -> bool {
        let referred = self.referred(key);
        if referred.len() != key.from.len() {
            return false;
        }
        if let ([only], Some(alias)) = (referred.as_slice(), self.rowid_alias())
            && only.eq_ignore_ascii_case(alias)
        {
            return true;
        }
        let has = |name: &String, index: &[(String, String)]| {
            index.iter().any(|(column, collation)| {
                column.eq_ignore_ascii_case(name)
                    && self.column(name).is_some_and(|own| own.collation.eq_ignore_ascii_case(collation))
            })
        };
        self.unique.iter().any(|index| {
            index.len() == referred.len()
                && referred.iter().all(|name| has(name, index))
                && (!key.to.is_empty() || *index == self.key_index)
        })
    }

    /// The column by which its rowid is reached.
    pub fn rowid_column(&self) -> Option<&str> {
        self.rowid.map(|rowid| self.rowid_alias().unwrap_or(rowid))
    }

    /// How its columns compare.
    pub fn shape(&self) -> Shape {
        let columns = self.columns.iter().map(|column| reach::Column {
            name: column.name.clone(),
            affinity: column.affinity,
            collation: column.collation.clone(),
        });
        Shape { name: self.name.clone(), columns: columns.collect(), rowid: self.rowid.is_some() }
    }

    /// The columns of the primary key, in its order.
    pub fn primary_key(&self) -> Vec<String> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key.into_iter().map(|column| column.name.clone()).collect()
    }

    /// The column that is another name for the rowid, if there is one.
    pub fn rowid_alias(&self) -> Option<&str> {
        self.rowid?;
        if !self.key_index.is_empty() {
            return None;
        }
        let key = self.primary_key();
        let [only] = key.as_slice() else { return None };
        let column = self.columns.iter().find(|column| column.name == *only)?;
        column.declared.eq_ignore_ascii_case("integer").then_some(column.name.as_str())
    }

    /// The names of all columns that every row has a value of.
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().filter(|column| !column.uncomputed).map(|column| column.name.clone()).collect()
    }
}

/// The names of the tables that belong to agents, without virtual ones and what belongs to those.
pub fn tables(database: &Database) -> Result<Vec<String>, Failure> {
    named(database, "m.type = 'table' AND l.type = 'table'")
}

/// The names of the virtual tables.
pub fn virtual_tables(database: &Database) -> Result<Vec<String>, Failure> {
    named(database, "m.type = 'table' AND l.type = 'virtual'")
}

/// The names of the tables in which virtual tables keep what they know.
pub fn inner_tables(database: &Database) -> Result<Vec<String>, Failure> {
    named(database, "m.type = 'table' AND l.type = 'shadow'")
}

fn named(database: &Database, condition: &str) -> Result<Vec<String>, Failure> {
    let rows = database.run(
        &format!(
            "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_list AS l ON l.name = m.name AND l.schema = 'main' WHERE {condition} \
             AND substr(m.name, 1, 7) <> 'sqlite_' AND substr(m.name, 1, 8) <> '_dryrun_' AND substr(m.name, 1, 4) <> \
             '_cf_' AND substr(m.name, 1, 12) <> '__miniflare_' ORDER BY m.name"
        ),
        &[],
    )?;
    Ok(rows.iter().filter_map(|row| row.text(0)).collect())
}

/// The collations of columns, by a table's definition; `None` when it is not understood.
fn collations(sql: &str) -> Option<BTreeMap<String, String>> {
    let Ok(Some(Cmd::Stmt(Stmt::CreateTable { body, .. }))) = Parser::new(sql.as_bytes()).next_cmd() else {
        return None;
    };
    let CreateTableBody::ColumnsAndConstraints { columns, .. } = body else { return None };
    let collation = |constraints: &[NamedColumnConstraint]| {
        constraints.iter().rev().find_map(|one| match &one.constraint {
            ColumnConstraint::Collate { collation_name } => Some(collation_name.as_str().to_ascii_lowercase()),
            _ => None,
        })
    };
    Some(sorted::map(
        columns.iter().filter_map(|column| {
            Some((column.col_name.as_str().to_ascii_lowercase(), collation(&column.constraints)?))
        }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_format_unchanged() {
        let one = |name: &str| BTreeSet::from([name.to_owned()]);
        let why = |name: &str| BTreeMap::from([(name.to_owned(), "why".to_owned())]);
        let catalog = Catalog {
            loaded: true,
            hydrated: one("a"),
            partial: one("b"),
            dirty: one("c"),
            missing: why("d"),
            incomplete: why("e"),
            unbuilt: why("f"),
            rows: 1,
            bytes: 2,
            serial: 3,
            ..Catalog::default()
        };
        let text = serde_json::to_string(&catalog).unwrap();
        let pinned = expect_test::expect![[
            r#"{"loaded":true,"hydrated":["a"],"partial":["b"],"dirty":["c"],"schema_dirty":false,"views_dirty":false,"counters_set":false,"hostile":false,"missing":{"d":"why"},"incomplete":{"e":"why"},"unbuilt":{"f":"why"},"rows":1,"bytes":2,"serial":3}"#
        ]];
        pinned.assert_eq(&text);
        assert_eq!(serde_json::from_str::<Catalog>(&text).unwrap(), catalog);
    }
}
