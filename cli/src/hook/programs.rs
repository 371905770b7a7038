//! What a program would do, by its name and arguments.

use super::credentials;
use super::mentions;
use super::network;
use super::shell::{Input, Judge, Scope};
use super::surroundings::base_name;
use super::values::{Part, Value};
use super::verdict::{Reason, Verdict};
use super::wrangler;
use super::wrappers::{after_dashes, after_options, inner};

/// Programs that start no other and reach no other machine, whatever their arguments.
const HARMLESS: [&str; 115] = [
    "ls", "cat", "head", "tail", "wc", "sort", "uniq", "cut", "tr", "grep", "egrep", "fgrep", "rg", "ag", "fd", "jq", "yq", "echo", "printf", "true", "false", ":", "test", "[", "pwd", "cd", "pushd", "popd",
    "dirs", "mkdir", "rmdir", "cp", "mv", "rm", "touch", "chmod", "chown", "ln", "basename", "dirname", "realpath", "readlink", "date", "sleep", "diff", "cmp", "comm", "tee", "stat", "file", "du", "df", "which",
    "type", "hash", "whoami", "id", "uname", "hostname", "ps", "kill", "tree", "less", "more", "column", "nl", "od", "xxd", "hexdump", "md5sum", "sha1sum", "sha256sum", "shasum", "base64", "gzip", "gunzip",
    "zcat", "unzip", "bat", "seq", "rev", "tac", "paste", "join", "fold", "fmt", "expand", "yes", "tput", "clear", "wait", "jobs", "fg", "bg", "disown", "exit", "return", "break", "continue", "shift", "umask",
    "ulimit", "shopt", "times", "let", "free", "uptime", "nproc", "lsof", "pgrep", "cloc", "tokei", "locale", "arch", "sync",
];

/// Programs that only look at names, not into files.
const NAMES_ONLY: [&str; 13] = ["ls", "test", "[", "stat", "touch", "chmod", "chown", "echo", "printf", "mkdir", "basename", "dirname", "realpath"];

/// Programs whose arguments are text for people, patterns, or names of packages.
const TEXTUAL: [&str; 34] = [
    "echo", "printf", "grep", "egrep", "fgrep", "rg", "ag", "git", "fd", "which", "type", "ls", "mkdir", "cd", "code", "brew", "apt", "apt-get", "pip", "pip3", "cargo", "go", "gem", "dnf", "apk", "rm", "cp", "mv",
    "pgrep", "man", "tldr", "hash", "rtk", "prettier",
];

/// Programs that fetch secrets.
const MANAGERS: [&str; 13] = ["op", "vault", "doppler", "infisical", "bws", "bw", "sops", "chamber", "aws-vault", "pass", "gopass", "secret-tool", "akeyless"];

