//! A KV namespace: the real one, and a run's own view of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use js_sys::{Array, ArrayBuffer, JSON, Map as JsMap, Object, Uint8Array};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use super::environment::binding;
use super::js;
use super::ledger::Plan;
use super::overlay::{Body, Overlay, Planned, Seen};
use super::wire::Content;
use crate::app::message::Answer;
use crate::app::ports::Done;
use crate::domain::effect::{Effect, Image};
use crate::domain::journal::Outcome;
use crate::domain::limits::MIN_KV_TTL_SECONDS;
use crate::domain::listing::{Cursor, merge};
use crate::domain::operation::{KeyCall, KeyItem, cut};
use crate::domain::refusal::{Code, Problem};

/// Longest wait for one call of KV outside the guard.
const LIMIT: Duration = Duration::from_secs(30);
/// Longest value shown in a report.
const MAX_IMAGE_CHARS: usize = 4_000;
/// Longest value that is parsed as JSON for a report.
const MAX_IMAGE_JSON_BYTES: usize = 64 << 10;

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

fn to_js(value: &Value) -> JsValue {
    JSON::parse(&value.to_string()).unwrap_or(JsValue::NULL)
}

fn not_found() -> Problem {
    Problem::from_store(Code::KeyNotFound, "get: 'key not found'")
}

impl<'a> Namespace<'a> {
    /// The namespace behind a binding.
    pub fn new(env: &Env, store: &'a str, overlay: Option<Overlay<'a>>) -> Result<Self, Problem> {
        Ok(Self { kv: binding(env, store, "getWithMetadata")?, store, overlay, now: js::now() })
    }

