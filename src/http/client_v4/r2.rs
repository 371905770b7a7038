//! R2: objects and their lists.

use crate::domain::stores::r2::{self, MAX_R2_OBJECT_BYTES, R2_METADATA_BYTES};
use dryrun_text::cut_with_count;
use serde::Deserialize;

use super::Understood;
use crate::cloudflare::sql::whole;
use crate::cloudflare::wire::Payload;
use crate::domain::condition::{Condition, ConditionHeaders, Digest, Range};
use crate::domain::limits;
use crate::domain::operation::{Call, CustomMetadata, HttpMetadata, ObjectCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;
use crate::domain::strict::json::{self, Shape};
use crate::http::request::{Asked, Object, decode, parse_json};
use crate::http::router::Action;

/// The headers that are an object's HTTP metadata.
const HTTP_METADATA: [&str; 6] =
    ["content-type", "content-language", "content-disposition", "content-encoding", "cache-control", "expires"];

pub(super) fn understand(action: Action, asked: &Asked) -> Result<Understood, Problem> {
    let bare = |call| {
        Ok(Understood { call: Call::Object(call), payload: Payload::Bytes(Vec::new()), fingerprint: Vec::new() })
    };
    match action {
        Action::GetObject(key) => {
            r2::check_key(&key)?;
            let range = asked.header("Range").map_or(Ok(None), |header| Range::parse(&header))?;
            bare(ObjectCall::Get { key, range, condition: condition(asked)?, described: described(asked)? })
        }
        Action::HeadObject(key) => {
            r2::check_key(&key)?;
            bare(ObjectCall::Head { key, condition: condition(asked)?, described: described(asked)? })
        }
        Action::DeleteObject(key) => {
            r2::check_key(&key)?;
            bare(ObjectCall::Delete { key })
        }
        Action::Objects => bare(ObjectCall::List {
            prefix: asked.query("prefix").unwrap_or_default(),
            delimiter: asked.query("delimiter").filter(|delimiter| !delimiter.is_empty()),
            limit: limits::page(asked.query("per_page").as_deref(), 1, 20)?,
            cursor: asked.query("cursor").filter(|cursor| !cursor.is_empty()),
            start_after: asked.query("start_after").filter(|key| !key.is_empty()),
        }),
        Action::PutObject(key) => put(key, asked),
        _ => Err(Problem::broken("a route of another kind")),
    }
}

fn put(key: String, asked: &Asked) -> Result<Understood, Problem> {
    r2::check_key(&key)?;
    let length = asked.length().ok_or_else(|| {
        Problem::new(
            Code::LengthRequired,
            "An object needs a Content-Length; nothing was written.",
            "Send the length of the body.",
        )
    })?;
    let digest = match (asked.header("Content-MD5"), asked.header("x-amz-checksum-sha256")) {
        (None, None) => None,
        (Some(md5), None) => Some(Digest::Md5(Digest::from_base64(&md5, 16)?)),
        (None, Some(sha256)) => Some(Digest::Sha256(Digest::from_base64(&sha256, 32)?)),
        (Some(_), Some(_)) => {
            return Err(Problem::new(
                Code::InvalidRequest,
                "Two checksums were sent, R2 accepts one; nothing was written.",
                "Send one of them.",
            ));
        }
    };
    let form = form(asked)?;
    let in_headers = || {
        sorted::map(HTTP_METADATA.iter().filter_map(|name| asked.header(name).map(|value| ((*name).to_owned(), value))))
    };
    let in_own_headers = asked.headers_under("x-amz-meta-");
    if form.is_some() && !in_own_headers.is_empty() {
        return Err(Problem::new(
            Code::InvalidRequest,
            "Metadata was sent both in Object-Form and in x-amz-meta-* headers; nothing was written.",
            "Send it in one of the two ways.",
        ));
    }
    let (http_metadata, custom_metadata) = match form {
        Some(form) => (form.http_metadata, form.custom_metadata),
        None => (in_headers(), sorted::map(in_own_headers)),
    };
    let call = ObjectCall::Put {
        key,
        length,
        condition: condition(asked)?,
        digest,
        http_metadata,
        custom_metadata,
        storage_class: asked.header("cf-r2-storage-class"),
    };
    check(&call)?;
    let fingerprint = serde_json::to_string(&call).map_err(Problem::broken)?.into_bytes();
    let payload = asked.stream().map_or(Payload::Bytes(Vec::new()), Payload::Stream);
    Ok(Understood { call: Call::Object(call), payload, fingerprint })
}

/// The header that carries what is known of an object as JSON, percent-encoded. Headers of their own lose the case of
/// names and what no header can hold, and make clients decode what is stored encoded.
const FORM: &str = "Object-Form";

/// Whether the answer is to carry it.
fn described(asked: &Asked) -> Result<bool, Problem> {
    match asked.header(FORM).as_deref() {
        None => Ok(false),
        Some("json") => Ok(true),
        Some(_) => Err(Problem::new(
            Code::InvalidRequest,
            "The header Object-Form of a read is not json; nothing was read.",
            "Send Object-Form: json, or leave it out.",
        )),
    }
}

const FORM_SHAPE: Shape = Shape::Object(&[("http_metadata", Shape::Data), ("custom_metadata", Shape::Data)]);

/// What a put says of its object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    http_metadata: HttpMetadata,
    #[serde(default)]
    custom_metadata: CustomMetadata,
}

