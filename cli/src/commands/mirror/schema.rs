//! What a database is made of, as its own descriptions say.

use std::collections::BTreeMap;

use super::affinity::Affinity;
use super::cell::{Cell, Sent, identifier};
use super::wire::{Answered, Reads};
use crate::failure::{Exit, Failure, Outcome};
use crate::statements::meaning;

/// One line of `sqlite_master`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table or view it belongs to.
    pub table: String,
    /// The statement that made it; empty when its table did.
    pub sql: String,
}

/// A column whose values are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub name: String,
    /// Whether it is NOT NULL, or part of a key that cannot be NULL.
    pub required: bool,
    /// Its place in the primary key, from 1; 0 when it is not in it.
    pub key_place: u32,
    /// What becomes of values that it is given.
    pub affinity: Affinity,
}

/// A reference to another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignKey {
    /// The table referred to.
    pub parent: String,
    /// The columns here.
    pub from: Vec<String>,
    /// The columns there; of the primary key when the definition does not say.
    pub to: Vec<String>,
}

/// By what rows are told apart and ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// By rowid. `name` reads it; `column` is the place of the column that is another name of it.
    Rowid {
        /// A name of the rowid that no other column has.
        name: String,
        /// The INTEGER PRIMARY KEY.
        column: Option<usize>,
    },
    /// By the primary key of a table WITHOUT ROWID: places of its columns.
    Columns(Vec<usize>),
}

/// A table whose rows can be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Its name.
    pub name: String,
    /// The columns that are stored, in their order.
    pub columns: Vec<Column>,
    /// Its key.
    pub key: Key,
    /// What it refers to.
    pub foreign_keys: Vec<ForeignKey>,
    /// Columns that are unique by themselves.
    pub unique: Vec<String>,
    /// How far AUTOINCREMENT has counted, if it has.
    pub counter: Option<i64>,
}

impl Table {
    /// The place of a column.
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name.eq_ignore_ascii_case(column))
    }

    /// What reads the key, as SQL.
    pub(super) fn key_terms(&self) -> Vec<String> {
        match &self.key {
            Key::Rowid { name, .. } => vec![name.clone()],
            Key::Columns(places) => places
                .iter()
                .filter_map(|place| self.columns.get(*place))
                .map(|column| identifier(&column.name))
                .collect(),
        }
    }

    /// Whether a column is unique by itself.
    pub(super) fn is_unique(&self, place: usize) -> bool {
        let named = self
            .columns
            .get(place)
            .is_some_and(|column| self.unique.iter().any(|unique| unique.eq_ignore_ascii_case(&column.name)));
        named || matches!(&self.key, Key::Columns(places) if places.as_slice() == [place]) || self.is_rowid(place)
    }

    /// Whether a column is the INTEGER PRIMARY KEY.
    pub(super) fn is_rowid(&self, place: usize) -> bool {
        matches!(self.key, Key::Rowid { column: Some(key), .. } if key == place)
    }

    /// Whether rows are written with a rowid that is no column.
    pub(super) fn has_hidden_rowid(&self) -> bool {
        matches!(self.key, Key::Rowid { column: None, .. })
    }
}

/// A database.
#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    /// Everything in it but SQLite's and the platform's own.
    pub objects: Vec<Object>,
    /// Its tables with rows of their own.
    pub tables: Vec<Table>,
    /// Virtual tables without rows of their own, which are not copied.
    pub virtual_tables: Vec<String>,
}

/// Tables described in one request: three statements each, of the 5,000 that the gateway takes.
const AT_ONCE: usize = 120;

