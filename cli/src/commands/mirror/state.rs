//! What is done already, so that a mirror that was interrupted can go on: one file, replaced as a whole after every
//! write.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cell::{Cell, RowsDigest};
use crate::failure::{Exit, Failure, Outcome};

/// The variable with the secret of the scrubbing, for mirrors that are to agree with each other.
pub(super) const SECRET_VARIABLE: &str = "DRYRUN_SCRUB_SECRET";
const FORMAT: u32 = 1;
const SHORTEST_SECRET: usize = 16;

/// How far a mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// The target is emptied and gets the tables that it lacks.
    Prepare,
    /// Rows are copied.
    Copy,
    /// What could only be written when all rows are there: counters, views, triggers.
    Finish,
}

/// How far a table is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The highest rowid when the mirror began; later rows are not copied.
    pub bound: Option<Vec<Cell>>,
    /// How many rows there were then.
    pub expected: u64,
    /// The key that was reached.
    pub after: Option<Vec<Cell>>,
    /// Whether all rows are there.
    pub copied: bool,
    /// Rows, bytes and digest of what was written.
    pub rows: u64,
    /// See `rows`.
    pub bytes: u64,
    /// See `rows`.
    pub digest: String,
    /// Whether references have to be filled in afterwards.
    pub late: bool,
    /// The key up to which they are.
    pub filled_after: Option<Vec<Cell>>,
    /// Whether they are.
    pub filled: bool,
}

impl Progress {
    /// The digest of what was written.
    pub(super) fn digest(&self) -> RowsDigest {
        RowsDigest::read(&self.digest, self.rows, self.bytes).unwrap_or_default()
    }

    /// Remembers it.
    pub(super) fn set_digest(&mut self, digest: RowsDigest) {
        (self.digest, self.rows, self.bytes) = (digest.hex(), digest.rows, digest.bytes);
    }
}

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    /// Names this mirror.
    pub id: String,
    /// What is mirrored: both sides, tables, rules. All of it has to be the same when it goes on.
    pub what: BTreeMap<String, String>,
    /// The secret of the scrubbing; absent when it comes from the environment.
    secret: Option<String>,
    /// Tells whether it is the same secret, without telling which.
    secret_check: String,
    /// How often it was begun.
    pub attempt: u32,
    /// How far it is.
    pub phase: Phase,
    /// Whether triggers of the target are set aside. They are the source's own, so they can be made again.
    pub triggers_aside: Vec<String>,
    /// The tables.
    pub tables: BTreeMap<String, Progress>,
    #[serde(skip)]
    path: PathBuf,
}

impl State {
    /// A new one, not yet on disk.
    pub(super) fn begin(path: &Path, what: BTreeMap<String, String>) -> Outcome<Self> {
        let from_environment = environment_secret()?;
        let secret = if from_environment.is_some() { None } else { Some(random()?) };
        let id: String = random()?.chars().take(16).collect();
        let mut state = Self {
            format: FORMAT,
            id,
            what,
            secret,
            secret_check: String::new(),
            attempt: 1,
            phase: Phase::Prepare,
            triggers_aside: Vec::new(),
            tables: BTreeMap::new(),
            path: path.to_owned(),
        };
        state.secret_check = check_of(&state.secret()?);
        Ok(state)
    }

    /// Reads the file, if there is one.
    pub(super) fn find(path: &Path) -> Outcome<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::configuration(
                    format!("The state file {} cannot be read: {error}.", path.display()),
                    "Make it readable, or name another one with --state.",
                ));
            }
        };
        let state: Self =
            serde_json::from_str(&text).ok().filter(|state: &Self| state.format == FORMAT).ok_or_else(|| {
                Failure::configuration(
                    format!("{} is not a state file of this version.", path.display()),
                    "Name another one with --state, or begin anew with --restart.",
                )
            })?;
        Ok(Some(Self { path: path.to_owned(), ..state }))
    }

    /// Whether the secret is the one that the mirror began with.
    pub(super) fn check_secret(&self) -> Outcome<()> {
        let given = environment_secret()?.is_none_or(|secret| check_of(&secret) == self.secret_check);
        if given && check_of(&self.secret()?) == self.secret_check {
            return Ok(());
        }
        Err(Failure::configuration(
            format!(
                "{SECRET_VARIABLE} is not the secret that this mirror began with, so the rest of the values would not \
                 fit those that are there. Nothing was written now."
            ),
            "Set it as it was then (or not at all, if it was not set), or begin anew with --restart.",
        ))
    }

    /// The secret of the scrubbing.
    pub(super) fn secret(&self) -> Outcome<String> {
        match &self.secret {
            Some(secret) => Ok(secret.clone()),
            None => environment_secret()?.ok_or_else(|| {
                Failure::configuration(
                    format!(
                        "This mirror began with a secret from {SECRET_VARIABLE}, which is not set now. Nothing was \
                             written now."
                    ),
                    format!("Set {SECRET_VARIABLE} again."),
                )
            }),
        }
    }

    /// What is known of a table.
    pub(super) fn table(&self, name: &str) -> Progress {
        self.tables.get(name).cloned().unwrap_or_default()
    }

    /// Replaces the file. It can hold keys of rows and the secret, so it is readable by its owner alone.
    pub(super) fn save(&self) -> Outcome<()> {
        let aside = self.path.with_extension("json.new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_data()?;
            std::fs::rename(&aside, &self.path)
        };
        write().map_err(|error| {
            Failure::configuration(
                format!(
                    "The state file {} cannot be written: {error}. The mirror stopped, because it could not go on \
                         after an interruption.",
                    self.path.display()
                ),
                "Make its folder writable, or name another file with --state.",
            )
        })
    }

    /// The mirror is complete: nothing is left to remember.
    pub(super) fn remove(&self) -> Outcome<()> {
        std::fs::remove_file(&self.path).map_err(|error| {
            Failure::configuration(
                format!("The state file {} cannot be removed: {error}.", self.path.display()),
                "Remove it by hand: it is done with.",
            )
        })
    }
}

/// Makes sure that no other mirror works with a state file of this folder: two of them would delete each other's rows.
/// The lock is on the folder itself, so nothing is left of it, also after a kill.
pub(super) fn alone(path: &Path) -> Outcome<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let unusable = |error: std::io::Error| {
        Failure::configuration(
            format!("The folder {} of the state file cannot be used: {error}. Nothing was written.", folder.display()),
            "Name another one with --state.",
        )
    };
    let lock = File::open(folder).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure::new(
            Exit::Refused,
            "already_running",
            format!("Another mirror is running with a state file in {}. Nothing was written now.", folder.display()),
            "Wait for its end, or name a state file in another folder for another database: --state",
        )),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

fn environment_secret() -> Outcome<Option<String>> {
    match std::env::var(SECRET_VARIABLE) {
        Ok(secret) if secret.len() >= SHORTEST_SECRET => Ok(Some(secret)),
        Ok(secret) if secret.is_empty() => Ok(None),
        Err(std::env::VarError::NotPresent) => Ok(None),
        _ => Err(Failure::configuration(
            format!("{SECRET_VARIABLE} is shorter than {SHORTEST_SECRET} characters, or no text. Nothing was written."),
            "Take 32 random bytes, for example from: openssl rand -hex 32",
        )),
    }
}

fn check_of(secret: &str) -> String {
    hex::encode(Sha256::digest(format!("check of {secret}"))).chars().take(16).collect()
}

fn random() -> Outcome<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(
            Exit::Configuration,
            "no_randomness",
            format!("The system gives no random bytes: {error}."),
            "Try again.",
        )
    })?;
    Ok(hex::encode(bytes))
}
