//! Reading values and lists of keys.

use crate::domain::stores::kv;
use js_sys::{Array, Map as JsMap, Object};
use serde::Serialize;
use serde_json::{Map, Value, json};
use wasm_bindgen::{JsCast as _, JsValue};

use super::{Found, KeyForm, KvDone, Listed, Namespace, to_value};
use crate::app::message::Answer;
use crate::app::ports::Done;
use crate::cloudflare::d1::unread;
use crate::cloudflare::js;
use crate::cloudflare::overlay::Seen;
use crate::cloudflare::wire::{Content, header_text};
use crate::domain::journal::Outcome;
use crate::domain::limits::MAX_PAGE;
use crate::domain::listing::{Cursor, merge};
use crate::domain::operation::KeyCall;
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;

impl Namespace<'_> {
    /// Reads.
    pub async fn read(&self, call: &KeyCall) -> Result<KvDone, Problem> {
        match call {
            KeyCall::Get { key } => {
                let found = self.find(key).await?.ok_or_else(not_found)?;
                let size = found.bytes.len();
                let mut headers = vec![("content-type".to_owned(), "application/octet-stream".to_owned())];
                headers.extend(
                    found.metadata.map(|metadata| ("kv-metadata".to_owned(), header_text(&metadata.to_string()))),
                );
                Ok(read_done(
                    Answer::Content { headers, partial: false, content: Some(Content::Bytes(found.bytes)) },
                    json!({ "size": size }),
                ))
            }
            KeyCall::Metadata { key } => {
                // What is known of a planned value is known even when the value itself was too large to keep.
                let metadata = match self.seen(key)? {
                    Seen::Written(form, _) => form.metadata,
                    Seen::Removed | Seen::Untouched => self.find(key).await?.ok_or_else(not_found)?.metadata,
                };
                Ok(read_done(Answer::json(metadata.unwrap_or(Value::Null).to_string()), Value::Null))
            }
            KeyCall::List { prefix, limit, cursor } => self.list(prefix, *limit, cursor.as_deref()).await,
            KeyCall::GetMany { keys, with_metadata, json } => self.get_many(keys, *with_metadata, *json).await,
            KeyCall::Put { .. } | KeyCall::Delete { .. } | KeyCall::PutMany { .. } | KeyCall::DeleteMany { .. } => {
                Err(Problem::broken("a write came to the reader of KV"))
            }
        }
    }

    async fn get_many(&self, keys: &[String], with_metadata: bool, as_json: bool) -> Result<KvDone, Problem> {
        let mut found: Vec<(String, Option<Found>)> = Vec::new();
        let mut base = Vec::new();
        for key in keys {
            match self.seen(key)? {
                // The binding leaves names like those of an array's elements out of what it answers for several keys.
                Seen::Untouched if !key.bytes().all(|byte| byte.is_ascii_digit()) => base.push(key),
                Seen::Untouched | Seen::Removed | Seen::Written(..) => found.push((key.clone(), self.find(key).await?)),
            }
        }
        if !base.is_empty() {
            let list: Array = base.iter().map(|key| JsValue::from_str(key)).collect();
            let answer = self.call("getWithMetadata", &[list.into(), JsValue::from_str("text")]).await?;
            let map: JsMap =
                answer.dyn_into().map_err(|other| unread(self.store).caused_by(format!("{other:?} is not a Map")))?;
            for key in base {
                let entry = map.get(&JsValue::from_str(key));
                let value = js::text_member(&entry, "value").map(String::into_bytes);
                found.push((
                    key.clone(),
                    value.map(|bytes| Found {
                        bytes,
                        metadata: to_value(&js::member(&entry, "metadata")),
                        expiration: None,
                    }),
                ));
            }
        }
        let mut values = Map::new();
        for key in keys {
            let Some((_, entry)) = found.iter().find(|(other, _)| other == key) else { continue };
            let value = match entry {
                None => Value::Null,
                Some(found) => {
                    let text = String::from_utf8_lossy(&found.bytes).into_owned();
                    let value = if as_json {
                        serde_json::from_str(&text).map_err(|error| not_json(key).caused_by(error))?
                    } else {
                        Value::String(text)
                    };
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
        kv::check_prefix(prefix)?;
        let start = cursor.map(Cursor::decode).transpose()?;
        let (keys, next) = match &self.overlay {
            None => {
                let at = start.map(Cursor::in_the_store).transpose()?;
                let (keys, next) = self.list_base(prefix, limit, at.as_deref()).await?;
                let last = keys.last().map(|(key, _)| key.clone()).unwrap_or_default();
                (keys, next.map(|next| Cursor::behind(next, last).encode()))
            }
            Some(overlay) => {
                let own = overlay.under::<KeyForm>(self.store, prefix)?;
                let own = sorted::map(own.into_iter().map(|(key, form)| {
                    let alive = form.filter(|form| !self.is_over(form.expiration));
                    (key, alive.map(|form| Listed { expiration: form.expiration, metadata: form.metadata }))
                }));
                let (mut base_cursor, mut after) = start.unwrap_or_default().in_view();
                let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
                let mut keys: Vec<(String, Listed)> = Vec::new();
                loop {
                    let (page, base_next) = self.list_base(prefix, MAX_PAGE, base_cursor.as_deref()).await?;
                    let mut merged =
                        merge(page, base_next.is_some(), &own, prefix, (!after.is_empty()).then_some(after.as_str()));
                    let room = wanted - keys.len();
                    let more_here = merged.len() > room;
                    merged.truncate(room);
                    if let Some((last, _)) = merged.last() {
                        after.clone_from(last);
                    }
                    keys.append(&mut merged);
                    if keys.len() == wanted && (more_here || base_next.is_some()) {
                        break (keys, Some(Cursor::within(base_cursor, after).encode()));
                    }
                    match base_next {
                        Some(next) => base_cursor = Some(next),
                        None => break (keys, None),
                    }
                }
            }
        };
        let count = keys.len();
        let result: Vec<KeyLine> = keys
            .into_iter()
            .map(|(name, Listed { expiration, metadata })| KeyLine { name, expiration, metadata })
            .collect();
        let answer = Answer::Result {
            result: to_text(&result)?,
            info: Some(to_text(&KeyPage { count, cursor: next.unwrap_or_default() })?),
        };
        Ok(read_done(answer, json!({ "count": count })))
    }

    pub(super) async fn list_base(
        &self,
        prefix: &str,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<(Vec<(String, Listed)>, Option<String>), Problem> {
        let options = Object::new();
        js::set(&options, "prefix", &JsValue::from_str(prefix));
        js::set(&options, "limit", &JsValue::from_f64(f64::from(limit)));
        if let Some(cursor) = cursor {
            js::set(&options, "cursor", &JsValue::from_str(cursor));
        }
        let answer = self.call("list", &[options.into()]).await?;
        let keys: Array = js::member(&answer, "keys")
            .dyn_into()
            .map_err(|other| unread(self.store).caused_by(format!("{other:?} is not a list")))?;
        let listed = keys.iter().map(|key| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds since the epoch")]
            let expiration = js::number_member(&key, "expiration").map(|at| at as u64);
            (
                js::text_member(&key, "name").unwrap_or_default(),
                Listed { expiration, metadata: to_value(&js::member(&key, "metadata")) },
            )
        });
        let complete = js::member(&answer, "list_complete").as_bool().unwrap_or(true);
        let next = js::text_member(&answer, "cursor").filter(|next| !complete && !next.is_empty());
        Ok((listed.collect(), next))
    }
}

/// A key of a list.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyLine {
    name: String,
    /// When the value ends, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u64>,
    /// The metadata that was put with it, any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

/// Where a page of keys ended.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyPage {
    /// Keys on this page.
    count: usize,
    /// For the next page; empty on the last one.
    cursor: String,
}

fn to_text<T: Serialize>(value: &T) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(Problem::broken)
}

fn not_found() -> Problem {
    Problem::from_store(Code::KeyNotFound, "get: 'key not found'")
}

fn not_json(key: &str) -> Problem {
    Problem::from_store(Code::InvalidRequest, format!("The value of {key} is not JSON; nothing was answered."))
}

fn read_done(answer: Answer<Content>, result: Value) -> KvDone {
    Done {
        answer,
        outcome: Outcome::Done,
        result,
        effects: Vec::new(),
        plan: Vec::new(),
        inexact: Vec::new(),
        volatile: Vec::new(),
    }
}
