//! Parameters, headers and forms that several routes share.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::domain::limits::{
    MAX_KV_KEY_BYTES, MAX_KV_SECONDS, MAX_PAGE, MAX_PARAMETERS, MAX_R2_KEY_BYTES, MAX_STATEMENTS,
};
use crate::domain::refusal::Code;
use crate::domain::run::RunId;
use crate::http::problem::face_of;

/// An id that a caller chose or the gateway made.
const RUN_PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

/// What names a file of an import or export.
const FILE_PATTERN: &str = "^[0-9a-f]{32}$";

/// A list of entity tags, or `*`.
const TAGS_PATTERN: &str = "^(\\*|(W/)?\"[!#-)+-~]+\"(, (W/)?\"[!#-)+-~]+\")*)$";

/// An HTTP date. Which days there are, and which day of the week each is, no pattern says: this one has days that are right.
const DATE_PATTERN: &str = "^(Thu, 01 Jan 1970|Sun, 06 Nov 1994|Tue, 29 Feb 2000|Fri, 20 Nov 2026) ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] GMT$";

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
        let head = "Why a request was not carried out. A code never changes its meaning.\n\n| code | status | number in `errors` | worth a retry |\n| --- | --- | --- | --- |\n";
        json_schema!({"type": "string", "enum": names, "description": format!("{head}{}", lines.join("\n"))})
    }
}

/// Where a parameter is.
type Place = &'static str;

