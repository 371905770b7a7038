//! A KV namespace: the real one, and a run's own view of it.

pub mod read;
pub mod write;

use crate::domain::stores::kv;
use std::time::Duration;

use js_sys::{ArrayBuffer, JSON, Uint8Array};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use super::environment::binding;
use super::js;
use super::ledger::Plan;
use super::overlay::{Overlay, Seen};
use super::wire::Content;
use crate::app::ports::Done;
use crate::domain::refusal::Problem;
use crate::domain::store_error::{Attempt, Verdict};

/// Longest wait for one call of KV outside the guard.
const LIMIT: Duration = Duration::from_secs(30);
type KvDone = Done<Content, Plan>;

/// What is known of a planned value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyForm {
    /// Its size in bytes.
    size: u64,
    /// When it ends, in seconds since the epoch.
    expiration: Option<u64>,
    /// Its metadata.
    metadata: Option<Value>,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq)]
struct Listed {
    expiration: Option<u64>,
    metadata: Option<Value>,
}

/// A value and what goes with it.
struct Found {
    bytes: Vec<u8>,
    metadata: Option<Value>,
    expiration: Option<u64>,
}

/// A namespace as a run sees it; without an overlay, as it is.
pub struct Namespace<'a> {
    kv: JsValue,
    store: &'a str,
    overlay: Option<Overlay<'a>>,
    now: u64,
}

fn to_value(value: &JsValue) -> Option<Value> {
    if value.is_null() || value.is_undefined() {
        return None;
    }
    JSON::stringify(value).ok().and_then(|text| text.as_string()).and_then(|text| serde_json::from_str(&text).ok())
}

impl<'a> Namespace<'a> {
    /// The namespace behind a binding.
    pub fn new(env: &Env, store: &'a str, overlay: Option<Overlay<'a>>) -> Result<Self, Problem> {
        Ok(Self { kv: binding(env, store, "getWithMetadata")?, store, overlay, now: js::now() })
    }

    async fn call(&self, method: &str, arguments: &[JsValue]) -> Result<JsValue, Problem> {
        let attempt = if matches!(method, "put" | "delete") { Attempt::Write } else { Attempt::Read };
        let error = match js::within(LIMIT, js::call(&self.kv, method, arguments)).await {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => js::message(&error),
            None => "no answer in time".to_owned(),
        };
        let verdict = kv::error(&error);
        if verdict == Verdict::Unknown {
            js::log("error", "kv_failed", &[("store", self.store), ("method", method), ("why", &error)]);
        }
        Err(verdict.problem(self.store, attempt, &error))
    }

    fn seen(&self, key: &str) -> Result<Seen<KeyForm>, Problem> {
        let Some(overlay) = &self.overlay else { return Ok(Seen::Untouched) };
        Ok(match overlay.see::<KeyForm>(self.store, key)? {
            Seen::Written(form, _) if self.is_over(form.expiration) => Seen::Removed,
            seen => seen,
        })
    }

    fn is_over(&self, expiration: Option<u64>) -> bool {
        expiration.is_some_and(|at| self.now / 1_000 >= at)
    }

    async fn find(&self, key: &str) -> Result<Option<Found>, Problem> {
        match self.seen(key)? {
            Seen::Removed => Ok(None),
            Seen::Written(form, kept) => {
                let bytes = match &self.overlay {
                    Some(overlay) => overlay.read(&kept, 0, form.size)?,
                    None => Vec::new(),
                };
                Ok(Some(Found { bytes, metadata: form.metadata, expiration: form.expiration }))
            }
            Seen::Untouched => self.find_base(key).await,
        }
    }

    async fn find_base(&self, key: &str) -> Result<Option<Found>, Problem> {
        let answer = self.call("getWithMetadata", &[JsValue::from_str(key), JsValue::from_str("arrayBuffer")]).await?;
        let value = js::member(&answer, "value");
        let bytes = value.dyn_into::<ArrayBuffer>().ok().map(|buffer| Uint8Array::new(&buffer).to_vec());
        Ok(bytes.map(|bytes| Found { bytes, metadata: to_value(&js::member(&answer, "metadata")), expiration: None }))
    }
}
