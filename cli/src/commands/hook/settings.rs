//! The settings of each agent: where they are, and how the hook stands in them.

use std::path::{Path, PathBuf};

use dryrun_hook::call::Agent;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Outcome};

/// Limit in the settings, in seconds: longer than the hook's own deadline, and than that of the command around it.
const LIMIT_SECONDS: u64 = 10;
/// Limit of `timeout` around the hook, in seconds: for a process that is stopped and cannot end itself.
const OUTER_SECONDS: u64 = 6;

/// The tools of Claude Code that reach files, shells, networks or servers.
const CLAUDE_TOOLS: &str = "Bash|PowerShell|Monitor|Read|Edit|Write|MultiEdit|NotebookEdit|NotebookRead|Grep|WebFetch|ReadMcpResourceTool|mcp__.*";
const CODEX_TOOLS: &str = "Bash|apply_patch|Edit|Write|mcp__.*";
const GEMINI_TOOLS: &str =
    "run_shell_command|read_file|read_many_files|write_file|replace|search_file_content|grep_search|web_fetch|mcp_.*";
const CURSOR_TOOLS: &str = "Write|StrReplace|Edit|TabWrite|EditNotebook|Delete|ApplyPatch|Grep|WebFetch";

/// Where an agent's settings are.
pub(super) fn path(agent: Agent, is_user: bool, project: &Path) -> Outcome<PathBuf> {
    let (folder, file, variable) = match agent {
        Agent::ClaudeCode => (".claude", "settings.json", Some("CLAUDE_CONFIG_DIR")),
        Agent::Codex => (".codex", "hooks.json", Some("CODEX_HOME")),
        Agent::Gemini => (".gemini", "settings.json", None),
        Agent::Cursor => (".cursor", "hooks.json", None),
    };
    if !is_user {
        return Ok(project.join(folder).join(file));
    }
    if let Some(named) = variable.and_then(std::env::var_os).filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(named).join(file));
    }
    let home = std::env::var_os("HOME").ok_or_else(|| {
        Failure::configuration("HOME is not set: the user's settings cannot be found.", "Set it, or use --project.")
    })?;
    Ok(PathBuf::from(home).join(folder).join(file))
}

/// The command line that goes into settings. Whatever ends otherwise than by 0 ends by 2: a missing program, a signal,
/// a limit.
pub(super) fn command(agent: Agent, program: &str, timeout: Option<&str>) -> String {
    let limit = timeout.map(|timeout| format!("{} -k 1 {OUTER_SECONDS} ", quoted(timeout))).unwrap_or_default();
    format!("{limit}{} hook {} || exit 2", quoted(program), agent.as_str())
}

fn quoted(text: &str) -> String {
    let is_plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether a command line is one that this program wrote, of this or an earlier version.
pub(super) fn is_ours(agent: Agent, command: &str) -> bool {
    command.contains("dryrun") && command.contains(&format!(" hook {}", agent.as_str()))
}

/// The settings with the hook in them, and nothing else changed.
pub(super) fn merged(agent: Agent, before: &Value, command: &str) -> Outcome<Value> {
    let mut settings = match before {
        Value::Null => Map::new(),
        Value::Object(fields) => fields.clone(),
        _ => return Err(odd("The settings are no JSON object")),
    };
    if agent == Agent::Cursor {
        settings.entry("version").or_insert(json!(1));
    }
    let hooks = settings.entry("hooks").or_insert_with(|| json!({}));
    let hooks = hooks.as_object_mut().ok_or_else(|| odd("\"hooks\" in the settings is no object"))?;
    for (event, entry) in entries(agent, command) {
        let list = hooks.entry(event).or_insert_with(|| json!([]));
        let list =
            list.as_array_mut().ok_or_else(|| odd(&format!("\"hooks\".\"{event}\" in the settings is no list")))?;
        let place = list.iter().position(|entry| has_ours(agent, entry));
        for entry in list.iter_mut() {
            if let Some(handlers) = entry.get_mut("hooks").and_then(Value::as_array_mut) {
                handlers.retain(|handler| {
                    !handler.get("command").and_then(Value::as_str).is_some_and(|command| is_ours(agent, command))
                });
            }
        }
        let was_whole = |entry: &Value| match entry.get("hooks").and_then(Value::as_array) {
            Some(handlers) => handlers.is_empty(),
            None => entry.get("command").and_then(Value::as_str).is_some_and(|command| is_ours(agent, command)),
        };
        // What held our entry alone goes; a list that was empty before is somebody else's.
        match place {
            Some(place) if list.get(place).is_some_and(was_whole) => {
                if let Some(slot) = list.get_mut(place) {
                    *slot = entry;
                }
            }
            _ => list.push(entry),
        }
    }
    Ok(Value::Object(settings))
}

fn odd(what: &str) -> Failure {
    Failure::configuration(
        format!("{what}; nothing was changed."),
        "Correct the file by hand, or see what would be written: dryrun hook install AGENT --print.",
    )
}

fn has_ours(agent: Agent, entry: &Value) -> bool {
    commands_of(entry).iter().any(|command| is_ours(agent, command))
}

fn commands_of(entry: &Value) -> Vec<String> {
    let own = entry.get("command").and_then(Value::as_str);
    let inner = entry
        .get("hooks")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|handler| handler.get("command").and_then(Value::as_str));
    own.into_iter().chain(inner).map(str::to_owned).collect()
}

