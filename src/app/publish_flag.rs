//! Publishing a dry run's flag, no more often than KV allows and no later than its TTL needs.

use crate::domain::gate::flag_unavailable;
use crate::domain::refusal::Problem;
use crate::domain::run::{Millis, Run};

use super::ports::{Alarms, FlagRecord, FlagStore, Ledger, Surroundings};

/// KV takes one write a second to the same key (<https://developers.cloudflare.com/kv/platform/limits/>).
const LEAST_BETWEEN_PUTS: Millis = 1_000;

/// What to do about the flag now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It stands and is young enough.
    No,
    /// Put it; the one that stands holds if that fails.
    Refresh,
    /// Put it; without it nothing may be acknowledged.
    Publish,
    /// It does not stand, and the last attempt was less than a second ago.
    TooSoon,
}

fn due(record: FlagRecord, ttl_seconds: u64, now: Millis) -> Due {
    let ttl = ttl_seconds * 1_000;
    let stands = record.published_at.is_some_and(|at| now < at + ttl);
    // "Before half its TTL has passed", with a tenth to spare for the put itself.
    let young = record.published_at.is_some_and(|at| now < at + ttl * 4 / 10);
    let waited = record.attempted_at.is_none_or(|at| now >= at + LEAST_BETWEEN_PUTS);
    match (stands, young, waited) {
        (true, true, _) | (true, false, false) => Due::No,
        (true, false, true) => Due::Refresh,
        (false, _, true) => Due::Publish,
        (false, _, false) => Due::TooSoon,
    }
}

/// When the flag should be looked after next, though the run makes no writes: before it is half as old as it may get,
/// or soon again when it was not put then.
pub fn next_look(record: FlagRecord, ttl_seconds: u64, now: Millis) -> Millis {
    match record.published_at {
        Some(at) if now < at + ttl_seconds * 1_000 * 4 / 10 => at + ttl_seconds * 1_000 * 45 / 100,
        Some(_) | None => now + 10_000,
    }
}

/// Sees to it that the flag stands in KV.
///
/// # Errors
/// `flag_unavailable` when it does not stand and could not be put.
pub async fn publish_if_due<W>(world: &W, run: &Run) -> Result<(), Problem>
where
    W: Ledger + FlagStore + Alarms + Surroundings,
{
    let ttl = world.settings().flag_ttl_seconds;
    let asked = world.now();
    if due(world.flag_record()?, ttl, asked) == Due::No {
        return Ok(());
    }
    let unpublished = || flag_unavailable(&run.id, "could not be published");
    // Several writes may find the flag missing at once: one puts it, the others wait for what comes of that.
    let _turn = world.flag_turn().await?;
    let record = world.flag_record()?;
    let now = world.now();
    let due = due(record, ttl, now);
    match due {
        Due::No => return Ok(()),
        Due::TooSoon => return Err(unpublished()),
        Due::Publish if record.attempted_at.is_some_and(|at| at > asked) => return Err(unpublished()),
        Due::Refresh | Due::Publish => {}
    }
    world.set_flag_record(FlagRecord { attempted_at: Some(now), ..record })?;
    match (world.publish_flag(&run.id).await, due) {
        // The TTL counts from the put, so the time before it is the safe one to remember.
        (Ok(()), _) => world.set_flag_record(FlagRecord { published_at: Some(now), attempted_at: Some(now) }),
        (Err(problem), Due::Refresh) => {
            // The one that stands holds for now; somebody should know that it will not for long.
            world.guard_failed(Some(&run.id), &problem);
            Ok(())
        }
        (Err(problem), _) => Err(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_refreshed_before_half_its_life_and_never_twice_a_second() {
        let check = |published_at, attempted_at, now, expected| {
            assert_eq!(due(FlagRecord { published_at, attempted_at }, 3_600, now), expected)
        };
        check(None, None, 0, Due::Publish);
        check(None, Some(0), 999, Due::TooSoon);
        check(None, Some(0), 1_000, Due::Publish);
        check(Some(0), Some(0), 1, Due::No);
        check(Some(0), Some(0), 1_439_999, Due::No);
        check(Some(0), Some(0), 1_440_000, Due::Refresh);
        check(Some(0), Some(1_440_000), 1_440_500, Due::No);
        check(Some(0), Some(0), 3_600_000, Due::Publish);
        check(Some(0), Some(3_599_900), 3_600_000, Due::TooSoon);
    }
}
