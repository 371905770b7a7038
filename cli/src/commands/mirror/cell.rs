//! One value of a row, exactly as SQLite stores it, and how it comes and goes through D1's JSON.
//!
//! A number would lose digits in JSON, so integers and reals travel as text, next to a letter for the storage class.
//! Text travels as it is, a BLOB as a list of bytes. Text that is no UTF-8 comes with its broken bytes replaced, and is
//! then asked for again as bytes.

use std::borrow::Cow;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Cell {
    /// NULL.
    Null,
    /// An integer of up to 64 bits.
    Integer(i64),
    /// A real number as SQLite's `quote` writes it: a text that SQLite reads back to the same bits.
    Real(String),
    /// Text in the database's encoding. It may hold NUL, and need not be UTF-8.
    Text(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A value as it stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing.
    Null,
    /// A text.
    Text(String),
    /// A list of bytes.
    Bytes(Vec<u8>),
}

impl<'de> Deserialize<'de> for Sent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Sent;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("null, a text or a list of bytes")
            }
            fn visit_unit<E>(self) -> Result<Sent, E> {
                Ok(Sent::Null)
            }
            fn visit_str<E>(self, text: &str) -> Result<Sent, E> {
                Ok(Sent::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Sent, E> {
                Ok(Sent::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sent, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element::<u64>()? {
                    bytes.push(u8::try_from(byte).map_err(|_| A::Error::custom("a number that is no byte"))?);
                }
                Ok(Sent::Bytes(bytes))
            }
        }
        deserializer.deserialize_any(One)
    }
}

impl Cell {
    /// Reads a value by the first letter of its storage class. `None`: the two do not fit.
    pub(super) fn read(class: char, sent: Sent) -> Option<Self> {
        match (class, sent) {
            ('n', Sent::Null) => Some(Self::Null),
            ('i', Sent::Text(text)) => text.parse().ok().map(Self::Integer),
            ('r', Sent::Text(text)) => Some(Self::Real(text)),
            ('t', Sent::Text(text)) => Some(Self::Text(text.into_bytes())),
            ('t', Sent::Bytes(bytes)) => Some(Self::Text(bytes)),
            ('b', Sent::Bytes(bytes)) => Some(Self::Blob(bytes)),
            _ => None,
        }
    }

    /// A text value.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// A real number. NaN is what SQLite makes NULL.
    pub(super) fn real(number: f64) -> Self {
        match number {
            number if number.is_nan() => Self::Null,
            number if number.is_infinite() => {
                Self::Real(if number > 0.0 { "9.0e+999" } else { "-9.0e+999" }.to_owned())
            }
            number => Self::Real(format!("{number:?}")),
        }
    }

    /// Its text, when it is one in UTF-8.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// What a reader could make of it: text whose broken bytes are replaced, and bytes that are text. The end may be
    /// cut.
    pub(super) fn readable(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
            Self::Blob(bytes) => {
                let text = match std::str::from_utf8(bytes) {
                    Ok(text) => text,
                    Err(error) if error.error_len().is_none() => {
                        std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
                    }
                    Err(_) => return None,
                };
                (!text.contains(|character: char| character.is_control() && !character.is_whitespace()))
                    .then_some(Cow::Borrowed(text))
            }
            Self::Null | Self::Integer(_) | Self::Real(_) => None,
        }
    }

    /// How long it is, in bytes; numbers count as 8.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Integer(_) | Self::Real(_) => 8,
            Self::Text(bytes) | Self::Blob(bytes) => bytes.len(),
        }
    }

    /// As a literal of SQL.
    pub(super) fn literal(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Real(text) => text.clone(),
            Self::Blob(bytes) => format!("X'{}'", hex::encode_upper(bytes)),
            Self::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if is_plain(text) => format!("'{}'", text.replace('\'', "''")),
                _ => format!("CAST(X'{}' AS TEXT)", hex::encode_upper(bytes)),
            },
        }
    }

    /// As a literal that brings no affinity into a comparison.
    pub(super) fn operand(&self) -> String {
        format!("+{}", self.literal())
    }

    /// As a bound parameter, with the place for it: only text and bytes are worth one.
    pub(super) fn parameter(&self) -> Option<(&'static str, Value)> {
        let list = |bytes: &[u8]| Value::Array(bytes.iter().map(|byte| Value::from(*byte)).collect());
        match self {
            Self::Text(bytes) => Some(match std::str::from_utf8(bytes) {
                Ok(text) => ("?", Value::from(text)),
                Err(_) => ("CAST(? AS TEXT)", list(bytes)),
            }),
            Self::Blob(bytes) => Some(("?", list(bytes))),
            Self::Null | Self::Integer(_) | Self::Real(_) => None,
        }
    }

    /// For an error message: short, and without the value of a text.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => self.literal(),
            Self::Text(bytes) => format!("(text of {} bytes)", bytes.len()),
            Self::Blob(bytes) => format!("(blob of {} bytes)", bytes.len()),
        }
    }

    fn feed(&self, hasher: &mut Sha256) {
        let (class, bytes): (u8, &[u8]) = match self {
            Self::Null => (b'n', &[]),
            Self::Integer(number) => {
                hasher.update(b"i");
                hasher.update(number.to_be_bytes());
                return;
            }
            Self::Real(text) => {
                // One number can be written in several ways.
                hasher.update(b"r");
                match text.parse::<f64>() {
                    Ok(number) => hasher.update(number.to_bits().to_be_bytes()),
                    Err(_) => hasher.update(text.as_bytes()),
                }
                return;
            }
            Self::Text(bytes) => (b't', bytes),
            Self::Blob(bytes) => (b'b', bytes),
        };
        hasher.update([class]);
        hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(bytes);
    }
}

