//! `dryrun`: from an agent's shell to a promoted production, through the dry-run gateway.

mod api;
mod commands;
mod failure;
mod say;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::{Failure, Outcome};
use say::Say;

/// Rehearse what agents do to D1, KV and R2, look at it, and promote it.
#[derive(Parser)]
#[command(name = "dryrun", version, about, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Arguments {
    /// Answer as one JSON document on standard output
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "The environment is the variable DRYRUN_ENV: staging when it is not set, or production. How its gateway is reached says dryrun.toml.

Exit codes: 0 done · 1 what was looked at is not as it should be · 2 the command line is not valid (of a hook: the tool call is blocked) · 3 the configuration is missing or not valid · 4 the gateway refused · 5 the gateway could not be reached. exec ends with the code of its command.";

#[derive(Subcommand)]
enum Command {
    /// List runs
    Runs(commands::runs::Runs),
    /// Show what a run did, or would do
    Report(commands::runs::Report),
    /// List what failed in the gateway
    Alerts(commands::runs::Alerts),
    Mirror(commands::mirror::Mirror),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

fn run(command: Command, say: Say) -> Outcome<ExitCode> {
    let done = |outcome: Outcome<()>| outcome.map(|()| ExitCode::SUCCESS);
    match command {
        Command::Runs(command) => done(command.run(say)),
        Command::Report(command) => done(command.run(say)),
        Command::Alerts(command) => done(command.run(say)),
        Command::Mirror(command) => done(command.run(say)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "dryrun", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let say = Say::new(arguments.json);
    run(arguments.command, say).unwrap_or_else(|failure: Failure| {
        say.failure(&failure);
        ExitCode::from(failure.exit as u8)
    })
}
