//! One command a file.

pub mod drift;
pub mod rehearse;
pub mod runs;
