//! Writing values, for real or into the run's own view.

use crate::domain::stores::kv::{self, MIN_KV_TTL_SECONDS};
use dryrun_text::cut_with_count;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use js_sys::{JSON, Object, Uint8Array};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wasm_bindgen::JsValue;

use super::{KeyForm, KvDone, Namespace, to_value};
use crate::app::message::Answer;
use crate::app::ports::Done;
use crate::cloudflare::js;
use crate::cloudflare::ledger::Plan;
use crate::cloudflare::overlay::{Body, Kept, Planned, Seen};
use crate::cloudflare::wire::Content;
use crate::domain::effect::{Effect, Image};
use crate::domain::journal::Outcome;
use crate::domain::operation::{KeyCall, KeyItem};
use crate::domain::refusal::{Code, Problem};

/// Longest value shown in a report.
const MAX_IMAGE_CHARS: usize = 4_000;
/// Longest value that is parsed as JSON for a report.
const MAX_IMAGE_JSON_BYTES: usize = 64 << 10;

impl Namespace<'_> {
    /// Makes a write real.
    pub async fn perform(&self, call: &KeyCall, payload: &[u8]) -> Result<KvDone, Problem> {
        match call {
            KeyCall::Put { key, expiration, expiration_ttl, metadata } => {
                self.expiry(*expiration, *expiration_ttl)?;
                self.put(key, payload, *expiration, *expiration_ttl, metadata.as_ref()).await?;
                Ok(write_done(Answer::json("{}"), Outcome::Done, json!({"size": payload.len()})))
            }
            KeyCall::Delete { key } => {
                self.call("delete", &[JsValue::from_str(key)]).await?;
                Ok(write_done(Answer::json("{}"), Outcome::Done, Value::Null))
            }
            KeyCall::PutMany { items } => {
                let values = self.values(items)?;
                // They run side by side, so of a key that comes twice only the last is written.
                let mut last: BTreeMap<&str, usize> = BTreeMap::new();
                last.extend(items.iter().enumerate().map(|(index, item)| (item.key.as_str(), index)));
                let last = &last;
                let puts = items.iter().zip(&values).enumerate().map(|(index, (item, bytes))| async move {
                    if last.get(item.key.as_str()) == Some(&index) {
                        self.put(&item.key, bytes, item.expiration, item.expiration_ttl, item.metadata.as_ref()).await
                    } else {
                        Ok(())
                    }
                });
                let done = join_all(puts).await;
                // What became of a key is what became of its last value.
                let done = items.iter().map(|item| {
                    last.get(item.key.as_str())
                        .and_then(|at| done.get(*at))
                        .cloned()
                        .unwrap_or_else(|| Err(Problem::broken("a bulk write had no result")))
                });
                Self::bulk(items.iter().map(|item| item.key.as_str()), done.collect())
            }
            KeyCall::DeleteMany { keys } => {
                let deletes =
                    keys.iter().map(|key| async { self.call("delete", &[JsValue::from_str(key)]).await.map(|_| ()) });
                Self::bulk(keys.iter().map(String::as_str), join_all(deletes).await)
            }
            KeyCall::Get { .. } | KeyCall::Metadata { .. } | KeyCall::List { .. } | KeyCall::GetMany { .. } => {
                Err(Problem::broken("a read came to the writer of KV"))
            }
        }
    }

    /// The answer of a bulk write: the keys that were not written are named. When none was, that is a failure, and
    /// where
    /// one key may have been written after all, so may all of them.
    fn bulk<'k>(keys: impl Iterator<Item = &'k str>, done: Vec<Result<(), Problem>>) -> Result<KvDone, Problem> {
        let count = done.len();
        let failed: Vec<(String, Problem)> =
            keys.zip(done).filter_map(|(key, done)| Some((key.to_owned(), done.err()?))).collect();
        if failed.len() == count {
            let is_unclear = |(_, problem): &&(String, Problem)| problem.code == Code::StoreUnavailable;
            if let Some((_, problem)) = failed.iter().find(is_unclear).or(failed.first()) {
                return Err(problem.clone());
            }
        }
        let result = BulkWritten::of(count - failed.len(), failed.into_iter().map(|(key, _)| key).collect())?;
        Ok(write_done(Answer::json(result.to_string()), Outcome::Done, result))
    }

    async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        expiration: Option<u64>,
        ttl: Option<u64>,
        metadata: Option<&Value>,
    ) -> Result<(), Problem> {
        let options = Object::new();
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
        for (name, seconds) in [("expiration", expiration), ("expirationTtl", ttl)] {
            if let Some(seconds) = seconds {
                js::set(&options, name, &JsValue::from_f64(seconds as f64));
            }
        }
        as_stored(metadata)?;
        if let Some(metadata) = metadata {
            js::set(&options, "metadata", &to_js(metadata));
        }
        let value = Uint8Array::from(bytes);
        self.call("put", &[JsValue::from_str(key), value.into(), options.into()]).await.map(|_| ())
    }

    fn values(&self, items: &[KeyItem]) -> Result<Vec<Vec<u8>>, Problem> {
        items
            .iter()
            .map(|item| {
                self.expiry(item.expiration, item.expiration_ttl)?;
                as_stored(item.metadata.as_ref())?;
                if item.base64 {
                    STANDARD.decode(&item.value).map_err(|error| {
                        Problem::new(
                            Code::InvalidRequest,
                            format!("The value of {} is not valid base64; nothing was written.", item.key),
                            "Encode it, or leave base64 out.",
                        )
                        .caused_by(error)
                    })
                } else {
                    Ok(item.value.clone().into_bytes())
                }
            })
            .collect()
    }

    /// When a value ends, in seconds since the epoch; KV refuses an end within a minute.
    fn expiry(&self, expiration: Option<u64>, ttl: Option<u64>) -> Result<Option<u64>, Problem> {
        let now = self.now / 1_000;
        let at = ttl.map(|ttl| now.saturating_add(ttl)).or(expiration);
        match at {
            Some(at) if at < now + MIN_KV_TTL_SECONDS => Err(Problem::new(
                Code::InvalidRequest,
                format!("A value must live for at least {MIN_KV_TTL_SECONDS} seconds; nothing was written."),
                "Use a later expiration or a longer expiration_ttl.",
            )),
            at => Ok(at),
        }
    }

    /// Carries a write out on the run's own view.
    pub async fn rehearse(&self, call: &KeyCall, payload: Vec<u8>) -> Result<KvDone, Problem> {
        match call {
            KeyCall::Put { key, expiration, expiration_ttl, metadata } => {
                let size = payload.len();
                let at = self.expiry(*expiration, *expiration_ttl)?;
                let (effect, plan) = self.plan_put(key, payload, at, metadata.as_ref()).await?;
                Ok(planned(Answer::json("{}"), Outcome::Done, json!({ "size": size }), vec![(effect, plan)]))
            }
            KeyCall::Delete { key } => {
                let (effect, plan) = self.plan_delete(key).await?;
                let outcome = if effect.before.is_some() { Outcome::Done } else { Outcome::Skipped };
                Ok(planned(Answer::json("{}"), outcome, Value::Null, vec![(effect, plan)]))
            }
            KeyCall::PutMany { items } => {
                let mut pieces: Vec<(Effect, Planned)> = Vec::new();
                for (item, bytes) in items.iter().zip(self.values(items)?) {
                    let at = self.expiry(item.expiration, item.expiration_ttl)?;
                    pieces.push(self.plan_put(&item.key, bytes, at, item.metadata.as_ref()).await?);
                }
                let result = BulkWritten::of(items.len(), Vec::new())?;
                Ok(planned(Answer::json(result.to_string()), Outcome::Done, result, pieces))
            }
            KeyCall::DeleteMany { keys } => {
                let pieces = join_all(keys.iter().map(|key| self.plan_delete(key)))
                    .await
                    .into_iter()
                    .collect::<Result<Vec<_>, _>>()?;
                let outcome = if pieces.iter().any(|(effect, _)| effect.before.is_some()) {
                    Outcome::Done
                } else {
                    Outcome::Skipped
                };
                let result = BulkWritten::of(keys.len(), Vec::new())?;
                Ok(planned(Answer::json(result.to_string()), outcome, result, pieces))
            }
            KeyCall::Get { .. } | KeyCall::Metadata { .. } | KeyCall::List { .. } | KeyCall::GetMany { .. } => {
                Err(Problem::broken("a read came to the planner of KV"))
            }
        }
    }

    async fn before(&self, key: &str) -> Result<Option<Image>, Problem> {
        match self.seen(key)? {
            // A body that was not kept has a description all the same.
            Seen::Written(form, Kept::Not) => Ok(Some(described(form.size, form.metadata, form.expiration))),
            Seen::Untouched => {
                let Some(found) = self.find(key).await? else { return Ok(None) };
                // Only a list tells when a value ends.
                let (listed, _) = self.list_base(key, 1, None).await?;
                let expiration =
                    listed.into_iter().find(|(listed, _)| listed == key).and_then(|(_, listed)| listed.expiration);
                Ok(Some(image(&found.bytes, found.metadata.as_ref(), expiration)))
            }
            Seen::Removed | Seen::Written(..) => {
                Ok(self.find(key).await?.map(|found| image(&found.bytes, found.metadata.as_ref(), found.expiration)))
            }
        }
    }

    async fn plan_put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expiration: Option<u64>,
        metadata: Option<&Value>,
    ) -> Result<(Effect, Planned), Problem> {
        let metadata = as_stored(metadata)?;
        let before = self.before(key).await?;
        let after = Some(image(&bytes, metadata.as_ref(), expiration));
        let form = KeyForm { size: u64::try_from(bytes.len()).unwrap_or(u64::MAX), expiration, metadata };
        let form = serde_json::to_string(&form).map_err(Problem::broken)?;
        let room = self.overlay.as_ref().map_or(Ok(false), |overlay| overlay.has_room(bytes.len()))?;
        let body = if room { Body::Bytes(bytes) } else { Body::NotKept };
        let plan = Planned { store: self.store.to_owned(), key: key.to_owned(), entry: Some((form, body)) };
        Ok((self.effect(key, before, after), plan))
    }

    async fn plan_delete(&self, key: &str) -> Result<(Effect, Planned), Problem> {
        let before = self.before(key).await?;
        let plan = Planned { store: self.store.to_owned(), key: key.to_owned(), entry: None };
        Ok((self.effect(key, before, None), plan))
    }

    fn effect(&self, key: &str, before: Option<Image>, after: Option<Image>) -> Effect {
        Effect {
            store: self.store.to_owned(),
            subject: "keys".into(),
            key: key.to_owned(),
            label: None,
            statement: None,
            renamed_from: None,
            before,
            after,
        }
    }
}

