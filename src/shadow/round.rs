//! One round of a batch: all its statements in one transaction, whole or not at all.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::json;
use turso_parser::token::TokenType;

use super::catalog::{Catalog, Table, remember_last, tables};
use super::cells::identifier;
use super::failure::{Failure, gone};
use super::needs::{Needs, covers, said};
use super::orphans::Counted;
use super::port::Answered;
use super::port::Base;
use super::reached::Schema;
use super::rehearse::{Shadow, store_error};
use super::selection::selects;
use super::supply::selection;
use super::values::bindings;
use super::{BROKEN_FOREIGN_KEY, Figures, LostChange, ShadowRequest, capture, orphans};
use crate::domain::effect::Effect;
use crate::domain::limits::MAX_STATEMENT_BYTES;
use crate::domain::operation::{BoundStatement, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;
use dryrun_sql::pragma::Setting;
use dryrun_sql::statement::Kind;
use dryrun_sql::tokens::tokens;

/// The rows of a statement as the answer has them.
struct Rendered {
    text: String,
    rows_read: u64,
    rows_written: u64,
}

/// Longest answer of a batch: it is held in memory, here and on its way.
const MAX_RESULT_BYTES: usize = 16 << 20;

fn too_much() -> Failure {
    Problem::new(
        Code::ShadowBudgetExceeded,
        format!("The rows that this would answer are more than {MAX_RESULT_BYTES} bytes; nothing was run."),
        "Ask for fewer rows or columns at a time.",
    )
    .into()
}

/// Whether a table has a foreign key that is checked at the end by itself.
fn has_deferred_key(create_table: &str) -> bool {
    let tokens = tokens(create_table);
    tokens
        .iter()
        .zip(tokens.iter().skip(1))
        .any(|(before, token)| before.is_keyword(TokenType::TK_INITIALLY) && token.is_keyword(TokenType::TK_DEFERRED))
}

/// What stands before a statement when SQLite is asked about it.
const EXPLAIN_BYTES: usize = 40;

/// Why a round did not get to its end.
pub(super) enum Halt {
    /// This has to be copied first.
    Missing(Needs),
    /// A statement failed, which may be so only because rows are missing.
    Failed(usize, Failure),
    /// The gateway's triggers would show in what this statement comes to.
    Bare(usize),
    /// It is over.
    Over(Failure),
    /// The schema was read; what was done to hide the gateway's part is undone, the answer stands.
    Answered(Vec<Answered>),
}

impl<E: Into<Failure>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Over(error.into())
    }
}

/// What a round did.
pub(super) struct Round {
    pub(super) figures: Vec<Figures>,
    pub(super) effects: Vec<Effect>,
    pub(super) written: BTreeSet<String>,
    pub(super) noted: u64,
    pub(super) text: String,
    /// Virtual tables that it made.
    pub(super) created_virtual: Vec<String>,
    /// The places of the statements that changed the schema.
    pub(super) redefined: BTreeSet<usize>,
    /// What in its statements comes out differently each time.
    pub(super) volatile: BTreeSet<String>,
    /// Rows of tables in parts that it changed or removed.
    pub(super) moved_rows: BTreeSet<(String, String)>,
    /// What was missing and could not be waited for.
    pub(super) unresolved: bool,
    pub(super) deferred: bool,
    /// Whether it set how far AUTOINCREMENT has counted.
    pub(super) counters_set: bool,
    /// Whether a broken reference was put right in a way that SQLite does not count.
    pub(super) never_mended: bool,
    pub(super) mode: (Mode, bool),
    /// What the error begins with that says what is missing: nobody else can know it.
    pub(super) word: String,
}

/// How a round looks at a statement.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    /// Its place in the batch.
    pub(super) at: usize,
    /// The statement that failed before, and how it is looked at now.
    pub(super) suspect: Option<(usize, Mode)>,
    /// The statements that run without the gateway's triggers.
    pub(super) bare: BTreeSet<usize>,
    /// Whether nothing is written.
    pub(super) reads_only: bool,
    /// Whether what is missing is asked for while the round is still open.
    pub(super) open: bool,
    /// Whether a statement that failed was looked at, and something was missing.
    pub(super) missed: bool,
}

