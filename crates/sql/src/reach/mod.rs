//! Which rows of each table a statement can depend on.
//!
//! A large table is not copied for a statement that reaches a few of its rows. What a source of the statement reaches
//! is told by the conjuncts of WHERE and ON: those about that source alone, with constants, hold in the base as they do
//! here; an equality with a column of another source, or with a subquery, is a query whose answer gives the values to
//! look for. Conjuncts that are not understood are left out, which reaches more rows, never fewer. A source without any
//! bound reaches the whole table.
//!
//! What a write reaches besides (rows with the same unique key, the other side of foreign keys, triggers) is not told
//! by its text; the engine notes that while it runs.

mod conjunct;
mod from;
mod names;
mod select;
mod text;
mod walk;

use std::rc::Rc;

use turso_parser::ast::{Cmd, Expr, InsertBody, QualifiedName, ResultColumn, SelectTable, Set, Stmt, Upsert, UpsertDo};
use turso_parser::parser::Parser;

use from::{Ctes, Joined};
pub use names::{Affinity, Column, Shape, is_rowid};
use names::{Scope, Source};
use text::strict;
pub use text::{TriggerParts, in_frame, reads_what_it_sets, trigger_parts, with_call, with_parameters};

/// What is known of the schema.
pub trait Shapes {
    /// A table.
    fn table(&self, name: &str) -> Option<Rc<Shape>>;
    /// The definition of a view.
    fn view(&self, name: &str) -> Option<String>;
    /// Whether all rows of a table are here.
    fn is_whole(&self, table: &str) -> bool;
}

/// What one source of a statement reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The table.
    pub table: String,
    /// Which of its rows; `None` when nothing bounds them.
    pub rows: Option<Rows>,
    /// When it is read.
    pub when: When,
}

/// When a statement reads a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum When {
    /// Before it changes anything: WHERE and FROM.
    #[default]
    Before,
    /// While it changes row after row: SET.
    During,
    /// After it changed a row: RETURNING, and what an upsert does.
    After,
}

/// Some rows of a table: all conditions and equalities hold for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The name that the conditions know the table by.
    pub alias: String,
    /// Conditions over its columns and constants, as SQL.
    pub conditions: Vec<String>,
    /// Columns with the values that they can have.
    pub equal: Vec<Equal>,
    /// Only the first of them in an order, when the conditions are all that there is.
    pub first: Option<First>,
}

/// The first rows in the order of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// The column.
    pub column: String,
    /// Whether the largest come first.
    pub descending: bool,
    /// How many, those that are passed over included.
    pub count: u64,
}

/// A column and the values that it can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equal {
    /// The column.
    pub column: String,
    /// The values.
    pub values: Values,
    /// Whether they are a subquery that depends on no row: it is answered once, before the statement changes anything.
    pub once: bool,
}

/// Values of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// These, as SQL. A condition says the same.
    Constants(Vec<String>),
    /// Those that a query over the copied rows answers. No condition says it.
    Query(String),
}

/// Deepest nesting of views and subqueries that is followed.
const MAX_DEPTH: usize = 12;

/// What is gathered on the way.
pub(crate) struct Analysis<'a> {
    shapes: &'a dyn Shapes,
    found: Vec<Reach>,
    when: When,
    depth: usize,
}

/// What a statement reaches in tables that are not whole; `None` when that cannot be told.
pub fn reach(statement: &str, shapes: &dyn Shapes) -> Option<Vec<Reach>> {
    let Ok(Some(Cmd::Stmt(statement))) = Parser::new(statement.as_bytes()).next_cmd() else { return None };
    let mut analysis = Analysis { shapes, found: Vec::new(), when: When::Before, depth: 0 };
    analysis.statement(&statement)?;
    Some(analysis.found)
}

