//! A gateway that lets an agent rehearse its writes before anybody makes them real.
//!
//! * [`domain`] decides: pure rules, no I/O, no clock, no platform.
//! * [`app`] arranges: one use case a file, over ports that the outside implements.
//! * [`shadow`] rehearses SQL in a copy of a database, over two ports.
//! * [`cloudflare`] and [`http`] talk to the outside: bindings and objects there, requests and answers here.
//!
//! Arrows only point inwards: `http`, `cloudflare` → `app`, `shadow` → `domain`. ARCHITECTURE.md draws the whole.

pub mod app;
pub mod cloudflare;
pub mod domain;
pub mod http;
pub mod shadow;

use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Context, Env, Request, Response, event};

/// Reports where a panic came from; what follows a panic is the platform's business.
#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Calls somebody after a panic. `src/entry.js` asks the instance that comes after the one that ended.
#[wasm_bindgen]
pub async fn interrupted(env: Env) {
    cloudflare::alerts::raise_for_panic(env).await;
}

/// Every request. An error never leaves as one: it becomes a problem with a code.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    http::respond(request, env, context).await
}