fn text(sent: Option<&Sent>) -> String {
    match sent {
        Some(Sent::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

fn is_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["sqlite_", "_cf_", "_dryrun_"].iter().any(|prefix| name.starts_with(prefix))
}

impl Schema {
    /// Reads it.
    pub(super) fn read(side: &impl Reads) -> Outcome<Self> {
        let answers = side.read(vec![
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid".to_owned(),
            "SELECT name, type, CAST(wr AS TEXT), CAST(strict AS TEXT) FROM pragma_table_list WHERE schema = 'main'"
                .to_owned(),
        ])?;
        let [objects, list] = <[Answered; 2]>::try_from(answers).map_err(|_| internal())?;
        let objects: Vec<Object> = objects
            .rows
            .iter()
            .map(|row| Object {
                kind: text(row.first()),
                name: text(row.get(1)),
                table: text(row.get(2)),
                sql: text(row.get(3)),
            })
            .collect();
        let counts = objects.iter().any(|object| object.name.eq_ignore_ascii_case("sqlite_sequence"));
        let kinds: BTreeMap<String, Kind> = list
            .rows
            .iter()
            .map(|row| {
                (
                    text(row.first()),
                    Kind {
                        kind: text(row.get(1)),
                        without_rowid: text(row.get(2)) == "1",
                        strict: text(row.get(3)) == "1",
                    },
                )
            })
            .collect();
        let is = |name: &str, kind: &str| kinds.get(name).is_some_and(|known| known.kind == kind);
        let objects: Vec<Object> = objects
            .into_iter()
            .filter(|object| !is_own(&object.name) && !is(&object.name, "shadow") && !is(&object.table, "shadow"))
            .collect();
        let virtual_tables: Vec<String> = objects
            .iter()
            .filter(|object| is(&object.name, "virtual") && !keeps_rows(&object.sql))
            .map(|object| object.name.clone())
            .collect();
        let names: Vec<&Object> = objects
            .iter()
            .filter(|object| {
                object.kind == "table"
                    && (is(&object.name, "table") || is(&object.name, "virtual") && keeps_rows(&object.sql))
            })
            .collect();
        let mut tables = Vec::new();
        for some in names.chunks(AT_ONCE) {
            let answers = side.read(some.iter().flat_map(|object| describe(&object.name)).collect())?;
            for (object, answers) in some.iter().zip(answers.chunks(3)) {
                tables.push(table(&object.name, kinds.get(&object.name).ok_or_else(internal)?, answers)?);
            }
        }
        let mut schema = Self { objects, tables, virtual_tables };
        if counts {
            schema.read_counters(side)?;
        }
        schema.complete();
        Ok(schema)
    }

    fn read_counters(&mut self, side: &impl Reads) -> Outcome<()> {
        let answers = side.read(vec!["SELECT name, CAST(seq AS TEXT) FROM sqlite_sequence".to_owned()])?;
        for row in answers.iter().flat_map(|answer| &answer.rows) {
            let (name, number) = (text(row.first()), text(row.get(1)));
            if let Some(table) = self.tables.iter_mut().find(|table| table.name.eq_ignore_ascii_case(&name)) {
                table.counter = number.parse().ok();
            }
        }
        Ok(())
    }

    /// References that do not name columns mean the primary key.
    fn complete(&mut self) {
        let keys: BTreeMap<String, Vec<String>> = self
            .tables
            .iter()
            .map(|table| {
                let mut key: Vec<&Column> = table.columns.iter().filter(|column| column.key_place > 0).collect();
                key.sort_by_key(|column| column.key_place);
                (table.name.to_ascii_lowercase(), key.into_iter().map(|column| column.name.clone()).collect())
            })
            .collect();
        for foreign_key in self.tables.iter_mut().flat_map(|table| &mut table.foreign_keys) {
            if foreign_key.to.iter().any(String::is_empty) {
                foreign_key.to = keys.get(&foreign_key.parent.to_ascii_lowercase()).cloned().unwrap_or_default();
            }
        }
    }

    /// A table by its name.
    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// An object by its kind and name.
    pub(super) fn object(&self, kind: &str, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.kind == kind && object.name.eq_ignore_ascii_case(name))
    }
}

fn describe(table: &str) -> [String; 3] {
    let name = Cell::text(table).literal();
    [
        format!(
            "SELECT name, CAST(\"notnull\" AS TEXT), CAST(pk AS TEXT), CAST(hidden AS TEXT), type FROM \
             pragma_table_xinfo({name}) ORDER BY cid"
        ),
        format!(
            "SELECT CAST(id AS TEXT), \"table\", \"from\", \"to\" FROM pragma_foreign_key_list({name}) ORDER BY id, seq"
        ),
        format!(
            "SELECT list.name, list.origin, CAST(list.\"unique\" AS TEXT), info.name FROM pragma_index_list({name}) AS \
             list, pragma_index_info(list.name) AS info ORDER BY list.seq, info.seqno"
        ),
    ]
}

/// Whether a virtual table is one of words that keeps its rows itself: those can be read and written like any other.
fn keeps_rows(sql: &str) -> bool {
    let words = meaning(sql);
    let has = |wanted: &[&str]| words.windows(wanted.len()).any(|some| some == wanted);
    has(&["using", "fts5"]) && !has(&["content", "="])
}

/// What the list of tables says of one.
struct Kind {
    kind: String,
    without_rowid: bool,
    strict: bool,
}

fn table(name: &str, kind: &Kind, answers: &[Answered]) -> Outcome<Table> {
    let [columns, references, indexes] = answers else { return Err(internal()) };
    // A generated column makes its own value.
    let stored = columns.rows.iter().filter(|row| text(row.get(3)) == "0");
    let mut found: Vec<Column> = stored
        .map(|row| Column {
            name: text(row.first()),
            required: text(row.get(1)) == "1",
            key_place: text(row.get(2)).parse().unwrap_or_default(),
            affinity: Affinity::of(&text(row.get(4)), kind.strict),
        })
        .collect();
    let mut by_index: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for row in indexes.rows.iter().filter(|row| text(row.get(2)) == "1") {
        by_index.entry(text(row.first())).or_insert_with(|| (text(row.get(1)), Vec::new())).1.push(text(row.get(3)));
    }
    let key: Vec<usize> = places_in_key(&found);
    let has_key_index = by_index.values().any(|(origin, _)| origin == "pk");
    let key = if kind.without_rowid {
        for column in found.iter_mut().filter(|column| column.key_place > 0) {
            column.required = true;
        }
        Key::Columns(key)
    } else if let ([place], false) = (key.as_slice(), has_key_index) {
        // A primary key that needs no index is the rowid itself.
        let column = found.get_mut(*place).ok_or_else(internal)?;
        column.required = true;
        Key::Rowid { name: identifier(&column.name), column: Some(*place) }
    } else {
        let free = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|name| !columns.rows.iter().any(|row| text(row.first()).eq_ignore_ascii_case(name)));
        let Some(free) = free else {
            return Err(Failure::new(
                Exit::Refused,
                "no_key",
                format!(
                    "The table {name} has columns named rowid, _rowid_ and oid, so its rows cannot be told apart. \
                     Nothing was written."
                ),
                "Name the other tables with --tables.",
            ));
        };
        Key::Rowid { name: free.to_owned(), column: None }
    };
    let mut foreign_keys: BTreeMap<i64, ForeignKey> = BTreeMap::new();
    for row in &references.rows {
        let id = text(row.first()).parse().unwrap_or_default();
        let foreign_key = foreign_keys.entry(id).or_insert_with(|| ForeignKey {
            parent: text(row.get(1)),
            from: Vec::new(),
            to: Vec::new(),
        });
        foreign_key.from.push(text(row.get(2)));
        foreign_key.to.push(text(row.get(3)));
    }
    let unique = by_index
        .into_values()
        .filter_map(|(_, columns)| <[String; 1]>::try_from(columns).ok())
        .map(|[column]| column)
        .collect();
    Ok(Table {
        name: name.to_owned(),
        columns: found,
        key,
        foreign_keys: foreign_keys.into_values().collect(),
        unique,
        counter: None,
    })
}

fn places_in_key(columns: &[Column]) -> Vec<usize> {
    let mut key: Vec<(u32, usize)> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.key_place > 0)
        .map(|(place, column)| (column.key_place, place))
        .collect();
    key.sort_unstable();
    key.into_iter().map(|(_, place)| place).collect()
}

fn internal() -> Failure {
    Failure::unreachable(
        "The description of the schema is not understood.",
        "Look whether the url in dryrun.toml is that of the gateway.",
    )
}
