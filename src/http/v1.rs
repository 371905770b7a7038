//! The control plane.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use worker::Response;

use super::Gateway;
use super::request::{Asked, Object};
use super::router::Route;
use super::shapes::{AlertList, Installation, OpenedRun, RaisedByHook, RunList};
use crate::app::message::{Actor, Command, Open, Opened};
use crate::cloudflare::{alerts, control, js, objects, wire};
use crate::domain::credential::{Caller, Role, RunClaim, forbidden};
use crate::domain::gate::live_not_granted;
use crate::domain::hook_failure::{self, HookFailure, HookReport};
use crate::domain::limits;
use crate::domain::refusal::{Code, Problem};
use crate::domain::report::summarise;
use crate::domain::run::{Mode, OpenRequest, Run, RunId, Terms, unknown_run};
use crate::domain::settings::Environment;

/// Longest body of the control plane.
const MAX_BODY: u64 = 64 << 10;

fn answer<T: Serialize>(value: &T, status: u16) -> Result<Response, Problem> {
    let response = Response::from_json(value).map_err(Problem::broken)?;
    let headers = response.headers();
    headers.set("Cache-Control", "no-store").map_err(Problem::broken)?;
    Ok(response.with_status(status))
}

/// Who acts, and whether they may see the runs of others.
pub(super) fn actor(caller: &Caller) -> Actor {
    match caller {
        Caller::Key { name, role } => Actor { name: name.clone(), sees_all: *role != Role::Agent },
        Caller::Run(claim) => Actor { name: claim.owner.clone(), sees_all: false },
    }
}

/// A run that the caller may name: a token names only its own.
fn named(caller: &Caller, id: &str) -> Result<RunId, Problem> {
    let run = RunId::parse(id).map_err(|error| unknown_run(id).caused_by(error))?;
    match caller {
        Caller::Run(claim) if claim.run != run => Err(unknown_run(id)),
        Caller::Run(_) | Caller::Key { .. } => Ok(run),
    }
}

/// Asks a run's object.
pub(super) async fn command<T: serde::de::DeserializeOwned>(
    gateway: &Gateway,
    run: &RunId,
    command: &Command,
) -> Result<T, Problem> {
    let response = objects::send(
        &gateway.env,
        "RUN",
        &objects::run_name(run),
        &wire::request("/command", command)?,
        objects::COMMAND_LIMIT,
        Some(&gateway.context),
    )
    .await?;
    wire::read_reply(&response).await
}

/// A run, as it is described to callers.
pub(super) fn described(run: &Run) -> Result<Map<String, Value>, Problem> {
    let text = serde_json::to_string(&summarise(run, js::now())).map_err(Problem::broken)?;
    serde_json::from_str(&text).map_err(Problem::broken)
}

/// The run that a request names: by its token, its path or its header `Run-Id`.
pub(super) fn named_run(caller: &Caller, asked: &Asked, route: Option<&Route>) -> Option<RunId> {
    match (caller, route) {
        (Caller::Run(claim), _) => Some(claim.run.clone()),
        (
            _,
            Some(
                Route::Run(id) | Route::TurnDry(id) | Route::CloseRun(id) | Route::Report(id) | Route::Operation(id, _),
            ),
        ) => RunId::parse(id).ok(),
        _ => asked.header("Run-Id").and_then(|id| RunId::parse(&id).ok()),
    }
}

