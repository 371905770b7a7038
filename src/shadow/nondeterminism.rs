//! What in a write comes out differently each time: in its text, in defaults, in triggers and views.

use std::collections::BTreeSet;
use std::rc::Rc;

use turso_parser::ast::{Cmd, Stmt, TriggerEvent};
use turso_parser::parser::Parser;

use super::failure::Failure;
use super::rehearse::{MAX_PROGRAMS, Shadow};
use super::touched::Touched;
use super::values::bindings;
use crate::domain::operation::{BoundStatement, SqlCall};
use crate::domain::sorted;
use dryrun_sql::statement::{Kind, Statement};
use dryrun_sql::volatile::{inserted_columns, volatile, volatile_defaults, volatile_with};

impl Shadow {
    /// Whether a batch draws anything by chance, as far as its text and the schema tell.
    pub(super) fn is_volatile(&self, call: &SqlCall) -> bool {
        call.statements.iter().filter(|one| one.statement.kind == Kind::Write).any(|one| {
            let touched = self.touched(&one.statement.text, &bindings(&one.params));
            touched.is_ok_and(|touched| self.volatile(one, &touched).is_ok_and(|found| !found.is_empty()))
        })
    }

    /// What in a write comes out differently each time: in its own text, in defaults that it leaves to the table, in
    /// triggers and views.
    pub(super) fn volatile(&self, one: &BoundStatement, touched: &Touched) -> Result<BTreeSet<String>, Failure> {
        let text = &one.statement.text;
        let mut found = sorted::set(volatile_with(text, &one.params));
        let known = self.programs.borrow().volatile.get(text).cloned();
        let by_schema = match known {
            Some(known) => known,
            None => Rc::new(self.volatile_by_schema(&one.statement, touched)?),
        };
        found.extend(by_schema.iter().cloned());
        let mut programs = self.programs.borrow_mut();
        if programs.volatile.len() >= MAX_PROGRAMS {
            programs.volatile.clear();
        }
        programs.volatile.insert(text.clone(), by_schema);
        Ok(found)
    }

    fn volatile_by_schema(&self, statement: &Statement, touched: &Touched) -> Result<BTreeSet<String>, Failure> {
        let mut found = BTreeSet::new();
        let supplied = inserted_columns(&statement.text);
        let target = statement.target.as_deref().unwrap_or_default();
        let is_target = |name: &str| name.eq_ignore_ascii_case(target);
        for name in touched.written.iter().filter(|name| !name.starts_with("sqlite_")) {
            let table = self.table(name)?;
            // What a trigger inserts elsewhere, or a REPLACE of a NULL, may leave any default to the table.
            let own = is_target(name) && statement.verb == "INSERT" && !self.may_replace(statement, touched)?;
            for (column, volatile) in volatile_defaults(&table.sql) {
                let given = supplied
                    .as_ref()
                    .is_none_or(|columns| columns.iter().any(|given| given.eq_ignore_ascii_case(&column)));
                if !(own && given || is_target(name) && statement.verb != "INSERT") {
                    found.extend(volatile);
                }
            }
        }
        let named = self.named(&statement.text);
        let set = set_columns(statement);
        // Only where nothing else is written are the events of the target's triggers those of the statement.
        let alone = touched.written.iter().all(|name| is_target(name) || name.starts_with("sqlite_"));
        let definitions = self.database.run(
            "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN \
                                             ('trigger', 'view') AND substr(name, 1, 8) <> '_dryrun_'",
            &[],
        )?;
        let mut views = Vec::new();
        // The texts that run: of the statement, of triggers that fire, and of views that one of them names.
        let mut texts = vec![named.clone()];
        for row in definitions.iter() {
            let text_of = |column| row.text(column).unwrap_or_default();
            let (name, table, sql) = (text_of(1), text_of(2), text_of(3));
            if text_of(0) == "view" {
                views.push((name, sql));
                continue;
            }
            let fires = if is_target(&table) {
                !alone
                    || fires_on(&sql)
                        .is_none_or(|event| event == statement.verb || (event == "UPDATE" && named.upserts))
                        && !is_of_others(&sql, &set)
            } else {
                touched.written.iter().any(|written| written.eq_ignore_ascii_case(&table))
            };
            if fires {
                found.extend(volatile(&sql));
                texts.push(self.named(&sql));
            }
        }
        while let Some(text) = texts.pop() {
            let (used, others): (Vec<_>, Vec<_>) = views.into_iter().partition(|(name, _)| text.names(name));
            views = others;
            for (_, sql) in used {
                found.extend(volatile(&sql));
                texts.push(self.named(&sql));
            }
        }
        Ok(found)
    }
}

/// The columns that an UPDATE sets.
pub(super) fn set_columns(statement: &Statement) -> Vec<String> {
    match Parser::new(statement.text.as_bytes()).next_cmd() {
        Ok(Some(Cmd::Stmt(Stmt::Update(update)))) => {
            update.sets.iter().flat_map(|set| &set.col_names).map(|column| column.as_str().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a trigger fires only for other columns than an UPDATE sets.
fn is_of_others(trigger: &str, set: &[String]) -> bool {
    match Parser::new(trigger.as_bytes()).next_cmd() {
        Ok(Some(Cmd::Stmt(Stmt::CreateTrigger { event: TriggerEvent::UpdateOf(columns), .. }))) => {
            !set.is_empty()
                && !columns.iter().any(|column| set.iter().any(|set| set.eq_ignore_ascii_case(column.as_str())))
        }
        _ => false,
    }
}

/// The event that a trigger fires on.
fn fires_on(trigger: &str) -> Option<&'static str> {
    let Ok(Some(Cmd::Stmt(Stmt::CreateTrigger { event, .. }))) = Parser::new(trigger.as_bytes()).next_cmd() else {
        return None;
    };
    Some(match event {
        TriggerEvent::Insert => "INSERT",
        TriggerEvent::Delete => "DELETE",
        TriggerEvent::Update | TriggerEvent::UpdateOf(_) => "UPDATE",
    })
}
