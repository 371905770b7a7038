//! Tables, indexes, views and triggers: for the schema that a sequence begins with, and in its midst.

use crate::maker::{Class, Made, Maker, class};
use crate::model::Table;

const ACTIONS: [&str; 5] = ["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"];

impl Maker<'_> {
    pub(crate) fn create_table(&mut self, name: &str) -> String {
        let strict = self.dice.percent(20);
        let mut columns: Vec<String> = Vec::new();
        let mut constraints: Vec<String> = Vec::new();
        let mut options: Vec<&str> = if strict { vec!["STRICT"] } else { Vec::new() };
        let key_type = self.dice.pick(&["INTEGER", "TEXT", "TEXT COLLATE NOCASE", "INT"]);
        match self.dice.below(14) {
            0..=4 => columns.push("id INTEGER PRIMARY KEY".into()),
            5..=6 => columns.push("id INTEGER PRIMARY KEY AUTOINCREMENT".into()),
            7 => {}
            8 => columns.push(format!("id {key_type} PRIMARY KEY")),
            9 => {
                columns.extend(["id INTEGER".into(), format!("id2 {key_type}")]);
                constraints.push("PRIMARY KEY (id, id2)".into());
            }
            10..=11 => {
                columns.push(format!("id {key_type} PRIMARY KEY"));
                options.push("WITHOUT ROWID");
            }
            _ => {
                columns.extend([format!("id {key_type}"), "id2 INTEGER".into()]);
                constraints.push(if self.dice.percent(30) {
                    "PRIMARY KEY (id2 DESC, id)".into()
                } else {
                    "PRIMARY KEY (id, id2)".into()
                });
                options.push("WITHOUT ROWID");
            }
        }
        let kinds = [
            ("n", "INTEGER"),
            ("m", "INT"),
            ("r", "REAL"),
            ("s", "TEXT"),
            ("u", "TEXT COLLATE NOCASE"),
            ("w", "TEXT COLLATE RTRIM"),
            ("b", "BLOB"),
            ("x", ""),
            ("d", "NUMERIC"),
            ("\"a b\"", "TEXT"),
            ("\"order\"", "INTEGER"),
        ];
        let count = self.dice.between(2, 5);
        let chosen: Vec<(&str, &str)> = self.dice.shuffled(kinds.to_vec()).into_iter().take(count).collect();
        for (column, kind) in &chosen {
            let kind = match (*kind, strict) {
                ("" | "NUMERIC", true) => "ANY",
                (kind, _) => kind,
            };
            columns.push(format!("{column} {kind}{}", self.column_rules(column, kind)));
        }
        self.references(name, &mut columns, &mut constraints);
        if self.dice.percent(28) {
            let of = self.dice.choose(&chosen).map_or("1", |(column, _)| *column);
            let (kind, expression) = match self.dice.below(4) {
                0 => ("TEXT", format!("lower({of})")),
                1 => ("", format!("{of} || '-' || {of}")),
                2 => ("INT", format!("length({of})")),
                _ => ("", format!("coalesce({of}, 0) + 1")),
            };
            let kind = if strict && kind.is_empty() { "ANY" } else { kind };
            columns.push(format!(
                "gen {kind} GENERATED ALWAYS AS ({expression}) {}",
                self.dice.pick(&["VIRTUAL", "STORED"])
            ));
        }
        if let (true, [(first, _), (second, _), ..]) = (self.dice.percent(20), chosen.as_slice()) {
            constraints.push(match self.dice.below(3) {
                0 => format!("UNIQUE ({first}, {second})"),
                1 => format!("CONSTRAINT differ CHECK ({first} IS NOT {second} OR {first} IS NULL)"),
                _ if columns.iter().any(|column| column.contains(&format!("REFERENCES {name} "))) => {
                    format!("UNIQUE ({second}) ON CONFLICT IGNORE")
                }
                _ => {
                    format!("UNIQUE ({second}) ON CONFLICT {}", self.dice.pick(&["IGNORE", "REPLACE", "FAIL", "ABORT"]))
                }
            });
        }
        columns.extend(constraints);
        let options = if options.is_empty() { String::new() } else { format!(" {}", options.join(", ")) };
        format!("CREATE TABLE {name} ({}){options}", columns.join(", "))
    }

    fn column_rules(&mut self, column: &str, kind: &str) -> String {
        let mut rules = String::new();
        let not_null = self.dice.percent(18);
        if not_null {
            rules.push_str(" NOT NULL");
            if self.dice.percent(10) {
                rules.push_str([" ON CONFLICT REPLACE", " ON CONFLICT IGNORE"][self.dice.below(2)]);
            }
        }
        if not_null || self.dice.percent(30) {
            let default = match class(kind.split(' ').next().unwrap_or_default()) {
                Class::Integer => self.dice.pick(&["0", "7", "(3 * 4)", "-1", "(abs(-5))"]),
                Class::Real => self.dice.pick(&["0.5", "(1.0 / 4)", "-2e3"]),
                Class::Text => self.dice.pick(&["''", "'none'", "(upper('x') || 'y')"]),
                Class::Blob => self.dice.pick(&["x'00ff'", "(zeroblob(2))"]),
                Class::Any => self.dice.pick(&["NULL", "1", "'any'", "(CASE WHEN 1 THEN 2.5 END)"]),
            };
            if !(not_null && default == "NULL") {
                rules.push_str(&format!(" DEFAULT {default}"));
            }
        }
        if self.dice.percent(13) {
            rules.push_str(" UNIQUE");
        }
        if self.dice.percent(14) {
            rules.push_str(&match self.dice.below(3) {
                0 => format!(" CHECK (length({column}) < 14)"),
                1 => format!(" CHECK ({column} IS NULL OR {column} <> 13)"),
                _ => format!(" CHECK (typeof({column}) <> 'blob' OR length({column}) < 3)"),
            });
        }
        rules
    }

    /// Foreign keys to the tables that there are, and to the new one itself.
    fn references(&mut self, name: &str, columns: &mut Vec<String>, constraints: &mut Vec<String>) {
        let itself = columns.first().is_some_and(|column| column.contains("PRIMARY KEY"));
        for number in 0..self.dice.below(3) {
            let parent =
                self.table().filter(|table| table.columns.iter().any(|column| table.key.contains(&column.name)));
            let rules = self.reference_rules();
            match parent {
                _ if itself && self.dice.percent(20) => {
                    let kind = columns[0].split(' ').nth(1).unwrap_or("INTEGER").to_owned();
                    columns.push(format!("up{number} {kind} REFERENCES {name} (id){rules}"));
                }
                Some(parent) => {
                    let key = match self.dice.choose(&parent.unique) {
                        Some(key) if self.dice.percent(30) => key.clone(),
                        _ => parent.key.clone(),
                    };
                    let declared =
                        |column: &String| parent.column(column).map_or(String::new(), |column| column.declared.clone());
                    let own: Vec<String> = (0..key.len())
                        .map(|place| format!("p{number}{}", ["", "b", "c", "d"].get(place).unwrap_or(&"e")))
                        .collect();
                    for (column, of) in own.iter().zip(&key) {
                        let kind = declared(of);
                        let default =
                            if class(&kind) == Class::Integer && self.dice.percent(50) { " DEFAULT 1" } else { "" };
                        columns.push(format!("{column} {}{default}", if kind.is_empty() { "ANY" } else { &kind }));
                    }
                    constraints.push(format!(
                        "FOREIGN KEY ({}) REFERENCES {} ({}){rules}",
                        own.join(", "),
                        parent.name,
                        key.join(", ")
                    ));
                }
                None => {}
            }
        }
    }

    fn reference_rules(&mut self) -> String {
        let mut rules = String::new();
        if self.dice.percent(75) {
            rules.push_str(&format!(" ON DELETE {}", self.dice.pick(&ACTIONS)));
        }
        if self.dice.percent(60) {
            rules.push_str(&format!(" ON UPDATE {}", self.dice.pick(&ACTIONS)));
        }
        if self.dice.percent(20) {
            rules.push_str(" DEFERRABLE INITIALLY DEFERRED");
        }
        rules
    }

    pub(crate) fn create_index(&mut self, name: &str, table: &Table) -> String {
        let unique = if self.dice.percent(25) { "UNIQUE " } else { "" };
        let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let first = self.dice.choose(&columns).cloned().unwrap_or_default();
        let part = match self.dice.below(8) {
            0 => format!("lower({first})"),
            1 => format!("{first} COLLATE NOCASE"),
            2 => format!("{first} DESC"),
            3 => format!("length({first}), {}", self.dice.choose(&columns).cloned().unwrap_or_default()),
            4 => format!("{first}, {}", self.dice.choose(&columns).cloned().unwrap_or_default()),
            _ => first.clone(),
        };
        let partial = match self.dice.below(6) {
            0 => format!(" WHERE {first} IS NOT NULL"),
            1 => format!(" WHERE {first} > 3"),
            _ => String::new(),
        };
        format!("CREATE {unique}INDEX {name} ON {} ({part}){partial}", table.name)
    }

    pub(crate) fn create_view(&mut self, name: &str) -> Option<String> {
        let table = self.table()?;
        let (of, key) = (&table.name, &table.key[0]);
        let column = self.dice.choose(&table.columns).cloned()?.name;
        if self.dice.percent(45) {
            return self.create_wide_view(name, &table);
        }
        Some(match self.dice.below(5) {
            0 => format!(
                "CREATE VIEW {name} AS SELECT {column} AS c, count(*) AS many, min({key}) AS least FROM {of} GROUP BY \
                 {column}"
            ),
            1 => {
                let other = self.table()?;
                let theirs = self.dice.choose(&other.columns).cloned()?.name;
                format!(
                    "CREATE VIEW {name} (a, b, c) AS SELECT t.{key}, t.{column}, o.{theirs} FROM {of} t LEFT JOIN {} o \
                     ON o.{} = t.{column}",
                    other.name, other.key[0]
                )
            }
            2 => format!("CREATE VIEW {name} AS SELECT * FROM {of} WHERE {}", self.condition(&table, "")),
            _ => format!("CREATE VIEW {name} AS SELECT {key} AS k, {column}, upper({column}) AS big FROM {of}"),
        })
    }

    /// A trigger on a table, or in place of a write to a view.
    pub(crate) fn create_trigger(&mut self, name: &str) -> Option<String> {
        if let (true, Some(view)) = (self.dice.percent(20), self.dice.choose(&self.model.views).cloned()) {
            let first = view.columns.first()?.clone();
            let (event, row) = [("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")][self.dice.below(3)];
            let mut body = vec![self.note(name, &format!("{row}.{first}"))?];
            if let (true, Some(target)) = (self.dice.percent(50), self.table()) {
                body.push(format!("DELETE FROM {} WHERE {} = {row}.{first}", target.name, target.key[0]));
            }
            return Some(format!(
                "CREATE TRIGGER {name} INSTEAD OF {event} ON {} BEGIN {}; END",
                view.name,
                body.join("; ")
            ));
        }
        let table = self.table()?;
        let column = self.dice.choose(&table.columns).cloned()?.name;
        let time = self.dice.pick(&["BEFORE", "AFTER", "AFTER"]);
        let (event, row) = match self.dice.below(4) {
            0 => ("INSERT".to_owned(), "NEW"),
            1 => ("DELETE".to_owned(), "OLD"),
            2 => ("UPDATE".to_owned(), "NEW"),
            _ if self.dice.percent(50) => {
                (format!("UPDATE OF {column}, {}", self.dice.choose(&table.columns)?.name), "NEW")
            }
            _ => (format!("UPDATE OF {column}"), "NEW"),
        };
        let when = match self.dice.below(4) {
            0 => format!(" WHEN {row}.{column} IS NOT NULL"),
            1 => format!(" WHEN {row}.{column} > 5"),
            2 if self.dice.percent(40) => {
                let other = self.table()?;
                format!(
                    " WHEN {} (SELECT 1 FROM {} WHERE {} = {row}.{column})",
                    self.dice.pick(&["EXISTS", "NOT EXISTS"]),
                    other.name,
                    other.key[0]
                )
            }
            _ => String::new(),
        };
        let mut body = Vec::new();
        for _ in 0..self.dice.between(1, 2) {
            let statement = self.trigger_statement(name, &table, &column, row)?;
            // SQLite loses count of the references of a row when a trigger before its INSERT deletes from their parent
            // and does nothing else, and lets an orphan in.
            let orphans = time == "BEFORE"
                && event == "INSERT"
                && table.foreign_keys.iter().any(|key| statement.starts_with(&format!("DELETE FROM {} ", key.parent)));
            body.push(if orphans { self.note(name, &format!("{row}.{column}"))? } else { statement });
        }
        Some(format!(
            "CREATE TRIGGER {name} {time} {event} ON {} FOR EACH ROW{when} BEGIN {}; END",
            table.name,
            body.join("; ")
        ))
    }

    pub(crate) fn note(&mut self, trigger: &str, value: &str) -> Option<String> {
        self.model.table("log").map(|_| format!("INSERT INTO log (what, x) VALUES ('{trigger}', {value})"))
    }

    fn trigger_statement(&mut self, name: &str, table: &Table, column: &str, row: &str) -> Option<String> {
        let other = self.table()?;
        let (into, key) = (&other.name, &other.key[0]);
        let theirs = self.dice.choose(&other.writable()).map(|column| column.name.clone())?;
        Some(match self.dice.below(11) {
            0 => format!("UPDATE {into} SET {theirs} = {row}.{column} WHERE {key} = {row}.{column}"),
            1 => format!("DELETE FROM {into} WHERE {key} = {row}.{column}"),
            2 => format!("SELECT RAISE(ABORT, 'no: {name}') WHERE {row}.{column} = 7"),
            3 => format!("SELECT RAISE(IGNORE) WHERE {row}.{column} = 3"),
            4 => format!(
                "UPDATE OR IGNORE {} SET {column} = {row}.{column} WHERE {key} = {row}.{key}",
                table.name,
                key = table.key[0]
            ),
            5 => format!("INSERT OR IGNORE INTO {into} ({theirs}) VALUES ({row}.{column})"),
            6 if !self.narrow => format!("INSERT INTO log (what, x) SELECT '{name}', count(*) FROM {into}"),
            7 => {
                format!("INSERT INTO log (what, x) SELECT '{name}', {theirs} FROM {into} WHERE {key} = {row}.{column}")
            }
            8 => self.wide_trigger_statement(name, table, &format!("{row}.{column}"))?,
            _ => self.note(name, &format!("{row}.{column}"))?,
        })
    }

    /// A change of the schema.
    pub(crate) fn definition(&mut self) -> Option<Made> {
        self.begin(false);
        let sql = match self.dice.below(24) {
            0..=2 => {
                let name = self.fresh("t");
                self.create_table(&name)
            }
            3 => {
                let (name, table) = (self.fresh("t"), self.table()?);
                format!("CREATE TABLE {name} AS SELECT * FROM {}{}", table.name, self.where_clause(&table, ""))
            }
            4..=7 => {
                let (name, table) = (self.fresh("i"), self.table()?);
                self.create_index(&name, &table)
            }
            8..=9 => {
                let name = self.fresh("v");
                self.create_view(&name)?
            }
            10..=12 => {
                let name = self.fresh("g");
                self.create_trigger(&name)?
            }
            13..=17 => self.alter()?,
            18..=19 => {
                let table = self.table()?;
                format!("DROP TABLE {}{}", self.dice.pick(&["", "IF EXISTS "]), table.name)
            }
            20 => format!("DROP INDEX {}", self.dice.choose(&self.model.indexes)?),
            21 => format!("DROP VIEW {}", self.dice.choose(&self.model.views)?.name),
            22 => format!("DROP TRIGGER {}", self.dice.choose(&self.model.triggers)?),
            _ => {
                let name = self.fresh("f");
                format!("CREATE VIRTUAL TABLE {name} USING fts5(a, b)")
            }
        };
        Some(self.end(sql))
    }

    fn alter(&mut self) -> Option<String> {
        let table = self.table()?;
        let name = &table.name;
        let column = self.dice.choose(&table.columns).cloned()?.name;
        Some(match self.dice.below(8) {
            0..=1 => {
                let rules = self
                    .dice
                    .pick(&[
                        "INTEGER",
                        "TEXT DEFAULT 'new'",
                        "INTEGER NOT NULL DEFAULT 5",
                        "REAL NOT NULL",
                        "TEXT COLLATE NOCASE",
                        "INT CHECK (typeof(rowid) <> 'text')",
                    ])
                    .to_owned();
                format!("ALTER TABLE {name} ADD COLUMN {} {rules}", self.fresh("c"))
            }
            2 => format!(
                "ALTER TABLE {name} ADD COLUMN {} INT GENERATED ALWAYS AS (length({column})) VIRTUAL",
                self.fresh("c")
            ),
            3..=4 => format!("ALTER TABLE {name} RENAME COLUMN {column} TO {}", self.fresh("c")),
            5..=6 => format!("ALTER TABLE {name} DROP COLUMN {column}"),
            _ => format!("ALTER TABLE {name} RENAME TO {}", self.fresh("t")),
        })
    }
}
