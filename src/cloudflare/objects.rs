//! Calling a Durable Object, never for longer than a limit.

use std::time::Duration;

use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{Context, Env, Response};

use super::environment::objects;
use super::js::{self, Fetcher};
use super::sql::Database;
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::RunId;

/// Longest wait for an operation: D1 ends a batch after 30 s, and a body of 300 MiB takes its time.
pub const OPERATION_LIMIT: Duration = Duration::from_secs(120);
/// Longest wait for a word about a run.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// Longest wait for the word of a run above: a write is waiting for it.
pub const VOUCH_LIMIT: Duration = Duration::from_secs(3);

/// The name of a run's object.
pub fn run_name(run: &RunId) -> String {
    run.to_string()
}

/// The name of a run's shadow of one database. A run's id has no slash.
pub fn shadow_name(run: &RunId, store: &str) -> String {
    format!("{run}/{store}")
}

/// Where an object is asked whether it works.
pub const READY: &str = "/ready";
/// The object that is asked. No run and no shadow has a space in its name.
const PROBE: &str = "health probe";

/// Whether objects of this class answer and their storage can be read.
pub async fn ping(env: &Env, class: &str) -> Result<(), Problem> {
    let request = super::wire::request(READY, &())?;
    send(env, class, PROBE, &request, COMMAND_LIMIT, None).await.map(|_| ())
}

/// Answers [`ping`]. Nothing is written, so the object that is asked keeps nothing.
pub fn ready(database: &Database) -> worker::Result<Response> {
    match database.run("SELECT 1", &[]) {
        Ok(_) => Response::ok("ok"),
        Err(error) => {
            js::log("error", "object_not_ready", &[("why", &Problem::from(error).message)]);
            Response::error("not ready", 503)
        }
    }
}

/// Sends a request to an object. With `keep` it is carried to its end even when the caller hangs up: cut off in the
/// middle, a write would leave its run waiting. A new stub is made each time: after an exception the old one stays
/// broken.
pub async fn send(
    env: &Env,
    class: &str,
    name: &str,
    request: &super::wire::Outgoing,
    limit: Duration,
    keep: Option<&Context>,
) -> Result<web_sys::Response, Problem> {
    let namespace = objects(env, class)?;
    let sent = async {
        let function: js_sys::Function = js::member(&namespace, "idFromName").dyn_into()?;
        let id = function.call1(&namespace, &JsValue::from_str(name))?;
        let function: js_sys::Function = js::member(&namespace, "get").dyn_into()?;
        let stub: Fetcher = function.call1(&namespace, &id)?.unchecked_into();
        let promise = stub.fetch(&request.url, &request.init)?;
        if let Some(context) = keep {
            let promise = promise.clone();
            context.wait_until(async move {
                // What becomes of it is the answer's business; here it only has to be waited for.
                let _ = JsFuture::from(promise).await;
            });
        }
        JsFuture::from(promise).await?.dyn_into::<web_sys::Response>()
    };
    match js::within(limit, sent).await {
        Some(Ok(response)) if response.ok() => Ok(response),
        Some(Ok(response)) => Err(unavailable(class, &format!("it answered {}", response.status()))),
        Some(Err(error)) => Err(unavailable(class, &js::message(&error))),
        None => Err(unavailable(class, "it did not answer in time")),
    }
}

fn unavailable(class: &str, why: &str) -> Problem {
    js::log("error", "object_unavailable", &[("class", class), ("why", why)]);
    Problem::new(
        Code::RunUnavailable,
        "The run could not be reached or did not finish; whether anything was written is in its journal.",
        "Read the run's report, then try again; use an Idempotency-Key so that nothing is written twice.",
    )
}
