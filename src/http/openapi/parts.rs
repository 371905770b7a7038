//! Schemas that no single type of the wire has.

use crate::domain::stores::d1::MAX_PARAMETERS;
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::domain::limits::MAX_STATEMENTS;
use crate::domain::refusal::Code;
use crate::domain::run::RunId;
use crate::http::problem::face_of;

/// An id that a caller chose or the gateway made.
const RUN_PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

/// What names a file of an import or export.
const FILE_PATTERN: &str = "^[0-9a-f]{32}$";

impl JsonSchema for RunId {
    fn schema_name() -> Cow<'static, str> {
        "RunId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": RUN_PATTERN})
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut codes = Code::ALL.map(|code| (face_of(code), code.as_str()));
        codes.sort_by_key(|(face, name)| (face.status, *name));
        let names: Vec<&str> = codes.iter().map(|(_, name)| *name).collect();
        let lines: Vec<String> = codes
            .iter()
            .map(|(face, name)| {
                format!("| `{name}` | {} | {} | {} |", face.status, face.number, if face.retry { "yes" } else { "no" })
            })
            .collect();
        let head = "Why a request was not carried out. A code never changes its meaning.\n\n| code | status | number \
                    in `errors` | worth a retry |\n| --- | --- | --- | --- |\n";
        json_schema!({"type": "string", "enum": names, "description": format!("{head}{}", lines.join("\n"))})
    }
}

/// An object with these members; all of them are there but the optional ones.
fn object(members: Value, optional: &[&str]) -> Value {
    let names = members.as_object().into_iter().flat_map(Map::keys);
    let required: Vec<&String> = names.filter(|name| !optional.contains(&name.as_str())).collect();
    json!({"type": "object", "required": required, "properties": members})
}

/// The same object without any other member.
fn closed(mut form: Value) -> Value {
    form["additionalProperties"] = false.into();
    form
}

