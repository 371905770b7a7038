//! What guards the agent: the settings that hold the hook, and where its gateway is. It is read, not changed.

use std::path::Path;

use super::names::{candidates, matches};
use super::scope::Scope;
use super::surroundings::{base_name, tidied};
use super::table::files::{GUARDED, PROJECT};
use super::table::has;
use super::table::options::GIT_CHANGES;
use super::table::programs::{Fact, program as program_of};
use super::values::Value;
use super::verdict::{Reason, Verdict};

/// Whether a program changes what guards the agent.
pub(crate) fn changed(program: &str, arguments: &[Value], scope: &Scope) -> Verdict {
    let said = |words: &[&str]| arguments.iter().any(|argument| words.contains(&argument.shown().as_str()));
    let verb =
        arguments.iter().find(|argument| !argument.start().starts_with('-')).map(Value::shown).unwrap_or_default();
    let known = program_of(program);
    let in_place = || ["-i", "--in-place", "--inplace", "inplace"].iter().any(|option| said_start(arguments, option));
    let only_reads = known.is(Fact::Reads)
        || known.is(Fact::ReadsUnlessInPlace) && !in_place()
        || program == "git" && !has(GIT_CHANGES, &verb)
        || program == "tar" && !tar_writes(arguments)
        || program == "find" && !finds_to_change(arguments);
    if only_reads {
        return Verdict::Harmless;
    }
    if known.is(Fact::Copies) && !said(&["-t", "--target-directory"]) {
        // Only the last one is written: itself, or what it is a folder for.
        let Some((target, sources)) = arguments.split_last() else { return Verdict::Harmless };
        let is_folder = target.shown() == "." || target.shown().ends_with('/') || folder(target, scope).is_refused();
        let inside = sources
            .iter()
            .filter(|_| is_folder)
            .filter_map(Value::text)
            .map(|source| Value::known(format!("{}/{}", target.shown(), base_name(&source))));
        return inside.fold(file(target, scope), |verdict, value| verdict.and(file(&value, scope)));
    }
    arguments
        .iter()
        .fold(Verdict::Harmless, |verdict, argument| verdict.and(written(argument, scope)).and(folder(argument, scope)))
}

fn said_start(arguments: &[Value], option: &str) -> bool {
    arguments.iter().any(|argument| argument.start().starts_with(option))
}

/// Whether `find` deletes what it finds, or gives it to a program that does not only read.
fn finds_to_change(arguments: &[Value]) -> bool {
    let mut words = arguments.iter().map(Value::shown);
    while let Some(word) = words.next() {
        let starts = has("-exec -execdir -ok -okdir", &word);
        if word == "-delete"
            || starts && !words.next().is_some_and(|program| program_of(&base_name(&program)).is(Fact::Reads))
        {
            return true;
        }
    }
    false
}

/// Whether `tar` takes files out of an archive.
fn tar_writes(arguments: &[Value]) -> bool {
    let mut words = arguments.iter().map(Value::shown);
    let is_extract = |word: &str| {
        word == "--extract" || word == "--get" || !word.starts_with("--") && word.starts_with('-') && word.contains('x')
    };
    words.next().is_some_and(|first| is_extract(&first) || !first.starts_with('-') && first.contains('x'))
        || words.any(|word| is_extract(&word))
}

/// A file that is written, removed or moved, as an argument names it: `of=dryrun.toml`, `-Odryrun.toml`.
pub(crate) fn written(value: &Value, scope: &Scope) -> Verdict {
    let Some(text) = value.text() else {
        // `rm ".claude/$FILE"`
        let known = value.start().rsplit_once('/').map(|(folder, _)| Value::known(folder));
        return known.map_or(Verdict::Harmless, |known| folder(&known, scope));
    };
    let parts = candidates(&text).into_iter().map(|text| Value { glob: value.glob, ..Value::known(text) });
    parts.fold(Verdict::Harmless, |verdict, part| verdict.and(file(&part, scope)))
}

fn file(value: &Value, scope: &Scope) -> Verdict {
    let Some(text) = value.text() else { return Verdict::Harmless };
    let [name, folder] = &last_two(&text, scope);
    let is = |guard: &str| name == guard || value.glob && matches(name, guard);
    let is_listed = |names: &str| names.split(' ').any(is);
    let in_folder = match GUARDED.iter().find(|(known, _)| known == folder) {
        // Every file of settings, also one of a kind that comes later.
        Some((".claude", names)) => is_listed(names) || name.starts_with("settings") && name.ends_with(".json"),
        Some((_, names)) => is_listed(names),
        None => false,
    };
    let says_something = name.contains(|character: char| character.is_ascii_alphanumeric());
    if in_folder || says_something && is(PROJECT) { refused(&text) } else { Verdict::Harmless }
}

/// The folder as a whole: `rm -r .claude`.
fn folder(value: &Value, scope: &Scope) -> Verdict {
    let Some(text) = value.text() else { return Verdict::Harmless };
    let [name, _] = &last_two(&text, scope);
    if GUARDED.iter().any(|(folder, _)| name == folder) { refused(&text) } else { Verdict::Harmless }
}

fn last_two(text: &str, scope: &Scope) -> [String; 2] {
    let whole = scope.path(text).unwrap_or_else(|| tidied(Path::new(text)));
    let mut parts = whole.components().rev().map(|part| part.as_os_str().to_string_lossy().to_lowercase());
    [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()]
}

/// Code that names one of the files, and says that it writes.
pub(crate) fn code(text: &str) -> Verdict {
    const WRITES: [&str; 17] = [
        "write", "'w", "\"w", "'a'", "\"a\"", "'r+", "\"r+", "remove", "unlink", "rmSync", "rmtree", "rename",
        "truncate", "copy", "move", "delete", "dump(",
    ];
    let mut words = text.split(|character: char| character.is_whitespace() || "'\"`(),;=".contains(character));
    let names = |word: &str| {
        let parts: Vec<&str> = word.rsplit('/').collect();
        parts.first() == Some(&PROJECT)
            || GUARDED.iter().any(|(folder, _)| parts.iter().take(2).any(|part| part == folder))
    };
    match words.find(|word| names(word)) {
        Some(word) if WRITES.iter().any(|write| text.contains(write)) => refused(word),
        _ => Verdict::Harmless,
    }
}

fn refused(text: &str) -> Verdict {
    Verdict::refused(
        Reason::Guard,
        format!("{text} decides what guards the agent: which hook looks at its calls, or where its gateway is."),
        "A person changes it. For the hook: dryrun hook install AGENT.",
    )
}
