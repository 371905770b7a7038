//! What a statement needs of tables that are too large to be copied whole.
//!
//! A table whose rows are copied as they are reached has, besides its rows: `_dryrun_known`, the rows of the base that
//! were copied, whatever became of them since; and `_dryrun_covered`, what was asked of the base and is here with
//! everything that it answered. Both only grow.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::capture::constant;
use super::cells::{literal, surely};
use super::failure::{Failure, unreadable};

/// Rows of a table: those for which the conditions hold and whose columns have one of these lists of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowNeed {
    /// The table.
    pub table: String,
    /// The name that the conditions know it by.
    pub alias: String,
    /// Conditions over its columns and constants.
    pub conditions: Vec<String>,
    /// Columns, each with a collation where it is not its own. None: the conditions say it all.
    pub columns: Vec<String>,
    /// Lists of values of these columns, as JSON.
    pub keys: Vec<String>,
    /// What stands for it when it is met, where the conditions do not.
    pub called: Option<String>,
}

/// What has to be copied before a statement can run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Tables that are needed whole.
    pub whole: BTreeSet<String>,
    /// Tables of which nothing is known yet.
    pub unsized_tables: BTreeSet<String>,
    /// Rows of tables.
    pub rows: Vec<RowNeed>,
    /// Tables of which the next rows below the highest rowid are needed.
    pub tops: BTreeSet<String>,
    /// Triggers that fire with these values; what their commands reach is still to be found out.
    pub frames: Vec<String>,
}

impl Needs {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty()
            && self.unsized_tables.is_empty()
            && self.rows.is_empty()
            && self.tops.is_empty()
            && self.frames.is_empty()
    }

    /// Adds what another needs.
    pub fn add(&mut self, other: Self) {
        self.whole.extend(other.whole);
        self.unsized_tables.extend(other.unsized_tables);
        self.tops.extend(other.tops);
        self.frames.extend(other.frames);
        for row in other.rows {
            self.add_row(row);
        }
    }

    /// Adds rows, to those of the same kind where there are any.
    pub fn add_row(&mut self, row: RowNeed) {
        let same = self.rows.iter_mut().find(|known| {
            known.table == row.table
                && known.alias == row.alias
                && known.conditions == row.conditions
                && known.columns == row.columns
        });
        match same {
            Some(known) => {
                for key in row.keys {
                    if !known.keys.contains(&key) {
                        known.keys.push(key);
                    }
                }
            }
            None => self.rows.push(row),
        }
    }
}

/// What a trigger of the gateway says is missing.
#[derive(Debug, Serialize, Deserialize)]
struct Missing {
    /// A table of which rows are missing.
    #[serde(default)]
    t: Option<String>,
    /// By these columns.
    #[serde(default)]
    c: Vec<String>,
    /// Its highest rows are missing.
    #[serde(default)]
    top: bool,
    /// A table whose triggers fire.
    #[serde(default)]
    g: Option<String>,
    /// The values.
    #[serde(default)]
    v: Option<Box<RawValue>>,
}

/// The beginning of what stands in `_dryrun_covered` for rows by key; the values and a brace follow.
pub fn keyed(table: &str, columns: &[String]) -> String {
    format!("{{\"t\":{},\"c\":{},\"v\":", Value::from(table), Value::from(columns.to_vec()))
}

/// Reads what a trigger said.
pub fn said(texts: impl IntoIterator<Item = String>) -> Result<Needs, Failure> {
    let mut needs = Needs::default();
    for text in texts {
        let missing: Missing =
            serde_json::from_str(&text).map_err(|error| unreadable("what a trigger noted", &error))?;
        match (missing.t, missing.v) {
            // Text that is not UTF-8 does not survive the way here, so no row can be asked for by it.
            (Some(table), _) if is_garbled(&text) => _ = needs.whole.insert(table),
            (Some(table), _) if missing.top => _ = needs.tops.insert(table),
            (Some(table), Some(values)) => needs.add_row(RowNeed {
                alias: table.clone(),
                table,
                conditions: Vec::new(),
                columns: missing.c,
                keys: vec![values.get().to_owned()],
                called: None,
            }),
            _ if missing.g.is_some() => needs.frames.push(text),
            _ => {}
        }
    }
    Ok(needs)
}

