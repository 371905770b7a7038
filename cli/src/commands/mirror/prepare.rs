//! The target before and after its rows: triggers aside, rows out, tables that it lacks in; and in the end what could
//! only be made when all rows were there.

use std::collections::BTreeSet;

use super::cell::{Cell, identifier};
use super::differences::{Differences, compare};
use super::job::Job;
use super::pages::bounds;
use super::plan::{Meanwhile, arrange};
use super::schema::{Object, Schema, Table};
use super::statements::delete_some;
use super::wire::Statement;
use crate::failure::{Exit, Failure, Outcome};
use crate::statements::meaning;

/// Rows deleted by one statement: well within the 30 s that D1 gives a batch.
const DELETED_AT_ONCE: usize = 20_000;

/// What is done to the schema of the target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Tables, indexes, views and triggers that are made because the target lacks them.
    pub made: Vec<Object>,
    /// Tables that are dropped, and made again if the source has them.
    pub dropped_tables: Vec<String>,
    /// Views and indexes that are dropped.
    pub dropped: Vec<(String, String)>,
    /// Tables that only the target has, and that stay as they are.
    pub further: Vec<String>,
}

/// Decides what to do about differences, or refuses.
pub(super) fn decide(
    source: &Schema,
    target: &Schema,
    chosen: &dyn Fn(&str) -> bool,
    replace: bool,
) -> Outcome<Changes> {
    let Differences { missing, mut different, further } = compare(source, target, chosen);
    let referring = referring(target, chosen, &further);
    if !replace {
        different.extend(
            referring.iter().map(|name| format!("the table {name}, which refers to copied ones, is only there")),
        );
    }
    if !replace && !different.is_empty() {
        return Err(Failure::new(
            Exit::Refused,
            "schemas_differ",
            "The schemas differ. Nothing was written. Of the target:",
            "Bring them together with migrations, or let the mirror drop and recreate what differs: --schema",
        )
        .with_reasons(different));
    }
    let stays = |name: &String| !referring.contains(name);
    let mut changes = Changes {
        further: further.iter().filter(|name| stays(name)).cloned().collect(),
        made: missing,
        ..Changes::default()
    };
    changes.dropped_tables.extend(referring);
    let same = |object: &Object, other: &Object| meaning(&object.sql) == meaning(&other.sql);
    for object in target.objects.iter().filter(|object| !object.sql.is_empty()) {
        let other = source.object(&object.kind, &object.name);
        let gone = if object.kind == "table" {
            chosen(&object.name) && other.is_some_and(|other| !same(object, other))
        } else if object.kind == "view" {
            other.is_some_and(|other| !same(object, other))
        } else {
            chosen(&object.table) && other.is_none_or(|other| !same(object, other))
        };
        if !gone {
            continue;
        }
        changes.made.extend(other.cloned());
        match object.kind.as_str() {
            "table" => changes.dropped_tables.push(object.name.clone()),
            "trigger" => {}
            kind => changes.dropped.push((kind.to_owned(), object.name.clone())),
        }
    }
    // What stood on a dropped table went with it.
    let dropped = |name: &str| changes.dropped_tables.iter().any(|dropped| dropped.eq_ignore_ascii_case(name));
    let along: Vec<Object> = source
        .objects
        .iter()
        .filter(|object| object.kind != "table" && !object.sql.is_empty() && dropped(&object.table))
        .cloned()
        .collect();
    for object in along {
        if !changes.made.contains(&object) {
            changes.made.push(object);
        }
    }
    changes.dropped.retain(|(_, name)| {
        !target.objects.iter().any(|object| object.name == *name && object.kind == "index" && dropped(&object.table))
    });
    Ok(changes)
}

/// Tables that only the target has and whose rows refer to copied ones, directly or by others of them.
fn referring(target: &Schema, chosen: &dyn Fn(&str) -> bool, further: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let next: Vec<String> = target
            .tables
            .iter()
            .filter(|table| further.contains(&table.name) && !found.contains(&table.name))
            .filter(|table| {
                table
                    .foreign_keys
                    .iter()
                    .any(|key| chosen(&key.parent) || found.iter().any(|name| name.eq_ignore_ascii_case(&key.parent)))
            })
            .map(|table| table.name.clone())
            .collect();
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}

