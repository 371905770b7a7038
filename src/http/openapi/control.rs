//! The routes of the control plane, and of health.

use serde_json::{Value, json};

use super::document::{Forms, Operation, json_content, operation, shared};
use super::problems::{INDEX, JSON, KEYED, NAMED_RUN, OPENING, ROLES};
use crate::cloudflare::ledger::OperationChanges;
use crate::domain::hook_failure::HookReport;
use crate::domain::refusal::Code;
use crate::domain::report::{Report, RunSummary};
use crate::domain::run::OpenRequest;
use crate::http::shapes::{AlertList, Health, Installation, OpenedRun, RaisedByHook, Readiness, RunList};

/// The groups and what they are about.
pub(super) const TAGS_SAY: [(&str, &str); 4] = [
    ("runs", "A run is one piece of an agent's work, live or dry. It turns one way only: from live to dry."),
    ("reports", "What a run did or would have done, and what failed."),
    ("MCP", "The same runs and stores as tools of an agent."),
    ("health", "Whether the gateway lives, where it is, and this document."),
];

pub(super) fn operations(forms: &mut Forms) -> Vec<Operation> {
    let mut operations = health(forms);
    operations.extend(runs(forms));
    operations.extend(reports(forms));
    operations.push(mcp());
    operations
}

/// Messages are described by their own protocol, so only what carries them is described here.
fn mcp() -> Operation {
    let message = json_content(shared("RpcMessage"));
    let operation = operation(
        "POST",
        "/mcp",
        "mcp",
        "MCP",
        "Send a message of the Model Context Protocol",
        "JSON-RPC 2.0: the same runs and stores as tools of an agent. `tools/list` says which, and what they take.",
    );
    let refused = [
        (400, "The body is not a valid JSON-RPC message."),
        (403, "It comes from a web page of another origin."),
        (404, "There is no such method."),
        (413, "It is too long."),
        (415, "It is not declared as JSON."),
    ];
    let carried = operation
        .secured()
        .takes(&["runIdIfAny"])
        .body(true, message.clone())
        .answers(200, "The answer.", &["runIdIfKnown", "dryRun"], message.clone())
        .answers(202, "A notification was taken.", &[], Value::Null);
    refused.into_iter().fold(carried, |operation, (status, says)| operation.answers(status, says, &[], message.clone()))
}

