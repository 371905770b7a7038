//! Which of wrangler's commands stay on this machine, which go through the gateway, and which are not for agents.

use super::scope::Scope;
use super::surroundings::Surroundings;
use super::table::has;
use super::table::options::{WRANGLER, WRANGLER_GROUPS, WRANGLER_SWITCHES};
use super::values::Value;
use super::verdict::Verdict;

/// A command line of wrangler's, taken apart.
struct Line<'a> {
    arguments: &'a [Value],
    /// Group and command: `d1`, `execute`.
    verbs: Vec<String>,
}

impl Line<'_> {
    fn verb(&self, index: usize) -> &str {
        self.verbs.get(index).map_or("", String::as_str)
    }

    /// The options that are certainly there, with their values: of an option without `=` the next word, if that is
    /// none.
    fn options(&self) -> impl Iterator<Item = (String, Option<String>)> {
        let said: Vec<String> = self.arguments.iter().map(Value::shown).collect();
        let mut options = Vec::new();
        for (index, text) in said.iter().enumerate() {
            let Some(name) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')).filter(|name| !name.is_empty())
            else {
                continue;
            };
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (name, said.get(index + 1).filter(|next| !next.starts_with('-')).cloned()),
            };
            options.push((plain(name), value));
        }
        options.into_iter()
    }

    /// Whether an option is there, whatever its value.
    fn has(&self, name: &str) -> bool {
        let name = plain(name.trim_start_matches('-'));
        self.options().any(|(option, _)| option == name)
    }

    /// Whether an argument could be any option.
    fn may_have_any(&self) -> bool {
        self.arguments.iter().any(|argument| argument.text().is_none() && argument.may_be_option())
    }

    /// A switch that is certainly on, and that nothing takes back.
    fn is_on(&self, name: &str) -> bool {
        let name = plain(name.trim_start_matches('-'));
        let off = format!("no{name}");
        let before_rest = self.arguments.iter().take_while(|argument| argument.shown() != "--").any(|argument| {
            plain(argument.shown().trim_start_matches('-').trim_end_matches("=true")) == name
                && argument.start().starts_with("--")
        });
        let taken_back = self.options().any(|(option, value)| {
            option == off || option == name && value.is_some_and(|value| has("false 0 …", &value))
        });
        before_rest && !taken_back && !self.may_have_any()
    }

    /// Whether it could reach the account, whatever else is said.
    fn may_be_remote(&self) -> bool {
        // `wrangler dev` has the short forms -r and -l.
        let short = self.verb(0) == "dev"
            && self
                .arguments
                .iter()
                .map(Value::shown)
                .any(|text| text.starts_with('-') && !text.starts_with("--") && text.contains('r'));
        short || self.has("--remote") || self.has("--no-local") || self.may_have_any()
    }
}

/// The name of an option as its parser takes it: `--dryRun` is `--dry-run`.
fn plain(name: &str) -> String {
    name.chars().filter(|character| *character != '-').flat_map(char::to_lowercase).collect()
}

fn parse(arguments: &[Value]) -> Option<Line<'_>> {
    let mut verbs = Vec::new();
    let mut index = 0;
    while let Some(argument) = arguments.get(index) {
        index += 1;
        let Some(text) = argument.text().filter(|_| !argument.many) else {
            if verbs.is_empty() {
                return None;
            }
            break;
        };
        if !text.starts_with('-') {
            verbs.push(text.to_lowercase());
            if verbs.len() == 3 {
                break;
            }
        } else if has(WRANGLER, &text) {
            index += 1;
        } else if !(has(WRANGLER_SWITCHES, &text)
            || WRANGLER.split(' ').any(|name| text.starts_with(&format!("{name}="))))
        {
            // Whether the next word is the value of this option or a command is not known.
            if verbs.is_empty() || verbs.len() == 1 && has(WRANGLER_GROUPS, verbs.first().map_or("", String::as_str)) {
                return None;
            }
            break;
        }
    }
    Some(Line { arguments, verbs })
}