impl Analysis<'_> {
    fn statement(&mut self, statement: &Stmt) -> Option<()> {
        match statement {
            Stmt::Select(select) => self.select(select, &Scope::default(), &Ctes::default(), &[], &[]),
            Stmt::Insert { with, tbl_name, body, returning, .. } => {
                let ctes = Ctes::default().with(with.as_ref(), self.shapes)?;
                if let InsertBody::Select(select, upsert) = body {
                    self.select(select, &Scope::default(), &ctes, &[], &[])?;
                    self.upsert(tbl_name, upsert.as_deref(), &ctes)?;
                }
                self.returning(tbl_name, returning, &ctes)
            }
            Stmt::Update(update) => {
                let ctes = Ctes::default().with(update.with.as_ref(), self.shapes)?;
                let mut joins = vec![Joined::plain(SelectTable::Table(update.tbl_name.clone(), None, None))];
                joins.extend(update.from.iter().flat_map(Joined::of));
                self.changing(&joins, update.where_clause.as_deref(), &update.sets, &[], &ctes)?;
                // It answers the row as it became.
                self.returning(&update.tbl_name, &update.returning, &ctes)
            }
            Stmt::Delete { with, tbl_name, where_clause, returning, .. } => {
                let ctes = Ctes::default().with(with.as_ref(), self.shapes)?;
                self.changing(
                    &[Joined::plain(SelectTable::Table(tbl_name.clone(), None, None))],
                    where_clause.as_deref(),
                    &[],
                    returning,
                    &ctes,
                )
            }
            Stmt::CreateTable { body: turso_parser::ast::CreateTableBody::AsSelect(select), .. } => {
                self.select(select, &Scope::default(), &Ctes::default(), &[], &[])
            }
            _ => None,
        }
    }

    /// An UPDATE or DELETE: its target and what it is joined with.
    fn changing(
        &mut self,
        joins: &[Joined],
        filter: Option<&Expr>,
        sets: &[Set],
        returning: &[ResultColumn],
        ctes: &Ctes,
    ) -> Option<()> {
        let nowhere = Scope::default();
        let scope = self.sources(joins, filter, Vec::new(), &nowhere, ctes, Vec::new())?;
        self.when = When::During;
        for set in sets {
            self.inside(&set.expr, &scope, ctes)?;
        }
        self.when = When::After;
        self.columns(returning, &scope, ctes)
    }

    fn upsert(&mut self, table: &QualifiedName, upsert: Option<&Upsert>, ctes: &Ctes) -> Option<()> {
        let Some(upsert) = upsert else { return Some(()) };
        self.when = When::After;
        if let UpsertDo::Set { sets, where_clause } = &upsert.do_clause {
            let scope = self.written_row(table, true);
            for expr in sets.iter().map(|set| &*set.expr).chain(where_clause.as_deref()) {
                self.inside(expr, &scope, ctes)?;
            }
        }
        self.upsert(table, upsert.next.as_deref(), ctes)
    }

    fn returning(&mut self, table: &QualifiedName, returning: &[ResultColumn], ctes: &Ctes) -> Option<()> {
        self.when = When::After;
        let scope = self.written_row(table, false);
        self.columns(returning, &scope, ctes)
    }

    /// The row that is being written, whose values no query can tell beforehand.
    fn written_row(&self, table: &QualifiedName, excluded: bool) -> Scope<'static> {
        let shape = self.shapes.table(table.name.as_str());
        let mut sources = vec![Source::unlinked(&table.identifier(), shape.as_deref())];
        if excluded {
            sources.push(Source::unlinked("excluded", shape.as_deref()));
        }
        Scope { sources, ..Scope::default() }
    }

    fn columns(&mut self, columns: &[ResultColumn], scope: &Scope<'_>, ctes: &Ctes) -> Option<()> {
        for column in columns {
            if let ResultColumn::Expr(expr, _) = column {
                self.inside(expr, scope, ctes)?;
            }
        }
        Some(())
    }

    /// The subqueries in an expression.
    fn inside(&mut self, expr: &Expr, scope: &Scope<'_>, ctes: &Ctes) -> Option<()> {
        for select in walk::subqueries(expr) {
            self.select(select, scope, ctes, &[], &[])?;
        }
        let mut tables = Vec::new();
        walk::visit(expr, &mut |part| {
            if let Expr::InTable { rhs, .. } = part {
                tables.push(rhs);
            }
        });
        for table in tables {
            self.sources(
                &[Joined::plain(SelectTable::Table(table.clone(), None, None))],
                None,
                Vec::new(),
                &Scope::default(),
                ctes,
                Vec::new(),
            )?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
