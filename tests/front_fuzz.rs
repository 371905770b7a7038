//! The front of SQL under mutated text, for a time: no text makes it panic, and what it lets through is what SQLite
//! itself takes for one statement
//! of that kind.
//!
//! FRONT_FUZZ_SECONDS says how long (5), FRONT_FUZZ_SEED from where; a failure prints both its seed and its text. A
//! stack that overflows ends the
//! process without a word: the last text is then in `target/tmp/front_fuzz.sql`.

#![expect(clippy::panic, reason = "a test says by its panic what is wrong")]

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use dryrun_sql::statement::{Kind, Statement, split};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use support_sql::words;

#[path = "support/sql.rs"]
mod support_sql;

/// What the Worker has: `wasm-ld` gives the stack of a module one mebibyte. Frames of a build without optimization are
/// larger than those, so what
/// fits here fits there.
const STACK_BYTES: usize = 1 << 20;

/// Pieces of the grammar, for texts that no corpus has.
const PIECES: &[&str] = &[
    "SELECT",
    "VALUES",
    "INSERT INTO",
    "REPLACE INTO",
    "UPDATE",
    "DELETE FROM",
    "WITH",
    "RECURSIVE",
    "AS",
    "MATERIALIZED",
    "NOT",
    "FROM",
    "WHERE",
    "SET",
    "RETURNING",
    "ON CONFLICT",
    "DO NOTHING",
    "DO UPDATE SET",
    "UNION ALL",
    "CREATE TABLE",
    "CREATE TEMP TABLE",
    "CREATE VIEW",
    "CREATE TRIGGER",
    "CREATE UNIQUE INDEX",
    "CREATE VIRTUAL TABLE",
    "USING",
    "DROP TABLE",
    "ALTER TABLE",
    "RENAME TO",
    "ADD COLUMN",
    "BEGIN",
    "END",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "AFTER INSERT ON",
    "FOR EACH ROW",
    "WHEN",
    "CASE",
    "THEN",
    "ELSE",
    "PRAGMA",
    "table_info",
    "foreign_keys",
    "ATTACH",
    "VACUUM",
    "ANALYZE",
    "REINDEX",
    "EXPLAIN",
    "QUERY PLAN",
    "RAISE(ABORT, 'x')",
    "IN",
    "LIKE",
    "GLOB",
    "COLLATE",
    "OVER",
    "PARTITION BY",
    "WINDOW",
    "ORDER BY",
    "LIMIT 1",
    "(",
    ")",
    "((",
    "))",
    ",",
    ".",
    ";",
    ";;",
    "*",
    "=",
    "<>",
    "||",
    "->",
    "->>",
    "<<",
    "~",
    "-",
    "--",
    "--\n",
    "/*",
    "*/",
    "/**/",
    "'",
    "''",
    "\"",
    "\"\"",
    "`",
    "[",
    "]",
    "\\",
    "\n",
    "\r\n",
    "\u{c}",
    "\u{b}",
    "\u{a0}",
    "\u{2028}",
    "\0",
    "\u{feff}",
    "é",
    "notes",
    "pairs",
    "k",
    "id",
    "main.",
    "temp.",
    "'notes'",
    "\"notes\"",
    "[notes]",
    "`notes`",
    "sqlite_master",
    "pragma_table_list",
    "_dryrun_x",
    "'_dryrun_x'",
    "'_dryrun_touched'",
    "\"_dryrun_touched\"",
    "pragma_optimize",
    "'pragma_optimize'",
    "pragma_optimize(1)",
    "REFERENCES",
    "OR ROLLBACK",
    "content=",
    "USING fts5(",
    "_cf_KV",
    "1",
    "1_000",
    "0x1F",
    ".5",
    "1e3",
    "1e",
    "x'00'",
    "x'0'",
    "?",
    "?1",
    ":a",
    "@a",
    "$a::b(c)",
    "$a(;)",
    "#1",
    "NULL",
    "CURRENT_TIMESTAMP",
    "count(*)",
    "abs(1)",
];

const SCHEMA: &str = "
    CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT, n INTEGER CHECK (n < 100));
    CREATE TABLE tags (note INTEGER REFERENCES notes (id), label TEXT UNIQUE);
    CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
    CREATE TABLE pairs (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    CREATE TABLE t (a, b);
    CREATE VIEW loud AS SELECT upper(text) AS text FROM notes;
    CREATE TABLE _dryrun_touched (name TEXT, key TEXT, image TEXT);
    CREATE TABLE _dryrun_x (a, b);
    CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB);
    CREATE INDEX _dryrun_index ON notes (text);";

