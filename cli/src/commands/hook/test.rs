//! `dryrun hook test`: runs the very command lines of the settings, and breaks what they need.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use dryrun_hook::call::Agent;
use dryrun_text::line as shown;
use serde_json::{Value, json};

use super::agents;
use super::guard::TESTED;
use super::settings::{installed, path};
use crate::failure::{Failure, Outcome};
use crate::say::Say;
use crate::settings::Project;

/// Prove that the installed hook blocks, allows, and blocks when it fails
///
/// Runs the command lines that are in the settings, of the project and of the user. Nothing else is started, nothing is
/// sent to the gateway, and nobody is alerted.
#[derive(clap::Args)]
pub(super) struct Test {
    /// The agent; all whose settings hold the hook when left out
    #[arg(value_parser = agents::parser())]
    agent: Option<Agent>,
}

/// Longest that any of it may take: the agents wait longer.
const PATIENCE: Duration = Duration::from_secs(9);

/// One thing that has to be so.
struct Proof {
    agent: Agent,
    what: String,
    went: Result<(), String>,
}

impl Test {
    /// Does it.
    pub(super) fn run(&self, say: Say) -> Outcome<ExitCode> {
        let project = Project::find()?;
        let mut found = Vec::new();
        for agent in Agent::ALL.into_iter().filter(|agent| self.agent.is_none_or(|wanted| wanted == *agent)) {
            for is_user in [false, true] {
                let Ok(file) = path(agent, is_user, &project.folder) else { continue };
                let Ok(text) = std::fs::read_to_string(&file) else { continue };
                let settings: Value = serde_json::from_str(&text).map_err(|error| {
                    Failure::found(
                        format!("{} is not valid JSON: {error}. The agent does not read it.", file.display()),
                        "Correct it.",
                    )
                })?;
                let mut commands: Vec<String> =
                    installed(agent, &settings).into_iter().map(|(_, command)| command).collect();
                commands.dedup();
                found.extend(commands.into_iter().map(|command| (agent, file.clone(), command)));
            }
        }
        if found.is_empty() {
            let agent = self.agent.map_or("AGENT", Agent::as_str);
            return Err(Failure::found(
                "The hook is in no settings, of the project or of the user.",
                format!("Install it: dryrun hook install {agent}"),
            ));
        }
        let mut proofs = Vec::new();
        for (agent, file, command) in &found {
            say.note(&format!("{}: {}\n  {}", agent.as_str(), shown(&file.display().to_string()), shown(command)));
            let before = proofs.len();
            prove(*agent, command, &mut proofs);
            for proof in proofs.iter().skip(before) {
                say.note(&line(proof));
            }
        }
        let failed = proofs.iter().filter(|proof| proof.went.is_err()).count();
        let value = json!({"passed": proofs.len() - failed, "failed": failed, "proofs": proofs.iter().map(|proof| json!({"agent": proof.agent.as_str(), "what": proof.what, "passed": proof.went.is_ok(), "why": proof.went.as_ref().err()})).collect::<Vec<_>>()});
        if failed > 0 {
            if say.is_json() {
                say.result(&value, "");
                return Ok(ExitCode::from(1));
            }
            return Err(Failure::found(
                format!("{failed} of {} are not as they should be: the hook does not hold.", proofs.len()),
                "See above. Install it anew: dryrun hook install AGENT; and look at dryrun.toml.",
            ));
        }
        say.result(&value, &format!("All {} are as they should be.", proofs.len()));
        Ok(ExitCode::SUCCESS)
    }
}

fn line(proof: &Proof) -> String {
    match &proof.went {
        Ok(()) => format!("  ok      {}", proof.what),
        Err(why) => format!("  FAILED  {}: {}", proof.what, shown(why)),
    }
}

/// A call of a shell command, as the agent tells of it.
fn call(agent: Agent, command: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let event = match agent {
        Agent::ClaudeCode | Agent::Codex => {
            json!({"session_id": "test", "cwd": here, "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": command}, "tool_use_id": "test"})
        }
        Agent::Gemini => {
            json!({"session_id": "test", "cwd": here, "hook_event_name": "BeforeTool", "tool_name": "run_shell_command", "tool_input": {"command": command}})
        }
        Agent::Cursor => {
            json!({"conversation_id": "test", "generation_id": "test", "workspace_roots": [here], "hook_event_name": "beforeShellExecution", "command": command, "cwd": here})
        }
    };
    event.to_string()
}

