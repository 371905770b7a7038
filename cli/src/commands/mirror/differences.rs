//! How two databases differ, as far as their descriptions say.

use super::schema::{Object, Schema};
use crate::statements::meaning;

/// How the target differs from the source, as far as the tables that are copied go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Missing on the target: what the source has.
    pub missing: Vec<Object>,
    /// Different, or only on the target, in words.
    pub different: Vec<String>,
    /// Tables and views that only the target has. They stay as they are.
    pub further: Vec<String>,
}

/// Compares what belongs to the tables that `chosen` picks, and the views.
pub(super) fn compare(source: &Schema, target: &Schema, chosen: &dyn Fn(&str) -> bool) -> Differences {
    let mut found = Differences::default();
    let views = |schema: &Schema, name: &str| schema.object("view", name).is_some();
    for object in source
        .objects
        .iter()
        .filter(|object| (chosen(&object.table) || views(source, &object.table)) && !object.sql.is_empty())
    {
        match target.object(&object.kind, &object.name) {
            None => found.missing.push(object.clone()),
            Some(other) if meaning(&other.sql) == meaning(&object.sql) => {}
            Some(_) => found.different.push(format!("the {} {} is defined in another way", object.kind, object.name)),
        }
    }
    for object in target
        .objects
        .iter()
        .filter(|object| !object.sql.is_empty() && source.object(&object.kind, &object.name).is_none())
    {
        if object.kind == "table" || object.kind == "view" {
            found.further.push(object.name.clone());
        } else if chosen(&object.table) {
            found.different.push(format!("the {} {} on {} is only there", object.kind, object.name, object.table));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str, table: &str, sql: &str) -> Object {
        Object { kind: kind.into(), name: name.into(), table: table.into(), sql: sql.into() }
    }

    #[test]
    fn quotes_capitals_blanks_and_comments_are_no_difference() {
        let schema = |sql: &str| Schema { objects: vec![object("table", "t", "t", sql)], ..Schema::default() };
        let different = |other: &str| {
            !compare(&schema("CREATE TABLE \"t\" (a INT DEFAULT 'A b')"), &schema(other), &|_| true)
                .different
                .is_empty()
        };
        assert!(!different("create table t(\n[a] int default 'A b' -- first\n)"));
        assert!(
            different("CREATE TABLE t (a INT DEFAULT 'a b')") && different("CREATE TABLE t (a INT DEFAULT 'A  b')")
        );
    }

    #[test]
    fn what_is_missing_is_told_from_what_differs() {
        let schema = |objects: Vec<Object>| Schema { objects, ..Schema::default() };
        let source = schema(vec![
            object("table", "a", "a", "CREATE TABLE a(x)"),
            object("table", "b", "b", "CREATE TABLE b(x)"),
            object("index", "i", "a", "CREATE INDEX i ON a(x)"),
        ]);
        let target = schema(vec![
            object("table", "a", "a", "CREATE TABLE a(x, y)"),
            object("trigger", "t", "a", "CREATE TRIGGER t …"),
            object("table", "c", "c", "CREATE TABLE c(x)"),
        ]);
        let found = compare(&source, &target, &|_| true);
        assert_eq!(found.missing.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), ["b", "i"]);
        assert_eq!(found.different, ["the table a is defined in another way", "the trigger t on a is only there"]);
        assert_eq!(found.further, ["c"]);
    }
}
