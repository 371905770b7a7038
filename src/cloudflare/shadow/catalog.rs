//! What the shadow knows about itself, kept where no SQL can reach it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use super::LostChange;
use super::cells::literal;
use crate::cloudflare::sql::{Database, SqlError, unreadable};
use crate::domain::operation::cut;
use crate::domain::refusal::Problem;

/// The prefix of everything that the gateway itself puts into a shadow's schema.
pub const PREFIX: &str = "_dryrun_";
/// The table into which triggers write what they see.
pub const TOUCHED: &str = "_dryrun_touched";

/// The state of a shadow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Whether the schema was copied.
    pub loaded: bool,
    /// Tables whose rows were copied.
    pub hydrated: BTreeSet<String>,
    /// Tables that differ from the base.
    pub dirty: BTreeSet<String>,
    /// Whether the schema differs from the base.
    pub schema_dirty: bool,
    /// Names that the base has and the shadow does not, with the reason.
    pub missing: BTreeMap<String, String>,
    /// Tables of which a trigger or index is missing here, with the reason: writes to them would not be what they are.
    #[serde(default)]
    pub incomplete: BTreeMap<String, String>,
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
    pub fn load(database: &Database) -> Result<Self, Problem> {
        let stored = database.values().get("catalog").map_err(SqlError::from)?;
        match stored.as_string() {
            None => Ok(Self::default()),
            Some(text) => serde_json::from_str(&text).map_err(|_| unreadable("shadow")),
        }
    }

    /// Writes it, as part of the transaction that is under way.
    pub fn save(&self, database: &Database) -> Result<(), Problem> {
        let text = serde_json::to_string(self).map_err(|_| unreadable("shadow"))?;
        Ok(database.values().put("catalog", &JsValue::from_str(&text)).map_err(SqlError::from)?)
    }

    /// Whether reads of the base could differ from reads of the shadow.
    pub fn is_dirty(&self) -> bool {
        self.schema_dirty || !self.dirty.is_empty()
    }
}

/// Remembers the last change until the journal is known to have it.
pub fn remember_last(database: &Database, change: &LostChange) -> Result<(), Problem> {
    let text = serde_json::to_string(change).map_err(|_| unreadable("shadow"))?;
    // A value here holds 2 MB; of a larger change only the statements are remembered.
    let text = if text.len() < 1_900_000 {
        text
    } else {
        let mut bare = LostChange { effects: Vec::new(), ..change.clone() };
        for one in &mut bare.call.statements {
            one.params.clear();
            one.statement.text = cut(&one.statement.text, 1_000);
        }
        serde_json::to_string(&bare).map_err(|_| unreadable("shadow"))?
    };
    Ok(database.values().put("last", &JsValue::from_str(&text)).map_err(SqlError::from)?)
}

/// The last change.
pub fn last(database: &Database) -> Result<Option<LostChange>, Problem> {
    let stored = database.values().get("last").map_err(SqlError::from)?;
    stored.as_string().map(|text| serde_json::from_str(&text).map_err(|_| unreadable("shadow"))).transpose()
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
    /// Its declared type.
    pub declared: String,
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
    /// Whether a unique key has an expression.
    pub unique_expression: bool,
    /// The tables that its foreign keys refer to.
    pub parents: Vec<String>,
    /// Its SQL.
    pub sql: String,
}

impl Table {
    /// Reads a table's description from the shadow's own schema.
    pub fn read(database: &Database, name: &str) -> Result<Self, Problem> {
        let quoted = literal(name);
        let list = database.run(&format!("SELECT wr FROM pragma_table_list({quoted}) WHERE schema = 'main'"), &[])?;
        let without_rowid = list.first().is_some_and(|row| row.count(0) == 1);
        let sql = database.run("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", &[name.into()])?;
        let sql = sql.first().and_then(|row| row.text(0)).unwrap_or_default();
        let columns: Vec<Column> = database
            .run(&format!("SELECT name, pk, hidden, type FROM pragma_table_xinfo({quoted})"), &[])?
            .iter()
            .map(|row| Column { name: row.text(0).unwrap_or_default(), key: row.count(1), generated: row.count(2) >= 2, declared: row.text(3).unwrap_or_default() })
            .collect();
        let free = |alias: &str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(alias));
        let rowid = if without_rowid { None } else { ["rowid", "_rowid_", "oid"].into_iter().find(|alias| free(alias)) };
        let mut unique = Vec::new();
        let mut unique_expression = false;
        let indexes = database.run(&format!("SELECT name FROM pragma_index_list({quoted}) WHERE \"unique\" = 1"), &[])?;
        for index in indexes.iter() {
            let index = literal(&index.text(0).unwrap_or_default());
            let parts = database.run(&format!("SELECT cid, name, coll FROM pragma_index_xinfo({index}) WHERE key = 1 ORDER BY seqno"), &[])?;
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
            } else {
                unique.push(key);
            }
        }
        let parents = database.run(&format!("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list({quoted})"), &[])?;
        let parents = parents.iter().filter_map(|row| row.text(0)).collect();
        Ok(Self { name: name.to_owned(), columns, rowid, unique, unique_expression, parents, sql })
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
        let key = self.primary_key();
        let [only] = key.as_slice() else { return None };
        let column = self.columns.iter().find(|column| column.name == *only)?;
        column.declared.eq_ignore_ascii_case("integer").then_some(column.name.as_str())
    }

    /// All column names.
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// The names of the tables that belong to agents.
pub fn tables(database: &Database) -> Result<Vec<String>, Problem> {
    let rows = database.run("SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' AND substr(name, 1, 8) <> '_dryrun_' AND substr(name, 1, 4) <> '_cf_' ORDER BY name", &[])?;
    Ok(rows.iter().filter_map(|row| row.text(0)).collect())
}
