//! A tool call as each agent tells of it.

use std::path::PathBuf;

use serde_json::Value;

use super::json;
use super::table::has;
use super::table::tools::{Kind, kind};

/// The agents whose hooks this speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code.
    ClaudeCode,
    /// OpenAI Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// Cursor.
    Cursor,
}

impl Agent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ClaudeCode, Self::Codex, Self::Gemini, Self::Cursor];

    /// The name on the command line and in alerts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Cursor => "cursor",
        }
    }

    /// The agent with this name on the command line.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.as_str() == name)
    }

    /// The name that its makers give it.
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "OpenAI Codex",
            Self::Gemini => "Gemini CLI",
            Self::Cursor => "Cursor",
        }
    }
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// A command line.
    Shell(String),
    /// Files to read.
    Read(Vec<String>),
    /// Files to write.
    Write(Vec<String>),
    /// A search in files: pattern, where, whether it shows what it finds.
    Search {
        /// What is looked for.
        pattern: String,
        /// Files, folders and patterns of names.
        places: Vec<String>,
        /// Whether lines are shown, and not names alone.
        shows: bool,
    },
    /// An address to fetch.
    Fetch(String),
    /// A tool of an MCP server.
    Mcp {
        /// The server's name; empty when the agent does not tell.
        server: String,
        /// The tool's name.
        tool: String,
        /// Where the server is: its address or command.
        location: String,
        /// The arguments.
        input: Value,
    },
    /// A tool that touches neither files nor networks.
    Harmless,
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What it asks for.
    pub tool: Tool,
    /// Where.
    pub cwd: Option<PathBuf>,
}

/// Why a call was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotUnderstood {
    /// It has not the form that the agent's documentation gives.
    Form(String),
    /// The event or the tool is not known.
    Unknown(String),
}

/// Reads a call.
pub fn parse(agent: Agent, text: &str) -> Result<Call, NotUnderstood> {
    let form = |what: &str| NotUnderstood::Form(what.to_owned());
    if text.trim().is_empty() {
        return Err(form("nothing came in"));
    }
    let event: Value =
        json::read(text).map_err(|error| NotUnderstood::Form(format!("what came in is not valid JSON: {error}")))?;
    if !event.is_object() {
        return Err(form("what came in is not a JSON object"));
    }
    let name = event
        .get("hook_event_name")
        .and_then(Value::as_str)
        .ok_or_else(|| form("it does not say its hook_event_name"))?;
    let wanted = match agent {
        Agent::ClaudeCode | Agent::Codex => name == "PreToolUse",
        Agent::Gemini => name == "BeforeTool",
        Agent::Cursor => has("beforeShellExecution beforeMCPExecution beforeReadFile preToolUse", name),
    };
    if !wanted {
        return Err(NotUnderstood::Unknown(format!("the event {name:?}")));
    }
    let folder = event
        .get("cwd")
        .and_then(Value::as_str)
        .filter(|cwd| !cwd.is_empty())
        .or_else(|| event.pointer("/workspace_roots/0").and_then(Value::as_str));
    let cwd = folder.map(PathBuf::from);
    let tool = match name {
        "beforeShellExecution" => Tool::Shell(text_of(&event, "command")?),
        "beforeReadFile" => Tool::Read(vec![text_of(&event, "file_path")?]),
        "beforeMCPExecution" => {
            let location = ["url", "command"]
                .iter()
                .filter_map(|field| event.get(*field).and_then(Value::as_str))
                .collect::<Vec<_>>()
                .join(" ");
            mcp(&text_of(&event, "tool_name")?, location, input_of(&event)?, &event)
        }
        _ => {
            let name = text_of(&event, "tool_name")?;
            tool(agent, &name, input_of(&event)?, &event)?
        }
    };
    let within = event.get("tool_input").filter(|_| matches!(tool, Tool::Shell(_))).and_then(|input| {
        ["workdir", "working_directory", "dir_path", "directory"].iter().find_map(|name| input.get(*name)?.as_str())
    });
    let cwd = match within.filter(|within| !within.is_empty()) {
        Some(within) => Some(cwd.unwrap_or_default().join(within)),
        None => cwd,
    };
    Ok(Call { tool, cwd })
}

fn text_of(value: &Value, name: &str) -> Result<String, NotUnderstood> {
    value
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| NotUnderstood::Form(format!("{name} is missing, or is no text")))
}

/// The arguments: an object, or, of Cursor, its text.
fn input_of(event: &Value) -> Result<Value, NotUnderstood> {
    match event.get("tool_input") {
        Some(Value::String(text)) => json::read(text)
            .map_err(|error| NotUnderstood::Form(format!("tool_input is a text that is not valid JSON: {error}"))),
        Some(input) => Ok(input.clone()),
        None => Err(NotUnderstood::Form("tool_input is missing".into())),
    }
}

