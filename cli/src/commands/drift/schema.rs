//! The schema of a database, read piece by piece in a dry run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::dry::{Definition, DryRun, Rows};
use crate::failure::Outcome;
use crate::statements::literal;

/// One column of a table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub name: String,
    /// Its declared type, in capitals.
    pub kind: String,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Its default, as it is written.
    pub default: Option<String>,
    /// Its place in the primary key, counted from 1; 0 when it is not a part of it.
    pub key: u64,
    /// Whether its value is computed: `virtual`, `stored`, or not.
    pub generated: Option<&'static str>,
}

impl Column {
    /// For people.
    pub(super) fn describe(&self) -> String {
        let mut words = vec![self.name.clone()];
        words.extend(Some(self.kind.clone()).filter(|kind| !kind.is_empty()));
        words.extend((self.key > 0).then(|| format!("PRIMARY KEY ({})", self.key)));
        words.extend(self.not_null.then(|| "NOT NULL".to_owned()));
        words.extend(self.default.as_ref().map(|default| format!("DEFAULT {default}")));
        words.extend(self.generated.map(|how| format!("GENERATED {}", how.to_uppercase())));
        words.join(" ")
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        json!({"name": self.name, "type": self.kind, "not_null": self.not_null, "default": self.default, "primary_key": self.key, "generated": self.generated})
    }
}

/// One table, index, view or trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thing {
    /// Its definition.
    pub definition: Definition,
    /// The columns of a table or view, in order.
    pub columns: Vec<Column>,
    /// The foreign keys of a table, for people.
    pub foreign_keys: BTreeSet<String>,
    /// `STRICT`, `WITHOUT ROWID`.
    pub options: BTreeSet<&'static str>,
}

/// What a thing is known by: its kind, and its name in small letters.
pub(super) type Name = (String, String);

/// One side of a comparison.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    /// All that there is.
    pub things: BTreeMap<Name, Thing>,
    /// The migrations that are recorded as applied, in order; `None` when there is no such record.
    pub applied: Option<Vec<String>>,
}

/// Reads a side. The table in which migrations are recorded is not a part of the schema.
pub(super) fn read(run: &DryRun, record: &str) -> Outcome<Side> {
    let mut definitions = run.definitions()?;
    let applied = run.applied(record)?;
    definitions.retain(|one| !one.table.eq_ignore_ascii_case(record) && !one.sql.is_empty());
    let options = options(run)?;
    // The tables in which a virtual table keeps what it knows come and go with it.
    definitions
        .retain(|one| options.get(&one.name.to_ascii_lowercase()).is_none_or(|options| !options.contains(INNER)));
    let shaped: Vec<&Definition> = definitions.iter().filter(|one| one.kind == "table" || one.kind == "view").collect();
    let each = |question: fn(&str) -> String| {
        run.ask(&shaped.iter().map(|one| question(&literal(&one.name))).collect::<Vec<_>>())
    };
    let columns = each(|name| {
        format!(
            "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo({name}) WHERE hidden <> 1 \
             ORDER BY cid"
        )
    })?;
    let keys = each(|name| {
        format!(
            "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list({name}) ORDER \
             BY id, seq"
        )
    })?;
    let mut shapes: BTreeMap<&str, (Vec<Column>, BTreeSet<String>)> = BTreeMap::new();
    for ((one, columns), keys) in shaped.iter().zip(&columns).zip(&keys) {
        shapes.insert(
            one.name.as_str(),
            (columns.rows.iter().map(|row| column(row)).collect(), foreign_keys(&keys.rows)),
        );
    }
    let things = definitions.iter().map(|one| {
        let is_table = one.kind == "table";
        let (columns, foreign_keys) =
            shapes.get(one.name.as_str()).filter(|_| is_table || one.kind == "view").cloned().unwrap_or_default();
        let options = options.get(&one.name.to_ascii_lowercase()).filter(|_| is_table).cloned().unwrap_or_default();
        (
            (one.kind.clone(), one.name.to_ascii_lowercase()),
            Thing { definition: one.clone(), columns, foreign_keys, options },
        )
    });
    Ok(Side { things: things.collect(), applied })
}

/// Stands among the options of a table that belongs to a virtual one.
const INNER: &str = "inner";

fn options(run: &DryRun) -> Outcome<BTreeMap<String, BTreeSet<&'static str>>> {
    let answers = run.batch("SELECT name, type, wr, strict FROM pragma_table_list() WHERE schema = 'main'")?;
    let read = |row: &Vec<Value>| {
        let is_inner = Rows::text(row, 1) == "shadow";
        let options = [
            ("WITHOUT ROWID", Rows::number(row, 2) == 1 && !is_inner),
            ("STRICT", Rows::number(row, 3) == 1),
            (INNER, is_inner),
        ];
        (
            Rows::text(row, 0).to_ascii_lowercase(),
            options.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect(),
        )
    };
    Ok(answers.iter().flat_map(|answer| &answer.rows).map(read).collect())
}

fn column(row: &[Value]) -> Column {
    Column {
        name: Rows::text(row, 0),
        kind: Rows::text(row, 1).to_uppercase(),
        not_null: Rows::number(row, 2) == 1,
        default: row.get(3).filter(|value| !value.is_null()).map(|_| Rows::text(row, 3)),
        key: Rows::number(row, 4),
        generated: match Rows::number(row, 5) {
            2 => Some("virtual"),
            3 => Some("stored"),
            _ => None,
        },
    }
}

fn foreign_keys(rows: &[Vec<Value>]) -> BTreeSet<String> {
    let mut keys: BTreeMap<u64, (Vec<String>, Vec<String>, String)> = BTreeMap::new();
    for row in rows {
        let rule = |verb: &str, at: usize| {
            Some(Rows::text(row, at))
                .filter(|action| action != "NO ACTION")
                .map_or_else(String::new, |action| format!(" ON {verb} {action}"))
        };
        let key = keys.entry(Rows::number(row, 0)).or_insert_with(|| (Vec::new(), Vec::new(), String::new()));
        key.0.push(Rows::text(row, 2).to_lowercase());
        key.1.push(Rows::text(row, 3).to_lowercase());
        key.2 = format!("{}{}", rule("UPDATE", 4), rule("DELETE", 5));
        if key.1.len() == 1 {
            // The name of the other table stands before its columns.
            key.1.insert(0, Rows::text(row, 1).to_lowercase());
        }
    }
    keys.into_values()
        .map(|(from, to, rules)| {
            let (table, columns) =
                to.split_first().map(|(table, columns)| (table.clone(), columns.join(", "))).unwrap_or_default();
            let columns = if columns.replace(", ", "").is_empty() { String::new() } else { format!(" ({columns})") };
            format!("({}) REFERENCES {table}{columns}{rules}", from.join(", "))
        })
        .collect()
}
