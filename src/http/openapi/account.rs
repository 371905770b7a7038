//! The routes that clients of Cloudflare ask before and around their work: the account, lists of stores, files of
//! imports and exports, and what is refused by its name.

use serde_json::{Value, json};

use super::data::{D1, KV, R2, envelope, list};
use super::document::{Forms, Operation, operation, shared};
use super::problems::{ADDRESSED, FETCHING, OF_A_STORE, OFFERED, REFUSED, SENDING};
use crate::domain::refusal::Code;

/// The groups and what they are about.
pub(super) const TAGS_SAY: [(&str, &str); 3] = [
    ("account", "What clients ask before they work: who they are, which stores there are."),
    (
        "transfers",
        "Files of D1's import and export. Their addresses are signed and good for one file and one hour; they need no \
         other credential.",
    ),
    (
        "not offered",
        "Cloudflare has it, the gateway does not: refused by its name, and so is any other address below `/client/v4`.",
    ),
];

pub(super) fn operations(_: &mut Forms) -> Vec<Operation> {
    let mut operations = account();
    operations.extend(transfers());
    operations.extend(refused());
    operations
}

fn account() -> Vec<Operation> {
    let ask = |path: &str, id, summary| operation("GET", path, id, "account", summary, "").secured();
    let page = |of: &str| envelope(list(shared(of)), Some(shared("Page")));
    let stores = |path: &str, id, summary, content: Value| {
        let parent = path.strip_suffix("/{store}").unwrap_or(path).to_owned();
        ask(&parent, id, summary).refuses(&[&[Code::UnknownAccount]]).answers(
            200,
            "The stores behind this gateway.",
            &[],
            content,
        )
    };
    vec![
        ask("/client/v4/user", "user", "Who is asking").answers(
            200,
            "The caller, in the form of a user.",
            &[],
            envelope(shared("User"), None),
        ),
        ask("/client/v4/user/tokens/verify", "verifyToken", "Whether the credential is good")
            .refuses(&[&[Code::RunClosed]])
            .answers(200, "It is.", &[], envelope(shared("Token"), None)),
        ask("/client/v4/accounts", "accounts", "List accounts").takes(&["page", "perPageOfAll"]).answers(
            200,
            "The one account that this gateway answers for.",
            &[],
            page("Account"),
        ),
        ask("/client/v4/accounts/{account}", "account", "Read the account")
            .refuses(&[&[Code::UnknownAccount]])
            .answers(200, "The account.", &[], envelope(shared("Account"), None)),
        ask("/client/v4/memberships", "memberships", "List memberships").takes(&["page", "perPageOfAll"]).answers(
            200,
            "One, of the one account.",
            &[],
            page("Membership"),
        ),
        stores(D1, "databases", "List databases", page("Database")).takes(&["page", "perPageOfAll", "name"]),
        stores(KV, "namespaces", "List namespaces", page("Namespace")).takes(&["page", "perPageOfAll", "name"]),
        stores(
            R2,
            "buckets",
            "List buckets",
            envelope(
                json!({"type": "object", "required": ["buckets"], "properties": {"buckets": list(shared("Bucket"))}}),
                None,
            ),
        )
        .takes(&["name", "nameContains"]),
        ask(KV, "namespace", "Read what is known of a namespace").refuses(&[OF_A_STORE]).takes(&["fields"]).answers(
            200,
            "The namespace.",
            &[],
            envelope(shared("Namespace"), None),
        ),
        ask(R2, "bucket", "Read what is known of a bucket").refuses(&[OF_A_STORE]).takes(&["fields"]).answers(
            200,
            "The bucket.",
            &[],
            envelope(shared("Bucket"), None),
        ),
    ]
}

fn transfers() -> Vec<Operation> {
    let address = "/transfers/{signed}";
    vec![
        operation(
            "PUT",
            address,
            "sendFile",
            "transfers",
            "Send the file of an import",
            "To the `upload_url` that `init` answered. Nothing runs before `ingest`.",
        )
        .body(true, json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}))
        .refuses(&[ADDRESSED, SENDING])
        .answers(200, "The file arrived, and is the one that was announced.", &["etag"], Value::Null),
        operation(
            "GET",
            address,
            "fetchFile",
            "transfers",
            "Fetch the file of an export",
            "From the `signed_url` of the export.",
        )
        .refuses(&[ADDRESSED, FETCHING])
        .answers(
            200,
            "SQL that makes the database, as the run saw it.",
            &[],
            json!({"application/sql": {"schema": {}}}),
        ),
    ]
}

/// What is refused by its name.
fn refused() -> Vec<Operation> {
    let about = |path: &str| path.strip_suffix("/{store}").unwrap_or(path).to_owned();
    let nobody = |method, path: String, id, summary| {
        operation(method, &path, id, "not offered", summary, "").secured().refuses(&[OFFERED])
    };
    let store = |method, path: &str, id, summary| {
        operation(method, path, id, "not offered", summary, "")
            .secured()
            .takes(&["runId", "idempotencyKey"])
            .refuses(&[REFUSED])
    };
    let mut graphql = operation(
        "POST",
        "/client/v4/graphql",
        "analytics",
        "not offered",
        "Refused: analytics",
        "In plain text: wrangler would take JSON for figures of nothing.",
    )
    .secured();
    // Whatever is sent is answered so, and never as JSON.
    graphql.problems.retain(|code| *code != Code::NotOffered);
    graphql.answers = vec![super::document::Answer {
        status: 403,
        says: "`not_offered`, as text.",
        headers: vec!["environment"],
        content: json!({"text/plain": {"schema": {"type": "string"}}}),
        links: Value::Null,
    }];
    vec![
        graphql,
        nobody("POST", about(D1), "makeDatabase", "Refused: making databases"),
        nobody("POST", about(KV), "makeNamespace", "Refused: making namespaces"),
        nobody("POST", about(R2), "makeBucket", "Refused: making buckets"),
        store("PUT", D1, "replaceDatabase", "Refused: changing a database's settings"),
        store("PATCH", D1, "changeDatabase", "Refused: changing some of a database's settings"),
        store("DELETE", D1, "deleteDatabase", "Refused: deleting databases"),
        store(
            "POST",
            &format!("{D1}/time_travel/restore"),
            "restore",
            "Refused: restoring a database to an earlier state",
        ),
        store("PUT", KV, "renameNamespace", "Refused: renaming namespaces"),
        store("DELETE", KV, "deleteNamespace", "Refused: deleting namespaces"),
        store("PUT", R2, "replaceBucket", "Refused: changing a bucket's settings"),
        store("PATCH", R2, "changeBucket", "Refused: changing some of a bucket's settings"),
        store("DELETE", R2, "deleteBucket", "Refused: deleting buckets"),
    ]
}
