//! Calling a tool: its arguments become an operation of the run, the same that a request of the data plane becomes, and
//! go the same way.

use crate::cloudflare::js;
use crate::domain::stores;
use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use super::contents;
use super::fields::Fields;
use super::schema;
use super::told::{Members, Teller};
use super::tools::{Tool, default_store};
use crate::app::message::{Answer, Command, Execute};
use crate::cloudflare::wire::{Content, Payload};
use crate::domain::condition::{Condition, Range};
use crate::domain::credential::{Caller, Role};
use crate::domain::limits;
use crate::domain::operation::{Access, Call, KeyCall, ObjectCall, Operation, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Run, RunId};
use crate::domain::settings::{Store, StoreKind};
use crate::domain::strict::json::unknown_member;
use crate::http::client_v4::{self, Refusal, d1, kv, r2};
use crate::http::request::{Asked, Object};
use crate::http::{Gateway, v1};

/// What a tool answered: the members of the result, and where it was carried out.
pub(super) type Called = (Teller, String);

/// A call as it was sent.
pub(super) struct Wanted<'w> {
    /// The tool.
    pub tool: Tool,
    /// The JSON of its arguments.
    pub arguments: &'w str,
    /// What came beside them and reads like a switch.
    pub stray: Option<&'w str>,
}

