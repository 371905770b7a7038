use super::*;

const WRITE: Takes =
    Takes { queries: &["expiration", "expiration_ttl"], headers: &["run-id", "idempotency-key"], ..Takes::NOTHING };
const OBJECT: Takes = Takes {
    headers: &[
        "run-id",
        "if-match",
        "content-md5",
        "x-amz-checksum-sha256",
        "x-amz-meta-*",
        "content-encoding",
        "cf-r2-storage-class",
    ],
    body: Body::Bytes,
    ..Takes::NOTHING
};
const READ: Takes = Takes {
    queries: &["limit", "start_after"],
    lists: &["fields"],
    headers: &["run-id"],
    not_offered: OF_OBJECTS,
    ..Takes::NOTHING
};

fn said(takes: &Takes, method: &str, headers: &[(&str, &str)], queries: &[(&str, &str)]) -> String {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    let sent = Sent { method, headers: &owned(headers), queries: &owned(queries) };
    takes.check(&sent).map_or_else(
        |problem| format!("{} {} {}", problem.code.as_str(), problem.message, problem.remedy),
        |()| "passes".into(),
    )
}

fn header(takes: &Takes, method: &str, name: &str, value: &str) -> String {
    said(takes, method, &[(name, value)], &[])
}

fn query(takes: &Takes, method: &str, name: &str) -> String {
    said(takes, method, &[], &[(name, "true")])
}

#[test]
fn a_switch_that_is_misspelt_is_refused_by_name_on_every_route() {
    for takes in [&WRITE, &OBJECT, &READ, &Takes::NOTHING] {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            for name in [
                "x-dry-run",
                "dryrun",
                "dry_run",
                "x-run-id",
                "x-idempotency-key",
                "idempotence-key",
                "mode",
                "x-http-method-override",
            ] {
                let told = header(takes, method, name, "true");
                assert!(
                    told.starts_with("invalid_request The header \"") && told.contains(name),
                    "{method} {name}: {told}"
                );
            }
            for name in ["dry_run", "dryRun", "DRY-RUN", "mode", "run_id", "idempotency_key", "_method"] {
                let told = query(takes, method, name);
                assert!(
                    told.starts_with("invalid_request The query parameter \"") && told.contains(name),
                    "{method} {name}: {told}"
                );
            }
            assert!(header(takes, method, "record", "true").starts_with("not_offered"));
            assert!(query(takes, method, "record").starts_with("not_offered"));
            assert_eq!(header(takes, method, "dry-run", "true"), "passes");
        }
    }
}

#[test]
fn a_wish_for_a_dry_run_is_no_switch_wherever_it_is_said() {
    for (name, value) in [
        ("prefer", "dry-run"),
        ("prefer", "return=minimal, dry_run"),
        ("prefer", "validate-only"),
        ("prefer", "mode=dry-run"),
        ("expect", "dry-run"),
        ("pragma", "no-cache, dryRun"),
        ("content-type", "application/json; dry-run=true"),
        ("accept", "application/json;dry_run=1"),
        ("cookie", "a=b; dry_run=true"),
        ("baggage", "tenant=a,dry-run=true"),
    ] {
        for method in ["GET", "PUT"] {
            assert!(header(&WRITE, method, name, value).starts_with("invalid_request"), "{name}: {value}");
        }
    }
    for (name, value) in [
        ("prefer", "return=representation; respond-async"),
        ("expect", "100-continue"),
        ("pragma", "no-cache"),
        ("content-type", "multipart/form-data; boundary=dry-run"),
        ("cookie", "project=dry-run-gateway"),
        ("user-agent", "dry-run/1.0"),
    ] {
        assert_eq!(header(&WRITE, "PUT", name, value), "passes", "{name}: {value}");
    }
}

#[test]
fn a_write_has_no_unknown_query_and_none_twice() {
    assert_eq!(said(&WRITE, "PUT", &[], &[("expiration", "1"), ("expiration_ttl", "60")]), "passes");
    assert_eq!(
        query(&WRITE, "PUT", "colour"),
        "invalid_request The query parameter \"colour\" is unknown; nothing was read or written. Leave it out, or \
         correct its name. Known here: expiration, expiration_ttl."
    );
    for name in ["", "expirationTtl", "Expiration", "ttl", "amp;expiration"] {
        assert!(query(&WRITE, "PUT", name).starts_with("invalid_request"), "{name}");
    }
    assert!(
        said(&WRITE, "PUT", &[], &[("expiration_ttl", "60"), ("expiration", "1"), ("expiration_ttl", "")])
            .contains("expiration_ttl appears twice")
    );
    for name in ["uploads", "uploadId", "partNumber", "versionId", "acl", "tagging", "x-amz-acl", "X-Amz-Signature"] {
        assert!(query(&OBJECT, "PUT", name).starts_with("not_offered"), "{name}");
    }
}

