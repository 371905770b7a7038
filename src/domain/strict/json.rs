//! Bodies: every member of an object is one that is read, and comes once.

use dryrun_text::cut_with_count;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::names::switch;
use crate::domain::refusal::{Code, Problem};

/// Which members a JSON body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Anything: it is the caller's data, and its names are the caller's.
    Data,
    /// An object of these members.
    Object(&'static [(&'static str, Shape)]),
    /// A list of these.
    List(&'static Shape),
}

/// Longest name that a refusal repeats.
const MAX_NAME_CHARS: usize = 60;

/// A name of the caller's, for a message.
pub fn quoted(name: &str) -> String {
    format!("{:?}", cut_with_count(name, MAX_NAME_CHARS))
}

/// The refusal of a member that is not read.
pub fn unknown_member(name: &str, known: &[&str]) -> Problem {
    let (what, remedy) = unknown(name, known);
    Problem::new(Code::InvalidRequest, format!("The member {what}; nothing was read or written."), remedy)
}

/// What is said of an unknown name, and what to do: `"x" is unknown`.
pub fn unknown(name: &str, known: &[&str]) -> (String, String) {
    let list =
        if known.is_empty() { "There are none here.".to_owned() } else { format!("Known here: {}.", known.join(", ")) };
    match switch(name).filter(|_| !known.contains(&name)) {
        Some(switch) => (
            format!("{} has no effect here, so the request is refused", quoted(name)),
            format!("{} {list}", switch.remedy()),
        ),
        None => (format!("{} is unknown", quoted(name)), format!("Leave it out, or correct its name. {list}")),
    }
}

/// Checks a body against its shape. What is no JSON, or of another form, is left to whoever reads it.
pub fn check(body: &[u8], shape: &Shape) -> Result<(), Problem> {
    let found = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = Walk { shape, found: &found }.deserialize(&mut json);
    match (read, found.into_inner()) {
        (Err(_), Some(problem)) => Err(problem),
        _ => Ok(()),
    }
}

/// Walks through a value.
#[derive(Clone, Copy)]
struct Walk<'w> {
    shape: &'w Shape,
    /// Why the walk ended before the end.
    found: &'w RefCell<Option<Problem>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn refuse<E: serde::de::Error>(self, problem: Problem) -> E {
        let error = E::custom(&problem.message);
        self.found.replace(Some(problem));
        error
    }
}

macro_rules! scalars {
    ($($name:ident: $of:ty),*) => {
        $(fn $name<E>(self, _: $of) -> Result<(), E> {
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let shape = if let Shape::List(of) = self.shape { of } else { &Shape::Data };
        while entries.next_element_seed(Walk { shape, ..self })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let shape = match self.shape {
                Shape::Object(known) => match known.iter().find(|(known, _)| *known == name) {
                    Some((_, shape)) => shape,
                    None => {
                        let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                        return Err(self.refuse(unknown_member(&name, &known)));
                    }
                },
                Shape::Data | Shape::List(_) => &Shape::Data,
            };
            if seen.contains(&name) {
                // Two readers could take different ones.
                let what = format!("The member {} appears twice; nothing was read or written.", quoted(&name));
                return Err(self.refuse(Problem::new(Code::InvalidRequest, what, "Send it once.")));
            }
            members.next_value_seed(Walk { shape, ..self })?;
            seen.insert(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATEMENT: Shape = Shape::Object(&[("sql", Shape::Data), ("params", Shape::Data)]);
    const BODY: Shape =
        Shape::Object(&[("sql", Shape::Data), ("params", Shape::Data), ("batch", Shape::List(&STATEMENT))]);

    fn said(body: &str) -> String {
        check(body.as_bytes(), &BODY)
            .map_or_else(|problem| format!("{} {}", problem.message, problem.remedy), |()| "fits".into())
    }

    #[test]
    fn known_members_pass_and_data_has_names_of_its_own() {
        for body in [
            r#"{"sql":"SELECT 1","params":[1,null,true,"x",1.5,[1,2]]}"#,
            r#"{"batch":[{"sql":"SELECT 1"},{"sql":"SELECT ?","params":[1]}]}"#,
            r#"{"params":{"dry_run":true,"mode":{"a":[{"dryRun":1}]}}}"#,
            // Another form, or none: whoever reads it says so.
            "[]",
            "7",
            "{",
            "",
            r#"["sql"]"#,
            r#"{"batch":{"sql":1}}"#,
        ] {
            assert_eq!(said(body), "fits", "{body}");
        }
    }

    #[test]
    fn unknown_members_are_refused_by_name_with_those_that_there_are() {
        assert_eq!(
            said(r#"{"sql":"SELECT 1","colour":1}"#),
            "The member \"colour\" is unknown; nothing was read or written. Leave it out, or correct its name. Known \
             here: sql, params, batch."
        );
        for body in [
            r#"{"dry_run":true}"#,
            r#"{"sql":"DELETE FROM t","dryRun":false}"#,
            r#"{"batch":[{"sql":"x"},{"sql":"y","Dry-Run":null}]}"#,
            r#"{"dry\u005frun":1}"#,
        ] {
            let said = said(body);
            assert!(said.contains("has no effect here") && said.contains("Dry-Run: true"), "{body}: {said}");
        }
    }

    #[test]
    fn a_member_that_comes_twice_is_refused_at_any_depth() {
        for body in [
            r#"{"sql":1,"sql":1}"#,
            r#"{"sql":1,"\u0073ql":2}"#,
            r#"{"batch":[{"sql":1,"params":[],"params":[1]}]}"#,
            r#"{"params":[{"a":{"b":1,"b":1}}]}"#,
        ] {
            assert!(said(body).contains("appears twice"), "{body}: {}", said(body));
        }
    }

    #[test]
    fn depth_is_left_to_the_reader() {
        assert_eq!(said(&format!("{{\"params\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000))), "fits");
    }

    proptest! {
        #[test]
        fn no_member_but_the_known_ones_passes(name in "\\PC{0,20}", deep in any::<bool>()) {
            prop_assume!(!["sql", "params", "batch"].contains(&name.as_str()));
            let member = serde_json::to_string(&name).unwrap();
            let body = if deep { format!("{{\"batch\":[{{{member}:1}}]}}") } else { format!("{{{member}:1}}") };
            prop_assert!(said(&body) != "fits", "{}", body);
        }
    }
}
