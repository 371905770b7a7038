//! The steps of a smoke test, each with its time and its tries.

use std::time::Duration;

use dryrun_text::line;
use serde_json::{Value, json};

use super::probe::Trouble;
use crate::failure::Failure;
use crate::say::Say;
use crate::text::now;

/// The first pause; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// One step that was made.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Its name.
    pub name: String,
    /// Why it failed; `None` when it did not.
    pub failure: Option<Failure>,
    /// What was found, for people.
    pub detail: String,
    /// How long it took with all its pauses, in milliseconds.
    pub millis: u64,
    /// How often it was tried.
    pub tries: u32,
}

impl Step {
    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let failure = self
            .failure
            .as_ref()
            .map(|failure| json!({"code": failure.code, "message": failure.message, "remedy": failure.remedy}));
        json!({"name": self.name, "passed": self.failure.is_none(), "detail": self.detail, "duration_ms": self.millis, "tries": self.tries, "problem": failure})
    }
}

/// Makes steps, with patience of two bounds: tries for each step, and time for all.
pub(super) struct Steps {
    say: Say,
    retries: u32,
    ends: u64,
    /// Those that were made.
    pub made: Vec<Step>,
}

impl Steps {
    /// None made yet. `within`: for all of them, in seconds.
    pub(super) fn new(say: Say, retries: u32, within: u64) -> Self {
        Self { say, retries, ends: now().saturating_add(within.saturating_mul(1_000)), made: Vec::new() }
    }

    /// Whether all went well so far.
    pub(super) fn are_well(&self) -> bool {
        self.made.iter().all(|step| step.failure.is_none())
    }

    /// Makes a step; tries again what may be mended by waiting. Answers what it found, or nothing when it failed.
    pub(super) fn make<T>(
        &mut self,
        name: &str,
        mut attempt: impl FnMut() -> Result<(T, String), Trouble>,
    ) -> Option<T> {
        let began = now();
        let mut tries = 0;
        let (found, failure, detail) = loop {
            tries += 1;
            match attempt() {
                Ok((found, detail)) => break (Some(found), None, detail),
                Err(Trouble::End(failure)) => break (None, Some(failure), String::new()),
                Err(Trouble::Wait(failure)) => match next_pause(tries, self.retries, self.ends.saturating_sub(now())) {
                    Some(pause) => {
                        self.say.note(&format!(
                            "{}: {} Trying again in {:.1} s ({tries} of {}).",
                            line(name),
                            line(&failure.message),
                            pause.as_secs_f64(),
                            self.retries
                        ));
                        std::thread::sleep(pause);
                    }
                    None => break (None, Some(failure), String::new()),
                },
            }
        };
        self.made.push(Step { name: name.to_owned(), failure, detail, millis: now().saturating_sub(began), tries });
        found
    }
}

/// How long to wait before another try; `None` when there is none. `left`: of all the time, in milliseconds.
fn next_pause(tries: u32, retries: u32, left: u64) -> Option<Duration> {
    let pause = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(10)).min(LONGEST_PAUSE);
    (tries <= retries && pause <= Duration::from_millis(left)).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_the_tries_or_the_time() {
        let pauses: Vec<u128> =
            (1..=7).filter_map(|tries| next_pause(tries, 6, 60_000)).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        assert_eq!((next_pause(1, 0, 60_000), next_pause(3, 9, 1_999)), (None, None));
        assert_eq!(next_pause(40, 99, 60_000), Some(LONGEST_PAUSE));
    }
}
