//! Programs that run a text: shells, scripts, make. The text is looked at where it can be read.

use std::path::Path;

use super::credentials;
use super::mentions;
use super::network;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::surroundings::base_name;
use super::values::Value;
use super::verdict::{Reason, Verdict};
use super::wrappers::{after_dashes, after_options};

/// Shells.
const SHELLS: [&str; 9] = ["sh", "bash", "zsh", "dash", "ksh", "ash", "mksh", "fish", "rbash"];

impl Judge<'_> {
    /// A program that runs a text of somebody's; answers whether it is one.
    pub fn runs_script(
        &mut self,
        program: &str,
        name: &Value,
        arguments: &[Value],
        scope: &mut Scope,
        input: &Input,
        piped: bool,
    ) -> bool {
        match program {
            _ if SHELLS.contains(&program) => self.shell(program, arguments, scope, input),
            "source" | "." => self.source(arguments, scope),
            "make" | "gmake" => self.make(arguments, scope, input),
            "npm" | "pnpm" | "yarn" | "bun" | "npx" | "bunx" | "pnpx" | "corepack" => {
                self.packages(program, arguments, scope, input, piped)
            }
            "poetry" | "pipenv" | "uv" | "pdm" | "rye" | "hatch" | "mise" | "asdf" | "rtx" | "volta" | "fnm"
            | "nvm" | "direnv" | "dotenv" | "dotenvx" | "nix" | "devbox" | "flox" => {
                self.launcher(program, arguments, scope, input, piped);
            }
            "deno" if arguments.first().is_some_and(|first| ["task", "x"].contains(&first.shown().as_str())) => {
                self.packages("deno", arguments, scope, input, piped)
            }
            "node"
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
                return self.find(Verdict::unclear(format!("What {program} runs does not show before it runs.")));
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
            if ["--rcfile", "--init-file"].contains(&shown.as_str())
                && let Some(file) = rest.first()
                && !self.file(file, scope)
            {
                self.find(Verdict::unclear(format!(
                    "{program} runs {}, which cannot be read beforehand.",
                    file.shown()
                )));
            }
            if ["--rcfile", "--init-file"].contains(&shown.as_str())
                || is_short && shown.ends_with(['o', 'O']) && !takes_command
            {
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
                "{program} runs what another program writes: that does not show before it runs."
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
                "{} is written and run in one command: what it does does not show before it runs.",
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
        if word.is_empty() && !is_shell_name(&path) && !interpreter.is_empty()
            || !word.is_empty() && !SHELLS.contains(&word.as_str())
        {
            self.find(network::code(&text, network::SCRIPT, scope, self.here));
        } else {
            self.script(&text, scope);
        }
        self.opaque(scope);
        true
    }

    /// A shell script of the project. What is not understood in one counts only when it speaks of Cloudflare: it was not written to get around a hook.
    pub fn script(&mut self, text: &str, scope: &mut Scope) {
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

    /// The recipes of the targets that are asked for.
    fn make(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input) {
        let shown: Vec<String> = arguments.iter().map(Value::shown).collect();
        // `-f FILE`, `-fFILE`, `--file=FILE`, `--file FILE`.
        let value_of = |names: [&str; 2]| {
            shown.iter().enumerate().find_map(|(at, text)| {
                let next = names.contains(&text.as_str()).then(|| shown.get(at + 1).cloned()).flatten();
                next.or_else(|| {
                    names
                        .iter()
                        .find_map(|name| {
                            text.strip_prefix(
                                if name.starts_with("--") { format!("{name}=") } else { (*name).to_owned() }.as_str(),
                            )
                        })
                        .map(str::to_owned)
                })
            })
        };
        if shown.iter().any(|text| text.starts_with("--eval") || text == "-E") {
            return self.find(Verdict::unclear("make takes rules from its command line here."));
        }
        let mut inside = scope.clone();
        if let Some(folder) = value_of(["-C", "--directory"]) {
            inside.cwd = scope.path(&folder);
        }
        for text in &shown {
            if let Some((name, value)) = text.split_once('=') {
                if ["SHELL", ".SHELLFLAGS", "MAKEFILES", "MAKEFLAGS"].contains(&name) {
                    self.find(Verdict::unclear(format!(
                        "With {name} make would run something else than what is written down."
                    )));
                }
                self.assign(name, &mut inside, Some(value));
            }
        }
        let names = value_of(["-f", "--file"]).map_or_else(
            || vec!["GNUmakefile".to_owned(), "makefile".to_owned(), "Makefile".to_owned()],
            |name| vec![name],
        );
        let text = names.iter().filter_map(|name| inside.path(name)).find_map(|path| self.here.files.read(&path));
        let targets: Vec<String> = after_options(arguments, &["-C", "-f", "-j", "-I", "-o", "-W"])
            .iter()
            .map(Value::shown)
            .filter(|text| !text.contains('=') && !text.starts_with('-'))
            .collect();
        let text = match (text, value_of(["-f", "--file"]), input) {
            (None, Some(name), Input::Text(text)) if ["-", "/dev/stdin"].contains(&name.as_str()) => Some(text.clone()),
            (None, Some(name), _) => {
                return self.find(Verdict::unclear(format!("make reads {name}, which cannot be read beforehand.")));
            }
            (text, ..) => text,
        };
        if let Some(text) = text {
            let text = self.with_included(text, &inside, 0);
            for line in recipes(&text, &targets) {
                self.script(&line, &mut inside);
            }
        }
        self.opaque(scope);
    }

    /// A Makefile with those that it includes, as far as their names are plain.
    fn with_included(&self, text: String, scope: &Scope, depth: usize) -> String {
        let names = text.lines().filter_map(|line| {
            ["include ", "-include ", "sinclude "]
                .iter()
                .find_map(|word| line.trim_start_matches(' ').strip_prefix(word))
        });
        let files = names
            .flat_map(str::split_ascii_whitespace)
            .filter_map(|name| scope.path(name))
            .filter_map(|path| self.here.files.read(&path));
        let included: Vec<String> =
            files.filter(|_| depth < 4).map(|text| self.with_included(text, scope, depth + 1)).collect();
        std::iter::once(text.as_str()).chain(included.iter().map(String::as_str)).collect::<Vec<_>>().join("\n")
    }

    /// Programs that prepare an environment and start another program.
    fn launcher(&mut self, program: &str, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        let verb = arguments.first().map(Value::shown).unwrap_or_default();
        let after_verb = arguments.get(1..).unwrap_or_default();
        let command = match (program, verb.as_str()) {
            ("poetry" | "pipenv" | "uv" | "pdm" | "rye" | "hatch" | "volta" | "devbox", "run") => after_options(
                after_verb,
                &[
                    "--with",
                    "--python",
                    "-p",
                    "--env-file",
                    "--extra",
                    "--group",
                    "--project",
                    "--directory",
                    "--node",
                    "--npm",
                ],
            ),
            ("mise" | "rtx" | "asdf" | "fnm" | "nvm", "exec" | "x") => after_dashes(after_verb).unwrap_or(after_verb),
            ("direnv", "exec") => after_verb.get(1..).unwrap_or_default(),
            ("dotenv" | "dotenvx", _) => {
                return self
                    .find(Verdict::credential(format!("`{program}` gives a command the credentials of a file.")));
            }
            ("nix" | "flox", _) => after_dashes(arguments)
                .or_else(|| {
                    let at = arguments
                        .iter()
                        .position(|argument| ["-c", "--command"].contains(&argument.shown().as_str()))?;
                    arguments.get(at + 1..)
                })
                .unwrap_or_default(),
            _ => &[],
        };
        if ["nix", "flox"].contains(&program) {
            // What comes before may name a program: `nix run nixpkgs#wrangler`.
            self.other(program, arguments, input, scope);
        }
        if command.is_empty() {
            return self.other(program, arguments, input, scope);
        }
        self.nested(command, scope, input, piped);
    }
}

fn is_shell_name(path: &Path) -> bool {
    path.extension().is_none_or(|extension| SHELLS.iter().any(|shell| extension == *shell))
}

/// Names that a text assigns to.
fn inner_names(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim_start().trim_start_matches("export ").split_once('='))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect()
}

/// The commands of targets and of what they need; of the first target when none is named. Variables are put in where the file says what they are.
fn recipes(text: &str, targets: &[String]) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut rules: Vec<(Vec<String>, Vec<String>, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix('\t') {
            if let Some((_, _, commands)) = rules.last_mut() {
                commands.push(command.trim_start_matches(['@', '-', '+', ' ']).to_owned());
            }
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        if let Some((name, value)) = line.split_once('=') {
            let name = name.trim_end_matches([':', '?', '+', ' ', '!']).trim();
            if !name.is_empty() && !name.contains([' ', ':']) {
                variables.push((name.to_owned(), value.trim().to_owned()));
                continue;
            }
        }
        if let Some((names, needs)) = line.split_once(':') {
            let (needs, command) =
                needs.split_once(';').map_or((needs, None), |(needs, command)| (needs, Some(command)));
            let words = |text: &str| {
                text.split_ascii_whitespace().map(|word| word.trim_start_matches(':').to_owned()).collect::<Vec<_>>()
            };
            rules.push((words(names), words(needs), command.map(str::to_owned).into_iter().collect()));
        }
    }
    let put_in = |command: &str| {
        let mut command = command.to_owned();
        for _ in 0..4 {
            for (name, value) in &variables {
                command = command.replace(&format!("$({name})"), value).replace(&format!("${{{name}}}"), value);
            }
        }
        command.replace("$@", "target").replace("$<", "source").replace("$$", "$")
    };
    let first = rules.iter().flat_map(|(names, ..)| names).find(|name| !name.starts_with('.')).cloned();
    let mut wanted: Vec<String> = if targets.is_empty() { first.into_iter().collect() } else { targets.to_vec() };
    let mut seen = 0;
    let mut commands = Vec::new();
    while let Some(target) = wanted.get(seen).cloned() {
        seen += 1;
        for (_, needs, recipe) in
            rules.iter().filter(|(names, ..)| names.contains(&target) || names.iter().any(|name| name.contains('%')))
        {
            commands.extend(recipe.iter().map(|command| put_in(command)));
            for need in needs {
                if !wanted.contains(need) {
                    wanted.push(need.clone());
                }
            }
        }
    }
    commands
}
