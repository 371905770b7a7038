//! What a run came to, in a few lines, from its report.

use std::fmt::Write as _;

use dryrun_text::{cut, line};
use serde_json::{Value, json};

use crate::text::{count, list, mode, number, shown as told, text};

/// Most steps that are told of; the report has all.
const MAX_STEPS: usize = 10;
/// Longest message or statement that is shown.
const MAX_CHARS: usize = 200;

/// For people. `below` are the runs that were opened below it.
pub(super) fn shown(report: &Value, below: &[String]) -> String {
    let (run, summary) = (report.get("run").unwrap_or(&Value::Null), report.get("summary").unwrap_or(&Value::Null));
    let of = |name: &str| number(summary, name);
    let not_done: String = ["skipped", "failed", "refused"]
        .iter()
        .filter(|name| of(name) > 0)
        .map(|name| format!(", {} {name}", of(name)))
        .collect();
    let mut said = format!(
        "Run {}: {} ({}, {}){not_done}\n",
        told(run, "id"),
        count(of("operations"), "operation"),
        count(of("reads"), "read"),
        count(of("writes"), "write")
    );
    if of("operations") == 0 && below.is_empty() {
        said.push_str("  No store was accessed through the gateway. (wrangler uses it only with --remote.)\n");
    }
    let groups = list(report, "changes");
    for group in groups {
        let _ = writeln!(said, "  {} {}: {}", told(group, "store"), told(group, "subject"), counts(group));
    }
    for hazard in list(report, "hazards") {
        let _ = writeln!(said, "  FINDING: {}{}", told(hazard, "message"), steps(list(hazard, "operations")));
    }
    let problems = list(report, "problems");
    for problem in problems.iter().take(MAX_STEPS) {
        let short = |name: &str| cut(&told(problem, name), MAX_CHARS).into_owned();
        let _ = writeln!(
            said,
            "  step {} {} {} {}: {}",
            number(problem, "position"),
            short("store"),
            short("action"),
            short("outcome"),
            short("message")
        );
        if !text(problem, "asked").is_empty() {
            let _ = writeln!(said, "    asked: {}", short("asked"));
        }
        if !text(problem, "remedy").is_empty() {
            let _ = writeln!(said, "    {}", short("remedy"));
        }
    }
    if problems.len() > MAX_STEPS {
        let _ = writeln!(said, "  … and {} more", problems.len() - MAX_STEPS);
    }
    if !below.is_empty() {
        let _ = writeln!(
            said,
            "  {} below it, with reports of their own: {}",
            count(below.len() as u64, "run"),
            line(&below.join(", "))
        );
    }
    let _ = writeln!(said, "{}", reached(run, summary));
    let _ = writeln!(said, "Full report: dryrun report {}", told(run, "id"));
    said
}

/// Whether anything reached the real stores.
fn reached(run: &Value, summary: &Value) -> String {
    let (environment, live) = (told(run, "environment"), number(summary, "live_writes"));
    match (text(run, "mode"), live) {
        ("dry_run", 0) => format!("Nothing was written to {environment} through the gateway."),
        ("dry_run", live) => format!(
            "WARNING: {} reached {environment} before this became a dry run; nothing was written through the gateway \
             after that.",
            count(live, "write")
        ),
        (_, 0) => format!("This was a live run, and nothing was written to {environment} through the gateway."),
        (_, live) => format!("{} reached {environment}.", count(live, "write")),
    }
}

fn counts(group: &Value) -> String {
    let parts = ["updated", "inserted", "deleted"].map(|word| (number(group, word), word));
    parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn steps(positions: &[Value]) -> String {
    let shown: Vec<String> = positions.iter().take(MAX_STEPS).map(Value::to_string).collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!(" ({} {})", if shown.len() == 1 { "step" } else { "steps" }, shown.join(", "))
    }
}

/// For programs: the report without its operations and without the changed things themselves.
pub(super) fn document(report: &Value, below: &[String], exit: u8) -> Value {
    let groups: Vec<Value> = list(report, "changes")
        .iter()
        .map(|group| {
            let mut group = group.clone();
            if let Some(fields) = group.as_object_mut() {
                fields.retain(|name, _| name != "items" && name != "omitted");
            }
            group
        })
        .collect();
    let part = |name: &str| report.get(name).cloned().unwrap_or_default();
    json!({
        "run": part("run"), "summary": part("summary"), "changes": groups, "problems": part("problems"), "hazards": part("hazards"),
        "below": below, "exit": exit,
    })
}

/// The head of a run, before its command starts.
pub(super) fn head(environment: &str, url: &str, run: &Value) -> String {
    let parent =
        run.get("parent").and_then(Value::as_str).map(|parent| format!(", below {}", line(parent))).unwrap_or_default();
    let what = match text(run, "mode") {
        "dry_run" => "dry run",
        "live" => "LIVE",
        other => mode(other),
    };
    let covered = match text(run, "mode") {
        "live" => "D1, KV and R2 through this gateway: recorded, and written for real",
        _ => "D1, KV and R2 through this gateway: nothing is written there",
    };
    format!(
        "Environment: {environment}\nGateway:     {}\nRun:         {} ({}{parent})\n\
         Covered:     {covered}\n\
         Not covered: HTTP requests, queues, email and whatever else the command does are real",
        line(url),
        told(run, "id"),
        line(what),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mode: &str, live_writes: u64) -> String {
        reached(&json!({"mode": mode, "environment": "staging"}), &json!({"live_writes": live_writes}))
    }

    #[test]
    fn whether_anything_was_written_is_said_in_every_case() {
        assert_eq!(run("dry_run", 0), "Nothing was written to staging through the gateway.");
        assert_eq!(
            run("dry_run", 2),
            "WARNING: 2 writes reached staging before this became a dry run; nothing was written through the gateway \
             after that."
        );
        assert_eq!(run("live", 0), "This was a live run, and nothing was written to staging through the gateway.");
        assert_eq!(run("live", 1), "1 write reached staging.");
    }
}
