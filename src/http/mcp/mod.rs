//! The Model Context Protocol at `/mcp`: the same runs and stores as tools of an agent.
//!
//! Written over `serde_json`, because the protocol's own Rust server needs a runtime that a Worker does not have.
//! Nothing is kept between two requests. What is wrong with a message is a JSON-RPC error; what is wrong with a call is
//! its result, which the model reads; only what a client meets before it speaks the protocol, a missing credential
//! first of all, is a problem document.

mod calls;
mod contents;
mod fields;
mod protocol;
mod rpc;
mod schema;
mod told;
mod tools;

use serde_json::{Value, json};
use worker::{Headers, Response};

use super::Gateway;
use super::request::Asked;
use crate::domain::credential::Caller;
use crate::domain::refusal::{Code, Problem};
use calls::Wanted;
use protocol::{Message, Method, Posted, Request, understand};
use rpc::{Failure, RpcCode};
use told::{Members, Teller};
use tools::Tool;

/// The address.
const PATH: &str = "/mcp";
/// How long a client may keep lists: they change only with a deployment.
const TTL_MS: u64 = 300_000;
/// What base64 and a message around it add to the longest value of KV, in thirds and in bytes.
const MESSAGE_BYTES: u64 = 64 << 10;

/// Refuses what a browser sends in the name of another site, before anything else is looked at.
///
/// A site that gives its own name the address of a gateway on this machine is of the same origin as what it asks. Where
/// there is TLS its certificate would have to fit; without, only the names of this machine are believed.
pub(super) fn refuse_foreign(asked: &Asked) -> Result<Option<Response>, Problem> {
    let Some(origin) = asked.header("Origin").filter(|_| asked.path == PATH) else { return Ok(None) };
    if is_own(&origin, &asked.origin(), &asked.hostname()) {
        return Ok(None);
    }
    let failure = Failure::new(
        RpcCode::InvalidRequest,
        "The request comes from the web page of another origin; nothing was done. Send it without a browser.",
    )
    .with_status(403);
    refuse(&failure, &headers(asked)).map(Some)
}

fn is_own(origin: &str, own: &str, hostname: &str) -> bool {
    let this_machine = matches!(hostname, "localhost" | "127.0.0.1" | "[::1]");
    origin == own && (own.starts_with("https://") || this_machine)
}

fn headers(asked: &Asked) -> protocol::Headers {
    let header = |name| asked.header(name);
    protocol::Headers {
        version: header("MCP-Protocol-Version"),
        method: header("Mcp-Method"),
        name: header("Mcp-Name"),
    }
}

/// Serves a message, or several.
pub(super) async fn serve(
    gateway: &Gateway,
    caller: &Caller,
    mut asked: Asked,
    asked_dry: bool,
) -> Result<Response, Problem> {
    let headers = headers(&asked);
    let body = match read(gateway, &mut asked).await {
        Ok(body) => body,
        Err(failure) => return refuse(&failure, &headers),
    };
    let asker = Asker { gateway, caller, asked: &asked, asked_dry };
    match understand(&body, &headers) {
        Err(failure) => refuse(&failure, &headers),
        Ok(Posted::One(Message::Notification)) => accepted(),
        Ok(Posted::One(Message::Request(request))) => {
            let (teller, text) = asker.answer(&request).await?;
            respond(200, Some(text), teller.as_ref())
        }
        Ok(Posted::Several(messages)) => {
            let (mut answers, mut bytes) = (Vec::new(), 0);
            // One after the other, in their order: a later one may read what an earlier one wrote.
            for message in &messages {
                match message {
                    Ok(Message::Notification) => {}
                    Ok(Message::Request(request)) if bytes > told::MAX_ANSWER_BYTES => {
                        let full = Failure::new(
                            RpcCode::InvalidRequest,
                            "The answers before this one in its batch are more than a batch may have; this call was \
                             not made. Send it alone.",
                        );
                        answers.push(Failure { id: Some(request.id.clone()), ..full }.text(false));
                    }
                    Ok(Message::Request(request)) => {
                        let text = asker.answer(request).await?.1;
                        bytes += text.len();
                        answers.push(text);
                    }
                    Err(failure) => answers.push(failure.text(false)),
                }
            }
            if answers.is_empty() { accepted() } else { respond(200, Some(format!("[{}]", answers.join(","))), None) }
        }
    }
}

async fn read(gateway: &Gateway, asked: &mut Asked) -> Result<String, Failure> {
    if asked.media_type() != "application/json" {
        return Err(Failure::new(
            RpcCode::InvalidRequest,
            "The body is not declared as application/json; nothing was done.",
        )
        .with_status(415));
    }
    let most = gateway.settings.max_body_bytes;
    let cap = most.saturating_add(most / 3).saturating_add(MESSAGE_BYTES);
    let bytes = asked.bytes(cap).await.map_err(|problem| {
        let status = if problem.code == Code::BodyTooLarge { 413 } else { 400 };
        Failure::new(RpcCode::InvalidRequest, format!("{} {}", problem.message, problem.remedy)).with_status(status)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        Failure::new(RpcCode::Parse, format!("The body is not UTF-8 ({}); nothing was done.", error.utf8_error()))
    })
}

