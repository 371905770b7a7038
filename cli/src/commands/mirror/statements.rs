//! The statements that write rows, within D1's limits (<https://developers.cloudflare.com/d1/platform/limits/>):
//! 100,000 bytes a statement, 100 bound parameters, 100 columns.

use super::cell::{Cell, identifier};
use super::pages::{Row, condition};
use super::schema::{Key, Table};
use super::wire::Statement;

/// Longest text of a statement here. The gateway takes 100,000 bytes, and the last ones are not worth a refusal.
const MAX_TEXT: usize = 96_000;
/// Rows of one statement: SQLite needs memory for each of them while it parses.
const MAX_ROWS: usize = 2_000;
/// The most columns that a statement with several rows can have.
const MAX_WIDTH: usize = 100;

/// Writes rows: several a statement where they fit, long ones alone and with bound parameters.
pub(super) fn inserts(table: &Table, rows: &[Row]) -> Vec<Statement> {
    let rowid = match &table.key {
        Key::Rowid { name, column: None } => Some(name.clone()),
        _ => None,
    };
    let names: Vec<String> =
        rowid.into_iter().chain(table.columns.iter().map(|column| identifier(&column.name))).collect();
    let head = format!("INSERT INTO {} ({}) VALUES ", identifier(&table.name), names.join(", "));
    let most = if names.len() > MAX_WIDTH { 1 } else { MAX_ROWS };
    let mut packer = Packer::new(&head, "", most);
    for row in rows {
        let hidden = if table.has_hidden_rowid() { row.key.as_slice() } else { &[] };
        let cells: Vec<&Cell> = hidden.iter().chain(&row.cells).collect();
        let tuple = tuple(cells.iter().copied());
        if head.len() + tuple.len() > MAX_TEXT {
            packer.statements.push(bound(&head, &cells))
        } else {
            packer.add(&tuple)
        }
    }
    packer.finish()
}

/// One row whose longest values are parameters.
fn bound(head: &str, cells: &[&Cell]) -> Statement {
    let mut written: Vec<(String, Option<serde_json::Value>)> =
        cells.iter().map(|cell| (cell.literal(), None)).collect();
    let mut by_length: Vec<usize> = (0..cells.len()).collect();
    by_length.sort_by_key(|place| std::cmp::Reverse(cells.get(*place).map_or(0, |cell| cell.octets())));
    let mut length = head.len() + 2 + written.iter().map(|(text, _)| text.len() + 2).sum::<usize>();
    for place in by_length {
        if length <= MAX_TEXT {
            break;
        }
        if let (Some(slot), Some((text, value))) =
            (written.get_mut(place), cells.get(place).and_then(|cell| cell.parameter()))
        {
            length = length - slot.0.len() + text.len();
            *slot = (text.to_owned(), Some(value));
        }
    }
    let (texts, values): (Vec<String>, Vec<Option<serde_json::Value>>) = written.into_iter().unzip();
    Statement { sql: format!("{head}({})", texts.join(", ")), params: values.into_iter().flatten().collect() }
}

/// Makes room: what stands in a range of keys goes.
pub(super) fn delete_range(table: &Table, after: Option<&[Cell]>, upto: Option<&[Cell]>) -> Statement {
    Statement::plain(format!("DELETE FROM {}{}", identifier(&table.name), condition(table, after, upto)))
}

/// Makes room for rows whose keys are other ones on the target: those keys go.
pub(super) fn delete_keys(table: &Table, keys: &[Vec<Cell>]) -> Vec<Statement> {
    let head = format!("DELETE FROM {} WHERE ({}) IN (VALUES ", identifier(&table.name), table.key_terms().join(", "));
    let tuples = keys.iter().map(|key| tuple(key.iter()));
    packed(&head, tuples, ")")
}

/// Removes some rows, whichever.
pub(super) fn delete_some(table: &Table, rows: usize) -> Statement {
    let (name, keys) = (identifier(&table.name), table.key_terms().join(", "));
    Statement::plain(format!("DELETE FROM {name} WHERE ({keys}) IN (SELECT {keys} FROM {name} LIMIT {rows})"))
}

/// Fills columns in by key: `rows` are keys as they are on the target, each with the values of `columns`.
pub(super) fn fill(table: &Table, columns: &[usize], rows: &[(Vec<Cell>, Vec<Cell>)]) -> Vec<Statement> {
    let keys = table.key_terms();
    let key_names: Vec<String> = (0..keys.len()).map(|place| format!("key_{place}")).collect();
    let value_names: Vec<String> = (0..columns.len()).map(|place| format!("value_{place}")).collect();
    let (source, target) = ("mirrored_rows", identifier(&table.name));
    let head = format!(
        "WITH {source} ({}) AS (VALUES ",
        key_names.iter().chain(&value_names).cloned().collect::<Vec<_>>().join(", ")
    );
    let set = columns.iter().zip(&value_names).filter_map(|(place, value)| {
        table.columns.get(*place).map(|column| format!("{} = {source}.{value}", identifier(&column.name)))
    });
    let on = keys.iter().zip(&key_names).map(|(term, key)| format!("{target}.{term} = {source}.{key}"));
    let tail = format!(
        ") UPDATE {target} SET {} FROM {source} WHERE {}",
        set.collect::<Vec<_>>().join(", "),
        on.collect::<Vec<_>>().join(" AND ")
    );
    packed(&head, rows.iter().map(|(key, values)| tuple(key.iter().chain(values))), &tail)
}

