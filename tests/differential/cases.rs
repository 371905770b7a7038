//! Sequences written by hand, for what once differed.
//!
//! A file holds cases, with blank lines between them: first a line `# what it is about`, then the schema and rows, one
//! statement a line, a line `--`, then the requests, one a line. A batch is statements with ` ;; ` between them.

use crate::maker::Made;
use crate::oracle::Oracle;
use crate::sequence::{Step, prepared};
use crate::support::Bound;

/// A sequence written by hand.
pub(crate) struct Case {
    pub name: String,
    pub setup: Vec<String>,
    /// A database with the schema and rows.
    pub oracle: Oracle,
    pub steps: Vec<Step>,
}

/// The cases of a file.
pub(crate) fn read(text: &str) -> Vec<Case> {
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks
        .map(|block| {
            let (name, rest) = block.trim().split_once('\n').unwrap_or((block, ""));
            let (setup, requests) = rest.split_once("\n--\n").unwrap_or((rest, ""));
            let setup: Vec<String> = setup.lines().map(str::to_owned).collect();
            let (oracle, taken) = prepared(&setup);
            assert_eq!(taken, setup, "{name}: the oracle does not take the schema and rows");
            let step = |line: &str| Step(line.split(" ;; ").map(|sql| Made::of(Bound::of(sql))).collect());
            Case { name: name.to_owned(), setup, oracle, steps: requests.lines().map(step).collect() }
        })
        .collect()
}
