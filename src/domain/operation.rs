//! What an agent asks of a store, once it has been understood.

use dryrun_text::cut_with_count;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::condition::{Condition, Digest, Range};
use super::refusal::Problem;
use super::settings::Store;
use dryrun_sql::pragma::Setting;
use dryrun_sql::statement::{Kind, Statement};

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

/// One operation: a store and what to do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The store.
    pub store: Store,
    /// What to do.
    pub call: Call,
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

/// Operations on a database as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseCall {
    /// Writes it down as SQL.
    Export {
        /// Without the statements that make tables, indexes, triggers and views.
        no_schema: bool,
        /// Without the rows.
        no_data: bool,
        /// Only these tables; all when empty.
        tables: Vec<String>,
    },
    /// Names the state that it is in now.
    Bookmark {},
}

/// How rows are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowShape {
    /// One JSON object a row.
    Objects,
    /// Column names once, then one JSON array a row.
    Arrays,
    /// Not at all: nobody will see them.
    None,
}

/// Statements that run as one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlCall {
    /// The statements, in order.
    pub statements: Vec<BoundStatement>,
    /// How rows are answered.
    pub shape: RowShape,
}

impl SqlCall {
    /// What of it a dry run leaves out.
    pub fn not_rehearsed(&self) -> Vec<String> {
        let optimizes = self.statements.iter().any(|one| one.statement.setting() == Some(Setting::Optimize));
        let note = "PRAGMA optimize was not run: afterwards D1 may choose other query plans, and rows without ORDER BY \
                    may come in another order";
        if optimizes { vec![note.to_owned()] } else { Vec::new() }
    }
}

/// A statement with its parameters: JSON scalars, or arrays of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundStatement {
    /// The statement.
    pub statement: Statement,
    /// Values for its parameters, in order.
    #[serde(default)]
    pub params: Vec<Value>,
}

/// One value of a bulk write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(deny_unknown_fields))]
pub struct KeyItem {
    /// Its key.
    #[cfg_attr(test, schemars(length(min = 1, max = super::limits::MAX_KV_KEY_BYTES)))]
    pub key: String,
    /// Its value, as text or in base64.
    pub value: String,
    /// Whether `value` is base64.
    #[serde(default)]
    pub base64: bool,
    /// When it ends, in seconds since the epoch.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = super::limits::MAX_KV_SECONDS)))]
    pub expiration: Option<u64>,
    /// How long it lives, in seconds.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(min = super::limits::MIN_KV_TTL_SECONDS, max = super::limits::MAX_KV_SECONDS)))]
    pub expiration_ttl: Option<u64>,
    /// Metadata, any JSON.
    #[serde(default)]
    pub metadata: Option<Value>,
}

/// Operations on values by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyCall {
    /// The value.
    Get {
        /// Its key.
        key: String,
    },
    /// The metadata.
    Metadata {
        /// Its key.
        key: String,
    },
    /// Writes a value; the value is the payload.
    Put {
        /// Its key.
        key: String,
        /// When it ends, in seconds since the epoch.
        expiration: Option<u64>,
        /// How long it lives, in seconds.
        expiration_ttl: Option<u64>,
        /// Metadata, any JSON.
        metadata: Option<Value>,
    },
    /// Removes a value.
    Delete {
        /// Its key.
        key: String,
    },
    /// A page of keys.
    List {
        /// Only keys that begin so.
        prefix: String,
        /// Most keys in the answer.
        limit: u32,
        /// Where the last page ended.
        cursor: Option<String>,
    },
    /// Several values.
    GetMany {
        /// Their keys.
        keys: Vec<String>,
        /// Whether metadata comes along.
        with_metadata: bool,
        /// Whether values are parsed as JSON.
        json: bool,
    },
    /// Writes several values, one after the other.
    PutMany {
        /// What to write.
        items: Vec<KeyItem>,
    },
    /// Removes several values.
    DeleteMany {
        /// Their keys.
        keys: Vec<String>,
    },
}

/// HTTP metadata of an object, by header name in lower case.
pub type HttpMetadata = std::collections::BTreeMap<String, String>;
/// Custom metadata of an object.
pub type CustomMetadata = std::collections::BTreeMap<String, String>;

