//! Values, objects and their lists, in the form that tools answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::told::{MAX_ANSWER_BYTES, Members};
use super::tools::Tool;
use crate::cloudflare::wire::{self, Content};
use crate::domain::operation::{CustomMetadata, HttpMetadata};
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;
use crate::http::client_v4::r2::HTTP_METADATA;

/// The members that describe a value or object, with the value itself: text where it is UTF-8, otherwise base64.
pub async fn read(tool: Tool, key: &str, headers: &[(String, String)], content: Option<Content>) -> Result<Members, Problem> {
    let header = |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let length: Option<usize> = header("content-length").and_then(|text| text.parse().ok());
    if let Some(length) = length.filter(|length| *length > MAX_ANSWER_BYTES) {
        if let Some(content) = content {
            wire::discard(content);
        }
        return Err(too_long(tool, length));
    }
    let bytes = match content {
        Some(content) => wire::bytes(content).await?,
        None => Vec::new(),
    };
    if bytes.len() > MAX_ANSWER_BYTES {
        return Err(too_long(tool, bytes.len()));
    }
    let size = bytes.len();
    let (value, encoding) = match String::from_utf8(bytes) {
        Ok(text) => (text, "text"),
        Err(other) => (STANDARD.encode(other.as_bytes()), "base64"),
    };
    let members = Members::default().with("key", &key).with("value", &value).with("encoding", &encoding);
    if tool == Tool::KvGet {
        return Ok(members.with("size", &size));
    }
    let (offset, whole) = header("content-range").and_then(part).unwrap_or((0, size));
    let http: HttpMetadata = sorted::map(HTTP_METADATA.iter().filter_map(|name| header(name).map(|value| ((*name).to_owned(), value.to_owned()))));
    let custom: CustomMetadata = sorted::map(headers.iter().filter_map(|(name, value)| name.strip_prefix("x-amz-meta-").map(|name| (name.to_owned(), value.clone()))));
    let etag = header("etag").unwrap_or_default().trim_matches('"');
    Ok(members.with("offset", &offset).with("length", &size).with("size", &whole).with("etag", &etag).with("http_metadata", &http).with("custom_metadata", &custom))
}

/// Offset and whole size out of `bytes 0-4/10`.
fn part(range: &str) -> Option<(usize, usize)> {
    let (part, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-')?.0.parse().ok()?, whole.parse().ok()?))
}

fn too_long(tool: Tool, bytes: usize) -> Problem {
    let remedy = if tool == Tool::R2Get { "Read a part with offset and length, or the whole by the REST API." } else { "Read it by the REST API." };
    Problem::new(Code::BodyTooLarge, format!("The value has {bytes} bytes, and a tool answers at most {MAX_ANSWER_BYTES}."), remedy)
}

/// Checks metadata that come as JSON: over HTTP the headers themselves would see to it.
pub fn check_metadata(http: &HttpMetadata, custom: &CustomMetadata) -> Result<(), Problem> {
    let invalid = |what: String, remedy: &str| Err(Problem::new(Code::InvalidRequest, format!("{what}; nothing was written."), remedy));
    if let Some(name) = http.keys().find(|name| !HTTP_METADATA.contains(&name.as_str())) {
        return invalid(format!("R2 has no HTTP metadata named {}", shown(name)), &format!("Use {}; anything else is custom_metadata.", HTTP_METADATA.join(", ")));
    }
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.'));
    if let Some(name) = custom.keys().find(|name| !is_name(name)) {
        return invalid(format!("{} is no name of metadata", shown(name)), "Use a–z, 0–9, hyphens, underscores and dots.");
    }
    match http.iter().chain(custom).find(|(_, value)| value.chars().any(char::is_control)) {
        Some((name, _)) => invalid(format!("The value of {name} holds a control character"), "Use one line of text."),
        None => Ok(()),
    }
}

fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(60).collect::<String>())
}

/// Where the next page begins, out of the `result_info` of a list.
pub fn cursor(info: Option<&str>) -> Option<String> {
    let info: Map<String, Value> = serde_json::from_str(info?).ok()?;
    info.get("cursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty()).map(str::to_owned)
}

/// The members of a list of objects.
pub fn objects(result: &str, info: Option<&str>) -> Result<Members, Problem> {
    let described: Map<String, Value> = info.map_or(Ok(Map::new()), serde_json::from_str).map_err(|_| Problem::internal())?;
    let prefixes = described.get("delimited").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    Ok(Members::default().with_json("objects", result).with("prefixes", &prefixes).with("cursor", &cursor(info)))
}

/// The members of an object that was put. Its size is text on the wire of the REST API.
pub fn put(result: &str) -> Result<Members, Problem> {
    let object: Map<String, Value> = serde_json::from_str(result).map_err(|_| Problem::internal())?;
    let mut members = Members::default();
    for name in ["key", "etag", "version", "uploaded", "storage_class"] {
        members = members.with(name, object.get(name).unwrap_or(&Value::Null));
    }
    let size: u64 = object.get("size").and_then(Value::as_str).and_then(|size| size.parse().ok()).ok_or_else(Problem::internal)?;
    Ok(members.with("size", &size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HttpMetadata {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn metadata_that_no_header_could_carry_are_refused() {
        assert!(check_metadata(&map(&[("content-type", "text/plain")]), &map(&[("ticket-id", "7 é")])).is_ok());
        for (http, custom) in [
            (map(&[("Content-Type", "text/plain")]), map(&[])),
            (map(&[("set-cookie", "a")]), map(&[])),
            (map(&[("content-type", "a\r\nx: y")]), map(&[])),
            (map(&[]), map(&[("", "a")])),
            (map(&[]), map(&[("a b", "a")])),
            (map(&[]), map(&[("a", "b\0")])),
        ] {
            assert_eq!(check_metadata(&http, &custom).unwrap_err().code, Code::InvalidRequest);
        }
    }

    #[test]
    fn a_part_says_where_it_begins_and_how_long_the_whole_is() {
        assert_eq!(part("bytes 5-9/100"), Some((5, 100)));
        assert_eq!(part("bytes */100"), None);
    }

    #[test]
    fn a_list_that_is_complete_has_no_cursor() {
        assert_eq!(cursor(Some(r#"{"cursor":""}"#)), None);
        assert_eq!(cursor(Some(r#"{"cursor":"a"}"#)).as_deref(), Some("a"));
        assert_eq!(cursor(None), None);
    }
}
