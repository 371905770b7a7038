//! Statements about the schema: changing it, and reading it without the gateway's part in it.

use std::collections::{BTreeMap, BTreeSet};

use turso_parser::ast::{AlterTable, AlterTableBody, Cmd, Expr, Stmt};
use turso_parser::parser::Parser;

use super::catalog::{self, Catalog};
use super::cells::identifier;
use super::failure::Failure;
use super::images::Images;
use super::port::{Answered, Param};
use super::rehearse::{Shadow, not_rehearsable, store_error};
use super::round::{Halt, Round};
use super::touched::{Touched, once};
use super::virtuals::Virtual;
use super::{Figures, capture, computed, virtuals};
use crate::domain::effect::{Effect, Image, SCHEMA};
use crate::domain::operation::BoundStatement;
use crate::domain::sorted;
use dryrun_sql::statement::{Kind, Statement};

impl Shadow {
    pub(super) fn change_schema(
        &self,
        round: &mut Round,
        catalog: &mut Catalog,
        one: &BoundStatement,
        params: &[Param<'_>],
        store: &str,
    ) -> Result<Answered, Halt> {
        self.refuse_schema_change(catalog, &one.statement)?;
        let target = one.statement.target.as_deref().unwrap_or_default();
        let of_target = |table: &&String| table.eq_ignore_ascii_case(target);
        let mut known = catalog::tables(&self.database)?;
        let virtuals = self.virtuals()?;
        known.extend(virtuals.iter().map(|one| one.name.clone()));
        let touched = self.touched(&one.statement.text, params).map(|touched| (*touched).clone()).unwrap_or_default();
        let mut reached = sorted::set(touched.tables.iter().filter(|table| known.contains(table)).cloned());
        reached.extend(known.iter().filter(of_target).cloned());
        if needs_rows(&one.statement) {
            let of_virtual: Vec<Virtual> = virtuals.iter().filter(|one| of_target(&&one.name)).cloned().collect();
            self.require(catalog, reached.iter().cloned().chain(self.virtual_needs(&of_virtual)?))?;
        }
        // Rows that go with a table or a column, or by the actions of foreign keys: no trigger of the gateway stands
        // while the schema changes.
        let removes = one.statement.verb == "DROP TABLE" || drops_column(&one.statement);
        let mut before = BTreeMap::new();
        let shows_others = |table: &String| virtuals.iter().any(|one| one.name == *table && one.of().is_some());
        for table in reached.iter().filter(|table| removes && catalog.hydrated.contains(*table) && !shows_others(table))
        {
            before.insert(table.clone(), Images::of(&self.database, table)?);
        }
        self.schema_moved.set(true);
        capture::remove(&self.database)?;
        round.noted = 0;
        let renamed = renamed(&one.statement);
        let loose = if renamed.is_some() && round.deferred { self.broken_references()? } else { 0 };
        let (definitions, counts) = (self.definitions()?, self.counts(catalog, &reached)?);
        let changes_before = self.total_changes()?;
        let rows = self.database.answer(&one.statement.text, params).map_err(store_error)?;
        // SQLite counts a reference as mended when a row comes, not when a table gets the right name: the commit fails
        // for those.
        round.never_mended |= renamed.is_some() && round.deferred && self.broken_references()? < loose;
        let counters = self.counters()?;
        let mut now = catalog::tables(&self.database)?;
        now.extend(catalog::virtual_tables(&self.database)?);
        // A table that was made or renamed here has all its rows here: the base knows nothing of it.
        let made: Vec<String> = now.iter().filter(|table| !known.contains(table)).cloned().collect();
        for table in &made {
            catalog.hydrated.insert(table.clone());
            catalog.dirty.insert(table.clone());
            catalog.unbuilt.remove(table);
        }
        for table in now.iter().filter(|table| reached.contains(*table) || made.contains(table)) {
            computed::look(&self.database, table)?;
        }
        let after = self.definitions()?;
        catalog.views_dirty |= definitions.iter().chain(&after).any(|(name, sql)| {
            name.starts_with("view ") && definitions.get(name) != after.get(name) && !sql.is_empty()
        });
        capture::install(&self.database, catalog)?;
        let counts_after = self
            .counts(catalog, &sorted::set(reached.iter().chain(&made).filter(|table| now.contains(table)).cloned()))?;
        for name in sorted::set(definitions.keys().chain(after.keys()).cloned()) {
            let image = |definitions: &BTreeMap<String, String>, counts: &BTreeMap<String, u64>| -> Option<Image> {
                let mut image = Image::new();
                image.insert("sql".into(), definitions.get(&name)?.clone().into());
                image.extend(
                    name.strip_prefix("table ")
                        .and_then(|table| counts.get(table))
                        .map(|rows| ("rows".to_owned(), (*rows).into())),
                );
                Some(image)
            };
            let effect = Effect {
                store: store.to_owned(),
                subject: SCHEMA.into(),
                key: name.clone(),
                label: None,
                statement: None,
                renamed_from: renamed
                    .as_ref()
                    .filter(|(_, new)| name.strip_prefix("table ").is_some_and(|table| table.eq_ignore_ascii_case(new)))
                    .map(|(old, _)| old.clone()),
                before: image(&definitions, &counts),
                after: image(&after, &counts_after),
            };
            if effect.change().is_some() {
                round.effects.push(effect);
            }
        }
        for (table, images) in &before {
            let now = if now.contains(table) { Images::of(&self.database, table)? } else { images.gone() };
            round.effects.extend(images.changes(store, &now)?);
        }
        for table in made.iter().filter(|_| one.statement.verb == "CREATE TABLE") {
            let images = Images::of(&self.database, table)?;
            round.effects.extend(images.gone().changes(store, &images)?);
        }
        round.created_virtual.extend(made.into_iter().filter(|_| one.statement.verb == "CREATE VIRTUAL TABLE"));
        if needs_rows(&one.statement) {
            round.written.extend(reached);
        }
        catalog.schema_dirty = true;
        if definitions != after {
            round.redefined.insert(round.figures.len());
        }
        round.figures.push(Figures { changes: counters.0.saturating_sub(changes_before), last_row_id: counters.1 });
        self.forget();
        Ok(rows)
    }

    fn refuse_schema_change(&self, catalog: &Catalog, statement: &Statement) -> Result<(), Failure> {
        if matches!(statement.verb.as_str(), "ANALYZE" | "REINDEX") {
            return Err(not_rehearsable(&statement.verb, "Leave it out of the dry run."));
        }
        // It looks through all definitions, and fails for one that it cannot follow.
        if let Some((name, reason)) =
            catalog.missing.iter().find(|(name, _)| statement.verb == "ALTER TABLE" && !name.starts_with("sqlite_"))
        {
            return Err(not_rehearsable(
                &format!("ALTER TABLE next to {name}, which is not part of the rehearsal because {reason},"),
                "Leave it out of the dry run.",
            ));
        }
        if statement.verb == "CREATE VIRTUAL TABLE"
            && let Err(reason) = virtuals::content(&statement.text)
        {
            return Err(self.refuse_virtual(statement, &reason));
        }
        if statement.describes_schema {
            return Err(not_rehearsable(
                "A definition that describes the schema",
                "Read the schema in a statement of its own.",
            ));
        }
        let target = statement.target.as_deref().unwrap_or_default();
        if let Some(reason) = catalog.missing.get(&target.to_ascii_lowercase()) {
            return Err(not_rehearsable(
                &format!("{target} is not part of the rehearsal, because {reason}: changing it"),
                "Leave it out of the dry run.",
            ));
        }
        if let Some((table, reason)) = catalog.incomplete.iter().find(|(table, _)| table.eq_ignore_ascii_case(target)) {
            return Err(not_rehearsable(
                &format!("A change of {table}, because {reason}"),
                "Leave it out of the dry run.",
            ));
        }
        if let Some((name, reason)) = catalog.missing.iter().find(|(name, _)| self.named(&statement.text).names(name)) {
            return Err(not_rehearsable(
                &format!("A definition that names {name}, which is not part of the rehearsal because {reason},"),
                "Leave it out of the dry run.",
            ));
        }
        Ok(())
    }

    /// Why a virtual table is not made: because the engine does not make it either, or because what it then holds could
    /// not be told.
    fn refuse_virtual(&self, statement: &Statement, reason: &str) -> Failure {
        let tried = self.database.transaction(|| -> Result<(), Failure> {
            self.database.answer(&statement.text, &[]).map_err(store_error)?;
            // Undoing a virtual table that was made just now resets the whole object; dropped before, it does not.
            self.database
                .execute(&format!("DROP TABLE {}", identifier(statement.target.as_deref().unwrap_or_default())), &[])?;
            Err(not_rehearsable(&format!("This virtual table, because {reason},"), "Leave it out of the dry run."))
        });
        tried.err().unwrap_or_else(|| Failure::broken("a transaction that fails succeeded"))
    }

    /// How many references are broken now.
    fn broken_references(&self) -> Result<u64, Failure> {
        // A foreign key that fits no key at all is an error for whoever writes through it, not here.
        Ok(self
            .database
            .run("SELECT count(*) FROM pragma_foreign_key_check", &[])
            .ok()
            .and_then(|rows| rows.first())
            .map(|row| row.count(0))
            .unwrap_or_default())
    }

    /// How many rows tables have that are all here. An index of what is not there cannot be counted.
    fn counts(&self, catalog: &Catalog, tables: &BTreeSet<String>) -> Result<BTreeMap<String, u64>, Failure> {
        let mut counts = BTreeMap::new();
        for table in tables.iter().filter(|table| catalog.hydrated.contains(*table)) {
            match self.database.run(&format!("SELECT count(*) FROM {}", identifier(table)), &[]) {
                Ok(rows) => _ = counts.insert(table.clone(), rows.first().map(|row| row.count(0)).unwrap_or_default()),
                Err(_) if catalog::virtual_tables(&self.database)?.contains(table) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(counts)
    }

    fn definitions(&self) -> Result<BTreeMap<String, String>, Failure> {
        let rows = self.database.run(
            "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL AND \
                                      substr(name, 1, 8) <> '_dryrun_' AND name NOT IN (SELECT name FROM \
                                      pragma_table_list WHERE type = 'shadow')",
            &[],
        )?;
        Ok(sorted::map(rows.iter().map(|row| (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default()))))
    }

    /// Reads the schema without the gateway's part in it: that is taken away, and put back by undoing.
    pub(super) fn read_schema(
        &self,
        round: &mut Round,
        catalog: &Catalog,
        one: &BoundStatement,
        params: &[Param<'_>],
    ) -> Result<Answered, Halt> {
        if one.statement.kind != Kind::Read {
            return Err(not_rehearsable(
                "A write that reads the schema",
                "Read the schema first, and write what it said.",
            )
            .into());
        }
        let touched = if one.statement.is_explain() {
            Touched::default()
        } else {
            self.touched(&one.statement.text, params).map(|touched| (*touched).clone()).unwrap_or_default()
        };
        let needed = if one.statement.checks_every_table() {
            sorted::set(catalog::tables(&self.database)?)
        } else {
            touched.tables
        };
        self.require(catalog, needed)?;
        round.figures.push(Figures::default());
        let hidden = self.database.transaction(|| -> Result<(), Halt> {
            capture::hide(&self.database)?;
            let text = if one.statement.is_explain() { once(&one.statement.text) } else { one.statement.text.clone() };
            let rows = self.database.answer(&text, params).map_err(store_error)?;
            Err(Halt::Answered(vec![rows]))
        });
        match hidden {
            Err(Halt::Answered(mut rows)) => rows.pop().ok_or_else(|| Failure::broken("an answer without rows").into()),
            Err(halt) => Err(halt),
            Ok(()) => Err(Failure::broken("a transaction that fails succeeded").into()),
        }
    }
}

/// Whether a change of the schema reads or rewrites rows. A plain index on columns can fail for none of them.
fn needs_rows(statement: &Statement) -> bool {
    match statement.verb.as_str() {
        "CREATE VIEW" | "CREATE TRIGGER" | "DROP VIEW" | "DROP TRIGGER" | "DROP INDEX" => false,
        "CREATE INDEX" => !is_plain_index(&statement.text),
        _ => true,
    }
}

/// The old and the new name of a table that is renamed.
fn renamed(statement: &Statement) -> Option<(String, String)> {
    match Parser::new(statement.text.as_bytes()).next_cmd() {
        Ok(Some(Cmd::Stmt(Stmt::AlterTable(AlterTable { name, body: AlterTableBody::RenameTo(new) })))) => {
            Some((name.name.as_str().to_owned(), new.as_str().to_owned()))
        }
        _ => None,
    }
}

fn drops_column(statement: &Statement) -> bool {
    let parsed = Parser::new(statement.text.as_bytes()).next_cmd();
    matches!(parsed, Ok(Some(Cmd::Stmt(Stmt::AlterTable(AlterTable { body: AlterTableBody::DropColumn(_), .. })))))
}

fn is_plain_index(sql: &str) -> bool {
    match Parser::new(sql.as_bytes()).next_cmd() {
        Ok(Some(Cmd::Stmt(Stmt::CreateIndex { unique: false, where_clause: None, columns, .. }))) => {
            columns.iter().all(|column| matches!(*column.expr, Expr::Id(_) | Expr::Name(_)))
        }
        _ => false,
    }
}
