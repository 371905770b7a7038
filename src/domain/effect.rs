//! What an operation changed: before → after, by row, key or object.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::journal::Position;

/// The fields of a row, value or object, in their own order. Integers are exact, REAL numbers always carry a point,
/// bytes are `{"blob": hex}`.
pub type Image = Map<String, Value>;

/// The subject of changes of definitions: tables, indexes, views, triggers.
pub const SCHEMA: &str = "schema";

/// One changed thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Effect {
    /// The store's binding.
    pub store: String,
    /// The table, or what the store's things are called: `keys`, `objects`, `schema`.
    pub subject: String,
    /// Which row, key or object: its identity within the subject.
    pub key: String,
    /// How people know it, when that is something else: the primary key of a row that is identified by its rowid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Which statement of a batch changed it, counted from 1; absent when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<u64>,
    /// Of a table's definition: the name that the table had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// Its image before; absent when it was not there.
    pub before: Option<Image>,
    /// Its image after; absent when it is gone.
    pub after: Option<Image>,
}

/// How a thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there before.
    Inserted,
    /// It is different now.
    Updated,
    /// It is gone.
    Deleted,
}

/// The before and after of one field; absent where the field was not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FieldDiff {
    /// The field's name; nested JSON is named with dots.
    pub field: String,
    /// Before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// After.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Effect {
    /// How the thing changed, or `None` when it is as it was.
    pub fn change(&self) -> Option<Change> {
        match (&self.before, &self.after) {
            (None, None) => None,
            (None, Some(_)) => Some(Change::Inserted),
            (Some(_), None) => Some(Change::Deleted),
            (Some(before), Some(after)) => (before != after).then_some(Change::Updated),
        }
    }

    /// The fields that differ, in the order of the image.
    pub fn diff(&self) -> Vec<FieldDiff> {
        let before = flatten(self.before.as_ref());
        let after = flatten(self.after.as_ref());
        let mut names: Vec<&String> = before.iter().map(|(name, _)| name).collect();
        names.extend(after.iter().map(|(name, _)| name).filter(|name| !before.iter().any(|(other, _)| other == *name)));
        let find = |fields: &[(String, Value)], name: &str| {
            fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
        };
        names
            .into_iter()
            .map(|name| FieldDiff { field: name.clone(), before: find(&before, name), after: find(&after, name) })
            .filter(|field| field.before != field.after)
            .collect()
    }
}

/// Nested JSON objects become fields of their own, so that a change deep inside a value reads as that change.
fn flatten(image: Option<&Image>) -> Vec<(String, Value)> {
    fn walk(prefix: &str, image: &Image, depth: usize, fields: &mut Vec<(String, Value)>) {
        for (name, value) in image {
            let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                Value::Object(inner) if depth < 4 && !inner.is_empty() && !inner.contains_key("blob") => {
                    walk(&name, inner, depth + 1, fields)
                }
                value => fields.push((name, value.clone())),
            }
        }
    }
    let mut fields = Vec::new();
    if let Some(image) = image {
        walk("", image, 0, &mut fields);
    }
    fields
}

/// A net effect and the operations that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    /// From the first image before to the last image after.
    pub effect: Effect,
    /// The operations, in order.
    pub operations: Vec<Position>,
}

/// The net effect of a sequence: for each thing its first image before and its last image after; what ended as it began
/// is left out.
///
/// Rows of a table that was made anew under its name are those of the table before, when they have its primary keys.
pub fn net<'a>(effects: impl IntoIterator<Item = &'a (Position, Effect)>) -> Vec<Net> {
    let mut things = Things::default();
    for (position, effect) in effects {
        things.follow(effect);
        things.add(*position, effect);
    }
    things.join_made_anew();
    things.all.into_iter().map(|thing| thing.net).filter(|net| net.effect.change().is_some()).collect()
}

/// Store, table, and the key of a row.
type Name = (String, String, String);

/// All that changed, and how to find what has a name now.
#[derive(Default)]
struct Things {
    all: Vec<Thing>,
    by_name: BTreeMap<Name, usize>,
    /// The tables that have another name than in the base, or were made since, by their store and name now.
    origins: BTreeMap<(String, String), Option<String>>,
}

