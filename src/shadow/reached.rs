//! What of a need is here, and what of a statement's reach is missing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use turso_parser::token::TokenType;

use super::catalog::{Catalog, Table};
use super::cells::{identifier, list, surely};
use super::database::Database;
use super::failure::Failure;
use super::needs::{Needs, RowNeed, condition_text, equals, is_garbled, lead};
use super::port::SqlError;
use dryrun_sql::named::Named;
use dryrun_sql::reach::{Affinity, First, Reach, Rows, Shape, Shapes, Values, When, is_rowid};
use dryrun_sql::tokens::tokens;
use dryrun_sql::volatile::volatile;

/// The schema as the shadow has it.
pub struct Schema<'a> {
    database: &'a Database,
    catalog: &'a Catalog,
    tables: RefCell<BTreeMap<String, Option<Rc<Table>>>>,
    moved: Option<&'a BTreeSet<(String, String)>>,
    doubted: Doubted,
}

/// What queries must not read, because it changes while their answers are to hold.
#[derive(Debug, Clone, Default)]
pub struct Doubted {
    /// All tables that the statement writes.
    pub written: Vec<String>,
    /// Those that it writes by triggers and foreign keys.
    pub inside: Vec<String>,
    /// The table of an UPDATE, and the columns that it sets.
    pub target: Option<(String, Vec<String>)>,
    /// Whether it is about a statement that runs while another one does: one of a trigger.
    pub midway: bool,
    /// Whether it is an INSERT, which may read while it writes.
    pub inserts: bool,
}

impl<'a> Schema<'a> {
    /// The schema of this database.
    pub fn new(database: &'a Database, catalog: &'a Catalog) -> Self {
        Self { database, catalog, tables: RefCell::default(), moved: None, doubted: Doubted::default() }
    }

    /// With doubts.
    pub fn doubting(self, doubted: Doubted) -> Self {
        Self { doubted, ..self }
    }

    /// With rows that the round has changed so far.
    pub fn after(self, moved: &'a BTreeSet<(String, String)>) -> Self {
        Self { moved: Some(moved), ..self }
    }

    /// A table of agents, by its name in any case.
    pub fn described(&self, name: &str) -> Option<Rc<Table>> {
        let lower = name.to_ascii_lowercase();
        if let Some(known) = self.tables.borrow().get(&lower) {
            return known.clone();
        }
        let found = self
            .database
            .run(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE \
                                       AND substr(name, 1, 8) <> '_dryrun_'",
                &[name.into()],
            )
            .ok();
        let spelled = found.and_then(|rows| rows.first()).and_then(|row| row.text(0));
        let table = spelled.and_then(|spelled| Table::read(self.database, &spelled).ok()).map(Rc::new);
        self.tables.borrow_mut().insert(lower, table.clone());
        table
    }

    /// The triggers of agents on a table or view.
    pub fn triggers(&self, table: &str) -> Result<Vec<String>, Failure> {
        let rows = self.database.run(
            "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE \
                               AND substr(name, 1, 8) <> '_dryrun_'",
            &[table.into()],
        )?;
        Ok(rows.iter().filter_map(|row| row.text(0)).collect())
    }

    /// Whether all rows of a table are here.
    pub fn is_here(&self, table: &str) -> bool {
        self.catalog.hydrated.contains(table) || table.starts_with("sqlite_")
    }

    /// What a source reaches that is not here. `at`: the place of the statement in its batch.
    pub fn missing(&self, reach: Reach, at: usize) -> Result<Needs, Failure> {
        let mut needs = Needs::default();
        let Some(table) = self.described(&reach.table) else { return Ok(needs) };
        let need = match reach.rows {
            Some(rows) => self.bounded(&table, rows, reach.when, at)?,
            None => None,
        };
        let Some(mut need) = need else {
            needs.whole.insert(table.name.clone());
            return Ok(needs);
        };
        if !self.catalog.partial.contains(&table.name) {
            needs.unsized_tables.insert(table.name.clone());
        } else {
            self.keep_uncovered(&table, &mut need)?;
        }
        if need.columns.is_empty() || !need.keys.is_empty() {
            if need.columns.is_empty() && self.is_covered(&condition_text(&need))? {
                return Ok(needs);
            }
            needs.rows.push(need);
        }
        Ok(needs)
    }

