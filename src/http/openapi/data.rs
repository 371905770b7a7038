//! The routes of the data plane.

use crate::domain::stores::kv::{MAX_KV_BULK_READ, MAX_KV_BULK_WRITE};
use serde_json::{Value, json};

use super::document::{Forms, Operation, json_content, operation, shared};
use super::problems::{
    EXPORT, IMPORT, IN_A_RUN, JSON, KEY, KEYED, OBJECT, OF_A_STORE, ONE_KEY, ONE_OBJECT, PARAMETERS, PLANNED_BODY,
    RANGE, REACHING, SQL, VALUE, WRITE,
};
use crate::cloudflare::kv::read::{KeyLine, KeyPage};
use crate::cloudflare::kv::write::BulkWritten;
use crate::cloudflare::r2::form::{ObjectLine, ObjectWritten};
use crate::cloudflare::r2::read::ObjectPage;
use crate::domain::operation::KeyItem;
use crate::domain::refusal::Code;

/// The groups whose answers say which run and operation they belong to.
pub(super) const TAGS: [&str; 3] = ["D1", "KV", "R2"];

/// The groups and what they are about.
pub(super) const TAGS_SAY: [(&str, &str); 3] = [
    ("D1", "SQL. In a dry run it runs on a real SQLite with copies of the rows that it needs."),
    ("KV", "Values by key. A dry run sees its own on top of the namespace."),
    ("R2", "Objects by key. A dry run sees its own on top of the bucket."),
];

pub(super) const D1: &str = "/client/v4/accounts/{account}/d1/database/{store}";
pub(super) const KV: &str = "/client/v4/accounts/{account}/storage/kv/namespaces/{store}";
pub(super) const R2: &str = "/client/v4/accounts/{account}/r2/buckets/{store}";

/// Headers of an operation's answer.
const DONE: [&str; 3] = ["runId", "operation", "dryRun"];
/// The same of a write, which may be repeated.
const WRITTEN: [&str; 4] = ["runId", "operation", "dryRun", "replayed"];

/// The same of a step that may be none of the journal's.
const OF_A_FILE: [&str; 4] = ["runId", "operationIfAny", "dryRun", "replayed"];

pub(super) fn operations(forms: &mut Forms) -> Vec<Operation> {
    let mut operations = databases();
    operations.extend(values(forms));
    operations.extend(bulk(forms));
    operations.extend(objects(forms));
    operations
}

/// Any operation on a store.
fn on_store(
    method: &'static str,
    path: &str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
) -> Operation {
    operation(method, path, id, tag, summary, description)
        .secured()
        .takes(&["runId", "idempotencyKey"])
        .refuses(&[OF_A_STORE, IN_A_RUN, REACHING, KEYED])
}

/// An envelope around a result.
pub(super) fn envelope(result: Value, info: Option<Value>) -> Value {
    let mut own = json!({"properties": {"result": result}});
    if let Some(info) = info {
        own["required"] = json!(["result_info"]);
        own["properties"]["result_info"] = info;
    }
    json_content(json!({"allOf": [shared("Envelope"), own]}))
}

/// A list of these.
pub(super) fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

/// An import or export. The file stands for the request: a key for repeated requests is taken and changes nothing.
fn on_file(path: &str, id: &'static str, summary: &'static str, description: &'static str) -> Operation {
    operation("POST", &format!("{D1}/{path}"), id, "D1", summary, description)
        .secured()
        .takes(&["runId", "idempotencyKey"])
        .refuses(&[OF_A_STORE, IN_A_RUN, REACHING, JSON, KEYED])
}

