//! Programs that find things, and start others with what they found.

use super::credentials;
use super::guards;
use super::programs::replaced;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::table::options::ARGUMENTS;
use super::table::{has, variables};
use super::values::Value;
use super::verdict::Verdict;
use super::wrappers::after_options;

impl Judge<'_> {
    /// A search through everything would show the credentials that it looks for.
    pub(crate) fn search(&mut self, program: &str, arguments: &[Value]) {
        let options: String =
            arguments.iter().map(Value::shown).filter(|text| text.starts_with('-')).collect::<Vec<_>>().join(" ");
        let short =
            |letters: &[char]| options.split(' ').any(|option| !option.starts_with("--") && option.contains(letters));
        let names_only = short(&['l', 'L', 'c', 'q'])
            || ["--files-with", "--count", "--quiet"].iter().any(|option| options.contains(option));
        let hidden = match program {
            "rg" | "ag" => short(&['.', 'u']) || options.contains("--hidden") || options.contains("--no-ignore"),
            _ => short(&['r', 'R']) || options.contains("recursive"),
        };
        // Their names, their beginnings, and what wrangler's login calls its own.
        let looks_for = |text: &str| {
            variables::names_secret(text).is_some()
                || ["drk_", "drt_", "oauth_token", "refresh_token"].iter().any(|part| text.contains(part))
        };
        if hidden && !names_only && arguments.iter().any(|argument| looks_for(&argument.shown())) {
            self.find(Verdict::credential(
                "This search looks for credentials in all files, hidden ones as well (`git grep` and plain `rg` leave \
                 them out; `-l` shows names alone).",
            ));
        }
    }

    /// The command of xargs gets more words than are written here.
    pub(crate) fn xargs(&mut self, program: &str, arguments: &[Value], scope: &mut Scope) {
        for argument in arguments {
            self.find(credentials::argument(argument, scope, self.here));
        }
        let at = arguments.iter().position(|argument| argument.is_one_of("-I -J --replace"));
        let attached = arguments.iter().find_map(|argument| {
            argument.text()?.strip_prefix("-I").filter(|mark| !mark.is_empty()).map(str::to_owned)
        });
        let mark = attached
            .or_else(|| at.and_then(|at| arguments.get(at + 1)).map(Value::shown))
            .unwrap_or_else(|| "{}".to_owned());
        let mut command: Vec<Value> = after_options(arguments, ARGUMENTS)
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

    /// `find`, with the commands that it starts.
    pub(crate) fn find_files(&mut self, arguments: &[Value], scope: &mut Scope, piped: bool) {
        let shown: Vec<String> = arguments.iter().map(Value::shown).collect();
        let acts = shown.iter().any(|text| text.starts_with("-exec") || text.starts_with("-ok") || text == "-fprint");
        let mut rest = arguments;
        while let Some(at) = rest.iter().position(|word| word.is_one_of("-exec -execdir -ok -okdir")) {
            let after = rest.get(at + 1..).unwrap_or_default();
            let end = after.iter().position(|word| word.is_one_of("; +")).unwrap_or(after.len());
            let command: Vec<Value> = after
                .iter()
                .take(end)
                .map(|word| if word.shown().contains("{}") { replaced(word, "{}") } else { word.clone() })
                .collect();
            self.program(command, &mut scope.clone(), &Input::Inherited, false);
            rest = after.get(end..).unwrap_or_default();
        }
        self.find(guards::changed("find", arguments, scope));
        if acts || piped {
            for argument in arguments {
                self.find(credentials::argument(argument, scope, self.here));
            }
            for (option, pattern) in shown.iter().zip(shown.iter().skip(1)) {
                if has("-name -iname -path -ipath -wholename -iwholename", option) {
                    self.find(credentials::found(pattern));
                }
            }
        }
    }
}
