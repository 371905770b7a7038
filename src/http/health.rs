//! Whether the gateway lives, and whether all it stands on does.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Map, Value};
use worker::Response;

use super::Gateway;
use super::shapes::{Health, Readiness};
use crate::cloudflare::{control, environment, js, objects};
use crate::domain::operation::RowShape;
use crate::domain::refusal::Problem;
use crate::domain::settings::StoreKind;
use wasm_bindgen::JsValue;

/// Longest wait for one part.
const LIMIT: Duration = Duration::from_secs(5);

/// It lives. Says nothing else, because anybody may ask.
pub(super) fn health() -> Result<Response, Problem> {
    Response::from_json(&Health { status: "ok" }).map_err(Problem::broken)
}

/// Whether a person could open a run and work: really asks every store, the gateway's own and the targets, and the
/// objects of runs and shadows; and looks whether there are keys and a secret to sign tokens with.
pub(super) async fn ready(gateway: &Gateway) -> Result<Response, Problem> {
    let mut names = vec![
        ("control".to_owned(), Part::Control),
        ("flags".to_owned(), Part::Flags),
        ("keys".to_owned(), Part::Keys),
        ("token_secret".to_owned(), Part::TokenSecret),
        ("runs".to_owned(), Part::Objects("RUN")),
        ("shadows".to_owned(), Part::Objects("SHADOW")),
    ];
    if gateway.settings.stores.is_empty() {
        names.push(("stores".to_owned(), Part::NoStores));
    }
    names.extend(
        gateway
            .settings
            .stores
            .iter()
            .map(|(binding, store)| (binding.clone(), Part::Store(binding.clone(), store.kind))),
    );
    let checks = join_all(names.into_iter().map(|(name, part)| async move {
        let answered = matches!(js::within(LIMIT, check(gateway, part)).await, Some(Ok(())));
        (name, answered)
    }))
    .await;
    let all = checks.iter().all(|(_, answered)| *answered);
    let checks: Map<String, Value> =
        checks.into_iter().map(|(name, answered)| (name, if answered { "ok" } else { "failed" }.into())).collect();
    let response = Response::from_json(&Readiness { status: if all { "ready" } else { "not ready" }, checks })
        .map_err(Problem::broken)?;
    Ok(response.with_status(if all { 200 } else { 503 }))
}

enum Part {
    Control,
    Flags,
    Keys,
    TokenSecret,
    Objects(&'static str),
    /// There is none to work in.
    NoStores,
    Store(String, StoreKind),
}

async fn check(gateway: &Gateway, part: Part) -> Result<(), Problem> {
    let call = |name: String, shape: &'static str, method: &'static str, argument: JsValue| async move {
        let binding = environment::binding(&gateway.env, &name, shape)?;
        js::call(&binding, method, &[argument]).await.map(|_| ()).map_err(|error| js::thrown(&error))
    };
    let probe = || JsValue::from_str("health-probe");
    match part {
        Part::Control => {
            control::ping(&gateway.env).await?;
            control::verify_environment(&gateway.env, &gateway.settings).await
        }
        Part::Keys => gateway.keyring.can_open_runs(),
        Part::TokenSecret => gateway.keyring.can_issue(),
        Part::NoStores => Err(Problem::broken("no store is configured")),
        Part::Objects(class) => objects::ping(&gateway.env, class).await,
        Part::Flags => call("FLAGS".into(), "getWithMetadata", "get", probe()).await,
        Part::Store(name, StoreKind::Kv) => call(name, "getWithMetadata", "get", probe()).await,
        Part::Store(name, StoreKind::R2) => call(name, "createMultipartUpload", "head", probe()).await,
        Part::Store(name, StoreKind::D1) => {
            let sent = crate::cloudflare::d1::send(&gateway.env, &name, &[("SELECT 1", &[])], RowShape::Arrays).await;
            Ok(sent.map(|_| ())?)
        }
    }
}
