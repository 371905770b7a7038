//! SQL expressions that write a row down exactly, and identifiers.

use std::borrow::Cow;

pub use dryrun_sql::quoting::{identifier, literal};

/// A name in a sentence: in quotes, unless it is a plain word.
pub fn shown(name: &str) -> Cow<'_, str> {
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { name.into() } else { identifier(name).into() }
}

/// An identifier that can be nothing else: SQLite takes one in double quotes that it does not find for a text, and the
/// base may have lost a column that the shadow still has.
pub fn surely(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Longest text or blob that an image keeps whole, in bytes.
pub const MAX_CELL_BYTES: usize = 200_000;
/// What is kept of a longer one, at its beginning and at its end.
const HEAD_BYTES: usize = 1 << 10;

/// A value as JSON text: NULL, an integer with all its digits, a REAL with 17 digits and always a point, text as a
/// string, anything else as an object that says what it is.
pub fn cell(expression: &str) -> String {
    bounded_cell(expression, MAX_CELL_BYTES)
}

fn bounded_cell(expression: &str, most: usize) -> String {
    format!(
        "CASE typeof({expression}) WHEN 'null' THEN 'null' WHEN 'integer' THEN CAST({expression} AS TEXT) \
         WHEN 'real' THEN CASE WHEN abs({expression}) < 1.8e308 THEN format('%!.17g', {expression}) ELSE \
         '{{\"real\":\"' || CAST({expression} AS TEXT) || '\"}}' END \
         WHEN 'text' THEN CASE WHEN octet_length({expression}) <= {most} THEN json_quote({expression}) \
         ELSE '{{\"text\":' || json_quote(substr({expression}, 1, {HEAD_BYTES}) || substr({expression}, \
         -{HEAD_BYTES})) || ',\"bytes\":' || octet_length({expression}) || '}}' END \
         ELSE CASE WHEN length({expression}) <= {most} THEN '{{\"blob\":\"' || hex({expression}) || '\"}}' \
         ELSE '{{\"blob\":\"' || hex(substr({expression}, 1, {HEAD_BYTES})) || hex(substr({expression}, \
         -{HEAD_BYTES})) || '\",\"bytes\":' || length({expression}) || '}}' END END"
    )
}

/// A row as a JSON object. Concatenations are balanced, because SQLite here refuses expressions deeper than 100.
pub fn image(row: &str, columns: &[String]) -> String {
    let parts = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let name = serde_json::to_string(column).unwrap_or_default();
            let lead = if index == 0 { "{" } else { "," };
            format!(
                "{} || {}",
                literal(&format!("{lead}{name}:")),
                parenthesised(&cell(&format!("{row}.{}", identifier(column))))
            )
        })
        .chain(std::iter::once(literal("}")))
        .collect();
    balanced(parts)
}

/// Several values as a JSON array, none of them cut.
pub fn list(values: &[String]) -> String {
    if values.is_empty() {
        return literal("[]");
    }
    let parts = values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let lead = if index == 0 { "[" } else { "," };
            format!("{} || {}", literal(lead), parenthesised(&bounded_cell(value, usize::MAX >> 1)))
        })
        .chain(std::iter::once(literal("]")))
        .collect();
    balanced(parts)
}

fn parenthesised(expression: &str) -> String {
    format!("({expression})")
}

/// Joins with `||` as a balanced tree.
pub fn balanced(mut parts: Vec<String>) -> String {
    match parts.len() {
        0 => "''".into(),
        1 => parts.remove(0),
        length => {
            let right = parts.split_off(length / 2);
            format!("({} || {})", balanced(parts), balanced(right))
        }
    }
}
