//! Values, objects and their lists, in the form that tools answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::told::{MAX_ANSWER_BYTES, Members};
use super::tools::Tool;
use crate::cloudflare::wire::{self, Content};
use crate::domain::refusal::{Code, Problem};
use crate::http::request::decode;

/// The members that describe a value or object, with the value itself: text where it is UTF-8, otherwise base64.
pub(super) async fn read(
    tool: Tool,
    key: &str,
    headers: &[(String, String)],
    content: Option<Content>,
) -> Result<Members, Problem> {
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
    let described = |name| header(name).map_or_else(|| Ok("null".to_owned()), decode);
    if tool == Tool::KvGet {
        return Ok(members.with("size", &size).with_json("metadata", &described("kv-metadata")?));
    }
    let offset = header("content-range").and_then(offset_of).unwrap_or_default();
    let form: Map<String, Value> = serde_json::from_str(&described("object-form")?).map_err(Problem::broken)?;
    let members = ["size", "etag", "uploaded", "http_metadata", "custom_metadata"]
        .into_iter()
        .fold(members, |members, name| members.with(name, form.get(name).unwrap_or(&Value::Null)));
    Ok(members.with("offset", &offset).with("length", &size))
}

/// The offset out of `bytes 5-9/10`.
fn offset_of(range: &str) -> Option<usize> {
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

fn too_long(tool: Tool, bytes: usize) -> Problem {
    let remedy = if tool == Tool::R2Get {
        "Read a part with offset and length, or the whole by the REST API."
    } else {
        "Read it by the REST API."
    };
    Problem::new(
        Code::BodyTooLarge,
        format!("The value has {bytes} bytes, and a tool answers at most {MAX_ANSWER_BYTES}."),
        remedy,
    )
}

/// Where the next page begins, out of the `result_info` of a list.
pub(super) fn cursor(info: Option<&str>) -> Option<String> {
    let info: Map<String, Value> = serde_json::from_str(info?).ok()?;
    info.get("cursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty()).map(str::to_owned)
}

/// The members of a list of objects.
pub(super) fn objects(result: &str, info: Option<&str>) -> Result<Members, Problem> {
    let described: Map<String, Value> = info.map_or(Ok(Map::new()), serde_json::from_str).map_err(Problem::broken)?;
    let prefixes = described.get("delimited").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    Ok(Members::default().with_json("objects", result).with("prefixes", &prefixes).with("cursor", &cursor(info)))
}

/// The members of an object that was put. Its size is text on the wire of the REST API.
pub(super) fn put(result: &str) -> Result<Members, Problem> {
    let object: Map<String, Value> = serde_json::from_str(result).map_err(Problem::broken)?;
    let mut members = Members::default();
    for name in ["key", "etag", "version", "uploaded", "storage_class"] {
        members = members.with(name, object.get(name).unwrap_or(&Value::Null));
    }
    let size: u64 = object
        .get("size")
        .and_then(Value::as_str)
        .and_then(|size| size.parse().ok())
        .ok_or_else(|| Problem::broken("an object without a size"))?;
    Ok(members.with("size", &size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_where_it_begins() {
        assert_eq!(offset_of("bytes 5-9/100"), Some(5));
        assert_eq!(offset_of("bytes */100"), None);
    }

    #[test]
    fn a_list_that_is_complete_has_no_cursor() {
        assert_eq!(cursor(Some(r#"{"cursor":""}"#)), None);
        assert_eq!(cursor(Some(r#"{"cursor":"a"}"#)).as_deref(), Some("a"));
        assert_eq!(cursor(None), None);
    }
}
