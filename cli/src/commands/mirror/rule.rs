//! A rule for a column with personal data, as scrub.toml spells it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A rule for a column.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Rule {
    /// One of the rules without a setting.
    Plain(Plain),
    /// A value for every row.
    Fixed {
        /// The value.
        fixed: toml::Value,
    },
    /// Rules for places in a JSON text.
    Json {
        /// By JSON pointer; `*` stands for every member.
        json: BTreeMap<String, Rule>,
    },
}

/// The rules without a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Plain {
    /// Not personal.
    Keep,
    /// NULL.
    Null,
    /// A digest.
    Hash,
    /// An invented name.
    Name,
    /// An address that reaches nobody.
    Email,
    /// A number that reaches nobody.
    Phone,
    /// The same length, letters for letters, digits for digits.
    KeepFormat,
}

impl Rule {
    /// Whether values stay as they are.
    pub(super) fn keeps(&self) -> bool {
        *self == Self::Plain(Plain::Keep)
    }

    /// Whether different values can become the same one.
    pub(super) fn merges(&self) -> bool {
        matches!(self, Self::Fixed { .. } | Self::Plain(Plain::Name))
    }

    /// As scrub.toml writes it.
    pub(super) fn spelled(&self) -> String {
        match self {
            Self::Plain(Plain::Keep) => "\"keep\"".to_owned(),
            Self::Plain(Plain::Null) => "\"null\"".to_owned(),
            Self::Plain(Plain::Hash) => "\"hash\"".to_owned(),
            Self::Plain(Plain::Name) => "\"name\"".to_owned(),
            Self::Plain(Plain::Email) => "\"email\"".to_owned(),
            Self::Plain(Plain::Phone) => "\"phone\"".to_owned(),
            Self::Plain(Plain::KeepFormat) => "\"keep_format\"".to_owned(),
            Self::Fixed { fixed } => format!("{{ fixed = {fixed} }}"),
            Self::Json { json } => {
                let places: Vec<String> = json.iter().map(|(path, rule)| line(path, &rule.spelled())).collect();
                format!("{{ json = {{ {} }} }}", places.join(", "))
            }
        }
    }

    /// Whether no value that it makes can be one that was there before, however short.
    pub(super) fn makes_new_values(&self) -> bool {
        matches!(self, Self::Plain(Plain::Hash | Plain::Name | Plain::Email | Plain::Phone))
    }
}

/// A line of the file, for a remedy or a proposal.
pub(super) fn line(column: &str, rule: &str) -> String {
    let bare =
        !column.is_empty() && column.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    // What JSON escapes TOML reads too.
    let column =
        if bare { column.to_owned() } else { serde_json::Value::from(column).to_string().replace('\u{7f}', "\\u007f") };
    format!("{column} = {rule}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_pasted() {
        assert_eq!(line("e_mail", "\"email\""), "e_mail = \"email\"");
        for name in ["first name", "a\"b", "a\\b", "naïve", "two\nlines\t\u{1}"] {
            let table: toml::Table = toml::from_str(&line(name, "\"name\"")).unwrap();
            assert_eq!(table.keys().next().unwrap(), name);
        }
    }
}
