//! Programs that run a text: shells, scripts, make. The text is looked at where it can be read.

use std::path::Path;

use super::credentials;
use super::mentions;
use super::network;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::surroundings::base_name;
use super::table::options::LAUNCHER;
use super::table::programs::{Launch, Rule};
use super::table::{self, has};
use super::values::Value;
use super::verdict::{Reason, Verdict};
use super::wrappers::{after_dashes, after_options};

impl Judge<'_> {
    /// A program that runs a text of somebody's; answers whether it is one.
    pub(crate) fn runs_script(
        &mut self,
        program: &str,
        name: &Value,
        arguments: &[Value],
        scope: &mut Scope,
        input: &Input,
        piped: bool,
    ) -> bool {
        match (table::programs::program(program).rule, program) {
            (Rule::Shell, _) => self.shell(program, arguments, scope, input),
            (Rule::Source, _) => self.source(arguments, scope),
            (Rule::Make, _) => self.make(arguments, scope, input),
            (Rule::Packages, _) => self.packages(program, arguments, scope, input, piped),
            (Rule::Launcher(launch), _) => self.launcher(launch, program, arguments, scope, input, piped),
            (_, "deno") if arguments.first().is_some_and(|first| first.is_one_of("task x")) => {
                self.packages("deno", arguments, scope, input, piped)
            }
            (_, "node")
                if arguments
                    .iter()
                    .any(|argument| argument.start() == "--run" || argument.start().starts_with("--run=")) =>
            {
                let at =
                    arguments.iter().position(|argument| argument.start().starts_with("--run")).unwrap_or_default();
                let attached = arguments
                    .get(at)
                    .and_then(Value::text)
                    .and_then(|text| text.strip_prefix("--run=").map(Value::known));
                let name = attached.or_else(|| arguments.get(at + 1).cloned()).unwrap_or_else(Value::unknown);
                self.package_script(
                    program,
                    &name,
                    &[],
                    after_dashes(arguments).unwrap_or_default(),
                    scope,
                    input,
                    piped,
                );
            }
            _ => {
                if self.tasks(program, arguments, scope, input, piped)
                    || self.interpreter(program, arguments, scope, input)
                {
                    return true;
                }
                let is_path = name.text().is_some_and(|text| text.contains('/'));
                return is_path && self.file(name, scope);
            }
        }
        true
    }

    fn shell(&mut self, program: &str, arguments: &[Value], scope: &mut Scope, input: &Input) {
        let mut rest = arguments;
        let mut takes_command = false;
        while let Some((first, after)) = rest.split_first() {
            let shown = first.shown();
            if first.text().is_none() && first.may_be_option() {
                return self.find(Verdict::unclear(format!("Cannot tell in advance what {program} runs.")));
            }
            if !shown.starts_with(['-', '+']) || shown == "-" {
                break;
            }
            rest = after;
            if shown == "--" {
                break;
            }
            let is_short = !shown.starts_with("--");
            takes_command |= is_short && shown.starts_with('-') && shown.contains('c');
            if has("--rcfile --init-file", &shown)
                && let Some(file) = rest.first()
                && !self.file(file, scope)
            {
                self.find(Verdict::unclear(format!(
                    "{program} runs {}, which cannot be read beforehand.",
                    file.shown()
                )));
            }
            if has("--rcfile --init-file", &shown) || is_short && shown.ends_with(['o', 'O']) && !takes_command {
                rest = rest.split_first().map_or(rest, |(_, after)| after);
            }
            if is_short && shown.contains('s') && !takes_command {
                return self.read_by_shell(program, input, scope);
            }
        }
        match rest.split_first() {
            Some((text, _)) if takes_command => self.shell_text(text, program, scope),
            Some((file, _)) if file.shown() != "-" => {
                self.find(credentials::argument(file, scope, self.here));
                if !self.file(file, scope) {
                    self.find(Verdict::unclear(format!(
                        "{program} runs {}, which is not there or cannot be read beforehand.",
                        file.shown()
                    )));
                }
            }
            _ => self.read_by_shell(program, input, scope),
        }
    }

    /// A shell that reads its commands.
    fn read_by_shell(&mut self, program: &str, input: &Input, scope: &mut Scope) {
        match input {
            Input::Inherited => {}
            Input::Text(text) => self.subshell(text, scope),
            Input::File(path) => match self.here.files.read(path) {
                Some(text) if !self.written.contains(path) => self.script(&text, scope),
                _ => self.find(Verdict::unclear(format!(
                    "{program} runs {}, which cannot be read beforehand.",
                    path.display()
                ))),
            },
            Input::Stream => self.find(Verdict::unclear(format!(
                "{program} runs the output of another program: cannot tell in advance what that is."
            ))),
        }
    }

    fn source(&mut self, arguments: &[Value], scope: &mut Scope) {
        let Some(file) = arguments.first() else { return };
        if credentials::argument(file, scope, self.here).is_refused() {
            // Said by the rule for all arguments.
            return;
        }
        // Made by the same command line as a rule, and by a program that writes nothing else there.
        if file.shown().ends_with("/bin/activate")
            && file
                .text()
                .and_then(|text| scope.path(&text))
                .is_some_and(|path| !self.written.contains(&path) && self.here.files.read(&path).is_none())
        {
            return self.opaque(scope);
        }
        let path = file.text().and_then(|text| scope.path(&text));
        let text =
            path.as_ref().filter(|path| !self.written.contains(path)).and_then(|path| self.here.files.read(path));
        match text {
            Some(text) => self.script(&text, scope),
            None => self.find(Verdict::unclear(format!("{} cannot be read beforehand.", file.shown()))),
        }
    }

    /// A file that is run by its path; answers whether it could be looked at.
    fn file(&mut self, file: &Value, scope: &mut Scope) -> bool {
        let Some(path) = file.text().and_then(|text| scope.path(&text)) else { return false };
        if self.written.contains(&path) {
            self.find(Verdict::unclear(format!(
                "{} is written and run in one command: cannot tell in advance what it does.",
                file.shown()
            )));
            return true;
        }
        if self.here.files.is_opaque(&path) {
            self.opaque(scope);
            return true;
        }
        let Some(text) = self.here.files.read(&path) else { return false };
        let interpreter = text.strip_prefix("#!").and_then(|rest| rest.lines().next()).unwrap_or_default();
        let word = interpreter
            .split_ascii_whitespace()
            .map(base_name)
            .find(|word| word != "env" && !word.starts_with('-'))
            .unwrap_or_default();
        if word.is_empty() && !is_shell_name(&path) && !interpreter.is_empty() || !word.is_empty() && !is_shell(&word) {
            self.find(network::code(&text, network::SCRIPT, scope, self.here));
        } else {
            self.script(&text, scope);
        }
        self.opaque(scope);
        true
    }

    /// A shell script of the project. What is not understood in one counts only when it speaks of Cloudflare: it was
    /// not written to get around a hook.
    pub(crate) fn script(&mut self, text: &str, scope: &mut Scope) {
        let mut inner = self.below();
        inner.text(text, &mut scope.clone());
        let speaks = mentions::host(text).is_some() || mentions::wrangler(text) || mentions::client(text).is_some();
        match inner.verdict {
            Verdict::Refused(refusal) if refusal.reason == Reason::Unclear && !speaks => self.opaque(scope),
            verdict => self.find(verdict),
        }
        for name in inner_names(text) {
            scope.variables.insert(name, None);
        }
    }

    /// Programs that prepare an environment and start another program.
    fn launcher(
        &mut self,
        launch: Launch,
        program: &str,
        arguments: &[Value],
        scope: &mut Scope,
        input: &Input,
        piped: bool,
    ) {
        let verb = arguments.first().map(Value::shown).unwrap_or_default();
        let after_verb = arguments.get(1..).unwrap_or_default();
        let command = match (launch, verb.as_str()) {
            (Launch::Run, "run") => after_options(after_verb, LAUNCHER),
            (Launch::Exec, "exec" | "x") => after_dashes(after_verb).unwrap_or(after_verb),
            (Launch::Folder, "exec") => after_verb.get(1..).unwrap_or_default(),
            (Launch::FileOfSecrets, _) => {
                return self
                    .find(Verdict::credential(format!("`{program}` gives a command the credentials of a file.")));
            }
            (Launch::Nix, _) => after_dashes(arguments)
                .or_else(|| {
                    let at = arguments.iter().position(|argument| has("-c --command", &argument.shown()))?;
                    arguments.get(at + 1..)
                })
                .unwrap_or_default(),
            (Launch::Run | Launch::Exec | Launch::Folder, _) => &[],
        };
        if launch == Launch::Nix {
            // What comes before may name a program: `nix run nixpkgs#wrangler`.
            self.other(program, arguments, input, scope);
        }
        if command.is_empty() {
            return self.other(program, arguments, input, scope);
        }
        self.nested(command, scope, input, piped);
    }
}

fn is_shell(name: &str) -> bool {
    table::programs::program(name).rule == Rule::Shell
}

fn is_shell_name(path: &Path) -> bool {
    path.extension().is_none_or(|extension| is_shell(&extension.to_string_lossy()))
}

/// Names that a text assigns to.
fn inner_names(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim_start().trim_start_matches("export ").split_once('='))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect()
}
