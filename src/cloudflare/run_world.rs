//! The world of one run: its object's storage, the stores behind the bindings, the clock.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::lock::{Mutex, OwnedMutexGuard};
use serde_json::{Value, json};
use std::sync::Arc;
use worker::{Env, State};

use super::alerts;
use super::control;
use super::ledger::Plan;
use super::overlay::{Overlay, ShadowRecord};
use super::sql::Database;
use super::wire::{self, Content, Payload};
use super::{d1, flag, js, kv, objects, r2};
use crate::app::message::{Answer, Command, Vouched};
use crate::app::ports::{Alarms, Ancestry, Done, Ending, FlagStore, Ledger as _, Stores, Surroundings};
use crate::domain::dump::Wanted;
use crate::domain::effect::{Effect, SCHEMA, net};
use crate::domain::gate::{Ancestors, Flag};
use crate::domain::journal::{Entry, Outcome, Position};
use crate::domain::moved::Movement;
use crate::domain::operation::{Access, Call, DatabaseCall, ObjectCall, Operation, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::run::{Mode, Run, RunId};
use crate::domain::settings::{Settings, StoreKind};
use crate::shadow::{MovedRequest, PlannedRow, ShadowAnswer, ShadowReply, ShadowRequest};
use dryrun_sql::statement::COUNTERS;

/// The world of one run.
pub struct RunWorld {
    /// The storage of its object.
    pub database: Database,
    /// The configuration.
    pub settings: Rc<Settings>,
    /// Tells this life of the object from others.
    pub instance: String,
    env: Env,
    state: Rc<State>,
    turns: Rc<RunTurns>,
}

/// What one run does one after the other.
pub struct RunTurns {
    /// Changing its own view of the stores.
    pub view: Rc<Turns>,
    /// Publishing its flag.
    pub flag: Rc<Turns>,
}

impl RunWorld {
    /// The world in which one request is served.
    pub fn new(env: Env, state: Rc<State>, settings: Rc<Settings>, instance: String, turns: Rc<RunTurns>) -> Self {
        Self { database: Database::of(&state), settings, instance, env, state, turns }
    }

    fn overlay(&self, dry: bool) -> Option<Overlay<'_>> {
        dry.then(|| Overlay::new(&self.database, self.settings.overlay_max_bytes))
    }

    fn own_id(&self) -> Result<RunId, Problem> {
        self.run()?.map(|run| run.id).ok_or_else(|| Problem::broken("an object without a run"))
    }

    /// Asks the shadow of a database. A change that an earlier, interrupted request made there is journalled first.
    pub async fn ask_shadow(&self, store: &str, call: &SqlCall) -> Result<(ShadowAnswer, ShadowRecord), Problem> {
        let run = self.own_id()?;
        for _ in 0..2 {
            let (record, rows, bytes) = self.shadow_record(store)?;
            let request = ShadowRequest {
                run: run.clone(),
                store: store.to_owned(),
                call: call.clone(),
                serial: record.serial,
                whole_rows: self.settings.shadow_whole_rows,
                most_rows: self.settings.shadow_max_rows.saturating_sub(rows - record.rows),
                most_bytes: self.settings.shadow_max_bytes.saturating_sub(bytes - record.bytes),
            };
            let response = objects::send(
                &self.env,
                "SHADOW",
                &objects::shadow_name(&run, store),
                &wire::request("/run", &request)?,
                objects::OPERATION_LIMIT,
                None,
            )
            .await?;
            match wire::read_reply::<ShadowReply>(&response).await? {
                ShadowReply::Ran(answer) => {
                    let next = ShadowRecord {
                        dirty: answer.dirty,
                        serial: answer.serial,
                        rows: answer.rows,
                        bytes: answer.bytes,
                    };
                    return Ok((answer, next));
                }
                ShadowReply::Lost(lost) => {
                    let record = ShadowRecord { dirty: true, serial: lost.serial, ..record };
                    self.journal_lost(store, lost.call, lost.effects, record)?;
                }
            }
        }
        Err(Problem::broken("the shadow was ahead of the journal more often than it can be"))
    }

    /// Writes down a planned change whose answer never left: the agent does not know of it, the shadow does, so the
    /// report has to.
    fn journal_lost(
        &self,
        store: &str,
        call: SqlCall,
        effects: Vec<Effect>,
        record: ShadowRecord,
    ) -> Result<(), Problem> {
        let settings = self.settings.store(StoreKind::D1, store)?;
        let operation = Operation { store: settings, call: Call::Sql(call) };
        let run = self.run()?.ok_or_else(|| Problem::broken("an object without a run"))?;
        let entry = Entry {
            position: 0,
            at: js::now(),
            store: store.to_owned(),
            kind: StoreKind::D1,
            access: Access::Write,
            action: operation.action(),
            subject: operation.subject(),
            request: operation.request(),
            unbounded: operation.unbounded(),
            mode: Some(Mode::DryRun),
            cause: Some(run.cause),
            outcome: Outcome::Done,
            problem: None,
            result: Value::Null,
            inexact: vec![
                "a planned change whose answer was lost when the gateway was interrupted; the agent may have \
                           sent it again"
                    .into(),
            ],
            volatile: Vec::new(),
            duration_ms: None,
        };
        self.finish(
            None,
            Ending { run: run.id, entry, effects, plan: vec![Plan::Shadow(store.to_owned(), record)], keep: None },
        )?;
        Ok(())
    }

    /// Which of the rows that the run copied or plans to write are not in the base as they were.
    pub async fn moved(&self, effects: &[(Position, Effect)]) -> Result<Movement, Problem> {
        let nets = net(effects);
        let run = self.own_id()?;
        let mut movement = Movement::default();
        for (store, _) in self.settings.stores.iter().filter(|(_, settings)| settings.kind == StoreKind::D1) {
            let planned: Vec<PlannedRow> = nets
                .iter()
                .filter(|net| {
                    net.effect.store == *store && net.effect.subject != SCHEMA && net.effect.subject != COUNTERS
                })
                .map(|net| PlannedRow {
                    table: net.effect.subject.clone(),
                    key: net.effect.key.clone(),
                    before: net.effect.before.clone(),
                })
                .collect();
            if self.shadow_record(store)?.0.rows == 0 && planned.is_empty() {
                continue;
            }
            let request = wire::request("/moved", &MovedRequest { store: store.clone(), planned })?;
            let response = objects::send(
                &self.env,
                "SHADOW",
                &objects::shadow_name(&run, store),
                &request,
                objects::OPERATION_LIMIT,
                None,
            )
            .await?;
            let found: Movement = wire::read_reply(&response).await?;
            movement.compared += found.compared;
            movement.moved.extend(found.moved);
            movement.not_compared.extend(found.not_compared.into_iter().map(|table| format!("{store}.{table}")));
        }
        Ok(movement)
    }

    /// Reads the base, when it says it all: in a dry run as long as nothing of this database was planned.
    pub async fn read_base(
        &self,
        dry: bool,
        store: &str,
        call: &SqlCall,
    ) -> Result<Option<Done<Content, Plan>>, Problem> {
        if dry && (self.shadow_record(store)?.0.dirty || call.statements.iter().any(|one| one.statement.is_explain())) {
            return Ok(None);
        }
        match d1::perform(&self.env, store, call, dry).await {
            Err(problem) if dry && d1::is_guarded(&problem) => Ok(None),
            done => done.map(Some),
        }
    }

    /// Runs statements in the shadow. Whoever calls has the turn.
    pub async fn in_shadow(&self, store: &str, call: &SqlCall) -> Result<Done<Content, Plan>, Problem> {
        let (answer, record) = self.ask_shadow(store, call).await?;
        let (outcome, result) = d1::outcome(call, &answer.figures);
        Ok(Done {
            answer: Answer::json(answer.results),
            outcome,
            result,
            effects: answer.effects,
            plan: vec![Plan::Shadow(store.to_owned(), record)],
            inexact: call.not_rehearsed(),
            volatile: answer.volatile,
        })
    }
}

