//! The members of a JSON object, each unread until somebody asks for it.
//!
//! One reader for messages, parameters and arguments: what serde derives for a structure would be another one for each of them, and a large one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The members of an object, by name.
#[derive(Debug, Default)]
pub struct Fields<'a>(BTreeMap<String, &'a RawValue>);

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
                        return Err(A::Error::custom(format!("{} comes twice", quoted(&name))));
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
    pub fn read(json: &'a str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// The same of a member; without it there are no members.
    pub fn within(value: Option<&'a RawValue>) -> Result<Self, String> {
        value.map_or_else(|| Ok(Self::default()), |value| Self::read(value.get()))
    }

    /// Refuses members of other names, by their name.
    pub fn only(&self, names: &[&str]) -> Result<(), String> {
        match self.0.keys().find(|name| !names.contains(&name.as_str())) {
            Some(name) if names.is_empty() => Err(format!("{} is unknown; there are none", quoted(name))),
            Some(name) => Err(format!("{} is unknown; there are {}", quoted(name), names.join(", "))),
            None => Ok(()),
        }
    }

    /// A member as it was sent, `null` as well.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// A member that is text.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        self.given(name).map(|value| text(value).ok_or_else(|| format!("{name} is no text"))).transpose()
    }

    /// A member that is a whole number, not below 0.
    pub fn whole(&self, name: &str) -> Result<Option<u64>, String> {
        self.given(name).map(|value| value.get().parse().map_err(|_| format!("{name} is no whole number"))).transpose()
    }

    /// A member of another form, which `what` describes.
    pub fn other<T: DeserializeOwned>(&self, name: &str, what: &str) -> Result<Option<T>, String> {
        self.given(name).map(|value| serde_json::from_str(value.get()).map_err(|_| format!("{name} is no {what}"))).transpose()
    }

    /// A member that says something: `null` is none.
    fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }
}

/// The text that a value is. Only text with escapes is copied: values can be long.
pub fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inside = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') { serde_json::from_str(value.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inside)) }
}

/// Whether a value is an object.
pub fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

/// A name of the caller's, cut to what helps.
pub fn quoted(name: &str) -> String {
    format!("{:?}", name.chars().take(60).collect::<String>())
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
        assert_eq!(fields.text("c"), Err("c is no text".into()));
        assert_eq!(fields.whole("a"), Err("a is no whole number".into()));
        assert_eq!(fields.other::<bool>("e", "truth"), Err("e is no truth".into()));
        assert!(fields.get("d").is_some());
    }

    #[test]
    fn unknown_and_double_members_are_refused_by_name() {
        let fields = Fields::read(r#"{"a":1,"__proto__":2}"#).unwrap();
        assert_eq!(fields.only(&["a", "b"]), Err(r#""__proto__" is unknown; there are a, b"#.into()));
        assert_eq!(fields.only(&[]), Err(r#""__proto__" is unknown; there are none"#.into()));
        assert!(Fields::read(r#"{"a":1,"\u0061":2}"#).unwrap_err().starts_with(r#""a" comes twice"#));
        for json in ["[]", "1", "null", "\"a\""] {
            assert!(Fields::read(json).is_err(), "{json}");
        }
        assert!(Fields::within(None).is_ok());
    }

    #[test]
    fn numbers_of_other_forms_are_not_whole() {
        for json in ["-1", "1.0", "1e2", "\"1\"", "true", "99999999999999999999"] {
            assert!(Fields::read(&format!(r#"{{"a":{json}}}"#)).unwrap().whole("a").is_err(), "{json}");
        }
    }
}
