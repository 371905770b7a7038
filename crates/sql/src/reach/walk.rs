//! Walking through expressions.

use turso_parser::ast::{Expr, FunctionTail, Over, Select, SortedColumn, Window};

/// The expressions directly inside another, those of subqueries left out.
pub(super) fn parts(expr: &Expr) -> Vec<&Expr> {
    let mut parts: Vec<&Expr> = Vec::new();
    match expr {
        Expr::Between { lhs, start, end, .. } => parts.extend([&**lhs, &**start, &**end]),
        Expr::Binary(left, _, right) => parts.extend([&**left, &**right]),
        Expr::Case { base, when_then_pairs, else_expr } => {
            parts.extend(base.as_deref());
            parts.extend(when_then_pairs.iter().flat_map(|(when, then)| [&**when, &**then]));
            parts.extend(else_expr.as_deref());
        }
        Expr::Cast { expr, .. }
        | Expr::Collate(expr, _)
        | Expr::IsNull(expr)
        | Expr::NotNull(expr)
        | Expr::Unary(_, expr) => parts.push(expr),
        Expr::FieldAccess { base, .. } => parts.push(base),
        Expr::FunctionCall { args, order_by, within_group, filter_over, .. } => {
            parts.extend(args.iter().map(|arg| &**arg));
            parts.extend(order_by.iter().chain(within_group).map(|term| &*term.expr));
            parts.extend(tail_parts(filter_over));
        }
        Expr::FunctionCallStar { filter_over, .. } => parts.extend(tail_parts(filter_over)),
        Expr::InList { lhs, rhs, .. } => {
            parts.push(lhs);
            parts.extend(rhs.iter().map(|one| &**one));
        }
        Expr::InSelect { lhs, .. } => parts.push(lhs),
        Expr::InTable { lhs, args, .. } => {
            parts.push(lhs);
            parts.extend(args.iter().map(|arg| &**arg));
        }
        Expr::Like { lhs, rhs, escape, .. } => {
            parts.extend([&**lhs, &**rhs]);
            parts.extend(escape.as_deref());
        }
        Expr::Parenthesized(inner) | Expr::Array { elements: inner } => parts.extend(inner.iter().map(|one| &**one)),
        Expr::Raise(_, message) => parts.extend(message.as_deref()),
        Expr::Subscript { base, index } => parts.extend([&**base, &**index]),
        Expr::Register(_)
        | Expr::DoublyQualified(..)
        | Expr::Exists(_)
        | Expr::Id(_)
        | Expr::Column { .. }
        | Expr::RowId { .. }
        | Expr::Literal(_)
        | Expr::Name(_)
        | Expr::Qualified(..)
        | Expr::Subquery(_)
        | Expr::Variable(_)
        | Expr::SubqueryResult { .. }
        | Expr::Default => {}
    }
    parts
}

fn tail_parts(tail: &FunctionTail) -> Vec<&Expr> {
    let mut parts: Vec<&Expr> = tail.filter_clause.as_deref().into_iter().collect();
    if let Some(Over::Window(window)) = &tail.over_clause {
        parts.extend(window_parts(window));
    }
    parts
}

/// The expressions of a window's definition.
pub(super) fn window_parts(window: &Window) -> Vec<&Expr> {
    window.partition_by.iter().map(|one| &**one).chain(sorted_parts(&window.order_by)).collect()
}

/// The expressions of an ORDER BY.
pub(super) fn sorted_parts(terms: &[SortedColumn]) -> impl Iterator<Item = &Expr> {
    terms.iter().map(|term| &*term.expr)
}

/// Visits an expression and everything inside it, subqueries left out.
pub(super) fn visit<'a>(expr: &'a Expr, seen: &mut dyn FnMut(&'a Expr)) {
    seen(expr);
    for part in parts(expr) {
        visit(part, seen);
    }
}

