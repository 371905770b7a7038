//! How the Worker and the objects put their messages into HTTP.
//!
//! A message is JSON in a header, percent-encoded; the body is the payload or the content and passes through as a
//! stream. Only a message with bytes in memory goes into the body as a frame, because an operation's statements may be
//! long: four bytes of length, the JSON, the payload.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use web_sys::{Headers, ReadableStream, RequestInit};

use super::js;
use super::sql::unreadable;
use crate::app::message::{Answer, Receipt};
use crate::domain::refusal::Problem;

/// The header that carries a message.
const MESSAGE: &str = "Gateway-Message";
/// Everything that a header may not hold. Non-ASCII is always encoded.
const UNSAFE: &AsciiSet = &CONTROLS.add(b'%');

/// What comes with an operation.
#[derive(Debug)]
pub enum Payload {
    /// Bytes in memory; none is an empty payload.
    Bytes(Vec<u8>),
    /// A stream whose length the operation names.
    Stream(ReadableStream),
}

/// The content of an answer.
#[derive(Debug)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// A stream.
    Stream(ReadableStream),
}

impl Content {
    /// As the body of a response.
    pub fn into_js(self) -> JsValue {
        match self {
            Self::Bytes(bytes) => js_sys::Uint8Array::from(bytes.as_slice()).into(),
            Self::Stream(stream) => stream.into(),
        }
    }
}

/// Any text in a form that a header holds.
pub fn header_text(text: &str) -> String {
    utf8_percent_encode(text, UNSAFE).to_string()
}

fn encode<T: Serialize>(message: &T) -> Result<String, Problem> {
    Ok(header_text(&serde_json::to_string(message).map_err(|error| unreadable("message", error))?))
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let json = percent_decode_str(text).decode_utf8().map_err(|error| unreadable("message", error))?;
    serde_json::from_str(&json).map_err(|error| unreadable("message", error))
}

fn internal(error: JsValue) -> Problem {
    js::thrown(&error)
}

/// A request with only a message.
pub fn request<T: Serialize>(path: &str, message: &T) -> Result<Outgoing, Problem> {
    let body = serde_json::to_string(message).map_err(|error| unreadable("message", error))?;
    build(path, None, &JsValue::from_str(&body))
}

/// A request with a message and a payload.
pub fn request_with<T: Serialize>(path: &str, message: &T, payload: Payload) -> Result<Outgoing, Problem> {
    match payload {
        Payload::Stream(stream) => build(path, Some(&encode(message)?), &stream.into()),
        Payload::Bytes(bytes) => {
            let json = serde_json::to_string(message).map_err(|error| unreadable("message", error))?;
            let mut frame = Vec::with_capacity(4 + json.len() + bytes.len());
            frame.extend_from_slice(
                &u32::try_from(json.len()).map_err(|error| unreadable("message", error))?.to_le_bytes(),
            );
            frame.extend_from_slice(json.as_bytes());
            frame.extend_from_slice(&bytes);
            build(path, None, &js_sys::Uint8Array::from(frame.as_slice()))
        }
    }
}

/// A request to an object.
pub struct Outgoing {
    /// Its address.
    pub url: String,
    /// The rest.
    pub init: RequestInit,
}

fn build(path: &str, header: Option<&str>, body: &JsValue) -> Result<Outgoing, Problem> {
    let init = RequestInit::new();
    init.set_method("POST");
    if let Some(header) = header {
        let headers = js_sys::Object::new();
        super::js::set(&headers, MESSAGE, &JsValue::from_str(header));
        init.set_headers(&headers);
    }
    init.set_body(body);
    Ok(Outgoing { url: format!("https://object{path}"), init })
}

/// Reads what [`request_with`] sent.
pub async fn read_request_with<T: DeserializeOwned>(request: &mut worker::Request) -> Result<(T, Payload), Problem> {
    if let Ok(Some(header)) = request.headers().get(MESSAGE) {
        let stream = request.inner().body().ok_or_else(|| unreadable("message", "it is missing"))?;
        return Ok((decode(&header)?, Payload::Stream(stream)));
    }
    let mut frame = request.bytes().await.map_err(|error| unreadable("message", error))?;
    let broken = || unreadable("message", "it is cut short");
    let length = frame.first_chunk::<4>().map(|head| u32::from_le_bytes(*head)).ok_or_else(broken)?;
    let end = 4 + usize::try_from(length).map_err(|error| broken().caused_by(error))?;
    let json = frame.get(4..end).and_then(|json| std::str::from_utf8(json).ok()).ok_or_else(broken)?;
    let message = serde_json::from_str(json).map_err(|error| broken().caused_by(error))?;
    frame.drain(..end);
    Ok((message, Payload::Bytes(frame)))
}

