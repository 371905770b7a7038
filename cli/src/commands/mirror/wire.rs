//! The two databases over D1's HTTP API, each with the token of one run.
//!
//! What is read from is a [`Source`]: it sends nothing but SELECT, with the token of a dry run, and believes no answer
//! that does not say that it is one. Only a [`Target`] can write.

use std::cell::Cell as Counter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

use super::cell::Sent;
use super::never::never_to_production;
use crate::api::Gateway;
use crate::failure::{Exit, Failure, Outcome};
use crate::settings::Environment;

/// Longest wait for an answer: D1 ends a batch after 30 s, and 8 MB have to travel.
const LIMIT: Duration = Duration::from_secs(90);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How often a request is sent at most, and how long after the first failure it is sent again; then twice as long each
/// time.
const ATTEMPTS: u32 = 7;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 128 << 20;

/// One statement with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    /// Its text.
    pub sql: String,
    /// Its parameters.
    pub params: Vec<Value>,
}

impl Statement {
    /// One without parameters.
    pub(super) fn plain(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new() }
    }
}

/// The rows of one statement, and how many it changed.
#[derive(Debug)]
pub(super) struct Answered {
    /// The rows.
    pub rows: Vec<Vec<Sent>>,
    /// How many rows it changed.
    pub changes: u64,
}

#[derive(Deserialize)]
struct Envelope {
    result: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    results: Arrays,
    #[serde(default)]
    meta: Meta,
}

#[derive(Deserialize)]
struct Arrays {
    rows: Vec<Vec<Sent>>,
}

#[derive(Deserialize, Default)]
struct Meta {
    #[serde(default)]
    changes: f64,
}

/// Asked to stop by a signal: looked at before every request.
pub(super) type Stop = Arc<AtomicBool>;

/// One side. Both can be read, and only with SELECT.
pub(super) trait Reads {
    /// The way there.
    fn connection(&self) -> &Connection;

    /// Runs SELECTs as one batch, so that they see one state of the database.
    fn read(&self, selects: Vec<String>) -> Outcome<Vec<Answered>> {
        let connection = self.connection();
        if let Some(other) = selects.iter().find(|sql| !sql.starts_with("SELECT ")) {
            return Err(not_as_asked(
                &connection.gateway,
                &format!("was to be sent {:?}, which is no SELECT", other.chars().take(40).collect::<String>()),
            ));
        }
        connection.send(&selects.into_iter().map(Statement::plain).collect::<Vec<_>>(), None)
    }

    /// Where it is.
    fn environment(&self) -> Environment {
        self.connection().gateway.environment
    }

    /// The run.
    fn run(&self) -> &str {
        &self.connection().run
    }

    /// How many requests were sent.
    fn requests(&self) -> u64 {
        self.connection().requests.get()
    }

    /// Ends the run.
    fn close(&self) -> Outcome<()> {
        self.connection().close()
    }
}

/// The database that is copied.
pub(super) struct Source(Connection);

/// The database that is written.
pub(super) struct Target(Connection);

/// One database behind one gateway, in one run.
pub(super) struct Connection {
    gateway: Gateway,
    agent: Agent,
    token: String,
    path: String,
    run: String,
    live: bool,
    requests: Counter<u64>,
    attempts: Counter<u32>,
    stop: Stop,
}

/// How an attempt ended that did not succeed.
enum Ended {
    /// For good.
    Refused(Failure),
    /// There is no knowing, or it will be otherwise soon. `afresh`: the idempotency key is used up.
    Unclear { failure: Failure, afresh: bool },
}

impl Connection {
    fn open(gateway: &Gateway, account: &str, database: &str, live: bool, other: &str, stop: Stop) -> Outcome<Self> {
        let mode = if live { "live" } else { "dry_run" };
        let run = gateway.open_run(&json!({"mode": mode, "labels": {"command": "mirror", if live { "from" } else { "for" }: other, "database": database}}))?;
        let part = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if part("mode") != mode {
            return Err(not_as_asked(gateway, &format!("opened a run that is {:?}, not {mode}", part("mode"))));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(LIMIT))
            .timeout_connect(Some(CONNECT_LIMIT))
            .build()
            .into();
        let path = format!("/client/v4/accounts/{account}/d1/database/{database}/raw");
        Ok(Self {
            gateway: gateway.clone(),
            agent,
            token: part("token"),
            path,
            run: part("id"),
            live,
            requests: Counter::new(1),
            attempts: Counter::new(ATTEMPTS),
            stop,
        })
    }

