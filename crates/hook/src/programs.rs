//! What a program would do, by its name and arguments.

use super::credentials;
use super::guards;
use super::mentions;
use super::network;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::surroundings::base_name;
use super::table::programs::{Fact, Rule};
use super::table::{self, has, variables};
use super::values::{Part, Value};
use super::verdict::Verdict;
use super::wrangler;
use super::wrappers::{after_options, clears, inner};

impl Judge<'_> {
    /// A program with its arguments.
    pub(crate) fn program(&mut self, words: Vec<Value>, scope: &mut Scope, input: &Input, piped: bool) {
        let Some((name, arguments)) = words.split_first().filter(|_| !self.is_too_much(words.len())) else { return };
        let Some(program) = program_name(name) else {
            let what = match words.iter().find_map(|word| mentions::of_command(&word.shown())) {
                Some(mentioned) => format!(
                    "Cannot tell in advance which program this starts, and it mentions {mentioned}: {}",
                    shown(&words)
                ),
                None => format!("Cannot tell in advance which program this starts: {}", shown(&words)),
            };
            return self.find(Verdict::unclear(what));
        };
        // A command line in one word is one to those who read it again: `yarn exec 'wrangler deploy'`.
        if program.contains(char::is_whitespace)
            && words.first().is_some_and(|name| mentions::of_command(&name.shown()).is_some())
        {
            return self.find(Verdict::unclear(format!(
                "This starts a program whose name is a command line: {}",
                shown(&words)
            )));
        }
        if self.function(&program, scope) {
            return self.arguments(&program, arguments, scope, piped);
        }
        let known = table::programs::program(&program);
        let has_word = |word: &str| arguments.iter().any(|argument| argument.shown() == word);
        if known.words_for_secrets().any(|words| words.split(' ').all(has_word)) {
            self.find(Verdict::credential(format!("`{}` hands out secrets.", shown(&words))));
        }
        scope.cleared |= clears(&program, arguments);
        if let Some(command) = inner(&program, arguments) {
            if program == "exec" && command.is_empty() {
                return;
            }
            return self.nested(command, scope, input, piped);
        }
        match known.rule {
            Rule::Wrangler => self.find(wrangler::judge(arguments, scope, self.here)),
            Rule::Dryrun => self.dryrun(arguments, scope, input, piped),
            Rule::Env => return self.env(arguments, scope, input, piped),
            Rule::Command => return self.command_builtin(arguments, scope, input, piped),
            Rule::Arguments => return self.xargs(&program, arguments, scope),
            Rule::Find => return self.find_files(arguments, scope, piped),
            Rule::Folder => {
                let to = after_options(arguments, "")
                    .first()
                    .map_or_else(|| self.here.home.as_ref().map(|home| home.display().to_string()), Value::text);
                scope.cwd = to.filter(|to| to != "-").and_then(|to| scope.path(&to));
                return;
            }
            Rule::Variables => self.builtin(&program, arguments, scope),
            Rule::Test => self.indices(arguments, scope),
            Rule::Printenv => self.printenv(arguments),
            Rule::CommandOption => {
                let text = arguments
                    .iter()
                    .position(|argument| argument.is_one_of("-c --command --run"))
                    .and_then(|at| arguments.get(at + 1));
                if let Some(text) = text {
                    self.shell_text(text, &program, scope);
                }
                self.other(&program, arguments, input, scope);
            }
            Rule::Terminal => {
                for argument in arguments.iter().filter(|argument| argument.shown().contains(char::is_whitespace)) {
                    self.shell_text(argument, &program, scope);
                }
                self.other(&program, arguments, input, scope);
            }
            Rule::Later if !arguments.iter().any(|argument| argument.shown() == "-l") => {
                self.find(Verdict::unclear(format!("`{program}` runs something later, when nobody looks at it.")));
            }
            Rule::Renames if arguments.iter().any(|argument| argument.is_one_of("-p -f")) => {
                self.find(Verdict::unclear(format!("With `{program}` a name would stand for another program.")));
            }
            Rule::Processes => {
                // Of the options without a dash, `e` shows the variables of each process.
                if shows_variables_of_processes(arguments) {
                    self.find(Verdict::credential(
                        "This shows the variables of all processes, credentials among them.",
                    ));
                }
            }
            Rule::Keychain
                if arguments
                    .first()
                    .is_some_and(|first| first.shown().starts_with("find-") || first.shown().starts_with("dump-")) =>
            {
                self.find(Verdict::credential("`security` hands out secrets."));
            }
            Rule::FindByName => {
                if let Some(at) = arguments.iter().position(|argument| argument.is_one_of("-x -X --exec --exec-batch"))
                {
                    let mut command: Vec<Value> = arguments
                        .iter()
                        .skip(at + 1)
                        .map(|word| if word.shown().contains('{') { Value::unknown() } else { word.clone() })
                        .collect();
                    // Without a place for it, what was found comes last.
                    if !arguments.iter().skip(at + 1).any(|word| word.shown().contains('{')) {
                        command.push(Value { many: false, ..Value::unknown() });
                    }
                    self.program(command, &mut scope.clone(), &Input::Inherited, false);
                }
            }
            Rule::Git => self.git(arguments, scope),
            Rule::Template => {
                let line = arguments.iter().map(Value::shown).collect::<Vec<_>>().join(" ");
                let asks = line.split([' ', '|', '(']).any(|word| word == "env") || network::shows_all_variables(&line);
                if asks
                    || (program == "envsubst" || line.to_lowercase().contains("env"))
                        && variables::names_secret(&line).is_some()
                {
                    self.find(Verdict::credential("This shows variables that hold credentials."));
                }
            }
            Rule::Evaluates => self.evaluated(&program, arguments, scope),
            Rule::Client => {
                self.find(network::client(&program, arguments, input, scope, self.here));
                return self.files_of(&program, arguments, scope, piped);
            }
            Rule::S3 => self.find(network::s3(&program, arguments, scope, self.here)),
            Rule::Infrastructure => self.infrastructure(&program, arguments),
            Rule::Ci => self.github(arguments),
            Rule::Plain
            | Rule::Secrets
            | Rule::Later
            | Rule::Renames
            | Rule::Keychain
            | Rule::Shell
            | Rule::Source
            | Rule::Make
            | Rule::Packages
            | Rule::Launcher(_)
            | Rule::Tasks(_)
            | Rule::TaskFile(_)
            | Rule::Code
            | Rule::TextCode
            | Rule::Wrapper { .. } => {
                if known.rule == Rule::Secrets || self.here.managers.contains(&program) {
                    self.find(Verdict::credential(format!("`{program}` hands out secrets.")));
                } else if !self.runs_script(&program, name, arguments, scope, input, piped) {
                    self.other(&program, arguments, input, scope);
                }
            }
        }
        self.arguments(&program, arguments, scope, piped);
    }

    /// A command within a command.
    pub(crate) fn nested(&mut self, command: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
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
    pub(crate) fn arguments(&mut self, program: &str, arguments: &[Value], scope: &Scope, piped: bool) {
        if arguments.iter().any(|argument| argument.secret)
            && !table::programs::program(program).is(Fact::TakesCredentials)
        {
            self.find(Verdict::credential(format!("`{program}` would show or pass on the value of a credential.")));
        }
        self.files_of(program, arguments, scope, piped);
    }

    fn files_of(&mut self, program: &str, arguments: &[Value], scope: &Scope, piped: bool) {
        let known = table::programs::program(program);
        let verb = arguments.first().map(Value::shown).unwrap_or_default();
        let names_only = known.is(Fact::NamesOnly) && !piped
            || program == "git" && has("check-ignore status rm ls-files commit log", &verb);
        let writes = known.is(Fact::Writes);
        let pattern = if known.is(Fact::PatternFirst)
            && !arguments.iter().any(|argument| {
                ["-e", "-f", "--regexp", "--file"].iter().any(|option| argument.start().starts_with(option))
            }) {
            arguments.iter().position(|argument| !argument.start().starts_with('-'))
        } else {
            None
        };
        for (index, argument) in arguments.iter().enumerate() {
            if !names_only && Some(index) != pattern {
                self.find(credentials::argument(argument, scope, self.here));
            }
            if writes {
                self.written.extend(argument.text().and_then(|text| scope.path(&text)));
            }
        }
        self.find(guards::changed(program, arguments, scope));
        if known.is(Fact::Searches) {
            self.search(program, arguments);
        }
    }

    /// A program that nothing is known of.
    pub(crate) fn other(&mut self, program: &str, arguments: &[Value], input: &Input, scope: &mut Scope) {
        let known = table::programs::program(program);
        if !known.is(Fact::Textual) && !known.is(Fact::Alone) {
            // What it reads may be its program: `tclsh <<< …`, `hurl <<< …`.
            if let Input::Text(text) = input {
                self.find(network::code(text, network::INPUT, scope, self.here));
            }
            let runs_wrangler = |argument: &Value| {
                let text = argument.shown();
                let name = base_name(&text);
                name == "wrangler"
                    || name.starts_with("wrangler@")
                    || name == "wrangler.js"
                    || name.ends_with("#wrangler")
                    || text.contains(char::is_whitespace) && mentions::wrangler(&text)
            };
            if arguments.iter().any(runs_wrangler) {
                self.find(Verdict::unclear(format!(
                    "`{program}` mentions wrangler in a way that is not understood: {program} {}",
                    shown(arguments)
                )));
            } else if let Some(host) = arguments.iter().find_map(|argument| mentions::host(&argument.shown())) {
                self.find(network::past(host));
            }
        }
        if !known.is(Fact::Alone) {
            self.opaque(scope);
        }
    }

    /// A program whose doings nobody sees: in a run it may write through the gateway, so that must stand.
    pub(crate) fn opaque(&mut self, scope: &Scope) {
        if self.here.is_in_run() && !scope.within_exec {
            self.find(Verdict::Gateway);
        }
    }
}

