//! One statement that reads or writes rows: what it needs, how it runs, what it changed.

use std::collections::BTreeSet;
use std::rc::Rc;

use js_sys::Array;
use turso_parser::ast::{Cmd, Stmt, TriggerEvent};
use turso_parser::parser::Parser;

use super::catalog::{self, Catalog, PREFIX};
use super::engine::{MAX_PROGRAMS, Shadow, not_rehearsable, store_error};
use super::images::Images;
use super::needs::{Needs, said};
use super::reached::{Doubted, Schema};
use super::round::{Halt, Look, Mode, Round};
use super::touched::Touched;
use super::values::{bindings, parameter};
use super::virtuals::{Content, Virtual};
use super::{Figures, ShadowRequest, capture, checks};
use crate::cloudflare::js;
use crate::cloudflare::sql::{Answered, SqlError};
use crate::domain::named::Named;
use crate::domain::operation::{BoundStatement, SqlCall};
use crate::domain::reach;
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;
use crate::domain::statement::{COUNTERS, Kind, Statement};
use crate::domain::volatile::{inserted_columns, volatile, volatile_defaults, volatile_with};

impl Shadow {
    pub(super) fn query(&self, round: &mut Round, catalog: &Catalog, one: &BoundStatement, params: &Array, request: &ShadowRequest, look: &Look) -> Result<Answered, Halt> {
        let (text, store) = (&one.statement.text, &request.store);
        let touched = match self.touched(text, params) {
            Ok(touched) => touched,
            // It cannot be prepared: run it for the very words that it gets, which name places in its own text.
            Err(_) => {
                return Err(match self.database.answer(text, params) {
                    Err(error) => self.cannot_prepare(catalog, error),
                    Ok(_) => Problem::internal().into(),
                });
            }
        };
        if touched.schema {
            return self.read_schema(round, catalog, one, params);
        }
        if touched.gateway {
            return Err(Problem::new(Code::ReservedName, "The statement reads a table of the gateway; nothing was run.", "Use your own tables.").into());
        }
        let write = one.statement.kind == Kind::Write;
        if !write && touched.writes {
            return Err(Problem::new(
                Code::ReadThatWrites,
                "The statement was taken for a read, but it writes; nothing was run.",
                "Send it as the write that it is. An operator was alerted.",
            )
            .into());
        }
        let replaces = write && self.may_replace(&one.statement, &touched)?;
        self.refuse_inexact(catalog, &touched, &one.statement, replaces)?;
        let virtuals = if touched.opens_virtual { self.used_virtuals(text)? } else { Vec::new() };
        self.require(catalog, virtuals.iter().flat_map(Virtual::needs))?;
        // The gateway's triggers look at every write once there is a table in parts.
        let in_parts = (write && !catalog.partial.is_empty()) || touched.tables.iter().any(|table| !catalog.hydrated.contains(table) && !table.starts_with("sqlite_"));
        if in_parts {
            self.require_reached(round, catalog, one, &touched, look)?;
        }
        let mode = look.mode();
        if in_parts && write {
            self.set_mode(round, mode, replaces)?;
        }
        let strict = if replaces { self.strict_ones(&touched)? } else { Vec::new() };
        self.brace(catalog, &strict, true)?;
        let mut images = if touched.writes_virtual { self.virtual_images(&virtuals)? } else { Vec::new() };
        if write && touched.written.contains(COUNTERS) && (one.statement.target.as_deref() == Some(COUNTERS) || self.triggers_count(&touched)?) {
            images.push(Images::of(&self.database, COUNTERS)?);
            round.counters_set = true;
        }
        let noted = if look.open { self.noted()? } else { 0 };
        let before = if write { self.total_changes()? } else { 0 };
        let rows = self.database.answer(text, params);
        if in_parts && write && !(look.open && rows.is_ok()) {
            let missing = self.missing(round, &rows)?;
            match (&rows, missing.is_empty()) {
                (_, false) => return Err(Halt::Missing(missing)),
                // The gateway's triggers make SQLite look at the types of a STRICT row before it looks for its keys.
                (Err(error), true) if error.0.contains("cannot store") && self.watches_a_strict_one(&touched)? => {
                    return Err(not_rehearsable("A row of a large STRICT table with a value of another type", "Give the columns values of their types.").into());
                }
                (Err(error), true) if mode == Mode::Raise => return Err(Halt::Failed(look.at, self.own_error(&touched, text, params, error)?)),
                (Err(error), true) => return Err(Halt::Failed(look.at, store_error(error.clone()))),
                (Ok(_), true) if mode == Mode::Leave => return Err(Halt::Failed(look.at, Problem::internal())),
                (Ok(_), true) => {}
            }
        }
        if let (Err(error), Some(target)) = (&rows, &one.statement.target)
            && error.0.to_ascii_lowercase().contains(&format!("referencing \"{}\"", target.to_ascii_lowercase()))
        {
            // Whether SQLite looks at a reference that fits nothing depends on the triggers that there are.
            return Err(
                not_rehearsable(&format!("A write to {target}, to which a foreign key refers that fits no key of it,"), "Repair or drop the table with that foreign key.").into()
            );
        }
        let rows = rows.map_err(store_error)?;
        let mut figures = Figures::default();
        if write {
            let after = self.counters()?;
            let noted = if look.open { self.noted()? - noted } else { 0 };
            round.unresolved |= noted > 0;
            round.volatile.extend(self.volatile(one, &touched)?);
            let (notes, effects) = capture::collect(&self.database, store, &mut round.noted, &mut self.programs.borrow_mut().tables)?;
            figures = Figures { changes: after.0.saturating_sub(before).saturating_sub(notes).saturating_sub(noted), last_row_id: after.1 };
            for effect in effects.iter().filter(|effect| effect.before.is_some() && catalog.partial.contains(&effect.subject)) {
                round.moved_rows.insert((effect.subject.clone(), effect.key.clone()));
            }
            round.written.extend(effects.iter().map(|effect| effect.subject.clone()));
            // No trigger tells of SQLite's own tables.
            round.written.extend(touched.written.iter().filter(|table| table.starts_with("sqlite_")).cloned());
            round.effects.extend(effects);
            for before in images {
                let after = Images::of(&self.database, before.name())?;
                round.written.insert(before.name().to_owned());
                round.effects.extend(before.changes(store, &after)?);
            }
            if touched.writes_virtual {
                round.written.extend(virtuals.iter().map(|one| one.name.clone()));
            }
            self.brace(catalog, &strict, false)?;
        }
        round.figures.push(figures);
        Ok(rows)
    }

