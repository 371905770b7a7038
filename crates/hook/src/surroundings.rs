//! What a verdict depends on besides the call.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Files that a command would run or read settings from.
pub trait Files {
    /// The text of a file of reasonable size; `None` when there is none, or no text.
    fn read(&self, path: &Path) -> Option<String>;
    /// Whether there is a file that is no text, or one too large to look at.
    fn is_opaque(&self, path: &Path) -> bool;
}

/// Where a call would happen.
pub struct Surroundings<'a> {
    /// The working folder of the call.
    pub cwd: PathBuf,
    /// The home of whoever the agent works for.
    pub home: Option<PathBuf>,
    /// The variables that a command would inherit.
    pub variables: BTreeMap<String, String>,
    /// The gateways of the project's environments.
    pub gateways: Vec<String>,
    /// Hosts of production, without the gateway.
    pub production: Vec<String>,
    /// Names of Workers of production.
    pub production_workers: Vec<String>,
    /// Files that hold keys of the gateway.
    pub key_files: Vec<PathBuf>,
    /// Variables that hold keys of the gateway.
    pub key_variables: Vec<String>,
    /// Programs that the keys of the gateway come from.
    pub managers: Vec<String>,
    /// Files.
    pub files: &'a dyn Files,
}

/// The variables that make a process a part of a run.
pub const RUN_VARIABLES: [&str; 3] = ["DRYRUN_RUN_ID", "DRYRUN_URL", "DRYRUN_TOKEN"];

impl Surroundings<'_> {
    /// A variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The gateway's address, inside of a run.
    pub fn run_url(&self) -> Option<&str> {
        RUN_VARIABLES
            .iter()
            .all(|name| self.variable(name).is_some())
            .then(|| self.variable("DRYRUN_URL"))
            .flatten()
            .map(|url| url.trim_end_matches('/'))
    }

    /// Whether tools find the gateway where they would find Cloudflare.
    pub fn is_gated(&self) -> bool {
        let Some(url) = self.run_url() else { return false };
        let leads = |name: &str| {
            self.variable(name).is_none_or(|value| value.trim_end_matches('/') == format!("{url}/client/v4"))
        };
        self.variable("CLOUDFLARE_API_BASE_URL").is_some()
            && leads("CLOUDFLARE_API_BASE_URL")
            && leads("CF_API_BASE_URL")
            && leads("CLOUDFLARE_BASE_URL")
    }

    /// Whether this is inside of a run.
    pub fn is_in_run(&self) -> bool {
        self.run_url().is_some()
    }
}

/// A path without `.` and `..`, as far as text tells.
pub fn tidied(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

/// The last part of a path, in lower case: file systems of some machines do not care.
pub fn base_name(text: &str) -> String {
    text.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase()
}
