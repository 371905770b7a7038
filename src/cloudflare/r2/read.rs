//! Reading objects and lists.

use crate::domain::stores::r2::{object_not_found, precondition_failed};
use std::collections::BTreeMap;

use js_sys::{Array, Object};
use serde::Serialize;
use serde_json::{Value, json};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::ReadableStream;

use super::form::{ObjectForm, ObjectLine, only_if, range_to_js};
use super::{Bucket, LIMIT, R2Done, done, not_modified};
use crate::app::message::Answer;
use crate::cloudflare::js;
use crate::cloudflare::overlay::Seen;
use crate::cloudflare::wire::Content;
use crate::domain::condition::{Condition, Met, Range};
use crate::domain::journal::Outcome;
use crate::domain::limits::MAX_PAGE;
use crate::domain::listing::{Cursor, merge, rolled_up};
use crate::domain::operation::ObjectCall;
use crate::domain::refusal::Problem;

impl Bucket<'_> {
    /// Reads.
    pub async fn read(&self, call: &ObjectCall) -> Result<R2Done, Problem> {
        match call {
            ObjectCall::Get { key, range, condition, described } => self.get(key, *range, condition, *described).await,
            ObjectCall::Head { key, condition, described } => {
                let form = self.head(key).await?.ok_or_else(object_not_found)?;
                hold(&form, condition)?;
                let mut headers = form.headers(key, *described);
                headers.push(("content-length".into(), form.size.to_string()));
                Ok(read_done(Answer::Content { headers, partial: false, content: None }, json!({ "size": form.size })))
            }
            ObjectCall::List { prefix, delimiter, limit, cursor, start_after } => {
                self.list(prefix, delimiter.as_deref(), *limit, cursor.as_deref(), start_after.as_deref()).await
            }
            ObjectCall::Put { .. } | ObjectCall::Delete { .. } => {
                Err(Problem::broken("a write came to the reader of R2"))
            }
        }
    }

    async fn get(
        &self,
        key: &str,
        range: Option<Range>,
        condition: &Condition,
        described: bool,
    ) -> Result<R2Done, Problem> {
        match self.seen(key)? {
            Seen::Removed => Err(object_not_found()),
            Seen::Written(form, kept) => {
                hold(&form, condition)?;
                let part = range.map(|range| range.resolve(form.size)).transpose()?;
                let (offset, length) = part.unwrap_or((0, form.size));
                let bytes = match &self.overlay {
                    Some(overlay) => overlay.read(&kept, offset, length)?,
                    None => Vec::new(),
                };
                Ok(content(&form, form.headers(key, described), part, Content::Bytes(bytes)))
            }
            Seen::Untouched => self.get_base(key, range, condition, described).await,
        }
    }

    async fn get_base(
        &self,
        key: &str,
        range: Option<Range>,
        condition: &Condition,
        described: bool,
    ) -> Result<R2Done, Problem> {
        let options = Object::new();
        if !condition.is_empty() {
            js::set(&options, "onlyIf", &only_if(condition).map_err(|error| js::thrown(&error))?);
        }
        if let Some(range) = range {
            js::set(&options, "range", &range_to_js(range));
        }
        let object = self.call("get", &[JsValue::from_str(key), options.into()], LIMIT).await?;
        if object.is_null() {
            return Err(object_not_found());
        }
        let form = ObjectForm::from_js(&object);
        hold(&form, condition)?;
        let body: ReadableStream =
            js::member(&object, "body").dyn_into().map_err(|_head_only: JsValue| precondition_failed())?;
        let part = range.map(|range| range.resolve(form.size)).transpose()?;
        Ok(content(&form, form.headers(key, described), part, Content::Stream(body)))
    }

    async fn list(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        limit: u32,
        cursor: Option<&str>,
        start_after: Option<&str>,
    ) -> Result<R2Done, Problem> {
        let start = cursor.map(Cursor::decode).transpose()?;
        let (objects, prefixes, next) = match &self.overlay {
            None => self.list_store(prefix, delimiter, limit, start, start_after).await?,
            Some(overlay) => {
                let own = overlay.under::<ObjectForm>(self.store, prefix)?;
                self.list_view(&own, prefix, delimiter, limit, start, start_after).await?
            }
        };
        let count = objects.len() + prefixes.len();
        let result: Vec<ObjectLine<'_>> = objects.iter().map(|(key, form)| form.listed(key)).collect();
        let info = ObjectPage {
            is_truncated: next.is_some(),
            cursor: next.unwrap_or_default(),
            delimited: prefixes,
            per_page: limit,
        };
        let text = |text: serde_json::Result<String>| text.map_err(Problem::broken);
        let answer = Answer::Result {
            result: text(serde_json::to_string(&result))?,
            info: Some(text(serde_json::to_string(&info))?),
        };
        Ok(read_done(answer, json!({ "count": count })))
    }

    /// The list of a live run. R2 may answer fewer entries than there is room for, with metadata as few as a hundred; a
    /// page is filled up.
    async fn list_store(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        limit: u32,
        start: Option<Cursor>,
        start_after: Option<&str>,
    ) -> Result<Listed, Problem> {
        let mut at = start.map(Cursor::in_the_store).transpose()?;
        let (mut objects, mut prefixes): (Vec<(String, ObjectForm)>, Vec<String>) = (Vec::new(), Vec::new());
        loop {
            let count = u32::try_from(objects.len() + prefixes.len()).unwrap_or(limit);
            let mut page =
                self.list_base(prefix, delimiter, limit.saturating_sub(count), at.as_deref(), start_after).await?;
            let is_empty = page.objects.is_empty() && page.prefixes.is_empty();
            objects.append(&mut page.objects);
            prefixes.append(&mut page.prefixes);
            let is_full = objects.len() + prefixes.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
            match page.next {
                None => return Ok((objects, prefixes, None)),
                // A page without entries that is not the last one says only where to go on; the caller may decide
                // whether to.
                Some(next) if is_full || is_empty => {
                    let last =
                        objects.last().map(|(key, _)| key.clone()).max(prefixes.last().map(|rolled| behind(rolled)));
                    let cursor = Cursor::behind(next, last.unwrap_or_default());
                    return Ok((objects, prefixes, Some(cursor.encode())));
                }
                Some(next) => at = Some(next),
            }
        }
    }

    /// The list of a dry run: the base is read without the delimiter, so that a rolled-up prefix stands exactly when an
    /// object is left under it; what is rolled up already is skipped by starting behind it.
    async fn list_view(
        &self,
        own: &BTreeMap<String, Option<ObjectForm>>,
        prefix: &str,
        delimiter: Option<&str>,
        limit: u32,
        start: Option<Cursor>,
        start_after: Option<&str>,
    ) -> Result<Listed, Problem> {
        let start = start.map(|cursor| cursor.in_view().1).or_else(|| start_after.map(str::to_owned));
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
                    return Ok((objects, prefixes, Some(Cursor::within(None, after).encode())));
                }
                if let Some(rolled) = rolled_up(&key, prefix, delimiter) {
                    prefixes.push(rolled.to_owned());
                    after = behind(rolled);
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

    async fn list_base(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        limit: u32,
        cursor: Option<&str>,
        start_after: Option<&str>,
    ) -> Result<Page, Problem> {
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
        let objects = array("objects")
            .iter()
            .map(|object| (js::text_member(&object, "key").unwrap_or_default(), ObjectForm::from_js(&object)))
            .collect();
        let prefixes = array("delimitedPrefixes").iter().filter_map(|prefix| prefix.as_string()).collect();
        let truncated = js::member(&answer, "truncated").as_bool().unwrap_or(false);
        Ok(Page { objects, prefixes, next: js::text_member(&answer, "cursor").filter(|_| truncated) })
    }
}

/// Behind every key that begins so: no character sorts after this one.
fn behind(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

/// Objects, what the delimiter rolled up, and the cursor of the next page.
type Listed = (Vec<(String, ObjectForm)>, Vec<String>, Option<String>);

/// Where a page of objects ended.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ObjectPage {
    /// For the next page; empty on the last one.
    cursor: String,
    /// Whether there is a next page.
    is_truncated: bool,
    /// What the delimiter rolled up.
    delimited: Vec<String>,
    /// Most entries of a page.
    per_page: u32,
}

/// A page of the base.
struct Page {
    objects: Vec<(String, ObjectForm)>,
    prefixes: Vec<String>,
    next: Option<String>,
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

fn content(
    form: &ObjectForm,
    mut headers: Vec<(String, String)>,
    part: Option<(u64, u64)>,
    content: Content,
) -> R2Done {
    let (offset, length) = part.unwrap_or((0, form.size));
    headers.push(("content-length".into(), length.to_string()));
    if part.is_some() {
        headers.push(("content-range".into(), format!("bytes {offset}-{}/{}", offset + length - 1, form.size)));
    }
    read_done(Answer::Content { headers, partial: part.is_some(), content: Some(content) }, json!({ "size": length }))
}
