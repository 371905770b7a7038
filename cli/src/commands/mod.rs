//! One command a file.

pub mod mirror;
pub mod runs;
