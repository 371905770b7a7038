//! What one conjunct, or the shape of one SELECT, says of a single source.

use turso_parser::ast::{As, Expr, Literal, OneSelect, Operator, ResultColumn, Select, SortOrder};

use super::First;
use super::from::Ctes;
use super::names::{Affinity, Meaning, Output, Scope, Typing};
use super::walk::{aggregates_inside, bare, is_constant, is_settled, is_truth, looks_around, substitute, visit};

/// A bound from outside, on what a view or subquery answers.
#[derive(Debug, Clone)]
pub(super) enum Pushed {
    /// A condition over its columns and constants.
    Condition(Expr),
    /// A column that has one of the values that a query answers, and whether that is answered once.
    In(String, String, bool),
}

#[derive(Clone)]
pub(super) enum Kind {
    Condition(Expr),
    In(Expr, String, bool),
    /// USING: the column of this source and of an earlier one.
    Using(String, usize),
}

/// What a bound says of one source.
pub(super) enum Says {
    /// This condition; where it is an equality with constants, those.
    Condition(Box<Expr>, Option<(String, Vec<String>)>),
    /// A column has one of the values that a query answers.
    In(String, String, bool),
    /// A column has a value of a column of another source.
    Link(String, usize, String),
}

/// The names that a SELECT gives to columns of its answer.
pub(super) fn aliases(columns: &[ResultColumn]) -> Vec<String> {
    let alias = |column: &ResultColumn| match column {
        ResultColumn::Expr(_, Some(alias)) if alias.is_explicit() => Some(alias.name().as_str().to_owned()),
        _ => None,
    };
    columns.iter().filter_map(alias).collect()
}

/// The first rows that a SELECT of one source is limited to; `None` when its order says more than a column.
pub(super) fn first(select: &Select, arm: &OneSelect, scope: &Scope<'_>) -> Option<First> {
    let OneSelect::Select { distinctness: None, columns, window_clause, .. } = arm else { return None };
    let expressions = || {
        columns.iter().filter_map(|column| {
            if let ResultColumn::Expr(expr, alias) = column { Some((&**expr, alias)) } else { None }
        })
    };
    let limit = select.limit.as_ref()?;
    let number = |expr: &Expr| match bare(expr) {
        Expr::Literal(Literal::Numeric(text)) => text.strip_suffix(".0").unwrap_or(text).parse::<u64>().ok(),
        _ => None,
    };
    let count = number(&limit.expr)?.checked_add(limit.offset.as_deref().map_or(Some(0), number)?)?;
    let term = select.order_by.first()?;
    let meaning = scope.column(&term.expr).filter(|meaning| meaning.level == 0)?;
    // A name in ORDER BY means a column of the result before one of the table.
    let named_otherwise = |(expr, alias): (&Expr, &Option<As>)| {
        let called = alias
            .as_ref()
            .filter(|alias| alias.is_explicit())
            .is_some_and(|alias| alias.name().as_str().eq_ignore_ascii_case(&meaning.column));
        called && scope.column(expr).is_none_or(|other| !other.column.eq_ignore_ascii_case(&meaning.column))
    };
    let plain = window_clause.is_empty()
        && term.nulls.is_none()
        && !expressions().any(|(expr, _)| looks_around(expr) || aggregates_inside(expr))
        && !expressions().any(named_otherwise);
    plain.then(|| First { column: meaning.column.clone(), descending: term.order == Some(SortOrder::Desc), count })
}

/// `min` or `max` of a column, and nothing else: the first row in its order.
pub(super) fn extreme(select: &Select, arm: &OneSelect, scope: &Scope<'_>) -> Option<First> {
    let OneSelect::Select { columns, .. } = arm else { return None };
    let [ResultColumn::Expr(expr, _)] = columns.as_slice() else { return None };
    let Expr::FunctionCall { name, args, filter_over, order_by, .. } = bare(expr) else { return None };
    let descending = match name.as_str().to_ascii_lowercase().as_str() {
        "max" => true,
        "min" => false,
        _ => return None,
    };
    let [column] = args.as_slice() else { return None };
    let meaning = scope.column(column).filter(|meaning| meaning.level == 0)?;
    let alone = select.limit.is_none()
        && select.order_by.is_empty()
        && order_by.is_empty()
        && filter_over.filter_clause.is_none()
        && filter_over.over_clause.is_none();
    alone.then_some(First { column: meaning.column, descending, count: 1 })
}

/// The source of this FROM that a condition speaks of alone, with nothing in it that could differ between the base and
/// here.
pub(super) fn only_source(expr: &Expr, scope: &Scope<'_>) -> Option<usize> {
    let mut sources: Vec<Option<usize>> = Vec::new();
    visit(expr, &mut |part| {
        if matches!(part, Expr::Id(_) | Expr::Name(_) | Expr::Qualified(..) | Expr::DoublyQualified(..)) {
            sources.push(scope.column(part).filter(|meaning| meaning.level == 0).map(|meaning| meaning.source));
        }
    });
    let first = (*sources.first()?)?;
    (is_settled(expr) && sources.iter().all(|source| *source == Some(first))).then_some(first)
}

