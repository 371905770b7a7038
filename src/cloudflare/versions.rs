//! The version of what an object has stored, and the steps from one version to the next.
//!
//! An object of an older version is migrated when it first wakes under newer code. One of a newer version is left
//! alone: a deployment that was rolled back must not damage what the newer one has written.

use wasm_bindgen::JsValue;

use super::js;
use super::sql::{Database, SqlError};
use crate::domain::refusal::{Code, Problem};

/// One step: from the version of its place in the list, counted from 1, to the next.
pub type Migration = fn(&Database) -> Result<(), SqlError>;

/// The steps of a kind of object. Append to it; a step that was deployed never changes.
pub struct Versions {
    /// The kind of object, for people.
    pub name: &'static str,
    /// What an object has that stored something before versions were recorded.
    pub is_used: fn(&Database) -> Result<bool, SqlError>,
    /// The steps.
    pub migrations: &'static [Migration],
}

/// The key of the version among the values that no SQL reaches.
const VERSION: &str = "version";

/// Version 2 records itself; nothing else differs.
fn record_version(_: &Database) -> Result<(), SqlError> {
    Ok(())
}

/// A run's object. See STORAGE.md.
pub const RUN: Versions =
    Versions { name: "run", is_used: |database| has_table(database, "run"), migrations: &[record_version] };

/// A shadow's object. See STORAGE.md.
pub const SHADOW: Versions = Versions {
    name: "shadow",
    is_used: |database| Ok(database.values().get("catalog")?.is_string()),
    migrations: &[record_version],
};

fn has_table(database: &Database, name: &str) -> Result<bool, SqlError> {
    let found = database
        .run("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", &[super::sql::Param::Text(name)])?;
    Ok(found.first().is_some())
}

impl Versions {
    /// The version that this code writes.
    fn newest(&self) -> u64 {
        u64::try_from(self.migrations.len()).unwrap_or(u64::MAX) + 1
    }

    /// Brings what an object has stored to the newest version. Answers `false` for an object that stores nothing, and
    /// writes nothing into it.
    ///
    /// # Errors
    /// Refuses an object that newer code has written, and one whose version cannot be read.
    pub fn migrate(&self, database: &Database) -> Result<bool, Problem> {
        let stored = database.values().get(VERSION).map_err(SqlError::from)?;
        let version = match stored.as_f64() {
            Some(version) => super::sql::whole(version),
            None if stored.is_undefined() && !(self.is_used)(database)? => return Ok(false),
            None if stored.is_undefined() => 1,
            None => return Err(self.unknown(&format!("{stored:?}"))),
        };
        if version == self.newest() {
            return Ok(true);
        }
        let done = usize::try_from(version).unwrap_or(usize::MAX).checked_sub(1);
        let Some(steps) = done.and_then(|done| self.migrations.get(done..)) else {
            return Err(self.unknown(&version.to_string()));
        };
        database.transaction(|| -> Result<(), Problem> {
            for step in steps {
                step(database)?;
            }
            Ok(self.record(database)?)
        })?;
        js::log(
            "info",
            "object_migrated",
            &[("kind", self.name), ("from", &version.to_string()), ("to", &self.newest().to_string())],
        );
        Ok(true)
    }

    /// Records the newest version in an object that stores its first thing.
    pub fn record(&self, database: &Database) -> Result<(), SqlError> {
        #[expect(clippy::cast_precision_loss, reason = "versions stay far below 2^53")]
        database.values().put(VERSION, &JsValue::from_f64(self.newest() as f64))?;
        Ok(())
    }

    fn unknown(&self, version: &str) -> Problem {
        Problem::new(
            Code::RunUnavailable,
            format!(
                "What this {} has stored is of version {version}, and this gateway knows versions up to {}; nothing \
                 was read or written.",
                self.name,
                self.newest()
            ),
            "Deploy the version of the gateway that wrote it, or a newer one. An operator was alerted.",
        )
        .caused_by(format!("stored version {version}"))
    }
}
