//! Files of SQLite's public test suite (<https://sqlite.org/sqllogictest>, in the public domain), statement by
//! statement in a dry run on an empty database: what a
//! statement answers there is what SQLite answers, or a limit that the platform or the gateway documents.
//!
//! SQLLOGICTEST_DIR names a folder with more of the suite; its files are run the same way. Both need the compiled
//! Worker:
//! `make build && cargo test --test sqllogictest -- --nocapture`.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by its panic what is wrong; a missing member of a JSON value is null"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use expect_test::expect;
use serde_json::{Value, json};
use sqllogictest::{
    ColumnType as _, Control, DBOutput, DefaultColumnType, QueryExpect, Record, ResultMode, Runner, StatementExpect,
};

use support::{Bound, Gateway, Refused, Run};

#[expect(dead_code, reason = "other tests need the rest of it")]
mod support;

type Line = Record<DefaultColumnType>;

#[test]
fn the_files_of_the_public_suite_are_answered_as_sqlite_does() {
    let table = run(&files(&root().join("tests/sqllogictest")));
    expect![[r#"
        file                           records  passed  failed
        in1.test                           216     214       0
              2 skipped: for another engine
        in2.test                            54      53       0
              1 skipped: for another engine
        select1.test                      1031    1031       0
        slt_lang_aggfunc.test               80      79       0
              1 skipped: an error of SQLite where the suite has no rows: integer overflow
        slt_lang_createtrigger.test         26      26       0
        slt_lang_createview.test            25      19       0
              2 skipped: A TEMP object is not allowed through the gateway; nothing was run.
              2 skipped: for another engine
              1 skipped: needs view2, which was skipped
              1 skipped: needs view3, which was skipped
        slt_lang_dropindex.test              8       8       0
        slt_lang_droptable.test             12      12       0
        slt_lang_droptrigger.test           12      12       0
        slt_lang_dropview.test              13      13       0
        slt_lang_reindex.test                7       5       0
              1 skipped: REINDEX cannot be rehearsed exactly; nothing was run.
              1 skipped: an error, but another one: REINDEX cannot be rehearsed exactly; nothing was run.
        slt_lang_replace.test               14      14       0
        slt_lang_update.test                27      27       0
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_folder_of_the_public_suite_is_answered_as_sqlite_does() {
    let Some(folder) = std::env::var_os("SQLLOGICTEST_DIR") else { return };
    let files = files(Path::new(&folder));
    assert!(!files.is_empty(), "there is no file that ends in .test in {}", folder.display());
    run(&files);
}

/// Runs every file in a run of its own and answers a table of what became of their records. Fails when one went wrong
/// or left a trace.
fn run(files: &[PathBuf]) -> String {
    // A file of the suite can hold more rows than an agent would copy; here nothing is copied at all.
    let gateway = Arc::new(Gateway::start(&json!({})));
    let before = gateway.target_contents();
    let mut table = format!("{:<30} {:>7} {:>7} {:>7}\n", "file", "records", "passed", "failed");
    let mut failures = Vec::new();
    for file in files {
        let tally = run_file(&gateway, file);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        writeln!(table, "{name:<30} {:>7} {:>7} {:>7}", tally.records, tally.passed, tally.failures.len())
            .expect("a text can be written to");
        for (reason, count) in &tally.skipped {
            writeln!(table, "  {count:>5} skipped: {reason}").expect("a text can be written to");
        }
        failures.extend(tally.failures);
        assert_eq!(gateway.target_contents(), before, "{name} has changed the target");
    }
    println!("{table}");
    assert!(
        failures.is_empty(),
        "{} of the records went wrong, the first of them:\n\n{}",
        failures.len(),
        failures.iter().take(5).cloned().collect::<Vec<_>>().join("\n\n")
    );
    table
}

/// What became of the records of a file.
#[derive(Default)]
struct Tally {
    records: usize,
    passed: usize,
    skipped: BTreeMap<String, usize>,
    failures: Vec<String>,
}

fn run_file(gateway: &Arc<Gateway>, file: &Path) -> Tally {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let records = sqllogictest::parse_with_name::<DefaultColumnType>(&without_other_engines(&text), name.as_ref())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let asked = Arc::new(Mutex::new(Asked::default()));
    let run = Arc::new(gateway.open_run("dry_run"));
    let mut runner = Runner::new(|| {
        let database = DryRun { gateway: gateway.clone(), run: run.clone(), asked: asked.clone() };
        async move { Ok(database) }
    });
    // The suite gives one value a line.
    runner.run(Record::Control(Control::ResultMode(ResultMode::ValueWise))).expect("a control record runs nothing");
    runner.with_hash_threshold(HASH_THRESHOLD);
    let mut tally = Tally::default();
    // Names that a skipped statement would have made.
    let mut absent: Vec<String> = Vec::new();
    for record in records {
        let (sql, expects_error) = match &record {
            Record::Statement { sql, expected, .. } => (sql.clone(), matches!(expected, StatementExpect::Error(_))),
            Record::Query { sql, expected, .. } => (sql.clone(), matches!(expected, QueryExpect::Error(_))),
            Record::HashThreshold { .. } => {
                runner.run(record).expect("a threshold runs nothing");
                continue;
            }
            _ => continue,
        };
        tally.records += 1;
        *asked.lock().expect("nobody panicked with the lock") = Asked { types: types(&record), ..Asked::default() };
        let outcome = runner.run(record);
        let Asked { ran, refused, .. } = std::mem::take(&mut *asked.lock().expect("nobody panicked with the lock"));
        let limit = refused.as_ref().and_then(|refused| limit(refused, &absent));
        match (outcome, limit) {
            (Ok(_), _) if !ran => *tally.skipped.entry("for another engine".into()).or_default() += 1,
            // An error that the gateway gives says nothing about SQLite's.
            (Ok(_), Some(reason)) if expects_error => {
                *tally.skipped.entry(format!("an error, but another one: {reason}")).or_default() += 1
            }
            (Ok(_), _) => tally.passed += 1,
            (Err(_), Some(reason)) => {
                absent.extend(made_by(&sql));
                *tally.skipped.entry(reason).or_default() += 1;
            }
            (Err(error), None) => tally.failures.push(error.display(false).to_string()),
        }
    }
    tally
}

/// The reason why a statement of the suite is not answered, where that is a limit that is written down.
fn limit(refused: &Refused, absent: &[String]) -> Option<String> {
    let of_the_platform = [
        "too many terms in compound SELECT",
        "too many columns",
        "Expression tree is too large",
        "not authorized to use function",
        "at most 64 tables in a join",
    ];
    let known = of_the_platform.iter().find(|known| refused.message.contains(**known));
    // The suite's own runner takes an error while it steps for the end of the rows.
    if refused.message.starts_with("integer overflow") {
        return Some("an error of SQLite where the suite has no rows: integer overflow".into());
    }
    let missing = absent.iter().find(|name| {
        refused.message.contains(&format!("no such table: {name}:"))
            || refused.message.contains(&format!("no such view: {name}:"))
    });
    match refused.code.as_str() {
        "statement_not_allowed" | "not_rehearsable" => Some(refused.message.clone()),
        "sql_error" | "sql_not_parsed" => known
            .map(|known| format!("a limit of the platform: {known}"))
            .or_else(|| missing.map(|name| format!("needs {name}, which was skipped"))),
        _ => None,
    }
}

/// The name that a CREATE statement would have made.
fn made_by(sql: &str) -> Option<String> {
    let mut words =
        sql.split_whitespace().skip_while(|word| !["TABLE", "VIEW"].contains(&word.to_ascii_uppercase().as_str()));
    words.next()?;
    words.next().map(|name| name.split('(').next().unwrap_or(name).to_owned())
}

/// The dialect of the suite in that of the parser: remarks behind a condition and conditions before `halt` are not
/// known there.
fn without_other_engines(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut lines = text.lines().map(str::trim_end).peekable();
    while let Some(line) = lines.next() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some(condition @ ("onlyif" | "skipif")), Some(engine)) if lines.peek() == Some(&"halt") => {
                lines.next();
                if (condition == "onlyif") == (engine == ENGINE) {
                    break;
                }
            }
            (Some("onlyif" | "skipif"), Some(_)) => kept.push(line.split('#').next().unwrap_or(line).trim_end()),
            (Some("halt"), None) => break,
            _ => kept.push(line),
        }
    }
    kept.join("\n") + "\n"
}