/// A column and the constants that it equals.
pub(super) fn equality(expr: &Expr, scope: &Scope<'_>) -> Option<(String, Vec<String>)> {
    let column = |expr: &Expr, values: &[&Expr]| {
        let meaning = scope.column(expr).filter(|meaning| meaning.level == 0)?;
        let fit = values.iter().all(|value| meaning.typing.fits(&constant_typing(value)));
        fit.then(|| (meaning.column, values.iter().map(|value| bare(value).to_string()).collect()))
    };
    match expr {
        Expr::Binary(_, Operator::Is, right) if is_truth(right) => None,
        Expr::Binary(left, Operator::Equals | Operator::Is, right) if is_constant(right) => column(left, &[right]),
        Expr::Binary(left, Operator::Equals | Operator::Is, right) if is_constant(left) => column(right, &[left]),
        Expr::InList { lhs, not: false, rhs } if rhs.iter().all(|one| is_constant(one)) => {
            column(lhs, &rhs.iter().map(|one| &**one).collect::<Vec<_>>())
        }
        _ => None,
    }
}

/// How a constant compares: a CAST says it.
pub(super) fn constant_typing(expr: &Expr) -> Typing {
    match bare(expr) {
        Expr::Cast { type_name: Some(name), .. } => Typing::Column(Affinity::of(&name.name), "binary".into()),
        _ => Typing::Plain,
    }
}

/// A column of one source that equals one of another.
pub(super) fn linked(scope: &Scope<'_>, far: &Meaning, source: usize, column: String, ctes: &Ctes) -> Option<Says> {
    if far.level > 0 {
        let query = scope.source(far)?.values_of(&far.column)?;
        return Some(Says::In(column, ctes.query(&query), false));
    }
    (far.source != source).then(|| Says::Link(column, far.source, far.column.clone()))
}

pub(super) fn using(scope: &Scope<'_>, column: &str, index: usize) -> Vec<(usize, Says)> {
    let typing = |source: usize| scope.sources.get(source).and_then(|source| source.find(column));
    let Some(earlier) = (0..index).find(|earlier| typing(*earlier).is_some()) else { return Vec::new() };
    let mut said = Vec::new();
    if let (Some(one), Some(other)) = (typing(index), typing(earlier)) {
        if one.fits(&other) {
            said.push((index, Says::Link(column.to_owned(), earlier, column.to_owned())));
        }
        if other.fits(&one) {
            said.push((earlier, Says::Link(column.to_owned(), index, column.to_owned())));
        }
    }
    said
}

/// A bound on what a SELECT answers, as one on the sources of one of its arms; `None` when it cannot be said there.
pub(super) fn push(
    pushed: &Pushed,
    index: usize,
    outputs: &[Option<Vec<Output>>],
    names: &[String],
    arm: &OneSelect,
) -> Option<Kind> {
    let OneSelect::Select { columns, group_by, .. } = arm else { return None };
    let own = outputs.get(index)?.as_ref()?;
    let first = outputs.first()?.as_ref()?;
    let groups: Option<Vec<&Expr>> = group_by.as_ref().map(|group| group.exprs.iter().map(|one| bare(one)).collect());
    let aggregates = columns.iter().any(|column| matches!(column, ResultColumn::Expr(expr, _) if looks_around(expr)));
    // An aggregate in a subquery can be one of this SELECT.
    if columns.iter().any(|column| matches!(column, ResultColumn::Expr(expr, _) if aggregates_inside(expr))) {
        return None;
    }
    if aggregates && groups.is_none() {
        return None;
    }
    let at = |name: &str| -> Option<Expr> {
        let called = |position: usize| names.get(position).or_else(|| first.get(position).map(|output| &output.name));
        let position = (0..first.len())
            .find(|position| called(*position).is_some_and(|called| called.eq_ignore_ascii_case(name)))?;
        let output = own.get(position)?;
        let expr = output.expr.clone()?;
        // The rows of all arms go by the same name: they must compare alike, too.
        let alike = outputs.len() == 1
            || outputs.iter().all(|arm| {
                arm.as_ref()
                    .and_then(|arm| arm.get(position))
                    .is_some_and(|other| other.plain && other.typing == output.typing)
            });
        let kept = groups.as_ref().is_none_or(|groups| groups.contains(&bare(&expr)));
        (alike && kept && !looks_around(&expr)).then_some(expr)
    };
    match pushed {
        Pushed::Condition(condition) => substitute(condition, &|name| match name {
            Expr::Id(name) | Expr::Name(name) | Expr::Qualified(_, name) | Expr::DoublyQualified(_, _, name) => {
                at(name.as_str())
            }
            _ => None,
        })
        .map(Kind::Condition),
        Pushed::In(column, query, once) => at(column).map(|expr| Kind::In(expr, query.clone(), *once)),
    }
}
