//! No two files import each other, also not by way of others: a file can be read, tested and moved with what it
//! imports.
//!
//! Paths are read from the text. `mod` declarations and `pub use` of a file's own modules are no imports.

#![expect(clippy::unwrap_used, reason = "a test says by its panic what is wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Circles that are still there, each as its files separated by blanks. No circle may be added to the list, and no file
/// to a circle; a circle that lost files needs no change here, one that is gone does.
const KNOWN: &[&str] = &[
    "crates/sql/src/named/mod.rs crates/sql/src/pragma.rs crates/sql/src/statement.rs",
    "crates/sql/src/reach/from.rs crates/sql/src/reach/mod.rs",
    "src/app/message.rs src/app/ports.rs",
    "src/cloudflare/alerts.rs src/cloudflare/control.rs",
    "src/cloudflare/kv/mod.rs src/cloudflare/ledger.rs src/cloudflare/r2/mod.rs src/cloudflare/run_world.rs \
     src/cloudflare/transfers.rs",
    "src/domain/condition.rs src/domain/effect.rs src/domain/finding.rs src/domain/journal.rs \
     src/domain/operation.rs src/domain/run.rs src/domain/settings.rs src/domain/stores/d1/findings.rs \
     src/domain/stores/mod.rs src/domain/stores/r2.rs src/domain/stores/r2/findings.rs",
    "src/domain/markdown.rs src/domain/markdown/coverage.rs",
    "src/http/client_v4/account.rs src/http/client_v4/d1.rs src/http/client_v4/kv.rs src/http/client_v4/mod.rs \
     src/http/client_v4/r2.rs src/http/client_v4/transfer/export.rs src/http/client_v4/transfer/import.rs \
     src/http/client_v4/transfer/mod.rs src/http/health.rs src/http/mcp/calls.rs src/http/mcp/mod.rs \
     src/http/mod.rs src/http/v1.rs",
    "src/http/openapi/account.rs src/http/openapi/control.rs src/http/openapi/data.rs \
     src/http/openapi/document.rs",
    "src/shadow/bare.rs src/shadow/query.rs",
    "src/shadow/capture.rs src/shadow/catalog.rs src/shadow/checks.rs src/shadow/computed.rs src/shadow/copies.rs \
     src/shadow/hydrate.rs src/shadow/needs.rs src/shadow/orphans.rs src/shadow/reached.rs src/shadow/rehearse.rs \
     src/shadow/round.rs src/shadow/selection.rs src/shadow/supply.rs src/shadow/touched.rs src/shadow/values.rs \
     src/shadow/virtuals.rs",
];

/// The path of a module within its crate.
type Module = Vec<String>;
type Graph = BTreeMap<String, BTreeSet<String>>;

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files of a crate by their modules.
fn modules(source: &Path) -> BTreeMap<Module, PathBuf> {
    let mut files = Vec::new();
    find(source, &mut files);
    let module = |path: &Path| {
        let inside = path.strip_prefix(source).unwrap().with_extension("");
        let mut parts: Module = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
            parts.pop();
        }
        parts
    };
    files.into_iter().map(|path| (module(&path), path)).collect()
}

/// Code without comments, literals and the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, character)| {
                let ends = *character == '"' && !escaped;
                escaped = *character == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |(at, _)| at + 1)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest.get(1..).and_then(|rest| rest.find('\'')).map_or(rest.len(), |end| end + 2)
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The paths of a tree of imports: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, inside)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().to_owned()];
    };
    let inside = inside.rsplit_once('}').map_or(inside, |(inside, _)| inside);
    let (mut depth, mut start, mut parts) = (0usize, 0, Vec::new());
    for (at, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(inside.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(inside.get(start..));
    parts.into_iter().flat_map(expanded).map(|path| format!("{before}{path}")).collect()
}

/// Paths of a file: of its imports, with whether others can see them, and those in its code.
fn paths(text: &str) -> Vec<(bool, Vec<String>)> {
    let text = code(text);
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (is_public, import) = match line.trim_start().strip_prefix("pub") {
            Some(after) => (true, after.trim_start_matches("(crate)").trim_start_matches("(super)").trim_start()),
            None => (false, line.trim_start()),
        };
        let Some(tree) = import.strip_prefix("use ") else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            tree.push_str(lines.next().unwrap_or(";"));
        }
        let tree = tree.split(';').next().unwrap_or_default();
        found.extend(expanded(tree).into_iter().map(|path| (is_public, path)));
    }
    let words = rest.split(|character: char| !is_name(character) && character != ':');
    found.extend(words.filter(|word| word.contains("::")).map(|word| (false, word.to_owned())));
    found
        .into_iter()
        .map(|(is_public, path)| (is_public, path.split("::").map(|part| part.trim().to_owned()).collect()))
        .collect()
}

