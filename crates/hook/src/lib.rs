//! What an agent may do without a person: a tool call in, a verdict out. No I/O but the files that a command would run,
//! through [`surroundings::Files`].
//!
//! A shell command is parsed as a shell would, its words are expanded as far as that is possible without running
//! anything, and each program that would start is looked at.
//! What cannot be known beforehand is refused where it could reach Cloudflare. This helps an agent that means well; it
//! is no prison. The credentials are the boundary.

mod assignments;
mod builtins;
pub mod call;
mod credentials;
mod expansion;
mod finders;
mod guards;
mod interpreters;
mod json;
mod make;
mod mentions;
mod names;
mod network;
mod outside;
mod packages;
mod programs;
mod redirects;
mod scope;
mod scripts;
mod shell;
pub mod surroundings;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod tools;
mod values;
pub mod verdict;
mod wrangler;
mod wrappers;

use call::Call;
use surroundings::Surroundings;
use verdict::Verdict;

/// Judges a tool call.
pub fn judge(call: &Call, here: &Surroundings<'_>) -> Verdict {
    tools::judge(call, here)
}
