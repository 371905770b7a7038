//! What the platform hands the Worker: variables, secrets and bindings.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::Env;

use super::js;
use crate::domain::credential::Keyring;
use crate::domain::refusal::Problem;
use crate::domain::settings::Settings;
use crate::domain::strict::variables;

/// A variable or secret as text; one that was configured as JSON comes as its JSON.
pub fn lookup(env: &Env, name: &str) -> Option<String> {
    let value = js::member(env.as_ref(), name);
    if value.is_undefined() || value.is_null() {
        return None;
    }
    value.as_string().or_else(|| js_sys::JSON::stringify(&value).ok().and_then(|text| text.as_string()))
}

/// The names of variables and secrets: what is bound as text or JSON, and no store or object.
fn variable_names(env: &Env) -> Vec<String> {
    let of_json = |value: &JsValue| {
        js_sys::Object::try_from(value)
            .is_some_and(|object| object.constructor().name() == "Object" || js_sys::Array::is_array(value))
    };
    let members = js_sys::Object::try_from(env.as_ref()).map(js_sys::Object::entries).unwrap_or_default();
    let entries = members.into_iter().map(|entry| js_sys::Array::from(&entry));
    entries
        .filter(|entry| !entry.get(1).is_object() || of_json(&entry.get(1)))
        .filter_map(|entry| entry.get(0).as_string())
        .collect()
}

/// Reads the configuration.
pub fn settings(env: &Env) -> Result<Rc<Settings>, Problem> {
    if let Some(known) = SETTINGS.with_borrow(Clone::clone) {
        return Ok(known);
    }
    variables::check(variable_names(env).iter().map(String::as_str))?;
    let parsed = Rc::new(Settings::parse(|name| lookup(env, name))?);
    SETTINGS.set(Some(parsed.clone()));
    Ok(parsed)
}

thread_local! {
    static SETTINGS: RefCell<Option<Rc<Settings>>> = const { RefCell::new(None) };
    static KEYRING: RefCell<Option<Rc<Keyring>>> = const { RefCell::new(None) };
}

/// Reads the secrets.
pub fn keyring(env: &Env, settings: &Settings) -> Result<Rc<Keyring>, Problem> {
    if let Some(known) = KEYRING.with_borrow(Clone::clone) {
        return Ok(known);
    }
    let parsed = Rc::new(Keyring::parse(
        settings.environment,
        lookup(env, "KEYS").as_deref(),
        lookup(env, "TOKEN_SECRET").as_deref(),
    )?);
    KEYRING.set(Some(parsed.clone()));
    Ok(parsed)
}

/// The same when `KEYS` is not understood: it lets nobody in. Readiness says so by it.
pub fn keyring_without_keys(env: &Env, settings: &Settings) -> Result<Rc<Keyring>, Problem> {
    Ok(Rc::new(Keyring::parse(settings.environment, None, lookup(env, "TOKEN_SECRET").as_deref())?))
}

/// A binding by name, when there is one of the kind that `shape` tells by a method it must have.
pub fn binding(env: &Env, name: &str, shape: &str) -> Result<JsValue, Problem> {
    let value = js::member(env.as_ref(), name);
    if value.is_object() && js::member(&value, shape).is_function() {
        return Ok(value);
    }
    js::log("error", "binding_missing", &[("binding", name)]);
    Err(Problem::new(
        crate::domain::refusal::Code::Misconfigured,
        format!("The gateway has no binding {name} of the right kind; nothing was read or written."),
        "An operator must bind it (see the configuration table in the README) and deploy again.",
    ))
}

/// The namespace of a Durable Object class.
pub fn objects(env: &Env, name: &str) -> Result<JsValue, Problem> {
    binding(env, name, "idFromName")
}
