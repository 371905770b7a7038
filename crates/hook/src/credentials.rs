//! Whether a word stands for a file that holds credentials.

use std::path::Path;

use super::guards;
use super::names::{candidates, matches};
use super::scope::Scope;
use super::surroundings::{Surroundings, base_name};
use super::table::files::{TRIED, credential};
use super::values::{Part, Value, braces};
use super::verdict::Verdict;

/// Whether a path, perhaps a pattern of names, stands for a file with credentials.
fn stands_for(text: &str, is_pattern: bool, scope: &Scope, here: &Surroundings<'_>) -> Option<String> {
    let says = |what: &str| Some(format!("{text} {what}"));
    if let Some(what) = credential(Path::new(text)) {
        return says(what);
    }
    if let Some(path) = scope.path(text) {
        if let Some(what) = credential(&path) {
            return says(what);
        }
        if here.key_files.contains(&path) {
            return says("holds a key of the gateway");
        }
        // A folder for keys, which is none of those that one works in: `cp -r keys x`.
        if here.key_files.iter().any(|file| file.parent() == Some(path.as_path())) && !here.cwd.starts_with(&path) {
            return says("is the folder of a key of the gateway");
        }
    }
    let name = base_name(text);
    if here.key_files.iter().any(|file| {
        scope.cwd.is_none() && file.file_name().is_some_and(|file| file.to_string_lossy().to_lowercase() == name)
    }) {
        return says("holds a key of the gateway");
    }
    if is_pattern {
        let folder = text.strip_suffix(text.rsplit('/').next().unwrap_or_default()).unwrap_or_default();
        // In a shell, a pattern that does not begin with a dot matches no name that does.
        let hidden = |candidate: &str| !candidate.starts_with('.') || name.starts_with(['.', '[']);
        // A pattern for everything is no search for these.
        let says_something = name.contains(|character: char| character.is_ascii_alphanumeric() || character == '.');
        let all = TRIED
            .split(' ')
            .filter(|_| says_something)
            .map(str::to_owned)
            .chain(here.key_files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())));
        for candidate in all.filter(|candidate| hidden(candidate) && matches(&name, candidate)) {
            if let Some(found) = stands_for(&format!("{folder}{candidate}"), false, scope, here) {
                return Some(found);
            }
        }
    }
    None
}

/// An argument or input: a file with credentials, or what points to one (`--file=.env`, `@.env`, `KEY=@.env`).
pub(crate) fn argument(value: &Value, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    // An unknown part changes nothing when the rest says what it is: /proc/$$/environ.
    if value.parts.len() > 1
        && let Some(what) = credential(Path::new(&value.shown()))
    {
        return Verdict::credential(format!("This would touch credentials: {} {what}.", value.shown()));
    }
    // An unknown start still ends in a name: "$HOME/.dev.vars".
    let text = match value.parts.last() {
        Some(Part::Known(end)) if value.parts.len() > 1 => match end.split_once('/') {
            Some((_, rest)) => rest.to_owned(),
            None => return Verdict::Harmless,
        },
        _ => match value.text() {
            Some(text) => text,
            None => return Verdict::Harmless,
        },
    };
    for candidate in candidates(&text) {
        if let Some(what) = stands_for(candidate, value.glob, scope, here) {
            return Verdict::credential(format!("This would touch credentials: {what}."));
        }
    }
    Verdict::Harmless
}

/// A path as a tool call names it, perhaps a pattern of names, with braces as well.
pub(crate) fn path(text: &str, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    let words = match brush_parser::word::parse_brace_expansions(text, &brush_parser::ParserOptions::default()) {
        Ok(Some(pieces)) => braces(&pieces),
        Ok(None) => None,
        Err(_) => return Verdict::unclear(format!("{text} is no path or pattern that is understood.")),
    };
    let judged =
        |text: &str| argument(&Value { glob: text.contains(['*', '?', '[']), ..Value::known(text) }, scope, here);
    words.unwrap_or_else(|| vec![text.to_owned()]).iter().fold(judged(text), |verdict, word| verdict.and(judged(word)))
}

/// A pattern of `find`, which matches hidden names like all others.
pub(crate) fn found(pattern: &str) -> Verdict {
    let name = base_name(pattern);
    let says_something = name.contains(|character: char| character.is_ascii_alphanumeric() || character == '.');
    match TRIED.split(' ').filter(|tried| says_something && tried.starts_with('.')).find(|tried| matches(&name, tried))
    {
        Some(_) => Verdict::credential(format!("This would touch credentials: {pattern} finds files that hold some.")),
        None => Verdict::Harmless,
    }
}

/// A file that is written.
pub(crate) fn written(value: &Value, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    argument(value, scope, here).and(guards::written(value, scope))
}
