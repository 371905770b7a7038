//! Requests in, answers out. A handler is three moves: take the request apart, call, answer.

mod answer;
mod client_v4;
mod health;
mod mcp;
mod openapi;
mod problem;
mod request;
mod router;
mod shapes;
mod takes;
mod v1;

use std::cell::Cell;

use worker::{Context, Env, Request, Response};

use crate::cloudflare::alerts::{self, Kind};
use crate::cloudflare::{control, environment, js};
use crate::domain::credential::{Caller, Keyring};
use crate::domain::refusal::{Blame, Code, Problem};
use crate::domain::settings::Settings;

use request::Asked;
use router::{Action, Route, find};

/// What a handler has at hand.
pub struct Gateway {
    /// Bindings.
    pub env: Env,
    /// The configuration.
    pub settings: std::rc::Rc<Settings>,
    /// The secrets.
    pub keyring: std::rc::Rc<Keyring>,
    /// The event.
    pub context: Context,
}

impl Gateway {
    /// Calls somebody when a problem that is answered in another form is one of the guard's own.
    pub fn note(&self, problem: &Problem) {
        note(&self.env, &self.context, problem);
    }
}

/// Answers a request. Whatever goes wrong becomes a problem with a code; nothing internal leaves.
pub async fn respond(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let settings = match environment::settings(&env) {
        Ok(settings) => settings,
        Err(problem) => {
            note(&env, &context, &problem);
            return problem::respond(&problem, None);
        }
    };
    let home = settings.environment;
    // The same object: its method `clone` would copy the body.
    let sent: web_sys::Request = Clone::clone(request.inner());
    let is_readiness = request::Asked::path_of(&sent) == "/health/ready";
    let keyring = match environment::keyring(&env, &settings) {
        Ok(keyring) => keyring,
        // Which part of the gateway does not work is what is asked.
        Err(_) if is_readiness => match environment::keyring_without_keys(&env, &settings) {
            Ok(keyring) => keyring,
            Err(problem) => return finish(&env, &context, &settings, Err(problem)),
        },
        Err(problem) => return finish(&env, &context, &settings, Err(problem)),
    };
    let gateway = Gateway { env, settings, keyring, context };
    let answer = route(&gateway, request).await;
    let response = finish(&gateway.env, &gateway.context, &gateway.settings, answer)?;
    if response.status_code() == 405 {
        let path = request::Asked::path_of(&sent);
        response.headers().set("Allow", &router::methods(&path).join(", "))?;
    }
    if response.status_code() >= 400 {
        js::drain_unread(&sent).await;
    }
    response.headers().set("Environment", home.as_str())?;
    Ok(response)
}

/// Turns a problem into its response.
fn finish(
    env: &Env,
    context: &Context,
    settings: &Settings,
    answer: Result<Response, Problem>,
) -> worker::Result<Response> {
    let problem = match answer {
        Ok(response) => return Ok(response),
        Err(problem) => problem,
    };
    note(env, context, &problem);
    problem::respond(&problem, Some(settings.environment))
}

/// Calls somebody when a problem is one of the guard's own.
fn note(env: &Env, context: &Context, problem: &Problem) {
    let kind = match (problem.code.blame(), problem.code) {
        (Blame::Guard, _) => Some(Kind::GuardFailure),
        (_, Code::WrongEnvironment) => Some(Kind::AgentFailure),
        _ => None,
    };
    if let Some(kind) = kind.filter(|kind| *kind == Kind::GuardFailure || may_report()) {
        context.wait_until(alerts::raise(env.clone(), kind, None, problem.clone()));
    }
}

