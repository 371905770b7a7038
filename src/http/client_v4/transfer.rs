//! D1's import and export: files that go by addresses of their own, signed for one file and one hour.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use worker::Response;

use super::{Refusal, operate, refused};
use crate::app::execute::Executed;
use crate::app::message::{Actor, Answer, BringFile, Command, Direction, Execute, FetchFile, Receipt};
use crate::app::ports::Idempotency;
use crate::cloudflare::wire::{self, Content, Payload};
use crate::cloudflare::{js, objects};
use crate::domain::credential::{Caller, RunClaim, TransferClaim};
use crate::domain::limits::TRANSFER_SECONDS;
use crate::domain::operation::{Access, BoundStatement, Call, DatabaseCall, Operation, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Mode, Run, RunId};
use crate::domain::settings::{Environment, Store, StoreKind};
use crate::http::request::{Asked, Object};
use crate::http::router::Action;
use crate::http::{Gateway, answer};
use dryrun_sql::statement::split;

/// Whose import or export it is, and of which database.
pub struct Party {
    pub run: RunId,
    pub actor: Actor,
    pub store: Store,
    pub asked_dry: bool,
}

/// A step of an import.
#[derive(Deserialize)]
pub struct Import {
    action: String,
    #[serde(default)]
    etag: Option<String>,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    current_bookmark: Option<String>,
}

/// A step of an export.
#[derive(Deserialize)]
pub struct Export {
    #[serde(default)]
    output_format: Option<String>,
    #[serde(default)]
    dump_options: Option<Object<DumpOptions>>,
    #[serde(default)]
    current_bookmark: Option<String>,
}

#[derive(Default, Deserialize)]
struct DumpOptions {
    #[serde(default)]
    no_schema: bool,
    #[serde(default)]
    no_data: bool,
    #[serde(default)]
    tables: Vec<String>,
}

/// Longest body of either.
const MAX_BODY: u64 = 64 << 10;

/// Reads the body of an import or export.
pub async fn read<T: DeserializeOwned>(asked: &mut Asked) -> Result<T, Problem> {
    let (Object(body), _): (Object<T>, _) = asked.json(MAX_BODY).await?;
    Ok(body)
}

/// `init` answers where the file goes, `ingest` runs it and answers how that went; `poll` is the same once more. A file runs once.
pub async fn import(gateway: &Gateway, party: Party, import: Import, asked: &Asked) -> Result<Response, Problem> {
    match import {
        Import { action, etag: Some(md5), .. } if action == "init" && is_hex(&md5) => {
            init(gateway, party, md5, asked).await
        }
        Import { action, filename: Some(name), .. } if action == "ingest" => {
            ingest(gateway, party, name.trim_end_matches(".sql")).await
        }
        Import { action, current_bookmark: Some(file), .. } if action == "poll" => ingest(gateway, party, &file).await,
        _ => Err(Problem::new(
            Code::InvalidRequest,
            "An import is {\"action\": \"init\", \"etag\": <MD5 of the file>}, then \"ingest\" with the filename, then \"poll\" with the current_bookmark; nothing was imported.",
            "Send one of the three.",
        )),
    }
}

