//! What becomes of a personal value. The same value becomes the same one everywhere in a mirror, so that joins and
//! unique constraints still hold; without the secret nobody gets from one to the other.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::cell::Cell;
use super::rule::{Plain, Rule};

/// Applies rules.
#[derive(Clone)]
pub(super) struct Scrubber {
    secret: Vec<u8>,
}

const DOMAIN: &str = "example.com";

impl Scrubber {
    /// With a secret.
    pub(super) fn new(secret: &[u8]) -> Self {
        Self { secret: secret.to_vec() }
    }

    /// What becomes of a value. NULL stays NULL: nothing is known of nobody.
    pub(super) fn apply(&self, rule: &Rule, cell: &Cell) -> Cell {
        let rule = match (rule, cell) {
            (_, Cell::Null) => return Cell::Null,
            (Rule::Fixed { fixed }, _) => return value_of(fixed),
            (Rule::Json { json }, _) => return self.in_json(json, cell),
            (Rule::Plain(rule), _) => *rule,
        };
        match (rule, cell) {
            (Plain::Keep, _) => cell.clone(),
            (Plain::Null, _) => Cell::Null,
            (_, Cell::Text(bytes)) => Cell::text(&self.in_text(rule, &String::from_utf8_lossy(bytes))),
            (Plain::KeepFormat, Cell::Blob(bytes)) => {
                let stream = self.stream("blob", bytes, bytes.len());
                Cell::Blob(stream)
            }
            (_, Cell::Blob(bytes)) => Cell::Blob(self.digest("blob", bytes).to_vec()),
            (Plain::KeepFormat, Cell::Integer(number)) => Cell::Integer(self.in_integer(*number)),
            (Plain::Phone, Cell::Integer(number)) => {
                Cell::Integer(self.phone_digits(&number.to_string()).parse().unwrap_or(999_000_000_000_000))
            }
            (_, Cell::Integer(number)) => Cell::Integer(self.number(&number.to_string())),
            (Plain::KeepFormat, Cell::Real(text)) => self.in_real(text),
            (_, Cell::Real(text)) => Cell::Real(format!("{}.0", self.number(text))),
            (_, Cell::Null) => Cell::Null,
        }
    }

    fn in_text(&self, rule: Plain, text: &str) -> String {
        match rule {
            Plain::Keep | Plain::Null => text.to_owned(),
            Plain::Hash => self.cased(
                "hash",
                text,
                &hex::encode(self.digest("hash", text.to_lowercase().as_bytes())).chars().take(32).collect::<String>(),
            ),
            Plain::Email => {
                let local = base32(&self.digest("email", text.to_lowercase().as_bytes()), 16);
                format!("{}@{DOMAIN}", self.cased("email", text, &format!("p{local}")))
            }
            Plain::Phone => format!("+{}", self.phone_digits(text)),
            Plain::Name => self.name(text),
            Plain::KeepFormat => self.keep_format(text),
        }
    }

    /// Values that differ in case only become values that differ in case only: a column that compares without case
    /// stays joined, one that compares with it stays unique.
    fn cased(&self, what: &str, text: &str, made: &str) -> String {
        if text == text.to_lowercase() {
            return made.to_owned();
        }
        let bits = self.stream(&format!("case of {what}"), text.as_bytes(), made.len());
        made.chars()
            .zip(bits)
            .enumerate()
            .map(
                |(place, (character, bit))| {
                    if place == 0 || bit & 1 == 1 { character.to_ascii_uppercase() } else { character }
                },
            )
            .collect()
    }

    /// 999 is a country code that nobody has (ITU-T E.164).
    fn phone_digits(&self, text: &str) -> String {
        let number = u64::from_be_bytes(first(&self.digest("phone", text.as_bytes()))) % 1_000_000_000_000;
        format!("999{number:012}")
    }

