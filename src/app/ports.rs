//! What the use cases need from the outside, named by the guarantee that is owed.

#![expect(async_fn_in_trait, reason = "a Worker has one thread, so no future needs to be Send")]

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::effect::Effect;
use crate::domain::gate::{Ancestors, Flag};
use crate::domain::journal::{Entry, Outcome, Position};
use crate::domain::operation::Operation;
use crate::domain::refusal::Problem;
use crate::domain::run::{Millis, ModeCause, Run, RunId};
use crate::domain::settings::Settings;

use super::message::{Answer, Receipt};

/// The clock and the configuration.
pub trait Surroundings {
    /// Now.
    fn now(&self) -> Millis;
    /// The configuration.
    fn settings(&self) -> &Settings;
}

/// When the run's flag was put into KV.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagRecord {
    /// The last put that succeeded.
    pub published_at: Option<Millis>,
    /// The last put that was tried.
    pub attempted_at: Option<Millis>,
}

/// What to remember of a request that carried an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// SHA-256 of the request, in hex.
    pub request: String,
}

/// What is known of an idempotency key.
#[derive(Debug, Clone, PartialEq)]
pub enum Recalled<C> {
    /// Never seen; it is claimed for this request now.
    Claimed,
    /// Seen with another request.
    Mismatch,
    /// Its request is still at work.
    Running,
    /// Its request was interrupted; nobody knows how far it got.
    Interrupted,
    /// Its request is done; this was the answer.
    Done(Receipt, Answer<C>),
}

/// How an operation ended, to be recorded in one piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending<C, P> {
    /// The run.
    pub run: RunId,
    /// The journal's line, without its position.
    pub entry: Entry,
    /// What it changed.
    pub effects: Vec<Effect>,
    /// What the run's own view of the stores gains by it.
    pub plan: Vec<P>,
    /// The answer to keep under the request's idempotency key.
    pub keep: Option<(Idempotency, Answer<C>)>,
}

/// The durable record of one run. Everything here is durable before an answer leaves, and whole or not at all.
pub trait Ledger {
    /// A piece of the run's own view of the stores.
    type Plan;
    /// The content of an answer that is not JSON.
    type Content;

    /// The run, from storage and not from memory; `None` when nobody opened it.
    fn run(&self) -> Result<Option<Run>, Problem>;
    /// Stores a new run.
    fn create(&self, run: &Run) -> Result<(), Problem>;
    /// Turns the run dry. Nothing turns it back.
    fn turn_dry(&self, cause: &ModeCause, now: Millis) -> Result<(), Problem>;
    /// Ends the run.
    fn close(&self, now: Millis) -> Result<(), Problem>;
    /// When the flag was put.
    fn flag_record(&self) -> Result<FlagRecord, Problem>;
    /// Remembers when the flag was put.
    fn set_flag_record(&self, record: FlagRecord) -> Result<(), Problem>;
    /// Records that a live write begins. It is in storage before the write leaves.
    fn begin(&self, entry: &Entry) -> Result<Position, Problem>;
    /// Records how the operation at `position` ended, or, without a position, an operation from beginning to end.
    fn finish(
        &self,
        position: Option<Position>,
        ending: Ending<Self::Content, Self::Plan>,
    ) -> Result<Position, Problem>;
    /// Claims an idempotency key or says what became of it.
    fn recall(&self, idempotency: &Idempotency) -> Result<Recalled<Self::Content>, Problem>;
    /// Marks a claimed key: its write may or may not have happened, and nobody will ever know from here.
    fn doubt(&self, idempotency: &Idempotency) -> Result<(), Problem>;
    /// Gives a claimed key back: the request was refused before anything happened.
    fn release(&self, idempotency: &Idempotency) -> Result<(), Problem>;
}

/// The flag in KV.
pub trait FlagStore {
    /// The right to publish the flag; it ends when this is dropped.
    type FlagTurn;

    /// Reads the run's flag. Answers within the budget, whatever KV does.
    async fn read_flag(&self, run: &RunId) -> Flag;
    /// Waits until nobody else is publishing the run's flag.
    async fn flag_turn(&self) -> Result<Self::FlagTurn, Problem>;
    /// Publishes the run's flag with its TTL. Answers in bounded time.
    async fn publish_flag(&self, run: &RunId) -> Result<(), Problem>;
}

/// The runs above this one.
pub trait Ancestry {
    /// Asks the parent, which asks its own parent. Answers in bounded time.
    async fn ancestors(&self, parent: &RunId) -> Ancestors;
}

/// What an operation came to.
#[derive(Debug)]
pub struct Done<C, P> {
    /// The answer.
    pub answer: Answer<C>,
    /// Done, or skipped when nothing changed.
    pub outcome: Outcome,
    /// For the journal: counts, sizes, etags.
    pub result: Value,
    /// What it changed.
    pub effects: Vec<Effect>,
    /// What the run's own view gains by it.
    pub plan: Vec<P>,
    /// What could not be exact, in words.
    pub inexact: Vec<String>,
    /// What in it comes out differently each time.
    pub volatile: Vec<String>,
}

impl<C, P> Done<C, P> {
    /// A read that answers JSON and changes nothing.
    pub fn read(answer: Value) -> Self {
        Self {
            answer: Answer::json(answer.to_string()),
            outcome: Outcome::Done,
            result: answer,
            effects: Vec::new(),
            plan: Vec::new(),
            inexact: Vec::new(),
            volatile: Vec::new(),
        }
    }
}

/// The target stores.
pub trait Stores {
    /// What came with the request besides the operation: bytes, or a stream of them.
    type Payload;
    /// A piece of the run's own view of the stores.
    type Plan: Clone;
    /// The content of an answer that is not JSON.
    type Content;
    /// The right to change the run's own view; it ends when this is dropped.
    type Turn;

    /// Makes a write real.
    async fn perform(
        &self,
        operation: &Operation,
        payload: Self::Payload,
    ) -> Result<Done<Self::Content, Self::Plan>, Problem>;
    /// Carries a write out on the run's own view. No target store is written.
    async fn rehearse(
        &self,
        operation: &Operation,
        payload: Self::Payload,
    ) -> Result<Done<Self::Content, Self::Plan>, Problem>;
    /// Reads: in a dry run the run's own view, else the store.
    async fn read(&self, run: &Run, operation: &Operation) -> Result<Done<Self::Content, Self::Plan>, Problem>;
    /// Whether what came with a repeated request is what came with the first one, as far as its fingerprint could not
    /// tell: bodies that stream are not held to be hashed before.
    async fn repeats(
        &self,
        operation: &Operation,
        payload: Self::Payload,
        first: &Answer<Self::Content>,
    ) -> Result<bool, Problem>;
    /// Waits until this write may change the run's own view. Writes of one run change it one after the other.
    async fn turn(&self) -> Result<Self::Turn, Problem>;
}

/// The people who are called.
pub trait Alarms {
    /// Reports that a part of the guard failed. Never waits and never fails: the log line is written even when nothing
    /// else works.
    fn guard_failed(&self, run: Option<&RunId>, problem: &Problem);
    /// Tells the index of runs that this one changed. Never waits.
    fn run_changed(&self, run: &Run);
}
