//! Copying rows from the base: whole tables while they are small, else the rows that statements reach.
//!
//! Copies must stand in a database that enforces foreign keys, so a row comes with the rows that it refers to.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::rc::Rc;

use serde_json::Value;

use super::budget::{Budget, exceeded, too_many};
use super::catalog::{Catalog, ForeignKey, Table, tables};
use super::cells::{literal, surely};
use super::checks;
use super::database::Database;
use super::failure::{Failure, gone};
use super::needs::{Needs, RowNeed, are_plain, covers, one_of};
use super::orphans::Orphans;
use super::port::{Base, BaseRow, Cell, Query, Unread};
use super::reached::Schema;
use super::selection::{Fetched, Selection, count, selects};
use super::virtuals::{self, Content, Virtual};
use crate::domain::refusal::{Code, Problem};
use crate::domain::sorted;

/// Most values of a key that are asked for in a table whose size is not known yet: a small one is copied whole anyway.
const MOST_BLIND_KEYS: usize = 500;
/// Most values that stand in the text of one query.
const MOST_KEYS_IN_TEXT: usize = 200;
/// How many rows below the highest rowid are fetched when that one is gone.
const MORE_TOPS: u64 = 50;
/// Longest chain of rows that refer to each other, table by table or within one.
const MAX_CHAIN: usize = 64;

/// What is being copied.
pub(super) struct Load<'a> {
    pub(super) base: &'a dyn Base,
    pub(super) database: &'a Database,
    pub(super) schema: Schema<'a>,
    pub(super) all: Vec<Rc<Table>>,
    pub(super) catalog: Catalog,
    pub(super) budget: &'a mut Budget,
    /// Rows by table and key, in the order in which they came.
    pub(super) rows: BTreeMap<String, Vec<Fetched>>,
    pub(super) fetched: HashSet<(String, String)>,
    /// Tables that were counted, and are small.
    pub(super) small: BTreeSet<String>,
    pub(super) copied_whole: Vec<Rc<Table>>,
    pub(super) counters: Vec<(String, String)>,
    pub(super) virtuals: Vec<Virtual>,
    /// FTS5 tables that are made anew from what they index.
    pub(super) indexes: Vec<String>,
    /// Tables whose rows cannot be looked up by what the statement says of them, with the database's error.
    pub(super) unbounded: BTreeMap<String, String>,
    pub(super) covered: Vec<String>,
    pub(super) floors: Vec<(String, Option<i64>)>,
    /// What rows that came refer to.
    pub(super) referred: Vec<Orphans>,
    pub(super) asked: HashSet<String>,
}

/// Copies what is needed. Answers whether triggers had to be made anew.
pub async fn supply(
    base: &dyn Base,
    database: &Database,
    catalog: &mut Catalog,
    needs: Needs,
    budget: &mut Budget,
) -> Result<bool, Failure> {
    let before = catalog.clone();
    let schema = Schema::new(database, &before);
    let all: Vec<Rc<Table>> = tables(database)?.iter().filter_map(|name| schema.described(name)).collect();
    let mut load = Load {
        base,
        database,
        schema,
        all,
        catalog: before.clone(),
        budget,
        rows: BTreeMap::new(),
        fetched: HashSet::new(),
        small: BTreeSet::new(),
        copied_whole: Vec::new(),
        counters: Vec::new(),
        virtuals: virtuals::known(database)?,
        indexes: Vec::new(),
        unbounded: BTreeMap::new(),
        covered: Vec::new(),
        floors: Vec::new(),
        referred: Vec::new(),
        asked: HashSet::new(),
    };
    let mut wanted = needs;
    for _ in 0..MAX_CHAIN {
        let news = load.round(wanted).await?;
        wanted = load.parents(&news)?;
        if wanted.is_empty() {
            return load.store(&before, catalog).await;
        }
    }
    Err(Problem::new(
        Code::ShadowBudgetExceeded,
        format!(
            "The rows that this statement needs refer to others in a chain of more than {MAX_CHAIN}; nothing was run."
        ),
        "Work on rows nearer to the root first, in the same run.",
    )
    .into())
}

/// Rows that came in a round: a table and the places of its new rows.
type News = Vec<(Rc<Table>, usize)>;

