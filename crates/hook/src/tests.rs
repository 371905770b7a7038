//! Commands, and what becomes of them: outside of a run, and in one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::call::{Call, Tool};
use super::surroundings::{Files, Surroundings};
use super::verdict::{Reason, Verdict};

mod credential;
mod direct;
mod everyday;
mod forms;
mod unclear;

/// The files of a project.
struct Project(BTreeMap<&'static str, &'static str>);

impl Files for Project {
    fn read(&self, path: &Path) -> Option<String> {
        self.0.get(path.to_str()?).map(|text| (*text).to_owned())
    }

    fn is_opaque(&self, path: &Path) -> bool {
        path == Path::new("/srv/project/bin/compiled")
    }
}

fn project() -> Project {
    Project(BTreeMap::from([
        (
            "/srv/project/package.json",
            r#"{"scripts": {"deploy": "wrangler deploy", "test": "vitest run",
               "start": "wrangler dev", "db:local": "wrangler d1 execute DB --local",
               "db": "wrangler d1 execute DB",
               "w": "wrangler",
               "prebuild": "node clean.js",
               "build": "tsc && vite build",
               "all": "npm-run-all build deploy", "both": "concurrently \"npm:start\" \"npm:deploy\"",
               "migrate": "node migrate.js", "nested": "npm run deploy",
               "quiet": "$RUNNER build"}}"#,
        ),
        ("/srv/project/wrangler.toml", "name = \"app\"\n[[d1_databases]]\nbinding = \"DB\"\n"),
        ("/srv/project/remote/wrangler.jsonc", "{\"d1_databases\": [{\"binding\": \"DB\", \"remote\": true}]}"),
        ("/srv/project/deploy.sh", "#!/bin/sh\nset -e\nnpx wrangler deploy\n"),
        ("/srv/project/build.sh", "#!/usr/bin/env bash\n\"$JAVA\" -jar x.jar \"$@\"\n"),
        ("/srv/project/broken.sh", "if true; then\n"),
        ("/srv/project/seed.mjs", "import Cloudflare from 'cloudflare';\nnew Cloudflare();\n"),
        ("/srv/project/direct.py", "import requests\nrequests.post('https://api.cloudflare.com/client/v4/accounts')\n"),
        ("/srv/project/plain.py", "print('hello')\n"),
        ("/srv/project/migrate.js", "require('child_process').execSync('wrangler d1 migrations apply DB --remote')\n"),
        ("/srv/project/deploy.mk", "included-deploy:\n\twrangler deploy\n"),
        ("/srv/project/justfile", "deploy:\n    wrangler deploy\ntest:\n    cargo test\n"),
        ("/srv/project/clean.js", "fs.rmSync('dist')\n"),
        ("/srv/project/run", "#!/usr/bin/python3\nprint(1)\n"),
        (
            "/srv/project/Makefile",
            "WRANGLER = npx wrangler\ninclude deploy.mk\nall: build\nbuild:\n\t@tsc -p .\ndeploy: build\n\t$(WRANGLER) \
             deploy\nship: deploy\n\techo done\nlocal:\n\t$(WRANGLER) d1 execute DB --local --file=x.sql\nfor:\n\tfor \
             f in a b; do echo $$f; done\n",
        ),
        ("/home/ada/.config/rclone/rclone.conf", "[store]\ntype = s3\nprovider = Cloudflare\n"),
    ]))
}

const OUTSIDE: &[(&str, &str)] = &[("PATH", "/usr/bin"), ("HOME", "/home/ada")];
const IN_RUN: &[(&str, &str)] = &[
    ("HOME", "/home/ada"),
    ("DRYRUN_URL", "https://gw.example"),
    ("DRYRUN_RUN_ID", "r1"),
    ("DRYRUN_TOKEN", "drt_staging_x"),
    ("CLOUDFLARE_API_BASE_URL", "https://gw.example/client/v4"),
    ("CLOUDFLARE_BASE_URL", "https://gw.example/client/v4"),
    ("CLOUDFLARE_API_TOKEN", "drt_staging_x"),
    ("CLOUDFLARE_ACCOUNT_ID", "local"),
];

