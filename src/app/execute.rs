//! Carrying out one operation of a run: decide purely, then act, then record, then answer.

use serde_json::{Value, json};

use crate::domain::gate::{Ancestors, Decision, Question, gate};
use crate::domain::journal::{Entry, Outcome, Position};
use crate::domain::operation::{Access, Call, Operation};
use crate::domain::refusal::{Blame, Code, Problem};
use crate::domain::run::{Millis, Mode, ModeCause, Run, unknown_run};
use crate::domain::settings::Policy;

use super::message::{Answer, Execute, Receipt};
use super::ports::{Alarms, Ancestry, Done, Ending, FlagStore, Idempotency, Ledger, Recalled, Stores, Surroundings};
use super::publish_flag::publish_if_due;

/// Everything that carrying out an operation needs.
pub trait World:
    Ledger<Plan = <Self as Stores>::Plan, Content = <Self as Stores>::Content>
    + Stores
    + FlagStore
    + Ancestry
    + Alarms
    + Surroundings
{
}

impl<W> World for W where
    W: Ledger<Plan = <W as Stores>::Plan, Content = <W as Stores>::Content>
        + Stores
        + FlagStore
        + Ancestry
        + Alarms
        + Surroundings
{
}

/// The content of an answer that is not JSON.
type ContentOf<W> = <W as Stores>::Content;
/// What came of an operation, before it is recorded.
type Attempt<W> = Result<Done<ContentOf<W>, <W as Stores>::Plan>, Problem>;
/// The recorded answer of the first request with an idempotency key.
type First<C> = (Receipt, Answer<C>);
/// An answer with its receipt; a refusal has a receipt too.
pub type Executed<C> = (Receipt, Result<Answer<C>, Problem>);

/// Carries out one operation.
///
/// Whatever happens is in the journal before the answer leaves, refusals included; only a run that does not exist, or
/// is not the caller's, has no journal to write to.
pub async fn execute<W: World>(world: &W, request: Execute, payload: W::Payload) -> Executed<ContentOf<W>> {
    let bare = Receipt::bare(request.run.clone());
    let run = match own_run(world, &request) {
        Ok(run) => run,
        Err(problem) => return (bare, Err(problem)),
    };
    let began = world.now();
    let attempt = match prepare(world, run, &request, began) {
        Ok(run) if request.operation.access() == Access::Read => {
            let attempt = world.read(&run, &request.operation).await;
            Ok((attempt, Some((run.mode, run.cause.clone()))))
        }
        Ok(run) => return write(world, run, request, payload, began).await,
        Err(problem) => Err(problem),
    };
    let (attempt, mode) = attempt.unwrap_or_else(|problem| (Err(problem), known_mode(world)));
    record(world, &request, began, mode, None, attempt, None)
}

/// The run, when it exists and the caller may use it. The two are not told apart.
fn own_run<W: World>(world: &W, request: &Execute) -> Result<Run, Problem> {
    let run = world.run()?.filter(|run| run.id == request.run && run.owner == request.actor.name);
    run.ok_or_else(|| unknown_run(request.run.as_str()))
}

/// What holds for reads and writes alike. The word `Dry-Run: true` counts on any request, so it is taken here.
fn prepare<W: World>(world: &W, run: Run, request: &Execute, now: Millis) -> Result<Run, Problem> {
    run.require_open(now)?;
    let run = take_word(world, run, request, now)?;
    if let Call::Refused(call) = &request.operation.call {
        return Err(call.problem.clone());
    }
    let store = &request.operation.store;
    if store.settings.policy == Policy::Denied {
        return Err(Problem::new(
            Code::StoreDenied,
            format!("The store {} is denied to agents by its policy; nothing was read or written.", store.binding),
            "Work without this store, or ask an operator to change its policy in STORES.",
        ));
    }
    Ok(run)
}

/// Takes the word `Dry-Run: true`.
fn take_word<W: World>(world: &W, run: Run, request: &Execute, now: Millis) -> Result<Run, Problem> {
    if !request.asked_dry || run.mode == Mode::DryRun {
        return Ok(run);
    }
    world.turn_dry(&ModeCause::Asked, now)?;
    let run = world.run()?.ok_or_else(|| unknown_run(request.run.as_str()))?;
    world.run_changed(&run);
    Ok(run)
}

