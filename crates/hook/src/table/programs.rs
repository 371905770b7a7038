//! Programs: the rule that evaluates their arguments, and what else is known of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use Fact::*;
use Rule::*;

/// How the arguments of a program are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// No rule of its own.
    Plain,
    /// Cloudflare's command.
    Wrangler,
    /// The command of this project.
    Dryrun,
    /// Sets variables and starts a program.
    Env,
    /// The builtin that skips functions.
    Command,
    /// Starts a program with words that it reads.
    Arguments,
    /// Finds files by an expression, and starts programs with them.
    Find,
    /// Changes the working folder.
    Folder,
    /// Sets or shows variables.
    Variables,
    /// Evaluates a condition.
    Test,
    /// Shows variables by name.
    Printenv,
    /// Starts a command line that is the value of `-c`.
    CommandOption,
    /// Starts command lines that are arguments, in a terminal.
    Terminal,
    /// Starts a command line at another time.
    Later,
    /// Can make a name stand for another program.
    Renames,
    /// Lists processes.
    Processes,
    /// The password store of macOS.
    Keychain,
    /// Finds files by name, and starts programs with them.
    FindByName,
    /// git.
    Git,
    /// Filters or templates that can read variables.
    Template,
    /// Evaluates its arguments as a command line.
    Evaluates,
    /// Sends requests to an address.
    Client,
    /// Speaks S3, with which R2 can be reached.
    S3,
    /// Changes a whole account.
    Infrastructure,
    /// Starts CI, or does its work.
    Ci,
    /// Hands out secrets.
    Secrets,
    /// A shell.
    Shell,
    /// Runs a script in the same shell.
    Source,
    /// Runs recipes of a Makefile.
    Make,
    /// Runs scripts of `package.json`, and programs of packages.
    Packages,
    /// Prepares an environment and starts a program.
    Launcher(Launch),
    /// Runs scripts of `package.json` by their names, after this word if there is one.
    Tasks(Option<&'static str>),
    /// Runs tasks of a file with one of these names.
    TaskFile(&'static str),
    /// Its arguments and its input are code that can start programs.
    Code,
    /// Its arguments are code, its input is text.
    TextCode,
    /// Starts the program that comes after its options.
    Wrapper {
        /// Options whose value is the next word.
        values: &'static str,
        /// How many words come before the program.
        before: usize,
    },
}

/// Where a launcher has the command that it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Launch {
    /// After `run` and options.
    Run,
    /// After `exec` or `x`, and `--`.
    Exec,
    /// After `exec` and a folder.
    Folder,
    /// Anywhere, with the variables of a file of credentials.
    FileOfSecrets,
    /// After `--` or `-c`; the packages before it can be programs.
    Nix,
}

/// What else is known of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Starts no other program and reaches no other machine, whatever its arguments are.
    Alone,
    /// Looks at the names of files, not into them.
    NamesOnly,
    /// Its arguments are text for people, patterns or names of packages.
    Textual,
    /// Changes none of the files that it names.
    Reads,
    /// Changes the files that it names only with an option for that.
    ReadsUnlessInPlace,
    /// Writes files that it names.
    Writes,
    /// Writes only the last file that it names.
    Copies,
    /// Searches in files.
    Searches,
    /// Its first argument is a pattern or a filter, and no file.
    PatternFirst,
    /// May get the value of a credential as an argument.
    TakesCredentials,
    /// Hands out secrets when all words of one of these lists are among its arguments.
    SecretsWith(&'static [&'static str]),
}

/// What is known of a program.
#[derive(Debug)]
pub(crate) struct Program {
    names: &'static str,
    /// How its arguments are evaluated.
    pub rule: Rule,
    facts: &'static [Fact],
}

impl Program {
    /// Whether this is known of it.
    pub(crate) fn is(&self, fact: Fact) -> bool {
        self.facts.contains(&fact)
    }

    /// Lists of words with which it hands out secrets.
    pub(crate) fn words_for_secrets(&self) -> impl Iterator<Item = &'static str> {
        self.facts.iter().flat_map(|fact| if let SecretsWith(lists) = fact { *lists } else { &[] }).copied()
    }
}

const fn row(names: &'static str, rule: Rule, facts: &'static [Fact]) -> Program {
    Program { names, rule, facts }
}

