//! The report as Markdown, for terminals, pull requests and mail.
//!
//! Data stands in code spans, and nothing else does: a hostile row cannot draw a heading, a link or a table into the
//! report, mention anybody, or speak in the gateway's voice. See `crates/text`.

mod coverage;

use chrono::{Datelike as _, Timelike as _};
use dryrun_text::cut as shorten;
use dryrun_text::markdown::{cell, code, word};
use serde_json::Value;
use std::fmt::Write as _;

use super::effect::{Change, FieldDiff};
use super::moved::Move;
use super::report::{ChangeGroup, ChangeItem, Report};
use super::run::{Millis, Mode, Phase};
use coverage::coverage;

/// Most changed things shown of one table; the rest is counted. The JSON report has them all.
const MAX_ITEMS: usize = 25;
/// Most lines of one list.
const MAX_LINES: usize = 40;
/// Longest value shown.
const MAX_VALUE_CHARS: usize = 120;
/// Longest statement shown.
const MAX_ASKED_CHARS: usize = 200;

/// Writes the report.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    head(&mut text, report);
    overview(&mut text, report);
    hazards(&mut text, report);
    problems(&mut text, report);
    changes(&mut text, report);
    skipped(&mut text, report);
    moved(&mut text, report);
    coverage(&mut text, report);
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
    text.push('\n');
}

