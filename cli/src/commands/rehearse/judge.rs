//! What a reviewer of a migration must not overlook: rows that go or change although the file does not name them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::dry::Definition;
use crate::statements::{Action, Statement, meaning};

/// One changed row, as the run's journal has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effect {
    /// Which statement changed it, counted from 1.
    pub statement: usize,
    /// Its table; `schema` for definitions.
    pub subject: String,
    /// Which row.
    pub key: String,
    /// The row before; absent when it was not there.
    pub before: Option<Map<String, Value>>,
    /// The row after; absent when it is gone.
    pub after: Option<Map<String, Value>>,
}

/// The subject of effects that are definitions.
pub(super) const SCHEMA: &str = "schema";

impl Effect {
    /// Reads those of an operation.
    pub(super) fn read(operation: &Value) -> Vec<Self> {
        let effects = operation.get("effects").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |effect: &Value, name: &str| effect.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let image = |effect: &Value, name: &str| effect.get(name).and_then(Value::as_object).cloned();
        effects
            .iter()
            .map(|effect| Self {
                // An operation of one statement does not number it.
                statement: effect
                    .get("statement")
                    .and_then(Value::as_u64)
                    .and_then(|number| usize::try_from(number).ok())
                    .unwrap_or(1),
                subject: text(effect, "subject"),
                key: text(effect, "key"),
                before: image(effect, "before"),
                after: image(effect, "after"),
            })
            .collect()
    }
}

/// Something that should not go through unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// A stable code.
    pub code: &'static str,
    /// Which statement, counted from 1.
    pub statement: usize,
    /// The table.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// What it is, for a person.
    pub message: String,
}

/// One table through a file, whatever it is called on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Instance {
    /// Its name before the file; absent when the file makes it.
    pub base: Option<String>,
    /// Its name after the file; absent when the file removes it.
    pub end: Option<String>,
    /// The statement that removes it.
    pub dropped: Option<usize>,
}

/// Which table is meant by a name, statement by statement.
#[derive(Debug, Clone, Default)]
pub(super) struct Lineage {
    /// All tables.
    pub instances: Vec<Instance>,
    /// The names before each statement, and after the last.
    names: Vec<BTreeMap<String, usize>>,
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl Lineage {
    /// Follows the tables of `before` through the statements.
    pub(super) fn follow(statements: &[Statement], before: &BTreeSet<String>) -> Self {
        let mut instances: Vec<Instance> =
            before.iter().map(|name| Instance { base: Some(name.clone()), ..Instance::default() }).collect();
        let mut now: BTreeMap<String, usize> =
            before.iter().enumerate().map(|(index, name)| (lower(name), index)).collect();
        let mut names = Vec::new();
        for (number, statement) in (1..).zip(statements) {
            names.push(now.clone());
            let Some(table) = statement.table.as_deref().map(lower) else { continue };
            match &statement.action {
                Action::Create => {
                    now.entry(table).or_insert_with(|| {
                        instances.push(Instance::default());
                        instances.len() - 1
                    });
                }
                Action::Drop => {
                    if let Some(instance) = now.remove(&table).and_then(|index| instances.get_mut(index)) {
                        instance.dropped = Some(number);
                    }
                }
                Action::Rename(new) => {
                    if let Some(index) = now.remove(&table) {
                        now.insert(lower(new), index);
                    }
                }
                _ => {}
            }
        }
        for (name, index) in &now {
            if let Some(instance) = instances.get_mut(*index) {
                instance.end = Some(name.clone());
            }
        }
        names.push(now);
        Self { instances, names }
    }

    /// The table that an effect is of.
    pub(super) fn of(&self, effect: &Effect) -> Option<usize> {
        let name = lower(&effect.subject);
        let at = |position: usize| self.names.get(position).and_then(|names| names.get(&name)).copied();
        // What a CREATE TABLE … AS inserts is in a table that is not there before it.
        at(effect.statement.saturating_sub(1)).or_else(|| at(effect.statement))
    }

    /// The table that has this name after the file.
    pub(super) fn ending_as(&self, name: &str) -> Option<(usize, &Instance)> {
        let name = lower(name);
        self.instances.iter().enumerate().find(|(_, instance)| instance.end.as_deref() == Some(&name))
    }

    /// Whether a table that the file removes has a successor of the same name.
    fn is_made_anew(&self, instance: &Instance) -> bool {
        instance.dropped.is_some() && instance.base.as_ref().is_some_and(|base| self.ending_as(base).is_some())
    }
}

/// What the judgement rests on.
pub(super) struct Case<'a> {
    /// The statements of the file, in order.
    pub statements: &'a [Statement],
    /// What they changed.
    pub effects: &'a [Effect],
    /// The tables through the file.
    pub lineage: &'a Lineage,
    /// The columns of the primary key of each table after the file, by the table's name in small letters.
    pub keys: &'a BTreeMap<String, Vec<String>>,
    /// Tables that may change without being named, in small letters.
    pub accepted: &'a BTreeSet<String>,
}

