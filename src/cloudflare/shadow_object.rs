//! The object of a run's shadow of one database.

use std::cell::Cell;
use std::rc::Rc;

use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::objects::{self, READY};
use super::run_world::Turns;
use super::shadow::base::TargetBase;
use super::shadow::engine::ObjectEngine;
use super::sql::{Database, unreadable};
use super::versions;
use super::wire;
use crate::domain::refusal::Problem;
use crate::shadow::failure::Failure;
use crate::shadow::port::Base;
use crate::shadow::rehearse::Shadow;
use crate::shadow::{MovedRequest, ShadowRequest};

/// A real SQLite in which a dry run's statements run. It holds copies and planned changes, never the journal: what
/// agents send here can reach nothing else.
#[durable_object]
pub struct ShadowObject {
    database: Database,
    shadow: Rc<Shadow>,
    turns: Rc<Turns>,
    env: Env,
    woken: Cell<bool>,
}

impl DurableObject for ShadowObject {
    fn new(state: State, env: Env) -> Self {
        Self {
            database: Database::of(&state),
            shadow: Rc::new(Shadow::new(Rc::new(ObjectEngine::new(Database::of(&state))))),
            turns: Turns::new(),
            env,
            woken: Cell::new(false),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let path = request.path();
        if path == READY {
            return objects::ready(&self.database);
        }
        let reply = async {
            let text = request.text().await.map_err(|error| unreadable("request", error))?;
            // Copying waits for D1, and meanwhile another statement could begin: one after the other.
            let _turn = self.turns.take().await?;
            if !self.woken.get() {
                if !versions::SHADOW.migrate(&self.database)? {
                    versions::SHADOW.record(&self.database)?;
                }
                self.woken.set(true);
            }
            if path == "/moved" {
                let request: MovedRequest =
                    serde_json::from_str(&text).map_err(|error| unreadable("request", error))?;
                let base = self.base(&request.store);
                return Ok(wire::reply(&self.shadow.moved(base.as_ref(), &request).await.map_err(told)));
            }
            let request: ShadowRequest = serde_json::from_str(&text).map_err(|error| unreadable("request", error))?;
            let base = self.base(&request.store);
            Ok(wire::reply(&self.shadow.run(&base, Rc::new(request)).await.map_err(told)))
        };
        Response::ok(reply.await.unwrap_or_else(|problem: Problem| wire::reply::<()>(&Err(problem))))
    }
}

impl ShadowObject {
    fn base(&self, store: &str) -> Rc<dyn Base> {
        Rc::new(TargetBase::new(self.env.clone(), store.to_owned()))
    }
}

/// The problem with its cause, which is logged where the answer leaves.
fn told(failure: Failure) -> Problem {
    let (problem, cause) = failure.into_parts();
    match cause {
        Some(cause) => problem.caused_by(cause),
        None => problem,
    }
}
