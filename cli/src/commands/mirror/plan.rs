//! What is copied, in which order, and what becomes of each row on the way. No I/O.

use std::collections::BTreeMap;

use super::cell::Cell;
use super::order::{Edge, order};
use super::pages::Row;
use super::rule::Rule;
use super::schema::{ForeignKey, Key, Schema, Table};
use super::scrub::Scrubber;
use crate::failure::{Exit, Failure, Outcome};

/// A reference that is written when all rows are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Late {
    /// The columns that refer.
    pub from: Vec<usize>,
    /// What stands there meanwhile.
    pub meanwhile: Meanwhile,
}

/// What stands in a reference until it can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meanwhile {
    /// NULL in this column.
    Null(usize),
    /// The row itself: the columns that are referred to.
    Itself(Vec<usize>),
}

/// A table on its way.
#[derive(Debug, Clone)]
pub(super) struct TablePlan {
    /// The table.
    pub table: Table,
    /// The rule of each column; `None` where nobody said anything.
    pub rules: Vec<Option<Rule>>,
    /// References that are written later.
    pub late: Vec<Late>,
}

/// A row as it is written first, and whether something in it is not yet what it will be.
pub(super) struct Written {
    /// What it becomes.
    pub row: Row,
    /// What is written first, if that is something else.
    pub first: Option<Vec<Cell>>,
}

impl TablePlan {
    /// The columns that become something else.
    pub(super) fn scrubbed(&self) -> impl Iterator<Item = (usize, &str, &Rule)> {
        self.table.columns.iter().zip(&self.rules).enumerate().filter_map(|(place, (column, rule))| {
            rule.as_ref().filter(|rule| !rule.keeps()).map(|rule| (place, column.name.as_str(), rule))
        })
    }

    /// Whether rows have other keys on the target.
    pub(super) fn scrubs_key(&self) -> bool {
        matches!(&self.table.key, Key::Columns(key) if self.scrubbed().any(|(place, ..)| key.contains(&place)))
    }

    /// What becomes of a row.
    pub(super) fn write(&self, scrubber: &Scrubber, row: Row) -> Written {
        let Row { mut key, mut cells } = row;
        for (place, _, rule) in self.scrubbed() {
            if let Some(cell) = cells.get_mut(place) {
                let made = scrubber.apply(rule, cell);
                *cell = self.table.columns.get(place).map_or(made.clone(), |column| column.affinity.stored(made));
            }
        }
        if let Key::Columns(places) = &self.table.key {
            key = places.iter().filter_map(|place| cells.get(*place).cloned()).collect();
        }
        let mut first: Option<Vec<Cell>> = None;
        for late in self.late.iter().filter(|late| self.waits(late, &key, &cells)) {
            let row = first.get_or_insert_with(|| cells.clone());
            match &late.meanwhile {
                Meanwhile::Null(place) => {
                    if let Some(cell) = row.get_mut(*place) {
                        *cell = Cell::Null;
                    }
                }
                Meanwhile::Itself(to) => {
                    for (from, to) in late.from.iter().zip(to) {
                        if let (Some(cell), Some(own)) = (row.get_mut(*from), cells.get(*to)) {
                            cell.clone_from(own);
                        }
                    }
                }
            }
        }
        Written { row: Row { key, cells }, first }
    }

    /// Whether a reference of a row cannot be written at once. One to an earlier row can, and that is most of them.
    fn waits(&self, late: &Late, key: &[Cell], cells: &[Cell]) -> bool {
        let values: Vec<&Cell> = late.from.iter().filter_map(|place| cells.get(*place)).collect();
        if values.iter().any(|value| **value == Cell::Null) {
            return false;
        }
        let own = self.own_key(late);
        !matches!((own, values.as_slice(), key), (true, [Cell::Integer(to)], [Cell::Integer(from)]) if to <= from)
    }

    /// Whether a reference is to the rowid of the same table.
    fn own_key(&self, late: &Late) -> bool {
        let Key::Rowid { column: Some(rowid), .. } = &self.table.key else { return false };
        self.table.foreign_keys.iter().any(|foreign_key| {
            foreign_key.parent.eq_ignore_ascii_case(&self.table.name)
                && places(&self.table, &foreign_key.from) == late.from
                && places(&self.table, &foreign_key.to).as_slice() == [*rowid]
        })
    }

