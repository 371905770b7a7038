//! What a hook says, and with which exit code, in the words of each agent.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use dryrun_hook::call::Agent;
use serde_json::json;

/// Lets the call through.
pub(super) const ALLOW: i32 = 0;
/// Blocks it. No other code but these two: agents take any other for a hook that does not matter.
pub(super) const BLOCK: i32 = 2;

/// Whether something was said already. One answer only, whoever is first: the rules, the deadline, a panic.
static SAID: AtomicBool = AtomicBool::new(false);

/// Lets the call through, and ends the process. It says no more than it must: a person's own permission prompts still
/// come.
pub(super) fn allow(agent: Agent) -> ! {
    first();
    let said = match agent {
        Agent::ClaudeCode | Agent::Codex => String::new(),
        Agent::Gemini => json!({}).to_string(),
        Agent::Cursor => json!({"permission": "allow"}).to_string(),
    };
    end(&said, "", ALLOW)
}

/// Blocks the call, and ends the process.
pub(super) fn block(agent: Agent, why: &str) -> ! {
    first();
    let said = match agent {
        // With this exit code both read standard error alone.
        Agent::ClaudeCode | Agent::Codex => String::new(),
        Agent::Gemini => json!({"decision": "deny", "reason": why}).to_string(),
        Agent::Cursor => json!({"permission": "deny", "user_message": why, "agent_message": why}).to_string(),
    };
    end(&said, why, BLOCK)
}

/// Waits for ever when another thread is about to answer.
fn first() {
    if SAID.swap(true, Ordering::SeqCst) {
        loop {
            std::thread::park();
        }
    }
}

fn end(stdout: &str, stderr: &str, code: i32) -> ! {
    let (stdout, stderr) = (dryrun_text::json(stdout), dryrun_text::lines(stderr));
    // An answer that nobody reads any more changes nothing; but what was to be allowed and could not be said is
    // blocked.
    let heard =
        stdout.is_empty() || writeln!(std::io::stdout(), "{stdout}").and_then(|()| std::io::stdout().flush()).is_ok();
    if !stderr.is_empty() {
        let _ = writeln!(std::io::stderr(), "{stderr}");
    }
    std::process::exit(if heard { code } else { BLOCK })
}
