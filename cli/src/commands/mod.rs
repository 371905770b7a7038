//! One command a file.

pub mod hook;
pub mod runs;
