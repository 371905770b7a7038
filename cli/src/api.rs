//! The gateway's HTTP API, as far as this program needs it.

use std::time::Duration;

use dryrun_text::line;
use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::failure::{Exit, Failure, Outcome};
use crate::run_here::RunHere;
use crate::settings::{Environment, Project};

/// Longest wait for an answer: a large import takes its time.
const LIMIT: Duration = Duration::from_secs(130);
/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A gateway and a credential for it.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    /// Its address, without a slash at the end.
    pub url: String,
    /// Which environment it should be.
    pub environment: Environment,
    bearer: String,
    agent: Agent,
}

/// An answer that was understood.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
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
    pub(crate) fn current(project: &Project, environment: Environment) -> Outcome<Self> {
        if let Some(run) = RunHere::find()? {
            return Ok(Self::new(&run.url, environment, run.token));
        }
        Self::of(project, environment)
    }

    /// The gateway of an environment's profile.
    pub(crate) fn of(project: &Project, environment: Environment) -> Outcome<Self> {
        let profile = project.profile(environment)?;
        let key = profile.key.fetch(&project.folder)?;
        check_key(&key, environment, &profile.key.describe())?;
        Ok(Self::new(&profile.url, environment, key))
    }

    /// A gateway by its address.
    pub(crate) fn new(url: &str, environment: Environment, bearer: String) -> Self {
        // A gateway does not send anybody elsewhere, and a credential follows nobody there.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(LIMIT))
            .timeout_connect(Some(CONNECT_LIMIT))
            .build()
            .into();
        Self { url: url.trim_end_matches('/').to_owned(), environment, bearer, agent }
    }

    /// The same gateway with another credential.
    pub(crate) fn with(&self, bearer: &str) -> Self {
        Self { bearer: bearer.to_owned(), ..self.clone() }
    }

    /// The credential.
    pub(crate) fn bearer(&self) -> &str {
        &self.bearer
    }

    /// Asks without a credential, and takes an answer of any status: whether a gateway is there, and whether it is that
    /// of the environment, is known before a key is sent to it.
    pub(crate) fn probe(&self, path: &str) -> Outcome<Answer> {
        let sent = self.agent.get(format!("{}{path}", self.url)).call();
        self.read(path, sent)
    }

    /// Asks.
    pub(crate) fn get(&self, path: &str) -> Outcome<Answer> {
        let sent = self
            .agent
            .get(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.bearer))
            .call();
        self.understand(path, sent)
    }

    /// Asks with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Outcome<Answer> {
        let sent = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.bearer))
            .send_json(body);
        self.understand(path, sent)
    }

    /// Opens a run; answers what the gateway answered, its token among it.
    pub(crate) fn open_run(&self, terms: &Value) -> Outcome<Value> {
        Ok(self.post("/v1/runs", terms)?.body)
    }

    /// Ends a run.
    pub(crate) fn close_run(&self, id: &str) -> Outcome<Value> {
        Ok(self.post(&format!("/v1/runs/{id}/close"), &json!({}))?.body)
    }

    /// Runs statements in a D1 database as one batch, with the credential of a run. Answers rows as arrays, one list
    /// for each statement.
    pub(crate) fn raw(&self, account: &str, database: &str, batch: &[Value]) -> Outcome<Vec<Value>> {
        let path = format!("/client/v4/accounts/{account}/d1/database/{database}/raw");
        let answer = self.post(&path, &json!({ "batch": batch }))?;
        answer.body.get("result").and_then(Value::as_array).cloned().ok_or_else(|| not_understood(&path))
    }

    fn understand(&self, path: &str, sent: Result<Response<Body>, ureq::Error>) -> Outcome<Answer> {
        let answer = self.read(path, sent)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let part = |name: &str| answer.body.get(name).and_then(Value::as_str).map(str::to_owned);
        match (part("code"), part("detail")) {
            (Some(code), Some(detail)) => {
                Err(Failure::new(Exit::Refused, &line(&code), line(&detail), line(&part("remedy").unwrap_or_default())))
            }
            _ => Err(not_understood(&format!("{path} ({})", answer.status))),
        }
    }

    /// Reads an answer, and makes sure that it is one of this environment.
    fn read(&self, path: &str, sent: Result<Response<Body>, ureq::Error>) -> Outcome<Answer> {
        let mut response = sent.map_err(|error| {
            Failure::unreachable(
                format!("The {} gateway at {} does not answer: {error}.", self.environment, self.url),
                "Look whether it runs (GET /health), and whether the url in dryrun.toml is right.",
            )
        })?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (environment, dry_run) = (header("Environment"), header("Dry-Run").as_deref() == Some("true"));
        let text =
            response.body_mut().with_config().limit(256 << 20).read_to_string().map_err(|error| {
                Failure::unreachable(format!("The answer of {path} broke off: {error}."), "Try again.")
            })?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        match environment.as_deref() {
            Some(environment) if environment == self.environment.as_str() => Ok(Answer { status, body, text, dry_run }),
            Some(other) => Err(Failure::new(
                Exit::Refused,
                "wrong_environment",
                format!(
                    "The gateway at {} says that it is {other}, not {}. Nothing was done.",
                    self.url, self.environment
                ),
                format!(
                    "Correct the url of [{}] in dryrun.toml, or DRYRUN_ENV; nothing is done in an environment that was \
                     not asked for.",
                    self.environment
                ),
            )),
            // A gateway that cannot read its own settings does not know where it is, and says why.
            None if status >= 400 && body.get("code").is_some() && body.get("detail").is_some() => {
                Ok(Answer { status, body, text, dry_run })
            }
            None => Err(not_understood(&format!("{path} ({status})"))),
        }
    }
}

/// A key says in the clear which environment it belongs to, so that the wrong one need not even be sent.
fn check_key(key: &str, environment: Environment, whence: &str) -> Outcome<()> {
    let prefix = |environment: Environment| format!("drk_{environment}_");
    if key.starts_with(&prefix(environment)) && !key.contains(char::is_whitespace) {
        return Ok(());
    }
    let other = [Environment::Staging, Environment::Production]
        .into_iter()
        .find(|other| key.starts_with(&prefix(*other)) && *other != environment);
    let what = match other {
        Some(other) => {
            format!("The key in {whence} belongs to {other}, not to {environment}. It was not sent anywhere.")
        }
        None => format!(
            "What {whence} holds is no key: a key begins with {}. It was not sent anywhere.",
            prefix(environment)
        ),
    };
    Err(Failure::new(
        Exit::Configuration,
        "wrong_key",
        what,
        format!("Put a key of {environment} there; see Credentials in the README."),
    ))
}

fn not_understood(path: &str) -> Failure {
    Failure::unreachable(
        format!("The answer of {path} is not one of the dry-run gateway."),
        "Look whether the url in dryrun.toml is that of the gateway.",
    )
}
