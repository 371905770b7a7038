//! The parts of a FROM: joins, common table expressions, and the columns of what stands there.

use turso_parser::ast::{
    As, Expr, FromClause, JoinConstraint, JoinOperator, JoinType, OneSelect, QualifiedName, ResultColumn, Select,
    SelectTable, Stmt, UnaryOperator, With,
};
use turso_parser::parser::Parser;

use super::names::{Affinity, Output, Scope, Source, Typing, identifier, shape_outputs};
use super::walk::{bare, visit};
use super::{Analysis, MAX_DEPTH, Shapes, strict};

/// The common table expressions that can be named.
#[derive(Clone, Default)]
pub(super) struct Ctes {
    known: Vec<Cte>,
    text: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Cte {
    pub name: String,
    pub columns: Vec<String>,
    pub select: Select,
    /// Whether this is inside its own definition: the name means the rows so far.
    pub open: bool,
}

impl Cte {
    /// Whether it may name itself.
    pub(super) fn is_recursive(&self) -> bool {
        crate::named::Named::of(&self.select.to_string()).names(&self.name)
    }
}

impl Ctes {
    /// With those of a WITH. `None` when one has the name of another one, of a table or of a view: which of them is
    /// meant depends on where it is said.
    pub(super) fn with(&self, with: Option<&With>, shapes: &dyn Shapes) -> Option<Self> {
        let mut all = self.clone();
        for cte in with.iter().flat_map(|with| &with.ctes) {
            let name = cte.tbl_name.as_str();
            if all.known.iter().any(|known| known.name.eq_ignore_ascii_case(name))
                || shapes.table(name).is_some()
                || shapes.view(name).is_some()
            {
                return None;
            }
            all.text.push(cte.to_string());
            let columns = cte.columns.iter().map(|column| column.col_name.as_str().to_owned()).collect();
            all.known.push(Cte {
                name: cte.tbl_name.as_str().to_owned(),
                columns,
                select: cte.select.clone(),
                open: false,
            });
        }
        Some(all)
    }

    /// A query that may name them.
    pub(super) fn query(&self, select: &str) -> String {
        strict(&if self.text.is_empty() {
            select.to_owned()
        } else {
            format!("WITH RECURSIVE {} {select}", self.text.join(", "))
        })
    }

    pub(super) fn find(&self, name: &QualifiedName) -> Option<&Cte> {
        self.known.iter().rev().find(|cte| name.db_name.is_none() && cte.name.eq_ignore_ascii_case(name.name.as_str()))
    }

    /// The same without one of them.
    fn hidden(&self, name: &str) -> Self {
        let mut all = self.clone();
        all.known.retain(|cte| cte.name != name);
        all
    }

    /// The same, inside the definition of one of them.
    pub(super) fn opened(&self, name: &str) -> Self {
        let mut all = self.clone();
        all.known.iter_mut().filter(|cte| cte.name == name).for_each(|cte| cte.open = true);
        all
    }
}

/// How a source is joined to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// Its rows are needed where all conditions hold.
    Inner,
    /// Its rows are needed where its own ON holds.
    Left,
    /// RIGHT, FULL, NATURAL and brackets in outer joins: nothing is taken for a bound.
    Other,
}

/// A source with its join.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    pub table: SelectTable,
    pub join: Join,
    pub on: Vec<Expr>,
    pub using: Vec<String>,
}

impl Joined {
    pub(super) fn plain(table: SelectTable) -> Self {
        Self { table, join: Join::Inner, on: Vec::new(), using: Vec::new() }
    }

    /// The sources of a FROM, one after the other.
    pub(super) fn of(from: &FromClause) -> Vec<Self> {
        let mut all = Self::flat(&from.select);
        for joined in &from.joins {
            let join = match joined.operator {
                JoinOperator::Comma | JoinOperator::TypedJoin(None) => Join::Inner,
                JoinOperator::TypedJoin(Some(kind)) if kind.intersects(JoinType::RIGHT | JoinType::NATURAL) => {
                    Join::Other
                }
                JoinOperator::TypedJoin(Some(kind)) if kind.contains(JoinType::LEFT) => Join::Left,
                // FULL is LEFT and RIGHT; OUTER alone is not SQL.
                JoinOperator::TypedJoin(Some(kind)) if kind.contains(JoinType::OUTER) => Join::Other,
                JoinOperator::TypedJoin(Some(_)) => Join::Inner,
            };
            let mut inner = Self::flat(&joined.table);
            let bracketed = inner.len() > 1;
            if let Some(last) = inner.last_mut() {
                last.join = if bracketed && join != Join::Inner {
                    Join::Other
                } else if bracketed {
                    last.join
                } else {
                    join
                };
                match &joined.constraint {
                    // Its own ON and that of an outer join inside the brackets must not be taken for one.
                    Some(JoinConstraint::On(_)) if bracketed && last.join == Join::Left => last.join = Join::Other,
                    Some(JoinConstraint::On(condition)) => last.on.push((**condition).clone()),
                    // Which table of a bracket has the column is not told by its place.
                    Some(JoinConstraint::Using(_)) if bracketed => last.join = Join::Other,
                    Some(JoinConstraint::Using(names)) => {
                        last.using.extend(names.iter().map(|name| name.as_str().to_owned()))
                    }
                    None => {}
                }
            }
            all.extend(inner);
        }
        all
    }

