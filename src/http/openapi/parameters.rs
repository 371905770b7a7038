//! Parameters that several routes share.

use crate::domain::stores::kv::{MAX_KV_KEY_BYTES, MAX_KV_SECONDS};
use crate::domain::stores::r2::MAX_R2_KEY_BYTES;
use serde_json::{Map, Value, json};

use crate::domain::limits::MAX_PAGE;

/// A list of entity tags, or `*`.
const TAGS_PATTERN: &str = "^(\\*|(W/)?\"[!#-)+-~]+\"(, (W/)?\"[!#-)+-~]+\")*)$";

/// An HTTP date. Which days there are, and which day of the week each is, no pattern says: this one has days that are
/// right.
const DATE_PATTERN: &str = "^(Thu, 01 Jan 1970|Sun, 06 Nov 1994|Tue, 29 Feb 2000|Fri, 20 Nov 2026) \
                            ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] GMT$";

/// Where a parameter is.
type Place = &'static str;

/// A name by which operations mean it, its name on the wire, where it is, what it says, its form.
pub(super) fn parameters() -> Vec<(&'static str, &'static str, Place, &'static str, Value)> {
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
            "`json`: metadata comes as one JSON object in the header `Object-Form`, exact whatever its names and \
             values are.",
            json!({"type": "string", "enum": ["json"]}),
        ),
        (
            "objectForm",
            "Object-Form",
            "header",
            "`{\"http_metadata\": {…}, \"custom_metadata\": {…}}` as percent-encoded JSON, instead of headers of their \
             own.",
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
            "Kept with the object, as are `Content-Type`, `Content-Disposition`, `Content-Encoding`, \
             `Content-Language`, `Expires` and `x-amz-meta-*`.",
            text(),
        ),
    ]
}

/// The parameters as components.
pub(super) fn parameter_components() -> Map<String, Value> {
    let component = |(id, name, place, says, form): (&str, &str, Place, &str, Value)| {
        let required = place == "path";
        (id.to_owned(), json!({"name": name, "in": place, "required": required, "description": says, "schema": form}))
    };
    parameters().into_iter().map(component).collect()
}
