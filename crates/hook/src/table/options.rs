//! Options whose value is the next word, and commands of programs that have many.

/// Options with a value of clients of HTTP, in their long form.
pub(crate) const CLIENT: &str = "--header --data --data-raw --data-binary --data-urlencode --json --form --output \
     --user-agent --request --method --max-time --connect-timeout --retry --retry-delay --write-out --upload-file \
     --user --cookie --cookie-jar --cacert --referer --timeout --retry-max-time";

/// Options with a value of `xargs` and `parallel`.
pub(crate) const ARGUMENTS: &str = "-I -i -n -P -d -a -L -s -E -R -J --max-args --max-procs --delimiter --arg-file --replace \
     --max-lines -j --jobs --colsep";

/// Options with a value of programs that run something in an environment: `uv run`.
pub(crate) const LAUNCHER: &str = "--with --python -p --env-file --extra --group --project --directory --node --npm";

/// Options with a value of package managers, before a command.
pub(crate) const PACKAGES: &str = "-w --workspace --prefix -C --dir --cwd --filter -F -p --package --loglevel --registry \
     --userconfig --cache --script-shell --node-options --filter-prod --reporter --config --tsconfig --env-file -r";

/// Options with a value of `yarn workspaces foreach`.
pub(crate) const FOREACH: &str = "--from --include --exclude -j --jobs --since";

/// Commands of package managers that start no program of the project's choice by name.
pub(crate) const PACKAGE_COMMANDS: &str = "install i ci add remove rm uninstall un update up upgrade outdated ls list ll la \
     view info show search audit why explain link unlink pack prune dedupe rebuild root bin prefix config get set \
     cache init create help version whoami ping fund import store patch fetch pm workspaces doctor approve-builds \
     licenses";

/// Commands of tools for a whole account that change nothing.
pub(crate) const INFRASTRUCTURE_READS: &str = "plan validate fmt init version show output graph providers console help \
     preview synth diff about get metadata test";

/// Commands of git that start programs or speak to other machines.
pub(crate) const GIT_STARTS: &str =
    "config bisect filter-branch difftool mergetool clone fetch pull push remote ls-remote";

/// Commands of git that change files of the working folder.
pub(crate) const GIT_CHANGES: &str = "checkout restore rm mv clean apply stash update-index";

/// Options with a value of every command of wrangler.
pub(crate) const WRANGLER: &str = "-c --config --cwd -e --env --env-file --profile";
/// Options without a value of every command of wrangler.
pub(crate) const WRANGLER_SWITCHES: &str = "-h --help -v --version --install-skills";
/// Commands of wrangler that have commands of their own.
pub(crate) const WRANGLER_GROUPS: &str = "d1 kv r2 pages versions deployments secret secrets-store queues triggers workflows \
     vectorize hyperdrive containers dispatch-namespace cert mtls-certificate pipelines ai vpc email tunnel auth \
     telemetry check turnstile";