const ENGINE: &str = "sqlite";
/// Where a file does not say it, results of more values than this are in it as a hash.
const HASH_THRESHOLD: usize = 8;

fn types(record: &Line) -> Vec<DefaultColumnType> {
    match record {
        Record::Query { expected: QueryExpect::Results { types, .. }, .. } => types.clone(),
        _ => Vec::new(),
    }
}

/// What the record expects, and what the gateway said to it.
#[derive(Default)]
struct Asked {
    types: Vec<DefaultColumnType>,
    ran: bool,
    refused: Option<Refused>,
}

/// A dry run as the suite's runner sees a database.
struct DryRun {
    gateway: Arc<Gateway>,
    run: Arc<Run>,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{} ({})", .0.message, .0.code)]
struct Error(Refused);

impl sqllogictest::DB for DryRun {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<Self::ColumnType>, Self::Error> {
        let mut asked = self.asked.lock().expect("nobody panicked with the lock");
        asked.ran = true;
        let mut answers = self.gateway.sql(&self.run, &[Bound::of(sql)]).map_err(|refused| {
            asked.refused = Some(refused.clone());
            Error(refused)
        })?;
        let Some(answer) = answers.pop() else { return Ok(DBOutput::StatementComplete(0)) };
        if asked.types.is_empty() {
            return Ok(DBOutput::StatementComplete(answer.meta.changes));
        }
        let shown = |row: Vec<Value>| {
            row.iter().enumerate().map(|(column, value)| shown(value, asked.types.get(column))).collect()
        };
        let rows = answer.results.rows.into_iter().map(shown).collect();
        Ok(DBOutput::Rows { types: answer.results.columns.iter().map(|_| DefaultColumnType::Any).collect(), rows })
    }

