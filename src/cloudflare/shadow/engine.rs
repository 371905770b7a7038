//! Running statements in the shadow: execute, see what is missing, copy it, execute again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use js_sys::Array;
use serde_json::{Value, json};
use worker::Env;

use super::catalog::{self, Catalog, remember_last};
use super::hydrate::{self, Budget};
use super::touched::{Touched, once, roots, touched};
use super::values::{bindings, rows_to_json};
use super::{Figures, LostChange, ShadowAnswer, ShadowReply, ShadowRequest, capture};
use crate::cloudflare::d1;
use crate::cloudflare::sql::{Answered, Database, SqlError};
use crate::domain::effect::Effect;
use crate::domain::operation::{BoundStatement, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;
use crate::domain::statement::Kind;

/// Most rounds of copying for one request: each copies at least one table, and a statement rarely reaches more.
const MAX_ROUNDS: usize = 64;

/// A shadow while its object lives. The memory is only a cache of what storage can say again.
pub struct Shadow {
    database: Database,
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

/// Most statements whose programs are remembered.
const MAX_PROGRAMS: usize = 256;

/// Why a round did not get to its end.
enum Halt {
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
struct Round {
    figures: Vec<Figures>,
    effects: Vec<Effect>,
    written: BTreeSet<String>,
    schema_changed: bool,
    text: String,
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
        let mut budget = Budget { rows_left: request.rows_left, bytes_left: request.bytes_left, rows: 0, bytes: 0 };
        let reads_only = request.call.statements.iter().all(|one| one.statement.kind == Kind::Read);
        if reads_only && self.is_clean(&catalog, &request.call)? {
            return self.read_base(request, &catalog).await;
        }
        for _ in 0..MAX_ROUNDS {
            match self.round(&mut catalog, request, reads_only) {
                Ok(round) => return Ok(ShadowReply::Ran(answer(round, &catalog, budget))),
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

    fn forget(&self) {
        *self.programs.borrow_mut() = Programs::default();
    }

    /// Whether every statement touches only what the base still has just so.
    fn is_clean(&self, catalog: &Catalog, call: &SqlCall) -> Result<bool, Problem> {
        if catalog.schema_dirty {
            return Ok(false);
        }
        for one in &call.statements {
            if one.statement.describes_schema {
                continue;
            }
            if one.statement.is_explain() {
                return Ok(false);
            }
            let Ok(touched) = self.touched(&one.statement.text, &bindings(&one.params)) else {
                // The base has the same schema and will say the same error, or knows something that the shadow has not.
                continue;
            };
            if touched.tables.iter().any(|table| catalog.dirty.contains(table)) || touched.writes {
                return Ok(false);
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
            rows: 0,
            bytes: 0,
        }))
    }

    /// One try, whole or not at all.
    fn round(&self, catalog: &mut Catalog, request: &ShadowRequest, reads_only: bool) -> Result<Round, Halt> {
        let mut next = catalog.clone();
        let round = self.database.transaction(|| -> Result<Round, Halt> {
            let mut round = Round { figures: Vec::new(), effects: Vec::new(), written: BTreeSet::new(), schema_changed: false, text: String::new() };
            let mut rows = Vec::new();
            for one in &request.call.statements {
                rows.push(self.statement(&mut round, &mut next, one, request)?);
            }
            round.text = self.render(&request.call, &rows, &round)?;
            if !reads_only {
                self.check_deferred()?;
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
        match one.statement.kind {
            Kind::Schema => self.change_schema(round, catalog, one, &params, &request.store),
            Kind::Read | Kind::Write => {
                if one.statement.describes_schema || one.statement.is_explain() {
                    return self.read_schema(round, one, &params);
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
            return self.read_schema(round, one, params);
        }
        if touched.gateway {
            return Err(Problem::new(Code::ReservedName, "The statement reads a table of the gateway; nothing was run.", "Use your own tables.").into());
        }
        if one.statement.kind == Kind::Read && touched.writes {
            crate::cloudflare::js::log("alert", "read_that_writes", &[("store", store)]);
            return Err(Problem::new(Code::StatementNotAllowed, "The statement was taken for a read, but it writes; nothing was run.", "Send it as the write that it is.").into());
        }
        let missing = sorted::set(touched.tables.iter().filter(|table| !catalog.hydrated.contains(*table) && !table.starts_with("sqlite_")).cloned());
        if !missing.is_empty() {
            return Err(Halt::Missing(missing));
        }
        let before = if one.statement.kind == Kind::Write { self.total_changes()? } else { 0 };
        let rows = self.database.answer(text, params).map_err(store_error)?;
        let mut figures = Figures::default();
        if one.statement.kind == Kind::Write {
            let after = self.counters()?;
            let (notes, effects) = capture::collect(&self.database, store, &mut self.programs.borrow_mut().tables)?;
            figures = Figures { changes: after.0.saturating_sub(before).saturating_sub(notes), last_row_id: after.1 };
            round.effects.extend(effects);
            round.written.extend(touched.written.iter().cloned());
        }
        round.figures.push(figures);
        Ok(rows)
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

    fn change_schema(&self, round: &mut Round, catalog: &mut Catalog, one: &BoundStatement, params: &Array, store: &str) -> Result<Answered, Halt> {
        let statement = &one.statement;
        if matches!(statement.verb.as_str(), "ANALYZE" | "REINDEX" | "CREATE VIRTUAL TABLE") {
            return Err(not_rehearsable(&statement.verb, "Leave it out of the dry run.").into());
        }
        let target = statement.target.as_deref().unwrap_or_default();
        if let Some(reason) = catalog.missing.get(&target.to_ascii_lowercase()) {
            return Err(not_rehearsable(&format!("{target} is not part of the rehearsal, because {reason}: changing it"), "Leave it out of the dry run.").into());
        }
        let known = catalog::tables(&self.database)?;
        let mut needed = sorted::set(known.iter().filter(|table| table.eq_ignore_ascii_case(target)).cloned());
        if let Ok(touched) = self.touched(&statement.text, params) {
            needed.extend(touched.tables.iter().cloned());
        }
        let missing = sorted::set(needed.into_iter().filter(|table| !catalog.hydrated.contains(table) && !table.starts_with("sqlite_") && known.contains(table)));
        if !missing.is_empty() {
            return Err(Halt::Missing(missing));
        }
        capture::remove(&self.database)?;
        let before = self.definitions()?;
        let changes_before = self.total_changes()?;
        let rows = self.database.answer(&statement.text, params).map_err(store_error)?;
        let counters = self.counters()?;
        let after = self.definitions()?;
        capture::install(&self.database)?;
        for (name, sql) in &before {
            if after.get(name) != Some(sql) {
                round.effects.push(definition_effect(store, name, Some(sql), after.get(name)));
            }
        }
        for (name, sql) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            round.effects.push(definition_effect(store, name, None, Some(sql)));
        }
        round.schema_changed = true;
        round.written.extend(known.iter().filter(|table| table.eq_ignore_ascii_case(target)).cloned());
        catalog.schema_dirty = true;
        // A table that was made or renamed here has all its rows here: the base knows nothing of it.
        for table in catalog::tables(&self.database)?.into_iter().filter(|table| !known.contains(table)) {
            catalog.hydrated.insert(table.clone());
            catalog.dirty.insert(table);
        }
        round.figures.push(Figures { changes: counters.0.saturating_sub(changes_before), last_row_id: counters.1 });
        self.forget();
        Ok(rows)
    }

    fn definitions(&self) -> Result<BTreeMap<String, String>, Problem> {
        let rows = self.database.run("SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL AND substr(name, 1, 8) <> '_dryrun_'", &[])?;
        Ok(sorted::map(rows.iter().map(|row| (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default()))))
    }

    /// Reads the schema without the gateway's part in it: that is taken away, and put back by undoing.
    fn read_schema(&self, round: &mut Round, one: &BoundStatement, params: &Array) -> Result<Answered, Halt> {
        if one.statement.kind != Kind::Read {
            return Err(not_rehearsable("A write that reads the schema", "Read the schema first, and write what it said.").into());
        }
        round.figures.push(Figures::default());
        let hidden = self.database.transaction(|| -> Result<(), Halt> {
            capture::remove(&self.database)?;
            let text = if one.statement.is_explain() { once(&one.statement.text) } else { one.statement.text.clone() };
            let rows = self.database.answer(&text, params).map_err(store_error)?;
            Err(Halt::Answered(vec![rows]))
        });
        match hidden {
            Err(Halt::Answered(mut rows)) => rows.pop().ok_or_else(|| Problem::internal().into()),
            Err(halt) => Err(halt),
            Ok(()) => Err(Problem::internal().into()),
        }
    }

    /// A deferred foreign key is checked when the event commits, which is after the answer; so it is checked here.
    fn check_deferred(&self) -> Result<(), Problem> {
        let known = self.programs.borrow().deferred;
        let deferred = match known {
            Some(known) => known,
            None => self.database.run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND sql LIKE '%DEFERRED%' LIMIT 1", &[])?.first().is_some(),
        };
        self.programs.borrow_mut().deferred = Some(deferred);
        if deferred && self.database.run("PRAGMA foreign_key_check", &[])?.first().is_some() {
            return Err(Problem::from_store(Code::SqlError, "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"));
        }
        Ok(())
    }

    fn counters(&self) -> Result<(u64, i64), Problem> {
        let rows = self.database.run("SELECT total_changes(), CAST(last_insert_rowid() AS TEXT)", &[])?;
        let row = rows.first().ok_or_else(Problem::internal)?;
        Ok((row.count(0), row.text(1).and_then(|text| text.parse().ok()).unwrap_or_default()))
    }

    fn total_changes(&self) -> Result<u64, Problem> {
        Ok(self.counters()?.0)
    }

    fn touched(&self, text: &str, params: &Array) -> Result<Rc<Touched>, SqlError> {
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

fn answer(round: Round, catalog: &Catalog, budget: Budget) -> ShadowAnswer {
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
        rows: budget.rows,
        bytes: budget.bytes,
    }
}

fn definition_effect(store: &str, name: &str, before: Option<&String>, after: Option<&String>) -> Effect {
    let image = |sql: &String| [("sql".to_owned(), Value::String(sql.clone()))].into_iter().collect();
    Effect { store: store.to_owned(), subject: "schema".into(), key: name.to_owned(), label: None, before: before.map(image), after: after.map(image) }
}

fn store_error(error: SqlError) -> Problem {
    Problem::from_store(Code::SqlError, error.0)
}

fn not_rehearsable(what: &str, remedy: &str) -> Problem {
    Problem::new(Code::NotRehearsable, format!("{what} cannot be rehearsed exactly; nothing was run."), remedy)
}
