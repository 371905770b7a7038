//! The use cases, one verb a file, over [`ports`] that the outside implements.

pub mod close_run;
pub mod execute;
pub mod export;
pub mod message;
pub mod open_run;
pub mod ports;
pub mod publish_flag;
pub mod turn_dry;

#[cfg(test)]
mod fake;
