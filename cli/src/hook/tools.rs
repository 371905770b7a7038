//! What becomes of each sort of tool.

use serde_json::Value as Json;

use super::call::{Call, Tool};
use super::credentials;
use super::network::{self, Leads};
use super::shell::{self, Scope};
use super::surroundings::Surroundings;
use super::values::Value;
use super::verdict::Verdict;

/// Judges a call.
pub fn judge(call: &Call, here: &Surroundings<'_>) -> Verdict {
    let scope = Scope::new(here);
    match &call.tool {
        Tool::Harmless => Verdict::Harmless,
        Tool::Shell(command) => shell::judge(command, here),
        Tool::Read(paths) => paths.iter().fold(Verdict::Harmless, |verdict, path| verdict.and(credentials::path(path, &scope, here))),
        Tool::Write(paths) => paths.iter().fold(Verdict::Harmless, |verdict, path| verdict.and(credentials::written(&Value::known(path.as_str()), &scope, here))),
        Tool::Search { pattern, places, shows } => {
            let by_place = places.iter().fold(Verdict::Harmless, |verdict, place| verdict.and(credentials::path(place, &scope, here)));
            match credentials::names_secret(pattern).filter(|_| *shows) {
                Some(name) => by_place.and(Verdict::credential(format!("This search would show lines with {name}, in hidden files as well (names of files alone are fine)."))),
                None => by_place,
            }
        }
        Tool::Fetch(text) => match network::leads(text, here) {
            Leads::Past => network::past(text),
            Leads::Gateway | Leads::Elsewhere => Verdict::Harmless,
        },
        Tool::Mcp { server, tool, location, input } => mcp(server, tool, location, input, &scope, here),
    }
}

/// The name that `dryrun exec` gives to the gateway's own server.
const OWN_SERVER: &str = "dryrun";

fn mcp(server: &str, tool: &str, location: &str, input: &Json, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    let gateway = location.split_ascii_whitespace().any(|part| network::leads(part, here) == Leads::Gateway);
    if gateway || server == OWN_SERVER && location.is_empty() {
        return network::through(here);
    }
    let described = format!("{server} {location} {tool}").to_lowercase();
    if described.contains("cloudflare") || network::leads(location, here) == Leads::Past {
        let named = format!("{}{tool}", if server.is_empty() { String::new() } else { format!("{server}: ") });
        return if only_reads(tool) {
            arguments(input, scope, here)
        } else {
            Verdict::direct(
                format!("The tool {named} of Cloudflare's own MCP server acts on the account itself."),
                format!("Use the tools of the gateway's server, {OWN_SERVER}: dryrun exec gives its configuration to agents as DRYRUN_MCP_CONFIG."),
            )
        };
    }
    arguments(input, scope, here)
}

/// Whether the name of a tool says that it reads, and nothing else.
fn only_reads(tool: &str) -> bool {
    let mut words: Vec<String> = Vec::new();
    let mut was_lower = false;
    for character in tool.chars() {
        let begins = !character.is_ascii_alphanumeric() || character.is_ascii_uppercase() && was_lower;
        if begins || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_ascii_alphanumeric()) {
            word.push(character.to_ascii_lowercase());
        }
        was_lower = character.is_ascii_lowercase();
    }
    let any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let reads = ["list", "get", "search", "docs", "documentation", "describe", "read", "status", "whoami", "details", "logs", "observability", "keys", "values", "guide"];
    let writes = [
        "create",
        "update",
        "delete",
        "put",
        "set",
        "add",
        "remove",
        "execute",
        "exec",
        "run",
        "query",
        "deploy",
        "edit",
        "write",
        "patch",
        "post",
        "import",
        "purge",
        "restore",
        "rollback",
        "rename",
        "move",
        "enable",
        "disable",
        "bulk",
        "apply",
        "upload",
        "start",
        "stop",
        "send",
        "publish",
        "attach",
        "detach",
        "rotate",
        "revoke",
        "token",
        "secret",
        "sql",
        "container",
        "fetch",
        "evaluate",
        "code",
    ];
    any(&reads) && !any(&writes)
}

/// The arguments of any server's tool: commands, files and addresses in them are looked at like those of the agent's own tools.
fn arguments(input: &Json, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    fn walk(name: &str, value: &Json, scope: &Scope, here: &Surroundings<'_>, depth: usize) -> Verdict {
        let each = |verdict: Verdict, (name, value): (&str, &Json)| verdict.and(walk(name, value, scope, here, depth + 1));
        match value {
            _ if depth > 16 => Verdict::unclear("The arguments of this tool are nested deeper than can be looked at."),
            Json::Object(fields) => fields.iter().map(|(name, value)| (name.as_str(), value)).fold(Verdict::Harmless, each),
            Json::Array(items) => items.iter().map(|item| (name, item)).fold(Verdict::Harmless, each),
            Json::String(text) => match name.to_lowercase().as_str() {
                "command" | "cmd" | "shell_command" | "bash" | "shell" => shell::judge(text, here),
                "path" | "file_path" | "filepath" | "file" | "filename" | "paths" | "uri" => {
                    credentials::path(text.trim_start_matches("file://"), scope, here).and(address(text, here))
                }
                "url" | "endpoint" | "base_url" | "host" | "urls" => address(text, here),
                "code" | "script" | "source" | "function" | "expression" => network::code(text, network::CODE, scope, here),
                _ => Verdict::Harmless,
            },
            _ => Verdict::Harmless,
        }
    }
    fn address(text: &str, here: &Surroundings<'_>) -> Verdict {
        if network::leads(text, here) == Leads::Past { network::past(text) } else { Verdict::Harmless }
    }
    walk("", input, scope, here, 0)
}