/// Takes the word `Dry-Run: true` for a run, whatever else becomes of the request that said it. A run that the caller
/// cannot name is left to the request's own answer.
pub(super) async fn take_word(gateway: &Gateway, caller: &Caller, run: &RunId) -> Result<(), Problem> {
    let word = Command::TurnDry { run: run.clone(), actor: actor(caller) };
    match command::<Run>(gateway, run, &word).await {
        Ok(_) => Ok(()),
        Err(problem) if problem.code == Code::UnknownRun => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// Where this is, and who is asking.
pub(super) fn environment(gateway: &Gateway, caller: &Caller) -> Result<Response, Problem> {
    answer(&Installation::of(&gateway.settings, caller), 200)
}

/// Opens a run.
pub(super) async fn open(
    gateway: &Gateway,
    caller: &Caller,
    mut asked: Asked,
    asked_dry: bool,
) -> Result<Response, Problem> {
    gateway.keyring.can_issue()?;
    let body = asked.bytes(MAX_BODY).await?;
    let request: OpenRequest =
        if body.is_empty() { OpenRequest::default() } else { asked.parse::<Object<OpenRequest>>(&body)?.0 };
    let mut terms = Terms::parse(&request)?;
    let owner = match caller {
        Caller::Key { role: Role::Operator, .. } => return Err(forbidden("open runs", "an agent or an approver")),
        Caller::Key { name, .. } => name.clone(),
        // The bearer of a run's token opens runs below that run, and only there.
        Caller::Run(claim) => {
            if terms.parent.as_ref().is_some_and(|parent| *parent != claim.run) {
                return Err(forbidden("open a run under another run", "the parent run's owner"));
            }
            terms.parent = Some(claim.run.clone());
            claim.owner.clone()
        }
    };
    let mut granted = matches!(caller, Caller::Key { role: Role::Approver, .. });
    if let Some(parent) = &terms.parent {
        let asker = Actor { name: owner.clone(), sees_all: false };
        let above = command::<Run>(gateway, parent, &Command::Status { run: parent.clone(), actor: asker }).await?;
        // What an approver granted to a piece of work holds for its parts; the run above stays the one that is asked on
        // every write.
        granted |= above.granted && above.mode == Mode::Live;
    }
    if terms.mode == Mode::Live && gateway.settings.environment == Environment::Production && !granted {
        return Err(live_not_granted());
    }
    let id = identify(gateway, &asked, &owner, &request, &body).await?;
    let open = Open { id: id.clone(), owner: owner.clone(), environment: gateway.settings.environment, granted, terms };
    let mut opened: Opened = command(gateway, &id, &Command::Open(open)).await?;
    // The terms stay as they were asked for, so that asking again finds the same run.
    if asked_dry && opened.run.mode == Mode::Live {
        opened.run = command(
            gateway,
            &id,
            &Command::TurnDry { run: id.clone(), actor: Actor { name: owner.clone(), sees_all: false } },
        )
        .await?;
    }
    let token = gateway.keyring.issue(&RunClaim { run: id, owner, expires_at: opened.run.expires_at })?;
    answer(&OpenedRun { run: summarise(&opened.run, js::now()), token }, if opened.existed { 200 } else { 201 })
}

/// The id of a new run: chosen by the caller, generated, or the one that was generated for the same idempotency key
/// before.
async fn identify(
    gateway: &Gateway,
    asked: &Asked,
    owner: &str,
    request: &OpenRequest,
    body: &[u8],
) -> Result<RunId, Problem> {
    let key = super::client_v4::idempotency_key(asked)?;
    if let Some(id) = &request.id {
        // Opening a chosen id is idempotent by itself.
        return RunId::parse(id);
    }
    let generated = RunId::generate(js::now(), js::entropy());
    let Some(key) = key else { return Ok(generated) };
    let digest = hex::encode(Sha256::digest(body));
    let (run, first) = control::claim_opening(&gateway.env, owner, &key, &digest, &generated).await?;
    if first != digest {
        return Err(Problem::new(
            Code::IdempotencyMismatch,
            "This Idempotency-Key was used to open a run with other terms; nothing was opened.",
            "Use a new key for a new run.",
        ));
    }
    RunId::parse(&run)
}

/// Lists runs: an agent's own, a token's and those right below it, everybody's for the others.
pub(super) async fn list(gateway: &Gateway, caller: &Caller, asked: &Asked) -> Result<Response, Problem> {
    let limit = limits::page(asked.query("limit").as_deref(), 1, 50)?;
    let actor = actor(caller);
    let owner = (!actor.sees_all).then_some(actor.name.as_str());
    let below = match caller {
        Caller::Run(claim) => Some(&claim.run),
        Caller::Key { .. } => None,
    };
    let runs = control::list_runs(&gateway.env, owner, below, limit).await?;
    answer(&RunList { runs }, 200)
}

/// A run that the caller may see.
pub(super) async fn read_run(gateway: &Gateway, caller: &Caller, run: &RunId) -> Result<Run, Problem> {
    command(gateway, run, &Command::Status { run: run.clone(), actor: actor(caller) }).await
}

/// Describes a run.
pub(super) async fn status(gateway: &Gateway, caller: &Caller, id: &str) -> Result<Response, Problem> {
    let run = read_run(gateway, caller, &named(caller, id)?).await?;
    answer(&summarise(&run, js::now()), 200)
}

/// Turns a run dry.
pub(super) async fn turn_dry(gateway: &Gateway, caller: &Caller, id: &str) -> Result<Response, Problem> {
    let run = named(caller, id)?;
    let run: Run = command(gateway, &run, &Command::TurnDry { run: run.clone(), actor: actor(caller) }).await?;
    answer(&summarise(&run, js::now()), 200)
}

/// Ends a run.
pub(super) async fn close(gateway: &Gateway, caller: &Caller, id: &str) -> Result<Response, Problem> {
    let run = named(caller, id)?;
    let run: Run = command(gateway, &run, &Command::Close { run: run.clone(), actor: actor(caller) }).await?;
    answer(&summarise(&run, js::now()), 200)
}

/// One operation of a run with everything that it changed.
pub(super) async fn operation(
    gateway: &Gateway,
    caller: &Caller,
    id: &str,
    position: u64,
) -> Result<Response, Problem> {
    let run = named(caller, id)?;
    let text: String =
        command(gateway, &run, &Command::Operation { run: run.clone(), actor: actor(caller), position }).await?;
    let operation: Value = serde_json::from_str(&text).map_err(Problem::broken)?;
    answer(&operation, 200)
}

/// The report of a run, as JSON or Markdown.
pub(super) async fn report(gateway: &Gateway, caller: &Caller, id: &str, asked: &Asked) -> Result<Response, Problem> {
    let run = named(caller, id)?;
    let format = asked.query("format");
    let wants_markdown = match format.as_deref() {
        Some("markdown") => true,
        Some("json") => false,
        Some(_) => {
            return Err(Problem::new(
                Code::InvalidRequest,
                "A report has the formats json and markdown.",
                "Use ?format=json or ?format=markdown.",
            ));
        }
        None => asked.header("Accept").is_some_and(|accept| accept.contains("text/markdown")),
    };
    let moved = match asked.query("moved").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(Problem::new(
                Code::InvalidRequest,
                "moved is true or false.",
                "Use ?moved=true to compare copied rows with the database as it is now.",
            ));
        }
    };
    let text: String = command(
        gateway,
        &run,
        &Command::Report { run: run.clone(), actor: actor(caller), markdown: wants_markdown, moved },
    )
    .await?;
    let response = Response::ok(text).map_err(Problem::broken)?;
    let media_type = if wants_markdown { "text/markdown; charset=utf-8" } else { "application/json" };
    for (name, value) in [("Content-Type", media_type), ("Cache-Control", "no-store")] {
        response.headers().set(name, value).map_err(Problem::broken)?;
    }
    Ok(response)
}

