//! Sequences written by hand, for what once differed.
//!
//! A file holds cases, with blank lines between them: first a line `# what it is about`, then the schema and rows, one statement a line, a line `--`, then the requests, one a line. A batch is statements with ` ;; ` between them.

use serde_json::json;

use crate::maker::Made;
use crate::play::play;
use crate::report;
use crate::sequence::{Step, prepared};
use crate::support::{Bound, Gateway};

/// Plays every case of a file where no table is copied whole, and answers what differed.
pub fn differing(text: &str) -> Vec<String> {
    let mut gateway =
        Gateway::start(&json!({"SHADOW_WHOLE_ROWS": "0", "SHADOW_MAX_ROWS": "600", "FLAG_BUDGET_MS": "10000"}));
    let mut reports = Vec::new();
    for case in text.split("\n\n").filter(|case| !case.trim().is_empty()) {
        let (name, rest) = case.trim().split_once('\n').unwrap_or((case, ""));
        let (setup, requests) = rest.split_once("\n--\n").unwrap_or((rest, ""));
        let setup: Vec<String> = setup.lines().map(str::to_owned).collect();
        let (oracle, taken) = prepared(&setup);
        assert_eq!(taken, setup, "{name}: the oracle does not take the schema and rows");
        let mut steps =
            requests.lines().map(|line| Step(line.split(" ;; ").map(|sql| Made::of(Bound::of(sql))).collect()));
        let played = play(&mut gateway, &setup, &oracle, &mut || steps.next());
        eprintln!("{name}: {:?}", played.counts);
        if let Some(mismatch) = played.mismatch {
            reports.push(report(name, &setup, &played.steps, &mismatch));
            eprintln!("{}", reports.last().map_or("", String::as_str));
        }
    }
    reports
}
