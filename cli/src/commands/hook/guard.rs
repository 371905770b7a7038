//! One tool call: in, judged, answered, within a deadline, and blocked whatever goes wrong.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use dryrun_hook::call::{Agent, NotUnderstood, parse};
use dryrun_hook::judge;
use dryrun_hook::surroundings::{Files, Surroundings, base_name, tidied};
use dryrun_hook::verdict::Verdict;

use super::answer::{allow, block};
use super::ask::{Target, Trouble, alert, alert_target, run_is_open};
use crate::settings::{Environment, Project, Secret};

/// What is not done by then is given up; what is left until the deadline is for the alert.
const PATIENCE: Duration = Duration::from_millis(3_200);
/// Everything is over by then. The agents' own limits, and that of the command in their settings, are longer.
const DEADLINE: Duration = Duration::from_secs(4);
/// Set by `dryrun hook test` for the hooks that it breaks on purpose: they block as ever, and alert nobody. An agent's
/// environment does not have it, because `dryrun exec` takes it out.
pub(crate) const TESTED: &str = "DRYRUN_HOOK_TEST";
/// Longest call: a file that is written is in it.
const MAX_INPUT: u64 = 32 << 20;
/// Longest file that is looked at.
const MAX_FILE: u64 = 256 << 10;
/// Stack of the thread that judges: what is parsed may be nested.
const STACK: usize = 256 << 20;

/// Judges the call on standard input and ends the process.
#[expect(clippy::disallowed_methods, reason = "this runs on a machine that has a clock")]
pub(super) fn run(agent: Agent) -> ExitCode {
    let began = Instant::now();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
        fail(
            agent,
            began,
            Project::find().ok().as_ref(),
            &Trouble::failed(
                "panic",
                format!("The hook itself broke{place}."),
                "Report it, with the tool call; until then a person does what the call was for.",
            ),
        );
    }));
    let watch = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(PATIENCE);
        let late = Trouble::failed(
            "deadline",
            format!("The hook was not done within {} s.", DEADLINE.as_secs()),
            "Try again; look whether the gateway and the disk are slow.",
        );
        fail(agent, began, Project::find().ok().as_ref(), &late);
    });
    if watch.is_err() {
        block(agent, "dryrun hook: blocked, because the hook could not start a thread.");
    }
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(move || match decide(agent) {
        Ok(()) => allow(agent),
        Err(Stop::Rule(why)) => block(agent, &why),
        Err(Stop::Trouble(what)) => fail(agent, began, what.1.as_ref(), &what.0),
    });
    // The thread ends the process; a thread that ended otherwise has panicked, which ends the process as well.
    let _ = worker.map(std::thread::JoinHandle::join);
    block(agent, "dryrun hook: blocked, because the hook could not look at the call.")
}

/// Why a call does not go through.
enum Stop {
    /// A rule says so.
    Rule(String),
    /// Something does not work.
    Trouble(Box<(Trouble, Option<Project>)>),
}

fn decide(agent: Agent) -> Result<(), Stop> {
    let plain = |trouble| Stop::Trouble(Box::new((trouble, None)));
    let project =
        Project::find().map_err(|failure| plain(Trouble::failed("configuration", failure.message, failure.remedy)))?;
    let with_project = |trouble| Stop::Trouble(Box::new((trouble, Some(project.clone()))));
    let input = read_input().map_err(with_project)?;
    break_on_purpose();
    let call = parse(agent, &input).map_err(|why| {
        with_project(match why {
            NotUnderstood::Form(why) => Trouble::failed(
                "input",
                format!("This is no tool call of {}: {why}.", agent.as_str()),
                "Look at the agent's settings: dryrun hook install writes them.",
            ),
            NotUnderstood::Unknown(what) => Trouble::failed(
                "unknown_tool",
                format!("This hook does not know {what} of {}.", agent.as_str()),
                "Use another tool; a newer dryrun may know it. What is not known is not let through.",
            ),
        })
    })?;
    let environment = Environment::current()
        .map_err(|failure| with_project(Trouble::failed("configuration", failure.message, failure.remedy)))?;
    let own = std::env::current_dir().map_err(|error| {
        with_project(Trouble::failed(
            "configuration",
            format!("There is no working folder: {error}."),
            "Start the agent in one.",
        ))
    })?;
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let disk = Disk;
    let here =
        surroundings(call.cwd.clone().map_or_else(|| own.clone(), |cwd| own.join(cwd)), variables, &project, &disk);
    if !here.is_in_run() && project.profiles.is_empty() {
        return Err(with_project(Trouble::failed(
            "configuration",
            "There is no dryrun.toml here or above, and this is not inside of dryrun exec: what the hook is to guard \
             is not known.",
            "Write dryrun.toml with the project's gateways. In the settings of a user the hook stands before every \
             project: install it for projects instead (dryrun hook install AGENT --project).",
        )));
    }
    match judge(&call, &here) {
        Verdict::Harmless => Ok(()),
        Verdict::Refused(refusal) => {
            Err(Stop::Rule(format!("dryrun hook: blocked. {}\n{}", refusal.what, refusal.remedy)))
        }
        Verdict::Gateway => {
            let (Some(url), Some(bearer), Some(run)) =
                (here.run_url(), here.variable("DRYRUN_TOKEN"), here.variable("DRYRUN_RUN_ID"))
            else {
                return Err(with_project(Trouble::failed(
                    "configuration",
                    "The variables of the run are not whole.",
                    "Begin anew: dryrun exec -- COMMAND.",
                )));
            };
            // What is let through to a store is the gateway's to decide, by the mode of the run. Here it only has to be
            // there, with the run open.
            run_is_open(&Target { url: url.to_owned(), bearer: bearer.to_owned() }, run, environment).map_err(
                |trouble| match trouble {
                    Trouble::Refused { why } => Stop::Rule(format!("dryrun hook: blocked. {why}")),
                    trouble => with_project(trouble),
                },
            )
        }
    }
}

