//! The gateway's HTTP API, as far as this program needs it.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::failure::{Exit, Failure, Outcome};
use crate::settings::{Environment, Project};

/// Longest wait for an answer: a large import takes its time.
const LIMIT: Duration = Duration::from_secs(130);
/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A gateway and a credential for it.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Its address, without a slash at the end.
    pub url: String,
    /// Which environment it should be.
    pub environment: Environment,
    bearer: String,
    agent: Agent,
}

/// An answer that was understood.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body as JSON; null when it is none.
    pub body: Value,
    /// The body as text.
    pub text: String,
    /// Whether it is one of a dry run.
    pub dry_run: bool,
}

impl Gateway {
    /// The gateway of the environment: of the run that this process is part of, or of the project's profile.
    pub fn current(project: &Project, environment: Environment) -> Outcome<Self> {
        if let (Ok(url), Ok(token)) = (std::env::var("DRYRUN_URL"), std::env::var("DRYRUN_TOKEN")) {
            return Ok(Self::new(&url, environment, token));
        }
        Self::of(project, environment)
    }

    /// The gateway of an environment's profile.
    pub fn of(project: &Project, environment: Environment) -> Outcome<Self> {
        let profile = project.profile(environment)?;
        Ok(Self::new(&profile.url, environment, profile.key.fetch(&project.folder)?))
    }

    /// A gateway by its address.
    pub fn new(url: &str, environment: Environment, bearer: String) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).timeout_global(Some(LIMIT)).timeout_connect(Some(CONNECT_LIMIT)).build().into();
        Self { url: url.trim_end_matches('/').to_owned(), environment, bearer, agent }
    }

    /// The same gateway with another credential.
    pub fn with(&self, bearer: &str) -> Self {
        Self { bearer: bearer.to_owned(), ..self.clone() }
    }

    /// Asks.
    pub fn get(&self, path: &str) -> Outcome<Answer> {
        let sent = self.agent.get(format!("{}{path}", self.url)).header("Authorization", format!("Bearer {}", self.bearer)).call();
        self.understand(path, sent)
    }

    /// Asks with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Outcome<Answer> {
        let sent = self.agent.post(format!("{}{path}", self.url)).header("Authorization", format!("Bearer {}", self.bearer)).send_json(body);
        self.understand(path, sent)
    }

    /// Opens a run; answers what the gateway answered, its token among it.
    pub fn open_run(&self, terms: &Value) -> Outcome<Value> {
        Ok(self.post("/v1/runs", terms)?.body)
    }

    /// Ends a run.
    pub fn close_run(&self, id: &str) -> Outcome<Value> {
        Ok(self.post(&format!("/v1/runs/{id}/close"), &json!({}))?.body)
    }

    /// Runs statements in a D1 database as one batch, with the credential of a run. Answers rows as arrays, one list for each statement.
    pub fn raw(&self, account: &str, database: &str, batch: &[Value]) -> Outcome<Vec<Value>> {
        let path = format!("/client/v4/accounts/{account}/d1/database/{database}/raw");
        let answer = self.post(&path, &json!({ "batch": batch }))?;
        answer.body.get("result").and_then(Value::as_array).cloned().ok_or_else(|| not_understood(&path))
    }

    fn understand(&self, path: &str, sent: Result<Response<Body>, ureq::Error>) -> Outcome<Answer> {
        let mut response = sent.map_err(|error| {
            Failure::unreachable(
                format!("The {} gateway at {} does not answer: {error}.", self.environment, self.url),
                "Look whether it runs (GET /health), and whether the url in dryrun.toml is right.",
            )
        })?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (environment, dry_run) = (header("Environment"), header("Dry-Run").as_deref() == Some("true"));
        let text = response
            .body_mut()
            .with_config()
            .limit(256 << 20)
            .read_to_string()
            .map_err(|error| Failure::unreachable(format!("The answer of {path} broke off: {error}."), "Try again."))?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(other) = environment.filter(|other| other != self.environment.as_str()) {
            return Err(Failure::new(
                Exit::Refused,
                "wrong_environment",
                format!("The gateway at {} says that it is {other}, not {}.", self.url, self.environment),
                "Correct the url in dryrun.toml; nothing is done in an environment that was not asked for.",
            ));
        }
        if (200..300).contains(&status) {
            return Ok(Answer { status, body, text, dry_run });
        }
        let part = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        match (part("code"), part("detail")) {
            (Some(code), Some(detail)) => Err(Failure::new(Exit::Refused, &code, detail, part("remedy").unwrap_or_default())),
            _ => Err(not_understood(&format!("{path} ({status})"))),
        }
    }
}

fn not_understood(path: &str) -> Failure {
    Failure::unreachable(format!("The answer of {path} is not one of the dry-run gateway."), "Look whether the url in dryrun.toml is that of the gateway.")
}
