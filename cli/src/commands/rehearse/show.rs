//! A rehearsal, for people, for CI and for programs.

use std::fmt::Write as _;

use dryrun_text::line;
use dryrun_text::markdown::{cell, code};
use serde_json::{Value, json};

use super::judge::plural;
use super::keys::Keys;
use super::outcome::{Ending, Rehearsed, Told, Touched};
use super::rehearsal::Rehearsal;
use crate::statements::brief;

/// Longest statement in a line.
const BRIEF: usize = 96;

fn touched(told: &Told) -> String {
    let parts = |touched: &Touched| {
        [("inserted", touched.inserted), ("updated", touched.updated), ("deleted", touched.deleted)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{count} {what}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    told.touched
        .iter()
        .map(|(table, one)| format!("{table}: {}", parts(one)))
        .chain(told.schema.iter().cloned())
        .collect::<Vec<_>>()
        .join(" · ")
}

/// How many rows a table had and has.
fn rows(before: Option<u64>, after: Option<u64>) -> String {
    match (before, after) {
        (None, after) => format!("new, {}", plural(after.unwrap_or_default())),
        (Some(before), None) => format!("gone, had {}", plural(before)),
        (Some(before), Some(after)) => format!("{before} → {}", plural(after)),
    }
}

/// The statements that people wrote: that by which wrangler records the file is only of interest when it fails.
fn written(file: &Rehearsed) -> impl Iterator<Item = &Told> {
    file.statements.iter().filter(|told| !told.is_record || matches!(told.ending, Ending::Failed | Ending::Refused))
}

fn ending(file: &Rehearsed) -> &'static str {
    match file.ending {
        Ending::Done if file.findings.is_empty() => "would pass",
        Ending::Done => "would run, and do more than it says",
        Ending::Failed => "would FAIL",
        Ending::Refused => "REFUSED: it cannot be rehearsed",
        Ending::Undone | Ending::NotRun => "not run",
    }
}

/// The end of it; `name` writes the name of a file.
fn verdict(rehearsal: &Rehearsal, name: fn(&str) -> String) -> String {
    let count = rehearsal.files.len();
    let bad: Vec<String> = rehearsal
        .files
        .iter()
        .filter(|file| !file.passes() && file.ending != Ending::NotRun)
        .map(|file| name(&file.name))
        .collect();
    let rest = rehearsal.files.iter().filter(|file| file.ending == Ending::NotRun).count();
    let rest = if rest > 0 { format!(" {rest} more not run.") } else { String::new() };
    match (count, rehearsal.passes(), bad.is_empty()) {
        (0, ..) => "Nothing is pending.".to_owned(),
        (_, true, _) => format!("Would pass: {count} {}.", if count == 1 { "file" } else { "files" }),
        (_, false, true) => "Would NOT pass: foreign keys are broken in the end.".to_owned(),
        (_, false, false) => format!("Would NOT pass: {}.{rest}", bad.join(", ")),
    }
}

/// What an undone batch means for a statement of it.
fn word(told: &Told) -> &'static str {
    match told.ending {
        Ending::Done => "done",
        Ending::Failed => "FAILED",
        Ending::Refused => "REFUSED",
        Ending::Undone => "undone",
        Ending::NotRun => "not run",
    }
}

/// The statement that did not run, in the words of who said no. At the end of a batch it is none of them.
fn problem(file: &Rehearsed) -> Option<(String, String)> {
    let failure = file.problem.as_ref()?;
    let own = file.statements.iter().find(|told| matches!(told.ending, Ending::Failed | Ending::Refused));
    let place = own.map_or_else(|| "when the batch ends".to_owned(), |told| format!("line {}", told.statement.line));
    Some((format!("{place}: {}", failure.message), failure.remedy.clone()))
}

fn keys(rehearsal: &Rehearsal) -> Vec<String> {
    match &rehearsal.keys {
        Keys::Good => Vec::new(),
        Keys::Broken(broken) => broken.iter().map(|one| format!("foreign keys: {one}")).collect(),
        Keys::Unknown(why) => vec![format!("foreign keys were not checked: {why}")],
    }
}

/// For people.
pub(super) fn text(rehearsal: &Rehearsal) -> String {
    let mut text = format!(
        "Rehearsed against {} ({}), where nothing was written.\n",
        rehearsal.environment,
        line(&rehearsal.database)
    );
    if !rehearsal.applied.is_empty() {
        let _ = writeln!(text, "{} applied before, {} pending.", rehearsal.applied.len(), rehearsal.files.len());
    }
    for note in &rehearsal.notes {
        let _ = writeln!(text, "! {}", line(note));
    }
    for file in &rehearsal.files {
        let sign = if file.passes() {
            "✓"
        } else if file.ending == Ending::NotRun {
            "·"
        } else {
            "✗"
        };
        let time = if file.ending == Ending::NotRun { String::new() } else { format!(" · {} ms", file.millis) };
        let _ = writeln!(text, "\n{sign} {}  {}{time}", line(&file.name), ending(file));
        for told in written(file) {
            let place = format!("line {}", told.statement.line);
            let _ = writeln!(text, "    {place:9} {:8} {}", word(told), brief(&told.statement.text, BRIEF));
            let touched = touched(told);
            if !touched.is_empty() {
                let _ = writeln!(text, "    {:9} {:8} → {}", "", "", line(&touched));
            }
        }
        if let Some((message, remedy)) = problem(file) {
            let _ = writeln!(text, "    ✗ {}", line(&message));
            if !remedy.is_empty() {
                let _ = writeln!(text, "      {}", line(&remedy));
            }
            text.push_str(
                "      The file is one batch: nothing of it would stay, and what comes after it would not run.\n",
            );
        }
        for finding in &file.findings {
            let _ = writeln!(text, "    ✗ {}", line(&finding.message));
        }
        for warning in &file.warnings {
            let _ = writeln!(text, "    ! {}", line(warning));
        }
        if !file.counts.is_empty() {
            let counts: Vec<String> =
                file.counts.iter().map(|(table, before, after)| format!("{table} {}", rows(*before, *after))).collect();
            let _ = writeln!(text, "    tables: {}", line(&counts.join(" · ")));
        }
    }
    text.push('\n');
    for broken in keys(rehearsal) {
        let sign = if matches!(rehearsal.keys, Keys::Broken(_)) { '✗' } else { '!' };
        let _ = writeln!(text, "{sign} {}", line(&broken));
    }
    let _ = writeln!(text, "{}", verdict(rehearsal, |name| line(name).into_owned()));
    if !rehearsal.files.is_empty() {
        let _ = writeln!(
            text,
            "Every row that would change: DRYRUN_ENV={} dryrun report {}",
            rehearsal.environment,
            line(&rehearsal.run)
        );
    }
    text
}

