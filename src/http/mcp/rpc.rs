//! JSON-RPC 2.0: the error codes, and how an answer is written.

use serde_json::{Value, json};

/// The codes that this server answers, all of them in this one place. The last two belong to the Model Context Protocol
/// (<https://modelcontextprotocol.io/specification/2026-07-28/basic/index#error-codes>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RpcCode {
    /// The body is not JSON.
    Parse,
    /// The JSON is not a message that this server takes.
    InvalidRequest,
    /// There is no such method.
    MethodNotFound,
    /// The method has other parameters, or there is no such tool.
    InvalidParams,
    /// Headers and body do not say the same.
    HeaderMismatch,
    /// The version is not one of this server's.
    UnsupportedVersion,
}

impl RpcCode {
    /// The number on the wire.
    pub(super) fn number(self) -> i32 {
        match self {
            Self::Parse => -32_700,
            Self::InvalidRequest => -32_600,
            Self::MethodNotFound => -32_601,
            Self::InvalidParams => -32_602,
            Self::HeaderMismatch => -32_020,
            Self::UnsupportedVersion => -32_022,
        }
    }
}

/// The id of a request as it was sent: a string or a whole number, echoed to the last digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id(String);

/// Longest id that is echoed.
const MAX_ID_BYTES: usize = 1_024;

impl Id {
    /// Takes the JSON of an id.
    pub(super) fn parse(json: &str) -> Option<Self> {
        let digits = json.strip_prefix('-').unwrap_or(json);
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        ((json.starts_with('"') || whole) && json.len() <= MAX_ID_BYTES).then(|| Self(json.to_owned()))
    }
}

/// Why a message is not carried out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    /// The HTTP status, when the message is the whole body.
    pub status: u16,
    /// The code.
    pub code: RpcCode,
    /// Why, and what to send instead.
    pub message: String,
    /// What a program needs to know besides.
    pub data: Option<Box<Value>>,
    /// The id of the request, when it could be read.
    pub id: Option<Id>,
}

impl Failure {
    /// A failure that is answered with 400.
    pub(super) fn new(code: RpcCode, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into(), data: None, id: None }
    }

    /// The same with another status.
    #[must_use]
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The answer. A request whose id is unknown has `null` for one, as JSON-RPC has it; since 2026-07-28 it has none.
    pub(super) fn text(&self, modern: bool) -> String {
        let mut error = json!({"code": self.code.number(), "message": self.message});
        if let (Some(data), Some(error)) = (&self.data, error.as_object_mut()) {
            error.insert("data".into(), data.as_ref().clone());
        }
        let id = match (&self.id, modern) {
            (Some(Id(id)), _) => format!("\"id\":{id},"),
            (None, true) => String::new(),
            (None, false) => "\"id\":null,".to_owned(),
        };
        format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{error}}}")
    }
}

/// The answer to a request; `result` is JSON.
pub(super) fn answer(id: &Id, result: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}", id.0)
}

/// Deepest nesting of a message. Readers of JSON recurse; statements, rows and metadata need a handful of levels.
const MAX_DEPTH: usize = 64;

/// Whether brackets nest deeper than any message of use. Text that is no JSON is somebody else's to find.
pub(super) fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_echoed_as_it_was_sent() {
        for json in [r#""a""#, r#""\u0041""#, "0", "-7", "123456789012345678901234567890"] {
            assert_eq!(
                answer(&Id::parse(json).unwrap(), "{}"),
                format!(r#"{{"jsonrpc":"2.0","id":{json},"result":{{}}}}"#)
            );
        }
        for json in ["null", "1.5", "1e3", "-", "true", "[1]", "{}", &format!("\"{}\"", "x".repeat(MAX_ID_BYTES))] {
            assert_eq!(Id::parse(json), None, "{json}");
        }
    }

    #[test]
    fn a_failure_without_an_id_is_written_as_its_era_has_it() {
        let failure = Failure::new(RpcCode::Parse, "no JSON");
        assert_eq!(failure.text(true), r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no JSON"}}"#);
        assert_eq!(failure.text(false), r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no JSON"}}"#);
    }

    #[test]
    fn only_brackets_outside_of_strings_count_as_depth() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!is_too_deep(&nested(MAX_DEPTH)) && is_too_deep(&nested(MAX_DEPTH + 1)));
        assert!(!is_too_deep(&format!(r#"["\"{}"]"#, "{".repeat(500))));
        assert!(is_too_deep(&format!(r#"["\\",{}"#, "{".repeat(500))));
    }
}
