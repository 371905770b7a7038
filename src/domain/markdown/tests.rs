use std::collections::BTreeMap;

use ::markdown::mdast::Node;
use ::markdown::{ParseOptions, to_mdast};
use dryrun_text::Words;
use serde_json::{Value, json};

use super::*;
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::journal::{Entry, Outcome};
use crate::domain::moved::{Moved, Movement};
use crate::domain::operation::Access;
use crate::domain::refusal::{Code, Problem};
use crate::domain::report::{Coverage, ProblemLine, RunSummary, SkippedLine, Summary};
use crate::domain::settings::{Environment, StoreKind};

/// A report with `text` wherever data can stand.
fn filled(mode: Mode, text: &str) -> Report {
    let own = || text.to_owned();
    let field = |before: Option<Value>, after: Option<Value>| FieldDiff { field: own(), before, after };
    let fields = vec![
        field(Some(json!(text)), Some(json!({ text: text }))),
        field(None, Some(json!([text]))),
        field(Some(json!(text)), None),
    ];
    let item = |change| ChangeItem { key: own(), change, fields: fields.clone(), operations: vec![1] };
    let group = || ChangeGroup {
        store: own(),
        kind: StoreKind::D1,
        subject: own(),
        inserted: 1,
        updated: 1,
        deleted: 1,
        omitted: 0,
        items: vec![item(Change::Inserted), item(Change::Updated), item(Change::Deleted)],
    };
    let problem = |outcome| ProblemLine {
        position: 1,
        store: own(),
        action: own(),
        subject: Some(own()),
        outcome,
        code: Code::SqlError,
        message: own(),
        remedy: own(),
        asked: own(),
    };
    let sentence = || Words::new("The table ").name(text).say(" has ").number(1).say(" row.");
    let counted = || BTreeMap::from([(own(), vec![1])]);
    let moved = |moved| Moved { store: own(), table: own(), key: own(), moved, planned: true, fields: fields.clone() };
    Report {
        run: RunSummary {
            id: own(),
            owner: own(),
            environment: Environment::Staging,
            mode,
            mode_because: sentence(),
            mode_since: 0,
            phase: Phase::Open,
            parent: Some(own()),
            labels: BTreeMap::from([(own(), own())]),
            prompt_version: Some(own()),
            opened_at: 0,
            expires_at: 0,
            closed_at: None,
        },
        summary: Summary {
            operations: 1,
            live_writes: usize::from(mode == Mode::Live),
            first_problem: Some(1),
            ..Summary::default()
        },
        changes: vec![group(), group()],
        problems: vec![problem(Outcome::Failed), problem(Outcome::Refused)],
        skipped: vec![SkippedLine { position: 1, store: own(), action: own(), subject: Some(own()), asked: own() }],
        hazards: vec![Finding { kind: FindingKind::Cascade, message: sentence(), operations: vec![1] }],
        moved: Some(Movement {
            compared: 3,
            moved: vec![moved(Move::Changed), moved(Move::Gone), moved(Move::Appeared)],
            not_compared: vec![own()],
        }),
        coverage: Coverage {
            refused: BTreeMap::from([(own(), 1)]),
            inexact: counted(),
            volatile: counted(),
            live_without_images: 1,
            ..Coverage::default()
        },
        operations: vec![Entry {
            position: 1,
            at: 0,
            store: own(),
            kind: StoreKind::D1,
            access: Access::Write,
            action: own(),
            subject: Some(own()),
            request: json!({ text: text }),
            unbounded: vec![own()],
            mode: None,
            cause: None,
            outcome: Outcome::Failed,
            problem: Some(Problem::new(Code::SqlError, own(), own())),
            result: json!({ text: text }),
            inexact: vec![own()],
            volatile: vec![own()],
            duration_ms: None,
        }],
    }
}

/// What a reader of the Markdown gets, without what stands in code spans: data must not change it.
fn shape(node: &Node, into: &mut String) {
    let written = format!("{node:?}");
    let kind = written.split([' ', '{']).next().unwrap_or_default();
    match node {
        Node::InlineCode(_) => into.push_str("<code>"),
        Node::Text(text) => into.push_str(&text.value),
        _ => {
            into.push_str(&format!("<{kind}>"));
            node.children().into_iter().flatten().for_each(|child| shape(child, into));
            into.push_str(&format!("</{kind}>\n"));
        }
    }
}

fn shape_of(text: &str) -> String {
    let mut into = String::new();
    shape(&to_mdast(text, &ParseOptions::gfm()).unwrap(), &mut into);
    into
}

const MARKS: [&str; 48] = [
    "__OWNED__",
    "**OWNED**",
    "_OWNED_",
    "*OWNED*",
    "~~OWNED~~",
    "OWNED\n=====",
    "OWNED\n-----",
    "# OWNED",
    "## OWNED",
    "- OWNED",
    "+ OWNED",
    "* OWNED",
    "1. OWNED",
    "> OWNED",
    "---",
    "***",
    "| OWNED | OWNED |\n| --- | --- |",
    "a | b",
    "\\| OWNED |",
    "```\nOWNED\n```",
    "~~~\nOWNED",
    "    OWNED",
    "\tOWNED",
    "<h1>OWNED</h1>",
    "<!-- OWNED",
    "<details>",
    "[OWNED](https://owned.example)",
    "![OWNED](https://owned.example/x.png)",
    "[OWNED][1]\n\n[1]: https://owned.example",
    "https://owned.example/OWNED",
    "http://owned.example",
    "www.owned.example",
    "mailto:a@owned.example",
    "a@owned.example",
    "<https://owned.example>",
    "@OWNED",
    "#123",
    "GH-123",
    "OWNED[^1]\n\n[^1]: OWNED",
    "&lt;OWNED&amp;",
    ":bug:",
    "\\`OWNED",
    "a\\|b|c\\\\|d",
    "|||",
    "$OWNED$",
    "- [x] OWNED",
    "OWNED  \nOWNED\\\nOWNED",
    "{{OWNED}}",
];

