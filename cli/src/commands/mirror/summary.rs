//! What a mirror says: its plan, a proposal of rules, and what was done.

use std::fmt::Write as _;
use std::time::Duration;

use dryrun_text::line;
use serde_json::{Value, json};

use super::found::Found;
use super::inspect::{Suspect, lines};
use super::job::Job;
use super::rules::Rules;
use super::sides::Sides;
use super::verify::Verified;
use super::wire::Reads as _;
use crate::say::Say;

/// As many names are shown in one line; `--json` has all.
const SHOWN: usize = 8;

/// A proposal of scrub.toml: what has no rule yet.
pub(super) fn suggest(suspects: &[Suspect], rules: &Rules, say: Say) {
    let listed: Vec<Value> = suspects
        .iter()
        .map(|one| json!({"table": one.table, "column": one.column, "why": one.why, "rule": one.rule}))
        .collect();
    let text = if suspects.is_empty() {
        format!("# Nothing looks personal that {} says nothing about.", rules.file())
    } else {
        format!(
            "# What looks personal. Look at each line: \"keep\" says that a column is not personal.\n# Columns that \
             are not here are copied as they are.\n\n{}",
            lines(suspects)
        )
    };
    say.result(&json!({ "suggested": listed, "toml": text }), &text);
}

/// What would be done.
pub(super) fn plan(found: &Found, sides: &Sides, suspects: &[Suspect], say: Say) {
    let tables: Vec<Value> = found
        .steps
        .iter()
        .flatten()
        .map(|plan| {
            let rows = found.bounds.get(&plan.table.name).map_or(0, |(rows, _)| *rows);
            json!({"name": plan.table.name, "rows": rows, "scrubbed": plan.scrubbed().map(|(_, column, _)| column).collect::<Vec<_>>()})
        })
        .collect();
    let (mut rows, mut text) = (
        0,
        format!("Would copy from {}\n             to {}\n\n", line(&sides.source_name()), line(&sides.target_name())),
    );
    for table in &tables {
        rows += table.get("rows").and_then(Value::as_u64).unwrap_or_default();
        let _ = writeln!(text, "  {}", row(table));
    }
    let _ = writeln!(text, "\n{} tables, {} rows. Nothing was written.", tables.len(), grouped(rows));
    text.push_str(&changes(found, true));
    let suspicious: Vec<Value> =
        suspects.iter().map(|one| json!({"table": one.table, "column": one.column, "why": one.why})).collect();
    // With columns to complain about the failure is the one document.
    if suspects.is_empty() || !say.is_json() {
        say.result(&json!({"dry_run": true, "from": sides.source_name(), "to": sides.target_name(), "tables": tables, "rows": rows, "changes": schema_json(found), "personal": suspicious}), &text);
    }
}

/// What was done.
pub(super) fn done(verified: &[Verified], found: &Found, sides: &Sides, job: &Job, took: Duration, say: Say) {
    let tables: Vec<Value> = verified
        .iter()
        .map(|one| json!({"name": one.table, "rows": one.digest.rows, "bytes": one.digest.bytes, "digest": one.digest.hex(), "scrubbed": one.scrubbed, "moved": one.moved}))
        .collect();
    let (rows, bytes): (u64, u64) =
        verified.iter().fold((0, 0), |(rows, bytes), one| (rows + one.digest.rows, bytes + one.digest.bytes));
    let requests = json!({"source": job.source.requests(), "target": job.target.requests()});
    let moved: Vec<&str> = verified.iter().filter(|one| one.moved).map(|one| one.table.as_str()).collect();
    let mut text = String::new();
    for table in &tables {
        let _ = writeln!(text, "  {}", row(table));
    }
    let _ = writeln!(
        text,
        "\nMirrored {} tables, {} rows, {} from {} to {} in {:.1} s ({} requests).\nRow counts and digests were read \
         again on both sides and agree; no scrubbed value is left.",
        tables.len(),
        grouped(rows),
        megabytes(bytes),
        line(&sides.source_name()),
        line(&sides.target_name()),
        took.as_secs_f64(),
        job.source.requests() + job.target.requests(),
    );
    if !moved.is_empty() {
        let _ = writeln!(
            text,
            "Since they were copied, rows changed at the source in: {}. The target has them as they were.",
            line(&moved.join(", "))
        );
    }
    text.push_str(&changes(found, false));
    let value = json!({
        "from": sides.source_name(), "to": sides.target_name(), "tables": tables, "rows": rows, "bytes": bytes, "requests": requests, "seconds": took.as_secs_f64(),
        "moved": moved, "changes": schema_json(found), "runs": {"source": job.source.run(), "target": job.target.run()},
    });
    say.result(&value, &text);
}

fn row(table: &Value) -> String {
    let part = |name: &str| table.get(name).and_then(Value::as_u64).unwrap_or_default();
    let scrubbed: Vec<&str> =
        table.get("scrubbed").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
    let scrubbed = if scrubbed.is_empty() { String::new() } else { format!("   scrubbed: {}", scrubbed.join(", ")) };
    line(&format!("{name:32} {:>12} rows{scrubbed}", grouped(part("rows")))).into_owned()
}

fn schema_json(found: &Found) -> Value {
    let made: Vec<String> =
        found.changes.made.iter().map(|object| format!("{} {}", object.kind, object.name)).collect();
    let dropped: Vec<String> = found
        .changes
        .dropped
        .iter()
        .map(|(kind, name)| format!("{kind} {name}"))
        .chain(found.changes.dropped_tables.iter().map(|name| format!("table {name}")))
        .collect();
    json!({"made": made, "dropped": dropped, "left_alone": found.changes.further, "virtual_tables_not_copied": found.source.virtual_tables})
}

fn changes(found: &Found, planned: bool) -> String {
    let (said, mut text) = (schema_json(found), String::new());
    let (made, dropped) = if planned { ("would be made", "would be dropped") } else { ("made", "dropped") };
    for (name, sentence) in [
        ("made", format!("Missing on the target, {made}")),
        ("dropped", format!("Different on the target, {dropped}")),
        ("left_alone", "Only on the target, left as they are".to_owned()),
        (
            "virtual_tables_not_copied",
            "Virtual tables, which have no rows to copy (an index of words over another table is built anew)"
                .to_owned(),
        ),
    ] {
        let names: Vec<&str> =
            said.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let (shown, more) = names.split_at(names.len().min(SHOWN));
        if !shown.is_empty() {
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let _ = writeln!(text, "{sentence}: {}{more}.", line(&shown.join(", ")));
        }
    }
    text
}

fn megabytes(bytes: u64) -> String {
    if bytes < 100_000 {
        format!("{} bytes", grouped(bytes))
    } else {
        format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
    }
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([grouped(0), grouped(999), grouped(1_000), grouped(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([megabytes(12), megabytes(1_950_000)], ["12 bytes", "1.9 MB"]);
    }
}
