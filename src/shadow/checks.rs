//! Triggers that say what a write needs of tables that are not whole.
//!
//! Which rows a write meets besides those that its text names is known to the engine alone: rows with the same unique
//! key, both sides of foreign keys, what the agents' triggers reach, the highest rowid. These triggers fire before all
//! others and look each of them up in `_dryrun_covered`. What is not there they note (mode 0), so that a statement
//! which succeeds tells everything at once; or they end the statement with it (mode 1), so that an error of the
//! statement's own is only ever seen when nothing before it was missing; or they note it and leave the row out (mode
//! 2), which tells of all rows of a statement that fails. In mode 3, while rows are copied, they are silent.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::Value;
use turso_parser::ast::{Cmd, Stmt, TriggerEvent, TriggerTime};
use turso_parser::parser::Parser;

use super::capture::real;
use super::catalog::{Catalog, ForeignKey, PREFIX, Table, tables};
use super::cells::{balanced, identifier, list, literal};
use super::database::Database;
use super::failure::{Failure, unreadable};
use super::needs::{Needs, collated, is_garbled, keyed};
use super::reached::Schema;
use dryrun_sql::reach::{Affinity, in_frame, reach, trigger_parts};

/// The tables that the checks need.
pub const TABLES: [&str; 7] = [
    "_dryrun_state (mode INTEGER NOT NULL, replaces INTEGER NOT NULL, word TEXT NOT NULL)",
    "_dryrun_needs (what TEXT NOT NULL)",
    "_dryrun_covered (what TEXT PRIMARY KEY) WITHOUT ROWID",
    "_dryrun_frames (what TEXT PRIMARY KEY) WITHOUT ROWID",
    "_dryrun_known (name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID",
    "_dryrun_changed (name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID",
    "_dryrun_floor (name TEXT PRIMARY KEY, lowest INTEGER) WITHOUT ROWID",
];

/// When a trigger fires.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    time: &'static str,
    /// `INSERT`, `DELETE`, `UPDATE`, or `UPDATE OF` some columns.
    event: String,
}

/// Before each kind of write.
const BEFORE: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

/// Something that must be here, if the condition holds.
struct Check {
    /// More sources of the SELECT that tells it.
    from: String,
    condition: String,
    /// The text that stands for it, as SQL.
    what: String,
    /// Where it would stand.
    covered: &'static str,
}

impl Check {
    fn new(condition: String, what: String) -> Self {
        Self { from: String::new(), condition, what, covered: "_dryrun_covered" }
    }

    fn sql(&self) -> String {
        let Self { from, condition, what, covered } = self;
        let rest =
            format!("{from} WHERE ({condition}) AND NOT EXISTS (SELECT 1 FROM {covered} AS c WHERE c.what = {what})");
        format!(
            "INSERT INTO _dryrun_needs (what) SELECT {what} FROM _dryrun_state AS s{rest} AND s.mode <> 1; SELECT \
             RAISE(ABORT, s.word || {what}) FROM _dryrun_state AS s{rest} AND s.mode = 1;"
        )
    }
}

/// Makes the checks for what is copied in parts, and takes away those that were there.
pub fn install(database: &Database, catalog: &Catalog) -> Result<(), Failure> {
    remove(database)?;
    if catalog.partial.is_empty() {
        return Ok(());
    }
    let schema = Schema::new(database, catalog);
    let all: Vec<Rc<Table>> = tables(database)?.iter().filter_map(|name| schema.described(name)).collect();
    for (ordinal, table) in all.iter().enumerate() {
        for event in BEFORE {
            let mut checks = own(table, catalog, event);
            checks.extend(of_foreign_keys(table, &all, catalog, event));
            make(
                database,
                &format!("{ordinal}_{event}"),
                &table.name,
                &Moment { time: "BEFORE", event: event.to_owned() },
                &checks,
            )?;
        }
        if let Some(alias) = table.rowid_alias() {
            // A rowid that is drawn is only known afterwards.
            let drawn = |key: &&ForeignKey| key.from.iter().any(|column| column.eq_ignore_ascii_case(alias));
            let keys: Vec<ForeignKey> = table.foreign_keys.iter().filter(drawn).cloned().collect();
            make(
                database,
                &format!("{ordinal}_drawn"),
                &table.name,
                &Moment { time: "AFTER", event: "INSERT".into() },
                &parents(&keys, &all, catalog, false),
            )?;
        }
    }
    let views = database.run("SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name", &[])?;
    let views: Vec<String> = views.iter().filter_map(|row| row.text(0)).collect();
    for (ordinal, name) in all.iter().map(|table| &table.name).chain(&views).enumerate() {
        for (number, frame) in frames(&schema, name)?.iter().enumerate() {
            make(database, &format!("f{ordinal}_{number}"), name, &frame.moment, &[frame.check()])?;
        }
    }
    Ok(())
}