/// Operations on objects by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectCall {
    /// The object, or a part of it.
    Get {
        /// Its key.
        key: String,
        /// Which part.
        range: Option<Range>,
        /// Under which condition.
        condition: Condition,
        /// Whether what is known of it comes as one JSON object.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        described: bool,
    },
    /// What is known of the object.
    Head {
        /// Its key.
        key: String,
        /// Under which condition.
        condition: Condition,
        /// Whether what is known of it comes as one JSON object.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        described: bool,
    },
    /// Writes an object; its bytes are the payload.
    Put {
        /// Its key.
        key: String,
        /// How many bytes will come.
        length: u64,
        /// Under which condition.
        condition: Condition,
        /// What the bytes must digest to.
        digest: Option<Digest>,
        /// Its HTTP metadata.
        http_metadata: HttpMetadata,
        /// Its custom metadata.
        custom_metadata: CustomMetadata,
        /// Its storage class, when one was named.
        storage_class: Option<String>,
    },
    /// Removes an object.
    Delete {
        /// Its key.
        key: String,
    },
    /// A page of objects.
    List {
        /// Only keys that begin so.
        prefix: String,
        /// Rolls up keys after the prefix, up to this text.
        delimiter: Option<String>,
        /// Most entries in the answer.
        limit: u32,
        /// Where the last page ended.
        cursor: Option<String>,
        /// Only keys after this one.
        start_after: Option<String>,
    },
}

/// Longest statement text that the journal keeps whole; the rest is cut and said so.
const MAX_JOURNAL_SQL_CHARS: usize = 4_000;
/// Longest text of all statements of a batch that the journal keeps; the statements after that are counted only.
const MAX_JOURNAL_TEXT_CHARS: usize = 200_000;
/// Longest parameter that the journal keeps whole.
const MAX_JOURNAL_PARAM_CHARS: usize = 1_000;
/// Most keys of a bulk request that the journal names.
const MAX_JOURNAL_KEYS: usize = 100;

impl Operation {
    /// Whether it can change the store.
    pub fn access(&self) -> Access {
        let write = match &self.call {
            Call::Sql(call) => call.statements.iter().any(|one| one.statement.kind != Kind::Read),
            Call::Key(call) => {
                matches!(
                    call,
                    KeyCall::Put { .. } | KeyCall::Delete { .. } | KeyCall::PutMany { .. } | KeyCall::DeleteMany { .. }
                )
            }
            Call::Object(call) => matches!(call, ObjectCall::Put { .. } | ObjectCall::Delete { .. }),
            Call::Database(_) => false,
            Call::Refused(call) => return call.access,
        };
        if write { Access::Write } else { Access::Read }
    }

    /// What the journal calls it.
    pub fn action(&self) -> String {
        match &self.call {
            Call::Sql(call) => match call.statements.as_slice() {
                [one] => one.statement.verb.clone(),
                several => format!("BATCH of {}", several.len()),
            },
            Call::Key(call) => match call {
                KeyCall::Get { .. } => "get",
                KeyCall::Metadata { .. } => "metadata",
                KeyCall::Put { .. } => "put",
                KeyCall::Delete { .. } => "delete",
                KeyCall::List { .. } => "list",
                KeyCall::GetMany { .. } => "bulk get",
                KeyCall::PutMany { .. } => "bulk put",
                KeyCall::DeleteMany { .. } => "bulk delete",
            }
            .into(),
            Call::Object(call) => match call {
                ObjectCall::Get { .. } => "get",
                ObjectCall::Head { .. } => "head",
                ObjectCall::Put { .. } => "put",
                ObjectCall::Delete { .. } => "delete",
                ObjectCall::List { .. } => "list",
            }
            .into(),
            Call::Database(DatabaseCall::Export { .. }) => "export".into(),
            Call::Database(DatabaseCall::Bookmark {}) => "bookmark".into(),
            Call::Refused(call) => call.action.clone(),
        }
    }

