//! The shadow of one database: a real SQLite with the target's schema, into which rows are copied when a statement
//! first needs them.
//!
//! * [`catalog`] knows the schema, what was copied and what is dirty.
//! * [`touched`] asks SQLite what a statement can touch.
//! * [`capture`] lets the engine report the rows that it changes.
//! * [`port`] is what all of it needs of the outside, [`database`] the engine of its own, [`failure`] why there is no
//!   answer.
//! * [`selection`] reads the base, by single SELECTs.
//! * [`hydrate`] copies the schema.
//! * [`needs`] are rows of large tables that a statement needs; [`reached`] says which of them are here.
//! * [`checks`] lets the engine say what else a write meets.
//! * [`supply`] copies rows within a [`budget`], [`copies`] puts them in, as they are: [`orphans`] are rows that refer
//!   to nothing, [`computed`] knows columns that do not compute.
//! * [`nondeterminism`] says what comes out differently each time.
//! * [`values`] converts parameters.
//! * [`schema`] changes and reads the schema.
//! * [`images`] compares all rows of a table, where triggers tell nothing.
//! * [`virtuals`] knows the FTS5 tables.
//! * [`query`] runs one statement, [`bare`] one without the gateway's triggers, [`round`] a batch, whole or not at all.
//! * [`moved`] compares copied rows with the base as it is now.
//! * [`rehearse`] carries out requests: execute, see what is missing, copy it, execute again.

pub mod bare;
pub mod budget;
pub mod capture;
pub mod catalog;
pub mod cells;
pub mod checks;
pub mod computed;
pub mod copies;
pub mod database;
pub mod failure;
pub mod hydrate;
pub mod images;
pub mod moved;
pub mod needs;
pub mod nondeterminism;
pub mod orphans;
pub mod port;
pub mod query;
pub mod reached;
pub mod rehearse;
pub mod round;
pub mod schema;
pub mod selection;
pub mod supply;
pub mod touched;
pub mod values;
pub mod virtuals;

use serde::{Deserialize, Serialize};

use crate::domain::effect::{Effect, Image};
use crate::domain::operation::SqlCall;
use crate::domain::run::RunId;

/// What D1 says when foreign keys do not hold at the end of a batch that deferred them.
pub const BROKEN_FOREIGN_KEY: &str =
    "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)";

/// The PRAGMA that writes although it is read like a table.
pub const GUARDED: &str = "pragma_optimize";

/// What a run's object asks of a shadow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShadowRequest {
    /// The run.
    pub run: RunId,
    /// The database's binding.
    pub store: String,
    /// The statements.
    pub call: SqlCall,
    /// How many of the shadow's changes the run's journal has.
    pub serial: u64,
    /// A table with at most so many rows is copied whole when it is first needed.
    pub whole_rows: u64,
    /// Rows that this shadow may have copied in all.
    pub most_rows: u64,
    /// Bytes that it may have copied in all.
    pub most_bytes: u64,
}

/// Asks which copied rows are not what they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MovedRequest {
    /// The database's binding.
    pub store: String,
    /// The rows that the run plans to write.
    pub planned: Vec<PlannedRow>,
}

/// A row that the run plans to write, as it was copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRow {
    /// The table.
    pub table: String,
    /// Its identity.
    pub key: String,
    /// Its image; absent when there was none.
    pub before: Option<Image>,
}

/// What a shadow answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShadowAnswer {
    /// The JSON of the results: an array with one for each statement.
    pub results: String,
    /// Whether anything changed, and the journal's figures.
    pub figures: Vec<Figures>,
    /// What changed.
    pub effects: Vec<Effect>,
    /// What comes out differently each time.
    pub volatile: Vec<String>,
    /// How many changes the shadow has seen by now.
    pub serial: u64,
    /// Whether any table is dirty.
    pub dirty: bool,
    /// Rows that the shadow has copied by now.
    pub rows: u64,
    /// Bytes that it has copied by now.
    pub bytes: u64,
    /// What the base has and the shadow does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// What one statement came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Rows that it changed, as D1 counts them.
    pub changes: u64,
    /// The rowid of the last insert.
    pub last_row_id: i64,
}

/// The answer when the shadow is further than the journal: a change was made whose answer was lost in a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShadowReply {
    /// The statements ran.
    Ran(ShadowAnswer),
    /// Journal this first, then ask again.
    Lost(LostChange),
}

/// A change that no answer told of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LostChange {
    /// The statements.
    pub call: SqlCall,
    /// What they changed.
    pub effects: Vec<Effect>,
    /// The shadow's count after it.
    pub serial: u64,
}