/// Takes the report of a hook that failed, and calls somebody. Answers before that is done: the hook has no time, and
/// the log line comes first.
pub(super) async fn report_hook(gateway: &Gateway, caller: &Caller, mut asked: Asked) -> Result<Response, Problem> {
    let (Object(report), _): (Object<HookReport>, _) = asked.json(MAX_BODY).await?;
    let failure = HookFailure::parse(&report, &actor(caller).name)?;
    let run = match caller {
        Caller::Run(claim) => Some(claim.run.clone()),
        Caller::Key { .. } => None,
    };
    let accepted = RaisedByHook {
        kind: hook_failure::KIND,
        cause: failure.cause,
        run: run.clone(),
        message: failure.message.clone(),
    };
    gateway.context.wait_until(alerts::raise_for_hook(gateway.env.clone(), run, failure));
    answer(&accepted, 202)
}

/// The newest alerts.
pub(super) async fn alerts(gateway: &Gateway, caller: &Caller, asked: &Asked) -> Result<Response, Problem> {
    if !actor(caller).sees_all {
        return Err(forbidden("read alerts", "an operator or an approver"));
    }
    let limit = limits::page(asked.query("limit").as_deref(), 1, 100)?;
    let alerts = control::list_alerts(&gateway.env, limit).await?;
    answer(&AlertList { alerts }, 200)
}
