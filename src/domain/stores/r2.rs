//! R2: objects by key.

mod findings;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::call::{Access, StoreCall, fields};
use crate::domain::condition::{Condition, Digest, Range, bad_digest, invalid_range};
use crate::domain::refusal::{Code, Problem, invalid_key};
use crate::domain::store_error::{Verdict, refused};

pub use findings::findings;

/// R2's longest key (<https://developers.cloudflare.com/r2/platform/limits/>).
pub const MAX_R2_KEY_BYTES: usize = 1_024;
/// R2's largest custom metadata of an object (<https://developers.cloudflare.com/r2/api/error-codes/>, 10012).
pub const R2_METADATA_BYTES: u64 = 8_192;
/// The largest object that Cloudflare's REST API takes in one request: 300 MiB.
pub const MAX_R2_OBJECT_BYTES: u64 = 300 << 20;

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

impl StoreCall for ObjectCall {
    fn access(&self) -> Access {
        match self {
            Self::Put { .. } | Self::Delete { .. } => Access::Write,
            Self::Get { .. } | Self::Head { .. } | Self::List { .. } => Access::Read,
        }
    }

    fn action(&self) -> String {
        match self {
            Self::Get { .. } => "get",
            Self::Head { .. } => "head",
            Self::Put { .. } => "put",
            Self::Delete { .. } => "delete",
            Self::List { .. } => "list",
        }
        .into()
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::Get { key, .. } | Self::Head { key, .. } | Self::Put { key, .. } | Self::Delete { key } => {
                Some(key.clone())
            }
            Self::List { prefix, .. } => Some(format!("{prefix}*")),
        }
    }

    fn request(&self) -> Value {
        fields(self)
    }
}

/// Checks an object's key.
pub fn check_key(key: &str) -> Result<(), Problem> {
    if key.is_empty() {
        return Err(invalid_key("The object's key is empty", "Name the object."));
    }
    if key.len() > MAX_R2_KEY_BYTES {
        return Err(invalid_key("The object's key is longer than R2's 1,024 bytes", "Use a shorter key."));
    }
    Ok(())
}

/// Checks an object's custom metadata. A bucket may take less than R2's limit.
pub fn check_metadata(metadata: &CustomMetadata, most: u64) -> Result<(), Problem> {
    let bytes: usize = metadata.iter().map(|(name, value)| stored_bytes(name) + stored_bytes(value)).sum();
    if u64::try_from(bytes).is_ok_and(|bytes| bytes <= most) {
        return Ok(());
    }
    let remedy = if most < R2_METADATA_BYTES {
        "Put it into an object of its own, or have an operator raise R2_METADATA_MAX_BYTES if the bucket takes more."
    } else {
        "Put it into an object of its own."
    };
    Err(Problem::new(
        Code::InvalidRequest,
        format!("The metadata has {bytes} bytes, the bucket takes at most {most} for an object; nothing was written."),
        remedy,
    ))
}

/// A text by the larger of two measures: bytes in UTF-8, or two for each unit where not all are Latin-1.
fn stored_bytes(text: &str) -> usize {
    let is_narrow = text.chars().all(|character| u32::from(character) < 256);
    if is_narrow { text.len() } else { text.len().max(text.encode_utf16().count() * 2) }
}

/// An error of R2, which ends with its number: `put: Your metadata headers exceed … (10012)`
/// (<https://developers.cloudflare.com/r2/api/error-codes/>).
pub fn error(text: &str) -> Verdict {
    let words = text.split_once(": ").map_or(text, |(_, words)| words);
    let number = text.strip_suffix(')').and_then(|text| text.rsplit_once('('));
    let Some(number) = number.and_then(|(_, number)| number.parse::<u32>().ok()) else { return Verdict::Unknown };
    match number {
        10007 => Verdict::Refused(object_not_found()),
        10031 => Verdict::Refused(precondition_failed()),
        10037 => Verdict::Refused(bad_digest()),
        10039 => Verdict::Refused(invalid_range()),
        // Metadata too large, body incomplete, digest malformed, page size, argument.
        10012 | 10013 | 10014 | 10022 | 10029 => refused(Code::InvalidRequest, words),
        10020 => refused(Code::KeyInvalid, words),
        10033 => refused(Code::LengthRequired, words),
        100_100 => refused(Code::BodyTooLarge, words),
        // Credentials, the bucket itself, the account, and rules that lock an object.
        10002 | 10003 | 10005 | 10006 | 10018 | 10035 | 10042 | 10069 => refused(Code::StoreRefused, words),
        10058 => Verdict::Busy,
        _ => Verdict::Unknown,
    }
}

/// The answer to an object that is not there.
pub fn object_not_found() -> Problem {
    Problem::from_store(Code::ObjectNotFound, "The specified key does not exist.")
}

/// The answer to a condition that does not hold.
pub fn precondition_failed() -> Problem {
    Problem::from_store(
        Code::PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold; nothing was written.",
    )
}
