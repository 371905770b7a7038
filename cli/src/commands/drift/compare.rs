//! Two schemas next to each other, and two lists of applied migrations. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::schema::{Column, Side, Thing};
use crate::statements::{layout, meaning};

/// Which side has what the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// Only the side that is compared from.
    From,
    /// Only the side that is compared to.
    To,
    /// Both, but not the same.
    Both,
}

impl Where {
    /// The spelling for programs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::From => "only_in_from",
            Self::To => "only_in_to",
            Self::Both => "different",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that an index or trigger belongs to.
    pub table: String,
    /// Which side has it.
    pub place: Where,
    /// What is different, one by one, for people.
    pub details: Vec<String>,
    /// The definitions line by line: `+` of the side that is compared from, `-` of the other, blank of both.
    pub lines: Vec<(char, String)>,
    /// What is different in columns, for programs.
    pub columns: Vec<Value>,
}

/// Compares two schemas.
pub(super) fn differences(from: &Side, to: &Side) -> Vec<Difference> {
    let names: BTreeSet<_> = from.things.keys().chain(to.things.keys()).collect();
    let mut found: Vec<Difference> = names
        .into_iter()
        .filter_map(|name| match (from.things.get(name), to.things.get(name)) {
            (Some(one), None) => Some(alone(one, Where::From)),
            (None, Some(other)) => Some(alone(other, Where::To)),
            (Some(one), Some(other)) => compare(one, other),
            (None, None) => None,
        })
        .collect();
    // Tables first, and what belongs to them after them.
    let rank = |kind: &str| ["table", "view", "index", "trigger"].iter().position(|known| *known == kind);
    found.sort_by_key(|one| (rank(&one.kind), one.name.to_ascii_lowercase()));
    found
}

fn alone(thing: &Thing, place: Where) -> Difference {
    let sign = if place == Where::From { '+' } else { '-' };
    let lines = layout(&thing.definition.sql).into_iter().map(|line| (sign, line)).collect();
    Difference { lines, ..named(thing, place) }
}

fn named(thing: &Thing, place: Where) -> Difference {
    let one = &thing.definition;
    Difference {
        kind: one.kind.clone(),
        name: one.name.clone(),
        table: one.table.clone(),
        place,
        details: Vec::new(),
        lines: Vec::new(),
        columns: Vec::new(),
    }
}

fn compare(one: &Thing, other: &Thing) -> Option<Difference> {
    let mut details = Vec::new();
    if one.definition.name != other.definition.name {
        details.push(format!("name: + {} · - {}", one.definition.name, other.definition.name));
    }
    let columns = compare_columns(&one.columns, &other.columns, &mut details);
    sets(&one.foreign_keys, &other.foreign_keys, "foreign key", &mut details);
    sets(&one.options, &other.options, "option", &mut details);
    let (mine, theirs) = (meaning(&one.definition.sql), meaning(&other.definition.sql));
    if details.is_empty() && mine == theirs {
        return None;
    }
    if details.is_empty() {
        details.push("the definition says something else".to_owned());
    }
    Some(Difference {
        details,
        columns,
        lines: lines(&one.definition.sql, &other.definition.sql),
        ..named(one, Where::Both)
    })
}

fn compare_columns(mine: &[Column], theirs: &[Column], details: &mut Vec<String>) -> Vec<Value> {
    let same = |left: &Column, right: &Column| left.name.eq_ignore_ascii_case(&right.name);
    let mut columns = Vec::new();
    for column in mine {
        match theirs.iter().find(|other| same(column, other)) {
            None => {
                details.push(format!("+ column {}", column.describe()));
                columns.push(
                    json!({"name": column.name, "change": Where::From.as_str(), "from": column.to_json(), "to": null}),
                );
            }
            Some(other) if other.meaning() != column.meaning() => {
                details.push(format!("column {}: + {} · - {}", column.name, column.describe(), other.describe()));
                columns.push(json!({"name": column.name, "change": Where::Both.as_str(), "from": column.to_json(), "to": other.to_json()}));
            }
            Some(_) => {}
        }
    }
    for column in theirs.iter().filter(|column| !mine.iter().any(|one| same(one, column))) {
        details.push(format!("- column {}", column.describe()));
        columns.push(json!({"name": column.name, "change": Where::To.as_str(), "from": null, "to": column.to_json()}));
    }
    let order = |columns: &[Column], others: &[Column]| {
        columns
            .iter()
            .filter(|one| others.iter().any(|other| same(one, other)))
            .map(|one| one.name.to_lowercase())
            .collect::<Vec<_>>()
    };
    if order(mine, theirs) != order(theirs, mine) {
        details.push(format!(
            "order of columns: + {} · - {}",
            order(mine, theirs).join(", "),
            order(theirs, mine).join(", ")
        ));
    }
    columns
}

impl Column {
    /// What of a column is not only spelling: a default means what its words mean.
    fn meaning(&self) -> (String, String, bool, Option<Vec<String>>, u64, Option<&'static str>) {
        (
            self.name.clone(),
            self.kind.clone(),
            self.not_null,
            self.default.as_deref().map(meaning),
            self.key,
            self.generated,
        )
    }
}

fn sets<T: Ord + std::fmt::Display>(mine: &BTreeSet<T>, theirs: &BTreeSet<T>, what: &str, details: &mut Vec<String>) {
    details.extend(mine.difference(theirs).map(|one| format!("+ {what} {one}")));
    details.extend(theirs.difference(mine).map(|one| format!("- {what} {one}")));
}

