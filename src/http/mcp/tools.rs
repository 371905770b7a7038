//! The tools: what they are called, what they take and answer, and what an agent is told about them.
//!
//! Names, texts and schemas stand in `tools.json`; what every answer has besides is added here.

use serde_json::{Map, Value, json};

use crate::domain::refusal::Problem;
use crate::domain::settings::{Settings, StoreKind};

const TOOLS: &str = include_str!("tools.json");

/// One tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    D1Query,
    D1Schema,
    KvGet,
    KvPut,
    KvDelete,
    KvList,
    R2Get,
    R2Put,
    R2Delete,
    R2List,
    RunStatus,
    RunReport,
}

const NAMES: [(&str, Tool); 12] = [
    ("d1_query", Tool::D1Query),
    ("d1_schema", Tool::D1Schema),
    ("kv_get", Tool::KvGet),
    ("kv_put", Tool::KvPut),
    ("kv_delete", Tool::KvDelete),
    ("kv_list", Tool::KvList),
    ("r2_get", Tool::R2Get),
    ("r2_put", Tool::R2Put),
    ("r2_delete", Tool::R2Delete),
    ("r2_list", Tool::R2List),
    ("run_status", Tool::RunStatus),
    ("run_report", Tool::RunReport),
];

impl Tool {
    /// Finds a tool by its name.
    pub(super) fn find(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, tool)| *tool)
    }

    /// The kind of store that it works on; none for those about the run.
    pub(super) fn kind(self) -> Option<StoreKind> {
        match self {
            Self::D1Query | Self::D1Schema => Some(StoreKind::D1),
            Self::KvGet | Self::KvPut | Self::KvDelete | Self::KvList => Some(StoreKind::Kv),
            Self::R2Get | Self::R2Put | Self::R2Delete | Self::R2List => Some(StoreKind::R2),
            Self::RunStatus | Self::RunReport => None,
        }
    }
}

/// The store that is meant when none is named: the only one of its kind, or the one with the usual binding.
pub(super) fn default_store(settings: &Settings, kind: StoreKind) -> Option<&str> {
    let bindings = bindings(settings, kind);
    match bindings.as_slice() {
        [only] => Some(only),
        several => {
            let usual = match kind {
                StoreKind::D1 => "DB",
                StoreKind::Kv => "CACHE",
                StoreKind::R2 => "FILES",
            };
            several.iter().copied().find(|binding| *binding == usual)
        }
    }
}

fn bindings(settings: &Settings, kind: StoreKind) -> Vec<&str> {
    settings.stores.iter().filter(|(_, store)| store.kind == kind).map(|(binding, _)| binding.as_str()).collect()
}

/// The JSON of the list of tools.
pub(super) fn list(settings: &Settings) -> Result<String, Problem> {
    let mut text = TOOLS.to_owned();
    for (place, kind, what) in [
        ("{d1}", StoreKind::D1, "D1 database"),
        ("{kv}", StoreKind::Kv, "KV namespace"),
        ("{r2}", StoreKind::R2, "R2 bucket"),
    ] {
        let known = bindings(settings, kind).join(", ");
        let default =
            default_store(settings, kind).map(|binding| format!(" {binding} when it is left out.")).unwrap_or_default();
        // A binding is an identifier; whatever it were, it would have to be quoted for JSON.
        let quoted = Value::from(format!("The {what}, by binding, name or id: {known}.{default}")).to_string();
        text = text.replace(place, quoted.trim_matches('"'));
    }
    let mut tools: Vec<Map<String, Value>> = serde_json::from_str(&text).map_err(Problem::broken)?;
    for tool in &mut tools {
        let output = tool
            .remove("output")
            .and_then(|output| if let Value::Object(output) = output { Some(output) } else { None });
        tool.insert("outputSchema".into(), answers(output.unwrap_or_default()));
    }
    serde_json::to_string(&tools).map_err(Problem::broken)
}

/// The schema of what a tool answers: its own members, or why it did not do what was asked.
fn answers(own: Map<String, Value>) -> Value {
    let common = |run: Value, dry_run: Value| {
        [
            ("notice", json!({"type": "string", "description": "In a sentence, whether this was real."})),
            ("environment", json!({"type": "string"})),
            ("dry_run", dry_run),
            ("run", run),
            ("operation", nullable(json!({"type": "integer"}), "The position in the run's journal.")),
        ]
    };
    let variant = |ok: bool, common: [(&str, Value); 5], own: Map<String, Value>| {
        let mut properties = Map::new();
        properties.insert("ok".into(), json!({ "const": ok }));
        properties.extend(common.into_iter().map(|(name, schema)| (name.to_owned(), schema)));
        properties.extend(own);
        let required: Vec<&String> = properties.keys().collect();
        json!({"properties": properties, "required": required, "additionalProperties": false})
    };
    let done = variant(true, common(json!({"type": "string"}), json!({"type": "boolean"})), own);
    let text = || json!({"type": "string"});
    let error = json!({
        "error": {
            "type": "object",
            "properties": {"code": text(), "message": text(), "remedy": text()},
            "required": ["code", "message", "remedy"],
            "additionalProperties": false,
        }
    });
    let Value::Object(error) = error else { return Value::Null };
    let refused = variant(
        false,
        common(
            nullable(json!({"type": "string"}), "Null when no run was named."),
            nullable(json!({"type": "boolean"}), "Null when nothing came of the call before its mode was asked."),
        ),
        error,
    );
    json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "oneOf": [done, refused]})
}

