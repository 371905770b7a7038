//! Where a command runs: in which project, through which gateway, and with what a person should be warned of.

use std::path::{Path, PathBuf};

use crate::api::Gateway;
use crate::failure::{Exit, Failure, Outcome};
use crate::run_here::RunHere;
use crate::say::Say;
use crate::settings::{Environment, Project};

/// Everything that a command needs to know before it asks the gateway anything.
#[derive(Debug, Clone)]
pub(crate) struct Here {
    /// The project.
    pub project: Project,
    /// The gateway, with the credential of the run or the key of the profile.
    pub gateway: Gateway,
    /// The run that this is part of.
    pub run: Option<RunHere>,
    /// Where the credential comes from, for people.
    pub credential: String,
    /// What is wrong with how the key is kept, and the remedy.
    pub exposed: Option<(String, String)>,
}

impl Here {
    /// Finds it all, and warns of what must not be missed.
    pub(crate) fn find(say: Say) -> Outcome<Self> {
        let environment = Environment::current()?;
        let project = Project::find()?;
        let run = RunHere::find()?;
        if run.is_some() {
            let gateway = Gateway::current(&project, environment)?;
            let credential = "the run's token (DRYRUN_TOKEN)".to_owned();
            return Ok(Self { project, gateway, run, credential, exposed: None });
        }
        let gateway = gateway(&project, environment, say)?;
        let profile = project.profile(environment)?;
        let (credential, exposed) = (profile.key.describe(), profile.key.exposed(&project.folder));
        Ok(Self { project, gateway, run: None, credential, exposed })
    }

    /// The run that a command is about: the one that is named, or the one that this is part of.
    pub(crate) fn run_id(&self, named: Option<&str>) -> Outcome<String> {
        let Some(id) = named.map(str::to_owned).or_else(|| self.run.as_ref().map(|run| run.id.clone())) else {
            return Err(Failure::new(
                Exit::Usage,
                "run_required",
                "Which run? This is not inside dryrun exec, so there is no current one.",
                "Name one: dryrun runs lists them.",
            ));
        };
        // An id becomes a part of an address.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            return Err(Failure::new(
                Exit::Usage,
                "usage",
                format!("{id:?} is not the id of a run."),
                "dryrun runs lists them.",
            ));
        }
        Ok(id)
    }
}

/// The gateway of an environment's profile, after the warnings that must not be missed.
pub(crate) fn gateway(project: &Project, environment: Environment, say: Say) -> Outcome<Gateway> {
    warn(project, environment, None, say);
    Gateway::of(project, environment)
}

/// Warns of a project without staging, of a key that others can read, and of one that crosses a network in the clear.
/// `url`: where it goes, when that is not what the project says.
pub(crate) fn warn(project: &Project, environment: Environment, url: Option<&str>, say: Say) {
    if !project.has_staging() && project.profiles.contains_key(&Environment::Production) {
        say.warn(&no_staging(project, environment));
    }
    let profile = project.profiles.get(&environment);
    if let Some((what, remedy)) = profile.and_then(|profile| profile.key.exposed(&project.folder)) {
        say.warn(&format!("{what}\n{remedy}"));
    }
    if let Some(url) = url.or(profile.map(|profile| profile.url.as_str())).filter(|url| leaves_in_the_clear(url)) {
        say.warn(&format!("The key of {environment} goes to {url} in the clear.\nUse https:// there."));
    }
}

fn no_staging(project: &Project, environment: Environment) -> String {
    let file = project.file.as_deref().unwrap_or_else(|| Path::new(crate::settings::FILE)).display();
    let what = match environment {
        Environment::Staging => "Nothing is done: there is no way from staging to production but to name it.",
        Environment::Production => "You chose production: this acts on production.",
    };
    format!(
        "THIS PROJECT HAS NO STAGING ({file}).\n{what}\nMake a staging gateway (see Environments in the README) and \
         add [staging]."
    )
}

/// Whether a key would cross a network without encryption.
fn leaves_in_the_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(authority, |(host, _)| host);
    !(host == "localhost" || host == "[::1]" || host.starts_with("127."))
}

/// The variables that a `.env` of this folder gives to wrangler although a run's token is there: with a global key and
/// its e-mail address, wrangler leaves the token aside.
pub(crate) fn global_keys_in(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for name in [".env", ".env.local"] {
        let file = folder.join(name);
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for line in text.lines() {
            let variable = line.trim_start().trim_start_matches("export ").split('=').next().unwrap_or_default().trim();
            if ["CLOUDFLARE_API_KEY", "CF_API_KEY"].contains(&variable) {
                found.push((file.clone(), variable.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_spoken_to_without_encryption() {
        for local in [
            "http://127.0.0.1:8787",
            "http://localhost",
            "http://localhost:1/x",
            "http://[::1]:8787",
            "https://gateway.example",
        ] {
            assert!(!leaves_in_the_clear(local), "{local}");
        }
        for remote in
            ["http://gateway.example", "http://10.0.0.1:8787/", "http://localhost.example:80", "http://[fe80::1]:1"]
        {
            assert!(leaves_in_the_clear(remote), "{remote}");
        }
    }
}
