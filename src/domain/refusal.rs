//! Every way the gateway says no.
//!
//! A [`Problem`] names its reason (a stable [`Code`]), what was not done, and what to do about it. Which HTTP status a
//! code becomes is decided in `http::problem` alone.

use std::borrow::Cow;
use std::fmt::Display;

use dryrun_sql::{Reason, Refusal};
use dryrun_text::{Words, line};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The stable reason of a problem. Callers may branch on it; it never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    // Who is asking.
    Unauthenticated,
    WrongEnvironment,
    Forbidden,
    // What is asked.
    RouteNotFound,
    MethodNotAllowed,
    InvalidRequest,
    InvalidJson,
    UnsupportedMediaType,
    BodyTooLarge,
    LengthRequired,
    KeyInvalid,
    UnknownStore,
    UnknownAccount,
    // Statements that are refused before anything runs.
    NoStatement,
    SqlNotParsed,
    StatementTooLong,
    StatementTooNested,
    TooManyParameters,
    AmbiguousText,
    StatementNotAllowed,
    ReservedName,
    // The run and its mode.
    RunRequired,
    UnknownRun,
    RunExpired,
    RunClosed,
    RunConflict,
    LiveNotGranted,
    StoreDenied,
    FlagUnavailable,
    ParentUnavailable,
    // What cannot be rehearsed exactly.
    ShadowBudgetExceeded,
    NotRehearsable,
    BodyNotKept,
    NotOffered,
    // Repeated requests.
    IdempotencyKeyInvalid,
    IdempotencyMismatch,
    IdempotencyRunning,
    OutcomeUnknown,
    // What the store itself answered.
    SqlError,
    KeyNotFound,
    ObjectNotFound,
    PreconditionFailed,
    NotModified,
    InvalidRange,
    BadDigest,
    StoreRefused,
    StoreBusy,
    // Our own failures.
    ReadThatWrites,
    EnvironmentMismatch,
    EnvironmentUnverified,
    Misconfigured,
    StoreUnavailable,
    ControlUnavailable,
    RunUnavailable,
    Internal,
}