#[test]
fn data_never_speaks_in_the_voice_of_the_report() {
    for mode in [Mode::DryRun, Mode::Live] {
        let harmless = shape_of(&markdown(&filled(mode, "some data")));
        assert!(
            harmless.contains("<Table>") && harmless.contains("<code>") && harmless.matches("<Heading>").count() > 6
        );
        for mark in MARKS {
            for text in [
                mark.to_owned(),
                format!("\n{mark}"),
                format!("x\r\n\r\n{mark}\n\ny"),
                format!("`{mark}"),
                format!("``` {mark} ```"),
                format!("{mark}`"),
                format!("{mark}\u{2028}{mark}"),
                format!("{}{mark}", "`".repeat(40)),
            ] {
                if mode == Mode::Live && !text.starts_with('\n') {
                    continue;
                }
                let report = markdown(&filled(mode, &text));
                assert!(shape_of(&report) == harmless, "{text:?}\n{report}");
            }
        }
    }
}

#[test]
fn data_is_seen_whatever_it_holds() {
    for hidden in [
        '\u{1b}',
        '\u{9b}',
        '\u{202e}',
        '\u{2066}',
        '\u{e0041}',
        '\u{180e}',
        '\u{206a}',
        '\u{115f}',
        '\u{3164}',
        '\u{2800}',
        '\u{fe0f}',
        '\u{ad}',
        '\u{a0}',
    ] {
        let report = markdown(&filled(Mode::DryRun, &format!("a{hidden}b{}", "\u{301}".repeat(50))));
        assert!(!report.contains(hidden), "U+{:04X}", u32::from(hidden));
        assert!(!report.contains(&"\u{301}".repeat(5)));
    }
}

/// A member that is added to the report and left out above would be looked at by no test.
#[test]
fn every_place_of_the_report_is_filled() {
    fn leaves(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) => into.push((path.to_owned(), text.clone())),
            Value::Array(items) if items.is_empty() => into.push((path.to_owned(), "[]".into())),
            Value::Array(items) => items.iter().for_each(|item| leaves(path, item, into)),
            Value::Object(fields) if fields.is_empty() => into.push((path.to_owned(), "{}".into())),
            Value::Object(fields) => {
                for (name, value) in fields {
                    let name = if name == MARK { "*" } else { name };
                    leaves(&format!("{path}.{name}"), value, into);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    const MARK: &str = "some data";
    let report: Value = serde_json::from_str(&serde_json::to_string(&filled(Mode::Live, MARK)).unwrap()).unwrap();
    let mut found = Vec::new();
    leaves("", &report, &mut found);
    let mut ours: Vec<String> =
        found.iter().filter(|(_, text)| !text.contains(MARK)).map(|(path, _)| path.clone()).collect();
    ours.dedup();
    let known = [
        ".run.environment",
        ".run.mode",
        ".run.phase",
        ".changes.kind",
        ".changes.items.change",
        ".problems.outcome",
        ".problems.code",
        ".hazards.kind",
        ".moved.moved.moved",
        ".coverage.covers",
        ".coverage.does_not_cover",
        ".operations.kind",
        ".operations.access",
        ".operations.outcome",
        ".operations.problem.code",
    ];
    ours.sort();
    ours.dedup();
    let mut known: Vec<String> = known.map(str::to_owned).to_vec();
    known.sort();
    assert_eq!(ours, known, "fixed words of the gateway");
    let none: Vec<&String> =
        found.iter().filter(|(_, text)| text == "[]" || text == "{}").map(|(path, _)| path).collect();
    assert_eq!(none, [""; 0], "left empty");
}

#[test]
fn a_report_says_what_it_covers_and_claims_no_more() {
    let report = |operations, exact| {
        let mut report = filled(Mode::DryRun, "x");
        report.summary.operations = operations;
        report.coverage = Coverage { exact, ..Coverage::default() };
        let text = markdown(&report);
        text.split("## Coverage\n\n").nth(1).unwrap().to_owned()
    };
    let always = "- covered: D1, KV, R2 through this gateway\n- not covered, and real also in a dry run: HTTP requests, \
                  queues, email, stores reached without this gateway, everything else the agent does\n";
    assert_eq!(report(1, true), format!("{always}- no approximation is known in what is covered\n"));
    assert_eq!(report(1, false), always);
    assert_eq!(report(0, true), format!("{always}- no store was accessed through this gateway\n"));
}

#[test]
fn times_are_civil() {
    assert_eq!(time(0), "1970-01-01 00:00:00 UTC");
    assert_eq!(time(951_827_696_000), "2000-02-29 12:34:56 UTC");
    assert_eq!(time(1_795_132_800_000), "2026-11-20 00:00:00 UTC");
}
