//! What a reviewer should not overlook: the form of it.

use dryrun_text::Words;
use serde::{Serialize, Serializer};

use super::effect::{Effect, Net};
use super::journal::{Entry, Outcome, Position};
use super::run::Run;

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The run wrote for real before it became a dry run.
    LiveBeforeDry,
    /// A planned row names an object that exists only in the plan.
    ObjectOnlyInPlan,
    /// An UPDATE or DELETE without a WHERE.
    Unbounded,
    /// A statement removed rows of other tables than the one that it names.
    Cascade,
    /// The run switches foreign keys off, which D1 does not do.
    ForeignKeysStayOn,
    /// A live write began and its end is not known.
    OutcomeUnknown,
}

/// One thing that a reviewer should not overlook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// What it is, for a person.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub message: Words,
    /// The operations that it comes from.
    pub operations: Vec<Position>,
}

/// Most objects or rows that one finding names.
pub const MAX_NAMED: usize = 3;

/// What was recorded of a run.
#[derive(Clone, Copy)]
pub struct Recorded<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its journal.
    pub entries: &'a [Entry],
    /// Its effects, one by one, each with the number of its operation.
    pub effects: &'a [(Position, Effect)],
    /// What the effects come to.
    pub nets: &'a [Net],
}

impl<'a> Recorded<'a> {
    /// The operations that were carried out, or accepted without an effect.
    pub fn carried_out(self) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Done | Outcome::Skipped))
    }
}

/// Our own words and data, as one text.
pub fn as_text<S: Serializer>(words: &Words, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(words)
}
