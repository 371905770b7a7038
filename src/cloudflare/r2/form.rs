//! What is known of an object, between JavaScript, HTTP and a report.

use std::collections::BTreeMap;

use js_sys::{Array, ArrayBuffer, Date, Object, Uint8Array};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasm_bindgen::{JsCast as _, JsValue};

use crate::cloudflare::js;
use crate::cloudflare::sql::whole;
use crate::cloudflare::wire::header_text;
use crate::domain::condition::{Condition, Met, Range};
use crate::domain::effect::Image;
use crate::domain::operation::{CustomMetadata, HttpMetadata};
use crate::domain::refusal::Problem;
use crate::domain::run::Millis;
use crate::domain::sorted;

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
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) version: String,
    pub(super) uploaded: Millis,
    pub(super) http_metadata: HttpMetadata,
    pub(super) custom_metadata: CustomMetadata,
    pub(super) storage_class: String,
    /// Digests by name, in hex.
    #[serde(default)]
    pub(super) checksums: BTreeMap<String, String>,
}

/// An object that was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ObjectWritten<'a> {
    key: &'a str,
    /// The MD5 of its bytes, in hex.
    etag: &'a str,
    /// In bytes. Text, as Cloudflare answers it.
    size: String,
    version: &'a str,
    /// When, as ISO 8601 says it.
    uploaded: String,
    storage_class: &'a str,
}

/// An object of a list.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ObjectLine<'a> {
    key: &'a str,
    /// In bytes.
    size: u64,
    etag: &'a str,
    /// When it was written, as ISO 8601 says it.
    last_modified: String,
    storage_class: &'a str,
    version: &'a str,
    /// Digests by name, in hex.
    checksums: &'a BTreeMap<String, String>,
    /// Its HTTP headers: `contentType`, `cacheControl` and the like.
    http_metadata: BTreeMap<&'a str, &'a str>,
    custom_metadata: &'a CustomMetadata,
}

fn text_map(value: &JsValue) -> CustomMetadata {
    let entries = value.clone().dyn_into::<Object>().map(|object| Object::entries(&object)).unwrap_or_default();
    sorted::map(entries.iter().filter_map(|pair| {
        let pair: Array = pair.dyn_into().ok()?;
        Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
    }))
}

fn checksums(object: &JsValue) -> BTreeMap<String, String> {
    let checksums = js::member(object, "checksums");
    sorted::map(["md5", "sha1", "sha256", "sha384", "sha512"].iter().filter_map(|name| {
        let bytes: ArrayBuffer = js::member(&checksums, name).dyn_into().ok()?;
        Some(((*name).to_owned(), hex::encode(Uint8Array::new(&bytes).to_vec())))
    }))
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
    pub(super) fn from_js(object: &JsValue) -> Self {
        let metadata = js::member(object, "httpMetadata");
        let http_metadata = sorted::map(HTTP_METADATA.iter().filter_map(|(header, name)| {
            let value = js::member(&metadata, name);
            let text = value
                .as_string()
                .or_else(|| value.dyn_into::<Date>().ok().map(|date| http_date(whole(date.get_time()))));
            text.map(|text| ((*header).to_owned(), text))
        }));
        let uploaded =
            js::member(object, "uploaded").dyn_into::<Date>().map(|date| whole(date.get_time())).unwrap_or_default();
        Self {
            size: js::number_member(object, "size").map(whole).unwrap_or_default(),
            etag: js::text_member(object, "etag").unwrap_or_default(),
            version: js::text_member(object, "version").unwrap_or_default(),
            uploaded,
            http_metadata,
            custom_metadata: text_map(&js::member(object, "customMetadata")),
            storage_class: js::text_member(object, "storageClass")
                .filter(|class| !class.is_empty())
                .unwrap_or_else(|| "Standard".into()),
            checksums: checksums(object),
        }
    }

    /// The headers of an answer. Described as one JSON object, none of its own metadata is a header.
    pub(super) fn headers(&self, key: &str, described: bool) -> Vec<(String, String)> {
        let mut headers = vec![
            ("etag".to_owned(), format!("\"{}\"", self.etag)),
            ("last-modified".to_owned(), http_date(self.uploaded)),
            ("accept-ranges".to_owned(), "bytes".to_owned()),
        ];
        if described {
            let form = json!({"key": key, "version": self.version, "size": self.size, "etag": self.etag, "uploaded": iso(self.uploaded), "storage_class": self.storage_class,
                "http_metadata": self.http_metadata, "custom_metadata": self.custom_metadata, "checksums": self.checksums});
            headers.push(("object-form".into(), header_text(&form.to_string())));
            headers.push(("content-type".into(), "application/octet-stream".into()));
            return headers;
        }
        headers.extend(self.http_metadata.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.extend(self.custom_metadata.iter().map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone())));
        if !self.http_metadata.contains_key("content-type") {
            headers.push(("content-type".into(), "application/octet-stream".into()));
        }
        headers
    }

    pub(super) fn put_result(&self, key: &str) -> Result<Value, Problem> {
        let Self { etag, version, storage_class, .. } = self;
        let written = ObjectWritten {
            key,
            etag,
            size: self.size.to_string(),
            version,
            uploaded: iso(self.uploaded),
            storage_class,
        };
        serde_json::to_value(written).map_err(Problem::broken)
    }

    pub(super) fn listed<'a>(&'a self, key: &'a str) -> ObjectLine<'a> {
        let Self { size, etag, version, storage_class, checksums, custom_metadata, .. } = self;
        // Lists name the metadata as the binding does, not as headers do.
        let http_metadata = sorted::map(
            HTTP_METADATA
                .iter()
                .filter_map(|(header, name)| self.http_metadata.get(*header).map(|value| (*name, value.as_str()))),
        );
        let last_modified = iso(self.uploaded);
        ObjectLine {
            key,
            size: *size,
            etag,
            last_modified,
            storage_class,
            version,
            checksums,
            http_metadata,
            custom_metadata,
        }
    }

    pub(super) fn check(&self, condition: &Condition) -> Met {
        condition.check(Some((&self.etag, self.uploaded)))
    }

    pub(super) fn image(&self) -> Image {
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

/// The condition as headers: of the forms that the binding takes, only this one holds several etags.
pub(super) fn only_if(condition: &Condition) -> Result<JsValue, JsValue> {
    let headers = web_sys::Headers::new()?;
    let tags = |tags: &[String]| {
        tags.iter()
            .map(|tag| if tag == "*" { tag.clone() } else { format!("\"{tag}\"") })
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (name, list) in [("If-Match", &condition.matches), ("If-None-Match", &condition.matches_none)] {
        if !list.is_empty() {
            headers.set(name, &tags(list))?;
        }
    }
    for (name, at) in
        [("If-Unmodified-Since", condition.uploaded_before), ("If-Modified-Since", condition.uploaded_after)]
    {
        if let Some(at) = at {
            headers.set(name, &http_date(at))?;
        }
    }
    Ok(headers.into())
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^53")]
pub(super) fn range_to_js(range: Range) -> JsValue {
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

pub(super) fn http_metadata_to_js(metadata: &HttpMetadata) -> JsValue {
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
