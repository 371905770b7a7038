//! make, with the recipes of the targets that are asked for.

use super::scope::{Input, Scope};
use super::shell::Judge;
use super::table::has;
use super::values::Value;
use super::verdict::Verdict;
use super::wrappers::after_options;

impl Judge<'_> {
    /// The recipes of the targets that are asked for.
    pub(crate) fn make(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input) {
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
                if has("SHELL .SHELLFLAGS MAKEFILES MAKEFLAGS", name) {
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
        let targets: Vec<String> = after_options(arguments, "-C -f -j -I -o -W")
            .iter()
            .map(Value::shown)
            .filter(|text| !text.contains('=') && !text.starts_with('-'))
            .collect();
        let text = match (text, value_of(["-f", "--file"]), input) {
            (None, Some(name), Input::Text(text)) if has("- /dev/stdin", &name) => Some(text.clone()),
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
}

/// The commands of targets and of what they need; of the first target when none is named. Variables are put in where
/// the file says what they are.
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