impl Case<'_> {
    fn statement(&self, number: usize) -> Option<&Statement> {
        self.statements.get(number.checked_sub(1)?)
    }

    fn at(&self, number: usize) -> String {
        self.statement(number)
            .map_or_else(String::new, |statement| format!("line {}: {} ", statement.line, verb(statement)))
    }

    /// Everything that the file does not name.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut deleted: BTreeMap<(usize, &str), u64> = BTreeMap::new();
        let mut changed: BTreeMap<(usize, &str), (u64, u64)> = BTreeMap::new();
        let named = self.named();
        for effect in self
            .effects
            .iter()
            .filter(|effect| effect.subject != SCHEMA && !self.accepted.contains(&lower(&effect.subject)))
        {
            let place = (effect.statement, effect.subject.as_str());
            if effect.after.is_none() {
                *deleted.entry(place).or_default() += u64::from(!self.names_deletion(effect));
            } else if !named.contains(&lower(&effect.subject)) {
                let counts = changed.entry(place).or_default();
                if effect.before.is_none() { counts.0 += 1 } else { counts.1 += 1 }
            }
        }
        let mut findings: Vec<Finding> = deleted
            .into_iter()
            .filter(|(_, rows)| *rows > 0)
            .map(|((statement, table), rows)| Finding {
                code: "unnamed_deletion",
                statement,
                table: table.to_owned(),
                rows,
                message: format!(
                    "{}also deletes {} of {table}, which it does not name.",
                    self.at(statement),
                    plural(rows)
                ),
            })
            .collect();
        findings.extend(changed.into_iter().map(|((statement, table), (inserted, updated))| {
            let what = match (inserted, updated) {
                (inserted, 0) => format!("inserts {} into {table}", plural(inserted)),
                (0, updated) => format!("updates {} of {table}", plural(updated)),
                (inserted, updated) => format!("inserts {} into {table} and updates {updated}", plural(inserted)),
            };
            Finding {
                code: "unnamed_change",
                statement,
                table: table.to_owned(),
                rows: inserted + updated,
                message: format!("{}also {what}, which no statement of the file names.", self.at(statement)),
            }
        }));
        findings.extend(self.lost_on_the_way());
        findings.sort_by_key(|finding| finding.statement);
        findings
    }

    /// Every table that a statement of the file names as what it writes or changes.
    fn named(&self) -> BTreeSet<String> {
        let writes = |statement: &&Statement| !matches!(statement.action, Action::None | Action::Index);
        let of = |statement: &Statement| {
            let new = if let Action::Rename(new) = &statement.action { Some(lower(new)) } else { None };
            statement.table.as_deref().map(lower).into_iter().chain(new).collect::<Vec<_>>()
        };
        self.statements.iter().filter(writes).flat_map(of).collect()
    }

    /// Whether a row that goes is one of a table from which the file says to remove rows: in this statement, or all of
    /// them in any.
    fn names_deletion(&self, effect: &Effect) -> bool {
        let subject = lower(&effect.subject);
        let same = |statement: &Statement| statement.table.as_deref().map(lower).as_deref() == Some(subject.as_str());
        let by_itself = self
            .statement(effect.statement)
            .is_some_and(|statement| same(statement) && matches!(statement.action, Action::Delete | Action::Drop));
        let all_go = self
            .statements
            .iter()
            .any(|statement| same(statement) && statement.action == Action::Delete && statement.unbounded);
        let instance = self.lineage.of(effect).and_then(|index| self.lineage.instances.get(index));
        let table_goes =
            instance.is_some_and(|instance| instance.dropped.is_some() && !self.lineage.is_made_anew(instance));
        // The rows of a table that is made anew go with its first shape: those that are not in the new one are looked
        // at by themselves.
        by_itself || all_go || table_goes
    }

    /// Rows of tables that are made anew, and that are not in the new one.
    fn lost_on_the_way(&self) -> Vec<Finding> {
        let anew =
            self.lineage.instances.iter().enumerate().filter(|(_, instance)| self.lineage.is_made_anew(instance));
        anew.filter_map(|(old, instance)| {
            let (table, statement) = (instance.base.as_deref()?, instance.dropped?);
            let (new, successor) = self.lineage.ending_as(table)?;
            if self.accepted.contains(&lower(table)) || successor.base.is_some() {
                return None;
            }
            let gone: Vec<&Map<String, Value>> = self
                .of_instance(old)
                .filter(|effect| effect.statement == statement && effect.after.is_none())
                .filter_map(|effect| effect.before.as_ref())
                .collect();
            let mut kept: BTreeMap<&str, &Map<String, Value>> = BTreeMap::new();
            for effect in self.of_instance(new) {
                match &effect.after {
                    Some(image) => _ = kept.insert(&effect.key, image),
                    None => _ = kept.remove(effect.key.as_str()),
                }
            }
            let kept: Vec<&Map<String, Value>> = kept.into_values().collect();
            let (rows, examples) =
                lost(&gone, &kept, self.keys.get(&lower(table)).map(Vec::as_slice).unwrap_or_default());
            let named = if examples.is_empty() {
                String::new()
            } else {
                format!(" ({}{})", examples.join(", "), if rows > 3 { ", …" } else { "" })
            };
            (rows > 0).then(|| Finding {
                code: "lost_on_the_way",
                statement,
                table: table.to_owned(),
                rows,
                message: format!(
                    "line {}: {table} is made anew without {} that it had{named}.",
                    self.statement(statement).map_or(0, |statement| statement.line),
                    plural(rows)
                ),
            })
        })
        .collect()
    }

    fn of_instance(&self, index: usize) -> impl Iterator<Item = &Effect> {
        self.effects.iter().filter(move |effect| effect.subject != SCHEMA && self.lineage.of(effect) == Some(index))
    }
}

