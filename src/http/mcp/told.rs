//! What a tool tells: the result of a call, as structured content and as text.

use serde::Serialize;
use serde_json::json;

use crate::app::message::Receipt;
use crate::domain::journal::Position;
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Mode, RunId};
use crate::domain::settings::Environment;

/// The members of a JSON object, as text: rows of a database are passed on, not read and written again.
#[derive(Default)]
pub(super) struct Members(String);

impl Members {
    /// Adds a member.
    #[must_use]
    pub(super) fn with(self, name: &str, value: &impl Serialize) -> Self {
        // Text, numbers and lists of them can always be written.
        let json = serde_json::to_string(value).unwrap_or_else(|_| "null".into());
        self.with_json(name, &json)
    }

    /// Adds a member that is JSON already.
    #[must_use]
    pub(super) fn with_json(mut self, name: &str, json: &str) -> Self {
        for part in [if self.0.is_empty() { "\"" } else { ",\"" }, name, "\":", json] {
            self.0.push_str(part);
        }
        self
    }

    /// The members, without the braces around them.
    pub(super) fn into_members(self) -> String {
        self.0
    }
}

/// Longest answer of a tool. It is written twice, as structured content and as text, and a model reads far less.
pub(super) const MAX_ANSWER_BYTES: usize = 8 << 20;

/// Where a call was carried out, and how.
#[derive(Clone)]
pub(super) struct Teller {
    environment: Environment,
    run: Option<RunId>,
    operation: Option<Position>,
    mode: Option<Mode>,
}

impl Teller {
    /// Of a call that no run is known for.
    pub(super) fn nowhere(environment: Environment) -> Self {
        Self { environment, run: None, operation: None, mode: None }
    }

    /// Of a call about a run.
    pub(super) fn about(environment: Environment, run: &RunId, mode: Option<Mode>) -> Self {
        Self { environment, run: Some(run.clone()), operation: None, mode }
    }

    /// Of an operation.
    pub(super) fn of(environment: Environment, receipt: &Receipt) -> Self {
        Self { environment, run: Some(receipt.run.clone()), operation: receipt.position, mode: receipt.mode }
    }

    /// The run, and whether it is known to be a dry run: for the headers of the answer.
    pub(super) fn marks(&self) -> (Option<&RunId>, bool) {
        (self.run.as_ref(), self.mode == Some(Mode::DryRun))
    }

    /// The result of a call that was carried out.
    pub(super) fn done(&self, wrote: bool, members: Members, text: Option<&str>) -> String {
        if members.0.len() > MAX_ANSWER_BYTES {
            let what = if wrote { "The operation was carried out, but its answer" } else { "The answer" };
            let problem = Problem::new(
                Code::BodyTooLarge,
                format!("{what} has {} bytes, and a tool answers at most {MAX_ANSWER_BYTES}.", members.0.len()),
                "Ask for less at a time: fewer rows or columns, a LIMIT, a smaller page or part. The REST API has no \
                 such limit.",
            );
            return self.failed(&problem);
        }
        let notice = self.notice(wrote);
        let Members(json) = self.common(true, &notice);
        let structured = format!("{{{json},{}}}", members.0);
        match text {
            Some(text) => result(&structured, &[text, &notice], false),
            None => result(&structured, &[&structured, &notice], false),
        }
    }

    /// The result of a call that was refused or failed.
    pub(super) fn failed(&self, problem: &Problem) -> String {
        let Problem { code, message, remedy, .. } = problem;
        let notice = self.notice(false);
        let Members(json) =
            self.common(false, &notice).with("error", &json!({"code": code, "message": message, "remedy": remedy}));
        let structured = format!("{{{json}}}");
        let said = format!("{}: {message} {remedy}", code.as_str());
        result(&structured, &[&structured, &dryrun_text::line(said.trim_end()), &notice], true)
    }

    fn common(&self, ok: bool, notice: &str) -> Members {
        let dry_run = self.mode.map(|mode| mode == Mode::DryRun);
        Members::default()
            .with("ok", &ok)
            .with("notice", &notice)
            .with("environment", &self.environment)
            .with("dry_run", &dry_run)
            .with("run", &self.run)
            .with("operation", &self.operation)
    }

