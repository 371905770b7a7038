//! One file in the rehearsal: run as one batch, as wrangler sends it, and told statement by statement.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::judge::{Case, Effect, Lineage, SCHEMA, left_behind, plural, verb};
use super::outcome::{Ending, Rehearsed, Told};
use super::profile::{self, NewNulls, Profile};
use crate::dry::{Definition, DryRun};
use crate::failure::{Exit, Failure, Outcome};
use crate::statements::{Action, Statement, cut};

/// From how many rows on a statement is called slow: D1 ends one after 30 seconds.
const SLOW_ROWS: u64 = 10_000;
/// Up to how many rows a table is counted again; of a larger one the run has only parts.
const COUNTED_AGAIN: u64 = 1_000;
/// Ends a part of a batch with an error of its own, so that the part is undone and yet known to have run.
const END: &str = "SELECT json_extract('{}', 'the part ends here')";
/// What that error says.
const ENDED: &str = "the part ends here";
/// Refusals that are about a statement, and not about the run, the gateway or a store.
const OF_STATEMENTS: [&str; 12] = [
    "sql_error",
    "sql_not_parsed",
    "no_statement",
    "statement_too_long",
    "statement_too_nested",
    "too_many_parameters",
    "ambiguous_text",
    "statement_not_allowed",
    "reserved_name",
    "shadow_budget_exceeded",
    "not_rehearsable",
    "read_that_writes",
];

/// The rehearsal so far.
pub(super) struct Stage<'a> {
    /// The run in which the files run, one after the other.
    pub run: &'a DryRun,
    /// A run in which nothing is changed: it sees the database as it is.
    pub base: &'a DryRun,
    /// Figures of tables that earlier files changed.
    pub known: BTreeMap<String, Option<Profile>>,
    /// Tables that may change without being named, in small letters.
    pub accepted: BTreeSet<String>,
    /// The table in which applied migrations are recorded.
    pub record: String,
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The names of tables among definitions, in small letters.
fn tables(definitions: &[Definition]) -> BTreeSet<String> {
    definitions.iter().filter(|one| one.kind == "table").map(|one| lower(&one.name)).collect()
}