    /// Whether triggers of agents, fired by a statement, could set how far AUTOINCREMENT has counted.
    fn triggers_count(&self, touched: &Touched) -> Result<bool, Problem> {
        if !touched.written_inside.contains(COUNTERS) {
            return Ok(false);
        }
        let rows = self.database.run("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%sqlite_sequence%' AND substr(name, 1, 8) <> '_dryrun_' LIMIT 1", &[])?;
        Ok(rows.first().is_some())
    }

    /// How much was noted as missing.
    fn noted(&self) -> Result<u64, Problem> {
        Ok(self.database.run("SELECT count(*) FROM _dryrun_needs", &[])?.first().map(|row| row.count(0)).unwrap_or_default())
    }

    /// Whether a batch draws anything by chance, as far as its text and the schema tell.
    pub(super) fn is_volatile(&self, call: &SqlCall) -> bool {
        call.statements.iter().filter(|one| one.statement.kind == Kind::Write).any(|one| {
            let touched = self.touched(&one.statement.text, &bindings(&one.params));
            touched.is_ok_and(|touched| self.volatile(one, &touched).is_ok_and(|found| !found.is_empty()))
        })
    }

    /// What in a write comes out differently each time: in its own text, in defaults that it leaves to the table, in triggers and views.
    fn volatile(&self, one: &BoundStatement, touched: &Touched) -> Result<BTreeSet<String>, Problem> {
        let text = &one.statement.text;
        let mut found = sorted::set(volatile_with(text, &one.params));
        let known = self.programs.borrow().volatile.get(text).cloned();
        let by_schema = match known {
            Some(known) => known,
            None => Rc::new(self.volatile_by_schema(&one.statement, touched)?),
        };
        found.extend(by_schema.iter().cloned());
        let mut programs = self.programs.borrow_mut();
        if programs.volatile.len() >= MAX_PROGRAMS {
            programs.volatile.clear();
        }
        programs.volatile.insert(text.clone(), by_schema);
        Ok(found)
    }

