//! A sequence played twice: dry, and by the oracle.

use std::collections::BTreeMap;

use crate::compare::{Lines, is_honest, of_gateway, of_oracle};
use crate::faults::Kind;
use crate::oracle::Oracle;
use crate::reported;
use crate::run::{DryRun, Unanswered};
use crate::sequence::{Regime, Step, prepared, reason};
use crate::show::{Mismatch, dumps, joined, shown, sorted};
use crate::support::{Answer, Bound, Refused};
use crate::values::{Dice, shown as shown_cell};

/// What became of the requests, by reason.
pub(crate) type Counts = BTreeMap<String, usize>;

pub(crate) struct Played {
    pub steps: Vec<Step>,
    pub counts: Counts,
    pub mismatch: Option<Mismatch>,
}

/// Says when faults happen. It draws the same ones for the same sequence.
pub(crate) struct Faulty(Dice);

impl Faulty {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Dice::new(seed ^ 0xfa17))
    }

    fn plan(&mut self, run: &DryRun) {
        if self.0.percent(30) {
            let kind = [Kind::Before, Kind::After, Kind::Cancelled][self.0.below(3)];
            let reach = [10, 60, 400][self.0.below(3)];
            run.faults.plan(1 + self.0.below(reach) as u64, kind);
        }
    }
}

/// What became of a step.
enum Carried {
    Done(Result<Vec<Answer>, Refused>),
    /// It was carried out, and its answer is gone.
    Unseen,
    Differs(String),
}

/// Sends a step, again after a fault: then it must be carried out once, or be refused.
fn send(run: &mut DryRun, bound: &[Bound], faulty: &mut Option<Faulty>, counts: &mut Counts) -> Carried {
    if let Some(faulty) = faulty {
        faulty.plan(run);
    }
    for attempt in 0..2 {
        let answer = run.sql(bound);
        run.faults.clear();
        let struck = attempt == 0 && run.faults.take_struck();
        if struck && std::env::var_os("NATIVE_TRACE").is_some() {
            eprintln!("fault {:?} -> {answer:?} in {bound:?}", run.faults);
        }
        if struck {
            *counts.entry("faults".into()).or_default() += 1;
        }
        match answer {
            Ok(answers) => return Carried::Done(Ok(answers)),
            Err(Unanswered::Refused(refused)) if struck && refused.code == "store_unavailable" => {}
            Err(Unanswered::Refused(refused)) => return Carried::Done(Err(refused)),
            Err(Unanswered::Broken(_) | Unanswered::Cancelled) if struck => {}
            Err(Unanswered::Broken(cause)) => return Carried::Differs(format!("dry is broken: {cause}")),
            Err(Unanswered::Cancelled) => return Carried::Differs("dry waits for ever".into()),
            Err(Unanswered::Lost) if attempt > 0 => return Carried::Unseen,
            Err(Unanswered::Lost) => return Carried::Differs("dry lost a change that was answered".into()),
        }
    }
    Carried::Differs("dry fails twice".into())
}

