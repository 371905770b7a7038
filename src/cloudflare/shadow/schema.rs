//! Statements about the schema: changing it, and reading it without the gateway's part in it.

use std::collections::BTreeMap;

use js_sys::Array;
use serde_json::Value;

use super::catalog::{self, Catalog};
use super::engine::{Halt, Round, Shadow, not_rehearsable, store_error};
use super::touched::{Touched, once};
use super::{Figures, capture};
use crate::cloudflare::sql::Answered;
use crate::domain::effect::Effect;
use crate::domain::operation::BoundStatement;
use crate::domain::refusal::Problem;
use crate::domain::sorted;
use crate::domain::statement::Kind;

impl Shadow {
    pub(super) fn change_schema(&self, round: &mut Round, catalog: &mut Catalog, one: &BoundStatement, params: &Array, store: &str) -> Result<Answered, Halt> {
        let statement = &one.statement;
        if matches!(statement.verb.as_str(), "ANALYZE" | "REINDEX" | "CREATE VIRTUAL TABLE") {
            return Err(not_rehearsable(&statement.verb, "Leave it out of the dry run.").into());
        }
        if statement.describes_schema {
            return Err(not_rehearsable("A definition that describes the schema", "Read the schema in a statement of its own.").into());
        }
        let target = statement.target.as_deref().unwrap_or_default();
        if let Some(reason) = catalog.missing.get(&target.to_ascii_lowercase()) {
            return Err(not_rehearsable(&format!("{target} is not part of the rehearsal, because {reason}: changing it"), "Leave it out of the dry run.").into());
        }
        if let Some((table, reason)) = catalog.incomplete.iter().find(|(table, _)| table.eq_ignore_ascii_case(target)) {
            return Err(not_rehearsable(&format!("A change of {table}, because {reason}"), "Leave it out of the dry run.").into());
        }
        let text = statement.text.to_ascii_lowercase();
        if let Some((name, reason)) = catalog.missing.iter().find(|(name, _)| text.contains(name.as_str())) {
            return Err(not_rehearsable(&format!("A definition that names {name}, which is not part of the rehearsal because {reason},"), "Leave it out of the dry run.").into());
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
        round.noted = 0;
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
    pub(super) fn read_schema(&self, round: &mut Round, catalog: &Catalog, one: &BoundStatement, params: &Array) -> Result<Answered, Halt> {
        if one.statement.kind != Kind::Read {
            return Err(not_rehearsable("A write that reads the schema", "Read the schema first, and write what it said.").into());
        }
        let touched = if one.statement.is_explain() { Touched::default() } else { self.touched(&one.statement.text, params).map(|touched| (*touched).clone()).unwrap_or_default() };
        let needed = if one.statement.checks_foreign_keys() { sorted::set(catalog::tables(&self.database)?) } else { touched.tables };
        self.require(catalog, needed)?;
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
}

fn definition_effect(store: &str, name: &str, before: Option<&String>, after: Option<&String>) -> Effect {
    let image = |sql: &String| [("sql".to_owned(), Value::String(sql.clone()))].into_iter().collect();
    Effect { store: store.to_owned(), subject: "schema".into(), key: name.to_owned(), label: None, before: before.map(image), after: after.map(image) }
}
