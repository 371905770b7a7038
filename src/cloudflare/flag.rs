//! The flag `dryrun_active:<runId>` in KV.

use std::time::Duration;

use js_sys::{ArrayBuffer, Object, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use super::environment::binding;
use super::js;
use crate::domain::gate::{Flag, flag_unavailable};
use crate::domain::refusal::Problem;
use crate::domain::run::RunId;

/// Longest wait for a put. It happens at most once a second and once a TTL, so it may take longer than a read.
const PUT_BUDGET: Duration = Duration::from_secs(3);

fn key(run: &RunId) -> JsValue {
    JsValue::from_str(&format!("dryrun_active:{run}"))
}

/// Reads a run's flag within the budget. A binding that does not answer stays pending for ever by itself, so the wait
/// is raced against a timer.
pub async fn read(env: &Env, run: &RunId, budget: Duration) -> Flag {
    let Ok(flags) = binding(env, "FLAGS", "getWithMetadata") else { return Flag::Failed };
    match js::within(budget, js::call(&flags, "get", &[key(run), JsValue::from_str("arrayBuffer")])).await {
        None => Flag::TimedOut,
        Some(Err(_)) => Flag::Failed,
        Some(Ok(value)) if value.is_null() => Flag::from_value(None),
        Some(Ok(value)) => match value.dyn_into::<ArrayBuffer>() {
            Ok(buffer) => Flag::from_value(Some(&Uint8Array::new(&buffer).to_vec())),
            Err(_) => Flag::Garbage,
        },
    }
}

/// Publishes a run's flag.
pub async fn publish(env: &Env, run: &RunId, ttl_seconds: u64) -> Result<(), Problem> {
    let flags = binding(env, "FLAGS", "getWithMetadata")?;
    let options = Object::new();
    #[expect(clippy::cast_precision_loss, reason = "a TTL in seconds stays far below 2^53")]
    js::set(&options, "expirationTtl", &JsValue::from_f64(ttl_seconds as f64));
    match js::within(PUT_BUDGET, js::call(&flags, "put", &[key(run), JsValue::from_str("1"), options.into()])).await {
        Some(Ok(_)) => Ok(()),
        Some(Err(_)) | None => Err(flag_unavailable(run, "could not be published")),
    }
}
