//! What a name says, however it is spelt: `X-Dry-Run`, `dry_run`, `dryRun` and `%64ryrun` are one name.
//!
//! A name that reads like a switch of the gateway, and is not that switch where it stands, is refused: its sender
//! believes in an effect that it
//! does not have.

use percent_encoding::percent_decode_str;

/// A switch of the gateway, or of HTTP, that decides what becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// The header `Dry-Run`.
    DryRun,
    /// The member `mode` of the request that opens a run.
    Mode,
    /// The header `Run-Id`.
    RunId,
    /// The header `Record`, which is not offered.
    Record,
    /// The header `Idempotency-Key`.
    IdempotencyKey,
    /// Another method than the one of the request.
    Method,
    /// The header `Object-Form`.
    ObjectForm,
}

impl Switch {
    /// How it is really said.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::DryRun => {
                "For a dry run, send the header Dry-Run: true, or open the run with {\"mode\": \"dry_run\"}."
            }
            Self::Mode => {
                "The mode belongs to the run: POST /v1/runs with {\"mode\": \"dry_run\"}. For a dry run from now on, \
                 send the header Dry-Run: true."
            }
            Self::RunId => "Use the run's token, or an agent's key with the header Run-Id.",
            Self::Record => "Leave it out.",
            Self::IdempotencyKey => {
                "Send the header Idempotency-Key with a write to a store or with POST /v1/runs; leave it out elsewhere."
            }
            Self::Method => "Send the request with the method that you mean.",
            Self::ObjectForm => {
                "Send the header Object-Form with a request for an object in R2; leave it out elsewhere."
            }
        }
    }
}

/// Words that say the same as "dry run" wherever they stand in a name.
const DRY_PARTS: [&str; 5] = ["dryrun", "validateonly", "whatif", "simulateonly", "donotwrite"];
/// Names that say the same as a whole.
const DRY_NAMES: [&str; 22] = [
    "dry",
    "simulate",
    "simulated",
    "simulation",
    "simulationmode",
    "noop",
    "nop",
    "pretend",
    "rehearse",
    "rehearsal",
    "checkonly",
    "planonly",
    "previewonly",
    "testrun",
    "testonly",
    "testmode",
    "trialrun",
    "mockrun",
    "nowrite",
    "nowrites",
    "readonly",
    "readonlymode",
];
const MODE_NAMES: [&str; 10] = [
    "mode",
    "runmode",
    "writemode",
    "gatewaymode",
    "executionmode",
    "live",
    "golive",
    "livemode",
    "liverun",
    "runlive",
];
const RUN_NAMES: [&str; 7] = ["run", "runid", "runids", "runname", "runtoken", "gatewayrun", "gatewayrunid"];
const RECORD_NAMES: [&str; 5] = ["record", "recording", "recorded", "recordrun", "recordmode"];
const METHOD_NAMES: [&str; 4] = ["method", "httpmethod", "methodoverride", "httpmethodoverride"];
const IDEMPOTENCY_NAMES: [&str; 4] = ["idempotencykey", "idempotentkey", "idempotencekey", "idempotency"];

/// Words in front of a name that change nothing of what it says.
const PREFIXES: [&str; 13] =
    ["x", "cf", "http", "https", "cloudflare", "is", "use", "want", "wants", "please", "enable", "param", "header"];

/// The switch that a name reads like.
pub fn switch(name: &str) -> Option<Switch> {
    let words = words(name);
    let forms = forms(&words);
    let any = |names: &[&str]| forms.iter().any(|form| names.contains(&form.as_str()));
    let holds = |parts: &[&str]| forms.iter().any(|form| parts.iter().any(|part| form.contains(part)));
    let almost = |known: &str, most: usize| forms.iter().any(|form| is_near(form, known, most));
    if holds(&DRY_PARTS) || any(&DRY_NAMES) || words.iter().any(|word| word == "dry") || almost("dryrun", 1) {
        return Some(Switch::DryRun);
    }
    if holds(&["idempoten"]) || IDEMPOTENCY_NAMES.iter().any(|known| almost(known, 2)) {
        return Some(Switch::IdempotencyKey);
    }
    [
        (&MODE_NAMES[..], Switch::Mode),
        (&RUN_NAMES, Switch::RunId),
        (&RECORD_NAMES, Switch::Record),
        (&METHOD_NAMES, Switch::Method),
        (&["objectform"], Switch::ObjectForm),
    ]
    .into_iter()
    .find_map(|(names, switch)| any(names).then_some(switch))
}

