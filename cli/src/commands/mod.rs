//! One command a file.

pub mod env;
pub mod exec;
mod operation;
pub mod runs;