impl Stage<'_> {
    /// Runs a file; `record` is the statement by which wrangler records it.
    pub(super) fn rehearse(&mut self, name: &str, text: &str, record: Option<&str>) -> Outcome<Rehearsed> {
        let sql = record.map_or_else(|| text.to_owned(), |record| format!("{text}\n{record}"));
        let before = self.run.definitions()?;
        let began = crate::text::now();
        let ran = self.run.batch(&sql);
        let millis = crate::text::now().saturating_sub(began);
        let parts = cut(&sql);
        let told = parts.statements.into_iter().map(|statement| Told {
            is_record: record.is_some() && !parts.unread && statement.line > text.matches('\n').count() + 1,
            statement,
            ending: Ending::NotRun,
            touched: BTreeMap::new(),
            schema: Vec::new(),
            millis: 0.0,
        });
        let mut file = Rehearsed { statements: told.collect(), millis, ..Rehearsed::not_run(name) };
        if record.is_some() && !cut(text).closed {
            file.warnings.push(
                "The last statement does not end with a semicolon: what wrangler appends to record the \
                                migration becomes a part of it."
                    .to_owned(),
            );
        }
        match ran {
            Ok(answers) => {
                for (told, answer) in file.statements.iter_mut().zip(&answers) {
                    told.ending = Ending::Done;
                    told.millis = answer.meta.get("duration").and_then(Value::as_f64).unwrap_or_default();
                }
                file.ending = Ending::Done;
                self.look(&mut file, &before)?;
            }
            Err(failure) => self.find_failure(&mut file, &sql, failure)?,
        }
        Ok(file)
    }

    /// Finds which statement did not run: the shortest beginning of the file that does not get to its end.
    fn find_failure(&self, file: &mut Rehearsed, sql: &str, failure: Failure) -> Outcome<()> {
        let (mut good, mut bad) = (0, file.statements.len() + 1);
        let mut problem = about_statement(failure)?;
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            let end = file.statements.get(middle - 1).map_or(sql.len(), |told| told.statement.end);
            let part = sql.get(..end).unwrap_or(sql);
            match self.run.batch(&format!("{part}\n;{END}")) {
                Err(failure) if failure.code == "sql_error" && failure.message.contains(ENDED) => good = middle,
                Err(failure) => {
                    problem = about_statement(failure)?;
                    bad = middle;
                }
                Ok(_) => {
                    return Err(Failure::unreachable(
                        "A part of a file that ends with an error was answered without one.",
                        "Report this: it is a defect of dryrun or the gateway.",
                    ));
                }
            }
        }
        let ending = if problem.code == "sql_error" { Ending::Failed } else { Ending::Refused };
        for (number, told) in (1..).zip(&mut file.statements) {
            told.ending = if number < bad { Ending::Undone } else { Ending::NotRun };
            if number == bad {
                told.ending = ending;
            }
        }
        file.ending = ending;
        file.problem = Some(problem);
        Ok(())
    }

    /// Looks at what a file did.
    fn look(&mut self, file: &mut Rehearsed, before: &[Definition]) -> Outcome<()> {
        let operation = self.run.newest()?;
        let effects = Effect::read(&operation);
        for effect in &effects {
            let Some(told) = effect.statement.checked_sub(1).and_then(|index| file.statements.get_mut(index)) else {
                continue;
            };
            if effect.subject == SCHEMA {
                let change = match (&effect.before, &effect.after) {
                    (None, _) => "new",
                    (_, None) => "gone",
                    _ => "changed",
                };
                told.schema.push(format!("{change} {}", effect.key));
            } else {
                let touched = told.touched.entry(effect.subject.clone()).or_default();
                match (&effect.before, &effect.after) {
                    (None, _) => touched.inserted += 1,
                    (_, None) => touched.deleted += 1,
                    _ => touched.updated += 1,
                }
            }
        }
        let statements: Vec<Statement> = file.statements.iter().map(|told| told.statement.clone()).collect();
        let lineage = Lineage::follow(&statements, &tables(before));
        let after = self.run.definitions()?;
        let profiles = self.compare(file, &effects, &lineage, &statements)?;
        // Names are compared in small letters, and shown as they are spelled.
        let spelled = |name: &str| {
            after
                .iter()
                .find(|one| one.kind == "table" && one.name.eq_ignore_ascii_case(name))
                .map_or_else(|| name.to_owned(), |one| one.name.clone())
        };
        file.counts.iter_mut().for_each(|(table, _, _)| *table = spelled(table));
        file.new_nulls.iter_mut().for_each(|one| one.table = spelled(&one.table));
        let keys = profiles
            .iter()
            .map(|(table, (_, after))| {
                (table.clone(), after.as_ref().map(|after| after.key.clone()).unwrap_or_default())
            })
            .collect();
        let mut accepted = self.accepted.clone();
        accepted.insert(lower(&self.record));
        // How far AUTOINCREMENT has counted follows its table.
        accepted.insert("sqlite_sequence".to_owned());
        file.findings =
            Case { statements: &statements, effects: &effects, lineage: &lineage, keys: &keys, accepted: &accepted }
                .findings();
        file.warnings.extend(left_behind(before, &after, &statements));
        self.warn(file, &operation, &profiles, &after)?;
        Ok(())
    }

    /// Counts the tables that the file touched, before and after it.
    fn compare(
        &mut self,
        file: &mut Rehearsed,
        effects: &[Effect],
        lineage: &Lineage,
        statements: &[Statement],
    ) -> Outcome<Compared> {
        let mut compared = Compared::new();
        let mut reshaped = BTreeSet::new();
        let mut touched: BTreeSet<String> = BTreeSet::new();
        for effect in effects {
            match effect.key.strip_prefix("table ") {
                Some(table) if effect.subject == SCHEMA => {
                    touched.insert(lower(table));
                    reshaped.insert(lower(table));
                }
                _ if effect.subject != SCHEMA => _ = touched.insert(lower(&effect.subject)),
                _ => {}
            }
        }
        let renamed = renamed_columns(statements);
        touched.retain(|table| *table != lower(&self.record) && table != "sqlite_sequence");
        let mut known = BTreeMap::new();
        for table in touched {
            let ending = lineage.ending_as(&table);
            let base = ending.and_then(|(_, instance)| instance.base.clone()).unwrap_or_else(|| table.clone());
            let was = match self.known.get(&base) {
                Some(known) => known.clone(),
                None => profile::count(self.base, &base)?,
            };
            let is = match ending {
                None => None,
                Some((index, _)) => match &was {
                    Some(was) if was.rows > COUNTED_AGAIN && !reshaped.contains(&table) => Some(was.after(
                        effects.iter().filter(|effect| effect.subject != SCHEMA && lineage.of(effect) == Some(index)),
                    )),
                    _ => {
                        let counted = profile::count(self.run, &table)?;
                        if counted.is_none() {
                            file.warnings.push(format!(
                                "{table} could not be counted after the file: it is larger than what a run may copy."
                            ));
                        }
                        counted
                    }
                },
            };
            if was.as_ref().map(|was| was.rows) != is.as_ref().map(|is| is.rows)
                && (ending.is_none() || is.is_some())
                && (was.is_some() || is.is_some())
            {
                // A table that comes and goes within the file has nothing to compare.
                file.counts.push((table.clone(), was.as_ref().map(|was| was.rows), is.as_ref().map(|is| is.rows)));
            }
            if let (Some(was), Some(is)) = (&was, &is) {
                file.new_nulls.extend(profile::new_nulls(
                    &table,
                    was,
                    is,
                    renamed.get(&table).unwrap_or(&BTreeMap::new()),
                ));
            }
            known.insert(table.clone(), is.clone());
            compared.insert(table, (was, is));
        }
        self.known.extend(known);
        Ok(compared)
    }

    fn warn(&self, file: &mut Rehearsed, operation: &Value, profiles: &Compared, after: &[Definition]) -> Outcome<()> {
        let mut warnings = Vec::new();
        for told in &file.statements {
            let Statement { line, table, unbounded, action, .. } = &told.statement;
            let name = verb(&told.statement);
            let rows: u64 =
                told.touched.values().map(|touched| touched.inserted + touched.updated + touched.deleted).sum();
            if *unbounded {
                warnings.push(format!(
                    "line {line}: {name} has no WHERE: it changes every row of its table, including \
                                       rows that are added before it is applied."
                ));
            }
            let figures = |table: &Option<String>| {
                table
                    .as_deref()
                    .and_then(|table| profiles.get(&lower(table)))
                    .and_then(|(was, _)| was.as_ref())
                    .map(|was| was.rows)
            };
            if let (Action::AddColumn { column, required: true }, Some(table)) = (action, table) {
                warnings.push(format!(
                    "line {line}: {column} is NOT NULL and has no default, which works only as long \
                                       as {table} has no rows. Give it a default."
                ));
            }
            let whole = match action {
                Action::DropColumn => figures(table),
                // An index changes no rows, so its table was not counted yet.
                Action::Index => table
                    .as_deref()
                    .map(|table| profile::count(self.run, table))
                    .transpose()?
                    .flatten()
                    .map(|profile| profile.rows),
                _ => None,
            };
            if let Some(rows) = whole.into_iter().chain([rows]).max().filter(|rows| *rows >= SLOW_ROWS) {
                warnings.push(format!(
                    "line {line}: {name} goes through {}: it may be slow, and D1 ends a statement \
                                       after 30 seconds. Do it in parts.",
                    plural(rows)
                ));
            }
        }
        for NewNulls { table, column, nulls, rows, in_part } in &file.new_nulls {
            warnings.push(if *in_part {
                format!("{table}.{column} is filled in part: it stays NULL in {nulls} of {}.", plural(*rows))
            } else {
                format!("{table}.{column} had no NULL before and has {nulls} in {} now.", plural(*rows))
            });
        }
        let about = operation.get("operation").unwrap_or(&Value::Null);
        let list = |name: &str| {
            about
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        warnings.extend(list("inexact").into_iter().map(|what| format!("Not exact: {what}")));
        // The record of a migration always has the time in it.
        let own = |what: &str| {
            let says = |text: &str| text.to_ascii_lowercase().contains(&what.to_ascii_lowercase());
            let touched = |table: &str| profiles.contains_key(&lower(table));
            !what.eq_ignore_ascii_case("current_timestamp")
                || file.statements.iter().any(|told| says(&told.statement.text))
                || after.iter().any(|one| touched(&one.table) && says(&one.sql))
        };
        let volatile: Vec<String> = list("volatile").into_iter().filter(|what| own(what)).collect();
        if !volatile.is_empty() {
            warnings.push(format!(
                "{} come out differently each time: what is shown are the values of this rehearsal.",
                volatile.join(", ")
            ));
        }
        file.warnings.extend(warnings);
        Ok(())
    }
}

/// Tables with their figures before and after, by their names in small letters.
type Compared = BTreeMap<String, (Option<Profile>, Option<Profile>)>;

/// The columns that got other names, by table: new name to old name.
fn renamed_columns(statements: &[Statement]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut renamed: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for statement in statements {
        if let (Action::RenameColumn(old, new), Some(table)) = (&statement.action, &statement.table) {
            renamed.entry(lower(table)).or_default().insert(new.clone(), old.clone());
        }
    }
    renamed
}

/// A refusal that is about a statement; everything else ends the rehearsal.
fn about_statement(failure: Failure) -> Outcome<Failure> {
    if failure.exit == Exit::Refused && OF_STATEMENTS.contains(&failure.code.as_str()) {
        Ok(failure)
    } else {
        Err(failure)
    }
}
