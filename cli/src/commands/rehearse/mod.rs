//! Pending migrations in a dry run against the rows that are there.

mod file;
mod judge;
mod keys;
mod outcome;
mod profile;
mod rehearsal;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::dry::{DryRun, Place};
use crate::failure::{Exit, Failure, Outcome};
use crate::here::Here;
use crate::say::Say;
use crate::settings::{Environment, Project};
use crate::statements::{identifier, literal};

use file::Stage;
use keys::Keys;
use outcome::{Ending, Rehearsed};
use rehearsal::Rehearsal;

/// Run pending migrations in a dry run, against the rows that are there
///
/// Each file runs as one batch, as `wrangler d1 migrations apply` sends it, and the next one sees what it did. Nothing
/// is written anywhere.
#[derive(clap::Args)]
#[command(
    after_help = "It ends with 1 when a file would fail, deletes rows that it does not name (by a cascade, a trigger, REPLACE, or a table that is made anew without them), changes rows of a table that no statement of it names, or breaks foreign keys.

Examples:
  dryrun rehearse migrations/ --from production
  dryrun rehearse fix.sql --accept audit_log
  dryrun rehearse migrations/ --markdown >> \"$GITHUB_STEP_SUMMARY\""
)]
pub(crate) struct Rehearse {
    /// A folder of numbered .sql files, of which those run that are not applied yet, or one .sql file, which runs as it
    /// is
    path: PathBuf,
    /// The database, by binding, name or id; can be left out where there is only one
    #[arg(long)]
    database: Option<String>,
    /// The environment whose rows are used; DRYRUN_ENV when it is left out
    #[arg(long, value_name = "ENVIRONMENT")]
    from: Option<Environment>,
    /// A table whose rows may change or go although no statement names it, such as an audit log; can be repeated
    #[arg(long, value_name = "TABLE")]
    accept: Vec<String>,
    /// The table in which applied migrations are recorded
    #[arg(long, default_value = "d1_migrations")]
    table: String,
    /// Answer in Markdown, for the summary of a CI job
    #[arg(long)]
    markdown: bool,
}

impl Rehearse {
    /// Rehearses.
    pub(crate) fn run(&self, say: Say) -> Outcome<ExitCode> {
        let project = Project::find()?;
        let gateway = match self.from {
            Some(environment) => crate::here::gateway(&project, environment, say)?,
            None => Here::find(say)?.gateway,
        };
        let found = find(&self.path)?;
        let place = Place::find(gateway, self.database.as_deref())?;
        // Two runs: one that the files change, and one that goes on seeing the database as it is.
        let rehearsal = place.rehearse("rehearse", |run| {
            place.rehearse("rehearse: as it is", |base| self.rehearse(&place, run, base, &found, say))
        })?;
        let text = if self.markdown { show::markdown(&rehearsal) } else { show::text(&rehearsal) };
        say.result(&show::json(&rehearsal), &text);
        Ok(if rehearsal.passes() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Found as u8) })
    }

    fn rehearse(&self, place: &Place, run: &DryRun, base: &DryRun, found: &Found, say: Say) -> Outcome<Rehearsal> {
        let mut rehearsal = Rehearsal {
            environment: place.gateway.environment,
            database: place.database.clone(),
            run: run.id.clone(),
            applied: Vec::new(),
            notes: Vec::new(),
            files: Vec::new(),
            keys: Keys::Good,
        };
        let files = match found {
            Found::One(file) => vec![file.clone()],
            Found::Folder(files) => {
                match run.applied(&self.table)? {
                    Some(applied) => rehearsal.applied = applied,
                    None => drop(run.batch(&record_table(&self.table))?),
                }
                let pending: Vec<File> =
                    files.iter().filter(|file| !rehearsal.applied.contains(&file.name)).cloned().collect();
                rehearsal.notes = oddities(files, &pending, &rehearsal.applied);
                pending
            }
        };
        let accepted: BTreeSet<String> = self.accept.iter().map(|table| table.to_ascii_lowercase()).collect();
        let mut stage = Stage { run, base, known: BTreeMap::new(), accepted, record: self.table.clone() };
        let bar = say.bar(files.len() as u64);
        for file in &files {
            bar.set_message(dryrun_text::line(&file.name).into_owned());
            let stopped = rehearsal.files.last().is_some_and(|last: &Rehearsed| last.ending != Ending::Done);
            let record = matches!(found, Found::Folder(_))
                .then(|| format!("INSERT INTO {} (name)\nvalues ({});", identifier(&self.table), literal(&file.name)));
            rehearsal.files.push(if stopped {
                Rehearsed::not_run(&file.name)
            } else {
                stage.rehearse(&file.name, &file.text, record.as_deref())?
            });
            bar.inc(1);
        }
        bar.finish_and_clear();
        if rehearsal.files.iter().any(|file| file.ending == Ending::Done) {
            rehearsal.keys = keys::check(run, base)?;
        } else if !rehearsal.files.is_empty() {
            rehearsal.keys = Keys::Unknown("no file ran to its end.".to_owned());
        }
        Ok(rehearsal)
    }
}

