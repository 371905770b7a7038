//! The rules: what a run is, when a write is let through, what it changed, and how that reads.
//!
//! Nothing here performs I/O, asks for the time or draws random numbers; those come in as arguments. Nothing here knows
//! which platform the gateway runs on.

pub mod call;
pub mod condition;
pub mod credential;
pub mod dump;
pub mod effect;
pub mod finding;
pub mod findings;
pub mod gate;
pub mod hook_failure;
pub mod journal;
pub mod limits;
pub mod listing;
pub mod markdown;
pub mod moved;
pub mod operation;
pub mod refusal;
pub mod report;
pub mod run;
pub mod settings;
pub mod sorted;
pub mod store_error;
pub mod stores;
pub mod strict;