fn make(database: &Database, name: &str, table: &str, moment: &Moment, checks: &[Check]) -> Result<(), Failure> {
    for (number, checks) in checks.chunks(MOST_CHECKS).enumerate() {
        let body: Vec<String> = checks.iter().map(Check::sql).collect();
        // By the one that fires last, which is the first made; and before the row itself only: afterwards it is too
        // late to leave it out.
        let leave = if moment.time == "AFTER" || number > 0 {
            ""
        } else {
            " SELECT RAISE(IGNORE) FROM _dryrun_state WHERE mode = 2;"
        };
        let trigger = identifier(&format!("{PREFIX}needs_{name}_{number}"));
        let on = format!(
            "{} {} ON {} WHEN (SELECT mode FROM _dryrun_state) < 3",
            moment.time,
            moment.event,
            identifier(table)
        );
        database.execute(&format!("CREATE TRIGGER {trigger} {on} BEGIN {}{leave} END", body.join(" ")), &[])?;
    }
    Ok(())
}

/// Longest value by which rows are asked for.
const MOST_TOLD_BYTES: usize = 100_000;
/// Most columns of a key by which rows are asked for: each of them is written out in full.
const MOST_KEY_COLUMNS: usize = 8;
/// Checks of one trigger: a few, so that its text is no longer than a statement may be.
const MOST_CHECKS: usize = 4;

/// Takes the checks away.
pub fn remove(database: &Database) -> Result<(), Failure> {
    let names = database
        .run("SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 14) = '_dryrun_needs_'", &[])?;
    for name in names.iter().filter_map(|row| row.text(0)) {
        database.execute(&format!("DROP TRIGGER {}", identifier(&name)), &[])?;
    }
    Ok(())
}

/// Whether a table can be copied in parts: what its rows meet can be told by equality of columns.
pub fn is_divisible(table: &Table, all: &[Rc<Table>]) -> bool {
    let alike = |child: &Table, key: &ForeignKey| {
        let Some(parent) = key.parent(all) else { return true };
        let referred = parent.referred(key);
        referred.len() <= MOST_KEY_COLUMNS
            && referred.len() == key.from.len()
            && key.from.iter().zip(&referred).all(|(from, to)| match (child.column(from), parent.column(to)) {
                (Some(from), Some(to)) => from.affinity == to.affinity,
                _ => false,
            })
    };
    let keys = all.iter().flat_map(|child| child.foreign_keys.iter().map(move |key| (child, key)));
    table.understood
        && !table.unique_expression
        && !table.unique.iter().chain(&table.partly_unique).any(|key| key.len() > MOST_KEY_COLUMNS)
        && (table.rowid.is_some() || !table.primary_key().is_empty())
        && !table
            .unique
            .iter()
            .flatten()
            .any(|(column, _)| table.column(column).is_none_or(|column| column.replaces_null))
        && keys
            .filter(|(child, key)| child.name == table.name || key.parent.eq_ignore_ascii_case(&table.name))
            .all(|(child, key)| alike(child, key))
}

fn same(row: &str, columns: &[String]) -> String {
    // What is too long to be told comes as the sign of what cannot be asked for.
    let value = |column: &String| {
        format!("iif(octet_length({row}.{0}) > {MOST_TOLD_BYTES}, char(65533), {row}.{0})", identifier(column))
    };
    list(&columns.iter().map(value).collect::<Vec<_>>())
}

fn what(table: &str, columns: &[String], values: &str) -> String {
    format!("{} || {values} || '}}'", literal(&keyed(table, columns)))
}