    fn flat(table: &SelectTable) -> Vec<Self> {
        match table {
            SelectTable::Sub(from, None) => Self::of(from),
            other => vec![Self::plain(other.clone())],
        }
    }
}

/// The arms of a compound SELECT.
pub(super) fn arms(select: &Select) -> Vec<&OneSelect> {
    std::iter::once(&select.body.select).chain(select.body.compounds.iter().map(|compound| &compound.select)).collect()
}

/// The columns that a view declares, and its SELECT.
pub(super) fn view(sql: &str) -> Option<(Vec<String>, Select)> {
    match Parser::new(sql.as_bytes()).next_cmd() {
        Ok(Some(turso_parser::ast::Cmd::Stmt(Stmt::CreateView { columns, select, .. }))) => {
            Some((columns.iter().map(|column| column.col_name.as_str().to_owned()).collect(), select))
        }
        _ => None,
    }
}

/// The columns of `json_each` and `json_tree`.
const JSON_COLUMNS: [&str; 8] = ["key", "value", "type", "atom", "id", "parent", "fullkey", "path"];

impl Analysis<'_> {
    /// The sources of a FROM without any bounds.
    pub(super) fn scope<'s>(&self, joins: &[Joined], outer: &'s Scope<'s>, ctes: &Ctes) -> Option<Scope<'s>> {
        let sources = joins.iter().map(|joined| self.source(&joined.table, outer, ctes)).collect::<Option<_>>()?;
        Some(Scope { sources, aliases: Vec::new(), outer: Some(outer) })
    }

    fn source(&self, table: &SelectTable, outer: &Scope<'_>, ctes: &Ctes) -> Option<Source> {
        let called = |alias: &Option<As>| {
            alias.as_ref().filter(|alias| alias.is_explicit()).map(|alias| alias.name().as_str().to_owned())
        };
        let unnamed = |columns: Option<Vec<Output>>| Source {
            alias: String::new(),
            text: None,
            columns,
            rowid: false,
            bounds: Vec::new(),
        };
        match table {
            SelectTable::Table(name, alias, _) => {
                let alias = called(alias)
                    .or_else(|| name.alias.as_ref().map(|alias| alias.as_str().to_owned()))
                    .unwrap_or_else(|| name.name.as_str().to_owned());
                let mut text = Some(format!("{} AS {}", identifier(name.name.as_str()), identifier(&alias)));
                let (columns, rowid) = if let Some(cte) = ctes.find(name) {
                    if cte.open && cte.select.limit.as_ref().is_some_and(|limit| limit.offset.is_some()) {
                        // Rows that are passed over are not answered, but followed.
                        text = None;
                    }
                    (self.cte_columns(cte, outer, ctes), false)
                } else if let Some(shape) = self.shapes.table(name.name.as_str()) {
                    (Some(shape_outputs(&shape)), shape.rowid)
                } else {
                    let (names, select) = view(&self.shapes.view(name.name.as_str())?)?;
                    (
                        self.answer(&select, &Scope::default(), &Ctes::default()).map(|outputs| named(outputs, &names)),
                        false,
                    )
                };
                Some(Source { alias, text, columns, rowid, bounds: Vec::new() })
            }
            SelectTable::Select(select, alias) => {
                let columns = self.answer(select, outer, ctes);
                Some(match called(alias) {
                    Some(alias) => Source {
                        text: Some(format!("({select}) AS {}", identifier(&alias))),
                        alias,
                        columns,
                        rowid: false,
                        bounds: Vec::new(),
                    },
                    None => unnamed(columns),
                })
            }
            SelectTable::TableCall(name, args, alias) => {
                let known = name.name.as_str().to_ascii_lowercase();
                let output = |name: &&str| Output {
                    name: (*name).to_owned(),
                    typing: Typing::Column(Affinity::None, "binary".into()),
                    expr: None,
                    plain: true,
                };
                let columns = matches!(known.as_str(), "json_each" | "json_tree")
                    .then(|| JSON_COLUMNS.iter().map(output).collect());
                let args: Vec<String> = args.iter().map(ToString::to_string).collect();
                let alias = called(alias).unwrap_or_else(|| name.name.as_str().to_owned());
                let text = Some(format!("{}({}) AS {}", identifier(&known), args.join(", "), identifier(&alias)));
                Some(Source { alias, text, columns, rowid: false, bounds: Vec::new() })
            }
            SelectTable::Sub(..) => Some(unnamed(None)),
        }
    }

    fn cte_columns(&self, cte: &Cte, outer: &Scope<'_>, ctes: &Ctes) -> Option<Vec<Output>> {
        if cte.open {
            // What it names itself by compares as its first part does, if the others agree.
            let first = self.outputs(arms(&cte.select).first()?, outer, &ctes.hidden(&cte.name))?;
            return Some(named(first, &cte.columns));
        }
        self.answer(&cte.select, outer, &ctes.opened(&cte.name)).map(|outputs| named(outputs, &cte.columns))
    }

    /// The columns of what a SELECT answers.
    pub(super) fn answer(&self, select: &Select, outer: &Scope<'_>, ctes: &Ctes) -> Option<Vec<Output>> {
        let ctes = ctes.with(select.with.as_ref(), self.shapes)?;
        let mut answers = arms(select).into_iter().map(|arm| self.outputs(arm, outer, &ctes));
        let mut merged = answers.next()??;
        for arm in answers {
            let arm = arm?;
            for (output, other) in merged.iter_mut().zip(&arm) {
                output.typing = output.typing.merged(&other.typing);
            }
        }
        Some(merged)
    }

    /// The columns of one arm.
    pub(super) fn outputs(&self, arm: &OneSelect, outer: &Scope<'_>, ctes: &Ctes) -> Option<Vec<Output>> {
        if ctes.text.len() > MAX_DEPTH {
            return None;
        }
        let (columns, from) = match arm {
            OneSelect::Select { columns, from, .. } => (columns, from),
            OneSelect::Values(rows) => {
                let width = rows.first()?.len();
                return Some(
                    (1..=width)
                        .map(|position| Output {
                            name: format!("column{position}"),
                            typing: Typing::Plain,
                            expr: None,
                            plain: false,
                        })
                        .collect(),
                );
            }
        };
        let joins = from.as_ref().map(Joined::of).unwrap_or_default();
        let scope = self.scope(&joins, outer, ctes)?;
        let merges = joins.iter().any(|joined| !joined.using.is_empty() || joined.join == Join::Other);
        let mut outputs = Vec::new();
        for column in columns {
            let all: Vec<&Source> = match column {
                ResultColumn::Expr(expr, alias) => {
                    let meaning = scope.column(expr);
                    let name = alias
                        .as_ref()
                        .filter(|alias| alias.is_explicit())
                        .map(|alias| alias.name().as_str().to_owned());
                    let name =
                        name.or_else(|| meaning.as_ref().map(|meaning| meaning.column.clone())).unwrap_or_default();
                    outputs.push(Output {
                        name,
                        typing: typing(expr, &scope),
                        expr: Some((**expr).clone()),
                        plain: meaning.is_some(),
                    });
                    continue;
                }
                // Joined columns come once, so the places are not those of the sources.
                ResultColumn::Star if merges => return None,
                ResultColumn::Star => scope.sources.iter().collect(),
                ResultColumn::TableStar(name) => {
                    scope.sources.iter().filter(|source| source.alias.eq_ignore_ascii_case(name.as_str())).collect()
                }
            };
            for source in all {
                for output in source.columns.as_ref()? {
                    let name = |text: &str| turso_parser::ast::Name::from_string(identifier(text));
                    let expr = if source.alias.is_empty() {
                        Expr::Id(name(&output.name))
                    } else {
                        Expr::Qualified(name(&source.alias), name(&output.name))
                    };
                    outputs.push(Output {
                        name: output.name.clone(),
                        typing: output.typing.clone(),
                        expr: Some(expr),
                        plain: true,
                    });
                }
            }
        }
        Some(outputs)
    }
}

fn named(mut outputs: Vec<Output>, names: &[String]) -> Vec<Output> {
    outputs.iter_mut().zip(names).for_each(|(output, name)| output.name.clone_from(name));
    outputs
}

/// How an expression compares.
fn typing(expr: &Expr, scope: &Scope<'_>) -> Typing {
    let expr = bare(expr);
    if matches!(expr, Expr::Id(_) | Expr::Name(_) | Expr::Qualified(..) | Expr::DoublyQualified(..)) {
        return scope.column(expr).map_or(Typing::Unknown, |meaning| meaning.typing);
    }
    let mut collated = false;
    visit(expr, &mut |part| collated |= matches!(part, Expr::Collate(..)));
    match expr {
        _ if collated => Typing::Unknown,
        Expr::Literal(_)
        | Expr::FunctionCall { .. }
        | Expr::FunctionCallStar { .. }
        | Expr::Binary(..)
        | Expr::Case { .. }
        | Expr::Variable(_) => Typing::Plain,
        Expr::Unary(operator, _) if *operator != UnaryOperator::Positive => Typing::Plain,
        _ => Typing::Unknown,
    }
}