    fn number(&self, text: &str) -> i64 {
        let number = u64::from_be_bytes(first(&self.digest("number", text.as_bytes())));
        // Between 2^51 and 2^52: exact wherever a client reads it.
        i64::try_from((number >> 13) | (1 << 51)).unwrap_or_default()
    }

    /// Words that nobody is called: one for one, two for several.
    fn name(&self, text: &str) -> String {
        const FIRST: [&str; 16] = [
            "Bra", "Cle", "Dro", "Fli", "Gre", "Jun", "Klo", "Lor", "Mev", "Nal", "Pro", "Quil", "Sten", "Tra", "Vel",
            "Zan",
        ];
        const MIDDLE: [&str; 16] =
            ["ba", "cho", "da", "fe", "gli", "ka", "lu", "mi", "no", "pra", "quo", "ri", "sto", "ta", "vu", "zi"];
        const LAST: [&str; 16] = [
            "bert", "dell", "fing", "gan", "holt", "kin", "lane", "mor", "nix", "pell", "rick", "sted", "tov", "vane",
            "wick", "zor",
        ];
        let digest = self.digest("name", text.to_lowercase().as_bytes());
        let mut bytes = digest.iter();
        let mut pick = |list: [&'static str; 16]| {
            list.get(usize::from(bytes.next().copied().unwrap_or_default() % 16)).copied().unwrap_or_default()
        };
        let mut word = || format!("{}{}{}{}", pick(FIRST), pick(MIDDLE), pick(MIDDLE), pick(LAST));
        if text.trim().contains(char::is_whitespace) { format!("{} {}", word(), word()) } else { word() }
    }

    /// A Feistel network over digits and letters: each format is mapped onto itself one to one, so what was unique
    /// stays unique.
    fn keep_format(&self, text: &str) -> String {
        let lower: Vec<char> = text.chars().map(|character| character.to_ascii_lowercase()).collect();
        let radix = |character: char| match character {
            '0'..='9' => Some((10, '0')),
            'a'..='z' => Some((26, 'a')),
            _ => None,
        };
        let values: Vec<(u8, u8)> = lower
            .iter()
            .filter_map(|character| {
                radix(*character)
                    .map(|(radix, zero)| (u8::try_from(*character as u32 - zero as u32).unwrap_or_default(), radix))
            })
            .collect();
        let shape: String =
            lower.iter().map(|character| radix(*character).map_or(*character, |(_, zero)| zero)).collect();
        let permuted = self.permute(&shape, &values);
        let mut permuted = permuted.into_iter();
        // Letters and digits of other scripts are replaced by those of ASCII.
        let mut others = self.stream("other letters", text.as_bytes(), lower.len()).into_iter();
        let letter = |zero: char, value: u8| char::from_u32(zero as u32 + u32::from(value)).unwrap_or(zero);
        text.chars()
            .zip(&lower)
            .map(|(character, lower)| {
                let other = others.next().unwrap_or_default();
                match radix(*lower) {
                    Some((_, zero)) => {
                        let made = letter(zero, permuted.next().unwrap_or_default());
                        if character.is_ascii_uppercase() { made.to_ascii_uppercase() } else { made }
                    }
                    None if character.is_alphabetic() => {
                        letter(if character.is_uppercase() { 'A' } else { 'a' }, other % 26)
                    }
                    None if character.is_numeric() => letter('0', other % 10),
                    None => character,
                }
            })
            .collect()
    }

    fn permute(&self, shape: &str, values: &[(u8, u8)]) -> Vec<u8> {
        let (left, right) = values.split_at(values.len() / 2);
        let (mut left, mut right) = (left.to_vec(), right.to_vec());
        for round in 0..10u8 {
            let (from, to) = if round % 2 == 0 { (&left, &mut right) } else { (&right, &mut left) };
            let known: Vec<u8> = [round]
                .into_iter()
                .chain(shape.bytes())
                .chain([0])
                .chain(from.iter().map(|(value, _)| *value))
                .collect();
            let shifts = self.stream("keep_format", &known, to.len());
            for ((value, radix), shift) in to.iter_mut().zip(shifts) {
                *value = u8::try_from((u16::from(*value) + u16::from(shift)) % u16::from(*radix)).unwrap_or_default();
            }
        }
        left.into_iter().chain(right).map(|(value, _)| value).collect()
    }