fn filled(row: &str, columns: &[String]) -> String {
    columns.iter().map(|column| format!("{row}.{} IS NOT NULL", identifier(column))).collect::<Vec<_>>().join(" AND ")
}

fn changed(columns: &[String]) -> String {
    // To the letter: what is the same under a column's collation may be another key in an index.
    columns
        .iter()
        .map(|column| format!("NEW.{0} IS NOT OLD.{0} COLLATE BINARY", identifier(column)))
        .collect::<Vec<_>>()
        .join(" OR ")
}

/// What a row of a table that is not whole meets there: rows with the same key, and the highest rowid.
fn own(table: &Table, catalog: &Catalog, event: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    if !catalog.partial.contains(&table.name) {
        return checks;
    }
    let update = event == "UPDATE";
    if event != "INSERT"
        && let Some(rowid) = table.rowid
    {
        // The last row at the top goes: the next one may be given its rowid, even by a trigger in between.
        let floor = format!("(SELECT lowest FROM _dryrun_floor WHERE name = {})", literal(&table.name));
        let leaves = if update { format!(" AND NEW.{rowid} < {floor}") } else { String::new() };
        let others = format!(
            "NOT EXISTS (SELECT 1 FROM {} AS x WHERE x.{rowid} >= {floor} AND x.{rowid} <> OLD.{rowid})",
            identifier(&table.name)
        );
        checks
            .push(Check::new(format!("OLD.{rowid} >= {floor}{leaves} AND {others}"), literal(&top_text(&table.name))));
    }
    if event == "DELETE" {
        return checks;
    }
    let quoted = identifier(&table.name);
    let mut keys: Vec<(Vec<(String, String)>, bool)> = table
        .unique
        .iter()
        .map(|key| (key.clone(), false))
        .chain(table.partly_unique.iter().map(|key| (key.clone(), true)))
        .collect();
    if let Some(rowid) = table.rowid_column() {
        keys.push((vec![(rowid.to_owned(), "binary".into())], false));
    }
    for (key, partly) in keys {
        let columns: Vec<String> = key.iter().map(|(column, _)| column.clone()).collect();
        let named: Vec<String> = key
            .iter()
            .map(|(column, collation)| match table.column(column) {
                Some(own) if !own.collation.eq_ignore_ascii_case(collation) => collated(column, collation),
                _ => column.clone(),
            })
            .collect();
        let equal: Vec<String> = key
            .iter()
            .map(|(column, collation)| {
                format!("x.{0} = NEW.{0} COLLATE {1}", identifier(column), identifier(collation))
            })
            .collect();
        // A row that is here with the same key may be none that the index of some rows holds; and a row can come into
        // that index with the key that it has.
        let mut condition = filled("NEW", &columns);
        if !partly {
            condition =
                format!("{condition} AND NOT EXISTS (SELECT 1 FROM {quoted} AS x WHERE {})", equal.join(" AND "));
        }
        if update && !partly {
            condition = format!("({}) AND {condition}", changed(&columns));
        } else if !update && table.rowid_column() == columns.first().map(String::as_str) && columns.len() == 1 {
            // -1 is what a row shows that will be given its rowid; row -1 itself comes with the highest one.
            condition =
                format!("NEW.{} <> -1 AND {condition}", identifier(columns.first().map_or("rowid", String::as_str)));
        }
        checks.push(Check::new(condition, what(&table.name, &named, &same("NEW", &columns))));
    }
    if let (Some(rowid), false) = (table.rowid, update) {
        let condition = format!(
            "NEW.{rowid} = -1 AND EXISTS (SELECT 1 FROM _dryrun_floor AS f WHERE f.name = {} AND f.lowest > \
             coalesce((SELECT max({rowid}) FROM {quoted}), -9223372036854775808))",
            literal(&table.name)
        );
        checks.push(Check::new(condition, literal(&top_text(&table.name))));
    }
    checks
}

/// What stands for the highest rows of a table.
fn top_text(table: &str) -> String {
    format!("{{\"t\":{},\"top\":true}}", Value::from(table))
}

