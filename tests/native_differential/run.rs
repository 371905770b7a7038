//! A dry run of one database, natively: what the run's object and the shadow's object do, without the platform.

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use dryrun_gateway::domain::effect::{Effect, net};
use dryrun_gateway::domain::operation::{BoundStatement, RowShape, SqlCall};
use dryrun_gateway::domain::refusal::Problem;
use dryrun_gateway::domain::run::RunId;
use dryrun_gateway::shadow::port::Base;
use dryrun_gateway::shadow::rehearse::Shadow;
use dryrun_gateway::shadow::{ShadowReply, ShadowRequest};
use dryrun_sql::statement::{Kind, split};
use futures_util::task::noop_waker;

use crate::base::LiteBase;
use crate::compare::Lines;
use crate::engine::LiteEngine;
use crate::faults::Faults;
use crate::oracle::Oracle;
use crate::reported;
use crate::support::{Answer, Bound, Refused};

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// It was refused, or SQLite said no.
    Refused(Refused),
    /// The gateway failed, for this cause.
    Broken(String),
    /// It was broken off.
    Cancelled,
    /// An earlier request was carried out, and nobody was told.
    Lost,
}

pub(crate) struct DryRun {
    pub faults: Rc<Faults>,
    engine: Rc<LiteEngine>,
    base: Rc<dyn Base>,
    shadow: Rc<Shadow>,
    serial: u64,
    dirty: bool,
    effects: Vec<(u64, Effect)>,
    /// What comes out differently each time.
    pub volatile: Vec<String>,
    pub whole_rows: u64,
    pub most_rows: u64,
}

impl DryRun {
    /// A run over a base with this schema and these rows.
    pub(crate) fn new(setup: &[String], whole_rows: u64, most_rows: u64) -> Self {
        let faults = Rc::new(Faults::default());
        let engine = Rc::new(LiteEngine::new(faults.clone()));
        let base = Rc::new(LiteBase::new(setup, faults.clone(), engine.clone()));
        let shadow = Rc::new(Shadow::new(engine.clone()));
        Self {
            faults,
            engine,
            base,
            shadow,
            serial: 0,
            dirty: false,
            effects: Vec::new(),
            volatile: Vec::new(),
            whole_rows,
            most_rows,
        }
    }

    /// The object ends and begins anew, with what it had committed.
    fn restart(&mut self) {
        self.engine.crash();
        self.shadow = Rc::new(Shadow::new(self.engine.clone()));
    }

    /// Sends statements, several as a batch.
    pub(crate) fn sql(&mut self, statements: &[Bound]) -> Result<Vec<Answer>, Unanswered> {
        let statements = understood(statements).map_err(refused)?;
        let call = SqlCall { statements, shape: RowShape::Arrays };
        let reads = call.statements.iter().all(|one| one.statement.kind == Kind::Read && !one.statement.is_explain());
        if reads && !self.dirty {
            let base = self.base.clone();
            return match now(base.read(&call)) {
                Some(Ok(text)) => Ok(serde_json::from_str(&text).unwrap()),
                Some(Err(problem)) => Err(refused(problem)),
                None => Err(Unanswered::Cancelled),
            };
        }
        let request = Rc::new(ShadowRequest {
            run: RunId::parse("run_01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap(),
            store: "DB".into(),
            call,
            serial: self.serial,
            whole_rows: self.whole_rows,
            most_rows: self.most_rows,
            most_bytes: u64::MAX,
        });
        let reply = now(self.shadow.run(&self.base, request));
        let Some(reply) = reply else {
            self.restart();
            return Err(Unanswered::Cancelled);
        };
        self.engine.turn();
        match reply {
            Ok(ShadowReply::Ran(answer)) => {
                (self.serial, self.dirty) = (answer.serial, answer.dirty);
                self.volatile.extend(answer.volatile);
                self.effects.extend(answer.effects.into_iter().map(|effect| (answer.serial, effect)));
                Ok(serde_json::from_str(&answer.results).unwrap_or_else(|error| panic!("{error}: {}", answer.results)))
            }
            Ok(ShadowReply::Lost(lost)) => {
                (self.serial, self.dirty) = (lost.serial, true);
                self.effects.extend(lost.effects.into_iter().map(|effect| (lost.serial, effect)));
                Err(Unanswered::Lost)
            }
            Err(failure) => match failure.into_parts() {
                (_, Some(cause)) => Err(Unanswered::Broken(cause)),
                (problem, None) => Err(refused(problem)),
            },
        }
    }

    /// What the effects say about rows, in the form of [`reported::expected`].
    pub(crate) fn reported(&self, now: &Oracle) -> Lines {
        let model = crate::model::Model::read(now);
        let mut lines = Lines::new();
        for found in net(&self.effects) {
            let Effect { subject, key, before, after, .. } = &found.effect;
            let Some(table) = model.table(subject) else { continue };
            let change = match (before, after) {
                (None, _) => "inserted",
                (_, None) => "deleted",
                _ => "updated",
            };
            lines.push(reported::line(table, key, change));
            for (name, value) in after.iter().flatten() {
                let is_new = before.as_ref().is_none_or(|before| before.get(name) != Some(value));
                if is_new && let Some(value) = reported::value(value) {
                    lines.extend(reported::new_value(table, key, name, &value));
                }
            }
        }
        lines.sort();
        lines
    }
}

fn understood(statements: &[Bound]) -> Result<Vec<BoundStatement>, Problem> {
    statements
        .iter()
        .map(|bound| {
            let mut statements = split(&bound.sql)?;
            assert_eq!(statements.len(), 1, "{}", bound.sql);
            Ok(BoundStatement { statement: statements.remove(0), params: bound.params.clone() })
        })
        .collect()
}

fn refused(problem: Problem) -> Unanswered {
    Unanswered::Refused(Refused { code: problem.code.as_str().into(), message: problem.message.to_string() })
}

/// The result of a future that waits for nothing; `None` when it does, in which case it is broken off.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(&noop_waker())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