#[test]
fn what_passes_the_front_is_one_statement_of_its_kind_whatever_the_text() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let patience = Duration::from_secs(number("FRONT_FUZZ_SECONDS").unwrap_or(5));
    let seed = number("FRONT_FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("FRONT_FUZZ_SEED={seed}");
    let fuzz = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || fuzz(seed, patience))
        .expect("a thread can be started");
    let (texts, accepted) = match fuzz.join() {
        Ok(counts) => counts,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    println!("{texts} texts, {accepted} of them let through");
    assert!(
        texts > 100 && accepted > texts / 100,
        "{accepted} of {texts} texts were let through: the mutations are too wild to say anything"
    );
}

#[expect(clippy::disallowed_methods, reason = "this runs natively")]
fn fuzz(seed: u64, patience: Duration) -> (u64, u64) {
    let sqlite = Connection::open_in_memory().expect("SQLite is part of the test");
    sqlite.execute_batch(SCHEMA).expect("the schema is sound");
    sqlite.authorizer(Some(note)).expect("SQLite takes an authorizer");
    // A table can be made from a recursion that never ends.
    sqlite.progress_handler(100_000, Some(|| true)).expect("SQLite takes a limit");
    let corpus = corpus();
    assert!(corpus.len() > 400, "only {} texts were found in the corpus", corpus.len());
    let mut last = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("front_fuzz.sql"))
        .expect("the target folder can be written");
    let mut random = fastrand::Rng::with_seed(seed);
    let started = Instant::now();
    let (mut texts, mut accepted) = (0, 0);
    while started.elapsed() < patience {
        let sql = text(&corpus, &mut random);
        last.set_len(0)
            .and_then(|()| last.seek(SeekFrom::Start(0)))
            .and_then(|_| last.write_all(sql.as_bytes()))
            .expect("the target folder can be written");
        texts += 1;
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&sqlite, &sql)));
        match outcome {
            Ok(Ok(passed)) => accepted += u64::from(passed),
            Ok(Err(why)) => fail(seed, texts, &sql, &why),
            Err(_) => fail(seed, texts, &sql, "it panicked, see above"),
        }
    }
    (texts, accepted)
}

fn fail(seed: u64, texts: u64, sql: &str, why: &str) -> ! {
    panic!("{why}\n\nthe text, number {texts} with FRONT_FUZZ_SEED={seed}:\n{sql:?}");
}

/// Whether the text was let through; an error says what must not be.
fn check(sqlite: &Connection, sql: &str) -> Result<bool, String> {
    let statements = match split(sql) {
        Ok(statements) => statements,
        Err(problem) if problem.message.is_empty() || problem.remedy.is_empty() => {
            return Err(format!("a refusal without words: {problem:?}"));
        }
        Err(_) => return Ok(false),
    };
    let mut rest = sql;
    for statement in &statements {
        let text = &statement.text;
        if statement.verb == "PRAGMA" {
            let known = [
                "SELECT * FROM pragma_",
                "PRAGMA foreign_keys = o",
                "PRAGMA defer_foreign_keys = o",
                "PRAGMA optimize",
            ];
            ensure(known.iter().any(|begin| text.starts_with(begin)), || {
                format!("a PRAGMA that became something else: {text:?}")
            })?;
            // SQLite carries out a PRAGMA while it prepares it.
            if statement.kind == Kind::Write {
                continue;
            }
        } else {
            let at =
                rest.find(text.as_str()).ok_or_else(|| format!("a statement that is not in the text: {text:?}"))?;
            rest = rest.get(at + text.len()..).unwrap_or_default();
        }
        begins_as_it_should(statement)?;
        ensure(may_hold_semicolons(text) || !words(text).contains(&";".into()), || {
            format!("several statements in one: {text:?}")
        })?;
        is_one_statement_for_sqlite(sqlite, statement)?;
        reaches_nothing_of_others(sqlite, statement)?;
    }
    // The words alone say the same as the words among others.
    let joined = statements.iter().map(|one| one.text.as_str()).collect::<Vec<_>>().join(";\n");
    let again = split(&joined)
        .map_err(|problem| format!("what was let through is refused the second time: {problem:?}\n{joined:?}"))?;
    let bare = |statements: &[Statement]| {
        statements
            .iter()
            .map(|one| Statement { verb: one.verb.replace("PRAGMA", "SELECT"), ..one.clone() })
            .collect::<Vec<_>>()
    };
    ensure(bare(&again) == bare(&statements), || {
        format!("divided once more, it is something else:\n{statements:#?}\n{again:#?}")
    })?;
    Ok(true)
}

