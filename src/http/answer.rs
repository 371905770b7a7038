//! Answers of the data plane: Cloudflare's envelope, or the content itself, with the marks of a dry run.

use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use worker::{EncodeBody, Headers, Response};

use crate::app::message::{Answer, Receipt};
use crate::cloudflare::js;
use crate::cloudflare::wire::{self, Content};
use crate::domain::refusal::Problem;
use crate::domain::run::Mode;
use crate::domain::settings::Environment;

use super::problem;

/// Puts the receipt into headers.
fn mark(headers: &Headers, receipt: &Receipt) -> worker::Result<()> {
    headers.set("Run-Id", receipt.run.as_str())?;
    if let Some(position) = receipt.position {
        headers.set("Operation", &position.to_string())?;
    }
    if receipt.mode == Some(Mode::DryRun) {
        headers.set("Dry-Run", "true")?;
    }
    if receipt.replayed {
        headers.set("Idempotent-Replayed", "true")?;
    }
    Ok(())
}

/// What an envelope's `messages` say about a dry run.
fn messages(receipt: &Receipt, environment: Environment) -> Value {
    match receipt.mode {
        Some(Mode::DryRun) => {
            json!([{"code": 1000700, "message": format!("Dry run {}: nothing was written to {environment}.", receipt.run)}])
        }
        Some(Mode::Live) | None => json!([]),
    }
}

/// Answers an operation.
pub(super) fn respond(
    receipt: &Receipt,
    answer: Result<Answer<Content>, Problem>,
    environment: Environment,
) -> Result<Response, Problem> {
    let internal = |error: worker::Error| Problem::broken(error);
    let response = match answer {
        Ok(Answer::Result { result, info }) => {
            let info = info.map(|info| format!(",\"result_info\":{info}")).unwrap_or_default();
            let body = format!(
                "{{\"result\":{result},\"success\":true,\"errors\":[],\"messages\":{}{info}}}",
                messages(receipt, environment)
            );
            let headers = Headers::new();
            headers.set("Content-Type", "application/json").map_err(internal)?;
            mark(&headers, receipt).map_err(internal)?;
            Response::ok(body).map_err(internal)?.with_headers(headers)
        }
        Ok(Answer::Content { headers: described, partial, content }) => {
            let headers = Headers::new();
            for (name, value) in described.iter().filter(|(name, _)| name.is_ascii()) {
                // A stored header that cannot be sent is left out rather than failing the read.
                let _ = headers.set(name, value);
            }
            mark(&headers, receipt).map_err(internal)?;
            let init = web_sys::ResponseInit::new();
            init.set_status(if partial { 206 } else { 200 });
            // What is stored encoded is sent as it is, not encoded once more.
            js::set(&init, "encodeBody", &JsValue::from_str("manual"));
            init.set_headers(headers.0.as_ref());
            let body = content.map_or(JsValue::NULL, Content::into_js);
            Response::from(wire::respond(&body, &init)?).with_encode_body(EncodeBody::Manual)
        }
        Err(problem) => {
            let response = problem::respond(&problem, Some(environment)).map_err(internal)?;
            mark(response.headers(), receipt).map_err(internal)?;
            response
        }
    };
    Ok(response)
}