/// Who asks, with what is at hand to answer.
struct Asker<'a> {
    gateway: &'a Gateway,
    caller: &'a Caller,
    asked: &'a Asked,
    asked_dry: bool,
}

impl Asker<'_> {
    /// The answer to a request, and where it was carried out when it was a call.
    async fn answer(&self, request: &Request<'_>) -> Result<(Option<Teller>, String), Problem> {
        let settings = &self.gateway.settings;
        let (teller, result) = match &request.method {
            Method::Ping => (None, String::new()),
            Method::Initialize(version) => {
                let told = Members::default()
                    .with("protocolVersion", version)
                    .with("capabilities", &capabilities())
                    .with("serverInfo", &server());
                (None, told.with("instructions", &tools::instructions(settings)).into_members())
            }
            Method::Discover => {
                let told = Members::default()
                    .with("supportedVersions", &protocol::MODERN)
                    .with("capabilities", &capabilities());
                (None, cacheable(told.with("instructions", &tools::instructions(settings))))
            }
            Method::ListTools => (None, cacheable(Members::default().with_json("tools", &tools::list(settings)?))),
            Method::CallTool { name, arguments } => match Tool::find(name) {
                Some(tool) => {
                    let (teller, result) = calls::call(
                        self.gateway,
                        self.caller,
                        self.asked,
                        self.asked_dry,
                        &Wanted { tool, arguments, stray: request.stray.as_deref() },
                    )
                    .await;
                    (Some(teller), result)
                }
                None => {
                    let name: String = name.chars().take(100).collect();
                    let unknown = Failure::new(
                        RpcCode::InvalidParams,
                        format!("Unknown tool: {name}. Ask tools/list which ones there are."),
                    );
                    return Ok((None, Failure { id: Some(request.id.clone()), ..unknown }.text(request.modern)));
                }
            },
        };
        let result = if request.modern { modern(&result) } else { format!("{{{result}}}") };
        Ok((teller, rpc::answer(&request.id, &result)))
    }
}

/// What every result has since 2026-07-28.
fn modern(members: &str) -> String {
    let meta = json!({"io.modelcontextprotocol/serverInfo": server()});
    format!("{{\"resultType\":\"complete\",\"_meta\":{meta},{members}}}")
}

/// Hints for caches. The lists are the same for every caller, but only for those who may ask.
fn cacheable(members: Members) -> String {
    members.with("ttlMs", &TTL_MS).with("cacheScope", &"private").into_members()
}

fn capabilities() -> Value {
    json!({"tools": {}})
}

fn server() -> Value {
    json!({"name": env!("CARGO_PKG_NAME"), "title": "Dry-run gateway", "version": env!("CARGO_PKG_VERSION")})
}

fn refuse(failure: &Failure, headers: &protocol::Headers) -> Result<Response, Problem> {
    respond(failure.status, Some(failure.text(headers.name_modern())), None)
}

fn accepted() -> Result<Response, Problem> {
    respond(202, None, None)
}

fn respond(status: u16, text: Option<String>, teller: Option<&Teller>) -> Result<Response, Problem> {
    let internal = |error: worker::Error| Problem::broken(error);
    let headers = Headers::new();
    headers.set("Cache-Control", "no-store").map_err(internal)?;
    let (run, dry) = teller.map_or((None, false), Teller::marks);
    if let Some(run) = run {
        headers.set("Run-Id", run.as_str()).map_err(internal)?;
    }
    if dry {
        headers.set("Dry-Run", "true").map_err(internal)?;
    }
    let response = match text {
        None => Response::empty(),
        Some(text) => {
            headers.set("Content-Type", "application/json").map_err(internal)?;
            Response::ok(text)
        }
    };
    Ok(response.map_err(internal)?.with_status(status).with_headers(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_page_is_believed_only_under_the_gateways_own_name() {
        let local = |origin: &str| is_own(origin, "http://127.0.0.1:8787", "127.0.0.1");
        assert!(local("http://127.0.0.1:8787"));
        for foreign in [
            "http://127.0.0.1:8788",
            "http://localhost:8787",
            "https://127.0.0.1:8787",
            "http://127.0.0.1",
            "null",
            "",
            "http://evil.example",
            "http://127.0.0.1:8787, http://a",
        ] {
            assert!(!local(foreign), "{foreign}");
        }
        assert!(is_own("https://gateway.example", "https://gateway.example", "gateway.example"));
        // A name that somebody else gave the address of this machine.
        assert!(!is_own("http://evil.example:8787", "http://evil.example:8787", "evil.example"));
        assert!(!is_own("http://localhost.evil.example", "http://localhost.evil.example", "localhost.evil.example"));
    }
}
