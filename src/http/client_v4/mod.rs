//! The data plane: Cloudflare's own REST shape, so that existing clients work by changing a base URL.

pub(super) mod account;
pub(super) mod d1;
pub(super) mod kv;
pub(super) mod r2;
pub(super) mod transfer;

use dryrun_text::cut_with_count;
use sha2::{Digest as _, Sha256};
use worker::Response;

use super::request::Asked;
use super::router::{Action, Data};
use super::{Gateway, answer};
use crate::app::execute::Executed;
use crate::app::message::{Actor, Execute};
use crate::app::ports::Idempotency;
use crate::cloudflare::objects;
use crate::cloudflare::wire::{self, Content, Payload};
use crate::domain::credential::{Caller, Role, forbidden};
use crate::domain::operation::{Access, Call, Operation, RefusedCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::RunId;
use crate::domain::settings::{Store, StoreKind};
use transfer::Party;

/// What a request of the data plane was understood as.
struct Understood {
    call: Call,
    payload: Payload,
    /// What the request's fingerprint is made of, besides its address.
    fingerprint: Vec<u8>,
}

/// Serves a request: which run, which store, what to do; then the run's object does it, or notes that it was refused.
pub(super) async fn serve(
    gateway: &Gateway,
    caller: &Caller,
    data: Data,
    mut asked: Asked,
    understood: Result<(), Problem>,
) -> Result<Response, Problem> {
    let asked_dry = asks_for_dry_run(&asked)?;
    let found = account::require_account(gateway, &data.account);
    let store = match found.and_then(|()| gateway.settings.store(kind(&data.action), &data.store)) {
        Ok(store) => store,
        Err(problem) => return unknown(gateway, caller, &data, &asked, asked_dry, problem).await,
    };
    if let Action::Describe(_) = data.action {
        understood?;
        return account::describe(gateway, caller, store, &asked, asked_dry).await;
    }
    let (run, actor) = acting(caller, &asked)?;
    let mut refusal = understood.err();
    let key = if refusal.is_none() { idempotency_key(&asked)? } else { None };
    let party = || Party { run: run.clone(), actor: actor.clone(), store: store.clone(), asked_dry };
    if refusal.is_none() && data.action == Action::Import {
        match transfer::read(&mut asked).await {
            Ok(import) => return transfer::import(gateway, party(), import, &asked).await,
            Err(problem) => refusal = Some(problem),
        }
    } else if refusal.is_none() && data.action == Action::Export {
        match transfer::read(&mut asked).await {
            Ok(export) => return transfer::export(gateway, party(), export, &asked).await,
            Err(problem) => refusal = Some(problem),
        }
    }
    let wanted = data.action.clone();
    let understood = match kind(&wanted) {
        _ if let Some(problem) = refusal => Err(problem.into()),
        _ if let Action::NotOffered(_, what) = &wanted => Err(Problem::not_offered(what).into()),
        StoreKind::D1 => d1::understand(gateway, &wanted, &mut asked).await,
        StoreKind::Kv => kv::understand(gateway, data.action, &mut asked).await.map_err(Refusal::from),
        StoreKind::R2 => r2::understand(data.action, &asked).map_err(Refusal::from),
    };
    let understood = understood.unwrap_or_else(|refusal| refused(&wanted, refusal));
    let operation = Operation { store, call: understood.call };
    let idempotency = key
        .filter(|_| operation.access() == Access::Write)
        .map(|key| Idempotency { key, request: fingerprint(&asked, &understood.fingerprint) });
    let (receipt, answered) =
        operate(gateway, Execute { run, actor, operation, asked_dry, idempotency }, understood.payload).await?;
    answer::respond(&receipt, answered, gateway.settings.environment)
}

/// Refuses a request for a store or an account that is not here. Its run's report tells of it: a run that named nothing
/// but wrong stores must not look like one that had nothing to do.
async fn unknown(
    gateway: &Gateway,
    caller: &Caller,
    data: &Data,
    asked: &Asked,
    asked_dry: bool,
    problem: Problem,
) -> Result<Response, Problem> {
    let (run, actor) = match acting(caller, asked) {
        Ok(party) => party,
        // A store is described without a run, too; all else needs one whatever it names here.
        Err(no_run) if problem.code == Code::UnknownStore && !matches!(data.action, Action::Describe(_)) => {
            return Err(no_run);
        }
        Err(_) => return Err(problem),
    };
    let instead = matches!(data.action, Action::Describe(_)).then(|| problem.clone());
    let call = refused(&data.action, problem.into()).call;
    let operation = Operation { store: Store::unknown(kind(&data.action), &data.store), call };
    account::journal(gateway, Execute { run, actor, operation, asked_dry, idempotency: None }, instead).await
}

/// Has the run's object carry out an operation.
pub(super) async fn operate(
    gateway: &Gateway,
    execution: Execute,
    payload: Payload,
) -> Result<Executed<Content>, Problem> {
    let request = wire::request_with("/execute", &execution, payload)?;
    let response = objects::send(
        &gateway.env,
        "RUN",
        &objects::run_name(&execution.run),
        &request,
        objects::OPERATION_LIMIT,
        Some(&gateway.context),
    )
    .await?;
    wire::read_executed(response).await
}

/// A request that cannot be understood goes to its run all the same: the report tells of every refusal.
fn refused(wanted: &Action, refusal: Refusal) -> Understood {
    let (action, subject, access) = match wanted {
        Action::Query | Action::Raw => ("SQL", None, Access::Write),
        Action::GetValue(key) | Action::GetObject(key) => ("get", Some(key), Access::Read),
        Action::PutValue(key) | Action::PutObject(key) => ("put", Some(key), Access::Write),
        Action::DeleteValue(key) | Action::DeleteObject(key) => ("delete", Some(key), Access::Write),
        Action::Metadata(key) => ("metadata", Some(key), Access::Read),
        Action::HeadObject(key) => ("head", Some(key), Access::Read),
        Action::Keys | Action::Objects => ("list", None, Access::Read),
        Action::BulkGet => ("bulk get", None, Access::Read),
        Action::BulkPut => ("bulk put", None, Access::Write),
        Action::BulkDelete => ("bulk delete", None, Access::Write),
        Action::Bookmark => ("bookmark", None, Access::Read),
        Action::Import => ("import", None, Access::Write),
        Action::Export => ("export", None, Access::Read),
        Action::Describe(_) => ("describe", None, Access::Read),
        Action::NotOffered(_, what) => (what.as_str(), None, Access::Write),
    };
    let call = refused_call(action, subject.map(String::as_str), access, refusal);
    Understood { call, payload: Payload::Bytes(Vec::new()), fingerprint: Vec::new() }
}

/// What is journalled of a request that cannot be understood.
pub(super) fn refused_call(action: &str, subject: Option<&str>, access: Access, refusal: Refusal) -> Call {
    Call::Refused(RefusedCall {
        action: action.to_owned(),
        subject: subject.map(|key| cut_with_count(key, MAX_SUBJECT_CHARS)),
        access,
        sql: refusal.sql.map(|sql| cut_with_count(&sql, MAX_SQL_CHARS)),
        problem: refusal.problem,
    })
}

/// A refusal, with the statements where there were any.
pub(super) struct Refusal {
    /// Why.
    pub problem: Problem,
    /// The statements.
    pub sql: Option<String>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, sql: None }
    }
}

