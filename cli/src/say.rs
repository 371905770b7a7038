//! How results are said: for people, or as one JSON document on standard output. Everything else goes to standard
//! error.
//!
//! Nothing else of this program writes to a terminal. What is said for people has no control characters but line feeds,
//! and JSON has such characters escaped, whatever data is in it.

use std::io::{IsTerminal as _, Write as _};

use dryrun_text::{line, lines};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::failure::Failure;

/// Says results and progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Say {
    json: bool,
}

impl Say {
    /// As JSON, or for people.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Says the result of a command: `text` to people, `value` to programs.
    pub(crate) fn result(self, value: &Value, text: &str) {
        let said = if self.json { json(value) } else { lines(text.trim_end()).into_owned() };
        // Whoever closed the pipe does not want to hear it.
        let _ = writeln!(std::io::stdout(), "{said}");
    }

    /// Says the result of a command whose standard output is not ours.
    pub(crate) fn result_aside(self, value: &Value, text: &str) {
        if self.json {
            let _ = writeln!(std::io::stderr(), "{}", json(value));
        } else {
            self.note(text);
        }
    }

    /// Says what goes on.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{}", lines(text));
    }

    /// Says something that must not be missed.
    pub(crate) fn warn(self, text: &str) {
        let rule = "!".repeat(72);
        let _ = writeln!(std::io::stderr(), "{rule}\n{}\n{rule}", lines(text));
    }

    /// Says why a command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let _ = writeln!(std::io::stdout(), "{}", json(&failure.to_json()));
            return;
        }
        let mut said = vec![format!("error: {}", line(&failure.message))];
        said.extend(failure.reasons.iter().map(|reason| format!("  {}", line(reason))));
        if !failure.remedy.is_empty() {
            said.push(format!("  {}", line(&failure.remedy)));
        }
        said.extend(failure.lines.iter().map(|more| line(more).into_owned()));
        let _ = writeln!(std::io::stderr(), "{}", said.join("\n"));
    }

    /// A bar for long work; nothing where nobody would see it.
    pub(crate) fn bar(self, steps: u64) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(steps);
        if let Ok(style) = ProgressStyle::with_template("{msg:24!} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar
    }
}

/// A JSON document as one line that a terminal can be trusted with.
pub(crate) fn json(value: &Value) -> String {
    dryrun_text::json(&value.to_string()).into_owned()
}
