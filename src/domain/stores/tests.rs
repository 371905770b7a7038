use serde_json::json;

use super::{d1, kv, r2};
use crate::domain::refusal::Code;
use crate::domain::store_error::{Attempt, Verdict};

/// What a verdict comes to for a write.
fn said(verdict: Verdict) -> &'static str {
    verdict.problem("S", Attempt::Write, "words").code.as_str()
}

#[test]
fn kv_says_no_is_busy_or_says_nothing() {
    for (text, expected) in [
        ("KV PUT failed: 400 Invalid expiration_ttl of 1. Expiration TTL must be at least 60.", "invalid_request"),
        ("KV PUT failed: 413 Metadata length of 2000 exceeds limit of 1024.", "body_too_large"),
        ("KV GET failed: 414 UTF-8 encoded length of 600 exceeds key length limit of 512.", "key_invalid"),
        ("KV GET_BULK failed: 400 Bad Request", "invalid_request"),
        ("KV DELETE failed: 403 Forbidden", "store_refused"),
        ("KV PUT failed: 404 Not Found", "store_refused"),
        ("KV PUT failed: 401 Unauthorized", "store_refused"),
        ("KV PUT failed: 429 Too Many Requests", "store_busy"),
        ("Key name cannot be empty.", "key_invalid"),
        ("\"..\" is not allowed as a key name.", "key_invalid"),
        ("Too many API requests by single worker invocation.", "store_refused"),
        ("KV PUT failed: 500 Internal Server Error", "store_unavailable"),
        ("KV PUT failed: 503 400 Bad Request", "store_unavailable"),
        ("KV PUT failed: 4000", "store_unavailable"),
        ("KV PUT failed: ", "store_unavailable"),
        ("Network connection lost.", "store_unavailable"),
        ("", "store_unavailable"),
    ] {
        assert_eq!(said(kv::error(text)), expected, "{text}");
    }
}

#[test]
fn r2_is_known_by_the_number_at_the_end() {
    for (text, expected) in [
        ("put: Your metadata headers exceed the maximum allowed metadata size. (10012)", "invalid_request"),
        ("get: The specified object name is not valid. (10020)", "key_invalid"),
        ("list: MaxKeys params must be positive integer <= 1000. (10022)", "invalid_request"),
        (
            "put: The MD5 checksum you specified did not match what we received.\nYou provided (10012) (10037)",
            "bad_digest",
        ),
        ("get: The requested range is not satisfiable (10039)", "invalid_range"),
        ("put: Your proposed upload exceeds the maximum allowed object size. (100100)", "body_too_large"),
        ("delete: Object is locked (10069)", "store_refused"),
        ("put: The specified bucket does not exist. (10006)", "store_refused"),
        ("put: Reduce your concurrent request rate for the same object. (10058)", "store_busy"),
        ("put: We encountered an internal error. Please try again. (10001)", "store_unavailable"),
        ("put: Service is temporarily unavailable (10043)", "store_unavailable"),
        ("put: Client disconnected (10054)", "store_unavailable"),
        ("put: Unspecified error (0)", "store_unavailable"),
        ("put: (10012) and then the connection was lost", "store_unavailable"),
        ("Network connection lost.", "store_unavailable"),
        ("(", "store_unavailable"),
    ] {
        assert_eq!(said(r2::error(text)), expected, "{text}");
    }
}

#[test]
fn d1_is_known_by_the_last_name_that_sqlite_gives() {
    for (text, expected) in [
        ("no such table: t: SQLITE_ERROR", "sql_error"),
        ("D1_ERROR: near \"x\": syntax error at offset 3: SQLITE_ERROR", "sql_error"),
        ("UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)", "sql_error"),
        ("x: SQLITE_IOERR: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_TRIGGER)", "sql_error"),
        ("string or blob too big: SQLITE_TOOBIG", "sql_error"),
        ("not authorized: SQLITE_AUTH", "sql_error"),
        ("FOREIGN KEY constraint failed", "sql_error"),
        ("Wrong number of parameter bindings for SQL query.", "sql_error"),
        ("database or disk is full: SQLITE_FULL", "store_refused"),
        ("D1_ERROR: Exceeded maximum DB size.", "store_refused"),
        ("Your account has exceeded D1's free tier daily row write limit.", "store_refused"),
        ("D1 DB is overloaded. Requests queued for too long.", "store_busy"),
        ("D1_ERROR: D1 DB is overloaded. Too many requests queued.", "store_busy"),
        ("database is locked: SQLITE_BUSY", "store_busy"),
        ("disk I/O error: SQLITE_IOERR (extended: SQLITE_IOERR_WRITE)", "store_unavailable"),
        ("out of memory: SQLITE_NOMEM", "store_unavailable"),
        ("interrupted: SQLITE_INTERRUPT", "store_unavailable"),
        ("database disk image is malformed: SQLITE_CORRUPT", "store_unavailable"),
        ("D1 DB storage operation exceeded timeout which caused object to be reset.", "store_unavailable"),
        ("Internal error in D1 DB storage caused object to be reset.", "store_unavailable"),
        ("Network connection lost.", "store_unavailable"),
        ("D1 DB exceeded its CPU time limit and was reset.", "store_unavailable"),
    ] {
        assert_eq!(said(d1::error(text)), expected, "{text}");
    }
}

#[test]
fn what_was_not_done_says_so_and_what_may_have_been_done_never_does() {
    for verdict in [
        kv::error("KV PUT failed: 400 x"),
        r2::error("put: x (10012)"),
        kv::error("KV PUT failed: 429 x"),
        d1::error("x: SQLITE_FULL"),
    ] {
        assert!(verdict.problem("S", Attempt::Write, "").message.contains("nothing was written"));
    }
    assert!(Verdict::Unknown.problem("S", Attempt::Write, "").message.contains("may or may not"));
    assert!(Verdict::Unknown.problem("S", Attempt::Read, "").message.contains("nothing was changed"));
}

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
        assert_eq!(d1::check_value(&value).is_ok(), fits);
    }
}

#[test]
fn metadata_is_measured_by_its_names_and_values() {
    let fits =
        |value: String, most| r2::check_metadata(&r2::CustomMetadata::from([("a".to_owned(), value)]), most).is_ok();
    assert!(fits("m".repeat(2_047), 2_048) && !fits("m".repeat(2_048), 2_048));
    assert!(fits("é".repeat(1_023), 2_048) && !fits("é".repeat(1_024), 2_048));
    // The simulator stores one character beyond Latin-1 as two bytes, and all others with it.
    assert!(!fits(format!("{}€", "m".repeat(1_100)), 2_048) && fits(format!("{}€", "m".repeat(1_000)), 2_048));
    assert!(fits("m".repeat(8_191), r2::R2_METADATA_BYTES));
}

#[test]
fn keys_are_measured_in_bytes_and_reserved_ones_are_refused() {
    for bad in ["", ".", "..", &"é".repeat(257)] {
        assert_eq!(kv::check_key(bad).unwrap_err().code, Code::KeyInvalid);
    }
    assert!(kv::check_key(&"é".repeat(256)).is_ok() && kv::check_key("...").is_ok());
    assert!(kv::check_prefix("").is_ok() && kv::check_prefix(&"é".repeat(256)).is_ok());
    assert_eq!(kv::check_prefix(&"é".repeat(257)).unwrap_err().code, Code::KeyInvalid);
    assert!(r2::check_key("").is_err() && r2::check_key(&"x".repeat(1_025)).is_err() && r2::check_key(".").is_ok());
}
