//! A panic on demand, for the test that shows what a panic cannot break. Not part of the gateway that ships.

use crate::app::message::Execute;

/// Panics when the operation is about the key or table of that name.
#[expect(clippy::panic, reason = "that is the probe's purpose")]
pub(crate) fn maybe_panic(execution: &Execute) {
    if execution.operation.subject().as_deref() == Some("panic-probe") {
        panic!("asked for by the probe");
    }
}
