//! What the report of a run has to say about rows: which came, went or changed, and their new values.

use std::collections::BTreeMap;

use rusqlite::types::Value;

use crate::compare::Lines;
use crate::model::{Model, Table};
use crate::oracle::Oracle;
use crate::values::{bare, quoted};

type Image = Vec<(String, Value)>;

/// The lines for a base and what became of it.
pub(crate) fn expected(base: &Oracle, now: &Oracle) -> Lines {
    let mut lines = Lines::new();
    for table in Model::read(now).tables {
        let (before, after) = (rows(base, &table), rows(now, &table));
        for (key, image) in &after {
            match before.get(key) {
                None => {
                    lines.push(line(&table, key, "inserted"));
                    lines.extend(image.iter().filter_map(|(field, value)| new_value(&table, key, field, value)));
                }
                Some(old) if old != image => {
                    lines.push(line(&table, key, "updated"));
                    lines.extend(
                        image
                            .iter()
                            .zip(old)
                            .filter(|(new, old)| new != old)
                            .filter_map(|((field, value), _)| new_value(&table, key, field, value)),
                    );
                }
                Some(_) => {}
            }
        }
        lines.extend(before.keys().filter(|key| !after.contains_key(*key)).map(|key| line(&table, key, "deleted")));
    }
    lines.sort();
    lines
}

/// A value as a report or an effect writes it; `None` for bytes and infinite numbers, which have a form of their own.
pub(crate) fn value(json: &serde_json::Value) -> Option<Value> {
    match json {
        serde_json::Value::Number(number) => Some(match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Real(number.as_f64().unwrap_or(f64::NAN)),
        }),
        serde_json::Value::String(text) => Some(Value::Text(text.clone())),
        serde_json::Value::Null => Some(Value::Null),
        _ => None,
    }
}

/// A rowid by which people know a row is compared. Any other key can be spelled in several ways, so only how many rows
/// there are is.
pub(crate) fn line(table: &Table, key: &str, change: &str) -> String {
    format!("{} {} {change}", table.name, if table.counts { key } else { "-" })
}

/// Bytes and infinite numbers have a form of their own, which is not compared.
pub(crate) fn new_value(table: &Table, key: &str, field: &str, value: &Value) -> Option<String> {
    let shown = match value {
        Value::Null => "null".into(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_finite() => format!("{:?}", number + 0.0),
        Value::Text(text) => format!("{text:?}"),
        _ => return None,
    };
    Some(format!("{} {} {field} = {shown}", table.name, if table.counts { key } else { "-" }))
}

/// The rows by what makes each the same row: its rowid, or its key under its collations.
fn rows(oracle: &Oracle, table: &Table) -> BTreeMap<String, Image> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let collations: BTreeMap<String, String> = oracle
        .rows(&format!(
            "SELECT x.name, x.coll FROM pragma_index_list({}) l, pragma_index_xinfo(l.name) x WHERE \
                        l.origin = 'pk' AND x.key = 1",
            quoted(&table.name)
        ))
        .into_iter()
        .filter_map(|row| {
            if let [Value::Text(name), Value::Text(collation)] = row.as_slice() {
                Some((name.clone(), collation.clone()))
            } else {
                None
            }
        })
        .collect();
    let key = if table.without_rowid { table.key.clone() } else { vec!["rowid".into()] };
    let found = oracle.rows(&format!("SELECT {}, {} FROM {}", key.join(", "), names.join(", "), table.name));
    found
        .into_iter()
        .map(|row| {
            let (identity, image) = row.split_at(key.len());
            let identity: Vec<String> = identity
                .iter()
                .zip(&key)
                .map(|(value, column)| folded(value, collations.get(&bare(column)).map_or("BINARY", String::as_str)))
                .collect();
            (identity.join(", "), names.iter().map(|name| bare(name)).zip(image.iter().cloned()).collect())
        })
        .collect()
}

fn folded(value: &Value, collation: &str) -> String {
    match (value, collation) {
        (Value::Integer(number), _) => number.to_string(),
        #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is small")]
        (Value::Real(number), _) if number.fract() == 0.0 && number.abs() < 9e15 => (*number as i64).to_string(),
        // SQLite compares it up to a NUL, and then by its length.
        (Value::Text(text), "NOCASE") => {
            format!("{:?} {}", text.split('\0').next().unwrap_or_default().to_ascii_lowercase(), text.len())
        }
        (Value::Text(text), "RTRIM") => format!("{:?}", text.trim_end_matches(' ')),
        (other, _) => format!("{other:?}"),
    }
}
