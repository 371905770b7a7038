//! Ending a run.

use crate::domain::refusal::Problem;
use crate::domain::run::{Run, unknown_run};

use super::ports::{Alarms, Ledger, Surroundings};

/// Ends the run; afterwards it neither reads nor writes, and its report stays. Closing it again changes nothing.
pub fn close_run<W: Ledger + Alarms + Surroundings>(world: &W) -> Result<Run, Problem> {
    let run = world.run()?.ok_or_else(|| unknown_run("given"))?;
    if run.closed_at.is_none() {
        world.close(world.now())?;
    }
    let run = world.run()?.ok_or_else(|| unknown_run("given"))?;
    world.run_changed(&run);
    Ok(run)
}
