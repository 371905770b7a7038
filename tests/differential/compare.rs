//! Answers in one form, so that they can be compared and shown.

use crate::oracle::{Failure, Outcome};
use crate::sequence::Step;
use crate::support::{Answer, Refused};
use crate::values;

/// An answer as lines: what must be equal.
pub(crate) type Lines = Vec<String>;

/// Whether a dry run may refuse so where the target would answer. Here nothing changes beside the run, and rows fit
/// together.
pub(crate) fn is_honest(refused: &Refused) -> bool {
    ["not_rehearsable", "shadow_budget_exceeded"].contains(&refused.code.as_str())
        && !["others changed", "violates the table's definition", "too many rounds"]
            .iter()
            .any(|wrong| refused.message.contains(wrong))
}

pub(crate) fn of_gateway(step: &Step, answer: &Result<Vec<Answer>, Refused>) -> Lines {
    match answer {
        Ok(answers) => answers
            .iter()
            .enumerate()
            .flat_map(|(place, answer)| {
                let rows = answer.results.rows.iter().map(|row| row.iter().map(values::shown).collect()).collect();
                lines(step, place, &answer.results.columns, rows, answer.meta.changes, answer.meta.last_row_id)
            })
            .collect(),
        Err(Refused { code, message }) if code == "sql_error" => vec![format!("error {}", core(message))],
        Err(Refused { code, message }) => vec![format!("refused {code}: {message}")],
    }
}

#[expect(clippy::cast_precision_loss, reason = "JSON loses it too")]
pub(crate) fn of_oracle(step: &Step, answer: &Result<Vec<Outcome>, Failure>) -> Lines {
    match answer {
        Ok(outcomes) => outcomes
            .iter()
            .enumerate()
            .flat_map(|(place, outcome)| {
                lines(step, place, &outcome.columns, outcome.rows.clone(), outcome.changes, outcome.last_row_id as f64)
            })
            .collect(),
        Err(failure) => vec![format!("error {}", failure.message)],
    }
}

fn lines(
    step: &Step,
    place: usize,
    columns: &[String],
    mut rows: Vec<Vec<String>>,
    changes: u64,
    last_row_id: f64,
) -> Lines {
    let made = &step.0[place];
    if !made.ordered {
        rows.sort();
    }
    // An ALTER may answer the columns of what it runs inside, which are its version's own.
    let mut lines =
        if made.bound.sql.starts_with("ALTER") { Vec::new() } else { vec![format!("columns {}", columns.join(", "))] };
    lines.extend(rows.into_iter().map(|row| format!("row {}", row.join(", "))));
    // FTS5 writes its words when somebody opens a savepoint, which counts as changes of the statement that happens to
    // run then.
    if !step.0[..place].iter().any(|made| made.searches) {
        lines.push(format!("changes {changes}"));
    }
    if made.counts && changes > 0 {
        lines.push(format!("last_row_id {last_row_id}"));
    }
    lines
}

/// SQLite's own words: the platform adds the place and the code.
fn core(message: &str) -> &str {
    let bare = message.split_once(": SQLITE_").map_or(message, |(bare, _)| bare);
    match bare.rsplit_once(" at offset ") {
        Some((words, place)) if place.chars().all(|digit| digit.is_ascii_digit()) => words,
        _ => bare,
    }
}
