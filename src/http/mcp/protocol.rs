//! Which message was posted, and by the rules of which era.
//!
//! Two eras share the endpoint. Since 2026-07-28 every request carries its version and the client's capabilities in
//! `_meta`, mirrored in headers, and stands for itself. Before, a client opened with `initialize` and named the version
//! in a header afterwards; this server keeps nothing of that either, so an older request is understood alone too. The
//! rules: <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http> and
//! <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use serde_json::value::RawValue;

use super::fields::{Fields, is_object, text};
use super::rpc::{Failure, Id, RpcCode, is_too_deep};
use crate::domain::strict::json;

/// Versions whose requests stand for themselves.
pub(super) const MODERN: [&str; 1] = ["2026-07-28"];
/// Versions that open with `initialize`, the newest first.
pub(super) const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
/// What a client means that names no version: the header came after this one.
const UNNAMED: &str = "2025-03-26";
/// The only version with several messages in one body.
const BATCHING: &str = "2025-03-26";
/// Most messages in one body.
const MAX_BATCH: usize = 50;

/// The members of `_meta` that every modern request has.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// One that it may have.
const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";

/// The headers that say again what the body says.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers {
    /// `MCP-Protocol-Version`.
    pub version: Option<String>,
    /// `Mcp-Method`.
    pub method: Option<String>,
    /// `Mcp-Name`.
    pub name: Option<String>,
}

impl Headers {
    /// Whether the client speaks of a version without `initialize`. Versions are dates, so they sort.
    pub(super) fn name_modern(&self) -> bool {
        self.version.as_deref().is_some_and(is_modern)
    }
}

fn is_modern(version: &str) -> bool {
    let dated = version.len() == 10
        && version
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    dated && MODERN.iter().any(|first| version >= *first)
}

/// What was posted.
#[derive(Debug, PartialEq)]
pub(super) enum Posted<'a> {
    /// One message.
    One(Message<'a>),
    /// Several; each is answered for itself.
    Several(Vec<Result<Message<'a>, Failure>>),
}

/// One message.
#[derive(Debug, PartialEq)]
pub(super) enum Message<'a> {
    /// It wants an answer.
    Request(Request<'a>),
    /// It does not, and nothing that a client can tell changes anything here.
    Notification,
}

/// A request of either era.
#[derive(Debug, PartialEq)]
pub(super) struct Request<'a> {
    /// Its id.
    pub id: Id,
    /// Whether it is one since 2026-07-28.
    pub modern: bool,
    /// What it asks.
    pub method: Method<'a>,
    /// A member of its parameters, or of `_meta`, that reads like a switch of the gateway and is none.
    pub stray: Option<String>,
}

/// What can be asked.
#[derive(Debug, PartialEq)]
pub(super) enum Method<'a> {
    /// `initialize`, with the version that will be spoken.
    Initialize(&'static str),
    /// `ping`.
    Ping,
    /// `server/discover`.
    Discover,
    /// `tools/list`.
    ListTools,
    /// `tools/call`.
    CallTool {
        /// The tool.
        name: String,
        /// The JSON of its arguments, an object.
        arguments: &'a str,
    },
}

fn text_of(value: Option<&RawValue>) -> Option<String> {
    value.and_then(text).map(std::borrow::Cow::into_owned)
}

/// Reads a body.
pub(super) fn understand<'a>(body: &'a str, headers: &Headers) -> Result<Posted<'a>, Failure> {
    if is_too_deep(body) {
        return Err(Failure::new(
            RpcCode::InvalidRequest,
            "The message nests too deeply; nothing was done. Send a flat one.",
        ));
    }
    let whole: &'a RawValue = serde_json::from_str(body).map_err(|error| {
        Failure::new(RpcCode::Parse, format!("The body is not valid JSON ({error}); nothing was done."))
    })?;
    if whole.get().starts_with('[') {
        several(whole.get(), headers).map(Posted::Several)
    } else {
        one(whole.get(), headers).map(Posted::One)
    }
}

