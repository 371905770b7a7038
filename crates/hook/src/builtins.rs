//! What a shell does by itself: variables, and text that becomes a command.

use super::credentials;
use super::programs::{assignment, shown};
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::table::{has, variables};
use super::values::Value;
use super::verdict::Verdict;
use super::wrappers::after_options;

impl Judge<'_> {
    /// `env` and its kin.
    pub(crate) fn env(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        let mut rest = arguments;
        while let Some((first, after)) = rest.split_first() {
            let said = first.shown();
            rest = after;
            if let Some((name, value)) = assignment(first) {
                self.assign(name, scope, value.as_deref());
                continue;
            }
            // Letters without a value may stand before another one: `-iu NAME`, `-vS TEXT`.
            let letters = said.strip_prefix('-').filter(|letters| !letters.starts_with('-')).unwrap_or_default();
            let last = letters.trim_start_matches(['i', 'v', '0']);
            let clears = letters.strip_suffix(last).is_some_and(|before| before.contains('i'))
                || said == "-"
                || said.starts_with("--ignore-e");
            scope.cleared |= clears;
            let long = said.split('=').next().filter(|name| name.len() > 3).unwrap_or_default();
            let takes =
                |letter: char, name: &str| last.starts_with(letter) || !long.is_empty() && name.starts_with(long);
            if said == "--" {
                break;
            }
            if ['u', 'C', 'P', 'a', 'f'].iter().any(|letter| last.starts_with(*letter))
                || takes('u', "--unset")
                || takes('C', "--chdir")
            {
                let attached = last
                    .get(1..)
                    .filter(|rest| !rest.is_empty())
                    .or_else(|| said.strip_prefix("--").and_then(|said| said.split_once('=')).map(|(_, value)| value));
                let value = match (attached, rest.split_first()) {
                    (Some(attached), _) if first.text().is_some() => Value::known(attached),
                    (Some(_), _) => first.clone(),
                    (None, Some((value, after))) => {
                        rest = after;
                        value.clone()
                    }
                    (None, None) => break,
                };
                match value.text() {
                    to if takes('C', "--chdir") => scope.cwd = to.and_then(|to| scope.path(&to)),
                    _ if last.starts_with('f') => self.find(credentials::argument(&value, scope, self.here)),
                    Some(name) if takes('u', "--unset") => self.assign(&name, scope, None),
                    None if takes('u', "--unset") => {
                        self.find(Verdict::unclear("Cannot tell in advance which variable env unsets."))
                    }
                    _ => {}
                }
                continue;
            }
            match said.as_str() {
                _ if takes('S', "--split-string") => {
                    let attached = last
                        .strip_prefix('S')
                        .or_else(|| said.split_once('=').map(|(_, text)| text))
                        .unwrap_or_default()
                        .to_owned();
                    let (text, rest) = match rest.split_first() {
                        Some((text, rest)) if attached.is_empty() => (text.text(), rest),
                        _ => (first.text().map(|_| attached), rest),
                    };
                    let Some(text) = text else {
                        return self.find(Verdict::unclear("Cannot tell in advance what env starts."));
                    };
                    let line =
                        std::iter::once(text).chain(rest.iter().map(Value::quoted)).collect::<Vec<_>>().join(" ");
                    // What env divides by itself is read like a shell's words.
                    return self.subshell(&format!("env {line}"), scope);
                }
                _ if said.starts_with('-') => {}
                _ if first.many || first.start().is_empty() && first.text().is_none() => {
                    return self.find(Verdict::unclear(format!(
                        "Cannot tell in advance what env sets or starts: env {}",
                        shown(arguments)
                    )));
                }
                _ => {
                    let command: Vec<Value> = std::iter::once(first.clone()).chain(rest.iter().cloned()).collect();
                    return self.program(command, scope, input, piped);
                }
            }
        }
        if rest.is_empty() {
            return self.find(Verdict::credential(
                "`env` shows all variables, credentials among them (one by its name: printenv NAME).",
            ));
        }
        self.program(rest.to_vec(), scope, input, piped);
    }

    /// `command`.
    pub(crate) fn command_builtin(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        if arguments.first().is_some_and(|first| first.is_one_of("-v -V")) {
            return;
        }
        self.nested(after_options(arguments, ""), scope, input, piped);
    }

    /// Builtins that set variables, or show them.
    pub(crate) fn builtin(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
        self.indices(arguments, scope);
        if program == "let" && arguments.iter().any(|argument| variables::names_guarded(&argument.shown())) {
            self.assign("CLOUDFLARE_API_BASE_URL", scope, None);
        }
        let names = after_options(arguments, "-d -n -N -p -t -u -i -a -O -C -c");
        let shows_all = match program {
            "set" => arguments.is_empty(),
            "export" | "declare" | "typeset" | "readonly" | "local" => {
                names.is_empty() && !arguments.iter().any(|argument| argument.is_one_of("-f -F"))
            }
            _ => false,
        };
        if shows_all {
            return self.find(Verdict::credential(format!("`{program}` shows all variables, credentials among them.")));
        }
        if has("set let", program)
            || program == "printf" && !arguments.iter().any(|argument| argument.shown().starts_with("-v"))
        {
            return;
        }
        let is_reference = arguments.iter().any(|argument| {
            argument.shown().starts_with('-') && !argument.shown().starts_with("--") && argument.shown().contains('n')
        });
        let shows = arguments.iter().any(|argument| argument.shown().starts_with("-p"))
            && has("declare typeset export readonly", program);
        for argument in arguments.iter().filter(|argument| !argument.shown().starts_with('-')).chain(names) {
            let start = argument.start();
            let name = start.split(['=', '+', '[', '?', ':']).next().unwrap_or_default();
            let is_whole = argument.text().is_some() || start.contains('=');
            if !is_whole {
                return self
                    .find(Verdict::unclear(format!("Cannot tell in advance which variable `{program}` changes.")));
            }
            if shows {
                if variables::is_secret(name) {
                    self.find(Verdict::credential(format!("This shows {name}.")));
                }
                continue;
            }
            let value = argument.text().and_then(|text| text.split_once('=').map(|(_, value)| value.to_owned()));
            // `export NAME` alone changes nothing.
            if !(value.is_none() && !start.contains('=') && has("export readonly", program)) {
                self.assign(name, scope, value.as_deref());
                scope.variables.insert(name.to_owned(), None);
                if let Some(value) =
                    value.filter(|_| has("export declare typeset local readonly", program) && !is_reference)
                {
                    scope.variables.insert(name.to_owned(), Some(value));
                }
            }
            if is_reference && has("declare typeset local", program) && variables::names_guarded(&argument.shown()) {
                self.assign("CLOUDFLARE_API_BASE_URL", scope, None);
            }
        }
    }

    /// `printenv`.
    pub(crate) fn printenv(&mut self, arguments: &[Value]) {
        let names: Vec<&Value> = arguments.iter().filter(|argument| !argument.shown().starts_with('-')).collect();
        let harmless = !names.is_empty()
            && names.iter().all(|name| {
                name.text().is_some_and(|name| !variables::is_secret(&name) && !self.here.key_variables.contains(&name))
            });
        if !harmless {
            self.find(Verdict::credential("This shows variables that hold credentials."));
        }
    }

    /// Text that becomes a command.
    pub(crate) fn evaluated(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
        match program {
            "alias" => {
                for argument in arguments {
                    match argument.text() {
                        Some(text) => {
                            if let Some((_, command)) = text.split_once('=') {
                                self.subshell(command, scope);
                            }
                        }
                        None => self.find(Verdict::unclear("Cannot tell in advance what this alias stands for.")),
                    }
                }
            }
            "trap" => {
                if let Some(action) = after_options(arguments, "").first() {
                    self.shell_text(action, "trap", scope);
                }
            }
            _ => {
                let words = if program == "watch" { after_options(arguments, "-n --interval") } else { arguments };
                let Some(line) = words.iter().map(Value::text).collect::<Option<Vec<String>>>() else {
                    return self.find(Verdict::unclear(format!(
                        "Cannot tell in advance what {program} runs: {program} {}",
                        shown(arguments)
                    )));
                };
                if program == "eval" {
                    self.text(&line.join(" "), scope)
                } else {
                    self.subshell(&line.join(" "), scope)
                }
            }
        }
    }

    /// A word that a shell will read as a command line.
    pub(crate) fn shell_text(&mut self, value: &Value, program: &str, scope: &mut Scope) {
        match value.text() {
            Some(text) => self.subshell(&text, scope),
            None => {
                self.find(Verdict::unclear(format!("Cannot tell in advance what {program} runs: {}", value.shown())))
            }
        }
    }
}