    /// The rows that a source reaches, as a need; `None` when nothing bounds them.
    fn bounded(&self, table: &Table, rows: Rows, when: When, at: usize) -> Result<Option<RowNeed>, Failure> {
        let mut equal: BTreeMap<String, (BTreeSet<String>, bool)> = BTreeMap::new();
        for one in rows.equal {
            let column = self.column(table, &one.column);
            let (values, queried) = match one.values {
                Values::Constants(constants) => match self.constants(table, &column, &constants)? {
                    Some(values) => (values, false),
                    None => continue,
                },
                Values::Query(query) if self.is_doubted(&query, when) || self.draws(&query) => continue,
                Values::Query(query) => match self.values(&query)? {
                    Some(values) => (values, true),
                    None => continue,
                },
            };
            // Of two bounds on one column the tighter one is kept: either is right.
            let known = equal.get(&column).is_none_or(|(known, _)| known.len() > values.len());
            if known {
                equal.insert(column, (values, queried));
            }
        }
        let need = |conditions, columns, keys| {
            Some(RowNeed {
                table: table.name.clone(),
                alias: rows.alias.clone(),
                conditions,
                columns,
                keys,
                called: None,
            })
        };
        for key in self.unique(table) {
            let parts: Option<Vec<&BTreeSet<String>>> =
                key.iter().map(|column| equal.get(column).map(|(values, _)| values)).collect();
            if let Some(parts) = parts
                && parts.iter().map(|part| part.len()).product::<usize>()
                    <= MAX_PRODUCT.max(parts.first().map_or(0, |part| if parts.len() == 1 { part.len() } else { 0 }))
            {
                return Ok(Some(RowNeed {
                    table: table.name.clone(),
                    alias: table.name.clone(),
                    conditions: Vec::new(),
                    columns: key,
                    keys: product(&parts),
                    called: None,
                }));
            }
        }
        let queried = equal.iter().filter(|(_, (_, queried))| *queried).min_by_key(|(_, (values, _))| values.len());
        if let Some((column, (values, _))) = queried {
            return Ok(need(
                rows.conditions,
                vec![column.clone()],
                values.iter().map(|value| format!("[{value}]")).collect(),
            ));
        }
        if let [_] = rows.conditions.as_slice()
            && let Some((column, (values, _))) = equal.first_key_value()
        {
            return Ok(Some(RowNeed {
                table: table.name.clone(),
                alias: table.name.clone(),
                conditions: Vec::new(),
                columns: vec![column.clone()],
                keys: values.iter().map(|value| format!("[{value}]")).collect(),
                called: None,
            }));
        }
        if let Some(first) = rows.first.filter(|_| {
            at != usize::MAX
                && equal.is_empty()
                && (when == When::Before || !self.doubted.written.contains(&table.name))
        }) {
            return self.first(table, &rows.alias, rows.conditions, &first).map(Some);
        }
        Ok(if rows.conditions.is_empty() { None } else { need(rows.conditions, Vec::new(), Vec::new()) })
    }

    /// Whether the answer of a query may be another one when the statement comes to it.
    fn is_doubted(&self, query: &str, when: When) -> bool {
        let Doubted { written, inside, target, midway, inserts } = &self.doubted;
        let (names, views) = self.names(query);
        let any = |tables: &[String]| tables.iter().any(|table| names.contains(&table.to_ascii_lowercase()));
        // What an UPDATE sets may be read by another name, unless one plain SELECT reads other columns of that very
        // table.
        let set = |(table, columns): &(String, Vec<String>)| {
            let plain = !views
                && !query.starts_with("WITH")
                && tokens(query).iter().filter(|token| token.is_keyword(TokenType::TK_SELECT)).count() == 1;
            let by_another_name = self.described(table).is_none_or(|table| {
                let alias = table.rowid_alias();
                table.columns.iter().any(|column| column.generated)
                    || columns
                        .iter()
                        .any(|column| alias.is_some_and(|alias| alias.eq_ignore_ascii_case(column)) || is_rowid(column))
            });
            names.contains(&table.to_ascii_lowercase()) && (!plain || by_another_name || any(columns))
        };
        match when {
            _ if *midway => any(written),
            // SQLite finds all rows before it changes the first, where a WHERE has a subquery.
            When::Before => *inserts && any(inside),
            When::During => any(inside) || target.as_ref().is_some_and(set),
            When::After => any(written),
        }
    }