/// The mode for the receipt of what was refused before the gate: a dry run says so in every answer.
fn known_mode<W: World>(world: &W) -> Option<(Mode, ModeCause)> {
    let run = world.run().ok().flatten()?;
    (run.mode == Mode::DryRun).then_some((run.mode, run.cause))
}

async fn write<W: World>(
    world: &W,
    run: Run,
    request: Execute,
    payload: W::Payload,
    began: Millis,
) -> Executed<ContentOf<W>> {
    if let Some(idempotency) = &request.idempotency {
        match recall(world, &request, idempotency) {
            Ok(None) => {}
            Ok(Some((receipt, first))) => {
                let problem = match world.repeats(&request.operation, payload, &first).await {
                    Ok(true) => return (Receipt { replayed: true, ..receipt }, Ok(first)),
                    Ok(false) => mismatch(),
                    Err(problem) => problem,
                };
                return record(world, &request, began, known_mode(world), None, Err(problem), None);
            }
            Err(problem) => return record(world, &request, began, known_mode(world), None, Err(problem), None),
        }
    }
    let parent = run.terms.parent.as_ref().filter(|_| run.mode == Mode::Live);
    // The flag first, the parent's word last: what was said longest ago is what may have changed since.
    let flag = world.read_flag(&run.id).await;
    let ancestors = match parent {
        Some(parent) => world.ancestors(parent).await,
        // A dry run needs nobody's word to stay one.
        None if run.terms.parent.is_some() => Ancestors::Live,
        None => Ancestors::None,
    };
    // Other requests ran while KV and the parent were asked: decide on what storage says now. From here to the call of
    // the store nothing is awaited on the live path, so nothing can come in between (input gates only hold during
    // storage calls, https://developers.cloudflare.com/durable-objects/reference/in-memory-state/).
    let run = match own_run(world, &request) {
        Ok(run) => run,
        Err(problem) => return refuse(world, &request, began, problem),
    };
    let store = &request.operation.store;
    let decision = gate(&Question {
        run: &run,
        now: world.now(),
        flag,
        ancestors,
        policy: store.settings.policy,
        store: &store.binding,
        asked_dry: request.asked_dry,
        environment: world.settings().environment,
    });
    match decision {
        Decision::Refused(problem) => refuse(world, &request, began, problem),
        Decision::DryRun(cause) => rehearse(world, run, &request, payload, began, cause).await,
        Decision::Live => perform(world, &request, payload, began, run.cause).await,
    }
}

async fn perform<W: World>(
    world: &W,
    request: &Execute,
    payload: W::Payload,
    began: Millis,
    cause: ModeCause,
) -> Executed<ContentOf<W>> {
    let mode = Some((Mode::Live, cause));
    let position = match world.begin(&entry(request, began, mode.clone())) {
        Ok(position) => position,
        Err(problem) => return refuse(world, request, began, problem),
    };
    let attempt = world.perform(&request.operation, payload).await;
    record(world, request, began, mode, Some(position), attempt, request.idempotency.clone())
}

async fn rehearse<W: World>(
    world: &W,
    run: Run,
    request: &Execute,
    payload: W::Payload,
    began: Millis,
    cause: ModeCause,
) -> Executed<ContentOf<W>> {
    let ready = async {
        if run.mode == Mode::Live {
            world.turn_dry(&cause, world.now())?;
            if let Some(run) = world.run()? {
                world.run_changed(&run);
            }
        }
        publish_if_due(world, &run).await?;
        let turn = world.turn().await?;
        // KV and the turn were waited for: the run may have ended meanwhile.
        own_run(world, request)?.require_open(world.now())?;
        Ok(turn)
    };
    let _turn = match ready.await {
        Ok(turn) => turn,
        Err(problem) => return refuse(world, request, began, problem),
    };
    let attempt = world.rehearse(&request.operation, payload).await;
    record(world, request, began, Some((Mode::DryRun, cause)), None, attempt, request.idempotency.clone())
}