/// The command lines of ours that settings hold, by event.
pub(super) fn installed(agent: Agent, settings: &Value) -> Vec<(String, String)> {
    let Some(hooks) = settings.get("hooks").and_then(Value::as_object) else { return Vec::new() };
    let lists =
        hooks.iter().flat_map(|(event, list)| list.as_array().into_iter().flatten().map(move |entry| (event, entry)));
    lists
        .flat_map(|(event, entry)| commands_of(entry).into_iter().map(move |command| (event.clone(), command)))
        .filter(|(_, command)| is_ours(agent, command))
        .collect()
}

/// What stands in the settings for each event.
fn entries(agent: Agent, command: &str) -> Vec<(&'static str, Value)> {
    let limit = LIMIT_SECONDS;
    match agent {
        // Versions before 2.1.295 do not know onFailure, and leave it aside.
        Agent::ClaudeCode => vec![(
            "PreToolUse",
            json!({"matcher": CLAUDE_TOOLS, "hooks": [{"type": "command", "command": command, "timeout": limit, "onFailure": "block"}]}),
        )],
        Agent::Codex => vec![(
            "PreToolUse",
            json!({"matcher": CODEX_TOOLS, "hooks": [{"type": "command", "command": command, "timeout": limit}]}),
        )],
        Agent::Gemini => vec![(
            "BeforeTool",
            json!({"matcher": GEMINI_TOOLS, "hooks": [{"name": "dryrun", "type": "command", "command": command, "timeout": limit * 1_000}]}),
        )],
        Agent::Cursor => {
            let entry = json!({"command": command, "timeout": limit, "failClosed": true});
            let mut tools = entry.clone();
            if let Some(fields) = tools.as_object_mut() {
                fields.insert("matcher".into(), CURSOR_TOOLS.into());
            }
            vec![
                ("beforeShellExecution", entry.clone()),
                ("beforeMCPExecution", entry.clone()),
                ("beforeReadFile", entry),
                ("preToolUse", tools),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_is_installing_once() {
        for agent in Agent::ALL {
            let line = command(agent, "/opt/dry run/dryrun", Some("/usr/bin/timeout"));
            let once = merged(agent, &Value::Null, &line).unwrap();
            assert_eq!(merged(agent, &once, &line).unwrap(), once, "{agent:?}");
            assert!(
                !installed(agent, &once).is_empty()
                    && installed(agent, &once).iter().all(|(_, command)| *command == line)
            );
        }
    }

    #[test]
    fn another_version_replaces_its_own_entry_and_nothing_else() {
        let before = json!({"model": "x", "hooks": {"Stop": [{"hooks": []}], "PreToolUse": [
            {"matcher": "Bash", "hooks": [{"type": "command", "command": "theirs.sh"}, {"type": "command", "command": "/old/dryrun hook claude-code || exit 2"}]},
            {"matcher": "X", "hooks": []},
        ]}, "permissions": {"deny": ["Read(.env)"]}});
        let after = merged(Agent::ClaudeCode, &before, "/new/dryrun hook claude-code || exit 2").unwrap();
        assert_eq!(after["model"], "x");
        assert_eq!(after["permissions"], before["permissions"]);
        assert_eq!(after["hooks"]["Stop"], before["hooks"]["Stop"]);
        assert_eq!(after["hooks"]["PreToolUse"][0]["hooks"], json!([{"type": "command", "command": "theirs.sh"}]));
        assert_eq!(after["hooks"]["PreToolUse"][1], json!({"matcher": "X", "hooks": []}));
        assert_eq!(
            installed(Agent::ClaudeCode, &after),
            [("PreToolUse".to_owned(), "/new/dryrun hook claude-code || exit 2".to_owned())]
        );
    }

    #[test]
    fn settings_of_another_form_are_left_alone() {
        for odd in [json!([]), json!({"hooks": []}), json!({"hooks": {"PreToolUse": {}}})] {
            assert!(merged(Agent::ClaudeCode, &odd, "x").is_err(), "{odd}");
        }
    }

    #[test]
    fn limits_are_in_the_units_of_each_agent() {
        let limit =
            |agent, pointer: &str| merged(agent, &Value::Null, "dryrun hook").unwrap().pointer(pointer).cloned();
        assert_eq!(limit(Agent::ClaudeCode, "/hooks/PreToolUse/0/hooks/0/timeout"), Some(json!(10)));
        assert_eq!(limit(Agent::ClaudeCode, "/hooks/PreToolUse/0/hooks/0/onFailure"), Some(json!("block")));
        assert_eq!(limit(Agent::Codex, "/hooks/PreToolUse/0/hooks/0/timeout"), Some(json!(10)));
        assert_eq!(limit(Agent::Gemini, "/hooks/BeforeTool/0/hooks/0/timeout"), Some(json!(10_000)));
        assert_eq!(limit(Agent::Cursor, "/hooks/beforeShellExecution/0/timeout"), Some(json!(10)));
        assert_eq!(limit(Agent::Cursor, "/hooks/beforeMCPExecution/0/failClosed"), Some(json!(true)));
    }

    #[test]
    fn a_program_is_spelled_so_that_a_shell_finds_it() {
        assert_eq!(command(Agent::Codex, "dryrun", None), "dryrun hook codex || exit 2");
        assert_eq!(
            command(Agent::Codex, "/a b/it's", Some("/usr/bin/timeout")),
            r"/usr/bin/timeout -k 1 6 '/a b/it'\''s' hook codex || exit 2"
        );
    }
}