fn databases() -> Vec<Operation> {
    let statements = |path, id, summary, description, rows| {
        on_store("POST", &format!("{D1}/{path}"), id, "D1", summary, description)
            .body(true, json_content(shared("SqlRequest")))
            .refuses(&[WRITE, JSON, SQL, PARAMETERS])
            .answers(200, "One result a statement.", &WRITTEN, envelope(list(shared(rows)), None))
    };
    vec![
        statements(
            "query",
            "query",
            "Run SQL, rows as objects",
            "Several statements, in one text or as a batch, are \
            one transaction.",
            "SqlRows",
        ),
        statements(
            "raw",
            "raw",
            "Run SQL, rows as arrays",
            "As `query`, without losing columns that have the same \
            name.",
            "SqlTable",
        ),
        operation(
            "GET",
            D1,
            "database",
            "D1",
            "Read what is known of a database",
            "Its tables and size are asked as \
            an operation of the run, and left out without one.",
        )
        .secured()
        .takes(&["runIdIfAny", "fields"])
        .refuses(&[OF_A_STORE, REACHING, &[Code::UnknownRun, Code::RunClosed]])
        .answers(
            200,
            "The database.",
            &["runIdIfKnown", "operationIfAny", "dryRun"],
            envelope(shared("Database"), None),
        ),
        on_file(
            "import",
            "import",
            "Run a file of SQL",
            "`init` announces it and answers where it goes; `ingest` runs \
                                                          it, as one transaction; `poll` says so again.",
        )
        .refuses(&[IMPORT, SQL])
        .body(true, json_content(shared("Import")))
        .answers(
            200,
            "Where to send the file, or what it came to.",
            &OF_A_FILE,
            envelope(shared("Imported"), None),
        ),
        on_file(
            "export",
            "export",
            "Write a database down as SQL",
            "As the run sees it. With `current_bookmark` the \
            same export again.",
        )
        .refuses(&[EXPORT])
        .body(true, json_content(shared("Export")))
        .answers(200, "Where the file is.", &OF_A_FILE, envelope(shared("Exported"), None)),
        on_store(
            "GET",
            &format!("{D1}/time_travel/bookmark"),
            "bookmark",
            "D1",
            "Name the state that the database is \
            in now",
            "Of earlier times it is not offered.",
        )
        .takes(&["timestamp"])
        .refuses(&[&[Code::NotOffered]])
        .answers(
            200,
            "The bookmark.",
            &DONE,
            envelope(
                json!({"type": "object", "required": ["bookmark"], "properties": {"bookmark": {"type": "string"}}}),
                None,
            ),
        ),
    ]
}

fn values(forms: &mut Forms) -> Vec<Operation> {
    let value = format!("{KV}/values/{{key}}");
    let page = envelope(list(forms.answer::<KeyLine>()), Some(forms.answer::<KeyPage>()));
    let form = json!({
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["value"], "additionalProperties": false, "properties": {
                "value": {"type": "string", "format": "binary"},
                "metadata": {"type": "object", "description": "Any JSON of at most 1,024 bytes."},
            }},
            "encoding": {"metadata": {"contentType": "application/json"}},
        },
    });
    vec![
        on_store("GET", &format!("{KV}/keys"), "keys", "KV", "List keys", "In order, page by page.")
            .takes(&["prefix", "limitKeys", "cursor"])
            .refuses(&[KEY])
            .answers(200, "A page of keys.", &DONE, page),
        on_store("GET", &value, "value", "KV", "Read a value", "").refuses(&[KEY, ONE_KEY, PLANNED_BODY]).answers(
            200,
            "The value itself.",
            &[&DONE[..], &["kvMetadata"]].concat(),
            json!({"application/octet-stream": {"schema": {}}}),
        ),
        on_store(
            "PUT",
            &value,
            "putValue",
            "KV",
            "Write a value",
            "The body is the value, whatever its type; a form brings metadata along.",
        )
        .takes(&["expiration", "expirationTtl"])
        .body(true, form)
        .refuses(&[KEY, VALUE, WRITE])
        .answers(200, "Written, or planned.", &WRITTEN, envelope(shared("Nothing"), None)),
        on_store("DELETE", &value, "deleteValue", "KV", "Delete a value", "Also answers success when there was none.")
            .refuses(&[KEY, WRITE])
            .answers(200, "Deleted, or planned to be.", &WRITTEN, envelope(shared("Nothing"), None)),
        on_store("GET", &format!("{KV}/metadata/{{key}}"), "metadata", "KV", "Read a value's metadata", "")
            .refuses(&[KEY, ONE_KEY])
            .answers(200, "The metadata, null when the value has none.", &DONE, envelope(json!({}), None)),
    ]
}