impl Load<'_> {
    fn table(&self, name: &str) -> Result<Rc<Table>, Failure> {
        // Virtual ones are not among all: nothing refers to them.
        self.all
            .iter()
            .find(|table| table.name == name)
            .cloned()
            .or_else(|| self.schema.described(name))
            .ok_or_else(|| gone(name))
    }

    fn is_known(&self, table: &str) -> bool {
        self.catalog.hydrated.contains(table) || self.catalog.partial.contains(table)
    }

    /// Fetches what is wanted: sizes, rows and highest rows in one trip, then tables that are to come whole.
    async fn round(&mut self, wanted: Needs) -> Result<News, Failure> {
        let mut whole = wanted.whole;
        let mut unknown: Vec<Rc<Table>> = Vec::new();
        let names = wanted.unsized_tables.iter().chain(wanted.rows.iter().map(|need| &need.table)).chain(&wanted.tops);
        for name in sorted::set(names.filter(|name| !self.is_known(name))) {
            let table = self.table(name)?;
            if !whole.contains(name) {
                if checks::is_divisible(&table, &self.all) {
                    unknown.push(table)
                } else {
                    _ = whole.insert(name.clone())
                }
            }
        }
        let mut queries: Vec<Query> = unknown
            .iter()
            .map(|table| Selection::all(table.clone()).counting(Some(self.budget.whole_rows + 1)))
            .collect();
        let mut tops: Vec<(Rc<Table>, Option<i64>)> = unknown.iter().map(|table| (table.clone(), None)).collect();
        for name in &wanted.tops {
            tops.push((self.table(name)?, self.floor(name)?));
        }
        tops.retain(|(table, _)| table.rowid.is_some());
        let mut later = Needs::default();
        let mut asked: Vec<(Selection, Option<RowNeed>)> = Vec::new();
        for (table, floor) in &tops {
            asked.push((top(table, *floor), None));
        }
        for need in wanted.rows {
            if whole.contains(&need.table) || self.catalog.hydrated.contains(&need.table) {
                continue;
            }
            if !self.is_known(&need.table) && need.keys.len() > MOST_BLIND_KEYS {
                later.rows.push(need);
                continue;
            }
            let table = self.table(&need.table)?;
            for need in divided(need) {
                asked.push((selection(table.clone(), &need)?, Some(need)));
            }
        }
        let mut mosts = Vec::new();
        let mut places = Vec::new();
        for (selection, _) in &asked {
            // Rows that are here already come again, and cost nothing.
            let here = if self.catalog.partial.contains(&selection.table.name) {
                self.known_count(&selection.table.name)?
            } else {
                0
            };
            let coming = u64::try_from(self.rows.get(&selection.table.name).map_or(0, Vec::len)).unwrap_or(u64::MAX);
            let most = self.budget.rows_left.saturating_add(here).saturating_add(coming).saturating_add(1);
            mosts.push(most);
            let page = selection.page(None, false, most)?;
            places.push(queries.len()..queries.len() + page.len());
            queries.extend(page);
        }
        let (mut answers, bytes) = match self.base.selects(&queries).await {
            Ok(answered) => answered,
            Err(Unread::Sql(why)) => {
                whole.extend(self.failing(why, &asked, &mosts).await?);
                let rows = asked
                    .into_iter()
                    .filter_map(|(_, need)| need)
                    .filter(|need| !whole.contains(&need.table))
                    .chain(later.rows)
                    .collect();
                let unsized_tables =
                    unknown.iter().map(|table| table.name.clone()).filter(|name| !whole.contains(name)).collect();
                let tops = wanted.tops.into_iter().filter(|name| !whole.contains(name)).collect();
                return Box::pin(self.round(Needs { whole, unsized_tables, rows, tops, frames: Vec::new() })).await;
            }
            Err(unread) => return Err(Failure::unread(unread, self.base.store())),
        };
        let first = asked.first().map(|(selection, _)| selection.table.name.clone()).unwrap_or_default();
        self.budget.take_bytes(bytes, &first)?;
        for (table, rows) in unknown.iter().zip(&answers) {
            if count(rows) > self.budget.whole_rows {
                self.catalog.partial.insert(table.name.clone());
            } else {
                self.small.insert(table.name.clone());
                whole.insert(table.name.clone());
            }
        }
        let mut news = News::new();
        for (index, ((selection, need), place)) in asked.into_iter().zip(places).enumerate() {
            let name = selection.table.name.clone();
            if !self.catalog.partial.contains(&name) || whole.contains(&name) {
                continue;
            }
            let most = mosts.get(index).copied().unwrap_or_default();
            let budget = &mut *self.budget;
            let mut took = |bytes| budget.take_bytes(bytes, &name);
            let mut rows = match Selection::read(taken(&mut answers, place), false) {
                Some(rows) => rows,
                None => selection.exactly(self.base, None, most, &mut took).await?,
            };
            if Selection::is_full(rows.len(), most) {
                let last = rows.last().map(|row| row.key.clone());
                let left = most.saturating_sub(u64::try_from(rows.len()).unwrap_or(u64::MAX));
                rows.extend(selection.fetch(self.base, last, left, &mut took).await?);
            }
            match need {
                Some(need) => self.covered.extend(covers(&need)),
                None => self.note_floor(&selection.table, tops.get(index).and_then(|(_, floor)| *floor), &rows),
            }
            self.accept(&selection, rows, &mut news).await?;
        }
        for name in whole.into_iter().filter(|name| !self.catalog.hydrated.contains(name)).collect::<Vec<_>>() {
            self.whole(&name, &mut news).await?;
        }
        // Their size is known now.
        if !later.is_empty() {
            let more = Box::pin(self.round(later)).await?;
            news.extend(more);
        }
        Ok(news)
    }

    /// The tables whose rows the base cannot look up, because a condition out of the statement fails for one of them.
    /// Whether the statement comes to that row is for SQLite to decide, with all rows at hand.
    async fn failing(
        &mut self,
        why: String,
        asked: &[(Selection, Option<RowNeed>)],
        mosts: &[u64],
    ) -> Result<BTreeSet<String>, Failure> {
        let mut failing = BTreeSet::new();
        for ((selection, need), most) in asked.iter().zip(mosts) {
            if need.as_ref().is_none_or(|need| need.conditions.is_empty()) {
                continue;
            }
            match self.base.selects(&selection.page(None, false, *most)?).await {
                Ok((_, bytes)) => self.budget.take_bytes(bytes, &selection.table.name)?,
                Err(Unread::Sql(why)) => {
                    failing.insert(selection.table.name.clone());
                    self.unbounded.insert(selection.table.name.clone(), why);
                }
                Err(unread) => return Err(Failure::unread(unread, self.base.store())),
            }
        }
        if failing.is_empty() { Err(Failure::unread(Unread::Sql(why), self.base.store())) } else { Ok(failing) }
    }

    fn floor(&self, table: &str) -> Result<Option<i64>, Failure> {
        let rows =
            self.database.run("SELECT CAST(lowest AS TEXT) FROM _dryrun_floor WHERE name = ?", &[table.into()])?;
        Ok(rows.first().and_then(|row| row.text(0)).and_then(|text| text.parse().ok()))
    }

    fn note_floor(&mut self, table: &Table, before: Option<i64>, rows: &[Fetched]) {
        let lowest = rows
            .iter()
            .filter_map(|row| row.key.parse::<i64>().ok())
            .filter(|rowid| before.is_some() || *rowid != -1 || rows.len() == 1)
            .min();
        let more = before.is_none() || rows.len() >= usize::try_from(MORE_TOPS).unwrap_or(usize::MAX);
        self.floors.push((table.name.clone(), lowest.filter(|_| more)));
    }

    /// Takes rows in that are not here yet.
    async fn accept(&mut self, selection: &Selection, rows: Vec<Fetched>, news: &mut News) -> Result<(), Failure> {
        let table = &selection.table;
        let keys: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
        let known =
            if self.catalog.partial.contains(&table.name) { self.known(&table.name, &keys)? } else { HashSet::new() };
        let mut fresh: Vec<Fetched> = Vec::new();
        for row in rows {
            if !known.contains(&row.key) && self.fetched.insert((table.name.clone(), row.key.clone())) {
                fresh.push(row);
            }
        }
        let coming = u64::try_from(fresh.len()).unwrap_or(u64::MAX);
        if coming > self.budget.rows_left {
            let (answers, _) = selects(self.base, &[selection.counting(None)]).await?;
            let needed = answers.first().map(|rows| count(rows)).unwrap_or_default();
            return Err(exceeded(&table.name, &format!("{needed} rows"), &format!("{} rows", self.budget.rows_left)));
        }
        self.budget.take_rows(coming);
        let all = self.rows.entry(table.name.clone()).or_default();
        let start = all.len();
        all.extend(fresh);
        news.push((table.clone(), start));
        Ok(())
    }

    /// Those of these rows that were copied before.
    fn known(&self, table: &str, keys: &[String]) -> Result<HashSet<String>, Failure> {
        let list = Value::from(keys.to_vec()).to_string();
        let rows = self.database.run(
            "SELECT value FROM json_each(?1) WHERE EXISTS (SELECT 1 FROM _dryrun_known WHERE name = ?2 AND key = \
                  value)",
            &[list.as_str().into(), table.into()],
        )?;
        let mut known = HashSet::new();
        known.extend(rows.iter().filter_map(|row| row.text(0)));
        Ok(known)
    }

    async fn whole(&mut self, name: &str, news: &mut News) -> Result<(), Failure> {
        let table = self.table(name)?;
        match self.virtuals.iter().find(|one| one.name == name).map(|one| &one.content) {
            Some(Content::External(_)) => self.indexes.push(name.to_owned()),
            Some(Content::Vocabulary(_)) => {}
            Some(Content::Own) | None => self.rows(name, &table, news).await?,
        }
        self.catalog.hydrated.insert(name.to_owned());
        self.copied_whole.push(table);
        Ok(())
    }

    /// All rows of a table.
    async fn rows(&mut self, name: &str, table: &Rc<Table>, news: &mut News) -> Result<(), Failure> {
        if table.rowid.is_none() && table.primary_key().is_empty() {
            return Err(Problem::new(
                Code::NotRehearsable,
                format!(
                    "The table {name} hides its rowid behind columns of that name, so its rows cannot be told apart; \
                     nothing was run."
                ),
                "Rename one of the columns rowid, _rowid_ and oid.",
            )
            .into());
        }
        let selection = Selection::all(table.clone());
        let most = self.budget.rows_left;
        if !self.small.contains(name) || self.budget.whole_rows > most {
            // Counted first, and not beyond the budget: a table that is too large costs no copy.
            let here = if self.catalog.partial.contains(name) { self.known_count(name)? } else { 0 };
            let (answers, _) =
                selects(self.base, &[selection.counting(Some(most.saturating_add(here).saturating_add(1)))]).await?;
            if answers.first().map(|rows| count(rows)).unwrap_or_default() > most.saturating_add(here) {
                let (answers, _) = selects(self.base, &[selection.counting(None)]).await?;
                return Err(too_many(
                    name,
                    answers.first().map(|rows| count(rows)).unwrap_or_default(),
                    most,
                    self.unbounded.get(name),
                ));
            }
        }
        let budget = &mut *self.budget;
        let rows = selection.fetch(self.base, None, u64::MAX, &mut |bytes| budget.take_bytes(bytes, name)).await?;
        self.accept(&selection, rows, news).await?;
        if !self.catalog.counters_set
            && !self.catalog.partial.contains(name)
            && table.sql.to_ascii_uppercase().contains("AUTOINCREMENT")
        {
            let sql = format!("SELECT CAST(seq AS TEXT) FROM sqlite_sequence WHERE name = {}", literal(name));
            let (answers, _) = selects(self.base, &[(sql, Vec::new())]).await?;
            let counter = answers.first().and_then(|rows| rows.first()).and_then(|row| row.text(0));
            self.counters.extend(counter.map(|counter| (name.to_owned(), counter.to_owned())));
        }
        Ok(())
    }

    fn known_count(&self, table: &str) -> Result<u64, Failure> {
        let rows = self.database.run("SELECT count(*) FROM _dryrun_known WHERE name = ?", &[table.into()])?;
        Ok(rows.first().map(|row| row.count(0)).unwrap_or_default())
    }

    /// The rows that new rows refer to and that are not here.
    fn parents(&mut self, news: &News) -> Result<Needs, Failure> {
        let mut needs = Needs::default();
        for (table, start) in news {
            let columns = Selection::columns(table);
            for key in &table.foreign_keys {
                let Some(parent) = key.parent(&self.all).cloned() else { continue };
                if self.catalog.hydrated.contains(&parent.name) {
                    continue;
                }
                let Some(values) = values_of(
                    key,
                    &columns,
                    self.rows.get(&table.name).and_then(|rows| rows.get(*start..)).unwrap_or_default(),
                ) else {
                    needs.whole.insert(parent.name.clone());
                    continue;
                };
                let referred = parent.referred(key);
                let mut keys = Vec::new();
                for value in values {
                    if !self.asked.insert(format!("{}\n{}\n{value}", parent.name, referred.join("\n"))) {
                        continue;
                    }
                    let here =
                        self.catalog.partial.contains(&parent.name) && self.schema.has(&parent, &referred, &value)?;
                    if !here {
                        keys.push(value);
                    }
                }
                if !keys.is_empty() {
                    let values = sorted::set(keys.iter().cloned());
                    self.referred.push(Orphans {
                        child: table.clone(),
                        key: key.clone(),
                        parent: parent.clone(),
                        values,
                    });
                    needs.add_row(RowNeed {
                        table: parent.name.clone(),
                        alias: parent.name.clone(),
                        conditions: Vec::new(),
                        columns: referred,
                        keys,
                        called: None,
                    });
                }
            }
        }
        Ok(needs)
    }
}

