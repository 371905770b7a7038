//! Running statements in the shadow: execute, see what is missing, copy it, execute again.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::budget::Budget;
use super::catalog::{self, Catalog};
use super::cells::identifier;
use super::database::Database;
use super::failure::Failure;
use super::hydrate;
use super::needs::Needs;
use super::port::SqlError;
use super::port::{Base, Engine, Param};
use super::reached::{Doubted, Schema};
use super::round::{Halt, Look, Mode, Round};
use super::supply;
use super::touched::{Touched, roots, touched};
use super::values::bindings;
use super::virtuals::{self, Virtual};
use super::{Figures, ShadowAnswer, ShadowReply, ShadowRequest, checks};
use crate::domain::operation::SqlCall;
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;
use dryrun_sql::named::Named;
use dryrun_sql::pragma::Setting;
use dryrun_sql::statement::Kind;

/// Most rounds for one request. Most need two or three; a recursion takes one for each level, and a write that fails
/// one for each row that is missing before its failure.
const MAX_ROUNDS: usize = 250;

/// A shadow while its object lives. The memory is only a cache of what storage can say again.
pub struct Shadow {
    pub(super) database: Database,
    pub(super) programs: RefCell<Programs>,
    /// Whether the schema was changed since the last round began.
    pub(super) schema_moved: Cell<bool>,
}

/// What is known of statements, as long as the schema stays as it is.
#[derive(Default)]
pub(super) struct Programs {
    roots: Option<Rc<BTreeMap<u64, String>>>,
    touched: HashMap<String, Rc<Touched>>,
    named: HashMap<String, Rc<Named>>,
    pub(super) tables: BTreeMap<String, Rc<catalog::Table>>,
    pub(super) deferred: Option<bool>,
    /// Tables with a REPLACE in their definition or in a trigger.
    pub(super) replacing: Option<Rc<BTreeSet<String>>>,
    virtuals: Option<Rc<Vec<Virtual>>>,
    pub(super) volatile: HashMap<String, Rc<BTreeSet<String>>>,
}

/// Most statements whose programs are remembered.
pub(super) const MAX_PROGRAMS: usize = 256;

impl Shadow {
    /// The shadow in an object.
    pub fn new(engine: Rc<dyn Engine>) -> Self {
        Self { database: Database::new(engine), programs: RefCell::default(), schema_moved: Cell::new(false) }
    }

    /// Carries out a request.
    pub async fn run(self: &Rc<Self>, base: &Rc<dyn Base>, request: Rc<ShadowRequest>) -> Result<ShadowReply, Failure> {
        let reply = self.carry_out(base, request).await;
        self.unless_at_fault(reply)
    }

