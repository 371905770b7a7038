//! What a hook in front of an agent's tools reports when it fails: a guard outside of the gateway, whose failure is
//! neither the gateway's nor the agent's.

use serde::Deserialize;

use super::refusal::{Code, Problem};

/// The only kind of alert that a caller may raise.
pub const KIND: &str = "hook_failure";
/// Longest name of an agent.
const MAX_AGENT_CHARS: usize = 40;
/// Longest message that is kept. A hook says one sentence and a remedy.
const MAX_MESSAGE_CHARS: usize = 500;

/// Why a hook failed. A fixed set: alerts are counted by cause and minute, so free text would be a row each.
const CAUSES: [&str; 8] = [
    "input",
    "unknown_tool",
    "configuration",
    "gateway_unreachable",
    "gateway_slow",
    "gateway_answer",
    "deadline",
    "panic",
];

/// A report as it is sent.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HookReport {
    /// Always `hook_failure`.
    #[cfg_attr(test, schemars(extend("const" = KIND)))]
    kind: String,
    /// Why: `input`, `unknown_tool`, `configuration`, `gateway_unreachable`, `gateway_slow`, `gateway_answer`,
    /// `deadline` or `panic`.
    #[cfg_attr(test, schemars(extend("enum" = CAUSES)))]
    cause: String,
    /// What happened, for a person.
    #[cfg_attr(test, schemars(regex(pattern = "[!-~]")))]
    message: String,
    /// The agent's program: a–z, 0–9 and -.
    #[cfg_attr(test, schemars(regex(pattern = "^[a-z0-9-]{1,40}$")))]
    agent: String,
}

/// A report that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookFailure {
    /// Why, one of a fixed set.
    pub cause: &'static str,
    /// What happened, with the agent and its owner, without credentials and invisible characters.
    pub message: String,
}

impl HookFailure {
    /// Understands a report of `owner`.
    pub fn parse(report: &HookReport, owner: &str) -> Result<Self, Problem> {
        let no = |what: String, remedy: String| {
            Problem::new(Code::InvalidRequest, format!("{what}; no alert was raised."), remedy)
        };
        if report.kind != KIND {
            return Err(no("Only a hook reports here".into(), format!("Send the kind {KIND}.")));
        }
        let cause = CAUSES.into_iter().find(|cause| *cause == report.cause).ok_or_else(|| {
            no(
                format!("{:?} is not a cause of a hook failure", short(&report.cause)),
                format!("Use one of {}.", CAUSES.join(", ")),
            )
        })?;
        let is_name = |text: &str| {
            (1..=MAX_AGENT_CHARS).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !is_name(&report.agent) {
            return Err(no(
                "The agent's name is not valid".into(),
                format!("Use 1 to {MAX_AGENT_CHARS} characters of a–z, 0–9 and -."),
            ));
        }
        if report.message.trim().is_empty() {
            return Err(no("The message is empty".into(), "Say what happened.".into()));
        }
        Ok(Self { cause, message: format!("{} of {owner}: {}", report.agent, plain(&report.message)) })
    }
}

fn short(text: &str) -> String {
    text.chars().take(MAX_AGENT_CHARS).collect()
}

/// One line in which everything is seen, without anything that looks like a key or a token of a gateway.
fn plain(message: &str) -> String {
    let message = message.trim().replace(['\n', '\r', '\t'], " ");
    let line: String = dryrun_text::line(&message).chars().take(MAX_MESSAGE_CHARS).collect();
    let mut said = String::new();
    let mut rest = line.trim();
    while let Some((before, after)) = first_of(rest, &["drk_", "drt_"]) {
        said.push_str(before);
        said.push('…');
        rest =
            after.trim_start_matches(|character: char| character.is_ascii_alphanumeric() || "_-.".contains(character));
    }
    said.push_str(rest);
    said
}

/// The text before and after the first of some marks.
fn first_of<'a>(text: &'a str, marks: &[&str]) -> Option<(&'a str, &'a str)> {
    marks.iter().filter_map(|mark| text.split_once(mark)).min_by_key(|(before, _)| before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: &str, cause: &str, message: &str, agent: &str) -> Result<HookFailure, Problem> {
        HookFailure::parse(
            &HookReport { kind: kind.into(), cause: cause.into(), message: message.into(), agent: agent.into() },
            "triage-agent",
        )
    }

    #[test]
    fn a_report_becomes_an_alert_that_names_agent_and_owner() {
        let failure = parse("hook_failure", "gateway_slow", "No answer in 2 s.", "claude-code").unwrap();
        assert_eq!(
            failure,
            HookFailure { cause: "gateway_slow", message: "claude-code of triage-agent: No answer in 2 s.".into() }
        );
    }

    #[test]
    fn nobody_raises_an_alert_of_another_kind_or_an_unknown_cause() {
        for kind in ["guard_failure", "agent_failure", "", "HOOK_FAILURE"] {
            assert_eq!(parse(kind, "panic", "x", "codex").unwrap_err().code, Code::InvalidRequest, "{kind}");
        }
        for cause in ["", "flag_unavailable", "panic2", &"x".repeat(10_000)] {
            let problem = parse("hook_failure", cause, "x", "codex").unwrap_err();
            assert!(problem.remedy.contains("gateway_slow") && problem.message.len() < 200, "{problem:?}");
        }
    }

    #[test]
    fn names_and_messages_are_bounded() {
        for agent in ["", "Claude", "a b", "ä", &"a".repeat(41)] {
            assert!(parse("hook_failure", "panic", "x", agent).is_err(), "{agent}");
        }
        assert!(parse("hook_failure", "panic", " \n", "codex").is_err());
        let long = parse("hook_failure", "panic", &"é".repeat(9_000), "codex").unwrap();
        assert_eq!(long.message.chars().filter(|character| *character == 'é').count(), MAX_MESSAGE_CHARS);
    }

    #[test]
    fn a_message_holds_no_credential_and_is_one_line() {
        let said = parse(
            "hook_failure",
            "panic",
            "drt_staging_abc.def-1, Bearer drk_production_x\nand\u{1b}[31m more",
            "codex",
        )
        .unwrap()
        .message;
        assert_eq!(said, "codex of triage-agent: …, Bearer … and�[31m more");
    }
}