async fn route(gateway: &Gateway, request: Request) -> Result<Response, Problem> {
    let mut asked = Asked::read(request)?;
    if let Some(answer) = mcp::refuse_foreign(&asked)? {
        return Ok(answer);
    }
    let asked_dry = client_v4::asks_for_dry_run(&asked)?;
    let (route, takes) = match asked.spells_its_path().and_then(|()| find(&asked.method, &asked.path)) {
        Ok((route, takes)) => (Ok(route), takes),
        Err(problem) if !asked_dry => return Err(problem),
        Err(problem) => (Err(problem), &takes::REFUSED),
    };
    // Refused below, once it is known who asks: a run's report tells of it.
    let understood = asked.understood_by(takes);
    let route = match route {
        Ok(Route::Health) => return understood.and_then(|()| health::health()),
        Ok(Route::Document) => return understood.and_then(|()| openapi::serve()),
        Ok(Route::Ready) => {
            understood?;
            return health::ready(gateway).await;
        }
        Ok(Route::Receive(signed)) => {
            control::verify_environment(&gateway.env, &gateway.settings).await?;
            return client_v4::transfer::receive(gateway, &signed, &asked, asked_dry, understood).await;
        }
        Ok(Route::Send(signed)) => {
            control::verify_environment(&gateway.env, &gateway.settings).await?;
            return client_v4::transfer::send(gateway, &signed, asked_dry, understood).await;
        }
        route => route,
    };
    control::verify_environment(&gateway.env, &gateway.settings).await?;
    let caller = authenticate(gateway, &asked)?;
    let understood = match understood {
        Ok(()) => asked.without_body().await,
        refused => refused,
    };
    if let Ok(Route::Data(data)) = route {
        let word = asked_dry.then(|| v1::named_run(&caller, &asked, None)).flatten();
        let early = matches!(data.action, Action::Describe(_) | Action::Import | Action::Export);
        if let Some(run) = word.as_ref().filter(|_| early) {
            // Some of these are answered without the run's object.
            v1::take_word(gateway, &caller, run).await?;
        }
        let answer = client_v4::serve(gateway, &caller, data, asked, understood).await;
        // The run's object takes the word with the operation; a request that did not get that far has said it all the
        // same.
        if let (Err(_), Some(run)) = (&answer, word) {
            v1::take_word(gateway, &caller, &run).await?;
        }
        return answer;
    }
    if asked_dry && let Some(run) = v1::named_run(&caller, &asked, route.as_ref().ok()) {
        v1::take_word(gateway, &caller, &run).await?;
    }
    let route = route?;
    if let Err(problem) = understood {
        let stores = matches!(route, Route::Mcp);
        return if stores {
            client_v4::account::refuse(gateway, &caller, "MCP", problem, &asked, asked_dry).await
        } else {
            Err(problem)
        };
    }
    if takes.headers.contains(&"idempotency-key") {
        client_v4::idempotency_key(&asked)?;
    }
    match route {
        Route::Health | Route::Ready | Route::Document | Route::Data(_) | Route::Receive(_) | Route::Send(_) => {
            Err(Problem::broken("a route that is answered before"))
        }
        Route::Account(account) => client_v4::account::serve(gateway, &caller, account, &asked).await,
        Route::Analytics => client_v4::account::no_analytics(),
        Route::NotOffered(what) => {
            client_v4::account::refuse(gateway, &caller, &what, Problem::not_offered(&what), &asked, asked_dry).await
        }
        Route::Environment => v1::environment(gateway, &caller),
        Route::OpenRun => v1::open(gateway, &caller, asked, asked_dry).await,
        Route::ListRuns => v1::list(gateway, &caller, &asked).await,
        Route::Run(id) => v1::status(gateway, &caller, &id).await,
        Route::TurnDry(id) => v1::turn_dry(gateway, &caller, &id).await,
        Route::CloseRun(id) => v1::close(gateway, &caller, &id).await,
        Route::Operation(id, position) => v1::operation(gateway, &caller, &id, position).await,
        Route::Report(id) => v1::report(gateway, &caller, &id, &asked).await,
        Route::Alerts => v1::alerts(gateway, &caller, &asked).await,
        Route::Mcp => mcp::serve(gateway, &caller, asked, asked_dry).await,
        Route::ReportHook => v1::report_hook(gateway, &caller, asked).await,
    }
}

fn authenticate(gateway: &Gateway, asked: &Asked) -> Result<Caller, Problem> {
    let header = asked.header("Authorization").unwrap_or_default();
    let bearer = header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, bearer)| bearer.trim())
        .unwrap_or_default();
    gateway.keyring.authenticate(bearer, js::now())
}

/// Most alerts of a minute that somebody without a valid credential can cause in one isolate: more would only write
/// into CONTROL.
const MAX_UNKNOWN_CALLERS: u32 = 10;

thread_local! {
    static UNKNOWN_CALLERS: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

fn may_report() -> bool {
    let minute = js::now() / 60_000;
    let count = match UNKNOWN_CALLERS.get() {
        (known, count) if known == minute => count + 1,
        _ => 1,
    };
    UNKNOWN_CALLERS.set((minute, count));
    count <= MAX_UNKNOWN_CALLERS
}