    /// The names in a query and in the views that it names, in lower case, and whether there are any views.
    fn names(&self, query: &str) -> (BTreeSet<String>, bool) {
        let mut names: BTreeSet<String> = BTreeSet::new();
        let (mut texts, mut views) = (vec![query.to_owned()], false);
        while let Some(text) = texts.pop() {
            let named = Named::of(&text);
            for token in tokens(&text).iter().filter(|token| !token.is_literal() || named.names(&token.text)) {
                if names.insert(token.text.to_ascii_lowercase())
                    && let Some(view) = self.view(&token.text)
                {
                    texts.push(view);
                    views = true;
                }
            }
        }
        (names, views)
    }

    /// The first rows in an order, with all that are equal to the last of them. Each row that the run changed may have
    /// lost its place, so as many more are taken.
    fn first(
        &self,
        table: &Table,
        alias: &str,
        mut conditions: Vec<String>,
        first: &First,
    ) -> Result<RowNeed, Failure> {
        let changed =
            self.database.run("SELECT count(*) FROM _dryrun_changed WHERE name = ?", &[table.name.as_str().into()])?;
        let just = self.moved.map_or(0, |moved| moved.iter().filter(|(name, _)| *name == table.name).count());
        let changed = changed
            .first()
            .map(|row| row.count(0))
            .unwrap_or_default()
            .saturating_add(u64::try_from(just).unwrap_or(u64::MAX));
        let passed = first.count.saturating_add(changed).saturating_sub(1);
        let column = surely(&self.column(table, &first.column));
        let filter =
            if conditions.is_empty() { String::new() } else { format!(" WHERE ({})", conditions.join(") AND (")) };
        let last = |what: &str, order: &str| {
            format!(
                "(SELECT {what} FROM {} AS {}{filter} ORDER BY {column} {order} LIMIT 1 OFFSET {passed})",
                surely(&table.name),
                surely(alias)
            )
        };
        // Rows of the base do not change, so what was asked stays answered.
        let parts: Vec<&str> =
            [&table.name, alias, &first.column].into_iter().chain(conditions.iter().map(String::as_str)).collect();
        let called = format!("first {passed} {} {}", first.descending, Value::from(parts));
        conditions.push(if first.descending {
            format!("{column} >= {0} OR {0} IS NULL", last(&column, "DESC"))
        } else {
            format!("{column} IS NULL OR {column} <= {} OR NOT EXISTS {}", last(&column, ""), last("1", ""))
        });
        Ok(RowNeed {
            table: table.name.clone(),
            alias: alias.to_owned(),
            conditions,
            columns: Vec::new(),
            keys: Vec::new(),
            called: Some(hex::encode(Sha256::digest(called))),
        })
    }

    /// How a column is spelled; any name of the rowid is one.
    fn column(&self, table: &Table, name: &str) -> String {
        match table.column(name) {
            Some(column) => column.name.clone(),
            None => table.rowid_column().unwrap_or(name).to_owned(),
        }
    }

    /// The unique keys whose columns compare in the index as they do in a WHERE.
    fn unique(&self, table: &Table) -> Vec<Vec<String>> {
        let mut keys: Vec<Vec<String>> = table.rowid_column().map(|rowid| vec![rowid.to_owned()]).into_iter().collect();
        keys.extend(table.unique.iter().filter_map(|key| {
            key.iter()
                .map(|(column, collation)| {
                    table
                        .column(column)
                        .filter(|column| column.collation.eq_ignore_ascii_case(collation))
                        .map(|column| column.name.clone())
                })
                .collect()
        }));
        keys
    }

