//! Values as SQL writes them, and what is done with those that no statement has room for.

use std::fmt::Write as _;

use crate::domain::limits::MAX_STATEMENT_BYTES;
use dryrun_sql::quoting::literal;

/// A longer value is not selected as a literal, because a text has at most 2,000,000 bytes
/// (<https://developers.cloudflare.com/d1/platform/limits/>) and each byte may need two.
const MOST_BYTES: usize = 400_000;
/// It is fetched in pieces of this size.
const FETCHED_BYTES: usize = 400_000;
/// What stands in its place; no literal begins so.
pub(super) const TOO_LONG: &str = "?";

/// Most bytes of a value that one statement of an import carries: as hex they take twice as much.
const PIECE_BYTES: usize = (MAX_STATEMENT_BYTES - 1_000) / 2;

/// A value as a literal. `quote` ends a text at its first NUL, and a byte order mark would be refused by an import.
pub(super) fn written(column: &str, in_bytes: bool) -> String {
    let unfit = if in_bytes {
        String::new()
    } else {
        format!(" AND (instr({column}, char(0)) > 0 OR instr({column}, char(65279)) > 0)")
    };
    format!(
        "CASE WHEN typeof({column}) IN ('text', 'blob') AND octet_length({column}) > {MOST_BYTES} THEN '{TOO_LONG}' || typeof({column}) \
         WHEN typeof({column}) = 'text'{unfit} THEN 'CAST(X''' || hex({column}) || ''' AS TEXT)' ELSE quote({column}) \
         END"
    )
}

/// A value of a row on its way into a statement.
#[derive(Debug)]
pub enum Value {
    /// As it stands in SQL.
    Literal(String),
    /// A text or blob of which the bytes are known.
    Bytes {
        /// Whether it is a text.
        is_text: bool,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A text or blob that is still to be fetched.
    Absent {
        /// Whether it is a text.
        is_text: bool,
        /// The expression that is its bytes.
        expression: String,
        /// Where it is.
        place: String,
    },
}

impl Value {
    pub(super) fn fetched(is_text: bool, expression: String, place: String) -> Self {
        Self::Absent { is_text, expression, place }
    }

    /// The question for the next bytes of a value of which so many are known; none when it needs no more.
    pub fn question(&self, known: usize) -> Option<String> {
        let Self::Absent { expression, place, .. } = self else { return None };
        let start = known + 1;
        Some(format!("SELECT hex(substr({expression}, {start}, {FETCHED_BYTES})) FROM {place}"))
    }

    /// Whether an answer of so many bytes is the last one.
    pub fn is_last(bytes: usize) -> bool {
        bytes < FETCHED_BYTES
    }

    /// The value with the bytes that were fetched.
    pub fn with(self, fetched: Vec<u8>) -> Self {
        match self {
            Self::Absent { is_text, .. } => Self::Bytes { is_text, bytes: fetched },
            known => known,
        }
    }

    /// Bytes that it takes in a statement.
    fn length(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Bytes { bytes, .. } => bytes.len() * 2 + 20,
            Self::Absent { .. } => 0,
        }
    }

    pub(super) fn into_sql(self) -> String {
        match self {
            Self::Literal(text) => text,
            Self::Bytes { is_text: true, bytes } => text_of(&bytes),
            Self::Bytes { is_text: false, bytes } => format!("X'{}'", hex::encode_upper(bytes)),
            Self::Absent { .. } => String::new(),
        }
    }

    /// Text and blobs by their bytes; of numbers and NULL there are none.
    fn bytes(&self) -> Option<(bool, Vec<u8>)> {
        let hex_in = |text: &str| text.strip_suffix('\'').and_then(|text| hex::decode(text).ok());
        match self {
            Self::Bytes { is_text, bytes } => Some((*is_text, bytes.clone())),
            Self::Literal(text) => {
                if let Some(cast) = text.strip_prefix("CAST(X'") {
                    return Some((true, hex_in(cast.strip_suffix(" AS TEXT)")?)?));
                }
                if let Some(blob) = text.strip_prefix("X'") {
                    return Some((false, hex_in(blob)?));
                }
                let inside = text.strip_prefix('\'')?.strip_suffix('\'')?;
                Some((true, inside.replace("''", "'").into_bytes()))
            }
            Self::Absent { .. } => None,
        }
    }
}

/// A text by its bytes, whatever they are.
fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(['\0', '\u{feff}']) => literal(text),
        _ => format!("CAST(X'{}' AS TEXT)", hex::encode_upper(bytes)),
    }
}

/// Where a piece ends: between two characters, so that each piece of a text is a text.
fn piece_end(bytes: &[u8]) -> usize {
    let most = PIECE_BYTES.min(bytes.len());
    let is_inside = |end: &usize| bytes.get(*end).is_some_and(|byte| byte & 0xc0 == 0x80);
    (most.saturating_sub(3)..=most).rev().find(|end| !is_inside(end)).unwrap_or(most).max(1)
}

/// A table of the import that holds values while they are put together from pieces, because D1's statements have at
/// most 100,000 bytes.
#[derive(Debug)]
pub struct Pieces {
    table: String,
    count: usize,
}

impl Pieces {
    pub(super) fn named(table: &str) -> Self {
        Self { table: table.to_owned(), count: 0 }
    }

    /// Takes the longest values out of a row until the rest has room in one statement. Answers the statements that go
    /// before it.
    pub(super) fn take_over(&mut self, values: &mut [Value], room: usize) -> String {
        let mut text = String::new();
        loop {
            let length: usize = values.iter().map(|value| value.length() + 1).sum();
            let longest = values.iter_mut().max_by_key(|value| value.length());
            match longest {
                // What is not longer than the expression that would stand for it stays.
                Some(value) if length > room && value.length() > 200 => match value.bytes() {
                    Some((is_text, bytes)) => *value = Value::Literal(self.store(is_text, &bytes, &mut text)),
                    None => return text,
                },
                _ => return text,
            }
        }
    }

    /// Writes the pieces of a value and answers the expression that is the value.
    fn store(&mut self, is_text: bool, bytes: &[u8], text: &mut String) -> String {
        let table = &self.table;
        if self.count == 0 {
            let _ = writeln!(text, "CREATE TABLE {table} (n INTEGER PRIMARY KEY, piece TEXT);");
        }
        let first = self.count + 1;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece_end(rest));
            rest = after;
            self.count += 1;
            let _ = writeln!(text, "INSERT INTO {table} VALUES({},{});", self.count, text_of(piece));
        }
        let whole = format!(
            "(SELECT group_concat(piece,'' ORDER BY n) FROM {table} WHERE n BETWEEN {first} AND {})",
            self.count
        );
        if is_text { whole } else { format!("CAST({whole} AS BLOB)") }
    }

    /// The statement that takes the table away again, if it was made.
    pub fn dropped(&self) -> String {
        if self.count == 0 { String::new() } else { format!("DROP TABLE {};\n", self.table) }
    }
}