/// The table in which wrangler records what is applied, as wrangler makes it.
fn record_table(table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP \
         DEFAULT CURRENT_TIMESTAMP NOT NULL)",
        identifier(table)
    )
}

/// One .sql file.
#[derive(Debug, Clone)]
struct File {
    name: String,
    text: String,
}

enum Found {
    One(File),
    Folder(Vec<File>),
}

fn find(path: &Path) -> Outcome<Found> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        Failure::new(
            Exit::Usage,
            "unreadable",
            format!("{} cannot be read: {error}. Nothing was run.", path.display()),
            "Name the folder of the migrations, or one .sql file.",
        )
    };
    let read = |path: &Path| -> Outcome<File> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(File { name, text: std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))? })
    };
    if !std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.is_dir() {
        return Ok(Found::One(read(path)?));
    }
    let list = |folder: &Path| -> Outcome<Vec<String>> {
        let entries = std::fs::read_dir(folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(folder, &error))?;
        Ok(entries
            .iter()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect())
    };
    let mut names: Vec<String> =
        list(path)?.into_iter().filter(|name| name.ends_with(".sql") && path.join(name).is_file()).collect();
    if names.is_empty() {
        // As some tools write them, and wrangler takes them: a folder for each.
        names = list(path)?
            .into_iter()
            .map(|name| format!("{name}/migration.sql"))
            .filter(|name| path.join(name).is_file())
            .collect();
    }
    if names.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "no_migrations",
            format!("{} has no .sql files; nothing was run.", path.display()),
            "Name the folder of the migrations (migrations_dir in wrangler.toml).",
        ));
    }
    names.sort_by(|left, right| order(left).cmp(&order(right)));
    Ok(Found::Folder(
        names.into_iter().map(|name| Ok(File { text: read(&path.join(&name))?.text, name })).collect::<Outcome<_>>()?,
    ))
}

/// Wrangler's order: by the number that the name begins with, those without one last, and then by name.
fn order(name: &str) -> (u64, &str) {
    let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(u64::MAX), name)
}

/// What is odd about the pending ones, next to those that are applied.
fn oddities(files: &[File], pending: &[File], applied: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    let last = applied.iter().max_by(|left, right| order(left).cmp(&order(right)));
    for file in pending {
        if let Some(last) = last.filter(|last| order(&file.name) < order(last)) {
            notes.push(format!("{} is not applied, but {last}, which comes after it, is.", file.name));
        }
    }
    for name in applied.iter().filter(|name| !files.iter().any(|file| file.name == **name)) {
        notes.push(format!("{name} is applied, but there is no such file."));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_wranglers_order() {
        let mut names = ["0010_b.sql", "seed.sql", "2_a.sql", "0002_a.sql", "0001_z.sql"];
        names.sort_by(|left, right| order(left).cmp(&order(right)));
        assert_eq!(names, ["0001_z.sql", "0002_a.sql", "2_a.sql", "0010_b.sql", "seed.sql"]);
    }

    #[test]
    fn a_pending_file_before_an_applied_one_and_an_applied_one_without_file_are_odd() {
        let file = |name: &str| File { name: name.into(), text: String::new() };
        let files = [file("0001_a.sql"), file("0002_b.sql"), file("0003_c.sql"), file("0004_d.sql")];
        let applied = ["0001_a.sql".to_owned(), "0003_c.sql".to_owned(), "0000_old.sql".to_owned()];
        assert_eq!(
            oddities(&files, &[file("0002_b.sql"), file("0004_d.sql")], &applied),
            [
                "0002_b.sql is not applied, but 0003_c.sql, which comes after it, is.",
                "0000_old.sql is applied, but there is no such file."
            ]
        );
    }
}
