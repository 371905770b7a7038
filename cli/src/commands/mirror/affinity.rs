//! What SQLite makes of a value when it stores it in a column (<https://www.sqlite.org/datatype3.html#type_affinity>).
//! What a rule makes has to be known as the target will have it, or the check in the end would find other values.

use super::cell::Cell;

/// What a column does to the values that it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Affinity {
    /// It takes them as they are.
    #[default]
    None,
    /// Numbers become text.
    Text,
    /// Text that is a number becomes one, and a real without fraction an integer.
    Numeric,
    /// Text that is a number becomes one, and every number a real.
    Real,
}

impl Affinity {
    /// That of a declared type.
    pub(super) fn of(declared: &str, strict: bool) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        if has(&["INT"]) {
            Self::Numeric
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if has(&["BLOB"]) || declared.is_empty() || (strict && declared == "ANY") {
            Self::None
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// A value as it is stored.
    pub(super) fn stored(self, cell: Cell) -> Cell {
        match (self, cell) {
            (Self::Text, Cell::Integer(number)) => Cell::text(&number.to_string()),
            (Self::Numeric | Self::Real, Cell::Text(bytes)) => {
                match std::str::from_utf8(&bytes).ok().and_then(number) {
                    Some(number) => self.stored(number),
                    None => Cell::Text(bytes),
                }
            }
            (Self::Numeric, Cell::Real(text)) => whole(&text).map_or(Cell::Real(text), Cell::Integer),
            #[expect(clippy::cast_precision_loss, reason = "as SQLite does")]
            (Self::Real, Cell::Integer(number)) => Cell::real(number as f64),
            (_, cell) => cell,
        }
    }
}

/// A text that is a number and nothing else.
fn number(text: &str) -> Option<Cell> {
    let text = text.trim_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        || !unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
    {
        return None;
    }
    let integer =
        unsigned.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok().map(Cell::Integer)).flatten();
    integer.or_else(|| text.parse::<f64>().ok().map(Cell::real))
}

/// A real without fraction, as an integer that is exactly it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "what comes back the same was exact"
)]
fn whole(text: &str) -> Option<i64> {
    let real: f64 = text.parse().ok()?;
    let integer = real as i64;
    (real == integer as f64 && integer > i64::MIN && integer < i64::MAX).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_affinity_of_their_declared_type() {
        for (declared, affinity) in [
            ("INTEGER", Affinity::Numeric),
            ("POINT", Affinity::Numeric),
            ("VARCHAR(9)", Affinity::Text),
            ("", Affinity::None),
            ("blob", Affinity::None),
            ("double precision", Affinity::Real),
            ("DECIMAL(10,2)", Affinity::Numeric),
            ("ANY", Affinity::Numeric),
        ] {
            assert_eq!(Affinity::of(declared, false), affinity, "{declared}");
        }
        assert_eq!(Affinity::of("ANY", true), Affinity::None);
    }

    #[test]
    fn values_become_what_the_column_stores() {
        let stored = |affinity: Affinity, cell: Cell| affinity.stored(cell).literal();
        let text = |text: &str| Cell::text(text);
        assert_eq!(stored(Affinity::Text, Cell::Integer(-7)), "'-7'");
        assert_eq!(stored(Affinity::Numeric, text("+999012345678901")), "999012345678901");
        assert_eq!(stored(Affinity::Numeric, text(" 7e3 ")), "7000");
        assert_eq!(stored(Affinity::Numeric, text("7.5")), "7.5");
        assert_eq!(stored(Affinity::Numeric, text("99999999999999999999")), "1e20");
        assert_eq!(stored(Affinity::Numeric, Cell::Real("3.0".into())), "3");
        assert_eq!(stored(Affinity::Real, text("12")), "12.0");
        assert_eq!(stored(Affinity::Real, Cell::Integer(12)), "12.0");
        for other in ["", "12-3", "inf", "nan", "0x10", "1e", "1_0", "p7"] {
            assert_eq!(Affinity::Numeric.stored(text(other)), text(other), "{other}");
        }
        assert_eq!(stored(Affinity::None, text("12")), "'12'");
    }
}
