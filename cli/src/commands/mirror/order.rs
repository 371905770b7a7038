//! In which order tables are copied so that every row finds what it refers to.

use std::collections::BTreeMap;

/// A reference from one table to another, by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    /// Whose rows refer.
    pub child: usize,
    /// Whose rows are referred to.
    pub parent: usize,
    /// Whether a row may refer to nothing.
    pub nullable: bool,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// Parents first. Tables of one step need each other, and can only be written in one transaction.
    pub steps: Vec<Vec<usize>>,
    /// Of each edge, whether it can only be filled in when all rows are there.
    pub late: Vec<bool>,
}

/// Finds it. Cycles are cut at references that may be NULL; those that have none are one step.
pub(super) fn order(tables: usize, edges: &[Edge]) -> Order {
    let everything: Vec<usize> = (0..tables).collect();
    let mut steps = Vec::new();
    for component in components(&everything, edges) {
        let required: Vec<Edge> = edges.iter().filter(|edge| !edge.nullable).copied().collect();
        steps.extend(if component.len() > 1 { components(&component, &required) } else { vec![component] });
    }
    let place: BTreeMap<usize, usize> =
        steps.iter().enumerate().flat_map(|(place, step)| step.iter().map(move |table| (*table, place))).collect();
    let alone =
        |table: &usize| place.get(table).and_then(|place| steps.get(*place)).is_some_and(|step| step.len() == 1);
    let late = edges
        .iter()
        .map(|edge| {
            if edge.child == edge.parent {
                alone(&edge.child)
            } else {
                place.get(&edge.parent) > place.get(&edge.child)
            }
        })
        .collect();
    Order { steps, late }
}

/// Tarjan's strongly connected components among `nodes`; what a component refers to comes before it.
fn components(nodes: &[usize], edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut walk = Walk { nodes, edges, ..Walk::default() };
    for node in nodes {
        if !walk.index.contains_key(node) {
            walk.visit(*node);
        }
    }
    walk.found
}

#[derive(Default)]
struct Walk<'a> {
    nodes: &'a [usize],
    edges: &'a [Edge],
    index: BTreeMap<usize, usize>,
    low: BTreeMap<usize, usize>,
    stack: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Walk<'_> {
    fn visit(&mut self, node: usize) -> usize {
        let number = self.index.len();
        self.index.insert(node, number);
        self.stack.push(node);
        let mut low = number;
        for edge in self.edges.iter().filter(|edge| edge.child == node && self.nodes.contains(&edge.parent)) {
            match self.index.get(&edge.parent) {
                None => low = low.min(self.visit(edge.parent)),
                Some(other) if self.stack.contains(&edge.parent) => low = low.min(*other),
                Some(_) => {}
            }
        }
        self.low.insert(node, low);
        if low == number {
            let at = self.stack.iter().position(|other| *other == node).unwrap_or_default();
            let mut component = self.stack.split_off(at);
            component.sort_unstable();
            self.found.push(component);
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tables: usize, edges: &[(usize, usize, bool)], steps: &[&[usize]], late: &[bool]) {
        let edges: Vec<Edge> = edges
            .iter()
            .map(|(child, parent, nullable)| Edge { child: *child, parent: *parent, nullable: *nullable })
            .collect();
        let order = order(tables, &edges);
        assert_eq!(order.steps, steps.iter().map(|step| step.to_vec()).collect::<Vec<_>>());
        assert_eq!(order.late, late);
    }

    #[test]
    fn parents_come_first() {
        check(4, &[(0, 1, false), (1, 2, true), (0, 3, false)], &[&[2], &[1], &[3], &[0]], &[false, false, false]);
    }

    #[test]
    fn a_table_that_refers_to_itself_is_filled_in_afterwards() {
        check(1, &[(0, 0, true)], &[&[0]], &[true]);
    }

    #[test]
    fn a_cycle_is_cut_where_it_may_be_null() {
        check(2, &[(0, 1, true), (1, 0, false)], &[&[0], &[1]], &[true, false]);
        check(3, &[(0, 1, false), (1, 2, true), (2, 0, false)], &[&[1], &[0], &[2]], &[false, true, false]);
    }

    #[test]
    fn a_cycle_without_null_is_one_step() {
        check(
            3,
            &[(0, 1, false), (1, 0, false), (2, 0, false), (0, 0, true)],
            &[&[0, 1], &[2]],
            &[false, false, false, false],
        );
    }
}
