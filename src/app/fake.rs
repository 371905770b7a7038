//! A world for the use cases' tests, whose parts can fail before or after their effect, and which writes down the order
//! of what happens.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use super::message::{Actor, Answer, Execute, Receipt};
use super::ports::{
    Alarms, Ancestry, Done, Ending, FlagRecord, FlagStore, Idempotency, Ledger, Recalled, Stores, Surroundings,
};
use crate::domain::gate::{Ancestors, Flag, flag_unavailable};
use crate::domain::journal::{Entry, Outcome, Position};
use crate::domain::operation::{Call, KeyCall, Operation};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Millis, Mode, ModeCause, OpenRequest, Run, RunId, Terms};
use crate::domain::settings::{Environment, Policy, Settings, Store, StoreKind, StoreSettings};

/// How a store behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fails {
    /// It works.
    Never,
    /// It says no and did nothing.
    Before,
    /// It did it, and the answer was lost.
    After,
}

/// Something that happens in between.
pub(super) type Meanwhile = Box<dyn FnOnce(&World)>;

/// The world.
pub(super) struct World {
    pub now: Cell<Millis>,
    pub settings: Settings,
    pub run: RefCell<Option<Run>>,
    pub flag: Cell<Flag>,
    pub publishes: Cell<bool>,
    pub flag_record: Cell<FlagRecord>,
    pub ancestors: Cell<Ancestors>,
    pub store: Cell<Fails>,
    pub journal: RefCell<Vec<Entry>>,
    pub kept: RefCell<BTreeMap<String, (String, Option<Receipt>)>>,
    /// What happened, in order.
    pub log: RefCell<Vec<String>>,
    /// Something that happens while the flag is being read.
    pub meanwhile: RefCell<Option<Meanwhile>>,
}

/// The id of the world's run.
pub(super) fn id() -> RunId {
    RunId::parse("r1").unwrap()
}

impl World {
    pub(super) fn with(mode: Mode) -> Self {
        let settings = Settings::parse(|name| match name {
            "ENVIRONMENT" => Some("staging".into()),
            "ACCOUNT_ID" => Some("local".into()),
            "STORES" => Some("{}".into()),
            _ => None,
        });
        let run = Run {
            id: id(),
            owner: "agent".into(),
            environment: Environment::Staging,
            granted: false,
            terms: Terms::parse(&OpenRequest::default()).unwrap(),
            mode,
            cause: ModeCause::Opened,
            mode_since: 0,
            opened_at: 0,
            expires_at: 1_000_000,
            closed_at: None,
        };
        Self {
            now: Cell::new(10_000),
            settings: settings.unwrap(),
            run: RefCell::new(Some(run)),
            flag: Cell::new(Flag::Absent),
            publishes: Cell::new(true),
            flag_record: Cell::default(),
            ancestors: Cell::new(Ancestors::Live),
            store: Cell::new(Fails::Never),
            journal: RefCell::default(),
            kept: RefCell::default(),
            log: RefCell::default(),
            meanwhile: RefCell::default(),
        }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Run)) {
        change(self.run.borrow_mut().as_mut().unwrap());
    }

    pub(super) fn note(&self, what: impl Into<String>) {
        self.log.borrow_mut().push(what.into());
    }

    pub(super) fn log(&self) -> String {
        self.log.borrow().join(", ")
    }
}

/// A write of the agent's.
pub(super) fn put(policy: Policy) -> Execute {
    let settings = StoreSettings { kind: StoreKind::Kv, name: "cache".into(), id: None, policy };
    Execute {
        run: id(),
        actor: Actor { name: "agent".into(), sees_all: false },
        operation: Operation {
            store: Store { binding: "CACHE".into(), settings },
            call: Call::Key(KeyCall::Put { key: "k".into(), expiration: None, expiration_ttl: None, metadata: None }),
        },
        asked_dry: false,
        idempotency: None,
    }
}

/// Runs a future that never really waits.
pub(super) fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a fake waited"),
    }
}

