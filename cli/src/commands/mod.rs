//! One command a file.

pub mod runs;
