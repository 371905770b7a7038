//! What gate, journal, report and plan may know of a call to a store, whatever its kind.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::refusal::Problem;
use dryrun_text::cut_with_count;

/// Whether an operation changes its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// It cannot.
    Read,
    /// It can; it goes through the gate.
    Write,
}

/// What one kind of store says of a call to it.
pub trait StoreCall {
    /// Whether it can change the store.
    fn access(&self) -> Access;
    /// What the journal calls it: `put`, `INSERT`, `BATCH of 3`.
    fn action(&self) -> String;
    /// The one table, key or object that it is about, or the prefix of a list.
    fn subject(&self) -> Option<String>;
    /// What the journal keeps of the request: enough to understand it, long values cut.
    fn request(&self) -> Value;
    /// The parts of it that change everything there is: `DELETE users` for a DELETE without a WHERE.
    fn unbounded(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A request that was refused before it was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCall {
    /// What it wanted.
    pub action: String,
    /// The key or object that it named, if it did.
    pub subject: Option<String>,
    /// Whether it could have changed something.
    pub access: Access,
    /// Its statements as text, if it had any.
    pub sql: Option<String>,
    /// Why it was refused.
    pub problem: Problem,
}

impl StoreCall for RefusedCall {
    fn access(&self) -> Access {
        self.access
    }

    fn action(&self) -> String {
        self.action.clone()
    }

    fn subject(&self) -> Option<String> {
        self.subject.clone()
    }

    fn request(&self) -> Value {
        match &self.sql {
            Some(sql) => json!({ "statements": [{ "sql": cut_with_count(sql, MAX_JOURNAL_STATEMENT_CHARS) }] }),
            None => Value::Null,
        }
    }
}

/// Longest statement text that the journal keeps whole; the rest is cut and said so.
pub const MAX_JOURNAL_STATEMENT_CHARS: usize = 4_000;
/// Most keys of a bulk request that the journal names.
const MAX_JOURNAL_KEYS: usize = 100;

/// The fields of a call, without its name and without those that say nothing.
pub fn fields<T: Serialize>(call: &T) -> Value {
    let whole =
        serde_json::to_string(call).ok().and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
    let Some(Value::Object(mut fields)) = whole.and_then(|whole| whole.into_iter().next()).map(|(_, fields)| fields)
    else {
        return Value::Null;
    };
    fields.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|object| !object.is_empty()));
    Value::Object(fields)
}

/// How many keys a bulk request has, and the first of them.
pub fn keys<'a>(keys: impl ExactSizeIterator<Item = &'a String>) -> Value {
    json!({ "count": keys.len(), "keys": keys.take(MAX_JOURNAL_KEYS).collect::<Vec<_>>() })
}