    fn volatile_by_schema(&self, statement: &Statement, touched: &Touched) -> Result<BTreeSet<String>, Problem> {
        let mut found = BTreeSet::new();
        let supplied = inserted_columns(&statement.text);
        let target = statement.target.as_deref().unwrap_or_default();
        let is_target = |name: &str| name.eq_ignore_ascii_case(target);
        for name in touched.written.iter().filter(|name| !name.starts_with("sqlite_")) {
            let table = self.table(name)?;
            // What a trigger inserts elsewhere, or a REPLACE of a NULL, may leave any default to the table.
            let own = is_target(name) && statement.verb == "INSERT" && !self.may_replace(statement, touched)?;
            for (column, volatile) in volatile_defaults(&table.sql) {
                let given = supplied.as_ref().is_none_or(|columns| columns.iter().any(|given| given.eq_ignore_ascii_case(&column)));
                if !(own && given || is_target(name) && statement.verb != "INSERT") {
                    found.extend(volatile);
                }
            }
        }
        let named = self.named(&statement.text);
        let set = set_columns(statement);
        // Only where nothing else is written are the events of the target's triggers those of the statement.
        let alone = touched.written.iter().all(|name| is_target(name) || name.starts_with("sqlite_"));
        let definitions = self.database.run("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('trigger', 'view') AND substr(name, 1, 8) <> '_dryrun_'", &[])?;
        for row in definitions.iter() {
            let text_of = |column| row.text(column).unwrap_or_default();
            let (name, table, sql) = (text_of(1), text_of(2), text_of(3));
            let used = if text_of(0) == "view" {
                named.names(&name)
            } else if is_target(&table) {
                !alone || fires_on(&sql).is_none_or(|event| event == statement.verb || (event == "UPDATE" && named.upserts)) && !is_of_others(&sql, &set)
            } else {
                touched.written.iter().any(|written| written.eq_ignore_ascii_case(&table))
            };
            if used {
                found.extend(volatile(&sql));
            }
        }
        Ok(found)
    }

    /// STRICT tables that the statement writes: what REPLACE removes there is only seen with more triggers than they usually have.
    fn strict_ones(&self, touched: &Touched) -> Result<Vec<String>, Problem> {
        let mut strict = Vec::new();
        for name in &touched.written {
            if self.table(name)?.strict {
                strict.push(name.clone());
            }
        }
        Ok(strict)
    }