async fn init(gateway: &Gateway, party: Party, md5: String, asked: &Asked) -> Result<Response, Problem> {
    let run = open_run(gateway, &party).await?;
    let file = format!("{:032x}", js::entropy());
    let upload = address(gateway, &party, file.clone(), Some(md5), asked)?;
    let receipt = Receipt { mode: Some(run.mode), ..Receipt::bare(party.run) };
    let result = json!({"success": true, "type": "import", "filename": format!("{file}.sql"), "upload_url": upload, "at_bookmark": file, "messages": []});
    answer::respond(&receipt, Ok(Answer::json(result.to_string())), gateway.settings.environment)
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

async fn ingest(gateway: &Gateway, party: Party, file: &str) -> Result<Response, Problem> {
    if !is_hex(file) {
        return Err(Problem::new(
            Code::InvalidRequest,
            "The import names no file of this run; nothing was imported.",
            "Use the filename that init answered.",
        ));
    }
    let wanted = FetchFile {
        run: party.run.clone(),
        actor: party.actor.clone(),
        store: party.store.binding.clone(),
        direction: Direction::In,
        file: file.to_owned(),
        look: false,
    };
    let bytes = fetch(gateway, &wanted).await?;
    let environment = gateway.settings.environment;
    let (call, count) = match read_file(bytes) {
        Ok(call) => {
            let count = call.statements.len();
            (Call::Sql(call), count)
        }
        Err(refusal) => (refused(&Action::Import, refusal).call, 0),
    };
    let operation = Operation { store: party.store, call };
    // A space never comes in a header, so no client's own key is this one.
    let idempotency = (operation.access() == Access::Write)
        .then(|| Idempotency { key: format!("import {} {file}", operation.store.binding), request: file.to_owned() });
    let execution = Execute { run: party.run, actor: party.actor, operation, asked_dry: party.asked_dry, idempotency };
    let (receipt, answered) = operate(gateway, execution, Payload::Bytes(Vec::new())).await?;
    let answered = match answered {
        Err(problem) if problem.code == Code::OutcomeUnknown => Err(Problem::new(
            Code::OutcomeUnknown,
            "The import was interrupted, and whether it ran is not known; nothing was run now.",
            "Look at the database and at the run's report, then begin again with init if it did not.",
        )),
        Ok(Answer::Result { result, .. }) => {
            Ok(Answer::json(imported(&receipt, environment, file, count, &result)?.to_string()))
        }
        other => other,
    };
    answer::respond(&receipt, answered, environment)
}

fn read_file(bytes: Vec<u8>) -> Result<SqlCall, Refusal> {
    let text = String::from_utf8(bytes).map_err(|_| {
        Problem::new(
            Code::AmbiguousText,
            "The file is not UTF-8; nothing was imported.",
            "Send SQL as UTF-8; a dump of SQLite's own file format is no SQL.",
        )
    })?;
    let statements = split(&text).map_err(|problem| Refusal { problem: problem.into(), sql: Some(text) })?;
    Ok(SqlCall {
        statements: statements.into_iter().map(|statement| BoundStatement { statement, params: Vec::new() }).collect(),
        shape: RowShape::None,
    })
}

/// What an import came to: the figures of its statements, added up.
fn imported(
    receipt: &Receipt,
    environment: Environment,
    file: &str,
    count: usize,
    result: &str,
) -> Result<Value, Problem> {
    let results: Vec<Value> = serde_json::from_str(result).map_err(|_| Problem::internal())?;
    let metas = || results.iter().filter_map(|result| result.get("meta"));
    let whole = |name: &str| metas().filter_map(|meta| meta.get(name)?.as_u64()).sum::<u64>();
    let duration: f64 = metas().filter_map(|meta| meta.get("duration")?.as_f64()).sum();
    let last = |name: &str| metas().next_back().and_then(|meta| meta.get(name)).cloned().unwrap_or_default();
    let dry = receipt.mode == Some(Mode::DryRun);
    let mut meta = json!({"duration": duration, "changes": whole("changes"), "rows_read": whole("rows_read"), "rows_written": whole("rows_written"),
        "changed_db": metas().any(|meta| meta.get("changed_db").and_then(Value::as_bool) == Some(true)), "last_row_id": last("last_row_id"), "size_after": last("size_after")});
    if let (true, Some(meta)) = (dry, meta.as_object_mut()) {
        meta.insert("dry_run".into(), true.into());
    }
    let said = if dry {
        format!("Dry run {}: nothing was written to {environment}.", receipt.run)
    } else {
        format!("Written to {environment} by the live run {}.", receipt.run)
    };
    let position = receipt.position.map(|position| position.to_string()).unwrap_or_default();
    Ok(json!({"success": true, "type": "import", "status": "complete", "at_bookmark": file, "messages": [said],
        "result": {"num_queries": count, "final_bookmark": format!("{}/{position}", receipt.run), "meta": meta}}))
}

/// Writes the database down, as the run sees it, and answers where the file is. A poll names it again.
pub async fn export(gateway: &Gateway, party: Party, export: Export, asked: &Asked) -> Result<Response, Problem> {
    if export.output_format.as_deref().is_some_and(|format| format != "polling") {
        return Err(Problem::new(
            Code::InvalidRequest,
            "An export has the output_format polling; nothing was exported.",
            "Send \"output_format\": \"polling\".",
        ));
    }
    if let Some(file) = export.current_bookmark.as_ref().filter(|file| !file.is_empty()) {
        if !is_hex(file) {
            return Err(Problem::new(
                Code::InvalidRequest,
                "The current_bookmark names no export; nothing was exported.",
                "Leave it out to begin a new one.",
            ));
        }
        let run = open_run(gateway, &party).await?;
        let (store, direction) = (party.store.binding.clone(), Direction::Out);
        fetch(
            gateway,
            &FetchFile {
                run: party.run.clone(),
                actor: party.actor.clone(),
                store,
                direction,
                file: file.clone(),
                look: true,
            },
        )
        .await?;
        let receipt = Receipt { mode: Some(run.mode), ..Receipt::bare(party.run.clone()) };
        let result = exported(gateway, &party, file, asked)?;
        return answer::respond(&receipt, Ok(Answer::json(result.to_string())), gateway.settings.environment);
    }
    let Object(options) = export.dump_options.unwrap_or(Object(DumpOptions::default()));
    let call = Call::Database(DatabaseCall::Export {
        no_schema: options.no_schema,
        no_data: options.no_data,
        tables: options.tables,
    });
    let operation = Operation { store: party.store.clone(), call };
    let execution = Execute {
        run: party.run.clone(),
        actor: party.actor.clone(),
        operation,
        asked_dry: party.asked_dry,
        idempotency: None,
    };
    let (receipt, answered) = operate(gateway, execution, Payload::Bytes(Vec::new())).await?;
    let answered = match answered {
        Ok(Answer::Result { result, .. }) => {
            let written: Value = serde_json::from_str(&result).map_err(|_| Problem::internal())?;
            let file = written.get("file").and_then(Value::as_str).ok_or_else(Problem::internal)?;
            Ok(Answer::json(exported(gateway, &party, file, asked)?.to_string()))
        }
        other => other,
    };
    answer::respond(&receipt, answered, gateway.settings.environment)
}

fn exported(gateway: &Gateway, party: &Party, file: &str, asked: &Asked) -> Result<Value, Problem> {
    let url = address(gateway, party, file.to_owned(), None, asked)?;
    let filename = format!("{}.sql", party.store.settings.name);
    Ok(
        json!({"success": true, "type": "export", "status": "complete", "at_bookmark": file, "messages": [], "filename": filename, "signed_url": url,
        "result": {"filename": filename, "signed_url": url}}),
    )
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

/// Takes in a file that `init` gave an address to. The address is the credential: clients send no other.
pub async fn receive(
    gateway: &Gateway,
    signed: &str,
    asked: &Asked,
    asked_dry: bool,
    understood: Result<(), Problem>,
) -> Result<Response, Problem> {
    let claim = gateway.keyring.transfer(signed, js::now())?;
    let md5 = claim.md5.clone().ok_or_else(|| wrong_way("sends"))?;
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
    let response = Response::empty().map_err(|_| Problem::internal())?.with_status(200);
    response.headers().set("ETag", &format!("\"{md5}\"")).map_err(|_| Problem::internal())?;
    Ok(response)
}

/// Answers a file that an export wrote.
pub async fn send(
    gateway: &Gateway,
    signed: &str,
    asked_dry: bool,
    understood: Result<(), Problem>,
) -> Result<Response, Problem> {
    let claim = gateway.keyring.transfer(signed, js::now())?;
    if claim.md5.is_some() {
        return Err(wrong_way("fetches"));
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
    let response = Response::from_bytes(bytes).map_err(|_| Problem::internal())?;
    for (name, value) in
        [("Content-Type", "application/sql"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    {
        response.headers().set(name, value).map_err(|_| Problem::internal())?;
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
        format!("This is not an address to which one {verb} a file; nothing was read or written."),
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
        Answer::Content { content: None, .. } | Answer::Result { .. } => Err(Problem::internal()),
    }
}

fn is_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
