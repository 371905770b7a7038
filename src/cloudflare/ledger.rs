//! A run's durable record, in the SQLite of its object.

use super::overlay::{self, Planned, ShadowRecord};
use super::run_world::RunWorld;
use super::sql::{Database, SqlError, unreadable};
use super::transfers;
use super::versions;
use super::wire::Content;
use crate::app::message::{Answer, Receipt};
use crate::app::ports::{Ending, FlagRecord, Idempotency, Ledger, Recalled, Surroundings as _};
use crate::app::publish_flag::next_look;
use crate::domain::effect::Effect;
use crate::domain::journal::{Entry, Position};
use crate::domain::refusal::Problem;
use crate::domain::run::{Millis, Mode, ModeCause, Run};

/// The tables of the ledger. See STORAGE.md.
const TABLES: [&str; 7] = [
    "CREATE TABLE IF NOT EXISTS run (id INTEGER PRIMARY KEY CHECK (id = 1), run TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS flag (id INTEGER PRIMARY KEY CHECK (id = 1), published_at INTEGER, attempted_at \
     INTEGER)",
    "CREATE TABLE IF NOT EXISTS operation (position INTEGER PRIMARY KEY, entry TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS effect (position INTEGER NOT NULL, number INTEGER NOT NULL, effect TEXT NOT NULL, \
     PRIMARY KEY (position, number)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS idempotency (key TEXT PRIMARY KEY, request TEXT NOT NULL, instance TEXT NOT NULL, \
     receipt TEXT, info TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS answer (key TEXT NOT NULL, number INTEGER NOT NULL, part TEXT NOT NULL, PRIMARY KEY \
     (key, number)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS shadow (store TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID",
];

/// Longest part of a kept answer, in characters; a row holds 2 MB, and a character has at most four bytes.
const MAX_ANSWER_PART: usize = 400_000;

/// Every operation, and every effect with the operation that it comes from.
pub type Journal = (Vec<Entry>, Vec<(Position, Effect)>);

/// One operation with everything that it changed.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OperationChanges {
    /// The operation.
    pub operation: Entry,
    /// What it changed, in order: images before and after.
    pub effects: Vec<Effect>,
}

/// Makes the tables.
fn prepare(database: &Database) -> Result<(), SqlError> {
    for table in TABLES.iter().chain(&overlay::TABLES).chain([&transfers::TABLE]) {
        database.run(table, &[])?;
    }
    Ok(())
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| unreadable("record", error))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| unreadable("record", error))
}

impl RunWorld {
    fn store_run(&self, run: &Run) -> Result<(), Problem> {
        self.database.execute(
            "INSERT INTO run (id, run) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET run = excluded.run",
            &[to_json(run)?.as_str().into()],
        )?;
        Ok(())
    }

    fn change_run(&self, change: impl FnOnce(&mut Run)) -> Result<(), Problem> {
        self.database.transaction(|| {
            let mut run = self.run()?.ok_or_else(|| unreadable("record", "it is missing"))?;
            change(&mut run);
            self.store_run(&run)
        })
    }

    /// The whole journal and all effects, in order.
    pub fn journal(&self) -> Result<Journal, Problem> {
        let entries = self.database.run("SELECT entry, position FROM operation ORDER BY position", &[])?;
        let entries = entries
            .iter()
            .map(|row| Ok(Entry { position: row.count(1), ..from_json(&row.text(0).unwrap_or_default())? }))
            .collect::<Result<_, Problem>>()?;
        let effects = self.database.run("SELECT effect, position FROM effect ORDER BY position, number", &[])?;
        let effects = effects
            .iter()
            .map(|row| Ok((row.count(1), from_json(&row.text(0).unwrap_or_default())?)))
            .collect::<Result<_, Problem>>()?;
        Ok((entries, effects))
    }