impl Look {
    pub(super) fn mode(&self) -> Mode {
        self.suspect.filter(|(at, _)| *at == self.at).map_or(Mode::Note, |(_, mode)| mode)
    }
}

/// What the gateway's triggers do about rows that are not here; see [`super::checks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Note them.
    Note = 0,
    /// End the statement.
    Raise = 1,
    /// Note them and leave the row out.
    Leave = 2,
}

impl Shadow {
    /// A round whose keys may be drawn by chance. It cannot be run again with the same ones, so its transaction stays
    /// open while the base is asked for them; almost always there is nothing, and what was done stands.
    pub(super) async fn open_round(
        self: &Rc<Self>,
        base: &Rc<dyn Base>,
        catalog: &mut Catalog,
        request: &Rc<ShadowRequest>,
        look: &Look,
    ) -> Result<Round, Halt> {
        let (shadow, base, request, look, before) =
            (self.clone(), base.clone(), request.clone(), look.clone(), catalog.clone());
        let (round, next) = self
            .database
            .open_transaction(async move {
                let mut next = before;
                let round = shadow.round(&mut next, &request, &look)?;
                if round.unresolved {
                    shadow.resolve(base.as_ref(), &next).await?;
                }
                Ok::<_, Halt>((round, next))
            })
            .await?;
        *catalog = next;
        Ok(round)
    }

    /// Asks the base for the rows that a round could have met. Halts when there is one.
    async fn resolve(&self, base: &dyn Base, catalog: &Catalog) -> Result<(), Halt> {
        let noted = self.database.run("SELECT DISTINCT what FROM _dryrun_needs", &[])?;
        let needs = said(noted.iter().filter_map(|row| row.text(0)).collect::<Vec<_>>())?;
        if !(needs.whole.is_empty()
            && needs.unsized_tables.is_empty()
            && needs.tops.is_empty()
            && needs.frames.is_empty())
        {
            return Err(Halt::Missing(needs));
        }
        let schema = Schema::new(&self.database, catalog);
        let mut queries = Vec::new();
        for need in &needs.rows {
            let table = schema.described(&need.table).ok_or_else(|| gone(&need.table))?;
            queries.push(selection(table, need)?.counting(Some(1)));
        }
        let (answers, _) = selects(base, &queries).await?;
        if answers.iter().any(|answer| super::selection::count(answer) > 0) {
            return Err(Halt::Missing(needs));
        }
        for what in needs.rows.iter().flat_map(covers) {
            self.database.execute(
                "INSERT INTO _dryrun_covered SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM \
                                   _dryrun_covered WHERE what = ?1)",
                &[what.as_str().into()],
            )?;
        }
        Ok(self.database.execute("DELETE FROM _dryrun_needs", &[])?)
    }

