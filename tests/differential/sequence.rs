//! A sequence: the schema and rows that it begins with, and one step after the other.

use crate::maker::{Made, Maker};
use crate::model::Model;
use crate::oracle::{Oracle, Vetted};
use crate::support::Bound;
use crate::values::Dice;

/// How large tables are next to what a run may copy, and how many statements reach few rows.
pub struct Regime {
    pub name: &'static str,
    pub vars: serde_json::Value,
    /// Rows in a table that is made now.
    pub rows: fn(&mut Dice) -> usize,
    /// Percent of the statements that reach few rows by a key or an index.
    pub narrow: usize,
    /// Most percent of the statements that may be refused.
    pub most_refused: f64,
}

/// Percent of the sequences that have a table for text search.
const SEARCHED: usize = 15;

/// One request.
#[derive(Debug, Clone)]
pub struct Step(pub Vec<Made>);

impl Step {
    pub fn bound(&self) -> Vec<Bound> {
        self.0.iter().map(|made| made.bound.clone()).collect()
    }

    /// Whether it changes the schema.
    pub fn defines(&self) -> bool {
        self.0.iter().any(|made| ["CREATE", "ALTER", "DROP"].iter().any(|verb| made.bound.sql.starts_with(verb)))
    }
}

/// An oracle in which these statements ran, and those of them that it took.
pub fn prepared(setup: &[String]) -> (Oracle, Vec<String>) {
    let oracle = Oracle::new();
    let taken = setup.iter().filter(|sql| oracle.run(&[Bound::of(sql.as_str())]).is_ok()).cloned().collect();
    (oracle, taken)
}

impl Maker<'_> {
    /// Makes the schema and the rows that a sequence begins with, in the oracle, and answers how.
    pub fn set_up(&mut self, regime: &Regime) -> Vec<String> {
        let mut taken = Vec::new();
        self.narrow = true;
        self.defines = self.dice.percent(60);
        if self.dice.percent(60) {
            self.take("CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT, x)".into(), &mut taken);
        }
        for number in 0..self.dice.between(2, 5) {
            let sql = self.create_table(&format!("t{number}"));
            self.take(sql, &mut taken);
        }
        for number in 0..self.dice.below(6) {
            if let Some(table) = self.table() {
                let sql = self.create_index(&format!("i{number}"), &table);
                self.take(sql, &mut taken);
            }
        }
        for table in self.model.tables.clone() {
            if table.name == "log" {
                continue;
            }
            let wanted = (regime.rows)(&mut self.dice);
            let mut made = 0;
            for _ in 0..wanted {
                if made >= wanted {
                    break;
                }
                let columns = self.seed_columns(&table);
                let count = if wanted < 50 { 1 } else { 10 };
                let names = columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(", ");
                let sql = format!(
                    "INSERT OR IGNORE INTO {} ({names}) VALUES {}",
                    table.name,
                    self.rows_for(&table, &columns, count)
                );
                made += if self.take_rows(sql, &mut taken) { count } else { 0 };
            }
        }
        for number in 0..self.dice.below(3) {
            if let Some(sql) = self.create_view(&format!("v{number}")) {
                self.take(sql, &mut taken);
            }
        }
        for number in 0..self.dice.below(4) {
            if let Some(sql) = self.create_trigger(&format!("g{number}")) {
                self.take(sql, &mut taken);
            }
        }
        if self.dice.percent(SEARCHED) {
            self.take("CREATE VIRTUAL TABLE f0 USING fts5(a, b)".into(), &mut taken);
            self.take("INSERT INTO f0 (a, b) VALUES ('red green', 'blue'), ('green', 'red red'), ('Blue éclair', ''), ('red', NULL)".into(), &mut taken);
        }
        taken
    }

    fn seed_columns(&mut self, table: &crate::model::Table) -> Vec<crate::model::Column> {
        let counts = self.dice.percent(50);
        table
            .writable()
            .into_iter()
            .filter(|column| !(counts && table.counts && table.key.contains(&column.name)))
            .cloned()
            .collect()
    }

    fn take(&mut self, sql: String, taken: &mut Vec<String>) {
        if self.take_rows(sql, taken) {
            self.model = Model::read(self.oracle);
        }
    }

    fn take_rows(&mut self, sql: String, taken: &mut Vec<String>) -> bool {
        let one = [Bound::of(sql.as_str())];
        let fits = self.oracle.vet(&one).is_done() && self.oracle.run(&one).is_ok();
        if fits {
            taken.push(sql);
        }
        fits
    }

    /// The next request, for the database as it is now.
    pub fn step(&mut self, regime: &Regime) -> Step {
        self.model = Model::read(self.oracle);
        loop {
            let count = if self.dice.percent(14) { self.dice.between(2, 4) } else { 1 };
            let mut made = Vec::new();
            if count > 1 && self.dice.percent(30) {
                made.push(Made::of(Bound::of("PRAGMA defer_foreign_keys = on")));
            }
            for _ in 0..count {
                self.narrow = self.dice.percent(regime.narrow);
                let kind = self.dice.below(100);
                made.extend(match kind {
                    0..=12 if self.defines && (count == 1 || self.dice.percent(20)) => self.definition(),
                    13..=15 => self.read_schema(),
                    16..=25 if !self.model.searches.is_empty() => self.search(),
                    26..=39 => self.read(),
                    40..=53 => self.read_wide(),
                    54..=69 => self.write_wide(),
                    _ => self.write(),
                });
            }
            if self.dice.percent(3)
                && let Some(dependent) = self.dependent()
            {
                made = dependent;
            }
            if made.is_empty() {
                // Nothing is left to work on: make something.
                let name = self.fresh("t");
                let sql = self.create_table(&name);
                made.push(Made::of(Bound::of(sql)));
            }
            let step = Step(made);
            // Most statements should do something; some have to fail.
            let chance = match self.oracle.vet(&step.bound()) {
                Vetted::Fine => 100,
                Vetted::Idle if step.defines() => 100,
                Vetted::Idle => 15,
                Vetted::Error => 20,
                Vetted::Chance => 0,
            };
            if self.dice.percent(chance) {
                return step;
            }
        }
    }
}
