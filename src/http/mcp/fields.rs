//! The members of a JSON object, each unread until somebody asks for it.
//!
//! One reader for messages, parameters and arguments: what serde derives for a structure would be another one for each
//! of them, and a large one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::strict::json::{self, Shape, quoted};
use crate::domain::strict::names::switch;

/// The members of an object, by name.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = members.next_entry::<String, &RawValue>()? {
                    // Two readers could take different ones.
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format!("{} appears twice", quoted(&name))));
                    }
                    fields.insert(name, value);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<'a> Fields<'a> {
    /// Takes an object apart. Says why not when it is none, or when a member comes twice.
    pub(super) fn read(json: &'a str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// The same of a member; without it there are no members.
    pub(super) fn within(value: Option<&'a RawValue>) -> Result<Self, String> {
        value.map_or_else(|| Ok(Self::default()), |value| Self::read(value.get()))
    }

    /// Refuses members of other names, by their name.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), String> {
        let other = self.0.keys().find(|name| !names.contains(&name.as_str()));
        other.map_or(Ok(()), |name| Err(unknown(name, names)))
    }

    /// Refuses only members whose names read like a switch of the gateway: others say nothing to it.
    pub(super) fn without_switches(&self) -> Result<(), String> {
        self.switch().map_or(Ok(()), |name| Err(unknown(name, &[])))
    }

    /// A member whose name reads like a switch of the gateway.
    pub(super) fn switch(&self) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|name| switch(name).is_some())
    }

    /// A member as it was sent, `null` as well.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// A member that is text.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        self.given(name).map(|value| text(value).ok_or_else(|| format!("{name} is not text"))).transpose()
    }

    /// A member that is a whole number, not below 0. Models write it as `10.0`, `1e1` and `"10"`, too.
    pub(super) fn whole(&self, name: &str) -> Result<Option<u64>, String> {
        self.given(name).map(|value| whole(value).ok_or_else(|| format!("{name} is not a whole number"))).transpose()
    }

    /// A member that is true or false, also as a text.
    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, String> {
        let truth = |value: &RawValue| {
            value.get().trim_matches('"').parse().ok().ok_or_else(|| format!("{name} is not a boolean"))
        };
        self.given(name).map(truth).transpose()
    }

    /// A member of another form, which `what` describes.
    pub(super) fn other<T: DeserializeOwned>(&self, name: &str, what: &str) -> Result<Option<T>, String> {
        let Some(value) = self.given(name) else { return Ok(None) };
        json::check(value.get().as_bytes(), &Shape::Data)
            .map_err(|problem| format!("in {name}: {}", problem.message))?;
        serde_json::from_str(value.get()).ok().map(Some).ok_or_else(|| format!("{name} is not {what}"))
    }

    /// A member that says something: `null` is none.
    fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }
}

/// The text that a value is. Only text with escapes is copied: values can be long.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inside = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        serde_json::from_str(value.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inside))
    }
}

/// Beyond it a number of JSON may not be the one that was meant.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

fn whole(value: &RawValue) -> Option<u64> {
    let given = value.get();
    let digits = given.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(given);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.parse().ok();
    }
    let number: f64 = serde_json::from_str(given).ok()?;
    // Written without a fraction such a number has digits alone.
    let exact = (0.0..=MAX_EXACT).contains(&number) && number.fract() == 0.0;
    exact.then(|| format!("{:.0}", number.abs()).parse().ok()).flatten()
}

fn unknown(name: &str, names: &[&str]) -> String {
    let (what, _) = json::unknown(name, names);
    let how = switch(name).map(|switch| format!(" {}", switch.remedy())).unwrap_or_default();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!("{what}; there are {known}.{how}")
}

