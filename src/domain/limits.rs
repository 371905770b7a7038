//! The limits that a request meets before any work is done, each with its source.

pub use dryrun_sql::limits::{MAX_STATEMENT_BYTES, MAX_STATEMENTS};

use super::operation::CustomMetadata;
use super::refusal::{Code, Problem};

/// D1's most bound parameters a statement (same page).
pub const MAX_PARAMETERS: usize = 100;
/// D1's longest text or BLOB, in bytes (same page).
pub const MAX_VALUE_BYTES: usize = 2_000_000;
/// Longest file of an import. It is in memory as text and as statements.
pub const MAX_IMPORT_BYTES: u64 = 4 << 20;
/// How long the address of an import or export is good for, in seconds: Cloudflare's own are for an hour.
pub const TRANSFER_SECONDS: u64 = 3_600;
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
/// R2's longest key (<https://developers.cloudflare.com/r2/platform/limits/>).
pub const MAX_R2_KEY_BYTES: usize = 1_024;
/// R2's largest custom metadata of an object (<https://developers.cloudflare.com/r2/api/error-codes/>, 10012).
pub const R2_METADATA_BYTES: u64 = 8_192;
/// The largest object that Cloudflare's REST API takes in one request: 300 MiB.
pub const MAX_R2_OBJECT_BYTES: u64 = 300 << 20;
/// Most entries of a page of keys or objects.
pub const MAX_PAGE: u32 = 1_000;

/// Checks a KV key.
pub fn kv_key(key: &str) -> Result<(), Problem> {
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
pub fn kv_prefix(prefix: &str) -> Result<(), Problem> {
    if prefix.len() > MAX_KV_KEY_BYTES {
        return Err(invalid_key(
            "The prefix is longer than KV's 512 bytes, so that no key begins with it",
            "Use a shorter prefix.",
        ));
    }
    Ok(())
}

/// Checks a bound value: text, or the bytes of a BLOB.
pub fn d1_value(value: &serde_json::Value) -> Result<(), Problem> {
    let bytes = value.as_str().map(str::len).or(value.as_array().map(Vec::len)).unwrap_or_default();
    if bytes <= MAX_VALUE_BYTES {
        return Ok(());
    }
    Err(Problem::new(
        Code::StatementTooLong,
        format!(
            "A parameter has {bytes} bytes, D1 takes at most 2,000,000 in a text, a BLOB or a row; nothing was run."
        ),
        "Put it into R2, and its key into D1.",
    ))
}

/// Checks an object's key.
pub fn r2_key(key: &str) -> Result<(), Problem> {
    if key.is_empty() {
        return Err(invalid_key("The object's key is empty", "Name the object."));
    }
    if key.len() > MAX_R2_KEY_BYTES {
        return Err(invalid_key("The object's key is longer than R2's 1,024 bytes", "Use a shorter key."));
    }
    Ok(())
}

/// Checks a KV value's metadata.
pub fn kv_metadata(metadata: Option<&serde_json::Value>) -> Result<(), Problem> {
    if metadata.is_none_or(|metadata| metadata.to_string().len() <= MAX_KV_METADATA_BYTES) {
        return Ok(());
    }
    Err(Problem::new(
        Code::InvalidRequest,
        "The metadata is larger than KV's 1,024 bytes; nothing was written.",
        "Put it into the value.",
    ))
}

/// Checks an object's custom metadata. A bucket may take less than R2's limit.
pub fn r2_metadata(metadata: &CustomMetadata, most: u64) -> Result<(), Problem> {
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

fn invalid_key(what: &str, remedy: &str) -> Problem {
    Problem::new(Code::KeyInvalid, format!("{what}; nothing was read or written."), remedy)
}

/// Reads a page size; absent means `default`.
pub fn page(limit: Option<&str>, least: u32, default: u32) -> Result<u32, Problem> {
    match limit {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|value| (least..=MAX_PAGE).contains(value)).ok_or_else(|| {
            Problem::new(
                Code::InvalidRequest,
                "The page size is not valid; nothing was read.",
                format!("Use a whole number from {least} to {MAX_PAGE}."),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bound_values_are_measured_in_bytes() {
        for (value, fits) in [
            (json!("x".repeat(2_000_000)), true),
            (json!("x".repeat(2_000_001)), false),
            (json!("é".repeat(1_000_000)), true),
            (json!("é".repeat(1_000_001)), false),
            (json!(vec![7; 2_000_000]), true),
            (json!(vec![7; 2_000_001]), false),
            (json!(1e300), true),
            (json!(null), true),
        ] {
            assert_eq!(d1_value(&value).is_ok(), fits);
        }
    }

    #[test]
    fn metadata_is_measured_by_its_names_and_values() {
        let fits = |value: String, most| r2_metadata(&CustomMetadata::from([("a".to_owned(), value)]), most).is_ok();
        assert!(fits("m".repeat(2_047), 2_048) && !fits("m".repeat(2_048), 2_048));
        assert!(fits("é".repeat(1_023), 2_048) && !fits("é".repeat(1_024), 2_048));
        // The simulator stores one character beyond Latin-1 as two bytes, and all others with it.
        assert!(!fits(format!("{}€", "m".repeat(1_100)), 2_048) && fits(format!("{}€", "m".repeat(1_000)), 2_048));
        assert!(fits("m".repeat(8_191), R2_METADATA_BYTES));
    }

    #[test]
    fn keys_are_measured_in_bytes_and_reserved_ones_are_refused() {
        for bad in ["", ".", "..", &"é".repeat(257)] {
            assert_eq!(kv_key(bad).unwrap_err().code, Code::KeyInvalid);
        }
        assert!(kv_key(&"é".repeat(256)).is_ok() && kv_key("...").is_ok());
        assert!(kv_prefix("").is_ok() && kv_prefix(&"é".repeat(256)).is_ok());
        assert_eq!(kv_prefix(&"é".repeat(257)).unwrap_err().code, Code::KeyInvalid);
        assert!(r2_key("").is_err() && r2_key(&"x".repeat(1_025)).is_err() && r2_key(".").is_ok());
    }
}
