//! What is known of programs, packages, variables, files and tools, as data. The rules ask here and list nothing twice.
//!
//! Names that stand for the same are in one text, separated by blanks.

pub mod files;
pub mod interpreters;
pub mod options;
pub mod programs;
pub mod tools;
pub mod variables;

/// Whether a list of names separated by blanks has this one.
pub fn has(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == name)
}
