//! The gate: the pure decision for one write.
//!
//! A write is live only when everything that could forbid it was asked in this very event and said yes. Whatever is
//! missing, slow, malformed or contradictory is a refusal; no input makes a run that is a dry run live again.

use super::refusal::{Code, Problem};
use super::run::{Millis, Mode, ModeCause, Run, RunId};
use super::settings::{Environment, Policy};

/// What reading a run's flag gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// No value: nobody published a dry run, or the publication has not arrived or has lapsed.
    Absent,
    /// The value `1`: somebody declared the run a dry run.
    Set,
    /// Any other value. Nobody wrote it that knows the protocol, so it is not understood as either.
    Garbage,
    /// No answer within the budget.
    TimedOut,
    /// The read failed.
    Failed,
}

impl Flag {
    /// Reads a value from the flag's key.
    pub fn from_value(value: Option<&[u8]>) -> Self {
        match value {
            None => Self::Absent,
            Some(b"1") => Self::Set,
            Some(_) => Self::Garbage,
        }
    }

    fn failure(self) -> Option<&'static str> {
        match self {
            Self::Absent | Self::Set => None,
            Self::Garbage => Some("holds a value that is not understood"),
            Self::TimedOut => Some("could not be read in time"),
            Self::Failed => Some("could not be read"),
        }
    }
}

/// What the run's ancestors say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ancestors {
    /// It has none.
    None,
    /// All of them are live.
    Live,
    /// At least one is a dry run.
    DryRun,
    /// At least one of them is closed, expired or unknown, and so cannot vouch for a live write.
    Ended,
    /// They could not be asked.
    Unreachable,
}

/// Everything that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The run, as its object's storage has it in this event.
    pub run: &'a Run,
    /// The clock.
    pub now: Millis,
    /// The reading of its flag.
    pub flag: Flag,
    /// What its ancestors say.
    pub ancestors: Ancestors,
    /// The policy of the store.
    pub policy: Policy,
    /// The store's binding, for the words of the answer.
    pub store: &'a str,
    /// Whether this request asks for a dry run.
    pub asked_dry: bool,
    /// The environment that the gateway is.
    pub environment: Environment,
}

/// The decision for one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Make it real.
    Live,
    /// Rehearse it, because of this.
    DryRun(ModeCause),
    /// Do neither.
    Refused(Problem),
}

/// Decides one write.
///
/// Deny is stricter than dry run, dry run is stricter than live, and of several opinions the strictest counts.
pub fn gate(question: &Question<'_>) -> Decision {
    let Question { run, now, flag, ancestors, policy, store, asked_dry, environment } = *question;
    if let Err(problem) = run.require_open(now) {
        return Decision::Refused(problem);
    }
    if run.environment != environment {
        return Decision::Refused(Problem::new(
            Code::EnvironmentMismatch,
            format!(
                "The run {} belongs to {}, this gateway is {environment}; nothing was written.",
                run.id, run.environment
            ),
            "Use the gateway of the run's environment. An operator was alerted.",
        ));
    }
    if policy == Policy::Denied {
        return Decision::Refused(Problem::new(
            Code::StoreDenied,
            format!("The store {store} is denied to agents by its policy; nothing was written."),
            "Work without this store, or ask an operator to change its policy in STORES.",
        ));
    }
    if let Some(failure) = flag.failure() {
        return Decision::Refused(flag_unavailable(&run.id, failure));
    }
    if run.mode == Mode::DryRun {
        return Decision::DryRun(run.cause.clone());
    }
    if asked_dry {
        return Decision::DryRun(ModeCause::Asked);
    }
    if flag == Flag::Set {
        return Decision::DryRun(ModeCause::Flag);
    }
    if policy == Policy::DryRun {
        return Decision::DryRun(ModeCause::Policy { store: store.to_owned() });
    }
    match (ancestors, &run.terms.parent) {
        (Ancestors::None, None) | (Ancestors::Live, Some(_)) => {}
        (Ancestors::DryRun, Some(parent)) => return Decision::DryRun(ModeCause::Inherited { parent: parent.clone() }),
        (Ancestors::Ended, Some(parent)) => {
            return Decision::Refused(Problem::new(
                Code::RunClosed,
                format!("The parent run {parent} has ended, so this run cannot write live; nothing was written."),
                "Open a run of its own for this work.",
            ));
        }
        (Ancestors::Unreachable, _) | (_, None) | (Ancestors::None, Some(_)) => {
            return Decision::Refused(Problem::new(
                Code::ParentUnavailable,
                "The parent run's mode could not be read; nothing was written.",
                "Try again; an operator was alerted. A live run needs the mode of every run above it.",
            ));
        }
    }
    if environment == Environment::Production && !run.granted {
        return Decision::Refused(live_not_granted());
    }
    Decision::Live
}

