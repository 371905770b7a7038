//! Which variables and files hold credentials, and which settings guard the agent.

use std::path::Path;

use super::guards;
use super::names::{candidates, matches};
use super::scope::Scope;
use super::surroundings::{Surroundings, base_name};
use super::values::{Part, Value, braces};
use super::verdict::Verdict;

/// Variables whose values are credentials.
const SECRETS: [&str; 15] = [
    "CLOUDFLARE_API_TOKEN",
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_API_USER_SERVICE_KEY",
    "CF_API_TOKEN",
    "CF_API_KEY",
    "CLOUDFLARE_ACCESS_CLIENT_SECRET",
    "WRANGLER_CF_AUTHORIZATION_TOKEN",
    "WRANGLER_R2_SQL_AUTH_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "R2_SECRET_ACCESS_KEY",
    "DRYRUN_TOKEN",
    "TOKEN_SECRET",
    "DEV_APPROVER_KEY",
    "DEV_OPERATOR_KEY",
];

/// Variables that decide where Cloudflare's tools go.
const LEADING: [&str; 15] = [
    "CLOUDFLARE_API_BASE_URL",
    "CF_API_BASE_URL",
    "CLOUDFLARE_BASE_URL",
    "CLOUDFLARE_EMAIL",
    "CF_EMAIL",
    "CLOUDFLARE_API_HEADERS",
    "CLOUDFLARE_CUSTOM_HEADERS",
    "CLOUDFLARE_COMPLIANCE_REGION",
    "WRANGLER_API_ENVIRONMENT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "DRYRUN_URL",
    "DRYRUN_RUN_ID",
    "DRYRUN_CONFIG",
    "AWS_ACCESS_KEY_ID",
];

/// Whether a variable's value is a credential.
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Whether a variable decides where Cloudflare's tools go, or as whom.
pub fn is_guarded(name: &str) -> bool {
    is_secret(name) || LEADING.contains(&name)
}

/// Whether a text names one of them.
pub fn names_guarded(text: &str) -> bool {
    SECRETS.iter().chain(&LEADING).any(|name| text.contains(name))
}

/// Whether a text names a credential.
pub fn names_secret(text: &str) -> Option<&'static str> {
    SECRETS.into_iter().find(|name| text.contains(name)).or_else(|| {
        ["drk_staging_", "drk_production_", "drt_staging_", "drt_production_"]
            .into_iter()
            .find(|start| text.contains(start))
    })
}

/// What the value of a variable is to the programs that read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// A command line.
    Command,
    /// Text in which substitutions run.
    Prompt,
    /// Options of Node.
    NodeOptions,
    /// A file or library that is loaded, or options that name one.
    Loads,
}

/// Variables that make programs load or run something.
pub fn makes_programs_run_others(name: &str) -> Option<Runs> {
    Some(match name {
        "PROMPT_COMMAND"
        | "GIT_SSH_COMMAND"
        | "GIT_SSH"
        | "EDITOR"
        | "VISUAL"
        | "VISUAL_EDITOR"
        | "GIT_EDITOR"
        | "GIT_SEQUENCE_EDITOR"
        | "PAGER"
        | "GIT_PAGER"
        | "MANPAGER"
        | "GIT_EXTERNAL_DIFF"
        | "GIT_ASKPASS"
        | "SSH_ASKPASS"
        | "SUDO_ASKPASS"
        | "GIT_PROXY_COMMAND"
        | "BROWSER" => Runs::Command,
        "PS0" | "PS1" | "PS2" | "PS4" => Runs::Prompt,
        "NODE_OPTIONS" => Runs::NodeOptions,
        "BASH_ENV"
        | "ENV"
        | "LD_PRELOAD"
        | "DYLD_INSERT_LIBRARIES"
        | "PERL5OPT"
        | "PERL5DB"
        | "RUBYOPT"
        | "PYTHONSTARTUP"
        | "LESSOPEN"
        | "LESSCLOSE"
        | "ZDOTDIR" => Runs::Loads,
        name if name.eq_ignore_ascii_case("npm_config_script_shell") => Runs::Loads,
        _ => return None,
    })
}

