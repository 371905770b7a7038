//! Running statements in the shadow: execute, see what is missing, copy it, execute again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use js_sys::Array;
use serde_json::json;
use worker::Env;

use super::catalog::{self, Catalog, remember_last};
use super::hydrate::{self, Budget};
use super::touched::{Touched, roots, touched};
use super::values::{bindings, rows_to_json};
use super::{Figures, LostChange, ShadowAnswer, ShadowReply, ShadowRequest, capture};
use crate::cloudflare::d1;
use crate::cloudflare::sql::{Answered, Database, SqlError};
use crate::domain::effect::Effect;
use crate::domain::limits::MAX_STATEMENT_BYTES;
use crate::domain::operation::{BoundStatement, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;
use crate::domain::statement::{Kind, Statement};

/// Most rounds of copying for one request: each copies at least one table, and a statement rarely reaches more.
const MAX_ROUNDS: usize = 64;

/// A shadow while its object lives. The memory is only a cache of what storage can say again.
pub struct Shadow {
    pub(super) database: Database,
    env: Env,
    programs: RefCell<Programs>,
}

/// What is known of statements, as long as the schema stays as it is.
#[derive(Default)]
struct Programs {
    roots: Option<Rc<BTreeMap<u64, String>>>,
    touched: HashMap<String, Rc<Touched>>,
    tables: BTreeMap<String, Rc<catalog::Table>>,
    deferred: Option<bool>,
}

/// What stands before a statement when SQLite is asked about it.
const EXPLAIN_BYTES: usize = 40;
/// Most statements whose programs are remembered.
const MAX_PROGRAMS: usize = 256;

/// Why a round did not get to its end.
pub(super) enum Halt {
    /// These tables have to be copied first.
    Missing(BTreeSet<String>),
    /// It is over.
    Problem(Problem),
    /// The schema was read; what was done to hide the gateway's part is undone, the answer stands.
    Answered(Vec<Answered>),
}

impl From<SqlError> for Halt {
    fn from(error: SqlError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// What a round did.
pub(super) struct Round {
    pub(super) figures: Vec<Figures>,
    pub(super) effects: Vec<Effect>,
    pub(super) written: BTreeSet<String>,
    pub(super) schema_changed: bool,
    pub(super) noted: u64,
    pub(super) text: String,
}

impl Shadow {
    /// The shadow in an object.
    pub fn new(database: Database, env: Env) -> Self {
        Self { database, env, programs: RefCell::default() }
    }

    /// Carries out a request.
    pub async fn run(&self, request: &ShadowRequest) -> Result<ShadowReply, Problem> {
        let mut catalog = Catalog::load(&self.database)?;
        if catalog.serial > request.serial {
            let lost = catalog::last(&self.database)?.ok_or_else(|| crate::cloudflare::sql::unreadable("shadow"))?;
            return Ok(ShadowReply::Lost(lost));
        }
        if !catalog.loaded {
            hydrate::schema(&self.env, &request.store, &self.database, &mut catalog).await?;
        }
        let mut budget = Budget { rows_left: request.most_rows.saturating_sub(catalog.rows), bytes_left: request.most_bytes.saturating_sub(catalog.bytes), rows: 0, bytes: 0 };
        let reads_only = request.call.statements.iter().all(|one| one.statement.kind == Kind::Read);
        if reads_only && self.is_clean(&catalog, &request.call)? {
            return self.read_base(request, &catalog).await;
        }
        for _ in 0..MAX_ROUNDS {
            match self.round(&mut catalog, request, reads_only) {
                Ok(round) => return Ok(ShadowReply::Ran(answer(round, &catalog))),
                Err(Halt::Missing(tables)) => {
                    hydrate::tables(&self.env, &request.store, &self.database, &mut catalog, &tables, &mut budget).await?;
                    self.forget();
                }
                Err(Halt::Problem(problem)) => return Err(problem),
                Err(Halt::Answered(_)) => return Err(Problem::internal()),
            }
        }
        Err(Problem::new(Code::ShadowBudgetExceeded, "Rehearsing this statement needs too many rounds of copying; nothing was run.", "Split the statement."))
    }

    pub(super) fn forget(&self) {
        *self.programs.borrow_mut() = Programs::default();
    }

    /// Whether every statement touches only what the base still has just so.
    fn is_clean(&self, catalog: &Catalog, call: &SqlCall) -> Result<bool, Problem> {
        if catalog.schema_dirty {
            return Ok(false);
        }
        for one in &call.statements {
            if one.statement.is_explain() || (one.statement.checks_foreign_keys() && catalog.is_dirty()) {
                return Ok(false);
            }
            match self.touched(&one.statement.text, &bindings(&one.params)) {
                Ok(touched) if touched.writes || touched.tables.iter().any(|table| catalog.dirty.contains(table)) => return Ok(false),
                Ok(_) => {}
                // What the shadow cannot prepare may still read a table that differs here.
                Err(_) if catalog.is_dirty() => return Ok(false),
                Err(_) => {}
            }
        }
        Ok(true)
    }

    async fn read_base(&self, request: &ShadowRequest, catalog: &Catalog) -> Result<ShadowReply, Problem> {
        let done = d1::perform::<(), ()>(&self.env, &request.store, &request.call, true).await?;
        let crate::app::message::Answer::Result { result, .. } = done.answer else { return Err(Problem::internal()) };
        Ok(ShadowReply::Ran(ShadowAnswer {
            results: result,
            figures: vec![Figures::default(); request.call.statements.len()],
            effects: Vec::new(),
            inexact: Vec::new(),
            serial: catalog.serial,
            dirty: catalog.is_dirty(),
            rows: catalog.rows,
            bytes: catalog.bytes,
        }))
    }

    /// One try, whole or not at all.
    fn round(&self, catalog: &mut Catalog, request: &ShadowRequest, reads_only: bool) -> Result<Round, Halt> {
        let mut next = catalog.clone();
        let round = self.database.transaction(|| -> Result<Round, Halt> {
            let mut round = Round { figures: Vec::new(), effects: Vec::new(), written: BTreeSet::new(), schema_changed: false, noted: 0, text: String::new() };
            let mut rows = Vec::new();
            // All of them before the first runs: an EXPLAIN of a write sets `changes()` to 0, which the next statement may read.
            for one in request.call.statements.iter().filter(|one| !one.statement.is_explain()) {
                // What cannot be prepared says so when it runs.
                let _ = self.touched(&one.statement.text, &bindings(&one.params));
            }
            for one in &request.call.statements {
                rows.push(self.statement(&mut round, &mut next, one, request)?);
            }
            round.text = self.render(&request.call, &rows, &round)?;
            if !reads_only {
                // Not after each statement: `changes()` would tell the agent of it.
                capture::clear(&self.database)?;
                self.check_deferred(&next)?;
                next.dirty.extend(round.written.iter().cloned());
                next.serial += 1;
                remember_last(&self.database, &LostChange { call: request.call.clone(), effects: round.effects.clone(), serial: next.serial })?;
                next.save(&self.database)?;
            }
            Ok(round)
        });
        match round {
            Ok(round) => {
                if round.schema_changed {
                    self.forget();
                }
                *catalog = next;
                Ok(round)
            }
            Err(halt) => {
                // A statement that changed the schema may have been undone.
                self.forget();
                Err(halt)
            }
        }
    }

    fn statement(&self, round: &mut Round, catalog: &mut Catalog, one: &BoundStatement, request: &ShadowRequest) -> Result<Answered, Halt> {
        let params = bindings(&one.params);
        let text = &one.statement.text;
        if text.len() > MAX_STATEMENT_BYTES - EXPLAIN_BYTES {
            return Err(Problem::new(
                Code::StatementTooLong,
                format!("A dry run asks SQLite about a statement first, which takes {EXPLAIN_BYTES} of its {MAX_STATEMENT_BYTES} bytes; nothing was run."),
                "Bind long values as parameters.",
            )
            .into());
        }
        match one.statement.kind {
            Kind::Schema => self.change_schema(round, catalog, one, &params, &request.store),
            Kind::Read | Kind::Write => {
                if one.statement.describes_schema || one.statement.is_explain() {
                    return self.read_schema(round, catalog, one, &params);
                }
                self.query(round, catalog, one, &params, &request.store)
            }
        }
    }

    fn query(&self, round: &mut Round, catalog: &Catalog, one: &BoundStatement, params: &Array, store: &str) -> Result<Answered, Halt> {
        let text = &one.statement.text;
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
        if one.statement.kind == Kind::Read && touched.writes {
            crate::cloudflare::js::log("alert", "read_that_writes", &[("store", store)]);
            return Err(Problem::new(Code::StatementNotAllowed, "The statement was taken for a read, but it writes; nothing was run.", "Send it as the write that it is.").into());
        }
        self.require(catalog, touched.tables.iter().cloned())?;
        self.refuse_inexact(catalog, &touched, &one.statement)?;
        let before = if one.statement.kind == Kind::Write { self.total_changes()? } else { 0 };
        let rows = self.database.answer(text, params).map_err(store_error)?;
        let mut figures = Figures::default();
        if one.statement.kind == Kind::Write {
            let after = self.counters()?;
            let (notes, effects) = capture::collect(&self.database, store, &mut round.noted, &mut self.programs.borrow_mut().tables)?;
            figures = Figures { changes: after.0.saturating_sub(before).saturating_sub(notes), last_row_id: after.1 };
            round.effects.extend(effects);
            round.written.extend(touched.written.iter().cloned());
        }
        round.figures.push(figures);
        Ok(rows)
    }

    /// Halts when one of these tables is not copied yet.
    pub(super) fn require(&self, catalog: &Catalog, tables: impl IntoIterator<Item = String>) -> Result<(), Halt> {
        let missing = sorted::set(tables.into_iter().filter(|table| !catalog.hydrated.contains(table) && !table.starts_with("sqlite_")));
        if missing.is_empty() { Ok(()) } else { Err(Halt::Missing(missing)) }
    }

    /// Refuses a write to a table of which the shadow does not have everything, or whose changes it could not show.
    fn refuse_inexact(&self, catalog: &Catalog, touched: &Touched, statement: &Statement) -> Result<(), Problem> {
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
            let replaces = |sql: &str| sql.to_ascii_uppercase().contains("REPLACE");
            if table.unique_expression && (replaces(&statement.text) || replaces(&table.sql) || self.a_trigger_replaces(name, statement)?) {
                return Err(not_rehearsable(
                    &format!("A REPLACE on {name}, whose unique index on an expression hides which rows it removes,"),
                    "Delete the old row in a statement of its own.",
                ));
            }
        }
        Ok(())
    }

    /// Whether a trigger with a REPLACE may write to this table: one of its own when the statement names the table, else any that there is.
    fn a_trigger_replaces(&self, table: &str, statement: &Statement) -> Result<bool, Problem> {
        let own = statement.target.as_ref().filter(|target| target.eq_ignore_ascii_case(table));
        let found = self.database.run(
            "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 8) <> '_dryrun_' AND sql LIKE '%REPLACE%' AND (?1 IS NULL OR tbl_name = ?1 COLLATE NOCASE) LIMIT 1",
            &[own.map(String::as_str).into()],
        )?;
        Ok(found.first().is_some())
    }

    fn table(&self, name: &str) -> Result<Rc<catalog::Table>, Problem> {
        if let Some(known) = self.programs.borrow().tables.get(name) {
            return Ok(known.clone());
        }
        let table = Rc::new(catalog::Table::read(&self.database, name)?);
        self.programs.borrow_mut().tables.insert(name.to_owned(), table.clone());
        Ok(table)
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

    /// A deferred foreign key is checked when the event commits, which is after the answer; so it is checked here.
    fn check_deferred(&self, catalog: &Catalog) -> Result<(), Problem> {
        let known = self.programs.borrow().deferred;
        let deferred = match known {
            Some(known) => known,
            None => self.database.run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND sql LIKE '%DEFERRED%' LIMIT 1", &[])?.first().is_some(),
        };
        self.programs.borrow_mut().deferred = Some(deferred);
        if deferred && hydrate::broken_foreign_key(&self.database, &catalog.hydrated)?.is_some() {
            return Err(Problem::from_store(Code::SqlError, "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"));
        }
        Ok(())
    }

    pub(super) fn counters(&self) -> Result<(u64, i64), Problem> {
        let rows = self.database.run("SELECT total_changes(), CAST(last_insert_rowid() AS TEXT)", &[])?;
        let row = rows.first().ok_or_else(Problem::internal)?;
        Ok((row.count(0), row.text(1).and_then(|text| text.parse().ok()).unwrap_or_default()))
    }

    pub(super) fn total_changes(&self) -> Result<u64, Problem> {
        Ok(self.counters()?.0)
    }

    pub(super) fn touched(&self, text: &str, params: &Array) -> Result<Rc<Touched>, SqlError> {
        let mut programs = self.programs.borrow_mut();
        if let Some(known) = programs.touched.get(text) {
            return Ok(known.clone());
        }
        let roots = match &programs.roots {
            Some(roots) => roots.clone(),
            None => Rc::new(roots(&self.database)?),
        };
        programs.roots = Some(roots.clone());
        let found = Rc::new(touched(&self.database, &roots, text, params)?);
        if programs.touched.len() >= MAX_PROGRAMS {
            programs.touched.clear();
        }
        programs.touched.insert(text.to_owned(), found.clone());
        Ok(found)
    }

    /// The results as D1 answers them.
    fn render(&self, call: &SqlCall, rows: &[Answered], round: &Round) -> Result<String, Problem> {
        let mut parts = Vec::with_capacity(rows.len());
        for (index, rows) in rows.iter().enumerate() {
            let figures = round.figures.get(index).cloned().unwrap_or_default();
            let is_write = call.statements.get(index).is_some_and(|one| one.statement.kind != Kind::Read);
            let meta = json!({
                "served_by": "dryrun.shadow", "duration": 0, "changes": figures.changes, "last_row_id": figures.last_row_id,
                "changed_db": is_write && figures.changes > 0, "size_after": self.database.size(), "rows_read": rows.rows_read, "rows_written": rows.rows_written, "dry_run": true,
            });
            parts.push(format!("{{\"success\":true,\"results\":{},\"meta\":{meta}}}", rows_to_json(rows, call.shape)?));
        }
        Ok(format!("[{}]", parts.join(",")))
    }
}

fn answer(round: Round, catalog: &Catalog) -> ShadowAnswer {
    let mut inexact = Vec::new();
    if round.schema_changed {
        inexact.push("a change of the schema: its definitions are compared, the rows that it rewrote or removed are not listed one by one".to_owned());
    }
    ShadowAnswer {
        results: round.text,
        figures: round.figures,
        effects: round.effects,
        inexact,
        serial: catalog.serial,
        dirty: catalog.is_dirty(),
        rows: catalog.rows,
        bytes: catalog.bytes,
    }
}

pub(super) fn store_error(error: SqlError) -> Problem {
    Problem::from_store(Code::SqlError, error.0)
}

pub(super) fn not_rehearsable(what: &str, remedy: &str) -> Problem {
    Problem::new(Code::NotRehearsable, format!("{what} cannot be rehearsed exactly; nothing was run."), remedy)
}