/// What foreign keys make a row meet: the row that it refers to, the rows that refer to it.
fn of_foreign_keys(table: &Table, all: &[Rc<Table>], catalog: &Catalog, event: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    let update = event == "UPDATE";
    if event != "DELETE" {
        checks.extend(parents(&table.foreign_keys, all, catalog, update));
    }
    let children = all.iter().filter(|child| catalog.partial.contains(&child.name));
    for (child, key) in children
        .flat_map(|child| child.foreign_keys.iter().map(move |key| (child, key)))
        .filter(|(_, key)| key.parent.eq_ignore_ascii_case(&table.name) && table.has_key(key))
    {
        let referred = table.referred(key);
        let named: Vec<String> = key
            .from
            .iter()
            .zip(&referred)
            .map(|(from, to)| match (child.column(from), table.column(to)) {
                (Some(from), Some(to)) if from.collation != to.collation => collated(&from.name, &to.collation),
                _ => from.clone(),
            })
            .collect();
        if event == "INSERT" || update {
            // A row that REPLACE removes says nothing itself; whatever refers to it is met all the same.
            let collisions = super::capture::collisions(table, "NEW").join(" OR ");
            checks.push(Check {
                from: format!(", {} AS x", identifier(&table.name)),
                condition: format!("s.replaces = 1 AND ({collisions}) AND {}", filled("x", &referred)),
                what: what(&child.name, &named, &same("x", &referred)),
                covered: "_dryrun_covered",
            });
        }
        if event != "INSERT" {
            let condition = if update {
                format!("({}) AND {}", changed(&referred), filled("OLD", &referred))
            } else {
                filled("OLD", &referred)
            };
            checks.push(Check::new(condition, what(&child.name, &named, &same("OLD", &referred))));
        }
    }
    checks
}

/// The rows that a row refers to.
fn parents(keys: &[ForeignKey], all: &[Rc<Table>], catalog: &Catalog, update: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    for key in keys {
        let Some(parent) = key.parent(all).filter(|parent| catalog.partial.contains(&parent.name)) else { continue };
        let referred = parent.referred(key);
        // The parent's column decides how they compare, so the child's value goes without an affinity.
        let equal: Vec<String> = referred
            .iter()
            .zip(&key.from)
            .map(|(to, from)| format!("p.{} = +NEW.{}", identifier(to), identifier(from)))
            .collect();
        let mut condition = format!(
            "{} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
            filled("NEW", &key.from),
            identifier(&parent.name),
            equal.join(" AND ")
        );
        if update {
            condition = format!("({}) AND {condition}", changed(&key.from));
        }
        checks.push(Check::new(condition, what(&parent.name, &referred, &same("NEW", &key.from))));
    }
    checks
}

/// The triggers of agents that fire at a moment and reach tables that are not whole.
struct Frame {
    table: String,
    moment: Moment,
    columns: Vec<(String, String)>,
    texts: Vec<String>,
}

impl Frame {
    fn check(&self) -> Check {
        let value = |(row, column): &(String, String)| {
            let value = format!("{row}.{}", identifier(column));
            // Short, because a trigger may name a hundred of them. Text with a NUL in it is not told.
            format!(
                "json_quote(CASE WHEN octet_length({value}) > {MOST_TOLD_BYTES} OR (typeof({value}) = 'text' AND \
                 instr({value}, char(0))) THEN '?' ELSE quote({value}) END)"
            )
        };
        let values: Vec<String> = self.columns.iter().map(value).collect();
        let values = if values.is_empty() { literal("[]") } else { format!("'[' || {} || ']'", joined(values)) };
        let lead = format!(
            "{{\"g\":{},\"e\":{},\"v\":",
            Value::from(self.table.as_str()),
            Value::from(self.moment.to_string())
        );
        Check {
            from: String::new(),
            condition: "1".into(),
            what: format!("{} || {values} || '}}'", literal(&lead)),
            covered: "_dryrun_frames",
        }
    }
}

/// Texts with commas between them, as a balanced expression.
fn joined(values: Vec<String>) -> String {
    let count = values.len();
    balanced(
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| if index + 1 == count { value } else { format!("({value} || ',')") })
            .collect(),
    )
}

impl std::fmt::Display for Moment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.time, self.event)
    }
}

