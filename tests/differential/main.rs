//! The same statements dry, live and in SQLite itself: answers, errors, figures and what is left in the end are the same.
//!
//! Deterministic: `DIFFERENTIAL_SEED` makes other sequences, `DIFFERENTIAL_SEQUENCES` says how many there are over all regimes, `DIFFERENTIAL_ONLY` plays one of them, `DIFFERENTIAL_REFUSED` shows what is refused.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by its panic what is wrong"
)]

mod cases;
mod compare;
mod definitions;
mod maker;
mod model;
mod oracle;
mod play;
mod reads;
mod reported;
mod sequence;
mod shrink;
#[path = "../support/mod.rs"]
mod support;
mod values;
mod wide_reads;
mod wide_views;
mod wide_writes;
mod writes;

use std::fmt::Write as _;

use maker::Maker;
use oracle::Oracle;
use play::{Counts, Mismatch, play};
use sequence::{Regime, Step};
use serde_json::json;
use shrink::shrink;
use support::Gateway;
use values::Dice;

const STEPS: usize = 30;
const REGIMES: usize = 3;
/// Most mismatches that are shown before a regime gives up.
const MISMATCHES: usize = 3;

#[test]
fn tables_that_fit_are_rehearsed_as_they_are_live() {
    check(&Regime { name: "under", vars: json!({}), rows: |dice| dice.between(0, 25), narrow: 40, most_refused: 0.1 });
}

#[test]
fn tables_that_do_not_fit_are_rehearsed_by_the_rows_that_are_reached() {
    check(&Regime {
        name: "over",
        vars: json!({"SHADOW_WHOLE_ROWS": "0", "SHADOW_MAX_ROWS": "150"}),
        rows: |_| 200,
        narrow: 80,
        most_refused: 12.5,
    });
}

#[test]
fn small_tables_and_rows_of_large_ones_are_rehearsed_together() {
    check(&Regime {
        name: "mixed",
        vars: json!({"SHADOW_WHOLE_ROWS": "50", "SHADOW_MAX_ROWS": "400"}),
        rows: |dice| if dice.percent(50) { 20 } else { 200 },
        narrow: 75,
        most_refused: 0.5,
    });
}

/// `DIFFERENTIAL_CASES` names another file.
#[test]
fn cases_that_once_differed_do_not_any_more() {
    let text = std::env::var("DIFFERENTIAL_CASES")
        .map_or_else(|_| include_str!("cases.sql").to_owned(), |path| std::fs::read_to_string(path).unwrap());
    let reports = cases::differing(&text);
    assert!(reports.is_empty(), "{} cases differ, see above", reports.len());
}

pub fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn check(regime: &Regime) {
    let seed = number("DIFFERENTIAL_SEED", 20_261_120);
    let only = std::env::var("DIFFERENTIAL_ONLY")
        .ok()
        .map(|text| text.parse::<usize>().unwrap_or_else(|_| panic!("DIFFERENTIAL_ONLY is not a number: {text}")));
    let sequences = only.map_or(0..number("DIFFERENTIAL_SEQUENCES", 300).div_ceil(REGIMES), |only| only..only + 1);
    let mut vars = regime.vars.clone();
    // A busy machine must not make a live write fail: how long the flag is waited for is not the subject here.
    vars["FLAG_BUDGET_MS"] = json!("10000");
    let mut gateway = Gateway::start(&vars);
    let mut counts = Counts::new();
    let mut reports = Vec::new();
    for sequence in sequences {
        let oracle = Oracle::new();
        let mut maker = Maker::new(Dice::new(seed_of(seed, regime.name, sequence)), &oracle);
        let setup = maker.set_up(regime);
        let mut left = STEPS;
        let played = play(&mut gateway, &setup, &oracle, &mut || {
            left = left.checked_sub(1)?;
            Some(maker.step(regime))
        });
        for (reason, count) in &played.counts {
            *counts.entry(reason.clone()).or_default() += count;
        }
        if let Some(mismatch) = played.mismatch {
            let head = format!(
                "seed {seed}, regime {}, sequence {sequence}; again: DIFFERENTIAL_SEED={seed} DIFFERENTIAL_ONLY={sequence} cargo test --test differential {}",
                regime.name,
                std::thread::current().name().unwrap_or_default()
            );
            let (setup, steps, mismatch) = shrink(&mut gateway, setup, played.steps, mismatch);
            reports.push(report(&head, &setup, &steps, &mismatch));
            eprintln!("{}", reports.last().map_or("", String::as_str));
            if reports.len() == number("DIFFERENTIAL_MISMATCHES", MISMATCHES) {
                break;
            }
        }
    }
    let refused = summary(regime, &counts);
    assert!(reports.is_empty(), "{} sequences of regime {} differ, see above", reports.len(), regime.name);
    assert!(
        only.is_some() || refused <= regime.most_refused,
        "{refused:.2} % of the requests of regime {} were refused",
        regime.name
    );
}

/// Each sequence has a seed of its own, so that it can be had alone.
fn seed_of(seed: usize, regime: &str, sequence: usize) -> u64 {
    let text = format!("{seed} {regime} {sequence}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Prints what became of the requests, the refusals by their reason, and answers how many of a hundred were refused.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn summary(regime: &Regime, counts: &Counts) -> f64 {
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<(&String, usize)> {
        let mut found: Vec<(&String, usize)> =
            counts.iter().filter(|(reason, _)| wanted(reason)).map(|(reason, count)| (reason, *count)).collect();
        found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        found
    };
    let sum = |found: &[(&String, usize)]| found.iter().map(|(_, count)| count).sum::<usize>();
    let is_table = |reason: &str| reason.starts_with("tables");
    let done = of(&|reason| reason.starts_with("carried out"));
    let refused = of(&|reason| !reason.starts_with("carried out") && !is_table(reason));
    let all = sum(&done) + sum(&refused);
    let share = |count: usize| if all == 0 { 0.0 } else { count as f64 * 100.0 / all as f64 };
    let mut text =
        format!("regime {}: {all} requests, {} refused ({:.2} %)\n", regime.name, sum(&refused), share(sum(&refused)));
    for (reason, count) in refused.iter().chain(&done) {
        let _ = writeln!(text, "  {count:>6}  {:>6.2} %  {reason}", share(*count));
    }
    for (reason, count) in of(&is_table) {
        let _ = writeln!(text, "  {count:>6}            {reason}");
    }
    eprint!("{text}");
    share(sum(&refused))
}

pub fn report(head: &str, setup: &[String], steps: &[Step], mismatch: &Mismatch) -> String {
    let mut text = format!("\n=== {head}\n--- schema and rows\n{};\n--- requests\n", setup.join(";\n"));
    for (number, step) in steps.iter().enumerate() {
        let _ = writeln!(text, "  {number}  {}", play::shown(step));
    }
    let _ = writeln!(text, "--- {}", mismatch.what);
    for (who, lines) in [("oracle", &mismatch.oracle), ("live", &mismatch.live), ("dry", &mismatch.dry)] {
        let others: Vec<&String> = [&mismatch.oracle, &mismatch.live, &mismatch.dry].into_iter().flatten().collect();
        let _ = writeln!(text, "{who}: {} lines", lines.len());
        // A line that all three have says nothing.
        for line in lines.iter().filter(|line| others.iter().filter(|other| other == &line).count() < 3) {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}