/// What became of a bulk write.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BulkWritten {
    /// Keys that were written or deleted.
    successful_key_count: usize,
    /// Keys that were not, or of which the store did not say so; try them again.
    unsuccessful_keys: Vec<String>,
}

impl BulkWritten {
    fn of(successful_key_count: usize, unsuccessful_keys: Vec<String>) -> Result<Value, Problem> {
        serde_json::to_value(Self { successful_key_count, unsuccessful_keys }).map_err(Problem::broken)
    }
}

/// Metadata as KV keeps it. It passes through JavaScript, which has other numbers and another order of members.
fn as_stored(metadata: Option<&Value>) -> Result<Option<Value>, Problem> {
    let stored = metadata.and_then(|metadata| to_value(&to_js(metadata)));
    kv::check_metadata(stored.as_ref())?;
    Ok(stored)
}

fn to_js(value: &Value) -> JsValue {
    JSON::parse(&value.to_string()).unwrap_or(JsValue::NULL)
}

fn write_done(answer: Answer<Content>, outcome: Outcome, result: Value) -> KvDone {
    Done { answer, outcome, result, effects: Vec::new(), plan: Vec::new(), inexact: Vec::new(), volatile: Vec::new() }
}

fn planned(answer: Answer<Content>, outcome: Outcome, result: Value, pieces: Vec<(Effect, Planned)>) -> KvDone {
    let is_left_out = |planned: &Planned| matches!(planned.entry, Some((_, Body::NotKept)));
    let inexact = if pieces.iter().any(|(_, planned)| is_left_out(planned)) {
        vec!["a value larger than the run keeps: its size and digest are known, reading it back is refused".to_owned()]
    } else {
        Vec::new()
    };
    let (effects, plan): (Vec<_>, Vec<_>) =
        pieces.into_iter().map(|(effect, planned)| (effect, Plan::View(planned))).unzip();
    Done { answer, outcome, result, effects, plan, inexact, volatile: Vec::new() }
}

