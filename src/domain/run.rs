//! The run: one piece of an agent's work, with an id, an owner and one mode.

use dryrun_text::Words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::refusal::{Code, Problem};
use super::settings::Environment;

/// Milliseconds since the Unix epoch. The clock is always an argument.
pub type Millis = u64;

/// How long a run lives when its opener does not say: 24 hours.
pub const DEFAULT_LIFETIME_SECONDS: u64 = 24 * 3600;
/// The longest life a run may ask for: 7 days, so that nothing scheduled long ago can still act.
pub const MAX_LIFETIME_SECONDS: u64 = 7 * 24 * 3600;
/// The shortest life that is of any use.
pub const MIN_LIFETIME_SECONDS: u64 = 1;

/// A run's id: 1 to 64 of `A–Z a–z 0–9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// Accepts an id chosen by a caller.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Problem::new(
                Code::InvalidRequest,
                "The run id is not valid; nothing was opened.",
                "Use 1 to 64 characters of A–Z, a–z, 0–9, _ and -, or leave the id out to have one generated.",
            ))
        }
    }

    /// Makes an id that sorts by `now`; `entropy` keeps two of the same millisecond apart.
    pub fn generate(now: Millis, entropy: u128) -> Self {
        Self(format!("run_{}", ulid::Ulid::from_parts(now, entropy)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunId {
    type Error = Problem;
    fn try_from(text: String) -> Result<Self, Problem> {
        Self::parse(&text)
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a run's writes are: real, or rehearsed. It moves one way only, from live to dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Writes reach the stores.
    Live,
    /// Writes reach the run's shadow only.
    DryRun,
}

impl Mode {
    /// The spelling on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::DryRun => "dry_run",
        }
    }

    /// Merges two opinions: the stricter one wins.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Why a run has the mode it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModeCause {
    /// It was requested when the run was opened.
    Opened,
    /// Its agent asked for a dry run, by `POST …/dry-run` or the header `Dry-Run: true`.
    Asked,
    /// Somebody else published the run's flag.
    Flag,
    /// A store that it wrote to is under the policy `dry_run`.
    Policy {
        /// The store's binding.
        store: String,
    },
    /// A run above it is a dry run.
    Inherited {
        /// The parent run.
        parent: RunId,
    },
}

impl ModeCause {
    /// A fragment of a sentence for reports: "… because *its agent asked for a dry run*".
    pub fn describe(&self) -> Words {
        match self {
            Self::Opened => Words::new("it was requested when the run was opened"),
            Self::Asked => Words::new("its agent asked for a dry run"),
            Self::Flag => Words::new("its flag was set in KV by somebody else"),
            Self::Policy { store } => Words::new("the store ").name(store).say(" is under the policy dry_run"),
            Self::Inherited { parent } => Words::new("its parent run ").name(parent.as_str()).say(" is a dry run"),
        }
    }
}

/// What somebody who opens a run asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenRequest {
    /// An id of the caller's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<RunId>"))]
    pub id: Option<String>,
    /// `dry_run` unless asked otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The run that this one is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<RunId>"))]
    pub parent: Option<String>,
    /// Free labels, shown in lists and reports.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, schemars(extend("maxProperties" = MAX_LABELS, "propertyNames" = {"maxLength": MAX_LABEL_CHARS}, "additionalProperties" = {"type": "string", "maxLength": MAX_LABEL_CHARS})))]
    pub labels: BTreeMap<String, String>,
    /// Which version of the agent's prompt is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(length(max = MAX_LABEL_CHARS)))]
    pub prompt_version: Option<String>,
    /// How long the run lives, in seconds; a day unless asked otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = MIN_LIFETIME_SECONDS, max = MAX_LIFETIME_SECONDS)))]
    pub expires_in: Option<u64>,
}

/// The terms of a run after its request was checked. Opening the same id with the same terms again answers the same
/// run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The mode asked for.
    pub mode: Mode,
    /// The parent run.
    pub parent: Option<RunId>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The prompt version.
    pub prompt_version: Option<String>,
    /// Lifetime in seconds.
    pub lifetime_seconds: u64,
}

/// Most labels a run may carry, and the longest name or value, so that a report's head stays readable.
const MAX_LABELS: usize = 32;
const MAX_LABEL_CHARS: usize = 200;

impl Terms {
    /// Checks what was asked for. Pure: whether the caller *may* have it is the opener's question.
    pub fn parse(request: &OpenRequest) -> Result<Self, Problem> {
        let invalid = |message: String, remedy: &str| Err(Problem::new(Code::InvalidRequest, message, remedy));
        let lifetime_seconds = request.expires_in.unwrap_or(DEFAULT_LIFETIME_SECONDS);
        if !(MIN_LIFETIME_SECONDS..=MAX_LIFETIME_SECONDS).contains(&lifetime_seconds) {
            return invalid(
                format!("A run cannot live for {lifetime_seconds} seconds; nothing was opened."),
                "Ask for 1 to 604800 seconds (7 days), or leave expires_in out for 24 hours.",
            );
        }
        let too_long = |text: &String| text.chars().count() > MAX_LABEL_CHARS;
        if request.labels.len() > MAX_LABELS
            || request.labels.iter().any(|(name, value)| too_long(name) || too_long(value))
        {
            return invalid(
                "The labels are too many or too long; nothing was opened.".into(),
                "Use at most 32 labels of at most 200 characters each.",
            );
        }
        if request.prompt_version.as_ref().is_some_and(too_long) {
            return invalid(
                "The prompt version is too long; nothing was opened.".into(),
                "Use at most 200 characters.",
            );
        }
        Ok(Self {
            mode: request.mode.unwrap_or(Mode::DryRun),
            parent: request.parent.as_deref().map(RunId::parse).transpose()?,
            labels: request.labels.clone(),
            prompt_version: request.prompt_version.clone(),
            lifetime_seconds,
        })
    }
}