/// What sort of credential a file holds, by its name. The same rule wherever the file is.
pub fn file(path: &Path) -> Option<&'static str> {
    let parts: Vec<String> = path.components().map(|part| part.as_os_str().to_string_lossy().to_lowercase()).collect();
    let (name, folders) = parts.split_last()?;
    let names: Vec<&str> = parts.iter().map(String::as_str).collect();
    let is_in = |folder: &[&str]| names.windows(folder.len()).any(|window| window == folder);
    if is_environment_file(name) {
        return Some("holds credentials");
    }
    if is_in(&[".wrangler", "config"])
        || is_in(&[".config", ".wrangler"])
        || is_in(&["preferences", ".wrangler"])
        || is_in(&[".config", "wrangler"])
    {
        return Some("holds wrangler's login");
    }
    if is_in(&[".aws"]) && ["credentials", "config"].contains(&name.as_str())
        || name == "rclone.conf"
        || name == ".s3cfg"
        || is_in(&[".mc", "config.json"])
    {
        return Some("holds the keys of S3 clients, with which R2 is reached");
    }
    if folders.iter().any(|folder| folder == ".cloudflared") {
        return Some("holds Cloudflare's certificates");
    }
    if name == "environ" && folders.iter().any(|folder| folder == "proc") {
        return Some("holds the variables of a process, credentials among them");
    }
    None
}

/// `.env`, `.dev.vars` and their kin, but not what is there to be copied.
fn is_environment_file(name: &str) -> bool {
    let Some(rest) = [".env", ".dev.vars"].iter().find_map(|start| name.strip_prefix(start)) else { return false };
    let is_pattern = rest
        .rsplit('.')
        .next()
        .is_some_and(|end| ["example", "sample", "template", "dist", "defaults", "schema"].contains(&end));
    (rest.is_empty() || rest == "rc" || rest.starts_with(['.', '-', '_', '~'])) && !is_pattern
}

/// Names with which patterns of file names are tried.
const TRIED: [&str; 9] = [
    ".env",
    ".env.local",
    ".env.production",
    ".dev.vars",
    ".dev.vars.production",
    ".envrc",
    "default.toml",
    "credentials",
    "rclone.conf",
];

/// Whether a path, perhaps a pattern of names, stands for a file with credentials.
fn stands_for(text: &str, is_pattern: bool, scope: &Scope, here: &Surroundings<'_>) -> Option<String> {
    let says = |what: &str| Some(format!("{text} {what}"));
    if let Some(what) = file(Path::new(text)) {
        return says(what);
    }
    if let Some(path) = scope.path(text) {
        if let Some(what) = file(&path) {
            return says(what);
        }
        if here.key_files.contains(&path) {
            return says("holds a key of the gateway");
        }
        // A folder for keys, which is none of those that one works in: `cp -r keys x`.
        if here.key_files.iter().any(|file| file.parent() == Some(path.as_path())) && !here.cwd.starts_with(&path) {
            return says("is the folder of a key of the gateway");
        }
    }
    let name = base_name(text);
    if here.key_files.iter().any(|file| {
        scope.cwd.is_none() && file.file_name().is_some_and(|file| file.to_string_lossy().to_lowercase() == name)
    }) {
        return says("holds a key of the gateway");
    }
    if is_pattern {
        let folder = text.strip_suffix(text.rsplit('/').next().unwrap_or_default()).unwrap_or_default();
        // In a shell, a pattern that does not begin with a dot matches no name that does.
        let hidden = |candidate: &str| !candidate.starts_with('.') || name.starts_with(['.', '[']);
        // A pattern for everything is no search for these.
        let says_something = name.contains(|character: char| character.is_ascii_alphanumeric() || character == '.');
        let all = TRIED
            .iter()
            .filter(|_| says_something)
            .map(|name| (*name).to_owned())
            .chain(here.key_files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())));
        for candidate in all.filter(|candidate| hidden(candidate) && matches(&name, candidate)) {
            if let Some(found) = stands_for(&format!("{folder}{candidate}"), false, scope, here) {
                return Some(found);
            }
        }
    }
    None
}