#[test]
fn a_read_passes_unknown_queries_that_change_nothing() {
    for name in ["order", "direction", "_", "cache", "type"] {
        assert_eq!(query(&READ, "GET", name), "passes", "{name}");
    }
    for name in ["startAfter", "start-after", "LIMIT", "versionId", "partNumber", "response-content-type", "acl"] {
        assert_ne!(query(&READ, "GET", name), "passes", "{name}");
    }
    assert_eq!(said(&READ, "GET", &[], &[("fields", "a"), ("fields", "b")]), "passes");
    assert!(said(&READ, "GET", &[], &[("limit", "10"), ("limit", "20")]).contains("twice"));
}

#[test]
fn a_guard_that_is_not_honoured_is_refused() {
    for name in [
        "if-match",
        "if-none-match",
        "if-unmodified-since",
        "if-range",
        "content-md5",
        "digest",
        "x-amz-checksum-crc32",
        "x-goog-if-generation-match",
        "content-range",
        "range",
        "overwrite",
        "if",
    ] {
        assert!(header(&WRITE, "PUT", name, "x").starts_with("invalid_request"), "{name}");
    }
    for name in [
        "if-none-match",
        "if-modified-since",
        "x-amz-checksum-crc32",
        "content-range",
        "if_match",
        "x-if-match",
        "x-amz-content-sha256",
    ] {
        let told = header(&OBJECT, "PUT", name, "x");
        assert!(
            told.starts_with("invalid_request") && told.contains("if-match, content-md5, x-amz-checksum-sha256"),
            "{name}: {told}"
        );
    }
    for name in ["if-match", "content-md5", "x-amz-checksum-sha256"] {
        assert_eq!(header(&OBJECT, "PUT", name, "x"), "passes", "{name}");
    }
    for (name, answer) in [
        ("if-match", "invalid_request"),
        ("if-unmodified-since", "invalid_request"),
        ("if-range", "invalid_request"),
        ("if-none-match", "passes"),
        ("range", "passes"),
    ] {
        assert!(header(&READ, "GET", name, "x").starts_with(answer), "{name}");
    }
}

#[test]
fn what_changes_the_meaning_of_a_write_is_not_offered() {
    for name in [
        "x-amz-copy-source",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-acl",
        "x-amz-tagging",
        "x-amz-object-lock-mode",
        "x-amz-storage-class",
        "cf-r2-anything",
        "x-goog-acl",
    ] {
        for takes in [&WRITE, &OBJECT, &READ] {
            assert!(header(takes, "PUT", name, "x").starts_with("not_offered"), "{name}");
        }
    }
    assert!(header(&OBJECT, "PUT", "cf-r2-jurisdiction", "eu").starts_with("not_offered"));
    assert_eq!(header(&OBJECT, "PUT", "cf-r2-jurisdiction", "default"), "passes");
    assert!(header(&WRITE, "PUT", "x-amz-meta-a", "x").starts_with("not_offered"), "metadata that would be lost");
    for (name, value) in [
        ("x-amz-meta-dry-run", "true"),
        ("cf-r2-storage-class", "Standard"),
        ("content-encoding", "gzip"),
        ("cf-r2-data-catalog-check", "true"),
        ("x-amz-cf-id", "abc"),
    ] {
        assert_eq!(header(&OBJECT, "PUT", name, value), "passes", "{name}");
    }
    assert!(header(&WRITE, "PUT", "content-encoding", "gzip").starts_with("invalid_request"));
    assert_eq!(header(&WRITE, "PUT", "content-encoding", "identity"), "passes");
    assert!(header(&WRITE, "PUT", "expiration-ttl", "60").contains("expiration_ttl is a query parameter"));
}

#[test]
fn a_route_that_declares_nothing_understands_nothing() {
    for (name, method) in
        [("idempotency-key", "POST"), ("run-id", "POST"), ("if-match", "POST"), ("content-md5", "DELETE")]
    {
        assert!(header(&Takes::NOTHING, method, name, "x").starts_with("invalid_request"), "{name}");
    }
    assert!(query(&Takes::NOTHING, "POST", "anything").contains("There are none here"));
}
