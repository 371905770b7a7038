//! Calling a tool: its arguments become an operation of the run, the same that a request of the data plane becomes, and go the same way.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::contents;
use super::schema;
use super::told::{Members, Teller};
use super::tools::{Tool, default_store};
use crate::app::message::{Answer, Command, Execute};
use crate::cloudflare::wire::{Content, Payload};
use crate::domain::condition::{Condition, Range};
use crate::domain::credential::{Caller, Role};
use crate::domain::limits::{self, kv_key, r2_key};
use crate::domain::operation::{Access, Call, CustomMetadata, HttpMetadata, KeyCall, ObjectCall, Operation, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Run, RunId};
use crate::domain::settings::{Store, StoreKind};
use crate::http::client_v4::{self, Refusal, d1, kv, r2};
use crate::http::request::{Asked, Object};
use crate::http::{Gateway, v1};

/// What a tool answered: the members of the result, and where it was carried out.
pub type Called = (Teller, String);

/// Calls a tool. Whatever is wrong with the call itself is its result; the model reads it and can mend it.
pub async fn call(gateway: &Gateway, caller: &Caller, asked: &Asked, asked_dry: bool, tool: Tool, arguments: &str) -> Called {
    let nowhere = Teller::nowhere(gateway.settings.environment);
    let called = match tool.kind() {
        Some(kind) => operate(gateway, caller, asked, asked_dry, tool, kind, arguments).await,
        None => tell(gateway, caller, asked, tool, arguments).await,
    };
    called.unwrap_or_else(|(teller, problem)| {
        gateway.note(&problem);
        let teller = teller.unwrap_or(nowhere);
        let result = teller.failed(&problem);
        (teller, result)
    })
}

/// Why a call did not get as far as its run, with the run when it is known.
type Stopped = (Option<Teller>, Problem);

fn stopped(problem: Problem) -> Stopped {
    (None, problem)
}

/// The tools about stores.
async fn operate(gateway: &Gateway, caller: &Caller, asked: &Asked, asked_dry: bool, tool: Tool, kind: StoreKind, arguments: &str) -> Result<Called, Stopped> {
    let settings = &gateway.settings;
    let (run, actor) = client_v4::acting(caller, asked).map_err(stopped)?;
    let about = |problem| (Some(Teller::about(settings.environment, &run, None)), problem);
    let named = Named::read(arguments);
    let store = store(gateway, kind, named.store.as_deref()).map_err(about)?;
    let (call, payload) = understand(tool, arguments).unwrap_or_else(|refusal| {
        let (action, access) = wanted(tool);
        let refusal = Refusal { sql: refusal.sql.or(named.sql), ..refusal };
        (client_v4::refused_call(action, named.key.as_deref(), access, refusal), Payload::Bytes(Vec::new()))
    });
    let operation = Operation { store, call };
    let wrote = operation.access() == Access::Write;
    let execution = Execute { run: run.clone(), actor, operation, asked_dry, idempotency: None };
    let (receipt, answered) = client_v4::operate(gateway, execution, payload).await.map_err(about)?;
    let teller = Teller::of(settings.environment, &receipt);
    let members = match answered {
        Ok(answer) => read(tool, named.key.as_deref().unwrap_or_default(), answer).await,
        Err(problem) => Err(problem),
    };
    let result = match members {
        Ok(members) => teller.done(wrote, members, None),
        Err(problem) => teller.failed(&problem),
    };
    Ok((teller, result))
}

/// The tools about the run.
async fn tell(gateway: &Gateway, caller: &Caller, asked: &Asked, tool: Tool, arguments: &str) -> Result<Called, Stopped> {
    let environment = gateway.settings.environment;
    let run = match caller {
        // Operators work in no run, but may look at any.
        Caller::Key { role: Role::Operator, .. } => v1::named_run(caller, asked, None).ok_or_else(client_v4::run_required),
        _ => client_v4::acting(caller, asked).map(|(run, _)| run),
    }
    .map_err(stopped)?;
    let about = |problem| (Some(Teller::about(environment, &run, None)), problem);
    let actor = v1::actor(caller);
    let status = Command::Status { run: run.clone(), actor: actor.clone() };
    let found: Run = v1::command(gateway, &run, &status).await.map_err(about)?;
    let teller = Teller::about(environment, &run, Some(found.mode));
    let about = |problem| (Some(teller.clone()), problem);
    if tool == Tool::RunStatus {
        let Nothing {} = read_arguments(arguments).map_err(about)?;
        let status = v1::described(&found).map_err(about)?;
        return Ok((teller.clone(), teller.done(false, Members::default().with("status", &status), None)));
    }
    let ReportArguments { moved } = read_arguments(arguments).map_err(about)?;
    let report = |markdown| {
        let command = Command::Report { run: run.clone(), actor: actor.clone(), markdown, moved: moved.unwrap_or_default() };
        let run: RunId = run.clone();
        async move { v1::command::<String>(gateway, &run, &command).await }
    };
    let (markdown, json) = (report(true).await.map_err(about)?, report(false).await.map_err(about)?);
    Ok((teller.clone(), teller.done(false, Members::default().with_json("report", &json), Some(&markdown))))
}