    /// One try, whole or not at all.
    pub(super) fn round(&self, catalog: &mut Catalog, request: &ShadowRequest, look: &Look) -> Result<Round, Halt> {
        self.schema_moved.set(false);
        let mut next = catalog.clone();
        let asked = request.call.statements.iter().any(|one| one.statement.defers_foreign_keys());
        let orphans = if look.reads_only || !self.defers(asked)? {
            BTreeSet::new()
        } else {
            self.orphans(catalog, Counted::Misfits)?
        };
        let round = self.database.transaction(|| -> Result<Round, Halt> {
            let mut round = Round {
                figures: Vec::new(),
                effects: Vec::new(),
                written: BTreeSet::new(),
                noted: 0,
                text: String::new(),
                created_virtual: Vec::new(),
                redefined: BTreeSet::new(),
                volatile: BTreeSet::new(),
                moved_rows: BTreeSet::new(),
                unresolved: false,
                deferred: false,
                counters_set: false,
                never_mended: false,
                mode: (Mode::Note, false),
                word: String::new(),
            };
            let (mut rows, mut bytes) = (Vec::new(), 0);
            // All of them before the first runs: an EXPLAIN of a write sets `changes()` to 0, which the next statement
            // may read.
            for one in request.call.statements.iter().filter(|one| !one.statement.is_explain()) {
                // What cannot be prepared says so when it runs.
                let _ = self.touched(&one.statement.text, &bindings(&one.params));
            }
            for (at, one) in request.call.statements.iter().enumerate() {
                self.look_ahead(&request.call.statements, at);
                match self.statement(&mut round, &mut next, one, request, &Look { at, ..look.clone() }) {
                    Ok(answered) => {
                        let text = answered.rows.to_json(request.call.shape)?;
                        bytes += text.len();
                        if bytes > MAX_RESULT_BYTES {
                            return Err(too_much().into());
                        }
                        rows.push(Rendered {
                            text,
                            rows_read: answered.rows_read,
                            rows_written: answered.rows_written,
                        });
                        if request.call.statements.len() > 1 {
                            round
                                .effects
                                .iter_mut()
                                .filter(|effect| effect.statement.is_none())
                                .for_each(|effect| effect.statement = u64::try_from(at + 1).ok());
                        }
                    }
                    Err(halt) => {
                        // Undoing a virtual table that was made and filled just now resets the whole object; dropped
                        // before, it does not.
                        for table in &round.created_virtual {
                            let _ = self.database.execute(&format!("DROP TABLE IF EXISTS {}", identifier(table)), &[]);
                        }
                        return Err(halt);
                    }
                }
            }
            round.text = self.render(&request.call, &rows, &round)?;
            if !look.reads_only {
                // Not after each statement: `changes()` would tell the agent of it.
                capture::clear(&self.database)?;
                self.set_mode(&mut round, Mode::Note, false)?;
                self.check_deferred(&next, round.deferred, &orphans)?;
                if round.never_mended {
                    return Err(Problem::from_store(Code::SqlError, BROKEN_FOREIGN_KEY).into());
                }
                if !next.partial.is_empty() {
                    self.database.execute("DELETE FROM _dryrun_frames", &[])?;
                }
                for (name, key) in &round.moved_rows {
                    self.database.execute(
                        "INSERT INTO _dryrun_changed (name, key) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM \
                         _dryrun_changed WHERE name = ?1 AND key = ?2)",
                        &[name.as_str().into(), key.as_str().into()],
                    )?;
                }
                next.dirty.extend(round.written.iter().cloned());
                next.counters_set |= round.counters_set;
                next.serial += 1;
                remember_last(
                    &self.database,
                    &LostChange { call: request.call.clone(), effects: round.effects.clone(), serial: next.serial },
                )?;
                next.save(&self.database)?;
            }
            Ok(round)
        });
        if asked {
            // It holds until the event ends, and undoing does not end it.
            self.database.execute("PRAGMA defer_foreign_keys = off", &[])?;
        }
        if self.schema_moved.get() {
            // What was learnt of the new schema may have been undone with it.
            self.forget();
        }
        let round = round?;
        *catalog = next;
        Ok(round)
    }

    /// Asks about the statements behind one that read how much it changed. After a change of the schema nothing is
    /// known of them any more.
    fn look_ahead(&self, statements: &[BoundStatement], at: usize) {
        let reads_changes =
            |one: &&BoundStatement| !one.statement.is_explain() && self.named(&one.statement.text).calls("changes");
        let mut rest = statements.iter().skip(at);
        if rest.next().filter(reads_changes).is_some() {
            return;
        }
        for one in rest.take_while(reads_changes) {
            // What cannot be prepared says so when it runs.
            let _ = self.touched(&one.statement.text, &bindings(&one.params));
        }
    }

