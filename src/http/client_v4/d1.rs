//! D1: `query` and `raw`.

use crate::domain::stores::d1::{self, MAX_PARAMETERS};
use serde::Deserialize;
use serde_json::Value;

use super::{Refusal, Understood};
use crate::cloudflare::wire::Payload;
use crate::domain::limits::MAX_STATEMENTS;
use crate::domain::operation::{BoundStatement, Call, DatabaseCall, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::http::Gateway;
use crate::http::request::{Asked, Object};
use crate::http::router::Action;
use dryrun_sql::statement::{Statement, split};

/// A statement with its parameters.
#[derive(Deserialize)]
pub(crate) struct Query {
    /// The statement.
    pub sql: String,
    /// Values for its parameters.
    #[serde(default)]
    pub params: Option<Vec<Value>>,
}

/// Either `sql` with `params`, or `batch`.
#[derive(Deserialize)]
pub(crate) struct Body {
    /// One statement, or several without parameters.
    #[serde(default)]
    pub sql: Option<String>,
    /// Values for the parameters of `sql`.
    #[serde(default)]
    pub params: Option<Vec<Value>>,
    /// Statements that run as one transaction.
    #[serde(default)]
    pub batch: Option<Vec<Object<Query>>>,
}

pub(super) async fn understand(gateway: &Gateway, action: &Action, asked: &mut Asked) -> Result<Understood, Refusal> {
    if *action == Action::Bookmark {
        if asked.query("timestamp").is_some_and(|timestamp| !timestamp.is_empty()) {
            return Err(Problem::not_offered("bookmarks of earlier times").into());
        }
        return Ok(Understood {
            call: Call::Database(DatabaseCall::Bookmark {}),
            payload: Payload::Bytes(Vec::new()),
            fingerprint: Vec::new(),
        });
    }
    let (Object(body), bytes): (Object<Body>, _) = asked.json(gateway.settings.max_body_bytes).await?;
    let shape = if *action == Action::Raw { RowShape::Arrays } else { RowShape::Objects };
    let sql = body.text();
    let statements = read(body).map_err(|problem| Refusal { problem, sql })?;
    Ok(Understood {
        call: Call::Sql(SqlCall { statements, shape }),
        payload: Payload::Bytes(Vec::new()),
        fingerprint: bytes,
    })
}

impl Body {
    /// All its statements, as text for the journal.
    pub(crate) fn text(&self) -> Option<String> {
        let batch = self.batch.iter().flatten().map(|Object(query)| query.sql.as_str());
        let all: Vec<&str> = self.sql.as_deref().into_iter().chain(batch).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// The statements of a body, each checked.
pub(crate) fn read(body: Body) -> Result<Vec<BoundStatement>, Problem> {
    match body {
        Body { sql: Some(sql), params, batch: None } => one(Query { sql, params }),
        Body { sql: None, params: None, batch: Some(batch) } => several(batch),
        _ => Err(Problem::new(
            Code::InvalidRequest,
            "The body is neither {\"sql\", \"params\"} nor {\"batch\": [{\"sql\", \"params\"}]}; nothing was run.",
            "Send one of the two.",
        )),
    }
}

fn one(query: Query) -> Result<Vec<BoundStatement>, Problem> {
    let mut statements = split(&query.sql)?;
    let params = accept(query.params)?;
    if statements.len() == 1 {
        let statement = statements.remove(0);
        return Ok(vec![BoundStatement { statement, params }]);
    }
    if !params.is_empty() {
        return Err(Problem::new(
            Code::InvalidRequest,
            "Parameters were sent with several statements in one text, so it is unclear which statement they belong \
             to; nothing was run.",
            "Send {\"batch\": [{\"sql\", \"params\"}, …]} instead.",
        ));
    }
    Ok(statements.into_iter().map(|statement| BoundStatement { statement, params: Vec::new() }).collect())
}

fn several(batch: Vec<Object<Query>>) -> Result<Vec<BoundStatement>, Problem> {
    if batch.is_empty() || batch.len() > MAX_STATEMENTS {
        return Err(Problem::new(
            Code::InvalidRequest,
            format!("A batch has 1 to {MAX_STATEMENTS} statements; nothing was run."),
            "Send them in several requests.",
        ));
    }
    batch
        .into_iter()
        .map(|Object(query)| {
            let params = accept(query.params)?;
            let mut statements: Vec<Statement> = split(&query.sql)?;
            match (statements.pop(), statements.is_empty()) {
                (Some(statement), true) => Ok(BoundStatement { statement, params }),
                _ => Err(Problem::new(
                    Code::InvalidRequest,
                    "An entry of a batch contains several statements; nothing was run.",
                    "Make each statement an entry of its own.",
                )),
            }
        })
        .collect()
}

/// Parameters are JSON scalars, or arrays of bytes, as D1's own answers write them. Booleans are numbers to SQLite.
fn accept(params: Option<Vec<Value>>) -> Result<Vec<Value>, Problem> {
    let mut params = params.unwrap_or_default();
    if params.len() > MAX_PARAMETERS {
        return Err(Problem::new(
            Code::TooManyParameters,
            format!("A statement has {} parameters, D1 takes at most {MAX_PARAMETERS}; nothing was run.", params.len()),
            "Split the statement, or pass a list as one JSON parameter and use json_each(?).",
        ));
    }
    let is_byte = |value: &Value| value.as_u64().is_some_and(|byte| byte < 256);
    for param in &mut params {
        let fits = match param {
            Value::Object(_) => false,
            Value::Array(bytes) => bytes.iter().all(is_byte),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        };
        if !fits {
            return Err(Problem::new(
                Code::InvalidRequest,
                "A parameter is an object or a list; nothing was run.",
                "Use text, numbers, booleans, null, or an array of bytes for a BLOB; send JSON as text.",
            ));
        }
        d1::check_value(param)?;
        if let Value::Bool(value) = param {
            *param = u8::from(*value).into();
        }
    }
    Ok(params)
}