/// The subqueries in an expression, not those inside them.
pub(super) fn subqueries(expr: &Expr) -> Vec<&Select> {
    let mut found = Vec::new();
    visit(expr, &mut |part| {
        if let Expr::Exists(select) | Expr::Subquery(select) | Expr::InSelect { rhs: select, .. } = part {
            found.push(select);
        }
    });
    found
}

/// What is joined by AND.
pub(super) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Binary(left, turso_parser::ast::Operator::And, right) => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [only] => conjuncts(only),
            _ => vec![expr],
        },
        _ => vec![expr],
    }
}

/// An expression without the brackets around it.
pub(super) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [only] => bare(only),
            _ => expr,
        },
        _ => expr,
    }
}

/// Whether it is one value that stands in the text.
pub(super) fn is_constant(expr: &Expr) -> bool {
    use turso_parser::ast::{Literal, UnaryOperator};
    match bare(expr) {
        Expr::Literal(literal) => matches!(
            literal,
            Literal::Numeric(_) | Literal::String(_) | Literal::Blob(_) | Literal::True | Literal::False
        ),
        Expr::Unary(UnaryOperator::Negative, inner) => matches!(bare(inner), Expr::Literal(Literal::Numeric(_))),
        Expr::Cast { expr, .. } => is_constant(expr),
        _ => false,
    }
}

/// The names of the aggregates: over rows that are left away they say something else.
const AGGREGATES: [&str; 12] = [
    "avg",
    "count",
    "group_concat",
    "string_agg",
    "max",
    "min",
    "sum",
    "total",
    "json_group_array",
    "json_group_object",
    "jsonb_group_array",
    "jsonb_group_object",
];

/// Whether an expression looks at more than one row: an aggregate or a window.
pub(super) fn looks_around(expr: &Expr) -> bool {
    let mut found = false;
    visit(expr, &mut |part| {
        found |= match part {
            Expr::FunctionCall { name, args, filter_over, .. } => {
                let name = name.as_str().to_ascii_lowercase();
                let scalar = args.len() > 1 && matches!(name.as_str(), "max" | "min");
                filter_over.over_clause.is_some() || (!scalar && AGGREGATES.contains(&name.as_str()))
            }
            Expr::FunctionCallStar { .. } => true,
            _ => false,
        };
    });
    found
}

/// Whether a subquery in an expression calls something with the name of an aggregate.
pub(super) fn aggregates_inside(expr: &Expr) -> bool {
    subqueries(expr).iter().any(|select| {
        let named = crate::named::Named::of(&select.to_string());
        AGGREGATES.iter().any(|aggregate| named.calls(aggregate))
    })
}

/// Whether a window is in an expression.
pub(super) fn has_window(expr: &Expr) -> bool {
    let mut found = false;
    visit(expr, &mut |part| {
        found |= matches!(part, Expr::FunctionCall { filter_over, .. } | Expr::FunctionCallStar { filter_over, .. } if filter_over.over_clause.is_some());
    });
    found
}

/// Whether a condition holds for one of two values that compare as equal exactly when it holds for the other. GROUP BY,
/// DISTINCT and UNION keep one of them.
pub(super) fn minds_only_order(expr: &Expr) -> bool {
    use turso_parser::ast::Operator;
    let column = |expr: &Expr| {
        matches!(bare(expr), Expr::Id(_) | Expr::Name(_) | Expr::Qualified(..) | Expr::DoublyQualified(..))
    };
    let constant = |expr: &Expr| is_constant(expr) && !is_truth(expr) && !matches!(bare(expr), Expr::Cast { .. });
    match bare(expr) {
        Expr::Binary(
            left,
            Operator::Equals
            | Operator::Is
            | Operator::Less
            | Operator::LessEquals
            | Operator::Greater
            | Operator::GreaterEquals,
            right,
        ) => (column(left) && constant(right)) || (constant(left) && column(right)),
        Expr::InList { lhs, not: false, rhs } => column(lhs) && rhs.iter().all(|one| constant(one)),
        Expr::Between { lhs, start, end, .. } => column(lhs) && constant(start) && constant(end),
        Expr::IsNull(inner) | Expr::NotNull(inner) => column(inner),
        _ => false,
    }
}

