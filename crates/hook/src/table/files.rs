//! Files that hold credentials, and files that guard the agent.

use std::path::Path;

use super::has;

/// Files with credentials: their folders, wherever these are, their names below them (empty: the folder itself as
/// well),
/// and what they hold.
const CREDENTIALS: [(&str, &str, &str); 9] = [
    (".wrangler/config", "", "holds wrangler's login"),
    (".config/.wrangler", "", "holds wrangler's login"),
    ("preferences/.wrangler", "", "holds wrangler's login"),
    (".config/wrangler", "", "holds wrangler's login"),
    (".aws", "credentials config", "holds the keys of S3 clients, with which R2 is reached"),
    ("", "rclone.conf .s3cfg", "holds the keys of S3 clients, with which R2 is reached"),
    (".mc/config.json", "", "holds the keys of S3 clients, with which R2 is reached"),
    (".cloudflared", "*", "holds Cloudflare's certificates"),
    ("proc", "environ", "holds the variables of a process, credentials among them"),
];

/// How names of files with variables begin.
const ENVIRONMENT_FILES: [&str; 2] = [".env", ".dev.vars"];
/// How such names end when the file is there to be copied.
const PATTERNS: &str = "example sample template dist defaults schema";

/// Names with which patterns of file names are tried.
pub(crate) const TRIED: &str =
    ".env .env.local .env.production .dev.vars .dev.vars.production .envrc default.toml credentials rclone.conf";

/// Folders of agents, with the files in them that decide about hooks.
pub(crate) const GUARDED: [(&str, &str); 4] = [
    (".claude", "settings.json settings.local.json"),
    (".codex", "hooks.json config.toml"),
    (".gemini", "settings.json"),
    (".cursor", "hooks.json"),
];
/// The file that says where the gateways are.
pub(crate) const PROJECT: &str = "dryrun.toml";

/// What sort of credential a file holds, by its name. The same rule wherever the file is.
pub(crate) fn credential(path: &Path) -> Option<&'static str> {
    let parts: Vec<String> = path.components().map(|part| part.as_os_str().to_string_lossy().to_lowercase()).collect();
    let (name, folders) = parts.split_last()?;
    if is_environment_file(name) {
        return Some("holds credentials");
    }
    let is_in = |parts: &[String], folder: &str| {
        let folder: Vec<&str> = folder.split('/').collect();
        parts.windows(folder.len()).any(|window| window == folder)
    };
    let holds = |(folder, names, _): &(&str, &str, &str)| match *names {
        "" => is_in(&parts, folder),
        "*" => is_in(folders, folder),
        names => has(names, name) && (folder.is_empty() || is_in(folders, folder)),
    };
    CREDENTIALS.iter().find(|entry| holds(entry)).map(|(_, _, what)| *what)
}

/// `.env`, `.dev.vars` and their kin, but not what is there to be copied.
fn is_environment_file(name: &str) -> bool {
    let Some(rest) = ENVIRONMENT_FILES.iter().find_map(|start| name.strip_prefix(start)) else { return false };
    let is_pattern = rest.rsplit('.').next().is_some_and(|end| has(PATTERNS, end));
    (rest.is_empty() || rest == "rc" || rest.starts_with(['.', '-', '_', '~'])) && !is_pattern
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
            assert!(credential(Path::new(path)).is_some(), "{path}");
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
            assert_eq!(credential(Path::new(path)), None, "{path}");
        }
    }
}
