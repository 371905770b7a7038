//! INSERT, UPDATE and DELETE.

use rusqlite::types::Value;

use crate::maker::{Made, Maker, total_order};
use crate::model::{Column, Table};
use crate::values::quoted;

impl Maker<'_> {
    pub(crate) fn write(&mut self) -> Option<Made> {
        self.begin(true);
        let mut counts = false;
        let sql = match self.dice.below(100) {
            0..=4 if !self.model.views.is_empty() => self.write_view()?,
            0..=48 => {
                let table = self.table()?;
                let sql = self.insert(&table)?;
                counts = !table.without_rowid && !sql.contains("ON CONFLICT");
                sql
            }
            49..=78 => self.update()?,
            _ => self.delete()?,
        };
        Some(Made { counts, ..self.end(sql) })
    }

    pub(crate) fn returning(&mut self, table: &Table) -> String {
        match self.dice.below(6) {
            0 => " RETURNING *".into(),
            1 => format!(" RETURNING {}", table.key.join(", ")),
            2 => format!(" RETURNING {}, {} AS made", table.key[0], self.expression(table, "")),
            _ => String::new(),
        }
    }

    /// Columns for an INSERT: all that have to be there, and most others.
    fn insert_columns(&mut self, table: &Table) -> Vec<Column> {
        let mut chosen = Vec::new();
        for column in table.writable() {
            let counts = table.counts && table.key.contains(&column.name);
            let wanted = if counts {
                60
            } else if column.required {
                97
            } else {
                80
            };
            if self.dice.percent(wanted) {
                chosen.push(column.clone());
            }
        }
        chosen
    }

    pub(crate) fn rows_for(&mut self, table: &Table, columns: &[Column], count: usize) -> String {
        let rows: Vec<String> = (0..count)
            .map(|_| {
                format!(
                    "({})",
                    columns.iter().map(|column| self.put_value(table, column)).collect::<Vec<_>>().join(", ")
                )
            })
            .collect();
        rows.join(", ")
    }

    pub(crate) fn insert(&mut self, table: &Table) -> Option<String> {
        let name = &table.name;
        let verb = self.dice.pick(&[
            "INSERT",
            "INSERT",
            "INSERT",
            "INSERT",
            "INSERT OR IGNORE",
            "INSERT OR REPLACE",
            "REPLACE",
            "INSERT OR ABORT",
            "INSERT OR FAIL",
        ]);
        let verb = if verb.contains("REPLACE") && table.replaces_unchecked() { "INSERT" } else { verb };
        let mut columns = self.insert_columns(table);
        if columns.is_empty() || self.dice.percent(3) {
            return Some(format!("{verb} INTO {name} DEFAULT VALUES{}", self.returning(table)));
        }
        let names = columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(", ");
        let source = if self.dice.percent(18) {
            let from = self.table()?;
            let mut parts: Vec<String> = Vec::new();
            for column in &columns {
                let part =
                    if self.dice.percent(50) { self.put_value(table, column) } else { self.expression(&from, "z.") };
                parts.push(part);
            }
            let condition = if self.narrow {
                format!(" WHERE {}", self.by_key(&from, "z."))
            } else {
                self.where_clause(&from, "z.")
            };
            let order = total_order(&mut self.dice, parts.len());
            format!(
                "SELECT {} FROM {} z{}{order} LIMIT 5",
                parts.join(", "),
                from.name,
                if condition.is_empty() { " WHERE 1".into() } else { condition }
            )
        } else {
            let count = self.dice.between(1, 3);
            format!("VALUES {}", self.rows_for(table, &columns, count))
        };
        let upsert =
            if verb == "INSERT" && self.dice.percent(40) { self.upsert(table, &mut columns) } else { String::new() };
        Some(format!("{verb} INTO {name} ({names}) {source}{upsert}{}", self.returning(table)))
    }

    fn upsert(&mut self, table: &Table, columns: &mut [Column]) -> String {
        let mut targets = table.unique.clone();
        if table.columns.iter().any(|column| table.key.contains(&column.name)) {
            targets.extend([table.key.clone(), table.key.clone()]);
        }
        let target = self.dice.choose(&targets).map(|target| format!(" ({})", target.join(", "))).unwrap_or_default();
        if self.dice.percent(30) || (target.is_empty() && self.dice.percent(80)) {
            return format!(" ON CONFLICT{target} DO NOTHING");
        }
        let Some(column) = self.dice.choose(columns).cloned() else { return String::new() };
        let value = match self.dice.below(4) {
            0 => format!("excluded.{}", column.name),
            1 => format!("coalesce(excluded.{0}, {1}.{0})", column.name, table.name),
            2 => self.expression(table, &format!("{}.", table.name)),
            _ => self.put_value(table, &column),
        };
        let condition = if self.dice.percent(30) {
            format!(" WHERE excluded.{0} IS NOT {1}.{0}", column.name, table.name)
        } else {
            String::new()
        };
        format!(" ON CONFLICT{target} DO UPDATE SET {} = {value}{condition}", column.name)
    }

    fn assignments(&mut self, table: &Table) -> Option<String> {
        let writable: Vec<Column> = table.writable().into_iter().cloned().collect();
        let count = self.dice.between(1, 2);
        let mut parts: Vec<String> = Vec::new();
        for _ in 0..count {
            let column = self.dice.choose(&writable)?.clone();
            if table.key.contains(&column.name) && self.dice.percent(60) {
                continue;
            }
            if parts.iter().any(|part| part.starts_with(&format!("{} =", column.name))) {
                continue;
            }
            let value = match self.dice.below(10) {
                0..=3 => self.expression(table, ""),
                4 if !self.narrow => {
                    let other = self.table()?;
                    format!("(SELECT max({}) FROM {})", other.columns.first()?.name, other.name)
                }
                5 => {
                    let other = self.table()?;
                    let of = self.dice.choose(&other.columns)?.name.clone();
                    format!("(SELECT {of} FROM {} WHERE {} LIMIT 1)", other.name, self.by_key(&other, ""))
                }
                _ => self.put_value(table, &column),
            };
            parts.push(format!("{} = {value}", column.name));
        }
        if parts.is_empty() {
            let column = self.dice.choose(&writable)?.clone();
            parts.push(format!("{} = {}", column.name, self.put_value(table, &column)));
        }
        Some(parts.join(", "))
    }

    fn update(&mut self) -> Option<String> {
        let table = self.table()?;
        let verb = self.dice.pick(&[
            "UPDATE",
            "UPDATE",
            "UPDATE",
            "UPDATE",
            "UPDATE OR IGNORE",
            "UPDATE OR REPLACE",
            "UPDATE OR FAIL",
        ]);
        let verb = if verb.contains("REPLACE") && table.replaces_unchecked() { "UPDATE" } else { verb };
        let name = &table.name;
        if self.dice.percent(12) {
            // One source row for each row of the target: which of several would count is not defined.
            let other = self.table()?;
            let column = self.dice.choose(&table.writable()).map(|column| column.name.clone())?;
            let (source, link) =
                (self.dice.choose(&other.columns)?.name.clone(), self.dice.choose(&table.columns)?.name.clone());
            let fits = if other.key.len() == 1 {
                format!("o.{} = {name}.{link}", other.key[0])
            } else {
                self.by_key(&other, "o.")
            };
            let condition =
                if self.narrow { format!(" AND {}", self.by_key(&table, &format!("{name}."))) } else { String::new() };
            return Some(format!(
                "{verb} {name} SET {column} = o.{source} FROM {} o WHERE {fits}{condition}{}",
                other.name,
                self.returning(&table)
            ));
        }
        let assignments = self.assignments(&table)?;
        Some(format!("{verb} {name} SET {assignments}{}{}", self.where_clause(&table, ""), self.returning(&table)))
    }

    fn delete(&mut self) -> Option<String> {
        let table = self.table()?;
        let condition = if self.dice.percent(70) {
            format!(
                " WHERE {}",
                if self.dice.percent(60) { self.by_key(&table, "") } else { self.condition(&table, "") }
            )
        } else {
            self.where_clause(&table, "")
        };
        Some(format!("DELETE FROM {}{condition}{}", table.name, self.returning(&table)))
    }

    fn write_view(&mut self) -> Option<String> {
        let view = self.dice.choose(&self.model.views).cloned()?;
        let column = view.columns.first()?;
        let value = self.put_integer();
        Some(match self.dice.below(3) {
            0 => format!("INSERT INTO {} ({column}) VALUES ({value})", view.name),
            1 => format!("UPDATE {} SET {column} = {value} WHERE {column} = {}", view.name, self.put_integer()),
            _ => format!("DELETE FROM {} WHERE {column} = {value}", view.name),
        })
    }

    /// A statement on a table for text search.
    pub(crate) fn search(&mut self) -> Option<Made> {
        let table = self.dice.choose(&self.model.searches).cloned()?;
        self.begin(true);
        let row = self.dice.between(1, 8);
        let matched = quoted(self.dice.pick(&[
            "red",
            "blue OR green",
            "gree*",
            "a : red",
            "\"red green\"",
            "NEAR(red blue)",
            "red NOT blue",
        ]));
        let sql = match self.dice.below(12) {
            0..=2 => format!("INSERT INTO {table} (a, b) VALUES ({}, {})", self.words(), self.words()),
            3 => format!("INSERT INTO {table} (rowid, a, b) VALUES ({row}, {}, {})", self.words(), self.words()),
            4 => format!(
                "INSERT OR REPLACE INTO {table} (rowid, a, b) VALUES ({row}, {}, {})",
                self.words(),
                self.words()
            ),
            5 => format!("UPDATE {table} SET a = {} WHERE rowid = {row}", self.words()),
            6 => format!("DELETE FROM {table} WHERE rowid = {row}"),
            7 => format!("DELETE FROM {table} WHERE {table} MATCH {matched}"),
            8 => format!("SELECT count(*), min(rowid) FROM {table} WHERE a MATCH 'red'"),
            9 => format!(
                "SELECT rowid, highlight({table}, 0, '<', '>'), snippet({table}, 1, '[', ']', '…', 3) FROM {table} \
                 WHERE {table} MATCH {matched} ORDER BY rowid"
            ),
            _ => format!("SELECT rowid, * FROM {table} WHERE {table} MATCH {matched} ORDER BY rowid"),
        };
        Some(Made { searches: true, ..self.end_ordered(sql) })
    }

    fn words(&mut self) -> String {
        let count = self.dice.between(1, 4);
        let words: Vec<&str> =
            (0..count).map(|_| self.dice.pick(&["red", "green", "blue", "éclair", "Red", "greenish"])).collect();
        self.put(&Value::Text(words.join(" ")))
    }
}