/// Whether a text asks for a dry run anywhere in it: a preference such as `mode=dry-run`.
pub fn asks_for_dry_run(text: &str) -> bool {
    let compact = words(text).concat();
    DRY_PARTS.iter().any(|part| compact.contains(part))
}

/// Parts of names that make a request conditional.
const CONDITION_PARTS: [&str; 8] = [
    "ifmatch",
    "ifnonematch",
    "ifunmodifiedsince",
    "ifmodifiedsince",
    "ifrange",
    "ifgenerationmatch",
    "ifmetagenerationmatch",
    "ifnotexists",
];
/// Words of names that hold a digest of the body.
const DIGEST_WORDS: [&str; 14] = [
    "digest",
    "checksum",
    "md5",
    "sha1",
    "sha256",
    "sha384",
    "sha512",
    "crc32",
    "crc32c",
    "crc64",
    "crc64nvme",
    "contentmd5",
    "contentdigest",
    "reprdigest",
];
/// Names of HTTP's and its extensions' that limit what a write may do.
const LIMITING_NAMES: [&str; 9] =
    ["sha", "overwrite", "contentrange", "range", "etag", "locktoken", "kvmetadata", "expect", "expires"];

/// Whether a header's name reads like a guard: a condition, a digest, a part of a body. One that is not honoured must
/// not be ignored on a write.
pub fn is_guard(name: &str) -> bool {
    let words = words(name);
    let forms = forms(&words);
    if words.first().is_some_and(|word| word == "want") {
        // What the answer should hold (RFC 9530, 4).
        return false;
    }
    is_condition_of(&words, &forms)
        || words.iter().any(|word| DIGEST_WORDS.contains(&word.as_str()))
        || forms.iter().any(|form| DIGEST_WORDS.contains(&form.as_str()) || LIMITING_NAMES.contains(&form.as_str()))
}

/// Whether a header's name reads like a condition that even a read has to fulfil (RFC 9110, 13.1): a client that knows
/// what it has may get it again
/// (`If-None-Match`, `If-Modified-Since`), but nobody may be answered something else than what was asked for.
pub fn is_binding_condition(name: &str) -> bool {
    let words = words(name);
    let forms = forms(&words);
    let only_saves = |form: &String| form == "ifnonematch" || form == "ifmodifiedsince";
    is_condition_of(&words, &forms) && !forms.iter().any(only_saves)
}

fn is_condition_of(words: &[String], forms: &[String]) -> bool {
    let first = words.iter().find(|word| !PREFIXES.contains(&word.as_str()));
    first.is_some_and(|word| word == "if")
        || forms.iter().any(|form| CONDITION_PARTS.iter().any(|part| form.contains(part)))
}

/// Whether two names say the same, however they are spelt.
pub fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (forms(&words(one)), forms(&words(other)));
    one.iter().any(|form| other.contains(form))
}

/// Most layers of percent-encoding that are taken off: each makes a name shorter, so a name of any length ends.
const MAX_LAYERS: usize = 8;

