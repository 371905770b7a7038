//! A table, read in pages by its key: exact, and never more at once than an answer can hold.

use std::collections::VecDeque;

use super::cell::{Cell, Sent, identifier};
use super::schema::{Key, Table};
use super::wire::{Answered, Reads};
use crate::failure::{Failure, Outcome};

/// D1 answers at most 100 columns (<https://developers.cloudflare.com/d1/platform/limits/>), and one of them says what
/// the others are.
const MAX_TERMS: usize = 98;
/// Rows whose lengths are asked for at once.
const MEASURED: usize = 10_000;
/// What a value takes in an answer beside itself.
const OVERHEAD: usize = 8;
/// About so many bytes of values are read at once. A BLOB takes four times its length in JSON, and a row may have 2 MB.
const PAGE_BYTES: u64 = 1 << 20;

/// A row: its key, then its stored columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its key.
    pub key: Vec<Cell>,
    /// Its values.
    pub cells: Vec<Cell>,
}

/// What is selected.
enum Term {
    /// A value of any class.
    Value(String),
    /// An expression that is always an integer.
    Number(String),
}

/// The condition of a range of keys: above `after`, up to `upto`.
pub(super) fn condition(table: &Table, after: Option<&[Cell]>, upto: Option<&[Cell]>) -> String {
    let terms = table.key_terms();
    let list =
        |values: Vec<String>| if values.len() == 1 { values.concat() } else { format!("({})", values.join(", ")) };
    let compared = |operator: &str, key: &[Cell]| {
        format!("{} {operator} {}", list(terms.clone()), list(key.iter().map(Cell::operand).collect()))
    };
    let parts: Vec<String> =
        after.map(|key| compared(">", key)).into_iter().chain(upto.map(|key| compared("<=", key))).collect();
    if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) }
}

/// The pages of a table.
pub(super) struct Pages<'a> {
    table: &'a Table,
    after: Option<Vec<Cell>>,
    bound: Option<Vec<Cell>>,
    ends: VecDeque<Vec<Cell>>,
    ended: bool,
}

/// One of them.
pub(super) struct Page {
    /// Its rows.
    pub rows: Vec<Row>,
    /// The key it reaches to.
    pub upto: Vec<Cell>,
}

impl<'a> Pages<'a> {
    /// The pages after a key, up to another.
    pub(super) fn new(table: &'a Table, after: Option<Vec<Cell>>, bound: Option<Vec<Cell>>) -> Self {
        Self { table, after, bound, ends: VecDeque::new(), ended: false }
    }

    /// The next page; `None` after the last one.
    pub(super) fn next(&mut self, side: &impl Reads) -> Outcome<Option<Page>> {
        if self.ends.is_empty() && !self.ended {
            self.measure(side)?;
        }
        let Some(upto) = self.ends.pop_front() else { return Ok(None) };
        let rows = self.read(side, &upto)?;
        self.after = Some(upto.clone());
        Ok(Some(Page { rows, upto }))
    }

    /// Finds where the next pages end.
    fn measure(&mut self, side: &impl Reads) -> Outcome<()> {
        let lengths: Vec<String> = self
            .table
            .columns
            .iter()
            .map(|column| format!("coalesce(octet_length({}), 0)", identifier(&column.name)))
            .collect();
        let keys = self.table.key_terms();
        let terms: Vec<Term> =
            keys.iter().cloned().map(Term::Value).chain([Term::Number(balanced(&lengths, " + "))]).collect();
        let place = condition(self.table, self.after.as_deref(), self.bound.as_deref());
        let found = select(
            side,
            &terms,
            &format!("FROM {}{place} ORDER BY {} LIMIT {MEASURED}", identifier(&self.table.name), keys.join(", ")),
        )?;
        self.ended = found.len() < MEASURED;
        let mut bytes = 0;
        let count = found.len();
        let overhead = u64::try_from(OVERHEAD * (keys.len() + self.table.columns.len())).unwrap_or_default();
        for (at, mut row) in found.into_iter().enumerate() {
            let length = match row.pop() {
                Some(Cell::Integer(length)) => u64::try_from(length).unwrap_or_default(),
                _ => 0,
            };
            bytes += length + overhead;
            if bytes >= PAGE_BYTES || at + 1 == count {
                self.ends.push_back(row);
                bytes = 0;
            }
        }
        Ok(())
    }

