//! What kind of character one is, as far as showing it goes.

use super::table::STARTS;

/// How a character is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It is seen.
    Seen,
    /// It takes no room and is drawn onto the character before it.
    Mark,
    /// It is drawn next to the character before it and belongs to it.
    SpacingMark,
    /// Nothing is seen of it: controls, formats, default-ignorable and private characters, and those that do not exist.
    Unseen,
    /// It looks like a space, and is none.
    Blank,
}

/// The bits of an entry of the table that hold the first character of its range.
const START_BITS: u32 = 21;

impl Class {
    /// Looks it up.
    pub(crate) fn of(character: char) -> Self {
        let point = u32::from(character);
        let after = STARTS.partition_point(|entry| entry & ((1 << START_BITS) - 1) <= point);
        // The first range begins at zero.
        match after.checked_sub(1).and_then(|at| STARTS.get(at)).map(|entry| entry >> START_BITS) {
            Some(0) => Self::Seen,
            Some(1) => Self::Mark,
            Some(2) => Self::SpacingMark,
            Some(4) => Self::Blank,
            _ => Self::Unseen,
        }
    }

    /// An entry of the table.
    #[cfg(test)]
    pub(crate) fn entry(self, start: u32) -> u32 {
        let class = match self {
            Self::Seen => 0,
            Self::Mark => 1,
            Self::SpacingMark => 2,
            Self::Unseen => 3,
            Self::Blank => 4,
        };
        class << START_BITS | start
    }
}
