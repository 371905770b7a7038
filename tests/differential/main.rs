//! The same statements dry, live and in SQLite itself: answers, errors, figures and what is left in the end are the
//! same.
//!
//! Deterministic: `DIFFERENTIAL_SEED` makes other sequences, `DIFFERENTIAL_SEQUENCES` says how many there are over all
//! regimes, `DIFFERENTIAL_ONLY` plays one of them, `DIFFERENTIAL_REFUSED` shows what is refused.

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
mod show;
mod shrink;
#[path = "../support/mod.rs"]
mod support;
mod values;
mod wide_reads;
mod wide_views;
mod wide_writes;
mod writes;

use maker::Maker;
use oracle::Oracle;
use play::{Counts, play};
use sequence::{REGIMES, Regime, Step, seed_of, summary};
use serde_json::json;
use show::report;
use shrink::shrink;
use support::Gateway;
use values::Dice;

const STEPS: usize = 30;
/// Sequences over all regimes. They prove the adapters; the rules are played by the thousand in
/// `tests/native_differential`.
const SEQUENCES: usize = 60;
/// Most mismatches that are shown before a regime gives up.
const MISMATCHES: usize = 3;

#[test]
fn tables_that_fit_are_rehearsed_as_they_are_live() {
    check(&REGIMES[0]);
}

#[test]
fn tables_that_do_not_fit_are_rehearsed_by_the_rows_that_are_reached() {
    check(&REGIMES[1]);
}

#[test]
fn small_tables_and_rows_of_large_ones_are_rehearsed_together() {
    check(&REGIMES[2]);
}

/// `DIFFERENTIAL_CASES` names another file.
#[test]
fn cases_that_once_differed_do_not_any_more() {
    let text = std::env::var("DIFFERENTIAL_CASES")
        .map_or_else(|_| include_str!("cases.sql").to_owned(), |path| std::fs::read_to_string(path).unwrap());
    let mut gateway =
        Gateway::start(&json!({"SHADOW_WHOLE_ROWS": "0", "SHADOW_MAX_ROWS": "600", "FLAG_BUDGET_MS": "10000"}));
    let mut differ = 0;
    for case in cases::read(&text) {
        let mut steps = case.steps.into_iter();
        let played = play(&mut gateway, &case.setup, &case.oracle, &mut || steps.next());
        eprintln!("{}: {:?}", case.name, played.counts);
        if let Some(mismatch) = played.mismatch {
            differ += 1;
            eprintln!("{}", report(&case.name, &case.setup, &played.steps, &mismatch));
        }
    }
    assert_eq!(differ, 0, "so many cases differ, see above");
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
    let sequences =
        only.map_or(0..number("DIFFERENTIAL_SEQUENCES", SEQUENCES).div_ceil(REGIMES.len()), |only| only..only + 1);
    let mut gateway = Gateway::start(&json!({
        "SHADOW_WHOLE_ROWS": regime.whole_rows.to_string(),
        "SHADOW_MAX_ROWS": regime.most_rows.to_string(),
        // A busy machine must not make a live write fail: how long the flag is waited for is not the subject here.
        "FLAG_BUDGET_MS": "10000",
    }));
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
                "seed {seed}, regime {}, sequence {sequence}; again: DIFFERENTIAL_SEED={seed} \
                 DIFFERENTIAL_ONLY={sequence} cargo test --test differential {}",
                regime.name,
                std::thread::current().name().unwrap_or_default()
            );
            let mut again = |setup: &[String], oracle: &Oracle, steps: &[Step]| {
                let mut left = steps.iter().cloned();
                play(&mut gateway, setup, oracle, &mut || left.next()).mismatch
            };
            let (setup, steps, mismatch) = shrink(&mut again, setup, played.steps, mismatch);
            reports.push(report(&head, &setup, &steps, &mismatch));
            eprintln!("{}", reports.last().map_or("", String::as_str));
            if reports.len() == number("DIFFERENTIAL_MISMATCHES", MISMATCHES) {
                break;
            }
        }
    }
    summary(regime, &counts);
    assert!(reports.is_empty(), "{} sequences of regime {} differ, see above", reports.len(), regime.name);
}
