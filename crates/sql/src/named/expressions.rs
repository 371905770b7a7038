//! The walk through expressions.

use turso_parser::ast::{Expr, FrameBound, FrameClause, FunctionTail, Over, Window};

use super::walk::{Part, Walk};

impl<'a> Walk<'a, '_> {
    pub(super) fn exprs(&mut self, exprs: impl IntoIterator<Item = &'a Box<Expr>>) {
        exprs.into_iter().for_each(|expr| self.expr(expr));
    }

    pub(super) fn expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Between { lhs, not: _, start, end } => self.exprs([lhs, start, end]),
            Expr::Binary(left, _, right) => self.exprs([left, right]),
            Expr::Case { base, when_then_pairs, else_expr } => {
                self.exprs(base);
                when_then_pairs.iter().for_each(|(when, then)| self.exprs([when, then]));
                self.exprs(else_expr);
            }
            Expr::Cast { expr, type_name } => {
                self.expr(expr);
                self.data_type(type_name.as_ref());
            }
            Expr::Collate(expr, _) | Expr::IsNull(expr) | Expr::NotNull(expr) | Expr::Unary(_, expr) => self.expr(expr),
            Expr::Exists(select) | Expr::Subquery(select) => self.select(select),
            Expr::FunctionCall { name, distinctness: _, args, order_by, within_group, filter_over } => {
                (self.seen)(Part::Function(name));
                self.exprs(args);
                self.sorted(order_by);
                self.sorted(within_group);
                self.tail(filter_over);
            }
            Expr::FunctionCallStar { name, filter_over } => {
                (self.seen)(Part::Function(name));
                self.tail(filter_over);
            }
            Expr::InList { lhs, not: _, rhs } => {
                self.expr(lhs);
                self.exprs(rhs);
            }
            Expr::InSelect { lhs, not: _, rhs } => {
                self.expr(lhs);
                self.select(rhs);
            }
            Expr::InTable { lhs, not: _, rhs, args } => {
                self.expr(lhs);
                self.table(rhs, args);
            }
            Expr::Like { lhs, not: _, op: _, rhs, escape } => {
                self.exprs([lhs, rhs]);
                self.exprs(escape);
            }
            Expr::Parenthesized(inner) => self.exprs(inner),
            Expr::Raise(answer, message) => {
                (self.seen)(Part::Answer(*answer));
                self.exprs(message);
            }
            Expr::Id(_)
            | Expr::Name(_)
            | Expr::Qualified(..)
            | Expr::DoublyQualified(..)
            | Expr::Literal(_)
            | Expr::Variable(_)
            | Expr::Default => {}
            // SQLite has neither arrays nor fields: it reads such a text in another way.
            Expr::Array { .. } | Expr::Subscript { .. } | Expr::FieldAccess { .. } => self.complete = false,
            // The parser makes none of these.
            Expr::Register(_) | Expr::Column { .. } | Expr::RowId { .. } | Expr::SubqueryResult { .. } => {
                self.complete = false;
            }
        }
    }

    fn tail(&mut self, FunctionTail { filter_clause, over_clause }: &'a FunctionTail) {
        self.exprs(filter_clause);
        match over_clause {
            Some(Over::Window(window)) => self.window(window),
            Some(Over::Name(_)) | None => {}
        }
    }

    pub(super) fn window(&mut self, Window { base: _, partition_by, order_by, frame_clause }: &'a Window) {
        self.exprs(partition_by);
        self.sorted(order_by);
        let Some(FrameClause { mode: _, start, end, exclude: _ }) = frame_clause else { return };
        for bound in [Some(start), end.as_ref()].into_iter().flatten() {
            match bound {
                FrameBound::Following(expr) | FrameBound::Preceding(expr) => self.expr(expr),
                FrameBound::CurrentRow | FrameBound::UnboundedFollowing | FrameBound::UnboundedPreceding => {}
            }
        }
    }
}
