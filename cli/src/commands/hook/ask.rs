//! What a hook asks of the gateway, and tells it: both in little time.

use std::time::Duration;

use dryrun_hook::call::Agent;
use serde_json::{Value, json};
use ureq::Agent as Client;

use crate::settings::{Environment, Project};

/// Longest wait for what the gateway says about the run.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);
/// Longest wait until an alert is taken.
const ALERT_LIMIT: Duration = Duration::from_secs(1);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// Why a hook blocks although no rule says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The gateway itself says no: the run is closed, the token is not good.
    Refused {
        /// What it said, with its remedy.
        why: String,
    },
    /// The hook does not work: somebody is alerted.
    Failed {
        /// One of the gateway's causes of hook failures.
        cause: &'static str,
        /// What happened.
        why: String,
        /// What to do.
        remedy: String,
    },
}

impl Trouble {
    /// A failure of the hook.
    pub(super) fn failed(cause: &'static str, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Failed { cause, why: why.into(), remedy: remedy.into() }
    }
}

/// Where to ask: a gateway and a credential.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its address.
    pub url: String,
    /// The run's token or a key.
    pub bearer: String,
}

fn client(limit: Duration) -> Client {
    // Nobody but the gateway itself is asked: an answer that sends elsewhere is not its answer.
    Client::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(limit)).build().into()
}

/// Whether the run is open, says its gateway.
pub(super) fn run_is_open(target: &Target, run: &str, environment: Environment) -> Result<(), Trouble> {
    let url = &target.url;
    let remedy = "Look whether the gateway runs: dryrun env. Nothing is let through while it cannot be asked.";
    if run.is_empty() || !run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Err(Trouble::failed(
            "configuration",
            format!("DRYRUN_RUN_ID is {run:?}, which is no run."),
            "Begin anew: dryrun exec -- COMMAND.",
        ));
    }
    let sent = client(QUESTION_LIMIT)
        .get(format!("{url}/v1/runs/{run}"))
        .header("Authorization", format!("Bearer {}", target.bearer))
        .call();
    let mut response = sent.map_err(|error| match error {
        ureq::Error::Timeout(_) => Trouble::failed(
            "gateway_slow",
            format!("The gateway at {url} did not answer within {} s.", QUESTION_LIMIT.as_secs()),
            remedy,
        ),
        error => {
            Trouble::failed("gateway_unreachable", format!("The gateway at {url} cannot be reached: {error}."), remedy)
        }
    })?;
    let status = response.status().as_u16();
    let said = response.headers().get("Environment").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string().map_err(|error| match error {
        ureq::Error::Timeout(_) => Trouble::failed(
            "gateway_slow",
            format!("The answer of the gateway at {url} did not end within {} s.", QUESTION_LIMIT.as_secs()),
            remedy,
        ),
        error => {
            Trouble::failed("gateway_answer", format!("The answer of the gateway at {url} broke off: {error}."), remedy)
        }
    })?;
    let strange =
        |what: &str| Trouble::failed("gateway_answer", format!("The gateway at {url} answered {what}."), remedy);
    let body: Value = serde_json::from_str(&text).map_err(|_| strange("something that is not valid JSON"))?;
    if said.as_deref() != Some(environment.as_str()) {
        let said = said.unwrap_or_else(|| "no environment".into());
        return Err(Trouble::failed(
            "configuration",
            format!("The gateway at {url} says that it is {said}, and this is {environment}."),
            "Leave DRYRUN_ENV and DRYRUN_URL as dryrun exec set them.",
        ));
    }
    let part = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    match status {
        200 if part("id") == run
            && part("environment") == environment.as_str()
            && ["live", "dry_run"].contains(&part("mode")) =>
        {
            match part("phase") {
                "open" => Ok(()),
                "closed" | "expired" => Err(Trouble::Refused {
                    why: format!("The run {run} is {}.\nOpen another one: dryrun exec -- COMMAND.", part("phase")),
                }),
                _ => Err(strange("a run without a phase")),
            }
        }
        400..=499 if !part("code").is_empty() && !part("detail").is_empty() => Err(Trouble::Refused {
            why: format!("The gateway refuses: {} ({})\n{}", part("detail"), part("code"), part("remedy")),
        }),
        500..=599 if !part("code").is_empty() => {
            Err(strange(&format!("{status}: {} ({})", part("detail"), part("code"))))
        }
        _ => Err(strange(&format!("{status}, and not about the run"))),
    }
}

/// Tells an operator that a hook failed. Answers why that was not possible.
pub(super) fn alert(target: &Target, agent: Agent, cause: &str, why: &str) -> Result<(), String> {
    let report = json!({"kind": "hook_failure", "cause": cause, "message": why, "agent": agent.as_str()});
    let sent = client(ALERT_LIMIT)
        .post(format!("{}/v1/alerts", target.url))
        .header("Authorization", format!("Bearer {}", target.bearer))
        .send_json(report);
    match sent {
        Ok(response) if response.status().as_u16() == 202 => Ok(()),
        Ok(response) => Err(format!("the gateway answered {}", response.status().as_u16())),
        Err(error) => Err(error.to_string()),
    }
}

/// Whom to tell: the gateway of the run, or that of the project.
pub(super) fn alert_target(project: Option<&Project>) -> Result<Target, String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(url), Some(bearer)) = (variable("DRYRUN_URL"), variable("DRYRUN_TOKEN")) {
        return Ok(Target { url: url.trim_end_matches('/').to_owned(), bearer });
    }
    let project = project.ok_or("no gateway is known here")?;
    let profile = Environment::current()
        .and_then(|environment| project.profile(environment))
        .map_err(|failure| failure.message)?;
    let bearer = profile.key.fetch(&project.folder).map_err(|failure| failure.message)?;
    Ok(Target { url: profile.url.trim_end_matches('/').to_owned(), bearer })
}
