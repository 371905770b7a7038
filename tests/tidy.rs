//! The architecture, as a test: arrows point inwards, the rules know no platform, files stay one idea long, documents
//! name what there is.

#![expect(clippy::unwrap_used, reason = "a test says by its panic what is wrong")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Finds the files with one of these extensions.
fn walk(path: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules") {
            walk(&path, extensions, found);
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|one| extension == *one)) {
            found.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&root().join(folder), &["rs"], &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| (path.strip_prefix(root()).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Code without comments, so that a sentence may name what code may not.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn names_none_of(folder: &str, forbidden: &[&str]) {
    let files = sources(folder);
    assert!(!files.is_empty(), "{folder} is empty");
    for (file, text) in files {
        for name in forbidden {
            assert!(!code(&text).contains(name), "{file} names {name}");
        }
    }
}

const PLATFORM: [&str; 6] = ["worker::", "js_sys::", "wasm_bindgen", "web_sys::", "axum::", "std::time::SystemTime"];

#[test]
fn the_rules_know_no_platform_and_no_outer_layer() {
    names_none_of("src/domain", &PLATFORM);
    names_none_of("src/domain", &["crate::app", "crate::cloudflare", "crate::http", "getrandom", "async fn"]);
}

#[test]
fn the_use_cases_know_no_platform_and_no_outer_layer() {
    names_none_of("src/app", &PLATFORM);
    names_none_of("src/app", &["crate::cloudflare", "crate::http", "getrandom"]);
}

#[test]
fn the_shadow_knows_no_platform_and_no_outer_layer() {
    names_none_of("src/shadow", &PLATFORM);
    names_none_of("src/shadow", &["crate::app", "crate::cloudflare", "crate::http", "getrandom"]);
}

#[test]
fn bindings_do_not_know_requests() {
    names_none_of("src/cloudflare", &["crate::http"]);
}

#[test]
fn what_shows_text_knows_nothing_else() {
    names_none_of("crates/text/src", &PLATFORM);
    let manifest = fs::read_to_string(root().join("crates/text/Cargo.toml")).unwrap();
    assert!(!manifest.contains("\n[dependencies]"), "crates/text has dependencies");
}

#[test]
fn what_understands_sql_runs_nothing_and_knows_no_layer() {
    names_none_of("crates/sql/src", &PLATFORM);
    names_none_of("crates/sql/src", &["dryrun_gateway", "async fn", "getrandom"]);
}

#[test]
fn only_one_file_of_the_command_writes_what_is_data_to_a_terminal() {
    // Hooks answer agents, completions are a script, and two say fixed words before `Say` is at hand.
    let others =
        ["cli/src/commands/hook/answer.rs", "cli/src/main.rs", "cli/src/commands/exec/child.rs", "cli/src/settings.rs"];
    for (file, text) in sources("cli/src") {
        let writes = ["stdout()", "stderr()", "println!", "eprint"].iter().any(|name| code(&text).contains(name));
        assert_eq!(writes, file == "cli/src/say.rs" || others.contains(&file.as_str()), "{file}");
    }
}

#[test]
fn no_cause_of_an_error_is_thrown_away() {
    for folder in ["src", "crates/sql/src"] {
        names_none_of(folder, &["map_err(|_|", "map_err(|_:", "Problem::internal"]);
    }
}

#[test]
fn nothing_leaks_internals_or_fails_open() {
    names_none_of("src", &["respond_with_errors", "pass_through_on_exception", ".one(", "SqlCursor::"]);
}

#[test]
fn only_one_file_picks_status_codes() {
    for (file, text) in sources("src") {
        let picks = code(&text).contains("with_status(face");
        assert_eq!(picks, file == "src/http/problem.rs", "{file}");
    }
}

/// Files that are longer than a file should be, with the length that they may not pass. The list only gets shorter.
const LONG_FILES: [(&str, usize); 10] = [
    ("cli/src/commands/smoke/mod.rs", 425),
    ("src/cloudflare/run_world.rs", 410),
    ("src/shadow/capture.rs", 455),
    ("src/shadow/catalog.rs", 440),
    ("src/shadow/checks.rs", 515),
    ("src/shadow/query.rs", 500),
    ("src/shadow/reached.rs", 470),
    ("src/shadow/rehearse.rs", 410),
    ("src/shadow/round.rs", 425),
    ("src/shadow/supply.rs", 515),
];

/// Lines of more than 120 columns that are left: JSON in macros, which no tool breaks. The number only goes down.
const LONG_LINES: usize = 130;

/// The code of the product, without tests.
fn product() -> Vec<(String, String)> {
    let all = [sources("src"), sources("cli/src"), sources("crates")].concat();
    let code = all.into_iter().filter(|(file, _)| !file.contains("tests"));
    code.map(|(file, text)| (file, text.split("#[cfg(test)]").next().unwrap().to_owned())).collect()
}

#[test]
fn a_file_is_one_idea_long() {
    let files = product();
    for (file, text) in &files {
        let most = LONG_FILES.iter().find(|(known, _)| known == file).map_or(400, |(_, most)| *most);
        let lines = text.lines().count();
        assert!(lines <= most, "{file} has {lines} lines before its tests, at most {most}");
    }
    for (known, _) in LONG_FILES {
        let lines = files.iter().find(|(file, _)| file == known).map_or(0, |(_, text)| text.lines().count());
        assert!(lines > 400, "{known} is short enough now: take it off the list");
    }
}

#[test]
fn a_line_has_at_most_120_columns() {
    let long = |text: &String| text.lines().filter(|line| line.chars().count() > 120).count();
    let found: usize = product().iter().map(|(_, text)| long(text)).sum();
    assert!(found <= LONG_LINES, "{found} lines are longer than 120 columns, {LONG_LINES} are known");
}

#[test]
fn the_readme_names_every_variable_that_is_read() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let settings = fs::read_to_string(root().join("src/domain/settings.rs")).unwrap();
    let environment = fs::read_to_string(root().join("src/cloudflare/environment.rs")).unwrap();
    let is_variable = |text: &&str| {
        text.len() > 3
            && text.contains(|character: char| character.is_ascii_uppercase())
            && text.chars().all(|character| character.is_ascii_uppercase() || character == '_')
    };
    let names: Vec<&str> = settings
        .split("#[cfg(test)]")
        .next()
        .unwrap()
        .split('"')
        .chain(environment.split('"'))
        .filter(is_variable)
        .collect();
    assert!(names.contains(&"FLAG_BUDGET_MS") && names.contains(&"TOKEN_SECRET"));
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "README.md does not name {name}");
    }
}