/// The refusal when the flag cannot be trusted.
pub fn flag_unavailable(run: &RunId, failure: &str) -> Problem {
    Problem::new(
        Code::FlagUnavailable,
        format!("The flag dryrun_active:{run} {failure}; nothing was written."),
        "Try again after the time in Retry-After; an operator was alerted. Writes stay refused until KV answers.",
    )
}

/// The refusal of a live run that nobody with the right to do so asked for.
pub fn live_not_granted() -> Problem {
    Problem::new(
        Code::LiveNotGranted,
        "Live writes in production need an approver; nothing was written.",
        "Open the run as a dry run and have its report reviewed, or let an approver open it live.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{OpenRequest, Terms};
    use proptest::prelude::*;

    const NOW: Millis = 1_000;

    fn run(mode: Mode, parent: bool, granted: bool, environment: Environment, ended: u8) -> Run {
        let mut terms = Terms::parse(&OpenRequest::default()).unwrap();
        terms.parent = parent.then(|| RunId::parse("above").unwrap());
        Run {
            id: RunId::parse("r1").unwrap(),
            owner: "agent".into(),
            environment,
            granted,
            terms,
            mode,
            cause: ModeCause::Opened,
            mode_since: 0,
            opened_at: 0,
            expires_at: if ended == 1 { NOW } else { NOW + 1 },
            closed_at: (ended == 2).then_some(1),
        }
    }

    fn say(decision: &Decision) -> String {
        match decision {
            Decision::Live => "live".into(),
            Decision::DryRun(cause) => format!("dry run because {}", cause.describe()),
            Decision::Refused(problem) => format!("refused {}", problem.code.as_str()),
        }
    }

    const FLAGS: [Flag; 5] = [Flag::Absent, Flag::Set, Flag::Garbage, Flag::TimedOut, Flag::Failed];
    const ANCESTORS: [Ancestors; 5] =
        [Ancestors::None, Ancestors::Live, Ancestors::DryRun, Ancestors::Ended, Ancestors::Unreachable];
    const POLICIES: [Policy; 3] = [Policy::Live, Policy::DryRun, Policy::Denied];
    const ENVIRONMENTS: [Environment; 2] = [Environment::Staging, Environment::Production];

    /// Walks every combination of inputs and counts the decisions.
    fn table(mut visit: impl FnMut(&Question<'_>, bool, &Decision)) {
        for mode in [Mode::Live, Mode::DryRun] {
            for parent in [false, true] {
                for granted in [false, true] {
                    for home in ENVIRONMENTS {
                        for ended in 0..3 {
                            let run = run(mode, parent, granted, home, ended);
                            for flag in FLAGS {
                                for ancestors in ANCESTORS {
                                    for policy in POLICIES {
                                        for asked_dry in [false, true] {
                                            for environment in ENVIRONMENTS {
                                                let question = Question {
                                                    run: &run,
                                                    now: NOW,
                                                    flag,
                                                    ancestors,
                                                    policy,
                                                    store: "DB",
                                                    asked_dry,
                                                    environment,
                                                };
                                                visit(&question, ended != 0, &gate(&question));
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_write_is_live_in_exactly_the_rows_where_everything_says_yes() {
        let (mut rows, mut live) = (0, 0);
        table(|question, ended, decision| {
            rows += 1;
            let everything_says_yes = !ended
                && question.run.mode == Mode::Live
                && question.run.environment == question.environment
                && question.flag == Flag::Absent
                && question.policy == Policy::Live
                && !question.asked_dry
                && matches!(
                    (question.ancestors, question.run.terms.parent.is_some()),
                    (Ancestors::None, false) | (Ancestors::Live, true)
                )
                && (question.environment == Environment::Staging || question.run.granted);
            live += usize::from(everything_says_yes);
            assert_eq!(*decision == Decision::Live, everything_says_yes, "{question:?} gave {}", say(decision));
        });
        assert_eq!((rows, live), (14_400, 6), "two kinds of ancestry times three grants");
    }

    #[test]
    fn a_flag_that_cannot_be_read_refuses_every_write_of_an_open_run() {
        table(|question, ended, decision| {
            let at_home = question.run.environment == question.environment;
            if !ended && at_home && question.policy != Policy::Denied && question.flag.failure().is_some() {
                assert_eq!(say(decision), "refused flag_unavailable", "{question:?}");
            }
        });
    }

    #[test]
    fn an_ended_run_never_writes_in_any_form() {
        table(|_, ended, decision| {
            if ended {
                assert!(
                    matches!(decision, Decision::Refused(problem) if matches!(problem.code, Code::RunClosed | Code::RunExpired))
                );
            }
        });
    }

    #[test]
    fn a_dry_run_is_never_live_and_keeps_its_cause() {
        table(|question, _, decision| {
            if question.run.mode == Mode::DryRun {
                assert!(
                    matches!(decision, Decision::Refused(_) | Decision::DryRun(ModeCause::Opened)),
                    "{question:?} gave {}",
                    say(decision)
                );
            }
        });
    }

    #[test]
    fn each_cause_names_itself() {
        let live = run(Mode::Live, false, false, Environment::Staging, 0);
        let child = run(Mode::Live, true, false, Environment::Staging, 0);
        let base = Question {
            run: &live,
            now: NOW,
            flag: Flag::Absent,
            ancestors: Ancestors::None,
            policy: Policy::Live,
            store: "DB",
            asked_dry: false,
            environment: Environment::Staging,
        };
        let check = |question: Question<'_>, expected: &str| assert_eq!(say(&gate(&question)), expected);
        check(base, "live");
        check(Question { asked_dry: true, ..base }, "dry run because its agent asked for a dry run");
        check(Question { flag: Flag::Set, ..base }, "dry run because its flag was set in KV by somebody else");
        check(Question { policy: Policy::DryRun, ..base }, "dry run because the store DB is under the policy dry_run");
        check(
            Question { run: &child, ancestors: Ancestors::DryRun, ..base },
            "dry run because its parent run above is a dry run",
        );
        check(Question { run: &child, ancestors: Ancestors::Unreachable, ..base }, "refused parent_unavailable");
        check(Question { run: &child, ancestors: Ancestors::Ended, ..base }, "refused run_closed");
        check(Question { policy: Policy::Denied, ..base }, "refused store_denied");
        check(Question { environment: Environment::Production, ..base }, "refused environment_mismatch");
    }

    #[test]
    fn only_the_exact_value_one_sets_the_flag() {
        assert_eq!(Flag::from_value(None), Flag::Absent);
        assert_eq!(Flag::from_value(Some(b"1")), Flag::Set);
        for value in [&b""[..], b"0", b"1 ", b"true", b"\xff", b"11"] {
            assert_eq!(Flag::from_value(Some(value)), Flag::Garbage, "{value:?}");
        }
    }

    proptest! {
        /// Mode is monotone: a stricter input never makes live what was not, and what was live is then not.
        #[test]
        fn a_stricter_input_never_leads_to_a_live_write(
            mode in 0usize..2, parent: bool, granted: bool, flag in 0usize..5, ancestors in 0usize..5,
            policy in 0usize..3, asked_dry: bool, production: bool,
        ) {
            let environment = if production { Environment::Production } else { Environment::Staging };
            let run_mode = if mode == 0 { Mode::Live } else { Mode::DryRun };
            let looser = run(run_mode, parent, granted, environment, 0);
            let dry = run(Mode::DryRun, parent, granted, environment, 0);
            let closed = run(run_mode, parent, granted, environment, 2);
            let question = Question { run: &looser, now: NOW, flag: FLAGS[flag], ancestors: ANCESTORS[ancestors], policy: POLICIES[policy], store: "DB", asked_dry, environment };
            for stricter in [
                Question { asked_dry: true, ..question },
                Question { policy: POLICIES[(policy + 1).min(2)].max(Policy::DryRun), ..question },
                Question { run: &dry, ..question },
                Question { run: &closed, ..question },
                Question { flag: Flag::Set, ..question },
                Question { flag: Flag::Garbage, ..question },
                Question { flag: Flag::TimedOut, ..question },
                Question { flag: Flag::Failed, ..question },
            ] {
                let decision = gate(&stricter);
                prop_assert!(decision != Decision::Live, "{:?}", stricter);
            }
        }

        #[test]
        fn merging_modes_takes_the_stricter_in_any_order(a in 0usize..2, b in 0usize..2, c in 0usize..2) {
            let mode = |index: usize| if index == 0 { Mode::Live } else { Mode::DryRun };
            let (a, b, c) = (mode(a), mode(b), mode(c));
            prop_assert_eq!(a.stricter(b), b.stricter(a));
            prop_assert_eq!(a.stricter(b).stricter(c), a.stricter(b.stricter(c)));
            prop_assert!(a.stricter(b) >= a);
        }
    }
}
