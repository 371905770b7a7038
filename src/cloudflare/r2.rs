//! An R2 bucket: the real one, and a run's own view of it.

use js_sys::{Array, Date, Object, Uint8Array};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStream;
use worker::Env;

use super::environment::binding;
use super::js;
use super::ledger::Plan;
use super::overlay::{Body, Overlay, Planned, Seen};
use super::sql::whole;
use super::wire::{Content, Payload};
use crate::app::message::Answer;
use crate::app::ports::Done;
use crate::domain::condition::{Condition, Digest, Met, Range, bad_digest, invalid_range};
use crate::domain::effect::{Effect, Image};
use crate::domain::journal::Outcome;
use crate::domain::limits::MAX_PAGE;
use crate::domain::listing::{Cursor, merge, rolled_up};
use crate::domain::operation::{CustomMetadata, HttpMetadata, ObjectCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::Millis;

/// Longest wait for one call without a body.
const LIMIT: Duration = Duration::from_secs(30);
/// Longest wait for a body of at most 300 MiB.
const BODY_LIMIT: Duration = Duration::from_secs(110);

type R2Done = Done<Content, Plan>;

/// The headers of HTTP metadata and their names in the binding.
const HTTP_METADATA: [(&str, &str); 6] = [
    ("content-type", "contentType"),
    ("content-language", "contentLanguage"),
    ("content-disposition", "contentDisposition"),
    ("content-encoding", "contentEncoding"),
    ("cache-control", "cacheControl"),
    ("expires", "cacheExpiry"),
];

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectForm {
    size: u64,
    etag: String,
    version: String,
    uploaded: Millis,
    http_metadata: HttpMetadata,
    custom_metadata: CustomMetadata,
    storage_class: String,
}

/// A bucket as a run sees it; without an overlay, as it is.
pub struct Bucket<'a> {
    r2: JsValue,
    store: &'a str,
    overlay: Option<Overlay<'a>>,
}

fn not_found() -> Problem {
    Problem::from_store(Code::ObjectNotFound, "The specified key does not exist.")
}

fn precondition_failed() -> Problem {
    Problem::from_store(Code::PreconditionFailed, "At least one of the pre-conditions you specified did not hold; nothing was written.")
}

fn not_modified() -> Problem {
    Problem::from_store(Code::NotModified, "The object is as you know it.")
}

fn text_map(value: &JsValue) -> std::collections::BTreeMap<String, String> {
    let Ok(object) = value.clone().dyn_into::<Object>() else { return Default::default() };
    Object::entries(&object)
        .iter()
        .filter_map(|pair| {
            let pair: Array = pair.dyn_into().ok()?;
            Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
        })
        .collect()
}

fn date(at: Millis) -> Date {
    #[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
    Date::new(&JsValue::from_f64(at as f64))
}

fn http_date(at: Millis) -> String {
    date(at).to_utc_string().into()
}

fn iso(at: Millis) -> String {
    date(at).to_iso_string().into()
}

impl ObjectForm {
    fn from_js(object: &JsValue) -> Self {
        let metadata = js::member(object, "httpMetadata");
        let http_metadata = HTTP_METADATA
            .iter()
            .filter_map(|(header, name)| {
                let value = js::member(&metadata, name);
                let text = value.as_string().or_else(|| value.dyn_into::<Date>().ok().map(|date| http_date(whole(date.get_time()))));
                text.map(|text| ((*header).to_owned(), text))
            })
            .collect();
        let uploaded = js::member(object, "uploaded").dyn_into::<Date>().map(|date| whole(date.get_time())).unwrap_or_default();
        Self {
            size: js::number_member(object, "size").map(whole).unwrap_or_default(),
            etag: js::text_member(object, "etag").unwrap_or_default(),
            version: js::text_member(object, "version").unwrap_or_default(),
            uploaded,
            http_metadata,
            custom_metadata: text_map(&js::member(object, "customMetadata")),
            storage_class: js::text_member(object, "storageClass").filter(|class| !class.is_empty()).unwrap_or_else(|| "Standard".into()),
        }
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers =
            vec![("etag".to_owned(), format!("\"{}\"", self.etag)), ("last-modified".to_owned(), http_date(self.uploaded)), ("accept-ranges".to_owned(), "bytes".to_owned())];
        headers.extend(self.http_metadata.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.extend(self.custom_metadata.iter().map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone())));
        if !self.http_metadata.contains_key("content-type") {
            headers.push(("content-type".into(), "application/octet-stream".into()));
        }
        headers
    }

    fn put_result(&self, key: &str) -> Value {
        json!({"key": key, "etag": self.etag, "size": self.size.to_string(), "version": self.version, "uploaded": iso(self.uploaded), "storage_class": self.storage_class})
    }

    fn listed(&self, key: &str) -> Value {
        json!({"key": key, "size": self.size, "etag": self.etag, "last_modified": iso(self.uploaded), "storage_class": self.storage_class,
            "http_metadata": self.http_metadata, "custom_metadata": self.custom_metadata})
    }

    fn check(&self, condition: &Condition) -> Met {
        condition.check(Some((&self.etag, self.uploaded)))
    }

    fn image(&self) -> Image {
        let mut image = Image::new();
        image.insert("size".into(), self.size.into());
        image.insert("etag".into(), self.etag.clone().into());
        for (name, value) in &self.http_metadata {
            image.insert(name.clone(), value.clone().into());
        }
        for (name, value) in &self.custom_metadata {
            image.insert(format!("x-amz-meta-{name}"), value.clone().into());
        }
        image
    }
}

