//! The kinds of stores, each in a file of its own. Nothing else enumerates them.

pub mod d1;
pub mod kv;
pub mod r2;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{RefusedCall, StoreCall};
use super::finding::{Finding, Recorded};
use d1::{DatabaseCall, SqlCall};
use kv::KeyCall;
use r2::ObjectCall;

/// The kind of a store, which decides the adapter that serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "StoreKind"))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Rows, reached by SQL.
    D1,
    /// Values by key.
    Kv,
    /// Objects by key.
    R2,
}

impl Kind {
    /// Every kind, in the order in which people read them.
    pub const ALL: &[Self] = &[Self::D1, Self::Kv, Self::R2];

    /// The product's name, for people.
    pub fn product(self) -> &'static str {
        match self {
            Self::D1 => "D1",
            Self::Kv => "KV",
            Self::R2 => "R2",
        }
    }

    /// What a reviewer should not overlook in operations of this kind.
    pub fn findings(self, recorded: &Recorded<'_>) -> Vec<Finding> {
        match self {
            Self::D1 => d1::findings(recorded),
            Self::Kv => Vec::new(),
            Self::R2 => r2::findings(recorded),
        }
    }

    /// What a recorded operation asked for, in one line.
    pub fn asked(self, subject: Option<&str>, request: &Value) -> String {
        match self {
            Self::D1 => d1::asked(request),
            Self::Kv | Self::R2 => subject.unwrap_or_default().to_owned(),
        }
    }

    /// The spelling in the journal and in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::D1 => "d1",
            Self::Kv => "kv",
            Self::R2 => "r2",
        }
    }
}

/// What to do in a store of each kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Rows, by SQL.
    Sql(SqlCall),
    /// Values, by key.
    Key(KeyCall),
    /// Objects, by key.
    Object(ObjectCall),
    /// A database as a whole.
    Database(DatabaseCall),
    /// A request that was refused before it was understood. It is carried to the run only to be journalled.
    Refused(RefusedCall),
}

impl Call {
    /// What the kind of store says of it.
    pub fn of_its_kind(&self) -> &dyn StoreCall {
        match self {
            Self::Sql(call) => call,
            Self::Key(call) => call,
            Self::Object(call) => call,
            Self::Database(call) => call,
            Self::Refused(call) => call,
        }
    }
}
