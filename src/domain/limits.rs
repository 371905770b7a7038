//! The limits that a request meets before any work is done, each with its source.

use super::refusal::{Code, Problem};

/// D1's longest statement (<https://developers.cloudflare.com/d1/platform/limits/>).
pub const MAX_STATEMENT_BYTES: usize = 100_000;
/// D1's most bound parameters a statement (same page).
pub const MAX_PARAMETERS: usize = 100;
/// Most statements in one request; D1 allows 1,000 queries an invocation and the shadow may need some itself.
pub const MAX_STATEMENTS: usize = 500;
/// Most statements in one file of an import. It runs as one transaction, whose answer is waited for.
pub const MAX_IMPORT_STATEMENTS: usize = 5_000;
/// Longest file of an import. It is in memory as text and as statements.
pub const MAX_IMPORT_BYTES: u64 = 4 << 20;
/// How long the address of an import or export is good for, in seconds: Cloudflare's own are for an hour.
pub const TRANSFER_SECONDS: u64 = 3_600;
/// Deepest nesting of brackets and CASE that is parsed. SQLite on this platform stops at an expression depth of 100; the parser must not overflow its stack before that.
pub const MAX_NESTING: usize = 100;
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
/// Most keys of one bulk write (<https://developers.cloudflare.com/api/resources/kv/subresources/namespaces/methods/bulk_update/>).
pub const MAX_KV_BULK_WRITE: usize = 10_000;
/// Most keys of one bulk read.
pub const MAX_KV_BULK_READ: usize = 100;
/// R2's longest key (<https://developers.cloudflare.com/r2/platform/limits/>).
pub const MAX_R2_KEY_BYTES: usize = 1_024;
/// R2's largest object metadata.
pub const MAX_R2_METADATA_BYTES: usize = 8_192;
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
        return Err(invalid_key("The key is longer than KV's 512 bytes", "Use a shorter key, for example a hash of it."));
    }
    Ok(())
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

fn invalid_key(what: &str, remedy: &str) -> Problem {
    Problem::new(Code::KeyInvalid, format!("{what}; nothing was read or written."), remedy)
}

/// Reads a page size; absent means `default`.
pub fn page(limit: Option<&str>, least: u32, default: u32) -> Result<u32, Problem> {
    match limit {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|value| (least..=MAX_PAGE).contains(value))
            .ok_or_else(|| Problem::new(Code::InvalidRequest, "The page size is not valid; nothing was read.", format!("Use a whole number from {least} to {MAX_PAGE}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_measured_in_bytes_and_reserved_ones_are_refused() {
        for bad in ["", ".", "..", &"é".repeat(257)] {
            assert_eq!(kv_key(bad).unwrap_err().code, Code::KeyInvalid);
        }
        assert!(kv_key(&"é".repeat(256)).is_ok() && kv_key("...").is_ok());
        assert!(r2_key("").is_err() && r2_key(&"x".repeat(1_025)).is_err() && r2_key(".").is_ok());
    }
}
