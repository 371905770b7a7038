//! `dryrun exec`: a command in a run. Opens the run, lends the command its environment, waits, closes the run whatever
//! happens, and says what it came to.

mod child;
mod summary;
mod variables;

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, ExitCode};

use dryrun_text::line;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::hook::TESTED;
use crate::api::Gateway;
use crate::failure::{Exit, Failure, Outcome};
use crate::here::{Here, global_keys_in};
use crate::say::Say;
use crate::settings::Environment;
use crate::text::{list, shown, text};
use child::{Ended, Guard};
use variables::{Hiding, MCP_FILE, S3_FILES};

/// Run a command in a run: dry unless --live
///
/// The command finds the gateway where it would find Cloudflare: wrangler, Cloudflare's SDKs and MCP clients work as
/// they are. Real credentials of Cloudflare and of S3 clients, and the gateway's own key, are taken out of its
/// environment. Its input and output are its own; everything that dryrun says goes to standard error.
///
/// Inside of a run, exec opens a run below it, with its mode: below a dry run everything is dry.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dryrun exec -- npx wrangler d1 execute DB --remote --command \"DELETE FROM customers\"
  dryrun exec --label ticket=4711 -- npm run triage
  dryrun exec -- sh -c 'claude --mcp-config \"$DRYRUN_MCP_CONFIG\" -p \"Tidy up the tickets\"'
  dryrun exec --live -- node import.mjs
  dryrun exec --keep 'AWS_*' -- agent          its model is reached with these

Covered are D1, KV and R2 through the gateway. Whatever else the command does is real: HTTP requests, queues, email. A program can look at DRY_RUN and leave that out itself.

The command gets: DRY_RUN (1 in a dry run, 0 in a live one, as the run was when it began), CLOUDFLARE_API_BASE_URL, CLOUDFLARE_BASE_URL, CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID, DRYRUN_ENV, DRYRUN_RUN_ID, DRYRUN_URL, DRYRUN_TOKEN, DRYRUN_MCP_CONFIG.

Exit codes: that of the command, 128 and its number when a signal ended it · 126 it could not be started · 127 it was not found · before it is started: 2 usage · 3 configuration · 4 the gateway refused · 5 it does not answer")]
pub(crate) struct Exec {
    /// Write for real. In production only an approver's key may
    #[arg(long, conflicts_with = "dry")]
    live: bool,
    /// Open a dry run, also below a live one
    #[arg(long)]
    dry: bool,
    /// Open it below this run
    #[arg(long, value_name = "RUN")]
    parent: Option<String>,
    /// A label for whoever reads the report; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The id of the run; generated when left out
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The version of the prompt at work
    #[arg(long, value_name = "VERSION")]
    prompt_version: Option<String>,
    /// How long the run may take: 86400 when left out, at most 604800
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
    /// Leave this variable to the command although it may hold a real credential; NAME* stands for all that begin so.
    /// Never the gateway's keys
    #[arg(long, value_name = "NAME")]
    keep: Vec<String>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

fn label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "a label is NAME=VALUE".to_owned())
}

/// How it went with the command.
enum Went {
    Ended(Ended),
    NotStarted(std::io::Error),
    /// It was not even tried.
    Failed(Failure),
}

impl Exec {
    /// Runs it.
    pub(crate) fn run(&self, say: Say) -> Outcome<ExitCode> {
        match self.perform(say) {
            // Standard output is the command's, so that a failure goes where the summary goes.
            Err(failure) if say.is_json() => {
                say.result_aside(&failure.to_json(), "");
                Ok(ExitCode::from(failure.exit as u8))
            }
            outcome => outcome,
        }
    }

    fn perform(&self, say: Say) -> Outcome<ExitCode> {
        let here = Here::find(say)?;
        let gateway = &here.gateway;
        // Before a key is sent there: is it the gateway of this environment?
        gateway.probe("/health")?;
        let about = gateway.get("/v1/environment")?.body;
        let terms = self.terms(&here, say)?;
        let guard = Guard::install().map_err(|error| {
            Failure::configuration(format!("Signals cannot be listened to: {error}. Nothing was run."), "Try again.")
        })?;
        let run = gateway.open_run(&terms)?;
        let inside = gateway.with(text(&run, "token"));
        let went = self.within(&here, &run, text(&about, "account"), &guard, say);
        self.finish(&here, &inside, &run, went, say)
    }