struct Thing {
    net: Net,
    /// The table's name in the base.
    origin: Option<String>,
}

impl Things {
    /// Adds what happened to a thing after all that was added before.
    fn add(&mut self, position: Position, effect: &Effect) {
        let name = (effect.store.clone(), effect.subject.clone(), effect.key.clone());
        if let Some(thing) = self.by_name.get(&name).and_then(|index| self.all.get_mut(*index)) {
            thing.net.end_as(effect.after.clone(), &[position]);
            return;
        }
        self.by_name.insert(name, self.all.len());
        self.all.push(Thing {
            net: Net { effect: effect.clone(), operations: vec![position] },
            origin: self.origin(&effect.store, &effect.subject),
        });
    }

    fn origin(&self, store: &str, table: &str) -> Option<String> {
        self.origins
            .get(&(store.to_owned(), table.to_ascii_lowercase()))
            .cloned()
            .unwrap_or_else(|| Some(table.to_owned()))
    }

    /// Follows the tables: one that gets a name is another than the one that had it.
    fn follow(&mut self, effect: &Effect) {
        let Effect { store, key, renamed_from, before: None, .. } = effect else { return };
        let Some(table) = key.strip_prefix("table ").filter(|_| effect.subject == SCHEMA) else { return };
        let place = |name: &str| (store.clone(), name.to_ascii_lowercase());
        self.by_name.retain(|(of, subject, _), _| of != store || !subject.eq_ignore_ascii_case(table));
        let Some(old) = renamed_from else {
            self.origins.insert(place(table), None);
            return;
        };
        let origin = self.origin(store, old);
        self.origins.insert(place(old), None);
        self.origins.insert(place(table), origin);
        let moving: Vec<Name> = self
            .by_name
            .keys()
            .filter(|(of, subject, _)| of == store && subject.eq_ignore_ascii_case(old))
            .cloned()
            .collect();
        for name in moving {
            let Some(index) = self.by_name.remove(&name) else { continue };
            if let Some(thing) = self.all.get_mut(index) {
                table.clone_into(&mut thing.net.effect.subject);
            }
            self.by_name.insert((name.0, table.to_owned(), name.2), index);
        }
    }

    /// Joins rows that went with a table, and rows that came with another under its name.
    fn join_made_anew(&mut self) {
        let row = |store: &str, table: &str, effect: &Effect| {
            let key = effect.label.clone().ok_or_else(|| effect.key.clone());
            (store.to_owned(), table.to_ascii_lowercase(), key)
        };
        let mut gone = BTreeMap::new();
        for index in 0..self.all.len() {
            let Some(Thing { net: Net { effect, .. }, origin: Some(origin) }) =
                self.all.get(index).filter(|thing| thing.net.effect.after.is_none())
            else {
                continue;
            };
            gone.insert(row(&effect.store, origin, effect), index);
            let there = self
                .by_name
                .get(&(effect.store.clone(), SCHEMA.to_owned(), format!("table {}", effect.subject)))
                .and_then(|index| self.all.get(*index));
            // Nobody knows the name that a table had for a while.
            if there.is_some_and(|table| table.net.effect.after.is_none()) {
                let origin = origin.clone();
                if let Some(thing) = self.all.get_mut(index) {
                    thing.net.effect.subject = origin;
                }
            }
        }
        for index in 0..self.all.len() {
            let Some(Thing { net, origin: None }) = self.all.get_mut(index) else { continue };
            let Some(before) = gone
                .get(&row(&net.effect.store, &net.effect.subject, &net.effect))
                .filter(|_| net.effect.before.is_none() && net.effect.after.is_some())
            else {
                continue;
            };
            let (after, operations, subject) =
                (net.effect.after.take(), std::mem::take(&mut net.operations), net.effect.subject.clone());
            if let Some(Thing { net, .. }) = self.all.get_mut(*before) {
                net.effect.subject = subject;
                net.end_as(after, &operations);
            }
        }
    }
}