impl<'a> Bucket<'a> {
    /// The bucket behind a binding.
    pub fn new(env: &Env, store: &'a str, overlay: Option<Overlay<'a>>) -> Result<Self, Problem> {
        Ok(Self { r2: binding(env, store, "createMultipartUpload")?, store, overlay })
    }

    async fn call(&self, method: &str, arguments: &[JsValue], limit: Duration) -> Result<JsValue, Problem> {
        match js::within(limit, js::call(&self.r2, method, arguments)).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.failed(method, &js::message(&error))),
            None => Err(super::d1::unavailable(self.store)),
        }
    }

    /// R2 ends its error texts with the number of the error in brackets.
    fn failed(&self, method: &str, why: &str) -> Problem {
        for (number, problem) in [("(10039)", invalid_range as fn() -> Problem), ("(10037)", bad_digest), ("(10031)", precondition_failed), ("(10007)", not_found)] {
            if why.contains(number) {
                return problem();
            }
        }
        worker::console_error!("{}", json!({"level": "error", "event": "r2_failed", "store": self.store, "method": method, "why": why}));
        super::d1::unavailable(self.store)
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

    /// Reads.
    pub async fn read(&self, call: &ObjectCall) -> Result<R2Done, Problem> {
        match call {
            ObjectCall::Get { key, range, condition } => self.get(key, *range, condition).await,
            ObjectCall::Head { key, condition } => {
                let form = self.head(key).await?.ok_or_else(not_found)?;
                hold(&form, condition)?;
                let mut headers = form.headers();
                headers.push(("content-length".into(), form.size.to_string()));
                Ok(read_done(Answer::Content { headers, partial: false, content: None }, json!({ "size": form.size })))
            }
            ObjectCall::List { prefix, delimiter, limit, cursor, start_after } => self.list(prefix, delimiter.as_deref(), *limit, cursor.as_deref(), start_after.as_deref()).await,
            ObjectCall::Put { .. } | ObjectCall::Delete { .. } => Err(Problem::internal()),
        }
    }

    async fn get(&self, key: &str, range: Option<Range>, condition: &Condition) -> Result<R2Done, Problem> {
        match self.seen(key)? {
            Seen::Removed => Err(not_found()),
            Seen::Written(form, body) => {
                hold(&form, condition)?;
                let part = range.map(|range| range.resolve(form.size)).transpose()?;
                let (offset, length) = part.unwrap_or((0, form.size));
                let bytes = match &self.overlay {
                    Some(overlay) => overlay.read(body, offset, length)?,
                    None => Vec::new(),
                };
                Ok(content(&form, part, Content::Bytes(bytes)))
            }
            Seen::Untouched => self.get_base(key, range, condition).await,
        }
    }

    async fn get_base(&self, key: &str, range: Option<Range>, condition: &Condition) -> Result<R2Done, Problem> {
        let options = Object::new();
        if !condition.is_empty() {
            js::set(&options, "onlyIf", &only_if(condition));
        }
        if let Some(range) = range {
            js::set(&options, "range", &range_to_js(range));
        }
        let object = self.call("get", &[JsValue::from_str(key), options.into()], LIMIT).await?;
        if object.is_null() {
            return Err(not_found());
        }
        let form = ObjectForm::from_js(&object);
        hold(&form, condition)?;
        let body: ReadableStream = js::member(&object, "body").dyn_into().map_err(|_| precondition_failed())?;
        let part = range.map(|range| range.resolve(form.size)).transpose()?;
        Ok(content(&form, part, Content::Stream(body)))
    }

    async fn list(&self, prefix: &str, delimiter: Option<&str>, limit: u32, cursor: Option<&str>, start_after: Option<&str>) -> Result<R2Done, Problem> {
        let (objects, prefixes, next) = match &self.overlay {
            None => {
                let page = self.list_base(prefix, delimiter, limit, cursor, start_after).await?;
                (page.objects, page.prefixes, page.next)
            }
            Some(overlay) => {
                let own = overlay.under::<ObjectForm>(self.store, prefix)?;
                self.list_view(&own, prefix, delimiter, limit, cursor, start_after).await?
            }
        };
        let count = objects.len() + prefixes.len();
        let result: Vec<Value> = objects.iter().map(|(key, form)| form.listed(key)).collect();
        let info = json!({"cursor": next.clone().unwrap_or_default(), "is_truncated": next.is_some(), "delimited": prefixes, "per_page": limit});
        let answer = Answer::Result { result: Value::Array(result).to_string(), info: Some(info.to_string()) };
        Ok(read_done(answer, json!({ "count": count })))
    }

    /// The list of a dry run: the base is read without the delimiter, so that a rolled-up prefix stands exactly when an object is left under it; what is rolled up already is skipped by starting behind it.
    async fn list_view(
        &self,
        own: &std::collections::BTreeMap<String, Option<ObjectForm>>,
        prefix: &str,
        delimiter: Option<&str>,
        limit: u32,
        cursor: Option<&str>,
        start_after: Option<&str>,
    ) -> Result<(Vec<(String, ObjectForm)>, Vec<String>, Option<String>), Problem> {
        let start = cursor.map(Cursor::decode).transpose()?.map(|cursor| cursor.after).or_else(|| start_after.map(str::to_owned));
        let mut after = start.unwrap_or_default();
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut objects, mut prefixes): (Vec<(String, ObjectForm)>, Vec<String>) = (Vec::new(), Vec::new());
        loop {
            let start = (!after.is_empty()).then_some(after.as_str());
            let page = self.list_base(prefix, None, MAX_PAGE, None, start).await?;
            let (has_more, last_base) = (page.next.is_some(), page.objects.last().map(|(key, _)| key.clone()));
            let merged = merge(page.objects, has_more, own, prefix, start);
            let mut skipped = false;
            for (key, form) in merged {
                if skipped && key <= after {
                    continue;
                }
                if objects.len() + prefixes.len() == wanted {
                    return Ok((objects, prefixes, Some(Cursor { base: None, after }.encode())));
                }
                if let Some(rolled) = rolled_up(&key, prefix, delimiter) {
                    prefixes.push(rolled.to_owned());
                    // Behind every key that begins so: no character sorts after this one.
                    after = format!("{rolled}\u{10ffff}");
                    skipped = true;
                } else {
                    after.clone_from(&key);
                    objects.push((key, form));
                }
            }
            match last_base {
                Some(last) if has_more => {
                    if after < last {
                        after = last;
                    }
                }
                _ => return Ok((objects, prefixes, None)),
            }
        }
    }

    async fn list_base(&self, prefix: &str, delimiter: Option<&str>, limit: u32, cursor: Option<&str>, start_after: Option<&str>) -> Result<Page, Problem> {
        let options = Object::new();
        js::set(&options, "prefix", &JsValue::from_str(prefix));
        js::set(&options, "limit", &JsValue::from_f64(f64::from(limit)));
        for (name, value) in [("delimiter", delimiter), ("cursor", cursor), ("startAfter", start_after)] {
            if let Some(value) = value {
                js::set(&options, name, &JsValue::from_str(value));
            }
        }
        let include: Array = ["httpMetadata", "customMetadata"].iter().map(|name| JsValue::from_str(name)).collect();
        js::set(&options, "include", &include);
        let answer = self.call("list", &[options.into()], LIMIT).await?;
        let array = |name: &str| js::member(&answer, name).dyn_into::<Array>().unwrap_or_else(|_| Array::new());
        let objects = array("objects").iter().map(|object| (js::text_member(&object, "key").unwrap_or_default(), ObjectForm::from_js(&object))).collect();
        let prefixes = array("delimitedPrefixes").iter().filter_map(|prefix| prefix.as_string()).collect();
        let truncated = js::member(&answer, "truncated").as_bool().unwrap_or(false);
        Ok(Page { objects, prefixes, next: js::text_member(&answer, "cursor").filter(|_| truncated) })
    }

    /// Makes a write real. The body streams through without being held.
    pub async fn perform(&self, call: &ObjectCall, payload: Payload) -> Result<R2Done, Problem> {
        match call {
            ObjectCall::Put { key, length, condition, digest, http_metadata, custom_metadata, storage_class } => {
                let options = Object::new();
                js::set(&options, "httpMetadata", &http_metadata_to_js(http_metadata));
                let custom = Object::new();
                for (name, value) in custom_metadata {
                    js::set(&custom, name, &JsValue::from_str(value));
                }
                js::set(&options, "customMetadata", &custom);
                if !condition.is_empty() {
                    js::set(&options, "onlyIf", &only_if(condition));
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
                    Payload::Stream(stream) => fixed_length(&stream, *length).map_err(|error| self.failed("put", &js::message(&error)))?,
                };
                let object = self.call("put", &[JsValue::from_str(key), body, options.into()], BODY_LIMIT).await?;
                if object.is_null() {
                    return Err(precondition_failed());
                }
                let form = ObjectForm::from_js(&object);
                let result = form.put_result(key);
                Ok(done(Answer::json(result.to_string()), Outcome::Done, result))
            }
            ObjectCall::Delete { key } => {
                self.call("delete", &[JsValue::from_str(key)], LIMIT).await?;
                Ok(done(Answer::json(json!({ "key": key }).to_string()), Outcome::Done, Value::Null))
            }
            ObjectCall::Get { .. } | ObjectCall::Head { .. } | ObjectCall::List { .. } => Err(Problem::internal()),
        }
    }

    /// Carries a write out on the run's own view.
    pub async fn rehearse(&self, call: &ObjectCall, payload: Payload) -> Result<R2Done, Problem> {
        match call {
            ObjectCall::Put { key, length, condition, digest, http_metadata, custom_metadata, storage_class } => {
                let before = self.head(key).await?;
                // On a write either way of not holding is a failed precondition.
                if condition.check(before.as_ref().map(|form| (form.etag.as_str(), form.uploaded))) != Met::Yes {
                    return Err(precondition_failed());
                }
                let received = self.receive(payload, *length, digest.as_ref()).await?;
                let form = ObjectForm {
                    size: received.size,
                    etag: received.md5,
                    version: format!("{:032x}", js::entropy()),
                    uploaded: js::now(),
                    http_metadata: http_metadata.clone(),
                    custom_metadata: custom_metadata.clone(),
                    storage_class: storage_class.clone().unwrap_or_else(|| "Standard".into()),
                };
                let result = form.put_result(key);
                let effect = self.effect(key, before.as_ref(), Some(&form));
                let stored = serde_json::to_string(&form).map_err(|_| Problem::internal())?;
                let inexact = match received.body {
                    Body::NotKept => vec!["an object larger than the run keeps: its size and digest are known, reading it back is refused".to_owned()],
                    Body::Bytes(_) | Body::Stored(_) => Vec::new(),
                };
                let planned = Planned { store: self.store.to_owned(), key: key.clone(), entry: Some((stored, received.body)) };
                let answer = Answer::json(result.to_string());
                Ok(Done { answer, outcome: Outcome::Done, result, effects: vec![effect], plan: vec![Plan::View(planned)], inexact })
            }
            ObjectCall::Delete { key } => {
                let before = self.head(key).await?;
                let outcome = if before.is_some() { Outcome::Done } else { Outcome::Skipped };
                let effect = self.effect(key, before.as_ref(), None);
                let planned = Planned { store: self.store.to_owned(), key: key.clone(), entry: None };
                let answer = Answer::json(json!({ "key": key }).to_string());
                Ok(Done { answer, outcome, result: Value::Null, effects: vec![effect], plan: vec![Plan::View(planned)], inexact: Vec::new() })
            }
            ObjectCall::Get { .. } | ObjectCall::Head { .. } | ObjectCall::List { .. } => Err(Problem::internal()),
        }
    }

    /// Takes a body in, piece by piece, with its digests.
    async fn receive(&self, payload: Payload, length: u64, digest: Option<&Digest>) -> Result<Received, Problem> {
        let overlay = self.overlay.as_ref().ok_or_else(Problem::internal)?;
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
            Ok(()) if size != length => Err(Problem::from_store(Code::InvalidRequest, "The body is shorter or longer than its Content-Length; nothing was written.")),
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
            before: before.map(ObjectForm::image),
            after: after.map(ObjectForm::image),
        }
    }
}

