//! Images of all rows of a table, for what no trigger tells of: changes of the schema, and virtual tables.

use std::collections::BTreeMap;

use super::capture::{fits, key, label, parse, shorten_images, untellable};
use super::catalog::Table;
use super::cells::{identifier, image};
use super::database::Database;
use super::failure::Failure;
use crate::domain::effect::Effect;
use dryrun_sql::statement::COUNTERS;

/// The rows of a table, by key.
#[derive(Debug, Clone)]
pub struct Images {
    table: Table,
    rows: BTreeMap<String, String>,
}

impl Images {
    /// The rows as they are now; none when they cannot be told apart.
    pub fn of(database: &Database, name: &str) -> Result<Self, Failure> {
        let table = Table::read(database, name)?;
        let mut rows = BTreeMap::new();
        if !fits(&table) {
            if database.run(&format!("SELECT 1 FROM {} LIMIT 1", identifier(name)), &[])?.iter().next().is_some() {
                return Err(untellable(name));
            }
        } else if table.rowid.is_some() || !table.primary_key().is_empty() {
            // The counters stand in another order here than in the base.
            let key = if table.name == COUNTERS { "x.name".to_owned() } else { key(&table, "x") };
            let found = database.run(
                &format!("SELECT {key}, {} FROM {} AS x", image("x", &table.column_names()), identifier(&table.name)),
                &[],
            )?;
            for row in found.iter() {
                rows.insert(row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default());
            }
        }
        Ok(Self { table, rows })
    }

    /// The table.
    pub fn name(&self) -> &str {
        &self.table.name
    }

    /// No rows of a table that is not there any more, or was not before.
    pub fn gone(&self) -> Self {
        Self { table: self.table.clone(), rows: BTreeMap::new() }
    }

    /// What changed between then and now.
    pub fn changes(&self, store: &str, now: &Self) -> Result<Vec<Effect>, Failure> {
        let mut effects = Vec::new();
        for (key, before) in &self.rows {
            let after = now.rows.get(key);
            if after != Some(before) {
                effects.push(self.effect(store, key, Some(before), after)?);
            }
        }
        for (key, after) in now.rows.iter().filter(|(key, _)| !self.rows.contains_key(*key)) {
            effects.push(self.effect(store, key, None, Some(after))?);
        }
        Ok(effects)
    }

    fn effect(
        &self,
        store: &str,
        key: &str,
        before: Option<&String>,
        after: Option<&String>,
    ) -> Result<Effect, Failure> {
        let before = before.map(|text| parse(text)).transpose()?;
        let after = after.map(|text| parse(text)).transpose()?;
        let label = label(&self.table, before.as_ref().or(after.as_ref()));
        let mut effect = Effect {
            store: store.to_owned(),
            subject: self.table.name.clone(),
            key: key.to_owned(),
            label,
            statement: None,
            renamed_from: None,
            before,
            after,
        };
        shorten_images(&mut effect);
        Ok(effect)
    }
}