    /// A result, unless the engine failed meanwhile: then whatever was concluded from errors is doubtful.
    pub(super) fn unless_at_fault<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        match self.database.take_fault() {
            None => result,
            Some(cause) => {
                self.forget();
                Err(Failure::broken(cause))
            }
        }
    }

    async fn carry_out(
        self: &Rc<Self>,
        base: &Rc<dyn Base>,
        request: Rc<ShadowRequest>,
    ) -> Result<ShadowReply, Failure> {
        self.forget_some();
        // A request before may have been broken off while it copied.
        self.database.enforce_rules().await?;
        let mut catalog = Catalog::load(&self.database)?;
        if catalog.serial > request.serial {
            let lost = catalog::last(&self.database)?
                .ok_or_else(|| Failure::broken("a change was counted and not remembered"))?;
            return Ok(ShadowReply::Lost(lost));
        }
        if !catalog.loaded {
            hydrate::schema(base.as_ref(), &self.database, &mut catalog).await?;
        }
        let mut budget = Budget {
            whole_rows: request.whole_rows,
            rows_left: request.most_rows.saturating_sub(catalog.rows),
            bytes_left: request.most_bytes.saturating_sub(catalog.bytes),
            rows: 0,
            bytes: 0,
        };
        let reads_only = request.call.statements.iter().all(|one| one.statement.kind == Kind::Read);
        if reads_only && self.is_clean(&catalog, &request.call)? {
            return self.read_base(base.as_ref(), &request, &catalog).await;
        }
        let volatile = !reads_only && self.is_volatile(&request.call);
        let mut look = Look { reads_only, ..Look::default() };
        for _ in 0..MAX_ROUNDS {
            look.open = volatile && !catalog.partial.is_empty() && look.suspect.is_none();
            let round = if look.open {
                self.open_round(base, &mut catalog, &request, &look).await
            } else {
                self.round(&mut catalog, &request, &look)
            };
            match round {
                Ok(round) => return Ok(ShadowReply::Ran(answer(round, &catalog))),
                Err(Halt::Missing(mut needs)) => {
                    self.frames(&catalog, &request.call, &mut needs)?;
                    look.missed |= look.suspect.is_some();
                    // What the first look at a failure told is fetched; now each next thing that it misses ends it.
                    look.suspect = look.suspect.filter(|(_, mode)| *mode == Mode::Raise);
                    if !needs.is_empty()
                        && supply::supply(base.as_ref(), &self.database, &mut catalog, needs, &mut budget).await?
                    {
                        self.forget();
                    }
                }
                // What it would need next is drawn anew each time; what else it meets was fetched before, unless a
                // trigger meets it.
                Err(Halt::Failed(at, problem)) if volatile && look.missed => {
                    let inside = request
                        .call
                        .statements
                        .get(at)
                        .and_then(|one| self.touched(&one.statement.text, &bindings(&one.params)).ok())
                        .is_some_and(|touched| !touched.written_inside.is_empty());
                    return Err(if inside {
                        not_rehearsable(
                            "A statement that draws keys by chance, fires triggers on large tables and fails",
                            "Draw the keys before, and bind them.",
                        )
                    } else {
                        problem
                    });
                }
                Err(Halt::Failed(at, problem)) => match look.suspect {
                    // Nothing was missing before it failed: the error is its own.
                    Some((same, Mode::Raise)) if same == at => return Err(problem),
                    Some((same, Mode::Leave)) if same == at => look.suspect = Some((at, Mode::Raise)),
                    _ => look.suspect = Some((at, Mode::Leave)),
                },
                // What was missing until then says nothing of how it fails without them.
                Err(Halt::Bare(at)) if look.bare.insert(at) => look.suspect = None,
                Err(Halt::Bare(_)) => {
                    return Err(Failure::broken("a statement without triggers asks to run without them"));
                }
                Err(Halt::Over(failure)) => return Err(failure),
                Err(Halt::Answered(_)) => return Err(Failure::broken("an answer about the schema left its statement")),
            }
        }
        Err(Problem::new(
            Code::ShadowBudgetExceeded,
            "Rehearsing this statement needs too many rounds of copying; nothing was run.",
            "Split the statement.",
        )
        .into())
    }

    /// Finds out what triggers reach that were seen to fire; those that reach nothing new are remembered.
    fn frames(&self, catalog: &Catalog, call: &SqlCall, needs: &mut Needs) -> Result<(), Failure> {
        // They are looked at as things are before the batch, so what it writes says nothing for sure.
        let written = call
            .statements
            .iter()
            .filter_map(|one| self.touched(&one.statement.text, &bindings(&one.params)).ok())
            .flat_map(|touched| touched.written.iter().cloned().collect::<Vec<_>>());
        let schema = Schema::new(&self.database, catalog).doubting(Doubted {
            written: written.collect(),
            midway: true,
            ..Doubted::default()
        });
        let frames = std::mem::take(&mut needs.frames);
        if !frames.is_empty() && call.statements.iter().any(|one| one.statement.kind == Kind::Schema) {
            // What fires may be a trigger that this very batch makes, and it may reach anything.
            needs.whole.extend(catalog.partial.iter().cloned());
            return Ok(());
        }
        for frame in frames {
            let found = checks::frame_needs(&schema, &frame, &catalog.partial)?;
            if found.is_empty() {
                self.database.execute(
                    "INSERT INTO _dryrun_frames SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM \
                                       _dryrun_frames WHERE what = ?1)",
                    &[frame.as_str().into()],
                )?;
            }
            needs.add(found);
        }
        Ok(())
    }

    pub(super) fn forget(&self) {
        *self.programs.borrow_mut() = Programs::default();
    }

    /// Whether every statement touches only what the base still has just so.
    fn is_clean(&self, catalog: &Catalog, call: &SqlCall) -> Result<bool, Failure> {
        for one in &call.statements {
            let names_view =
                || -> Result<bool, Failure> { Ok(catalog.views_dirty && self.names_a_view(&one.statement.text)?) };
            // A definition that runs a PRAGMA would run it in the base.
            let differs = catalog.hostile
                || one.statement.is_explain()
                || (catalog.schema_dirty && one.statement.describes_schema);
            if differs || (one.statement.checks_every_table() && catalog.is_dirty()) || names_view()? {
                return Ok(false);
            }
            match self.touched(&one.statement.text, &bindings(&one.params)) {
                Ok(touched) if touched.writes || touched.tables.iter().any(|table| catalog.dirty.contains(table)) => {
                    return Ok(false);
                }
                Ok(touched) if catalog.schema_dirty && touched.schema => return Ok(false),
                Ok(touched) if catalog.is_dirty() && !self.inner_tables()?.is_disjoint(&touched.tables) => {
                    return Ok(false);
                }
                Ok(touched)
                    if touched.opens_virtual
                        && self.shows_dirty(catalog, &self.used_virtuals(&one.statement.text)?)? =>
                {
                    return Ok(false);
                }
                Ok(_) => {}
                // What the shadow cannot prepare may still read a table that differs here.
                Err(_) if catalog.is_dirty() => return Ok(false),
                Err(_) => {}
            }
        }
        Ok(true)
    }

    /// Whether virtual tables show what differs here: in themselves, in what they index, or because the run made or
    /// dropped that.
    fn shows_dirty(&self, catalog: &Catalog, virtuals: &[Virtual]) -> Result<bool, Failure> {
        let shows_others = catalog.schema_dirty && virtuals.iter().any(|one| one.of().is_some());
        Ok(shows_others || self.virtual_needs(virtuals)?.iter().any(|table| catalog.dirty.contains(table)))
    }

    fn names_a_view(&self, statement: &str) -> Result<bool, Failure> {
        let views = self.database.run("SELECT name FROM sqlite_master WHERE type = 'view'", &[])?;
        let named = self.named(statement);
        Ok(views.iter().filter_map(|row| row.text(0)).any(|view| named.names(&view)))
    }

    pub(super) fn virtuals(&self) -> Result<Rc<Vec<Virtual>>, Failure> {
        if let Some(known) = &self.programs.borrow().virtuals {
            return Ok(known.clone());
        }
        let found = Rc::new(virtuals::known(&self.database)?);
        self.programs.borrow_mut().virtuals = Some(found.clone());
        Ok(found)
    }

    /// The tables in which virtual tables keep what they know.
    pub(super) fn inner_tables(&self) -> Result<BTreeSet<String>, Failure> {
        if self.virtuals()?.is_empty() {
            return Ok(BTreeSet::new());
        }
        Ok(sorted::set(catalog::inner_tables(&self.database)?))
    }

    pub(super) fn used_virtuals(&self, statement: &str) -> Result<Vec<Virtual>, Failure> {
        let known = self.virtuals()?;
        if known.is_empty() { Ok(Vec::new()) } else { virtuals::named(&self.database, &known, statement) }
    }

    /// The tables that must be here before virtual tables are used.
    pub(super) fn virtual_needs(&self, virtuals: &[Virtual]) -> Result<BTreeSet<String>, Failure> {
        let mut needs = BTreeSet::new();
        for one in virtuals {
            needs.insert(one.name.clone());
            let Some(of) = one.of() else { continue };
            let rows = self.database.run(
                "SELECT type, name FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')",
                &[of.into()],
            )?;
            match rows.first().map(|row| (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default())) {
                Some((kind, name)) if kind == "table" => _ = needs.insert(name),
                Some((_, name)) => {
                    // A view that cannot be read has no rows that could be needed.
                    let read = self.touched(&format!("SELECT * FROM {}", identifier(&name)), &[]);
                    needs.extend(read.iter().flat_map(|touched| touched.tables.iter().cloned()));
                }
                // What is not there needs nothing.
                None => {}
            }
        }
        Ok(needs)
    }

    async fn read_base(
        &self,
        base: &dyn Base,
        request: &ShadowRequest,
        catalog: &Catalog,
    ) -> Result<ShadowReply, Failure> {
        Ok(ShadowReply::Ran(ShadowAnswer {
            results: base.read(&request.call).await?,
            figures: vec![Figures::default(); request.call.statements.len()],
            effects: Vec::new(),
            volatile: Vec::new(),
            serial: catalog.serial,
            dirty: catalog.is_dirty(),
            rows: catalog.rows,
            bytes: catalog.bytes,
            missing: Vec::new(),
        }))
    }

    pub(super) fn table(&self, name: &str) -> Result<Rc<catalog::Table>, Failure> {
        if let Some(known) = self.programs.borrow().tables.get(name) {
            return Ok(known.clone());
        }
        let table = Rc::new(catalog::Table::read(&self.database, name)?);
        self.programs.borrow_mut().tables.insert(name.to_owned(), table.clone());
        Ok(table)
    }

    pub(super) fn counters(&self) -> Result<(u64, i64), Failure> {
        let rows = self.database.run("SELECT total_changes(), CAST(last_insert_rowid() AS TEXT)", &[])?;
        let row = rows.first().ok_or_else(|| Failure::broken("counters without a row"))?;
        Ok((row.count(0), row.text(1).and_then(|text| text.parse().ok()).unwrap_or_default()))
    }

    pub(super) fn total_changes(&self) -> Result<u64, Failure> {
        Ok(self.counters()?.0)
    }

    /// What a statement names.
    pub(super) fn named(&self, text: &str) -> Rc<Named> {
        let mut programs = self.programs.borrow_mut();
        if let Some(known) = programs.named.get(text) {
            return known.clone();
        }
        let named = Rc::new(Named::of(text));
        if programs.named.len() >= MAX_PROGRAMS {
            programs.named.clear();
        }
        programs.named.insert(text.to_owned(), named.clone());
        named
    }

    pub(super) fn touched(&self, text: &str, params: &[Param<'_>]) -> Result<Rc<Touched>, SqlError> {
        // SQLite carries out a PRAGMA already when it prepares it, and EXPLAIN prepares.
        if Setting::of(text).is_some() {
            return Ok(Rc::default());
        }
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
        programs.touched.insert(text.to_owned(), found.clone());
        Ok(found)
    }

    /// Forgets the programs of statements when there are many. Not while a request is at work: asked again in the midst
    /// of it, an EXPLAIN of a write would set `changes()` to 0.
    fn forget_some(&self) {
        let mut programs = self.programs.borrow_mut();
        if programs.touched.len() >= MAX_PROGRAMS {
            programs.touched.clear();
        }
    }
}

fn answer(round: Round, catalog: &Catalog) -> ShadowAnswer {
    ShadowAnswer {
        results: round.text,
        figures: round.figures,
        effects: round.effects,
        volatile: round.volatile.into_iter().collect(),
        serial: catalog.serial,
        dirty: catalog.is_dirty(),
        rows: catalog.rows,
        bytes: catalog.bytes,
        missing: catalog.missing.keys().cloned().collect(),
    }
}

/// The error of an agent's statement. One that SQLite names after the disk or the memory is none of the statement's.
pub(super) fn store_error(error: SqlError) -> Failure {
    if error.is_fault() {
        return error.into();
    }
    Problem::from_store(Code::SqlError, error.0).into()
}

pub fn not_rehearsable(what: &str, remedy: &str) -> Failure {
    Problem::new(Code::NotRehearsable, format!("{what} cannot be rehearsed exactly; nothing was run."), remedy).into()
}
