//! One command a file.

pub(crate) mod drift;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod hook;
pub(crate) mod mirror;
mod operation;
pub(crate) mod rehearse;
pub(crate) mod runs;
pub(crate) mod smoke;