    /// Whether this was real, in a sentence.
    fn notice(&self, wrote: bool) -> String {
        let Self { environment, run, mode, .. } = self;
        match (run, mode) {
            (None, _) => "No run, so nothing was read or written.".into(),
            (Some(run), Some(Mode::DryRun)) => {
                format!(
                    "Dry run {run}: nothing was written to {environment}. What this run writes is only planned, and \
                     its reads see it."
                )
            }
            (Some(run), Some(Mode::Live)) if wrote => {
                format!("Live run {run}: this was written to {environment} and is real.")
            }
            (Some(run), Some(Mode::Live)) => format!("Live run {run}: what it writes to {environment} is real."),
            (Some(run), None) => {
                format!("Run {run} ({environment}): the call failed before the run's mode was checked.")
            }
        }
    }
}

fn result(structured: &str, texts: &[&str], is_error: bool) -> String {
    // A model would read what a person does not see: the text has the same JSON with such characters escaped.
    let seen = |text| if text == structured { dryrun_text::json(text) } else { dryrun_text::lines(text) };
    let content: Vec<_> = texts.iter().map(|text| json!({"type": "text", "text": seen(*text)})).collect();
    let Members(json) = Members::default()
        .with("content", &content)
        .with_json("structuredContent", structured)
        .with("isError", &is_error);
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn teller(mode: Option<Mode>) -> Teller {
        let run = RunId::parse("r1").unwrap();
        Teller::of(Environment::Staging, &Receipt { run, position: Some(3), mode, cause: None, replayed: false })
    }

    fn read(members: &str) -> Value {
        serde_json::from_str(&format!("{{{members}}}")).unwrap()
    }

    #[test]
    fn an_answer_is_said_twice_and_says_whether_it_was_real() {
        for (mode, wrote, dry_run, notice) in [
            (Mode::DryRun, true, true, "Dry run r1: nothing was written to staging."),
            (Mode::DryRun, false, true, "Dry run r1: nothing was written to staging."),
            (Mode::Live, true, false, "Live run r1: this was written to staging and is real."),
            (Mode::Live, false, false, "Live run r1: what it writes to staging is real."),
        ] {
            let result = read(&teller(Some(mode)).done(wrote, Members::default().with("key", &"a\"b"), None));
            let structured = &result["structuredContent"];
            assert_eq!(
                (&structured["ok"], &structured["dry_run"], &structured["operation"], &structured["key"]),
                (&true.into(), &dry_run.into(), &3.into(), &"a\"b".into())
            );
            assert_eq!(
                serde_json::from_str::<Value>(result["content"][0]["text"].as_str().unwrap()).unwrap(),
                *structured
            );
            assert!(
                result["content"][1]["text"].as_str().unwrap().starts_with(notice)
                    && structured["notice"].as_str().unwrap().starts_with(notice),
                "{result}"
            );
        }
    }

    #[test]
    fn a_refusal_has_code_message_and_remedy_in_both_forms() {
        let result = read(&teller(None).failed(&Problem::new(Code::StoreDenied, "No.", "Ask.")));
        assert_eq!(result["isError"], true);
        assert_eq!(
            result["structuredContent"]["error"],
            json!({"code": "store_denied", "message": "No.", "remedy": "Ask."})
        );
        assert_eq!(
            (&result["structuredContent"]["dry_run"], &result["content"][1]["text"]),
            (&Value::Null, &"store_denied: No. Ask.".into())
        );
    }

    #[test]
    fn text_holds_nothing_that_a_person_would_not_see_and_has_the_same_value() {
        let hidden = "a\u{e0041}\u{202e}\u{9b}b";
        let result = read(&teller(Some(Mode::DryRun)).done(false, Members::default().with("value", &hidden), None));
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("a\\udb40\\udc41\\u202e\\u009bb"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["value"], hidden);
        assert_eq!(result["structuredContent"]["value"], hidden);
        let failed = read(&teller(None).failed(&Problem::from_store(Code::SqlError, "no\u{202e}\nx")));
        assert_eq!(failed["content"][1]["text"], "sql_error: no�⏎x");
    }

    #[test]
    fn an_answer_that_is_too_long_is_refused_and_says_whether_the_work_was_done() {
        let members = || Members::default().with("value", &"x".repeat(MAX_ANSWER_BYTES));
        for (wrote, said) in [(true, "The operation was carried out, but its answer has"), (false, "The answer has")] {
            let result = read(&teller(Some(Mode::DryRun)).done(wrote, members(), None));
            assert!(
                result["structuredContent"]["error"]["message"].as_str().unwrap().starts_with(said),
                "{}",
                result["content"][1]
            );
        }
    }
}