fn several<'a>(body: &'a str, headers: &Headers) -> Result<Vec<Result<Message<'a>, Failure>>, Failure> {
    let refused = |why: &str| {
        Failure::new(RpcCode::InvalidRequest, format!("{why}; nothing was done. Send each message by itself."))
    };
    if headers.version.as_deref().unwrap_or(UNNAMED) != BATCHING {
        return Err(refused("A body holds one message in this version"));
    }
    let parts: Vec<&'a RawValue> = serde_json::from_str(body)
        .map_err(|error| refused(&format!("The batch cannot be split into messages ({error})")))?;
    if parts.is_empty() || parts.len() > MAX_BATCH {
        return Err(refused(&format!("A body holds 1 to {MAX_BATCH} messages, not {}", parts.len())));
    }
    let messages: Vec<Result<Message<'a>, Failure>> = parts.iter().map(|part| one(part.get(), headers)).collect();
    let alone = |message: &Result<Message<'_>, Failure>| matches!(message, Ok(Message::Request(Request { modern, method, .. })) if *modern || matches!(method, Method::Initialize(_)));
    if messages.iter().any(alone) {
        return Err(refused("A request to initialize, or of a version since 2026-07-28, comes alone"));
    }
    Ok(messages)
}

fn one<'a>(json: &'a str, headers: &Headers) -> Result<Message<'a>, Failure> {
    let invalid = |why: String| Failure::new(RpcCode::InvalidRequest, format!("{why}; nothing was done."));
    let envelope = Fields::read(json)
        .and_then(|envelope| envelope.only(&["jsonrpc", "id", "method", "params"]).map(|()| envelope));
    let envelope =
        envelope.map_err(|why| invalid(format!("The message is no JSON-RPC request or notification ({why})")))?;
    let id = match envelope.get("id") {
        None => None,
        Some(id) => Some(
            Id::parse(id.get())
                .ok_or_else(|| invalid("The id is neither a string nor a whole number, or too long".into()))?,
        ),
    };
    let named = |failure: Failure| Failure { id: id.clone(), ..failure };
    if text_of(envelope.get("jsonrpc")).as_deref() != Some("2.0") {
        return Err(named(invalid("The member jsonrpc is not \"2.0\"".into())));
    }
    let method = text_of(envelope.get("method"))
        .ok_or_else(|| named(invalid("The member method is missing or no text".into())))?;
    let wrong = |what: &str, why: String| {
        named(Failure::new(RpcCode::InvalidParams, format!("{what} cannot be read ({why}); nothing was done.")))
    };
    let params = Fields::within(envelope.get("params")).map_err(|why| wrong("The parameters", why))?;
    let meta = Fields::within(params.get("_meta")).map_err(|why| wrong("The member _meta", why))?;
    let known = Known { method: &method, params: &params, meta: &meta, headers };
    let Some(id) = &id else { return known.notification().map(|()| Message::Notification) };
    let (modern, method) = known.request().map_err(named)?;
    let stray = params.switch().or_else(|| meta.switch()).map(str::to_owned);
    match stray {
        // A call is refused by its result, which the model reads and the run's report tells of.
        Some(name) if !matches!(method, Method::CallTool { .. }) => {
            let failure = wrong("The parameters", json::unknown(&name, &[]).0);
            Err(if modern { failure } else { failure.with_status(200) })
        }
        stray => Ok(Message::Request(Request { id: id.clone(), modern, method, stray })),
    }
}

/// A message, its parts at hand.
struct Known<'a, 'k> {
    method: &'k str,
    params: &'k Fields<'a>,
    meta: &'k Fields<'a>,
    headers: &'k Headers,
}

