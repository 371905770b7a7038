//! An R2 bucket: the real one, and a run's own view of it.

pub mod form;
pub mod read;
mod write;

pub use write::{drain, is_same_body};

use crate::domain::stores::r2;
use std::time::Duration;

use serde_json::Value;
use wasm_bindgen::JsValue;
use worker::Env;

use form::ObjectForm;

use crate::app::message::Answer;
use crate::app::ports::Done;
use crate::cloudflare::environment::binding;
use crate::cloudflare::js;
use crate::cloudflare::ledger::Plan;
use crate::cloudflare::overlay::{Overlay, Seen};
use crate::cloudflare::wire::Content;
use crate::domain::journal::Outcome;
use crate::domain::refusal::{Code, Problem};
use crate::domain::settings::Settings;
use crate::domain::store_error::{Attempt, Verdict};

/// Longest wait for one call without a body.
const LIMIT: Duration = Duration::from_secs(30);
/// Longest wait for a body of at most 300 MiB.
const BODY_LIMIT: Duration = Duration::from_secs(110);

type R2Done = Done<Content, Plan>;

/// A bucket as a run sees it; without an overlay, as it is.
pub struct Bucket<'a> {
    r2: JsValue,
    store: &'a str,
    overlay: Option<Overlay<'a>>,
    /// Most bytes of custom metadata that it takes for an object.
    metadata_max_bytes: u64,
}

fn not_modified() -> Problem {
    Problem::from_store(Code::NotModified, "The object is as you know it.")
}

impl<'a> Bucket<'a> {
    /// The bucket behind a binding.
    pub fn new(env: &Env, store: &'a str, settings: &Settings, overlay: Option<Overlay<'a>>) -> Result<Self, Problem> {
        Ok(Self {
            r2: binding(env, store, "createMultipartUpload")?,
            store,
            overlay,
            metadata_max_bytes: settings.r2_metadata_max_bytes,
        })
    }

    async fn call(&self, method: &str, arguments: &[JsValue], limit: Duration) -> Result<JsValue, Problem> {
        match js::within(limit, js::call(&self.r2, method, arguments)).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.failed(method, &js::message(&error))),
            None => Err(self.failed(method, "no answer in time")),
        }
    }

    fn failed(&self, method: &str, why: &str) -> Problem {
        let attempt = if matches!(method, "put" | "delete") { Attempt::Write } else { Attempt::Read };
        let verdict = r2::error(why);
        if verdict == Verdict::Unknown {
            js::log("error", "r2_failed", &[("store", self.store), ("method", method), ("why", why)]);
        }
        verdict.problem(self.store, attempt, why)
    }

    fn seen(&self, key: &str) -> Result<Seen<ObjectForm>, Problem> {
        self.overlay.as_ref().map_or(Ok(Seen::Untouched), |overlay| overlay.see(self.store, key))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectForm>, Problem> {
        match self.seen(key)? {
            Seen::Removed => Ok(None),
            Seen::Written(form, _) => Ok(Some(form)),
            Seen::Untouched => {
                let object = self.call("head", &[JsValue::from_str(key)], LIMIT).await?;
                Ok((!object.is_null()).then(|| ObjectForm::from_js(&object)))
            }
        }
    }
}

fn done(answer: Answer<Content>, outcome: Outcome, result: Value) -> R2Done {
    Done { answer, outcome, result, effects: Vec::new(), plan: Vec::new(), inexact: Vec::new(), volatile: Vec::new() }
}
