//! What each route understands besides its path; `router.rs` says which route takes what. Everything else is refused or
//! passes by the rules of
//! `domain::strict`, before any handler runs.

use crate::domain::strict::json::Shape::{Data, List, Object};
use crate::domain::strict::{Body, OF_OBJECTS, Takes};

/// The path says it all.
pub(super) const NOTHING: Takes = Takes::NOTHING;

/// The route refuses whatever comes, so that nothing of it can be misunderstood.
pub(super) const REFUSED: Takes = Takes { body: Body::Refused, ..NOTHING };

// ---- The control plane

pub(super) const OPEN_RUN: Takes = Takes {
    headers: &["idempotency-key"],
    body: Body::Json(&Object(&[
        ("id", Data),
        ("mode", Data),
        ("parent", Data),
        ("labels", Data),
        ("prompt_version", Data),
        ("expires_in", Data),
    ])),
    ..NOTHING
};

/// A second time it changes nothing, with or without a key that says so.
pub(super) const ONCE: Takes = Takes { headers: &["idempotency-key"], ..NOTHING };

pub(super) const LIST: Takes = Takes { queries: &["limit"], ..NOTHING };

pub(super) const REPORT: Takes = Takes { queries: &["format", "moved"], ..NOTHING };

pub(super) const HOOK_REPORT: Takes = Takes {
    body: Body::Json(&Object(&[("kind", Data), ("cause", Data), ("message", Data), ("agent", Data)])),
    ..NOTHING
};

/// Messages name their members by the rules of their protocol: `mcp/protocol.rs` and `mcp/calls.rs` refuse what is not
/// understood.
pub(super) const MESSAGES: Takes = Takes { headers: &["run-id"], body: Body::Messages, ..NOTHING };

// ---- The account, and files

pub(super) const PAGES: Takes = Takes { queries: &["page", "per_page"], ..NOTHING };

pub(super) const STORES: Takes = Takes { queries: &["page", "per_page", "name"], ..NOTHING };

pub(super) const BUCKETS: Takes = Takes { queries: &["name", "name_contains"], ..NOTHING };

pub(super) const DESCRIBE: Takes = Takes { lists: &["fields"], headers: &["run-id"], ..NOTHING };

pub(super) const FILE: Takes = Takes { body: Body::Bytes, ..NOTHING };

// ---- Stores

/// A read that its path says whole.
pub(super) const READ: Takes = Takes { headers: &["run-id"], ..NOTHING };

/// A write that its path says whole.
pub(super) const WRITE: Takes = Takes { headers: &["run-id", "idempotency-key"], ..NOTHING };

pub(super) const SQL: Takes = Takes {
    body: Body::Json(&Object(&[
        ("sql", Data),
        ("params", Data),
        ("batch", List(&Object(&[("sql", Data), ("params", Data)]))),
    ])),
    ..WRITE
};

/// The file stands for the request and runs once, with or without a key that says so.
pub(super) const IMPORT: Takes = Takes {
    body: Body::Json(&Object(&[("action", Data), ("etag", Data), ("filename", Data), ("current_bookmark", Data)])),
    ..WRITE
};

pub(super) const EXPORT: Takes = Takes {
    body: Body::Json(&Object(&[
        ("output_format", Data),
        ("current_bookmark", Data),
        ("dump_options", Object(&[("no_schema", Data), ("no_data", Data), ("tables", Data)])),
    ])),
    ..WRITE
};

pub(super) const BOOKMARK: Takes = Takes { queries: &["timestamp"], ..READ };

pub(super) const KEYS: Takes = Takes { queries: &["prefix", "limit", "cursor"], ..READ };

pub(super) const PUT_VALUE: Takes =
    Takes { queries: &["expiration", "expiration_ttl"], body: Body::BytesOrForm(&["value", "metadata"]), ..WRITE };

pub(super) const BULK_PUT: Takes = Takes {
    body: Body::Json(&List(&Object(&[
        ("key", Data),
        ("value", Data),
        ("base64", Data),
        ("expiration", Data),
        ("expiration_ttl", Data),
        ("metadata", Data),
    ]))),
    ..WRITE
};

pub(super) const BULK_DELETE: Takes = Takes { body: Body::Json(&List(&Data)), ..WRITE };

pub(super) const BULK_GET: Takes =
    Takes { body: Body::Json(&Object(&[("keys", Data), ("type", Data), ("withMetadata", Data)])), ..WRITE };

/// S3's names of what other names are taken for here: a client that sends them would read the first page for ever.
const OF_S3_LISTS: &[&str] = &[
    "list-type",
    "max-keys",
    "continuation-token",
    "marker",
    "key-marker",
    "version-id-marker",
    "encoding-type",
    "versions",
    "uploads",
    "x-amz-*",
];

pub(super) const OBJECTS: Takes =
    Takes { queries: &["prefix", "delimiter", "per_page", "cursor", "start_after"], not_offered: OF_S3_LISTS, ..READ };

pub(super) const HEAD_OBJECT: Takes = Takes {
    headers: &["run-id", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "object-form"],
    not_offered: OF_OBJECTS,
    ..NOTHING
};

pub(super) const GET_OBJECT: Takes = Takes {
    headers: &[
        "run-id",
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "object-form",
    ],
    ..HEAD_OBJECT
};

pub(super) const PUT_OBJECT: Takes = Takes {
    headers: &[
        "run-id",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "content-md5",
        "x-amz-checksum-sha256",
        "cf-r2-storage-class",
        "object-form",
        "content-type",
        "content-language",
        "content-disposition",
        "content-encoding",
        "cache-control",
        "expires",
        "x-amz-meta-*",
    ],
    body: Body::Bytes,
    ..NOTHING
};