/// The module that a path begins in, and the rest of it; `None` when it is of another crate or a local name.
fn absolute(path: &[String], module: &Module, files: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    let mut place = module.clone();
    match first.as_str() {
        "crate" => place.clear(),
        "self" => {}
        "super" => drop(place.pop()),
        name => {
            place.push(name.to_owned());
            files.get(&place)?;
        }
    }
    for part in rest {
        match part.as_str() {
            "super" => drop(place.pop()),
            "self" => {}
            part => place.push(part.to_owned()),
        }
    }
    Some(place)
}

/// Which file imports which.
fn imports(source: &Path, root: &Path) -> Graph {
    let files = modules(source);
    let shown = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    let mut graph = Graph::new();
    for (module, file) in &files {
        let targets = graph.entry(shown(file)).or_default();
        for (is_public, path) in paths(&fs::read_to_string(file).unwrap()) {
            let Some(mut place) = absolute(&path, module, &files) else { continue };
            while !files.contains_key(&place) && place.pop().is_some() {}
            let is_own = place.len() > module.len() && place.starts_with(module);
            if place != *module && !(is_public && is_own) {
                targets.extend(files.get(&place).map(|file| shown(file)));
            }
        }
    }
    graph
}

/// Files that reach each other, in order.
fn circles(graph: &Graph) -> Vec<Vec<&str>> {
    let reached = |start: &str| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = graph.get(start).into_iter().flatten().map(String::as_str).collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(graph.get(file).into_iter().flatten().map(String::as_str));
            }
        }
        reached
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|file| (file.as_str(), reached(file))).collect();
    let of = |file: &str| -> Vec<&str> {
        let is_mutual = |other: &&&str| reach.get(**other).is_some_and(|back| back.contains(file));
        reach.get(file).into_iter().flatten().filter(is_mutual).copied().collect()
    };
    let found: BTreeSet<Vec<&str>> = reach.keys().map(|file| of(file)).filter(|circle| !circle.is_empty()).collect();
    found.into_iter().collect()
}

#[test]
fn no_files_import_each_other() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut sources = vec![root.join("src"), root.join("cli/src")];
    sources.extend(fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path().join("src")));
    let graph: Graph = sources.iter().flat_map(|source| imports(source, &root)).collect();
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 500, "imports were not understood");
    let found = circles(&graph);
    let is_part = |circle: &[&str], known: &str| circle.iter().all(|file| known.split(' ').any(|one| one == *file));
    let added: Vec<String> = found
        .iter()
        .filter(|circle| !KNOWN.iter().any(|known| is_part(circle, known)))
        .map(|circle| {
            let inside = |file: &&str| {
                let targets = graph.get(*file).into_iter().flatten().filter(|to| circle.contains(&to.as_str()));
                format!("    {file} imports {}", targets.cloned().collect::<Vec<_>>().join(", "))
            };
            format!("{circle:?}\n{}", circle.iter().map(inside).collect::<Vec<_>>().join("\n"))
        })
        .collect();
    assert!(added.is_empty(), "{} circles of imports:\n{}", added.len(), added.join("\n"));
    let gone: Vec<_> = KNOWN.iter().filter(|known| !found.iter().any(|circle| is_part(circle, known))).collect();
    assert!(gone.is_empty(), "these circles are gone; take them from the list: {gone:#?}");
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let text =
        "use super::{a, b::{self, C}};\npub use child::X;\nfn f() { crate::d::e(\"use super::no;\") } // crate::n\n";
    let read: Vec<(bool, String)> =
        paths(text).into_iter().map(|(is_public, path)| (is_public, path.join("::"))).collect();
    let expected = [
        (false, "super::a"),
        (false, "super::b::self"),
        (false, "super::b::C"),
        (true, "child::X"),
        (false, "crate::d::e"),
    ];
    assert_eq!(read, expected.map(|(is_public, path)| (is_public, path.to_owned())));
}