/// Forms that no single type has: bodies that are one of two, and what passes through from the stores.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let sql =
        json!({"type": "string", "description": "One statement, or several without parameters. SQLite's dialect."});
    let params = json!({
        "type": ["array", "null"], "maxItems": MAX_PARAMETERS, "items": {"$ref": "#/components/schemas/SqlValue"},
        "description": "Values for `?` and `?NNN`, in order.",
    });
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer", "minimum": 0}));
    let md5 = json!({"type": "string", "pattern": FILE_PATTERN, "description": "The MD5 of the file, in hex."});
    let cells = json!({"type": "array", "items": {"$ref": "#/components/schemas/SqlValue"}});
    let result = |rows: Value| {
        let properties =
            json!({"success": {"const": true}, "results": rows, "meta": {"$ref": "#/components/schemas/SqlMeta"}});
        json!({"type": "object", "required": ["success", "results", "meta"], "properties": properties})
    };
    vec![
        (
            "RpcMessage",
            json!({
                "description": "A message of JSON-RPC 2.0, or several.",
                "anyOf": [{"type": "object", "required": ["jsonrpc"], "properties": {"jsonrpc": {"const": "2.0"}}}, {"type": "array", "minItems": 1}],
            }),
        ),
        (
            "Message",
            json!({"type": "object", "required": ["code", "message"], "properties": {"code": {"type": "integer"}, "message": {"type": "string"}}}),
        ),
        (
            "Envelope",
            json!({
                "type": "object", "required": ["result", "success", "errors", "messages"],
                "description": "Cloudflare's envelope of a success. In a dry run `messages` says that nothing was \
                                written.",
                "properties": {
                    "success": {"const": true}, "errors": {"type": "array", "maxItems": 0},
                    "messages": {"type": "array", "maxItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
                },
            }),
        ),
        (
            "SqlRequest",
            json!({
                "type": "object", "additionalProperties": false,
                "properties": {
                    "sql": sql, "params": params,
                    "batch": {"type": "array", "minItems": 1, "maxItems": MAX_STATEMENTS, "description": "One statement an entry. All of them or none.", "items": {
                        "type": "object", "required": ["sql"], "additionalProperties": false, "properties": {"sql": {"type": "string"}, "params": params},
                    }},
                },
                "oneOf": [{"required": ["sql"], "not": {"required": ["batch"]}}, {"required": ["batch"], "not": {"anyOf": [{"required": ["sql"]}, {"required": ["params"]}]}}],
                "examples": [
                    {"sql": "SELECT * FROM tickets WHERE id = ?", "params": [7]},
                    {"batch": [{"sql": "UPDATE tickets SET state = ? WHERE id = ?", "params": ["open", 7]}, {"sql": "SELECT changes()"}]},
                ],
            }),
        ),
        (
            "SqlValue",
            json!({
                "description": "NULL, a number, text, or a BLOB as an array of its bytes. Booleans are numbers to \
                                SQLite.",
                "anyOf": [
                    {"type": ["null", "boolean", "number", "string"]},
                    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
                ],
            }),
        ),
        (
            "SqlMeta",
            json!({
                "type": "object", "required": ["changes", "last_row_id", "changed_db", "duration"],
                "description": "D1's figures of a statement.",
                "properties": {
                    "changes": {"type": "integer", "minimum": 0}, "last_row_id": {"type": "integer"}, "changed_db": {"type": "boolean"},
                    "duration": {"type": "number"}, "rows_read": {"type": "integer"}, "rows_written": {"type": "integer"}, "size_after": {"type": "integer"},
                    "served_by": {"type": "string"}, "dry_run": {"const": true, "description": "There when the run is \
                        a dry run."},
                },
            }),
        ),
        (
            "SqlRows",
            result(
                json!({"type": "array", "items": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/SqlValue"}}}),
            ),
        ),
        (
            "SqlTable",
            result(json!({
                "type": "object", "required": ["columns", "rows"],
                "properties": {"columns": {"type": "array", "items": {"type": "string"}}, "rows": {"type": "array", "items": cells}},
            })),
        ),
        (
            "Page",
            object(
                json!({"page": whole, "per_page": whole, "count": whole, "total_count": whole, "total_pages": whole}),
                &[],
            ),
        ),
        ("Account", object(json!({"id": text, "name": text, "type": text, "settings": {"type": "object"}}), &[])),
        (
            "Membership",
            object(
                json!({"id": text, "status": text, "account": {"$ref": "#/components/schemas/Account"}, "roles": {"type": "array", "items": text}}),
                &[],
            ),
        ),
        (
            "User",
            object(
                json!({"id": text, "email": text, "first_name": {"type": "null"}, "last_name": {"type": "null"}, "suspended": {"const": false}}),
                &[],
            ),
        ),
        (
            "Token",
            object(
                json!({"id": text, "status": {"const": "active"}, "expires_on": {"type": ["string", "null"], "format": "date-time"}}),
                &[],
            ),
        ),
        (
            "Database",
            object(
                json!({"uuid": text, "name": text, "version": text, "num_tables": {"type": "integer"}, "file_size": {"type": "integer"}}),
                &["uuid", "name", "version", "num_tables", "file_size"],
            ),
        ),
        (
            "Namespace",
            object(
                json!({"id": text, "title": text, "supports_url_encoding": {"const": true}}),
                &["id", "title", "supports_url_encoding"],
            ),
        ),
        (
            "Bucket",
            object(
                json!({"name": text, "creation_date": text, "location": text}),
                &["name", "creation_date", "location"],
            ),
        ),
        (
            "Import",
            json!({
                "description": "A step of an import.",
                "oneOf": [
                    closed(object(json!({"action": {"const": "init"}, "etag": md5}), &[])),
                    closed(object(json!({"action": {"const": "ingest"}, "filename": {"type": "string", "description": "As `init` answered it."}, "etag": md5}), &["etag"])),
                    closed(object(json!({"action": {"const": "poll"}, "current_bookmark": {"type": "string", "description": "As `ingest` answered it."}}), &[])),
                ],
            }),
        ),
        (
            "Imported",
            object(
                json!({
                    "success": {"const": true}, "type": {"const": "import"}, "at_bookmark": text, "messages": {"type": "array", "items": text},
                    "filename": text, "upload_url": {"type": "string", "format": "uri"}, "status": {"const": "complete"},
                    "result": object(json!({"num_queries": whole, "final_bookmark": text, "meta": {"$ref": "#/components/schemas/SqlMeta"}}), &[]),
                }),
                &["filename", "upload_url", "status", "result"],
            ),
        ),
        (
            "Export",
            json!({
                "type": "object", "additionalProperties": false,
                "properties": {
                    "output_format": {"enum": ["polling", null]}, "current_bookmark": {"type": ["string", "null"], "pattern": format!("^$|{FILE_PATTERN}")},
                    "dump_options": {"type": ["object", "null"], "additionalProperties": false, "properties": {
                        "no_schema": {"type": "boolean", "default": false}, "no_data": {"type": "boolean", "default": false},
                        "tables": {"type": "array", "items": text, "description": "Only these; all when empty."},
                    }},
                },
            }),
        ),
        (
            "Exported",
            object(
                json!({
                    "success": {"const": true}, "type": {"const": "export"}, "status": {"const": "complete"}, "at_bookmark": text, "messages": {"type": "array", "maxItems": 0},
                    "filename": text, "signed_url": {"type": "string", "format": "uri"},
                    "result": object(json!({"filename": text, "signed_url": {"type": "string", "format": "uri"}}), &[]),
                }),
                &[],
            ),
        ),
        ("Nothing", json!({"type": "object", "maxProperties": 0})),
    ]
}