/// An argument or input: a file with credentials, or what points to one (`--file=.env`, `@.env`, `KEY=@.env`).
pub fn argument(value: &Value, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    // An unknown part changes nothing when the rest says what it is: /proc/$$/environ.
    if value.parts.len() > 1
        && let Some(what) = file(Path::new(&value.shown()))
    {
        return Verdict::credential(format!("This would touch credentials: {} {what}.", value.shown()));
    }
    // An unknown start still ends in a name: "$HOME/.dev.vars".
    let text = match value.parts.last() {
        Some(Part::Known(end)) if value.parts.len() > 1 => match end.split_once('/') {
            Some((_, rest)) => rest.to_owned(),
            None => return Verdict::Harmless,
        },
        _ => match value.text() {
            Some(text) => text,
            None => return Verdict::Harmless,
        },
    };
    for candidate in candidates(&text) {
        if let Some(what) = stands_for(candidate, value.glob, scope, here) {
            return Verdict::credential(format!("This would touch credentials: {what}."));
        }
    }
    Verdict::Harmless
}

/// A path as a tool call names it, perhaps a pattern of names, with braces as well.
pub fn path(text: &str, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    let words = match brush_parser::word::parse_brace_expansions(text, &brush_parser::ParserOptions::default()) {
        Ok(Some(pieces)) => braces(&pieces),
        Ok(None) => None,
        Err(_) => return Verdict::unclear(format!("{text} is no path or pattern that is understood.")),
    };
    let judged =
        |text: &str| argument(&Value { glob: text.contains(['*', '?', '[']), ..Value::known(text) }, scope, here);
    words.unwrap_or_else(|| vec![text.to_owned()]).iter().fold(judged(text), |verdict, word| verdict.and(judged(word)))
}

/// A pattern of `find`, which matches hidden names like all others.
pub fn found(pattern: &str) -> Verdict {
    let name = base_name(pattern);
    let says_something = name.contains(|character: char| character.is_ascii_alphanumeric() || character == '.');
    match TRIED.iter().filter(|tried| says_something && tried.starts_with('.')).find(|tried| matches(&name, tried)) {
        Some(_) => Verdict::credential(format!("This would touch credentials: {pattern} finds files that hold some.")),
        None => Verdict::Harmless,
    }
}

/// A file that is written.
pub fn written(value: &Value, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    argument(value, scope, here).and(guards::written(value, scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_credentials_are_known_by_name() {
        for path in [
            ".env",
            "a/.env.production",
            ".dev.vars",
            ".dev.vars.staging",
            "/home/a/.config/.wrangler/config/default.toml",
            ".wrangler/config/default.toml",
            "/Users/a/Library/Preferences/.wrangler/config",
            ".envrc",
            "/home/a/.aws/credentials",
            "/home/a/.config/rclone/rclone.conf",
            "/proc/self/environ",
            "/proc/12/environ",
            "/home/a/.cloudflared/cert.pem",
            ".ENV",
        ] {
            assert!(file(Path::new(path)).is_some(), "{path}");
        }
        for path in [
            ".env.example",
            ".dev.vars.example",
            "src/env.ts",
            ".environment",
            "environ",
            "wrangler.toml",
            ".wrangler/state/v3/d1/x.sqlite",
            "credentials.rs",
            "config",
            ".envelope",
            "default.toml",
        ] {
            assert_eq!(file(Path::new(path)), None, "{path}");
        }
    }
}