/// The rows with the highest rowids: of a table that is new here the last one, else those below the lowest of them that
/// are here. Row -1 always comes along, because a row without a rowid of its own shows that one.
fn top(table: &Rc<Table>, floor: Option<i64>) -> Selection {
    let (name, rowid) = (surely(&table.name), table.rowid.unwrap_or("rowid"));
    let filter = match floor {
        None => format!("{rowid} IN (SELECT max({rowid}) FROM {name} UNION ALL SELECT -1)"),
        Some(floor) => format!(
            "{rowid} IN (SELECT {rowid} FROM {name} WHERE {rowid} < {floor} ORDER BY {rowid} DESC LIMIT {MORE_TOPS})"
        ),
    };
    Selection { filter: vec![filter], ..Selection::all(table.clone()) }
}

/// A need in parts of which each fits a statement.
fn divided(need: RowNeed) -> Vec<RowNeed> {
    if need.keys.len() <= MOST_KEYS_IN_TEXT || are_plain(&need.keys) {
        return vec![need];
    }
    need.keys.chunks(MOST_KEYS_IN_TEXT).map(|keys| RowNeed { keys: keys.to_vec(), ..need.clone() }).collect()
}

/// The rows of a need.
pub fn selection(table: Rc<Table>, need: &RowNeed) -> Result<Selection, Failure> {
    let mut filter = need.conditions.clone();
    let mut params = Vec::new();
    if !need.columns.is_empty() {
        let (condition, param) = one_of(&need.columns, &need.keys)?;
        filter.push(condition);
        params.extend(param.map(Value::from));
    }
    Ok(Selection { table, alias: need.alias.clone(), filter, params })
}

