//! What an error of a store says about what happened.
//!
//! A store that said no did nothing, and saying anything else would send people looking for a write that never was. A
//! store that did not answer may have done it, and calling that a no would be worse. So each error that a binding is
//! known to raise stands in a table of its store; what no table knows says nothing about a write.

use super::condition::{bad_digest, invalid_range};
use super::refusal::{Code, Problem};

/// What is known after an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The statement is at fault; all of its batch is undone.
    Statement,
    /// The store said no and did nothing.
    Refused(Problem),
    /// The store did nothing because it had too much to do.
    Busy,
    /// A write may or may not have happened.
    Unknown,
}

/// Whether the request could have changed the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It could not.
    Read,
    /// It could.
    Write,
}

impl Verdict {
    /// The problem that the caller is answered. `words` are the store's own.
    pub fn problem(self, store: &str, attempt: Attempt, words: &str) -> Problem {
        match self {
            Self::Statement => Problem::from_store(Code::SqlError, words),
            Self::Refused(problem) => problem,
            Self::Busy => busy(store),
            Self::Unknown => unanswered(store, attempt),
        }
    }
}

/// The problem of a store that gave no clear answer.
pub fn unanswered(store: &str, attempt: Attempt) -> Problem {
    match attempt {
        Attempt::Read => Problem::new(
            Code::StoreUnavailable,
            format!("The store {store} could not be read; nothing was changed."),
            "Try again.",
        ),
        Attempt::Write => Problem::new(
            Code::StoreUnavailable,
            format!("The store {store} gave no clear answer; a write may or may not have reached it."),
            "Look at the store before you send it again; with an Idempotency-Key a repetition is refused instead of \
             carried out twice.",
        ),
    }
}

fn busy(store: &str) -> Problem {
    Problem::new(
        Code::StoreBusy,
        format!("The store {store} has too many requests at the moment and refused this one; nothing was written."),
        "Retry after a pause, and send fewer requests at a time.",
    )
}

fn refused(code: Code, words: &str) -> Verdict {
    Verdict::Refused(Problem::from_store(
        code,
        format!("The store refused the request: {}; nothing was written.", words.trim_end_matches('.')),
    ))
}

fn starts_with_any(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| text.starts_with(beginning))
}

/// An error of KV: `KV PUT failed: 413 Value length of …`, or what the binding says before it sends anything.
///
/// The statuses are those of <https://developers.cloudflare.com/kv/api/write-key-value-pairs/> and of workerd.
pub fn of_kv(text: &str) -> Verdict {
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

/// An error of R2, which ends with its number: `put: Your metadata headers exceed … (10012)`
/// (<https://developers.cloudflare.com/r2/api/error-codes/>).
pub fn of_r2(text: &str) -> Verdict {
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

/// An error of D1 (<https://developers.cloudflare.com/d1/observability/debug-d1/>), which says last what SQLite calls
/// it: `no such table: t: SQLITE_ERROR`.
pub fn of_d1(text: &str) -> Verdict {
    if text.contains("D1 DB is overloaded.") {
        return Verdict::Busy;
    }
    if text.contains("Exceeded maximum DB size") || text.contains("Your account has exceeded D1's") {
        return refused(Code::StoreRefused, text);
    }
    let Some((_, name)) = text.rsplit_once(": SQLITE_") else {
        // A commit that fails answers with its error alone.
        let is_known = text.contains("FOREIGN KEY constraint failed") || starts_with_any(text, OF_THE_STATEMENT);
        return if is_known { Verdict::Statement } else { Verdict::Unknown };
    };
    match name.split(|character: char| !character.is_ascii_uppercase()).next() {
        Some(
            "ERROR" | "CONSTRAINT" | "MISMATCH" | "TOOBIG" | "AUTH" | "RANGE" | "READONLY" | "SCHEMA" | "ABORT"
            | "MISUSE" | "NOTFOUND",
        ) => Verdict::Statement,
        Some("FULL") => refused(Code::StoreRefused, text),
        Some("BUSY" | "LOCKED") => Verdict::Busy,
        // Of the rest (the disk, the memory, an interruption) nobody says whether the commit was before it.
        _ => Verdict::Unknown,
    }
}

/// What the platform says of a statement without SQLite's name for it.
const OF_THE_STATEMENT: &[&str] = &[
    "Wrong number of parameter bindings",
    "SQL code did not contain a statement",
    "No SQL statements detected",
    "not authorized",
    "To execute a transaction",
    "D1_TYPE_ERROR",
];

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(said(of_kv(text)), expected, "{text}");
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
            assert_eq!(said(of_r2(text)), expected, "{text}");
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
            assert_eq!(said(of_d1(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_was_not_done_says_so_and_what_may_have_been_done_never_does() {
        for verdict in [
            of_kv("KV PUT failed: 400 x"),
            of_r2("put: x (10012)"),
            of_kv("KV PUT failed: 429 x"),
            of_d1("x: SQLITE_FULL"),
        ] {
            assert!(verdict.problem("S", Attempt::Write, "").message.contains("nothing was written"));
        }
        assert!(Verdict::Unknown.problem("S", Attempt::Write, "").message.contains("may or may not"));
        assert!(Verdict::Unknown.problem("S", Attempt::Read, "").message.contains("nothing was changed"));
    }
}