    /// One operation with everything that it changed.
    pub fn operation(&self, position: Position) -> Result<Option<OperationChanges>, Problem> {
        let entries = self.database.run("SELECT entry FROM operation WHERE position = ?", &[position.into()])?;
        let Some(row) = entries.first() else { return Ok(None) };
        let operation = Entry { position, ..from_json(&row.text(0).unwrap_or_default())? };
        let effects =
            self.database.run("SELECT effect FROM effect WHERE position = ? ORDER BY number", &[position.into()])?;
        let effects =
            effects.iter().map(|row| from_json(&row.text(0).unwrap_or_default())).collect::<Result<_, Problem>>()?;
        Ok(Some(OperationChanges { operation, effects }))
    }

    /// What is known of the shadow of a database, and the rows and bytes that all shadows of the run have copied.
    pub fn shadow_record(&self, store: &str) -> Result<(ShadowRecord, u64, u64), Problem> {
        let rows = self.database.run("SELECT store, record FROM shadow", &[])?;
        rows.iter().try_fold((ShadowRecord::default(), 0, 0), |(found, copied_rows, copied_bytes), row| {
            let record: ShadowRecord = from_json(&row.text(1).unwrap_or_default())?;
            let found = if row.text(0).as_deref() == Some(store) { record } else { found };
            Ok((found, copied_rows + record.rows, copied_bytes + record.bytes))
        })
    }

    /// Remembers what is known of a shadow.
    pub fn set_shadow_record(&self, store: &str, record: ShadowRecord) -> Result<(), Problem> {
        self.database.execute(
            "INSERT INTO shadow (store, record) VALUES (?, ?) ON CONFLICT (store) DO UPDATE SET record = \
             excluded.record",
            &[store.into(), to_json(&record)?.as_str().into()],
        )?;
        Ok(())
    }
}

impl Ledger for RunWorld {
    type Plan = Plan;
    type Content = Content;

