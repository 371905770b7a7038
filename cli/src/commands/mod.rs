//! One command a file.

pub mod drift;
pub mod env;
pub mod exec;
pub mod hook;
pub mod mirror;
mod operation;
pub mod rehearse;
pub mod runs;
pub mod smoke;
