//! A sequence played three times: dry, by the oracle, live.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::compare::{Lines, is_honest, of_gateway, of_oracle};
use crate::model::Model;
use crate::oracle::Oracle;
use crate::reported;
use crate::sequence::{Step, prepared, reason};
use crate::show::{Mismatch, dumps, joined, shown, sorted};
use crate::support::{Answer, Bound, Gateway, Refused, Run};
use crate::values::{literal, shown as shown_cell};

/// What became of the requests, by reason.
pub(crate) type Counts = BTreeMap<String, usize>;

pub(crate) struct Played {
    pub steps: Vec<Step>,
    pub counts: Counts,
    pub mismatch: Option<Mismatch>,
}

struct One {
    step: Step,
    dry: Result<Vec<Answer>, Refused>,
    dry_lines: Lines,
    oracle_lines: Lines,
    at_commit: bool,
    /// Whether only the front said no, before it could matter whether the run is dry.
    front: bool,
}

/// Makes the target what the oracle is, with `setup`, and plays what `next` gives, one step after the other.
pub(crate) fn play(
    gateway: &mut Gateway,
    setup: &[String],
    oracle: &Oracle,
    next: &mut dyn FnMut() -> Option<Step>,
) -> Played {
    if empty(gateway).is_err() {
        // A table that cascades to itself cannot be dropped once another that it refers to is gone.
        gateway.renew();
    }
    fill(gateway, setup);
    let base = gateway.target_contents();
    let mut counts = Counts::new();
    let mut played: Vec<One> = Vec::new();
    let mut steps = Vec::new();
    let run = gateway.open_run("dry_run");
    let mut differs = false;
    while let (false, Some(mut step)) = (differs, next()) {
        steps.push(step.clone());
        let bound = step.bound();
        let dry = gateway.sql(&run, &bound);
        if let Err(refused) = &dry
            && is_honest(refused)
        {
            *counts.entry(reason(&refused.code, &refused.message)).or_default() += 1;
            if std::env::var_os("DIFFERENTIAL_REFUSED").is_some() {
                eprintln!("refused: {} <- {}", refused.message, shown(&step));
            }
            continue;
        }
        let front = matches!(&dry, Err(refused) if refused.code != "sql_error");
        let (dry_lines, oracle_lines, at_commit) = if front {
            let dry_lines = of_gateway(&step, &dry);
            (dry_lines.clone(), dry_lines, false)
        } else {
            let answer = oracle.run(&bound);
            // One that inserts nothing answers the rowid of an earlier one, on whatever connection that was.
            for (made, outcome) in step.0.iter_mut().zip(answer.iter().flatten()) {
                made.counts &= outcome.inserted;
            }
            (of_gateway(&step, &dry), of_oracle(&step, &answer), answer.is_err_and(|failure| failure.at_commit))
        };
        let kind = match &dry {
            Ok(answers) if answers.iter().any(|answer| answer.meta.changes > 0) => {
                "carried out: it changed rows".to_owned()
            }
            Ok(answers) if answers.iter().any(|answer| !answer.results.rows.is_empty()) => {
                "carried out: it answered rows".to_owned()
            }
            Ok(_) if step.defines() => "carried out: it changed the schema".to_owned(),
            Ok(_) => "carried out: it found no rows".to_owned(),
            Err(refused) if front => reason(&refused.code, &refused.message),
            Err(_) => "carried out: an error of SQLite's".to_owned(),
        };
        *counts.entry(kind).or_default() += 1;
        differs = dry_lines != oracle_lines;
        played.push(One { step, dry, dry_lines, oracle_lines, at_commit, front });
    }
    let dumps = dumps(oracle);
    let planned = if differs { Vec::new() } else { plans(gateway, &run, &dumps) };
    let aside = if differs {
        None
    } else {
        samples(gateway, &run, oracle, &dumps, &planned)
            .or_else(|| report(gateway, &run, setup, oracle, &played, &mut counts))
    };
    assert_eq!(gateway.target_contents(), base, "the target changed in a dry run");
    let mismatch = live(gateway, &played).or_else(|| finals(gateway, oracle, &dumps, &planned, &mut counts)).or(aside);
    Played { steps, counts, mismatch }
}

