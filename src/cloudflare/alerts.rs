//! Alerts: a log line, a row that operators can list, and a POST to whoever wants to be called.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use super::{control, environment, js};
use crate::domain::hook_failure::{self, HookFailure};
use crate::domain::refusal::Problem;
use crate::domain::run::RunId;

/// Whose failure an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "AlertKind"))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A part of the guard does not work: call somebody.
    GuardFailure,
    /// A caller did what a caller should not: look at the agent.
    AgentFailure,
    /// A hook in front of an agent's tools does not work: look at the machine of the agent.
    HookFailure,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::GuardFailure => "guard_failure",
            Self::AgentFailure => "agent_failure",
            Self::HookFailure => hook_failure::KIND,
        }
    }
}

/// Longest wait for the webhook.
const WEBHOOK_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Raises an alert for a problem.
pub async fn raise(env: Env, kind: Kind, run: Option<RunId>, problem: Problem) {
    tell(env, kind, run, problem.code.as_str(), &problem.message, &problem.remedy).await;
}

/// Raises an alert for what a hook reports.
pub async fn raise_for_hook(env: Env, run: Option<RunId>, failure: HookFailure) {
    let remedy = "The tool call was blocked. Look at the hook where the agent runs: dryrun hook test.";
    tell(env, Kind::HookFailure, run, failure.cause, &failure.message, remedy).await;
}

/// Raises an alert for a panic.
pub async fn raise_for_panic(env: Env) {
    let message = "A panic ended an instance of the gateway, and with it every request that was under way there.";
    let remedy =
        "Look for the panic in the log; roll back when it repeats. What the requests did is in their runs' reports.";
    tell(env, Kind::GuardFailure, None, "interrupted", message, remedy).await;
}

/// One alert for each cause and minute, with a count. The log line comes first and needs nothing that may be broken,
/// the settings neither.
async fn tell(env: Env, kind: Kind, run: Option<RunId>, cause: &str, message: &str, remedy: &str) {
    let now = js::now();
    // Whoever is called reads it in a terminal, a log or a chat.
    let (message, remedy) = (&*dryrun_text::line(message), &*dryrun_text::line(remedy));
    let home = environment::lookup(&env, "ENVIRONMENT");
    let run = run.map(|run| run.to_string());
    let told = json!({"level": "alert", "event": "alert", "kind": kind.as_str(), "cause": cause, "environment": home, "run": run, "message": message, "at": now});
    worker::console_error!("{}", dryrun_text::json(&told.to_string()));
    let counted = control::count_alert(&env, kind.as_str(), cause, message, run.as_deref(), now).await;
    let count = match counted {
        Ok(count) => count,
        Err(fault) => {
            js::log("error", "alert_not_stored", &[("cause", cause), ("why", fault.code.as_str())]);
            // Nobody can count now, so call rather than stay silent.
            1
        }
    };
    let webhook = environment::lookup(&env, "ALERT_WEBHOOK_URL").filter(|url| !url.is_empty());
    let Some(url) = webhook.filter(|_| count == 1) else { return };
    let body = json!({"kind": kind.as_str(), "cause": cause, "environment": home, "run": run, "message": message, "remedy": remedy, "at": now});
    let posted = js::within(WEBHOOK_LIMIT, post(&url, &dryrun_text::json(&body.to_string()))).await;
    if !matches!(posted, Some(Ok(200..=299))) {
        js::log("error", "alert_webhook_failed", &[("cause", cause)]);
    }
}

async fn post(url: &str, body: &str) -> Result<u16, JsValue> {
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_body(&JsValue::from_str(body));
    let headers = js_sys::Object::new();
    js::set(&headers, "content-type", &JsValue::from_str("application/json"));
    init.set_headers(&headers);
    let request = web_sys::Request::new_with_str_and_init(url, &init)?;
    let response = js::call(&js_sys::global(), "fetch", &[request.into()]).await?;
    Ok(response.unchecked_into::<web_sys::Response>().status())
}
