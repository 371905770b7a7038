//! Signals that end a mirror.

use std::sync::Arc;

use super::wire::Stop;
use crate::failure::{Failure, Outcome};

/// Lets Ctrl-C end a mirror between two requests, and a second one at once.
pub(super) fn listen() -> Outcome<Stop> {
    let stop = Stop::default();
    let failed = |error: std::io::Error| {
        Failure::configuration(format!("Signals cannot be listened to: {error}."), "Try again.")
    };
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop)).map_err(failed)?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(failed)?;
    }
    Ok(stop)
}
