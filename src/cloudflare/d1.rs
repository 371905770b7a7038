//! A D1 database, by the transport inside its binding.
//!
//! The documented methods of the binding answer rows as objects, which lose a column whose name comes twice, or rows as
//! arrays without `meta`. The transport that they all use takes the same JSON and answers either shape with `meta`, as
//! Cloudflare's REST API does; its text passes through unparsed.

use crate::domain::stores::d1;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::Env;

use super::environment::binding;
use super::js::{self, Fetcher};
use super::wire;
use crate::app::message::Answer;
use crate::app::ports::Done;
use crate::domain::journal::Outcome;
use crate::domain::operation::{RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::store_error::{Attempt, Verdict, unanswered};
use crate::shadow::{BROKEN_FOREIGN_KEY, Figures};
use dryrun_sql::statement::Kind;

/// D1 ends a call after 30 s by itself (<https://developers.cloudflare.com/d1/platform/limits/>).
const LIMIT: Duration = Duration::from_secs(35);

/// Why a call of D1 did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// SQLite said no, in these words; nothing of the batch was written.
    Sql(String),
    /// There was no clear answer: a write may or may not have happened.
    Unclear(String),
    /// The gateway could not even ask.
    Problem(Problem),
}

impl From<Failure> for Problem {
    /// For a statement of the gateway's own.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sql(cause) | Failure::Unclear(cause) => Self::broken(cause),
            Failure::Problem(problem) => problem,
        }
    }
}

#[derive(Serialize)]
struct Query<'a> {
    sql: &'a str,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    params: &'a [Value],
}

/// Sends statements as one batch and answers the text of D1's JSON: an array with one result for each.
pub async fn send(
    env: &Env,
    database: &str,
    statements: &[(&str, &[Value])],
    shape: RowShape,
) -> Result<String, Failure> {
    let transport: Fetcher =
        js::member(&binding(env, database, "prepare").map_err(Failure::Problem)?, "fetcher").unchecked_into();
    if !js::member(&transport, "fetch").is_function() {
        return Err(Failure::Problem(Problem::new(
            Code::Misconfigured,
            "The D1 binding has another inner form than this gateway knows; nothing was read or written.",
            "An operator must use a version of the gateway that fits the compatibility date.",
        )));
    }
    let queries: Vec<Query<'_>> = statements.iter().map(|(sql, params)| Query { sql, params }).collect();
    let body = serde_json::to_string(&queries).map_err(|error| Failure::Problem(Problem::broken(error)))?;
    let format = match shape {
        RowShape::Objects => "ARRAY_OF_OBJECTS",
        RowShape::Arrays => "ROWS_AND_COLUMNS",
        RowShape::None => "NONE",
    };
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_body(&JsValue::from_str(&body));
    let headers = js_sys::Object::new();
    js::set(&headers, "content-type", &JsValue::from_str("application/json"));
    init.set_headers(&headers);
    let unclear = |error: JsValue| failure(js::message(&error));
    let asked = async {
        let response: web_sys::Response = JsFuture::from(
            transport.fetch(&format!("http://d1/query?resultsFormat={format}"), &init).map_err(unclear)?,
        )
        .await
        .map_err(unclear)?
        .unchecked_into();
        wire::text(&response).await.map_err(|problem| {
            Failure::Unclear(format!("the response was cut off: {}", problem.cause().unwrap_or_default()))
        })
    };
    let text = js::within(LIMIT, asked).await.unwrap_or_else(|| Err(Failure::Unclear("no answer in time".into())))?;
    if text.starts_with('[') {
        return Ok(text);
    }
    let why = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|answer| answer.get("error").and_then(Value::as_str).map(str::to_owned));
    Err(match why {
        Some(why) => failure(why),
        // A commit that fails answers with its error alone.
        None if text.contains("FOREIGN KEY constraint failed") => failure(text),
        None => Failure::Unclear("an answer that is not understood".into()),
    })
}

fn failure(why: String) -> Failure {
    match why.find(BROKEN_FOREIGN_KEY) {
        // At the commit, its words stand behind others about the database that was rolled back.
        Some(_) => Failure::Sql(BROKEN_FOREIGN_KEY.into()),
        None if d1::error(&why) == Verdict::Statement => Failure::Sql(why),
        None => Failure::Unclear(why),
    }
}

/// One result of a batch, its rows unparsed.
#[derive(Debug, Serialize, Deserialize)]
pub struct QueryResult {
    /// Always true: an error has another form.
    pub success: bool,
    /// The rows, when they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Box<RawValue>>,
    /// Figures.
    pub meta: Map<String, Value>,
}