/// The name of a program; `None` when it does not show.
pub(crate) fn program_name(word: &Value) -> Option<String> {
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

/// Whether `ps` shows variables: `-E`, or an `e` in a word of options without a dash. The values of other options are
/// no such words.
fn shows_variables_of_processes(arguments: &[Value]) -> bool {
    let mut is_value = false;
    arguments.iter().map(Value::shown).any(|shown| {
        if std::mem::take(&mut is_value) {
            return false;
        }
        if shown.starts_with("--") {
            return false;
        }
        if let Some(letters) = shown.strip_prefix('-') {
            is_value = letters.ends_with(|letter| "poOuUCtgGsNkq".contains(letter));
            return letters.contains('E');
        }
        shown.contains('e') && shown.bytes().all(|byte| byte.is_ascii_alphabetic())
    })
}

/// `NAME=value` as an argument.
pub(crate) fn assignment(word: &Value) -> Option<(&str, Option<String>)> {
    let (name, _) = word.start().split_once('=')?;
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    is_name.then(|| (name, word.text().and_then(|text| text.split_once('=').map(|(_, value)| value.to_owned()))))
}

/// A word in which a mark is replaced by something that is not known.
pub(crate) fn replaced(word: &Value, mark: &str) -> Value {
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

/// A command line for people.
pub(crate) fn shown(words: &[Value]) -> String {
    let line = words.iter().map(Value::shown).collect::<Vec<_>>().join(" ");
    if line.chars().count() > 160 { format!("{}…", line.chars().take(160).collect::<String>()) } else { line }
}
