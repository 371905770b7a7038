//! What clients ask before they work: who they are, which stores there are. And what the gateway does not offer,
//! refused by its name.

use serde_json::{Map, Value, json};
use worker::Response;

use super::{acting, operate, refused_call};
use crate::app::message::{Answer, Execute};
use crate::cloudflare::js;
use crate::domain::credential::Caller;
use crate::domain::operation::{Access, BoundStatement, Call, Operation, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::settings::{Store, StoreKind, StoreSettings};
use crate::http::request::Asked;
use crate::http::router::Account;
use crate::http::{Gateway, answer, v1};
use dryrun_sql::statement::split;

/// Answers a question about the account.
pub(crate) async fn serve(
    gateway: &Gateway,
    caller: &Caller,
    account: Account,
    asked: &Asked,
) -> Result<Response, Problem> {
    let name = format!("Dry-run gateway ({})", gateway.settings.environment);
    let own = json!({"id": gateway.settings.account, "name": name, "type": "standard", "settings": {"enforce_twofactor": false}});
    if let Account::One(id) | Account::Stores(id, _) = &account
        && let Err(problem) = require_account(gateway, id)
    {
        return unknown_account(gateway, caller, asked, problem).await;
    }
    match account {
        Account::User => single(user(gateway, caller), &[]),
        Account::Token => {
            let expires = match caller {
                Caller::Run(claim) => {
                    v1::read_run(gateway, caller, &claim.run).await?.require_open(js::now())?;
                    Some(js::iso(claim.expires_at))
                }
                Caller::Key { .. } => None,
            };
            single(
                json!({"id": identity(caller), "status": "active", "expires_on": expires}),
                &["This API Token is valid and active"],
            )
        }
        Account::All => page(vec![own], asked),
        Account::One(_) => single(own, &[]),
        Account::Memberships => page(
            vec![
                json!({"id": gateway.settings.account, "status": "accepted", "account": own, "roles": [role(caller)]}),
            ],
            asked,
        ),
        Account::Stores(_, kind) => stores(gateway, kind, asked),
    }
}

/// Only one account is answered for.
pub(crate) fn require_account(gateway: &Gateway, account: &str) -> Result<(), Problem> {
    if account == gateway.settings.account {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnknownAccount,
        "This gateway does not serve that account; nothing was read or written.",
        format!("Use the account {}.", gateway.settings.account),
    ))
}

fn role(caller: &Caller) -> &'static str {
    match caller {
        Caller::Key { role, .. } => role.as_str(),
        Caller::Run(_) => "agent",
    }
}

/// What stands for the caller: its key's name, or its run.
fn identity(caller: &Caller) -> &str {
    match caller {
        Caller::Key { name, .. } => name,
        Caller::Run(claim) => claim.run.as_str(),
    }
}

/// Clients show the address of whoever is logged in; nobody here has one, so it says who it is under a name that cannot
/// exist (RFC 2606).
fn user(gateway: &Gateway, caller: &Caller) -> Value {
    let mailbox = match caller {
        Caller::Key { name, .. } => name.clone(),
        Caller::Run(claim) => format!("{}+{}", claim.owner, claim.run),
    };
    json!({"id": identity(caller), "email": format!("{mailbox}@{}.invalid", gateway.settings.environment), "first_name": null, "last_name": null, "suspended": false})
}

fn stores(gateway: &Gateway, kind: StoreKind, asked: &Asked) -> Result<Response, Problem> {
    let name = asked.query("name").filter(|name| !name.is_empty());
    let named =
        |binding: &str, store: &StoreSettings| name.as_ref().is_none_or(|name| store.name == *name || binding == name);
    let found = gateway.settings.stores.iter().filter(|(binding, store)| store.kind == kind && named(binding, store));
    let mut entries: Vec<Value> = found
        .map(|(binding, settings)| described(&Store { binding: binding.clone(), settings: settings.clone() }))
        .collect();
    if kind == StoreKind::R2 {
        let wanted = asked.query("name_contains").unwrap_or_default();
        entries.retain(|entry| entry.get("name").and_then(Value::as_str).is_some_and(|name| name.contains(&wanted)));
        return single(json!({ "buckets": entries }), &[]);
    }
    page(entries, asked)
}

/// What is known of a store without asking it.
fn described(store: &Store) -> Value {
    let settings = &store.settings;
    let id = settings.id.as_deref().unwrap_or(&store.binding);
    match settings.kind {
        StoreKind::D1 => json!({"uuid": id, "name": settings.name, "version": "production"}),
        StoreKind::Kv => json!({"id": id, "title": settings.name, "supports_url_encoding": true}),
        // Neither is to be had from a binding.
        StoreKind::R2 => json!({"name": settings.name, "creation_date": "unknown", "location": "unknown"}),
    }
}

