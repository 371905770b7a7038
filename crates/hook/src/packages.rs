//! Package runners: scripts of `package.json`, and programs of packages.

use serde_json::Value as Json;

use super::mentions;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::table::has;
use super::table::options::{FOREACH, PACKAGE_COMMANDS, PACKAGES};
use super::tasks::sounds_risky;
use super::values::Value;
use super::verdict::{Reason, Verdict};
use super::wrappers::after_options;

impl Judge<'_> {
    /// npm and its kin.
    pub(crate) fn packages(
        &mut self,
        program: &str,
        arguments: &[Value],
        scope: &mut Scope,
        input: &Input,
        piped: bool,
    ) {
        if has("npx bunx pnpx", program) {
            return self.package_program(arguments, scope, input, piped);
        }
        if program == "bun" && runs_code(arguments) {
            self.interpreter(program, arguments, scope, input);
            return;
        }
        let rest = after_options(arguments, PACKAGES);
        let Some((verb, after)) = rest.split_first() else { return };
        let Some(verb) = verb.text() else {
            return self.find(Verdict::unclear(format!("Cannot tell in advance what {program} runs.")));
        };
        match verb.as_str() {
            "npm" | "pnpm" | "yarn" if program == "corepack" => self.packages(&verb, after, scope, input, piped),
            "exec" | "x" | "dlx" => self.package_program(after, scope, input, piped),
            // yarn: `workspace NAME VERB`, `workspaces run NAME`, `workspaces foreach -A VERB`.
            "workspace" if program == "yarn" => {
                self.packages(program, after.get(1..).unwrap_or_default(), scope, input, piped)
            }
            "workspaces" if program == "yarn" && after.first().is_some_and(|first| first.shown() == "foreach") => {
                self.packages(program, after_options(after.get(1..).unwrap_or_default(), FOREACH), scope, input, piped)
            }
            "workspaces" if program == "yarn" && after.first().is_some_and(|first| first.shown() == "run") => {
                self.packages(program, after, scope, input, piped)
            }
            "run" | "run-script" | "rum" | "urn" | "task" => {
                let after = after_options(after, PACKAGES);
                if let Some((name, extra)) = after.split_first() {
                    self.package_script(program, name, arguments, extra, scope, input, piped);
                }
            }
            "test" | "t" | "tst" | "start" | "stop" | "restart" if program != "bun" => self.package_script(
                program,
                &Value::known(if verb.starts_with('t') { "test" } else { verb.as_str() }),
                arguments,
                after,
                scope,
                input,
                piped,
            ),
            "pkg" | "config" | "set"
                if rest.iter().any(|argument| mentions::of_command(&argument.shown()).is_some()) =>
            {
                self.find(Verdict::unclear(format!("`{program} {verb}` writes a script that mentions Cloudflare.")));
            }
            verb if has(PACKAGE_COMMANDS, verb) || program == "npm" || program == "corepack" => self.opaque(scope),
            // pnpm, yarn and bun take the name of a script or program alone.
            verb => self.package_script(program, &Value::known(verb), arguments, after, scope, input, piped),
        }
    }

    /// A program of a package: `npx wrangler@4 deploy`, `npm exec -- wrangler`.
    fn package_program(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        let mut rest = arguments;
        while let Some((first, after)) =
            rest.split_first().filter(|(first, _)| first.start().starts_with('-') && first.start() != "--")
        {
            let said = first.shown();
            if let Some(text) = said.strip_prefix("--call=") {
                return self.subshell(text, scope);
            }
            rest = after;
            if let Some(text) = said.strip_prefix("-c").filter(|text| !text.is_empty() && !said.starts_with("--")) {
                return self.subshell(text, scope);
            }
            if has("-c --call", &said) {
                return after.first().map_or((), |text| self.shell_text(text, "npx", scope));
            }
            if has(PACKAGES, &said) {
                rest = rest.split_first().map_or(rest, |(_, after)| after);
            }
        }
        let command = after_options(arguments, PACKAGES);
        let Some((name, rest)) = command.split_first() else { return };
        let Some(text) = name.text().filter(|_| !name.glob) else {
            return self.find(Verdict::unclear(format!(
                "Cannot tell in advance which program this starts: npx {}",
                name.shown()
            )));
        };
        // `@scope/name@version`, `name@version`.
        let (scope_of, bare) = text
            .strip_prefix('@')
            .and_then(|rest| rest.split_once('/'))
            .map_or(("", text.as_str()), |(scope, rest)| (scope, rest));
        let bare = bare.split('@').next().unwrap_or_default();
        let program = if scope_of == "cloudflare" && bare == "wrangler" { "wrangler" } else { bare };
        // A package from somewhere else: a repository, an address, a folder, another name.
        let is_elsewhere =
            text.contains(':') || text.to_lowercase().contains("cloudflare/") && !text.starts_with("@cloudflare/");
        if program != "wrangler" && is_elsewhere && mentions::of_command(&text).is_some() {
            return self.find(Verdict::unclear(format!("Cannot tell in advance what {text} runs.")));
        }
        let words: Vec<Value> = std::iter::once(Value::known(program)).chain(rest.iter().cloned()).collect();
        self.program(words, scope, input, piped);
    }

    /// A script of `package.json` with what comes before and after it, or else a program of its packages.
    #[expect(clippy::too_many_arguments, reason = "all of it decides what runs")]
    pub(crate) fn package_script(
        &mut self,
        program: &str,
        name: &Value,
        all: &[Value],
        extra: &[Value],
        scope: &mut Scope,
        input: &Input,
        piped: bool,
    ) {
        self.opaque(scope);
        let Some(name) = name.text() else {
            return self.find(Verdict::unclear(format!("Cannot tell in advance which script {program} runs.")));
        };
        let folder = folder_option(all);
        let elsewhere = all.iter().any(|argument| {
            ["-w", "--workspace", "--filter", "-F", "--workspaces", "-ws", "-r", "--recursive"]
                .iter()
                .any(|option| argument.start() == *option || argument.start().starts_with(&format!("{option}=")))
        });
        let mut inside = scope.clone();
        if let Some(folder) = folder {
            inside.cwd = folder.text().and_then(|folder| scope.path(&folder));
        }
        let scripts = inside.cwd.as_ref().and_then(|cwd| {
            cwd.ancestors()
                .take(if elsewhere { 1 } else { 6 })
                .map(|folder| folder.join("package.json"))
                .find(|path| self.here.files.read(path).is_some())
        });
        if scripts.as_ref().is_some_and(|path| self.written.contains(path)) {
            return self.find(Verdict::unclear(
                "package.json is written in the same command: cannot tell in advance what its scripts do.",
            ));
        }
        if let Some(path) = &scripts {
            inside.cwd = path.parent().map(Into::into);
        }
        let package: Option<Json> =
            scripts.and_then(|path| self.here.files.read(&path)).and_then(|text| serde_json::from_str(&text).ok());
        let script = |name: &str| {
            package.as_ref().and_then(|package| package.get("scripts")?.get(name)?.as_str().map(str::to_owned))
        };
        let extra: Vec<Value> = extra.iter().filter(|argument| argument.shown() != "--").cloned().collect();
        let Some(text) = script(&name) else {
            let risky = sounds_risky(&name);
            if has("pnpm yarn bun", program) && !elsewhere {
                let words: Vec<Value> = std::iter::once(Value::known(name)).chain(extra).collect();
                return self.program(words, scope, input, piped);
            }
            if risky {
                self.find(Verdict::unclear(format!(
                    "The script {name} is not in a package.json that can be read from \
                                                    here, so that nobody sees what it does."
                )));
            }
            return;
        };
        let added = extra.iter().map(Value::quoted).collect::<Vec<_>>().join(" ");
        for line in [script(&format!("pre{name}")), Some(format!("{text} {added}")), script(&format!("post{name}"))]
            .into_iter()
            .flatten()
        {
            let mut inner = self.below();
            inner.subshell(&line, &inside);
            let speaks = mentions::of_command(&line).is_some();
            match inner.verdict {
                Verdict::Refused(refusal) if refusal.reason == Reason::Unclear && !speaks => {}
                Verdict::Refused(mut refusal) => {
                    refusal.what = format!("The script {name} of package.json: {}", refusal.what);
                    self.find(Verdict::Refused(refusal));
                }
                verdict => self.find(verdict),
            }
        }
    }
}

/// Whether bun is asked to run code or a file, and not a script or command by its name.
fn runs_code(arguments: &[Value]) -> bool {
    let rest = after_options(arguments, PACKAGES);
    let has_code = arguments.iter().take(arguments.len() - rest.len()).any(|option| {
        let shown = option.shown();
        ["-e", "-p", "--eval", "--print"].iter().any(|code| shown.split('=').next() == Some(code))
            || shown.starts_with("-e")
            || shown.starts_with("-p")
    });
    let file = rest.iter().map(Value::shown).find(|text| text != "run").unwrap_or_default();
    let is_file = [".js", ".ts", ".mjs", ".cjs", ".mts", ".cts", ".jsx", ".tsx"].iter().any(|end| file.ends_with(end))
        || file.starts_with(['.', '/']);
    has_code || is_file
}

fn folder_option(arguments: &[Value]) -> Option<&Value> {
    let at = arguments.iter().position(|argument| argument.is_one_of("--prefix -C --dir --cwd"))?;
    arguments.get(at + 1)
}