impl Judge<'_> {
    /// A program with its arguments.
    pub fn program(&mut self, words: Vec<Value>, scope: &mut Scope, input: &Input, piped: bool) {
        let Some((name, arguments)) = words.split_first() else { return };
        let Some(program) = program_name(name) else {
            let what = match words.iter().find_map(|word| mentions::of_command(&word.shown())) {
                Some(mentioned) => format!("Which program this starts does not show before it runs, and it mentions {mentioned}: {}", shown(&words)),
                None => format!("Which program this starts does not show before it runs: {}", shown(&words)),
            };
            return self.find(Verdict::unclear(what));
        };
        if self.function(&program, scope) {
            return self.arguments(&program, arguments, scope, piped);
        }
        if let Some(command) = inner(&program, arguments) {
            if program == "exec" && command.is_empty() {
                return;
            }
            return self.nested(command, scope, input, piped);
        }
        match program.as_str() {
            "wrangler" | "wrangler2" | "wrangler.js" | "wrangler.cmd" => self.find(wrangler::judge(arguments, scope, self.here)),
            "dryrun" | "dryrun.exe" => self.dryrun(arguments, scope, input, piped),
            "env" | "cross-env" | "cross-env-shell" => return self.env(arguments, scope, input, piped),
            "command" => return self.command_builtin(arguments, scope, input, piped),
            "xargs" | "parallel" => return self.xargs(&program, arguments, scope),
            "find" => return self.find_files(arguments, scope, piped),
            "cd" | "pushd" | "chdir" => {
                let to = after_options(arguments, &[]).first().map_or_else(|| self.here.home.as_ref().map(|home| home.display().to_string()), Value::text);
                scope.cwd = to.filter(|to| to != "-").and_then(|to| scope.path(&to));
                return;
            }
            "export" | "declare" | "typeset" | "local" | "readonly" | "unset" | "read" | "mapfile" | "readarray" | "getopts" | "set" | "printf" | "let" => self.builtin(&program, arguments, scope),
            "printenv" => self.printenv(arguments),
            "eval" | "trap" | "alias" | "watch" => self.evaluated(&program, arguments, scope),
            "curl" | "wget" | "http" | "https" | "xh" | "xhs" | "httpie" | "curlie" | "aria2c" | "fetch" | "nc" | "ncat" | "netcat" | "telnet" | "socat" | "websocat" | "grpcurl" | "wrk" | "hey" | "ab" | "oha" => {
                self.find(network::client(&program, arguments, input, scope, self.here));
                return self.files_of(&program, arguments, scope, piped);
            }
            "aws" | "rclone" | "s3cmd" | "s5cmd" | "mc" | "mcli" => self.find(network::s3(&program, arguments, scope, self.here)),
            "terraform" | "tofu" | "pulumi" | "cdktf" | "terragrunt" | "flarectl" | "cloudflared" | "cf-terraforming" => self.infrastructure(&program, arguments),
            "gh" | "act" => self.github(arguments),
            _ if MANAGERS.contains(&program.as_str()) || self.here.managers.contains(&program) => {
                self.find(Verdict::credential(format!("`{program}` hands out secrets.")));
            }
            _ => {
                if !self.runs_script(&program, name, arguments, scope, input, piped) {
                    self.other(&program, arguments, scope);
                }
            }
        }
        self.arguments(&program, arguments, scope, piped);
    }

    /// A command within a command.
    pub fn nested(&mut self, command: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        // sudo and systemd-run take assignments too.
        let mut rest = command;
        while let Some((first, after)) = rest.split_first() {
            let Some((name, value)) = assignment(first) else { break };
            self.assign(name, scope, value.as_deref());
            rest = after;
        }
        if !rest.is_empty() {
            self.program(rest.to_vec(), scope, input, piped);
        }
    }

    /// What goes for the arguments of every program: no files with credentials, no credentials.
    fn arguments(&mut self, program: &str, arguments: &[Value], scope: &Scope, piped: bool) {
        if arguments.iter().any(|argument| argument.secret) && !["test", "[", "wrangler", "aws"].contains(&program) {
            self.find(Verdict::credential(format!("`{program}` would show or pass on the value of a credential.")));
        }
        self.files_of(program, arguments, scope, piped);
    }

    fn files_of(&mut self, program: &str, arguments: &[Value], scope: &Scope, piped: bool) {
        let verb = arguments.first().map(Value::shown).unwrap_or_default();
        let names_only = NAMES_ONLY.contains(&program) && !piped || program == "git" && ["check-ignore", "status", "rm", "ls-files", "commit", "log"].contains(&verb.as_str());
        let writes = ["cp", "mv", "tee", "rm", "ln", "install", "rsync", "sed", "truncate", "dd", "patch", "touch", "perl"].contains(&program);
        // The pattern of a search is no file.
        let is_search = ["grep", "egrep", "fgrep", "rg", "ag"].contains(&program);
        let pattern = if is_search && !arguments.iter().any(|argument| ["-e", "-f", "--regexp", "--file"].iter().any(|option| argument.start().starts_with(option))) {
            arguments.iter().position(|argument| !argument.start().starts_with('-'))
        } else {
            None
        };
        for (index, argument) in arguments.iter().enumerate() {
            if !names_only && Some(index) != pattern {
                self.find(credentials::argument(argument, scope, self.here));
            }
            if writes {
                if let Verdict::Refused(refusal) = credentials::written(argument, scope, self.here)
                    && refusal.reason == Reason::Guard
                {
                    self.find(Verdict::Refused(refusal));
                }
                self.written.extend(argument.text().and_then(|text| scope.path(&text)));
            }
        }
        if is_search {
            self.search(program, arguments);
        }
    }

    /// A search through everything would show the credentials that it looks for.
    fn search(&mut self, program: &str, arguments: &[Value]) {
        let options: String = arguments.iter().map(Value::shown).filter(|text| text.starts_with('-')).collect::<Vec<_>>().join(" ");
        let short = |letters: &[char]| options.split(' ').any(|option| !option.starts_with("--") && option.contains(letters));
        let names_only = short(&['l', 'L', 'c', 'q']) || ["--files-with", "--count", "--quiet"].iter().any(|option| options.contains(option));
        let hidden = match program {
            "rg" | "ag" => short(&['.', 'u']) || options.contains("--hidden") || options.contains("--no-ignore"),
            _ => short(&['r', 'R']) || options.contains("recursive"),
        };
        if hidden && !names_only && arguments.iter().any(|argument| credentials::names_secret(&argument.shown()).is_some()) {
            self.find(Verdict::credential("This search looks for credentials in all files, hidden ones as well (`git grep` and plain `rg` leave them out; `-l` shows names alone)."));
        }
    }

    /// `env` and its kin.
    fn env(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        let mut rest = arguments;
        while let Some((first, after)) = rest.split_first() {
            let said = first.shown();
            rest = after;
            if let Some((name, value)) = assignment(first) {
                self.assign(name, scope, value.as_deref());
                continue;
            }
            match said.as_str() {
                "--" => break,
                "-i" | "-" | "--ignore-environment" => scope.cleared = true,
                "-u" | "--unset" | "-C" | "--chdir" | "-P" | "-a" | "-f" => {
                    let Some((value, after)) = rest.split_first() else { break };
                    rest = after;
                    match (said.as_str(), value.text()) {
                        ("-C" | "--chdir", to) => scope.cwd = to.and_then(|to| scope.path(&to)),
                        ("-f", _) => self.find(credentials::argument(value, scope, self.here)),
                        ("-u" | "--unset", Some(name)) => self.assign(&name, scope, None),
                        ("-u" | "--unset", None) => self.find(Verdict::unclear("Which variable env takes away does not show before it runs.")),
                        _ => {}
                    }
                }
                _ if said.starts_with("--unset=") => self.assign(said.trim_start_matches("--unset="), scope, None),
                _ if said.starts_with("-u") => self.assign(said.trim_start_matches("-u"), scope, None),
                _ if said.starts_with("-S") || said.starts_with("--split-string") || said.starts_with("-vS") => {
                    let attached = said.trim_start_matches("-vS").trim_start_matches("-S").trim_start_matches("--split-string").trim_start_matches('=').to_owned();
                    let (text, rest) = match rest.split_first() {
                        Some((text, rest)) if attached.is_empty() => (text.text(), rest),
                        _ => (first.text().map(|_| attached), rest),
                    };
                    let Some(text) = text else {
                        return self.find(Verdict::unclear("What env starts does not show before it runs."));
                    };
                    let line = std::iter::once(text).chain(rest.iter().map(Value::quoted)).collect::<Vec<_>>().join(" ");
                    // What env divides by itself is read like a shell's words.
                    return self.subshell(&format!("env {line}"), scope);
                }
                _ if said.starts_with('-') => {}
                _ if first.many || first.start().is_empty() && first.text().is_none() => {
                    return self.find(Verdict::unclear(format!("What env sets or starts does not show before it runs: env {}", shown(arguments))));
                }
                _ => {
                    let command: Vec<Value> = std::iter::once(first.clone()).chain(rest.iter().cloned()).collect();
                    return self.program(command, scope, input, piped);
                }
            }
        }
        if rest.is_empty() {
            return self.find(Verdict::credential("`env` shows all variables, credentials among them (one by its name: printenv NAME)."));
        }
        self.program(rest.to_vec(), scope, input, piped);
    }

    fn command_builtin(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        if arguments.first().is_some_and(|first| ["-v", "-V"].contains(&first.shown().as_str())) {
            return;
        }
        self.nested(after_options(arguments, &[]), scope, input, piped);
    }

    /// The command of xargs gets more words than are written here.
    fn xargs(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
        const VALUES: [&str; 20] = ["-I", "-i", "-n", "-P", "-d", "-a", "-L", "-s", "-E", "-R", "-J", "--max-args", "--max-procs", "--delimiter", "--arg-file", "--replace", "--max-lines", "-j", "--jobs", "--colsep"];
        for argument in arguments {
            self.find(credentials::argument(argument, scope, self.here));
        }
        let at = arguments.iter().position(|argument| ["-I", "-J", "--replace"].contains(&argument.shown().as_str()));
        let mark = at.and_then(|at| arguments.get(at + 1)).map_or("{}".to_owned(), Value::shown);
        let mut command: Vec<Value> = after_options(arguments, &VALUES)
            .iter()
            .map(|word| if word.shown().contains(&mark) { replaced(word, &mark) } else { word.clone() })
            .collect();
        if command.is_empty() && program == "xargs" {
            return;
        }
        if program == "parallel" {
            let line = command.iter().map(Value::shown).collect::<Vec<_>>().join(" ");
            return self.subshell(&format!("{line} \"$_\""), scope);
        }
        command.push(Value::unknown());
        self.program(command, &mut scope.clone(), &Input::Inherited, false);
    }

    fn find_files(&mut self, arguments: &[Value], scope: &mut Scope, piped: bool) {
        let shown: Vec<String> = arguments.iter().map(Value::shown).collect();
        let acts = shown.iter().any(|text| text.starts_with("-exec") || text.starts_with("-ok") || text == "-fprint");
        let mut rest = arguments;
        while let Some(at) = rest.iter().position(|word| ["-exec", "-execdir", "-ok", "-okdir"].contains(&word.shown().as_str())) {
            let after = rest.get(at + 1..).unwrap_or_default();
            let end = after.iter().position(|word| [";", "+"].contains(&word.shown().as_str())).unwrap_or(after.len());
            let command: Vec<Value> = after.iter().take(end).map(|word| if word.shown().contains("{}") { replaced(word, "{}") } else { word.clone() }).collect();
            self.program(command, &mut scope.clone(), &Input::Inherited, false);
            rest = after.get(end..).unwrap_or_default();
        }
        if acts || piped {
            for argument in arguments {
                self.find(credentials::argument(argument, scope, self.here));
            }
        }
    }

    /// Builtins that set variables, or show them.
    fn builtin(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
        if ["let"].contains(&program) && arguments.iter().any(|argument| credentials::names_guarded(&argument.shown())) {
            self.assign("CLOUDFLARE_API_BASE_URL", scope, None);
        }
        let names = after_options(arguments, &["-d", "-n", "-N", "-p", "-t", "-u", "-i", "-a", "-O", "-C", "-c"]);
        let shows_all = match program {
            "set" => arguments.is_empty(),
            "export" | "declare" | "typeset" | "readonly" | "local" => names.is_empty() && !arguments.iter().any(|argument| ["-f", "-F"].contains(&argument.shown().as_str())),
            _ => false,
        };
        if shows_all {
            return self.find(Verdict::credential(format!("`{program}` shows all variables, credentials among them.")));
        }
        if ["set", "let"].contains(&program) || program == "printf" && !arguments.iter().any(|argument| argument.shown().starts_with("-v")) {
            return;
        }
        let is_reference = arguments.iter().any(|argument| argument.shown().starts_with('-') && !argument.shown().starts_with("--") && argument.shown().contains('n'));
        let shows = arguments.iter().any(|argument| argument.shown().starts_with("-p")) && ["declare", "typeset", "export", "readonly"].contains(&program);
        for argument in arguments.iter().filter(|argument| !argument.shown().starts_with('-')).chain(names) {
            let start = argument.start();
            let name = start.split(['=', '+', '[', '?', ':']).next().unwrap_or_default();
            let is_whole = argument.text().is_some() || start.contains('=');
            if !is_whole {
                return self.find(Verdict::unclear(format!("Which variable `{program}` changes does not show before it runs.")));
            }
            if shows {
                if credentials::is_secret(name) {
                    self.find(Verdict::credential(format!("This shows {name}.")));
                }
                continue;
            }
            let value = argument.text().and_then(|text| text.split_once('=').map(|(_, value)| value.to_owned()));
            // `export NAME` alone changes nothing.
            if !(value.is_none() && !start.contains('=') && ["export", "readonly"].contains(&program)) {
                self.assign(name, scope, value.as_deref());
                scope.variables.insert(name.to_owned(), None);
                if let Some(value) = value.filter(|_| ["export", "declare", "typeset", "local", "readonly"].contains(&program) && !is_reference) {
                    scope.variables.insert(name.to_owned(), Some(value));
                }
            }
            if is_reference && ["declare", "typeset", "local"].contains(&program) && credentials::names_guarded(&argument.shown()) {
                self.assign("CLOUDFLARE_API_BASE_URL", scope, None);
            }
        }
    }

    fn printenv(&mut self, arguments: &[Value]) {
        let names: Vec<&Value> = arguments.iter().filter(|argument| !argument.shown().starts_with('-')).collect();
        let harmless = !names.is_empty() && names.iter().all(|name| name.text().is_some_and(|name| !credentials::is_secret(&name) && !self.here.key_variables.contains(&name)));
        if !harmless {
            self.find(Verdict::credential("This shows variables that hold credentials."));
        }
    }

    /// Text that becomes a command.
    fn evaluated(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
        match program {
            "alias" => {
                for argument in arguments {
                    match argument.text() {
                        Some(text) => {
                            if let Some((_, command)) = text.split_once('=') {
                                self.subshell(command, scope);
                            }
                        }
                        None => self.find(Verdict::unclear("What this alias stands for does not show before it runs.")),
                    }
                }
            }
            "trap" => {
                if let Some(action) = after_options(arguments, &[]).first() {
                    self.shell_text(action, "trap", scope);
                }
            }
            _ => {
                let words = if program == "watch" { after_options(arguments, &["-n", "--interval"]) } else { arguments };
                let Some(line) = words.iter().map(Value::text).collect::<Option<Vec<String>>>() else {
                    return self.find(Verdict::unclear(format!("What {program} runs does not show before it runs: {program} {}", shown(arguments))));
                };
                if program == "eval" { self.text(&line.join(" "), scope) } else { self.subshell(&line.join(" "), scope) }
            }
        }
    }

    /// A word that a shell will read as a command line.
    pub fn shell_text(&mut self, value: &Value, program: &str, scope: &mut Scope) {
        match value.text() {
            Some(text) => self.subshell(&text, scope),
            None => self.find(Verdict::unclear(format!("What {program} runs does not show before it runs: {}", value.shown()))),
        }
    }

    /// This program itself.
    fn dryrun(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        let rest: Vec<Value> = arguments.iter().filter(|argument| argument.shown() != "--json").cloned().collect();
        let Some((verb, rest)) = rest.split_first() else { return };
        match verb.text().as_deref() {
            Some("exec") => {
                let options = rest.split(|argument| argument.text().as_deref() == Some("--")).next().unwrap_or_default();
                if options.iter().any(|option| option.start().starts_with("--keep")) {
                    return self.find(Verdict::credential("--keep leaves real credentials to a command; a person decides that."));
                }
                let mut inside = scope.clone();
                inside.within_exec = true;
                inside.cleared = false;
                let values = ["--parent", "--label", "--id", "--prompt-version", "--expires-in"];
                let command = after_dashes(rest).unwrap_or_else(|| after_options(rest, &values));
                self.nested(command, &mut inside, input, piped);
            }
            Some(_) => self.find(network::through(self.here)),
            None => self.find(Verdict::unclear("Which command of dryrun this is does not show before it runs.")),
        }
    }

    /// Tools that change a whole account.
    fn infrastructure(&mut self, program: &str, arguments: &[Value]) {
        let verbs: Vec<String> = arguments.iter().map(Value::shown).filter(|text| !text.starts_with('-')).collect();
        let reads = ["plan", "validate", "fmt", "init", "version", "show", "output", "graph", "providers", "console", "help", "preview", "synth", "diff", "about", "get", "metadata", "test"];
        let is_state = verbs.first().is_some_and(|verb| verb == "state") && verbs.get(1).is_some_and(|verb| ["list", "show"].contains(&verb.as_str()));
        let is_plain = !["flarectl", "cloudflared", "cf-terraforming"].contains(&program) && (verbs.is_empty() || is_state || verbs.first().is_some_and(|verb| reads.contains(&verb.as_str())));
        if is_plain || verbs.is_empty() {
            return;
        }
        self.find(Verdict::direct(
            format!("`{program} {}` changes the account itself.", verbs.join(" ")),
            format!("A person applies it, from CI. What it would change shows: {program} plan."),
        ));
    }

    /// What CI would do with credentials of production.
    fn github(&mut self, arguments: &[Value]) {
        let line = arguments.iter().map(Value::shown).collect::<Vec<_>>().join(" ");
        let lower = line.to_lowercase();
        let starts = |start: &str| lower == start || lower.starts_with(&format!("{start} "));
        let promotes = starts("workflow run") && ["promote", "deploy", "prod", "release", "publish", "…"].iter().any(|name| lower.contains(name));
        let through_api = starts("api") && ["dispatches", "pending_deployments", "/secrets", "/environments", "/deployments"].iter().any(|name| lower.contains(name));
        if promotes || through_api || starts("secret set") || starts("secret delete") || starts("variable set") || starts("auth token") {
            self.find(Verdict::direct(
                format!("`gh {line}` would have CI act on production, or change with what it does."),
                "Promoting to production is a person's decision: ask one to start the workflow and to approve it.",
            ));
        }
    }

    /// A program that nothing is known of.
    fn other(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
        if !TEXTUAL.contains(&program) || program == "git" && arguments.iter().any(|argument| ["!", "alias.", "sshcommand", "core.editor", "pager"].iter().any(|mark| argument.shown().to_lowercase().contains(mark)) && mentions::of_command(&argument.shown()).is_some()) {
            let runs_wrangler = |argument: &Value| {
                let text = argument.shown();
                let name = base_name(&text);
                name == "wrangler" || name.starts_with("wrangler@") || name == "wrangler.js" || text.contains(char::is_whitespace) && mentions::wrangler(&text)
            };
            if arguments.iter().any(runs_wrangler) && !HARMLESS.contains(&program) {
                self.find(Verdict::unclear(format!("`{program}` mentions wrangler in a way that is not understood: {program} {}", shown(arguments))));
            } else if let Some(host) = arguments.iter().find_map(|argument| mentions::host(&argument.shown())).filter(|_| !HARMLESS.contains(&program)) {
                self.find(network::past(host));
            }
        }
        if !HARMLESS.contains(&program) && program != "git" {
            self.opaque(scope);
        }
    }

    /// A program whose doings nobody sees: in a run it may write through the gateway, so that must stand.
    pub fn opaque(&mut self, scope: &Scope) {
        if self.here.is_in_run() && !scope.within_exec {
            self.find(Verdict::Gateway);
        }
    }
}