fn prove(agent: Agent, command: &str, proofs: &mut Vec<Proof>) {
    let forbidden = call(agent, "npx wrangler deploy --env production");
    let harmless = call(agent, "ls");
    let through = call(agent, "npx wrangler d1 execute DB --remote --command 'SELECT 1'");
    let closed = closed_address();
    let mut add = |what: &str, went: Result<(), String>| proofs.push(Proof { agent, what: what.to_owned(), went });
    let blocked = |ended: Result<Ended, String>| ended.and_then(|ended| ended.is_blocked(agent));
    let broken =
        |ended: Result<Ended, String>| ended.and_then(|ended| ended.is_blocked(agent).and_then(|()| ended.is_broken()));

    add("allows a harmless command", run(command, &harmless, None).and_then(|ended| ended.is_allowed(agent)));
    add("blocks a command past the gateway", blocked(run(command, &forbidden, None)));
    add("blocks when the gateway is not there", broken(run(command, &through, Some(&closed))));
    let went = serve("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nEnvironment: staging\r\n\r\nnot { JSON ]")
        .and_then(|url| run(command, &through, Some(&url)));
    add("blocks when the gateway answers nonsense", broken(went));
    add(
        "blocks when the gateway does not answer",
        broken(serve("").and_then(|url| run(command, &through, Some(&url)))),
    );
    add("blocks a call that is not valid JSON", broken(run(command, "{\"hook_event_name\": ", Some(&closed))));
    add("blocks when no call comes in", broken(run(command, "", Some(&closed))));
    add("blocks a tool that it does not know", broken(run(command, &unknown(agent), Some(&closed))));
    add("blocks when it is killed", kill(command).and_then(|ended| ended.has_code(2)));
    let missing = missing(command, agent);
    add(
        "blocks when the program is missing",
        missing
            .ok_or_else(|| "the command line does not name the program".to_owned())
            .and_then(|missing| run(&missing, &harmless, None))
            .and_then(|ended| ended.has_code(2)),
    );
}

fn unknown(agent: Agent) -> String {
    let event = match agent {
        Agent::ClaudeCode | Agent::Codex => "PreToolUse",
        Agent::Gemini => "BeforeTool",
        Agent::Cursor => "preToolUse",
    };
    json!({"hook_event_name": event, "tool_name": "NoSuchTool", "tool_input": {}}).to_string()
}

/// How a command line ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    took: Duration,
}

impl Ended {
    fn has_code(&self, code: i32) -> Result<(), String> {
        if self.took > PATIENCE {
            return Err(format!("it took {} s", self.took.as_secs()));
        }
        if self.code == Some(code) {
            Ok(())
        } else {
            Err(format!(
                "exit code {}: {}",
                self.code.map_or("none".into(), |code| code.to_string()),
                self.stderr.trim()
            ))
        }
    }

    fn is_allowed(&self, agent: Agent) -> Result<(), String> {
        self.has_code(0)?;
        let expected = match agent {
            Agent::ClaudeCode | Agent::Codex => self.stdout.is_empty(),
            Agent::Gemini => serde_json::from_str::<Value>(&self.stdout).is_ok_and(|said| said.is_object()),
            Agent::Cursor => serde_json::from_str::<Value>(&self.stdout)
                .is_ok_and(|said| said.get("permission") == Some(&json!("allow"))),
        };
        if expected { Ok(()) } else { Err(format!("it said {:?}", self.stdout)) }
    }

    /// Whether it was blocked because something does not work, and not by a rule.
    fn is_broken(&self) -> Result<(), String> {
        if self.stderr.contains("does not work") {
            Ok(())
        } else {
            Err(format!("it was blocked for another reason: {}", self.stderr.trim()))
        }
    }

    fn is_blocked(&self, agent: Agent) -> Result<(), String> {
        self.has_code(2)?;
        let said = serde_json::from_str::<Value>(&self.stdout).unwrap_or_default();
        let expected = match agent {
            Agent::ClaudeCode | Agent::Codex => self.stdout.is_empty(),
            Agent::Gemini => said.get("decision") == Some(&json!("deny")),
            Agent::Cursor => said.get("permission") == Some(&json!("deny")),
        };
        if !expected {
            return Err(format!("it said {:?}", self.stdout));
        }
        if self.stderr.trim().is_empty() { Err("it did not say why".into()) } else { Ok(()) }
    }
}