/// Plays what `next` gives, one step after the other, over a base made by `setup`, next to an oracle that is the same.
pub(crate) fn play(
    regime: &Regime,
    setup: &[String],
    oracle: &Oracle,
    next: &mut dyn FnMut() -> Option<Step>,
    mut faulty: Option<Faulty>,
) -> Played {
    let mut run = DryRun::new(setup, regime.whole_rows, regime.most_rows);
    let mut counts = Counts::new();
    let mut steps = Vec::new();
    let mut defines = false;
    while let Some(mut step) = next() {
        steps.push(step.clone());
        let bound = step.bound();
        let dry = match send(&mut run, &bound, &mut faulty, &mut counts) {
            Carried::Done(dry) => dry,
            Carried::Unseen => {
                *counts.entry("carried out: unseen".into()).or_default() += 1;
                if let Err(failure) = oracle.run(&bound) {
                    let what = format!("dry did what fails in {}", shown(&step));
                    let expected = vec![format!("error {}", failure.message)];
                    return Played { steps, counts, mismatch: Some(mismatch(what, expected, Vec::new())) };
                }
                defines |= step.defines();
                continue;
            }
            Carried::Differs(what) => {
                let what = format!("{what} in {}", shown(&step));
                return Played { steps, counts, mismatch: Some(mismatch(what, Vec::new(), Vec::new())) };
            }
        };
        if let Err(refused) = &dry
            && refused.code != "sql_error"
        {
            *counts.entry(reason(&refused.code, &refused.message)).or_default() += 1;
            // What only the front says is compared in workerd.
            if is_honest(refused) || is_of_the_front(refused) {
                if std::env::var_os("NATIVE_REFUSED").is_some() {
                    eprintln!("refused: {} <- {}", refused.message, shown(&step));
                }
                continue;
            }
            let what = format!("dry refuses {}", shown(&step));
            return Played { steps, counts, mismatch: Some(mismatch(what, Vec::new(), of_gateway(&step, &dry))) };
        }
        let answer = oracle.run(&bound);
        // One that inserts nothing answers the rowid of an earlier one, on whatever connection that was.
        for (made, outcome) in step.0.iter_mut().zip(answer.iter().flatten()) {
            made.counts &= outcome.inserted;
        }
        let kind = match &dry {
            Ok(answers) if answers.iter().any(|answer| answer.meta.changes > 0) => "carried out: it changed rows",
            Ok(answers) if answers.iter().any(|answer| !answer.results.rows.is_empty()) => {
                "carried out: it answered rows"
            }
            Ok(_) if step.defines() => "carried out: it changed the schema",
            Ok(_) => "carried out: it found no rows",
            Err(_) => "carried out: an error of SQLite's",
        };
        *counts.entry(kind.into()).or_default() += 1;
        defines |= dry.is_ok() && step.defines();
        let (dry_lines, oracle_lines) = (of_gateway(&step, &dry), of_oracle(&step, &answer));
        if dry_lines != oracle_lines {
            let what = format!("dry differs in {}", shown(&step));
            return Played { steps, counts, mismatch: Some(mismatch(what, oracle_lines, dry_lines)) };
        }
    }
    let mismatch = (!defines).then(|| report(&run, setup, oracle)).flatten().or_else(|| finals(&mut run, oracle));
    Played { steps, counts, mismatch }
}

fn is_of_the_front(refused: &Refused) -> bool {
    ["statement_not_allowed", "sql_not_parsed", "ambiguous_text", "reserved_name", "statement_too_nested"]
        .contains(&refused.code.as_str())
}

fn mismatch(what: String, oracle: Lines, dry: Lines) -> Mismatch {
    Mismatch { what, live: oracle.clone(), oracle, dry }
}

/// What the effects say about rows, next to what changed.
fn report(run: &DryRun, setup: &[String], oracle: &Oracle) -> Option<Mismatch> {
    let (base, _) = prepared(setup);
    let (expected, dry) = (reported::expected(&base, oracle), run.reported(oracle));
    (dry != expected).then(|| mismatch("dry differs in its effects".into(), expected, dry))
}

/// Every table as the dry run has it in the end, next to the oracle's. The run may copy all of it now.
fn finals(run: &mut DryRun, oracle: &Oracle) -> Option<Mismatch> {
    run.most_rows = u64::MAX;
    for (table, sql) in dumps(oracle) {
        let one = [Bound::of(sql)];
        let expected = match oracle.run(&one) {
            Ok(outcomes) => {
                sorted(outcomes.into_iter().flat_map(|outcome| outcome.rows).map(|row| joined(row.into_iter())))
            }
            Err(failure) => vec![failure.message],
        };
        let dry = match run.sql(&one) {
            Ok(answers) => {
                let rows = answers.iter().flat_map(|answer| &answer.results.rows);
                sorted(rows.map(|row| joined(row.iter().map(shown_cell))))
            }
            Err(Unanswered::Refused(refused)) if is_honest(&refused) => continue,
            Err(other) => vec![format!("{other:?}")],
        };
        if dry != expected {
            return Some(mismatch(format!("dry differs in the end: {table}"), expected, dry));
        }
    }
    None
}