/// Judges the arguments of wrangler.
pub(crate) fn judge(arguments: &[Value], scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    let shown = format!("wrangler {}", arguments.iter().map(Value::shown).collect::<Vec<_>>().join(" "));
    let shown = shown.trim_end().to_owned();
    let Some(line) = parse(arguments) else {
        return Verdict::unclear(format!("Cannot tell in advance which command of wrangler `{shown}` is."));
    };
    for (option, what) in [
        ("--env-file", "takes variables from a file, with which it could leave the gateway"),
        ("--profile", "takes a login of its own"),
    ] {
        if line.has(option) {
            return Verdict::direct(
                format!("`{shown}`: {option} {what}."),
                format!("Leave {option} out; in a run the variables are there: dryrun exec -- wrangler …"),
            );
        }
    }
    if line.verbs.is_empty() || is_help(&line) {
        return Verdict::Harmless;
    }
    if stays_here(&line, scope, here) {
        return Verdict::Harmless;
    }
    match line.verb(0) {
        "login" | "logout" | "auth" => Verdict::credential(format!("`{shown}` is about a person's login.")),
        "dev" => Verdict::direct(
            format!("`{shown}` works on the real stores, past the gateway."),
            "Take --remote away, and remote = true in the configuration: wrangler dev --local works on copies on this \
             machine.",
        ),
        _ if is_of_stores(&line) => of_stores(&shown, &line, scope, here),
        _ => Verdict::direct(
            format!("`{shown}` acts on the account itself: no rehearsal shows what it does, so it is not for agents."),
            "Deploying, secrets and the account's settings go through CI, and to production by a person. To see what \
             would be deployed: wrangler deploy --dry-run. To work on data: dryrun exec -- wrangler d1 execute …",
        ),
    }
}

fn of_stores(shown: &str, line: &Line<'_>, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    if scope.within_exec && !scope.cleared {
        return Verdict::Harmless;
    }
    if here.is_gated() && !scope.within_exec && !scope.cleared {
        return Verdict::Gateway;
    }
    let also = if has("d1 kv r2", line.verb(0)) && !line.has("--local") && !line.has("--remote") {
        " For the copy on this machine, say so: --local."
    } else {
        ""
    };
    if here.is_in_run() || scope.within_exec {
        return Verdict::direct(
            format!(
                "`{shown}` would not go to the gateway: CLOUDFLARE_API_BASE_URL is not there as dryrun exec sets it \
                 (`env -i` and `sudo` take it away)."
            ),
            format!("Leave the variables of the run as they are, or begin anew: dryrun exec -- {shown}.{also}"),
        );
    }
    Verdict::direct(
        format!("`{shown}` would act on Cloudflare directly."),
        format!("Rehearse it in a run: dryrun exec -- {shown}.{also}"),
    )
}

/// Whether the gateway has what this is about.
fn is_of_stores(line: &Line<'_>) -> bool {
    match line.verb(0) {
        "d1" | "kv" | "kv:key" | "kv:bulk" | "kv:namespace" | "whoami" => true,
        "r2" => has("object bucket bulk", line.verb(1)),
        _ => false,
    }
}

fn is_help(line: &Line<'_>) -> bool {
    ["--help", "-h", "--version", "-v"].iter().any(|name| {
        let on = line.arguments.iter().any(|argument| argument.text().as_deref() == Some(*name));
        on && line.arguments.iter().all(|argument| {
            argument.text().is_some_and(|text| text != "--" && !text.starts_with("--no-") && !text.contains('='))
        })
    })
}

/// What does not reach the account.
fn stays_here(line: &Line<'_>, scope: &Scope, here: &Surroundings<'_>) -> bool {
    let local = || line.is_on("--local") && !line.may_be_remote();
    match (line.verb(0), line.verb(1)) {
        ("help" | "docs" | "version" | "complete" | "types" | "telemetry" | "build" | "check", _) => true,
        ("init" | "generate" | "setup", _) => {
            !line.has("--from-dash") && !line.has("--deploy") && line.verb(0) != "setup"
        }
        ("dev", _) => !line.may_be_remote() && (line.is_on("--local") || !has_remote_bindings(line, scope, here)),
        ("deploy" | "publish", _) => line.is_on("--dry-run"),
        ("versions", "upload") => line.is_on("--dry-run"),
        ("pages", "dev") => !line.may_be_remote(),
        ("pages", "functions") => line.verb(2) == "build",
        ("d1", "migrations") => line.verb(2) == "create" || local(),
        ("d1", "execute" | "export")
        | ("kv", "key" | "bulk")
        | ("r2", "object" | "bulk")
        | ("workflows" | "secrets-store", _)
        | ("kv:key" | "kv:bulk", _) => local(),
        _ => false,
    }
}

/// Whether the configuration binds real stores to a Worker on this machine. What cannot be read may.
fn has_remote_bindings(line: &Line<'_>, scope: &Scope, here: &Surroundings<'_>) -> bool {
    if ["-c", "--config", "--cwd"].iter().any(|name| line.has(name)) {
        return true;
    }
    let Some(folder) = &scope.cwd else { return true };
    let texts: Vec<String> = ["wrangler.toml", "wrangler.json", "wrangler.jsonc"]
        .iter()
        .filter_map(|name| here.files.read(&folder.join(name)))
        .collect();
    texts.iter().any(|text| {
        text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .any(|word| word == "remote" || word == "experimental_remote")
    })
}
