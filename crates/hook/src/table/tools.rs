//! Tools of agents and of MCP servers, and the names of their arguments.

use super::has;

/// What a tool of an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Runs a command line.
    Shell,
    /// Reads a file.
    Read,
    /// Reads several files.
    ReadMany,
    /// Writes a file.
    Write,
    /// Writes files by a patch.
    Patch,
    /// Searches in files.
    Search,
    /// Fetches an address.
    Fetch,
    /// Reads a resource of an MCP server.
    Resource,
    /// Touches neither files nor networks.
    Harmless,
}

const TOOLS: [(Kind, &str); 9] = [
    (Kind::Shell, "Bash Shell shell run_shell_command exec_command shell_command local_shell PowerShell Monitor"),
    (Kind::Read, "Read read_file NotebookRead view_image"),
    (Kind::ReadMany, "read_many_files"),
    (
        Kind::Write,
        "Edit Write MultiEdit NotebookEdit write_file replace edit_file StrReplace TabWrite EditNotebook Delete",
    ),
    (Kind::Patch, "apply_patch ApplyPatch"),
    (Kind::Search, "Grep grep grep_files search_file_content grep_search"),
    (Kind::Fetch, "WebFetch web_fetch fetch"),
    (Kind::Resource, "ReadMcpResourceTool"),
    (
        Kind::Harmless,
        "TodoWrite TodoRead Task Agent ExitPlanMode EnterPlanMode BashOutput TaskOutput KillShell KillBash TaskStop \
         TaskCreate TaskUpdate TaskList TaskGet AskUserQuestion ToolSearch Skill Glob LS WebSearch \
         ListMcpResourcesTool google_web_search save_memory glob list_directory write_todos update_plan ask_user \
         enter_plan_mode exit_plan_mode activate_skill get_internal_docs complete_task",
    ),
];

/// What the tool of an agent with this name does.
pub(crate) fn kind(name: &str) -> Option<Kind> {
    TOOLS.into_iter().find(|(_, names)| has(names, name)).map(|(kind, _)| kind)
}

/// Words in the name of a tool of an MCP server that reads.
pub(crate) const READS: &str =
    "list get search docs documentation describe read status whoami details logs observability keys values guide";
/// Words in the name of one that changes something.
pub(crate) const WRITES: &str = "create update delete put set add remove execute exec run query deploy edit write patch post \
     import purge restore rollback rename move enable disable bulk apply upload start stop send publish attach detach \
     rotate revoke token secret sql container fetch evaluate code";

/// What an argument of such a tool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    /// A command line, or the program of one.
    Command,
    /// The words after the program.
    Words,
    /// A file.
    File,
    /// A file that is moved, or code.
    Source,
    /// An address.
    Address,
    /// Code.
    Code,
}

const ARGUMENTS: [(Argument, &str); 6] = [
    (Argument::Command, "command cmd shell_command bash shell program executable"),
    (Argument::Words, "args arguments argv command_args"),
    (
        Argument::File,
        "path file_path filepath file filename relative_path paths files uri destination target old_path new_path",
    ),
    (Argument::Source, "source"),
    (Argument::Address, "url endpoint base_url host urls"),
    (Argument::Code, "code script function expression"),
];

/// What an argument with this name is, in lower or upper case.
pub(crate) fn argument(name: &str) -> Option<Argument> {
    let name = name.to_lowercase();
    ARGUMENTS.into_iter().find(|(_, names)| has(names, &name)).map(|(kind, _)| kind)
}