fn bulk(forms: &mut Forms) -> Vec<Operation> {
    let written = envelope(forms.answer::<BulkWritten>(), None);
    let names = |most: usize| json!({"type": "array", "minItems": 1, "maxItems": most, "items": {"type": "string", "minLength": 1, "maxLength": 512}});
    let items =
        json!({"type": "array", "minItems": 1, "maxItems": MAX_KV_BULK_WRITE, "items": forms.request::<KeyItem>()});
    let wanted = json!({
        "type": "object", "required": ["keys"], "additionalProperties": false,
        "properties": {"keys": names(MAX_KV_BULK_READ), "type": {"type": ["string", "null"], "enum": ["text", "json", null]}, "withMetadata": {"type": "boolean", "default": false}},
    });
    let found = json!({
        "type": "object", "required": ["values"],
        "properties": {"values": {"type": "object", "description": "By key: null where there is no value; the value; \
            or `{value, metadata}` when metadata was asked for."}},
    });
    let delete = |method, path, id, summary| {
        on_store(method, &format!("{KV}/{path}"), id, "KV", summary, "")
            .body(true, json_content(names(MAX_KV_BULK_WRITE)))
            .refuses(&[KEY, JSON, WRITE])
            .answers(200, "Deleted, or planned to be.", &WRITTEN, written.clone())
    };
    vec![
        on_store(
            "PUT",
            &format!("{KV}/bulk"),
            "putValues",
            "KV",
            "Write many values",
            "Of a key that comes twice the last one counts. An item has `expiration` or `expiration_ttl`, not both.",
        )
        .body(true, json_content(items))
        .refuses(&[KEY, JSON, WRITE])
        .answers(200, "Written, or planned.", &WRITTEN, written.clone()),
        delete("DELETE", "bulk", "deleteValues", "Delete many values"),
        delete("POST", "bulk/delete", "deleteValuesByPost", "Delete many values, by POST"),
        on_store("POST", &format!("{KV}/bulk/get"), "getValues", "KV", "Read many values", "")
            .body(true, json_content(wanted))
            .refuses(&[KEY, JSON, PLANNED_BODY])
            .answers(200, "The values.", &DONE, envelope(found, None)),
    ]
}

fn objects(forms: &mut Forms) -> Vec<Operation> {
    let object = format!("{R2}/objects/{{key}}");
    let page = envelope(list(forms.answer::<ObjectLine<'static>>()), Some(forms.answer::<ObjectPage>()));
    let conditions = ["ifMatch", "ifNoneMatch", "ifModifiedSince", "ifUnmodifiedSince"];
    let described = [&DONE[..], &["etag", "lastModified", "objectForm"]].concat();
    let part = [&described[..], &["contentRange"]].concat();
    // The media type that the object was written with.
    let any = || json!({"*/*": {"schema": {}}});
    vec![
        on_store(
            "GET",
            &format!("{R2}/objects"),
            "objects",
            "R2",
            "List objects",
            "In order, page by page; with a delimiter like folders.",
        )
        .takes(&["prefix", "delimiter", "startAfter", "perPage", "cursor"])
        .answers(200, "A page of objects.", &DONE, page),
        on_store(
            "GET",
            &object,
            "object",
            "R2",
            "Read an object",
            "Its metadata comes in headers: `x-amz-meta-*` is the object's own.",
        )
        .takes(&conditions)
        .takes(&["objectFormWanted", "range"])
        .refuses(&[KEY, ONE_OBJECT, RANGE, PLANNED_BODY])
        .answers(200, "The object itself.", &described, any())
        .answers(206, "The part that was asked for.", &part, any()),
        on_store("HEAD", &object, "headObject", "R2", "Read an object's metadata", "")
            .takes(&conditions)
            .takes(&["objectFormWanted"])
            .refuses(&[KEY, ONE_OBJECT])
            .answers(200, "What is known of the object, in headers.", &described, Value::Null),
        on_store(
            "PUT",
            &object,
            "putObject",
            "R2",
            "Write an object",
            "The body streams. `Content-Length` is required; at most 300 MiB.",
        )
        .takes(&conditions)
        .takes(&["contentMd5", "sha256", "storageClass", "cacheControl", "objectForm"])
        .body(true, json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}))
        .refuses(&[KEY, OBJECT, WRITE, &[Code::InvalidJson]])
        .answers(
            200,
            "Written, or planned.",
            &WRITTEN,
            envelope(forms.answer::<ObjectWritten<'static>>(), None),
        ),
        on_store(
            "DELETE",
            &object,
            "deleteObject",
            "R2",
            "Delete an object",
            "Also answers success when there was none.",
        )
        .refuses(&[KEY, WRITE])
        .answers(
            200,
            "Deleted, or planned to be.",
            &WRITTEN,
            envelope(json!({"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}), None),
        ),
    ]
}
