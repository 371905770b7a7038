//! One statement that reads or writes rows: what it needs, how it runs, what it changed.

use std::rc::Rc;

use super::bare::MISMATCH;
use super::catalog::{self, Catalog, PREFIX};
use super::cells::shown;
use super::failure::Failure;
use super::images::Images;
use super::needs::{Needs, said};
use super::nondeterminism::set_columns;
use super::port::{Answered, Param, SqlError};
use super::reached::{Doubted, Schema};
use super::rehearse::{Shadow, not_rehearsable, store_error};
use super::round::{Halt, Look, Mode, Round};
use super::touched::Touched;
use super::values::parameter;
use super::virtuals::{Content, Virtual};
use super::{Figures, ShadowRequest, capture, checks};
use crate::domain::operation::BoundStatement;
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;
use dryrun_sql::named::Named;
use dryrun_sql::reach;
use dryrun_sql::statement::{COUNTERS, Kind, Statement};

impl Shadow {
    pub(super) fn query(
        &self,
        round: &mut Round,
        catalog: &Catalog,
        one: &BoundStatement,
        params: &[Param<'_>],
        request: &ShadowRequest,
        look: &Look,
    ) -> Result<Answered, Halt> {
        let (text, store) = (&one.statement.text, &request.store);
        if look.bare.contains(&look.at) {
            return self.run_bare(round, catalog, one, params, store);
        }
        let touched = match self.touched(text, params) {
            Ok(touched) => touched,
            Err(error) if one.statement.kind == Kind::Write && error.0.contains(MISMATCH) => {
                return Err(Halt::Bare(look.at));
            }
            // It cannot be prepared: run it for the very words that it gets, which name places in its own text.
            Err(_) => {
                return Err(match self.database.answer(text, params) {
                    Err(error) => self.cannot_prepare(catalog, error),
                    Ok(_) => Failure::broken("a statement that cannot be explained ran").into(),
                });
            }
        };
        if touched.schema {
            return self.read_schema(round, catalog, one, params);
        }
        if touched.gateway {
            return Err(Problem::new(
                Code::ReservedName,
                "The statement reads a table of the gateway; nothing was run.",
                "Use your own tables.",
            )
            .into());
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
        self.refuse_inexact(catalog, &touched, &one.statement)?;
        if write && self.triggers_show(&touched, &one.statement, replaces)? {
            return Err(Halt::Bare(look.at));
        }
        let virtuals = if touched.opens_virtual { self.used_virtuals(text)? } else { Vec::new() };
        self.require(catalog, self.virtual_needs(&virtuals)?)?;
        // The gateway's triggers look at every write once there is a table in parts.
        let in_parts = (write && !catalog.partial.is_empty())
            || touched.tables.iter().any(|table| !catalog.hydrated.contains(table) && !table.starts_with("sqlite_"));
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
        if write && touched.written.contains(COUNTERS) && self.sets_counters(one, &touched)? {
            images.push(Images::of(&self.database, COUNTERS)?);
            round.counters_set = true;
        }
        let noted = if look.open { self.noted()? } else { 0 };
        let before = if write { self.total_changes()? } else { 0 };
        // A statement that fails may leave rows behind (OR FAIL); it is to be asked once more for its own error.
        let rows = if in_parts && write && mode == Mode::Raise && !self.strict_ones(&touched)?.is_empty() {
            self.database.transaction(|| self.database.answer(text, params))
        } else {
            self.database.answer(text, params)
        };
        if in_parts && write && !(look.open && rows.is_ok()) {
            let missing = self.missing(round, &rows)?;
            match (&rows, missing.is_empty()) {
                (_, false) => return Err(Halt::Missing(missing)),
                // The gateway's triggers make SQLite look at the types of a STRICT row before it looks for its keys.
                (Err(error), true) if error.0.contains("cannot store") && self.watches_a_strict_one(&touched)? => {
                    return Err(Halt::Bare(look.at));
                }
                (Err(error), true) if mode == Mode::Raise => {
                    return Err(Halt::Failed(look.at, self.own_error(&touched, text, params, error)?));
                }
                (Err(error), true) => return Err(Halt::Failed(look.at, store_error(error.clone()))),
                (Ok(_), true) if mode == Mode::Leave => {
                    return Err(Halt::Failed(
                        look.at,
                        Failure::broken("a statement failed only as long as its rows were not left out"),
                    ));
                }
                (Ok(_), true) => {}
            }
        }
        let rows = rows.map_err(store_error)?;
        refuse_unbuilt(catalog, &virtuals)?;
        let mut figures = Figures::default();
        if write {
            let after = self.counters()?;
            let noted = if look.open { self.noted()? - noted } else { 0 };
            round.unresolved |= noted > 0;
            round.volatile.extend(self.volatile(one, &touched)?);
            let (notes, effects) =
                capture::collect(&self.database, store, &mut round.noted, &mut self.programs.borrow_mut().tables)?;
            figures = Figures {
                changes: after.0.saturating_sub(before).saturating_sub(notes).saturating_sub(noted),
                last_row_id: after.1,
            };
            for effect in
                effects.iter().filter(|effect| effect.before.is_some() && catalog.partial.contains(&effect.subject))
            {
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

    /// Whether a statement, or triggers of agents that it fires, could set how far AUTOINCREMENT has counted.
    pub(super) fn sets_counters(&self, one: &BoundStatement, touched: &Touched) -> Result<bool, Failure> {
        if one.statement.target.as_deref() == Some(COUNTERS) {
            return Ok(true);
        }
        if !touched.written_inside.contains(COUNTERS) {
            return Ok(false);
        }
        let rows = self.database.run(
            "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND sql LIKE \
                                      '%sqlite_sequence%' AND substr(name, 1, 8) <> '_dryrun_' LIMIT 1",
            &[],
        )?;
        Ok(rows.first().is_some())
    }

    /// How much was noted as missing.
    fn noted(&self) -> Result<u64, Failure> {
        Ok(self
            .database
            .run("SELECT count(*) FROM _dryrun_needs", &[])?
            .first()
            .map(|row| row.count(0))
            .unwrap_or_default())
    }

    /// STRICT tables that the statement writes: what REPLACE removes there is only seen with more triggers than they
    /// usually have.
    fn strict_ones(&self, touched: &Touched) -> Result<Vec<String>, Failure> {
        let mut strict = Vec::new();
        for name in &touched.written {
            if self.table(name)?.strict {
                strict.push(name.clone());
            }
        }
        Ok(strict)
    }

    /// Whether one of them has triggers before its rows that say what is missing.
    fn watches_a_strict_one(&self, touched: &Touched) -> Result<bool, Failure> {
        for name in self.strict_ones(touched)? {
            let rows = self.database.run(
                "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? AND substr(name, 1, 14) = \
                      '_dryrun_needs_' LIMIT 1",
                &[name.as_str().into()],
            )?;
            if rows.first().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn brace(&self, catalog: &Catalog, strict: &[String], on: bool) -> Result<(), Failure> {
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
    pub(super) fn virtual_images(&self, virtuals: &[Virtual]) -> Result<Vec<Images>, Failure> {
        virtuals
            .iter()
            .filter(|one| one.content == Content::Own)
            .map(|one| Images::of(&self.database, &one.name))
            .collect()
    }

    /// The error of a statement without the gateway's triggers: SQLite looks at the types of a STRICT row earlier when
    /// there is one.
    fn own_error(
        &self,
        touched: &Touched,
        text: &str,
        params: &[Param<'_>],
        error: &SqlError,
    ) -> Result<Failure, Failure> {
        if self.strict_ones(touched)?.is_empty() {
            return Ok(store_error(error.clone()));
        }
        let alone = self.database.transaction(|| -> Result<(), Failure> {
            capture::remove(&self.database)?;
            let rows = self.database.answer(text, params);
            Err(match rows {
                Err(error) => store_error(error),
                Ok(_) => not_rehearsable(
                    "A row that breaks two rules of a STRICT table at once",
                    "Give the columns values of their types.",
                ),
            })
        });
        Ok(alone.err().unwrap_or_else(|| Failure::broken("a transaction that fails succeeded")))
    }

    /// Halts when one of these tables is not copied yet.
    pub(super) fn require(&self, catalog: &Catalog, tables: impl IntoIterator<Item = String>) -> Result<(), Halt> {
        let whole = sorted::set(
            tables.into_iter().filter(|table| !catalog.hydrated.contains(table) && !table.starts_with("sqlite_")),
        );
        if whole.is_empty() { Ok(()) } else { Err(Halt::Missing(Needs { whole, ..Needs::default() })) }
    }

    /// Halts when rows are not here that the text of a statement reaches.
    fn require_reached(
        &self,
        round: &Round,
        catalog: &Catalog,
        one: &BoundStatement,
        touched: &Touched,
        look: &Look,
    ) -> Result<(), Halt> {
        let constant = |position: usize| one.params.get(position.checked_sub(1)?).and_then(parameter);
        let mut text = reach::with_parameters(&one.statement.text, &constant);
        if one.statement.verb != "INSERT" && text.to_ascii_lowercase().contains(LAST_INSERT) {
            // No row is inserted while it is looked at, so it is what it is now.
            text = reach::with_call(&text, LAST_INSERT, &self.counters()?.1.to_string());
        }
        let schema =
            Schema::new(&self.database, catalog).after(&round.moved_rows).doubting(doubted(&one.statement, touched));
        let Some(found) = reach::reach(&text, &schema) else {
            return self.require(catalog, touched.tables.iter().cloned());
        };
        let mut needs = Needs::default();
        for source in found.into_iter().filter(|source| touched.tables.contains(&source.table)) {
            needs.add(schema.missing(source, look.at)?);
        }
        let unknown = touched.tables.iter().filter(|table| {
            !catalog.hydrated.contains(*table) && !catalog.partial.contains(*table) && !table.starts_with("sqlite_")
        });
        needs.unsized_tables.extend(unknown.filter(|table| !needs.whole.contains(*table)).cloned());
        if needs.is_empty() { Ok(()) } else { Err(Halt::Missing(needs)) }
    }

    /// What the gateway's triggers found missing.
    fn missing(&self, round: &Round, rows: &Result<Answered, SqlError>) -> Result<Needs, Failure> {
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
    pub(super) fn set_mode(&self, round: &mut Round, mode: Mode, replaces: bool) -> Result<(), Failure> {
        if round.mode != (mode, replaces) {
            round.word = format!("{PREFIX}{:032x} ", self.database.entropy());
            self.database.execute(
                &format!("UPDATE _dryrun_state SET mode = {}, replaces = {}, word = ?", mode as u8, u8::from(replaces)),
                &[round.word.as_str().into()],
            )?;
            round.mode = (mode, replaces);
        }
        Ok(())
    }

    /// Whether a row may be removed because another one takes its key: says the statement, a table that it writes, or a
    /// trigger that fires.
    pub(super) fn may_replace(&self, statement: &Statement, touched: &Touched) -> Result<bool, Failure> {
        if self.named(&statement.text).replaces {
            return Ok(true);
        }
        let replacing = self.programs.borrow().replacing.clone();
        let replacing = match replacing {
            Some(known) => known,
            None => {
                let rows = self.database.run(
                    "SELECT tbl_name, sql FROM sqlite_master WHERE type IN ('table', 'trigger') AND sql LIKE \
                          '%REPLACE%' AND substr(name, 1, 8) <> '_dryrun_'",
                    &[],
                )?;
                let found = rows
                    .iter()
                    .filter(|row| row.text(1).is_some_and(|sql| Named::of(&sql).replaces))
                    .filter_map(|row| row.text(0));
                Rc::new(sorted::set(found.map(|table| table.to_ascii_lowercase())))
            }
        };
        self.programs.borrow_mut().replacing = Some(replacing.clone());
        let target = statement.target.iter();
        Ok(!replacing.is_empty()
            && touched.written.iter().chain(target).any(|table| replacing.contains(&table.to_ascii_lowercase())))
    }

    /// Refuses a write to a table of which the shadow does not have everything, or whose changes it could not show.
    pub(super) fn refuse_inexact(
        &self,
        catalog: &Catalog,
        touched: &Touched,
        statement: &Statement,
    ) -> Result<(), Failure> {
        let named = self.named(&statement.text);
        if named.calls("total_changes") {
            return Err(not_rehearsable(
                "total_changes(), which counts what the gateway notes, too,",
                "Use changes(), or RETURNING.",
            ));
        }
        if statement.verb == "UPDATE" && reach::reads_what_it_sets(&statement.text) {
            return Err(not_rehearsable(
                "An UPDATE that sets columns by what it finds in them through a compound SELECT",
                "Compute the values in a statement before.",
            ));
        }
        if let Some(table) = self.inner_tables()?.intersection(&touched.tables).next() {
            return Err(not_rehearsable(
                &format!("{}, in which an FTS5 table keeps its index,", shown(table)),
                "Use the FTS5 table itself.",
            ));
        }
        for name in &touched.written {
            if let Some(reason) = catalog.incomplete.get(name) {
                return Err(not_rehearsable(
                    &format!("A write to {}, because {reason}", shown(name)),
                    "Leave it out of the dry run.",
                ));
            }
            let table = self.table(name)?;
            if table.rowid.is_none() && table.primary_key().is_empty() {
                return Err(not_rehearsable(
                    &format!(
                        "A write to {}, whose columns hide its rowid so that its rows cannot be told apart,",
                        shown(name)
                    ),
                    "Rename one of the columns rowid, _rowid_ and oid.",
                ));
            }
            if !capture::fits(&table) {
                return Err(capture::untellable(name));
            }
            if table.foreign_keys.iter().any(|key| has_twice(&key.to)) {
                return Err(not_rehearsable(
                    &format!("A write to {}, which has a foreign key to the same column twice,", shown(name)),
                    "Name each column of the key once.",
                ));
            }
        }
        Ok(())
    }

    /// Whether the gateway's triggers would not see, or would change, what a write comes to.
    fn triggers_show(&self, touched: &Touched, statement: &Statement, replaces: bool) -> Result<bool, Failure> {
        let upserts = self.named(&statement.text).upserts;
        if !replaces && !upserts {
            return Ok(false);
        }
        for name in touched.written.iter().filter(|name| !name.starts_with("sqlite_")) {
            let table = self.table(name)?;
            // Which rows a REPLACE removes is not told by the values of columns.
            if replaces && table.unique_expression {
                return Ok(true);
            }
            // SQLite lets such a row refer to nothing, unless the table has any trigger.
            let loose = |key: &catalog::ForeignKey| {
                key.parent.eq_ignore_ascii_case(name)
                    && (replaces && key.on_delete.starts_with("SET") || upserts && key.on_update.starts_with("SET"))
            };
            if table.foreign_keys.iter().any(loose) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The error of a statement that cannot even be prepared.
    fn cannot_prepare(&self, catalog: &Catalog, error: SqlError) -> Halt {
        if let Some(name) = error.0.split("no such table: ").nth(1).and_then(|rest| rest.split(": SQLITE").next()) {
            let name = name.trim_start_matches("main.").to_ascii_lowercase();
            if let Some(reason) = catalog.missing.get(&name) {
                return not_rehearsable(
                    &format!(
                        "{} is not part of the rehearsal, because {reason}: a statement that needs it",
                        shown(&name)
                    ),
                    "Leave it out of the dry run.",
                )
                .into();
            }
        }
        store_error(error).into()
    }
}

/// Whether a name is in a list more than once. SQLite compares only the first column of a foreign key with such a key,
/// and which rows it looks at depends on whether there is any trigger.
fn has_twice(names: &[String]) -> bool {
    names.iter().enumerate().any(|(at, name)| names.iter().skip(at + 1).any(|other| other.eq_ignore_ascii_case(name)))
}

/// Refuses what succeeded with an index that is not the one of the base: only what fails without it is sure.
pub(super) fn refuse_unbuilt(catalog: &Catalog, virtuals: &[Virtual]) -> Result<(), Failure> {
    let unbuilt = virtuals.iter().find_map(|one| Some((one, catalog.unbuilt.get(&one.name)?)));
    unbuilt.map_or(Ok(()), |(one, reason)| {
        let of = one.of().unwrap_or_default();
        let what = format!(
            "A statement that uses the FTS5 table {}, whose index of {} cannot be rebuilt ({reason}),",
            shown(&one.name),
            shown(of)
        );
        Err(not_rehearsable(&what, "Leave it out of the dry run."))
    })
}

/// What a query must not read if its answer is to hold while the statement runs: tables that triggers and foreign keys
/// write meanwhile, and the columns that an UPDATE sets.
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

/// The function that tells of the row that was inserted last.
const LAST_INSERT: &str = "last_insert_rowid";