    /// Whether one of them has triggers before its rows that say what is missing.
    fn watches_a_strict_one(&self, touched: &Touched) -> Result<bool, Problem> {
        for name in self.strict_ones(touched)? {
            let rows = self
                .database
                .run("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? AND substr(name, 1, 14) = '_dryrun_needs_' LIMIT 1", &[name.as_str().into()])?;
            if rows.first().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn brace(&self, catalog: &Catalog, strict: &[String], on: bool) -> Result<(), Problem> {
        if !strict.is_empty() {
            self.schema_moved.set(true);
        }
        for name in strict {
            if on { capture::install_on(&self.database, name, true)? } else { capture::relax(&self.database, name)? }
        }
        if !strict.is_empty() && on {
            checks::install(&self.database, catalog)?;
        }
        Ok(())
    }

    /// The rows of FTS5 tables before a statement that writes to them.
    fn virtual_images(&self, virtuals: &[Virtual]) -> Result<Vec<Images>, Problem> {
        virtuals.iter().filter(|one| one.content == Content::Own).map(|one| Images::of(&self.database, &one.name)).collect()
    }

    /// The error of a statement without the gateway's triggers: SQLite looks at the types of a STRICT row earlier when there is one.
    fn own_error(&self, touched: &Touched, text: &str, params: &Array, error: &SqlError) -> Result<Problem, Problem> {
        if self.strict_ones(touched)?.is_empty() {
            return Ok(store_error(error.clone()));
        }
        let alone = self.database.transaction(|| -> Result<(), Problem> {
            capture::remove(&self.database)?;
            let rows = self.database.answer(text, params);
            Err(match rows {
                Err(error) => store_error(error),
                Ok(_) => not_rehearsable("A row that breaks two rules of a STRICT table at once", "Give the columns values of their types."),
            })
        });
        Ok(alone.err().unwrap_or_else(Problem::internal))
    }

    /// Halts when one of these tables is not copied yet.
    pub(super) fn require(&self, catalog: &Catalog, tables: impl IntoIterator<Item = String>) -> Result<(), Halt> {
        let whole = sorted::set(tables.into_iter().filter(|table| !catalog.hydrated.contains(table) && !table.starts_with("sqlite_")));
        if whole.is_empty() { Ok(()) } else { Err(Halt::Missing(Needs { whole, ..Needs::default() })) }
    }

    /// Halts when rows are not here that the text of a statement reaches.
    fn require_reached(&self, round: &Round, catalog: &Catalog, one: &BoundStatement, touched: &Touched, look: &Look) -> Result<(), Halt> {
        let constant = |position: usize| one.params.get(position.checked_sub(1)?).and_then(parameter);
        let mut text = reach::with_parameters(&one.statement.text, &constant);
        if one.statement.verb != "INSERT" && text.to_ascii_lowercase().contains(LAST_INSERT) {
            // No row is inserted while it is looked at, so it is what it is now.
            text = reach::with_call(&text, LAST_INSERT, &self.counters()?.1.to_string());
        }
        let schema = Schema::new(&self.database, catalog).after(&round.moved_rows).doubting(doubted(&one.statement, touched));
        let Some(found) = reach::reach(&text, &schema) else {
            return self.require(catalog, touched.tables.iter().cloned());
        };
        let mut needs = Needs::default();
        for source in found.into_iter().filter(|source| touched.tables.contains(&source.table)) {
            needs.add(schema.missing(source, look.at)?);
        }
        let unknown = touched.tables.iter().filter(|table| !catalog.hydrated.contains(*table) && !catalog.partial.contains(*table) && !table.starts_with("sqlite_"));
        needs.unsized_tables.extend(unknown.filter(|table| !needs.whole.contains(*table)).cloned());
        if needs.is_empty() { Ok(()) } else { Err(Halt::Missing(needs)) }
    }

    /// What the gateway's triggers found missing.
    fn missing(&self, round: &Round, rows: &Result<Answered, SqlError>) -> Result<Needs, Problem> {
        match rows {
            Ok(_) => {
                let noted = self.database.run("SELECT DISTINCT what FROM _dryrun_needs", &[])?;
                said(noted.iter().filter_map(|row| row.text(0)).collect::<Vec<_>>())
            }
            Err(error) => {
                let told = error.0.split_once(&round.word).filter(|_| !round.word.is_empty());
                let text = told.and_then(|(_, rest)| rest.rsplit_once('}')).map(|(text, _)| format!("{text}}}"));
                said(text)
            }
        }
    }

    /// Only where it changes: it would be seen by `changes()`.
    pub(super) fn set_mode(&self, round: &mut Round, mode: Mode, replaces: bool) -> Result<(), Problem> {
        if round.mode != (mode, replaces) {
            round.word = format!("{PREFIX}{:032x} ", js::entropy());
            self.database.execute(&format!("UPDATE _dryrun_state SET mode = {}, replaces = {}, word = ?", mode as u8, u8::from(replaces)), &[round.word.as_str().into()])?;
            round.mode = (mode, replaces);
        }
        Ok(())
    }

    /// Whether a row may be removed because another one takes its key: says the statement, a table that it writes, or a trigger that fires.
    fn may_replace(&self, statement: &Statement, touched: &Touched) -> Result<bool, Problem> {
        if self.named(&statement.text).replaces {
            return Ok(true);
        }
        let replacing = self.programs.borrow().replacing.clone();
        let replacing = match replacing {
            Some(known) => known,
            None => {
                let rows = self
                    .database
                    .run("SELECT tbl_name, sql FROM sqlite_master WHERE type IN ('table', 'trigger') AND sql LIKE '%REPLACE%' AND substr(name, 1, 8) <> '_dryrun_'", &[])?;
                let found = rows.iter().filter(|row| row.text(1).is_some_and(|sql| Named::of(&sql).replaces)).filter_map(|row| row.text(0));
                Rc::new(sorted::set(found.map(|table| table.to_ascii_lowercase())))
            }
        };
        self.programs.borrow_mut().replacing = Some(replacing.clone());
        let target = statement.target.iter();
        Ok(!replacing.is_empty() && touched.written.iter().chain(target).any(|table| replacing.contains(&table.to_ascii_lowercase())))
    }

    /// Refuses a write to a table of which the shadow does not have everything, or whose changes it could not show.
    fn refuse_inexact(&self, catalog: &Catalog, touched: &Touched, statement: &Statement, replaces: bool) -> Result<(), Problem> {
        let named = self.named(&statement.text);
        if named.calls("total_changes") {
            return Err(not_rehearsable("total_changes(), which counts what the gateway notes, too,", "Use changes(), or RETURNING."));
        }
        if statement.verb == "UPDATE" && reach::reads_what_it_sets(&statement.text) {
            return Err(not_rehearsable("An UPDATE that sets columns by what it finds in them through a compound SELECT", "Compute the values in a statement before."));
        }
        if let Some(table) = self.inner_tables()?.intersection(&touched.tables).next() {
            return Err(not_rehearsable(&format!("{table}, in which an FTS5 table keeps its index,"), "Use the FTS5 table itself."));
        }
        for name in &touched.written {
            if let Some(reason) = catalog.incomplete.get(name) {
                return Err(not_rehearsable(&format!("A write to {name}, because {reason}"), "Leave it out of the dry run."));
            }
            let table = self.table(name)?;
            if table.rowid.is_none() && table.primary_key().is_empty() {
                return Err(not_rehearsable(
                    &format!("A write to {name}, whose columns hide its rowid so that its rows cannot be told apart,"),
                    "Rename one of the columns rowid, _rowid_ and oid.",
                ));
            }
            if !capture::fits(&table) {
                return Err(capture::untellable(name));
            }
            if replaces && table.unique_expression {
                return Err(not_rehearsable(
                    &format!("A REPLACE on {name}, whose unique index on an expression hides which rows it removes,"),
                    "Delete the old row in a statement of its own.",
                ));
            }
            // SQLite lets such a row refer to nothing, unless the table has any trigger.
            let upserts = named.upserts;
            let loose =
                |key: &catalog::ForeignKey| key.parent.eq_ignore_ascii_case(name) && (replaces && key.on_delete.starts_with("SET") || upserts && key.on_update.starts_with("SET"));
            if (replaces || upserts) && table.foreign_keys.iter().any(loose) {
                return Err(not_rehearsable(
                    &format!("A REPLACE or upsert on {name}, which refers to itself with SET NULL or SET DEFAULT,"),
                    "Change or delete the old row in a statement of its own.",
                ));
            }
        }
        Ok(())
    }

    /// The error of a statement that cannot even be prepared.
    fn cannot_prepare(&self, catalog: &Catalog, error: SqlError) -> Halt {
        if let Some(name) = error.0.split("no such table: ").nth(1).and_then(|rest| rest.split(": SQLITE").next()) {
            let name = name.trim_start_matches("main.").to_ascii_lowercase();
            if let Some(reason) = catalog.missing.get(&name) {
                return not_rehearsable(&format!("{name} is not part of the rehearsal, because {reason}: a statement that needs it"), "Leave it out of the dry run.").into();
            }
        }
        store_error(error).into()
    }
}

/// The columns that an UPDATE sets.
fn set_columns(statement: &Statement) -> Vec<String> {
    match Parser::new(statement.text.as_bytes()).next_cmd() {
        Ok(Some(Cmd::Stmt(Stmt::Update(update)))) => update.sets.iter().flat_map(|set| &set.col_names).map(|column| column.as_str().to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// Whether a trigger fires only for other columns than an UPDATE sets.
fn is_of_others(trigger: &str, set: &[String]) -> bool {
    match Parser::new(trigger.as_bytes()).next_cmd() {
        Ok(Some(Cmd::Stmt(Stmt::CreateTrigger { event: TriggerEvent::UpdateOf(columns), .. }))) => {
            !set.is_empty() && !columns.iter().any(|column| set.iter().any(|set| set.eq_ignore_ascii_case(column.as_str())))
        }
        _ => false,
    }
}

/// What a query must not read if its answer is to hold while the statement runs: tables that triggers and foreign keys write meanwhile, and the columns that an UPDATE sets.
fn doubted(statement: &Statement, touched: &Touched) -> Doubted {
    let set = set_columns(statement);
    let target = statement.target.clone().filter(|_| !set.is_empty()).map(|target| (target, set));
    Doubted {
        written: touched.written.iter().cloned().collect(),
        inside: touched.written_inside.iter().cloned().collect(),
        target,
        midway: false,
        inserts: statement.verb == "INSERT",
    }
}

/// The event that a trigger fires on.
fn fires_on(trigger: &str) -> Option<&'static str> {
    let Ok(Some(Cmd::Stmt(Stmt::CreateTrigger { event, .. }))) = Parser::new(trigger.as_bytes()).next_cmd() else { return None };
    Some(match event {
        TriggerEvent::Insert => "INSERT",
        TriggerEvent::Delete => "DELETE",
        TriggerEvent::Update | TriggerEvent::UpdateOf(_) => "UPDATE",
    })
}

/// The function that tells of the row that was inserted last.
const LAST_INSERT: &str = "last_insert_rowid";