impl<'a> Known<'a, '_> {
    fn request(&self) -> Result<(bool, Method<'a>), Failure> {
        // A client of the older kind opens so, whatever it may send in _meta.
        if self.method == "initialize" && self.meta.get(VERSION_KEY).is_none() {
            if self.headers.name_modern() {
                return Err(mismatch(format!("{VERSION_HEADER} names a version that has no initialize")));
            }
            return self.legacy().map(|method| (false, method));
        }
        if self.meta.get(VERSION_KEY).is_some() || self.headers.name_modern() {
            return self.modern().map(|method| (true, method));
        }
        self.legacy().map(|method| (false, method))
    }

    /// The rules since 2026-07-28, in the order in which the protocol's own SDK asks them.
    fn modern(&self) -> Result<Method<'a>, Failure> {
        let malformed = |key: &str, what: &str| {
            Failure::new(RpcCode::InvalidParams, format!("The member {key} of _meta {what}; nothing was done."))
        };
        let version = match self.meta.get(VERSION_KEY) {
            None => return Err(malformed(VERSION_KEY, "is missing")),
            Some(version) => text_of(Some(version)).ok_or_else(|| malformed(VERSION_KEY, "is no text"))?,
        };
        match self.meta.get(CAPABILITIES_KEY) {
            None => return Err(malformed(CAPABILITIES_KEY, "is missing")),
            Some(capabilities) if !is_object(capabilities) => return Err(malformed(CAPABILITIES_KEY, "is no object")),
            Some(_) => {}
        }
        if self.meta.get(CLIENT_KEY).is_some_and(|client| !is_object(client)) {
            return Err(malformed(CLIENT_KEY, "is no object"));
        }
        agree(VERSION_HEADER, self.headers.version.as_deref(), &version, false)?;
        agree(METHOD_HEADER, self.headers.method.as_deref(), self.method, false)?;
        if !MODERN.contains(&version.as_str()) {
            return Err(unsupported(&version, &MODERN));
        }
        agree(VERSION_HEADER, self.headers.version.as_deref(), &version, true)?;
        agree(METHOD_HEADER, self.headers.method.as_deref(), self.method, true)?;
        self.name()?;
        match self.method {
            "server/discover" => Ok(Method::Discover),
            "tools/list" => self.list(),
            "tools/call" => self.call(),
            other => Err(not_found(other, "server/discover, tools/list and tools/call").with_status(404)),
        }
    }

    fn name(&self) -> Result<(), Failure> {
        let name = match self.method {
            "tools/call" | "prompts/get" => text_of(self.params.get("name")),
            "resources/read" => text_of(self.params.get("uri")),
            _ => return Ok(()),
        };
        let header = self.headers.name.as_deref().map(decode_header).transpose()?;
        match (name, header) {
            (Some(name), header) => agree(NAME_HEADER, header.as_deref(), &name, true),
            // Nothing to compare with; the body is refused for itself.
            (None, _) => Ok(()),
        }
    }

    fn legacy(&self) -> Result<Method<'a>, Failure> {
        if let Some(version) = self.headers.version.as_deref().filter(|version| !LEGACY.contains(version)) {
            let all: Vec<&str> = MODERN.into_iter().chain(LEGACY).collect();
            return Err(unsupported(version, &all));
        }
        let method = match self.method {
            "initialize" => {
                let asked = text_of(self.params.get("protocolVersion")).ok_or_else(|| {
                    Failure::new(RpcCode::InvalidParams, "initialize names no protocolVersion; nothing was done.")
                });
                asked.map(|asked| {
                    Method::Initialize(LEGACY.into_iter().find(|known| *known == asked).unwrap_or(LEGACY[0]))
                })
            }
            "ping" => Ok(Method::Ping),
            "tools/list" => self.list(),
            "tools/call" => self.call(),
            other => Err(not_found(other, "initialize, ping, tools/list and tools/call")),
        };
        // Clients of this era take anything but 200 for a broken connection and never see the error.
        method.map_err(|failure| failure.with_status(200))
    }

    fn list(&self) -> Result<Method<'a>, Failure> {
        match self.params.get("cursor") {
            None => Ok(Method::ListTools),
            Some(_) => {
                Err(Failure::new(RpcCode::InvalidParams, "There is one page of tools, and no cursor leads to another.")
                    .with_status(200))
            }
        }
    }

    fn call(&self) -> Result<Method<'a>, Failure> {
        let invalid =
            |what: &str| Failure::new(RpcCode::InvalidParams, format!("{what}; nothing was done.")).with_status(200);
        let name = text_of(self.params.get("name")).ok_or_else(|| invalid("tools/call names no tool"))?;
        match self.params.get("arguments") {
            None => Ok(Method::CallTool { name, arguments: "{}" }),
            Some(arguments) if is_object(arguments) => Ok(Method::CallTool { name, arguments: arguments.get() }),
            Some(_) => Err(invalid("The arguments are no object")),
        }
    }

    fn notification(&self) -> Result<(), Failure> {
        if !self.method.starts_with("notifications/") {
            return Err(Failure::new(
                RpcCode::InvalidRequest,
                format!("{} wants an answer, so it needs an id; nothing was done.", shown(self.method)),
            ));
        }
        if let Some(version) = self.meta.get(VERSION_KEY) {
            let version = text_of(Some(version)).unwrap_or_default();
            agree(VERSION_HEADER, self.headers.version.as_deref(), &version, false)?;
        }
        match self.headers.version.as_deref() {
            Some(version) if is_modern(version) && !MODERN.contains(&version) => Err(unsupported(version, &MODERN)),
            Some(version) if is_modern(version) => {
                agree(METHOD_HEADER, self.headers.method.as_deref(), self.method, false)
            }
            Some(version) if !LEGACY.contains(&version) => Err(unsupported(version, &LEGACY)),
            _ => Ok(()),
        }
    }
}