/// Whether a value is an object.
pub(super) fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_as_what_it_is_asked_for() {
        let fields = Fields::read(r#"{"a":"x","b":"\u0041\n","c":7,"d":null,"e":[1]}"#).unwrap();
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("x"));
        assert_eq!(fields.text("b").unwrap().as_deref(), Some("A\n"));
        assert_eq!((fields.whole("c"), fields.text("d"), fields.whole("nothing")), (Ok(Some(7)), Ok(None), Ok(None)));
        assert_eq!(fields.other::<Vec<u8>>("e", "list"), Ok(Some(vec![1])));
        assert_eq!(fields.text("c"), Err("c is not text".into()));
        assert_eq!(fields.whole("a"), Err("a is not a whole number".into()));
        assert_eq!(fields.other::<bool>("e", "truth"), Err("e is not truth".into()));
        assert!(fields.get("d").is_some());
    }

    #[test]
    fn unknown_and_double_members_are_refused_by_name() {
        let fields = Fields::read(r#"{"a":1,"__proto__":2}"#).unwrap();
        assert_eq!(fields.only(&["a", "b"]), Err(r#""__proto__" is unknown; there are a, b."#.into()));
        assert_eq!(fields.only(&[]), Err(r#""__proto__" is unknown; there are none."#.into()));
        assert!(Fields::read(r#"{"a":1,"\u0061":2}"#).unwrap_err().starts_with(r#""a" appears twice"#));
        for json in ["[]", "1", "null", "\"a\""] {
            assert!(Fields::read(json).is_err(), "{json}");
        }
        assert!(Fields::within(None).is_ok());
    }

    #[test]
    fn whole_numbers_are_taken_as_models_write_them() {
        for (json, number) in [
            ("10", 10),
            ("10.0", 10),
            ("1e1", 10),
            ("1.5e1", 15),
            ("1E+2", 100),
            ("\"10\"", 10),
            ("0", 0),
            ("0.0", 0),
            ("-0.0", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(Fields::read(&format!(r#"{{"a":{json}}}"#)).unwrap().whole("a"), Ok(Some(number)), "{json}");
        }
        for json in [
            "-1",
            "-1.0",
            "10.5",
            "1e-1",
            "true",
            "99999999999999999999",
            "1e300",
            "9007199254740994.0",
            "\"\"",
            "\" 10\"",
            "\"+10\"",
            "\"-1\"",
            "\"10.0\"",
            "\"ten\"",
            "[10]",
            "{}",
        ] {
            assert!(Fields::read(&format!(r#"{{"a":{json}}}"#)).unwrap().whole("a").is_err(), "{json}");
        }
        assert_eq!(Fields::read(r#"{"a":null}"#).unwrap().whole("a"), Ok(None));
    }

    #[test]
    fn truth_values_are_taken_as_text_as_well() {
        for (json, truth) in [
            ("true", Ok(Some(true))),
            ("\"false\"", Ok(Some(false))),
            ("null", Ok(None)),
            ("\"yes\"", Err(())),
            ("1", Err(())),
            ("\"\"", Err(())),
        ] {
            assert_eq!(Fields::read(&format!(r#"{{"a":{json}}}"#)).unwrap().truth("a").map_err(drop), truth, "{json}");
        }
    }

    #[test]
    fn what_reads_like_a_switch_is_refused_with_the_way_to_say_it() {
        let fields = Fields::read(r#"{"random_string":"","dry_run":true}"#).unwrap();
        for refused in [fields.only(&["random_string"]), fields.without_switches()] {
            let why = refused.unwrap_err();
            assert!(why.contains("\"dry_run\" has no effect here") && why.contains("Dry-Run: true"), "{why}");
        }
        assert_eq!(Fields::read(r#"{"random_string":"","_":null,"dummy":1}"#).unwrap().without_switches(), Ok(()));
        assert_eq!(fields.other::<bool>("dry_run", "truth").unwrap(), Some(true));
        assert!(
            Fields::read(r#"{"m":{"a":1,"a":2}}"#)
                .unwrap()
                .other::<serde_json::Value>("m", "JSON")
                .unwrap_err()
                .contains("appears twice")
        );
    }
}
