//! What every kind of statement is made of: literals, values that a column may hold, and conditions.

use rusqlite::types::Value;

use crate::model::{Column, ForeignKey, Model, Table};
use crate::oracle::Oracle;
use crate::support::Bound;
use crate::values::{self, Dice, literal};

/// A statement, and what its answer means.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub bound: Bound,
    /// Whether its rows have one order only.
    pub ordered: bool,
    /// Whether it inserts rows that have a rowid.
    pub counts: bool,
    /// Whether it may write to a table for text search.
    pub searches: bool,
}

impl Made {
    pub(crate) fn of(bound: Bound) -> Self {
        Self { bound, ordered: false, counts: false, searches: false }
    }
}

/// Makes statements for the database as the oracle has it.
pub(crate) struct Maker<'a> {
    pub dice: Dice,
    pub oracle: &'a Oracle,
    pub model: Model,
    /// Whether what is made now should reach few rows, by key or index.
    pub narrow: bool,
    /// Whether this sequence changes the schema in its midst. Only of one that does not a report lists every row.
    pub defines: bool,
    /// Counts up: makes fresh names and keys.
    pub serial: usize,
    binds: bool,
    params: Vec<serde_json::Value>,
}

/// What a column keeps, by its declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Integer,
    Real,
    Text,
    Blob,
    Any,
}

pub(crate) fn class(declared: &str) -> Class {
    match declared.to_ascii_uppercase().as_str() {
        "INT" | "INTEGER" | "BIGINT" => Class::Integer,
        "REAL" | "DOUBLE" => Class::Real,
        "TEXT" | "VARCHAR(20)" => Class::Text,
        "BLOB" => Class::Blob,
        _ => Class::Any,
    }
}

impl<'a> Maker<'a> {
    pub(crate) fn new(dice: Dice, oracle: &'a Oracle) -> Self {
        Self {
            dice,
            oracle,
            model: Model::default(),
            narrow: false,
            defines: true,
            serial: 0,
            binds: false,
            params: Vec::new(),
        }
    }

    /// Begins a statement; its values may become parameters.
    pub(crate) fn begin(&mut self, may_bind: bool) {
        self.params.clear();
        self.binds = may_bind && self.dice.percent(35);
    }

    pub(crate) fn end(&mut self, sql: String) -> Made {
        let mut params = std::mem::take(&mut self.params);
        // What was put into a part that is not in the statement after all.
        let used = |place: &usize| {
            sql.split(&format!("?{place}")).skip(1).any(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
        };
        params.truncate((1..=params.len()).rev().find(used).unwrap_or_default());
        Made::of(Bound { sql, params })
    }

    pub(crate) fn end_ordered(&mut self, sql: String) -> Made {
        Made { ordered: true, ..self.end(sql) }
    }

    pub(crate) fn fresh(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}{}", self.serial)
    }

    /// A value, in the text or as a parameter.
    pub(crate) fn put(&mut self, value: &Value) -> String {
        if self.binds
            && self.params.len() < 90
            && let Some(parameter) = values::parameter(value)
        {
            self.params.push(parameter);
            return format!("?{}", self.params.len());
        }
        literal(value)
    }

    pub(crate) fn put_integer(&mut self) -> String {
        let value = Value::Integer(self.dice.integer());
        self.put(&value)
    }

    pub(crate) fn table(&mut self) -> Option<Table> {
        self.dice.choose(&self.model.tables).cloned()
    }

    /// The columns' values in a row that there is.
    pub(crate) fn existing(&mut self, table: &str, columns: &[String]) -> Option<Vec<Value>> {
        let count = match self
            .oracle
            .rows(&format!("SELECT count(*) FROM {table}"))
            .first()
            .and_then(|row| row.first().cloned())
        {
            Some(Value::Integer(count)) => usize::try_from(count).ok()?,
            _ => 0,
        };
        if count == 0 {
            return None;
        }
        let place = self.dice.below(count);
        self.oracle
            .rows(&format!("SELECT {} FROM {table} LIMIT 1 OFFSET {place}", columns.join(", ")))
            .into_iter()
            .next()
    }

    fn value_of_class(&mut self, class: Class) -> Value {
        match class {
            Class::Integer => Value::Integer(self.dice.integer()),
            Class::Real => Value::Real(self.dice.real()),
            Class::Text => Value::Text(self.dice.text()),
            Class::Blob => Value::Blob(self.dice.blob()),
            Class::Any => self.dice.any(),
        }
    }