/// Plays the same live, and says where the answers differ.
fn live(gateway: &Gateway, played: &[One]) -> Option<Mismatch> {
    let run = gateway.open_run("live");
    for one in played {
        let live = gateway.sql(&run, &one.step.bound());
        let mut live_lines = of_gateway(&one.step, &live);
        // The local simulator of D1 checks deferred foreign keys after it has answered, and then gives no answer at
        // all.
        let simulator = one.at_commit && matches!(&live, Err(refused) if refused.code == "store_unavailable");
        if simulator {
            live_lines.clone_from(&one.oracle_lines);
        }
        let same_words = match (&live, &one.dry) {
            (Err(live), Err(dry)) => simulator || live == dry,
            _ => true,
        };
        if live_lines != one.dry_lines || live_lines != one.oracle_lines || !same_words {
            let what = if one.front {
                "a refusal of the front"
            } else if live_lines == one.oracle_lines {
                "dry"
            } else if live_lines == one.dry_lines {
                "oracle"
            } else {
                "live"
            };
            let mut dry_lines = one.dry_lines.clone();
            if let (false, Err(live), Err(dry)) = (same_words, &live, &one.dry) {
                live_lines.push(live.message.clone());
                dry_lines.push(dry.message.clone());
            }
            return Some(Mismatch {
                what: format!("{what} differs in {}", shown(&one.step)),
                oracle: one.oracle_lines.clone(),
                live: live_lines,
                dry: dry_lines,
            });
        }
    }
    None
}

type Planned = Vec<Result<Lines, Refused>>;

/// What every table would be, as the dry run sees it.
fn plans(gateway: &Gateway, run: &Run, dumps: &[(String, String)]) -> Planned {
    let rows = |answer: &Answer| sorted(answer.results.rows.iter().map(|row| joined(row.iter().map(shown_cell))));
    let all: Vec<Bound> = dumps.iter().map(|(_, sql)| Bound::of(sql.as_str())).collect();
    match gateway.sql(run, &all) {
        Ok(answers) => answers.iter().map(|answer| Ok(rows(answer))).collect(),
        // One that is too large refuses all of them.
        Err(_) => all
            .iter()
            .map(|one| {
                gateway.sql(run, std::slice::from_ref(one)).map(|answers| answers.first().map(rows).unwrap_or_default())
            })
            .collect(),
    }
}

/// Rows by their keys, of the tables that are too large to be read whole.
fn samples(
    gateway: &Gateway,
    run: &Run,
    oracle: &Oracle,
    dumps: &[(String, String)],
    planned: &Planned,
) -> Option<Mismatch> {
    const ROWS: usize = 10;
    let model = Model::read(oracle);
    for ((name, sql), _) in dumps.iter().zip(planned).filter(|(_, planned)| planned.is_err()) {
        let Some(table) = model.table(name) else { continue };
        let keys = oracle.rows(&format!("SELECT {} FROM {name}", table.key.join(", ")));
        for key in keys.iter().step_by(keys.len() / ROWS + 1) {
            let equal: Vec<String> =
                table.key.iter().zip(key).map(|(column, value)| format!("{column} IS {}", literal(value))).collect();
            let one = [Bound::of(format!("{sql} WHERE {}", equal.join(" AND ")))];
            let Ok(answers) = gateway.sql(run, &one) else { continue };
            let dry: Lines = sorted(
                answers.iter().flat_map(|answer| &answer.results.rows).map(|row| joined(row.iter().map(shown_cell))),
            );
            let expected = oracle
                .run(&one)
                .map(|outcomes| {
                    sorted(outcomes.into_iter().flat_map(|outcome| outcome.rows).map(|row| joined(row.into_iter())))
                })
                .unwrap_or_default();
            if dry != expected {
                return Some(Mismatch {
                    what: format!("dry differs in the end: {}", one[0].sql),
                    live: expected.clone(),
                    oracle: expected,
                    dry,
                });
            }
        }
    }
    None
}