/// The definitions line by line. Lines that mean the same are the same, however they are written.
fn lines(mine: &str, theirs: &str) -> Vec<(char, String)> {
    let (mine, theirs) = (layout(mine), layout(theirs));
    let meanings =
        |lines: &[String]| lines.iter().map(|line| meaning(line.trim_end_matches(',')).join(" ")).collect::<Vec<_>>();
    let (left, right) = (meanings(&theirs), meanings(&mine));
    let (left, right): (Vec<&str>, Vec<&str>) =
        (left.iter().map(String::as_str).collect(), right.iter().map(String::as_str).collect());
    let diff = TextDiff::from_slices(&left, &right);
    if left == right {
        // Only the spelling of a name is different, which is told by itself.
        return Vec::new();
    }
    diff.iter_all_changes()
        .filter_map(|change| match change.tag() {
            ChangeTag::Delete => Some(('-', theirs.get(change.old_index()?)?.clone())),
            ChangeTag::Insert => Some(('+', mine.get(change.new_index()?)?.clone())),
            ChangeTag::Equal => Some((' ', mine.get(change.new_index()?)?.clone())),
        })
        .collect()
}

/// The migrations of two sides, next to each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Level {
    /// Applied where it is compared from, and not where it is compared to, in the order of the one.
    pub pending: Vec<String>,
    /// Applied where it is compared to, and not where it is compared from.
    pub missing: Vec<String>,
    /// What is odd about the order, for people.
    pub out_of_order: Vec<String>,
}

impl Level {
    /// Whether both are at the same level.
    pub(super) fn is_equal(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two lists of applied migrations, each in the order in which they were applied.
pub(super) fn level(from: &[String], to: &[String]) -> Level {
    let pending: Vec<String> = from.iter().filter(|name| !to.contains(name)).cloned().collect();
    let missing: Vec<String> = to.iter().filter(|name| !from.contains(name)).cloned().collect();
    let mut out_of_order = Vec::new();
    for name in &pending {
        let later = from.iter().skip_while(|other| *other != name).find(|other| to.contains(other));
        out_of_order
            .extend(later.map(|later| format!("{name} is pending, but {later}, which came after it, is applied.")));
    }
    let common = |list: &[String], other: &[String]| {
        list.iter().filter(|name| other.contains(name)).cloned().collect::<Vec<_>>()
    };
    let (mine, theirs) = (common(from, to), common(to, from));
    if mine != theirs {
        out_of_order.push(format!(
            "they were applied in another order: + {} · - {}",
            mine.join(", "),
            theirs.join(", ")
        ));
    }
    Level { pending, missing, out_of_order }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dry::Definition;

    fn side(definitions: &[&str]) -> Side {
        let thing = |sql: &&str| {
            let words: Vec<&str> = sql.split([' ', '(']).collect();
            let definition = Definition {
                kind: words[1].to_lowercase(),
                name: words[2].to_owned(),
                table: "t".into(),
                sql: (*sql).to_owned(),
            };
            let thing =
                Thing { definition, columns: Vec::new(), foreign_keys: BTreeSet::new(), options: BTreeSet::new() };
            ((words[1].to_lowercase(), words[2].to_lowercase()), thing)
        };
        Side { things: definitions.iter().map(thing).collect(), applied: None }
    }

    fn shown(from: &[&str], to: &[&str]) -> Vec<String> {
        differences(&side(from), &side(to))
            .iter()
            .map(|one| format!("{} {} {}", one.place.as_str(), one.kind, one.name))
            .collect()
    }

    #[test]
    fn what_one_side_has_and_the_other_has_not_is_told_tables_first() {
        assert_eq!(
            shown(&["CREATE INDEX i ON t (a)", "CREATE TABLE t (a)"], &["CREATE TABLE u (a)"]),
            ["only_in_from table t", "only_in_to table u", "only_in_from index i"]
        );
    }

    #[test]
    fn formatting_is_no_difference_and_another_meaning_is() {
        assert!(
            shown(
                &["CREATE TABLE t (a INTEGER CHECK (a > 0))"],
                &["create table t(\n\"a\" integer check(a>0) -- positive\n)"]
            )
            .is_empty()
        );
        assert_eq!(
            shown(&["CREATE TABLE t (a CHECK (a > 0))"], &["CREATE TABLE t (a CHECK (a > 1))"]),
            ["different table t"]
        );
    }

    #[test]
    fn lines_that_mean_the_same_are_shown_as_the_same() {
        let shown: Vec<String> =
            lines("CREATE TABLE t (a TEXT, b TEXT NOT NULL)", "CREATE TABLE t (\"a\" text,\n  b TEXT,\n c)")
                .into_iter()
                .map(|(sign, line)| format!("{sign}{line}"))
                .collect();
        assert_eq!(shown, [" CREATE TABLE t(", "   a TEXT,", "-  b TEXT,", "-  c", "+  b TEXT NOT NULL", " )"]);
    }

    #[test]
    fn levels_tell_what_is_pending_missing_and_out_of_order() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(level(&list(&["1", "2"]), &list(&["1", "2"])).is_equal());
        assert_eq!(
            level(&list(&["1", "2", "3"]), &list(&["1"])),
            Level { pending: list(&["2", "3"]), ..Level::default() }
        );
        let odd = level(&list(&["1", "2", "3"]), &list(&["1", "3", "hotfix"]));
        assert_eq!(
            (odd.pending, odd.missing, odd.out_of_order),
            (list(&["2"]), list(&["hotfix"]), list(&["2 is pending, but 3, which came after it, is applied."]))
        );
        assert_eq!(level(&list(&["1", "2"]), &list(&["2", "1"])).out_of_order.len(), 1);
    }
}
