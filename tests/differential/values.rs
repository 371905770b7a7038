//! Values: as literals in a statement, as parameters, and as an answer shows them.

use rusqlite::types::Value;
use serde_json::json;

/// A deterministic source of choices.
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit)
    }

    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        self.0.usize(least..=most)
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(crate) fn choose<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }

    pub(crate) fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        self.0.shuffle(&mut items);
        items
    }

    pub(crate) fn integer(&mut self) -> i64 {
        match self.below(24) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => 9_007_199_254_740_993,
            3 => -4_294_967_297,
            4 => 0,
            5 => -1,
            _ => i64::try_from(self.below(40)).unwrap_or_default(),
        }
    }

    pub(crate) fn real(&mut self) -> f64 {
        *self
            .choose(&[
                0.5,
                -1.25,
                1e308,
                -1e308,
                5e-324,
                1e-300,
                0.333_333_333_333_333_3,
                3.0,
                -0.0,
                1e19,
                9.2e18,
                f64::INFINITY,
                2.5,
                7.75,
                0.1,
                123_456.789,
            ])
            .unwrap_or(&0.5)
    }

    pub(crate) fn text(&mut self) -> String {
        let words = [
            "a",
            "A",
            "b",
            "B",
            "a ",
            "A  ",
            "é",
            "É",
            "😀",
            "",
            "12",
            "1.5",
            "-7",
            "0x10",
            "it's",
            "line\nbreak",
            "nul\0inside",
            "alpha",
            "Alpha",
            "beta",
            "gamma delta",
            "%",
            "_",
            "\"q\"",
            "x'00'",
            "null",
        ];
        let word = self.pick(&words).to_owned();
        if self.percent(25) { format!("{word}{}", self.below(30)) } else { word }
    }

    pub(crate) fn blob(&mut self) -> Vec<u8> {
        self.pick(&[&b""[..], &b"\0"[..], &b"\xff\0"[..], &b"aa"[..], &b"\x01\x02\x03"[..], &b"\xc3\x28"[..]]).to_vec()
    }

    pub(crate) fn any(&mut self) -> Value {
        match self.below(10) {
            0..=3 => Value::Integer(self.integer()),
            4 | 5 => Value::Text(self.text()),
            6 => Value::Real(self.real()),
            7 => Value::Blob(self.blob()),
            _ => Value::Null,
        }
    }
}

/// A value as SQL that means exactly it.
pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_infinite() => if *number > 0.0 { "9e999" } else { "-9e999" }.into(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) if text.contains('\0') => {
            format!("({})", text.split('\0').map(quoted).collect::<Vec<_>>().join("||char(0)||"))
        }
        Value::Text(text) => quoted(text),
        Value::Blob(bytes) => format!("x'{}'", hex::encode(bytes)),
    }
}

/// A name as it stands in a statement.
pub(crate) fn identifier(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && name != "order";
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// The name itself.
pub(crate) fn bare(identifier: &str) -> String {
    identifier
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map_or_else(|| identifier.to_owned(), |inner| inner.replace("\"\"", "\""))
}

pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value as a parameter, if JSON can carry it without loss: the platform makes every number a REAL.
pub(crate) fn parameter(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Null => Some(serde_json::Value::Null),
        Value::Integer(number) if number.unsigned_abs() <= 1 << 53 => Some(json!(number)),
        Value::Integer(_) => None,
        Value::Real(number) => number.is_finite().then(|| json!(number)),
        Value::Text(text) => Some(json!(text)),
        Value::Blob(bytes) => Some(json!(bytes)),
    }
}

/// What SQLite binds for a parameter that came as JSON.
pub(crate) fn bound(parameter: &serde_json::Value) -> Value {
    match parameter {
        serde_json::Value::Number(number) => Value::Real(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(bytes) => Value::Blob(
            bytes.iter().filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect(),
        ),
        _ => Value::Null,
    }
}

/// One cell of an answer as text. Numbers are JavaScript's: one kind, infinite ones become null, and zero has no sign.
pub(crate) fn shown(cell: &serde_json::Value) -> String {
    match cell {
        serde_json::Value::Number(number) => shown_number(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => format!("{text:?}"),
        serde_json::Value::Array(bytes) => {
            format!(
                "x'{}'",
                hex::encode(
                    bytes
                        .iter()
                        .filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()))
                        .collect::<Vec<_>>()
                )
            )
        }
        serde_json::Value::Null => "null".into(),
        other => format!("unexpected {other}"),
    }
}

/// The same of a value that SQLite answered.
pub(crate) fn shown_value(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => "null".into(),
        #[expect(clippy::cast_precision_loss, reason = "JSON loses it too")]
        ValueRef::Integer(number) => shown_number(number as f64),
        ValueRef::Real(number) => shown_number(number),
        ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => format!("x'{}'", hex::encode(bytes)),
    }
}

fn shown_number(number: f64) -> String {
    if number.is_finite() { format!("{:?}", number + 0.0) } else { "null".into() }
}