/// The SQL text that says what a row need asks for; `None` with keys, which are asked one by one.
pub fn condition_text(need: &RowNeed) -> String {
    if let Some(called) = &need.called {
        return called.clone();
    }
    let parts: Vec<&str> = [&need.table, &need.alias].into_iter().chain(&need.conditions).map(String::as_str).collect();
    let text = Value::from(parts).to_string();
    if text.len() < 500 { text } else { hex::encode(Sha256::digest(text.as_bytes())) }
}

/// What stands in `_dryrun_covered` once a need is met.
pub fn covers(need: &RowNeed) -> Vec<String> {
    if need.columns.is_empty() {
        return vec![condition_text(need)];
    }
    let lead = lead(need);
    need.keys.iter().map(|key| format!("{lead}{key}}}")).collect()
}

pub fn lead(need: &RowNeed) -> String {
    let by = keyed(&need.table, &need.columns);
    if need.conditions.is_empty() { by } else { format!("{}|{by}", condition_text(need)) }
}

/// Whether a value may have changed on its way, so that nothing can be asked for by it: text that is not UTF-8, and
/// REAL numbers of a size at which SQLite does not write every digit right.
pub fn is_garbled(text: &str) -> bool {
    let large =
        |at: usize| text.get(at + 2..at + 5).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    text.contains('\u{fffd}') || text.match_indices("e+").chain(text.match_indices("e-")).any(|(at, _)| large(at))
}

/// A column of a need in SQL: its name quoted, its collation behind it.
pub fn column_sql(column: &str) -> String {
    match column.split_once('\0') {
        Some((name, collation)) => format!("{} COLLATE {}", surely(name), surely(collation)),
        None => surely(column),
    }
}

/// A column of a need whose index compares by another collation than the column.
pub fn collated(column: &str, collation: &str) -> String {
    format!("{column}\0{}", collation.to_ascii_lowercase())
}

/// The condition that columns have the values of a key.
pub fn equals(columns: &[String], key: &str) -> Result<String, Failure> {
    let values: Vec<Value> = serde_json::from_str(key).map_err(|error| unreadable("a key", &error))?;
    let parts: Vec<String> = columns
        .iter()
        .zip(&values)
        .map(|(column, value)| format!("{} = {}", column_sql(column), constant(value)))
        .collect();
    Ok(parts.join(" AND "))
}

/// The condition that columns have the values of one of several keys, and the parameter that it takes.
pub fn one_of(columns: &[String], keys: &[String]) -> Result<(String, Option<String>), Failure> {
    if !are_plain(keys) || keys.len() == 1 {
        let each =
            keys.iter().map(|key| equals(columns, key).map(|one| format!("({one})"))).collect::<Result<Vec<_>, _>>()?;
        return Ok((balanced_or(each), None));
    }
    let names: Vec<String> = columns.iter().map(|column| column_sql(column)).collect();
    let values: Vec<String> =
        (0..columns.len()).map(|index| format!("json_extract(value, {})", literal(&format!("$[{index}]")))).collect();
    let left = if names.len() == 1 { names.join("") } else { format!("({})", names.join(", ")) };
    Ok((format!("{left} IN (SELECT {} FROM json_each(?))", values.join(", ")), Some(format!("[{}]", keys.join(",")))))
}

/// Whether all values are read back from JSON as they are: then they travel as one parameter of any length.
pub fn are_plain(keys: &[String]) -> bool {
    let plain = |value: &Value| match value {
        Value::String(text) => !text.contains('\0'),
        value => value.is_i64(),
    };
    keys.iter().all(|key| serde_json::from_str::<Vec<Value>>(key).is_ok_and(|values| values.iter().all(plain)))
}

/// OR as a balanced tree: SQLite here refuses expressions deeper than 100.
pub fn balanced_or(mut parts: Vec<String>) -> String {
    match parts.len() {
        0 => "0".into(),
        1 => parts.remove(0),
        length => {
            let right = parts.split_off(length / 2);
            format!("({} OR {})", balanced_or(parts), balanced_or(right))
        }
    }
}
