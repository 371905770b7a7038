//! A request, taken apart once.

use percent_encoding::percent_decode_str;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::marker::PhantomData;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Url;
use worker::Request;

use super::takes;
use crate::cloudflare::js;
use crate::domain::refusal::{Code, Problem};
use crate::domain::strict::json::{self, Shape};
use crate::domain::strict::{Body, Sent, Takes};

/// A request and what every handler wants to know of it.
pub(super) struct Asked {
    /// The method, as it was sent: one that nobody knows must not pass for another.
    pub method: String,
    /// The path as it was sent, still percent-encoded: an encoded slash is not a separator.
    pub path: String,
    url: Url,
    request: Request,
    /// What its route understands.
    takes: &'static Takes,
}

impl Asked {
    /// Takes a request apart.
    pub(super) fn read(request: Request) -> Result<Self, Problem> {
        let url = Url::new(&request.inner().url())
            .map_err(|error| invalid("The address is not valid").caused_by(js::message(&error)))?;
        Ok(Self { method: request.inner().method(), path: url.pathname(), url, request, takes: &takes::REFUSED })
    }

    /// Refuses an address of the data plane that means another path than it spells.
    pub(super) fn spells_its_path(&self) -> Result<(), Problem> {
        if !is_resolved_elsewhere(&self.request.inner().url(), &self.path) {
            return Ok(());
        }
        Err(Problem::new(
            Code::KeyInvalid,
            "The path contains a segment \".\" or \"..\" or a backslash, so it resolves to a different path; nothing \
             was read or written.",
            "Percent-encode the key as one segment (%2F, %5C). No address can name the keys \".\" and \"..\".",
        ))
    }

    /// Says what its route understands, and refuses what it does not, as far as that shows without the body.
    pub(super) fn understood_by(&mut self, takes: &'static Takes) -> Result<(), Problem> {
        self.takes = takes;
        let headers: Vec<(String, String)> = self.request.headers().entries().collect();
        let pairs = js_sys::Array::from(&self.url.search_params()).into_iter().map(|pair| js_sys::Array::from(&pair));
        let queries: Option<Vec<(String, String)>> =
            pairs.map(|pair| Some((pair.get(0).as_string()?, pair.get(1).as_string()?))).collect();
        takes.check(&Sent {
            method: &self.method,
            headers: &headers,
            queries: &queries.ok_or_else(|| Problem::broken("a query string that was read before"))?,
        })
    }

    /// Refuses a body where none is read.
    pub(super) async fn without_body(&mut self) -> Result<(), Problem> {
        if self.takes.body != Body::None || matches!(self.method.as_str(), "GET" | "HEAD") {
            return Ok(());
        }
        let refused = || {
            Problem::new(
                Code::InvalidRequest,
                "This request takes no body, but one was sent; nothing was read or written.",
                "Leave the body out.",
            )
        };
        let bytes = self.bytes(MAX_NO_BODY).await.map_err(|error| refused().caused_by(error))?;
        json::check(&bytes, &Shape::Object(&[]))?;
        // Some clients send an empty object with each POST.
        if matches!(bytes.trim_ascii(), b"" | b"{}" | b"null") { Ok(()) } else { Err(refused()) }
    }

    /// The path of a request, as [`Self::path`].
    pub(super) fn path_of(request: &web_sys::Request) -> String {
        Url::new(&request.url()).map(|url| url.pathname()).unwrap_or_default()
    }

    /// A header, if it is there and readable.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    /// All headers that begin with a prefix, without it, in lower case.
    pub(super) fn headers_under(&self, prefix: &str) -> Vec<(String, String)> {
        self.request
            .headers()
            .entries()
            .filter_map(|(name, value)| name.strip_prefix(prefix).map(|rest| (rest.to_owned(), value)))
            .collect()
    }