    /// The columns that are filled in.
    pub(super) fn late_columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self.late.iter().flat_map(|late| late.from.iter().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

fn places(table: &Table, columns: &[String]) -> Vec<usize> {
    columns.iter().filter_map(|column| table.place(column)).collect()
}

/// Puts tables in order: steps of tables, parents first, each with its late references.
pub(super) fn arrange(tables: &[&Table]) -> Vec<Vec<(usize, Vec<Late>)>> {
    let by_name: BTreeMap<String, usize> =
        tables.iter().enumerate().map(|(place, table)| (table.name.to_ascii_lowercase(), place)).collect();
    let mut edges = Vec::new();
    let mut keys: Vec<(usize, &Table, &ForeignKey)> = Vec::new();
    for (child, table) in tables.iter().enumerate() {
        for foreign_key in &table.foreign_keys {
            if let Some(parent) = by_name.get(&foreign_key.parent.to_ascii_lowercase()) {
                edges.push(Edge { child, parent: *parent, nullable: free(table, foreign_key).is_some() });
                keys.push((child, table, foreign_key));
            }
        }
    }
    let order = order(tables.len(), &edges);
    let mut late: BTreeMap<usize, Vec<Late>> = BTreeMap::new();
    for ((child, table, foreign_key), _) in keys.into_iter().zip(&order.late).filter(|(_, late)| **late) {
        let meanwhile =
            free(table, foreign_key).map_or_else(|| Meanwhile::Itself(places(table, &foreign_key.to)), Meanwhile::Null);
        late.entry(child).or_default().push(Late { from: places(table, &foreign_key.from), meanwhile });
    }
    order
        .steps
        .into_iter()
        .map(|step| step.into_iter().map(|table| (table, late.remove(&table).unwrap_or_default())).collect())
        .collect()
}

/// A column of a reference that may be NULL and is not in the key.
fn free(table: &Table, foreign_key: &ForeignKey) -> Option<usize> {
    places(table, &foreign_key.from)
        .into_iter()
        .find(|place| table.columns.get(*place).is_some_and(|column| !column.required && column.key_place == 0))
}

/// The tables that are copied: all, or those that were asked for. What refers to a copied table is copied too, because
/// its rows would be left without what they refer to.
pub(super) fn choose<'a>(schema: &'a Schema, asked: &[String]) -> Outcome<Vec<&'a Table>> {
    if asked.is_empty() {
        return Ok(schema.tables.iter().collect());
    }
    let known = || schema.tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(missing) = asked.iter().find(|name| schema.table(name).is_none()) {
        return Err(Failure::new(
            Exit::Usage,
            "unknown_table",
            format!("There is no table {missing} to copy. Nothing was written."),
            format!("Tables: {}.", known()),
        ));
    }
    let chosen = |name: &str| asked.iter().any(|asked| asked.eq_ignore_ascii_case(name));
    let left_out: Vec<String> = schema
        .tables
        .iter()
        .filter(|table| !chosen(&table.name))
        .filter_map(|table| {
            table
                .foreign_keys
                .iter()
                .find(|key| chosen(&key.parent))
                .map(|key| format!("{} refers to {}", table.name, key.parent))
        })
        .collect();
    if !left_out.is_empty() {
        let names: Vec<&str> = left_out.iter().filter_map(|text| text.split(' ').next()).collect();
        return Err(Failure::new(
            Exit::Usage,
            "left_out",
            format!(
                "--tables leaves out tables whose rows refer to copied ones: {}. Replacing those would break or delete \
                 these. Nothing was written.",
                left_out.join(", ")
            ),
            format!("Add them: --tables {},{}", asked.join(","), names.join(",")),
        ));
    }
    Ok(schema.tables.iter().filter(|table| chosen(&table.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::mirror::affinity::Affinity;
    use crate::commands::mirror::rule::Plain;
    use crate::commands::mirror::schema::Column;

    fn table(name: &str, columns: &[(&str, bool)], foreign_keys: &[(&str, &str, &str)]) -> Table {
        let column = |(at, (name, required)): (usize, &(&str, bool))| Column {
            name: (*name).into(),
            required: *required,
            key_place: u32::from(at == 0),
            affinity: Affinity::None,
        };
        Table {
            name: name.into(),
            columns: columns.iter().enumerate().map(column).collect(),
            key: Key::Rowid { name: "\"id\"".into(), column: Some(0) },
            foreign_keys: foreign_keys
                .iter()
                .map(|(from, parent, to)| ForeignKey {
                    parent: (*parent).into(),
                    from: vec![(*from).into()],
                    to: vec![(*to).into()],
                })
                .collect(),
            unique: Vec::new(),
            counter: None,
        }
    }

    fn row(cells: Vec<Cell>) -> Row {
        Row { key: vec![cells[0].clone()], cells }
    }

    #[test]
    fn a_reference_to_a_later_row_waits_and_one_to_an_earlier_does_not() {
        for (required, meanwhile) in [(false, Cell::Null), (true, Cell::Integer(5))] {
            let people = table("people", &[("id", true), ("boss", required)], &[("boss", "People", "id")]);
            let late = arrange(&[&people]).remove(0).remove(0).1;
            let plan = TablePlan { table: people, rules: vec![None, None], late };
            let first = |boss: Cell| plan.write(&Scrubber::new(b"s"), row(vec![Cell::Integer(5), boss])).first;
            assert_eq!(first(Cell::Integer(4)), None);
            assert_eq!(first(Cell::Null), None);
            assert_eq!(first(Cell::Integer(6)), Some(vec![Cell::Integer(5), meanwhile]));
        }
    }

    #[test]
    fn keys_that_are_scrubbed_are_those_of_the_target() {
        let mut accounts = table("accounts", &[("email", true)], &[]);
        accounts.key = Key::Columns(vec![0]);
        let plan = TablePlan { table: accounts, rules: vec![Some(Rule::Plain(Plain::Email))], late: Vec::new() };
        let written = plan.write(&Scrubber::new(b"s"), row(vec![Cell::text("ada@example.org")]));
        assert!(
            plan.scrubs_key()
                && written.row.key == written.row.cells
                && written.row.key != [Cell::text("ada@example.org")]
        );
    }

    #[test]
    fn what_refers_to_a_copied_table_is_copied() {
        let schema = Schema {
            tables: vec![
                table("a", &[("id", true)], &[]),
                table("b", &[("id", true), ("a", false)], &[("a", "A", "id")]),
            ],
            ..Schema::default()
        };
        let asked = |names: &[&str]| {
            choose(&schema, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                .map_err(|failure| failure.code)
        };
        assert_eq!(asked(&["a"]), Err("left_out".into()));
        assert_eq!(asked(&["c"]), Err("unknown_table".into()));
        assert_eq!(asked(&["B"]).map(|tables| tables.len()), Ok(1));
        assert_eq!(asked(&[]).map(|tables| tables.len()), Ok(2));
    }
}