    async fn call(&self, method: &str, arguments: &[JsValue]) -> Result<JsValue, Problem> {
        match js::within(LIMIT, js::call(&self.kv, method, arguments)).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => {
                worker::console_error!("{}", json!({"level": "error", "event": "kv_failed", "store": self.store, "method": method, "why": js::message(&error)}));
                Err(super::d1::unavailable(self.store))
            }
            None => Err(super::d1::unavailable(self.store)),
        }
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
            Seen::Written(form, body) => {
                let bytes = match &self.overlay {
                    Some(overlay) => overlay.read(body, 0, form.size)?,
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

    /// Reads.
    pub async fn read(&self, call: &KeyCall) -> Result<KvDone, Problem> {
        match call {
            KeyCall::Get { key } => {
                let found = self.find(key).await?.ok_or_else(not_found)?;
                let size = found.bytes.len();
                let headers = vec![("content-type".to_owned(), "application/octet-stream".to_owned())];
                Ok(read_done(Answer::Content { headers, partial: false, content: Some(Content::Bytes(found.bytes)) }, json!({ "size": size })))
            }
            KeyCall::Metadata { key } => {
                let found = self.find(key).await?.ok_or_else(not_found)?;
                Ok(read_done(Answer::json(found.metadata.unwrap_or(Value::Null).to_string()), Value::Null))
            }
            KeyCall::List { prefix, limit, cursor } => self.list(prefix, *limit, cursor.as_deref()).await,
            KeyCall::GetMany { keys, with_metadata, json } => self.get_many(keys, *with_metadata, *json).await,
            KeyCall::Put { .. } | KeyCall::Delete { .. } | KeyCall::PutMany { .. } | KeyCall::DeleteMany { .. } => Err(Problem::internal()),
        }
    }

    async fn get_many(&self, keys: &[String], with_metadata: bool, as_json: bool) -> Result<KvDone, Problem> {
        let mut found: Vec<(String, Option<Found>)> = Vec::new();
        let mut base = Vec::new();
        for key in keys {
            match self.seen(key)? {
                Seen::Untouched => base.push(key),
                Seen::Removed | Seen::Written(..) => found.push((key.clone(), self.find(key).await?)),
            }
        }
        if !base.is_empty() {
            let list: Array = base.iter().map(|key| JsValue::from_str(key)).collect();
            let answer = self.call("getWithMetadata", &[list.into(), JsValue::from_str("text")]).await?;
            let map: JsMap = answer.dyn_into().map_err(|_| super::d1::unavailable(self.store))?;
            for key in base {
                let entry = map.get(&JsValue::from_str(key));
                let value = js::text_member(&entry, "value").map(String::into_bytes);
                found.push((key.clone(), value.map(|bytes| Found { bytes, metadata: to_value(&js::member(&entry, "metadata")), expiration: None })));
            }
        }
        let mut values = Map::new();
        for key in keys {
            let Some((_, entry)) = found.iter().find(|(other, _)| other == key) else { continue };
            let value = match entry {
                None => Value::Null,
                Some(found) => {
                    let text = String::from_utf8_lossy(&found.bytes).into_owned();
                    let value = if as_json { serde_json::from_str(&text).map_err(|_| not_json(key))? } else { Value::String(text) };
                    if with_metadata {
                        let mut entry = Map::new();
                        entry.insert("value".into(), value);
                        entry.insert("metadata".into(), found.metadata.clone().unwrap_or(Value::Null));
                        Value::Object(entry)
                    } else {
                        value
                    }
                }
            };
            values.insert(key.clone(), value);
        }
        let count = values.len();
        Ok(read_done(Answer::json(json!({ "values": values }).to_string()), json!({ "count": count })))
    }

    async fn list(&self, prefix: &str, limit: u32, cursor: Option<&str>) -> Result<KvDone, Problem> {
        let (keys, next) = match &self.overlay {
            None => self.list_base(prefix, limit, cursor).await?,
            Some(overlay) => {
                let own = overlay.under::<KeyForm>(self.store, prefix)?;
                let own = own
                    .into_iter()
                    .map(|(key, form)| (key, form.filter(|form| !self.is_over(form.expiration)).map(|form| Listed { expiration: form.expiration, metadata: form.metadata })))
                    .collect();
                let start = cursor.map(Cursor::decode).transpose()?.unwrap_or_default();
                let (mut after, mut base_cursor) = (start.after.clone(), start.base);
                let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
                let mut keys: Vec<(String, Listed)> = Vec::new();
                loop {
                    let (page, base_next) = self.list_base(prefix, crate::domain::limits::MAX_PAGE, base_cursor.as_deref()).await?;
                    let mut merged = merge(page, base_next.is_some(), &own, prefix, (!after.is_empty()).then_some(after.as_str()));
                    let room = wanted - keys.len();
                    let more_here = merged.len() > room;
                    merged.truncate(room);
                    if let Some((last, _)) = merged.last() {
                        after.clone_from(last);
                    }
                    keys.append(&mut merged);
                    if keys.len() == wanted && (more_here || base_next.is_some()) {
                        break (keys, Some(Cursor { base: base_cursor, after }.encode()));
                    }
                    match base_next {
                        Some(next) => base_cursor = Some(next),
                        None => break (keys, None),
                    }
                }
            }
        };
        let count = keys.len();
        let result: Vec<Value> = keys
            .into_iter()
            .map(|(name, listed)| {
                let mut entry = Map::new();
                entry.insert("name".into(), name.into());
                if let Some(expiration) = listed.expiration {
                    entry.insert("expiration".into(), expiration.into());
                }
                if let Some(metadata) = listed.metadata {
                    entry.insert("metadata".into(), metadata);
                }
                Value::Object(entry)
            })
            .collect();
        let info = json!({"count": count, "cursor": next.unwrap_or_default()});
        let answer = Answer::Result { result: Value::Array(result).to_string(), info: Some(info.to_string()) };
        Ok(read_done(answer, json!({ "count": count })))
    }

    async fn list_base(&self, prefix: &str, limit: u32, cursor: Option<&str>) -> Result<(Vec<(String, Listed)>, Option<String>), Problem> {
        let options = Object::new();
        js::set(&options, "prefix", &JsValue::from_str(prefix));
        js::set(&options, "limit", &JsValue::from_f64(f64::from(limit)));
        if let Some(cursor) = cursor {
            js::set(&options, "cursor", &JsValue::from_str(cursor));
        }
        let answer = self.call("list", &[options.into()]).await?;
        let keys: Array = js::member(&answer, "keys").dyn_into().map_err(|_| super::d1::unavailable(self.store))?;
        let listed = keys.iter().map(|key| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds since the epoch")]
            let expiration = js::number_member(&key, "expiration").map(|at| at as u64);
            (js::text_member(&key, "name").unwrap_or_default(), Listed { expiration, metadata: to_value(&js::member(&key, "metadata")) })
        });
        let complete = js::member(&answer, "list_complete").as_bool().unwrap_or(true);
        let next = js::text_member(&answer, "cursor").filter(|next| !complete && !next.is_empty());
        Ok((listed.collect(), next))
    }

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
                let puts = items.iter().zip(&values).map(|(item, bytes)| self.put(&item.key, bytes, item.expiration, item.expiration_ttl, item.metadata.as_ref()));
                self.bulk(items.iter().map(|item| item.key.as_str()), join_all(puts).await)
            }
            KeyCall::DeleteMany { keys } => {
                let deletes = keys.iter().map(|key| async { self.call("delete", &[JsValue::from_str(key)]).await.map(|_| ()) });
                self.bulk(keys.iter().map(String::as_str), join_all(deletes).await)
            }
            KeyCall::Get { .. } | KeyCall::Metadata { .. } | KeyCall::List { .. } | KeyCall::GetMany { .. } => Err(Problem::internal()),
        }
    }

    /// The answer of a bulk write: the keys that were not written are named, and when none was, that is a failure.
    fn bulk<'k>(&self, keys: impl Iterator<Item = &'k str>, done: Vec<Result<(), Problem>>) -> Result<KvDone, Problem> {
        let failed: Vec<&str> = keys.zip(&done).filter(|(_, done)| done.is_err()).map(|(key, _)| key).collect();
        if !done.is_empty() && failed.len() == done.len() {
            return Err(super::d1::unavailable(self.store));
        }
        let result = json!({"successful_key_count": done.len() - failed.len(), "unsuccessful_keys": failed});
        Ok(write_done(Answer::json(result.to_string()), Outcome::Done, result))
    }

    async fn put(&self, key: &str, bytes: &[u8], expiration: Option<u64>, ttl: Option<u64>, metadata: Option<&Value>) -> Result<(), Problem> {
        let options = Object::new();
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
        for (name, seconds) in [("expiration", expiration), ("expirationTtl", ttl)] {
            if let Some(seconds) = seconds {
                js::set(&options, name, &JsValue::from_f64(seconds as f64));
            }
        }
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
                if item.base64 {
                    STANDARD.decode(&item.value).map_err(|_| {
                        Problem::new(Code::InvalidRequest, format!("The value of {} is not valid base64; nothing was written.", item.key), "Encode it, or leave base64 out.")
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
                let (effect, plan) = self.plan_put(key, payload, at, metadata.clone()).await?;
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
                    pieces.push(self.plan_put(&item.key, bytes, at, item.metadata.clone()).await?);
                }
                let result = json!({"successful_key_count": items.len(), "unsuccessful_keys": []});
                Ok(planned(Answer::json(result.to_string()), Outcome::Done, result, pieces))
            }
            KeyCall::DeleteMany { keys } => {
                let pieces = join_all(keys.iter().map(|key| self.plan_delete(key))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
                let outcome = if pieces.iter().any(|(effect, _)| effect.before.is_some()) { Outcome::Done } else { Outcome::Skipped };
                let result = json!({"successful_key_count": keys.len(), "unsuccessful_keys": []});
                Ok(planned(Answer::json(result.to_string()), outcome, result, pieces))
            }
            KeyCall::Get { .. } | KeyCall::Metadata { .. } | KeyCall::List { .. } | KeyCall::GetMany { .. } => Err(Problem::internal()),
        }
    }

    async fn before(&self, key: &str) -> Result<Option<Image>, Problem> {
        match self.seen(key)? {
            // A body that was not kept has a description all the same.
            Seen::Written(form, None) => Ok(Some(described(form.size, form.metadata, form.expiration))),
            _ => Ok(self.find(key).await?.map(|found| image(&found.bytes, found.metadata.as_ref(), found.expiration))),
        }
    }

    async fn plan_put(&self, key: &str, bytes: Vec<u8>, expiration: Option<u64>, metadata: Option<Value>) -> Result<(Effect, Planned), Problem> {
        let before = self.before(key).await?;
        let after = Some(image(&bytes, metadata.as_ref(), expiration));
        let form = KeyForm { size: u64::try_from(bytes.len()).unwrap_or(u64::MAX), expiration, metadata };
        let form = serde_json::to_string(&form).map_err(|_| Problem::internal())?;
        let plan = Planned { store: self.store.to_owned(), key: key.to_owned(), entry: Some((form, Body::Bytes(bytes))) };
        Ok((self.effect(key, before, after), plan))
    }

    async fn plan_delete(&self, key: &str) -> Result<(Effect, Planned), Problem> {
        let before = self.before(key).await?;
        let plan = Planned { store: self.store.to_owned(), key: key.to_owned(), entry: None };
        Ok((self.effect(key, before, None), plan))
    }

    fn effect(&self, key: &str, before: Option<Image>, after: Option<Image>) -> Effect {
        Effect { store: self.store.to_owned(), subject: "keys".into(), key: key.to_owned(), label: None, before, after }
    }
}