/// Other statements stand in a trigger, and anything at all in the arguments of a virtual table's module.
fn may_hold_semicolons(text: &str) -> bool {
    words(text).iter().take(3).map(|word| word.to_ascii_uppercase()).any(|word| word == "TRIGGER" || word == "VIRTUAL")
}

fn begins_as_it_should(statement: &Statement) -> Result<(), String> {
    let verb = words(&statement.text).first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    let known: &[&str] = match statement.kind {
        Kind::Read => &["SELECT", "VALUES", "WITH", "EXPLAIN"],
        Kind::Write => &["INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"],
        Kind::Schema => &["CREATE", "ALTER", "DROP", "REINDEX", "ANALYZE"],
    };
    ensure(known.contains(&verb.as_str()), || {
        format!("a {:?} that begins with {verb}: {:?}", statement.kind, statement.text)
    })
}

/// What SQLite says of it, where it understands it.
fn is_one_statement_for_sqlite(sqlite: &Connection, statement: &Statement) -> Result<(), String> {
    match sqlite.prepare(&statement.text) {
        Ok(prepared) => {
            let reads = statement.kind == Kind::Read;
            // A definition that is there already, with IF NOT EXISTS, does nothing; a write cannot be taken for one
            // that reads.
            ensure(prepared.readonly() == reads || statement.kind == Kind::Schema, || {
                format!(
                    "taken for {:?}, but for SQLite readonly is {}: {:?}",
                    statement.kind,
                    prepared.readonly(),
                    statement.text
                )
            })
        }
        Err(rusqlite::Error::MultipleStatement) => {
            Err(format!("SQLite sees several statements in {:?}", statement.text))
        }
        // It names what is not there, or is of a dialect that this SQLite was not built with.
        Err(_) => Ok(()),
    }
}

thread_local! {
    /// The tables and PRAGMAs that SQLite asked about while it prepared a statement.
    static REACHED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(context: AuthContext<'_>) -> Authorization {
    let note = |name: &str| REACHED.with_borrow_mut(|reached| reached.push(name.to_ascii_lowercase()));
    match context.action {
        AuthAction::Read { table_name, .. }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. } => note(table_name),
        AuthAction::CreateIndex { index_name, table_name } | AuthAction::DropIndex { index_name, table_name } => {
            note(index_name);
            note(table_name);
        }
        AuthAction::CreateTrigger { trigger_name, table_name }
        | AuthAction::DropTrigger { trigger_name, table_name } => {
            note(trigger_name);
            note(table_name);
        }
        AuthAction::CreateView { view_name } | AuthAction::DropView { view_name } => note(view_name),
        AuthAction::CreateVtable { table_name, .. } | AuthAction::DropVtable { table_name, .. } => note(table_name),
        AuthAction::Pragma { pragma_name, .. } => note(&format!("pragma_{pragma_name}")),
        _ => {}
    }
    Authorization::Allow
}

/// What SQLite itself looks up for a statement, for what it defines, and for the triggers that it makes: nothing that
/// belongs to the gateway or the
/// platform, and no PRAGMA that does more than answer. SQLite says it while it prepares, so nothing has to be believed
/// of the text.
fn reaches_nothing_of_others(sqlite: &Connection, statement: &Statement) -> Result<(), String> {
    // Without a name these look at everything there is.
    if matches!(statement.verb.as_str(), "ANALYZE" | "REINDEX") {
        return Ok(());
    }
    REACHED.with_borrow_mut(Vec::clear);
    drop(sqlite.prepare(&statement.text));
    if statement.kind == Kind::Schema {
        // What a definition holds is looked up when it is used.
        sqlite.execute_batch("SAVEPOINT defined").map_err(|error| error.to_string())?;
        if sqlite.execute_batch(&statement.text).is_ok() {
            let target = statement.target.as_deref().unwrap_or_default().replace('"', "\"\"");
            for used in ["SELECT * FROM #", "INSERT INTO # DEFAULT VALUES", "DELETE FROM #"] {
                drop(sqlite.prepare(&used.replace('#', &format!("\"{target}\""))));
            }
            let columns =
                sqlite.prepare(&format!("SELECT name FROM pragma_table_info('{}')", target.replace('\'', "''")));
            let columns: Vec<String> = columns
                .and_then(|mut columns| {
                    columns.query_map([], |row| row.get(0)).map(|rows| rows.filter_map(Result::ok).collect())
                })
                .unwrap_or_default();
            for column in columns {
                drop(sqlite.prepare(&format!("UPDATE \"{target}\" SET \"{0}\" = 1", column.replace('"', "\"\""))));
            }
        }
        sqlite.execute_batch("ROLLBACK TO defined; RELEASE defined").map_err(|error| error.to_string())?;
    }
    let reached = REACHED.with_borrow(Vec::clone);
    let foreign = |name: &&String| {
        ["_dryrun_", "_cf_", "__miniflare_"].iter().any(|prefix| name.starts_with(prefix))
            || name.strip_prefix("pragma_").is_some_and(|pragma| FORBIDDEN_PRAGMAS.contains(&pragma))
    };
    match reached.iter().find(foreign) {
        Some(name) => Err(format!("SQLite reaches {name} for what was let through: {:?}", statement.text)),
        None => Ok(()),
    }
}

