//! One request to a gateway that may not be there yet: what is worth another try, and what is an answer.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

use crate::failure::{Exit, Failure};
use crate::settings::Environment;

/// Longest wait for one answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Why a request did not lead to what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may be mended by waiting: nobody answers, a route that is not there yet, an error of the server.
    Wait(Failure),
    /// It is an answer, and a wrong one.
    End(Failure),
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    /// The status.
    pub status: u16,
    /// What the gateway's refusals are told apart by; empty where there is none.
    pub code: String,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null when it is none.
    pub body: Value,
    /// What it says of the environment.
    pub environment: Option<String>,
    /// Whether it says that it is one of a dry run.
    pub dry_run: bool,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent<'a> {
    /// Nothing but the question.
    Get,
    /// A JSON document.
    Post(&'a Value),
    /// A value.
    Put(&'a str),
}

/// A gateway at an address.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// The address, without a slash at the end.
    pub url: String,
    /// Which environment it should be.
    pub environment: Environment,
    agent: Agent,
}

impl Probe {
    /// A gateway by its address.
    pub(super) fn new(url: &str, environment: Environment) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(LIMIT))
            .build()
            .into();
        Self { url: url.trim_end_matches('/').to_owned(), environment, agent }
    }

    /// Asks, and takes any answer that is one of this environment.
    pub(super) fn ask(&self, path: &str, bearer: Option<&str>, sent: Sent<'_>) -> Result<Reply, Trouble> {
        let reply = self.send(path, bearer, sent).map_err(|why| {
            Trouble::Wait(Failure::unreachable(
                format!("{}{path} does not answer: {why}.", self.url),
                "Look whether the Worker is deployed there, and whether the url is right.",
            ))
        })?;
        match reply.environment.as_deref() {
            Some(said) if said != self.environment.as_str() => Err(Trouble::End(Failure::new(
                Exit::Refused,
                "wrong_environment",
                format!("The gateway at {} says that it is {said}, not {}.", self.url, self.environment),
                "Correct the url, or DRYRUN_ENV.",
            ))),
            _ if reply.code == "environment_mismatch" => Err(Trouble::End(refusal(path, &reply))),
            // Where there is no gateway yet, a server of Cloudflare's own answers 404; once it is there, it says where
            // it is.
            None if reply.status != 404 && reply.status < 500 => Err(Trouble::End(self.no_gateway(path, &reply))),
            _ => Ok(reply),
        }
    }

    /// Asks, and takes nothing but success.
    pub(super) fn expect(&self, path: &str, bearer: Option<&str>, sent: Sent<'_>) -> Result<Reply, Trouble> {
        let reply = self.ask(path, bearer, sent)?;
        match reply.status {
            200..300 => Ok(reply),
            404 if reply.environment.is_none() => Err(Trouble::Wait(self.no_gateway(path, &reply))),
            404 if reply.code == "route_not_found" => Err(Trouble::Wait(refusal(path, &reply))),
            status if status >= 500 => Err(Trouble::Wait(refusal(path, &reply))),
            _ => Err(Trouble::End(refusal(path, &reply))),
        }
    }

    fn send(&self, path: &str, bearer: Option<&str>, sent: Sent<'_>) -> Result<Reply, String> {
        let (method, media, body) = match sent {
            Sent::Get => ("GET", None, String::new()),
            Sent::Post(body) => ("POST", Some("application/json"), body.to_string()),
            Sent::Put(body) => ("PUT", Some("text/plain"), body.to_owned()),
        };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in [
            ("Authorization", bearer.map(|bearer| format!("Bearer {bearer}"))),
            ("Content-Type", media.map(str::to_owned)),
        ] {
            request = if let Some(value) = value { request.header(name, value) } else { request };
        }
        let answered = match sent {
            Sent::Get => self.agent.run(request.body(()).map_err(|error| error.to_string())?),
            Sent::Post(_) | Sent::Put(_) => self.agent.run(request.body(body).map_err(|error| error.to_string())?),
        };
        let mut response = answered.map_err(|error| error.to_string())?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (environment, dry_run) = (header("Environment"), header("Dry-Run").as_deref() == Some("true"));
        let status = response.status().as_u16();
        let text =
            response.body_mut().with_config().limit(64 << 20).read_to_string().map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let code = body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Reply { status, code, text, body, environment, dry_run })
    }

    fn no_gateway(&self, path: &str, reply: &Reply) -> Failure {
        Failure::unreachable(
            format!(
                "What answers {}{path} ({}) is not the dry-run gateway: it does not say in which environment it is.",
                self.url, reply.status
            ),
            "Look whether the Worker is deployed there, and whether the url is right.",
        )
    }
}

/// What the gateway said, in its own words.
pub(super) fn refusal(path: &str, reply: &Reply) -> Failure {
    let part = |name: &str| reply.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let detail = if part("detail").is_empty() { "It gave no reason." } else { part("detail") };
    let code = if reply.code.is_empty() { "unexpected_status" } else { &reply.code };
    let remedy = if part("remedy").is_empty() { "Look at the Worker's logs: wrangler tail" } else { part("remedy") };
    Failure::new(Exit::Refused, code, format!("{path} answers {}: {detail}", reply.status), remedy)
}