/// How many rows of `gone` are not in `kept`: by their primary key where both have it, and else by number. Up to three
/// are named.
fn lost(gone: &[&Map<String, Value>], kept: &[&Map<String, Value>], key: &[String]) -> (u64, Vec<String>) {
    let identity = |image: &Map<String, Value>| {
        key.iter().map(|column| image.get(column).map(ToString::to_string)).collect::<Option<Vec<_>>>()
    };
    let identities =
        |images: &[&Map<String, Value>]| images.iter().map(|image| identity(image)).collect::<Option<Vec<_>>>();
    match (key.is_empty(), identities(gone), identities(kept)) {
        (false, Some(gone), Some(kept)) => {
            let kept: BTreeSet<Vec<String>> = kept.into_iter().collect();
            let lost: Vec<Vec<String>> = gone.into_iter().filter(|one| !kept.contains(one)).collect();
            let name = |values: &Vec<String>| {
                key.iter()
                    .zip(values)
                    .map(|(column, value)| format!("{column} {}", crate::statements::brief(value, 40)))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            (lost.len() as u64, lost.iter().take(3).map(name).collect())
        }
        _ => (gone.len().saturating_sub(kept.len()) as u64, Vec::new()),
    }
}

/// A statement by its verb and table.
pub(super) fn verb(statement: &Statement) -> String {
    let words = match statement.action {
        Action::Create
        | Action::Drop
        | Action::Rename(_)
        | Action::RenameColumn(..)
        | Action::AddColumn { .. }
        | Action::DropColumn => 2,
        Action::None | Action::Write | Action::Delete | Action::Index => 1,
    };
    let said = meaning(&statement.text);
    // A statement may begin with tables of its own.
    let skipped = if said.first().is_some_and(|first| first == "with") { own_tables(&said) } else { 0 };
    let verb = said.iter().skip(skipped).take(words).cloned().collect::<Vec<_>>().join(" ").to_uppercase();
    match &statement.table {
        Some(table) => format!("{verb} {table}"),
        None => verb,
    }
}

/// How many words stand before the verb of a statement that begins with WITH.
fn own_tables(words: &[String]) -> usize {
    let mut depth = 0usize;
    let verb = words.iter().position(|word| {
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && ["insert", "replace", "update", "delete", "select"].contains(&word.as_str())
    });
    verb.unwrap_or_default()
}

/// Indexes and triggers that went with a table which is there again, and that no statement names: a table that is made
/// anew loses them silently.
pub(super) fn left_behind(before: &[Definition], after: &[Definition], statements: &[Statement]) -> Vec<String> {
    let dropped = |name: &str| {
        statements.iter().any(|statement| {
            let words = meaning(&statement.text);
            words.first().is_some_and(|first| first == "drop")
                && words.last().is_some_and(|last| last.eq_ignore_ascii_case(name))
        })
    };
    let is_there =
        |kind: &str, name: &str| after.iter().any(|one| one.kind == kind && one.name.eq_ignore_ascii_case(name));
    let gone = before.iter().filter(|one| matches!(one.kind.as_str(), "index" | "trigger") && !one.sql.is_empty());
    gone.filter(|one| is_there("table", &one.table) && !is_there(&one.kind, &one.name) && !dropped(&one.name))
        .map(|one| format!("{} is made anew without its {} {}.", one.table, one.kind, one.name))
        .collect()
}

/// A number of rows, for people.
pub(super) fn plural(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::cut;
    use serde_json::json;

    fn image(value: &Value) -> Option<Map<String, Value>> {
        value.as_object().cloned()
    }

    fn effect(statement: usize, subject: &str, key: &str, before: Value, after: Value) -> Effect {
        Effect { statement, subject: subject.into(), key: key.into(), before: image(&before), after: image(&after) }
    }

    fn judge(before: &[&str], sql: &str, effects: &[Effect]) -> Vec<String> {
        let statements = cut(sql).statements;
        let lineage = Lineage::follow(&statements, &before.iter().map(|name| (*name).to_owned()).collect());
        let keys = BTreeMap::from([("t".to_owned(), vec!["id".to_owned()])]);
        let case = Case {
            statements: &statements,
            effects,
            lineage: &lineage,
            keys: &keys,
            accepted: &BTreeSet::from(["log".to_owned()]),
        };
        case.findings().into_iter().map(|finding| finding.message).collect()
    }

    fn gone(statement: usize, subject: &str, id: u64) -> Effect {
        effect(statement, subject, &id.to_string(), json!({"id": id}), Value::Null)
    }

    fn come(statement: usize, subject: &str, id: u64) -> Effect {
        effect(statement, subject, &id.to_string(), Value::Null, json!({"id": id}))
    }

    #[test]
    fn rows_of_the_table_that_a_delete_or_drop_names_may_go_and_others_may_not() {
        assert!(judge(&["t"], "DELETE FROM T WHERE id = 1", &[gone(1, "t", 1)]).is_empty());
        assert!(judge(&["t"], "DROP TABLE t", &[gone(1, "t", 1)]).is_empty());
        assert_eq!(
            judge(
                &["t", "c"],
                "SELECT 1;\nDELETE FROM t WHERE id = 1",
                &[gone(2, "t", 1), gone(2, "c", 7), gone(2, "c", 8), gone(2, "log", 1)]
            ),
            ["line 2: DELETE t also deletes 2 rows of c, which it does not name."]
        );
        // A DELETE with a WHERE names its own rows; those that a cascade takes are others.
        assert_eq!(judge(&["t", "c"], "DELETE FROM c WHERE id = 1; DELETE FROM t", &[gone(2, "c", 2)]).len(), 1);
        assert!(judge(&["t", "c"], "DELETE FROM t; DELETE FROM c", &[gone(1, "c", 2)]).is_empty());
        assert!(judge(&["t", "c"], "DROP TABLE t; DROP TABLE c", &[gone(1, "c", 2)]).is_empty());
        // REPLACE removes rows that it does not name, also of its own table.
        assert_eq!(judge(&["t"], "INSERT OR REPLACE INTO t VALUES (1)", &[gone(1, "t", 2), come(1, "t", 1)]).len(), 1);
    }

    #[test]
    fn rows_of_a_table_that_no_statement_names_may_not_change() {
        let update = |subject: &str| effect(1, subject, "1", json!({"a": 1}), json!({"a": 2}));
        assert!(judge(&["t", "c"], "UPDATE t SET a = 2", &[update("t"), update("log")]).is_empty());
        assert_eq!(
            judge(&["t", "c"], "UPDATE t SET a = 2", &[update("t"), update("c"), come(1, "c", 5)]),
            ["line 1: UPDATE t also inserts 1 row into c and updates 1, which no statement of the file names."]
        );
        assert!(judge(&["t", "c"], "UPDATE t SET a = 2; UPDATE c SET a = 1", &[update("c")]).is_empty());
    }

    #[test]
    fn a_table_that_is_made_anew_keeps_its_rows_or_says_which_it_lost() {
        let anew = "CREATE TABLE t_new (id);\nINSERT INTO t_new SELECT id FROM t;\nDROP TABLE t;\nALTER TABLE t_new \
                    RENAME TO t";
        let all = [come(2, "t_new", 1), come(2, "t_new", 2), gone(3, "t", 1), gone(3, "t", 2)];
        assert!(judge(&["t"], anew, &all).is_empty());
        assert_eq!(judge(&["t"], anew, &all[1..]), ["line 3: t is made anew without 1 row that it had (id 1)."]);
        // The old one renamed first; the key is what tells rows apart, whatever their rowids are.
        let renamed =
            "ALTER TABLE t RENAME TO old; CREATE TABLE t (id); INSERT INTO t SELECT id FROM old; DROP TABLE old";
        let moved = [effect(3, "t", "9", Value::Null, json!({"id": 1})), gone(4, "old", 1), gone(4, "old", 2)];
        assert_eq!(judge(&["t"], renamed, &moved), ["line 1: t is made anew without 1 row that it had (id 2)."]);
    }

    #[test]
    fn a_statement_with_tables_of_its_own_is_called_by_its_verb() {
        let called = |sql: &str| verb(&cut(sql).statements[0]);
        assert_eq!(
            called("WITH x AS (SELECT 1), y (a) AS (VALUES (2)) delete FROM t WHERE id IN (SELECT * FROM x)"),
            "DELETE t"
        );
        assert_eq!(called("/* why */ UPDATE t SET a = 1"), "UPDATE t");
        assert_eq!(called("CREATE TABLE t (a)"), "CREATE TABLE t");
    }

    #[test]
    fn indexes_and_triggers_that_go_with_a_table_made_anew_are_told() {
        let one = |kind: &str, name: &str, sql: &str| Definition {
            kind: kind.into(),
            name: name.into(),
            table: "t".into(),
            sql: sql.into(),
        };
        let before = [
            one("table", "t", "…"),
            one("index", "by_a", "…"),
            one("index", "sqlite_autoindex_t_1", ""),
            one("trigger", "Noted", "…"),
            one("index", "kept", "…"),
        ];
        let after = [one("table", "t", "…"), one("index", "kept", "…")];
        let told = |sql: &str| left_behind(&before, &after, &cut(sql).statements);
        assert_eq!(
            told("DROP TABLE t"),
            ["t is made anew without its index by_a.", "t is made anew without its trigger Noted."]
        );
        assert!(told("DROP INDEX by_a; DROP TRIGGER IF EXISTS \"noted\"").is_empty());
        assert!(left_behind(&before, &[], &[]).is_empty(), "what goes for good takes its own along");
    }

    #[test]
    fn without_a_key_lost_rows_are_told_by_their_number() {
        let (one, two) = (image(&json!({"a": 1})).unwrap(), image(&json!({"a": 2})).unwrap());
        assert_eq!(lost(&[&one, &two], &[&one], &[]), (1, vec![]));
        assert_eq!(lost(&[&one], &[&one, &two], &["id".into()]), (0, vec![]));
    }
}
