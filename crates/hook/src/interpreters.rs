//! Programs that run code of other languages. The code is not parsed, only searched: what it does in other words is not seen.

use super::credentials;
use super::mentions;
use super::network;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::values::Value;
use super::verdict::Verdict;
use super::wrangler;

/// An interpreter, and which of its options take code.
struct Interpreter {
    name: &'static str,
    /// Letters of short options, which may stand together (`-lane CODE`) and next to their value (`-e'CODE'`).
    letters: &'static str,
    /// Letters whose value is the rest of the word, or else the next one: `-W ignore`.
    valued: &'static str,
    /// Letters whose value can only be the rest of the word: `-MPOSIX`, `-i.bak`.
    attached: &'static str,
    /// Whole words.
    words: &'static [&'static str],
}

const fn interpreter(
    name: &'static str,
    letters: &'static str,
    valued: &'static str,
    attached: &'static str,
    words: &'static [&'static str],
) -> Interpreter {
    Interpreter { name, letters, valued, attached, words }
}

const INTERPRETERS: [Interpreter; 16] = [
    interpreter("node", "ep", "rC", "", &["--eval", "--print"]),
    interpreter("nodejs", "ep", "rC", "", &["--eval", "--print"]),
    interpreter("tsx", "ep", "rC", "", &["--eval", "--print"]),
    interpreter("ts-node", "ep", "rPO", "", &["--eval", "--print"]),
    interpreter("bun", "ep", "r", "", &["--eval", "--print"]),
    interpreter("deno", "", "", "", &["eval"]),
    interpreter("python", "c", "WXQ", "m", &[]),
    interpreter("pypy", "c", "WX", "m", &[]),
    interpreter("ruby", "e", "rIC", "KxFEWT", &[]),
    interpreter("perl", "eE", "I", "MmiFxDC", &[]),
    interpreter("php", "rBRE", "dcztS", "f", &["--run", "--process-begin", "--process-code", "--process-end"]),
    interpreter("lua", "e", "l", "", &[]),
    interpreter("osascript", "e", "l", "", &[]),
    interpreter("pwsh", "", "", "", &["-c", "-Command"]),
    interpreter("elixir", "e", "rSpz", "", &["--eval", "--rpc-eval"]),
    interpreter("Rscript", "e", "", "", &[]),
];

/// Options with which an interpreter runs a file before anything else.
const PRELOADS: [&str; 6] = ["-r", "--require", "--import", "--loader", "--experimental-loader", "--preload"];

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

impl Interpreter {
    fn code_of(&self, option: &str) -> Code {
        if self.words.contains(&option) {
            return Code::Next;
        }
        if option.starts_with("--") {
            return if PRELOADS.contains(&option) { Code::Other } else { Code::None };
        }
        if let Some((_, text)) =
            option.split_once('=').filter(|(word, _)| word.starts_with("--") && self.words.contains(word))
        {
            return Code::Here(text.to_owned());
        }
        let Some(letters) = option.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else { return Code::None };
        for (at, letter) in letters.char_indices() {
            if self.letters.contains(letter) {
                let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
                // `-pe CODE` of node is `-p -e`.
                return if rest.is_empty() || rest.chars().all(|letter| self.letters.contains(letter)) {
                    Code::Next
                } else {
                    Code::Here(rest.to_owned())
                };
            }
            if self.valued.contains(letter) {
                return if at + letter.len_utf8() == letters.len() { Code::Other } else { Code::None };
            }
            if self.attached.contains(letter) {
                break;
            }
        }
        Code::None
    }
}

/// Programs whose arguments are code that can start others.
const WITH_CODE: [&str; 12] =
    ["awk", "gawk", "mawk", "sed", "gsed", "vim", "vi", "nvim", "ed", "expect", "sqlite3", "zx"];

impl Judge<'_> {
    /// Looks at the code of an interpreter; answers whether it is one.
    pub fn interpreter(&mut self, program: &str, arguments: &[Value], scope: &mut Scope, input: &Input) -> bool {
        if WITH_CODE.contains(&program) {
            for argument in arguments {
                self.find(network::code(&argument.shown(), network::CODE, scope, self.here));
            }
            if !["awk", "gawk", "mawk", "sed", "gsed"].contains(&program) {
                if let Input::Text(text) = input {
                    self.find(network::code(text, network::INPUT, scope, self.here));
                }
                self.opaque(scope);
            }
            return true;
        }
        let versioned = |name: &str| {
            program
                .strip_prefix(name)
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
        };
        let Some(known) = INTERPRETERS.iter().find(|known| versioned(&known.name.to_ascii_lowercase())) else {
            return false;
        };
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
                if PRELOADS.contains(&before.as_str()) {
                    self.script_file(argument, scope);
                }
                continue;
            }
            before.clone_from(&shown);
            match known.code_of(&shown) {
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
                self.find(Verdict::unclear("What this PowerShell command runs does not show before it runs."));
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
                        "{program} runs what another program writes: that does not show before it runs."
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
            return self.find(Verdict::unclear(format!("What {program} runs does not show before it runs.")));
        }
        self.find(network::code(&code.shown(), network::CODE, scope, self.here));
    }

    fn script_file(&mut self, file: &Value, scope: &Scope) {
        let shown = file.shown();
        let Some(path) = file.text().filter(|_| !file.glob).and_then(|text| scope.path(&text)) else { return };
        if self.written.contains(&path) {
            return self.find(Verdict::unclear(format!(
                "{shown} is written and run in one command: what it does does not show before it runs."
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