/// Whether a definition is that of a virtual table, and of one that indexes the rows of another.
fn is_virtual(object: &Object) -> bool {
    object.sql.get(..14).is_some_and(|head| head.eq_ignore_ascii_case("CREATE VIRTUAL"))
}

fn rebuilds(object: &Object) -> bool {
    let words = meaning(&object.sql);
    let has = |wanted: &[&str]| words.windows(wanted.len()).any(|some| some == wanted);
    is_virtual(object)
        && has(&["using", "fts5"])
        && has(&["content", "="])
        && !has(&["content", "=", "''"])
        && !has(&["content", "=", ""])
}

impl Job {
    fn chosen(&self) -> BTreeSet<String> {
        self.tables().map(|plan| plan.table.name.to_ascii_lowercase()).collect()
    }

    /// Drops the triggers of the copied tables; they are the source's own, so that `finish` can make them again.
    pub(super) fn set_triggers_aside(&mut self, target: &Schema) -> Outcome<()> {
        let chosen = self.chosen();
        let triggers: Vec<String> = target
            .objects
            .iter()
            .filter(|object| object.kind == "trigger" && chosen.contains(&object.table.to_ascii_lowercase()))
            .map(|object| object.name.clone())
            .collect();
        for name in &triggers {
            if !self.state.triggers_aside.contains(name) {
                self.state.triggers_aside.push(name.clone());
            }
        }
        self.state.save()?;
        self.write_all(
            triggers
                .iter()
                .map(|name| Statement::plain(format!("DROP TRIGGER IF EXISTS {}", identifier(name))))
                .collect(),
        )
    }

    /// Makes them again, whatever happened.
    pub(super) fn restore_triggers(&mut self, source: &Schema) -> Outcome<usize> {
        let target = Schema::read(&self.target)?;
        let lacking: Vec<&Object> = source
            .objects
            .iter()
            .filter(|object| {
                object.kind == "trigger"
                    && self.state.triggers_aside.contains(&object.name)
                    && target.object("trigger", &object.name).is_none()
            })
            .filter(|object| target.object("table", &object.table).is_some())
            .collect();
        let count = lacking.len();
        let statements = lacking.into_iter().map(|object| Statement::plain(object.sql.clone())).collect();
        self.write_all(statements)?;
        Ok(count)
    }

    /// Empties the copied tables and makes what the target lacks.
    pub(super) fn prepare(&mut self, target: &Schema, changes: &Changes) -> Outcome<()> {
        let chosen = self.chosen();
        let emptied: Vec<&Table> = target
            .tables
            .iter()
            .filter(|table| {
                chosen.contains(&table.name.to_ascii_lowercase()) || changes.dropped_tables.contains(&table.name)
            })
            .collect();
        self.empty(&emptied)?;
        // Children first, so that no definition is left that refers to nothing.
        let order: Vec<&str> = arrange(&emptied)
            .into_iter()
            .rev()
            .flatten()
            .filter_map(|(place, _)| emptied.get(place))
            .map(|table| table.name.as_str())
            .collect();
        let mut statements: Vec<Statement> = changes
            .dropped
            .iter()
            .map(|(kind, name)| {
                Statement::plain(format!("DROP {} IF EXISTS {}", kind.to_uppercase(), identifier(name)))
            })
            .collect();
        let indexes = changes.dropped_tables.iter().map(String::as_str).filter(|name| target.table(name).is_none());
        let dropped = indexes.chain(order).filter(|name| changes.dropped_tables.iter().any(|dropped| dropped == name));
        statements.extend(dropped.map(|name| Statement::plain(format!("DROP TABLE IF EXISTS {}", identifier(name)))));
        self.write_all(statements)?;
        for kind in ["table", "index"] {
            self.make(&changes.made, kind)?;
        }
        Ok(())
    }

    /// Makes objects of one kind that the target lacks by now.
    fn make(&mut self, objects: &[Object], kind: &str) -> Outcome<()> {
        let there = Schema::read(&self.target)?;
        let lacking = objects.iter().filter(|object| object.kind == kind && there.object(kind, &object.name).is_none());
        for object in lacking {
            // Alone, and not again after an unclear answer that did make it.
            if let Err(failure) = self.write(&[Statement::plain(object.sql.clone())]) {
                let now = Schema::read(&self.target)?;
                if now.object(kind, &object.name).is_none() {
                    return Err(Failure {
                        message: format!("The {kind} {} could not be made: {}", object.name, failure.message),
                        ..failure
                    });
                }
            }
        }
        Ok(())
    }

