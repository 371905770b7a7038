//! Maps and sets, filled one by one.
//!
//! `collect` sorts before it builds, and every type of map would bring a sorting algorithm of its own into the Worker:
//! about 3 KB each, for a handful of entries.

use std::collections::{BTreeMap, BTreeSet};

/// Collects pairs; of several with the same key the last one stays.
pub fn map<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        map.insert(key, value);
    }
    map
}

/// Collects items.
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for item in items {
        set.insert(item);
    }
    set
}
