//! The JavaScript of the platform that `worker` does not wrap, or wraps without `catch`, and small helpers to reach it.
//!
//! An SQL error inside `SqlCursor::to_array` tears the whole wasm instance down in `worker` 0.8.7, because that import
//! cannot throw there. Every import here can.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use std::future::Future;
use std::time::Duration;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use worker::Delay;

use crate::domain::refusal::{Blame, Problem};

use futures_util::future::{Either, select};
use std::pin::pin;

#[wasm_bindgen]
extern "C" {
    /// A Durable Object's storage.
    pub type Storage;
    #[wasm_bindgen(method, getter)]
    pub fn sql(this: &Storage) -> SqlStorage;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub fn transaction_sync(
        this: &Storage,
        body: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn transaction(this: &Storage, body: &Function) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, getter)]
    pub fn kv(this: &Storage) -> SyncKv;
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub fn set_alarm(this: &Storage, at: f64) -> Result<Promise, JsValue>;

    /// Its SQLite.
    pub type SqlStorage;
    #[wasm_bindgen(method, catch, variadic)]
    pub fn exec(this: &SqlStorage, query: &str, bindings: &Array) -> Result<SqlCursor, JsValue>;
    #[wasm_bindgen(method, getter, js_name = databaseSize)]
    pub fn database_size(this: &SqlStorage) -> f64;

    /// The rows of a statement.
    pub type SqlCursor;
    #[wasm_bindgen(method, catch)]
    pub fn raw(this: &SqlCursor) -> Result<RawRows, JsValue>;
    #[wasm_bindgen(method, getter, js_name = columnNames)]
    pub fn column_names(this: &SqlCursor) -> Array;
    #[wasm_bindgen(method, getter, js_name = rowsRead)]
    pub fn rows_read(this: &SqlCursor) -> f64;
    #[wasm_bindgen(method, getter, js_name = rowsWritten)]
    pub fn rows_written(this: &SqlCursor) -> f64;

    /// Its rows as arrays.
    pub type RawRows;
    #[wasm_bindgen(method, catch, js_name = toArray)]
    pub fn to_array(this: &RawRows) -> Result<Array, JsValue>;

    /// Its values by key, which SQL cannot name.
    pub type SyncKv;
    #[wasm_bindgen(method, catch)]
    pub fn get(this: &SyncKv, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn put(this: &SyncKv, key: &str, value: &JsValue) -> Result<(), JsValue>;

    /// Anything with `fetch`: a stub, or the transport inside a D1 binding.
    pub type Fetcher;
    #[wasm_bindgen(method, catch)]
    pub fn fetch(this: &Fetcher, url: &str, init: &web_sys::RequestInit) -> Result<Promise, JsValue>;
}

/// A member of a JavaScript object; `undefined` when it has none.
pub fn member(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// A member that is text.
pub fn text_member(object: &JsValue, name: &str) -> Option<String> {
    member(object, name).as_string()
}

/// A member that is a number.
pub fn number_member(object: &JsValue, name: &str) -> Option<f64> {
    member(object, name).as_f64()
}

/// Sets a member of an object made here.
pub fn set(object: &Object, name: &str, value: &JsValue) {
    // Setting a property of a fresh plain object does not throw.
    let _ = Reflect::set(object, &JsValue::from_str(name), value);
}

/// Calls a method by its name and waits for its promise.
pub async fn call(object: &JsValue, method: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let function: Function = member(object, method).dyn_into()?;
    let list: Array = arguments.iter().collect();
    let returned = function.apply(object, &list)?;
    JsFuture::from(Promise::resolve(&returned)).await
}

/// The message of whatever was thrown.
pub fn message(error: &JsValue) -> String {
    text_member(error, "message")
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "something that is no error was thrown".into())
}

/// The problem of something that was thrown and should not have been.
pub fn thrown(error: &JsValue) -> Problem {
    Problem::broken(message(error))
}

/// Writes what is behind a problem into the log, where there is more to know than its caller is told.
pub fn log_cause(problem: &Problem) {
    if let (Some(cause), true) = (problem.cause(), problem.code.blame() != Blame::Caller) {
        log("error", "fault", &[("code", problem.code.as_str()), ("cause", cause)]);
    }
}

/// A future, but not for longer than this.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(Delay::from(limit))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(((), _)) => None,
    }
}

/// Takes a body that nobody read and drops it, so that whoever is still sending it gets the answer and not a broken
/// connection.
pub async fn drain_unread(request: &web_sys::Request) {
    let length = request.headers().get("Content-Length").ok().flatten().and_then(|text| text.parse::<u64>().ok());
    if request.body_used() || length.is_some_and(|length| length > MAX_DRAINED) {
        return;
    }
    let Some(body) = request.body().filter(|body| !body.locked()) else { return };
    let reader: JsValue = body.get_reader().into();
    let drained = async {
        let mut bytes = 0;
        while bytes < MAX_DRAINED {
            let Some(Ok(step)) = within(PIECE_LIMIT, call(&reader, "read", &[])).await else { return };
            if member(&step, "done").is_truthy() {
                return;
            }
            bytes += member(&step, "value").dyn_into::<Uint8Array>().map_or(0, |piece| u64::from(piece.length()));
        }
    };
    // Who sends more, or for longer, has to do with the broken connection.
    let _ = within(DRAIN_LIMIT, drained).await;
}

/// Most of a refused body that is taken.
const MAX_DRAINED: u64 = 64 << 20;
/// Longest time for it.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait for the next piece: who waits for an answer before sending more gets it.
const PIECE_LIMIT: Duration = Duration::from_millis(300);

/// Milliseconds since the epoch. In production the clock moves only with I/O.
pub fn now() -> u64 {
    worker::Date::now().as_millis()
}

/// A time as ISO 8601.
pub fn iso(at: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
    let date = js_sys::Date::new(&JsValue::from_f64(at as f64));
    date.to_iso_string().into()
}

/// Random bytes of the platform's generator.
pub fn entropy() -> u128 {
    let mut bytes = [0u8; 16];
    // The generator of a Worker does not fail; if it did, the time alone would name the run and a second one in the
    // same millisecond would be a conflict.
    let _ = getrandom::fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

/// Writes a structured line into the log: an event with its facts.
pub fn log(level: &str, event: &str, facts: &[(&str, &str)]) {
    let mut line = serde_json::Map::new();
    for (name, value) in [("level", level), ("event", event)].iter().chain(facts) {
        line.insert((*name).to_owned(), (*value).into());
    }
    worker::console_error!("{}", dryrun_text::json(&serde_json::Value::Object(line).to_string()));
}