    /// Deletes all rows, children first.
    fn empty(&mut self, tables: &[&Table]) -> Outcome<()> {
        let counts: Vec<u64> = bounds(&self.target, tables)?.into_iter().map(|(count, _)| count).collect();
        let has_rows = |place: usize| counts.get(place).is_some_and(|count| *count > 0);
        let steps = arrange(tables);
        for (place, late) in steps.iter().flatten().filter(|(place, _)| has_rows(*place)) {
            let Some(table) = tables.get(*place) else { continue };
            let name =
                |place: &usize| table.columns.get(*place).map(|column| identifier(&column.name)).unwrap_or_default();
            for late in late {
                let set = match &late.meanwhile {
                    Meanwhile::Null(column) => format!("{} = NULL", name(column)),
                    Meanwhile::Itself(to) => late
                        .from
                        .iter()
                        .zip(to)
                        .map(|(from, to)| format!("{} = {}", name(from), name(to)))
                        .collect::<Vec<_>>()
                        .join(", "),
                };
                self.write(&[Statement::plain(format!("UPDATE {} SET {set}", identifier(&table.name)))])?;
            }
        }
        for step in steps.iter().rev() {
            let some: Vec<&&Table> =
                step.iter().filter(|(place, _)| has_rows(*place)).filter_map(|(place, _)| tables.get(*place)).collect();
            if let [table] = some.as_slice() {
                let statement = delete_some(table, DELETED_AT_ONCE);
                while self.write(std::slice::from_ref(&statement))?.first().is_some_and(|answer| answer.changes > 0) {}
            } else if !some.is_empty() {
                let deletes =
                    some.iter().map(|table| Statement::plain(format!("DELETE FROM {}", identifier(&table.name))));
                self.write(
                    &[Statement::plain("PRAGMA defer_foreign_keys = on")]
                        .into_iter()
                        .chain(deletes)
                        .collect::<Vec<_>>(),
                )?;
            }
        }
        Ok(())
    }

    /// Sets the counters, makes views and triggers, and builds indexes of words anew.
    pub(super) fn finish(&mut self, source: &Schema, changes: &Changes) -> Outcome<()> {
        let target = Schema::read(&self.target)?;
        let counters: Vec<Statement> = self
            .tables()
            .filter_map(|plan| source.table(&plan.table.name))
            .filter(|table| {
                table.counter.is_some() || target.table(&table.name).is_some_and(|table| table.counter.is_some())
            })
            .flat_map(|table| {
                let name = Cell::text(&table.name).literal();
                let set = table.counter.map(|counter| {
                    Statement::plain(format!("INSERT INTO sqlite_sequence (name, seq) VALUES ({name}, {counter})"))
                });
                [Statement::plain(format!("DELETE FROM sqlite_sequence WHERE name = {name}"))].into_iter().chain(set)
            })
            .collect();
        self.write_all(counters)?;
        let chosen = self.chosen();
        let rebuilt: Vec<Statement> = source
            .objects
            .iter()
            .filter(|object| rebuilds(object) && target.object("table", &object.name).is_some())
            .map(|object| identifier(&object.name))
            .map(|name| Statement::plain(format!("INSERT INTO {name} ({name}) VALUES ('rebuild')")))
            .collect();
        self.write_all(rebuilt)?;
        self.make(&changes.made, "view")?;
        let aside = &self.state.triggers_aside;
        let triggers: Vec<Object> = source
            .objects
            .iter()
            .filter(|object| {
                object.kind == "trigger"
                    && (chosen.contains(&object.table.to_ascii_lowercase())
                        || aside.contains(&object.name)
                        || changes.made.contains(object))
            })
            .cloned()
            .collect();
        self.make(&triggers, "trigger")?;
        // The target has to be what the source is, now that it is done.
        let left = compare(source, &Schema::read(&self.target)?, &|name| chosen.contains(&name.to_ascii_lowercase()));
        if left.missing.is_empty() && left.different.is_empty() {
            return Ok(());
        }
        let missing = left.missing.iter().map(|object| format!("the {} {} is missing", object.kind, object.name));
        Err(Failure::found(
            format!(
                "The schemas differ after the mirror: {}.",
                left.different.into_iter().chain(missing).collect::<Vec<_>>().join("; ")
            ),
            "Somebody else changed one of them meanwhile; begin anew with --restart.",
        ))
    }
}
