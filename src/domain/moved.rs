//! What became of rows in the base since a run copied them.

use serde::{Deserialize, Serialize};

use super::effect::{Effect, FieldDiff, Image};

/// How a row moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// It is different now.
    Changed,
    /// It is gone.
    Gone,
    /// There is one now where there was none.
    Appeared,
}

/// A row of the base that is not what it was when the run copied it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Moved {
    /// The database's binding.
    pub store: String,
    /// The table.
    pub table: String,
    /// The row.
    pub key: String,
    /// How it moved.
    pub moved: Move,
    /// Whether the run would change it, too.
    pub planned: bool,
    /// The fields that differ: as they were copied, as they are now.
    pub fields: Vec<FieldDiff>,
}

/// What a look at the base found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Movement {
    /// Rows that were compared.
    pub compared: u64,
    /// Those that moved.
    pub moved: Vec<Moved>,
    /// Tables that could not be compared, because the run changed their definition.
    pub not_compared: Vec<String>,
}

/// Compares a row with what it was; `None` when it is the same.
pub fn moved(
    store: &str,
    table: &str,
    key: &str,
    planned: bool,
    copied: Option<Image>,
    now: Option<Image>,
) -> Option<Moved> {
    let effect = Effect {
        store: store.to_owned(),
        subject: table.to_owned(),
        key: key.to_owned(),
        label: None,
        statement: None,
        renamed_from: None,
        before: copied,
        after: now,
    };
    let moved = match effect.change()? {
        super::effect::Change::Inserted => Move::Appeared,
        super::effect::Change::Updated => Move::Changed,
        super::effect::Change::Deleted => Move::Gone,
    };
    let fields = if moved == Move::Changed { effect.diff() } else { Vec::new() };
    Some(Moved { store: effect.store, table: effect.subject, key: effect.key, moved, planned, fields })
}