    fn engine_name(&self) -> &'static str {
        ENGINE
    }
}

/// A value as the suite writes it in a column of this type.
fn shown(value: &Value, kind: Option<&DefaultColumnType>) -> String {
    let number = || value.as_f64().unwrap_or_else(|| value.as_str().map_or(0.0, leading_number));
    match (value, kind.map(|kind| kind.to_char())) {
        (Value::Null, _) => "NULL".into(),
        #[expect(clippy::cast_possible_truncation, reason = "that is what the suite's own runner does")]
        (_, Some('I')) => value.as_i64().unwrap_or_else(|| number() as i64).to_string(),
        (_, Some('R')) => as_real(number()),
        (Value::String(text), _) if text.is_empty() => "(empty)".into(),
        (Value::String(text), _) => {
            text.chars().map(|character| if (' '..='~').contains(&character) { character } else { '@' }).collect()
        }
        _ => value.to_string(),
    }
}

/// A REAL as SQLite's `%.3f` prints it: digits behind the sixteenth are zeros.
fn as_real(number: f64) -> String {
    let scientific = format!("{:.15e}", number.abs());
    let Some((digits, exponent)) = scientific
        .split_once('e')
        .and_then(|(digits, exponent)| Some((digits.replace('.', ""), exponent.parse::<usize>().ok()?)))
    else {
        return format!("{number:.3}");
    };
    if exponent < digits.len() {
        return format!("{number:.3}");
    }
    format!("{}{digits}{}.000", if number < 0.0 { "-" } else { "" }, "0".repeat(exponent + 1 - digits.len()))
}

/// The number that a text begins with, as SQLite casts it.
fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    (0..=text.len())
        .rev()
        .filter_map(|end| text.get(..end))
        .find_map(|start| start.parse().ok())
        .filter(|number: &f64| number.is_finite())
        .unwrap_or(0.0)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the suite in a folder and below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    found.sort();
    found
}
