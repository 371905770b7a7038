//! What an operation changed: before → after, by row, key or object.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::journal::Position;

/// The fields of a row, value or object, in their own order. Integers are exact, REAL numbers always carry a point, bytes are `{"blob": hex}`.
pub type Image = Map<String, Value>;

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
        let find = |fields: &[(String, Value)], name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
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
                Value::Object(inner) if depth < 4 && !inner.is_empty() && !inner.contains_key("blob") => walk(&name, inner, depth + 1, fields),
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

/// The net effect of a sequence: for each thing its first image before and its last image after; what ended as it began is left out.
pub fn net<'a>(effects: impl IntoIterator<Item = &'a (Position, Effect)>) -> Vec<Net> {
    let mut things: Things = BTreeMap::new();
    let mut nets: Vec<Net> = Vec::new();
    for (position, effect) in effects {
        let name = (effect.store.clone(), effect.subject.clone(), effect.key.clone());
        if let (Some(old), Some(new)) = (&effect.renamed_from, effect.key.strip_prefix("table ")) {
            rename(&mut things, &mut nets, &effect.store, old, new);
        }
        if let Some(known) = things.get(&name).and_then(|index| nets.get_mut(*index)) {
            known.effect.after.clone_from(&effect.after);
            if known.operations.last() != Some(position) {
                known.operations.push(*position);
            }
        } else {
            things.insert(name, nets.len());
            nets.push(Net { effect: effect.clone(), operations: vec![*position] });
        }
    }
    nets.retain(|net| net.effect.change().is_some());
    nets
}

/// Where a thing is among the net effects, by store, subject and key.
type Things = BTreeMap<(String, String, String), usize>;

/// The rows of a table go on under its new name, where they meet what became of the rows of another table of that name.
fn rename(things: &mut Things, nets: &mut [Net], store: &str, old: &str, new: &str) {
    let moving: Vec<(String, usize)> =
        things.iter().filter(|((of, subject, _), _)| of == store && subject.eq_ignore_ascii_case(old)).map(|((_, _, key), index)| (key.clone(), *index)).collect();
    for (key, index) in moving {
        things.retain(|_, other| *other != index);
        let there = (store.to_owned(), new.to_owned(), key);
        let Some(moved) = nets.get_mut(index) else { continue };
        new.clone_into(&mut moved.effect.subject);
        match things.get(&there).copied() {
            None => _ = things.insert(there, index),
            Some(first) => {
                let (after, operations) = (moved.effect.after.take(), std::mem::take(&mut moved.operations));
                moved.effect.before = None;
                if let Some(first) = nets.get_mut(first) {
                    first.effect.after = after;
                    first.operations.extend(operations);
                    first.operations.dedup();
                }
            }
        }
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
        Effect { store: "DB".into(), subject: "t".into(), key: key.into(), label: None, statement: None, renamed_from: None, before: image(before), after: image(after) }
    }

    #[test]
    fn only_the_fields_that_differ_are_shown_and_nested_json_by_its_path() {
        let effect = effect("1", json!({"a": 1, "b": 1.0, "c": {"x": 1, "y": 2}}), json!({"a": 1, "b": 2.5, "c": {"x": 3, "y": 2}, "d": null}));
        let shown: Vec<String> = effect.diff().iter().map(|field| serde_json::to_string(field).unwrap()).collect();
        assert_eq!(shown, [r#"{"field":"b","before":1.0,"after":2.5}"#, r#"{"field":"c.x","before":1,"after":3}"#, r#"{"field":"d","after":null}"#]);
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
}
