//! What a reviewer should not overlook in statements.

use std::collections::BTreeMap;

use dryrun_text::Words;
use serde_json::Value;

use crate::domain::effect::{Change, Effect, SCHEMA};
use crate::domain::finding::{Finding, FindingKind, MAX_NAMED, Recorded};
use crate::domain::journal::{Entry, Position};
use dryrun_sql::pragma::Setting;
use dryrun_sql::statement::split;

/// Every finding about statements of a run.
pub fn findings(recorded: &Recorded<'_>) -> Vec<Finding> {
    let mut findings = unbounded(recorded);
    let cascades = cascades(recorded);
    findings.extend(foreign_keys_stay_on(recorded, &cascades));
    findings.extend(cascades);
    findings
}

/// An UPDATE or DELETE without a WHERE.
fn unbounded(recorded: &Recorded<'_>) -> Vec<Finding> {
    let carried_out = recorded.carried_out().filter(|entry| !entry.unbounded.is_empty());
    carried_out
        .map(|entry| {
            let statements = entry.unbounded.iter().map(|statement| verb_and_table(statement));
            let verb = if entry.unbounded.len() == 1 { " has no WHERE: it" } else { " have no WHERE: each" };
            let message = Words::default()
                .join(statements, ", ")
                .say(verb)
                .say(" changes every row of its table, including rows that are added before this is made real.");
            Finding { kind: FindingKind::Unbounded, message, operations: vec![entry.position] }
        })
        .collect()
}

/// `DELETE users`, as the journal has it: the verb is ours, the table is data.
fn verb_and_table(statement: &str) -> Words {
    match statement.split_once(' ') {
        Some((verb, table)) => self::verb(verb).say(" ").name(table),
        None => Words::default().name(statement),
    }
}

/// What a statement that can remove rows does.
fn verb(action: &str) -> Words {
    let known = ["DELETE", "UPDATE", "INSERT", "REPLACE", "DROP TABLE", "ALTER TABLE"];
    match known.into_iter().find(|known| *known == action) {
        Some(known) => Words::new(known),
        None => Words::default().name(action),
    }
}

/// Rows that vanish although no statement names their table: by a foreign key's action, or by a trigger.
fn cascades(recorded: &Recorded<'_>) -> Vec<Finding> {
    recorded
        .entries
        .iter()
        .flat_map(|entry| {
            named(entry).into_iter().filter_map(|(statement, action, named)| {
                let mut removed: BTreeMap<&str, usize> = BTreeMap::new();
                let own = |effect: &Effect| {
                    effect.change() == Some(Change::Deleted) && (statement.is_none() || effect.statement == statement)
                };
                for (_, effect) in
                    recorded.effects.iter().filter(|(position, effect)| *position == entry.position && own(effect))
                {
                    if !matches!(effect.subject.as_str(), "keys" | "objects" | SCHEMA)
                        && !effect.subject.eq_ignore_ascii_case(&named)
                    {
                        *removed.entry(effect.subject.as_str()).or_default() += 1;
                    }
                }
                if removed.is_empty() {
                    return None;
                }
                let removed = removed.iter().map(|(table, count)| rows(*count).name(*table));
                let message = verb(&action).say(" ").name(named).say(" also removed ").join(removed, " and ").say(".");
                Some(Finding { kind: FindingKind::Cascade, message, operations: vec![entry.position] })
            })
        })
        .collect()
}

