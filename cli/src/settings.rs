//! Which environment this is, and how its gateway is reached: `DRYRUN_ENV` and `dryrun.toml`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};

/// An environment. There are two, so that nobody has to guess what a third one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Environment {
    /// The default.
    Staging,
    /// Only by name.
    Production,
}

impl Environment {
    /// What `DRYRUN_ENV` says; staging when it is not set.
    pub(crate) fn current() -> Outcome<Self> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        if let Some((name, meant)) = names.into_iter().find_map(|name| misspelt(&name).map(|meant| (name, meant))) {
            return Err(Failure::configuration(
                format!("The variable {name} is not read; it looks like {meant}."),
                format!("Set {meant} instead, and unset {name}."),
            ));
        }
        match std::env::var("DRYRUN_ENV").as_deref() {
            Err(std::env::VarError::NotPresent) | Ok("staging") => Ok(Self::Staging),
            Ok("production") => Ok(Self::Production),
            Ok(other) => Err(Failure::configuration(
                format!("DRYRUN_ENV is {other:?}, which is no environment."),
                "Use DRYRUN_ENV=staging (the default when it is not set) or DRYRUN_ENV=production.",
            )),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Failure::configuration("DRYRUN_ENV is not text.", "Use staging or production."))
            }
        }
    }

    /// The spelling everywhere.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// What a variable was meant to be that chooses an environment or its file, and that nobody reads.
fn misspelt(name: &str) -> Option<&'static str> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let known = match plain.as_str() {
        "DRYRUNENV" | "DRYRUNENVS" | "DRYRUNENVIRONMENT" | "DRYRUNENVNAME" => "DRYRUN_ENV",
        "DRYRUNCONFIG" | "DRYRUNCONFIGFILE" | "DRYRUNCONFIGPATH" => "DRYRUN_CONFIG",
        _ => return None,
    };
    (name != known).then_some(known)
}

impl std::fmt::Display for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Where a secret comes from. It is never in the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// A variable of the environment.
    Variable(String),
    /// A file; its text without blanks around it.
    File(PathBuf),
    /// A command that prints it, such as that of a secrets manager.
    Command(Vec<String>),
}

impl<'de> Deserialize<'de> for Secret {
    /// A complaint never repeats what stands there: it may be the key itself.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Place;
        impl<'de> Visitor<'de> for Place {
            type Value = Secret;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(
                    "where the key comes from: { variable = NAME }, { file = PATH } or { command = [WORDS] }",
                )
            }
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Secret, E> {
                Err(E::custom("the key itself does not belong in this file; say where it comes from"))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let place: Option<String> = map.next_key()?;
                let secret = match place.as_deref() {
                    Some("variable") => Secret::Variable(map.next_value()?),
                    Some("file") => Secret::File(map.next_value()?),
                    Some("command") => Secret::Command(map.next_value()?),
                    _ => return Err(A::Error::custom("a key comes from a variable, a file or a command")),
                };
                let named = match &secret {
                    Secret::Variable(name) => name.as_str(),
                    Secret::File(path) => path.to_str().unwrap_or_default(),
                    Secret::Command(_) => "",
                };
                if named.starts_with("drk_") {
                    return Err(A::Error::custom(
                        "the key itself does not belong in this file; name the variable or the file that holds it",
                    ));
                }
                match map.next_key::<String>()? {
                    None => Ok(secret),
                    Some(_) => Err(A::Error::custom("a key comes from one place only")),
                }
            }
        }
        deserializer.deserialize_any(Place)
    }
}

/// Longest wait for a command that prints a key: a secrets manager may ask a person first.
const PATIENCE: Duration = Duration::from_secs(120);
/// After so long it is said what is waited for.
const SILENCE: Duration = Duration::from_secs(5);

impl Secret {
    /// Where it comes from, for people. Of a command only its name: a path in a secrets manager is nobody else's
    /// business.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Variable(name) => format!("the variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Command(words) => format!("the command {}", words.first().map_or("", String::as_str)),
        }
    }

    /// What is wrong with how it is kept, and the remedy: a file that others on this machine can read.
    pub(crate) fn exposed(&self, folder: &Path) -> Option<(String, String)> {
        use std::os::unix::fs::PermissionsExt as _;
        let Self::File(path) = self else { return None };
        let path = folder.join(path);
        let mode = std::fs::metadata(&path).ok()?.permissions().mode() & 0o777;
        let others = mode & 0o077 != 0;
        others.then(|| {
            (
                format!("OTHERS ON THIS MACHINE CAN READ THE KEY: {} has mode {mode:o}.", path.display()),
                format!("chmod 600 {}", path.display()),
            )
        })
    }

    /// Fetches it.
    pub(crate) fn fetch(&self, folder: &Path) -> Outcome<String> {
        let text = match self {
            Self::Variable(name) => std::env::var(name).map_err(|_| {
                Failure::configuration(
                    format!("The variable {name} is not set."),
                    format!("Set {name} to the key of this environment."),
                )
            })?,
            Self::File(path) => std::fs::read_to_string(folder.join(path)).map_err(|error| {
                Failure::configuration(
                    format!("The key file {} cannot be read: {error}.", path.display()),
                    "Make it, readable by you alone.",
                )
            })?,
            Self::Command(words) => run(words, folder, PATIENCE)?,
        };
        let text = text.trim().to_owned();
        if text.is_empty() {
            let what = self.describe();
            return Err(Failure::configuration(
                format!("There is no key in {what}: it is empty."),
                "Put the key of this environment there; see Credentials in the README.",
            ));
        }
        Ok(text)
    }
}