/// The name of a program; `None` when it does not show.
pub fn program_name(word: &Value) -> Option<String> {
    if word.glob && word.text().as_deref() != Some("[") {
        return None;
    }
    let name = match word.text() {
        Some(text) => base_name(text.trim_start_matches('=')),
        // "$HOME/bin/tool"
        None => match word.parts.last() {
            Some(Part::Known(end)) if end.contains('/') => base_name(end),
            _ => return None,
        },
    };
    (!name.is_empty()).then_some(name)
}

/// `NAME=value` as an argument.
fn assignment(word: &Value) -> Option<(&str, Option<String>)> {
    let (name, _) = word.start().split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.starts_with(|first: char| first.is_ascii_digit());
    is_name.then(|| (name, word.text().and_then(|text| text.split_once('=').map(|(_, value)| value.to_owned()))))
}

/// A word in which a mark is replaced by something that is not known.
fn replaced(word: &Value, mark: &str) -> Value {
    let Some(text) = word.text() else { return Value::unknown() };
    let mut value = Value { glob: word.glob, ..Value::default() };
    for (index, part) in text.split(mark).enumerate() {
        if index > 0 {
            value.push_unknown();
        }
        if !part.is_empty() {
            value.push(part);
        }
    }
    value
}

fn shown(words: &[Value]) -> String {
    let line = words.iter().map(Value::shown).collect::<Vec<_>>().join(" ");
    if line.chars().count() > 160 { format!("{}…", line.chars().take(160).collect::<String>()) } else { line }
}