const VERSION_HEADER: &str = "MCP-Protocol-Version";
const METHOD_HEADER: &str = "Mcp-Method";
const NAME_HEADER: &str = "Mcp-Name";

/// Whether a header says what the body says: whoever routes by the one must not be led astray by the other.
fn agree(name: &str, header: Option<&str>, body: &str, required: bool) -> Result<(), Failure> {
    match header {
        Some(header) if header == body => Ok(()),
        Some(header) => Err(mismatch(format!("{name} says {} and the body {}", shown(header), shown(body)))),
        None if required => Err(mismatch(format!("{name} is missing; the body says {}", shown(body)))),
        None => Ok(()),
    }
}

/// A header in plain ASCII, or any text as `=?base64?…?=`.
fn decode_header(header: &str) -> Result<String, Failure> {
    let Some(encoded) = header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        let plain = |byte: u8| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic();
        return if header.bytes().all(plain) {
            Ok(header.to_owned())
        } else {
            Err(mismatch(format!("{NAME_HEADER} holds characters that a header may not hold")))
        };
    };
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| mismatch(format!("{NAME_HEADER} is no UTF-8 in base64")))
}

fn mismatch(why: String) -> Failure {
    Failure::new(RpcCode::HeaderMismatch, format!("Header mismatch: {why}; nothing was done."))
}

fn unsupported(version: &str, supported: &[&str]) -> Failure {
    let data = json!({"supported": supported, "requested": shown(version)});
    Failure {
        data: Some(Box::new(data)),
        ..Failure::new(RpcCode::UnsupportedVersion, "Unsupported protocol version; nothing was done.")
    }
}

fn not_found(method: &str, known: &str) -> Failure {
    Failure::new(RpcCode::MethodNotFound, format!("There is no method {}. This server has {known}.", shown(method)))
}

