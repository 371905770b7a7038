//! What a mirror never does.

use crate::failure::{Exit, Failure};

/// The refusal that no option lifts.
pub(super) fn never_to_production() -> Failure {
    Failure::new(
        Exit::Refused,
        "never_to_production",
        "A mirror is never written to production. Nothing was read or written.",
        "Mirror the other way round: dryrun mirror --from production --to staging",
    )
}
