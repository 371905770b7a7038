//! scrub.toml: which columns hold personal data, and what becomes of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::affinity::Affinity;
use super::rule::{Plain, Rule};
use super::schema::{Schema, Table};
use crate::failure::{Failure, Outcome};

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    #[serde(default)]
    tables: BTreeMap<String, BTreeMap<String, Rule>>,
    #[serde(skip)]
    file: String,
    /// Tells one set of rules from another.
    #[serde(skip)]
    pub digest: String,
}

impl Rules {
    /// Reads the file. Without one there are no rules.
    pub(super) fn read(path: Option<&Path>) -> Outcome<Self> {
        let Some(path) = path else {
            return Ok(Self { file: "scrub.toml".into(), digest: "none".into(), ..Self::default() });
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::configuration(
                format!("{} cannot be read: {error}. Nothing was written.", path.display()),
                "Make one: dryrun mirror … --suggest > scrub.toml",
            )
        })?;
        let rules: Self = toml::from_str(&text).map_err(|error| {
            Failure::configuration(
                format!("{} is not valid:", path.display()),
                "It has a section [tables.NAME] for each table with lines such as email = \"email\". Rules: keep, \
                 null, hash, name, email, phone, keep_format, { fixed = VALUE }, { json = { \"/path\" = RULE } }.",
            )
            .with_reasons(error.to_string().lines().map(str::to_owned))
        })?;
        Ok(Self { file: path.display().to_string(), digest: hex::encode(Sha256::digest(&text)), ..rules })
    }

    /// The rule of each stored column of a table.
    pub(super) fn of(&self, table: &Table) -> Vec<Option<Rule>> {
        let rules = self.tables.iter().find(|(name, _)| name.eq_ignore_ascii_case(&table.name)).map(|(_, rules)| rules);
        let rule = |column: &str| {
            rules.and_then(|rules| {
                rules.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, rule)| rule.clone())
            })
        };
        table.columns.iter().map(|column| rule(&column.name)).collect()
    }

    fn rule(&self, schema: &Schema, table: &str, column: &str) -> Option<Rule> {
        let table = schema.table(table)?;
        self.of(table).into_iter().nth(table.place(column)?).flatten().filter(|rule| !rule.keeps())
    }

    /// Finds what cannot be: columns that are not there, and rules that a column cannot have.
    pub(super) fn check(&self, schema: &Schema) -> Outcome<()> {
        let mut wrong = Vec::new();
        for (name, rules) in &self.tables {
            // Of two spellings of a name only one would be followed.
            let twice = |names: Vec<&String>, one: &String| {
                names.into_iter().any(|other| other > one && other.eq_ignore_ascii_case(one))
            };
            wrong.extend(
                twice(self.tables.keys().collect(), name).then(|| format!("the table {name} has two sections")),
            );
            wrong.extend(
                rules
                    .keys()
                    .filter(|column| twice(rules.keys().collect(), column))
                    .map(|column| format!("{name}.{column} has two rules")),
            );
            let Some(table) = schema.table(name) else {
                wrong.push(format!("there is no table {name}"));
                continue;
            };
            for (column, rule) in rules.iter().filter(|(_, rule)| !rule.keeps()) {
                wrong.extend(objection(table, column, rule));
            }
            wrong.extend(
                rules
                    .keys()
                    .filter(|column| table.place(column).is_none())
                    .map(|column| format!("{name} has no stored column {column}")),
            );
        }
        for table in &schema.tables {
            for (from, parent, to) in table
                .foreign_keys
                .iter()
                .flat_map(|key| key.from.iter().zip(&key.to).map(|(from, to)| (from, &key.parent, to)))
            {
                let (here, there) = (self.rule(schema, &table.name, from), self.rule(schema, parent, to));
                if here != there {
                    wrong.push(format!(
                        "{}.{from} refers to {parent}.{to} and needs the same rule, or rows would refer to nothing",
                        table.name
                    ));
                }
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Failure::configuration(
            format!("{} does not fit the database: {}. Nothing was written.", self.file, wrong.join("; ")),
            "Correct these lines.",
        ))
    }

    /// The file that the remedies name.
    pub(super) fn file(&self) -> &str {
        &self.file
    }
}

/// Why a column cannot have a rule.
fn objection(table: &Table, column: &str, rule: &Rule) -> Option<String> {
    let place = table.place(column)?;
    let known = table.columns.get(place)?;
    let name = format!("{}.{}", table.name, known.name);
    if table.is_rowid(place) {
        return Some(format!("{name} is the INTEGER PRIMARY KEY, by which rows are found again; it can only be kept"));
    }
    if *rule == Rule::Plain(Plain::Null) && known.required {
        return Some(format!("{name} is NOT NULL and cannot become NULL"));
    }
    if let Rule::Json { json } = rule
        && let Some(path) = json.keys().find(|path| !path.is_empty() && !path.starts_with('/'))
    {
        return Some(format!("{name} has a rule for {path:?}, which is no place in a document: begin it with a slash"));
    }
    if matches!(rule, Rule::Fixed { fixed: toml::Value::Float(_) }) && known.affinity == Affinity::Text {
        return Some(format!("{name} stores text, so write its fixed value in quotes"));
    }
    (table.is_unique(place) && rule.merges()).then(|| {
        format!("{name} is unique, and this rule could make two values the same; use hash, email, phone or keep_format")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::mirror::schema::{Column, ForeignKey, Key};

    fn schema() -> Schema {
        let column =
            |name: &str, required| Column { name: name.into(), required, key_place: 0, affinity: Affinity::None };
        let key = || Key::Rowid { name: "\"id\"".into(), column: Some(0) };
        let table = |name: &str, foreign_keys| Table {
            name: name.into(),
            columns: vec![column("id", true), column("email", true), column("note", false)],
            key: key(),
            foreign_keys,
            unique: vec!["email".into()],
            counter: None,
        };
        let refers = ForeignKey { parent: "Customers".into(), from: vec!["email".into()], to: vec!["email".into()] };
        Schema { tables: vec![table("customers", Vec::new()), table("orders", vec![refers])], ..Schema::default() }
    }

    fn check(file: &str) -> String {
        let rules: Rules = toml::from_str(file).unwrap();
        rules.check(&schema()).map_or_else(|failure| failure.message, |()| "fits".to_owned())
    }

    #[test]
    fn rules_have_to_fit_the_columns() {
        assert_eq!(check("[tables.customers]\nEMAIL = \"email\"\n[tables.orders]\nemail = \"email\""), "fits");
        for (file, why) in [
            ("[tables.nobody]\nx = \"null\"", "there is no table nobody"),
            ("[tables.customers]\nx = \"null\"", "no stored column x"),
            ("[tables.customers]\nid = \"hash\"", "can only be kept"),
            ("[tables.customers]\nemail = \"null\"", "NOT NULL"),
            ("[tables.customers]\nemail = { fixed = \"x\" }", "is unique"),
            ("[tables.customers]\nnote = \"null\"\n[tables.CUSTOMERS]\nnote = \"keep\"", "has two sections"),
            ("[tables.customers]\nnote = \"null\"\nNote = \"keep\"", "has two rules"),
            ("[tables.customers]\nnote = { json = { email = \"email\" } }", "begin it with a slash"),
            ("[tables.customers]\nemail = \"email\"", "orders.email refers to Customers.email"),
        ] {
            assert!(check(file).contains(why), "{}", check(file));
        }
        assert!(
            toml::from_str::<Rules>("[tables.a]\nb = \"scramble\"").is_err()
                && toml::from_str::<Rules>("[table.a]\nb = \"null\"").is_err()
        );
    }
}