fn shell(command: &str, gateway: Option<&str>) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env(TESTED, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(url) = gateway {
        let api = format!("{url}/client/v4");
        shell.envs([
            ("DRYRUN_URL", url),
            ("DRYRUN_RUN_ID", "test"),
            ("DRYRUN_TOKEN", "drt_staging_test"),
            ("DRYRUN_ENV", "staging"),
            ("CLOUDFLARE_API_BASE_URL", &api),
            ("CLOUDFLARE_BASE_URL", &api),
        ]);
        shell.env_remove("CF_API_BASE_URL");
    } else {
        for name in ["DRYRUN_URL", "DRYRUN_RUN_ID", "DRYRUN_TOKEN"] {
            shell.env_remove(name);
        }
    }
    shell
}

#[expect(clippy::disallowed_methods, reason = "this runs on a machine that has a clock")]
fn run(command: &str, input: &str, gateway: Option<&str>) -> Result<Ended, String> {
    let began = Instant::now();
    let mut child = shell(command, gateway).spawn().map_err(|error| format!("it does not start: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read its input to the end.
        let _ = stdin.write_all(input.as_bytes());
    }
    finish(child, began)
}

fn finish(child: std::process::Child, began: Instant) -> Result<Ended, String> {
    let output = child.wait_with_output().map_err(|error| format!("it cannot be waited for: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ended {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        took: began.elapsed(),
    })
}

/// Starts the hook, leaves it waiting for its input, and kills what the shell started.
#[expect(clippy::disallowed_methods, reason = "this runs on a machine that has a clock")]
fn kill(command: &str) -> Result<Ended, String> {
    let began = Instant::now();
    let mut child = shell(command, None).spawn().map_err(|error| format!("it does not start: {error}"))?;
    let input = child.stdin.take();
    let started = loop {
        let found = Command::new("pgrep")
            .args(["-P", &child.id().to_string()])
            .output()
            .map_err(|error| format!("pgrep cannot be run: {error}"))?;
        let found: Vec<String> =
            String::from_utf8_lossy(&found.stdout).split_ascii_whitespace().map(str::to_owned).collect();
        if !found.is_empty() {
            break found;
        }
        if began.elapsed() > Duration::from_secs(3) {
            return Err("what the shell started was not found".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let status = Command::new("kill")
        .arg("-9")
        .args(&started)
        .status()
        .map_err(|error| format!("kill cannot be run: {error}"))?;
    if !status.success() {
        return Err("it ended before it could be killed".into());
    }
    let ended = finish(child, began);
    drop(input);
    ended
}

/// The same command line with a program that is not there.
fn missing(command: &str, agent: Agent) -> Option<String> {
    let tail = format!(" hook {}", agent.as_str());
    let (head, rest) = command.split_once(&tail)?;
    let (before, name) = head.rsplit_once("dryrun")?;
    // The last letters of its name, wherever quotes are.
    Some(format!("{before}dryrun-that-is-not-there{name}{tail}{rest}"))
}

/// An address at which nobody listens.
fn closed_address() -> String {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_or(9, |address| address.port());
    format!("http://127.0.0.1:{port}")
}

/// Somebody who gives this answer to everything; or none, for ever, when it is empty.
fn serve(answer: &'static str) -> Result<String, String> {
    let broken = |error: std::io::Error| format!("no server could be started: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(broken)?;
    let port = listener.local_addr().map_err(broken)?.port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            if answer.is_empty() {
                open.push(stream);
            } else {
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    Ok(format!("http://127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_in_its_place() {
        let gone = |command: &str| missing(command, Agent::Codex);
        assert_eq!(
            gone("/usr/bin/timeout -k 1 6 /opt/dryrun hook codex || exit 2").as_deref(),
            Some("/usr/bin/timeout -k 1 6 /opt/dryrun-that-is-not-there hook codex || exit 2")
        );
        assert_eq!(
            gone("'/a b/dryrun' hook codex || exit 2").as_deref(),
            Some("'/a b/dryrun-that-is-not-there' hook codex || exit 2")
        );
        assert_eq!(gone("other hook codex"), None);
    }
}
