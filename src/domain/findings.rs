//! What a reviewer should not overlook: all of it.

use dryrun_text::Words;

use super::call::Access;
use super::finding::{Finding, FindingKind, Recorded};
use super::journal::{Entry, Outcome, Position};
use super::run::Mode;
use super::stores::Kind;

/// Every finding of a run, those about its mode first.
pub fn findings(recorded: &Recorded<'_>) -> Vec<Finding> {
    let (run, entries) = (recorded.run, recorded.entries);
    let mut findings = Vec::new();
    let live: Vec<&Entry> =
        entries.iter().filter(|entry| entry.access == Access::Write && entry.mode == Some(Mode::Live)).collect();
    let written: Vec<Position> =
        live.iter().filter(|entry| entry.outcome == Outcome::Done).map(|entry| entry.position).collect();
    if run.mode == Mode::DryRun && !written.is_empty() {
        let message = Words::default()
            .number(written.len())
            .say(" of this run's writes reached the real stores before it became a dry run, because ")
            .and(run.cause.describe())
            .say(".");
        findings.push(Finding { kind: FindingKind::LiveBeforeDry, message, operations: written });
    }
    let unknown: Vec<Position> =
        live.iter().filter(|entry| entry.outcome == Outcome::Running).map(|entry| entry.position).collect();
    if !unknown.is_empty() {
        let message = Words::new(
            "A live write was started and its outcome was not recorded: it may or may not have reached its store. \
             Check the store before you retry.",
        );
        findings.push(Finding { kind: FindingKind::OutcomeUnknown, message, operations: unknown });
    }
    for kind in Kind::ALL {
        findings.extend(kind.findings(recorded));
    }
    findings
}