fn form(asked: &Asked) -> Result<Option<Form>, Problem> {
    let Some(header) = asked.header(FORM) else { return Ok(None) };
    let unread = || {
        Problem::new(
            Code::InvalidRequest,
            "The header Object-Form of a put is not percent-encoded JSON; nothing was written.",
            "Send {\"http_metadata\": {…}, \"custom_metadata\": {…}}, percent-encoded, or leave it out.",
        )
    };
    let text = decode(&header).map_err(|error| unread().caused_by(error))?;
    json::check(text.as_bytes(), &FORM_SHAPE)?;
    let Object(form): Object<Form> =
        parse_json(text.as_bytes()).map_err(|problem| Problem::new(problem.code, unread().message, unread().remedy))?;
    Ok(Some(form))
}

/// Checks what comes with an object against R2's limits.
pub(crate) fn check(call: &ObjectCall) -> Result<(), Problem> {
    let ObjectCall::Put { length, http_metadata, custom_metadata, storage_class, .. } = call else { return Ok(()) };
    if *length > MAX_R2_OBJECT_BYTES {
        return Err(Problem::new(
            Code::BodyTooLarge,
            "The object is larger than the 300 MiB that one request takes; nothing was written.",
            "Upload it in parts, outside the gateway.",
        ));
    }
    if let Some(unknown) = http_metadata.keys().find(|name| !HTTP_METADATA.contains(&name.as_str())) {
        return Err(Problem::new(
            Code::InvalidRequest,
            format!("{} is not HTTP metadata of an object; nothing was written.", cut_with_count(unknown, 60)),
            format!("Use {}.", HTTP_METADATA.join(", ")),
        ));
    }
    if http_metadata.get("expires").is_some_and(|expires| !is_spelled_out(expires)) {
        return Err(Problem::new(
            Code::InvalidRequest,
            "The header Expires is not an HTTP date; nothing was written.",
            "Send a date such as Fri, 20 Nov 2026 00:00:00 GMT.",
        ));
    }
    r2::check_metadata(custom_metadata, R2_METADATA_BYTES)?;
    if storage_class.as_deref().is_some_and(|class| !matches!(class, "Standard" | "InfrequentAccess")) {
        return Err(Problem::new(
            Code::InvalidRequest,
            "R2 has no storage class of that name; nothing was written.",
            "Use Standard or InfrequentAccess.",
        ));
    }
    Ok(())
}

fn condition(asked: &Asked) -> Result<Condition, Problem> {
    let header = |name| asked.header(name);
    let (matches, matches_none) = (header("If-Match"), header("If-None-Match"));
    let (unmodified_since, modified_since) = (header("If-Unmodified-Since"), header("If-Modified-Since"));
    Condition::parse(&ConditionHeaders {
        matches: matches.as_deref(),
        matches_none: matches_none.as_deref(),
        unmodified_since: unmodified_since.as_deref(),
        modified_since: modified_since.as_deref(),
    })
}

/// Whether a date is in the one form that HTTP writes. Others are read, but would come back in this one.
fn is_spelled_out(text: &str) -> bool {
    date(text).is_some() && js_sys::Date::new(&text.into()).to_utc_string() == *text
}

/// An HTTP date (RFC 9110, 5.6.7); other forms that JavaScript would read are not meant.
fn date(text: &str) -> Option<u64> {
    let at = js_sys::Date::parse(text.trim());
    (text.trim().ends_with("GMT") && at.is_finite() && at >= 0.0).then(|| whole(at))
}
