//! An import: `init` answers where the file goes, `ingest` runs it, `poll` repeats its result.

use serde::Deserialize;
use serde_json::{Value, json};
use worker::Response;

use super::super::{Refusal, operate, refused};
use super::{Party, address, fetch, is_hex, open_run};
use crate::app::message::{Answer, Direction, Execute, FetchFile, Receipt};
use crate::app::ports::Idempotency;
use crate::cloudflare::js;
use crate::cloudflare::wire::Payload;
use crate::domain::operation::{Access, BoundStatement, Call, Operation, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::Mode;
use crate::domain::settings::Environment;
use crate::http::request::Asked;
use crate::http::router::Action;
use crate::http::{Gateway, answer};
use dryrun_sql::statement::split;

/// A step of an import.
#[derive(Deserialize)]
pub(crate) struct Import {
    action: String,
    #[serde(default)]
    etag: Option<String>,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    current_bookmark: Option<String>,
}

/// `init` answers where the file goes, `ingest` runs it and answers how that went; `poll` is the same once more. A file
/// runs once.
pub(crate) async fn import(
    gateway: &Gateway,
    party: Party,
    import: Import,
    asked: &Asked,
) -> Result<Response, Problem> {
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
            "An import is {\"action\": \"init\", \"etag\": <MD5 of the file>}, then \"ingest\" with the filename, then \
             \"poll\" with the current_bookmark; nothing was imported.",
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

async fn ingest(gateway: &Gateway, party: Party, file: &str) -> Result<Response, Problem> {
    if !is_hex(file) {
        return Err(Problem::new(
            Code::InvalidRequest,
            "The import names no file of this run; nothing was imported.",
            "Use the filename that init returned.",
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
            "The import was interrupted, and its outcome is unknown; nothing was run now.",
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
    let text = String::from_utf8(bytes).map_err(|error| {
        Problem::new(
            Code::AmbiguousText,
            "The file is not UTF-8; nothing was imported.",
            "Send SQL as UTF-8; a dump of SQLite's own file format is no SQL.",
        )
        .caused_by(error)
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
    let results: Vec<Value> = serde_json::from_str(result).map_err(Problem::broken)?;
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
