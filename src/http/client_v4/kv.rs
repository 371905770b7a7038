//! KV: values, metadata, keys and their bulk forms.

use crate::domain::stores::kv::{self, MAX_KV_BULK_READ, MAX_KV_BULK_WRITE, MAX_KV_SECONDS, MAX_KV_VALUE_BYTES};
use serde::Deserialize;
use serde_json::Value;

use super::Understood;
use crate::cloudflare::wire::Payload;
use crate::domain::limits;
use crate::domain::operation::{Call, KeyCall, KeyItem};
use crate::domain::refusal::{Code, Problem};
use crate::domain::strict::json::{self, Shape, unknown};
use crate::http::Gateway;
use crate::http::request::{Asked, Object};
use crate::http::router::Action;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkGet {
    keys: Vec<String>,
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    with_metadata: bool,
}

pub(super) async fn understand(gateway: &Gateway, action: Action, asked: &mut Asked) -> Result<Understood, Problem> {
    let cap = gateway.settings.max_body_bytes;
    let bare =
        |call| Ok(Understood { call: Call::Key(call), payload: Payload::Bytes(Vec::new()), fingerprint: Vec::new() });
    match action {
        Action::GetValue(key) => {
            kv::check_key(&key)?;
            bare(KeyCall::Get { key })
        }
        Action::Metadata(key) => {
            kv::check_key(&key)?;
            bare(KeyCall::Metadata { key })
        }
        Action::DeleteValue(key) => {
            kv::check_key(&key)?;
            bare(KeyCall::Delete { key })
        }
        Action::Keys => bare(KeyCall::List {
            prefix: asked.query("prefix").unwrap_or_default(),
            // KV's REST API takes pages of 10 to 1,000 keys.
            limit: limits::page(asked.query("limit").as_deref(), 10, limits::MAX_PAGE)?,
            cursor: asked.query("cursor").filter(|cursor| !cursor.is_empty()),
        }),
        Action::PutValue(key) => put(key, asked, cap).await,
        Action::BulkPut => {
            let (items, bytes): (Vec<Object<KeyItem>>, _) = asked.json(cap).await?;
            let items: Vec<KeyItem> = items.into_iter().map(|Object(item)| item).collect();
            few(items.len(), MAX_KV_BULK_WRITE)?;
            for item in &items {
                kv::check_key(&item.key)?;
                check(item.value.len(), item.metadata.as_ref(), item.expiration, item.expiration_ttl)?;
            }
            Ok(Understood {
                call: Call::Key(KeyCall::PutMany { items }),
                payload: Payload::Bytes(Vec::new()),
                fingerprint: bytes,
            })
        }
        Action::BulkDelete => {
            let (keys, bytes): (Vec<String>, _) = asked.json(cap).await?;
            few(keys.len(), MAX_KV_BULK_WRITE)?;
            keys.iter().try_for_each(|key| kv::check_key(key))?;
            Ok(Understood {
                call: Call::Key(KeyCall::DeleteMany { keys }),
                payload: Payload::Bytes(Vec::new()),
                fingerprint: bytes,
            })
        }
        Action::BulkGet => {
            let (Object(request), _): (Object<BulkGet>, _) = asked.json(cap).await?;
            few(request.keys.len(), MAX_KV_BULK_READ)?;
            request.keys.iter().try_for_each(|key| kv::check_key(key))?;
            let json = match request.r#type.as_deref() {
                None | Some("text") => false,
                Some("json") => true,
                Some(_) => {
                    return Err(Problem::new(
                        Code::InvalidRequest,
                        "A bulk read has the types text and json; nothing was read.",
                        "Use one of them.",
                    ));
                }
            };
            bare(KeyCall::GetMany { keys: request.keys, with_metadata: request.with_metadata, json })
        }
        _ => Err(Problem::broken("a route of another kind")),
    }
}