#[test]
fn storage_md_names_every_table() {
    let storage = fs::read_to_string(root().join("STORAGE.md")).unwrap();
    let mut texts = sources("src");
    texts.push(("migrations".into(), fs::read_to_string(root().join("migrations/0001_control.sql")).unwrap()));
    let mut seen = 0;
    // Tests make tables of their own.
    for (file, text) in texts.into_iter().filter(|(file, _)| !file.contains("/tests")) {
        let text = text.split("#[cfg(test)]").next().unwrap().replace("IF NOT EXISTS ", "");
        for part in text.split("CREATE TABLE ").skip(1) {
            let name: String =
                part.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').collect();
            if name.is_empty() {
                continue;
            }
            seen += 1;
            assert!(storage.contains(&format!("`{name}`")), "STORAGE.md does not name {name} of {file}");
        }
    }
    assert!(seen > 10, "only {seen} tables were found");
}

/// Files at the top that belong to whoever runs the gateway.
const OWN: [&str; 4] = ["wrangler.toml", "dryrun.toml", ".dev.vars", ".env"];

#[test]
fn no_test_reads_the_configuration_of_whoever_runs_the_gateway() {
    let mut files = Vec::new();
    for folder in ["tests", "demo", "clients"] {
        walk(&root().join(folder), &["rs", "mjs", "js", "ts", "py"], &mut files);
    }
    assert!(files.len() > 100, "only {} files were found", files.len());
    // This file shows what it looks for.
    for file in files.iter().filter(|file| !file.ends_with("tests/tidy.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!reaches_the_top(line), "{} reads a file that is not the tests': {line}", file.display());
        }
    }
    // What no line shows is met while the tests run: every Node process of theirs has the guard.
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let (_, guarded) = makefile
        .lines()
        .filter_map(|line| line.split_once(": export NODE_OPTIONS"))
        .map(|(targets, rest)| (rest, targets))
        .next()
        .unwrap();
    let mut target = "";
    for line in makefile.lines() {
        match line.strip_prefix('\t') {
            Some(recipe)
                if recipe.contains("node --test")
                    || recipe.contains("--test differential")
                    || recipe.contains("--test sqllogictest") =>
            {
                assert!(
                    guarded.split_whitespace().any(|name| name == target),
                    "{target} runs tests without tests/config/guard.mjs"
                );
            }
            Some(_) => {}
            None => target = line.split(':').next().unwrap(),
        }
    }
}

/// Whether a line of code names one of those files at the top of the project.
fn reaches_the_top(line: &str) -> bool {
    OWN.iter().any(|name| {
        line.match_indices(name).any(|(at, _)| {
            let before = line.get(..at).unwrap().trim_end_matches(['\'', '"', '`']);
            ["textOf(", "inProject(", "readFileSync(", "projectFolder, ", "root().join(", "../", "\"/"]
                .iter()
                .any(|reach| before.ends_with(reach))
        })
    })
}

#[test]
fn a_line_that_reaches_the_top_is_known() {
    for line in [
        "parse(textOf('wrangler.toml'))",
        "readFileSync(path.join(projectFolder, 'wrangler.toml'), 'utf8')",
        "inProject('.dev.vars')",
        "new URL('../../dryrun.toml', import.meta.url)",
        "fs::read_to_string(root().join(\"wrangler.toml\"))",
        "concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/wrangler.toml\")",
    ] {
        assert!(reaches_the_top(line), "{line}");
    }
    for line in [
        "path.join(projectFolder, 'tests/config/wrangler.toml')",
        "writeFileSync(path.join(project.folder, 'dryrun.toml'), text)",
        "{ 'wrangler.toml': toml }",
    ] {
        assert!(!reaches_the_top(line), "{line}");
    }
}