/// The words of a name in lower case: divided by whatever is no letter or digit, and where a capital begins a new one.
pub fn words(name: &str) -> Vec<String> {
    let mut plain = name.to_owned();
    for _ in 0..MAX_LAYERS {
        let decoded = percent_decode_str(&plain).decode_utf8_lossy().into_owned();
        if decoded == plain {
            break;
        }
        plain = decoded;
    }
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut rest = plain.chars().peekable();
    while let Some(character) = rest.next() {
        let begins =
            character.is_uppercase() && (!before.is_uppercase() || rest.peek().is_some_and(|next| next.is_lowercase()));
        if begins || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A name without its divisions: whole, and without each prefix that says nothing.
fn forms(words: &[String]) -> Vec<String> {
    let mut forms = vec![words.concat()];
    let mut rest = words;
    while let Some((first, others)) = rest.split_first()
        && PREFIXES.contains(&first.as_str())
        && !others.is_empty()
    {
        rest = others;
        forms.push(rest.concat());
    }
    // Header names arrive in lower case, so a prefix may stand there without a division.
    let short: Vec<String> = forms
        .iter()
        .flat_map(|form| ["x", "cf", "http"].iter().filter_map(|prefix| form.strip_prefix(prefix)).map(str::to_owned))
        .collect();
    forms.extend(short.into_iter().filter(|form| !form.is_empty()));
    forms
}

/// Whether a name is at most so many slips of the keyboard away from another: a letter too many, too few, another, or
/// two in the wrong order.
pub fn is_near(name: &str, known: &str, most: usize) -> bool {
    let (name, known): (Vec<char>, Vec<char>) = (name.chars().collect(), known.chars().collect());
    if name.len().abs_diff(known.len()) > most {
        return false;
    }
    // Rows of the optimal string alignment: the one before the last, the last, the next.
    let mut rows: [Vec<usize>; 2] = [Vec::new(), (0..=known.len()).collect()];
    for (line, letter) in name.iter().enumerate() {
        let [older, last] = &rows;
        let mut next = vec![line + 1];
        for (column, wanted) in known.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut least = (at(last, column) + usize::from(letter != wanted))
                .min(at(last, column + 1) + 1)
                .min(at(&next, column) + 1);
            let swapped =
                column > 0 && line > 0 && known.get(column - 1) == Some(letter) && name.get(line - 1) == Some(wanted);
            if swapped {
                least = least.min(at(older, column - 1) + 1);
            }
            next.push(least);
        }
        let [_, last] = std::mem::take(&mut rows);
        rows = [last, next];
    }
    rows.last().and_then(|row| row.last()).is_some_and(|slips| *slips <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_switch_is_that_switch() {
        for (switch_, spellings) in [
            (
                Switch::DryRun,
                "Dry-Run dry-run DRY_RUN dry_run dryRun DryRun dryrun X-Dry-Run x-dry-run xdryrun X-DryRun CF-Dry-Run HTTP_DRY_RUN HTTP-X-Dry-Run is-dry-run isDryRun Dry-Run-Mode \
                 dryRunOnly use_dry_run dry.run dry%20run dry%2Drun %64ry_run %2564ry_run dry~run ;dry_run amp;dry_run \
                 dry dryMode X-Dry dryrnu dyrrun drryrun dry-rnu validate-only \
                 validateOnly X-Validate-Only what-if whatIf noop no-op simulate X-Simulate simulation readOnly \
                 read-only X-Read-Only test-mode dryrun_active _dry_run dry_run[] dry[run]",
            ),
            (Switch::Mode, "mode Mode MODE X-Mode x-mode run_mode runMode Run-Mode live X-Live isLive go-live"),
            (Switch::RunId, "Run-Id run-id run_id runId RunId RUN_ID X-Run-Id xrunid CF-Run-Id run X-Run"),
            (Switch::Record, "Record record X-Record RECORD recording"),
            (
                Switch::IdempotencyKey,
                "Idempotency-Key X-Idempotency-Key idempotency_key idempotencyKey Idempotence-Key Idempotent-Key Idempotency Idempotency-Token indempotency-key idempotencykye \
                 Idempotecy-Key Idempontency-Key",
            ),
            (Switch::Method, "X-HTTP-Method-Override x-http-method X-Method-Override _method method HTTP_METHOD"),
            (Switch::ObjectForm, "Object-Form X-Object-Form object_form objectForm"),
        ] {
            for spelling in spellings.split_whitespace() {
                assert_eq!(switch(spelling), Some(switch_), "{spelling}");
            }
        }
    }

    #[test]
    fn names_that_real_clients_send_are_none() {
        for name in "accept accept-encoding accept-language access-control-request-method api-version authorization baggage cache-control cf-connecting-ip cf-ipcountry cf-ray cf-visitor \
                     cf-worker cf-ew-via cf-trace-id cf-r2-data-catalog-check cdn-loop connection content-disposition \
                     content-encoding content-language content-length content-type cookie dnt \
                     expires forwarded from host keep-alive last-event-id mcp-method mcp-name mcp-protocol-version \
                     mcp-session-id origin pragma priority referer sec-ch-ua sec-ch-ua-mobile \
                     sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc te \
                     traceparent tracestate transfer-encoding upgrade-insecure-requests user-agent \
                     via x-amz-cf-id x-amzn-trace-id x-auth-email x-auth-key x-client-request-id x-correlation-id \
                     x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip x-request-id \
                     x-request-start x-stainless-arch x-stainless-async x-stainless-helper-method x-stainless-lang \
                     x-stainless-os x-stainless-package-version x-stainless-raw-response \
                     x-stainless-read-timeout x-stainless-retry-count x-stainless-runtime x-stainless-runtime-version \
                     x-stainless-timeout x-runtime x-b3-traceid x-datadog-trace-id \
                     sentry-trace x-commit-sha x-git-sha uber-trace-id x-cloud-trace-context x-github-run-id \
                     account_id name page per_page order direction fields sql params batch key value metadata keys \
                     type \
                     withMetadata prefix limit cursor delimiter start_after expiration expiration_ttl base64 id parent \
                     labels prompt_version expires_in store table moved format"
            .split_whitespace()
        {
            assert_eq!(switch(name), None, "{name}");
            if name != "expires" {
                assert!(!is_guard(name), "{name}");
            }
        }
    }

    #[test]
    fn guards_are_known_by_what_they_say() {
        for name in "If-Match if-none-match If-Unmodified-Since If-Modified-Since If-Range If ifmatch X-If-Match If-Matches If_Match If-Not-Exists x-goog-if-generation-match \
                     x-ms-if-match Content-MD5 content_md5 Digest Content-Digest Repr-Digest x-amz-checksum-crc32 \
                     x-amz-checksum-crc64nvme x-amz-checksum-sha1 x-amz-content-sha256 \
                     X-Checksum-Sha256 X-Content-Md5 Overwrite Content-Range Range ETag Lock-Token"
            .split_whitespace()
        {
            assert!(is_guard(name), "{name}");
        }
        for name in ["If-Match", "if-unmodified-since", "If-Range", "ifmatch", "X-If-Match"] {
            assert!(is_binding_condition(name), "{name}");
        }
        for name in ["If-None-Match", "if-modified-since", "Range", "Digest", "accept"] {
            assert!(!is_binding_condition(name), "{name}");
        }
    }

    #[test]
    fn slips_of_the_keyboard_are_counted() {
        for (name, known, slips) in [
            ("dryrun", "dryrun", 0),
            ("dryrnu", "dryrun", 1),
            ("dryru", "dryrun", 1),
            ("dryrunn", "dryrun", 1),
            ("drurun", "dryrun", 1),
            ("drnury", "dryrun", 3),
            ("", "ab", 2),
        ] {
            assert!(is_near(name, known, slips), "{name}");
            assert!(slips == 0 || !is_near(name, known, slips - 1), "{name}");
        }
    }

    /// A name in some spelling: its words with any division, case, prefix and encoding.
    fn spelt(words: &'static [&'static str]) -> impl Strategy<Value = String> {
        let division = prop::sample::select(vec!["", "-", "_", ".", " ", "--", "~", ":", "%20", "%2D", "/"]);
        let prefix = prop::sample::select(vec![
            "", "x-", "X-", "x_", "cf-", "CF_", "http-", "HTTP_X_", "is-", "use_", "X-CF-", "-", "_",
        ]);
        (prefix, prop::collection::vec((division, 0..4usize), words.len())).prop_map(move |(prefix, parts)| {
            let mut name = prefix.to_owned();
            for ((division, case), word) in parts.into_iter().zip(words) {
                if !name.is_empty() && name != prefix {
                    name.push_str(division);
                }
                let capital = |word: &str| {
                    word.chars()
                        .enumerate()
                        .map(|(at, letter)| if at == 0 { letter.to_ascii_uppercase() } else { letter })
                        .collect::<String>()
                };
                match case {
                    0 => name.push_str(word),
                    1 => name.push_str(&word.to_uppercase()),
                    2 => name.push_str(&capital(word)),
                    _ => name.extend(word.bytes().map(|byte| format!("%{byte:02x}"))),
                }
            }
            name
        })
    }

    proptest! {
        #[test]
        fn a_switch_is_known_in_any_spelling(dry in spelt(&["dry", "run"]), run in spelt(&["run", "id"]), key in spelt(&["idempotency", "key"]), record in spelt(&["record"])) {
            prop_assert_eq!(switch(&dry), Some(Switch::DryRun), "{}", dry);
            prop_assert_eq!(switch(&run), Some(Switch::RunId), "{}", run);
            prop_assert_eq!(switch(&key), Some(Switch::IdempotencyKey), "{}", key);
            prop_assert_eq!(switch(&record), Some(Switch::Record), "{}", record);
        }

        #[test]
        fn a_dry_run_is_known_whatever_stands_around_it(before in "[a-z_-]{0,12}", after in "[A-Za-z_-]{0,12}") {
            let name = format!("{before}-dry-run-{after}");
            prop_assert_eq!(switch(&name), Some(Switch::DryRun), "{}", name);
        }

        #[test]
        fn names_of_any_characters_are_read_without_an_accident(name in "\\PC{0,80}") {
            let _ = (switch(&name), is_guard(&name), is_binding_condition(&name), is_same(&name, "x"));
        }
    }
}