/// Calls a tool. Whatever is wrong with the call itself is its result; the model reads it and can mend it.
pub(super) async fn call(
    gateway: &Gateway,
    caller: &Caller,
    asked: &Asked,
    asked_dry: bool,
    wanted: &Wanted<'_>,
) -> Called {
    let nowhere = Teller::nowhere(gateway.settings.environment);
    let called = match wanted.tool.kind() {
        Some(kind) => operate(gateway, caller, asked, asked_dry, wanted, kind).await,
        None => tell(gateway, caller, asked, wanted).await,
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
async fn operate(
    gateway: &Gateway,
    caller: &Caller,
    asked: &Asked,
    asked_dry: bool,
    wanted: &Wanted<'_>,
    kind: StoreKind,
) -> Result<Called, Stopped> {
    let Wanted { tool, arguments, .. } = *wanted;
    let settings = &gateway.settings;
    let (run, actor) = client_v4::acting(caller, asked).map_err(stopped)?;
    let about = |problem| (Some(Teller::about(settings.environment, &run, None)), problem);
    let named = Named::read(arguments);
    let found = without_stray(wanted)
        .map_err(Refusal::from)
        .and_then(|()| store(gateway, kind, named.store.as_deref()).map_err(Refusal::from));
    let understood = found.and_then(|store| Ok((store, understand(tool, arguments)?)));
    // Whatever is refused is in the run's report, a store that does not exist as well.
    let (store, (call, payload)) = understood.unwrap_or_else(|refusal| {
        let (action, access) = journalled(tool);
        let refusal = Refusal { sql: refusal.sql.or(named.sql), ..refusal };
        let call = client_v4::refused_call(action, named.key.as_deref(), access, refusal);
        let known = store(gateway, kind, named.store.as_deref());
        let store = known.unwrap_or_else(|_| Store::unknown(kind, named.store.as_deref().unwrap_or_default()));
        (store, (call, Payload::Bytes(Vec::new())))
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
        Err(problem) => {
            js::log_cause(&problem);
            teller.failed(&problem)
        }
    };
    Ok((teller, result))
}

/// The tools about the run.
async fn tell(gateway: &Gateway, caller: &Caller, asked: &Asked, wanted: &Wanted<'_>) -> Result<Called, Stopped> {
    let Wanted { tool, arguments, .. } = *wanted;
    let environment = gateway.settings.environment;
    let run = match caller {
        // Operators work in no run, but may look at any.
        Caller::Key { role: Role::Operator, .. } => {
            v1::named_run(caller, asked, None).ok_or_else(client_v4::run_required)
        }
        _ => client_v4::acting(caller, asked).map(|(run, _)| run),
    }
    .map_err(stopped)?;
    let about = |problem| (Some(Teller::about(environment, &run, None)), problem);
    let actor = v1::actor(caller);
    let status = Command::Status { run: run.clone(), actor: actor.clone() };
    let found: Run = v1::command(gateway, &run, &status).await.map_err(about)?;
    let teller = Teller::about(environment, &run, Some(found.mode));
    let about = |problem| (Some(teller.clone()), problem);
    without_stray(wanted).map_err(about)?;
    if tool == Tool::RunStatus {
        // Clients that cannot call a tool without arguments make one up.
        Fields::read(arguments).and_then(|fields| fields.without_switches()).map_err(invalid).map_err(about)?;
        let status = v1::described(&found).map_err(about)?;
        return Ok((teller.clone(), teller.done(false, Members::default().with("status", &status), None)));
    }
    let moved =
        arguments_of(arguments, &["moved"]).and_then(|fields| fields.truth("moved").map_err(invalid)).map_err(about)?;
    let report = |markdown| {
        let command =
            Command::Report { run: run.clone(), actor: actor.clone(), markdown, moved: moved.unwrap_or_default() };
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
fn journalled(tool: Tool) -> (&'static str, Access) {
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
        let fields = Fields::read(arguments).unwrap_or_default();
        let text = |name| fields.text(name).ok().flatten().map(Cow::into_owned);
        Self { store: text("store").filter(|store| !store.is_empty()), key: text("key"), sql: text("sql") }
    }
}

/// The problem of arguments that are not what the tool takes.
fn invalid(why: impl std::fmt::Display) -> Problem {
    Problem::new(
        Code::InvalidRequest,
        format!("The arguments do not have the expected form ({why}); nothing was read or written."),
        "Compare them with the tool's inputSchema.",
    )
}

/// Refuses what reads like a switch and stands where none is read.
fn without_stray(wanted: &Wanted<'_>) -> Result<(), Problem> {
    wanted.stray.map_or(Ok(()), |name| Err(unknown_member(name, &[])))
}

/// Reads arguments of these names.
fn arguments_of<'a>(json: &'a str, names: &[&str]) -> Result<Fields<'a>, Problem> {
    let fields = Fields::read(json).map_err(invalid)?;
    fields.only(names).map_err(invalid)?;
    // One that cannot be read names no store, and the usual one is not meant.
    fields.text("store").map_err(invalid)?;
    Ok(fields)
}

/// The argument `key`, which must be there.
fn key_of(fields: &Fields<'_>) -> Result<String, Problem> {
    fields.text("key").map_err(invalid)?.map(Cow::into_owned).ok_or_else(|| invalid("key is missing"))
}

/// A text that names something: an empty one names nothing, as in a query parameter.
fn name_of(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Problem> {
    Ok(fields.text(name).map_err(invalid)?.filter(|text| !text.is_empty()).map(Cow::into_owned))
}

/// The argument `limit`.
fn limit_of(fields: &Fields<'_>, least: u32, default: u32) -> Result<u32, Problem> {
    let limit = fields.whole("limit").map_err(invalid)?.map(|limit| limit.to_string());
    limits::page(limit.as_deref(), least, default)
}

/// The bytes of the argument `value`.
fn value_of(fields: &Fields<'_>) -> Result<Vec<u8>, Problem> {
    let value = fields.text("value").map_err(invalid)?.ok_or_else(|| invalid("value is missing"))?;
    match fields.text("encoding").map_err(invalid)?.as_deref() {
        None | Some("text") => Ok(value.into_owned().into_bytes()),
        Some("base64") => STANDARD.decode(value.as_bytes()).map_err(|error| {
            Problem::new(
                Code::InvalidRequest,
                "The value is not valid base64; nothing was written.",
                "Encode it with padding, or send it as text.",
            )
            .caused_by(error)
        }),
        Some(_) => Err(invalid("encoding is neither text nor base64")),
    }
}

/// Reads the arguments of a tool and checks them as the data plane checks a request.
fn understand(tool: Tool, arguments: &str) -> Result<(Call, Payload), Refusal> {
    let bare = |call: Call| Ok((call, Payload::Bytes(Vec::new())));
    match tool {
        Tool::D1Query => bare(query(arguments)?),
        Tool::D1Schema => {
            let fields = arguments_of(arguments, &["store", "table"])?;
            bare(schema::call(fields.text("table").map_err(invalid)?.as_deref())?)
        }
        Tool::KvGet | Tool::KvDelete => {
            let key = key_of(&arguments_of(arguments, &["store", "key"])?)?;
            stores::kv::check_key(&key)?;
            bare(Call::Key(if tool == Tool::KvGet { KeyCall::Get { key } } else { KeyCall::Delete { key } }))
        }
        Tool::KvPut => {
            let fields = arguments_of(
                arguments,
                &["store", "key", "value", "encoding", "expiration", "expiration_ttl", "metadata"],
            )?;
            let key = key_of(&fields)?;
            stores::kv::check_key(&key)?;
            let (expiration, expiration_ttl) =
                (fields.whole("expiration").map_err(invalid)?, fields.whole("expiration_ttl").map_err(invalid)?);
            let metadata: Option<Value> = fields.other("metadata", "JSON").map_err(invalid)?;
            let bytes = value_of(&fields)?;
            kv::check(bytes.len(), metadata.as_ref(), expiration, expiration_ttl)?;
            Ok((Call::Key(KeyCall::Put { key, expiration, expiration_ttl, metadata }), Payload::Bytes(bytes)))
        }
        Tool::KvList => {
            let fields = arguments_of(arguments, &["store", "prefix", "limit", "cursor"])?;
            let prefix = name_of(&fields, "prefix")?.unwrap_or_default();
            bare(Call::Key(KeyCall::List {
                prefix,
                limit: limit_of(&fields, 10, limits::MAX_PAGE)?,
                cursor: name_of(&fields, "cursor")?,
            }))
        }
        Tool::R2Get => {
            let fields = arguments_of(arguments, &["store", "key", "offset", "length"])?;
            let key = key_of(&fields)?;
            stores::r2::check_key(&key)?;
            let (offset, length) = (fields.whole("offset").map_err(invalid)?, fields.whole("length").map_err(invalid)?);
            if length == Some(0) {
                return Err(invalid("length is 0").into());
            }
            let range = (offset.is_some() || length.is_some())
                .then(|| Range::From { offset: offset.unwrap_or_default(), length });
            bare(Call::Object(ObjectCall::Get { key, range, condition: Condition::default(), described: true }))
        }
        Tool::R2Put => {
            let fields =
                arguments_of(arguments, &["store", "key", "value", "encoding", "http_metadata", "custom_metadata"])?;
            let key = key_of(&fields)?;
            stores::r2::check_key(&key)?;
            let texts = |name| fields.other(name, "object of texts").map(Option::unwrap_or_default).map_err(invalid);
            let (http_metadata, custom_metadata) = (texts("http_metadata")?, texts("custom_metadata")?);
            let bytes = value_of(&fields)?;
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let put = ObjectCall::Put {
                key,
                length,
                condition: Condition::default(),
                digest: None,
                http_metadata,
                custom_metadata,
                storage_class: None,
            };
            r2::check(&put)?;
            Ok((Call::Object(put), Payload::Bytes(bytes)))
        }
        Tool::R2Delete => {
            let key = key_of(&arguments_of(arguments, &["store", "key"])?)?;
            stores::r2::check_key(&key)?;
            bare(Call::Object(ObjectCall::Delete { key }))
        }
        Tool::R2List => {
            let fields = arguments_of(arguments, &["store", "prefix", "delimiter", "limit", "cursor", "start_after"])?;
            let name = |name| name_of(&fields, name);
            let prefix = name("prefix")?.unwrap_or_default();
            bare(Call::Object(ObjectCall::List {
                prefix,
                delimiter: name("delimiter")?,
                limit: limit_of(&fields, 1, 100)?,
                cursor: name("cursor")?,
                start_after: name("start_after")?,
            }))
        }
        Tool::RunStatus | Tool::RunReport => Err(Problem::broken("a tool of the run came to the stores").into()),
    }
}

/// Either `sql` with `params`, or `batch`: the body of a request of the data plane.
fn query(arguments: &str) -> Result<Call, Refusal> {
    let fields = arguments_of(arguments, &["store", "sql", "params", "batch"])?;
    let sql = fields.text("sql").map_err(invalid)?.map(Cow::into_owned);
    let batch: Option<Vec<Box<RawValue>>> = fields.other("batch", "list").map_err(invalid)?;
    // Models fill in every argument that a tool has: what is empty beside the other one is not meant.
    let batch = batch.filter(|batch| !batch.is_empty() || sql.is_none());
    let sql = sql.filter(|sql| !sql.trim().is_empty() || batch.is_none());
    let params = params_of(&fields)?.filter(|params| !params.is_empty() || batch.is_none());
    let batch = batch
        .map(|batch| batch.iter().map(|entry| statement(entry.get())).collect::<Result<Vec<_>, Problem>>())
        .transpose()?;
    let body = d1::Body { sql, params, batch };
    let sql = body.text();
    let statements = d1::read(body).map_err(|problem| Refusal { problem, sql })?;
    Ok(Call::Sql(SqlCall { statements, shape: RowShape::Objects }))
}

fn statement(entry: &str) -> Result<Object<d1::Query>, Problem> {
    let fields = arguments_of(entry, &["sql", "params"])?;
    let sql = fields.text("sql").map_err(invalid)?.ok_or_else(|| invalid("a statement of batch has no sql"))?;
    Ok(Object(d1::Query { sql: sql.into_owned(), params: params_of(&fields)? }))
}

fn params_of(fields: &Fields<'_>) -> Result<Option<Vec<Value>>, Problem> {
    fields.other("params", "list").map_err(invalid)
}

/// The members of what a tool answers.
async fn read(tool: Tool, key: &str, answer: Answer<Content>) -> Result<Members, Problem> {
    match (tool, answer) {
        (Tool::KvGet | Tool::R2Get, Answer::Content { headers, content, .. }) => {
            contents::read(tool, key, &headers, content).await
        }
        (Tool::D1Query, Answer::Result { result, .. }) => Ok(Members::default().with_json("statements", &result)),
        (Tool::D1Schema, Answer::Result { result, .. }) => schema::describe(&result),
        (Tool::KvPut | Tool::KvDelete | Tool::R2Delete, Answer::Result { .. }) => {
            Ok(Members::default().with("key", &key))
        }
        (Tool::KvList, Answer::Result { result, info }) => {
            Ok(Members::default().with_json("keys", &result).with("cursor", &contents::cursor(info.as_deref())))
        }
        (Tool::R2List, Answer::Result { result, info }) => contents::objects(&result, info.as_deref()),
        (Tool::R2Put, Answer::Result { result, .. }) => contents::put(&result),
        _ => Err(Problem::broken("another result than text")),
    }
}
