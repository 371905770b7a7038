//! Writing objects, for real or into the run's own view.

use crate::domain::stores::r2::{self, precondition_failed};
use std::collections::BTreeMap;

use js_sys::{Array, Object, Uint8Array};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sha2::Sha256;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStream;

use super::form::{ObjectForm, http_metadata_to_js, only_if};
use super::{BODY_LIMIT, Bucket, LIMIT, R2Done, done};
use crate::app::message::Answer;
use crate::app::ports::Done;
use crate::cloudflare::js;
use crate::cloudflare::ledger::Plan;
use crate::cloudflare::overlay::{Body, Planned};
use crate::cloudflare::wire::Payload;
use crate::domain::condition::{Digest, Met, bad_digest};
use crate::domain::effect::Effect;
use crate::domain::journal::Outcome;
use crate::domain::operation::ObjectCall;
use crate::domain::refusal::{Code, Problem};

impl Bucket<'_> {
    /// Makes a write real. The body streams through without being held.
    pub async fn perform(&self, call: &ObjectCall, payload: Payload) -> Result<R2Done, Problem> {
        match call {
            ObjectCall::Put { key, length, condition, digest, http_metadata, custom_metadata, storage_class } => {
                r2::check_metadata(custom_metadata, self.metadata_max_bytes)?;
                let options = Object::new();
                js::set(&options, "httpMetadata", &http_metadata_to_js(http_metadata));
                let pairs: Array = custom_metadata
                    .iter()
                    .map(|(name, value)| Array::of2(&JsValue::from_str(name), &JsValue::from_str(value)))
                    .collect();
                // Not by setting members: one named `__proto__` would be lost.
                let custom = Object::from_entries(&pairs).map_err(|error| js::thrown(&error))?;
                js::set(&options, "customMetadata", &custom);
                if !condition.is_empty() {
                    js::set(&options, "onlyIf", &only_if(condition).map_err(|error| js::thrown(&error))?);
                }
                match digest {
                    Some(Digest::Md5(hex)) => js::set(&options, "md5", &JsValue::from_str(hex)),
                    Some(Digest::Sha256(hex)) => js::set(&options, "sha256", &JsValue::from_str(hex)),
                    None => {}
                }
                if let Some(class) = storage_class {
                    js::set(&options, "storageClass", &JsValue::from_str(class));
                }
                let body = match payload {
                    Payload::Bytes(bytes) => Uint8Array::from(bytes.as_slice()).into(),
                    Payload::Stream(stream) => {
                        fixed_length(&stream, *length).map_err(|error| self.failed("put", &js::message(&error)))?
                    }
                };
                let object = self.call("put", &[JsValue::from_str(key), body, options.into()], BODY_LIMIT).await?;
                if object.is_null() {
                    return Err(precondition_failed());
                }
                let form = ObjectForm::from_js(&object);
                let result = form.put_result(key)?;
                Ok(done(Answer::json(result.to_string()), Outcome::Done, result))
            }
            ObjectCall::Delete { key } => {
                self.call("delete", &[JsValue::from_str(key)], LIMIT).await?;
                Ok(done(Answer::json(json!({ "key": key }).to_string()), Outcome::Done, Value::Null))
            }
            ObjectCall::Get { .. } | ObjectCall::Head { .. } | ObjectCall::List { .. } => {
                Err(Problem::broken("a read came to the writer of R2"))
            }
        }
    }

    /// Carries a write out on the run's own view.
    pub async fn rehearse(&self, call: &ObjectCall, payload: Payload) -> Result<R2Done, Problem> {
        match call {
            ObjectCall::Put { key, length, condition, digest, http_metadata, custom_metadata, storage_class } => {
                r2::check_metadata(custom_metadata, self.metadata_max_bytes)?;
                let before = self.head(key).await?;
                // On a write either way of not holding is a failed precondition.
                if condition.check(before.as_ref().map(|form| (form.etag.as_str(), form.uploaded))) != Met::Yes {
                    return Err(precondition_failed());
                }
                let received = self.receive(payload, *length, digest.as_ref()).await?;
                let mut checksums = BTreeMap::from([("md5".to_owned(), received.md5.clone())]);
                if let Some(Digest::Sha256(sha256)) = digest {
                    checksums.insert("sha256".into(), sha256.clone());
                }
                let form = ObjectForm {
                    checksums,
                    size: received.size,
                    etag: received.md5,
                    version: format!("{:032x}", js::entropy()),
                    uploaded: js::now(),
                    http_metadata: http_metadata.clone(),
                    custom_metadata: custom_metadata.clone(),
                    storage_class: storage_class.clone().unwrap_or_else(|| "Standard".into()),
                };
                let result = form.put_result(key)?;
                let effect = self.effect(key, before.as_ref(), Some(&form));
                let stored = serde_json::to_string(&form).map_err(Problem::broken)?;
                let inexact = match received.body {
                    Body::NotKept => vec![
                        "an object larger than the run keeps: its size and digest are known, reading \
                                           it back is refused"
                            .to_owned(),
                    ],
                    Body::Bytes(_) | Body::Stored(_) => Vec::new(),
                };
                let planned =
                    Planned { store: self.store.to_owned(), key: key.clone(), entry: Some((stored, received.body)) };
                let answer = Answer::json(result.to_string());
                Ok(Done {
                    answer,
                    outcome: Outcome::Done,
                    result,
                    effects: vec![effect],
                    plan: vec![Plan::View(planned)],
                    inexact,
                    volatile: Vec::new(),
                })
            }
            ObjectCall::Delete { key } => {
                let before = self.head(key).await?;
                let outcome = if before.is_some() { Outcome::Done } else { Outcome::Skipped };
                let effect = self.effect(key, before.as_ref(), None);
                let planned = Planned { store: self.store.to_owned(), key: key.clone(), entry: None };
                let answer = Answer::json(json!({ "key": key }).to_string());
                Ok(Done {
                    answer,
                    outcome,
                    result: Value::Null,
                    effects: vec![effect],
                    plan: vec![Plan::View(planned)],
                    inexact: Vec::new(),
                    volatile: Vec::new(),
                })
            }
            ObjectCall::Get { .. } | ObjectCall::Head { .. } | ObjectCall::List { .. } => {
                Err(Problem::broken("a read came to the planner of R2"))
            }
        }
    }

    /// Takes a body in, piece by piece, with its digests.
    async fn receive(&self, payload: Payload, length: u64, digest: Option<&Digest>) -> Result<Received, Problem> {
        let overlay = self.overlay.as_ref().ok_or_else(|| Problem::broken("a dry write without an overlay"))?;
        let mut writer = overlay.begin_body()?;
        let (mut md5, mut sha256, mut size) = (Md5::new(), Sha256::new(), 0u64);
        let mut take = |bytes: &[u8]| {
            md5.update(bytes);
            sha256.update(bytes);
            size += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            writer.write(bytes)
        };
        let taken = match payload {
            Payload::Bytes(bytes) => take(&bytes),
            Payload::Stream(stream) => drain(&stream, &mut take).await,
        };
        let (md5, sha256) = (hex::encode(md5.finalize()), hex::encode(sha256.finalize()));
        let fits = match digest {
            Some(Digest::Md5(expected)) => *expected == md5,
            Some(Digest::Sha256(expected)) => *expected == sha256,
            None => true,
        };
        let verdict = match taken {
            Err(problem) => Err(problem),
            Ok(()) if size != length => Err(Problem::from_store(
                Code::InvalidRequest,
                "The body is shorter or longer than its Content-Length; nothing was written.",
            )),
            Ok(()) if !fits => Err(bad_digest()),
            Ok(()) => Ok(()),
        };
        if let Err(problem) = verdict {
            writer.discard()?;
            return Err(problem);
        }
        Ok(Received { body: writer.finish()?, size, md5 })
    }

    fn effect(&self, key: &str, before: Option<&ObjectForm>, after: Option<&ObjectForm>) -> Effect {
        Effect {
            store: self.store.to_owned(),
            subject: "objects".into(),
            key: key.to_owned(),
            label: None,
            statement: None,
            renamed_from: None,
            before: before.map(ObjectForm::image),
            after: after.map(ObjectForm::image),
        }
    }
}

