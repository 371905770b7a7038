//! The object of one run: load, decide, persist, answer; nothing else.

use std::cell::Cell;
use std::rc::Rc;

use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::environment;
use super::js;
use super::objects::{self, READY};
use super::overlay::sweep;
use super::run_world::{RunTurns, RunWorld, Turns};
use super::sql::{Database, unreadable};
use super::versions;
use super::wire::{self, Content};
use crate::app::close_run::close_run;
use crate::app::execute::{Executed, execute};
use crate::app::message::{Actor, Answer, BringFile, Command, Execute, FetchFile, Receipt};
use crate::app::open_run::{open_run, vouch};
use crate::app::ports::{Alarms as _, Ledger as _, Surroundings as _};
use crate::app::publish_flag::{next_look, publish_if_due};
use crate::app::turn_dry::turn_dry;
use crate::domain::journal::Position;
use crate::domain::markdown::markdown as in_markdown;
use crate::domain::refusal::{Code, Problem};
use crate::domain::report::report;
use crate::domain::run::{Mode, ModeCause, Phase, Run, RunId, unknown_run};

/// One run. Its storage holds the mode, the journal and the run's own view of keys and objects; nothing is true only in
/// memory.
#[durable_object]
pub struct RunObject {
    state: Rc<State>,
    env: Env,
    instance: String,
    turns: Rc<RunTurns>,
    woken: Cell<bool>,
}

impl DurableObject for RunObject {
    fn new(state: State, env: Env) -> Self {
        Self {
            state: Rc::new(state),
            env,
            instance: format!("{:032x}", js::entropy()),
            turns: Rc::new(RunTurns { view: Turns::new(), flag: Turns::new() }),
            woken: Cell::new(false),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        match request.path().as_str() {
            "/execute" => {
                let executed = self.execute(&mut request).await;
                if !matches!(executed, Ok((_, Ok(_)))) {
                    js::drain_unread(request.inner()).await;
                }
                return answered(executed);
            }
            READY => return objects::ready(&Database::of(&self.state)),
            "/fetch" => return answered(self.fetch_file(&mut request).await),
            "/bring" => {
                let brought = self.bring_file(&mut request).await;
                js::drain_unread(request.inner()).await;
                return Response::ok(wire::reply(&brought));
            }
            _ => {}
        }
        let reply = async {
            let text = request.text().await.map_err(|error| unreadable("request", error))?;
            let command: Command = serde_json::from_str(&text).map_err(|error| unreadable("request", error))?;
            self.command(command).await
        };
        Response::ok(reply.await.unwrap_or_else(|problem: Problem| wire::reply::<()>(&Err(problem))))
    }

    /// Keeps the flag standing while the run makes no writes.
    async fn alarm(&self) -> worker::Result<Response> {
        let kept = async {
            let world = self.world()?;
            if let Some(run) = world.run()?
                && run.mode == Mode::DryRun
                && run.phase(world.now()) == Phase::Open
            {
                if let Err(problem) = publish_if_due(&world, &run).await {
                    world.guard_failed(Some(&run.id), &problem);
                }
                world.database.wake_at(next_look(
                    world.flag_record()?,
                    world.settings.flag_ttl_seconds,
                    world.now(),
                ))?;
            }
            Ok::<_, Problem>(())
        };
        if let Err(problem) = kept.await {
            js::log("error", "alarm_failed", &[("why", problem.code.as_str())]);
        }
        Response::ok("")
    }
}

impl RunObject {
    fn world(&self) -> Result<RunWorld, Problem> {
        let settings = environment::settings(&self.env)?;
        let world =
            RunWorld::new(self.env.clone(), self.state.clone(), settings, self.instance.clone(), self.turns.clone());
        if !self.woken.get() {
            versions::RUN.migrate(&world.database)?;
            if world.run()?.is_some() {
                // What streams left behind that a crash cut off is of no use.
                sweep(&world.database)?;
            }
            self.woken.set(true);
        }
        Ok(world)
    }