/// The values by which rows refer to others, as lists in JSON; `None` when a column is not among those that are copied,
/// or a text is none that can be asked for.
fn values_of(key: &ForeignKey, columns: &[String], rows: &[Fetched]) -> Option<BTreeSet<String>> {
    let place = |from: &String| columns.iter().position(|column| column.eq_ignore_ascii_case(from));
    let places: Vec<usize> = key.from.iter().map(place).collect::<Option<_>>()?;
    let mut values = BTreeSet::new();
    for row in rows {
        let mut one = Vec::new();
        for place in &places {
            one.push(json(*row.kinds.as_bytes().get(*place)?, row.cells.get(*place)?)?);
        }
        // A reference with a NULL in it refers to nothing.
        if !one.iter().any(|value| value == "null") {
            values.insert(format!("[{}]", one.join(",")));
        }
    }
    Some(values)
}

/// A value as JSON, as the engine writes it; `None` for text that is not UTF-8.
fn json(kind: u8, cell: &Cell) -> Option<String> {
    Some(match (kind, cell) {
        (b'i', Cell::Text(digits)) => digits.clone(),
        (b't', Cell::Text(text)) => Value::from(text.as_str()).to_string(),
        (b't', Cell::Bytes(bytes)) => Value::from(String::from_utf8(bytes.clone()).ok()?).to_string(),
        (b'r', Cell::Number(number)) if number.is_finite() => format!("{number:?}"),
        (b'r', Cell::Number(number)) => format!("{{\"real\":\"{}Inf\"}}", if *number < 0.0 { "-" } else { "" }),
        (b'b', Cell::Bytes(bytes)) => format!("{{\"blob\":\"{}\"}}", hex::encode_upper(bytes)),
        (b'i' | b't' | b'r' | b'b', _) => return None,
        _ => "null".into(),
    })
}

/// The answers of these queries.
fn taken(answers: &mut [Vec<BaseRow>], place: Range<usize>) -> Vec<Vec<BaseRow>> {
    answers.get_mut(place).unwrap_or_default().iter_mut().map(std::mem::take).collect()
}