    fn statement(
        &self,
        round: &mut Round,
        catalog: &mut Catalog,
        one: &BoundStatement,
        request: &ShadowRequest,
        look: &Look,
    ) -> Result<Answered, Halt> {
        let params = bindings(&one.params);
        let text = &one.statement.text;
        if text.len() > MAX_STATEMENT_BYTES - EXPLAIN_BYTES {
            return Err(Problem::new(
                Code::StatementTooLong,
                format!(
                    "A dry run asks SQLite about a statement first, which takes {EXPLAIN_BYTES} of its \
                         {MAX_STATEMENT_BYTES} bytes; nothing was run."
                ),
                "Bind long values as parameters.",
            )
            .into());
        }
        match one.statement.kind {
            Kind::Schema => self.change_schema(round, catalog, one, &params, &request.store),
            Kind::Write if let Some(setting) = one.statement.setting() => {
                round.figures.push(Figures { changes: 0, last_row_id: self.counters()?.1 });
                match setting {
                    Setting::DeferForeignKeys => {
                        round.deferred = true;
                        Ok(self.database.answer(text, &params).map_err(store_error)?)
                    }
                    // Neither does anything to the rows of the rehearsal, and both would stay on the connection.
                    Setting::ForeignKeys { .. } => Ok(Answered::empty(&[])),
                    Setting::Optimize => Ok(Answered::empty(&["optimize"])),
                }
            }
            Kind::Read | Kind::Write => {
                if one.statement.describes_schema || one.statement.is_explain() {
                    return self.read_schema(round, catalog, one, &params);
                }
                self.query(round, catalog, one, &params, request, look)
            }
        }
    }

    /// A deferred foreign key is checked when the event commits, which is after the answer; so it is checked here. Rows
    /// that referred to nothing before are not of this batch.
    fn check_deferred(&self, catalog: &Catalog, asked: bool, before: &BTreeSet<String>) -> Result<(), Failure> {
        if self.defers(asked)? && !self.orphans(catalog, Counted::Missing)?.is_subset(before) {
            return Err(Problem::from_store(Code::SqlError, BROKEN_FOREIGN_KEY).into());
        }
        Ok(())
    }

    /// Whether foreign keys may be checked at the end of the batch only.
    fn defers(&self, asked: bool) -> Result<bool, Failure> {
        let known = self.programs.borrow().deferred;
        let deferred = match known {
            Some(known) => known,
            None => {
                let definitions = self
                    .database
                    .run("SELECT sql FROM sqlite_master WHERE type = 'table' AND sql LIKE '%DEFERRED%'", &[])?;
                definitions.iter().filter_map(|row| row.text(0)).any(|sql| has_deferred_key(&sql))
            }
        };
        self.programs.borrow_mut().deferred = Some(deferred);
        Ok(deferred || asked)
    }

    /// The rows here that refer to nothing.
    fn orphans(&self, catalog: &Catalog, counted: Counted) -> Result<BTreeSet<String>, Failure> {
        let schema = Schema::new(&self.database, catalog);
        let all: Vec<Rc<Table>> = tables(&self.database)?.iter().filter_map(|name| schema.described(name)).collect();
        let copied: Vec<Rc<Table>> = all
            .iter()
            .filter(|table| catalog.hydrated.contains(&table.name) || catalog.partial.contains(&table.name))
            .cloned()
            .collect();
        let known = self.database.run("SELECT lower(name) FROM sqlite_master WHERE type IN ('table', 'view')", &[])?;
        orphans::all(&self.database, &copied, &all, &sorted::set(known.iter().filter_map(|row| row.text(0))), counted)
    }

    /// The results as D1 answers them.
    fn render(&self, call: &SqlCall, rows: &[Rendered], round: &Round) -> Result<String, Failure> {
        let mut parts = Vec::with_capacity(rows.len());
        for (index, rows) in rows.iter().enumerate() {
            let figures = round.figures.get(index).cloned().unwrap_or_default();
            let is_write = call.statements.get(index).is_some_and(|one| one.statement.kind != Kind::Read);
            let meta = json!({
                "served_by": "dryrun.shadow", "duration": 0, "changes": figures.changes, "last_row_id": figures.last_row_id,
                "changed_db": is_write && (figures.changes > 0 || round.redefined.contains(&index)), "size_after": self.database.size(), "rows_read": rows.rows_read, "rows_written": rows.rows_written, "dry_run": true,
            });
            parts.push(format!("{{\"success\":true,\"results\":{},\"meta\":{meta}}}", rows.text));
        }
        Ok(format!("[{}]", parts.join(",")))
    }
}
