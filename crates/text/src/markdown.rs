//! Data in Markdown. Everything that is not a word of ours stands in a code span: nothing in one is a link, a mention,
//! an emphasis, HTML or an emoji, in CommonMark, in GitHub's dialect and in what forges make of both afterwards.
//! Backslashes would not do: forges look for addresses, `@names` and `#123` in text that was escaped already.

use super::line;

/// Longest name that is a word.
const MAX_WORD_CHARS: usize = 32;

/// A code span that its content cannot leave: the fence is longer than any run of backticks inside. Not for a table.
pub fn code(text: &str) -> String {
    span(&line(text))
}

/// A code span in a table, where a pipe ends the cell even there, unless it is escaped.
pub fn cell(text: &str) -> String {
    // After a backslash that is data, an escape would be one of the backslash.
    span(&line(text).replace("\\|", "\\¦").replace('|', "\\|"))
}

/// A name: as it is when it is one plain word, in a code span otherwise. Also in a table.
pub fn word(text: &str) -> String {
    let is_word = text.len() <= MAX_WORD_CHARS
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_word { text.to_owned() } else { cell(text) }
}

/// A block of code that its lines cannot leave.
pub fn block(language: &str, text: &str) -> String {
    let text = super::lines(text);
    let fence = "`".repeat(longest_fence(&text).max(2) + 1);
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}")
}

fn span(line: &str) -> String {
    // A span of nothing but spaces would show nothing.
    let blank = line.bytes().all(|byte| byte == b' ');
    let line = if blank { line.replace(' ', "␣") } else { line.to_owned() };
    let fence = "`".repeat(longest_fence(&line) + 1);
    let needs_room = line.is_empty() || line.starts_with(['`', ' ']) || line.ends_with(['`', ' ']);
    let pad = if needs_room { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

fn longest_fence(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}
