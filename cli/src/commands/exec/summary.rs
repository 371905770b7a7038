//! What a run came to, in a few lines, from its report.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::text::{count, cut, list, mode, number, plain, text};

/// Most steps that are told of; the report has all.
const MAX_STEPS: usize = 10;
/// Longest message or statement that is shown.
const MAX_CHARS: usize = 200;

/// For people. `below` are the runs that were opened below it.
pub fn shown(report: &Value, below: &[String]) -> String {
    let (run, summary) = (report.get("run").unwrap_or(&Value::Null), report.get("summary").unwrap_or(&Value::Null));
    let of = |name: &str| number(summary, name);
    let not_done: String = ["skipped", "failed", "refused"].iter().filter(|name| of(name) > 0).map(|name| format!(", {} {name}", of(name))).collect();
    let mut said = format!("Run {}: {} ({}, {}){not_done}\n", text(run, "id"), count(of("operations"), "operation"), count(of("reads"), "read"), count(of("writes"), "write"));
    if of("operations") == 0 && below.is_empty() {
        said.push_str("  It asked no store for anything. (wrangler does so only with --remote.)\n");
    }
    let groups = list(report, "changes");
    for group in groups {
        let _ = writeln!(said, "  {} {}: {}", text(group, "store"), plain(text(group, "subject")), counts(group));
    }
    for hazard in list(report, "hazards") {
        let _ = writeln!(said, "  LOOK: {}{}", plain(text(hazard, "message")), steps(list(hazard, "operations")));
    }
    let problems = list(report, "problems");
    for problem in problems.iter().take(MAX_STEPS) {
        let short = |name: &str| cut(&plain(text(problem, name)), MAX_CHARS);
        let _ = writeln!(said, "  step {} {} {} {}: {}", number(problem, "position"), text(problem, "store"), short("action"), text(problem, "outcome"), short("message"));
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
        let _ = writeln!(said, "  {} below it, with reports of their own: {}", count(below.len() as u64, "run"), below.join(", "));
    }
    let _ = writeln!(said, "{}", reached(run, summary));
    let _ = writeln!(said, "All of it: dryrun report {}", text(run, "id"));
    said
}

/// Whether anything reached the real stores.
fn reached(run: &Value, summary: &Value) -> String {
    let (environment, live) = (text(run, "environment"), number(summary, "live_writes"));
    match (text(run, "mode"), live) {
        ("dry_run", 0) => format!("Nothing was written to {environment}."),
        ("dry_run", live) => format!("ATTENTION: {} reached {environment} before this became a dry run; nothing was written after that.", count(live, "write")),
        (_, 0) => format!("This was a live run, and nothing was written to {environment}."),
        (_, live) => format!("{} reached {environment}.", count(live, "write")),
    }
}

fn counts(group: &Value) -> String {
    let parts = ["updated", "inserted", "deleted"].map(|word| (number(group, word), word));
    parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect::<Vec<_>>().join(", ")
}

fn steps(positions: &[Value]) -> String {
    let shown: Vec<String> = positions.iter().take(MAX_STEPS).map(Value::to_string).collect();
    if shown.is_empty() { String::new() } else { format!(" ({} {})", if shown.len() == 1 { "step" } else { "steps" }, shown.join(", ")) }
}

/// For programs: the report without its operations and without the changed things themselves.
pub fn document(report: &Value, below: &[String], exit: u8) -> Value {
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
pub fn head(environment: &str, url: &str, run: &Value) -> String {
    let parent = run.get("parent").and_then(Value::as_str).map(|parent| format!(", below {parent}")).unwrap_or_default();
    let what = match text(run, "mode") {
        "dry_run" => "dry run: nothing will be written",
        "live" => "LIVE: writes are real",
        other => mode(other),
    };
    format!("Environment: {environment}\nGateway:     {url}\nRun:         {} ({what}{parent})", text(run, "id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mode: &str, live_writes: u64) -> String {
        reached(&json!({"mode": mode, "environment": "staging"}), &json!({"live_writes": live_writes}))
    }

    #[test]
    fn whether_anything_was_written_is_said_in_every_case() {
        assert_eq!(run("dry_run", 0), "Nothing was written to staging.");
        assert_eq!(run("dry_run", 2), "ATTENTION: 2 writes reached staging before this became a dry run; nothing was written after that.");
        assert_eq!(run("live", 0), "This was a live run, and nothing was written to staging.");
        assert_eq!(run("live", 1), "1 write reached staging.");
    }
}
