//! The gateway's own database: the environment's marker, the index of runs, the alerts.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use worker::Env;

use super::alerts::Kind;
use super::d1::{self, Failure};
use super::js;
use crate::domain::operation::RowShape;
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Millis, Mode, Phase, Run, RunId};
use crate::domain::settings::{Environment, Settings};

/// Longest wait for this database: what needs it is small.
const LIMIT: Duration = Duration::from_secs(5);

async fn rows(env: &Env, sql: &str, params: Value) -> Result<Vec<Value>, Problem> {
    let unavailable = |why: String| {
        js::log("error", "control_unavailable", &[("why", &why)]);
        Problem::new(
            Code::ControlUnavailable,
            "The gateway's own database did not answer; nothing was written.",
            "Try again after the time in Retry-After; an operator was alerted.",
        )
    };
    let params = match params {
        Value::Array(params) => params,
        other => vec![other],
    };
    let statements: [(&str, &[Value]); 1] = [(sql, &params)];
    let sent = d1::send(env, "CONTROL", &statements, RowShape::Objects);
    let text = match js::within(LIMIT, sent).await {
        Some(Ok(text)) => text,
        Some(Err(Failure::Sql(why) | Failure::Unclear(why))) => return Err(unavailable(why)),
        Some(Err(Failure::Problem(problem))) => return Err(problem),
        None => return Err(unavailable("no answer in time".into())),
    };
    let answer: Value = serde_json::from_str(&text).map_err(|error| unavailable(error.to_string()))?;
    match answer.pointer("/0/results") {
        Some(Value::Array(rows)) => Ok(rows.clone()),
        _ => Err(unavailable("an answer without rows".into())),
    }
}

thread_local! {
    /// Whether this isolate's bindings were found to belong together. Bindings do not change while an isolate lives, so
    /// a yes is kept; a no is asked again.
    static VERIFIED: Cell<bool> = const { Cell::new(false) };
}

/// Refuses everything unless the marker in CONTROL names this Worker's environment: bindings of two environments may
/// have been crossed.
pub async fn verify_environment(env: &Env, settings: &Settings) -> Result<(), Problem> {
    if VERIFIED.get() {
        return Ok(());
    }
    let marker = match rows(env, "SELECT environment FROM environment_marker WHERE id = 1", json!([])).await {
        Ok(rows) => {
            rows.first().and_then(|row| row.get("environment")).and_then(Value::as_str).and_then(Environment::parse)
        }
        Err(problem) => {
            return Err(Problem::new(
                Code::EnvironmentUnverified,
                format!(
                    "This gateway could not make sure that its databases belong to {}, so it refuses everything.",
                    settings.environment
                ),
                if problem.code == Code::ControlUnavailable {
                    "Try again after the time in Retry-After; an operator was alerted."
                } else {
                    "An operator must look at the binding CONTROL."
                },
            ));
        }
    };
    match marker {
        Some(environment) if environment == settings.environment => {
            VERIFIED.set(true);
            Ok(())
        }
        Some(environment) => Err(Problem::new(
            Code::EnvironmentMismatch,
            format!(
                "This Worker is {}, its CONTROL database belongs to {environment}: the bindings are crossed, so it \
                 refuses everything.",
                settings.environment
            ),
            "An operator must correct the bindings in wrangler.toml and deploy again.",
        )),
        None => Err(Problem::new(
            Code::EnvironmentUnverified,
            "The CONTROL database does not say which environment it belongs to, so this gateway refuses everything.",
            "An operator must apply the migrations and write the marker once: see Environments in the README.",
        )),
    }
}

/// Whether CONTROL answers.
pub async fn ping(env: &Env) -> Result<(), Problem> {
    rows(env, "SELECT 1", json!([])).await.map(|_| ())
}

/// Puts a run into the index, or brings its row up to date.
pub async fn index_run(env: &Env, run: &Run) -> Result<(), Problem> {
    let labels = serde_json::to_string(&run.terms.labels).map_err(Problem::broken)?;
    rows(
        env,
        "INSERT INTO runs (id, owner, mode, opened_at, expires_at, closed_at, parent, labels, prompt_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (id) DO UPDATE SET mode = excluded.mode, closed_at = excluded.closed_at",
        json!([run.id, run.owner, run.mode, run.opened_at, run.expires_at, run.closed_at, run.terms.parent, labels, run.terms.prompt_version]),
    )
    .await
    .map(|_| ())
}

