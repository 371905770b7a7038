//! One command a file.

pub mod rehearse;
pub mod runs;