/// For the summary of a CI job.
pub(super) fn markdown(rehearsal: &Rehearsal) -> String {
    let mut text = format!(
        "## Migrations rehearsed against {} ({})\n\n**{}**\n",
        rehearsal.environment,
        code(&rehearsal.database),
        verdict(rehearsal, code)
    );
    for note in rehearsal.notes.iter().cloned().chain(keys(rehearsal)) {
        let _ = writeln!(text, "\n* {}", code(&note));
    }
    for file in &rehearsal.files {
        let sign = if file.passes() {
            "✅"
        } else if file.ending == Ending::NotRun {
            "⏸"
        } else {
            "❌"
        };
        let time = if file.ending == Ending::NotRun { String::new() } else { format!(" ({} ms)", file.millis) };
        let _ = writeln!(text, "\n### {sign} {}: {}{time}\n", code(&file.name), ending(file));
        if let Some((message, remedy)) = problem(file) {
            let remedy = if remedy.is_empty() { String::new() } else { format!(" {}", code(&remedy)) };
            let _ = writeln!(text, "* ❌ {}{remedy}", code(&message));
        }
        for finding in &file.findings {
            let _ = writeln!(text, "* ❌ {}", code(&finding.message));
        }
        for warning in &file.warnings {
            let _ = writeln!(text, "* ⚠ {}", code(warning));
        }
        for (table, before, after) in &file.counts {
            let _ = writeln!(text, "* {}: {}", code(table), rows(*before, *after));
        }
        if !file.statements.is_empty() {
            text.push_str("\n| line | statement | outcome | rows |\n| ---: | --- | --- | --- |\n");
        }
        for told in written(file) {
            let touched = touched(told);
            let touched = if touched.is_empty() { String::new() } else { cell(&touched) };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {touched} |",
                told.statement.line,
                cell(&brief(&told.statement.text, BRIEF)),
                word(told)
            );
        }
    }
    if !rehearsal.files.is_empty() {
        let _ = writeln!(
            text,
            "\nNothing was written. Every row that would change: {}",
            code(&format!("DRYRUN_ENV={} dryrun report {}", rehearsal.environment, rehearsal.run))
        );
    }
    text
}

/// For programs.
pub(super) fn json(rehearsal: &Rehearsal) -> Value {
    let files: Vec<Value> = rehearsal.files.iter().map(file_json).collect();
    let (checked, broken) = match &rehearsal.keys {
        Keys::Good => (true, Vec::new()),
        Keys::Broken(broken) => (true, broken.clone()),
        Keys::Unknown(_) => (false, Vec::new()),
    };
    let why = if let Keys::Unknown(why) = &rehearsal.keys { Some(why) } else { None };
    json!({
        "passes": rehearsal.passes(), "environment": rehearsal.environment, "database": rehearsal.database, "run": rehearsal.run,
        "applied": rehearsal.applied, "notes": rehearsal.notes, "files": files,
        "foreign_keys": {"checked": checked, "broken": broken, "not_checked_because": why},
    })
}

fn file_json(file: &Rehearsed) -> Value {
    let statements: Vec<Value> = file
        .statements
        .iter()
        .map(|told| {
            let touched: serde_json::Map<String, Value> =
                told.touched.iter().map(|(table, one)| (table.clone(), json!({"inserted": one.inserted, "updated": one.updated, "deleted": one.deleted}))).collect();
            json!({"line": told.statement.line, "sql": told.statement.text, "outcome": told.ending.as_str(), "rows": touched, "schema": told.schema, "duration_ms": told.millis})
        })
        .collect();
    let own = file.statements.iter().find(|told| matches!(told.ending, Ending::Failed | Ending::Refused));
    let problem =
        file.problem.as_ref().map(|failure| json!({"code": failure.code, "message": failure.message, "remedy": failure.remedy, "line": own.map(|told| told.statement.line)}));
    json!({
        "name": file.name, "outcome": file.ending.as_str(), "passes": file.passes(), "duration_ms": file.millis, "problem": problem,
        "findings": file.findings.iter().map(|one| json!({"code": one.code, "statement": one.statement, "table": one.table, "rows": one.rows, "message": one.message})).collect::<Vec<_>>(),
        "warnings": file.warnings,
        "counts": file.counts.iter().map(|(table, before, after)| json!({"table": table, "before": before, "after": after})).collect::<Vec<_>>(),
        "new_nulls": file.new_nulls.iter().map(|one| json!({"table": one.table, "column": one.column, "nulls": one.nulls, "rows": one.rows, "in_part": one.in_part})).collect::<Vec<_>>(),
        "statements": statements,
    })
}