impl Surroundings for World {
    fn now(&self) -> Millis {
        self.now.get()
    }
    fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl Ledger for World {
    type Plan = ();
    type Content = ();

    fn run(&self) -> Result<Option<Run>, Problem> {
        Ok(self.run.borrow().clone())
    }
    fn create(&self, run: &Run) -> Result<(), Problem> {
        *self.run.borrow_mut() = Some(run.clone());
        Ok(())
    }
    fn turn_dry(&self, cause: &ModeCause, now: Millis) -> Result<(), Problem> {
        self.note("turn dry");
        self.change(|run| {
            run.mode = Mode::DryRun;
            run.cause = cause.clone();
            run.mode_since = now;
        });
        Ok(())
    }
    fn close(&self, now: Millis) -> Result<(), Problem> {
        self.change(|run| run.closed_at = Some(now));
        Ok(())
    }
    fn flag_record(&self) -> Result<FlagRecord, Problem> {
        Ok(self.flag_record.get())
    }
    fn set_flag_record(&self, record: FlagRecord) -> Result<(), Problem> {
        self.flag_record.set(record);
        Ok(())
    }
    fn begin(&self, entry: &Entry) -> Result<Position, Problem> {
        self.note("begin");
        self.journal.borrow_mut().push(entry.clone());
        Ok(self.journal.borrow().len() as u64)
    }
    fn finish(&self, position: Option<Position>, ending: Ending<(), ()>) -> Result<Position, Problem> {
        self.note(format!("record {}", ending.entry.outcome.as_str()));
        let mut journal = self.journal.borrow_mut();
        match position {
            Some(position) => journal[usize::try_from(position).unwrap() - 1] = ending.entry,
            None => journal.push(ending.entry),
        }
        let position = position.unwrap_or(journal.len() as u64);
        if let Some((idempotency, _)) = ending.keep {
            self.kept.borrow_mut().insert(idempotency.key, (idempotency.request, Some(Receipt::bare(id()))));
        }
        Ok(position)
    }
    fn recall(&self, idempotency: &Idempotency) -> Result<Recalled<()>, Problem> {
        let mut kept = self.kept.borrow_mut();
        Ok(match kept.get(&idempotency.key) {
            None => {
                kept.insert(idempotency.key.clone(), (idempotency.request.clone(), None));
                Recalled::Claimed
            }
            Some((request, _)) if *request != idempotency.request => Recalled::Mismatch,
            Some((_, None)) => Recalled::Running,
            Some((_, Some(receipt))) => Recalled::Done(receipt.clone(), Answer::json("kept")),
        })
    }
    fn doubt(&self, idempotency: &Idempotency) -> Result<(), Problem> {
        self.note(format!("doubt {}", idempotency.key));
        Ok(())
    }
    fn release(&self, idempotency: &Idempotency) -> Result<(), Problem> {
        self.kept.borrow_mut().remove(&idempotency.key);
        Ok(())
    }
}

impl FlagStore for World {
    type FlagTurn = ();

    async fn flag_turn(&self) -> Result<(), Problem> {
        Ok(())
    }
    async fn read_flag(&self, _: &RunId) -> Flag {
        self.note("read flag");
        if let Some(meanwhile) = self.meanwhile.borrow_mut().take() {
            meanwhile(self);
        }
        self.flag.get()
    }
    async fn publish_flag(&self, run: &RunId) -> Result<(), Problem> {
        self.note("publish");
        if self.publishes.get() { Ok(()) } else { Err(flag_unavailable(run, "could not be published")) }
    }
}

impl Ancestry for World {
    async fn ancestors(&self, _: &RunId) -> Ancestors {
        self.note("ask above");
        self.ancestors.get()
    }
}

impl World {
    fn act(&self, what: &str) -> Result<Done<(), ()>, Problem> {
        let no = || Problem::from_store(Code::StoreUnavailable, "no clear answer");
        if self.store.get() == Fails::Before {
            self.note(format!("{what} not"));
            return Err(Problem::from_store(Code::SqlError, "said no"));
        }
        self.note(what);
        if self.store.get() == Fails::After {
            return Err(no());
        }
        Ok(Done {
            answer: Answer::json("{}"),
            outcome: Outcome::Done,
            result: Value::Null,
            effects: Vec::new(),
            plan: Vec::new(),
            inexact: Vec::new(),
            volatile: Vec::new(),
        })
    }
}

impl Stores for World {
    type Payload = ();
    type Plan = ();
    type Content = ();
    type Turn = ();

    async fn perform(&self, _: &Operation, (): ()) -> Result<Done<(), ()>, Problem> {
        self.act("WRITE")
    }
    async fn rehearse(&self, _: &Operation, (): ()) -> Result<Done<(), ()>, Problem> {
        self.act("plan")
    }
    async fn read(&self, _: &Run, _: &Operation) -> Result<Done<(), ()>, Problem> {
        self.act("read")
    }
    async fn turn(&self) -> Result<(), Problem> {
        Ok(())
    }
    async fn repeats(&self, _: &Operation, (): (), _: &Answer<()>) -> Result<bool, Problem> {
        Ok(true)
    }
}

impl Alarms for World {
    fn guard_failed(&self, _: Option<&RunId>, problem: &Problem) {
        self.note(format!("alert {}", problem.code.as_str()));
    }
    fn run_changed(&self, _: &Run) {}
}
