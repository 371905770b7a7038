//! Programs that run tasks by their names: scripts of `package.json`, and recipes of files that are not Makefiles.

use super::mentions;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::table::programs::Rule;
use super::table::{self, has};
use super::values::Value;
use super::verdict::Verdict;
use super::wrappers::{after_dashes, after_options};

impl Judge<'_> {
    /// Looks at the tasks that a runner is asked for; answers whether it is one.
    pub(crate) fn tasks(
        &mut self,
        program: &str,
        arguments: &[Value],
        scope: &mut Scope,
        input: &Input,
        piped: bool,
    ) -> bool {
        let word = match table::programs::program(program).rule {
            Rule::TaskFile(names) => {
                self.tasks_of_file(program, names, arguments, scope);
                return true;
            }
            Rule::Tasks(word) => word,
            _ => return false,
        };
        let first = arguments.iter().map(Value::shown).find(|text| !text.starts_with('-')).unwrap_or_default();
        if word.is_some_and(|word| word != first) {
            return false;
        }
        self.opaque(scope);
        let before = arguments.iter().take_while(|argument| argument.shown() != "--");
        let extra = after_dashes(arguments).unwrap_or_default();
        for argument in before.filter(|argument| !argument.start().starts_with('-') && argument.shown() != "run") {
            let shown = argument.shown();
            if shown.contains(char::is_whitespace) {
                // concurrently takes command lines.
                self.shell_text(argument, program, scope);
                continue;
            }
            // `npm:deploy`, `app#deploy`, `app:deploy:production`.
            let bare = shown.strip_prefix("npm:").unwrap_or(&shown);
            for name in [bare]
                .into_iter()
                .chain(bare.split_once('#').map(|(_, name)| name))
                .chain(bare.split_once(':').map(|(_, name)| name))
            {
                let name = Value { glob: argument.glob, ..Value::known(name) };
                self.package_script(program, &name, &[], extra, scope, input, piped);
            }
        }
        true
    }

    /// Which lines belong to a task only its own program knows: of a file that speaks of Cloudflare, tasks that sound
    /// like it are refused.
    fn tasks_of_file(&mut self, program: &str, names: &str, arguments: &[Value], scope: &mut Scope) {
        self.opaque(scope);
        let Some(text) = scope.cwd.as_ref().and_then(|cwd| {
            cwd.ancestors()
                .take(6)
                .flat_map(|folder| names.split(' ').map(move |name| folder.join(name)))
                .find_map(|path| self.here.files.read(&path))
        }) else {
            return;
        };
        let speaks = mentions::host(&text).is_some() || mentions::wrangler(&text) || mentions::client(&text).is_some();
        let asked: Vec<String> = after_options(arguments, "-f --justfile -d --working-directory -t --taskfile")
            .iter()
            .map(Value::shown)
            .collect();
        let is_listing = arguments
            .iter()
            .any(|argument| has("-l --list --summary -T --tasks --help --version --show -s", &argument.shown()));
        if speaks
            && !is_listing
            && (asked.is_empty() || asked.iter().any(|name| sounds_risky(name) || name.contains('…')))
        {
            self.find(Verdict::unclear(format!(
                "`{program}` takes this task from a file that speaks of Cloudflare, and \
                 it is not clear in advance what the task does."
            )));
        }
    }
}

/// Whether the name of a task or script says that it may change something elsewhere.
pub(crate) fn sounds_risky(name: &str) -> bool {
    ["deploy", "publish", "release", "promote", "migrat", "prod", "rollback", "wrangler", "ship"]
        .iter()
        .any(|word| name.to_lowercase().contains(word))
}