    /// The first value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        self.url.search_params().get(name)
    }

    /// All values of a query parameter.
    pub(super) fn query_all(&self, name: &str) -> Vec<String> {
        self.url.search_params().get_all(name).iter().filter_map(|value| value.as_string()).collect()
    }

    /// Scheme, host and port by which the gateway was reached.
    pub(super) fn origin(&self) -> String {
        self.url.origin()
    }

    /// The host by which the gateway was reached, without its port.
    pub(super) fn hostname(&self) -> String {
        self.url.hostname()
    }

    /// The query as it was sent.
    pub(super) fn raw_query(&self) -> String {
        self.url.search()
    }

    /// What `Content-Length` says.
    pub(super) fn length(&self) -> Option<u64> {
        self.header("Content-Length").and_then(|text| text.trim().parse().ok())
    }

    /// The media type, without parameters.
    pub(super) fn media_type(&self) -> String {
        self.header("Content-Type")
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// The body as a stream; `None` when there is none.
    pub(super) fn stream(&self) -> Option<web_sys::ReadableStream> {
        self.request.inner().body()
    }

    /// The body in memory. What is longer than the cap is refused while it arrives.
    pub(super) async fn bytes(&mut self, cap: u64) -> Result<Vec<u8>, Problem> {
        if self.length().is_some_and(|length| length > cap) {
            return Err(too_large(cap));
        }
        if self.length().is_some() {
            return self.request.bytes().await.map_err(|error| invalid("The body broke off").caused_by(error));
        }
        use futures_util::StreamExt as _;
        let Ok(mut stream) = self.request.stream() else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| invalid("The body broke off").caused_by(error))?;
            if u64::try_from(bytes.len() + piece.len()).unwrap_or(u64::MAX) > cap {
                return Err(too_large(cap));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The fields of a multipart body, in their order. Its length was checked against the cap before.
    pub(super) async fn form(&mut self, cap: u64) -> Result<Vec<(String, Vec<u8>)>, Problem> {
        match self.length() {
            None => {
                return Err(Problem::new(
                    Code::LengthRequired,
                    "A multipart body needs a Content-Length; nothing was written.",
                    "Send its length.",
                ));
            }
            Some(length) if length > cap => return Err(too_large(cap)),
            Some(_) => {}
        }
        let broken = |_: JsValue| invalid("The multipart body is not valid");
        let form = js::call(self.request.inner(), "formData", &[]).await.map_err(broken)?;
        let mut fields = Vec::new();
        for pair in js_sys::try_iter(&form).map_err(broken)?.into_iter().flatten() {
            let pair: js_sys::Array = pair.map_err(broken)?.dyn_into().map_err(broken)?;
            let (name, value) = (pair.get(0).as_string().unwrap_or_default(), pair.get(1));
            let bytes = match value.as_string() {
                // Bytes of a field that are no text were replaced before anybody here saw them.
                Some(text) if text.contains('\u{fffd}') => {
                    return Err(invalid("A form field holds bytes that are not UTF-8: send it as a file"));
                }
                Some(text) => text.into_bytes(),
                None => js_sys::Uint8Array::new(&js::call(&value, "arrayBuffer", &[]).await.map_err(broken)?).to_vec(),
            };
            fields.push((name, bytes));
        }
        Ok(fields)
    }

    /// The body as JSON, and its bytes.
    pub(super) async fn json<T: DeserializeOwned>(&mut self, cap: u64) -> Result<(T, Vec<u8>), Problem> {
        if self.media_type() != "application/json" {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                format!("The Content-Type {:?} is not supported; nothing was read or written.", self.media_type()),
                "Send JSON with Content-Type: application/json.",
            ));
        }
        let bytes = self.bytes(cap).await?;
        Ok((self.parse(&bytes)?, bytes))
    }

    /// Reads a body of the shape that the route declares. Without a declaration there is no way to a body's members.
    pub(super) fn parse<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Problem> {
        let Body::Json(shape) = self.takes.body else { return Err(Problem::broken("a route without JSON reads some")) };
        json::check(bytes, shape)?;
        parse_json(bytes)
    }

    /// The fields that a form may have.
    pub(super) fn form_fields(&self) -> &'static [&'static str] {
        if let Body::BytesOrForm(fields) = self.takes.body { fields } else { &[] }
    }
}

/// Longest body that is looked at where none is read.
const MAX_NO_BODY: u64 = 64 << 10;

/// Whether an address of the data plane means another path than it spells: what follows `..` would be read or written
/// in
/// place of the key that was sent. What a client or the platform resolved before, nobody can see here.
fn is_resolved_elsewhere(url: &str, resolved: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let is_dots = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    };
    resolved.starts_with("/client/v4/") && (path.contains('\\') || path.split('/').any(is_dots))
}

/// Reads JSON, telling text that is no JSON from JSON of the wrong form.
pub(super) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::new(
            Code::InvalidJson,
            "The body is not UTF-8; nothing was read or written.",
            "Send valid JSON in UTF-8.",
        )
        .caused_by(error)
    })?;
    serde_json::from_str(text).map_err(|error| {
        let why = error.to_string();
        if error.is_data() {
            Problem::new(
                Code::InvalidRequest,
                format!("The JSON does not have the expected form ({why}); nothing was read or written."),
                "See the API in the README.",
            )
        } else {
            Problem::new(
                Code::InvalidJson,
                format!("The body is not valid JSON ({why}); nothing was read or written."),
                "Send valid JSON in UTF-8.",
            )
        }
    })
}

/// Decodes a part of a path.
pub(super) fn decode(text: &str) -> Result<String, Problem> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| invalid("A part of the path is not UTF-8").caused_by(error))
}

fn too_large(cap: u64) -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("The body is larger than the {cap} bytes that this request may have; nothing was read or written."),
        "Send less at a time.",
    )
}

fn invalid(what: &str) -> Problem {
    Problem::new(Code::InvalidRequest, format!("{what}; nothing was read or written."), "Correct the request.")
}

/// A JSON object read into a structure. Left to itself, serde also takes an array of the members in their order, which
/// no caller means.
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_means_what_it_spells() {
        let check = |path: &str, resolved: &str, expected| {
            assert_eq!(is_resolved_elsewhere(&format!("https://gateway{path}"), resolved), expected, "{path}")
        };
        for path in ["a/../b", "a/./b", ".", "..", "%2e", "%2E%2e/x", ".%2e", "x\\y", "..?q", ".#f"] {
            check(&format!("/client/v4/objects/{path}"), "/client/v4/objects/b", true);
        }
        for path in [
            "/client/./v4/objects/a/../b",
            "/x/../client/v4/objects/b",
            "/client\\v4/objects/b",
            "/%2e/client/v4/objects/b",
        ] {
            check(path, "/client/v4/objects/b", true);
        }
        check("/%2e%2e/v1/x", "/v1/x", false);
        for path in ["a/b", "...", "a..b", "..a", "a%2F..%2Fb", "a//b", "", "a%5Cb", "a?x=../..", "a?x=\\"] {
            check(&format!("/client/v4/objects/{path}"), "/client/v4/objects/b", false);
        }
    }
}