fn not_json(key: &str) -> Problem {
    Problem::from_store(Code::InvalidRequest, format!("The value of {key} is not JSON; nothing was answered."))
}

fn read_done(answer: Answer<Content>, result: Value) -> KvDone {
    Done { answer, outcome: Outcome::Done, result, effects: Vec::new(), plan: Vec::new(), inexact: Vec::new() }
}

fn write_done(answer: Answer<Content>, outcome: Outcome, result: Value) -> KvDone {
    Done { answer, outcome, result, effects: Vec::new(), plan: Vec::new(), inexact: Vec::new() }
}

fn planned(answer: Answer<Content>, outcome: Outcome, result: Value, pieces: Vec<(Effect, Planned)>) -> KvDone {
    let (effects, plan): (Vec<_>, Vec<_>) = pieces.into_iter().map(|(effect, planned)| (effect, Plan::View(planned))).unzip();
    Done { answer, outcome, result, effects, plan, inexact: Vec::new() }
}

/// A value as a report shows it: JSON by its fields, text as text, anything else by size and digest.
fn image(bytes: &[u8], metadata: Option<&Value>, expiration: Option<u64>) -> Image {
    let value = match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= MAX_IMAGE_JSON_BYTES => match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ => cut(text, MAX_IMAGE_CHARS).into(),
        },
        Ok(text) => format!("{} (SHA-256 {})", cut(text, MAX_IMAGE_CHARS), hex::encode(Sha256::digest(bytes))).into(),
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