/// A migration that switches foreign keys off believes that dropping a table leaves the rows that refer to it alone. On
/// D1 the actions of foreign keys take those rows along.
fn foreign_keys_stay_on(recorded: &Recorded<'_>, cascades: &[Finding]) -> Option<Finding> {
    let switches_off = |entry: &&Entry| {
        let statements =
            entry.request.get("statements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts = statements.iter().filter_map(|statement| statement.get("sql")?.as_str());
        texts.map(Setting::of).any(|setting| setting == Some(Setting::ForeignKeys { on: false }))
    };
    let operations: Vec<Position> = recorded.carried_out().filter(switches_off).map(|entry| entry.position).collect();
    if operations.is_empty() {
        return None;
    }
    let own = Words::new("PRAGMA foreign_keys = OFF has no effect on D1: foreign keys stay on.");
    let message =
        cascades.iter().take(MAX_NAMED).fold(own, |words, cascade| words.say(" ").and(cascade.message.clone()));
    Some(Finding { kind: FindingKind::ForeignKeysStayOn, message, operations })
}

/// What the statements of an operation name: which one in a batch, what it does, its table.
fn named(entry: &Entry) -> Vec<(Option<u64>, String, String)> {
    if let Some(subject) = &entry.subject {
        return vec![(None, entry.action.clone(), subject.clone())];
    }
    let statements = entry.request.get("statements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let target = |(number, statement): (u64, &Value)| {
        let mut parsed = split(statement.get("sql")?.as_str()?).ok()?;
        let only = parsed.pop()?;
        Some((Some(number), only.verb, only.target?))
    };
    (1..).zip(statements).filter_map(target).collect()
}

fn rows(count: usize) -> Words {
    Words::default().number(count).say(if count == 1 { " row of " } else { " rows of " })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::effect::Image;
    use crate::domain::run::Run;
    use serde_json::{from_value, json};

    fn entry(position: Position, outcome: &str, statements: &[&str]) -> Entry {
        let statements: Vec<Value> = statements.iter().map(|sql| json!({ "sql": sql })).collect();
        from_value(json!({
            "position": position, "at": 0, "store": "DB", "kind": "d1", "access": "write", "action": "BATCH of 4", "subject": null, "request": { "statements": statements },
            "mode": "dry_run", "cause": null, "outcome": outcome, "problem": null, "duration_ms": null,
        }))
        .unwrap()
    }

    fn removed(table: &str, key: &str, statement: u64) -> Effect {
        let before = Some(Image::from_iter([("id".to_owned(), json!(key))]));
        Effect {
            store: "DB".into(),
            subject: table.into(),
            key: key.into(),
            label: None,
            statement: Some(statement),
            renamed_from: None,
            before,
            after: None,
        }
    }

    fn check(entries: &[Entry], effects: &[(Position, Effect)], expected: Option<(&str, &[Position])>) {
        let run: Run = from_value(json!({
            "id": "r1", "owner": "agent", "environment": "staging", "granted": false,
            "terms": { "mode": "dry_run", "parent": null, "labels": {}, "prompt_version": null, "lifetime_seconds": 1 },
            "mode": "dry_run", "cause": { "policy": { "store": "DB" } }, "mode_since": 2, "opened_at": 1, "expires_at": 3, "closed_at": null,
        }))
        .unwrap();
        let recorded = Recorded { run: &run, entries, effects, nets: &[] };
        let found = foreign_keys_stay_on(&recorded, &cascades(&recorded));
        assert_eq!(
            found.as_ref().map(|found| (found.message.to_string(), found.operations.as_slice())),
            expected.map(|(message, operations)| (message.to_owned(), operations))
        );
    }

    #[test]
    fn switching_foreign_keys_off_is_told_with_what_went_although_they_were_off() {
        let rebuild = ["PRAGMA foreign_keys = off", "DROP TABLE users", "PRAGMA foreign_keys = on"];
        let gone = [
            (3, removed("notes", "1", 2)),
            (3, removed("notes", "2", 2)),
            (3, removed("users", "1", 2)),
            (3, removed("tags", "9", 2)),
        ];
        check(
            &[entry(3, "done", &rebuild), entry(4, "skipped", &["PRAGMA foreign_keys = off"])],
            &gone,
            Some((
                "PRAGMA foreign_keys = OFF has no effect on D1: foreign keys stay on. DROP TABLE users also removed 2 \
                 rows of notes and 1 row of tags.",
                &[3, 4],
            )),
        );
        check(
            &[entry(3, "done", &rebuild)],
            &[],
            Some(("PRAGMA foreign_keys = OFF has no effect on D1: foreign keys stay on.", &[3])),
        );
        // Nothing is said of what was refused, of switching them on, or of the words as a value.
        check(&[entry(3, "refused", &rebuild), entry(4, "failed", &rebuild)], &gone, None);
        check(&[entry(3, "done", &["PRAGMA foreign_keys = on", "SELECT 'PRAGMA foreign_keys = off'"])], &gone, None);
    }
}
