//! `dryrun hook`: stands before an agent's tools.

mod agents;
mod answer;
mod ask;
mod guard;
mod install;
mod settings;
mod test;

use std::process::ExitCode;

use dryrun_hook::call::Agent;

pub(crate) use guard::TESTED;

use crate::failure::Outcome;
use crate::say::Say;

/// Stand before an agent's tools: refuse what goes past the gateway
///
/// Reads one tool call from standard input, as the agent gives it to its hooks. Exit code 0 lets it through, 2 blocks
/// it; there is no other. Whatever goes wrong blocks it too, and an operator is alerted.
///
/// A hook helps an agent that means well. It is no prison: the credentials are the boundary.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dryrun hook install claude-code --project
  dryrun hook install cursor --user --print
  dryrun hook test
  echo '{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"Bash\",\"tool_input\":{\"command\":\"wrangler deploy\"}}' | dryrun hook claude-code")]
pub(crate) struct Hook {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Look at one tool call of Claude Code (event PreToolUse)
    ClaudeCode,
    /// Look at one tool call of OpenAI Codex (event PreToolUse)
    Codex,
    /// Look at one tool call of Gemini CLI (event BeforeTool)
    Gemini,
    /// Look at one tool call of Cursor (beforeShellExecution, beforeMCPExecution, beforeReadFile, preToolUse)
    Cursor,
    /// Write the hook into an agent's settings
    Install(install::Install),
    /// Prove that the installed hook blocks, allows, and blocks when it fails
    Test(test::Test),
}

impl Hook {
    /// Does it.
    pub(crate) fn run(&self, say: Say) -> Outcome<ExitCode> {
        match &self.what {
            What::ClaudeCode => Ok(guard::run(Agent::ClaudeCode)),
            What::Codex => Ok(guard::run(Agent::Codex)),
            What::Gemini => Ok(guard::run(Agent::Gemini)),
            What::Cursor => Ok(guard::run(Agent::Cursor)),
            What::Install(install) => install.run(say),
            What::Test(test) => test.run(say),
        }
    }
}
