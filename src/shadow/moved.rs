//! Compares copied rows with the base as it is now.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::capture::{constant, key, parse, shorten};
use super::catalog::{Catalog, Table};
use super::cells::{identifier, image, literal};
use super::failure::{Failure, unreadable};
use super::port::{Base, BaseRow, Unread};
use super::rehearse::Shadow;
use super::selection::selects;
use super::{MovedRequest, PlannedRow};
use crate::domain::effect::Image;
use crate::domain::moved::{Movement, moved};

/// Rows compared at a time.
const PAGE_ROWS: u64 = 2_000;

/// Why a table was not compared.
enum Uncompared {
    /// The base did not answer.
    Unread(Unread),
    /// Anything else.
    Failed(Failure),
}

impl From<Unread> for Uncompared {
    fn from(unread: Unread) -> Self {
        Self::Unread(unread)
    }
}

impl<E: Into<Failure>> From<E> for Uncompared {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Shadow {
    /// Compares every row that the run copied or plans to write.
    pub async fn moved(&self, base: &dyn Base, request: &MovedRequest) -> Result<Movement, Failure> {
        let movement = self.compared(base, request).await;
        self.unless_at_fault(movement)
    }

    async fn compared(&self, base: &dyn Base, request: &MovedRequest) -> Result<Movement, Failure> {
        let catalog = Catalog::load(&self.database)?;
        let mut movement = Movement::default();
        let mut planned: BTreeMap<&str, BTreeMap<&str, &PlannedRow>> = BTreeMap::new();
        for one in &request.planned {
            // Of a row that went and one that came under its key in a table made anew, the base had the first.
            let known = planned.entry(&one.table).or_default().entry(&one.key).or_insert(one);
            if one.before.is_some() {
                *known = one;
            }
        }
        let definitions = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL".to_owned();
        let (definitions, _) = selects(base, &[(definitions, Vec::new())]).await?;
        let mut same: BTreeSet<String> = BTreeSet::new();
        for row in definitions.iter().flatten() {
            let (name, sql) = (row.text(0).unwrap_or_default().to_owned(), row.text(1).map(str::to_owned));
            let own = self
                .database
                .run("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", &[name.as_str().into()])?;
            if sql.is_some() && own.first().and_then(|row| row.text(0)) == sql {
                same.insert(name);
            }
        }
        for name in catalog.hydrated.iter().chain(&catalog.partial) {
            let table = Table::read(&self.database, name)?;
            if table.columns.is_empty() {
                continue;
            }
            if !same.contains(name) || (table.rowid.is_none() && table.primary_key().is_empty()) {
                movement.not_compared.push(name.clone());
                continue;
            }
            let rows = planned.remove(name.as_str()).unwrap_or_default();
            match self.compare(base, &catalog, &table, &rows, &mut movement).await {
                Ok(()) => {}
                // A row of it does not compute there.
                Err(Uncompared::Unread(Unread::Sql(_))) => movement.not_compared.push(name.clone()),
                Err(Uncompared::Unread(unread)) => return Err(Failure::unread(unread, base.store())),
                Err(Uncompared::Failed(failure)) => return Err(failure),
            }
        }
        Ok(movement)
    }

    async fn compare(
        &self,
        base: &dyn Base,
        catalog: &Catalog,
        table: &Table,
        planned: &BTreeMap<&str, &PlannedRow>,
        movement: &mut Movement,
    ) -> Result<(), Uncompared> {
        let select = format!(
            "SELECT {}, {} FROM {} AS x",
            key(table, "x"),
            image("x", &table.column_names()),
            identifier(&table.name)
        );
        // As they were copied: what the run planned says so itself, all others are here unchanged.
        let mut copied: BTreeMap<String, Option<Image>> = BTreeMap::new();
        for (key, row) in planned {
            copied.insert((*key).to_owned(), row.before.clone());
        }
        let known = if catalog.partial.contains(&table.name) { Some(self.known_keys(&table.name)?) } else { None };
        for row in self.database.run(&select, &[])?.iter() {
            let key = row.text(0).unwrap_or_default();
            if !planned.contains_key(key.as_str()) {
                copied.insert(key, Some(parse_short(&row.text(1).unwrap_or_default())?));
            }
        }
        let mut now: BTreeMap<String, Image> = BTreeMap::new();
        match known {
            None => {
                let mut offset = 0;
                loop {
                    let page = base.rows(&format!("{select} ORDER BY 1 LIMIT {PAGE_ROWS} OFFSET {offset}")).await?;
                    take(&page, &mut now)?;
                    if u64::try_from(page.len()).unwrap_or(u64::MAX) < PAGE_ROWS {
                        break;
                    }
                    offset += PAGE_ROWS;
                }
            }
            Some(known) => {
                let keys: Vec<&String> = known.iter().chain(copied.keys()).collect();
                for keys in keys.chunks(200) {
                    let filter: Vec<String> =
                        keys.iter().map(|key| identified(table, key)).collect::<Result<_, _>>()?;
                    take(
                        &base.rows(&format!("{select} WHERE {}", super::needs::balanced_or(filter))).await?,
                        &mut now,
                    )?;
                }
            }
        }
        for (key, copied) in copied {
            movement.compared += 1;
            let planned = planned.contains_key(key.as_str());
            let now = now.remove(&key);
            movement.moved.extend(moved(base.store(), &table.name, &key, planned, copied, now));
        }
        if !catalog.partial.contains(&table.name) {
            // Of a table that was copied whole, a row that is there now and was not is known as well.
            for (key, now) in now {
                movement.moved.extend(moved(base.store(), &table.name, &key, false, None, Some(now)));
            }
        }
        Ok(())
    }

    fn known_keys(&self, table: &str) -> Result<BTreeSet<String>, Failure> {
        let rows = self.database.run("SELECT key FROM _dryrun_known WHERE name = ?", &[table.into()])?;
        Ok(crate::domain::sorted::set(rows.iter().filter_map(|row| row.text(0))))
    }
}

fn take(page: &[BaseRow], now: &mut BTreeMap<String, Image>) -> Result<(), Failure> {
    for row in page {
        now.insert(row.text(0).unwrap_or_default().to_owned(), parse_short(row.text(1).unwrap_or_default())?);
    }
    Ok(())
}

/// An image as the journal keeps it.
fn parse_short(text: &str) -> Result<Image, Failure> {
    let mut image = parse(text)?;
    image.values_mut().for_each(shorten);
    Ok(image)
}

fn identified(table: &Table, key: &str) -> Result<String, Failure> {
    if let Some(rowid) = table.rowid {
        return Ok(format!("x.{rowid} = CAST({} AS INTEGER)", literal(key)));
    }
    let values: Vec<Value> = serde_json::from_str(key).map_err(|error| unreadable("a key", &error))?;
    let equal: Vec<String> = table
        .primary_key()
        .iter()
        .zip(&values)
        .map(|(column, value)| format!("x.{} = {}", identifier(column), constant(value)))
        .collect();
    Ok(format!("({})", equal.join(" AND ")))
}
