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

mod from;
mod names;
mod select;
mod walk;

use std::rc::Rc;

use turso_parser::ast::{
    Cmd, Expr, InsertBody, QualifiedName, ResultColumn, SelectTable, Set, Stmt, TriggerCmd, Upsert, UpsertDo,
};
use turso_parser::lexer::Lexer;
use turso_parser::parser::Parser;
use turso_parser::token::TokenType;

use from::{Ctes, Joined};
pub use names::{Affinity, Column, Shape, is_rowid};
use names::{Scope, Source};

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

/// The columns of NEW and OLD that a trigger names, and its statements.
pub type TriggerParts = (Vec<(String, String)>, Vec<String>);

/// Whether a SET of an UPDATE reads, through a compound SELECT, columns of the same table that the UPDATE sets: whether
/// it finds them changed already depends on how SQLite puts the compound together, and that on the triggers that there
/// are.
pub fn reads_what_it_sets(update: &str) -> bool {
    let Ok(Some(Cmd::Stmt(Stmt::Update(update)))) = Parser::new(update.as_bytes()).next_cmd() else { return false };
    let columns: Vec<&str> = update.sets.iter().flat_map(|set| &set.col_names).map(|column| column.as_str()).collect();
    let target = update.tbl_name.name.as_str();
    update.sets.iter().flat_map(|set| walk::subqueries(&set.expr)).any(|select| {
        let text = select.to_string();
        let tokens = crate::tokens::tokens(&text);
        let names =
            |name: &str| tokens.iter().any(|token| !token.is_literal() && token.text.eq_ignore_ascii_case(name));
        let reads_target = crate::named::Named::of(&text).names(target);
        let compound = [TokenType::TK_UNION, TokenType::TK_EXCEPT, TokenType::TK_INTERSECT];
        let is_compound = tokens.iter().any(|token| compound.iter().any(|kind| token.is_keyword(*kind)));
        is_compound && reads_target && (columns.iter().any(|column| names(column)) || names("*"))
    })
}

/// A trigger as statements that can be looked at one by one: its condition as a SELECT, then its commands. NEW and OLD
/// stand in them as they are.
pub fn trigger_parts(trigger: &str) -> Option<TriggerParts> {
    let Ok(Some(Cmd::Stmt(Stmt::CreateTrigger { when_clause, commands, .. }))) =
        Parser::new(trigger.as_bytes()).next_cmd()
    else {
        return None;
    };
    // A table that goes by one of these names hides the row.
    let tokens = crate::tokens::tokens(trigger);
    let is_row = |text: &str| text.eq_ignore_ascii_case("new") || text.eq_ignore_ascii_case("old");
    if tokens.iter().enumerate().any(|(at, token)| {
        is_row(&token.text) && token.quote != Some('\'') && tokens.get(at + 1).is_none_or(|next| next.text != ".")
    }) {
        return None;
    }
    let mut texts: Vec<String> = when_clause.iter().map(|condition| format!("SELECT {condition}")).collect();
    texts.extend(commands.iter().map(command_text));
    let mut columns: Vec<(String, String)> = Vec::new();
    for text in &texts {
        frame_columns(text, &mut |row, column, _| {
            let found = (row.to_ascii_lowercase(), column.to_ascii_lowercase());
            if !columns.contains(&found) {
                columns.push(found);
            }
        });
    }
    Some((columns, texts))
}

fn command_text(command: &TriggerCmd) -> String {
    command.to_string().trim_end_matches(';').to_owned()
}

/// Calls with each `NEW.column` or `OLD.column` in a text and where it stands.
fn frame_columns(text: &str, found: &mut dyn FnMut(&str, &str, std::ops::Range<usize>)) {
    let mut lexer = Lexer::new(text.as_bytes());
    let mut before: Vec<(String, usize)> = Vec::new();
    loop {
        let at = text.len() - lexer.remaining().len();
        let Some(Ok(token)) = lexer.next() else { break };
        let end = text.len() - lexer.remaining().len();
        let raw = text.get(at..end).unwrap_or_default();
        if raw.trim().is_empty() || token.token_type == TokenType::TK_ILLEGAL {
            continue;
        }
        if let [.., (row, start), (dot, _)] = before.as_slice()
            && dot == "."
            && matches!(row.trim_matches(['"', '`', '[', ']']).to_ascii_lowercase().as_str(), "new" | "old")
        {
            found(row.trim_matches(['"', '`', '[', ']']), &unquoted(raw), *start..end);
        }
        before.push((raw.trim().to_owned(), at));
    }
}