/// A value as a report shows it: JSON by its fields, text as text, anything else by size and digest.
fn image(bytes: &[u8], metadata: Option<&Value>, expiration: Option<u64>) -> Image {
    let value = match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= MAX_IMAGE_JSON_BYTES => match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ if text.chars().count() <= MAX_IMAGE_CHARS => text.into(),
            _ => digested(text),
        },
        Ok(text) => digested(text),
        Err(_) => format!("<{} bytes, SHA-256 {}>", bytes.len(), hex::encode(Sha256::digest(bytes))).into(),
    };
    let mut image = Image::new();
    image.insert("value".into(), value);
    if let Some(metadata) = metadata {
        image.insert("metadata".into(), metadata.clone());
    }
    if let Some(expiration) = expiration {
        image.insert("expiration".into(), expiration.into());
    }
    image
}

fn described(size: u64, metadata: Option<Value>, expiration: Option<u64>) -> Image {
    let mut image = image(&[], metadata.as_ref(), expiration);
    image.insert("value".into(), format!("<{size} bytes, not kept>").into());
    image
}

/// The beginning of a long text, with a digest that tells it from others that begin so.
fn digested(text: &str) -> Value {
    format!("{} (SHA-256 {})", cut_with_count(text, MAX_IMAGE_CHARS), hex::encode(Sha256::digest(text.as_bytes())))
        .into()
}