fn tuple<'a>(cells: impl Iterator<Item = &'a Cell>) -> String {
    format!("({})", cells.map(Cell::literal).collect::<Vec<_>>().join(", "))
}

/// As many tuples in a statement as fit.
fn packed(head: &str, tuples: impl Iterator<Item = String>, tail: &str) -> Vec<Statement> {
    let mut packer = Packer::new(head, tail, MAX_ROWS);
    tuples.for_each(|tuple| packer.add(&tuple));
    packer.finish()
}

/// Puts tuples together, between the same head and tail, until a statement is full.
struct Packer<'a> {
    head: &'a str,
    tail: &'a str,
    most: usize,
    text: String,
    held: usize,
    statements: Vec<Statement>,
}

impl<'a> Packer<'a> {
    fn new(head: &'a str, tail: &'a str, most: usize) -> Self {
        Self { head, tail, most, text: String::new(), held: 0, statements: Vec::new() }
    }

    fn add(&mut self, tuple: &str) {
        if self.held == self.most || self.head.len() + self.text.len() + tuple.len() + self.tail.len() + 2 > MAX_TEXT {
            self.close();
        }
        if self.held > 0 {
            self.text.push_str(", ");
        }
        self.text.push_str(tuple);
        self.held += 1;
    }

    fn close(&mut self) {
        if self.held > 0 {
            self.statements.push(Statement::plain(format!("{}{}{}", self.head, self.text, self.tail)));
            (self.text, self.held) = (String::new(), 0);
        }
    }

    fn finish(mut self) -> Vec<Statement> {
        self.close();
        self.statements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::mirror::affinity::Affinity;
    use crate::commands::mirror::schema::Column;

    fn table(columns: usize) -> Table {
        let column = |number: usize| Column {
            name: format!("c{number}"),
            required: false,
            key_place: 0,
            affinity: Affinity::None,
        };
        let key = Key::Rowid { name: "rowid".into(), column: None };
        Table {
            name: "t".into(),
            columns: (0..columns).map(column).collect(),
            key,
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            counter: None,
        }
    }

    fn row(number: i64, cells: Vec<Cell>) -> Row {
        Row { key: vec![Cell::Integer(number)], cells }
    }

    #[test]
    fn rows_share_statements_as_far_as_they_fit() {
        let rows: Vec<Row> =
            (0..5_000).map(|number| row(number, vec![Cell::text("0123456789".repeat(4).as_str())])).collect();
        let statements = inserts(&table(1), &rows);
        assert!(
            statements.len() > 2 && statements.iter().all(|one| one.sql.len() <= MAX_TEXT && one.params.is_empty())
        );
        assert_eq!(statements.iter().map(|one| one.sql.matches("'0123456789").count()).sum::<usize>(), 5_000);
        assert_eq!(inserts(&table(1), &rows[..2])[0].sql.matches("), (").count(), 1);
    }

    #[test]
    fn a_long_row_is_alone_and_bound_and_its_neighbours_are_not() {
        let long = "x".repeat(1_900_000);
        let rows = [
            row(1, vec![Cell::Null, Cell::Integer(1)]),
            row(2, vec![Cell::text(&long), Cell::Integer(2)]),
            row(3, vec![Cell::Blob(vec![0; 60_000]), Cell::Integer(3)]),
        ];
        let statements = inserts(&table(2), &rows);
        let bound: Vec<(&str, usize)> = statements
            .iter()
            .filter(|one| !one.params.is_empty())
            .map(|one| (one.sql.as_str(), one.params.len()))
            .collect();
        assert_eq!(
            bound,
            [
                ("INSERT INTO \"t\" (rowid, \"c0\", \"c1\") VALUES (2, ?, 2)", 1),
                ("INSERT INTO \"t\" (rowid, \"c0\", \"c1\") VALUES (3, ?, 3)", 1)
            ]
        );
    }

    #[test]
    fn a_row_of_a_hundred_columns_keeps_its_rowid_and_stays_alone() {
        let rows = [row(1, vec![Cell::Null; 100]), row(2, vec![Cell::Null; 100])];
        assert_eq!(inserts(&table(100), &rows).len(), 2);
        assert_eq!(inserts(&table(99), &[row(1, vec![Cell::Null; 99]), row(2, vec![Cell::Null; 99])]).len(), 1);
        let wide = inserts(&table(100), &[row(1, (0..100).map(|_| Cell::text(&"y".repeat(5_000))).collect())]);
        assert!(wide[0].sql.len() <= MAX_TEXT && wide[0].params.len() > 80 && wide[0].params.len() < 100);
    }

    #[test]
    fn values_are_filled_in_by_key() {
        let statements = fill(
            &table(2),
            &[1],
            &[(vec![Cell::Integer(1)], vec![Cell::text("a")]), (vec![Cell::Integer(2)], vec![Cell::text("b")])],
        );
        assert_eq!(
            statements[0].sql,
            "WITH mirrored_rows (key_0, value_0) AS (VALUES (1, 'a'), (2, 'b')) UPDATE \"t\" SET \"c1\" = \
             mirrored_rows.value_0 FROM mirrored_rows WHERE \"t\".rowid = mirrored_rows.key_0"
        );
    }
}
