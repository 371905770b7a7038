//! What the database looks like now, read from the oracle, so that the next statement can be made from it.

use rusqlite::types::Value;

use crate::oracle::Oracle;
use crate::values::{identifier, quoted};

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub name: String,
    pub declared: String,
    pub generated: bool,
    /// Whether it may not be left out of an INSERT.
    pub required: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct ForeignKey {
    pub columns: Vec<String>,
    pub parent: String,
    pub parent_columns: Vec<String>,
    pub on_delete: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// The primary key, or the rowid.
    pub key: Vec<String>,
    /// Whether the key is the rowid, which counts up by itself.
    pub counts: bool,
    pub without_rowid: bool,
    pub strict: bool,
    pub foreign_keys: Vec<ForeignKey>,
    /// Column lists of unique indexes without conditions and expressions.
    pub unique: Vec<Vec<String>>,
    /// First columns of the other indexes that cover every row.
    pub indexed: Vec<String>,
}

impl Table {
    pub(crate) fn writable(&self) -> Vec<&Column> {
        self.columns.iter().filter(|column| !column.generated).collect()
    }

    /// Whether SQLite checks its references to itself in a REPLACE only when there are triggers: it takes the action of
    /// ON DELETE for its own.
    pub(crate) fn replaces_unchecked(&self) -> bool {
        self.foreign_keys.iter().any(|key| key.parent.eq_ignore_ascii_case(&self.name) && key.on_delete == "SET NULL")
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct View {
    pub name: String,
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub tables: Vec<Table>,
    pub views: Vec<View>,
    /// Tables for text search.
    pub searches: Vec<String>,
    pub indexes: Vec<String>,
    pub triggers: Vec<String>,
}

impl Model {
    pub(crate) fn read(oracle: &Oracle) -> Self {
        let names = |kind: &str| {
            oracle.texts(&format!(
                "SELECT name FROM sqlite_master WHERE type = '{kind}' AND sql IS NOT NULL AND name \
                                   NOT LIKE 'sqlite_%' ORDER BY name"
            ))
        };
        let listed = oracle.rows(
            "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name \
                                  NOT LIKE 'sqlite_%' ORDER BY name",
        );
        let mut model = Self { indexes: names("index"), triggers: names("trigger"), ..Self::default() };
        for row in listed {
            let [Value::Text(name), Value::Text(kind), wr, strict] = row.as_slice() else { continue };
            match kind.as_str() {
                "table" => {
                    model.tables.push(table(oracle, name, *wr == Value::Integer(1), *strict == Value::Integer(1)))
                }
                // A view whose tables are gone has no columns that could be asked for.
                "view" if !view_is_broken(oracle, name) => {
                    let columns = oracle
                        .texts(&format!("SELECT name FROM pragma_table_xinfo({})", quoted(name)))
                        .iter()
                        .map(|name| identifier(name))
                        .collect();
                    model.views.push(View { name: name.clone(), columns });
                }
                "virtual" => model.searches.push(name.clone()),
                _ => {}
            }
        }
        model
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }
}

fn view_is_broken(oracle: &Oracle, name: &str) -> bool {
    oracle.rows(&format!("SELECT 1 FROM pragma_table_xinfo({})", quoted(name))).is_empty()
}

fn table(oracle: &Oracle, name: &str, without_rowid: bool, strict: bool) -> Table {
    let literal = quoted(name);
    let mut keyed: Vec<(i64, String)> = Vec::new();
    let mut columns = Vec::new();
    for row in oracle.rows(&format!(
        "SELECT name, type, pk, hidden, \"notnull\", dflt_value IS NOT NULL FROM pragma_table_xinfo({literal})"
    )) {
        let [
            Value::Text(name),
            Value::Text(declared),
            Value::Integer(key),
            Value::Integer(hidden),
            Value::Integer(not_null),
            Value::Integer(default),
        ] = row.as_slice()
        else {
            continue;
        };
        if *key > 0 {
            keyed.push((*key, identifier(name)));
        }
        columns.push(Column {
            name: identifier(name),
            declared: declared.clone(),
            generated: *hidden >= 2,
            required: (*not_null == 1 || *key > 0) && *default == 0,
        });
    }
    keyed.sort();
    let declared_key: Vec<String> = keyed.into_iter().map(|(_, name)| name).collect();
    let alias = match declared_key.as_slice() {
        [only] => {
            !without_rowid
                && columns.iter().any(|column| column.name == *only && column.declared.eq_ignore_ascii_case("INTEGER"))
        }
        _ => false,
    };
    let rowid_only = declared_key.is_empty();
    let key = if rowid_only { vec!["rowid".to_owned()] } else { declared_key };
    let mut unique = Vec::new();
    let mut indexed = Vec::new();
    for row in oracle.rows(&format!("SELECT name, \"unique\", partial FROM pragma_index_list({literal}) ORDER BY seq"))
    {
        let [Value::Text(index), Value::Integer(is_unique), Value::Integer(0)] = row.as_slice() else { continue };
        let parts = oracle.rows(&format!("SELECT name FROM pragma_index_info({}) ORDER BY seqno", quoted(index)));
        let names: Option<Vec<String>> = parts
            .into_iter()
            .map(
                |part| {
                    if let Some(Value::Text(name)) = part.into_iter().next() { Some(identifier(&name)) } else { None }
                },
            )
            .collect();
        let Some(names) = names else { continue };
        if *is_unique == 1 && names != key {
            unique.push(names);
        } else if *is_unique == 0 {
            indexed.extend(names.into_iter().take(1));
        }
    }
    Table {
        name: name.to_owned(),
        columns,
        key,
        counts: alias || rowid_only,
        without_rowid,
        strict,
        foreign_keys: foreign_keys(oracle, &literal),
        unique,
        indexed,
    }
}

fn foreign_keys(oracle: &Oracle, literal: &str) -> Vec<ForeignKey> {
    let mut found: Vec<(i64, ForeignKey)> = Vec::new();
    for row in oracle.rows(&format!(
        "SELECT id, \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list({literal}) ORDER BY id, seq"
    )) {
        let [Value::Integer(id), Value::Text(parent), Value::Text(from), to, Value::Text(on_delete)] = row.as_slice()
        else {
            continue;
        };
        let to = if let Value::Text(to) = to { Some(identifier(to)) } else { None };
        if found.last().is_none_or(|(last, _)| last != id) {
            found.push((
                *id,
                ForeignKey {
                    columns: Vec::new(),
                    parent: parent.clone(),
                    parent_columns: Vec::new(),
                    on_delete: on_delete.clone(),
                },
            ));
        }
        if let Some((_, key)) = found.last_mut() {
            key.columns.push(identifier(from));
            key.parent_columns.extend(to);
        }
    }
    found.into_iter().map(|(_, key)| key).collect()
}