    /// What the run is to be.
    fn terms(&self, here: &Here, say: Say) -> Outcome<Value> {
        let mut terms = Map::new();
        let mut live = self.live;
        if let Some(parent) = &here.run {
            terms.insert("parent".into(), parent.id.clone().into());
            let above = here.gateway.get(&format!("/v1/runs/{}", here.run_id(None)?))?.body;
            let is_live = text(&above, "mode") == "live";
            if self.live && !is_live {
                say.note(&format!(
                    "The run {} above is a dry run, so this is one too, whatever --live says.",
                    line(&parent.id)
                ));
            }
            live = is_live && !self.dry;
        }
        terms.insert("mode".into(), if live { "live" } else { "dry_run" }.into());
        if let Some(parent) = &self.parent {
            terms.insert("parent".into(), parent.clone().into());
        }
        for (name, value) in [("id", &self.id), ("prompt_version", &self.prompt_version)] {
            if let Some(value) = value {
                terms.insert(name.into(), value.clone().into());
            }
        }
        if let Some(seconds) = self.expires_in {
            terms.insert("expires_in".into(), seconds.into());
        }
        let labels: Map<String, Value> =
            self.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        terms.insert("labels".into(), labels.into());
        Ok(Value::Object(terms))
    }

    /// The command, in its run.
    fn within(&self, here: &Here, run: &Value, account: &str, guard: &Guard, say: Say) -> Went {
        let gateway = &here.gateway;
        let environment = gateway.environment.as_str();
        if text(run, "phase") != "open" {
            let message = format!("The run {} is already {}; nothing was run.", shown(run, "id"), shown(run, "phase"));
            return Went::Failed(Failure::new(
                Exit::Refused,
                "run_closed",
                message,
                "Leave --id out, or take another one.",
            ));
        }
        say.note(&summary::head(environment, &gateway.url, run));
        if gateway.environment == Environment::Production && text(run, "mode") == "live" {
            say.warn("LIVE IN PRODUCTION: what this command writes is real.");
        }
        if let Some(signal) = guard.came() {
            return Went::Ended(Ended::Signal(signal));
        }
        let given = variables::Run {
            url: &gateway.url,
            environment,
            account,
            id: text(run, "id"),
            token: text(run, "token"),
            dry: text(run, "mode") != "live",
        };
        let folder = match lend(&given) {
            Ok(folder) => folder,
            Err(error) => {
                let message = format!("The files for the command cannot be written: {error}. Nothing was run.");
                return Went::Failed(Failure::configuration(
                    message,
                    "Look whether the folder for temporary files (TMPDIR) is there and has room.",
                ));
            }
        };
        let Some((program, arguments)) = self.command.split_first() else {
            return Went::Failed(Failure::new(Exit::Usage, "usage", "There is no command.", "dryrun exec -- COMMAND"));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        self.furnish(&mut command, here, &given, folder.path(), say);
        let went = guard.run(&mut command).map_or_else(Went::NotStarted, Went::Ended);
        if let Err(error) = folder.close() {
            say.note(&format!("The temporary files of this run could not be removed: {error}"));
        }
        went
    }

    /// Gives the command its environment.
    fn furnish(&self, command: &mut Command, here: &Here, run: &variables::Run<'_>, folder: &Path, say: Say) {
        let hiding = Hiding { key: Some(here.gateway.bearer()), project: &here.project, keep: &self.keep };
        // A name that is not text is nobody's setting, and cannot be looked at.
        std::env::vars_os().filter(|(name, _)| name.to_str().is_none()).for_each(|(name, _)| {
            command.env_remove(name);
        });
        let readable = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
        command.env_remove(TESTED);
        let given = variables::given(run, folder);
        let mut told = Vec::new();
        for name in hiding.names(readable) {
            command.env_remove(&name);
            if !given.contains_key(name.as_str()) && !S3_FILES.contains(&name.as_str()) {
                told.push(line(&name).into_owned());
            }
        }
        command.envs(&given);
        for name in S3_FILES.iter().filter(|name| !hiding.keeps(name)) {
            command.env(name, folder.join(EMPTY_FILE));
        }
        if !told.is_empty() {
            say.note(&format!("Hidden:      {}", told.join(", ")));
        }
        for (file, variable) in global_keys_in(&std::env::current_dir().unwrap_or_default()) {
            say.note(&format!(
                "Note: {} sets {variable}, which wrangler prefers to the run's token, so the gateway will refuse \
                 wrangler. Take the line out.",
                line(&file.display().to_string())
            ));
        }
    }

    /// Closes the run and says what it came to.
    fn finish(&self, here: &Here, inside: &Gateway, run: &Value, went: Went, say: Say) -> Outcome<ExitCode> {
        let (id, told_id) = (text(run, "id"), shown(run, "id"));
        // The token ends with its run; the key that opened it does not.
        let ask = |question: &dyn Fn(&Gateway) -> Outcome<Value>| {
            question(inside).or_else(|failure| if here.run.is_some() { Err(failure) } else { question(&here.gateway) })
        };
        if let Err(failure) = ask(&|gateway| gateway.close_run(id)) {
            say.note(&format!(
                "dryrun: the run {told_id} was not closed: {} It ends by itself; to close it: dryrun close {told_id}",
                failure.message
            ));
        }
        let ended = match went {
            Went::Ended(ended) => ended,
            Went::Failed(failure) => return Err(failure),
            Went::NotStarted(error) => return Ok(self.not_started(id, &error, say)),
        };
        let below = ask(&|gateway| Ok(gateway.get("/v1/runs")?.body)).map(|answer| {
            list(&answer, "runs")
                .iter()
                .filter(|other| text(other, "parent") == id)
                .map(|other| text(other, "id").to_owned())
                .collect::<Vec<_>>()
        });
        match ask(&|gateway| Ok(gateway.get(&format!("/v1/runs/{id}/report?format=json"))?.body)) {
            Ok(report) => {
                let below = below.unwrap_or_default();
                let document = summary::document(&report, &below, ended.exit());
                say.result_aside(&document, &format!("\n{}", summary::shown(&report, &below).trim_end()));
            }
            Err(failure) => say.result_aside(
                &json!({"run": {"id": id}, "report_error": failure.to_json().get("error"), "exit": ended.exit()}),
                &format!(
                    "\ndryrun: the report of {told_id} cannot be shown now: {} Later: dryrun report {told_id}",
                    failure.message
                ),
            ),
        }
        Ok(ExitCode::from(ended.exit()))
    }

    fn not_started(&self, id: &str, error: &std::io::Error, say: Say) -> ExitCode {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
        let program = line(self.command.first().map_or("", String::as_str));
        let (message, remedy) = (
            format!(
                "The command {program} cannot be started: {error}. The run {} is closed; it did nothing.",
                line(id)
            ),
            "Look whether it is installed, and in PATH.",
        );
        say.result_aside(
            &json!({"error": {"code": "not_started", "message": message, "remedy": remedy, "exit": exit}, "run": {"id": id}}),
            &format!("error: {message}\n  {remedy}"),
        );
        ExitCode::from(exit)
    }
}

/// The file that S3 clients read instead of one with keys.
const EMPTY_FILE: &str = "empty";

/// A private folder with the MCP configuration. It goes when the command has ended.
fn lend(run: &variables::Run<'_>) -> std::io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("dryrun-").permissions(Permissions::from_mode(0o700)).tempdir()?;
    let write = |name: &str, text: &str| {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.path().join(name))?
            .write_all(text.as_bytes())
    };
    write(MCP_FILE, &variables::mcp_configuration(run).to_string())?;
    write(EMPTY_FILE, "")?;
    Ok(folder)
}
