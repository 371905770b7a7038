//! Writes that read other tables, collide in several ways, and depend on each other.

use rusqlite::types::Value;

use crate::maker::{Made, Maker, total_order};
use crate::model::{Column, Table};
use crate::support::Bound;
use crate::values::literal;

impl Maker<'_> {
    pub(crate) fn write_wide(&mut self) -> Option<Made> {
        self.begin(true);
        let table = self.table()?;
        let sql = match self.dice.below(12) {
            0..=1 => self.update_from(&table)?,
            2..=3 => self.copy(&table)?,
            4..=6 => self.collide(&table)?,
            7..=9 => self.update_keys(&table)?,
            10 => self.delete_unmatched(&table)?,
            _ => self.update_related(&table)?,
        };
        let counts = !table.without_rowid && sql.contains("INSERT") && !sql.contains("ON CONFLICT");
        Some(Made { counts, ..self.end(sql) })
    }

    /// An UPDATE with a join whose sources have one row for each of its own.
    fn update_from(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let far = self.link(&near.other)?;
        let (name, other) = (&table.name, &near.other.name);
        let column = self.dice.choose(&table.writable()).map(|column| column.name.clone())?;
        let of = self.dice.choose(&near.other.columns)?.name.clone();
        let bound = self.condition(table, &format!("{name}."));
        Some(match self.dice.below(3) {
            0 => format!(
                "UPDATE {name} SET {column} = q.most FROM (SELECT b.{} AS c, max(b.{of}) AS most FROM {other} b LEFT \
                 JOIN {} c ON c.{} = b.{} GROUP BY b.{}) AS q WHERE q.c = {name}.{} AND {bound}",
                near.theirs, far.other.name, far.theirs, far.own, near.theirs, near.own
            ),
            1 => format!(
                "UPDATE {name} SET {column} = q.many FROM (SELECT count(*) AS many FROM {other} b WHERE {}) AS q WHERE \
                 {bound}",
                self.condition(&near.other, "b.")
            ),
            _ => format!(
                "UPDATE {name} AS z SET {column} = (SELECT count(*) FROM {other} b WHERE b.{} = z.{}) WHERE {}",
                near.theirs,
                near.own,
                self.condition(table, "z.")
            ),
        })
    }

    /// Rows of a table put in again.
    fn copy(&mut self, table: &Table) -> Option<String> {
        let name = &table.name;
        let verb = self.dice.pick(&["INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE", "INSERT OR FAIL"]);
        let verb = if verb.contains("REPLACE") && table.replaces_unchecked() { "INSERT" } else { verb };
        let columns: Vec<Column> = table.writable().into_iter().cloned().collect();
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let mut parts: Vec<String> = Vec::new();
        for column in &columns {
            let part = if self.dice.percent(25) { self.put_value(table, column) } else { format!("z.{}", column.name) };
            parts.push(part);
        }
        let order = total_order(&mut self.dice, parts.len());
        let target = self.dice.choose(&table.unique).map_or_else(|| table.key.clone(), Clone::clone);
        let set = self.dice.choose(&columns)?.name.clone();
        let upsert = match self.dice.below(3) {
            0 if verb == "INSERT" && !target.contains(&"rowid".to_owned()) => {
                format!(" ON CONFLICT ({}) DO UPDATE SET {set} = excluded.{set}", target.join(", "))
            }
            1 if verb == "INSERT" => " ON CONFLICT DO NOTHING".into(),
            _ => String::new(),
        };
        Some(format!(
            "{verb} INTO {name} ({}) SELECT {} FROM {name} z WHERE {}{order}{upsert}",
            names.join(", "),
            parts.join(", "),
            self.condition(table, "z.")
        ))
    }

    /// Several rows, of which some have the keys of different rows that there are.
    fn collide(&mut self, table: &Table) -> Option<String> {
        let verb = self.dice.pick(&["INSERT OR IGNORE", "INSERT OR REPLACE", "INSERT OR FAIL", "REPLACE", "INSERT"]);
        let verb = if verb.contains("REPLACE") && table.replaces_unchecked() { "INSERT OR IGNORE" } else { verb };
        let columns: Vec<Column> = table.writable().into_iter().cloned().collect();
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let mut keys: Vec<Vec<String>> = table.unique.clone();
        keys.push(table.key.clone());
        let mut rows: Vec<String> = Vec::new();
        for _ in 0..self.dice.between(2, 5) {
            let mut row: Vec<Value> = columns.iter().map(|column| self.value(table, column)).collect();
            for key in &keys {
                if key.iter().any(|name| !names.contains(name)) || self.dice.percent(60) {
                    continue;
                }
                for (name, value) in key.iter().zip(self.existing(&table.name, key)?) {
                    if let Some(place) = names.iter().position(|other| other == name) {
                        row[place] = value;
                    }
                }
            }
            rows.push(format!("({})", row.iter().map(|value| self.put(value)).collect::<Vec<_>>().join(", ")));
        }
        let returning = self.returning(table);
        Some(format!("{verb} INTO {} ({}) VALUES {}{returning}", table.name, names.join(", "), rows.join(", ")))
    }

    /// Changes of keys: to values that others have, and by moving them.
    fn update_keys(&mut self, table: &Table) -> Option<String> {
        let name = &table.name;
        let verb = self.dice.pick(&["UPDATE", "UPDATE", "UPDATE OR IGNORE", "UPDATE OR REPLACE", "UPDATE OR FAIL"]);
        let verb = if verb.contains("REPLACE") && table.replaces_unchecked() { "UPDATE" } else { verb };
        let mut keys: Vec<Vec<String>> = table.unique.clone();
        keys.push(table.key.clone());
        keys.extend(table.foreign_keys.iter().map(|key| key.columns.clone()));
        let key = self.dice.choose(&keys)?.clone();
        if key.iter().any(|name| table.column(name).is_some_and(|column| column.generated)) {
            return None;
        }
        let bound = self.condition(table, "");
        let returning = self.returning(table);
        Some(match self.dice.below(4) {
            0 => format!(
                "{verb} {name} SET {0} = {0} {1} WHERE {bound}{returning}",
                key[0],
                self.dice.pick(&["+ 1", "- 1", "|| 'x'", "* 1.0"])
            ),
            1 => {
                let found = self.existing(name, &key)?;
                let values: Vec<String> = found.iter().map(|value| self.put(value)).collect();
                let set = if key.len() == 1 {
                    format!("{} = {}", key[0], values[0])
                } else {
                    format!("({}) = ({})", key.join(", "), values.join(", "))
                };
                format!("{verb} {name} SET {set} WHERE {bound}{returning}")
            }
            _ => {
                let mut sets: Vec<String> = Vec::new();
                for name in &key {
                    let Some(column) = table.column(name).cloned() else { continue };
                    sets.push(format!("{name} = {}", self.put_value(table, &column)));
                }
                let sets = if sets.is_empty() { "rowid = rowid + 1000".into() } else { sets.join(", ") };
                format!("{verb} {name} SET {sets} WHERE {bound}{returning}")
            }
        })
    }

    fn delete_unmatched(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let (name, other) = (&table.name, &near.other.name);
        let bound = self.condition(table, "");
        let returning = self.returning(table);
        Some(match self.dice.below(2) {
            0 => format!(
                "DELETE FROM {name} WHERE {bound} AND NOT EXISTS (SELECT 1 FROM {other} b WHERE b.{} = \
                 {name}.{}){returning}",
                near.theirs, near.own
            ),
            _ => format!(
                "DELETE FROM {name} WHERE {} IN (SELECT b.{} FROM {other} b WHERE {}){returning}",
                near.own,
                near.theirs,
                self.condition(&near.other, "b.")
            ),
        })
    }

    /// A value from related rows.
    fn update_related(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let column = self.dice.choose(&table.writable()).map(|column| column.name.clone())?;
        let of = self.dice.choose(&near.other.columns)?.name.clone();
        let view = self.dice.choose(&self.model.views).cloned();
        let value = match view {
            Some(view) if self.dice.percent(40) => {
                format!(
                    "(SELECT max(v.{}) FROM {} v WHERE v.{} = {}.{})",
                    self.dice.choose(&view.columns)?,
                    view.name,
                    view.columns[0],
                    table.name,
                    near.own
                )
            }
            _ => format!(
                "(SELECT {}({of}) FROM {} b WHERE b.{} = {}.{})",
                self.dice.pick(&["max", "min", "count"]),
                near.other.name,
                near.theirs,
                table.name,
                near.own
            ),
        };
        let bound = self.condition(table, "");
        Some(format!("UPDATE {} SET {column} = {value} WHERE {bound}", table.name))
    }

    /// Several statements of which each needs what those before it did.
    pub(crate) fn dependent(&mut self) -> Option<Vec<Made>> {
        self.begin(false);
        let plain = |sql: String| Made::of(Bound::of(sql));
        let table = self.table()?;
        let name = &table.name;
        let key = table.key[0].clone();
        if table.counts && self.dice.percent(50) {
            // The highest rows go, and new ones come without a key.
            let found = self
                .oracle
                .rows(&format!("SELECT {key} FROM {name} ORDER BY {key} DESC LIMIT 1 OFFSET {}", self.dice.below(4)));
            let top = found.into_iter().next()?.into_iter().next()?;
            let columns: Vec<Column> =
                table.writable().into_iter().filter(|column| !table.key.contains(&column.name)).cloned().collect();
            let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
            let rows = self.rows_for(&table, &columns, 2);
            return Some(vec![
                plain(format!("DELETE FROM {name} WHERE {key} >= {}", literal(&top))),
                plain(format!("INSERT INTO {name} ({}) VALUES {rows} RETURNING {key}", names.join(", "))),
                plain(format!("SELECT {key} FROM {name} WHERE {key} >= {}", literal(&top))),
            ]);
        }
        let near = self.link(&table)?;
        let row = self.existing(name, &table.key)?;
        let found: Vec<String> =
            table.key.iter().zip(&row).map(|(column, value)| format!("{column} IS {}", literal(value))).collect();
        let (found, other) = (found.join(" AND "), &near.other.name);
        let column = self.dice.choose(&table.writable()).cloned().cloned()?;
        let value = self.value(&table, &column);
        let mut made = vec![
            plain(format!("UPDATE {name} SET {} = {} WHERE {found}", column.name, literal(&value))),
            plain(format!(
                "SELECT t.*, b.{} AS bk FROM {name} t LEFT JOIN {other} b ON b.{} = t.{} WHERE t.{} IS {}",
                near.other.key[0],
                near.theirs,
                near.own,
                column.name,
                literal(&value)
            )),
            plain(format!(
                "DELETE FROM {other} WHERE {} IN (SELECT {} FROM {name} WHERE {found})",
                near.theirs, near.own
            )),
            plain(format!(
                "SELECT count(*) AS many FROM {other} WHERE {} IN (SELECT {} FROM {name} WHERE {found})",
                near.theirs, near.own
            )),
        ];
        if self.dice.percent(40) {
            made.insert(0, plain("PRAGMA defer_foreign_keys = on".into()));
        }
        Some(made)
    }
}
