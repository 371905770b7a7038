//! KV: values by key.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::call::{Access, StoreCall, fields, keys};
use crate::domain::refusal::{Code, Problem, invalid_key};
use crate::domain::store_error::{Verdict, refused, starts_with_any};

/// KV's longest key (<https://developers.cloudflare.com/kv/platform/limits/>).
pub const MAX_KV_KEY_BYTES: usize = 512;
/// KV's longest value.
pub const MAX_KV_VALUE_BYTES: u64 = 25 << 20;
/// KV's largest metadata, as JSON.
pub const MAX_KV_METADATA_BYTES: usize = 1_024;
/// KV's shortest life of a value, in seconds.
pub const MIN_KV_TTL_SECONDS: u64 = 60;
/// The latest time and the longest life that the binding takes: it counts seconds in 32 bits.
pub const MAX_KV_SECONDS: u64 = 2_147_483_647;
/// Most keys of one bulk write
/// (<https://developers.cloudflare.com/api/resources/kv/subresources/namespaces/methods/bulk_update/>).
pub const MAX_KV_BULK_WRITE: usize = 10_000;
/// Most keys of one bulk read.
pub const MAX_KV_BULK_READ: usize = 100;

/// One value of a bulk write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(deny_unknown_fields))]
pub struct KeyItem {
    /// Its key.
    #[cfg_attr(test, schemars(length(min = 1, max = MAX_KV_KEY_BYTES)))]
    pub key: String,
    /// Its value, as text or in base64.
    pub value: String,
    /// Whether `value` is base64.
    #[serde(default)]
    pub base64: bool,
    /// When it ends, in seconds since the epoch.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(max = MAX_KV_SECONDS)))]
    pub expiration: Option<u64>,
    /// How long it lives, in seconds.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(min = MIN_KV_TTL_SECONDS, max = MAX_KV_SECONDS)))]
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

impl StoreCall for KeyCall {
    fn access(&self) -> Access {
        match self {
            Self::Put { .. } | Self::Delete { .. } | Self::PutMany { .. } | Self::DeleteMany { .. } => Access::Write,
            Self::Get { .. } | Self::Metadata { .. } | Self::List { .. } | Self::GetMany { .. } => Access::Read,
        }
    }

    fn action(&self) -> String {
        match self {
            Self::Get { .. } => "get",
            Self::Metadata { .. } => "metadata",
            Self::Put { .. } => "put",
            Self::Delete { .. } => "delete",
            Self::List { .. } => "list",
            Self::GetMany { .. } => "bulk get",
            Self::PutMany { .. } => "bulk put",
            Self::DeleteMany { .. } => "bulk delete",
        }
        .into()
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::Get { key } | Self::Metadata { key } | Self::Put { key, .. } | Self::Delete { key } => {
                Some(key.clone())
            }
            Self::List { prefix, .. } => Some(format!("{prefix}*")),
            Self::GetMany { .. } | Self::PutMany { .. } | Self::DeleteMany { .. } => None,
        }
    }

    fn request(&self) -> Value {
        match self {
            Self::PutMany { items } => keys(items.iter().map(|item| &item.key)),
            Self::DeleteMany { keys: all } | Self::GetMany { keys: all, .. } => keys(all.iter()),
            one => fields(one),
        }
    }
}

/// Checks a KV key.
pub fn check_key(key: &str) -> Result<(), Problem> {
    if key.is_empty() || key == "." || key == ".." {
        return Err(invalid_key("The key is empty, \".\" or \"..\", which KV does not store", "Use another key."));
    }
    if key.len() > MAX_KV_KEY_BYTES {
        return Err(invalid_key(
            "The key is longer than KV's 512 bytes",
            "Use a shorter key, for example a hash of it.",
        ));
    }
    Ok(())
}

/// Checks what the keys of a list begin with.
pub fn check_prefix(prefix: &str) -> Result<(), Problem> {
    if prefix.len() > MAX_KV_KEY_BYTES {
        return Err(invalid_key(
            "The prefix is longer than KV's 512 bytes, so that no key begins with it",
            "Use a shorter prefix.",
        ));
    }
    Ok(())
}

/// Checks a KV value's metadata.
pub fn check_metadata(metadata: Option<&serde_json::Value>) -> Result<(), Problem> {
    if metadata.is_none_or(|metadata| metadata.to_string().len() <= MAX_KV_METADATA_BYTES) {
        return Ok(());
    }
    Err(Problem::new(
        Code::InvalidRequest,
        "The metadata is larger than KV's 1,024 bytes; nothing was written.",
        "Put it into the value.",
    ))
}

/// An error of KV: `KV PUT failed: 413 Value length of …`, or what the binding says before it sends anything.
///
/// The statuses are those of <https://developers.cloudflare.com/kv/api/write-key-value-pairs/> and of workerd.
pub fn error(text: &str) -> Verdict {
    let status = text.strip_prefix("KV ").and_then(|rest| rest.split_once(" failed: "));
    let Some((_, words)) = status else {
        return if starts_with_any(text, &["Key name cannot be empty", "\".\" is not allowed", "\"..\" is not allowed"])
        {
            refused(Code::KeyInvalid, text)
        } else if text.starts_with("Too many API requests by single") {
            // The platform's count of requests in one invocation, before this one leaves.
            refused(Code::StoreRefused, text)
        } else {
            Verdict::Unknown
        };
    };
    match words.split(' ').next() {
        Some("400" | "405") => refused(Code::InvalidRequest, words),
        Some("401" | "403" | "404") => refused(Code::StoreRefused, words),
        Some("413") => refused(Code::BodyTooLarge, words),
        Some("414") => refused(Code::KeyInvalid, words),
        Some("429") => Verdict::Busy,
        _ => Verdict::Unknown,
    }
}
