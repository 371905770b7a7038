//! The only place that picks a status code.

use serde::Serialize;
use worker::{Headers, Response};

use crate::cloudflare::js;
use crate::domain::refusal::{Code, Problem};
use crate::domain::settings::Environment;

/// How a code looks on the wire: the HTTP status, Cloudflare's number for it where there is one, and whether a retry
/// can mend it.
pub(super) struct Face {
    /// The HTTP status.
    pub status: u16,
    /// The number in `errors`.
    pub number: u32,
    /// Whether the same request may succeed later.
    pub retry: bool,
}

/// Seconds after which what is not available is worth another try.
const RETRY_AFTER_SECONDS: &str = "2";

const fn face(status: u16, number: u32, retry: bool) -> Face {
    Face { status, number, retry }
}

/// Clients never retry 403; 409, 429 and 5xx they do, unless they are told not to. Numbers above 1000700 are this
/// gateway's own.
pub(super) fn face_of(code: Code) -> Face {
    match code {
        Code::Unauthenticated => face(401, 9109, false),
        Code::WrongEnvironment => face(403, 1000701, false),
        Code::Forbidden => face(403, 1000702, false),
        Code::RouteNotFound => face(404, 7003, false),
        Code::MethodNotAllowed => face(405, 10405, false),
        Code::InvalidRequest => face(400, 7400, false),
        Code::InvalidJson => face(400, 7400, false),
        Code::UnsupportedMediaType => face(415, 7400, false),
        Code::BodyTooLarge => face(413, 100100, false),
        Code::LengthRequired => face(411, 10033, false),
        Code::KeyInvalid => face(400, 10020, false),
        Code::UnknownStore => face(404, 7404, false),
        Code::UnknownAccount => face(404, 7403, false),
        Code::NoStatement => face(400, 7500, false),
        Code::SqlNotParsed => face(400, 7500, false),
        Code::StatementTooLong => face(400, 7500, false),
        Code::StatementTooNested => face(400, 7500, false),
        Code::TooManyParameters => face(400, 7500, false),
        Code::AmbiguousText => face(400, 7500, false),
        Code::StatementNotAllowed => face(403, 1000703, false),
        Code::ReservedName => face(403, 1000704, false),
        Code::RunRequired => face(400, 1000705, false),
        Code::UnknownRun => face(404, 1000706, false),
        Code::RunExpired => face(403, 1000707, false),
        Code::RunClosed => face(403, 1000708, false),
        Code::RunConflict => face(409, 1000709, false),
        Code::LiveNotGranted => face(403, 1000710, false),
        Code::StoreDenied => face(403, 1000711, false),
        Code::FlagUnavailable => face(503, 1000712, true),
        Code::ParentUnavailable => face(503, 1000713, true),
        Code::ShadowBudgetExceeded => face(422, 1000714, false),
        Code::NotRehearsable => face(422, 1000715, false),
        Code::BodyNotKept => face(422, 1000716, false),
        Code::NotOffered => face(403, 1000729, false),
        Code::IdempotencyKeyInvalid => face(400, 1000717, false),
        Code::IdempotencyMismatch => face(422, 1000718, false),
        Code::IdempotencyRunning => face(409, 1000719, true),
        Code::OutcomeUnknown => face(409, 1000720, false),
        Code::SqlError => face(400, 7500, false),
        Code::KeyNotFound => face(404, 10009, false),
        Code::ObjectNotFound => face(404, 10007, false),
        Code::PreconditionFailed => face(412, 10031, false),
        Code::NotModified => face(304, 10031, false),
        Code::InvalidRange => face(416, 10039, false),
        Code::BadDigest => face(400, 10037, false),
        Code::StoreRefused => face(403, 1000740, false),
        Code::StoreBusy => face(503, 1000741, true),
        Code::ReadThatWrites => face(403, 1000728, false),
        Code::EnvironmentMismatch => face(503, 1000721, false),
        Code::EnvironmentUnverified => face(503, 1000722, true),
        Code::Misconfigured => face(503, 1000723, false),
        Code::StoreUnavailable => face(502, 1000724, false),
        Code::ControlUnavailable => face(503, 1000725, true),
        Code::RunUnavailable => face(503, 1000726, false),
        Code::Internal => face(500, 1000727, false),
    }
}

