//! Opening a run.

use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Mode, ModeCause, Run};

use super::message::{Open, Opened, Vouched};
use super::ports::{Alarms, Ancestry, FlagStore, Ledger, Surroundings};
use super::publish_flag::publish_if_due;
use crate::domain::gate::Ancestors;

/// Opens a run, or answers the one that was opened with the same id, owner and terms.
///
/// A run under a dry run is a dry run, whatever was asked: of two opinions the stricter counts. The flag of a dry run is published before the answer; when KV does not take it, the first write tries again and is refused until it does.
pub async fn open_run<W>(world: &W, open: Open) -> Result<Opened, Problem>
where
    W: Ledger + FlagStore + Ancestry + Alarms + Surroundings,
{
    if let Some(existing) = world.run()? {
        return reopen(existing, &open);
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
                    format!("The parent run {parent} could not be asked for its mode; nothing was opened."),
                    "Try again; an operator was alerted.",
                ));
            }
        }
    }
    // The parent was asked in between, so another request may have opened the run meanwhile.
    if let Some(existing) = world.run()? {
        return reopen(existing, &open);
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

fn reopen(existing: Run, open: &Open) -> Result<Opened, Problem> {
    if existing.owner == open.owner && existing.terms == open.terms && existing.environment == open.environment {
        return Ok(Opened { run: existing, existed: true });
    }
    Err(Problem::new(
        Code::RunConflict,
        format!("The run {} exists with another owner or other terms; nothing was opened.", open.id),
        "Use another id, or leave the id out to have one generated.",
    ))
}

/// What a run says when a run below it wants to write live.
pub async fn vouch<W>(world: &W) -> Result<Vouched, Problem>
where
    W: Ledger + Ancestry + Surroundings,
{
    let Some(run) = world.run()? else { return Ok(Vouched::Ended) };
    if run.mode == Mode::DryRun {
        return Ok(Vouched::DryRun);
    }
    if run.require_open(world.now()).is_err() {
        return Ok(Vouched::Ended);
    }
    let Some(parent) = &run.terms.parent else { return Ok(Vouched::Live) };
    let above = world.ancestors(parent).await;
    // While the parent was asked this run itself may have turned dry or ended.
    let Some(run) = world.run()? else { return Ok(Vouched::Ended) };
    if run.mode == Mode::DryRun {
        return Ok(Vouched::DryRun);
    }
    Ok(match above {
        Ancestors::Live | Ancestors::None => Vouched::Live,
        Ancestors::DryRun => Vouched::DryRun,
        Ancestors::Ended => Vouched::Ended,
        Ancestors::Unreachable => Vouched::Unreachable,
    })
}