fn health(forms: &mut Forms) -> Vec<Operation> {
    let ready = json_content(forms.answer::<Readiness>());
    vec![
        operation(
            "GET",
            "/health",
            "health",
            "health",
            "Whether the gateway lives",
            "Says nothing else, because anybody may ask.",
        )
        .answers(200, "It lives.", &[], json_content(forms.answer::<Health>())),
        operation(
            "GET",
            "/health/ready",
            "ready",
            "health",
            "Whether somebody can open a run and work",
            "Really asks every store and object, and looks whether there are keys.",
        )
        .answers(200, "Everything answered.", &[], ready.clone())
        .answers(503, "Something did not answer, or the gateway is `misconfigured`.", &[], ready),
        operation("GET", "/openapi.json", "document", "health", "This document", "").answers(
            200,
            "The document.",
            &[],
            json_content(json!({"type": "object", "required": ["openapi"]})),
        ),
        operation(
            "GET",
            "/v1/environment",
            "environment",
            "health",
            "Where this is, which stores there are, who is asking",
            "",
        )
        .secured()
        .answers(
            200,
            "The installation, as this caller may know it.",
            &[],
            json_content(forms.answer::<Installation<'static>>()),
        ),
    ]
}

/// An opened run can be used at all these.
fn of_a_run() -> Value {
    let link = |operation: &str| json!({"operationId": operation, "parameters": {"run": "$response.body#/id"}});
    json!({"run": link("run"), "report": link("report"), "turnDry": link("turnDry"), "close": link("closeRun")})
}

fn runs(forms: &mut Forms) -> Vec<Operation> {
    let run = json_content(forms.answer::<RunSummary>());
    let opened = json_content(forms.answer::<OpenedRun>());
    let body = json_content(forms.request::<OpenRequest>());
    vec![
        operation(
            "POST",
            "/v1/runs",
            "openRun",
            "runs",
            "Open a run",
            "A dry run unless `mode` says `live`; live in production takes an approver's key. With a run's token the new run is below that run. \
             The same `id` and terms again answer the same run; without an `id`, so does the same `Idempotency-Key`.",
        )
        .secured()
        .takes(&["idempotencyKey"])
        .body(false, body)
        .refuses(&[OPENING])
        .answers(201, "The run was opened.", &[], opened.clone())
        .answers(200, "The run was open already, on the same terms.", &[], opened)
        .links(&of_a_run()),
        operation("GET", "/v1/runs", "runs", "runs", "List runs", "An agent's own; a token's, and those right below \
            it; everybody's for approvers and operators.")
            .secured()
            .takes(&["limitRuns"])
            .refuses(&[INDEX])
            .answers(200, "The newest runs.", &[], json_content(forms.answer::<RunList>())),
        operation("GET", "/v1/runs/{run}", "run", "runs", "Read a run", "").secured().refuses(&[NAMED_RUN]).answers(200, "The run.", &[], run.clone()),
        operation("POST", "/v1/runs/{run}/dry-run", "turnDry", "runs", "Turn a run dry", "At once, for good, in every \
            store. Again, it changes nothing.")
            .secured()
            .takes(&["idempotencyKey"])
            .refuses(&[NAMED_RUN, KEYED])
            .answers(200, "The run, dry.", &[], run.clone()),
        operation("POST", "/v1/runs/{run}/close", "closeRun", "runs", "End a run", "Afterwards it neither reads nor \
            writes; its report stays. Again, it changes nothing.")
            .secured()
            .takes(&["idempotencyKey"])
            .refuses(&[NAMED_RUN, KEYED])
            .answers(200, "The run, closed.", &[], run),
    ]
}

fn reports(forms: &mut Forms) -> Vec<Operation> {
    let mut report = json_content(forms.answer::<Report>());
    report["text/markdown"] = json!({"schema": {"type": "string"}});
    vec![
        operation(
            "GET",
            "/v1/runs/{run}/report",
            "report",
            "reports",
            "The report of a run",
            "What it changed or would have, what failed, what a reviewer should not overlook.",
        )
        .secured()
        .takes(&["format", "moved"])
        .refuses(&[NAMED_RUN, &[Code::StoreUnavailable]])
        .answers(200, "The report.", &[], report),
        operation(
            "GET",
            "/v1/runs/{run}/operations/{position}",
            "operation",
            "reports",
            "One operation with everything that it changed",
            "Images before and after; of a batch by statement.",
        )
        .secured()
        .refuses(&[NAMED_RUN, &[Code::RouteNotFound]])
        .answers(200, "The operation.", &[], json_content(forms.answer::<OperationChanges>())),
        operation(
            "GET",
            "/v1/alerts",
            "alerts",
            "reports",
            "What failed, by cause and minute",
            "For operators and approvers.",
        )
        .secured()
        .takes(&["limitAlerts"])
        .refuses(&[INDEX, ROLES])
        .answers(200, "The newest alerts.", &[], json_content(forms.answer::<AlertList>())),
        operation(
            "POST",
            "/v1/alerts",
            "reportHook",
            "reports",
            "Tell that a hook failed",
            "A hook in front of an agent's tools is a guard outside of the gateway. Its failure is an alert of its own \
             kind, told apart from the gateway's and the agent's.",
        )
        .secured()
        .body(true, json_content(forms.request::<HookReport>()))
        .refuses(&[JSON])
        .answers(202, "The alert is being raised.", &[], json_content(forms.answer::<RaisedByHook>())),
    ]
}
