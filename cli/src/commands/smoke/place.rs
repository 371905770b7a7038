//! Stores, and what is written to them.

use serde_json::{Value, json};

/// A store behind the gateway.
#[derive(Debug, Clone)]
pub(super) struct Store {
    /// The name of its binding.
    pub binding: String,
    /// Of which kind it is.
    pub kind: String,
    /// Whether agents may not use it.
    pub denied: bool,
}

/// What is written to a store, and how it is found again.
pub(super) struct Place {
    /// The name of its binding.
    pub binding: String,
    /// Of which kind it is.
    pub kind: &'static str,
    /// Where the API has it.
    pub path: String,
    /// What is written.
    pub word: String,
    /// Under what the report has it.
    pub subject: String,
    /// Under which key it is written.
    pub key: String,
    /// How it is written and read.
    pub written: Written,
}

/// How something is written to a store and read back.
pub(super) enum Written {
    /// A table of its own, made inside the dry run: no table of the target is needed.
    Rows { write: Value, read: Value, look: Value },
    /// A value or an object.
    Value(String),
}

impl Place {
    /// The place in a store under which this word is written.
    pub(super) fn new(account: &str, store: &Store, word: &str) -> Self {
        let Store { binding, kind, .. } = store;
        let root = format!("/client/v4/accounts/{account}");
        let value = |kind: &'static str, path: String, subject: &str| Self {
            binding: binding.clone(),
            kind,
            path,
            word: word.to_owned(),
            subject: subject.to_owned(),
            key: word.to_owned(),
            written: Written::Value(word.to_owned()),
        };
        match kind.as_str() {
            "kv" => value("KV", format!("{root}/storage/kv/namespaces/{binding}/values/{word}"), "keys"),
            "r2" => value("R2", format!("{root}/r2/buckets/{binding}/objects/{word}"), "objects"),
            _ => {
                let table = word.replace('-', "_");
                let sql = |sql: String| json!({ "sql": sql });
                // Said twice, it is the same: a write whose answer was lost is tried again.
                let write = sql(format!(
                    "CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, said TEXT NOT NULL); INSERT OR \
                     REPLACE INTO {table} VALUES (1, '{word}')"
                ));
                let (read, look) = (
                    sql(format!("SELECT said FROM {table} WHERE id = 1")),
                    sql(format!("SELECT count(*) FROM sqlite_master WHERE name = '{table}'")),
                );
                Self {
                    path: format!("{root}/d1/database/{binding}/raw"),
                    subject: table,
                    key: "1".to_owned(),
                    written: Written::Rows { write, read, look },
                    ..value("D1", String::new(), "")
                }
            }
        }
    }
}