fn unquoted(raw: &str) -> String {
    let inner = |open: char, close: char| raw.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    if let Some(inner) = inner('"', '"') {
        return inner.replace("\"\"", "\"");
    }
    inner('`', '`')
        .map(|inner| inner.replace("``", "`"))
        .or_else(|| inner('[', ']').map(str::to_owned))
        .unwrap_or_else(|| raw.trim().to_owned())
}

/// A command of a trigger with the values of NEW and OLD in their places.
pub fn in_frame(command: &str, value: &dyn Fn(&str, &str) -> Option<String>) -> Option<String> {
    let mut places: Vec<(std::ops::Range<usize>, Option<String>)> = Vec::new();
    frame_columns(command, &mut |row, column, range| {
        places.push((range, value(&row.to_ascii_lowercase(), &column.to_ascii_lowercase())))
    });
    let mut text = String::new();
    let mut last = 0;
    for (range, constant) in places {
        text.push_str(command.get(last..range.start)?);
        text.push_str(&constant?);
        last = range.end;
    }
    text.push_str(command.get(last..)?);
    Some(text)
}

/// A statement with its positional parameters as constants. Parameters without one stay, and whatever holds them bounds
/// nothing.
pub fn with_parameters(statement: &str, value: &dyn Fn(usize) -> Option<String>) -> String {
    let mut lexer = Lexer::new(statement.as_bytes());
    let mut text = String::new();
    let mut next = 1;
    let mut names: Vec<(String, usize)> = Vec::new();
    loop {
        let at = statement.len() - lexer.remaining().len();
        let Some(Ok(token)) = lexer.next() else { break };
        let end = statement.len() - lexer.remaining().len();
        let raw = statement.get(at..end).unwrap_or_default();
        let position = match (token.token_type, raw.trim().strip_prefix('?')) {
            (TokenType::TK_VARIABLE, Some("")) => Some(next),
            (TokenType::TK_VARIABLE, Some(number)) => number.parse().ok(),
            (TokenType::TK_VARIABLE, None) => {
                let known = names.iter().find(|(name, _)| name == raw.trim()).map(|(_, position)| *position);
                Some(known.unwrap_or_else(|| {
                    names.push((raw.trim().to_owned(), next));
                    next
                }))
            }
            _ => None,
        };
        if let Some(position) = position {
            next = next.max(position + 1);
        }
        match position.and_then(value) {
            Some(constant) => text.push_str(&format!(" {constant} ")),
            None => text.push_str(raw),
        }
    }
    text
}

/// A statement with a constant in the place of a call without arguments.
pub fn with_call(statement: &str, function: &str, value: &str) -> String {
    let mut text = statement.to_owned();
    loop {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut last: Vec<(std::ops::Range<usize>, TokenType)> = Vec::new();
        let mut found = None;
        loop {
            let at = text.len() - lexer.remaining().len();
            let Some(Ok(token)) = lexer.next() else { break };
            let range = at..text.len() - lexer.remaining().len();
            if text.get(range.clone()).is_none_or(|raw| raw.trim().is_empty()) {
                continue;
            }
            last.push((range, token.token_type));
            if let [.., (name, TokenType::TK_ID), (_, TokenType::TK_LP), (end, TokenType::TK_RP)] = last.as_slice()
                && text.get(name.clone()).is_some_and(|raw| raw.trim().eq_ignore_ascii_case(function))
            {
                found = Some(name.start..end.end);
                break;
            }
        }
        let Some(range) = found else { return text };
        text.replace_range(range, &format!(" {value} "));
    }
}

/// A query whose names in double quotes can be nothing but names: SQLite would take one that it does not find for a
/// text.
pub(crate) fn strict(query: &str) -> String {
    let mut lexer = Lexer::new(query.as_bytes());
    let mut text = String::new();
    loop {
        let at = query.len() - lexer.remaining().len();
        let Some(Ok(_)) = lexer.next() else { break };
        let raw = query.get(at..query.len() - lexer.remaining().len()).unwrap_or_default();
        if raw.starts_with('"') {
            text.push_str(&format!("`{}`", unquoted(raw).replace('`', "``")));
        } else {
            text.push_str(raw);
        }
    }
    text
}

#[cfg(test)]
mod tests;
