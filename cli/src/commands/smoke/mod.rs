//! Whether a gateway that was just deployed does what it is for.

mod place;
mod probe;
mod steps;

use std::fmt::Write as _;
use std::process::ExitCode;

use dryrun_text::line;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure, Outcome};
use crate::say::Say;
use crate::settings::{Environment, Project};
use crate::text::now;

use place::{Place, Store, Written};
use probe::{Probe, Reply, Sent, Trouble, refusal};
use steps::Steps;

/// Look whether a deployed gateway does what it is for
///
/// Health, every store, the environment, and a real dry run with writes to D1, KV and R2 that are read back, reported,
/// and reach no store.
#[derive(clap::Args)]
#[command(
    after_help = "What may be mended by waiting (no connection, a route that is not there yet, an error of the server) is tried again with growing pauses; a wrong answer is not. It ends with 1 when a step fails, and leaves nothing behind but closed dry runs.

The key is the variable DRYRUN_KEY, or that of dryrun.toml.

Examples:
  dryrun smoke
  DRYRUN_ENV=production DRYRUN_KEY=… dryrun smoke --url https://gateway.example.com --commit $(git rev-parse HEAD)"
)]
pub(crate) struct Smoke {
    /// The gateway's address; that of dryrun.toml when it is left out
    #[arg(long)]
    url: Option<String>,
    /// The commit that was deployed; an answer of another one is waited away
    #[arg(long, value_name = "ID")]
    commit: Option<String>,
    /// How often a step is tried again
    #[arg(long, default_value_t = 8)]
    retries: u32,
    /// How long all steps may take with their pauses, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    within: u64,
}

/// How long a run lives if nobody gets to close it, in seconds.
const LIFE: u64 = 900;

impl Smoke {
    /// Makes the steps.
    pub(crate) fn run(&self, say: Say) -> Outcome<ExitCode> {
        let environment = Environment::current()?;
        let project = Project::find()?;
        crate::here::warn(&project, environment, self.url.as_deref(), say);
        let key = match std::env::var("DRYRUN_KEY").ok().filter(|key| !key.trim().is_empty()) {
            Some(key) => key.trim().to_owned(),
            None => project.profile(environment)?.key.fetch(&project.folder)?,
        };
        let url = match &self.url {
            Some(url) => url.clone(),
            None => project.profile(environment)?.url.clone(),
        };
        if !key.starts_with(&format!("drk_{environment}_")) {
            return Err(Failure::configuration(
                format!("The key is none of {environment}; it was not sent anywhere."),
                format!("A key of {environment} begins with drk_{environment}_."),
            ));
        }
        let mut test = Test {
            probe: Probe::new(&url, environment),
            key,
            commit: self.commit.clone(),
            steps: Steps::new(say, self.retries, self.within),
            word: format!("smoke-{}-{}", now(), std::process::id()),
        };
        test.make();
        let passed = test.steps.are_well();
        let steps: Vec<Value> = test.steps.made.iter().map(steps::Step::to_json).collect();
        say.result(&json!({"passed": passed, "environment": environment, "url": test.probe.url, "run": test.word, "steps": steps}), &test.text());
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(Exit::Found as u8) })
    }
}

struct Test {
    probe: Probe,
    key: String,
    commit: Option<String>,
    steps: Steps,
    /// The id of the run, and what is written: nobody else's.
    word: String,
}

/// An open run.
#[derive(Debug, Clone)]
struct Open {
    id: String,
    token: String,
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A wrong answer.
fn wrong(message: impl Into<String>, remedy: &str) -> Trouble {
    Trouble::End(Failure::found(message, remedy))
}

impl Test {
    /// Makes the steps; after one that failed, only what is open is closed.
    fn make(&mut self) {
        if self.health().is_none() || self.readiness().is_none() {
            return;
        }
        let Some((account, stores)) = self.environment() else { return };
        let mut open = Vec::new();
        let _ = self.rehearse(&account, &stores, &mut open);
        for run in open {
            self.close(&run);
        }
    }

