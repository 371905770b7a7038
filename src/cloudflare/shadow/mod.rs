//! The two ports of [`crate::shadow`] on the platform.

pub mod base;
pub mod engine;
