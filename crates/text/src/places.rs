//! What a character is in its place: a combining mark is one thing on a letter and another on nothing.

use super::class::Class;

/// Most combining marks on one character. Hebrew with points and accents, Thai, Tibetan stacks and Vietnamese need up
/// to
/// four; more are drawn over the lines above and below.
pub(crate) const MOST_MARKS: usize = 4;

/// What becomes of a character in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is seen as it is.
    Shown,
    /// A mark without a character of the same text to be drawn on: it would be drawn on what stands before the text.
    Bare,
    /// A mark on top of [`MOST_MARKS`] others.
    Piled,
    /// Nothing would be seen of it.
    Unseen,
    /// A blank other than the space.
    Blank,
}

/// Each character with what it is in its place.
pub(crate) fn places(text: &str) -> impl Iterator<Item = (char, Place)> + '_ {
    // How many marks the character before carries; none when it cannot carry any.
    let mut carried: Option<usize> = None;
    text.chars().map(move |character| {
        let place = match (Class::of(character), carried) {
            // A quotation mark begins a string of a JSON document: a mark after it would be drawn on our own sign.
            (Class::Seen, _) if matches!(character, ' ' | '"') => {
                carried = None;
                Place::Shown
            }
            (Class::Seen | Class::SpacingMark, Some(_)) | (Class::Seen, None) => {
                carried = Some(0);
                Place::Shown
            }
            (Class::Mark, Some(marks)) if marks >= MOST_MARKS => Place::Piled,
            (Class::Mark, Some(marks)) => {
                carried = Some(marks + 1);
                Place::Shown
            }
            (Class::Mark | Class::SpacingMark, None) => {
                carried = Some(1);
                Place::Bare
            }
            (Class::Unseen, _) => {
                carried = None;
                Place::Unseen
            }
            (Class::Blank, _) => {
                carried = None;
                Place::Blank
            }
        };
        (character, place)
    })
}