impl Code {
    /// The spelling used on the wire, in the journal and in the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::WrongEnvironment => "wrong_environment",
            Self::Forbidden => "forbidden",
            Self::RouteNotFound => "route_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidJson => "invalid_json",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::BodyTooLarge => "body_too_large",
            Self::LengthRequired => "length_required",
            Self::KeyInvalid => "key_invalid",
            Self::UnknownStore => "unknown_store",
            Self::UnknownAccount => "unknown_account",
            Self::NoStatement => "no_statement",
            Self::SqlNotParsed => "sql_not_parsed",
            Self::StatementTooLong => "statement_too_long",
            Self::StatementTooNested => "statement_too_nested",
            Self::TooManyParameters => "too_many_parameters",
            Self::AmbiguousText => "ambiguous_text",
            Self::StatementNotAllowed => "statement_not_allowed",
            Self::ReservedName => "reserved_name",
            Self::RunRequired => "run_required",
            Self::UnknownRun => "unknown_run",
            Self::RunExpired => "run_expired",
            Self::RunClosed => "run_closed",
            Self::RunConflict => "run_conflict",
            Self::LiveNotGranted => "live_not_granted",
            Self::StoreDenied => "store_denied",
            Self::FlagUnavailable => "flag_unavailable",
            Self::ParentUnavailable => "parent_unavailable",
            Self::ShadowBudgetExceeded => "shadow_budget_exceeded",
            Self::NotRehearsable => "not_rehearsable",
            Self::BodyNotKept => "body_not_kept",
            Self::NotOffered => "not_offered",
            Self::IdempotencyKeyInvalid => "idempotency_key_invalid",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::IdempotencyRunning => "idempotency_running",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::SqlError => "sql_error",
            Self::KeyNotFound => "key_not_found",
            Self::ObjectNotFound => "object_not_found",
            Self::PreconditionFailed => "precondition_failed",
            Self::NotModified => "not_modified",
            Self::InvalidRange => "invalid_range",
            Self::BadDigest => "bad_digest",
            Self::StoreRefused => "store_refused",
            Self::StoreBusy => "store_busy",
            Self::ReadThatWrites => "read_that_writes",
            Self::EnvironmentMismatch => "environment_mismatch",
            Self::EnvironmentUnverified => "environment_unverified",
            Self::Misconfigured => "misconfigured",
            Self::StoreUnavailable => "store_unavailable",
            Self::ControlUnavailable => "control_unavailable",
            Self::RunUnavailable => "run_unavailable",
            Self::Internal => "internal",
        }
    }

    /// Every code, for whoever needs to go through them.
    pub const ALL: [Self; 55] = [
        Self::ReadThatWrites,
        Self::Unauthenticated,
        Self::WrongEnvironment,
        Self::Forbidden,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::InvalidRequest,
        Self::InvalidJson,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::LengthRequired,
        Self::KeyInvalid,
        Self::UnknownStore,
        Self::UnknownAccount,
        Self::NoStatement,
        Self::SqlNotParsed,
        Self::StatementTooLong,
        Self::StatementTooNested,
        Self::TooManyParameters,
        Self::AmbiguousText,
        Self::StatementNotAllowed,
        Self::ReservedName,
        Self::RunRequired,
        Self::UnknownRun,
        Self::RunExpired,
        Self::RunClosed,
        Self::RunConflict,
        Self::LiveNotGranted,
        Self::StoreDenied,
        Self::FlagUnavailable,
        Self::ParentUnavailable,
        Self::ShadowBudgetExceeded,
        Self::NotRehearsable,
        Self::BodyNotKept,
        Self::NotOffered,
        Self::IdempotencyKeyInvalid,
        Self::IdempotencyMismatch,
        Self::IdempotencyRunning,
        Self::OutcomeUnknown,
        Self::SqlError,
        Self::KeyNotFound,
        Self::ObjectNotFound,
        Self::PreconditionFailed,
        Self::NotModified,
        Self::InvalidRange,
        Self::BadDigest,
        Self::StoreRefused,
        Self::StoreBusy,
        Self::EnvironmentMismatch,
        Self::EnvironmentUnverified,
        Self::Misconfigured,
        Self::StoreUnavailable,
        Self::ControlUnavailable,
        Self::RunUnavailable,
        Self::Internal,
    ];

    /// Reads the spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Whose doing it is: see [`Blame`].
    pub fn blame(self) -> Blame {
        match self {
            Self::ReadThatWrites
            | Self::FlagUnavailable
            | Self::ParentUnavailable
            | Self::EnvironmentMismatch
            | Self::EnvironmentUnverified
            | Self::Misconfigured
            | Self::ControlUnavailable
            | Self::RunUnavailable
            | Self::Internal => Blame::Guard,
            Self::SqlError
            | Self::KeyNotFound
            | Self::ObjectNotFound
            | Self::PreconditionFailed
            | Self::NotModified
            | Self::InvalidRange
            | Self::BadDigest
            | Self::StoreRefused
            | Self::StoreBusy
            | Self::StoreUnavailable => Blame::Store,
            Self::Unauthenticated
            | Self::WrongEnvironment
            | Self::Forbidden
            | Self::RouteNotFound
            | Self::MethodNotAllowed
            | Self::InvalidRequest
            | Self::InvalidJson
            | Self::UnsupportedMediaType
            | Self::BodyTooLarge
            | Self::LengthRequired
            | Self::KeyInvalid
            | Self::UnknownStore
            | Self::UnknownAccount
            | Self::NoStatement
            | Self::SqlNotParsed
            | Self::StatementTooLong
            | Self::StatementTooNested
            | Self::TooManyParameters
            | Self::AmbiguousText
            | Self::StatementNotAllowed
            | Self::ReservedName
            | Self::RunRequired
            | Self::UnknownRun
            | Self::RunExpired
            | Self::RunClosed
            | Self::RunConflict
            | Self::LiveNotGranted
            | Self::StoreDenied
            | Self::ShadowBudgetExceeded
            | Self::NotRehearsable
            | Self::BodyNotKept
            | Self::NotOffered
            | Self::IdempotencyKeyInvalid
            | Self::IdempotencyMismatch
            | Self::IdempotencyRunning
            | Self::OutcomeUnknown => Blame::Caller,
        }
    }
}

// By the one table above: what serde would derive is a second one, and a large one.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("an unknown code"))
    }
}