/// What heads the answer to an operation.
#[derive(Serialize, Deserialize)]
struct Head {
    receipt: Receipt,
    kind: HeadKind,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeadKind {
    Result { info: Option<String> },
    Content { headers: Vec<(String, String)>, partial: bool, empty: bool },
    Problem { problem: Problem },
}

/// The response that carries an answer to the Worker.
pub fn executed_response(
    receipt: Receipt,
    answer: Result<Answer<Content>, Problem>,
) -> Result<worker::Response, Problem> {
    let fault = |error: worker::Error| Problem::broken(error);
    let (kind, body) = match answer {
        Ok(Answer::Result { result, info }) => (HeadKind::Result { info }, Ok(result)),
        Ok(Answer::Content { headers, partial, content }) => {
            let empty = content.is_none();
            (HeadKind::Content { headers, partial, empty }, Err(content.map_or(JsValue::NULL, Content::into_js)))
        }
        Err(problem) => {
            js::log_cause(&problem);
            (HeadKind::Problem { problem }, Ok(String::new()))
        }
    };
    let head = encode(&Head { receipt, kind })?;
    match body {
        Ok(text) => {
            let headers = worker::Headers::new();
            headers.set(MESSAGE, &head).map_err(fault)?;
            Ok(worker::Response::from_body(worker::ResponseBody::Body(text.into_bytes()))
                .map_err(fault)?
                .with_headers(headers))
        }
        Err(body) => {
            let headers = Headers::new().map_err(internal)?;
            headers.set(MESSAGE, &head).map_err(internal)?;
            let init = web_sys::ResponseInit::new();
            init.set_headers(&headers);
            Ok(respond(&body, &init)?.into())
        }
    }
}

/// A response with any kind of body.
pub fn respond(body: &JsValue, init: &web_sys::ResponseInit) -> Result<web_sys::Response, Problem> {
    use wasm_bindgen::JsCast;
    let constructor: js_sys::Function =
        super::js::member(&js_sys::global(), "Response").dyn_into().map_err(internal)?;
    let arguments = js_sys::Array::of2(body, init.as_ref());
    js_sys::Reflect::construct(&constructor, &arguments).map(JsCast::unchecked_into).map_err(internal)
}

/// Reads what [`executed_response`] sent. The body of a result is read, that of a content is passed on.
pub async fn read_executed(
    response: web_sys::Response,
) -> Result<(Receipt, Result<Answer<Content>, Problem>), Problem> {
    let header =
        response.headers().get(MESSAGE).ok().flatten().ok_or_else(|| unreadable("answer", "it has no head"))?;
    let head: Head = decode(&header)?;
    let answer = match head.kind {
        HeadKind::Problem { problem } => Err(problem),
        HeadKind::Result { info } => Ok(Answer::Result { result: text(&response).await?, info }),
        HeadKind::Content { headers, partial, empty } => {
            let content =
                if empty { None } else { response.body().map(Content::Stream).or(Some(Content::Bytes(Vec::new()))) };
            Ok(Answer::Content { headers, partial, content })
        }
    };
    Ok((head.receipt, answer))
}

/// The whole body as text.
pub async fn text(response: &web_sys::Response) -> Result<String, Problem> {
    let promise = response.text().map_err(internal)?;
    let text = wasm_bindgen_futures::JsFuture::from(promise).await.map_err(internal)?;
    text.as_string().ok_or_else(|| Problem::broken("a body that is not text"))
}

/// The whole content as bytes.
pub async fn bytes(content: Content) -> Result<Vec<u8>, Problem> {
    match content {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Stream(stream) => {
            let response = respond(&stream, &web_sys::ResponseInit::new())?;
            let buffer = wasm_bindgen_futures::JsFuture::from(response.array_buffer().map_err(internal)?)
                .await
                .map_err(internal)?;
            Ok(js_sys::Uint8Array::new(&buffer).to_vec())
        }
    }
}

/// Gives a content up that nobody will read.
pub fn discard(content: Content) {
    if let Content::Stream(stream) = content {
        // What becomes of it is of no interest any more.
        let _ = stream.cancel();
    }
}

/// Reads the JSON answer of an object.
pub async fn read_reply<T: DeserializeOwned>(response: &web_sys::Response) -> Result<T, Problem> {
    let reply: Result<T, Problem> =
        serde_json::from_str(&text(response).await?).map_err(|error| unreadable("answer", error))?;
    reply
}

/// The JSON answer of an object, as text.
pub fn reply<T: Serialize>(reply: &Result<T, Problem>) -> String {
    if let Err(problem) = reply {
        js::log_cause(problem);
    }
    serde_json::to_string(reply).unwrap_or_else(|_| "the answer could not be written".into())
}
