//! `dryrun hook install`: writes the hook into an agent's settings, next to what is there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dryrun_hook::call::Agent;
use serde_json::{Value, json};

use super::agents;
use super::settings::{command, merged, path};
use crate::failure::{Failure, Outcome};
use crate::say::Say;
use crate::settings::Project;

/// Write the hook into an agent's settings
///
/// What is there stays; what was written by an earlier version is replaced; the file as it was is kept next to it. A
/// second time changes nothing.
#[derive(clap::Args)]
pub(super) struct Install {
    /// The agent
    #[arg(value_parser = agents::parser())]
    agent: Agent,
    /// In the project's settings, for everybody who works on it (the default)
    #[arg(long, conflicts_with = "user")]
    project: bool,
    /// In your own settings, for every project. A project without dryrun.toml is then blocked altogether
    #[arg(long)]
    user: bool,
    /// Only show what would be written
    #[arg(long)]
    print: bool,
}

impl Install {
    /// Does it.
    pub(super) fn run(&self, say: Say) -> Outcome<ExitCode> {
        let project = Project::find()?;
        let file = path(self.agent, self.user, &project.folder)?;
        let text = read(&file)?;
        let before: Value = match text.as_deref().map(str::trim) {
            None | Some("") => Value::Null,
            Some(text) => serde_json::from_str(text).map_err(|error| {
                Failure::configuration(
                    format!("{} is not valid JSON: {error}. Nothing was changed.", file.display()),
                    "Correct it (comments are not JSON), or put in by hand what this shows: dryrun hook install AGENT \
                     --print, in an empty folder.",
                )
            })?,
        };
        let line = command(
            self.agent,
            &self.program()?,
            on_path("timeout").and_then(|path| path.to_str().map(str::to_owned)).as_deref(),
        );
        let after = merged(self.agent, &before, &line)?;
        let mut written = serde_json::to_string_pretty(&after).map_err(|error| {
            Failure::configuration(format!("The settings cannot be written down: {error}."), "Report it.")
        })?;
        written.push('\n');
        let told = |changed: bool, backup: Option<&Path>| json!({"agent": self.agent.as_str(), "file": file, "command": line, "changed": changed, "backup": backup});
        if self.print {
            say.result(&after, &dryrun_text::json(&written));
            return Ok(ExitCode::SUCCESS);
        }
        if after == before {
            say.result(&told(false, None), &format!("The hook is in {} already; nothing was changed.", file.display()));
            return Ok(ExitCode::SUCCESS);
        }
        let backup = if text.is_some() { Some(keep(&file)?) } else { None };
        write(&file, &written)?;
        let mut lines = vec![
            format!("Wrote the hook for {} into {}.", self.agent.as_str(), file.display()),
            format!("It runs: {line}"),
        ];
        lines.extend(backup.as_ref().map(|backup| format!("The file as it was: {}", backup.display())));
        lines.extend(note(self.agent).map(str::to_owned));
        lines.push(format!("Prove that it works: dryrun hook test {}", self.agent.as_str()));
        say.result(&told(true, backup.as_deref()), &lines.join("\n"));
        Ok(ExitCode::SUCCESS)
    }

    /// How the settings name this program: by its path, but in settings that others share by its name alone, where that
    /// leads here.
    fn program(&self) -> Outcome<String> {
        let own = std::env::current_exe().map_err(|error| {
            Failure::configuration(
                format!("Where this program is cannot be found out: {error}."),
                "Run it by its path.",
            )
        })?;
        let same = |found: &PathBuf| found.canonicalize().ok() == own.canonicalize().ok();
        if !self.user && on_path("dryrun").as_ref().is_some_and(same) {
            return Ok("dryrun".to_owned());
        }
        own.to_str()
            .map(str::to_owned)
            .ok_or_else(|| Failure::configuration("The path of this program is not text.", "Put it somewhere else."))
    }
}

/// What a person has to know of an agent.
fn note(agent: Agent) -> Option<&'static str> {
    match agent {
        Agent::ClaudeCode => Some(
            "Claude Code reads its settings when it starts: start it anew. Versions before 2.1.295 do not know \
             onFailure; `|| exit 2` holds there too.",
        ),
        Agent::Codex => Some(
            "Codex asks once whether it may trust a changed hook (/hooks), and does not run it before. [features] \
             hooks = false in its config.toml turns hooks off.",
        ),
        Agent::Gemini => Some(
            "Gemini CLI reads its settings when it starts: start it anew. hooksConfig.enabled = false turns hooks off.",
        ),
        Agent::Cursor => Some("Cursor reads hooks.json when it is saved. See Settings, Hooks whether it is there."),
    }
}

fn read(file: &Path) -> Outcome<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::configuration(
            format!("{} cannot be read: {error}. Nothing was changed.", file.display()),
            "Look at its permissions.",
        )),
    }
}

/// A copy under a name that is free.
fn keep(file: &Path) -> Outcome<PathBuf> {
    let broken = |error: std::io::Error| {
        Failure::configuration(
            format!("{} cannot be copied: {error}. Nothing was changed.", file.display()),
            "Look at the permissions of its folder.",
        )
    };
    let name = file.display().to_string();
    for number in 1..1_000 {
        let copy = PathBuf::from(format!("{name}.before-dryrun-{number}"));
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&copy) {
            Ok(_) => return std::fs::copy(file, &copy).map(|_| copy).map_err(broken),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(broken(error)),
        }
    }
    Err(Failure::configuration(
        format!("There are too many copies of {name}. Nothing was changed."),
        "Remove those that nobody needs.",
    ))
}

/// The whole file or nothing of it; through a link, with the permissions that it had.
fn write(file: &Path, text: &str) -> Outcome<()> {
    let broken = |error: std::io::Error| {
        Failure::configuration(
            format!("{} cannot be written: {error}.", file.display()),
            "Look at the permissions of its folder.",
        )
    };
    let real = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    let folder = real.parent().map(Path::to_path_buf).unwrap_or_default();
    std::fs::create_dir_all(&folder).map_err(broken)?;
    let next =
        folder.join(format!(".{}.{}", real.file_name().unwrap_or_default().to_string_lossy(), std::process::id()));
    let written = std::fs::File::create(&next).and_then(|mut new| {
        if let Ok(old) = std::fs::metadata(&real) {
            new.set_permissions(old.permissions())?;
        }
        new.write_all(text.as_bytes())?;
        new.sync_all()
    });
    written.and_then(|()| std::fs::rename(&next, &real)).map_err(|error| {
        let _ = std::fs::remove_file(&next);
        broken(error)
    })
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_absolute() && file.is_file())
}