    /// Constants as the JSON that a column's values are written in. What is spelled differently is only asked for once
    /// more.
    fn constants(
        &self,
        table: &Table,
        column: &str,
        constants: &[String],
    ) -> Result<Option<BTreeSet<String>>, Failure> {
        let affinity = table.column(column).map_or(Affinity::Numeric, |column| column.affinity);
        let mut values = BTreeSet::new();
        for constant in constants {
            // A constant that does not compute bounds nothing.
            let Ok(rows) = self.database.run(&format!("SELECT {}", list(std::slice::from_ref(constant))), &[]) else {
                return Ok(None);
            };
            let text =
                rows.first().and_then(|row| row.text(0)).ok_or_else(|| Failure::broken("a constant without a text"))?;
            if is_garbled(&text) {
                return Ok(None);
            }
            let value = inner(&text);
            let number: Option<f64> = value.parse().ok();
            let value = match (affinity, number) {
                #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
                (Affinity::Numeric, Some(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
                    (number as i64).to_string()
                }
                (Affinity::Text, Some(_)) if !value.contains('.') => Value::from(value).to_string(),
                _ => value.to_owned(),
            };
            if value != "null" {
                values.insert(value);
            }
        }
        Ok(Some(values))
    }

    /// The values that a query over copied rows answers; `None` when it cannot be asked by itself.
    fn values(&self, query: &str) -> Result<Option<BTreeSet<String>>, Failure> {
        let sql = format!(
            "WITH \"_dryrun_values\" (x) AS ({query}) SELECT DISTINCT {} FROM \"_dryrun_values\" WHERE x IS NOT NULL \
             LIMIT {}",
            list(&["x".to_owned()]),
            MAX_VALUES + 1
        );
        let Ok(rows) = self.database.run(&sql, &[]) else { return Ok(None) };
        if rows.count() > MAX_VALUES {
            return Ok(None);
        }
        let mut values = BTreeSet::new();
        for text in rows.iter().filter_map(|row| row.text(0)) {
            if is_garbled(&text) {
                return Ok(None);
            }
            values.insert(inner(&text).to_owned());
        }
        Ok(Some(values))
    }

    /// Whether a query, or a view that it names, may answer something else the next time.
    fn draws(&self, query: &str) -> bool {
        let mut texts = vec![query.to_owned()];
        texts.extend(self.names(query).0.iter().filter_map(|name| self.view(name)));
        let told = |text: &String| {
            let named = Named::of(text);
            ["changes", "total_changes", "last_insert_rowid"].iter().any(|call| named.calls(call))
        };
        texts.iter().any(|text| !volatile(text).is_empty() || told(text))
    }

    /// Leaves only the keys of which it is not known what the base has.
    fn keep_uncovered(&self, table: &Table, need: &mut RowNeed) -> Result<(), Failure> {
        if need.columns.is_empty() {
            return Ok(());
        }
        let lead = lead(need);
        let unique = need.conditions.is_empty() && self.unique(table).contains(&need.columns);
        let mut missing = Vec::new();
        for key in std::mem::take(&mut need.keys) {
            if self.is_covered(&format!("{lead}{key}}}"))? || (unique && self.has(table, &need.columns, &key)?) {
                continue;
            }
            missing.push(key);
        }
        need.keys = missing;
        Ok(())
    }

    fn is_covered(&self, what: &str) -> Result<bool, SqlError> {
        Ok(self.database.run("SELECT 1 FROM _dryrun_covered WHERE what = ?", &[what.into()])?.first().is_some())
    }

    /// Whether a row with these values is here.
    pub fn has(&self, table: &Table, columns: &[String], key: &str) -> Result<bool, Failure> {
        Ok(self
            .database
            .run(&format!("SELECT 1 FROM {} WHERE {} LIMIT 1", identifier(&table.name), equals(columns, key)?), &[])?
            .first()
            .is_some())
    }
}

/// Most values of a column that a query names for rows of another table.
const MAX_VALUES: u64 = 50_000;
/// Most combinations of values for a key of several columns.
const MAX_PRODUCT: usize = 1_000;

fn product(parts: &[&BTreeSet<String>]) -> Vec<String> {
    let mut keys: Vec<String> = vec![String::new()];
    for part in parts {
        keys = keys
            .iter()
            .flat_map(|key| {
                part.iter().map(move |value| if key.is_empty() { value.clone() } else { format!("{key},{value}") })
            })
            .collect();
    }
    keys.into_iter().map(|key| format!("[{key}]")).collect()
}

/// The only value in a list.
fn inner(list: &str) -> &str {
    list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(list)
}

impl Shapes for Schema<'_> {
    fn table(&self, name: &str) -> Option<Rc<Shape>> {
        if name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_")) {
            return None;
        }
        self.described(name).filter(|table| table.understood).map(|table| Rc::new(table.shape()))
    }

    fn view(&self, name: &str) -> Option<String> {
        let rows = self
            .database
            .run("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ? COLLATE NOCASE", &[name.into()])
            .ok()?;
        rows.first()?.text(0)
    }

    fn is_whole(&self, table: &str) -> bool {
        self.catalog.hydrated.contains(table)
    }
}