async fn put(key: String, asked: &mut Asked, cap: u64) -> Result<Understood, Problem> {
    kv::check_key(&key)?;
    let expiration = seconds(asked, "expiration")?;
    let expiration_ttl = seconds(asked, "expiration_ttl")?;
    let (value, metadata) = if asked.media_type() == "multipart/form-data" {
        form(asked, cap).await?
    } else {
        (asked.bytes(cap).await?, None)
    };
    check(value.len(), metadata.as_ref(), expiration, expiration_ttl)?;
    // The length keeps the two apart: otherwise metadata could pass for the end of a value.
    let mut fingerprint = value.len().to_string().into_bytes();
    fingerprint.push(b':');
    fingerprint.extend_from_slice(&value);
    fingerprint.extend_from_slice(metadata.as_ref().map(Value::to_string).unwrap_or_default().as_bytes());
    let call = Call::Key(KeyCall::Put { key, expiration, expiration_ttl, metadata });
    Ok(Understood { call, payload: Payload::Bytes(value), fingerprint })
}

async fn form(asked: &mut Asked, cap: u64) -> Result<(Vec<u8>, Option<Value>), Problem> {
    let invalid = |what: &str| {
        Problem::new(
            Code::InvalidRequest,
            format!("{what}; nothing was written."),
            "Send the form fields value and, if wanted, metadata as one text of JSON.",
        )
    };
    let (mut value, mut metadata) = (None, None);
    for (name, bytes) in asked.form(cap).await? {
        let place = match name.as_str() {
            "value" => &mut value,
            "metadata" => &mut metadata,
            // A field like metadata[kind] is what some clients make of an object; dropping it would lose metadata
            // without a word.
            _ => {
                let (what, remedy) = unknown(&name, asked.form_fields());
                return Err(Problem::new(
                    Code::InvalidRequest,
                    format!("The form field {what}; nothing was written."),
                    remedy,
                ));
            }
        };
        if place.replace(bytes).is_some() {
            return Err(invalid(&format!("The form field {name} was sent twice")));
        }
    }
    let value = value.ok_or_else(|| invalid("The multipart body has no field value"))?;
    let metadata = match metadata.filter(|bytes| !bytes.is_empty()) {
        None => None,
        Some(bytes) => {
            json::check(&bytes, &Shape::Data)?;
            Some(serde_json::from_slice(&bytes).map_err(|error| invalid("The metadata is not JSON").caused_by(error))?)
        }
    };
    Ok((value, metadata))
}

fn seconds(asked: &Asked, name: &str) -> Result<Option<u64>, Problem> {
    asked.query(name).map_or(Ok(None), |text| {
        // No sign and no blanks: what is left empty was meant to be something.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        digits.map(Some).ok_or_else(|| {
            Problem::new(
                Code::InvalidRequest,
                format!("{name} is not a whole number of seconds; nothing was written."),
                "Correct it, or leave it out.",
            )
        })
    })
}

fn few(count: usize, most: usize) -> Result<(), Problem> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(Problem::new(
        Code::InvalidRequest,
        format!("A request of this kind has 1 to {most} keys, not {count}; nothing was read or written."),
        "Send them in several requests.",
    ))
}

/// Checks what comes with a value against KV's limits.
pub(crate) fn check(
    bytes: usize,
    metadata: Option<&Value>,
    expiration: Option<u64>,
    expiration_ttl: Option<u64>,
) -> Result<(), Problem> {
    check_value(bytes)?;
    kv::check_metadata(metadata)?;
    if expiration.is_some() && expiration_ttl.is_some() {
        return Err(Problem::new(
            Code::InvalidRequest,
            "expiration and expiration_ttl each say when the value ends; nothing was written.",
            "Send one of the two.",
        ));
    }
    check_seconds(expiration.or(expiration_ttl))
}

fn check_value(bytes: usize) -> Result<(), Problem> {
    if u64::try_from(bytes).is_ok_and(|bytes| bytes <= MAX_KV_VALUE_BYTES) {
        return Ok(());
    }
    Err(Problem::new(
        Code::BodyTooLarge,
        "The value is larger than KV's 25 MiB; nothing was written.",
        "Put it into R2, and its key into KV.",
    ))
}

fn check_seconds(seconds: Option<u64>) -> Result<(), Problem> {
    if seconds.is_none_or(|seconds| seconds <= MAX_KV_SECONDS) {
        return Ok(());
    }
    Err(Problem::new(
        Code::InvalidRequest,
        format!("An expiration is beyond {MAX_KV_SECONDS} seconds, which KV does not accept; nothing was written."),
        "Use an earlier one, or none.",
    ))
}