    async fn execute(&self, request: &mut Request) -> Result<Executed<Content>, Problem> {
        let (execution, payload) = wire::read_request_with::<Execute>(request).await?;
        #[cfg(feature = "panic-probe")]
        super::panic_probe::maybe_panic(&execution);
        let world = self.world()?;
        Ok(execute(&world, execution, payload).await)
    }

    async fn bring_file(&self, request: &mut Request) -> Result<(), Problem> {
        let (file, payload) = wire::read_request_with::<BringFile>(request).await?;
        let world = self.world()?;
        visible(&world, &file.run, &file.actor)?.require_open(world.now())?;
        world.receive_file(&file.file, &file.store, &file.md5, payload).await
    }

    async fn fetch_file(&self, request: &mut Request) -> Result<Executed<Content>, Problem> {
        let (wanted, _) = wire::read_request_with::<FetchFile>(request).await?;
        let world = self.world()?;
        visible(&world, &wanted.run, &wanted.actor)?.require_open(world.now())?;
        let content = world.file(&wanted).map(|bytes| Answer::Content {
            headers: Vec::new(),
            partial: false,
            content: Some(Content::Bytes(bytes)),
        });
        Ok((Receipt::bare(wanted.run), content))
    }

    /// Answers a command with the text of its reply.
    async fn command(&self, command: Command) -> Result<String, Problem> {
        let world = self.world()?;
        match command {
            Command::Open(open) => {
                let opened = open_run(&world, open).await?;
                if !opened.existed {
                    world.run_changed(&opened.run);
                }
                Ok(wire::reply(&Ok(opened)))
            }
            Command::Vouch { .. } => Ok(wire::reply(&vouch(&world).await)),
            Command::Status { run, actor } => Ok(wire::reply(&visible(&world, &run, &actor))),
            Command::TurnDry { run, actor } => {
                visible(&world, &run, &actor)?;
                Ok(wire::reply(&turn_dry(&world, ModeCause::Asked).await))
            }
            Command::Close { run, actor } => {
                visible(&world, &run, &actor)?;
                Ok(wire::reply(&close_run(&world)))
            }
            Command::Operation { run, actor, position } => {
                visible(&world, &run, &actor)?;
                let operation = world.operation(position)?.ok_or_else(|| no_operation(position))?;
                Ok(wire::reply(&Ok(serde_json::to_string(&operation).map_err(|error| unreadable("journal", error))?)))
            }
            Command::Report { run, actor, markdown, moved } => {
                let run = visible(&world, &run, &actor)?;
                let (entries, effects) = world.journal()?;
                let mut report = report(&run, world.now(), entries, &effects);
                if moved {
                    report.moved = Some(world.moved(&effects).await?);
                }
                let text = if markdown {
                    in_markdown(&report)
                } else {
                    serde_json::to_string(&report).map_err(|error| unreadable("report", error))?
                };
                Ok(wire::reply(&Ok(text)))
            }
        }
    }
}

fn answered(executed: Result<Executed<Content>, Problem>) -> worker::Result<Response> {
    let (receipt, answer) = match executed {
        Ok(executed) => executed,
        Err(problem) => (
            Receipt::bare(RunId::parse("unknown").map_err(|problem| worker::Error::RustError(problem.to_string()))?),
            Err(problem),
        ),
    };
    wire::executed_response(receipt, answer).map_err(|problem| worker::Error::RustError(problem.to_string()))
}

fn no_operation(position: Position) -> Problem {
    Problem::new(
        Code::RouteNotFound,
        format!("The run has no operation {position}."),
        "Take a position from its report.",
    )
}

/// The run, when the actor may see it.
fn visible(world: &RunWorld, id: &RunId, actor: &Actor) -> Result<Run, Problem> {
    let run = world.run()?.filter(|run| run.id == *id && (actor.sees_all || run.owner == actor.name));
    run.ok_or_else(|| unknown_run(id.as_str()))
}