fn head(text: &mut String, report: &Report) {
    let (run, summary) = (&report.run, &report.summary);
    let kind = match run.mode {
        Mode::DryRun => "Dry run",
        Mode::Live => "Live run",
    };
    line(text, format_args!("# {kind} {}\n", code(&run.id)));
    match run.mode {
        Mode::DryRun if summary.live_writes == 0 => {
            let what = "This is what the run would have done in the stores behind this gateway.";
            line(text, format_args!("**Nothing was written to {}.** {what}\n", run.environment));
        }
        Mode::DryRun => line(
            text,
            format_args!(
                "**{} reached {} before this became a dry run**; everything after that was only planned.\n",
                count(summary.live_writes, "write"),
                run.environment
            ),
        ),
        Mode::Live => {
            line(text, format_args!("**{} reached {}.**\n", count(summary.live_writes, "write"), run.environment))
        }
    }
    let phase = match run.phase {
        Phase::Open => "open",
        Phase::Closed => "closed",
        Phase::Expired => "expired",
    };
    line(
        text,
        format_args!("| | |\n| --- | --- |\n| Run | {phase}, opened {} by {} |", time(run.opened_at), cell(&run.owner)),
    );
    let mode = match run.mode {
        Mode::DryRun => "dry run",
        Mode::Live => "live",
    };
    line(text, format_args!("| Mode | {mode}, because {} |", run.mode_because.markdown()));
    if let Some(parent) = &run.parent {
        line(text, format_args!("| Part of | {} |", cell(parent)));
    }
    if let Some(version) = &run.prompt_version {
        line(text, format_args!("| Prompt | {} |", cell(version)));
    }
    if !run.labels.is_empty() {
        let labels: Vec<String> = run.labels.iter().map(|(name, value)| cell(&format!("{name}={value}"))).collect();
        line(text, format_args!("| Labels | {} |", labels.join(" ")));
    }
    line(
        text,
        format_args!(
            "| Operations | {}: {}, {} |",
            summary.operations,
            count(summary.reads, "read"),
            count(summary.writes, "write")
        ),
    );
    if run.mode == Mode::DryRun {
        line(
            text,
            format_args!(
                "| Net changes | {} updated, {} inserted, {} deleted |",
                summary.updated, summary.inserted, summary.deleted
            ),
        );
    }
    line(
        text,
        format_args!(
            "| Not done | {} skipped, {} failed, {} refused |",
            summary.skipped, summary.failed, summary.refused
        ),
    );
    if let Some(position) = summary.first_problem {
        line(text, format_args!("| First problem | step {position} |"));
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn overview(text: &mut String, report: &Report) {
    if report.changes.len() < 2 {
        return;
    }
    line(text, format_args!("\n| Store | What | Updated | Inserted | Deleted |\n| --- | --- | ---: | ---: | ---: |"));
    for group in &report.changes {
        line(
            text,
            format_args!(
                "| {} | {} | {} | {} | {} |",
                word(&group.store),
                cell(&group.subject),
                group.updated,
                group.inserted,
                group.deleted
            ),
        );
    }
}

fn hazards(text: &mut String, report: &Report) {
    if report.hazards.is_empty() {
        return;
    }
    line(text, format_args!("\n## Findings\n"));
    for hazard in report.hazards.iter().take(MAX_LINES) {
        line(text, format_args!("- {}{}", hazard.message.markdown(), steps(&hazard.operations)));
    }
    more(text, report.hazards.len(), MAX_LINES);
}

fn problems(text: &mut String, report: &Report) {
    if report.problems.is_empty() {
        return;
    }
    line(text, format_args!("\n## Failed and refused ({})\n", report.problems.len()));
    for problem in report.problems.iter().take(MAX_LINES) {
        let why = code(&shorten(without_tail(&problem.message), MAX_ASKED_CHARS));
        line(
            text,
            format_args!(
                "- **Step {}** {} {} {}: {why}",
                problem.position,
                word(&problem.store),
                code(&problem.action),
                problem.outcome.as_str()
            ),
        );
        if !problem.asked.is_empty() {
            line(text, format_args!("  - asked: {}", code(&shorten(&problem.asked, MAX_ASKED_CHARS))));
        }
        if !problem.remedy.is_empty() {
            line(text, format_args!("  - remedy: {}", code(&problem.remedy)));
        }
    }
    more(text, report.problems.len(), MAX_LINES);
}

/// A store's error without the numbers that stand behind it: on the wire they belong to it, in a report they are noise.
fn without_tail(message: &str) -> &str {
    message.split(": SQLITE_").next().unwrap_or(message)
}

fn changes(text: &mut String, report: &Report) {
    if report.changes.is_empty() {
        let why = match report.run.mode {
            Mode::DryRun => "None: the run would leave every store as it is.",
            Mode::Live => "Not listed: of live writes the counts are known, not the rows.",
        };
        line(text, format_args!("\n## Changes\n\n{why}"));
        return;
    }
    for group in &report.changes {
        line(text, format_args!("\n## {} {}: {}\n", word(&group.store), code(&group.subject), counts(group)));
        // Deletions first: they are shown whatever else is left out.
        let (gone, other): (Vec<&ChangeItem>, Vec<&ChangeItem>) =
            group.items.iter().partition(|item| item.change == Change::Deleted);
        for item in gone.iter().chain(&other).take(MAX_ITEMS) {
            change(text, item);
        }
        let unseen = gone.get(MAX_ITEMS.min(gone.len())..).unwrap_or_default();
        if !unseen.is_empty() {
            let keys: Vec<String> = unseen.iter().map(|item| code(&item.key)).collect();
            line(text, format_args!("- deleted as well: {}", keys.join(" ")));
        }
        more(text, group.items.len() + group.omitted - unseen.len(), MAX_ITEMS);
    }
}

fn counts(group: &ChangeGroup) -> String {
    let parts = [(group.updated, "updated"), (group.inserted, "inserted"), (group.deleted, "deleted")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    parts.join(", ")
}

fn change(text: &mut String, item: &ChangeItem) {
    let word = match item.change {
        Change::Inserted => "inserted",
        Change::Updated => "updated",
        Change::Deleted => "deleted",
    };
    let (key, steps) = (code(&item.key), steps(&item.operations));
    if item.change == Change::Updated {
        line(text, format_args!("- {word} {key}{steps}"));
        for field in &item.fields {
            line(text, format_args!("  - {}", diff(field)));
        }
        return;
    }
    // What is wholly new or gone fits one line: its fields, without those that are NULL, and without the one that is
    // the key.
    let key_field = item
        .fields
        .iter()
        .find(|field| field.after.as_ref().or(field.before.as_ref()).is_some_and(|value| says(value, &item.key)));
    let fields: Vec<String> = item
        .fields
        .iter()
        .filter(|field| key_field.is_none_or(|key| key.field != field.field))
        .filter_map(|field| Some((&field.field, field.after.as_ref().or(field.before.as_ref())?)))
        .filter(|(_, value)| !value.is_null())
        .map(|(name, shown)| format!("{} {}", code(name), value(shown)))
        .collect();
    let colon = if fields.is_empty() { "" } else { ": " };
    line(text, format_args!("- {word} {key}{steps}{colon}{}", fields.join(", ")));
}

/// Whether a value is the key itself, in text.
fn says(value: &Value, key: &str) -> bool {
    match value {
        Value::String(text) => text == key,
        Value::Number(number) => number.to_string().as_str() == key,
        _ => false,
    }
}

fn diff(field: &FieldDiff) -> String {
    match (&field.before, &field.after) {
        (Some(before), Some(after)) => format!("{}: {} → {}", code(&field.field), value(before), value(after)),
        (None, Some(after)) => format!("{}: {}", code(&field.field), value(after)),
        (Some(before), None) => format!("{}: was {}", code(&field.field), value(before)),
        (None, None) => code(&field.field),
    }
}

fn skipped(text: &mut String, report: &Report) {
    if report.skipped.is_empty() {
        return;
    }
    line(text, format_args!("\n## Skipped: accepted, but nothing changed ({})\n", report.skipped.len()));
    for skipped in report.skipped.iter().take(MAX_LINES) {
        line(
            text,
            format_args!(
                "- Step {} {} {}: {}",
                skipped.position,
                word(&skipped.store),
                code(&skipped.action),
                code(&shorten(&skipped.asked, MAX_ASKED_CHARS))
            ),
        );
    }
    more(text, report.skipped.len(), MAX_LINES);
}

fn moved(text: &mut String, report: &Report) {
    let Some(movement) = &report.moved else { return };
    line(text, format_args!("\n## Changed in the database since it was copied\n"));
    if movement.moved.is_empty() {
        line(
            text,
            format_args!(
                "None of {} is different in the database now.",
                count(usize::try_from(movement.compared).unwrap_or(usize::MAX), "compared row")
            ),
        );
    }
    for row in movement.moved.iter().take(MAX_LINES) {
        let what = match row.moved {
            Move::Changed => "changed",
            Move::Gone => "is gone",
            Move::Appeared => "appeared",
        };
        let planned = if row.planned { ", **and the run would write it**" } else { "" };
        line(text, format_args!("- {} {} {} {what}{planned}", word(&row.store), code(&row.table), code(&row.key)));
        for field in &row.fields {
            line(text, format_args!("  - {}", diff(field)));
        }
    }
    more(text, movement.moved.len(), MAX_LINES);
    for table in &movement.not_compared {
        line(text, format_args!("- not compared: {}, whose definition the run changed", code(table)));
    }
}

fn steps(positions: &[u64]) -> String {
    if positions.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = positions.iter().take(10).map(ToString::to_string).collect();
    let rest = positions.len().saturating_sub(10);
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!(" ({} {}{rest})", if positions.len() == 1 { "step" } else { "steps" }, shown.join(", "))
}

fn more(text: &mut String, all: usize, shown: usize) {
    if all > shown {
        line(text, format_args!("- … and {} more, in the JSON report", all - shown));
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => code(&shorten(text, MAX_VALUE_CHARS)),
        Value::Null => "NULL".into(),
        other => code(&shorten(&other.to_string(), MAX_VALUE_CHARS)),
    }
}

/// A time in UTC, to the second.
fn time(at: Millis) -> String {
    let Some(time) = i64::try_from(at).ok().and_then(chrono::DateTime::from_timestamp_millis) else {
        return format!("{at} ms");
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests;
