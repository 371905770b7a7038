//! What a shell does by itself: variables, and text that becomes a command.

use super::credentials;
use super::programs::{assignment, shown};
use super::shell::{Input, Judge, Scope};
use super::values::Value;
use super::verdict::Verdict;
use super::wrappers::after_options;

impl Judge<'_> {
    /// `env` and its kin.
    pub fn env(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
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

    /// `command`.
    pub fn command_builtin(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        if arguments.first().is_some_and(|first| ["-v", "-V"].contains(&first.shown().as_str())) {
            return;
        }
        self.nested(after_options(arguments, &[]), scope, input, piped);
    }

    /// Builtins that set variables, or show them.
    pub fn builtin(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
        self.indices(arguments, scope);
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

    /// `printenv`.
    pub fn printenv(&mut self, arguments: &[Value]) {
        let names: Vec<&Value> = arguments.iter().filter(|argument| !argument.shown().starts_with('-')).collect();
        let harmless = !names.is_empty() && names.iter().all(|name| name.text().is_some_and(|name| !credentials::is_secret(&name) && !self.here.key_variables.contains(&name)));
        if !harmless {
            self.find(Verdict::credential("This shows variables that hold credentials."));
        }
    }

    /// Text that becomes a command.
    pub fn evaluated(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
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
}