fn run(words: &[String], folder: &Path, patience: Duration) -> Outcome<String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::configuration(
            "The command for the key is empty.",
            "Name a program and its arguments, for example [\"op\", \"read\", \"op://agents/staging/key\"].",
        ));
    };
    let broken = |error: std::io::Error| {
        Failure::configuration(
            format!("The command for the key, {program}, cannot be run: {error}."),
            "Install it, or take the key from a variable or file.",
        )
    };
    let child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(broken)?;
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // Whoever lost patience does not listen any more.
        let _ = tell.send(child.wait_with_output());
    });
    let output = told.recv_timeout(patience.min(SILENCE)).or_else(|_| {
        if patience > SILENCE {
            let _ = writeln!(std::io::stderr(), "Waiting for the command for the key: {}", dryrun_text::line(program));
        }
        told.recv_timeout(patience.saturating_sub(SILENCE))
    });
    let Ok(output) = output else {
        // It is not waited for before it ended, so the number is still its own.
        if let Some(id) = id {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
        return Err(Failure::configuration(
            format!(
                "The command for the key, {program}, did not end within {} seconds and was stopped. Nothing was sent \
                 anywhere.",
                patience.as_secs()
            ),
            "Run it by hand to see what it waits for: it gets no input here.",
        ));
    };
    let output = output.map_err(broken)?;
    if !output.status.success() {
        // What it printed may hold the secret, so only its complaint is repeated.
        let why = String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect::<String>();
        return Err(Failure::configuration(
            format!("The command for the key, {program}, failed ({}): {why}", output.status),
            "Run it by hand to see why.",
        ));
    }
    String::from_utf8(output.stdout).map_err(|_| {
        Failure::configuration(format!("What {program} printed is not text."), "Let it print the key alone.")
    })
}

/// A complaint without the values that it quotes.
fn without_values(message: &str) -> String {
    let mut quoted = message.split('"');
    let first = quoted.next().unwrap_or_default().to_owned();
    let rest: Vec<&str> = quoted.collect();
    match rest.last() {
        Some(last) if rest.len() > 1 => format!("{first}\"…\"{last}"),
        _ => first,
    }
}

/// One environment of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The gateway's address.
    pub url: String,
    /// Where its key comes from.
    pub key: Secret,
}

/// `dryrun.toml`, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Project {
    /// The folder of the file; the working folder when there is none.
    pub folder: PathBuf,
    /// The file.
    pub file: Option<PathBuf>,
    /// The environments in it.
    pub profiles: BTreeMap<Environment, Profile>,
}

/// The name of the file.
pub(crate) const FILE: &str = "dryrun.toml";