/// Whether a text can stand in a statement as it is. The gateway refuses NUL and byte order marks there, and texts that
/// could be meant as a name of its own or of SQLite's.
fn is_plain(text: &str) -> bool {
    let name = text.trim_start_matches(['"', '\'', '`', '[']).to_ascii_lowercase();
    !text.contains(['\0', '\u{feff}'])
        && !["_dryrun_", "pragma_", "sqlite_", "_cf_"].iter().any(|prefix| name.starts_with(prefix))
}

/// A name as SQL writes it.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A digest of rows that does not depend on the order or the pages they come in: the sum of their SHA-256, modulo
/// 2^256. A row holds its key, so a row in the wrong place is another row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RowsDigest {
    sum: [u8; 32],
    /// How many rows.
    pub rows: u64,
    /// Their values together, in bytes.
    pub bytes: u64,
}

impl RowsDigest {
    /// Takes a row in.
    pub(super) fn add<'a>(&mut self, row: impl IntoIterator<Item = &'a Cell>) {
        let mut hasher = Sha256::new();
        let mut octets = 0;
        for cell in row {
            cell.feed(&mut hasher);
            octets += cell.octets();
        }
        let mut carry = 0u16;
        for (place, byte) in self.sum.iter_mut().rev().zip(hasher.finalize().iter().rev()) {
            let sum = u16::from(*place) + u16::from(*byte) + carry;
            *place = u8::try_from(sum & 0xff).unwrap_or_default();
            carry = sum >> 8;
        }
        self.rows += 1;
        self.bytes += u64::try_from(octets).unwrap_or(u64::MAX);
    }

    /// As text.
    pub(super) fn hex(&self) -> String {
        hex::encode(self.sum)
    }

    /// From text.
    pub(super) fn read(hex: &str, rows: u64, bytes: u64) -> Option<Self> {
        let sum = hex::decode(hex).ok()?.try_into().ok()?;
        Some(Self { sum, rows, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_their_class_and_written_exactly() {
        let read = |class, json: &str| Cell::read(class, serde_json::from_str(json).unwrap()).unwrap().literal();
        assert_eq!(read('i', r#""-9223372036854775808""#), "-9223372036854775808");
        assert_eq!(read('r', r#""9.0e+999""#), "9.0e+999");
        assert_eq!(read('n', "null"), "NULL");
        assert_eq!(read('t', r#""it's""#), "'it''s'");
        assert_eq!(read('t', r#""a\u0000b""#), "CAST(X'610062' AS TEXT)");
        assert_eq!(read('t', "[255,65]"), "CAST(X'FF41' AS TEXT)");
        assert_eq!(read('b', "[0,255]"), "X'00FF'");
        assert_eq!(Cell::read('i', Sent::Null), None);
        assert!(serde_json::from_str::<Sent>("[256]").is_err() && serde_json::from_str::<Sent>("1.5").is_err());
    }

    #[test]
    fn texts_that_the_gateway_takes_for_names_are_written_as_bytes() {
        for text in ["_dryrun_x", "'PRAGMA_optimize", "sqlite_master", "\u{feff}x"] {
            assert!(Cell::text(text).literal().starts_with("CAST(X'"), "{text}");
        }
        assert_eq!(Cell::text("dryrun").literal(), "'dryrun'");
    }

    #[test]
    fn a_digest_tells_rows_apart_but_not_their_order() {
        let digest = |rows: &[&[Cell]]| {
            let mut digest = RowsDigest::default();
            rows.iter().for_each(|row| digest.add(*row));
            digest.hex()
        };
        let (one, two): (&[Cell], &[Cell]) =
            (&[Cell::Integer(1), Cell::text("a")], &[Cell::Integer(2), Cell::text("b")]);
        assert_eq!(digest(&[one, two]), digest(&[two, one]));
        assert_ne!(digest(&[one, two]), digest(&[one]));
        assert_ne!(digest(&[&[Cell::text("1")]]), digest(&[&[Cell::Integer(1)]]));
        assert_ne!(digest(&[&[Cell::text("ab"), Cell::text("c")]]), digest(&[&[Cell::text("a"), Cell::text("bc")]]));
        assert_ne!(digest(&[one, one]), digest(&[two, two]));
        let real = |text: &str| digest(&[&[Cell::Real(text.into())]]);
        assert!(
            real("2251799813685248.0") == real("2.25179981368524800000e+15")
                && real("9e999") == real("9.0e+999")
                && real("0.1") != real("0.2")
        );
    }
}