/// A run as its object remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The name of the key that opened it.
    pub owner: String,
    /// The environment that it belongs to.
    pub environment: Environment,
    /// Whether an approver opened it live; only then may it be live in production.
    pub granted: bool,
    /// What was asked for.
    pub terms: Terms,
    /// The mode in force.
    pub mode: Mode,
    /// Why.
    pub cause: ModeCause,
    /// When the mode last changed.
    pub mode_since: Millis,
    /// When the run was opened.
    pub opened_at: Millis,
    /// When it ends by itself.
    pub expires_at: Millis,
    /// When it was closed, if it was.
    pub closed_at: Option<Millis>,
}

/// Whether a run still acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It reads and writes.
    Open,
    /// Its agent ended it.
    Closed,
    /// Its time is up.
    Expired,
}

impl Phase {
    /// The phase at `now` of a run that ends at `expires_at`, or ended before.
    pub fn at(now: Millis, closed_at: Option<Millis>, expires_at: Millis) -> Self {
        if closed_at.is_some() {
            Self::Closed
        } else if now >= expires_at {
            Self::Expired
        } else {
            Self::Open
        }
    }
}

impl Run {
    /// Whether the run still acts at `now`.
    pub fn phase(&self, now: Millis) -> Phase {
        Phase::at(now, self.closed_at, self.expires_at)
    }

    /// The problem of using the run when it no longer acts.
    pub fn require_open(&self, now: Millis) -> Result<(), Problem> {
        match self.phase(now) {
            Phase::Open => Ok(()),
            Phase::Closed => Err(Problem::new(
                Code::RunClosed,
                format!("The run {} is closed; nothing was read or written.", self.id),
                "Open a new run with POST /v1/runs. The report of the closed run stays readable.",
            )),
            Phase::Expired => Err(Problem::new(
                Code::RunExpired,
                format!("The run {} has expired; nothing was read or written.", self.id),
                "Open a new run with POST /v1/runs, with a longer expires_in if the work needs it (at most 604800 \
                 seconds).",
            )),
        }
    }
}

/// The answer for a run that nobody opened, or that is not the caller's: the two are not told apart.
pub fn unknown_run(id: &str) -> Problem {
    Problem::new(
        Code::UnknownRun,
        format!("There is no run {id} that this credential can use; nothing was read or written."),
        "Open a run with POST /v1/runs and use the token or the id that it returns.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_to_sixty_four_of_the_safe_characters() {
        for good in ["a", "A-1_z", &"x".repeat(64)] {
            assert!(RunId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", "a\0", &"x".repeat(65), "..", "a\n"] {
            assert_eq!(RunId::parse(bad).unwrap_err().code, Code::InvalidRequest, "{bad:?}");
        }
    }

    #[test]
    fn generated_ids_sort_by_time_and_are_valid() {
        let early = RunId::generate(1_700_000_000_000, u128::MAX);
        let late = RunId::generate(1_700_000_000_001, 0);
        assert!(early < late);
        assert!(RunId::parse(early.as_str()).is_ok());
    }

    #[test]
    fn a_run_lives_a_day_unless_told_otherwise_and_never_more_than_a_week() {
        let with = |expires_in| Terms::parse(&OpenRequest { expires_in, ..OpenRequest::default() });
        assert_eq!(with(None).unwrap().lifetime_seconds, 86_400);
        assert_eq!(with(Some(604_800)).unwrap().lifetime_seconds, 604_800);
        assert!(with(Some(604_801)).is_err());
        assert!(with(Some(0)).is_err());
    }

    #[test]
    fn the_default_mode_is_a_dry_run() {
        assert_eq!(Terms::parse(&OpenRequest::default()).unwrap().mode, Mode::DryRun);
    }

    #[test]
    fn the_run_format_unchanged() {
        let run = Run {
            id: RunId::parse("r1").unwrap(),
            owner: "agent".into(),
            environment: Environment::Staging,
            granted: false,
            terms: Terms::parse(&OpenRequest::default()).unwrap(),
            mode: Mode::DryRun,
            cause: ModeCause::Policy { store: "DB".into() },
            mode_since: 2,
            opened_at: 1,
            expires_at: 3,
            closed_at: None,
        };
        expect_test::expect![[r#"{"id":"r1","owner":"agent","environment":"staging","granted":false,"terms":{"mode":"dry_run","parent":null,"labels":{},"prompt_version":null,"lifetime_seconds":86400},"mode":"dry_run","cause":{"policy":{"store":"DB"}},"mode_since":2,"opened_at":1,"expires_at":3,"closed_at":null}"#]]
        .assert_eq(&serde_json::to_string(&run).unwrap());
    }
}
