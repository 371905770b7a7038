//! What is known of programs, packages, variables, files and tools, as data. The rules ask here and list nothing twice.
//!
//! Names that stand for the same are in one text, separated by blanks.

pub(crate) mod files;
pub(crate) mod interpreters;
pub(crate) mod options;
pub(crate) mod programs;
pub(crate) mod tools;
pub(crate) mod variables;

/// Whether a list of names separated by blanks has this one.
pub(crate) fn has(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == name)
}