    fn health(&mut self) -> Option<()> {
        let probe = self.probe.clone();
        self.steps.make("health", || {
            let reply = probe.expect("/health", None, Sent::Get)?;
            match text(&reply.body, "status").as_str() {
                "ok" => Ok(((), String::new())),
                _ => Err(wrong(
                    "/health does not answer {\"status\": \"ok\"}.",
                    "Look whether the url is that of the dry-run gateway.",
                )),
            }
        })
    }

    /// Every part that the gateway stands on, by name.
    fn readiness(&mut self) -> Option<()> {
        let (probe, key) = (self.probe.clone(), self.key.clone());
        self.steps.make("readiness", || {
            let reply = probe.ask("/health/ready", None, Sent::Get)?;
            let Some(checks) = reply.body.get("checks").and_then(Value::as_object) else {
                return Err(Trouble::Wait(refusal("/health/ready", &reply)));
            };
            // That there is no store at all is the next step's to tell.
            let broken = checks.iter().filter(|(name, said)| said.as_str() != Some("ok") && name.as_str() != "stores");
            let failed: Vec<&str> = broken.map(|(name, _)| name.as_str()).collect();
            if failed.is_empty() && (reply.status == 200 || checks.contains_key("stores")) {
                return Ok(((), checks.keys().cloned().collect::<Vec<_>>().join(", ")));
            }
            // Crossed bindings look like a broken part from outside; waiting does not uncross them.
            if failed.contains(&"control") {
                probe.ask("/v1/environment", Some(&key), Sent::Get)?;
            }
            let good: Vec<&str> = checks.keys().map(String::as_str).filter(|name| !failed.contains(name)).collect();
            Err(Trouble::Wait(Failure::found(
                format!(
                    "These parts do not answer: {}. These do: {}.",
                    failed.join(", "),
                    if good.is_empty() { "none".to_owned() } else { good.join(", ") }
                ),
                if failed.iter().all(|part| ["keys", "token_secret"].contains(part)) {
                    "Put the secrets KEYS and TOKEN_SECRET: see Credentials in the README."
                } else {
                    "Look at the bindings of that name in wrangler.toml, and whether the store is there (wrangler d1 \
                     list, kv namespace list, r2 bucket list)."
                },
            )))
        })
    }

    fn environment(&mut self) -> Option<(String, Vec<Store>)> {
        let (probe, key, commit) = (self.probe.clone(), self.key.clone(), self.commit.clone());
        self.steps.make("environment", || {
            let told = probe.expect("/v1/environment", Some(&key), Sent::Get)?.body;
            if text(&told, "environment") != probe.environment.as_str() {
                return Err(wrong(
                    format!("The gateway says that it is {}, not {}.", text(&told, "environment"), probe.environment),
                    "Correct the url, or DRYRUN_ENV.",
                ));
            }
            // A new version needs a while to be everywhere.
            if let Some(commit) = commit.as_ref().filter(|commit| text(&told, "commit") != **commit) {
                let other = Some(text(&told, "commit"))
                    .filter(|other| !other.is_empty())
                    .unwrap_or_else(|| "no commit that it knows".to_owned());
                return Err(Trouble::Wait(Failure::found(
                    format!("The gateway that answers is that of {other}, not of {commit}."),
                    "Look at what runs: wrangler deployments status. A deployment says its commit with --var \
                     COMMIT:<id>.",
                )));
            }
            let stores: Vec<Store> = told
                .get("stores")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|store| Store {
                    binding: text(store, "binding"),
                    kind: text(store, "kind"),
                    denied: text(store, "policy") == "denied",
                })
                .collect();
            if stores.iter().all(|store| store.denied) {
                return Err(wrong(
                    "The gateway has no store that may be written to, so there is nothing to look at.",
                    "Name the stores and their policies in STORES in wrangler.toml.",
                ));
            }
            let caller = told.get("caller").unwrap_or(&Value::Null);
            let names = stores.iter().map(|store| store.binding.clone()).collect::<Vec<_>>().join(", ");
            Ok((
                (text(&told, "account"), stores),
                format!(
                    "{} · {names} · asked by {} ({})",
                    probe.environment,
                    text(caller, "name"),
                    text(caller, "role")
                ),
            ))
        })
    }