/// A name by which operations mean it, its name on the wire, where it is, what it says, its form.
pub fn parameters() -> Vec<(&'static str, &'static str, Place, &'static str, Value)> {
    let text = || json!({"type": "string"});
    let number = |least: u64, most: u64| json!({"type": "integer", "minimum": least, "maximum": most});
    let page = |least: u32, default: u32| json!({"type": "integer", "minimum": least, "maximum": MAX_PAGE, "default": default});
    // A path cannot hold "." and "..": clients and servers take them for steps.
    let key = |most: usize| json!({"type": "string", "minLength": 1, "maxLength": most, "not": {"enum": [".", ".."]}});
    let seconds = || number(0, MAX_KV_SECONDS);
    let tags = || json!({"type": "string", "pattern": TAGS_PATTERN});
    let date = || json!({"type": "string", "pattern": DATE_PATTERN});
    vec![
        ("account", "account", "path", "The account that this gateway answers for.", text()),
        (
            "store",
            "store",
            "path",
            "A store by binding, configured name or id; `GET /v1/environment` lists them.",
            text(),
        ),
        ("run", "run", "path", "A run by id.", json!({"$ref": "#/components/schemas/RunId"})),
        (
            "position",
            "position",
            "path",
            "The position of an operation in its run, from 1.",
            json!({"type": "integer", "minimum": 1, "maximum": u64::MAX}),
        ),
        ("kvKey", "key", "path", "The key, percent-encoded; at most 512 bytes.", key(MAX_KV_KEY_BYTES)),
        (
            "objectKey",
            "key",
            "path",
            "The object's key, with its slashes encoded or not; at most 1,024 bytes.",
            key(MAX_R2_KEY_BYTES),
        ),
        (
            "dryRun",
            "Dry-Run",
            "header",
            "`true` turns the run dry, for good, before anything else is done. There is no word that turns it live.",
            json!({"type": "string", "enum": ["true", "false"]}),
        ),
        (
            "runId",
            "Run-Id",
            "header",
            "The run that a key works in. A run's token says it already.",
            json!({"$ref": "#/components/schemas/RunId"}),
        ),
        (
            "idempotencyKey",
            "Idempotency-Key",
            "header",
            "The same write again gets the recorded answer, with `Idempotent-Replayed: true`. Reads do not need it.",
            json!({"type": "string", "pattern": "^[!-~]{1,255}$"}),
        ),
        ("signed", "signed", "path", "The signed address of a file, as an import or export answered it.", text()),
        (
            "page",
            "page",
            "query",
            "Which page, from 1.",
            json!({"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1}),
        ),
        (
            "perPageOfAll",
            "per_page",
            "query",
            "Most entries of the answer.",
            json!({"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100}),
        ),
        ("name", "name", "query", "Only the store of this name or binding.", text()),
        ("nameContains", "name_contains", "query", "Only buckets whose names hold this text.", text()),
        ("fields", "fields", "query", "Only these fields, divided by commas.", text()),
        (
            "runIdIfAny",
            "Run-Id",
            "header",
            "The run that a key works in. Without one of its own less is known.",
            text(),
        ),
        ("timestamp", "timestamp", "query", "Not offered: leave it out.", text()),
        ("limitRuns", "limit", "query", "Most runs of the answer.", page(1, 50)),
        ("limitAlerts", "limit", "query", "Most alerts of the answer.", page(1, 100)),
        (
            "format",
            "format",
            "query",
            "The form of the report. `Accept: text/markdown` asks for Markdown, too.",
            json!({"type": "string", "enum": ["json", "markdown"]}),
        ),
        (
            "moved",
            "moved",
            "query",
            "Whether to compare the rows that the run copied with the database as it is now.",
            json!({"type": "string", "enum": ["true", "false"], "default": "false"}),
        ),
        ("prefix", "prefix", "query", "Only what begins so.", text()),
        ("cursor", "cursor", "query", "Where the last page ended. Good for the same list only.", text()),
        ("limitKeys", "limit", "query", "Most keys of the answer.", page(10, MAX_PAGE)),
        ("perPage", "per_page", "query", "Most entries of the answer.", page(1, 20)),
        ("delimiter", "delimiter", "query", "Rolls up keys behind the prefix, up to this text.", text()),
        ("startAfter", "start_after", "query", "Only keys behind this one.", text()),
        (
            "expiration",
            "expiration",
            "query",
            "When the value ends, in seconds since the Unix epoch; at least a minute from now.",
            seconds(),
        ),
        (
            "expirationTtl",
            "expiration_ttl",
            "query",
            "How long the value lives, in seconds. Not together with `expiration`.",
            number(60, MAX_KV_SECONDS),
        ),
        (
            "objectFormWanted",
            "Object-Form",
            "header",
            "`json`: metadata comes as one JSON object in the header `Object-Form`, exact whatever its names and values are.",
            json!({"type": "string", "enum": ["json"]}),
        ),
        (
            "objectForm",
            "Object-Form",
            "header",
            "`{\"http_metadata\": {…}, \"custom_metadata\": {…}}` as percent-encoded JSON, instead of headers of their own.",
            text(),
        ),
        ("range", "Range", "header", "One range of bytes; others are ignored, as HTTP allows.", text()),
        ("ifMatch", "If-Match", "header", "Entity tags of which one must be the object's, or `*`.", tags()),
        ("ifNoneMatch", "If-None-Match", "header", "Entity tags of which none may be the object's, or `*`.", tags()),
        (
            "ifModifiedSince",
            "If-Modified-Since",
            "header",
            "An HTTP date such as `Fri, 20 Nov 2026 00:00:00 GMT`.",
            date(),
        ),
        (
            "ifUnmodifiedSince",
            "If-Unmodified-Since",
            "header",
            "An HTTP date such as `Fri, 20 Nov 2026 00:00:00 GMT`.",
            date(),
        ),
        (
            "contentMd5",
            "Content-MD5",
            "header",
            "The MD5 of the body in base64. The object is only written when it fits.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9+/]{21}[AQgw]==$"}),
        ),
        (
            "sha256",
            "x-amz-checksum-sha256",
            "header",
            "The SHA-256 of the body in base64, instead of `Content-MD5`.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"}),
        ),
        (
            "storageClass",
            "cf-r2-storage-class",
            "header",
            "The storage class.",
            json!({"type": "string", "enum": ["Standard", "InfrequentAccess"]}),
        ),
        (
            "cacheControl",
            "Cache-Control",
            "header",
            "Kept with the object, as are `Content-Type`, `Content-Disposition`, `Content-Encoding`, `Content-Language`, `Expires` and `x-amz-meta-*`.",
            text(),
        ),
    ]
}

/// The parameters as components.
pub fn parameter_components() -> Map<String, Value> {
    let component = |(id, name, place, says, form): (&str, &str, Place, &str, Value)| {
        let required = place == "path";
        (id.to_owned(), json!({"name": name, "in": place, "required": required, "description": says, "schema": form}))
    };
    parameters().into_iter().map(component).collect()
}

