//! One command a file.

pub mod drift;
pub mod rehearse;
pub mod runs;
pub mod smoke;
