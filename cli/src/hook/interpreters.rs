//! Programs that run code of other languages. The code is not parsed, only searched: what it does in other words is not seen.

use super::credentials;
use super::network;
use super::shell::{Input, Judge, Scope};
use super::values::Value;
use super::verdict::Verdict;
use super::wrangler;

/// An interpreter: its names begin so, and these options take code.
const INTERPRETERS: [(&str, &[&str]); 14] = [
    ("node", &["-e", "--eval", "-p", "--print", "-pe"]),
    ("nodejs", &["-e", "--eval", "-p", "--print", "-pe"]),
    ("tsx", &["-e", "--eval", "-p", "--print"]),
    ("ts-node", &["-e", "--eval", "-p", "--print"]),
    ("deno", &["eval"]),
    ("python", &["-c"]),
    ("pypy", &["-c"]),
    ("ruby", &["-e"]),
    ("perl", &["-e", "-E", "-ne", "-pe", "-lne", "-i -pe"]),
    ("php", &["-r"]),
    ("lua", &["-e"]),
    ("osascript", &["-e"]),
    ("pwsh", &["-c", "-Command", "-EncodedCommand"]),
    ("elixir", &["-e"]),
];

/// Programs whose arguments are code that can start others.
const WITH_CODE: [&str; 12] = ["awk", "gawk", "mawk", "sed", "gsed", "vim", "vi", "nvim", "ed", "expect", "sqlite3", "zx"];

impl Judge<'_> {
    /// Looks at the code of an interpreter; answers whether it is one.
    pub fn interpreter(&mut self, program: &str, arguments: &[Value], scope: &mut Scope, input: &Input) -> bool {
        if WITH_CODE.contains(&program) {
            for argument in arguments {
                self.find(network::code(&argument.shown(), network::CODE, scope, self.here));
            }
            if !["awk", "gawk", "mawk", "sed", "gsed"].contains(&program) {
                self.opaque(scope);
            }
            return true;
        }
        let versioned = |name: &str| program.strip_prefix(name).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
        let Some((name, options)) = INTERPRETERS.iter().find(|(name, _)| versioned(name)) else { return false };
        self.opaque(scope);
        // Whatever options come before it: wrangler's own file is wrangler.
        if let Some(at) = arguments.iter().position(|argument| is_wranglers(&argument.shown())) {
            return self.wrangler_file(arguments.get(at + 1..).unwrap_or_default(), scope);
        }
        let mut is_code = false;
        let mut script = None;
        for (index, argument) in arguments.iter().enumerate() {
            let shown = argument.shown();
            if is_code {
                self.code(argument, program, scope);
                return true;
            }
            is_code = options.contains(&shown.as_str());
            if let Some(text) = options.iter().filter(|option| option.starts_with("--")).find_map(|option| shown.strip_prefix(&format!("{option}="))) {
                self.code(&Value::known(text), program, scope);
                return true;
            }
            if *name == "pwsh" && shown.to_lowercase().starts_with("-e") {
                self.find(Verdict::unclear("What this PowerShell command runs does not show before it runs."));
                return true;
            }
            if ["-r", "--require", "--import", "--loader", "-m", "run", "-u", "-W", "-X", "-I", "--env-file"].contains(&shown.as_str())
                || shown.starts_with('-') && shown != "-"
                || is_code
            {
                if shown == "-m" || shown.starts_with("--env-file") {
                    self.find(argument_after(arguments, index).map_or(Verdict::Harmless, |next| credentials::argument(next, scope, self.here)));
                }
                continue;
            }
            script = Some((index, argument));
            break;
        }
        match script {
            Some((_, file)) if file.shown() != "-" => self.script_file(file, scope),
            _ => match input {
                Input::Text(text) => self.code(&Value::known(text.clone()), program, scope),
                Input::Stream if !arguments.iter().any(|argument| argument.shown() == "-m") => {
                    self.find(Verdict::unclear(format!("{program} runs what another program writes: that does not show before it runs.")));
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
            return self.find(Verdict::unclear(format!("{shown} is written and run in one command: what it does does not show before it runs.")));
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
    module == Some("wrangler") || text.ends_with("wrangler.js") || text.ends_with("/.bin/wrangler") || text.contains("/wrangler/") && text.ends_with("js")
}

fn argument_after(arguments: &[Value], index: usize) -> Option<&Value> {
    arguments.get(index + 1)
}
