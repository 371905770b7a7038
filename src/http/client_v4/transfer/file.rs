//! The signed addresses of files. The address is the credential: clients send no other.

use worker::Response;

use super::super::{operate, refused};
use super::fetch;
use crate::app::message::{Actor, BringFile, Direction, Execute, FetchFile};
use crate::cloudflare::wire::{self, Payload};
use crate::cloudflare::{js, objects};
use crate::domain::credential::{Caller, RunClaim, TransferClaim};
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Problem};
use crate::domain::settings::StoreKind;
use crate::http::request::Asked;
use crate::http::router::Action;
use crate::http::{Gateway, answer};

/// Takes in a file that `init` gave an address to. The address is the credential: clients send no other.
pub(crate) async fn receive(
    gateway: &Gateway,
    signed: &str,
    asked: &Asked,
    asked_dry: bool,
    understood: Result<(), Problem>,
) -> Result<Response, Problem> {
    let claim = gateway.keyring.transfer(signed, js::now())?;
    let md5 = claim.md5.clone().ok_or_else(|| wrong_way("uploaded to"))?;
    if let Err(problem) = understood {
        return refuse(gateway, claim, &Action::Import, problem, asked_dry).await;
    }
    take_word(gateway, &claim, asked_dry).await?;
    let actor = Actor { name: claim.owner, sees_all: false };
    let message = BringFile { run: claim.run.clone(), actor, store: claim.store, file: claim.file, md5: md5.clone() };
    let payload = asked.stream().map_or(Payload::Bytes(Vec::new()), Payload::Stream);
    let request = wire::request_with("/bring", &message, payload)?;
    let response = objects::send(
        &gateway.env,
        "RUN",
        &objects::run_name(&claim.run),
        &request,
        objects::OPERATION_LIMIT,
        Some(&gateway.context),
    )
    .await?;
    wire::read_reply::<()>(&response).await?;
    let response = Response::empty().map_err(Problem::broken)?.with_status(200);
    response.headers().set("ETag", &format!("\"{md5}\"")).map_err(Problem::broken)?;
    Ok(response)
}

/// Answers a file that an export wrote.
pub(crate) async fn send(
    gateway: &Gateway,
    signed: &str,
    asked_dry: bool,
    understood: Result<(), Problem>,
) -> Result<Response, Problem> {
    let claim = gateway.keyring.transfer(signed, js::now())?;
    if claim.md5.is_some() {
        return Err(wrong_way("downloaded from"));
    }
    if let Err(problem) = understood {
        return refuse(gateway, claim, &Action::Export, problem, asked_dry).await;
    }
    take_word(gateway, &claim, asked_dry).await?;
    let actor = Actor { name: claim.owner, sees_all: false };
    let bytes = fetch(
        gateway,
        &FetchFile {
            run: claim.run,
            actor,
            store: claim.store,
            direction: Direction::Out,
            file: claim.file,
            look: false,
        },
    )
    .await?;
    let response = Response::from_bytes(bytes).map_err(Problem::broken)?;
    for (name, value) in
        [("Content-Type", "application/sql"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    {
        response.headers().set(name, value).map_err(Problem::broken)?;
    }
    Ok(response)
}

/// Refuses a request to a signed address. The report of the run that the address belongs to tells of it.
async fn refuse(
    gateway: &Gateway,
    claim: TransferClaim,
    wanted: &Action,
    problem: Problem,
    asked_dry: bool,
) -> Result<Response, Problem> {
    // An address may be older than the configuration.
    let Ok(store) = gateway.settings.store(StoreKind::D1, &claim.store) else { return Err(problem) };
    let operation = Operation { store, call: refused(wanted, problem.into()).call };
    let execution = Execute {
        run: claim.run,
        actor: Actor { name: claim.owner, sees_all: false },
        operation,
        asked_dry,
        idempotency: None,
    };
    let (receipt, answered) = operate(gateway, execution, Payload::Bytes(Vec::new())).await?;
    answer::respond(&receipt, answered, gateway.settings.environment)
}

fn wrong_way(verb: &str) -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        format!("A file cannot be {verb} this address; nothing was read or written."),
        "PUT to the upload_url of an import, GET the signed_url of an export.",
    )
}

/// Takes the word `Dry-Run: true` of whoever holds an address: it is the run's.
async fn take_word(gateway: &Gateway, claim: &TransferClaim, asked_dry: bool) -> Result<(), Problem> {
    if !asked_dry {
        return Ok(());
    }
    let caller =
        Caller::Run(RunClaim { run: claim.run.clone(), owner: claim.owner.clone(), expires_at: claim.expires_at });
    crate::http::v1::take_word(gateway, &caller, &claim.run).await
}