fn frames(schema: &Schema<'_>, table: &str) -> Result<Vec<Frame>, Failure> {
    let mut frames: Vec<Frame> = Vec::new();
    for sql in schema.triggers(table)? {
        let Ok(Some(Cmd::Stmt(Stmt::CreateTrigger { time, event, .. }))) = Parser::new(sql.as_bytes()).next_cmd()
        else {
            continue;
        };
        let time = match time {
            Some(TriggerTime::After) => "AFTER",
            Some(TriggerTime::InsteadOf) => "INSTEAD OF",
            Some(TriggerTime::Before) | None => "BEFORE",
        };
        let event = match event {
            TriggerEvent::Delete => "DELETE".to_owned(),
            TriggerEvent::Insert => "INSERT".to_owned(),
            TriggerEvent::Update => "UPDATE".to_owned(),
            TriggerEvent::UpdateOf(columns) => format!(
                "UPDATE OF {}",
                columns.iter().map(|column| identifier(column.as_str())).collect::<Vec<_>>().join(", ")
            ),
        };
        let moment = Moment { time, event };
        // What is not understood may reach anything: a text that says nothing stands for that.
        let (columns, texts) = trigger_parts(&sql).unwrap_or_else(|| (Vec::new(), vec![String::new()]));
        if texts.iter().all(|text| reach(text, schema).is_some_and(|found| found.is_empty())) {
            continue;
        }
        let at = frames.iter().position(|frame| frame.moment == moment).unwrap_or_else(|| {
            frames.push(Frame { table: table.to_owned(), moment, columns: Vec::new(), texts: Vec::new() });
            frames.len() - 1
        });
        if let Some(frame) = frames.get_mut(at) {
            for column in columns {
                if !frame.columns.contains(&column) {
                    frame.columns.push(column);
                }
            }
            frame.texts.extend(texts);
        }
    }
    Ok(frames)
}

/// What triggers reach that fire with these values; all tables in parts are needed whole where that cannot be told.
pub fn frame_needs(schema: &Schema<'_>, said: &str, partial: &BTreeSet<String>) -> Result<Needs, Failure> {
    let mut needs = Needs::default();
    if is_garbled(said) {
        needs.whole.extend(partial.iter().cloned());
        return Ok(needs);
    }
    let said: Value = serde_json::from_str(said).map_err(|error| unreadable("what a trigger noted", &error))?;
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    let values = said.get("v").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(frame) = frames(schema, text("g"))?.into_iter().find(|frame| frame.moment.to_string() == text("e")) else {
        return Ok(needs);
    };
    let described = schema.described(&frame.table);
    let value = |row: &str, column: &str| {
        let at = frame.columns.iter().position(|known| known.0 == row && known.1 == column)?;
        typed(described.as_deref(), column, values.get(at)?.as_str()?)
    };
    for command in &frame.texts {
        let found = in_frame(command, &value).and_then(|text| reach(&text, schema));
        match found {
            Some(found) => {
                for one in found {
                    needs.add(schema.missing(one, usize::MAX)?);
                }
            }
            None => needs.whole.extend(partial.iter().cloned()),
        }
    }
    Ok(needs)
}

/// A value of a row, written as SQLite quotes it, as a constant that compares as its column does; `None` where there is
/// no such constant.
fn typed(table: Option<&Table>, column: &str, value: &str) -> Option<String> {
    if value == "?" {
        return None;
    }
    let is_text = value.starts_with('\'');
    let is_number = value.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let is_integer = is_number && !value.contains(['.', 'e', 'E']);
    let constant =
        value.parse::<f64>().ok().filter(|_| is_number && !is_integer).map_or_else(|| value.to_owned(), real);
    let Some(column) = table.and_then(|table| table.column(column)) else {
        // The rowid, or a column of a view.
        return if is_number { is_integer.then(|| format!("CAST({constant} AS INTEGER)")) } else { Some(constant) };
    };
    if column.collation != "binary" {
        return None;
    }
    Some(match column.affinity {
        Affinity::Numeric if is_integer => format!("CAST({constant} AS INTEGER)"),
        Affinity::Numeric if is_number => format!("CAST({constant} AS REAL)"),
        Affinity::Text if is_text => format!("CAST({constant} AS TEXT)"),
        _ => constant,
    })
}