    fn read(&self, side: &impl Reads, upto: &[Cell]) -> Outcome<Vec<Row>> {
        let keys = self.table.key_terms();
        let columns = self.table.columns.iter().map(|column| identifier(&column.name));
        let terms: Vec<Term> = keys.iter().cloned().chain(columns).map(Term::Value).collect();
        let place = condition(self.table, self.after.as_deref(), Some(upto));
        let found = select(
            side,
            &terms,
            &format!("FROM {}{place} ORDER BY {}", identifier(&self.table.name), keys.join(", ")),
        )?;
        Ok(found.into_iter().map(|mut row| Row { cells: row.split_off(keys.len()), key: row }).collect())
    }
}

/// Rows from both ends of a table, long values cut: enough to see what it holds.
pub(super) fn sample(
    side: &impl Reads,
    table: &Table,
    bound: Option<&[Cell]>,
    rows: usize,
    characters: usize,
) -> Outcome<Vec<Vec<Cell>>> {
    let terms: Vec<Term> = table
        .columns
        .iter()
        .map(|column| {
            let name = identifier(&column.name);
            Term::Value(format!(
                "CASE WHEN typeof({name}) IN ('text', 'blob') THEN substr({name}, 1, {characters}) ELSE {name} END"
            ))
        })
        .collect();
    let (place, keys) = (condition(table, None, bound), table.key_terms());
    let mut found = Vec::new();
    for direction in ["ASC", "DESC"] {
        let order: Vec<String> = keys.iter().map(|key| format!("{key} {direction}")).collect();
        found.extend(select(
            side,
            &terms,
            &format!("FROM {}{place} ORDER BY {} LIMIT {rows}", identifier(&table.name), order.join(", ")),
        )?);
    }
    Ok(found)
}

/// How many rows each table has, and the highest key of those with a rowid: all in one look, so that rows which come
/// later are told from those of now.
pub(super) fn bounds(side: &impl Reads, tables: &[&Table]) -> Outcome<Vec<(u64, Option<Vec<Cell>>)>> {
    let mut found = Vec::new();
    for some in tables.chunks(500) {
        let selects = some.iter().map(|table| {
            let highest = match &table.key {
                Key::Rowid { name, .. } => format!("CAST(max({name}) AS TEXT)"),
                Key::Columns(_) => "NULL".to_owned(),
            };
            format!("SELECT CAST(count(*) AS TEXT), {highest} FROM {}", identifier(&table.name))
        });
        for answer in side.read(selects.collect())? {
            let mut row = answer.rows.into_iter().next().unwrap_or_default().into_iter();
            let mut number = || match row.next() {
                Some(Sent::Text(text)) => text.parse::<i64>().ok(),
                _ => None,
            };
            let count = number().and_then(|count| u64::try_from(count).ok()).ok_or_else(|| not_understood(side))?;
            found.push((count, number().map(|highest| vec![Cell::Integer(highest)])));
        }
    }
    Ok(found)
}

fn not_understood(side: &impl Reads) -> Failure {
    Failure::unreachable(
        format!(
            "Rows of the {} gateway are not understood: their values do not fit their storage classes.",
            side.environment()
        ),
        "Look whether the url in dryrun.toml is that of the gateway.",
    )
}

fn select(side: &impl Reads, terms: &[Term], rest: &str) -> Outcome<Vec<Vec<Cell>>> {
    let answers = side.read(selects(terms, rest, false))?;
    // The replacement character stands for bytes that are no UTF-8, or for itself.
    let replaced = |sent: &Sent| matches!(sent, Sent::Text(text) if text.contains('\u{fffd}'));
    let answers = if answers.iter().flat_map(|answer| &answer.rows).flatten().any(replaced) {
        side.read(selects(terms, rest, true))?
    } else {
        answers
    };
    understand(answers).ok_or_else(|| not_understood(side))
}