    /// A dry run with a write to every store that takes one, and a second one that must not see any of it.
    fn rehearse(&mut self, account: &str, stores: &[Store], open: &mut Vec<Open>) -> Option<()> {
        let run = self.open("dry run", &self.word.clone(), open)?;
        let places: Vec<Place> =
            stores.iter().filter(|store| !store.denied).map(|store| Place::new(account, store, &self.word)).collect();
        for place in &places {
            self.write(place, &run)?;
        }
        self.report(&run, &places)?;
        let fresh = self.open("second dry run", &format!("{}-after", self.word), open)?;
        for place in &places {
            self.untouched(place, &fresh)?;
        }
        Some(())
    }

    fn open(&mut self, name: &str, id: &str, open: &mut Vec<Open>) -> Option<Open> {
        let (probe, key) = (self.probe.clone(), self.key.clone());
        // The id is chosen here, so that asking once more finds the same run.
        let terms = json!({"id": id, "mode": "dry_run", "labels": {"command": "smoke"}, "expires_in": LIFE});
        let mut other = false;
        let run = self.steps.make(name, || {
            let told = probe.expect("/v1/runs", Some(&key), Sent::Post(&terms))?.body;
            match (text(&told, "mode").as_str(), text(&told, "token")) {
                ("dry_run", token) if !token.is_empty() => Ok((Open { id: id.to_owned(), token }, id.to_owned())),
                _ => {
                    other = true;
                    Err(wrong(
                        "The gateway did not open a dry run. Nothing was written in it.",
                        "Stop using this gateway, and look at the Worker's logs: wrangler tail",
                    ))
                }
            }
        });
        // Whatever was opened is closed.
        open.extend(run.clone().or_else(|| other.then(|| Open { id: id.to_owned(), token: String::new() })));
        run
    }

    fn write(&mut self, place: &Place, run: &Open) -> Option<()> {
        let probe = self.probe.clone();
        self.steps.make(&format!("{}: write and read back", place.binding), || {
            let reply = match &place.written {
                Written::Rows { write, .. } => probe.expect(&place.path, Some(&run.token), Sent::Post(write))?,
                Written::Value(value) => probe.expect(&place.path, Some(&run.token), Sent::Put(value))?,
            };
            must_be_dry(place, &reply)?;
            let reply = match &place.written {
                Written::Rows { read, .. } => probe.expect(&place.path, Some(&run.token), Sent::Post(read))?,
                Written::Value(_) => probe.expect(&place.path, Some(&run.token), Sent::Get)?,
            };
            must_be_dry(place, &reply)?;
            let said = match &place.written {
                Written::Rows { .. } => reply
                    .body
                    .pointer("/result/0/results/rows/0/0")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                Written::Value(_) => reply.text,
            };
            if said == place.word {
                Ok(((), format!("{} answers what was written", place.kind)))
            } else {
                Err(wrong(
                    format!("{} does not answer what was written to it in the same run.", place.binding),
                    "Look at the run's report, and at the Worker's logs: wrangler tail",
                ))
            }
        })
    }

    fn report(&mut self, run: &Open, places: &[Place]) -> Option<()> {
        let (probe, path) = (self.probe.clone(), format!("/v1/runs/{}/report?format=json", run.id));
        self.steps.make("report", || {
            let report = probe.expect(&path, Some(&run.token), Sent::Get)?.body;
            if report.pointer("/summary/live_writes").and_then(Value::as_u64) != Some(0) {
                return Err(wrong(
                    "The report of the dry run tells of live writes, or does not say that there were none.",
                    "Stop using this gateway, and read the report.",
                ));
            }
            let groups = report.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
            let has = |place: &&Place| {
                let group = groups
                    .iter()
                    .find(|group| text(group, "store") == place.binding && text(group, "subject") == place.subject);
                group
                    .and_then(|group| group.get("items"))
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .any(|item| text(item, "key") == place.key && text(item, "change") == "inserted")
            };
            let absent: Vec<&str> =
                places.iter().filter(|place| !has(place)).map(|place| place.binding.as_str()).collect();
            if absent.is_empty() {
                Ok(((), format!("has all {} writes, none of them live", places.len())))
            } else {
                Err(wrong(
                    format!("The report does not have what was written to {}.", absent.join(", ")),
                    "Read it: dryrun report, with the id of the run",
                ))
            }
        })
    }