/// A text of the caller's in an answer, cut to what helps.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str =
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

    fn headers(version: &str, method: &str, name: &str) -> Headers {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Headers { version: some(version), method: some(method), name: some(name) }
    }

    fn modern(method: &str, params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{{{CLIENT}}}{params}}}}}"#)
    }

    fn said(body: &str, headers: &Headers) -> String {
        let word = |message: &Result<Message<'_>, Failure>| match message {
            Ok(Message::Notification) => "notification".to_owned(),
            Ok(Message::Request(Request { modern, method, .. })) => {
                format!("{} {method:?}", if *modern { "modern" } else { "legacy" })
            }
            Err(failure) => format!("{} {}", failure.status, failure.code.number()),
        };
        match understand(body, headers) {
            Ok(Posted::One(message)) => word(&Ok(message)),
            Ok(Posted::Several(messages)) => messages.iter().map(word).collect::<Vec<_>>().join(", "),
            Err(failure) => word(&Err(failure)),
        }
    }

    #[test]
    fn a_modern_request_is_one_whose_headers_and_body_agree() {
        let call = modern("tools/call", r#","name":"kv_get","arguments":{"key":"a"}"#);
        for name in ["kv_get", "=?base64?a3ZfZ2V0?="] {
            assert_eq!(
                said(&call, &headers("2026-07-28", "tools/call", name)),
                r#"modern CallTool { name: "kv_get", arguments: "{\"key\":\"a\"}" }"#
            );
        }
        for (version, method, name) in [
            ("", "tools/call", "kv_get"),
            ("2025-11-25", "tools/call", "kv_get"),
            ("2026-07-28", "", "kv_get"),
            ("2026-07-28", "tools/list", "kv_get"),
            ("2026-07-28", "Tools/Call", "kv_get"),
            ("2026-07-28", "tools/call, tools/call", "kv_get"),
            ("2026-07-28", "tools/call", ""),
            ("2026-07-28", "tools/call", "kv_put"),
            ("2026-07-28", "tools/call", "=?base64?a3ZfcHV0?="),
            ("2026-07-28", "tools/call", "=?base64?%%?="),
            ("2026-07-28", "tools/call", "=?base64?/w==?="),
            ("2026-07-28", "tools/call", "kv_gét"),
        ] {
            assert_eq!(said(&call, &headers(version, method, name)), "400 -32020", "{version} {method} {name}");
        }
    }

    #[test]
    fn a_modern_request_without_what_it_must_carry_is_refused() {
        let list = headers("2026-07-28", "tools/list", "");
        let with_meta =
            |meta: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{meta}}}}}"#);
        assert_eq!(said(&with_meta(&format!("{{{CLIENT},\"traceparent\":\"00-1-2-01\"}}")), &list), "modern ListTools");
        for meta in [
            "{}",
            "null",
            "[]",
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
            r#"{"io.modelcontextprotocol/protocolVersion":7,"io.modelcontextprotocol/clientCapabilities":{}}"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]}"#,
            &format!(r#"{{{CLIENT},"io.modelcontextprotocol/clientInfo":"me"}}"#),
            &format!("{{{CLIENT},{CLIENT}}}"),
        ] {
            assert_eq!(said(&with_meta(meta), &list), "400 -32602", "{meta}");
        }
        assert_eq!(said(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, &list), "400 -32602");
        assert_eq!(said(&modern("ping", ""), &headers("2026-07-28", "ping", "")), "404 -32601");
        assert_eq!(said(&modern("tools/list", r#","dry_run":true"#), &list), "400 -32602");
        assert_eq!(
            said(
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"dryRun":true,"progressToken":1}}}"#,
                &Headers::default()
            ),
            "200 -32602"
        );
        assert_eq!(said(&modern("initialize", ""), &headers("2026-07-28", "initialize", "")), "404 -32601");
        assert_eq!(said(&modern("tools/list", r#","cursor":"x""#), &list), "200 -32602");
        assert_eq!(
            said(
                r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#,
                &headers("2026-07-28", "initialize", "")
            ),
            "400 -32020"
        );
    }

    #[test]
    fn a_version_that_is_not_spoken_is_answered_with_those_that_are() {
        let body = modern("tools/list", "").replace("2026-07-28", "2027-01-01");
        let failure = understand(&body, &headers("2027-01-01", "tools/list", "")).unwrap_err();
        assert_eq!(
            (failure.status, failure.code.number(), failure.data),
            (400, -32_022, Some(Box::new(json!({"supported": ["2026-07-28"], "requested": "2027-01-01"}))))
        );
        assert_eq!(said(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, &headers("1999-01-01", "", "")), "400 -32022");
        assert_eq!(said(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, &headers("zzzz", "", "")), "400 -32022");
    }

    #[test]
    fn a_legacy_client_is_answered_in_its_own_version_or_in_the_newest() {
        let initialize = |version: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":"a","method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}}}}}}"#
            )
        };
        for (asked, spoken) in [
            ("2025-11-25", "2025-11-25"),
            ("2025-06-18", "2025-06-18"),
            ("2025-03-26", "2025-03-26"),
            ("2024-11-05", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
        ] {
            assert_eq!(said(&initialize(asked), &Headers::default()), format!("legacy Initialize(\"{spoken}\")"));
        }
        for (method, answer) in [
            ("ping", "legacy Ping"),
            ("tools/list", "legacy ListTools"),
            ("server/discover", "200 -32601"),
            ("__proto__", "200 -32601"),
        ] {
            assert_eq!(
                said(&format!(r#"{{"jsonrpc":"2.0","id":0,"method":"{method}"}}"#), &headers("2025-11-25", "", "")),
                answer
            );
        }
        assert_eq!(
            said(
                r#"{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"a","arguments":[]}}"#,
                &Headers::default()
            ),
            "200 -32602"
        );
    }

    #[test]
    fn several_messages_in_one_body_belong_to_the_oldest_version_alone() {
        let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":2}]"#;
        for version in ["", "2025-03-26"] {
            assert_eq!(said(batch, &headers(version, "", "")), "legacy Ping, notification, 400 -32600");
        }
        for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
            assert_eq!(said(batch, &headers(version, "", "")), "400 -32600");
        }
        let alone = format!("[{}]", modern("tools/list", ""));
        for body in [
            "[]",
            &format!("[{}1]", "1,".repeat(MAX_BATCH)),
            r#"[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"x"}}]"#,
        ] {
            assert_eq!(said(body, &Headers::default()), "400 -32600");
        }
        assert_ne!(said(&alone, &Headers::default()), "modern ListTools");
    }

    #[test]
    fn what_wants_no_answer_changes_nothing_and_what_does_needs_an_id() {
        assert_eq!(
            said(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, &headers("2025-11-25", "", "")),
            "notification"
        );
        assert_eq!(
            said(r#"{"jsonrpc":"2.0","method":"notifications/junk","params":{"a":[1]}}"#, &Headers::default()),
            "notification"
        );
        assert_eq!(
            said(
                r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
                &headers("2026-07-28", "notifications/cancelled", "")
            ),
            "notification"
        );
        assert_eq!(
            said(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#, &headers("2026-07-28", "tools/call", "")),
            "400 -32020"
        );
        assert_eq!(
            said(
                r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"kv_delete","arguments":{"key":"a"}}}"#,
                &Headers::default()
            ),
            "400 -32600"
        );
        assert_eq!(
            said(r#"{"jsonrpc":"2.0","id":null,"method":"notifications/x"}"#, &Headers::default()),
            "400 -32600"
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (body, answer) in [
            ("", "400 -32700"),
            ("{", "400 -32700"),
            ("\u{feff}{}", "400 -32700"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#, "400 -32700"),
            ("{}", "400 -32600"),
            ("1", "400 -32600"),
            ("null", "400 -32600"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, "400 -32600"),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "400 -32600"),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, "400 -32600"),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, "400 -32600"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#, "400 -32600"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{}}"#, "400 -32600"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "400 -32600"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, "400 -32602"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#, "400 -32602"),
            (r#"["jsonrpc","2.0"]"#, "400 -32600, 400 -32600"),
        ] {
            assert_eq!(said(body, &Headers::default()), answer, "{body}");
        }
        assert_eq!(said(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), &Headers::default()), "400 -32600");
    }
}
