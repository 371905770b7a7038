//! What an agent asks of a store, once it has been understood.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings::Store;

pub use super::call::{Access, RefusedCall};
pub use super::stores::Call;
pub use super::stores::d1::{BoundStatement, DatabaseCall, RowShape, SqlCall};
pub use super::stores::kv::{KeyCall, KeyItem};
pub use super::stores::r2::{CustomMetadata, HttpMetadata, ObjectCall};

/// One operation: a store and what to do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The store.
    pub store: Store,
    /// What to do.
    pub call: Call,
}

impl Operation {
    /// Whether it can change the store.
    pub fn access(&self) -> Access {
        self.call.of_its_kind().access()
    }

    /// What the journal calls it.
    pub fn action(&self) -> String {
        self.call.of_its_kind().action()
    }

    /// The table, key or object that it is about, if it is about one.
    pub fn subject(&self) -> Option<String> {
        self.call.of_its_kind().subject()
    }

    /// The parts of it that change everything there is: an UPDATE or DELETE without a WHERE.
    pub fn unbounded(&self) -> Vec<String> {
        self.call.of_its_kind().unbounded()
    }

    /// What the journal keeps of the request: enough to understand it, long values cut.
    pub fn request(&self) -> Value {
        self.call.of_its_kind().request()
    }
}
