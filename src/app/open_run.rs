//! Opening a run.

use crate::domain::gate::{Ancestors, Flag, flag_unavailable};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Millis, Mode, ModeCause, Phase, Run};

use super::message::{Open, Opened, Vouched};
use super::ports::{Alarms, Ancestry, FlagStore, Ledger, Surroundings};
use super::publish_flag::publish_if_due;
use super::turn_dry::turn_dry;

/// Opens a run, or answers the one that was opened with the same id, owner and terms.
///
/// A run under a dry run is a dry run, whatever was asked: of two opinions the stricter counts. The flag of a dry run
/// is published before the answer; when KV does not take it, the first write tries again and is refused until it does.
pub async fn open_run<W>(world: &W, open: Open) -> Result<Opened, Problem>
where
    W: Ledger + FlagStore + Ancestry + Alarms + Surroundings,
{
    if let Some(existing) = world.run()? {
        return reopen(existing, &open, world.now());
    }
    let (mut mode, mut cause) = (open.terms.mode, ModeCause::Opened);
    if let Some(parent) = &open.terms.parent {
        match world.ancestors(parent).await {
            Ancestors::Live | Ancestors::None => {}
            Ancestors::DryRun => {
                if mode == Mode::Live {
                    cause = ModeCause::Inherited { parent: parent.clone() };
                }
                mode = mode.stricter(Mode::DryRun);
            }
            Ancestors::Ended => {
                return Err(Problem::new(
                    Code::RunClosed,
                    format!("The parent run {parent} has ended or was never opened; nothing was opened."),
                    "Name an open run as the parent, or none.",
                ));
            }
            Ancestors::Unreachable => {
                return Err(Problem::new(
                    Code::ParentUnavailable,
                    format!("The mode of the parent run {parent} could not be read; nothing was opened."),
                    "Try again; an operator was alerted.",
                ));
            }
        }
    }
    // The parent was asked in between, so another request may have opened the run meanwhile.
    if let Some(existing) = world.run()? {
        return reopen(existing, &open, world.now());
    }
    let now = world.now();
    let run = Run {
        id: open.id,
        owner: open.owner,
        environment: open.environment,
        granted: open.granted,
        mode,
        cause,
        mode_since: now,
        opened_at: now,
        expires_at: now + open.terms.lifetime_seconds * 1_000,
        closed_at: None,
        terms: open.terms,
    };
    world.create(&run)?;
    if run.mode == Mode::DryRun
        && let Err(problem) = publish_if_due(world, &run).await
    {
        world.guard_failed(Some(&run.id), &problem);
    }
    Ok(Opened { run, existed: false })
}

fn reopen(existing: Run, open: &Open, now: Millis) -> Result<Opened, Problem> {
    if existing.owner == open.owner && existing.terms == open.terms && existing.environment == open.environment {
        // Its token would be as expired as the run.
        return match existing.phase(now) {
            Phase::Expired => existing.require_open(now).map(|()| Opened { run: existing, existed: true }),
            Phase::Open | Phase::Closed => Ok(Opened { run: existing, existed: true }),
        };
    }
    Err(Problem::new(
        Code::RunConflict,
        format!("The run {} exists with another owner or other terms; nothing was opened.", open.id),
        "Use another id, or leave the id out to have one generated.",
    ))
}

/// What a run says when a run below it wants to write live.
///
/// A run above counts as live only when its own next write would: its flag is read too, and one that somebody else set
/// turns it dry here and now.
pub async fn vouch<W>(world: &W) -> Result<Vouched, Problem>
where
    W: Ledger + FlagStore + Ancestry + Alarms + Surroundings,
{
    let Some(run) = world.run()? else { return Ok(Vouched::Ended) };
    if let Some(settled) = settled(&run, world.now()) {
        return Ok(settled);
    }
    let flag = world.read_flag(&run.id).await;
    let above = match &run.terms.parent {
        Some(parent) => world.ancestors(parent).await,
        None => Ancestors::None,
    };
    // While KV and the parent were asked this run itself may have turned dry or ended.
    let Some(run) = world.run()? else { return Ok(Vouched::Ended) };
    if let Some(settled) = settled(&run, world.now()) {
        return Ok(settled);
    }
    match flag {
        Flag::Absent => {}
        Flag::Set => {
            turn_dry(world, ModeCause::Flag).await?;
            return Ok(Vouched::DryRun);
        }
        Flag::Garbage | Flag::TimedOut | Flag::Failed => {
            world.guard_failed(Some(&run.id), &flag_unavailable(&run.id, "could not be read for a run below it"));
            return Ok(Vouched::Unreachable);
        }
    }
    Ok(match above {
        Ancestors::Live | Ancestors::None => Vouched::Live,
        Ancestors::DryRun => Vouched::DryRun,
        Ancestors::Ended => Vouched::Ended,
        Ancestors::Unreachable => Vouched::Unreachable,
    })
}

/// What a run's own storage settles without asking anybody.
fn settled(run: &Run, now: Millis) -> Option<Vouched> {
    if run.require_open(now).is_err() {
        return Some(Vouched::Ended);
    }
    (run.mode == Mode::DryRun).then_some(Vouched::DryRun)
}
