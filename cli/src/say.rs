//! How results are said: for people, or as one JSON document on standard output. Everything else goes to standard error.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::failure::Failure;

/// Says results and progress.
#[derive(Debug, Clone, Copy)]
pub struct Say {
    json: bool,
}

impl Say {
    /// As JSON, or for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Says the result of a command: `text` to people, `value` to programs.
    pub fn result(self, value: &Value, text: &str) {
        let said = if self.json { value.to_string() } else { text.trim_end().to_owned() };
        // Whoever closed the pipe does not want to hear it.
        let _ = writeln!(std::io::stdout(), "{said}");
    }

    /// Says what goes on.
    pub fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Says something that must not be missed.
    pub fn warn(self, text: &str) {
        let line = "!".repeat(72);
        let _ = writeln!(std::io::stderr(), "{line}\n{text}\n{line}");
    }

    /// Says why a command failed.
    pub fn failure(self, failure: &Failure) {
        if self.json {
            let _ = writeln!(std::io::stdout(), "{}", failure.to_json());
            return;
        }
        let _ = writeln!(std::io::stderr(), "error: {}", failure.message);
        if !failure.remedy.is_empty() {
            let _ = writeln!(std::io::stderr(), "  {}", failure.remedy);
        }
    }

    /// A bar for long work; nothing where nobody would see it.
    pub fn bar(self, steps: u64) -> ProgressBar {
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
