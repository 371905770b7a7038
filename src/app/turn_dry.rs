//! Turning a run dry: at once, for good, in every store.

use crate::domain::refusal::Problem;
use crate::domain::run::{Mode, ModeCause, Run, unknown_run};

use super::ports::{Alarms, FlagStore, Ledger, Surroundings};
use super::publish_flag::publish_if_due;

/// Turns the run dry and publishes its flag. Turning a dry run dry again changes nothing.
///
/// The mode is in storage before the flag is put: when KV fails, the run is a dry run all the same, and only its writes
/// are refused until the flag stands.
pub async fn turn_dry<W>(world: &W, cause: ModeCause) -> Result<Run, Problem>
where
    W: Ledger + FlagStore + Alarms + Surroundings,
{
    let run = world.run()?.ok_or_else(|| unknown_run("given"))?;
    if run.mode == Mode::Live {
        world.turn_dry(&cause, world.now())?;
    }
    let run = world.run()?.ok_or_else(|| unknown_run("given"))?;
    world.run_changed(&run);
    if run.require_open(world.now()).is_ok()
        && let Err(problem) = publish_if_due(world, &run).await
    {
        world.guard_failed(Some(&run.id), &problem);
    }
    Ok(run)
}
