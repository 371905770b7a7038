//! What the sources of one SELECT, UPDATE or DELETE reach.

use turso_parser::ast::{CompoundOperator, Expr, OneSelect, Operator, ResultColumn, Select, SelectTable};

use super::conjunct::{Kind, Pushed, Says, aliases, equality, extreme, first, linked, only_source, push, using};
use super::from::{Ctes, Join, Joined, arms, view};
use super::names::{Output, Scope, Typing, identifier};
use super::walk::{bare, conjuncts, has_window, minds_only_order, sorted_parts, window_parts};
use super::{Analysis, Equal, MAX_DEPTH, Reach, Rows, Values, strict};

/// One bound on the rows of sources.
pub(super) struct Bound {
    kind: Kind,
    /// The only source that it can bound, when it is the ON of an outer join.
    only: Option<usize>,
}

impl Analysis<'_> {
    /// A SELECT, of whose rows those are wanted for which the bounds hold. `names` are those of its columns where it
    /// does not say them itself.
    pub(super) fn select(
        &mut self,
        select: &Select,
        outer: &Scope<'_>,
        ctes: &Ctes,
        names: &[String],
        pushed: &[Pushed],
    ) -> Option<()> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let ctes = ctes.with(select.with.as_ref(), self.shapes)?;
        let arms = arms(select);
        // A filter over a limited list is not one over what the list was made of.
        let pushed = if select.limit.is_some() { &[] } else { pushed };
        let outputs: Vec<Option<Vec<Output>>> = if pushed.is_empty() {
            Vec::new()
        } else {
            arms.iter().map(|arm| self.outputs(arm, outer, &ctes)).collect()
        };
        for (index, arm) in arms.iter().enumerate() {
            match arm {
                OneSelect::Values(rows) => {
                    for expr in rows.iter().flatten() {
                        self.inside(expr, outer, &ctes)?;
                    }
                }
                OneSelect::Select { columns, from, where_clause, group_by, window_clause, distinctness } => {
                    let joins = from.as_ref().map(Joined::of).unwrap_or_default();
                    let windowed =
                        columns.iter().any(|column| matches!(column, ResultColumn::Expr(expr, _) if has_window(expr)))
                            || sorted_parts(&select.order_by).any(has_window);
                    let merged = distinctness.is_some()
                        || group_by.is_some()
                        || select.body.compounds.iter().any(|compound| compound.operator != CompoundOperator::UnionAll);
                    let fits = |one: &&Pushed| {
                        !windowed
                            && (!merged || !matches!(one, Pushed::Condition(condition) if !minds_only_order(condition)))
                    };
                    let pushed: Vec<Kind> =
                        pushed.iter().filter(fits).filter_map(|one| push(one, index, &outputs, names, arm)).collect();
                    let (before, bounds) = (
                        self.found.len(),
                        pushed.len() + where_clause.iter().map(|filter| conjuncts(filter).len()).sum::<usize>(),
                    );
                    let scope =
                        self.sources(&joins, where_clause.as_deref(), pushed, outer, &ctes, aliases(columns))?;
                    let plain =
                        if let [joined] = joins.as_slice() { self.plain_table(&joined.table, &ctes) } else { None };
                    if let (1, Some(table), None, Some(found)) =
                        (arms.len(), plain, group_by, self.found.get_mut(before))
                        && found.table == table
                        && found.rows.as_ref().map_or(0, |rows| rows.conditions.len()) == bounds
                        && let Some(first) = first(select, arm, &scope).or_else(|| extreme(select, arm, &scope))
                    {
                        let alias = scope.sources.first()?.alias.clone();
                        let rows = found.rows.get_or_insert(Rows {
                            alias,
                            conditions: Vec::new(),
                            equal: Vec::new(),
                            first: None,
                        });
                        if select.order_by.is_empty() {
                            // Neither the least nor the greatest value is ever NULL.
                            rows.conditions.push(format!(
                                "{}.{} IS NOT NULL",
                                identifier(&rows.alias),
                                identifier(&first.column)
                            ));
                        }
                        rows.first = Some(first);
                    }
                    self.columns(columns, &scope, &ctes)?;
                    let groups = group_by
                        .iter()
                        .flat_map(|group| group.exprs.iter().map(|one| &**one).chain(group.having.as_deref()));
                    let windows = window_clause.iter().flat_map(|window| window_parts(&window.window));
                    let sorted: Vec<&Expr> =
                        if arms.len() == 1 { sorted_parts(&select.order_by).collect() } else { Vec::new() };
                    for expr in groups.chain(windows).chain(sorted) {
                        self.inside(expr, &scope, &ctes)?;
                    }
                }
            }
        }
        for expr in select.limit.iter().flat_map(|limit| std::iter::once(&*limit.expr).chain(limit.offset.as_deref())) {
            self.inside(expr, outer, &ctes)?;
        }
        self.depth -= 1;
        Some(())
    }

    /// The sources of a FROM with all their bounds; what they reach is noted.
    pub(super) fn sources<'s>(
        &mut self,
        joins: &[Joined],
        filter: Option<&Expr>,
        pushed: Vec<Kind>,
        outer: &'s Scope<'s>,
        ctes: &Ctes,
        aliases: Vec<String>,
    ) -> Option<Scope<'s>> {
        let mut scope = self.scope(joins, outer, ctes)?;
        scope.aliases = aliases;
        let mut bounds: Vec<Bound> = Vec::new();
        if joins.iter().all(|joined| joined.join != Join::Other) {
            let conditions =
                |expr: &Expr| conjuncts(expr).into_iter().cloned().map(Kind::Condition).collect::<Vec<_>>();
            bounds.extend(
                filter
                    .map(conditions)
                    .unwrap_or_default()
                    .into_iter()
                    .chain(pushed)
                    .map(|kind| Bound { kind, only: None }),
            );
            for (index, joined) in joins.iter().enumerate() {
                let only = (joined.join == Join::Left).then_some(index);
                let using = joined.using.iter().map(|column| Kind::Using(column.clone(), index));
                bounds.extend(joined.on.iter().flat_map(conditions).chain(using).map(|kind| Bound { kind, only }));
            }
        }
        let mut said: Vec<(usize, Says)> = Vec::new();
        for bound in &bounds {
            let may = |source: usize| {
                bound.only.map_or_else(
                    || joins.get(source).is_some_and(|joined| joined.join == Join::Inner),
                    |only| only == source,
                )
            };
            said.extend(self.read(&bound.kind, &scope, ctes).into_iter().filter(|(source, _)| may(*source)));
        }
        self.place(joins, &mut scope, &said, ctes)?;
        for expr in joins.iter().flat_map(|joined| &joined.on).chain(filter) {
            self.inside(expr, &scope, ctes)?;
        }
        Some(scope)
    }

    /// What a bound says, of each source that it says something of.
    fn read(&self, kind: &Kind, scope: &Scope<'_>, ctes: &Ctes) -> Vec<(usize, Says)> {
        let mut said = Vec::new();
        let expr = match kind {
            Kind::Condition(expr) => bare(expr),
            Kind::In(expr, query, once) => {
                said.extend(
                    scope
                        .column(expr)
                        .filter(|meaning| meaning.level == 0)
                        .map(|meaning| (meaning.source, Says::In(meaning.column, query.clone(), *once))),
                );
                return said;
            }
            Kind::Using(column, index) => return using(scope, column, *index),
        };
        if let Some(source) = only_source(expr, scope) {
            said.push((source, Says::Condition(Box::new(expr.clone()), equality(expr, scope))));
            return said;
        }
        let sides = match expr {
            Expr::Binary(left, Operator::Equals, right) => vec![(&**left, &**right), (&**right, &**left)],
            Expr::InSelect { lhs, not: false, rhs } => {
                if let Some(meaning) = scope.column(lhs).filter(|meaning| meaning.level == 0)
                    && meaning.typing.fits(&self.answer_typing(rhs, scope, ctes))
                {
                    said.push((meaning.source, Says::In(meaning.column, ctes.query(&rhs.to_string()), true)));
                }
                return said;
            }
            _ => return said,
        };
        for (one, other) in sides {
            let Some(meaning) = scope.column(one).filter(|meaning| meaning.level == 0) else { continue };
            let (source, column) = (meaning.source, meaning.column.clone());
            match (bare(other), scope.column(other)) {
                (Expr::Subquery(select), _) if meaning.typing.fits(&self.answer_typing(select, scope, ctes)) => {
                    said.push((source, Says::In(column, ctes.query(&select.to_string()), true)))
                }
                (_, Some(far)) if meaning.typing.fits(&far.typing) => {
                    said.extend(linked(scope, &far, source, column, ctes).map(|says| (source, says)))
                }
                _ => {}
            }
        }
        said
    }

    fn answer_typing(&self, select: &Select, scope: &Scope<'_>, ctes: &Ctes) -> Typing {
        match self.answer(select, scope, ctes).as_deref() {
            Some([only]) => only.typing.clone(),
            _ => Typing::Unknown,
        }
    }

    /// Gives each source its bounds, the strongest first, so that it can bound the others.
    fn place(&mut self, joins: &[Joined], scope: &mut Scope<'_>, said: &[(usize, Says)], ctes: &Ctes) -> Option<()> {
        let mut waiting: Vec<usize> = (0..joins.len()).collect();
        while !waiting.is_empty() {
            let strength = |index: usize| {
                let said = said.iter().filter(|(source, _)| *source == index).map(|(_, says)| match says {
                    Says::Condition(_, Some(_)) => 5,
                    Says::In(..) => 4,
                    Says::Link(_, from, _) if !waiting.contains(from) => 4,
                    Says::Link(..) => 0,
                    Says::Condition(_, None) => 1,
                });
                said.max().unwrap_or(0).max(joins.get(index).map_or(0, |joined| self.nearness(&joined.table, ctes)))
            };
            let (at, next) =
                waiting.iter().copied().enumerate().max_by_key(|(_, index)| (strength(*index), joins.len() - index))?;
            let source = scope.sources.get(next)?;
            let mut rows = Rows { alias: source.alias.clone(), conditions: Vec::new(), equal: Vec::new(), first: None };
            let (mut bounds, mut pushed) = (Vec::new(), Vec::new());
            for (_, says) in said.iter().filter(|(source, _)| *source == next) {
                let (column, query, once) = match says {
                    Says::Condition(expr, equal) => {
                        rows.conditions.push(strict(&expr.to_string()));
                        bounds.push(expr.to_string());
                        pushed.push(Pushed::Condition((**expr).clone()));
                        rows.equal.extend(equal.clone().map(|(column, values)| Equal {
                            column,
                            values: Values::Constants(values),
                            once: true,
                        }));
                        continue;
                    }
                    Says::In(column, query, once) => (column, query.clone(), *once),
                    Says::Link(_, from, _) if waiting.contains(from) => continue,
                    Says::Link(column, from, far) => {
                        match scope.sources.get(*from).and_then(|source| source.values_of(far)) {
                            Some(query) => (column, ctes.query(&query), false),
                            None => continue,
                        }
                    }
                };
                bounds.push(format!("{}.{} IN ({query})", identifier(&rows.alias), identifier(column)));
                pushed.push(Pushed::In(column.clone(), query.clone(), once));
                rows.equal.push(Equal { column: column.clone(), values: Values::Query(query), once });
            }
            self.note(&joins.get(next)?.table, rows, &pushed, scope.outer, ctes)?;
            scope.sources.get_mut(next)?.bounds = bounds;
            waiting.remove(at);
        }
        Some(())
    }

    /// Notes what a source reaches, through views and subqueries down to tables.
    fn note(
        &mut self,
        table: &SelectTable,
        rows: Rows,
        pushed: &[Pushed],
        outer: Option<&Scope<'_>>,
        ctes: &Ctes,
    ) -> Option<()> {
        let nowhere = Scope::default();
        let outer = outer.unwrap_or(&nowhere);
        match table {
            SelectTable::Table(name, ..) => {
                if let Some(cte) = ctes.find(name) {
                    if cte.open {
                        return Some(());
                    }
                    let (select, names, inner) = (cte.select.clone(), cte.columns.clone(), ctes.opened(&cte.name));
                    return self.select(&select, outer, &inner, &names, if cte.is_recursive() { &[] } else { pushed });
                }
                if let Some(shape) = self.shapes.table(name.name.as_str()) {
                    if !self.shapes.is_whole(&shape.name) {
                        let bounded = !rows.conditions.is_empty() || !rows.equal.is_empty();
                        self.found.push(Reach {
                            table: shape.name.clone(),
                            rows: bounded.then_some(rows),
                            when: self.when,
                        });
                    }
                    return Some(());
                }
                let (names, select) = view(&self.shapes.view(name.name.as_str())?)?;
                self.select(&select, &nowhere, &Ctes::default(), &names, pushed)
            }
            SelectTable::Select(select, _) => self.select(select, outer, ctes, &[], pushed),
            SelectTable::TableCall(_, args, _) => args.iter().try_for_each(|arg| self.inside(arg, outer, ctes)),
            SelectTable::Sub(from, _) => {
                self.sources(&Joined::of(from), None, Vec::new(), outer, ctes, Vec::new()).map(|_| ())
            }
        }
    }

    /// The table that a source is, if it is no view, subquery or common table expression.
    fn plain_table(&self, table: &SelectTable, ctes: &Ctes) -> Option<String> {
        match table {
            SelectTable::Table(name, ..) if ctes.find(name).is_none() => {
                self.shapes.table(name.name.as_str()).map(|shape| shape.name.clone())
            }
            _ => None,
        }
    }

    /// How readily a source without bounds tells values for others: copied rows at once, a view or subquery perhaps, a
    /// table that is not here last.
    fn nearness(&self, table: &SelectTable, ctes: &Ctes) -> u8 {
        match table {
            SelectTable::Table(name, ..) if ctes.find(name).is_none() => self
                .shapes
                .table(name.name.as_str())
                .map_or(2, |shape| if self.shapes.is_whole(&shape.name) { 3 } else { 0 }),
            SelectTable::TableCall(..) => 3,
            _ => 2,
        }
    }
}