/// Refuses before anything happened: the idempotency key is free again, so that a retry is a new try.
fn refuse<W: World>(world: &W, request: &Execute, began: Millis, problem: Problem) -> Executed<ContentOf<W>> {
    if let Some(idempotency) = &request.idempotency
        && let Err(problem) = world.release(idempotency)
    {
        world.guard_failed(Some(&request.run), &problem);
    }
    record(world, request, began, known_mode(world), None, Err(problem), None)
}

/// What an idempotency key already stands for.
fn recall<W: World>(
    world: &W,
    request: &Execute,
    idempotency: &Idempotency,
) -> Result<Option<First<ContentOf<W>>>, Problem> {
    match world.recall(idempotency)? {
        Recalled::Claimed => Ok(None),
        Recalled::Done(receipt, answer) => Ok(Some((receipt, answer))),
        Recalled::Mismatch => Err(mismatch()),
        Recalled::Running => Err(Problem::new(
            Code::IdempotencyRunning,
            format!(
                "The first request with this Idempotency-Key is still running in the run {}; nothing was written \
                 twice.",
                request.run
            ),
            "Wait, then send it again to get its answer.",
        )),
        Recalled::Interrupted => Err(Problem::new(
            Code::OutcomeUnknown,
            "The first request with this Idempotency-Key was interrupted, and its outcome is unknown; nothing was \
             written now.",
            "Look at the store and at the run's report, then use a new key if the write is still needed.",
        )),
    }
}

fn mismatch() -> Problem {
    Problem::new(
        Code::IdempotencyMismatch,
        "This Idempotency-Key was used with another request in this run; nothing was written.",
        "Use a new key for a new request.",
    )
}

fn entry(request: &Execute, began: Millis, mode: Option<(Mode, ModeCause)>) -> Entry {
    let operation: &Operation = &request.operation;
    let (mode, cause) = mode.unzip();
    Entry {
        position: 0,
        at: began,
        store: operation.store.binding.clone(),
        kind: operation.store.settings.kind,
        access: operation.access(),
        action: operation.action(),
        subject: operation.subject(),
        request: operation.request(),
        unbounded: operation.unbounded(),
        mode,
        cause,
        outcome: Outcome::Running,
        problem: None,
        result: Value::Null,
        inexact: Vec::new(),
        volatile: Vec::new(),
        duration_ms: None,
    }
}

/// Puts the end of an operation into the journal and makes its answer.
fn record<W: World>(
    world: &W,
    request: &Execute,
    began: Millis,
    mode: Option<(Mode, ModeCause)>,
    position: Option<Position>,
    attempt: Attempt<W>,
    keep: Option<Idempotency>,
) -> Executed<ContentOf<W>> {
    let mut entry = entry(request, began, mode.clone());
    entry.duration_ms = Some(world.now().saturating_sub(began));
    let (mode, cause) = mode.unzip();
    let live_write = mode == Some(Mode::Live) && entry.access == Access::Write;
    let (mut effects, mut plan, mut answer, mut problem) = (Vec::new(), Vec::new(), None, None);
    match attempt {
        Ok(done) => {
            entry.outcome = done.outcome;
            entry.result = done.result;
            entry.inexact = done.inexact;
            entry.volatile = done.volatile;
            effects = done.effects;
            plan = done.plan;
            answer = Some(done.answer);
        }
        // That something is not there, or not different, is what a read wanted to know.
        Err(absent)
            if entry.access == Access::Read
                && matches!(absent.code, Code::KeyNotFound | Code::ObjectNotFound | Code::NotModified) =>
        {
            entry.outcome = Outcome::Done;
            entry.result = json!({ "answer": absent.code });
            problem = Some(absent);
        }
        // A live write whose store gave no clear answer may have happened: its line stays open, as after a crash.
        Err(unclear) if live_write && unclear.code == Code::StoreUnavailable => {
            entry.problem = Some(unclear.clone());
            problem = Some(unclear);
        }
        Err(other) => {
            entry.outcome = Outcome::of(&other);
            entry.problem = Some(other.clone());
            problem = Some(other);
        }
    }
    if let Some(problem) = &problem
        && problem.code.blame() == Blame::Guard
    {
        world.guard_failed(Some(&request.run), problem);
    }
    // A failure may be tried again with the same key, unless the write may have happened.
    if let (Some(idempotency), Some(_), false) = (&keep, &problem, entry.outcome == Outcome::Running)
        && let Err(problem) = world.release(idempotency)
    {
        world.guard_failed(Some(&request.run), &problem);
    }
    if let (Some(idempotency), Outcome::Running) = (&keep, entry.outcome)
        && let Err(problem) = world.doubt(idempotency)
    {
        world.guard_failed(Some(&request.run), &problem);
    }
    let kept = keep.clone().zip(answer.as_mut().and_then(Answer::keepable));
    let bare = Entry {
        inexact: vec!["what this operation changed could not be recorded".into()],
        request: Value::Null,
        ..entry.clone()
    };
    let mut written =
        world.finish(position, Ending { run: request.run.clone(), entry, effects, plan: plan.clone(), keep: kept });
    if let Err(fault) = &written {
        // Too large for a row, for example: a line without its details is better than none.
        world.guard_failed(Some(&request.run), fault);
        if let Some(idempotency) = &keep
            && let Err(problem) = world.doubt(idempotency)
        {
            world.guard_failed(Some(&request.run), &problem);
        }
        written = world
            .finish(position, Ending { run: request.run.clone(), entry: bare, effects: Vec::new(), plan, keep: None });
    }
    let receipt = |position| Receipt { run: request.run.clone(), position, mode, cause, replayed: false };
    match (written, answer, problem) {
        (Ok(position), Some(answer), _) => (receipt(Some(position)), Ok(answer)),
        (Ok(position), None, problem) => {
            (receipt(Some(position)), Err(problem.unwrap_or_else(|| Problem::broken("a refusal without its reason"))))
        }
        (Err(fault), _, _) => (receipt(position), Err(fault)),
    }
}

