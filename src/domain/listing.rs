//! Lists of keys and objects: where a page ended, and in a dry run the base's entries with the run's own on top, in
//! order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::refusal::{Code, Problem};
use super::sorted;

/// Where a page of a list ended. Opaque to callers; it is only good for the same list.
///
/// Live and dry runs give the same kind, so that a cursor that no list gave is refused alike, and a list goes on when
/// its run turns dry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The store's own cursor: of the page in which the last one ended, or, where `next` says so, of what follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    /// Whether the store's own cursor leads behind the last page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    next: bool,
    /// The last entry that was answered.
    after: String,
}

impl Cursor {
    const PREFIX: &'static str = "at.";

    /// Behind a page of the store's own, after which the store goes on at `base`.
    pub fn behind(base: String, after: String) -> Self {
        Self { base: Some(base), next: true, after }
    }

    /// Behind an entry of a page of the store that began at `base`.
    pub fn within(base: Option<String>, after: String) -> Self {
        Self { base, next: false, after }
    }

    /// The cursor as text.
    pub fn encode(&self) -> String {
        format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(serde_json::to_string(self).unwrap_or_default()))
    }

    /// Reads a cursor that a list gave.
    pub fn decode(text: &str) -> Result<Self, Problem> {
        text.strip_prefix(Self::PREFIX)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .and_then(|bytes| serde_json::from_str(std::str::from_utf8(&bytes).ok()?).ok())
            .ok_or_else(not_of_this_list)
    }

    /// The store's own cursor, and the last entry before what is wanted.
    pub fn in_view(self) -> (Option<String>, String) {
        (self.base, self.after)
    }

    /// The store's own cursor, where the store itself is to go on. A dry run's own entries can end a page where no page
    /// of the store ends.
    pub fn in_the_store(self) -> Result<String, Problem> {
        self.base.filter(|_| self.next).ok_or_else(not_of_this_list)
    }
}

fn not_of_this_list() -> Problem {
    Problem::new(
        Code::InvalidRequest,
        "The cursor is not one of this list; nothing was read.",
        "Start the list again without a cursor.",
    )
}

/// Entries of one base page that a dry run still sees, with the run's own in between.
///
/// `base` is sorted. While the base `has_more`, the run's own entries behind its last key wait for the next page.
/// `overlay` holds `None` for what the run removed.
pub fn merge<T: Clone>(
    base: Vec<(String, T)>,
    has_more: bool,
    overlay: &BTreeMap<String, Option<T>>,
    prefix: &str,
    after: Option<&str>,
) -> Vec<(String, T)> {
    let horizon = if has_more { base.last().map(|(key, _)| key.clone()) } else { None };
    let mut merged = sorted::map(base);
    for (key, entry) in overlay.range(prefix.to_owned()..) {
        if !key.starts_with(prefix) || horizon.as_ref().is_some_and(|horizon| key > horizon) {
            break;
        }
        match entry {
            Some(entry) => merged.insert(key.clone(), entry.clone()),
            None => merged.remove(key),
        };
    }
    merged.into_iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).collect()
}

/// The rolled-up prefix of a key, when it has the delimiter behind the prefix.
pub fn rolled_up<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.get(prefix.len()..)?;
    let at = rest.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn own_entries_cover_the_base_and_removed_ones_vanish() {
        let base = vec![("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 3)];
        let overlay = BTreeMap::from([("b".to_owned(), None), ("bb".to_owned(), Some(9)), ("z".to_owned(), Some(8))]);
        let keys = |merged: Vec<(String, i32)>| {
            merged.into_iter().map(|(key, value)| format!("{key}{value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(merge(base.clone(), false, &overlay, "", None)), "a1 bb9 c3 z8");
        assert_eq!(keys(merge(base.clone(), true, &overlay, "", None)), "a1 bb9 c3");
        assert_eq!(keys(merge(base, false, &overlay, "", Some("bb"))), "c3 z8");
    }

    #[test]
    fn a_key_rolls_up_to_its_first_delimiter_behind_the_prefix() {
        assert_eq!(rolled_up("a/b/c", "", Some("/")), Some("a/"));
        assert_eq!(rolled_up("a/b/c", "a/", Some("/")), Some("a/b/"));
        assert_eq!(rolled_up("a/b", "a/", Some("/")), None);
        assert_eq!(rolled_up("a/b", "", None), None);
    }

    #[test]
    fn a_cursor_of_somewhere_else_is_refused() {
        for cursor in [
            Cursor::behind("x".into(), "k/é".into()),
            Cursor::within(Some("x".into()), "k".into()),
            Cursor::within(None, String::new()),
        ] {
            assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        }
        let encoded = |json: &str| format!("at.{}", URL_SAFE_NO_PAD.encode(json));
        let nonsense = [
            "",
            "at.",
            "at.!!",
            "AAAA",
            "%00",
            &encoded("{}"),
            &encoded("[]"),
            &encoded(r#"{"after":1}"#),
            &encoded(r#"{"after":"","other":1}"#),
        ];
        for text in nonsense {
            assert_eq!(Cursor::decode(text).unwrap_err().code, Code::InvalidRequest, "{text}");
        }
    }

    #[test]
    fn a_list_goes_on_when_its_run_turns_dry_and_never_the_other_way_round() {
        let live = Cursor::behind("x".into(), "k".into());
        assert_eq!(live.clone().in_the_store().unwrap(), "x");
        assert_eq!(live.in_view(), (Some("x".into()), "k".into()));
        assert!(Cursor::within(Some("x".into()), "k".into()).in_the_store().is_err());
        assert!(Cursor::within(None, "k".into()).in_the_store().is_err());
    }

    proptest! {
        /// Reading page by page, whatever the base's page size, gives what reading all at once gives.
        #[test]
        fn paging_never_loses_or_repeats_an_entry(
            base in proptest::collection::btree_map("[a-c]{1,3}", 0i32..9, 0..20),
            overlay in proptest::collection::btree_map("[a-c]{1,3}", proptest::option::of(10i32..19), 0..20),
            page in 1usize..5,
        ) {
            let mut expected = base.clone();
            for (key, value) in &overlay {
                match value { Some(value) => { expected.insert(key.clone(), *value); } None => { expected.remove(key); } }
            }
            let entries: Vec<_> = base.into_iter().collect();
            let (mut seen, mut after) = (Vec::new(), None::<String>);
            let pages: Vec<_> = if entries.is_empty() { vec![Vec::new()] } else { entries.chunks(page).map(<[_]>::to_vec).collect() };
            for (index, chunk) in pages.iter().enumerate() {
                let last = chunk.last().map(|(key, _)| key.clone());
                let has_more = index + 1 < pages.len();
                seen.extend(merge(chunk.clone(), has_more, &overlay, "", after.as_deref()));
                after = last.or(after);
            }
            prop_assert_eq!(seen, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