/// Headers of answers: an id, the name on the wire, whether it is always there, what it says, its form.
pub fn headers() -> Vec<(&'static str, &'static str, bool, &'static str, Value)> {
    let text = || json!({"type": "string"});
    let yes = || json!({"type": "string", "const": "true"});
    let environment = || json!({"$ref": "#/components/schemas/Environment"});
    vec![
        ("environment", "Environment", true, "Where this is.", environment()),
        (
            "environmentIfKnown",
            "Environment",
            false,
            "Where this is, unless even that is not configured.",
            environment(),
        ),
        (
            "runId",
            "Run-Id",
            true,
            "The run that the operation is part of.",
            json!({"$ref": "#/components/schemas/RunId"}),
        ),
        ("runIdIfKnown", "Run-Id", false, "The run, once it is known.", json!({"$ref": "#/components/schemas/RunId"})),
        (
            "operation",
            "Operation",
            true,
            "The position of the operation in its run's journal.",
            json!({"type": "integer", "minimum": 1}),
        ),
        (
            "operationIfAny",
            "Operation",
            false,
            "The position in the run's journal, where it was journalled: refusals are, too.",
            json!({"type": "integer", "minimum": 1}),
        ),
        (
            "dryRun",
            "Dry-Run",
            false,
            "There, and `true`, when the run is a dry run: nothing was written to a real store.",
            yes(),
        ),
        (
            "replayed",
            "Idempotent-Replayed",
            false,
            "There, and `true`, when this is the recorded answer of an earlier request.",
            yes(),
        ),
        (
            "problem",
            "Problem",
            true,
            "The code of the problem, for answers without a body.",
            json!({"$ref": "#/components/schemas/Code"}),
        ),
        (
            "problemIfAny",
            "Problem",
            false,
            "The code, where this is a problem.",
            json!({"$ref": "#/components/schemas/Code"}),
        ),
        (
            "kvMetadata",
            "Kv-Metadata",
            false,
            "The metadata of the value as JSON, percent-encoded; where it has any.",
            text(),
        ),
        (
            "objectForm",
            "Object-Form",
            false,
            "What is known of the object as percent-encoded JSON, when the request asked for it with `Object-Form: json`.",
            text(),
        ),
        (
            "noRetry",
            "x-should-retry",
            true,
            "The same request will not succeed later.",
            json!({"type": "string", "const": "false"}),
        ),
        (
            "noRetryIfSo",
            "x-should-retry",
            false,
            "There when the same request will not succeed later.",
            json!({"type": "string", "const": "false"}),
        ),
        (
            "retryAfter",
            "Retry-After",
            true,
            "Seconds after which to try again.",
            json!({"type": "integer", "minimum": 1}),
        ),
        (
            "retryAfterIfSo",
            "Retry-After",
            false,
            "Seconds after which to try again, when that is of use.",
            json!({"type": "integer", "minimum": 1}),
        ),
        ("authenticate", "WWW-Authenticate", true, "The scheme: Bearer.", text()),
        ("allow", "Allow", true, "The methods that the address answers.", text()),
        ("etag", "ETag", true, "The entity tag: the MD5 of the bytes.", text()),
        ("lastModified", "Last-Modified", true, "When the object was written.", text()),
        ("contentRange", "Content-Range", true, "Which bytes these are, and of how many.", text()),
    ]
}

/// The headers as components.
pub fn header_components() -> Map<String, Value> {
    headers()
        .into_iter()
        .map(|(id, _, required, says, form)| {
            (id.to_owned(), json!({"required": required, "description": says, "schema": form}))
        })
        .collect()
}

/// References to headers, by their names on the wire.
pub fn header_references(ids: &[&str]) -> Map<String, Value> {
    let all = headers();
    let wire = |id: &str| {
        all.iter().find(|header| header.0 == id).map(|header| header.1).unwrap_or_else(|| panic!("no header {id}"))
    };
    ids.iter().map(|id| (wire(id).to_owned(), json!({"$ref": format!("#/components/headers/{id}")}))).collect()
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
pub fn schemas() -> Vec<(&'static str, Value)> {
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
                "description": "Cloudflare's envelope of a success. In a dry run `messages` says that nothing was written.",
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
                "description": "NULL, a number, text, or a BLOB as an array of its bytes. Booleans are numbers to SQLite.",
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
                    "served_by": {"type": "string"}, "dry_run": {"const": true, "description": "There when the run is a dry run."},
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