    /// A value for a column: of its class mostly, one that its foreign key finds mostly, sometimes one that breaks a
    /// rule.
    pub(crate) fn value(&mut self, table: &Table, column: &Column) -> Value {
        if let Some((parent, wanted)) = table.foreign_keys.iter().find_map(|key| parent_column(key, &column.name))
            && self.dice.percent(80)
        {
            let wanted = wanted.or_else(|| self.model.table(&parent).and_then(|parent| parent.key.first().cloned()));
            if let (Some(wanted), true) = (wanted, self.model.table(&parent).is_some())
                && let Some(mut row) = self.existing(&parent, &[wanted])
            {
                return row.swap_remove(0);
            }
        }
        let in_key = table.key.contains(&column.name) || table.unique.iter().any(|key| key.contains(&column.name));
        if in_key && self.dice.percent(85) {
            self.serial += 1;
            let fresh = self.serial + 1000;
            return match class(&column.declared) {
                Class::Integer | Class::Any => Value::Integer(i64::try_from(fresh).unwrap_or_default()),
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                Class::Real => Value::Real(fresh as f64 + 0.5),
                Class::Text => Value::Text(format!("{}{fresh}", self.dice.text())),
                Class::Blob => Value::Blob(fresh.to_be_bytes().to_vec()),
            };
        }
        match self.dice.below(100) {
            0..=9 if !column.required => Value::Null,
            10..=14 if !table.strict => self.dice.any(),
            15..=24 => {
                let found = self.existing(&table.name, std::slice::from_ref(&column.name));
                found.and_then(|mut row| row.pop()).unwrap_or(Value::Null)
            }
            _ => self.value_of_class(class(&column.declared)),
        }
    }

    pub(crate) fn put_value(&mut self, table: &Table, column: &Column) -> String {
        let value = self.value(table, column);
        self.put(&value)
    }

    fn equals(&mut self, alias: &str, columns: &[String], values: &[Value]) -> String {
        let parts: Vec<String> = columns
            .iter()
            .zip(values)
            .map(|(column, value)| match value {
                Value::Null => format!("{alias}{column} IS NULL"),
                value => format!("{alias}{column} = {}", self.put(value)),
            })
            .collect();
        parts.join(" AND ")
    }

    /// One row by its key. `alias` ends with a dot, or is empty.
    pub(crate) fn by_key(&mut self, table: &Table, alias: &str) -> String {
        let columns = table.key.clone();
        self.by_columns(table, alias, &columns)
    }

    fn by_columns(&mut self, table: &Table, alias: &str, columns: &[String]) -> String {
        let found = if self.dice.percent(85) { self.existing(&table.name, columns) } else { None };
        let values = found.unwrap_or_else(|| {
            columns
                .iter()
                .map(|name| {
                    self.value_of_class(table.column(name).map_or(Class::Integer, |column| class(&column.declared)))
                })
                .collect()
        });
        self.equals(alias, columns, &values)
    }

    fn by_list(&mut self, table: &Table, alias: &str) -> String {
        let Some(column) = table.key.first().cloned() else { return "1".into() };
        let count = self.dice.between(1, 4);
        let values: Vec<String> = (0..count)
            .map(|_| {
                let found = self.existing(&table.name, std::slice::from_ref(&column)).and_then(|mut row| row.pop());
                let value = found.unwrap_or_else(|| Value::Integer(self.dice.integer()));
                self.put(&value)
            })
            .collect();
        format!("{alias}{column} IN ({})", values.join(", "))
    }

    /// A condition that few rows meet, and that an index can answer.
    fn few(&mut self, table: &Table, alias: &str) -> String {
        match self.dice.below(10) {
            0..=1 => self.by_list(table, alias),
            2..=3 if !table.unique.is_empty() => {
                let columns = self.dice.choose(&table.unique).cloned().unwrap_or_default();
                self.by_columns(table, alias, &columns)
            }
            4..=5 if !table.indexed.is_empty() => {
                let column = self.dice.choose(&table.indexed).cloned().unwrap_or_default();
                self.by_columns(table, alias, &[column])
            }
            6 => format!("{} AND {}", self.by_key(table, alias), self.wide(table, alias)),
            7 if table.counts => {
                let from = self.dice.below(60);
                format!("{alias}{} BETWEEN {from} AND {}", table.key[0], from + 3)
            }
            _ => self.by_key(table, alias),
        }
    }

