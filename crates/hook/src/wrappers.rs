//! Programs that start the program that comes after them.

use super::values::Value;

/// How the command of a wrapper begins.
struct Wrapper {
    name: &'static str,
    /// Options whose value is the next word.
    values: &'static [&'static str],
    /// Words before the command.
    before: usize,
}

const fn wrapper(name: &'static str, values: &'static [&'static str], before: usize) -> Wrapper {
    Wrapper { name, values, before }
}

const WRAPPERS: [Wrapper; 29] = [
    wrapper(
        "sudo",
        &[
            "-u", "-g", "-h", "-p", "-C", "-T", "-r", "-t", "-D", "-R", "-U", "--user", "--group", "--chdir", "--host",
            "--prompt",
        ],
        0,
    ),
    wrapper("doas", &["-u", "-C"], 0),
    wrapper("nohup", &[], 0),
    wrapper("setsid", &[], 0),
    wrapper("nice", &["-n", "--adjustment"], 0),
    wrapper("ionice", &["-c", "-n", "-p", "--class", "--classdata"], 0),
    wrapper("timeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    wrapper("gtimeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    wrapper("stdbuf", &["-i", "-o", "-e", "--input", "--output", "--error"], 0),
    wrapper("time", &["-f", "-o", "--format", "--output"], 0),
    wrapper("gtime", &["-f", "-o", "--format", "--output"], 0),
    wrapper("builtin", &[], 0),
    wrapper("exec", &["-a"], 0),
    wrapper("noglob", &[], 0),
    wrapper("nocorrect", &[], 0),
    wrapper("chronic", &[], 0),
    wrapper("unbuffer", &[], 0),
    wrapper("caffeinate", &["-t", "-w"], 0),
    wrapper("strace", &["-o", "-e", "-p", "-s", "-u", "-E", "-P"], 0),
    wrapper("ltrace", &["-o", "-e", "-p", "-s", "-u"], 0),
    wrapper("chroot", &["--userspec", "--groups"], 1),
    wrapper("unshare", &["-R", "-w", "-S", "-G"], 0),
    wrapper("busybox", &[], 0),
    wrapper("toybox", &[], 0),
    wrapper("xvfb-run", &["-n", "-s", "-e", "-f", "-w"], 0),
    wrapper("systemd-run", &["-p", "-u", "--property", "--unit", "-E", "--setenv", "--uid", "--gid"], 0),
    wrapper("rlwrap", &[], 0),
    wrapper("taskset", &["-p"], 1),
    wrapper("rtk", &[], 0),
];

/// The command that a wrapper starts; `None` when the program is no wrapper. An empty command is the wrapper alone.
pub fn inner<'a>(program: &str, arguments: &'a [Value]) -> Option<&'a [Value]> {
    let known = WRAPPERS.iter().find(|wrapper| wrapper.name == program)?;
    let mut rest = after_options(arguments, known.values);
    for _ in 0..known.before {
        rest = rest.split_first().map_or(rest, |(_, rest)| rest);
    }
    Some(rest)
}

/// Whether a wrapper starts its command without the variables of the shell.
pub fn clears(program: &str, arguments: &[Value]) -> bool {
    let options = arguments.iter().map(Value::shown).take_while(|text| text.starts_with('-')).collect::<Vec<_>>();
    let any =
        |words: &[&str]| options.iter().any(|option| words.iter().any(|word| option.split('=').next() == Some(word)));
    match program {
        "sudo" => !any(&["-E", "--preserve-env"]) || any(&["-i", "--login"]),
        "doas" | "systemd-run" => true,
        "exec" => options.iter().any(|option| !option.starts_with("--") && option.contains('c')),
        "su" | "runuser" => {
            arguments.iter().any(|argument| ["-", "-l", "--login"].contains(&argument.shown().as_str()))
        }
        // What stands in a file takes the place of what is there.
        "direnv" => true,
        _ => false,
    }
}

/// What comes after the options.
pub fn after_options<'a>(mut rest: &'a [Value], values: &[&str]) -> &'a [Value] {
    while let Some((first, after)) = rest.split_first() {
        let shown = first.shown();
        if shown == "--" {
            return after;
        }
        if !shown.starts_with('-') || shown == "-" {
            return rest;
        }
        rest = after;
        if values.contains(&shown.as_str()) {
            rest = rest.split_first().map_or(rest, |(_, after)| after);
        }
    }
    rest
}

/// What comes after the first `--`.
pub fn after_dashes(arguments: &[Value]) -> Option<&[Value]> {
    let at = arguments.iter().position(|argument| argument.text().as_deref() == Some("--"))?;
    arguments.get(at + 1..)
}
