//! The object of a run's shadow of one database.

use std::rc::Rc;

use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::objects::{self, READY};
use super::run_world::Turns;
use super::shadow::engine::Shadow;
use super::shadow::{MovedRequest, ShadowRequest};
use super::sql::{Database, unreadable};
use super::wire;
use crate::domain::refusal::Problem;

/// A real SQLite in which a dry run's statements run. It holds copies and planned changes, never the journal: what agents send here can reach nothing else.
#[durable_object]
pub struct ShadowObject {
    database: Database,
    shadow: Rc<Shadow>,
    turns: Rc<Turns>,
}

impl DurableObject for ShadowObject {
    fn new(state: State, env: Env) -> Self {
        Self {
            database: Database::of(&state),
            shadow: Rc::new(Shadow::new(Database::of(&state), env)),
            turns: Turns::new(),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let path = request.path();
        if path == READY {
            return objects::ready(&self.database);
        }
        let reply = async {
            let text = request.text().await.map_err(|_| unreadable("request"))?;
            // Copying waits for D1, and meanwhile another statement could begin: one after the other.
            let _turn = self.turns.take().await?;
            if path == "/moved" {
                let request: MovedRequest = serde_json::from_str(&text).map_err(|_| unreadable("request"))?;
                return Ok(wire::reply(&self.shadow.moved(&request).await));
            }
            let request: ShadowRequest = serde_json::from_str(&text).map_err(|_| unreadable("request"))?;
            Ok(wire::reply(&self.shadow.run(Rc::new(request)).await))
        };
        Response::ok(reply.await.unwrap_or_else(|problem: Problem| wire::reply::<()>(&Err(problem))))
    }
}
