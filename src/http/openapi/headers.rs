//! Headers of responses.

use serde_json::{Map, Value, json};

/// Headers of answers: an id, the name on the wire, whether it is always there, what it says, its form.
pub(super) fn headers() -> Vec<(&'static str, &'static str, bool, &'static str, Value)> {
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
            "What is known of the object as percent-encoded JSON, when the request asked for it with `Object-Form: \
             json`.",
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
pub(super) fn header_components() -> Map<String, Value> {
    headers()
        .into_iter()
        .map(|(id, _, required, says, form)| {
            (id.to_owned(), json!({"required": required, "description": says, "schema": form}))
        })
        .collect()
}

/// References to headers, by their names on the wire.
pub(super) fn header_references(ids: &[&str]) -> Map<String, Value> {
    let all = headers();
    let wire = |id: &str| {
        all.iter().find(|header| header.0 == id).map(|header| header.1).unwrap_or_else(|| panic!("no header {id}"))
    };
    ids.iter().map(|id| (wire(id).to_owned(), json!({"$ref": format!("#/components/headers/{id}")}))).collect()
}