impl Surroundings for RunWorld {
    fn now(&self) -> u64 {
        js::now()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl FlagStore for RunWorld {
    type FlagTurn = Turn;

    async fn flag_turn(&self) -> Result<Turn, Problem> {
        self.turns.flag.take().await
    }

    async fn read_flag(&self, run: &RunId) -> Flag {
        flag::read(&self.env, run, self.settings.flag_budget).await
    }

    async fn publish_flag(&self, run: &RunId) -> Result<(), Problem> {
        flag::publish(&self.env, run, self.settings.flag_ttl_seconds).await
    }
}

impl Ancestry for RunWorld {
    async fn ancestors(&self, parent: &RunId) -> Ancestors {
        let ask = async {
            let request = wire::request("/command", &Command::Vouch { run: parent.clone() })?;
            let response =
                objects::send(&self.env, "RUN", &objects::run_name(parent), &request, objects::VOUCH_LIMIT, None)
                    .await?;
            wire::read_reply::<Vouched>(&response).await
        };
        match ask.await {
            Ok(Vouched::Live) => Ancestors::Live,
            Ok(Vouched::DryRun) => Ancestors::DryRun,
            Ok(Vouched::Ended) => Ancestors::Ended,
            Ok(Vouched::Unreachable) | Err(_) => Ancestors::Unreachable,
        }
    }
}

impl Stores for RunWorld {
    type Payload = Payload;
    type Plan = Plan;
    type Content = Content;
    type Turn = Turn;

    async fn perform(&self, operation: &Operation, payload: Payload) -> Result<Done<Content, Plan>, Problem> {
        let store = operation.store.binding.as_str();
        match &operation.call {
            Call::Sql(call) => d1::perform(&self.env, store, call, false).await,
            Call::Key(call) => kv::Namespace::new(&self.env, store, None)?.perform(call, &in_memory(payload)?).await,
            Call::Object(call) => r2::Bucket::new(&self.env, store, &self.settings, None)?.perform(call, payload).await,
            Call::Database(_) => Err(Problem::broken("a whole database is not read here")),
            Call::Refused(call) => Err(call.problem.clone()),
        }
    }

    async fn rehearse(&self, operation: &Operation, payload: Payload) -> Result<Done<Content, Plan>, Problem> {
        let store = operation.store.binding.as_str();
        match &operation.call {
            Call::Sql(call) => self.in_shadow(store, call).await,
            Call::Key(call) => {
                kv::Namespace::new(&self.env, store, self.overlay(true))?.rehearse(call, in_memory(payload)?).await
            }
            Call::Object(call) => {
                r2::Bucket::new(&self.env, store, &self.settings, self.overlay(true))?.rehearse(call, payload).await
            }
            Call::Database(_) => Err(Problem::broken("a whole database is not written")),
            Call::Refused(call) => Err(call.problem.clone()),
        }
    }

    async fn read(&self, run: &Run, operation: &Operation) -> Result<Done<Content, Plan>, Problem> {
        let dry = run.mode == Mode::DryRun;
        let store = operation.store.binding.as_str();
        match &operation.call {
            Call::Sql(call) => match self.read_base(dry, store, call).await? {
                Some(done) => Ok(done),
                None => {
                    let _turn = self.turn().await?;
                    self.in_shadow(store, call).await
                }
            },
            Call::Database(DatabaseCall::Export { no_schema, no_data, tables }) => {
                // Nothing of the run's own may change while its rows are written down, and one file at a time takes the
                // room that there is.
                let _turn = self.turn().await?;
                self.export(dry, store, &Wanted { schema: !no_schema, data: !no_data, tables }).await
            }
            Call::Database(DatabaseCall::Bookmark {}) => {
                let bookmark = d1::bookmark(&self.env, store).await?;
                Ok(Done::read(json!({ "bookmark": bookmark })))
            }
            Call::Key(call) => kv::Namespace::new(&self.env, store, self.overlay(dry))?.read(call).await,
            Call::Object(call) => {
                r2::Bucket::new(&self.env, store, &self.settings, self.overlay(dry))?.read(call).await
            }
            Call::Refused(call) => Err(call.problem.clone()),
        }
    }

    async fn turn(&self) -> Result<Turn, Problem> {
        self.turns.view.take().await
    }

    async fn repeats(&self, operation: &Operation, payload: Payload, first: &Answer<Content>) -> Result<bool, Problem> {
        match (&operation.call, first) {
            (Call::Object(ObjectCall::Put { .. }), Answer::Result { result, .. }) => {
                r2::is_same_body(payload, result).await
            }
            _ => Ok(true),
        }
    }
}

fn in_memory(payload: Payload) -> Result<Vec<u8>, Problem> {
    match payload {
        Payload::Bytes(bytes) => Ok(bytes),
        Payload::Stream(_) => Err(Problem::broken("a body was a stream")),
    }
}

impl Alarms for RunWorld {
    fn guard_failed(&self, run: Option<&RunId>, problem: &Problem) {
        self.state.wait_until(alerts::raise(
            self.env.clone(),
            alerts::Kind::GuardFailure,
            run.cloned(),
            problem.clone(),
        ));
    }

    fn run_changed(&self, run: &Run) {
        let (env, run) = (self.env.clone(), run.clone());
        self.state.wait_until(async move {
            if let Err(problem) = control::index_run(&env, &run).await {
                js::log("error", "run_not_indexed", &[("run", run.id.as_str()), ("why", problem.code.as_str())]);
            }
        });
    }
}

/// Lets one change at a time through.
///
/// A request that the platform cuts off never lets go of its turn, so a turn is not waited for longer than the longest
/// operation: then the one that holds it is gone, and the queue starts anew.
pub struct Turns {
    lock: RefCell<Arc<Mutex<()>>>,
}

/// The right to change something; it ends when this is dropped.
pub type Turn = OwnedMutexGuard<()>;

/// Longer than the longest operation.
const TURN_LIMIT: Duration = Duration::from_secs(125);

impl Turns {
    /// Nobody has the turn yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { lock: RefCell::new(Arc::new(Mutex::new(()))) })
    }

    /// Waits for the turn.
    pub async fn take(&self) -> Result<Turn, Problem> {
        let lock = self.lock.borrow().clone();
        if let Some(turn) = js::within(TURN_LIMIT, lock.clone().lock_owned()).await {
            return Ok(turn);
        }
        let mut current = self.lock.borrow_mut();
        if Arc::ptr_eq(&current, &lock) {
            *current = Arc::new(Mutex::new(()));
        }
        Err(Problem::new(
            Code::RunUnavailable,
            "Another write of this run did not come to an end; nothing was written.",
            "Try again, and look at the run's report for the write that hung.",
        ))
    }
}
