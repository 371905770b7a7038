//! An export: a file with the database as the run sees it.

use serde::Deserialize;
use serde_json::{Value, json};
use worker::Response;

use super::super::operate;
use super::{Party, address, fetch, is_hex, open_run};
use crate::app::message::{Answer, Direction, Execute, FetchFile, Receipt};
use crate::cloudflare::wire::Payload;
use crate::domain::operation::{Call, DatabaseCall, Operation};
use crate::domain::refusal::{Code, Problem};
use crate::http::request::{Asked, Object};
use crate::http::{Gateway, answer};

/// A step of an export.
#[derive(Deserialize)]
pub(crate) struct Export {
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

/// Writes the database down, as the run sees it, and answers where the file is. A poll names it again.
pub(crate) async fn export(
    gateway: &Gateway,
    party: Party,
    export: Export,
    asked: &Asked,
) -> Result<Response, Problem> {
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
            let written: Value = serde_json::from_str(&result).map_err(Problem::broken)?;
            let file = written
                .get("file")
                .and_then(Value::as_str)
                .ok_or_else(|| Problem::broken("an export without a file"))?;
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