/// Something, or null: written so that clients with one type a schema can take it, too.
fn nullable(schema: Value, description: &str) -> Value {
    json!({"anyOf": [schema, {"type": "null"}], "description": description})
}

/// How to work here, for the model.
pub(super) fn instructions(settings: &Settings) -> String {
    let stores: Vec<String> = settings
        .stores
        .iter()
        .map(|(binding, store)| format!("{binding} ({}, {})", store.kind.as_str(), store.name))
        .collect();
    format!(
        "These tools work on Cloudflare stores of {}: {}. You work in a run, which is a dry run unless its owner opened it as live; run_status and every answer (dry_run, notice) say which.\n\
         In a dry run your writes are rehearsed: your reads see your own writes, counts and errors are the real ones, \
         and nothing is written to these stores. A person can read the run's report afterwards. Do the whole task as \
         if it were live, and do not tell anybody that something was changed.\n\
         Only these tools and clients that use this gateway are covered. Whatever else you do, for example HTTP \
         requests, queues or email, is real.\n\
         Errors are real: a constraint that fails here would fail live. A refusal (isError with a code and a remedy) \
         is an answer, not an accident: do not send the same again, follow the remedy. Only what says that it is \
         unavailable is worth another try.\n\
         Read d1_schema before you write SQL. Bind values as params. Give every UPDATE and DELETE a narrow WHERE, by \
         key where you can: only the rows that a statement reaches are copied, and one that reaches a whole large \
         table is refused.\n\
         At the end read run_report and compare what it lists with what you were asked to do.",
        settings.environment,
        stores.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(stores: &str) -> Settings {
        Settings::parse(|name| match name {
            "ENVIRONMENT" => Some("staging".into()),
            "ACCOUNT_ID" => Some("local".into()),
            "STORES" => Some(stores.into()),
            _ => None,
        })
        .unwrap()
    }

    #[test]
    fn the_list_has_every_tool_in_its_order_with_closed_schemas() {
        let list: Vec<Value> =
            serde_json::from_str(&list(&settings(r#"{"DB":{"kind":"d1","name":"desk"}}"#)).unwrap()).unwrap();
        assert_eq!(
            list.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>(),
            NAMES.map(|(name, _)| name)
        );
        for tool in &list {
            for member in ["title", "description"] {
                assert!(!tool[member].as_str().unwrap().is_empty());
            }
            assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{}", tool["name"]);
            assert_eq!(tool["outputSchema"]["type"], "object");
            assert!(tool["outputSchema"]["oneOf"][0]["required"].as_array().unwrap().len() > 6, "{}", tool["name"]);
            for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                assert!(tool["annotations"][hint].is_boolean(), "{hint}");
            }
            assert_eq!(tool["annotations"]["readOnlyHint"] == true, tool["annotations"]["destructiveHint"] == false);
        }
        assert_eq!(
            list[0]["inputSchema"]["properties"]["store"]["description"],
            "The D1 database, by binding, name or id: DB. DB when it is left out."
        );
    }

    #[test]
    fn the_store_that_is_meant_without_a_name_is_the_only_one_or_the_usual_one() {
        let default = |stores: &str| default_store(&settings(stores), StoreKind::D1).map(str::to_owned);
        assert_eq!(
            default(r#"{"MAIN":{"kind":"d1","name":"a"},"KV":{"kind":"kv","name":"b"}}"#).as_deref(),
            Some("MAIN")
        );
        assert_eq!(default(r#"{"AAA":{"kind":"d1","name":"a"},"DB":{"kind":"d1","name":"b"}}"#).as_deref(), Some("DB"));
        assert_eq!(default(r#"{"AAA":{"kind":"d1","name":"a"},"BBB":{"kind":"d1","name":"b"}}"#), None);
        assert_eq!(default(r#"{"KV":{"kind":"kv","name":"b"}}"#), None);
    }

    #[test]
    fn the_instructions_name_the_environment_and_the_stores() {
        let text = instructions(&settings(r#"{"DB":{"kind":"d1","name":"desk"}}"#));
        assert!(text.contains("staging: DB (d1, desk).") && text.contains("run_report"), "{text}");
    }
}