/// One SELECT for each 98 terms. The first column tells the storage class of the others.
fn selects(terms: &[Term], rest: &str, in_bytes: bool) -> Vec<String> {
    terms
        .chunks(MAX_TERMS)
        .map(|terms| {
            let classes: Vec<String> = terms
                .iter()
                .map(|term| match term {
                    Term::Value(term) => format!("substr(typeof({term}), 1, 1)"),
                    Term::Number(_) => "'i'".to_owned(),
                })
                .collect();
            let text = if in_bytes { " WHEN 'text' THEN CAST(TERM AS BLOB)" } else { "" };
            let values: Vec<String> = terms
                .iter()
                .map(|term| match term {
                    Term::Value(term) => format!(
                        "CASE typeof(TERM) WHEN 'integer' THEN CAST(TERM AS TEXT) WHEN 'real' \
                                                  THEN quote(TERM){text} ELSE TERM END"
                    )
                    .replace("TERM", term),
                    Term::Number(term) => format!("CAST({term} AS TEXT)"),
                })
                .collect();
            format!("SELECT {}, {} {rest}", balanced(&classes, " || "), values.join(", "))
        })
        .collect()
}

/// A chain of operators as a balanced tree: D1 takes expressions of depth 100 only.
fn balanced(parts: &[String], operator: &str) -> String {
    match parts {
        [] => "0".to_owned(),
        [one] => one.clone(),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            format!("({}{operator}{})", balanced(left, operator), balanced(right, operator))
        }
    }
}

/// Puts the parts of rows together again.
fn understand(answers: Vec<Answered>) -> Option<Vec<Vec<Cell>>> {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (part, answer) in answers.into_iter().enumerate() {
        if part == 0 {
            rows.resize_with(answer.rows.len(), Vec::new);
        } else if answer.rows.len() != rows.len() {
            return None;
        }
        for (row, sent) in rows.iter_mut().zip(answer.rows) {
            let mut sent = sent.into_iter();
            let Some(Sent::Text(classes)) = sent.next() else { return None };
            if classes.len() != sent.len() {
                return None;
            }
            for (class, sent) in classes.chars().zip(sent) {
                row.push(Cell::read(class, sent)?);
            }
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::mirror::affinity::Affinity;
    use crate::commands::mirror::schema::Column;

    fn table(key: Key) -> Table {
        let column = |name: &str| Column { name: name.into(), required: false, key_place: 0, affinity: Affinity::None };
        Table {
            name: "t".into(),
            columns: vec![column("a"), column("b")],
            key,
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            counter: None,
        }
    }

    #[test]
    fn ranges_follow_the_key() {
        let by_rowid = table(Key::Rowid { name: "rowid".into(), column: None });
        assert_eq!(
            condition(&by_rowid, Some(&[Cell::Integer(-5)]), Some(&[Cell::Integer(7)])),
            " WHERE rowid > +-5 AND rowid <= +7"
        );
        assert_eq!(condition(&by_rowid, None, None), "");
        let by_columns = table(Key::Columns(vec![1, 0]));
        assert_eq!(
            condition(&by_columns, Some(&[Cell::text("x"), Cell::Integer(1)]), None),
            " WHERE (\"b\", \"a\") > (+'x', +1)"
        );
    }

    #[test]
    fn more_columns_than_an_answer_may_have_come_in_parts() {
        let terms: Vec<Term> = (0..101).map(|number| Term::Value(format!("c{number}"))).collect();
        let selects = selects(&terms, "FROM t", false);
        assert_eq!(selects.len(), 2);
        assert!(selects.iter().all(|select| select.split(" CASE ").count() <= 99));
        let sent = |texts: &[&str]| Answered {
            rows: vec![texts.iter().map(|text| Sent::Text((*text).into())).collect()],
            changes: 0,
        };
        assert_eq!(
            understand(vec![sent(&["it", "1", "a"]), sent(&["t", "b"])]),
            Some(vec![vec![Cell::Integer(1), Cell::text("a"), Cell::text("b")]])
        );
        assert_eq!(understand(vec![sent(&["it", "1"])]), None);
        assert_eq!(understand(vec![sent(&["t", "1"]), Answered { rows: Vec::new(), changes: 0 }]), None);
    }

    #[test]
    fn chains_are_shallow() {
        assert_eq!(balanced(&["a".into(), "b".into(), "c".into()], "+"), "(a+(b+c))");
    }
}
