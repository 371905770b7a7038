//! Text from data, safe to show: in a terminal, in a Markdown report, in a JSON document, on a page.
//!
//! Data is whatever somebody else wrote: rows, keys, names of tables, error messages that repeat them. Shown as it is,
//! it could move the cursor, hide a part of itself, reorder the words around it, or speak in the voice of the program
//! that shows it. Everything that prints data goes through this crate, and only this crate knows which characters
//! are dangerous.
//!
//! * [`line()`] and [`lines`]: for a terminal.
//! * [`json`]: for a JSON document; it has the same value after parsing.
//! * [`markdown`]: code spans and blocks that data cannot leave.
//! * [`Words`]: a sentence of ours with data in it, which each of them writes in its own way.

mod class;
pub mod markdown;
mod places;
mod table;
mod words;

use std::borrow::Cow;
use std::fmt::Write as _;

use places::{Place, places};

pub use words::Words;

/// Stands for a character that would not be seen.
const UNSEEN: char = '\u{fffd}';
/// Stands for a blank other than the space.
const BLANK: char = '␣';
/// Carries a combining mark that has no letter of its own, as Unicode's charts do.
const NO_BASE: char = '◌';
const LINE_FEED: char = '⏎';
const CARRIAGE_RETURN: char = '␍';

/// Shows data in one line.
///
/// Line breaks, control characters, direction controls, invisible characters, unusual blanks and piles of combining
/// marks become signs that are seen. A tab becomes a space.
pub fn line(text: &str) -> Cow<'_, str> {
    shown(text, false)
}

/// Shows text that may have several lines, as [`line()`] shows one: only its line feeds stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, true)
}

fn shown(text: &str, keeps_lines: bool) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') || (keeps_lines && byte == b'\n')) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut piled = false;
    for (character, place) in places(text) {
        let was_piled = std::mem::replace(&mut piled, place == Place::Piled);
        match (place, character) {
            (_, '\n') if keeps_lines => shown.push('\n'),
            (_, '\n') => shown.push(LINE_FEED),
            (_, '\r') => shown.push(CARRIAGE_RETURN),
            (_, '\t') => shown.push(' '),
            (Place::Shown, character) => shown.push(character),
            (Place::Bare, character) => shown.extend([NO_BASE, character]),
            // However high the pile is, one sign says that it was cut.
            (Place::Piled, _) if was_piled => {}
            (Place::Piled | Place::Unseen, _) => shown.push(UNSEEN),
            (Place::Blank, _) => shown.push(BLANK),
        }
    }
    Cow::Owned(shown)
}

/// Escapes in a JSON document whatever [`line()`] would not show as it is.
///
/// The document has the same value after parsing, because such characters stand only in its strings.
pub fn json(document: &str) -> Cow<'_, str> {
    if document.bytes().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
        return Cow::Borrowed(document);
    }
    let mut escaped = String::with_capacity(document.len());
    for (character, place) in places(document) {
        if place == Place::Shown || matches!(character, '\t' | '\n' | '\r') {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

/// At most so many characters.
pub fn cut(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
    }
}

/// Cuts a text to a number of characters, and says how many bytes were left out.
pub fn cut_with_count(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((at, _)) => {
            let left_out = text.len() - at;
            format!("{}… [{left_out} more bytes]", text.get(..at).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests;