    /// The table, key or object that it is about, if it is about one.
    pub fn subject(&self) -> Option<String> {
        match &self.call {
            Call::Sql(call) => match call.statements.as_slice() {
                [one] => one.statement.target.clone(),
                _ => None,
            },
            Call::Key(
                KeyCall::Get { key } | KeyCall::Metadata { key } | KeyCall::Put { key, .. } | KeyCall::Delete { key },
            )
            | Call::Object(
                ObjectCall::Get { key, .. }
                | ObjectCall::Head { key, .. }
                | ObjectCall::Put { key, .. }
                | ObjectCall::Delete { key },
            ) => Some(key.clone()),
            Call::Key(KeyCall::List { prefix, .. }) | Call::Object(ObjectCall::List { prefix, .. }) => {
                Some(format!("{prefix}*"))
            }
            Call::Key(KeyCall::GetMany { .. } | KeyCall::PutMany { .. } | KeyCall::DeleteMany { .. }) => None,
            Call::Database(_) => None,
            Call::Refused(call) => call.subject.clone(),
        }
    }

    /// The parts of it that change everything there is: an UPDATE or DELETE without a WHERE.
    pub fn unbounded(&self) -> Vec<String> {
        let Call::Sql(call) = &self.call else { return Vec::new() };
        call.statements
            .iter()
            .filter(|one| one.statement.unbounded)
            .map(|one| format!("{} {}", one.statement.verb, one.statement.target.as_deref().unwrap_or_default()))
            .collect()
    }

    /// What the journal keeps of the request: enough to understand it, long values cut.
    pub fn request(&self) -> Value {
        match &self.call {
            Call::Sql(call) => {
                let mut room = MAX_JOURNAL_TEXT_CHARS;
                let statements: Vec<Value> = call
                    .statements
                    .iter()
                    .take_while(|one| {
                        let fits = room > 0;
                        let params = one
                            .params
                            .iter()
                            .map(|param| param.as_str().map_or(20, str::len).min(MAX_JOURNAL_PARAM_CHARS));
                        room = room.saturating_sub(
                            one.statement.text.len().min(MAX_JOURNAL_SQL_CHARS) + params.sum::<usize>(),
                        );
                        fits
                    })
                    .map(|one| {
                        let params: Vec<Value> = one.params.iter().map(shorten).collect();
                        let mut entry = Map::new();
                        entry.insert("sql".into(), cut_with_count(&one.statement.text, MAX_JOURNAL_SQL_CHARS).into());
                        if !params.is_empty() {
                            entry.insert("params".into(), params.into());
                        }
                        Value::Object(entry)
                    })
                    .collect();
                if statements.len() < call.statements.len() {
                    json!({ "count": call.statements.len(), "statements": statements })
                } else {
                    json!({ "statements": statements })
                }
            }
            Call::Key(KeyCall::PutMany { items }) => {
                json!({ "count": items.len(), "keys": first(items.iter().map(|item| &item.key)) })
            }
            Call::Key(KeyCall::DeleteMany { keys } | KeyCall::GetMany { keys, .. }) => {
                json!({ "count": keys.len(), "keys": first(keys.iter()) })
            }
            Call::Key(call) => fields(call),
            Call::Object(call) => fields(call),
            Call::Database(call) => fields(call),
            Call::Refused(call) => match &call.sql {
                Some(sql) => json!({ "statements": [{ "sql": cut_with_count(sql, MAX_JOURNAL_SQL_CHARS) }] }),
                None => Value::Null,
            },
        }
    }
}

/// The fields of a call, without its name and without those that say nothing.
fn fields<T: Serialize>(call: &T) -> Value {
    let whole =
        serde_json::to_string(call).ok().and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
    let Some(Value::Object(mut fields)) = whole.and_then(|whole| whole.into_iter().next()).map(|(_, fields)| fields)
    else {
        return Value::Null;
    };
    fields.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|object| !object.is_empty()));
    Value::Object(fields)
}

fn first<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    keys.take(MAX_JOURNAL_KEYS).collect()
}

fn shorten(param: &Value) -> Value {
    match param {
        Value::String(text) => cut_with_count(text, MAX_JOURNAL_PARAM_CHARS).into(),
        Value::Array(bytes) => format!("<{} bytes>", bytes.len()).into(),
        other => other.clone(),
    }
}
