//! Which environment this is, and how its gateway is reached: `DRYRUN_ENV` and `dryrun.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};

/// An environment. There are two, so that nobody has to guess what a third one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// The default.
    Staging,
    /// Only by name.
    Production,
}

impl Environment {
    /// What `DRYRUN_ENV` says; staging when it is not set.
    pub fn current() -> Outcome<Self> {
        match std::env::var("DRYRUN_ENV").as_deref() {
            Err(std::env::VarError::NotPresent) | Ok("staging") => Ok(Self::Staging),
            Ok("production") => Ok(Self::Production),
            Ok(other) => Err(Failure::configuration(
                format!("DRYRUN_ENV is {other:?}, which is no environment."),
                "Use DRYRUN_ENV=staging (the default when it is not set) or DRYRUN_ENV=production.",
            )),
            Err(std::env::VarError::NotUnicode(_)) => Err(Failure::configuration("DRYRUN_ENV is not text.", "Use staging or production.")),
        }
    }

    /// The spelling everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Where a secret comes from. It is never in the file itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// A variable of the environment.
    Variable(String),
    /// A file; its text without blanks around it.
    File(PathBuf),
    /// A command that prints it, such as that of a secrets manager.
    Command(Vec<String>),
}

impl Secret {
    /// Where it comes from, for people. Of a command only its name: a path in a secrets manager is nobody else's business.
    pub fn describe(&self) -> String {
        match self {
            Self::Variable(name) => format!("the variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Command(words) => format!("the command {}", words.first().map_or("", String::as_str)),
        }
    }

    /// What is wrong with how it is kept, and the remedy: a file that others on this machine can read.
    pub fn exposed(&self, folder: &Path) -> Option<(String, String)> {
        use std::os::unix::fs::PermissionsExt as _;
        let Self::File(path) = self else { return None };
        let path = folder.join(path);
        let mode = std::fs::metadata(&path).ok()?.permissions().mode() & 0o777;
        let others = mode & 0o077 != 0;
        others.then(|| (format!("OTHERS ON THIS MACHINE CAN READ THE KEY: {} has mode {mode:o}.", path.display()), format!("chmod 600 {}", path.display())))
    }

    /// Fetches it.
    pub fn fetch(&self, folder: &Path) -> Outcome<String> {
        let text = match self {
            Self::Variable(name) => {
                std::env::var(name).map_err(|_| Failure::configuration(format!("The variable {name} is not set."), format!("Set {name} to the key of this environment.")))?
            }
            Self::File(path) => std::fs::read_to_string(folder.join(path))
                .map_err(|error| Failure::configuration(format!("The key file {} cannot be read: {error}.", path.display()), "Make it, readable by you alone."))?,
            Self::Command(words) => run(words, folder)?,
        };
        let text = text.trim().to_owned();
        if text.is_empty() {
            let what = self.describe();
            return Err(Failure::configuration(format!("There is no key in {what}: it is empty."), "Put the key of this environment there; see Credentials in the README."));
        }
        Ok(text)
    }
}

fn run(words: &[String], folder: &Path) -> Outcome<String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::configuration("The command for the key is empty.", "Name a program and its arguments, for example [\"op\", \"read\", \"op://agents/staging/key\"]."));
    };
    let output =
        Command::new(program).args(arguments).current_dir(folder).output().map_err(|error| {
            Failure::configuration(format!("The command for the key, {program}, cannot be run: {error}."), "Install it, or take the key from a variable or file.")
        })?;
    if !output.status.success() {
        // What it printed may hold the secret, so only its complaint is repeated.
        let why = String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect::<String>();
        return Err(Failure::configuration(format!("The command for the key, {program}, failed ({}): {why}", output.status), "Run it by hand to see why."));
    }
    String::from_utf8(output.stdout).map_err(|_| Failure::configuration(format!("What {program} printed is not text."), "Let it print the key alone."))
}

/// One environment of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The gateway's address.
    pub url: String,
    /// Where its key comes from.
    pub key: Secret,
}

/// `dryrun.toml`, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Project {
    /// The folder of the file; the working folder when there is none.
    pub folder: PathBuf,
    /// The file.
    pub file: Option<PathBuf>,
    /// The environments in it.
    pub profiles: BTreeMap<Environment, Profile>,
}

/// The name of the file.
pub const FILE: &str = "dryrun.toml";

impl Project {
    /// Reads the file named by `DRYRUN_CONFIG`, or the nearest `dryrun.toml` from here upwards.
    pub fn find() -> Outcome<Self> {
        let here = std::env::current_dir().map_err(|error| Failure::configuration(format!("There is no working folder: {error}."), "Change to one."))?;
        let named = std::env::var_os("DRYRUN_CONFIG").map(PathBuf::from);
        let file = match named {
            Some(file) => Some(here.join(file)),
            None => here.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file()),
        };
        let Some(file) = file else { return Ok(Self { folder: here, ..Self::default() }) };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            Failure::configuration(format!("{} cannot be read: {error}.", file.display()), "Correct DRYRUN_CONFIG, or leave it out to use the nearest dryrun.toml.")
        })?;
        let profiles = toml::from_str(&text).map_err(|error| {
            Failure::configuration(
                format!("{} is not understood: {error}", file.display()),
                "It has a section for each environment: [staging] and [production], each with url = \"…\" and key = { variable = \"…\" }, { file = \"…\" } or { command = […] }.",
            )
        })?;
        let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { folder, file: Some(file), profiles })
    }

    /// Whether the project has a staging of its own.
    pub fn has_staging(&self) -> bool {
        self.profiles.contains_key(&Environment::Staging)
    }

    /// The profile of an environment. There is no way from one to the other: a project without staging has to name production itself.
    pub fn profile(&self, environment: Environment) -> Outcome<&Profile> {
        self.profiles.get(&environment).ok_or_else(|| {
            let wher = self.file.as_ref().map_or_else(|| format!("There is no {FILE} here or above"), |file| format!("{} has no [{environment}]", file.display()));
            match environment {
                Environment::Staging if self.profiles.contains_key(&Environment::Production) => Failure::configuration(
                    format!("{wher}: this project has NO STAGING, and nothing falls back to production by itself."),
                    "Add [staging] to it, or say that you mean production: DRYRUN_ENV=production dryrun …",
                ),
                _ => Failure::configuration(
                    format!("{wher}."),
                    format!("Write one: [{environment}]\n  url = \"https://…\"\n  key = {{ variable = \"DRYRUN_{}_KEY\" }}", environment.as_str().to_uppercase()),
                ),
            }
        })
    }
}
