//! Which problems go together: a family is what one part of a request's way can answer.
//!
//! Only what a caller can really be answered is listed: `tests/clients/openapi.test.mjs` reaches every code of every
//! route.

use crate::domain::refusal::Code;

/// Codes that no described route answers, because they would be a bug of the gateway.
pub(super) const OF_NO_ROUTE: [Code; 2] = [Code::ReadThatWrites, Code::Internal];

/// Any request: a header `Dry-Run` that is neither yes nor no, a name that reads like a switch and is none, what would
/// change the meaning of a
/// request, an installation that is not configured.
pub(super) const ANY: &[Code] = &[Code::InvalidRequest, Code::NotOffered, Code::Misconfigured];

/// Whoever must say who asks. A run that takes the word `Dry-Run: true` may not answer.
pub(super) const AUTHENTICATED: &[Code] = &[
    Code::Unauthenticated,
    Code::WrongEnvironment,
    Code::RunExpired,
    Code::EnvironmentMismatch,
    Code::EnvironmentUnverified,
    Code::RunUnavailable,
];

/// A run that is named in the path.
pub(super) const NAMED_RUN: &[Code] = &[Code::UnknownRun];

/// Opening a run.
pub(super) const OPENING: &[Code] = &[
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
pub(super) const INDEX: &[Code] = &[Code::ControlUnavailable];

/// What only some roles may.
pub(super) const ROLES: &[Code] = &[Code::Forbidden];

/// What is known of a store without asking it.
pub(super) const OF_A_STORE: &[Code] = &[Code::UnknownAccount, Code::UnknownStore];

/// Whoever works in a run.
pub(super) const IN_A_RUN: &[Code] = &[Code::RunRequired, Code::UnknownRun, Code::RunClosed, Code::Forbidden];

/// What reaches a store.
pub(super) const REACHING: &[Code] = &[Code::StoreDenied, Code::StoreUnavailable, Code::StoreRefused, Code::StoreBusy];

/// A header that stands for a request.
pub(super) const KEYED: &[Code] = &[Code::IdempotencyKeyInvalid];

/// What is not offered, and names no store.
pub(super) const OFFERED: &[Code] = &[Code::NotOffered, Code::UnknownRun, Code::RunClosed];

/// The same of a store.
pub(super) const REFUSED: &[Code] = &[
    Code::NotOffered,
    Code::UnknownAccount,
    Code::UnknownStore,
    Code::RunRequired,
    Code::UnknownRun,
    Code::RunClosed,
    Code::Forbidden,
    Code::IdempotencyKeyInvalid,
];

/// An address that is its own credential.
pub(super) const ADDRESSED: &[Code] = &[
    Code::Unauthenticated,
    Code::RunExpired,
    Code::MethodNotAllowed,
    Code::EnvironmentMismatch,
    Code::EnvironmentUnverified,
    Code::RunUnavailable,
];

/// Sending a file to one.
pub(super) const SENDING: &[Code] = &[Code::RunClosed, Code::BadDigest, Code::BodyTooLarge];

/// Fetching a file from one.
pub(super) const FETCHING: &[Code] = &[Code::RouteNotFound, Code::RunClosed];

/// Writing a database down.
pub(super) const EXPORT: &[Code] =
    &[Code::RouteNotFound, Code::NotOffered, Code::SqlError, Code::ShadowBudgetExceeded, Code::NotRehearsable];

/// Running a file: whether it is there and can be written.
pub(super) const IMPORT: &[Code] = &[
    Code::RouteNotFound,
    Code::FlagUnavailable,
    Code::ParentUnavailable,
    Code::IdempotencyRunning,
    Code::OutcomeUnknown,
];

/// A write, besides.
pub(super) const WRITE: &[Code] = &[
    Code::FlagUnavailable,
    Code::ParentUnavailable,
    Code::IdempotencyMismatch,
    Code::IdempotencyRunning,
    Code::OutcomeUnknown,
];

/// A body of JSON.
pub(super) const JSON: &[Code] = &[Code::InvalidJson, Code::UnsupportedMediaType, Code::BodyTooLarge];

/// Statements.
pub(super) const SQL: &[Code] = &[
    Code::NoStatement,
    Code::SqlNotParsed,
    Code::StatementTooLong,
    Code::StatementTooNested,
    Code::AmbiguousText,
    Code::StatementNotAllowed,
    Code::ReservedName,
    Code::ShadowBudgetExceeded,
    Code::NotRehearsable,
    Code::SqlError,
];

/// The parameters of statements.
pub(super) const PARAMETERS: &[Code] = &[Code::TooManyParameters];

/// A key or an object's name.
pub(super) const KEY: &[Code] = &[Code::KeyInvalid];

/// Reading back what a dry run planned and did not keep.
pub(super) const PLANNED_BODY: &[Code] = &[Code::BodyNotKept];

/// Reading one key.
pub(super) const ONE_KEY: &[Code] = &[Code::KeyNotFound];

/// A body of any length that is held in memory.
pub(super) const VALUE: &[Code] = &[Code::BodyTooLarge, Code::LengthRequired];

/// Reading one object.
pub(super) const ONE_OBJECT: &[Code] = &[Code::ObjectNotFound, Code::PreconditionFailed, Code::NotModified];

/// Reading a part of one.
pub(super) const RANGE: &[Code] = &[Code::InvalidRange];

/// Writing one.
pub(super) const OBJECT: &[Code] =
    &[Code::BodyTooLarge, Code::LengthRequired, Code::PreconditionFailed, Code::BadDigest];
