//! Programs that run code of other languages. The code is not parsed, only searched: what it does in other words is not
//! seen.

use super::credentials;
use super::mentions;
use super::network;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::table::interpreters::{Interpreter, PRELOADS, interpreter};
use super::table::programs::Rule;
use super::table::{self, has};
use super::values::Value;
use super::verdict::Verdict;
use super::wrangler;

/// Where the code of an option is.
enum Code {
    /// It takes none.
    None,
    /// The next word.
    Next,
    /// Here.
    Here(String),
    /// None, but the next word is its value.
    Other,
}

impl Code {
    /// The code that an option of an interpreter takes.
    fn of(known: &Interpreter, option: &str) -> Self {
        if has(known.words, option) {
            return Code::Next;
        }
        if option.starts_with("--") {
            return if has(PRELOADS, option) { Code::Other } else { Code::None };
        }
        if let Some((_, text)) =
            option.split_once('=').filter(|(word, _)| word.starts_with("--") && has(known.words, word))
        {
            return Code::Here(text.to_owned());
        }
        let Some(letters) = option.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else { return Code::None };
        for (at, letter) in letters.char_indices() {
            if known.letters.contains(letter) {
                let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
                // `-pe CODE` of node is `-p -e`.
                return if rest.is_empty() || rest.chars().all(|letter| known.letters.contains(letter)) {
                    Code::Next
                } else {
                    Code::Here(rest.to_owned())
                };
            }
            if known.valued.contains(letter) {
                return if at + letter.len_utf8() == letters.len() { Code::Other } else { Code::None };
            }
            if known.attached.contains(letter) {
                break;
            }
        }
        Code::None
    }
}

impl Judge<'_> {
    /// Looks at the code of an interpreter; answers whether it is one.
    pub(crate) fn interpreter(&mut self, program: &str, arguments: &[Value], scope: &mut Scope, input: &Input) -> bool {
        let rule = table::programs::program(program).rule;
        if matches!(rule, Rule::Code | Rule::TextCode) {
            for argument in arguments {
                self.find(network::code(&argument.shown(), network::CODE, scope, self.here));
            }
            if rule == Rule::Code {
                if let Input::Text(text) = input {
                    self.find(network::code(text, network::INPUT, scope, self.here));
                }
                self.opaque(scope);
            }
            return true;
        }
        let Some(known) = interpreter(program) else { return false };
        self.opaque(scope);
        if let Some(host) = arguments.iter().find_map(|argument| mentions::host(&argument.shown())) {
            self.find(network::past(host));
        }
        // Whatever options come before it: wrangler's own file is wrangler.
        if let Some(at) = arguments.iter().position(|argument| is_wranglers(&argument.shown())) {
            return self.wrangler_file(arguments.get(at + 1..).unwrap_or_default(), scope);
        }
        let (mut is_code, mut is_value, mut before) = (false, false, String::new());
        let mut had_code = false;
        let mut script = None;
        for (index, argument) in arguments.iter().enumerate() {
            let shown = argument.shown();
            if std::mem::take(&mut is_code) {
                self.code(argument, program, scope);
                continue;
            }
            if std::mem::take(&mut is_value) {
                if has(PRELOADS, &before) {
                    self.script_file(argument, scope);
                }
                continue;
            }
            before.clone_from(&shown);
            match Code::of(known, &shown) {
                Code::None => {}
                Code::Other => {
                    is_value = true;
                    continue;
                }
                Code::Next => {
                    (is_code, had_code) = (true, true);
                    continue;
                }
                Code::Here(text) => {
                    had_code = true;
                    self.code(&Value::known(text), program, scope);
                    continue;
                }
            }
            if known.name == "pwsh" && shown.to_lowercase().starts_with("-e") {
                self.find(Verdict::unclear("Cannot tell in advance what this PowerShell command runs."));
                return true;
            }
            if shown.starts_with('-') && shown != "-" || shown == "run" {
                if shown == "-m" || shown.starts_with("--env-file") {
                    self.find(
                        argument_after(arguments, index)
                            .map_or(Verdict::Harmless, |next| credentials::argument(next, scope, self.here)),
                    );
                }
                continue;
            }
            if had_code {
                break;
            }
            script = Some(argument);
            break;
        }
        if had_code {
            return true;
        }
        match script {
            Some(file) if file.shown() != "-" => self.script_file(file, scope),
            _ => match input {
                Input::Text(text) => self.code(&Value::known(text.clone()), program, scope),
                Input::Stream if !arguments.iter().any(|argument| argument.shown() == "-m") => {
                    self.find(Verdict::unclear(format!(
                        "{program} runs the output of another program: cannot tell in advance what that is."
                    )));
                }
                Input::File(path) => {
                    if let Some(text) = self.here.files.read(path) {
                        self.code(&Value::known(text), program, scope);
                    }
                }
                _ => {}
            },
        }
        true
    }

    fn wrangler_file(&mut self, rest: &[Value], scope: &Scope) -> bool {
        self.find(wrangler::judge(rest, scope, self.here));
        true
    }

    fn code(&mut self, code: &Value, program: &str, scope: &Scope) {
        if code.shown() == "…" {
            return self.find(Verdict::unclear(format!("Cannot tell in advance what {program} runs.")));
        }
        self.find(network::code(&code.shown(), network::CODE, scope, self.here));
    }

    fn script_file(&mut self, file: &Value, scope: &Scope) {
        let shown = file.shown();
        let Some(path) = file.text().filter(|_| !file.glob).and_then(|text| scope.path(&text)) else { return };
        if self.written.contains(&path) {
            return self.find(Verdict::unclear(format!(
                "{shown} is written and run in one command: cannot tell in advance what it does."
            )));
        }
        if let Some(text) = self.here.files.read(&path) {
            self.find(network::code(&text, network::SCRIPT, scope, self.here));
        }
    }
}

/// A file or module of wrangler's.
fn is_wranglers(text: &str) -> bool {
    let text = text.to_lowercase();
    let module = text.strip_prefix("npm:").map(|module| module.split('@').next().unwrap_or_default());
    module == Some("wrangler")
        || text.ends_with("wrangler.js")
        || text.ends_with("/.bin/wrangler")
        || text.contains("/wrangler/") && text.ends_with("js")
}

fn argument_after(arguments: &[Value], index: usize) -> Option<&Value> {
    arguments.get(index + 1)
}
