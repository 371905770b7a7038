//! Programs that start the program that comes after them.

use super::table::programs::Rule;
use super::table::{self, has};
use super::values::Value;

/// The command that a wrapper starts; `None` when the program is no wrapper. An empty command is the wrapper alone.
pub(crate) fn inner<'a>(program: &str, arguments: &'a [Value]) -> Option<&'a [Value]> {
    let Rule::Wrapper { values, before } = table::programs::program(program).rule else { return None };
    let rest = after_options(arguments, values);
    Some(rest.get(before..).unwrap_or_default())
}

/// Whether a wrapper starts its command without the variables of the shell.
pub(crate) fn clears(program: &str, arguments: &[Value]) -> bool {
    let options = arguments.iter().map(Value::shown).take_while(|text| text.starts_with('-')).collect::<Vec<_>>();
    let any =
        |words: &[&str]| options.iter().any(|option| words.iter().any(|word| option.split('=').next() == Some(word)));
    match program {
        "sudo" => !any(&["-E", "--preserve-env"]) || any(&["-i", "--login"]),
        "doas" | "systemd-run" => true,
        "exec" => options.iter().any(|option| !option.starts_with("--") && option.contains('c')),
        "su" | "runuser" => arguments.iter().any(|argument| argument.is_one_of("- -l --login")),
        // What stands in a file takes the place of what is there.
        "direnv" => true,
        _ => false,
    }
}

/// What comes after the options; of these options, separated by blanks, the next word is the value.
pub(crate) fn after_options<'a>(mut rest: &'a [Value], values: &str) -> &'a [Value] {
    while let Some((first, after)) = rest.split_first() {
        let shown = first.shown();
        if shown == "--" {
            return after;
        }
        if !shown.starts_with('-') || shown == "-" {
            return rest;
        }
        rest = after;
        if has(values, &shown) {
            rest = rest.split_first().map_or(rest, |(_, after)| after);
        }
    }
    rest
}

/// What comes after the first `--`.
pub(crate) fn after_dashes(arguments: &[Value]) -> Option<&[Value]> {
    let at = arguments.iter().position(|argument| argument.text().as_deref() == Some("--"))?;
    arguments.get(at + 1..)
}