    /// A condition on any column.
    pub(crate) fn wide(&mut self, table: &Table, alias: &str) -> String {
        let Some(column) = self.dice.choose(&table.columns).cloned() else { return "1".into() };
        let name = format!("{alias}{}", column.name);
        match self.dice.below(17) {
            0 => format!("{name} IS NOT NULL"),
            1 => format!("{name} IS NULL"),
            2 => format!("{name} LIKE {}", self.dice.pick(&["'a%'", "'%A%'", "'_'", "'%e'"])),
            3 => format!("typeof({name}) = {}", self.dice.pick(&["'integer'", "'text'", "'real'", "'null'", "'blob'"])),
            4 => format!("length({name}) > {}", self.dice.below(4)),
            5 => format!("({name} = {} OR {})", self.put_value(table, &column), self.by_key(table, alias)),
            6 => format!("NOT ({name} < {})", self.put_value(table, &column)),
            7 => format!("{name} BETWEEN {} AND {}", self.put_integer(), self.put_integer()),
            8 => format!("{name} COLLATE NOCASE = {}", self.put_value(table, &column)),
            9 => format!("{name} GLOB {}", self.dice.pick(&["'a*'", "'[A-Z]*'", "'*1'"])),
            10 => match self.table() {
                Some(other) => format!(
                    "EXISTS (SELECT 1 FROM {0} e WHERE e.{1} = {alias}{2})",
                    other.name, other.key[0], column.name
                ),
                None => "1".into(),
            },
            14 => format!("{name} IS {}", self.dice.pick(&["TRUE", "FALSE", "NOT TRUE", "NOT FALSE"])),
            15 => format!("{name} IS NOT DISTINCT FROM {}", self.put_value(table, &column)),
            16 if self.dice.percent(25) => format!("abs({name}) > 3"),
            11 => match self.table() {
                Some(other) => {
                    let of = self.dice.choose(&other.columns).map_or("1".into(), |column| column.name.clone());
                    format!("{name} IN (SELECT {of} FROM {})", other.name)
                }
                None => "0".into(),
            },
            _ => {
                let compare = self.dice.pick(&["<", "<=", ">", ">=", "=", "<>", "IS", "IS NOT"]);
                format!("{name} {compare} {}", self.put_value(table, &column))
            }
        }
    }

    pub(crate) fn condition(&mut self, table: &Table, alias: &str) -> String {
        if self.narrow || self.dice.percent(40) { self.few(table, alias) } else { self.wide(table, alias) }
    }

    /// Conditions as above; without one now and then when many rows may be reached.
    pub(crate) fn where_clause(&mut self, table: &Table, alias: &str) -> String {
        if !self.narrow && self.dice.percent(12) {
            String::new()
        } else {
            format!(" WHERE {}", self.condition(table, alias))
        }
    }

    /// An expression over a row's columns.
    pub(crate) fn expression(&mut self, table: &Table, alias: &str) -> String {
        let Some(column) = self.dice.choose(&table.columns).cloned() else { return "1".into() };
        let name = format!("{alias}{}", column.name);
        match self.dice.below(16) {
            0 => format!("{name} + 1"),
            1 => format!("{name} || '!'"),
            2 => format!("upper({name})"),
            3 => format!("coalesce({name}, {})", self.put_value(table, &column)),
            4 => format!("CASE WHEN {name} > 5 THEN 'big' WHEN {name} IS NULL THEN NULL ELSE {name} END"),
            5 => format!("quote({name})"),
            6 => format!("hex({name})"),
            7 => format!("CAST({name} AS {})", self.dice.pick(&["INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC"])),
            8 => format!("typeof({name})"),
            9 => format!("substr({name}, 2, 3)"),
            10 => format!("{name} * 2 - {}", self.put_integer()),
            11 => format!("nullif({name}, {})", self.put_value(table, &column)),
            12 => format!("{name} % 3"),
            13 => format!("length({name})"),
            14 => format!("printf('%s-%d', {name}, 7)"),
            _ => name,
        }
    }
}

fn parent_column(key: &ForeignKey, column: &str) -> Option<(String, Option<String>)> {
    let place = key.columns.iter().position(|name| name.eq_ignore_ascii_case(column))?;
    Some((key.parent.clone(), key.parent_columns.get(place).cloned()))
}

/// Orders by every column of the answer, so that no two rows that differ tie.
pub(crate) fn total_order(dice: &mut Dice, columns: usize) -> String {
    let parts: Vec<String> = dice
        .shuffled((1..=columns).collect())
        .into_iter()
        .map(|place| format!("{place} COLLATE BINARY{}", ["", " DESC", " NULLS LAST"][dice.below(3)]))
        .collect();
    format!(" ORDER BY {}", parts.join(", "))
}