/// An RFC 9457 problem and a Cloudflare envelope in one object, because every client reads one of the two. Branch on
/// `code`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Problem"))]
pub(super) struct Body<'a> {
    /// `urn:dryrun-gateway:problem:` and the code.
    r#type: String,
    /// The code, readable.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What was not done and why, for a person.
    detail: &'a str,
    /// Why, for programs.
    code: Code,
    /// What to do about it. Empty where the store itself said no in its own words.
    remedy: &'a str,
    /// Where this is; null when even that is not known.
    environment: Option<Environment>,
    result: (),
    #[cfg_attr(test, schemars(extend("const" = false)))]
    success: bool,
    /// The same for Cloudflare's clients.
    errors: [ErrorLine<'a>; 1],
    messages: [(); 0],
}

/// A line of an envelope's `errors`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ErrorLine<'a> {
    /// Cloudflare's number for it where there is one; from 1000700 on the gateway's own.
    code: u32,
    message: &'a str,
    /// The remedy, where wrangler prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_chain: Option<[ErrorCause<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<ErrorMeta<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ErrorCause<'a> {
    code: u32,
    message: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ErrorMeta<'a> {
    reason: Code,
    remedy: &'a str,
}

fn body(problem: &Problem, environment: Option<Environment>) -> Body<'_> {
    let Face { status, number, .. } = face_of(problem.code);
    let code = problem.code.as_str();
    let remedy = (!problem.remedy.is_empty()).then_some(problem.remedy.as_str());
    Body {
        r#type: format!("urn:dryrun-gateway:problem:{code}"),
        title: code.replace('_', " "),
        status,
        detail: &problem.message,
        code: problem.code,
        remedy: &problem.remedy,
        environment,
        result: (),
        success: false,
        errors: [ErrorLine {
            code: number,
            message: &problem.message,
            error_chain: remedy.map(|message| [ErrorCause { code: number, message }]),
            meta: remedy.map(|remedy| ErrorMeta { reason: problem.code, remedy }),
        }],
        messages: [],
    }
}

/// The status of a code.
pub(super) fn status(code: Code) -> u16 {
    face_of(code).status
}

/// Answers a problem.
pub(super) fn respond(problem: &Problem, environment: Option<Environment>) -> worker::Result<Response> {
    js::log_cause(problem);
    let face = face_of(problem.code);
    let headers = Headers::new();
    // An answer to HEAD has no body to say it in.
    headers.set("Problem", problem.code.as_str())?;
    if face.retry {
        headers.set("Retry-After", RETRY_AFTER_SECONDS)?;
    } else {
        headers.set("x-should-retry", "false")?;
    }
    if problem.code == Code::Unauthenticated {
        headers.set("WWW-Authenticate", "Bearer realm=\"dry-run gateway\"")?;
    }
    if face.status == 304 {
        return Ok(Response::empty()?.with_status(304).with_headers(headers));
    }
    headers.set("Content-Type", "application/json")?;
    headers.set("Cache-Control", "no-store")?;
    let text = serde_json::to_string(&body(problem, environment))?;
    // A store's own words may repeat anything, and terminals show answers as they are.
    Ok(Response::ok(dryrun_text::json(&text).into_owned())?.with_status(face.status).with_headers(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_an_envelope_and_a_problem_document_in_one() {
        let problem =
            Problem::new(Code::FlagUnavailable, "The flag could not be read; nothing was written.", "Try again.");
        expect_test::expect![[r#"{"type":"urn:dryrun-gateway:problem:flag_unavailable","title":"flag unavailable","status":503,"detail":"The flag could not be read; nothing was written.","code":"flag_unavailable","remedy":"Try again.","environment":"staging","result":null,"success":false,"errors":[{"code":1000712,"message":"The flag could not be read; nothing was written.","error_chain":[{"code":1000712,"message":"Try again."}],"meta":{"reason":"flag_unavailable","remedy":"Try again."}}],"messages":[]}"#]]
        .assert_eq(&serde_json::to_string(&body(&problem, Some(Environment::Staging))).unwrap());
    }

    #[test]
    fn what_was_not_done_is_never_a_success() {
        for code in
            [Code::StoreDenied, Code::NotRehearsable, Code::FlagUnavailable, Code::OutcomeUnknown, Code::Internal]
        {
            assert!(face_of(code).status >= 300);
        }
    }
}