impl<C> Answer<C> {
    /// The answer of a write, to be kept; only those are JSON.
    fn keepable(&mut self) -> Option<Self> {
        match self {
            Self::Result { result, info } => Some(Self::Result { result: result.clone(), info: info.clone() }),
            Self::Content { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fake::{Fails, World, finish, put};
    use crate::domain::gate::Flag;
    use crate::domain::run::RunId;

    fn run_it(world: &World, request: Execute) -> String {
        let (receipt, answer) = finish(execute(world, request, ()));
        match answer {
            Ok(_) => {
                format!("{}{}", receipt.mode.map_or("?", Mode::as_str), if receipt.replayed { " again" } else { "" })
            }
            Err(problem) => problem.code.as_str().to_owned(),
        }
    }

    fn check(world: &World, request: Execute, answer: &str, log: &str) {
        assert_eq!((run_it(world, request).as_str(), world.log().as_str()), (answer, log));
    }

    #[test]
    fn a_live_write_is_announced_before_it_leaves_and_recorded_after() {
        check(&World::with(Mode::Live), put(Policy::Live), "live", "read flag, begin, WRITE, record done");
    }

    #[test]
    fn a_dry_write_is_planned_after_its_flag_stands() {
        check(&World::with(Mode::DryRun), put(Policy::Live), "dry_run", "read flag, publish, plan, record done");
    }

    #[test]
    fn a_dry_write_whose_flag_cannot_be_published_is_refused_and_nothing_is_planned() {
        let world = World::with(Mode::DryRun);
        world.publishes.set(false);
        check(
            &world,
            put(Policy::Live),
            "flag_unavailable",
            "read flag, publish, alert flag_unavailable, record refused",
        );
    }

    #[test]
    fn no_flag_reading_but_absent_or_set_lets_a_write_through() {
        for mode in [Mode::Live, Mode::DryRun] {
            for flag in [Flag::Failed, Flag::TimedOut, Flag::Garbage] {
                let world = World::with(mode);
                world.flag.set(flag);
                check(
                    &world,
                    put(Policy::Live),
                    "flag_unavailable",
                    "read flag, alert flag_unavailable, record refused",
                );
            }
        }
    }

    #[test]
    fn every_way_of_turning_dry_is_sticky() {
        let asked = Execute { asked_dry: true, ..put(Policy::Live) };
        for (flag, first) in
            [(Flag::Set, put(Policy::Live)), (Flag::Absent, asked), (Flag::Absent, put(Policy::DryRun))]
        {
            let world = World::with(Mode::Live);
            world.flag.set(flag);
            assert_eq!(run_it(&world, first), "dry_run");
            world.flag.set(Flag::Absent);
            assert_eq!(run_it(&world, put(Policy::Live)), "dry_run");
            assert!(!world.log().contains("WRITE"), "{}", world.log());
        }
    }

    #[test]
    fn a_run_that_turns_dry_while_its_flag_is_read_does_not_write_live() {
        let world = World::with(Mode::Live);
        *world.meanwhile.borrow_mut() = Some(Box::new(|world| world.change(|run| run.mode = Mode::DryRun)));
        check(&world, put(Policy::Live), "dry_run", "read flag, publish, plan, record done");
    }

    #[test]
    fn a_run_that_is_closed_while_its_flag_is_read_does_not_write() {
        let world = World::with(Mode::Live);
        *world.meanwhile.borrow_mut() = Some(Box::new(|world| world.change(|run| run.closed_at = Some(1))));
        check(&world, put(Policy::Live), "run_closed", "read flag, record refused");
    }

    #[test]
    fn a_live_write_whose_answer_was_lost_stays_open_in_the_journal() {
        let world = World::with(Mode::Live);
        world.store.set(Fails::After);
        check(&world, put(Policy::Live), "store_unavailable", "read flag, begin, WRITE, record running");
        assert_eq!(world.journal.borrow()[0].mode, Some(Mode::Live));
    }

    #[test]
    fn a_write_that_the_store_refused_is_a_failure_of_the_agent_not_of_the_guard() {
        let world = World::with(Mode::Live);
        world.store.set(Fails::Before);
        check(&world, put(Policy::Live), "sql_error", "read flag, begin, WRITE not, record failed");
    }

    #[test]
    fn somebody_elses_run_is_unknown_and_leaves_no_trace() {
        let world = World::with(Mode::Live);
        let mut request = put(Policy::Live);
        request.actor.name = "other".into();
        check(&world, request, "unknown_run", "");
        let mut request = put(Policy::Live);
        request.run = RunId::parse("r2").unwrap();
        check(&world, request, "unknown_run", "");
    }

    #[test]
    fn a_live_child_asks_above_and_a_dry_one_needs_nobodys_word() {
        let world = World::with(Mode::Live);
        world.change(|run| run.terms.parent = RunId::parse("above").ok());
        check(&world, put(Policy::Live), "live", "read flag, ask above, begin, WRITE, record done");
        world.ancestors.set(Ancestors::Unreachable);
        assert_eq!(run_it(&world, put(Policy::Live)), "parent_unavailable");
        world.ancestors.set(Ancestors::DryRun);
        assert_eq!(run_it(&world, put(Policy::Live)), "dry_run");
        world.ancestors.set(Ancestors::Live);
        assert_eq!(run_it(&world, put(Policy::Live)), "dry_run", "for good");
    }

    fn with_key(key: &str, request: &str) -> Execute {
        Execute { idempotency: Some(Idempotency { key: key.into(), request: request.into() }), ..put(Policy::Live) }
    }

    #[test]
    fn a_repeated_request_gets_the_first_answer_and_another_with_its_key_is_refused() {
        let world = World::with(Mode::Live);
        assert_eq!(run_it(&world, with_key("a", "1")), "live");
        assert_eq!(run_it(&world, with_key("a", "1")), "? again");
        assert_eq!(run_it(&world, with_key("a", "2")), "idempotency_mismatch");
        assert_eq!(world.log().matches("WRITE").count(), 1);
    }

    #[test]
    fn a_key_is_free_again_after_a_refusal_but_not_after_a_write_that_may_have_happened() {
        let world = World::with(Mode::Live);
        world.flag.set(Flag::TimedOut);
        assert_eq!(run_it(&world, with_key("a", "1")), "flag_unavailable");
        world.flag.set(Flag::Absent);
        world.store.set(Fails::After);
        assert_eq!(run_it(&world, with_key("a", "1")), "store_unavailable");
        world.store.set(Fails::Never);
        assert_eq!(run_it(&world, with_key("a", "1")), "idempotency_running");
        assert_eq!(world.log().matches("WRITE").count(), 1);
    }
}