/// TRUE or FALSE, which behind IS asks for the truth of a value instead of the value.
pub(super) fn is_truth(expr: &Expr) -> bool {
    matches!(bare(expr), Expr::Literal(turso_parser::ast::Literal::True | turso_parser::ast::Literal::False))
}

/// Functions whose value is not told by their arguments.
const VOLATILE: [&str; 14] = [
    "random",
    "randomblob",
    "changes",
    "total_changes",
    "last_insert_rowid",
    "date",
    "time",
    "datetime",
    "julianday",
    "strftime",
    "unixepoch",
    "timediff",
    "current_timestamp",
    "raise",
];

/// Whether an expression gives the same for the same row at any time and place.
pub(super) fn is_settled(expr: &Expr) -> bool {
    use turso_parser::ast::Literal;
    let mut settled = true;
    visit(expr, &mut |part| {
        settled &= match part {
            Expr::FunctionCall { name, .. } | Expr::FunctionCallStar { name, .. } => {
                !VOLATILE.contains(&name.as_str().to_ascii_lowercase().as_str())
            }
            Expr::Literal(Literal::CurrentDate | Literal::CurrentTime | Literal::CurrentTimestamp)
            | Expr::Variable(_)
            | Expr::Raise(..) => false,
            Expr::Exists(_) | Expr::Subquery(_) | Expr::InSelect { .. } | Expr::InTable { .. } => false,
            Expr::Like { op, .. } => {
                !matches!(op, turso_parser::ast::LikeOperator::Match | turso_parser::ast::LikeOperator::Regexp)
            }
            _ => true,
        };
    });
    settled
}

/// Puts other expressions in the place of names. `None` when one of them has no other.
pub(super) fn substitute(expr: &Expr, replace: &dyn Fn(&Expr) -> Option<Expr>) -> Option<Expr> {
    match expr {
        Expr::Id(_) | Expr::Name(_) | Expr::Qualified(..) | Expr::DoublyQualified(..) => {
            replace(expr).map(|other| Expr::Parenthesized(vec![Box::new(other)]))
        }
        Expr::Literal(_) => Some(expr.clone()),
        Expr::Binary(left, operator, right) => {
            Some(Expr::Binary(Box::new(substitute(left, replace)?), *operator, Box::new(substitute(right, replace)?)))
        }
        Expr::Unary(operator, inner) => Some(Expr::Unary(*operator, Box::new(substitute(inner, replace)?))),
        Expr::IsNull(inner) => Some(Expr::IsNull(Box::new(substitute(inner, replace)?))),
        Expr::NotNull(inner) => Some(Expr::NotNull(Box::new(substitute(inner, replace)?))),
        Expr::Between { lhs, not, start, end } => Some(Expr::Between {
            lhs: Box::new(substitute(lhs, replace)?),
            not: *not,
            start: Box::new(substitute(start, replace)?),
            end: Box::new(substitute(end, replace)?),
        }),
        Expr::InList { lhs, not, rhs } => Some(Expr::InList {
            lhs: Box::new(substitute(lhs, replace)?),
            not: *not,
            rhs: rhs.iter().map(|one| substitute(one, replace).map(Box::new)).collect::<Option<_>>()?,
        }),
        Expr::Like { lhs, not, op, rhs, escape } => Some(Expr::Like {
            lhs: Box::new(substitute(lhs, replace)?),
            not: *not,
            op: *op,
            rhs: Box::new(substitute(rhs, replace)?),
            escape: escape.clone(),
        }),
        Expr::Parenthesized(inner) => Some(Expr::Parenthesized(
            inner.iter().map(|one| substitute(one, replace).map(Box::new)).collect::<Option<_>>()?,
        )),
        _ => None,
    }
}