fn judge(variables: &[(&str, &str)], tool: Tool) -> Verdict {
    let files = project();
    let here = Surroundings {
        cwd: PathBuf::from("/srv/project"),
        home: Some(PathBuf::from("/home/ada")),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        gateways: vec!["https://gw.example".into(), "https://production-gw.example".into()],
        production: vec!["shop.acme.workers.dev".into(), "shop.example".into()],
        production_workers: vec!["app-production".into()],
        key_files: vec![PathBuf::from("/srv/project/keys/staging.key")],
        key_variables: vec!["MY_GATEWAY_KEY".into()],
        managers: vec!["fetch-key".into()],
        files: &files,
    };
    super::judge(&Call { tool, cwd: None }, &here)
}

/// Tells of all that are not as they should be at once.
fn check(variables: &[(&str, &str)], commands: &[&str], is_right: impl Fn(&Verdict) -> bool) {
    let wrong: Vec<String> = commands
        .iter()
        .map(|command| (command, judge(variables, Tool::Shell((*command).to_owned()))))
        .filter(|(_, verdict)| !is_right(verdict))
        .map(|(command, verdict)| format!("{command}\n      {verdict:?}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n  {}", wrong.len(), commands.len(), wrong.join("\n  "));
}

fn harmless(verdict: &Verdict) -> bool {
    *verdict == Verdict::Harmless
}

fn is(reason: Reason) -> impl Fn(&Verdict) -> bool {
    move |verdict| match verdict {
        Verdict::Refused(refusal) => refusal.reason == reason && !refusal.what.is_empty() && !refusal.remedy.is_empty(),
        Verdict::Harmless | Verdict::Gateway => false,
    }
}

#[test]
fn in_a_run_the_stores_are_reached_through_the_gateway() {
    check(
        IN_RUN,
        &[
            "wrangler d1 execute DB --remote --command 'DELETE FROM users'",
            "npx wrangler d1 migrations apply DB --remote",
            "wrangler kv key put --binding CACHE a b --remote",
            "wrangler r2 object put bucket/key --file x --remote",
            "wrangler d1 execute DB --remote --command \"$SQL\"",
            "npm run db -- --remote",
            "node seed.mjs",
            "node migrate.js",
            "npm run migrate",
            "node other.mjs",
            "./bin/compiled",
            "timeout 60 npx wrangler whoami",
            "curl -H \"Authorization: Bearer $CLOUDFLARE_API_TOKEN\" \"$CLOUDFLARE_API_BASE_URL/accounts\"",
            "curl https://gw.example/v1/runs/r1",
            "python3 -c 'import os; use(os.environ[\"CLOUDFLARE_API_TOKEN\"])'",
            "dryrun report r1",
        ],
        |verdict| *verdict == Verdict::Gateway,
    );
    check(
        IN_RUN,
        &["ls", "cat README.md | grep x", "git status", "wrangler d1 execute DB --local --command x", "echo done"],
        harmless,
    );
}

#[test]
fn a_command_cannot_leave_the_gateway_of_its_run() {
    check(
        IN_RUN,
        &[
            "CLOUDFLARE_API_BASE_URL=https://api.cloudflare.com/client/v4 wrangler d1 list",
            "CLOUDFLARE_API_TOKEN=abc wrangler d1 list",
            "export CLOUDFLARE_API_BASE_URL=; wrangler d1 list",
            "unset CLOUDFLARE_API_BASE_URL; wrangler d1 list",
            "unset CLOUDFLARE_API_BASE_URL && wrangler d1 list",
            "env -u CLOUDFLARE_API_BASE_URL wrangler d1 list",
            "env -uCLOUDFLARE_API_BASE_URL wrangler d1 list",
            "env -i wrangler d1 list",
            "env - PATH=$PATH wrangler d1 list",
            "sudo CLOUDFLARE_API_BASE_URL=x wrangler d1 list",
            "wrangler d1 list --env-file prod.vars",
            "wrangler d1 list --env-file=prod.vars",
            "wrangler d1 list --profile work",
            "CLOUDFLARE_API_KEY=x CLOUDFLARE_EMAIL=y wrangler d1 list",
            "CF_API_BASE_URL=x wrangler d1 list",
            "bash -c 'CLOUDFLARE_API_BASE_URL=x wrangler d1 list'",
            "eval 'unset CLOUDFLARE_API_BASE_URL'; wrangler d1 list",
            "printf -v CLOUDFLARE_API_BASE_URL %s x; wrangler d1 list",
            "declare -n r=CLOUDFLARE_API_BASE_URL; r=x; wrangler d1 list",
            "CLOUDFLARE_API_HEADERS='{\"authorization\":\"x\"}' wrangler d1 list",
            "make CLOUDFLARE_API_BASE_URL=x local",
            "DRYRUN_URL=https://evil.example wrangler d1 list",
            "curl -H \"Authorization: Bearer $CLOUDFLARE_API_TOKEN\" https://production-gw.example/v1/runs",
            "wrangler deploy",
            "wrangler secret put X",
            "wrangler dev --remote",
            "wrangler r2 sql query x",
            "curl https://api.cloudflare.com/client/v4/accounts",
            "node -e 'fetch(\"https://api.cloudflare.com\")'",
            "echo $DRYRUN_TOKEN",
        ],
        Verdict::is_refused,
    );
    let crossed: Vec<(&str, &str)> = IN_RUN
        .iter()
        .map(|(name, value)| {
            (*name, if *name == "CLOUDFLARE_API_BASE_URL" { "https://api.cloudflare.com/client/v4" } else { value })
        })
        .collect();
    check(&crossed, &["wrangler d1 list", "npx wrangler kv key list --binding CACHE --remote"], is(Reason::Direct));
    let partly: Vec<(&str, &str)> = IN_RUN.iter().filter(|(name, _)| *name != "DRYRUN_TOKEN").copied().collect();
    check(&partly, &["wrangler d1 list"], is(Reason::Direct));
}

#[test]
fn what_guards_the_agent_is_not_the_agents_to_change() {
    check(
        OUTSIDE,
        &[
            "echo '{}' > .claude/settings.json",
            "rm .claude/settings.local.json",
            "cp x .cursor/hooks.json",
            "sed -i s/x/y/ dryrun.toml",
            "mv .codex/hooks.json /tmp",
            "tee ~/.gemini/settings.json < x",
            "cat x >> dryrun.toml",
        ],
        is(Reason::Guard),
    );
    check(OUTSIDE, &["cat .claude/settings.json", "cat dryrun.toml", "rm .claude/notes.md"], harmless);
    for path in [
        ".claude/settings.json",
        "/srv/project/dryrun.toml",
        "/home/ada/.codex/hooks.json",
        ".gemini/settings.json",
        ".cursor/hooks.json",
    ] {
        assert!(is(Reason::Guard)(&judge(OUTSIDE, Tool::Write(vec![path.into()]))), "{path}");
    }
}

#[test]
fn file_tools_touch_no_credentials() {
    for path in [
        ".env",
        "/srv/project/.dev.vars",
        "/home/ada/.config/.wrangler/config/default.toml",
        "keys/staging.key",
        "/srv/project/src/../.env.local",
    ] {
        assert!(is(Reason::Credential)(&judge(OUTSIDE, Tool::Read(vec!["README.md".into(), path.into()]))), "{path}");
        assert!(is(Reason::Credential)(&judge(OUTSIDE, Tool::Write(vec![path.into()]))), "{path}");
    }
    for path in ["README.md", ".env.example", "wrangler.toml", "src/env.ts"] {
        assert_eq!(judge(OUTSIDE, Tool::Read(vec![path.into()])), Verdict::Harmless, "{path}");
        assert_eq!(judge(OUTSIDE, Tool::Write(vec![path.into()])), Verdict::Harmless, "{path}");
    }
    let search = |pattern: &str, places: &[&str], shows| {
        judge(
            OUTSIDE,
            Tool::Search {
                pattern: pattern.into(),
                places: places.iter().map(|place| (*place).to_owned()).collect(),
                shows,
            },
        )
    };
    assert!(is(Reason::Credential)(&search("x", &[".env"], false)));
    assert!(is(Reason::Credential)(&search("x", &["src", ".env*"], false)));
    assert!(is(Reason::Credential)(&search("CLOUDFLARE_API_TOKEN", &[], true)));
    assert_eq!(search("CLOUDFLARE_API_TOKEN", &[], false), Verdict::Harmless);
    assert_eq!(search("TODO", &["src", "*.ts"], true), Verdict::Harmless);
}

#[test]
fn tools_of_servers_and_addresses() {
    let mcp = |variables, server: &str, tool: &str, location: &str, input: serde_json::Value| {
        judge(variables, Tool::Mcp { server: server.into(), tool: tool.into(), location: location.into(), input })
    };
    let none = serde_json::json!({});
    assert_eq!(mcp(IN_RUN, "dryrun", "d1_query", "", none.clone()), Verdict::Gateway);
    assert_eq!(mcp(IN_RUN, "", "d1_query", "https://gw.example/mcp", none.clone()), Verdict::Gateway);
    assert_eq!(mcp(OUTSIDE, "dryrun", "d1_query", "", none.clone()), Verdict::Harmless);
    assert!(is(Reason::Direct)(&mcp(
        IN_RUN,
        "dryrun",
        "d1_query",
        "https://bindings.mcp.cloudflare.com/mcp",
        none.clone()
    )));
    for tool in [
        "d1_database_query",
        "kv_namespace_create",
        "workers_delete",
        "execute",
        "run",
        "set_active_account",
        "container_exec",
        "getAndDelete",
        "unknown",
    ] {
        assert!(is(Reason::Direct)(&mcp(IN_RUN, "cloudflare-bindings", tool, "", none.clone())), "{tool}");
    }
    for tool in ["accounts_list", "search_cloudflare_documentation", "workers_get_worker", "listZones"] {
        assert_eq!(mcp(OUTSIDE, "cloudflare", tool, "", none.clone()), Verdict::Harmless, "{tool}");
    }
    assert!(is(Reason::Direct)(&mcp(
        OUTSIDE,
        "",
        "kv_put",
        "npx mcp-remote https://bindings.mcp.cloudflare.com/sse",
        none.clone()
    )));
    assert!(is(Reason::Direct)(&mcp(
        OUTSIDE,
        "terminal",
        "run",
        "",
        serde_json::json!({"command": "wrangler deploy"})
    )));
    assert!(is(Reason::Credential)(&mcp(
        OUTSIDE,
        "filesystem",
        "read_file",
        "",
        serde_json::json!({"path": "/srv/project/.env"})
    )));
    assert!(is(Reason::Direct)(&mcp(
        OUTSIDE,
        "browser",
        "navigate",
        "",
        serde_json::json!({"options": [{"url": "https://dash.cloudflare.com/"}]})
    )));
    assert_eq!(
        mcp(
            OUTSIDE,
            "github",
            "create_issue",
            "",
            serde_json::json!({"title": "wrangler deploy fails", "body": "see .env"})
        ),
        Verdict::Harmless
    );
    assert!(is(Reason::Direct)(&judge(OUTSIDE, Tool::Fetch("https://api.cloudflare.com/client/v4/zones".into()))));
    assert_eq!(judge(OUTSIDE, Tool::Fetch("https://developers.cloudflare.com/d1/".into())), Verdict::Harmless);
}