impl Net {
    fn end_as(&mut self, after: Option<Image>, operations: &[Position]) {
        self.effect.after = after;
        self.operations.extend(operations);
        self.operations.sort_unstable();
        self.operations.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn image(value: Value) -> Option<Image> {
        match value {
            Value::Object(image) => Some(image),
            _ => None,
        }
    }

    fn effect(key: &str, before: Value, after: Value) -> Effect {
        Effect {
            store: "DB".into(),
            subject: "t".into(),
            key: key.into(),
            label: None,
            statement: None,
            renamed_from: None,
            before: image(before),
            after: image(after),
        }
    }

    #[test]
    fn only_the_fields_that_differ_are_shown_and_nested_json_by_its_path() {
        let effect = effect(
            "1",
            json!({"a": 1, "b": 1.0, "c": {"x": 1, "y": 2}}),
            json!({"a": 1, "b": 2.5, "c": {"x": 3, "y": 2}, "d": null}),
        );
        let shown: Vec<String> = effect.diff().iter().map(|field| serde_json::to_string(field).unwrap()).collect();
        assert_eq!(
            shown,
            [
                r#"{"field":"b","before":1.0,"after":2.5}"#,
                r#"{"field":"c.x","before":1,"after":3}"#,
                r#"{"field":"d","after":null}"#
            ]
        );
    }

    #[test]
    fn an_integer_and_a_real_of_the_same_size_are_different() {
        assert_eq!(effect("1", json!({"a": 2}), json!({"a": 2.0})).change(), Some(Change::Updated));
    }

    #[test]
    fn what_ends_as_it_began_is_no_net_effect() {
        let net = net(&[
            (1, effect("1", json!({"a": 1}), json!({"a": 2}))),
            (2, effect("2", Value::Null, json!({"a": 1}))),
            (3, effect("1", json!({"a": 2}), json!({"a": 1}))),
            (4, effect("2", json!({"a": 1}), Value::Null)),
            (5, effect("3", json!({"a": 1}), Value::Null)),
            (7, effect("3", Value::Null, json!({"a": 5}))),
        ]);
        assert_eq!(net, [Net { effect: effect("3", json!({"a": 1}), json!({"a": 5})), operations: vec![5, 7] }]);
    }

    /// A row with the rowid `key` whose primary key is `label`.
    fn row(subject: &str, key: i64, label: &str, before: Option<i64>, after: Option<i64>) -> Effect {
        let fields = |n: Option<i64>| n.map_or(Value::Null, |n| json!({ "n": n }));
        Effect {
            subject: subject.into(),
            label: Some(label.into()),
            ..effect(&key.to_string(), fields(before), fields(after))
        }
    }

    fn definition(table: &str, renamed_from: Option<&str>, before: Option<i64>, after: Option<i64>) -> Effect {
        Effect { renamed_from: renamed_from.map(str::to_owned), label: None, ..row("schema", 0, "", before, after) }
            .with_key(&format!("table {table}"))
    }

    impl Effect {
        fn with_key(self, key: &str) -> Self {
            Self { key: key.into(), ..self }
        }
    }

    /// The net effects on rows: table and label, before and after, operations.
    fn told(effects: Vec<Effect>) -> Vec<String> {
        let number = |image: &Option<Image>| image.as_ref().map_or("none".into(), |image| image["n"].to_string());
        let numbered: Vec<(Position, Effect)> = effects
            .into_iter()
            .enumerate()
            .map(|(index, effect)| (Position::try_from(index).unwrap(), effect))
            .collect();
        let shown = |Net { effect, operations }: Net| {
            format!(
                "{} {}: {} → {} by {operations:?}",
                effect.subject,
                effect.label.clone().unwrap_or_default(),
                number(&effect.before),
                number(&effect.after)
            )
        };
        net(&numbered).into_iter().filter(|net| net.effect.subject != SCHEMA).map(shown).collect()
    }

    #[test]
    fn rows_of_a_table_made_anew_are_followed_by_their_primary_keys() {
        let effects = vec![
            definition("new", None, None, Some(1)),
            row("new", 1, "x", None, Some(10)),
            row("new", 2, "y", None, Some(20)),
            row("new", 3, "w", None, Some(30)),
            definition("t", None, Some(1), None),
            row("t", 2, "x", Some(10), None),
            row("t", 3, "y", Some(20), None),
            row("t", 7, "z", Some(70), None),
            definition("t", Some("new"), None, Some(1)),
            definition("new", None, Some(1), None),
            row("t", 1, "x", Some(10), Some(11)),
        ];
        assert_eq!(told(effects), ["t w: none → 30 by [3]", "t x: 10 → 11 by [1, 5, 10]", "t z: 70 → none by [7]"]);
    }

    #[test]
    fn it_does_not_matter_when_the_table_before_goes() {
        let effects = vec![
            row("t", 2, "x", Some(9), Some(10)),
            definition("old", Some("t"), None, Some(1)),
            definition("t", None, None, Some(1)),
            row("t", 1, "x", None, Some(10)),
            row("t", 2, "y", None, Some(20)),
            definition("old", None, Some(1), None),
            row("old", 2, "x", Some(10), None),
            row("old", 3, "y", Some(20), None),
        ];
        assert_eq!(told(effects.clone()), ["t x: 9 → 10 by [0, 3, 6]"]);
        assert_eq!(
            told(effects.into_iter().filter(|effect| effect.before.is_some() || effect.subject == SCHEMA).collect()),
            ["t x: 9 → none by [0, 4]", "t y: 20 → none by [5]"]
        );
    }

    #[test]
    fn a_table_that_gets_the_name_of_another_keeps_its_own_rows() {
        let effects = vec![
            row("a", 1, "x", Some(1), None),
            definition("a", None, Some(1), None),
            definition("a", Some("b"), None, Some(1)),
            row("a", 1, "x", Some(5), Some(6)),
            definition("c", Some("a"), None, Some(1)),
            row("c", 1, "x", Some(6), Some(7)),
        ];
        assert_eq!(told(effects), ["a x: 1 → none by [0]", "c x: 5 → 7 by [3, 5]"]);
    }

    proptest! {
        /// Applying the net effects to the first state gives what applying all effects one by one gives.
        #[test]
        fn the_net_effect_leads_to_the_same_end(writes in proptest::collection::vec((0u8..4, proptest::option::of(0i64..3)), 0..20)) {
            let mut state: BTreeMap<String, i64> = BTreeMap::from([("0".into(), 0), ("1".into(), 1)]);
            let begin = state.clone();
            let mut effects = Vec::new();
            for (key, value) in writes {
                let key = key.to_string();
                let to_json = |value: Option<&i64>| value.map_or(Value::Null, |value| json!({"v": value}));
                let before = to_json(state.get(&key));
                match value { Some(value) => { state.insert(key.clone(), value); } None => { state.remove(&key); } }
                effects.push((1, effect(&key, before, to_json(state.get(&key)))));
            }
            let mut replayed = begin;
            for Net { effect, .. } in net(&effects) {
                match effect.after { Some(after) => { replayed.insert(effect.key, after["v"].as_i64().unwrap()); } None => { replayed.remove(&effect.key); } }
            }
            prop_assert_eq!(replayed, state);
        }
    }

    #[test]
    fn the_effect_format_unchanged() {
        let short = effect("1", json!(null), json!({"z": 1, "a": {"blob": "00ff"}}));
        let long = Effect {
            label: Some("a = 1".into()),
            statement: Some(2),
            renamed_from: Some("old".into()),
            ..effect("2", json!({"x": {"real": "Inf"}}), json!(null))
        };
        let pinned_short = expect_test::expect![[
            r#"{"store":"DB","subject":"t","key":"1","before":null,"after":{"z":1,"a":{"blob":"00ff"}}}"#
        ]];
        let pinned_long = expect_test::expect![[
            r#"{"store":"DB","subject":"t","key":"2","label":"a = 1","statement":2,"renamed_from":"old","before":{"x":{"real":"Inf"}},"after":null}"#
        ]];
        for (effect, pinned) in [(short, pinned_short), (long, pinned_long)] {
            let text = serde_json::to_string(&effect).unwrap();
            pinned.assert_eq(&text);
            assert_eq!(serde_json::from_str::<Effect>(&text).unwrap(), effect);
        }
    }
}
