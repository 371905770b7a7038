//! Programs that act elsewhere: this one, git, CI, tools for a whole account.

use super::mentions;
use super::network;
use super::scope::{Input, Scope};
use super::shell::Judge;
use super::table::has;
use super::table::options::{GIT_STARTS, INFRASTRUCTURE_READS};
use super::values::Value;
use super::verdict::Verdict;
use super::wrappers::{after_dashes, after_options};

impl Judge<'_> {
    /// This program itself.
    pub(crate) fn dryrun(&mut self, arguments: &[Value], scope: &mut Scope, input: &Input, piped: bool) {
        let rest: Vec<Value> = arguments.iter().filter(|argument| argument.shown() != "--json").cloned().collect();
        let Some((verb, rest)) = rest.split_first() else { return };
        match verb.text().as_deref() {
            Some("exec") if scope.cleared && self.here.is_in_run() => self.find(Verdict::direct(
                "This opens a run that is not below the run that this is a part of.",
                "Leave the variables of the run as they are; inside of it: dryrun exec -- COMMAND.",
            )),
            Some("exec") => {
                let options =
                    rest.split(|argument| argument.text().as_deref() == Some("--")).next().unwrap_or_default();
                if options.iter().any(|option| option.start().starts_with("--keep")) {
                    return self.find(Verdict::credential(
                        "--keep leaves real credentials to a command; a person decides that.",
                    ));
                }
                let mut inside = scope.clone();
                inside.within_exec = true;
                inside.cleared = false;
                let values = "--parent --label --id --prompt-version --expires-in";
                let command = after_dashes(rest).unwrap_or_else(|| after_options(rest, values));
                self.nested(command, &mut inside, input, piped);
            }
            Some(_) => self.find(network::through(self.here)),
            None => self.find(Verdict::unclear("Cannot tell in advance which command of dryrun this is.")),
        }
    }

    /// Tools that change a whole account.
    pub(crate) fn infrastructure(&mut self, program: &str, arguments: &[Value]) {
        let verbs: Vec<String> = arguments.iter().map(Value::shown).filter(|text| !text.starts_with('-')).collect();
        let is_state = verbs.first().is_some_and(|verb| verb == "state")
            && verbs.get(1).is_some_and(|verb| has("list show", verb));
        let is_plain = !has("flarectl cloudflared cf-terraforming", program)
            && (verbs.is_empty() || is_state || verbs.first().is_some_and(|verb| has(INFRASTRUCTURE_READS, verb)));
        if is_plain || verbs.is_empty() {
            return;
        }
        self.find(Verdict::direct(
            format!("`{program} {}` changes the account itself.", verbs.join(" ")),
            format!("A person applies it, from CI. What it would change shows: {program} plan."),
        ));
    }

    /// What CI would do with credentials of production.
    pub(crate) fn github(&mut self, arguments: &[Value]) {
        let line = arguments.iter().map(Value::shown).collect::<Vec<_>>().join(" ");
        let lower = line.to_lowercase();
        let starts = |start: &str| lower == start || lower.starts_with(&format!("{start} "));
        let promotes = starts("workflow run")
            && ["promote", "deploy", "prod", "release", "publish", "…"].iter().any(|name| lower.contains(name));
        let through_api = starts("api")
            && ["dispatches", "pending_deployments", "/secrets", "/environments", "/deployments"]
                .iter()
                .any(|name| lower.contains(name));
        if promotes
            || through_api
            || starts("secret set")
            || starts("secret delete")
            || starts("variable set")
            || starts("auth token")
        {
            self.find(Verdict::direct(
                format!("`gh {line}` would have CI act on production, or change with what it does."),
                "Promoting to production is a person's decision: ask one to start the workflow and to approve it.",
            ));
        }
    }

    /// git, as far as it runs other programs or speaks to other machines.
    pub(crate) fn git(&mut self, arguments: &[Value], scope: &mut Scope) {
        let rest = after_options(arguments, "-C -c --git-dir --work-tree --namespace");
        let verb = rest.first().map(Value::shown).unwrap_or_default();
        let after = rest.get(1..).unwrap_or_default();
        let option = |names: [&str; 2]| {
            after
                .iter()
                .position(|argument| names.contains(&argument.shown().as_str()))
                .and_then(|at| after.get(at + 1))
        };
        match verb.as_str() {
            "bisect" if after.first().is_some_and(|first| first.shown() == "run") => {
                self.program(after.get(1..).unwrap_or_default().to_vec(), &mut scope.clone(), &Input::Inherited, false)
            }
            "rebase" => {
                if let Some(text) = option(["-x", "--exec"]) {
                    self.shell_text(text, "git rebase", scope);
                }
            }
            "submodule" if after.iter().any(|argument| argument.shown() == "foreach") => {
                for text in after.iter().filter(|argument| !argument.is_one_of("foreach --recursive -q --quiet")) {
                    self.shell_text(text, "git submodule foreach", scope);
                }
            }
            _ => {}
        }
        let runs_others = has(GIT_STARTS, &verb);
        let before = arguments.iter().take(arguments.len() - rest.len());
        for argument in before.chain(if runs_others { after } else { &[] }) {
            let text = argument.shown();
            if let Some(host) = mentions::host(&text) {
                self.find(network::past(host));
            } else if mentions::wrangler(&text) && (text.contains('!') || text.contains(char::is_whitespace)) {
                self.find(Verdict::unclear(format!("git would run wrangler here: {text}")));
            }
        }
    }
}