/// Some that the front must never let run.
const FORBIDDEN_PRAGMAS: &[&str] = &[
    "optimize",
    "wal_checkpoint",
    "incremental_vacuum",
    "user_version",
    "writable_schema",
    "journal_mode",
    "function_list",
    "database_list",
    "case_sensitive_like",
];

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// Every text in the corpus of the end-to-end tests; that its names of strings are among them does no harm.
fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/smuggling");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the corpus is there")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    files.iter().flat_map(|file| literals(&fs::read_to_string(file).expect("the corpus is text"))).collect()
}

fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut characters = source
        .lines()
        .filter(|line| !line.starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
        .chars()
        .collect::<Vec<_>>()
        .into_iter();
    while let Some(character) = characters.next() {
        if !['\'', '"', '`'].contains(&character) {
            continue;
        }
        let mut text = String::new();
        while let Some(next) = characters.next().filter(|next| *next != character) {
            text.extend(if next == '\\' { escaped(&mut characters) } else { Some(next) });
        }
        found.push(text);
    }
    found
}

fn escaped(characters: &mut impl Iterator<Item = char>) -> Option<char> {
    match characters.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'f' => Some('\u{c}'),
        '0' => Some('\0'),
        'u' => u32::from_str_radix(&characters.take(4).collect::<String>(), 16).ok().and_then(char::from_u32),
        other => Some(other),
    }
}

fn text(corpus: &[String], random: &mut fastrand::Rng) -> String {
    let mut bytes = if random.u8(0..4) == 0 {
        let pieces: Vec<&str> = (0..random.usize(1..16)).filter_map(|_| random.choice(PIECES).copied()).collect();
        pieces.join(if random.bool() { " " } else { "" }).into_bytes()
    } else {
        random.choice(corpus).cloned().unwrap_or_default().into_bytes()
    };
    for _ in 0..random.usize(0..6) {
        mutate(&mut bytes, corpus, random);
    }
    bytes.truncate(4_000);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn mutate(bytes: &mut Vec<u8>, corpus: &[String], random: &mut fastrand::Rng) {
    let at = random.usize(0..=bytes.len());
    let until = random.usize(at..=bytes.len().min(at + 40));
    match random.u8(0..7) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.u8(0..8);
            }
        }
        1 => drop(bytes.drain(at..until)),
        2 => {
            let copy: Vec<u8> = bytes.get(at..until).unwrap_or_default().to_vec();
            let to = random.usize(0..=bytes.len());
            drop(bytes.splice(to..to, copy));
        }
        3 | 4 => {
            let piece = random.choice(PIECES).copied().unwrap_or_default();
            let spaced = format!(" {piece} ");
            drop(
                bytes.splice(
                    at..at,
                    if random.bool() { piece.bytes().collect::<Vec<_>>() } else { spaced.into_bytes() },
                ),
            );
        }
        5 => {
            let other = random.choice(corpus).cloned().unwrap_or_default().into_bytes();
            let from = random.usize(0..=other.len());
            bytes.truncate(at);
            bytes.extend(other.get(from..).unwrap_or_default());
        }
        _ => {
            let other = random.choice(corpus).cloned().unwrap_or_default();
            bytes.extend(b"; ");
            bytes.extend(other.bytes());
        }
    }
}
