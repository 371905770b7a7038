//! What the gateway covered, and what it cannot.

use super::{MAX_LINES, line, steps};
use crate::domain::report::{NotCovered, Report};
use dryrun_text::markdown::code;

pub(super) fn coverage(text: &mut String, report: &Report) {
    let coverage = &report.coverage;
    line(text, format_args!("\n## Coverage\n"));
    let covered: Vec<&str> = coverage.covers.iter().map(|kind| kind.product()).collect();
    let real: Vec<&str> = coverage.does_not_cover.iter().map(|one| not_covered(*one)).collect();
    line(text, format_args!("- covered: {} through this gateway", covered.join(", ")));
    line(text, format_args!("- not covered, and real also in a dry run: {}", real.join(", ")));
    if report.summary.operations == 0 {
        line(text, format_args!("- no store was accessed through this gateway"));
    } else if coverage.exact {
        line(text, format_args!("- no approximation is known in what is covered"));
    }
    for (reason, count) in &coverage.refused {
        line(text, format_args!("- refused {count} × {}", code(reason)));
    }
    for (what, operations) in coverage.volatile.iter().take(MAX_LINES) {
        line(
            text,
            format_args!(
                "- not repeatable: {}{}; the values shown are those of this run",
                code(what),
                steps(operations)
            ),
        );
    }
    for (note, operations) in coverage.inexact.iter().take(MAX_LINES) {
        line(text, format_args!("- approximated: {}{}", code(note), steps(operations)));
    }
    if coverage.live_without_images > 0 {
        line(
            text,
            format_args!(
                "- {} live writes: their counts are known, their row images are not",
                coverage.live_without_images
            ),
        );
    }
}

fn not_covered(what: NotCovered) -> &'static str {
    match what {
        NotCovered::Http => "HTTP requests",
        NotCovered::Queues => "queues",
        NotCovered::Email => "email",
        NotCovered::DirectAccess => "stores reached without this gateway",
        NotCovered::Other => "everything else the agent does",
    }
}