/// Ends a batch with an error before anything in it runs, when a view of the database runs `pragma_optimize`, or a
/// virtual table takes its content
/// from it: reading it would write. SQLite begins each definition of a virtual table with these words; `LIKE` could be
/// switched to mind capitals.
const GUARD: &str = "SELECT json('the schema runs pragma_optimize') WHERE EXISTS (SELECT 1 FROM sqlite_master \
    WHERE (type = 'view' OR substr(sql, 1, 20) = 'CREATE VIRTUAL TABLE') AND instr(lower(sql), 'pragma_optimize') > 0)";

/// Whether an error may be that of the guard before a read.
pub fn is_guarded(problem: &Problem) -> bool {
    problem.code == Code::SqlError && problem.message.starts_with("malformed JSON")
}

/// Carries a call out on the real database. In a dry run it can only be one of reads, and a guard stands before them.
pub async fn perform<C, P>(env: &Env, database: &str, call: &SqlCall, dry: bool) -> Result<Done<C, P>, Problem> {
    let is_read = call.statements.iter().all(|one| one.statement.kind == Kind::Read);
    let attempt = if is_read { Attempt::Read } else { Attempt::Write };
    let guard: Option<(&str, &[Value])> = dry.then_some((GUARD, &[]));
    let statements: Vec<(&str, &[Value])> = guard
        .into_iter()
        .chain(call.statements.iter().map(|one| (one.statement.text.as_str(), one.params.as_slice())))
        .collect();
    let text = send(env, database, &statements, call.shape).await.map_err(|failure| match failure {
        Failure::Sql(why) => Problem::from_store(Code::SqlError, why),
        Failure::Problem(problem) => problem,
        Failure::Unclear(why) => failed(database, attempt, &why),
    })?;
    let mut results: Vec<QueryResult> =
        serde_json::from_str(&text).map_err(|error| unanswered(database, attempt).caused_by(error))?;
    if dry && !results.is_empty() {
        results.remove(0);
    }
    let number = |result: &QueryResult, name: &str| result.meta.get(name).and_then(Value::as_u64).unwrap_or_default();
    let figures: Vec<Figures> = results
        .iter()
        .map(|result| Figures {
            changes: number(result, "changes"),
            last_row_id: result.meta.get("last_row_id").and_then(Value::as_i64).unwrap_or_default(),
        })
        .collect();
    let (outcome, result) = outcome(call, &figures);
    let text = if dry {
        for result in &mut results {
            result.meta.insert("dry_run".into(), true.into());
        }
        serde_json::to_string(&results).map_err(Problem::broken)?
    } else {
        text
    };
    Ok(Done {
        answer: Answer::json(text),
        outcome,
        result,
        effects: Vec::new(),
        plan: Vec::new(),
        inexact: Vec::new(),
        volatile: Vec::new(),
    })
}

/// The bookmark of the state that the database is in now
/// (<https://developers.cloudflare.com/d1/best-practices/read-replication/>).
pub async fn bookmark(env: &Env, database: &str) -> Result<String, Problem> {
    let asked = async {
        let failed = |error: JsValue| failed(database, Attempt::Read, &js::message(&error));
        let session =
            js::call(&binding(env, database, "withSession")?, "withSession", &[JsValue::from_str("first-primary")])
                .await
                .map_err(failed)?;
        let statement = js::call(&session, "prepare", &[JsValue::from_str("SELECT 1")]).await.map_err(failed)?;
        js::call(&statement, "run", &[]).await.map_err(failed)?;
        let bookmark = js::call(&session, "getBookmark", &[]).await.map_err(failed)?;
        bookmark.as_string().ok_or_else(|| unread(database))
    };
    js::within(LIMIT, asked).await.unwrap_or_else(|| Err(unread(database)))
}

/// How a batch ended, and its figures for the journal. A batch whose writes changed nothing was skipped.
pub fn outcome(call: &SqlCall, figures: &[Figures]) -> (Outcome, Value) {
    let kinds = || call.statements.iter().map(|one| one.statement.kind);
    let shown: Vec<Value> = kinds()
        .zip(figures)
        .map(|(kind, figures)| match kind {
            Kind::Read => json!({}),
            Kind::Write => json!({"changes": figures.changes, "last_row_id": figures.last_row_id}),
            Kind::Schema => json!({"schema": true}),
        })
        .collect();
    let writes = kinds().any(|kind| kind != Kind::Read);
    let changed = kinds()
        .zip(figures)
        .any(|(kind, figures)| kind == Kind::Schema || (kind == Kind::Write && figures.changes > 0));
    (if writes && !changed { Outcome::Skipped } else { Outcome::Done }, json!({ "statements": shown }))
}

/// The problem of a store that could not be read.
pub fn unread(store: &str) -> Problem {
    unanswered(store, Attempt::Read)
}

/// What is answered after an error. One that says what happened is told, any other goes to the log.
fn failed(database: &str, attempt: Attempt, why: &str) -> Problem {
    let verdict = d1::error(why);
    if verdict == Verdict::Unknown {
        js::log("error", "d1_unclear", &[("database", database), ("why", why)]);
    }
    verdict.problem(database, attempt, why)
}