fn mcp(name: &str, location: String, input: Value, event: &Value) -> Tool {
    let context =
        |field: &str| event.pointer(&format!("/mcp_context/{field}")).and_then(Value::as_str).map(str::to_owned);
    let bare = name.strip_prefix("MCP:").or_else(|| name.strip_prefix("mcp__")).unwrap_or(name);
    let (server, tool) = bare.split_once("__").or_else(|| bare.split_once(':')).unwrap_or(("", bare));
    Tool::Mcp {
        server: context("server_name").unwrap_or_else(|| server.to_owned()),
        tool: context("tool_name").unwrap_or_else(|| tool.to_owned()),
        location: [context("url"), context("command"), Some(location)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
            .trim()
            .to_owned(),
        input,
    }
}

fn tool(agent: Agent, name: &str, input: Value, event: &Value) -> Result<Tool, NotUnderstood> {
    let first =
        |names: &[&str]| names.iter().find_map(|name| input.get(*name).and_then(Value::as_str)).map(str::to_owned);
    let lacking = |names: &[&str]| {
        NotUnderstood::Form(format!("tool_input of {name} has no {}, or one that is no text", names.join(" or ")))
    };
    let needed = |names: &[&str]| first(names).ok_or_else(|| lacking(names));
    const PATHS: [&str; 7] =
        ["file_path", "notebook_path", "path", "absolute_path", "target_file", "filePath", "relative_workspace_path"];
    const PLACES: [&str; 6] = ["path", "dir_path", "directory", "glob", "include", "include_pattern"];
    if name.starts_with("mcp_") || name.starts_with("MCP:") || event.get("mcp_context").is_some_and(Value::is_object) {
        return Ok(mcp(name, String::new(), input, event));
    }
    let unknown = || NotUnderstood::Unknown(format!("the tool {name:?}"));
    Ok(match kind(name).ok_or_else(unknown)? {
        Kind::Shell if agent == Agent::Cursor && name != "Shell" => return Err(unknown()),
        Kind::Shell => Tool::Shell(command(&input, || needed(&["command", "cmd"]))?),
        Kind::Read => Tool::Read(texts(&input, &PATHS).ok_or_else(|| lacking(&PATHS))?),
        Kind::ReadMany => {
            Tool::Read(texts(&input, &["include", "paths"]).ok_or_else(|| lacking(&["include", "paths"]))?)
        }
        Kind::Write => Tool::Write(texts(&input, &PATHS).ok_or_else(|| lacking(&PATHS))?),
        Kind::Patch => Tool::Write(patched(&needed(&["command", "input", "patch"])?)?),
        Kind::Search => Tool::Search {
            pattern: needed(&["pattern", "query"])?,
            places: match PLACES.iter().any(|name| input.get(*name).is_some_and(|place| !place.is_null())) {
                true => texts(&input, &PLACES).ok_or_else(|| lacking(&PLACES))?,
                false => Vec::new(),
            },
            shows: agent != Agent::ClaudeCode || first(&["output_mode"]).as_deref() == Some("content"),
        },
        Kind::Fetch => Tool::Fetch(needed(&["url", "prompt"])?),
        Kind::Resource => Tool::Mcp {
            server: first(&["server"]).unwrap_or_default(),
            tool: "read_resource".into(),
            location: String::new(),
            input,
        },
        Kind::Harmless => Tool::Harmless,
    })
}

/// Every text under these names, be it one or a list: nobody knows which of them the agent takes. `None` when there is
/// none, or something else.
fn texts(input: &Value, names: &[&str]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for value in names.iter().filter_map(|name| input.get(*name)).filter(|value| !value.is_null()) {
        match value {
            Value::Array(items) => {
                found.extend(items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?)
            }
            value => found.push(value.as_str()?.to_owned()),
        }
    }
    (!found.is_empty()).then_some(found)
}

/// A command line: a text, or a list of words, which is the oldest form of Codex.
fn command(input: &Value, text: impl Fn() -> Result<String, NotUnderstood>) -> Result<String, NotUnderstood> {
    let form = |what: &str| NotUnderstood::Form(what.to_owned());
    if input.get("command").is_some() && input.get("cmd").is_some() {
        return Err(form("tool_input has both command and cmd"));
    }
    let Some(words) = input.get("command").or_else(|| input.get("cmd")).and_then(Value::as_array) else {
        return text();
    };
    let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
    let words = words.filter(|words| !words.is_empty()).ok_or_else(|| form("command is a list, but not of words"))?;
    Ok(words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect::<Vec<_>>().join(" "))
}

/// The files that a patch touches.
fn patched(patch: &str) -> Result<Vec<String>, NotUnderstood> {
    let marks = ["*** Update File:", "*** Add File:", "*** Delete File:", "*** Move to:"];
    let files: Vec<String> = patch
        .lines()
        .filter_map(|line| marks.iter().find_map(|mark| line.trim_start().strip_prefix(mark)))
        .map(|path| path.trim().to_owned())
        .collect();
    if files.is_empty() { Err(NotUnderstood::Form("the patch names no file".into())) } else { Ok(files) }
}