impl Project {
    /// Reads the file named by `DRYRUN_CONFIG`, or the nearest `dryrun.toml` from here upwards.
    pub(crate) fn find() -> Outcome<Self> {
        let here = std::env::current_dir().map_err(|error| {
            Failure::configuration(format!("There is no working folder: {error}."), "Change to one.")
        })?;
        let named = std::env::var_os("DRYRUN_CONFIG").map(PathBuf::from);
        let file = match named {
            Some(file) => Some(here.join(file)),
            None => here.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file()),
        };
        let Some(file) = file else { return Ok(Self { folder: here, ..Self::default() }) };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            Failure::configuration(
                format!("{} cannot be read: {error}.", file.display()),
                "Correct DRYRUN_CONFIG, or leave it out to use the nearest dryrun.toml.",
            )
        })?;
        let profiles = toml::from_str(&text).map_err(|error| {
            // The line itself may hold a key, so only its number is said.
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            Failure::configuration(
                format!("{} is not understood: line {line}: {}.", file.display(), without_values(error.message())),
                "It has a section for each environment: [staging] and [production], each with url = \"…\" and key = { \
                 variable = \"…\" }, { file = \"…\" } or { command = […] }.",
            )
        })?;
        let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { folder, file: Some(file), profiles })
    }

    /// Whether the project has a staging of its own.
    pub(crate) fn has_staging(&self) -> bool {
        self.profiles.contains_key(&Environment::Staging)
    }

    /// The profile of an environment. There is no way from one to the other: a project without staging has to name
    /// production itself.
    pub(crate) fn profile(&self, environment: Environment) -> Outcome<&Profile> {
        self.profiles.get(&environment).ok_or_else(|| {
            let wher = self.file.as_ref().map_or_else(
                || format!("There is no {FILE} here or above"),
                |file| format!("{} has no [{environment}]", file.display()),
            );
            match environment {
                Environment::Staging if self.profiles.contains_key(&Environment::Production) => Failure::configuration(
                    format!("{wher}: this project has NO STAGING, and nothing falls back to production by itself."),
                    "Add [staging] to it, or say that you mean production: DRYRUN_ENV=production dryrun …",
                ),
                _ => Failure::configuration(format!("{wher}."), format!("Write one: [{environment}]")).with_lines([
                    "  url = \"https://…\"".to_owned(),
                    format!("  key = {{ variable = \"DRYRUN_{}_KEY\" }}", environment.as_str().to_uppercase()),
                ]),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_was_meant_to_choose_the_environment_is_told() {
        for name in ["DRYRUN_ENVIRONMENT", "DRY_RUN_ENV", "dryrun_env", "DRYRUNENV", "DryRun_Env", "DRYRUN_ENVS"] {
            assert_eq!(misspelt(name), Some("DRYRUN_ENV"), "{name}");
        }
        for name in ["DRYRUN_CONFIG_FILE", "DRY_RUN_CONFIG"] {
            assert_eq!(misspelt(name), Some("DRYRUN_CONFIG"), "{name}");
        }
        for name in [
            "DRYRUN_ENV",
            "DRYRUN_CONFIG",
            "DRYRUN_KEY",
            "DRYRUN_STAGING_KEY",
            "DRYRUN_RUN_ID",
            "DRYRUN_MCP_CONFIG",
            "DRY_RUN",
            "NODE_ENV",
            "ENVIRONMENT",
        ] {
            assert_eq!(misspelt(name), None, "{name}");
        }
    }

    #[test]
    fn what_the_file_does_not_know_is_refused_at_every_level() {
        let read = |text: &str| toml::from_str::<BTreeMap<Environment, Profile>>(text).is_ok();
        assert!(read("[staging]\nurl = \"x\"\nkey = { variable = \"A\" }"));
        for text in [
            "[prod]\nurl = \"x\"\nkey = { variable = \"A\" }",
            "[Staging]\nurl = \"x\"\nkey = { variable = \"A\" }",
            "dry_run = true\n[staging]\nurl = \"x\"\nkey = { variable = \"A\" }",
            "[staging]\nurl = \"x\"\ndry_run = true\nkey = { variable = \"A\" }",
            "[staging]\nURL = \"x\"\nkey = { variable = \"A\" }",
            "[staging]\nurl = \"x\"\nurl = \"y\"\nkey = { variable = \"A\" }",
            "[staging]\nurl = \"x\"\nkey = { variable = \"A\", mode = \"live\" }",
            "[staging]\nurl = \"x\"\nkey = { Variable = \"A\" }",
        ] {
            assert!(!read(text), "{text}");
        }
    }

    fn complaint(key: &str) -> String {
        toml::from_str::<BTreeMap<Environment, Profile>>(&format!("[staging]\nurl = \"x\"\nkey = {key}"))
            .map_or_else(|error| without_values(error.message()), |_| "fits".to_owned())
    }

    #[test]
    fn no_complaint_repeats_a_key_that_stands_in_the_file() {
        for key in [
            "\"drk_staging_abc\"",
            "{ variable = \"drk_staging_abc\" }",
            "{ file = \"drk_staging_abc\" }",
            "{ command = \"echo drk_staging_abc\" }",
            "{ command = \"echo \\\"drk_staging_abc\" }",
            "{ value = \"drk_staging_abc\" }",
            "[\"drk_staging_abc\"]",
        ] {
            let complaint = complaint(key);
            assert!(complaint != "fits" && !complaint.contains("abc"), "{key}: {complaint}");
        }
        assert!(complaint("{ variable = \"A\", file = \"b\" }").contains("one place only"));
        for key in ["{ variable = \"A\" }", "{ file = \"b\" }", "{ command = [\"op\", \"read\"] }"] {
            assert_eq!(complaint(key), "fits");
        }
    }

    #[test]
    fn a_command_that_does_not_end_is_stopped() {
        let words: Vec<String> = ["sh", "-c", "exec sleep 600"].map(str::to_owned).into();
        let failure = run(&words, Path::new("/"), Duration::from_millis(50)).unwrap_err();
        assert!(failure.message.contains("sh, did not end"), "{}", failure.message);
    }
}