/// Describes one store. What only the store itself can tell is asked as an operation of the run, and left out when
/// there is none.
pub(crate) async fn describe(
    gateway: &Gateway,
    caller: &Caller,
    store: Store,
    asked: &Asked,
    asked_dry: bool,
) -> Result<Response, Problem> {
    let mut known = described(&store);
    let fields: Vec<String> =
        asked.query_all("fields").iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
    let wants = |name: &str| fields.is_empty() || fields.iter().any(|field| field == name);
    let party = match acting(caller, asked) {
        Ok(party) => Some(party),
        // Who names a run means it; a key alone still gets what is known without one.
        Err(problem)
            if store.settings.kind == StoreKind::D1
                && (matches!(caller, Caller::Run(_)) || asked.header("Run-Id").is_some()) =>
        {
            return Err(problem);
        }
        Err(_) => None,
    };
    if let (StoreKind::D1, true, Some((run, actor)), Some(known)) =
        (store.settings.kind, wants("num_tables") || wants("file_size"), party, known.as_object_mut())
    {
        let statement = split(COUNT_TABLES)?
            .into_iter()
            .map(|statement| BoundStatement { statement, params: Vec::new() })
            .collect();
        let operation =
            Operation { store, call: Call::Sql(SqlCall { statements: statement, shape: RowShape::Objects }) };
        let (receipt, answered) = operate(
            gateway,
            Execute { run, actor, operation, asked_dry, idempotency: None },
            super::Payload::Bytes(Vec::new()),
        )
        .await?;
        return match answered {
            Ok(Answer::Result { result, .. }) => {
                let found: Value = serde_json::from_str(&result).unwrap_or_default();
                known.insert("num_tables".into(), found.pointer("/0/results/0/tables").cloned().unwrap_or_default());
                known.insert("file_size".into(), found.pointer("/0/meta/size_after").cloned().unwrap_or_default());
                pick(known, &fields);
                answer::respond(
                    &receipt,
                    Ok(Answer::json(Value::Object(known.clone()).to_string())),
                    gateway.settings.environment,
                )
            }
            other => answer::respond(&receipt, other, gateway.settings.environment),
        };
    }
    if let Some(known) = known.as_object_mut() {
        pick(known, &fields);
    }
    single(known, &[])
}

const COUNT_TABLES: &str = r"SELECT count(*) AS tables FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_cf\_%' ESCAPE '\'";

fn pick(known: &mut Map<String, Value>, fields: &[String]) {
    if !fields.is_empty() {
        known.retain(|name, _| fields.iter().any(|field| field == name));
    }
}

/// Refuses what belongs to no store. A run's report tells of it.
pub(crate) async fn refuse(
    gateway: &Gateway,
    caller: &Caller,
    what: &str,
    problem: Problem,
    asked: &Asked,
    asked_dry: bool,
) -> Result<Response, Problem> {
    let Ok((run, actor)) = acting(caller, asked) else { return Err(problem) };
    let call = refused_call(what, None, Access::Write, problem.into());
    journal(gateway, Execute { run, actor, operation: of_account(call), asked_dry, idempotency: None }, None).await
}

/// Refuses a question about an account that is not this one. It needs no run, so a run that has ended changes nothing.
async fn unknown_account(
    gateway: &Gateway,
    caller: &Caller,
    asked: &Asked,
    problem: Problem,
) -> Result<Response, Problem> {
    let Ok((run, actor)) = acting(caller, asked) else { return Err(problem) };
    let call = refused_call("account", None, Access::Read, problem.clone().into());
    let execution = Execute { run, actor, operation: of_account(call), asked_dry: false, idempotency: None };
    journal(gateway, execution, Some(problem)).await
}

/// It is about no store that there is; the journal calls it the account.
fn of_account(call: Call) -> Operation {
    Operation { store: Store::unknown(StoreKind::D1, "account"), call }
}

/// Has a refusal journalled by its run, and answers it. `instead` is answered whatever the run says.
pub(crate) async fn journal(
    gateway: &Gateway,
    refused: Execute,
    instead: Option<Problem>,
) -> Result<Response, Problem> {
    let (receipt, answered) = operate(gateway, refused, super::Payload::Bytes(Vec::new())).await?;
    let answered = instead.map_or(answered, Err);
    answer::respond(&receipt, answered, gateway.settings.environment)
}

/// Wrangler looks neither at the status nor at the envelope of an answer to GraphQL and would show figures of nothing;
/// text it cannot read, and says so.
pub(crate) fn no_analytics() -> Result<Response, Problem> {
    let problem = Problem::not_offered("analytics");
    // Its first 100 characters are shown.
    let text = format!(
        "{}: no analytics here. Ask with SQL, or read the run's report: GET /v1/runs/{{id}}/report\n",
        problem.code.as_str()
    );
    Ok(Response::ok(text).map_err(Problem::broken)?.with_status(crate::http::problem::status(problem.code)))
}

fn single(result: Value, messages: &[&str]) -> Result<Response, Problem> {
    let messages: Vec<Value> = messages.iter().map(|message| json!({"code": 10000, "message": message})).collect();
    respond(&json!({"result": result, "success": true, "errors": [], "messages": messages}))
}

/// Most entries of a page; Cloudflare's own lists differ, and this is the largest of them.
const MAX_PER_PAGE: usize = 10_000;

/// One page of a list. Clients ask until a page is empty, or not full, or until the total is reached: all three end
/// here.
fn page(entries: Vec<Value>, asked: &Asked) -> Result<Response, Problem> {
    let number = |name: &str, default: usize| match asked.query(name) {
        None => Ok(default),
        Some(text) => {
            text.parse::<usize>().ok().filter(|number| (1..=MAX_PER_PAGE).contains(number)).ok_or_else(|| {
                Problem::new(
                    Code::InvalidRequest,
                    format!("{name} is not valid; nothing was read."),
                    format!("Use a whole number from 1 to {MAX_PER_PAGE}."),
                )
            })
        }
    };
    let (page, per_page) = (number("page", 1)?, number("per_page", 100)?);
    let total = entries.len();
    let shown: Vec<Value> = entries.into_iter().skip((page - 1) * per_page).take(per_page).collect();
    let info = json!({"page": page, "per_page": per_page, "count": shown.len(), "total_count": total, "total_pages": total.div_ceil(per_page)});
    respond(&json!({"result": shown, "success": true, "errors": [], "messages": [], "result_info": info}))
}

fn respond(body: &Value) -> Result<Response, Problem> {
    Response::from_json(body).map_err(Problem::broken)
}