    fn run(&self) -> Result<Option<Run>, Problem> {
        let rows = match self.database.run("SELECT run FROM run WHERE id = 1", &[]) {
            Ok(rows) => rows,
            // Nobody opened a run here, and asking must not leave anything behind.
            Err(error) if error.0.contains("no such table") => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        rows.first().map(|row| from_json(&row.text(0).unwrap_or_default())).transpose()
    }

    fn create(&self, run: &Run) -> Result<(), Problem> {
        self.database.transaction(|| {
            prepare(&self.database)?;
            versions::RUN.record(&self.database)?;
            self.store_run(run)
        })
    }

    fn turn_dry(&self, cause: &ModeCause, now: Millis) -> Result<(), Problem> {
        self.change_run(|run| {
            if run.mode == Mode::Live {
                run.mode = Mode::DryRun;
                run.cause = cause.clone();
                run.mode_since = now;
            }
        })
    }

    fn close(&self, now: Millis) -> Result<(), Problem> {
        self.change_run(|run| {
            run.closed_at.get_or_insert(now);
        })
    }

    fn flag_record(&self) -> Result<FlagRecord, Problem> {
        let rows = self.database.run("SELECT published_at, attempted_at FROM flag WHERE id = 1", &[])?;
        let Some(row) = rows.first() else { return Ok(FlagRecord::default()) };
        let time = |column| row.number(column).map(|_| row.count(column));
        Ok(FlagRecord { published_at: time(0), attempted_at: time(1) })
    }

    fn set_flag_record(&self, record: FlagRecord) -> Result<(), Problem> {
        self.database.execute(
            "INSERT INTO flag (id, published_at, attempted_at) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET \
             published_at = excluded.published_at, attempted_at = excluded.attempted_at",
            &[record.published_at.into(), record.attempted_at.into()],
        )?;
        if record.published_at == record.attempted_at {
            // It was just put: the alarm keeps it standing while the run makes no writes.
            self.database.wake_at(next_look(record, self.settings.flag_ttl_seconds, self.now()))?;
        }
        Ok(())
    }

    fn begin(&self, entry: &Entry) -> Result<Position, Problem> {
        let rows = self
            .database
            .run("INSERT INTO operation (entry) VALUES (?) RETURNING position", &[to_json(entry)?.as_str().into()])?;
        rows.first().map(|row| row.count(0)).ok_or_else(|| unreadable("journal", "an entry has no position"))
    }

    fn finish(&self, position: Option<Position>, ending: Ending<Content, Plan>) -> Result<Position, Problem> {
        self.database.transaction(|| {
            let position = match position {
                Some(position) => {
                    self.database.execute(
                        "UPDATE operation SET entry = ? WHERE position = ?",
                        &[to_json(&ending.entry)?.as_str().into(), position.into()],
                    )?;
                    position
                }
                None => self.begin(&ending.entry)?,
            };
            let receipt = Receipt {
                run: ending.run.clone(),
                position: Some(position),
                mode: ending.entry.mode,
                cause: ending.entry.cause.clone(),
                replayed: false,
            };
            for (number, effect) in ending.effects.iter().enumerate() {
                let number = u64::try_from(number).unwrap_or(u64::MAX);
                self.database.execute(
                    "INSERT INTO effect (position, number, effect) VALUES (?, ?, ?)",
                    &[position.into(), number.into(), to_json(effect)?.as_str().into()],
                )?;
            }
            for plan in &ending.plan {
                match plan {
                    Plan::View(planned) => overlay::store(&self.database, self.settings.overlay_max_bytes, planned)?,
                    Plan::Shadow(store, record) => self.set_shadow_record(store, *record)?,
                }
            }
            if let Some((idempotency, Answer::Result { result, info })) = &ending.keep {
                let characters: Vec<char> = result.chars().collect();
                for (number, part) in (0u64..).zip(characters.chunks(MAX_ANSWER_PART)) {
                    let part: String = part.iter().collect();
                    self.database.execute(
                        "INSERT INTO answer (key, number, part) VALUES (?, ?, ?)",
                        &[idempotency.key.as_str().into(), number.into(), part.as_str().into()],
                    )?;
                }
                self.database.execute(
                    "UPDATE idempotency SET receipt = ?, info = ? WHERE key = ?",
                    &[to_json(&receipt)?.as_str().into(), info.as_deref().into(), idempotency.key.as_str().into()],
                )?;
            }
            Ok(position)
        })
    }

    fn recall(&self, idempotency: &Idempotency) -> Result<Recalled<Content>, Problem> {
        let rows = self.database.run(
            "SELECT request, instance, receipt, info FROM idempotency WHERE key = ?",
            &[idempotency.key.as_str().into()],
        )?;
        let Some(row) = rows.first() else {
            self.database.execute(
                "INSERT INTO idempotency (key, request, instance) VALUES (?, ?, ?)",
                &[idempotency.key.as_str().into(), idempotency.request.as_str().into(), self.instance.as_str().into()],
            )?;
            return Ok(Recalled::Claimed);
        };
        if row.text(0).as_deref() != Some(idempotency.request.as_str()) {
            return Ok(Recalled::Mismatch);
        }
        let Some(receipt) = row.text(2) else {
            let alive = row.text(1).as_deref() == Some(self.instance.as_str());
            return Ok(if alive { Recalled::Running } else { Recalled::Interrupted });
        };
        let parts = self
            .database
            .run("SELECT part FROM answer WHERE key = ? ORDER BY number", &[idempotency.key.as_str().into()])?;
        let result = parts.iter().filter_map(|part| part.text(0)).collect::<String>();
        Ok(Recalled::Done(from_json(&receipt)?, Answer::Result { result, info: row.text(3) }))
    }

    fn doubt(&self, idempotency: &Idempotency) -> Result<(), Problem> {
        // No life of this object is the one that will answer.
        self.database.execute(
            "UPDATE idempotency SET instance = '' WHERE key = ? AND receipt IS NULL",
            &[idempotency.key.as_str().into()],
        )?;
        Ok(())
    }

    fn release(&self, idempotency: &Idempotency) -> Result<(), Problem> {
        self.database
            .execute("DELETE FROM idempotency WHERE key = ? AND receipt IS NULL", &[idempotency.key.as_str().into()])?;
        Ok(())
    }
}

/// What an operation adds to the run's own view.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// A key or object.
    View(Planned),
    /// The shadow of a database moved on.
    Shadow(String, ShadowRecord),
}