/// A body that was taken in.
struct Received {
    body: Body,
    size: u64,
    md5: String,
}

/// Whether a body is the one that an earlier put answered for: the etag of a single put is its MD5.
pub async fn is_same_body(payload: Payload, first: &str) -> Result<bool, Problem> {
    let mut md5 = Md5::new();
    let mut take = |bytes: &[u8]| {
        md5.update(bytes);
        Ok(())
    };
    match payload {
        Payload::Bytes(bytes) => take(&bytes)?,
        Payload::Stream(stream) => drain(&stream, &mut take).await?,
    }
    let first: Value = serde_json::from_str(first).unwrap_or_default();
    Ok(first.get("etag").and_then(Value::as_str) == Some(hex::encode(md5.finalize()).as_str()))
}

/// Reads a stream to its end.
pub async fn drain(
    stream: &ReadableStream,
    take: &mut impl FnMut(&[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let broken = |_| Problem::from_store(Code::InvalidRequest, "The body broke off; nothing was written.");
    let reader: JsValue = stream.get_reader().into();
    loop {
        let step = js::within(BODY_LIMIT, js::call(&reader, "read", &[])).await;
        let step = step.unwrap_or_else(|| Err(JsValue::from_str("too slow"))).map_err(broken)?;
        if js::member(&step, "done").is_truthy() {
            return Ok(());
        }
        let piece: Uint8Array = js::member(&step, "value").dyn_into().map_err(broken)?;
        take(&piece.to_vec())?;
    }
}

/// R2 takes a stream only when it knows its length.
fn fixed_length(stream: &ReadableStream, length: u64) -> Result<JsValue, JsValue> {
    let constructor: js_sys::Function = js::member(&js_sys::global(), "FixedLengthStream").dyn_into()?;
    #[expect(clippy::cast_precision_loss, reason = "at most 300 MiB")]
    let pair = js_sys::Reflect::construct(&constructor, &Array::of1(&JsValue::from_f64(length as f64)))?;
    let pipe: js_sys::Function = js::member(stream, "pipeTo").dyn_into()?;
    let piping: js_sys::Promise = pipe.call1(stream, &js::member(&pair, "writable"))?.unchecked_into();
    // A body that breaks off ends the readable side with the same error, which the put reports.
    wasm_bindgen_futures::spawn_local(async move {
        let _ = JsFuture::from(piping).await;
    });
    Ok(js::member(&pair, "readable"))
}