fn read_input() -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    let remedy = "Look at the agent's settings: dryrun hook install writes them.";
    std::io::stdin()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Trouble::failed("input", format!("The tool call cannot be read: {error}."), remedy))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_INPUT {
        return Err(Trouble::failed(
            "input",
            "The tool call is longer than can be looked at.",
            "Write large files in parts.",
        ));
    }
    String::from_utf8(bytes).map_err(|_| Trouble::failed("input", "The tool call is not UTF-8.", remedy))
}

/// Only in a debug build: lets a test see what becomes of a panic.
#[expect(clippy::panic, reason = "this is what it is for")]
fn break_on_purpose() {
    if cfg!(debug_assertions) && std::env::var_os("DRYRUN_HOOK_PANICS").is_some() {
        std::panic::panic_any("asked for");
    }
}

fn said(trouble: &Trouble, alerted: Option<&str>) -> String {
    match trouble {
        Trouble::Refused { why } => format!("dryrun hook: blocked. {why}"),
        Trouble::Failed { why, remedy, .. } => format!(
            "dryrun hook: blocked, because the hook does not work. {why}\n{remedy}\n{}",
            alerted.unwrap_or_default()
        )
        .trim_end()
        .to_owned(),
    }
}

/// Blocks the call, and tells an operator if there is time.
fn fail(agent: Agent, began: Instant, project: Option<&Project>, trouble: &Trouble) -> ! {
    let Trouble::Failed { cause, why, .. } = trouble else { block(agent, &said(trouble, None)) };
    if std::env::var_os(TESTED).is_some() {
        block(agent, &said(trouble, Some("Nobody was alerted: this is a test of the hook.")));
    }
    // In a thread of its own, because the key may come from a program that hangs.
    let (sender, receiver) = mpsc::channel();
    let (cause, why, project) = (*cause, why.clone(), project.cloned());
    let told = std::thread::Builder::new().spawn(move || {
        let outcome = alert_target(project.as_ref()).and_then(|target| alert(&target, agent, cause, &why));
        let _ = sender.send(outcome);
    });
    let left = DEADLINE.saturating_sub(began.elapsed()).saturating_sub(Duration::from_millis(300));
    let alerted = match told {
        Err(_) => Err("no thread could be started".to_owned()),
        Ok(_) => receiver.recv_timeout(left).unwrap_or_else(|_| Err("there was no time".to_owned())),
    };
    let note = match alerted {
        Ok(()) => "An operator was alerted.".to_owned(),
        Err(why) => format!("Nobody was alerted: {}.", why.trim_end_matches('.')),
    };
    block(agent, &said(trouble, Some(&note)))
}

/// What a verdict depends on.
fn surroundings<'a>(
    cwd: PathBuf,
    variables: BTreeMap<String, String>,
    project: &Project,
    files: &'a dyn Files,
) -> Surroundings<'a> {
    let mut here = Surroundings {
        cwd,
        home: std::env::var_os("HOME").map(PathBuf::from),
        variables,
        gateways: Vec::new(),
        production: Vec::new(),
        production_workers: Vec::new(),
        key_files: Vec::new(),
        key_variables: Vec::new(),
        managers: Vec::new(),
        files,
    };
    for (environment, profile) in &project.profiles {
        match &profile.key {
            Secret::File(path) => here.key_files.push(tidied(&project.folder.join(path))),
            Secret::Variable(name) => here.key_variables.push(name.clone()),
            Secret::Command(words) => here.managers.extend(words.first().map(|program| base_name(program))),
        }
        match environment {
            Environment::Staging => here.gateways.push(profile.url.clone()),
            Environment::Production => here.production.extend(host(&profile.url)),
        }
    }
    let folder = if project.file.is_some() { project.folder.clone() } else { here.cwd.clone() };
    listed_for_production(&folder, &mut here);
    here
}

fn host(url: &str) -> Option<String> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?', '#']).next()?;
    (!authority.is_empty()).then(|| authority.to_ascii_lowercase())
}

/// Workers and routes that wrangler's configuration lists for production.
fn listed_for_production(folder: &Path, here: &mut Surroundings<'_>) {
    let Some(text) = here.files.read(&folder.join("wrangler.toml")) else { return };
    let Ok(table) = text.parse::<toml::Table>() else { return };
    let Some(production) = table.get("env").and_then(|env| env.get("production")) else { return };
    here.production_workers.extend(production.get("name").and_then(toml::Value::as_str).map(str::to_ascii_lowercase));
    let routes = production
        .get("route")
        .into_iter()
        .chain(production.get("routes").and_then(toml::Value::as_array).into_iter().flatten());
    for route in routes {
        let pattern = route.as_str().or_else(|| route.get("pattern").and_then(toml::Value::as_str));
        here.production.extend(pattern.and_then(host).map(|host| host.trim_start_matches("*.").to_owned()));
    }
}

/// The files of this machine.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Option<String> {
        let file = std::fs::metadata(path).ok()?;
        // A pipe or device would be waited for.
        if !file.is_file() || file.len() > MAX_FILE {
            return None;
        }
        let bytes = std::fs::read(path).ok()?;
        String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
    }

    fn is_opaque(&self, path: &Path) -> bool {
        path.is_file() && self.read(path).is_none()
    }
}
