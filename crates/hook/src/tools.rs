//! What becomes of each sort of tool.

use serde_json::Value as Json;

use super::call::{Call, Tool};
use super::credentials;
use super::mentions;
use super::network::{self, Leads};
use super::scope::Scope;
use super::shell;
use super::surroundings::Surroundings;
use super::table::tools::{Argument, READS, WRITES, argument};
use super::table::{has, variables};
use super::values::Value;
use super::verdict::Verdict;

/// Judges a call.
pub(crate) fn judge(call: &Call, here: &Surroundings<'_>) -> Verdict {
    let scope = Scope::new(here);
    match &call.tool {
        Tool::Harmless => Verdict::Harmless,
        Tool::Shell(command) => shell::judge(command, here),
        Tool::Read(paths) => {
            paths.iter().fold(Verdict::Harmless, |verdict, path| verdict.and(credentials::path(path, &scope, here)))
        }
        Tool::Write(paths) => paths.iter().fold(Verdict::Harmless, |verdict, path| {
            verdict.and(credentials::written(&Value::known(path.as_str()), &scope, here))
        }),
        Tool::Search { pattern, places, shows } => {
            let by_place = places
                .iter()
                .fold(Verdict::Harmless, |verdict, place| verdict.and(credentials::path(place, &scope, here)));
            match variables::names_secret(pattern).filter(|_| *shows) {
                Some(name) => by_place.and(Verdict::credential(format!(
                    "This search would show lines with {name}, in hidden files as well (names of files alone are fine)."
                ))),
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
            arguments(tool, input, scope, here)
        } else {
            Verdict::direct(
                format!("The tool {named} of Cloudflare's own MCP server acts on the account itself."),
                format!(
                    "Use the tools of the gateway's server, {OWN_SERVER}: dryrun exec gives its configuration to \
                     agents as DRYRUN_MCP_CONFIG."
                ),
            )
        };
    }
    arguments(tool, input, scope, here)
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
    let any = |known: &str| words.iter().any(|word| has(known, word));
    any(READS) && !any(WRITES)
}

/// The arguments of any server's tool: commands, files and addresses in them are looked at like those of the agent's
/// own tools.
fn arguments(tool: &str, input: &Json, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    Arguments { scope, here, writes: !only_reads(tool) }.walk("", input, 0)
}

struct Arguments<'a> {
    scope: &'a Scope,
    here: &'a Surroundings<'a>,
    /// Whether the tool may change the files that it is told of.
    writes: bool,
}

impl Arguments<'_> {
    fn walk(&self, name: &str, value: &Json, depth: usize) -> Verdict {
        match value {
            _ if depth > 16 => Verdict::unclear("The arguments of this tool are nested deeper than can be looked at."),
            Json::Object(fields) => {
                let whole = fields.iter().filter(|(name, _)| argument(name) == Some(Argument::Command)).filter_map(
                    |(_, command)| {
                        let words = fields
                            .iter()
                            .find(|(name, _)| argument(name) == Some(Argument::Words))
                            .and_then(|(_, words)| words_of(words))?;
                        Some(format!("{} {words}", command.as_str()?))
                    },
                );
                let verdict =
                    whole.fold(Verdict::Harmless, |verdict, line| verdict.and(shell::judge(&line, self.here)));
                fields.iter().fold(verdict, |verdict, (name, value)| verdict.and(self.walk(name, value, depth + 1)))
            }
            Json::Array(items) => {
                let line = if argument(name) == Some(Argument::Command) { words_of(value) } else { None };
                let verdict = line.map_or(Verdict::Harmless, |line| shell::judge(&line, self.here));
                items.iter().fold(verdict, |verdict, item| verdict.and(self.walk(name, item, depth + 1)))
            }
            Json::String(text) => self.text(name, text),
            _ => Verdict::Harmless,
        }
    }

    fn text(&self, name: &str, text: &str) -> Verdict {
        match argument(name) {
            Some(Argument::Command) => shell::judge(text, self.here),
            Some(Argument::File) => self.file(text),
            Some(Argument::Source) => self.file(text).and(network::code(text, network::CODE, self.scope, self.here)),
            Some(Argument::Address) => self.address(text),
            Some(Argument::Code) => network::code(text, network::CODE, self.scope, self.here),
            Some(Argument::Words) | None => Verdict::Harmless,
        }
    }

    fn file(&self, text: &str) -> Verdict {
        let path = match text.strip_prefix("file://") {
            Some(path) => mentions::unescaped(path),
            None => text.to_owned(),
        };
        let verdict = credentials::path(&path, self.scope, self.here).and(self.address(text));
        if self.writes {
            verdict.and(credentials::written(&Value::known(path), self.scope, self.here))
        } else {
            verdict
        }
    }

    fn address(&self, text: &str) -> Verdict {
        if network::leads(text, self.here) == Leads::Past { network::past(text) } else { Verdict::Harmless }
    }
}

/// Words as a shell would have them written; `None` when they are no texts.
fn words_of(value: &Json) -> Option<String> {
    let words: Option<Vec<String>> =
        value.as_array()?.iter().map(|word| word.as_str().map(|word| Value::known(word).quoted())).collect();
    words.filter(|words| !words.is_empty()).map(|words| words.join(" "))
}