/// A page of the base.
struct Page {
    objects: Vec<(String, ObjectForm)>,
    prefixes: Vec<String>,
    next: Option<String>,
}

/// A body that was taken in.
struct Received {
    body: Body,
    size: u64,
    md5: String,
}

/// Reads a stream to its end.
async fn drain(stream: &ReadableStream, take: &mut impl FnMut(&[u8]) -> Result<(), Problem>) -> Result<(), Problem> {
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

fn hold(form: &ObjectForm, condition: &Condition) -> Result<(), Problem> {
    match form.check(condition) {
        Met::Yes => Ok(()),
        Met::Failed => Err(precondition_failed()),
        Met::NotModified => Err(not_modified()),
    }
}

fn read_done(answer: Answer<Content>, result: Value) -> R2Done {
    done(answer, Outcome::Done, result)
}

fn done(answer: Answer<Content>, outcome: Outcome, result: Value) -> R2Done {
    Done { answer, outcome, result, effects: Vec::new(), plan: Vec::new(), inexact: Vec::new() }
}

fn content(form: &ObjectForm, part: Option<(u64, u64)>, content: Content) -> R2Done {
    let mut headers = form.headers();
    let (offset, length) = part.unwrap_or((0, form.size));
    headers.push(("content-length".into(), length.to_string()));
    if part.is_some() {
        headers.push(("content-range".into(), format!("bytes {offset}-{}/{}", offset + length - 1, form.size)));
    }
    read_done(Answer::Content { headers, partial: part.is_some(), content: Some(content) }, json!({ "size": length }))
}

fn only_if(condition: &Condition) -> JsValue {
    let options = Object::new();
    let tags = |tags: &[String]| -> JsValue {
        match tags {
            [one] => JsValue::from_str(one),
            several => several.iter().map(|tag| JsValue::from_str(tag)).collect::<Array>().into(),
        }
    };
    if !condition.matches.is_empty() {
        js::set(&options, "etagMatches", &tags(&condition.matches));
    }
    if !condition.matches_none.is_empty() {
        js::set(&options, "etagDoesNotMatch", &tags(&condition.matches_none));
    }
    #[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
    for (name, at) in [("uploadedBefore", condition.uploaded_before.map(|at| at + 1_000)), ("uploadedAfter", condition.uploaded_after)] {
        if let Some(at) = at {
            js::set(&options, name, &Date::new(&JsValue::from_f64(at as f64)));
        }
    }
    if condition.uploaded_before.is_some() || condition.uploaded_after.is_some() {
        js::set(&options, "secondsGranularity", &JsValue::TRUE);
    }
    options.into()
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^53")]
fn range_to_js(range: Range) -> JsValue {
    let options = Object::new();
    match range {
        Range::From { offset, length } => {
            js::set(&options, "offset", &JsValue::from_f64(offset as f64));
            if let Some(length) = length {
                js::set(&options, "length", &JsValue::from_f64(length as f64));
            }
        }
        Range::Suffix(length) => js::set(&options, "suffix", &JsValue::from_f64(length as f64)),
    }
    options.into()
}

fn http_metadata_to_js(metadata: &HttpMetadata) -> JsValue {
    let options = Object::new();
    for (header, name) in HTTP_METADATA {
        let Some(value) = metadata.get(header) else { continue };
        if name == "cacheExpiry" {
            js::set(&options, name, &Date::new(&JsValue::from_str(value)));
        } else {
            js::set(&options, name, &JsValue::from_str(value));
        }
    }
    options.into()
}