/// Longest key that is journalled of what was refused.
const MAX_SUBJECT_CHARS: usize = 600;
/// Longest text of statements that is journalled of what was refused.
const MAX_SQL_CHARS: usize = 2_000;

fn kind(action: &Action) -> StoreKind {
    match action {
        Action::Query | Action::Raw | Action::Import | Action::Export | Action::Bookmark => StoreKind::D1,
        Action::Describe(kind) | Action::NotOffered(kind, _) => *kind,
        Action::GetValue(_)
        | Action::PutValue(_)
        | Action::DeleteValue(_)
        | Action::Metadata(_)
        | Action::Keys
        | Action::BulkGet
        | Action::BulkPut
        | Action::BulkDelete => StoreKind::Kv,
        Action::GetObject(_)
        | Action::HeadObject(_)
        | Action::PutObject(_)
        | Action::DeleteObject(_)
        | Action::Objects => StoreKind::R2,
    }
}

/// The run that a request is part of: its token's, or the one that a key names.
pub(super) fn acting(caller: &Caller, asked: &Asked) -> Result<(RunId, Actor), Problem> {
    let named = asked.header("Run-Id");
    match caller {
        Caller::Run(claim) => {
            if named.is_some_and(|named| named != claim.run.as_str()) {
                return Err(forbidden("act in another run than its own", "that run"));
            }
            Ok((claim.run.clone(), Actor { name: claim.owner.clone(), sees_all: false }))
        }
        Caller::Key { role: Role::Operator, .. } => Err(forbidden("work in stores", "an agent")),
        Caller::Key { name, .. } => {
            let named = named.ok_or_else(run_required)?;
            let run = RunId::parse(&named).map_err(|error| {
                crate::domain::run::unknown_run(&named.chars().take(64).collect::<String>()).caused_by(error)
            })?;
            Ok((run, Actor { name: name.clone(), sees_all: false }))
        }
    }
}

/// The refusal of a request without a run.
pub(super) fn run_required() -> Problem {
    Problem::new(
        Code::RunRequired,
        "The request does not say which run it is part of; nothing was read or written.",
        "Open a run with POST /v1/runs, then use its token, or name it in the header Run-Id.",
    )
}

/// The header `Dry-Run`. Anything but a clear yes or no is refused: a typing error must not make a write real.
pub(super) fn asks_for_dry_run(asked: &Asked) -> Result<bool, Problem> {
    match asked.header("Dry-Run").map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::new(
            Code::InvalidRequest,
            "The header Dry-Run is neither true nor false; nothing was read or written.",
            "Send Dry-Run: true, or leave it out.",
        )),
    }
}

/// The header `Idempotency-Key`, with or without quotes.
pub(super) fn idempotency_key(asked: &Asked) -> Result<Option<String>, Problem> {
    let Some(header) = asked.header("Idempotency-Key") else { return Ok(None) };
    let key = header.trim();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(key.to_owned()));
    }
    Err(Problem::new(
        Code::IdempotencyKeyInvalid,
        "The Idempotency-Key is not valid; nothing was written.",
        "Use 1 to 255 visible ASCII characters, for example a UUID.",
    ))
}

/// What makes two requests the same: method, address and body. A streamed object's body is represented by its length,
/// digest and description.
fn fingerprint(asked: &Asked, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [
        asked.method.as_bytes(),
        asked.path.as_bytes(),
        asked.raw_query().as_bytes(),
        asked.media_type().as_bytes(),
        body,
    ] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
