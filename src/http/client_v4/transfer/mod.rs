//! D1's import and export: files that go by addresses of their own, signed for one file and one hour.

mod export;
mod file;
mod import;

use serde::de::DeserializeOwned;

use crate::app::execute::Executed;
use crate::app::message::{Actor, Answer, Command, FetchFile};
use crate::cloudflare::wire::{self, Content, Payload};
use crate::cloudflare::{js, objects};
use crate::domain::credential::TransferClaim;
use crate::domain::limits::TRANSFER_SECONDS;
use crate::domain::refusal::Problem;
use crate::domain::run::{Run, RunId};
use crate::domain::settings::Store;
use crate::http::Gateway;
use crate::http::request::{Asked, Object};

pub(crate) use export::export;
pub(crate) use file::{receive, send};
pub(crate) use import::import;

/// Whose import or export it is, and of which database.
pub(crate) struct Party {
    pub run: RunId,
    pub actor: Actor,
    pub store: Store,
    pub asked_dry: bool,
}

/// Longest body of either.
const MAX_BODY: u64 = 64 << 10;

/// Reads the body of an import or export.
pub(crate) async fn read<T: DeserializeOwned>(asked: &mut Asked) -> Result<T, Problem> {
    let (Object(body), _): (Object<T>, _) = asked.json(MAX_BODY).await?;
    Ok(body)
}

/// The run, which has to be open.
async fn open_run(gateway: &Gateway, party: &Party) -> Result<Run, Problem> {
    let status = Command::Status { run: party.run.clone(), actor: party.actor.clone() };
    let request = wire::request("/command", &status)?;
    let response = objects::send(
        &gateway.env,
        "RUN",
        &objects::run_name(&party.run),
        &request,
        objects::COMMAND_LIMIT,
        Some(&gateway.context),
    )
    .await?;
    let run: Run = wire::read_reply(&response).await?;
    run.require_open(js::now())?;
    Ok(run)
}

fn address(
    gateway: &Gateway,
    party: &Party,
    file: String,
    md5: Option<String>,
    asked: &Asked,
) -> Result<String, Problem> {
    let claim = TransferClaim {
        run: party.run.clone(),
        owner: party.actor.name.clone(),
        store: party.store.binding.clone(),
        file,
        md5,
        expires_at: js::now() + TRANSFER_SECONDS * 1_000,
    };
    Ok(format!("{}/transfers/{}", asked.origin(), gateway.keyring.issue_transfer(&claim)?))
}

async fn fetch(gateway: &Gateway, wanted: &FetchFile) -> Result<Vec<u8>, Problem> {
    let request = wire::request_with("/fetch", wanted, Payload::Bytes(Vec::new()))?;
    let response = objects::send(
        &gateway.env,
        "RUN",
        &objects::run_name(&wanted.run),
        &request,
        objects::OPERATION_LIMIT,
        Some(&gateway.context),
    )
    .await?;
    let (_, answered): Executed<Content> = wire::read_executed(response).await?;
    match answered? {
        Answer::Content { content: Some(content), .. } => wire::bytes(content).await,
        Answer::Content { content: None, .. } | Answer::Result { .. } => Err(Problem::broken("a file without bytes")),
    }
}

fn is_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