/// What the report of the dry run says, next to what changed. Of changes of the schema it lists no rows.
fn report(
    gateway: &Gateway,
    run: &Run,
    setup: &[String],
    oracle: &Oracle,
    played: &[One],
    counts: &mut Counts,
) -> Option<Mismatch> {
    if played.iter().any(|one| one.dry.is_ok() && one.step.defines()) {
        return None;
    }
    *counts.entry("tables in reports".into()).or_default() += Model::read(oracle).tables.len();
    let (base, _) = prepared(setup);
    let expected = reported::expected(&base, oracle);
    let dry = said(oracle, &gateway.report(run));
    (dry != expected).then(|| Mismatch {
        what: "dry differs in its report".into(),
        live: expected.clone(),
        oracle: expected,
        dry,
    })
}

fn finals(
    gateway: &Gateway,
    oracle: &Oracle,
    dumps: &[(String, String)],
    planned: &Planned,
    counts: &mut Counts,
) -> Option<Mismatch> {
    for ((table, sql), planned) in dumps.iter().zip(planned) {
        let expected = match oracle.run(&[Bound::of(sql.as_str())]) {
            Ok(outcomes) => {
                sorted(outcomes.into_iter().flat_map(|outcome| outcome.rows).map(|row| joined(row.into_iter())))
            }
            Err(failure) => vec![failure.message],
        };
        let live = sorted(
            gateway
                .target_rows(sql)
                .iter()
                .map(|row| joined(row.as_object().into_iter().flat_map(|row| row.values()).map(shown_cell))),
        );
        let dry = match planned {
            Ok(lines) => lines.clone(),
            Err(refused) if is_honest(refused) => {
                *counts.entry("tables in the end: not readable whole".into()).or_default() += 1;
                expected.clone()
            }
            Err(refused) => vec![format!("refused {}: {}", refused.code, refused.message)],
        };
        *counts.entry("tables in the end".into()).or_default() += 1;
        if live != expected || dry != expected {
            let who = if live == expected {
                "dry"
            } else if live == dry {
                "oracle"
            } else {
                "live"
            };
            return Some(Mismatch { what: format!("{who} differs in the end: {table}"), oracle: expected, live, dry });
        }
    }
    None
}

/// Removes whatever an earlier sequence left.
fn empty(gateway: &Gateway) -> Result<(), String> {
    let listed = gateway.target_rows(
        "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite_%' \
         AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY CASE type WHEN 'trigger' \
         THEN 0 WHEN 'view' THEN 1 ELSE 2 END, rowid DESC",
    );
    if listed.is_empty() {
        return Ok(());
    }
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let drops: Vec<String> =
        listed.iter().map(|row| format!("DROP {} {}", text(row, "type"), text(row, "name"))).collect();
    gateway.target_exec(&format!("PRAGMA defer_foreign_keys = on; {}", drops.join("; ")))
}

/// A statement has a longest length, and so has a text of several.
fn fill(gateway: &Gateway, setup: &[String]) {
    let mut text = String::new();
    for sql in setup {
        if text.len() + sql.len() > 60_000 {
            gateway.target_exec(&std::mem::take(&mut text)).unwrap();
        }
        let _ = writeln!(text, "{sql};");
    }
    if !text.is_empty() {
        gateway.target_exec(&text).unwrap();
    }
}

/// The lines of a report.
fn said(now: &Oracle, report: &serde_json::Value) -> Lines {
    let model = Model::read(now);
    let mut lines = Lines::new();
    for group in report["changes"].as_array().into_iter().flatten() {
        let subject = group["subject"].as_str().unwrap_or_default();
        // Of a table for text search the words are what counts, not how they are kept.
        let Some(table) = model.table(subject) else { continue };
        for item in group["items"].as_array().into_iter().flatten() {
            let key = item["key"].as_str().unwrap_or_default();
            let change = item["change"].as_str().unwrap_or_default();
            lines.push(reported::line(table, key, change));
            if change == "deleted" {
                continue;
            }
            for field in item["fields"].as_array().into_iter().flatten() {
                let name = field["field"].as_str().unwrap_or_default();
                let Some(after) = field.get("after").and_then(reported::value) else { continue };
                if !name.contains('.') {
                    lines.extend(reported::new_value(table, key, name, &after));
                }
            }
        }
    }
    lines.sort();
    lines
}
