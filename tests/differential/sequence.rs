//! A sequence: the schema and rows that it begins with, and one step after the other.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::maker::{Made, Maker};
use crate::model::Model;
use crate::oracle::{Oracle, Vetted};
use crate::support::Bound;
use crate::values::Dice;

/// How large tables are next to what a run may copy, and how many statements reach few rows.
pub(crate) struct Regime {
    pub name: &'static str,
    /// A table with at most so many rows is copied whole.
    pub whole_rows: u64,
    /// Rows that a run may copy.
    pub most_rows: u64,
    /// Rows in a table that is made now.
    pub rows: fn(&mut Dice) -> usize,
    /// Percent of the statements that reach few rows by a key or an index.
    pub narrow: usize,
}

/// Tables that fit, tables that do not, and both.
pub(crate) const REGIMES: [Regime; 3] = [
    Regime { name: "under", whole_rows: 1_000, most_rows: 50_000, rows: |dice| dice.between(0, 25), narrow: 40 },
    Regime { name: "over", whole_rows: 0, most_rows: 150, rows: |_| 200, narrow: 80 },
    Regime {
        name: "mixed",
        whole_rows: 50,
        most_rows: 400,
        rows: |dice| if dice.percent(50) { 20 } else { 200 },
        narrow: 75,
    },
];

/// Percent of the sequences that have a table for text search.
const SEARCHED: usize = 15;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Step(pub Vec<Made>);

impl Step {
    pub(crate) fn bound(&self) -> Vec<Bound> {
        self.0.iter().map(|made| made.bound.clone()).collect()
    }

    /// Whether it changes the schema.
    pub(crate) fn defines(&self) -> bool {
        self.0.iter().any(|made| ["CREATE", "ALTER", "DROP"].iter().any(|verb| made.bound.sql.starts_with(verb)))
    }
}

/// An oracle in which these statements ran, and those of them that it took.
pub(crate) fn prepared(setup: &[String]) -> (Oracle, Vec<String>) {
    let oracle = Oracle::new();
    let taken = setup.iter().filter(|sql| oracle.run(&[Bound::of(sql.as_str())]).is_ok()).cloned().collect();
    (oracle, taken)
}

impl Maker<'_> {
    /// Makes the schema and the rows that a sequence begins with, in the oracle, and answers how.
    pub(crate) fn set_up(&mut self, regime: &Regime) -> Vec<String> {
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
            self.take(
                "INSERT INTO f0 (a, b) VALUES ('red green', 'blue'), ('green', 'red red'), ('Blue éclair', ''), \
                       ('red', NULL)"
                    .into(),
                &mut taken,
            );
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
    pub(crate) fn step(&mut self, regime: &Regime) -> Step {
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

/// Each sequence has a seed of its own, so that it can be had alone.
pub(crate) fn seed_of(seed: usize, regime: &str, sequence: usize) -> u64 {
    let text = format!("{seed} {regime} {sequence}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Prints what became of the requests, the refusals by their reason, and answers how many of a hundred were refused.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) fn summary(regime: &Regime, counts: &BTreeMap<String, usize>) -> f64 {
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<(&String, usize)> {
        let mut found: Vec<(&String, usize)> =
            counts.iter().filter(|(reason, _)| wanted(reason)).map(|(reason, count)| (reason, *count)).collect();
        found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        found
    };
    let sum = |found: &[(&String, usize)]| found.iter().map(|(_, count)| count).sum::<usize>();
    let is_table = |reason: &str| reason.starts_with("tables") || reason == "faults";
    let done = of(&|reason| reason.starts_with("carried out"));
    let refused = of(&|reason| !reason.starts_with("carried out") && !is_table(reason));
    let all = sum(&done) + sum(&refused);
    let share = |count: usize| if all == 0 { 0.0 } else { count as f64 * 100.0 / all as f64 };
    let mut text =
        format!("regime {}: {all} requests, {} refused ({:.2} %)\n", regime.name, sum(&refused), share(sum(&refused)));
    for (reason, count) in refused.iter().chain(&done) {
        let _ = writeln!(text, "  {count:>6}  {:>6.2} %  {reason}", share(*count));
    }
    for (reason, count) in of(&is_table) {
        let _ = writeln!(text, "  {count:>6}            {reason}");
    }
    eprint!("{text}");
    share(sum(&refused))
}

/// A refusal without the names in it, to be counted.
pub(crate) fn reason(code: &str, message: &str) -> String {
    let words: Vec<&str> =
        message.split_whitespace().filter(|word| !word.chars().any(|letter| letter.is_ascii_digit())).collect();
    let words = words.join(" ");
    format!("{code}: {}", words.chars().take(110).collect::<String>())
}