static UNKNOWN: Program = row("", Plain, &[]);
static BY_NAME: LazyLock<BTreeMap<&str, &Program>> = LazyLock::new(|| {
    PROGRAMS
        .iter()
        .flat_map(|program| program.names.split_ascii_whitespace().map(move |name| (name, program)))
        .collect()
});

/// What is known of the program with this name.
pub(crate) fn program(name: &str) -> &'static Program {
    BY_NAME.get(name).copied().unwrap_or(&UNKNOWN)
}

static PROGRAMS: &[Program] = &[
    row("ls echo mkdir", Plain, &[Alone, NamesOnly, Textual, Reads]),
    row(
        "cat head tail wc sort uniq cut readlink diff cmp file du tree less more column nl od \
         xxd hexdump md5sum sha256sum shasum bat tac jobs",
        Plain,
        &[Alone, Reads],
    ),
    row(
        "tr true false : pwd popd dirs rmdir date sleep comm df whoami id uname hostname kill \
         sha1sum base64 gzip gunzip zcat unzip seq rev paste join fold fmt expand yes tput \
         clear wait fg bg disown exit return break continue shift umask ulimit shopt times \
         free uptime nproc lsof cloc tokei locale arch sync",
        Plain,
        &[Alone],
    ),
    row("grep egrep fgrep rg ag", Plain, &[Alone, Textual, Reads, Searches, PatternFirst]),
    row("cp", Plain, &[Alone, Textual, Writes, Copies]),
    row("mv rm", Plain, &[Alone, Textual, Writes]),
    row("touch", Plain, &[Alone, NamesOnly, Writes]),
    row("chmod chown", Plain, &[Alone, NamesOnly]),
    row("ln", Plain, &[Alone, Writes, Copies]),
    row("basename dirname realpath stat", Plain, &[Alone, NamesOnly, Reads]),
    row("tee", Plain, &[Alone, Writes]),
    row("which type pgrep", Plain, &[Alone, Textual]),
    row("code", Plain, &[Textual, Reads]),
    row("brew apt apt-get pip pip3 cargo go gem dnf apk man tldr prettier", Plain, &[Textual]),
    row("taplo strings zip", Plain, &[Reads]),
    row("install rsync", Plain, &[Writes, Copies]),
    row("truncate dd patch perl", Plain, &[Writes]),
    row("scp", Plain, &[Copies]),
    row("gcloud", Plain, &[SecretsWith(&["secrets access"])]),
    row("az", Plain, &[SecretsWith(&["keyvault secret"])]),
    row("kubectl", Plain, &[SecretsWith(&["get secret", "get secrets"])]),
    row("wrangler", Wrangler, &[Reads, TakesCredentials]),
    row("wrangler2 wrangler.js wrangler.cmd", Wrangler, &[]),
    row("dryrun", Dryrun, &[Reads]),
    row("dryrun.exe", Dryrun, &[]),
    row("env cross-env cross-env-shell", Env, &[]),
    row("command", Command, &[]),
    row("xargs parallel", Arguments, &[]),
    row("find", Find, &[]),
    row("cd", Folder, &[Alone, Textual, Reads]),
    row("pushd", Folder, &[Alone]),
    row("chdir", Folder, &[]),
    row("printf", Variables, &[Alone, NamesOnly, Textual, Reads]),
    row("let", Variables, &[Alone]),
    row("export declare typeset local readonly set", Variables, &[Reads]),
    row("unset read mapfile readarray getopts", Variables, &[]),
    row("test [", Test, &[Alone, NamesOnly, Reads, TakesCredentials]),
    row("printenv", Printenv, &[]),
    row("su runuser script flock sg nix-shell", CommandOption, &[]),
    row("tmux screen zellij", Terminal, &[]),
    row("at batch crontab", Later, &[]),
    row("hash", Renames, &[Alone, Textual]),
    row("enable", Renames, &[]),
    row("ps", Processes, &[Alone]),
    row("security", Keychain, &[]),
    row("fd", FindByName, &[Alone, Textual]),
    row("fdfind", FindByName, &[]),
    row("git", Git, &[Textual, SecretsWith(&["credential fill"])]),
    row("jq yq", Template, &[Alone, ReadsUnlessInPlace, PatternFirst]),
    row("gojq jaq", Template, &[ReadsUnlessInPlace, PatternFirst]),
    row("envsubst gomplate", Template, &[]),
    row("eval trap alias watch", Evaluates, &[]),
    row(
        "curl wget http https xh xhs httpie curlie aria2c fetch nc ncat netcat telnet socat \
         websocat grpcurl wrk hey ab oha",
        Client,
        &[],
    ),
    row("aws", S3, &[TakesCredentials, SecretsWith(&["secretsmanager get-secret-value", "ssm --with-decryption"])]),
    row("rclone s3cmd s5cmd mc mcli", S3, &[]),
    row("terraform tofu pulumi cdktf terragrunt flarectl cloudflared cf-terraforming", Infrastructure, &[]),
    row("gh", Ci, &[Reads]),
    row("act", Ci, &[]),
    row(
        "op vault doppler infisical bws bw sops chamber aws-vault pass gopass secret-tool \
         akeyless lpass envchain teller berglas keyring",
        Secrets,
        &[],
    ),
    row("sh bash zsh dash ksh ash mksh fish rbash", Shell, &[]),
    row("source .", Source, &[Reads]),
    row("make gmake", Make, &[]),
    row("npm pnpm yarn bun npx bunx pnpx corepack", Packages, &[]),
    row("poetry pipenv uv pdm rye hatch volta devbox", Launcher(Launch::Run), &[]),
    row("mise rtx asdf fnm nvm", Launcher(Launch::Exec), &[]),
    row("direnv", Launcher(Launch::Folder), &[]),
    row("dotenv dotenvx", Launcher(Launch::FileOfSecrets), &[]),
    row("nix flox", Launcher(Launch::Nix), &[]),
    row("npm-run-all npm-run-all2 run-s run-p wireit nr concurrently turbo nx", Tasks(None), &[]),
    row("lerna", Tasks(Some("run")), &[]),
    row("just", TaskFile("justfile Justfile .justfile"), &[]),
    row("task", TaskFile("Taskfile.yml Taskfile.yaml taskfile.yml taskfile.yaml"), &[]),
    row("rake", TaskFile("Rakefile rakefile Rakefile.rb"), &[]),
    row("invoke inv", TaskFile("tasks.py"), &[]),
    row("vim vi nvim ed expect sqlite3 zx", Code, &[]),
    row("sed", TextCode, &[ReadsUnlessInPlace, Writes]),
    row("gsed awk gawk mawk", TextCode, &[ReadsUnlessInPlace]),
    row(
        "sudo",
        Wrapper { values: "-u -g -h -p -C -T -r -t -D -R -U --user --group --chdir --host --prompt", before: 0 },
        &[],
    ),
    row("doas", Wrapper { values: "-u -C", before: 0 }, &[]),
    row(
        "nohup setsid builtin noglob nocorrect chronic unbuffer busybox toybox rlwrap rtk",
        Wrapper { values: "", before: 0 },
        &[],
    ),
    row("nice", Wrapper { values: "-n --adjustment", before: 0 }, &[]),
    row("ionice", Wrapper { values: "-c -n -p --class --classdata", before: 0 }, &[]),
    row("timeout gtimeout", Wrapper { values: "-s -k --signal --kill-after", before: 1 }, &[]),
    row("stdbuf", Wrapper { values: "-i -o -e --input --output --error", before: 0 }, &[]),
    row("time gtime", Wrapper { values: "-f -o --format --output", before: 0 }, &[]),
    row("exec", Wrapper { values: "-a", before: 0 }, &[]),
    row("caffeinate", Wrapper { values: "-t -w", before: 0 }, &[]),
    row("strace", Wrapper { values: "-o -e -p -s -u -E -P", before: 0 }, &[]),
    row("ltrace", Wrapper { values: "-o -e -p -s -u", before: 0 }, &[]),
    row("chroot", Wrapper { values: "--userspec --groups", before: 1 }, &[]),
    row("unshare", Wrapper { values: "-R -w -S -G", before: 0 }, &[]),
    row("xvfb-run", Wrapper { values: "-n -s -e -f -w", before: 0 }, &[]),
    row("systemd-run", Wrapper { values: "-p -u --property --unit -E --setenv --uid --gid", before: 0 }, &[]),
    row("taskset", Wrapper { values: "-p", before: 1 }, &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_in_one_row() {
        let rows: usize = PROGRAMS.iter().map(|program| program.names.split_ascii_whitespace().count()).sum();
        assert_eq!(BY_NAME.len(), rows);
    }
}