impl From<Reason> for Code {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::NoStatement => Self::NoStatement,
            Reason::NotParsed => Self::SqlNotParsed,
            Reason::TooLong => Self::StatementTooLong,
            Reason::TooNested => Self::StatementTooNested,
            Reason::Ambiguous => Self::AmbiguousText,
            Reason::NotAllowed => Self::StatementNotAllowed,
            Reason::ReservedName => Self::ReservedName,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.reason.into(), refusal.message, refusal.remedy)
    }
}

/// Whose doing a problem is. The journal shows `Store` as *failed* and the other two as *refused*; alerts are raised
/// for `Guard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request: a refusal with a remedy.
    Caller,
    /// The store answered so; live and dry alike.
    Store,
    /// A part of the guard itself does not work: a fault, with an alert.
    Guard,
}

/// A refusal or fault, as it is journalled and answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "RecordedProblem"))]
#[error("{} ({})", message, code.as_str())]
pub struct Problem {
    /// Why, in a form that programs may branch on.
    pub code: Code,
    /// What was not done and why, for a person. Never holds a secret or an internal error text.
    pub message: String,
    /// What the caller can do about it. Empty when the message says it all (a store's own error).
    pub remedy: String,
    /// Why it came to this, for the log alone.
    #[serde(skip)]
    cause: Cause,
}

/// An error behind a problem. It has no serialised form, so no caller, journal or report can hold it.
#[derive(Debug, Clone, Default)]
struct Cause(Option<String>);

/// Two problems are equal when callers see the same.
impl PartialEq for Cause {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Cause {}

pub(super) fn invalid_key(what: &str, remedy: &str) -> Problem {
    Problem::new(Code::KeyInvalid, format!("{what}; nothing was read or written."), remedy)
}

impl Problem {
    /// A problem with a remedy. What they repeat of a request is made visible, because clients print them as they are.
    pub fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, message: visible(message.into()), remedy: visible(remedy.into()), cause: Cause::default() }
    }

    /// What the store itself answered, in the store's own words: the same as without a gateway, to the letter.
    pub fn from_store(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: String::new(), cause: Cause::default() }
    }

    /// Something that Cloudflare has and the gateway does not give to agents.
    pub fn not_offered(what: &str) -> Self {
        // An address is the caller's; the rest are words of ours.
        let what = if what.starts_with('/') { Words::default().name(what).to_string() } else { what.to_owned() };
        Self::new(
            Code::NotOffered,
            format!("The gateway does not offer {what}; nothing was done."),
            "Agents can only read and write data in the configured stores. Ask an account administrator to do this.",
        )
    }

    /// The gateway's own failure. The cause goes to the log, not to the caller.
    pub fn broken(cause: impl Display) -> Self {
        Self::new(
            Code::Internal,
            "The gateway failed while handling this request; whether anything was written is in the run's journal.",
            "Read the run's report before trying again; an operator was alerted.",
        )
        .caused_by(cause)
    }

    /// The same problem, with the error behind it for the log.
    pub fn caused_by(self, cause: impl Display) -> Self {
        Self { cause: Cause(Some(cause.to_string())), ..self }
    }

    /// The error behind it, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.cause.0.as_deref()
    }
}

fn visible(text: String) -> String {
    if let Cow::Owned(visible) = line(&text) {
        return visible;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_repeats_nothing_that_is_not_seen_and_a_store_is_quoted_to_the_letter() {
        let problem = Problem::new(Code::InvalidRequest, "no \u{202e}x\n\u{1b}[2J", "use \u{9b}y");
        assert_eq!((problem.message.as_str(), problem.remedy.as_str()), ("no �x⏎�[2J", "use �y"));
        assert_eq!(Problem::from_store(Code::SqlError, "no\u{202e}").message, "no\u{202e}");
        let message = |what: &str| Problem::not_offered(what).message;
        assert_eq!(message("/zones/1"), "The gateway does not offer /zones/1; nothing was done.");
        assert_eq!(message("/a. Done"), "The gateway does not offer \"/a. Done\"; nothing was done.");
    }

    #[test]
    fn every_code_is_read_as_it_is_written() {
        for code in Code::ALL {
            let text = serde_json::to_string(&code).unwrap();
            assert_eq!(serde_json::from_str::<Code>(&text).unwrap(), code);
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        }
    }
}