fn store(gateway: &Gateway, kind: StoreKind, named: Option<&str>) -> Result<Store, Problem> {
    match named.or_else(|| default_store(&gateway.settings, kind)) {
        Some(name) => gateway.settings.store(kind, name),
        // Refused with the names that there are.
        None => gateway.settings.store(kind, ""),
    }
}

/// What the journal calls a call that cannot be understood, and whether it could have changed something.
fn wanted(tool: Tool) -> (&'static str, Access) {
    match tool {
        Tool::D1Query => ("SQL", Access::Write),
        Tool::D1Schema => ("SQL", Access::Read),
        Tool::KvGet | Tool::R2Get => ("get", Access::Read),
        Tool::KvPut | Tool::R2Put => ("put", Access::Write),
        Tool::KvDelete | Tool::R2Delete => ("delete", Access::Write),
        Tool::KvList | Tool::R2List | Tool::RunStatus | Tool::RunReport => ("list", Access::Read),
    }
}

/// What can be told of arguments that may not be valid, for the journal.
#[derive(Default)]
struct Named {
    store: Option<String>,
    key: Option<String>,
    sql: Option<String>,
}

impl Named {
    fn read(arguments: &str) -> Self {
        #[derive(Deserialize, Default)]
        struct Parts<'a> {
            #[serde(borrow, default)]
            store: Option<&'a RawValue>,
            #[serde(borrow, default)]
            key: Option<&'a RawValue>,
            #[serde(borrow, default)]
            sql: Option<&'a RawValue>,
        }
        let parts: Parts<'_> = serde_json::from_str(arguments).unwrap_or_default();
        let text = |part: Option<&RawValue>| part.and_then(|part| serde_json::from_str(part.get()).ok());
        Self { store: text(parts.store), key: text(parts.key), sql: text(parts.sql) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportArguments {
    moved: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryArguments {
    #[serde(rename = "store")]
    _store: Option<String>,
    sql: Option<String>,
    params: Option<Vec<Value>>,
    batch: Option<Vec<Object<QueryStatement>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryStatement {
    sql: String,
    params: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaArguments {
    #[serde(rename = "store")]
    _store: Option<String>,
    table: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyArguments {
    #[serde(rename = "store")]
    _store: Option<String>,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueArguments<'a> {
    #[serde(rename = "store")]
    _store: Option<String>,
    key: String,
    #[serde(borrow)]
    value: Cow<'a, str>,
    encoding: Option<Encoding>,
    expiration: Option<u64>,
    expiration_ttl: Option<u64>,
    metadata: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectArguments<'a> {
    #[serde(rename = "store")]
    _store: Option<String>,
    key: String,
    #[serde(borrow)]
    value: Cow<'a, str>,
    encoding: Option<Encoding>,
    #[serde(default)]
    http_metadata: HttpMetadata,
    #[serde(default)]
    custom_metadata: CustomMetadata,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartArguments {
    #[serde(rename = "store")]
    _store: Option<String>,
    key: String,
    offset: Option<u64>,
    length: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListArguments {
    #[serde(rename = "store")]
    _store: Option<String>,
    prefix: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectListArguments {
    #[serde(rename = "store")]
    _store: Option<String>,
    prefix: Option<String>,
    delimiter: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
    start_after: Option<String>,
}

/// How a value is written in JSON.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    Text,
    Base64,
}

fn read_arguments<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Problem> {
    serde_json::from_str::<Object<T>>(json).map(|Object(arguments)| arguments).map_err(|error| {
        Problem::new(
            Code::InvalidRequest,
            format!("The arguments do not have the expected form ({error}); nothing was read or written."),
            "Compare them with the tool's inputSchema.",
        )
    })
}

/// Reads the arguments of a tool and checks them as the data plane checks a request.
fn understand(tool: Tool, arguments: &str) -> Result<(Call, Payload), Refusal> {
    let bare = |call: Call| Ok((call, Payload::Bytes(Vec::new())));
    match tool {
        Tool::D1Query => bare(query(read_arguments(arguments)?)?),
        Tool::D1Schema => {
            let SchemaArguments { table, .. } = read_arguments(arguments)?;
            bare(schema::call(table.as_deref())?)
        }
        Tool::KvGet | Tool::KvDelete => {
            let KeyArguments { key, .. } = read_arguments(arguments)?;
            kv_key(&key)?;
            bare(Call::Key(if tool == Tool::KvGet { KeyCall::Get { key } } else { KeyCall::Delete { key } }))
        }
        Tool::KvPut => {
            let ValueArguments { key, value, encoding, expiration, expiration_ttl, metadata, .. } = read_arguments(arguments)?;
            kv_key(&key)?;
            let bytes = decode(value, encoding)?;
            kv::check(bytes.len(), metadata.as_ref(), expiration, expiration_ttl)?;
            Ok((Call::Key(KeyCall::Put { key, expiration, expiration_ttl, metadata }), Payload::Bytes(bytes)))
        }
        Tool::KvList => {
            let ListArguments { prefix, limit, cursor, .. } = read_arguments(arguments)?;
            let limit = limits::page(limit.map(|limit| limit.to_string()).as_deref(), 10, limits::MAX_PAGE)?;
            bare(Call::Key(KeyCall::List { prefix: prefix.unwrap_or_default(), limit, cursor: some(cursor) }))
        }
        Tool::R2Get => {
            let PartArguments { key, offset, length, .. } = read_arguments(arguments)?;
            r2_key(&key)?;
            let range = (offset.is_some() || length.is_some()).then(|| Range::From { offset: offset.unwrap_or_default(), length });
            bare(Call::Object(ObjectCall::Get { key, range, condition: Condition::default() }))
        }
        Tool::R2Put => {
            let ObjectArguments { key, value, encoding, http_metadata, custom_metadata, .. } = read_arguments(arguments)?;
            r2_key(&key)?;
            let bytes = decode(value, encoding)?;
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            contents::check_metadata(&http_metadata, &custom_metadata)?;
            let put = ObjectCall::Put { key, length, condition: Condition::default(), digest: None, http_metadata, custom_metadata, storage_class: None };
            r2::check(&put)?;
            Ok((Call::Object(put), Payload::Bytes(bytes)))
        }
        Tool::R2Delete => {
            let KeyArguments { key, .. } = read_arguments(arguments)?;
            r2_key(&key)?;
            bare(Call::Object(ObjectCall::Delete { key }))
        }
        Tool::R2List => {
            let ObjectListArguments { prefix, delimiter, limit, cursor, start_after, .. } = read_arguments(arguments)?;
            let limit = limits::page(limit.map(|limit| limit.to_string()).as_deref(), 1, 100)?;
            let prefix = prefix.unwrap_or_default();
            bare(Call::Object(ObjectCall::List { prefix, delimiter: some(delimiter), limit, cursor: some(cursor), start_after: some(start_after) }))
        }
        Tool::RunStatus | Tool::RunReport => Err(Problem::internal().into()),
    }
}

/// An empty text names nothing, as in a query parameter.
fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn query(arguments: QueryArguments) -> Result<Call, Refusal> {
    let QueryArguments { sql, params, batch, .. } = arguments;
    let batch = batch.map(|batch| batch.into_iter().map(|Object(QueryStatement { sql, params })| Object(d1::Query { sql, params })).collect());
    let body = d1::Body { sql, params, batch };
    let sql = body.text();
    let statements = d1::read(body).map_err(|problem| Refusal { problem, sql })?;
    Ok(Call::Sql(SqlCall { statements, shape: RowShape::Objects }))
}

fn decode(value: Cow<'_, str>, encoding: Option<Encoding>) -> Result<Vec<u8>, Problem> {
    match encoding {
        None | Some(Encoding::Text) => Ok(value.into_owned().into_bytes()),
        Some(Encoding::Base64) => STANDARD
            .decode(value.as_bytes())
            .map_err(|_| Problem::new(Code::InvalidRequest, "The value is not valid base64; nothing was written.", "Encode it with padding, or send it as text.")),
    }
}

/// The members of what a tool answers.
async fn read(tool: Tool, key: &str, answer: Answer<Content>) -> Result<Members, Problem> {
    match (tool, answer) {
        (Tool::KvGet | Tool::R2Get, Answer::Content { headers, content, .. }) => contents::read(tool, key, &headers, content).await,
        (Tool::D1Query, Answer::Result { result, .. }) => Ok(Members::default().with_json("statements", &result)),
        (Tool::D1Schema, Answer::Result { result, .. }) => schema::describe(&result),
        (Tool::KvPut | Tool::KvDelete | Tool::R2Delete, Answer::Result { .. }) => Ok(Members::default().with("key", &key)),
        (Tool::KvList, Answer::Result { result, info }) => Ok(Members::default().with_json("keys", &result).with("cursor", &contents::cursor(info.as_deref()))),
        (Tool::R2List, Answer::Result { result, info }) => contents::objects(&result, info.as_deref()),
        (Tool::R2Put, Answer::Result { result, .. }) => contents::put(&result),
        _ => Err(Problem::internal()),
    }
}
