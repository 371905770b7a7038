//! Small things about words: what a JSON answer says, numbers, times, columns.

use dryrun_text::line;
use serde_json::Value;

/// A text out of an object; empty when it is not there.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The same, to be shown in a line.
pub(crate) fn shown(value: &Value, name: &str) -> String {
    line(text(value, name)).into_owned()
}

/// A number out of an object; zero when it is not there.
pub(crate) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// A list out of an object; empty when it is not there.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A number with its noun: `1 step`, `2 steps`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The mode of a run, for people.
pub(crate) fn mode(mode: &str) -> &str {
    if mode == "dry_run" { "dry run" } else { mode }
}

/// A time in milliseconds, in UTC.
pub(crate) fn time(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(chrono::DateTime::from_timestamp_millis);
    time.map_or_else(|| format!("{millis} ms"), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Now, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "the clock of a Worker is an argument; this is a program of its own")]
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Lines with columns: every column but the last is as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or_default()).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            format!("{}\n", cells.join("  ").trim_end())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_second() {
        assert_eq!(time(1_795_179_782_725), "2026-11-20 13:03:02 UTC");
        assert_eq!(time(u64::MAX), "18446744073709551615 ms");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        assert_eq!(table(&[row(&["a", "long", ""]), row(&["bbb", "é"])]), "a    long\nbbb  é\n");
    }
}
