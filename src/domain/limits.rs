//! The limits that a request meets before any work is done, each with its source.

pub use dryrun_sql::limits::{MAX_STATEMENT_BYTES, MAX_STATEMENTS};

use super::refusal::{Code, Problem};

/// How long the address of an import or export is good for, in seconds: Cloudflare's own are for an hour.
pub const TRANSFER_SECONDS: u64 = 3_600;
/// Most entries of a page of keys or objects.
pub const MAX_PAGE: u32 = 1_000;

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
