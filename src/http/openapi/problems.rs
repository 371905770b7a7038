//! Which problems go together: a family is what one part of a request's way can answer.
//!
//! Only what a caller can really be answered is listed: `tests/clients/openapi.test.mjs` reaches every code of every route.

use crate::domain::refusal::Code;

/// Codes that no described route answers: addresses and methods that there are not, and what would be a bug of the gateway.
pub const OF_NO_ROUTE: [Code; 3] = [Code::MethodNotAllowed, Code::ReadThatWrites, Code::Internal];

/// Any request: a header `Dry-Run` that is neither yes nor no, an installation that is not configured.
pub const ANY: &[Code] = &[Code::InvalidRequest, Code::Misconfigured];

/// Whoever must say who asks. A run that takes the word `Dry-Run: true` may not answer.
pub const AUTHENTICATED: &[Code] =
    &[Code::Unauthenticated, Code::WrongEnvironment, Code::RunExpired, Code::EnvironmentMismatch, Code::EnvironmentUnverified, Code::RunUnavailable];

/// A run that is named in the path.
pub const NAMED_RUN: &[Code] = &[Code::UnknownRun];

/// Opening a run.
pub const OPENING: &[Code] = &[
    Code::InvalidJson,
    Code::BodyTooLarge,
    Code::IdempotencyKeyInvalid,
    Code::IdempotencyMismatch,
    Code::Forbidden,
    Code::LiveNotGranted,
    Code::UnknownRun,
    Code::RunClosed,
    Code::RunConflict,
    Code::ParentUnavailable,
    Code::ControlUnavailable,
];

/// The index of runs and the alerts.
pub const INDEX: &[Code] = &[Code::ControlUnavailable];

/// What only some roles may.
pub const ROLES: &[Code] = &[Code::Forbidden];

/// Any operation on a store.
pub const DATA: &[Code] = &[
    Code::UnknownAccount,
    Code::UnknownStore,
    Code::RunRequired,
    Code::UnknownRun,
    Code::RunClosed,
    Code::Forbidden,
    Code::StoreDenied,
    Code::IdempotencyKeyInvalid,
    Code::StoreUnavailable,
];

/// A write, besides.
pub const WRITE: &[Code] = &[Code::FlagUnavailable, Code::ParentUnavailable, Code::IdempotencyMismatch, Code::IdempotencyRunning, Code::OutcomeUnknown];

/// A body of JSON.
pub const JSON: &[Code] = &[Code::InvalidJson, Code::UnsupportedMediaType, Code::BodyTooLarge];

/// Statements.
pub const SQL: &[Code] = &[
    Code::NoStatement,
    Code::SqlNotParsed,
    Code::StatementTooLong,
    Code::StatementTooNested,
    Code::TooManyParameters,
    Code::AmbiguousText,
    Code::StatementNotAllowed,
    Code::ReservedName,
    Code::ShadowBudgetExceeded,
    Code::NotRehearsable,
    Code::SqlError,
];

/// A key or an object's name.
pub const KEY: &[Code] = &[Code::KeyInvalid];

/// Reading back what a dry run planned and did not keep.
pub const PLANNED_BODY: &[Code] = &[Code::BodyNotKept];

/// Reading one key.
pub const ONE_KEY: &[Code] = &[Code::KeyNotFound];

/// A body of any length that is held in memory.
pub const VALUE: &[Code] = &[Code::BodyTooLarge, Code::LengthRequired];

/// Reading one object.
pub const ONE_OBJECT: &[Code] = &[Code::ObjectNotFound, Code::PreconditionFailed, Code::NotModified];

/// Reading a part of one.
pub const RANGE: &[Code] = &[Code::InvalidRange];

/// Writing one.
pub const OBJECT: &[Code] = &[Code::BodyTooLarge, Code::LengthRequired, Code::PreconditionFailed, Code::BadDigest];