    /// The same number of digits, the same sign.
    fn in_integer(&self, number: i64) -> i64 {
        let digits = number.unsigned_abs().to_string();
        let values: Vec<(u8, u8)> = digits
            .bytes()
            .enumerate()
            // The first digit of several is not 0.
            .map(|(place, byte)| if place == 0 && digits.len() > 1 { (byte - b'1', 9) } else { (byte - b'0', 10) })
            .collect();
        let made: String = self
            .permute(&format!("integer of {}", digits.len()), &values)
            .into_iter()
            .enumerate()
            .map(|(place, value)| char::from(b'0' + value + u8::from(place == 0 && digits.len() > 1)))
            .collect();
        let sign = if number < 0 { "-" } else { "" };
        // Not every number of 19 digits fits; the digest is one that does.
        format!("{sign}{made}").parse().unwrap_or_else(|_| self.number(&digits))
    }

    /// Digits for digits, of at most 15 that count: those every reader reads alike. A zero that comes first or last is
    /// not written.
    fn in_real(&self, text: &str) -> Cell {
        let shown = text
            .parse::<f64>()
            .ok()
            .and_then(|number| format!("{number:.14e}").parse::<f64>().ok())
            .map(|number| format!("{number:?}"));
        let plain =
            shown.filter(|shown| shown.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-'));
        plain
            .and_then(|shown| self.keep_format(&shown).parse().ok())
            .map_or_else(|| Cell::Real(format!("{}.0", self.number(text))), Cell::real)
    }

    fn in_json(&self, rules: &BTreeMap<String, Rule>, cell: &Cell) -> Cell {
        let Some(mut document) = cell.as_text().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
        else {
            // Nobody knows what is in it.
            return self.apply(&Rule::Plain(Plain::Hash), cell);
        };
        for (pointer, rule) in rules {
            let path: Vec<String> =
                pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
            self.at_path(&path, rule, &mut document);
        }
        Cell::text(&document.to_string())
    }

    fn at_path(&self, path: &[String], rule: &Rule, value: &mut serde_json::Value) {
        use serde_json::Value;
        let Some((first, rest)) = path.split_first() else { return self.whole(rule, value) };
        match value {
            Value::Object(members) if first == "*" => {
                members.values_mut().for_each(|member| self.at_path(rest, rule, member))
            }
            Value::Array(members) if first == "*" => {
                members.iter_mut().for_each(|member| self.at_path(rest, rule, member))
            }
            Value::Object(members) => {
                if let Some(member) = members.get_mut(first) {
                    self.at_path(rest, rule, member);
                }
            }
            Value::Array(members) => {
                if let Some(member) = first.parse::<usize>().ok().and_then(|place| members.get_mut(place)) {
                    self.at_path(rest, rule, member);
                }
            }
            _ => {}
        }
    }

    /// A whole part of a document: what it holds, down to the last value.
    fn whole(&self, rule: &Rule, value: &mut serde_json::Value) {
        use serde_json::Value;
        let cell = match value {
            _ if matches!(rule, Rule::Plain(Plain::Null) | Rule::Fixed { .. }) => Cell::Integer(0),
            Value::Null | Value::Bool(_) => return,
            Value::Array(members) => return members.iter_mut().for_each(|member| self.whole(rule, member)),
            Value::Object(members) => return members.values_mut().for_each(|member| self.whole(rule, member)),
            Value::String(text) => Cell::text(text),
            Value::Number(number) => number.as_i64().map_or_else(|| Cell::text(&number.to_string()), Cell::Integer),
        };
        *value = match self.apply(rule, &cell) {
            Cell::Integer(number) => number.into(),
            Cell::Real(text) => text.parse::<f64>().map_or(Value::Null, Value::from),
            Cell::Text(bytes) => String::from_utf8_lossy(&bytes).into(),
            Cell::Null | Cell::Blob(_) => Value::Null,
        };
    }

    fn digest(&self, what: &str, input: &[u8]) -> [u8; 32] {
        let mut hmac = match Hmac::<Sha256>::new_from_slice(&self.secret) {
            Ok(hmac) => hmac,
            Err(error) => unreachable!("HMAC takes a key of any length: {error}"),
        };
        hmac.update(what.as_bytes());
        hmac.update(&[0]);
        hmac.update(input);
        hmac.finalize().into_bytes().into()
    }

    /// As many bytes as are wanted.
    fn stream(&self, what: &str, input: &[u8], length: usize) -> Vec<u8> {
        let seed = self.digest(what, input);
        let blocks = (0u64..).flat_map(|block| {
            let known: Vec<u8> = seed.iter().copied().chain(block.to_be_bytes()).collect();
            self.digest("stream", &known)
        });
        blocks.take(length).collect()
    }
}

fn first(digest: &[u8; 32]) -> [u8; 8] {
    let mut found = [0; 8];
    found.iter_mut().zip(digest).for_each(|(place, byte)| *place = *byte);
    found
}

fn base32(bytes: &[u8], length: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    bytes
        .iter()
        .take(length)
        .map(|byte| char::from(LETTERS.get(usize::from(byte & 31)).copied().unwrap_or(b'a')))
        .collect()
}

/// A value of TOML as one of SQLite.
fn value_of(value: &toml::Value) -> Cell {
    match value {
        toml::Value::Integer(number) => Cell::Integer(*number),
        toml::Value::Boolean(value) => Cell::Integer(i64::from(*value)),
        toml::Value::Float(number) => Cell::real(*number),
        toml::Value::String(text) => Cell::text(text),
        other => Cell::text(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn scrub(rule: Plain, text: &str) -> String {
        Scrubber::new(b"secret").apply(&Rule::Plain(rule), &Cell::text(text)).as_text().unwrap().to_owned()
    }

    #[test]
    fn the_same_value_becomes_the_same_one_and_another_secret_another() {
        assert_eq!(scrub(Plain::Email, "ada@example.org"), scrub(Plain::Email, "ada@example.org"));
        let other = Scrubber::new(b"other").apply(&Rule::Plain(Plain::Email), &Cell::text("ada@example.org"));
        assert_ne!(Cell::text(&scrub(Plain::Email, "ada@example.org")), other);
    }

    #[test]
    fn addresses_stay_unique_and_differ_in_case_when_they_did() {
        let made: BTreeSet<String> =
            (0..20_000).map(|number| scrub(Plain::Email, &format!("user{number}@example.org"))).collect();
        assert_eq!(made.len(), 20_000);
        let (lower, upper) = (scrub(Plain::Email, "ada@example.org"), scrub(Plain::Email, "Ada@example.org"));
        assert!(lower != upper && lower.eq_ignore_ascii_case(&upper), "{lower} {upper}");
        assert!(lower.ends_with("@example.com") && crate::commands::mirror::personal::holds_email(&lower));
    }

    #[test]
    fn a_format_is_kept_and_its_values_stay_different() {
        let made = scrub(Plain::KeepFormat, "Ab-12 3c/Ü");
        let shape = |text: &str| {
            text.chars()
                .map(|c| {
                    if c.is_ascii_digit() {
                        '9'
                    } else if c.is_uppercase() {
                        'A'
                    } else if c.is_alphabetic() {
                        'a'
                    } else {
                        c
                    }
                })
                .collect::<String>()
        };
        assert_eq!(shape(&made), "Aa-99 9a/A");
        let all: BTreeSet<String> =
            (0..10_000).map(|number| scrub(Plain::KeepFormat, &format!("{number:04}"))).collect();
        assert_eq!(all.len(), 10_000, "every number of four digits, each once");
        let scrubber = Scrubber::new(b"secret");
        let numbers: BTreeSet<i64> = (100..1_000).map(|number| scrubber.in_integer(number)).collect();
        assert_eq!(
            (numbers.len(), numbers.first().copied() >= Some(100), numbers.last().copied() < Some(1_000)),
            (900, true, true)
        );
        assert!(
            scrubber.in_integer(-12) < -9
                && scrubber.in_integer(i64::MIN) != i64::MIN
                && (0..10).contains(&scrubber.in_integer(0))
        );
    }

    #[test]
    fn storage_classes_stay_as_far_as_they_can() {
        let scrubber = Scrubber::new(b"secret");
        let apply = |rule, cell| scrubber.apply(&Rule::Plain(rule), &cell);
        assert!(matches!(apply(Plain::Hash, Cell::Integer(5)), Cell::Integer(number) if number > 1 << 50));
        assert!(
            matches!(apply(Plain::Phone, Cell::Integer(491_234)), Cell::Integer(number) if number / 1_000_000_000_000 == 999)
        );
        assert!(matches!(apply(Plain::Hash, Cell::Blob(vec![1])), Cell::Blob(bytes) if bytes.len() == 32));
        assert!(
            matches!(apply(Plain::KeepFormat, Cell::Blob(vec![1, 2, 3])), Cell::Blob(bytes) if bytes.len() == 3 && bytes != [1, 2, 3])
        );
        assert!(matches!(apply(Plain::Email, Cell::Real("0.5".into())), Cell::Real(_)));
        assert!(
            matches!(apply(Plain::KeepFormat, Cell::Real("-1234.5".into())), Cell::Real(text) if text.starts_with('-') && text.len() <= 7 && text != "-1234.5")
        );
        assert!(
            matches!(apply(Plain::KeepFormat, Cell::Real("9.0e+999".into())), Cell::Real(text) if text != "9.0e+999")
        );
        assert_eq!(apply(Plain::Null, Cell::text("x")), Cell::Null);
        assert_eq!(apply(Plain::Hash, Cell::Null), Cell::Null);
        assert_eq!(
            scrubber.apply(&Rule::Fixed { fixed: toml::Value::Float(1.5) }, &Cell::text("x")),
            Cell::Real("1.5".into())
        );
    }

    #[test]
    fn names_have_as_many_words_as_they_had() {
        assert_eq!(scrub(Plain::Name, "Ada").split(' ').count(), 1);
        assert_eq!(scrub(Plain::Name, "Ada King Lovelace").split(' ').count(), 2);
    }

    #[test]
    fn places_in_json_are_scrubbed_and_the_rest_stays() {
        let rules: BTreeMap<String, Rule> = [
            ("/user/email".to_owned(), Rule::Plain(Plain::Email)),
            ("/list/*/ip".to_owned(), Rule::Plain(Plain::Null)),
        ]
        .into();
        let rule = Rule::Json { json: rules };
        let made = Scrubber::new(b"secret").apply(
            &rule,
            &Cell::text(r#"{"user":{"email":"ada@x.org","plan":"pro"},"list":[{"ip":"1.2.3.4","n":1.5}]}"#),
        );
        let made: serde_json::Value = serde_json::from_str(made.as_text().unwrap()).unwrap();
        assert_eq!(
            (made["user"]["plan"].as_str(), made["list"][0]["ip"].is_null(), made["list"][0]["n"].as_f64()),
            (Some("pro"), true, Some(1.5))
        );
        assert!(made["user"]["email"].as_str().unwrap().ends_with("@example.com"));
        assert_ne!(
            Scrubber::new(b"secret").apply(&rule, &Cell::text("ada@x.org, no JSON")),
            Cell::text("ada@x.org, no JSON")
        );
    }
}