    /// Sends a batch until there is a clear answer. Only what may be carried out twice comes here: a SELECT, or a write
    /// that replaces what it wrote before.
    fn send(&self, batch: &[Statement], key: Option<&str>) -> Outcome<Vec<Answered>> {
        let statements: Vec<Value> = batch
            .iter()
            .map(|one| {
                if one.params.is_empty() {
                    json!({"sql": one.sql})
                } else {
                    json!({"sql": one.sql, "params": one.params})
                }
            })
            .collect();
        let body = json!({ "batch": statements }).to_string();
        let (mut pause, mut round) = (FIRST_PAUSE, 0);
        let mut last = None;
        for _ in 0..self.attempts.get() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            if last.is_some() {
                std::thread::sleep(pause);
                pause *= 2;
            }
            self.requests.set(self.requests.get() + 1);
            let key = key.map(|key| format!("{key}-{round}"));
            match self.attempt(&body, key.as_deref(), batch.len()) {
                Ok(answered) => return Ok(answered),
                Err(Ended::Refused(failure)) => return Err(failure),
                Err(Ended::Unclear { failure, afresh }) => {
                    round += u32::from(afresh);
                    last = Some(failure);
                }
            }
        }
        Err(last.unwrap_or_else(|| Failure::unreachable("There was no attempt.", "")))
    }

    fn attempt(&self, body: &str, key: Option<&str>, statements: usize) -> Result<Vec<Answered>, Ended> {
        let unclear = |failure: Failure| Ended::Unclear { failure, afresh: false };
        let gateway = &self.gateway;
        let lost = |error: &dyn std::fmt::Display| {
            unclear(Failure::unreachable(
                format!(
                    "The {} gateway at {} did not answer, {ATTEMPTS} times: {error}.",
                    gateway.environment, gateway.url
                ),
                "Look whether it runs (GET /health).",
            ))
        };
        let mut request = self
            .agent
            .post(format!("{}{}", gateway.url, self.path))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let mut response = request.send(body).map_err(|error| lost(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (environment, dry, run) =
            (header("Environment"), header("Dry-Run").as_deref() == Some("true"), header("Run-Id"));
        let text =
            response.body_mut().with_config().limit(MAX_ANSWER).read_to_string().map_err(|error| lost(&error))?;
        if !(200..300).contains(&status) {
            return Err(refused(gateway, status, &text));
        }
        // An answer that does not say where it comes from is not believed, whatever it says else.
        let stop = |what: &str| Ended::Refused(not_as_asked(gateway, what));
        if environment.as_deref() != Some(gateway.environment.as_str()) {
            return Err(stop("sent an answer that is not of its environment"));
        }
        if run.as_deref() != Some(self.run.as_str()) {
            return Err(stop("sent an answer of another run"));
        }
        if dry == self.live {
            return Err(stop(if dry {
                "turned the live run into a dry run"
            } else {
                "sent an answer that is not one of a dry run"
            }));
        }
        let envelope: Envelope = serde_json::from_str(&text).map_err(|error| {
            Ended::Refused(not_as_asked(gateway, &format!("sent an answer that is not understood ({error})")))
        })?;
        if envelope.result.len() != statements {
            return Err(stop("answered another number of statements than it was sent"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
        Ok(envelope
            .result
            .into_iter()
            .map(|one| Answered { rows: one.results.rows, changes: one.meta.changes as u64 })
            .collect())
    }

    fn close(&self) -> Outcome<()> {
        let gateway = self.gateway.with(&self.token);
        // A connection that was idle for long may be closed by now; closing twice is closing once.
        gateway.close_run(&self.run).or_else(|_| gateway.close_run(&self.run)).map(|_| ())
    }
}

/// Which of the gateway's refusals pass by themselves. After those the write may have happened; it is one that can be
/// carried out again.
fn refused(gateway: &Gateway, status: u16, text: &str) -> Ended {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let part = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(code), Some(detail)) = (part("code"), part("detail")) else {
        let failure = Failure::unreachable(
            format!(
                "The {} gateway at {} answered {status} with what is none of its own answers.",
                gateway.environment, gateway.url
            ),
            "Look whether the url in dryrun.toml is that of the gateway, and what stands before it.",
        );
        return if status >= 500 || status == 429 {
            Ended::Unclear { failure, afresh: false }
        } else {
            Ended::Refused(failure)
        };
    };
    let failure = Failure::new(Exit::Refused, &code, detail, part("remedy").unwrap_or_default());
    match code.as_str() {
        "flag_unavailable"
        | "parent_unavailable"
        | "control_unavailable"
        | "run_unavailable"
        | "environment_unverified"
        | "idempotency_running" => Ended::Unclear { failure, afresh: false },
        "store_unavailable" | "outcome_unknown" | "internal" => Ended::Unclear { failure, afresh: true },
        _ => Ended::Refused(failure),
    }
}

fn not_as_asked(gateway: &Gateway, what: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        "not_as_asked",
        format!("The {} gateway at {} {what}. The mirror stopped at once.", gateway.environment, gateway.url),
        "Look at the urls in dryrun.toml and at the run's report; nothing is copied through an answer that is not what \
         it should be.",
    )
}

fn interrupted() -> Failure {
    Failure::new(Exit::Found, "interrupted", "Interrupted.", "")
}

impl Source {
    /// Opens a dry run on the side that is read.
    pub(super) fn open(gateway: &Gateway, account: &str, database: &str, other: &str, stop: Stop) -> Outcome<Self> {
        Connection::open(gateway, account, database, false, other, stop).map(Self)
    }
}

impl Target {
    /// Opens a run on the side that is written: a live one, or a dry one when it is only looked at.
    pub(super) fn open(
        gateway: &Gateway,
        account: &str,
        database: &str,
        live: bool,
        other: &str,
        stop: Stop,
    ) -> Outcome<Self> {
        if gateway.environment == Environment::Production {
            return Err(never_to_production());
        }
        Connection::open(gateway, account, database, live, other, stop).map(Self)
    }

    /// Runs statements as one transaction. `key` names this write: sent again it gets the first answer. Where that is
    /// not known, it is carried out again, so it has to replace whatever it wrote before.
    pub(super) fn write(&self, key: &str, batch: &[Statement]) -> Outcome<Vec<Answered>> {
        if !self.0.live {
            return Err(not_as_asked(&self.0.gateway, "is only looked at"));
        }
        self.0.send(batch, Some(key))
    }

    /// From here on one attempt is enough: whoever waits knows already that something is wrong.
    pub(super) fn lose_patience(&self) {
        self.0.attempts.set(1);
    }
}

impl Reads for Source {
    fn connection(&self) -> &Connection {
        &self.0
    }
}

impl Reads for Target {
    fn connection(&self) -> &Connection {
        &self.0
    }
}