    /// A run that has seen nothing reads the store itself.
    fn untouched(&mut self, place: &Place, fresh: &Open) -> Option<()> {
        let (probe, environment) = (self.probe.clone(), self.probe.environment);
        self.steps.make(&format!("{}: untouched", place.binding), || {
            let clean = match &place.written {
                Written::Rows { look, .. } => {
                    let reply = probe.expect(&place.path, Some(&fresh.token), Sent::Post(look))?;
                    reply.body.pointer("/result/0/results/rows/0/0").and_then(Value::as_u64) == Some(0)
                }
                Written::Value(_) => {
                    let reply = probe.ask(&place.path, Some(&fresh.token), Sent::Get)?;
                    match reply.code.as_str() {
                        "key_not_found" | "object_not_found" => true,
                        _ if reply.status == 200 => false,
                        _ if reply.status >= 500 || reply.environment.is_none() => {
                            return Err(Trouble::Wait(refusal(&place.path, &reply)));
                        }
                        _ => return Err(Trouble::End(refusal(&place.path, &reply))),
                    }
                }
            };
            if clean {
                Ok(((), "nothing of it is there".to_owned()))
            } else {
                Err(wrong(
                    format!("WHAT WAS WRITTEN IN A DRY RUN IS IN {} OF {environment}.", place.binding),
                    "Stop using this gateway: roll back with wrangler rollback, and take the thing away that is named \
                     like the run.",
                ))
            }
        })
    }

    fn close(&mut self, run: &Open) {
        let (probe, key) = (self.probe.clone(), self.key.clone());
        let path = format!("/v1/runs/{}/close", run.id);
        self.steps.make(&format!("close {}", run.id), || {
            let told = probe.expect(&path, Some(&key), Sent::Post(&json!({})))?.body;
            match text(&told, "phase").as_str() {
                "closed" => Ok(((), String::new())),
                _ => Err(wrong(
                    format!("The run {} is not closed.", run.id),
                    "It ends by itself within 15 minutes, and reaches no store.",
                )),
            }
        });
    }

    fn text(&self) -> String {
        let mut lines = format!("Smoke test of {} at {}\n", self.probe.environment, self.probe.url);
        let width = self.steps.made.iter().map(|step| step.name.chars().count()).max().unwrap_or_default();
        for step in &self.steps.made {
            let tries = if step.tries > 1 { format!(", {} tries", step.tries) } else { String::new() };
            let sign = if step.failure.is_none() { '✓' } else { '✗' };
            let shown =
                format!("{sign} {:width$}  {:>5} ms{tries}  {}", line(&step.name), step.millis, line(&step.detail));
            let _ = writeln!(lines, "{}", shown.trim_end());
            if let Some(failure) = &step.failure {
                let _ = writeln!(lines, "    {}\n    {}", line(&failure.message), line(&failure.remedy));
            }
        }
        let failed: Vec<&str> =
            self.steps.made.iter().filter(|step| step.failure.is_some()).map(|step| step.name.as_str()).collect();
        let _ = writeln!(
            lines,
            "{}",
            if failed.is_empty() {
                "All is well.".to_owned()
            } else {
                format!("FAILED: {}. The steps after it were not tried.", line(&failed.join(", ")))
            }
        );
        lines
    }
}

/// An answer that does not say that it is one of a dry run is none.
fn must_be_dry(place: &Place, reply: &Reply) -> Result<(), Trouble> {
    if reply.dry_run {
        Ok(())
    } else {
        Err(wrong(
            format!("An answer of {} does not say that it is one of a dry run.", place.binding),
            "Stop using this gateway, and look at the store.",
        ))
    }
}
