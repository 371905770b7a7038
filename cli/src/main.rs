//! `dryrun`: runs agents and programs through the dry-run gateway, and shows what they did or would do.

mod api;
mod commands;
mod dry;
mod failure;
mod here;
mod run_here;
mod say;
mod settings;
mod statements;
mod text;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::{Exit, Failure, Outcome};
use say::Say;

/// Rehearse what agents and programs do to D1, KV and R2, and see what it would change.
#[derive(Parser)]
#[command(name = "dryrun", version, about, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Arguments {
    /// Answer as one JSON document on standard output
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "The environment is the variable DRYRUN_ENV: staging when it is not set, or production. The gateway's address is read from dryrun.toml.

Exit codes: 0 done · 1 something was found: a failed check, a difference, a rehearsal that would not pass · 2 the command line is not valid (of a hook: the tool call is blocked) · 3 the configuration is missing or not valid · 4 the gateway refused · 5 the gateway could not be reached. exec ends with the code of its command.";

#[derive(Subcommand)]
enum Command {
    Env(commands::env::Env),
    Exec(commands::exec::Exec),
    Runs(commands::runs::Runs),
    Report(commands::runs::Report),
    Operation(commands::runs::Operation),
    TurnDry(commands::runs::TurnDry),
    Close(commands::runs::Close),
    Alerts(commands::runs::Alerts),
    Rehearse(commands::rehearse::Rehearse),
    Drift(commands::drift::Drift),
    Smoke(commands::smoke::Smoke),
    Hook(commands::hook::Hook),
    Mirror(commands::mirror::Mirror),
    /// Print the completions of a shell
    #[command(after_help = "Examples:
  dryrun completions bash > ~/.local/share/bash-completion/completions/dryrun
  dryrun completions zsh > ~/.zfunc/_dryrun
  dryrun completions fish > ~/.config/fish/completions/dryrun.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

fn run(command: Command, say: Say) -> Outcome<ExitCode> {
    let done = |outcome: Outcome<()>| outcome.map(|()| ExitCode::SUCCESS);
    match command {
        Command::Env(command) => command.run(say),
        Command::Exec(command) => command.run(say),
        Command::Runs(command) => done(command.run(say)),
        Command::Report(command) => done(command.run(say)),
        Command::Operation(command) => done(command.run(say)),
        Command::TurnDry(command) => done(command.run(say)),
        Command::Close(command) => done(command.run(say)),
        Command::Alerts(command) => done(command.run(say)),
        Command::Rehearse(command) => command.run(say),
        Command::Drift(command) => command.run(say),
        Command::Smoke(command) => command.run(say),
        Command::Hook(command) => command.run(say),
        Command::Mirror(command) => done(command.run(say)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "dryrun", &mut script);
            if say.is_json() {
                say.result(
                    &serde_json::json!({"shell": shell.to_string(), "script": String::from_utf8_lossy(&script)}),
                    "",
                );
                return Ok(ExitCode::SUCCESS);
            }
            // Whoever closed the pipe does not want to hear it.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), &script);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A command line that is not valid, or a question for help. Whoever asks for JSON gets it before the command line is
/// understood.
fn not_valid(error: &clap::Error) -> ExitCode {
    let asked = std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    if !error.use_stderr() {
        // Whoever closed the pipe does not want to hear it.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
    }
    let text = error.render().to_string();
    if !asked {
        Say::new(false).note(text.trim_end());
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
    }
    let text = text.trim().trim_start_matches("error: ");
    let (message, remedy) = text.split_once("\n\n").unwrap_or((text, "For more information, try '--help'."));
    let (say, failure) = (Say::new(true), Failure::new(Exit::Usage, "usage", message, remedy));
    // Standard output of exec is the command's.
    if std::env::args_os()
        .skip(1)
        .find(|word| !word.as_encoded_bytes().starts_with(b"-"))
        .is_some_and(|word| word == "exec")
    {
        say.result_aside(&failure.to_json(), "")
    } else {
        say.failure(&failure)
    }
    ExitCode::from(Exit::Usage as u8)
}

/// The same error about the command line with each of its words in one line: the error repeats them.
fn in_lines(error: clap::Error) -> clap::Error {
    let words = std::env::args_os().map(|word| dryrun_text::line(&word.to_string_lossy()).into_owned());
    if error.use_stderr() { Arguments::try_parse_from(words).err().unwrap_or(error) } else { error }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return not_valid(&in_lines(error)),
    };
    let say = Say::new(arguments.json);
    run(arguments.command, say).unwrap_or_else(|failure: Failure| {
        say.failure(&failure);
        ExitCode::from(failure.exit as u8)
    })
}
