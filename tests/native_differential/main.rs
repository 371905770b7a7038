//! The same statements in a dry run and in SQLite itself, without a platform: thousands of sequences, also with faults.
//!
//! The generator is that of `tests/differential`, which proves the adapters in workerd. Deterministic: `NATIVE_SEED`
//! makes
//! other sequences, `NATIVE_SEQUENCES` says how many there are over all regimes, `NATIVE_ONLY` plays one of them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by its panic what is wrong"
)]

mod base;
#[path = "../differential/cases.rs"]
mod cases;
#[path = "../differential/compare.rs"]
mod compare;
#[path = "../differential/definitions.rs"]
mod definitions;
mod engine;
mod faults;
#[path = "../differential/maker.rs"]
mod maker;
mod marked;
#[path = "../differential/model.rs"]
mod model;
#[path = "../differential/oracle.rs"]
mod oracle;
mod play;
#[path = "../differential/reads.rs"]
mod reads;
#[path = "../differential/reported.rs"]
mod reported;
mod run;
#[path = "../differential/sequence.rs"]
mod sequence;
#[path = "../differential/show.rs"]
mod show;
#[path = "../differential/shrink.rs"]
mod shrink;
#[path = "../support/requests.rs"]
mod support;
#[path = "../differential/values.rs"]
mod values;
#[path = "../differential/wide_reads.rs"]
mod wide_reads;
#[path = "../differential/wide_views.rs"]
mod wide_views;
#[path = "../differential/wide_writes.rs"]
mod wide_writes;
#[path = "../differential/writes.rs"]
mod writes;

use maker::Maker;
use oracle::Oracle;
use play::{Counts, Faulty, play};
use sequence::{REGIMES, Regime, Step, seed_of, summary};
use show::report;
use shrink::shrink;
use values::Dice;

/// Requests of one sequence, unless `NATIVE_STEPS` says otherwise.
const STEPS: usize = 4;
/// Sequences over all regimes, unless `NATIVE_SEQUENCES` says otherwise.
const SEQUENCES: usize = 5_000;
/// Sequences with a fault in each.
const FAULTY_SEQUENCES: usize = 900;
/// Most mismatches that are shown before a regime gives up.
const MISMATCHES: usize = 3;

#[test]
fn tables_that_fit_are_rehearsed_as_they_are() {
    check(&REGIMES[0], SEQUENCES, Some(0.1));
}

#[test]
fn tables_that_do_not_fit_are_rehearsed_by_the_rows_that_are_reached() {
    check(&REGIMES[1], SEQUENCES, Some(13.0));
}

#[test]
fn small_tables_and_rows_of_large_ones_are_rehearsed_together() {
    check(&REGIMES[2], SEQUENCES, Some(0.5));
}

#[test]
fn after_a_fault_nothing_is_lost_and_nothing_is_doubled() {
    for regime in &REGIMES {
        check(regime, FAULTY_SEQUENCES, None);
    }
}

/// `NATIVE_CASES` names another file.
#[test]
fn cases_that_once_differed_do_not_any_more() {
    let text = std::env::var("NATIVE_CASES").map_or_else(
        |_| [include_str!("../differential/cases.sql"), include_str!("cases.sql")].join("\n\n"),
        |path| std::fs::read_to_string(path).unwrap(),
    );
    let mut differ = 0;
    for case in cases::read(&text) {
        let mut steps = case.steps.into_iter();
        let regime = Regime { whole_rows: 0, most_rows: 600, ..REGIMES[1] };
        let played = play(&regime, &case.setup, &case.oracle, &mut || steps.next(), None);
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

/// Plays sequences. `most_refused`: most percent of the requests that may be refused; `None` with a fault now and then.
fn check(regime: &Regime, sequences: usize, most_refused: Option<f64>) {
    let seed = number("NATIVE_SEED", 20_261_201);
    let only = std::env::var("NATIVE_ONLY").is_ok().then(|| number("NATIVE_ONLY", 0));
    let sequences =
        only.map_or(0..number("NATIVE_SEQUENCES", sequences).div_ceil(REGIMES.len()), |only| only..only + 1);
    let mut counts = Counts::new();
    let mut reports = 0;
    for sequence in sequences {
        let oracle = Oracle::new();
        let own = seed_of(seed, regime.name, sequence);
        let mut maker = Maker::new(Dice::new(own), &oracle);
        let setup = maker.set_up(regime);
        let faults = most_refused.is_none().then_some(own);
        let mut left = number("NATIVE_STEPS", STEPS);
        let played = play(
            regime,
            &setup,
            &oracle,
            &mut || {
                left = left.checked_sub(1)?;
                Some(maker.step(regime))
            },
            faults.map(Faulty::new),
        );
        for (reason, count) in &played.counts {
            *counts.entry(reason.clone()).or_default() += count;
        }
        if let Some(mismatch) = played.mismatch {
            let head = format!(
                "seed {seed}, regime {}, sequence {sequence}; again: NATIVE_SEED={seed} NATIVE_ONLY={sequence} cargo test \
                 --test native_differential {}",
                regime.name,
                std::thread::current().name().unwrap_or_default()
            );
            let mut again = |setup: &[String], oracle: &Oracle, steps: &[Step]| {
                let mut left = steps.iter().cloned();
                play(regime, setup, oracle, &mut || left.next(), faults.map(Faulty::new)).mismatch
            };
            let (setup, steps, mismatch) = shrink(&mut again, setup, played.steps, mismatch);
            reports += 1;
            eprintln!("{}", report(&head, &setup, &steps, &mismatch));
            if reports == number("NATIVE_MISMATCHES", MISMATCHES) {
                break;
            }
        }
    }
    let refused = summary(regime, &counts);
    assert_eq!(reports, 0, "so many sequences of regime {} differ, see above", regime.name);
    assert!(
        only.is_some() || most_refused.is_none_or(|most| refused <= most),
        "{refused:.2} % of the requests of regime {} were refused",
        regime.name
    );
}
