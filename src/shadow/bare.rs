//! A statement without the gateway's triggers.
//!
//! A trigger on a table changes more than what it notes: SQLite looks at foreign keys that a row by itself cannot break
//! ("foreign key
//! mismatch"), at the types of a STRICT row before its keys, and at references of a row that REPLACE puts in another's
//! place. Where that shows,
//! the statement runs as it would in the base, and what it changed is told by comparing all rows before and after. So
//! all that it touches must
//! be here whole.

use std::collections::BTreeSet;

use super::catalog::Catalog;
use super::cells::identifier;
use super::failure::Failure;
use super::images::Images;
use super::port::Answered;
use super::port::Param;
use super::query::refuse_unbuilt;
use super::rehearse::{Shadow, not_rehearsable, store_error};
use super::round::{Halt, Round};
use super::touched::{self, Touched};
use super::{Figures, capture, checks};
use crate::domain::operation::BoundStatement;
use crate::domain::sorted;
use dryrun_sql::statement::COUNTERS;

/// What SQLite says of a foreign key that fits no key.
pub const MISMATCH: &str = "foreign key mismatch";

impl Shadow {
    /// Runs a write without the gateway's triggers on what it writes.
    pub(super) fn run_bare(
        &self,
        round: &mut Round,
        catalog: &Catalog,
        one: &BoundStatement,
        params: &[Param<'_>],
        store: &str,
    ) -> Result<Answered, Halt> {
        let text = &one.statement.text;
        self.schema_moved.set(true);
        let touched = match self.touched(text, params) {
            Ok(touched) => (*touched).clone(),
            Err(_) => self.touched_bare(one, params)?,
        };
        self.refuse_inexact(catalog, &touched, &one.statement)?;
        let virtuals = if touched.opens_virtual { self.used_virtuals(text)? } else { Vec::new() };
        self.require(catalog, touched.tables.iter().cloned().chain(self.virtual_needs(&virtuals)?))?;
        let written = sorted::set(touched.written.iter().filter(|table| !table.starts_with("sqlite_")).cloned());
        let mut images =
            written.iter().map(|table| Images::of(&self.database, table)).collect::<Result<Vec<_>, _>>()?;
        if touched.written.contains(COUNTERS) && self.sets_counters(one, &touched)? {
            images.push(Images::of(&self.database, COUNTERS)?);
            round.counters_set = true;
        }
        if touched.writes_virtual {
            images.extend(self.virtual_images(&virtuals)?);
        }
        self.take_triggers(&written)?;
        let before = self.total_changes()?;
        let rows = self.database.answer(text, params).map_err(store_error)?;
        refuse_unbuilt(catalog, &virtuals)?;
        let after = self.counters()?;
        for table in &written {
            capture::install_on(&self.database, table, false)?;
        }
        if !catalog.partial.is_empty() {
            checks::install(&self.database, catalog)?;
        }
        round.figures.push(Figures { changes: after.0.saturating_sub(before), last_row_id: after.1 });
        round.volatile.extend(self.volatile(one, &touched)?);
        round.written.extend(touched.written.iter().cloned());
        if touched.writes_virtual {
            round.written.extend(virtuals.iter().map(|one| one.name.clone()));
        }
        for before in images {
            let after = Images::of(&self.database, before.name())?;
            round.written.insert(before.name().to_owned());
            round.effects.extend(before.changes(store, &after)?);
        }
        Ok(rows)
    }

    /// What a statement touches that can only be prepared without the gateway's triggers on its target.
    fn touched_bare(&self, one: &BoundStatement, params: &[Param<'_>]) -> Result<Touched, Halt> {
        let text = &one.statement.text;
        if self.named(text).calls("changes") {
            // To be asked about, it would set them to 0.
            return Err(not_rehearsable(
                "changes() in a statement with a foreign key mismatch",
                "Compute the value in a statement before, and bind it.",
            )
            .into());
        }
        self.take_triggers(&sorted::set(one.statement.target.iter().cloned()))?;
        match touched::touched(&self.database, &touched::roots(&self.database)?, text, params) {
            Ok(touched) => Ok(touched),
            // For the very words that it gets, which name places in its own text.
            Err(_) => Err(match self.database.answer(text, params) {
                Err(error) => store_error(error).into(),
                Ok(_) => Failure::broken("a statement that cannot be explained ran").into(),
            }),
        }
    }

    /// Drops the gateway's triggers on tables.
    fn take_triggers(&self, tables: &BTreeSet<String>) -> Result<(), Failure> {
        for table in tables {
            let sql = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE AND \
                       substr(name, 1, 8) = '_dryrun_'";
            for name in self.database.run(sql, &[table.as_str().into()])?.iter().filter_map(|row| row.text(0)) {
                self.database.execute(&format!("DROP TRIGGER {}", identifier(&name)), &[])?;
            }
        }
        Ok(())
    }
}