/// A run as the index has it.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IndexedRun {
    /// Its id.
    id: String,
    /// Who opened it.
    owner: String,
    /// Its mode a moment ago: the run itself is the authority.
    mode: Mode,
    /// Whether it still acts.
    phase: Phase,
    /// When it was opened, in milliseconds since the Unix epoch.
    opened_at: Millis,
    /// When it ends by itself.
    expires_at: Millis,
    /// When it was closed.
    closed_at: Option<Millis>,
    /// The run above it.
    parent: Option<String>,
    /// Its labels.
    labels: BTreeMap<String, String>,
    /// The version of the prompt at work.
    prompt_version: Option<String>,
}

/// What failed, by cause and minute.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RaisedAlert {
    /// Its number.
    id: u64,
    /// Whose failure it is.
    kind: Kind,
    /// The code of the problem.
    cause: String,
    /// Minutes since the Unix epoch.
    minute: u64,
    /// How often the cause was seen in this minute.
    count: u64,
    /// What the last one said.
    message: String,
    /// The run in which it was seen last.
    run: Option<String>,
    /// When it was seen first, in milliseconds since the Unix epoch.
    first_at: Millis,
    /// When it was seen last.
    last_at: Millis,
}

fn typed<T: DeserializeOwned>(rows: Vec<Value>) -> Result<Vec<T>, Problem> {
    serde_json::from_value(Value::Array(rows)).map_err(Problem::broken)
}

/// The newest runs: of one owner or of all, and only one run with those right below it where that is asked.
pub async fn list_runs(
    env: &Env,
    owner: Option<&str>,
    below: Option<&RunId>,
    limit: u32,
) -> Result<Vec<IndexedRun>, Problem> {
    let mut runs = rows(
        env,
        "SELECT id, owner, mode, opened_at, expires_at, closed_at, parent, labels, prompt_version FROM runs WHERE (?1 \
         IS NULL OR owner = ?1) AND (?2 IS NULL OR id = ?2 OR parent = ?2) ORDER BY opened_at DESC, id DESC LIMIT ?3",
        json!([owner, below, limit]),
    )
    .await?;
    let now = js::now();
    for run in &mut runs {
        let labels =
            run.get("labels").and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let time = |name: &str| run.get(name).and_then(Value::as_u64);
        let phase = Phase::at(now, time("closed_at"), time("expires_at").unwrap_or_default());
        if let (Some(fields), Some(labels)) = (run.as_object_mut(), labels) {
            fields.insert("labels".into(), labels);
            fields.insert("phase".into(), json!(phase));
        }
    }
    typed(runs)
}

/// The id that was generated for an opening with this idempotency key, now or the first time; with the request it was
/// for.
pub async fn claim_opening(
    env: &Env,
    owner: &str,
    key: &str,
    request: &str,
    run: &RunId,
) -> Result<(String, String), Problem> {
    let rows = rows(
        env,
        "INSERT INTO openings (owner, idempotency_key, request, run) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (owner, \
         idempotency_key) DO UPDATE SET run = run RETURNING run, request",
        json!([owner, key, request, run]),
    )
    .await?;
    let text = |name: &str| rows.first().and_then(|row| row.get(name)).and_then(Value::as_str).map(str::to_owned);
    text("run").zip(text("request")).ok_or_else(|| Problem::broken("no opening was recorded"))
}

/// Counts an alert; answers how often its cause was seen in this minute.
pub async fn count_alert(
    env: &Env,
    kind: &str,
    cause: &str,
    message: &str,
    run: Option<&str>,
    now: u64,
) -> Result<u64, Problem> {
    let rows = rows(
        env,
        "INSERT INTO alerts (kind, cause, minute, count, message, run, first_at, last_at) VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?6) \
         ON CONFLICT (kind, cause, minute) DO UPDATE SET count = count + 1, last_at = excluded.last_at, run = \
         excluded.run, message = excluded.message RETURNING count",
        json!([kind, cause, now / 60_000, message, run, now]),
    )
    .await?;
    rows.first()
        .and_then(|row| row.get("count"))
        .and_then(Value::as_u64)
        .ok_or_else(|| Problem::broken("no count came back"))
}

/// The newest alerts.
pub async fn list_alerts(env: &Env, limit: u32) -> Result<Vec<RaisedAlert>, Problem> {
    typed(
        rows(
            env,
            "SELECT id, kind, cause, minute, count, message, run, first_at, last_at FROM alerts ORDER BY \
                     last_at DESC, id DESC LIMIT ?1",
            json!([limit]),
        )
        .await?,
    )
}
