//! A word of a command line, as far as it is known in advance.

use brush_parser::word::{BraceExpressionMember, BraceExpressionOrText};

use super::table::has;

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// This text.
    Known(String),
    /// Something that shows only while it runs.
    Unknown,
}

/// A word after expansion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Value {
    /// Its parts in order.
    pub parts: Vec<Part>,
    /// It has characters that match names of files.
    pub glob: bool,
    /// The value of a credential is in it.
    pub secret: bool,
    /// It may be no word, or several.
    pub many: bool,
}

impl Value {
    /// A word that is known.
    pub(crate) fn known(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Known(text.into())], ..Self::default() }
    }

    /// Words that are not.
    pub(crate) fn unknown() -> Self {
        Self { parts: vec![Part::Unknown], many: true, ..Self::default() }
    }

    /// The text, when all of it is known.
    pub(crate) fn text(&self) -> Option<String> {
        self.parts.iter().map(|part| if let Part::Known(text) = part { Some(text.as_str()) } else { None }).collect()
    }

    /// Whether it is one of these words, separated by blanks.
    pub(crate) fn is_one_of(&self, words: &str) -> bool {
        has(words, &self.shown())
    }

    /// The text with a mark in place of what is not known.
    pub(crate) fn shown(&self) -> String {
        self.parts.iter().map(|part| if let Part::Known(text) = part { text.as_str() } else { "…" }).collect()
    }

    /// What it certainly begins with.
    pub(crate) fn start(&self) -> &str {
        if let Some(Part::Known(text)) = self.parts.first() { text } else { "" }
    }

    /// Whether it could be an option.
    pub(crate) fn may_be_option(&self) -> bool {
        self.many || self.start().is_empty() || self.start().starts_with('-')
    }

    /// Adds text.
    pub(crate) fn push(&mut self, text: &str) {
        if let Some(Part::Known(last)) = self.parts.last_mut() {
            last.push_str(text);
        } else {
            self.parts.push(Part::Known(text.to_owned()));
        }
    }

    /// Adds something that is not known.
    pub(crate) fn push_unknown(&mut self) {
        if self.parts.last() != Some(&Part::Unknown) {
            self.parts.push(Part::Unknown);
        }
    }

    /// A shell's spelling of it.
    pub(crate) fn quoted(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Known(text) => format!("'{}'", text.replace('\'', r"'\''")),
                Part::Unknown if self.many => "$_".to_owned(),
                Part::Unknown => "\"$_\"".to_owned(),
            })
            .collect()
    }
}

/// Builds the words that one word becomes.
#[derive(Default)]
pub(crate) struct Builder {
    done: Vec<Value>,
    current: Option<Value>,
}

impl Builder {
    fn current(&mut self) -> &mut Value {
        self.current.get_or_insert_with(Value::default)
    }

    /// Text that stays one word.
    pub(crate) fn text(&mut self, text: &str, quoted: bool) {
        let current = self.current();
        current.glob |= !quoted && text.contains(['*', '?', '[']);
        current.push(text);
    }

    /// Text of an unquoted expansion: blanks divide it.
    pub(crate) fn split(&mut self, text: &str) {
        let mut first = true;
        for field in text.split([' ', '\t', '\n']) {
            if !std::mem::take(&mut first) {
                self.done.extend(self.current.take());
            }
            if !field.is_empty() {
                self.text(field, false);
            }
        }
    }

    /// Something that is not known.
    pub(crate) fn unknown(&mut self, quoted: bool, secret: bool) {
        let current = self.current();
        current.push_unknown();
        current.many |= !quoted;
        current.secret |= secret;
    }

    /// The words.
    pub(crate) fn finish(mut self) -> Vec<Value> {
        self.done.extend(self.current.take());
        self.done
    }
}

/// Most words that one pair of braces may make here; beyond that it is not known.
const MAX_WORDS: usize = 256;

/// The words that braces make, still to be expanded otherwise; `None` when there are too many.
pub(crate) fn braces(pieces: &[BraceExpressionOrText]) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    for piece in pieces {
        let ends: Vec<String> = match piece {
            BraceExpressionOrText::Text(text) => vec![text.clone()],
            BraceExpressionOrText::Expr(members) => {
                let mut ends = Vec::new();
                for member in members {
                    match member {
                        BraceExpressionMember::Child(child) => ends.extend(braces(child)?),
                        BraceExpressionMember::NumberSequence { start, end, increment } => {
                            let step = usize::try_from(increment.unsigned_abs().max(1)).ok()?;
                            let (low, high) = (*start.min(end), *start.max(end));
                            ends.extend(
                                (low..=high).step_by(step).take(MAX_WORDS + 1).map(|number| number.to_string()),
                            );
                        }
                        BraceExpressionMember::CharSequence { start, end, increment } => {
                            let step = usize::try_from(increment.unsigned_abs().max(1)).ok()?;
                            let (low, high) = (*start.min(end), *start.max(end));
                            ends.extend(
                                (low..=high).step_by(step).take(MAX_WORDS + 1).map(|character| character.to_string()),
                            );
                        }
                    }
                }
                ends
            }
        };
        if words.len().saturating_mul(ends.len()) > MAX_WORDS {
            return None;
        }
        words = words.iter().flat_map(|word| ends.iter().map(move |end| format!("{word}{end}"))).collect();
    }
    Some(words)
}

/// The text of `$'…'`; `None` when an escape is not understood.
pub(crate) fn ansi_c(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        let escape = characters.next()?;
        match escape {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            '\\' | '\'' | '"' | '?' => out.push(escape),
            'x' => out.push(number(&mut characters, 16, 2, 0).filter(char::is_ascii)?),
            'u' => out.push(number(&mut characters, 16, 4, 0)?),
            'U' => out.push(number(&mut characters, 16, 8, 0)?),
            '0'..='7' => out.push(number(&mut characters, 8, 2, escape.to_digit(8)?).filter(char::is_ascii)?),
            _ => return None,
        }
    }
    Some(out)
}

/// The character whose number comes next.
fn number(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    most: usize,
    start: u32,
) -> Option<char> {
    let mut code = start;
    for _ in 0..most {
        let Some(digit) = characters.peek().and_then(|digit| digit.to_digit(radix)) else { break };
        characters.next();
        code = code.checked_mul(radix)?.checked_add(digit)?;
    }
    char::from_u32(code).filter(|character| *character != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_what_a_shell_makes_of_them() {
        assert_eq!(ansi_c(r"\x77r\141ng\u006cer").as_deref(), Some("wrangler"));
        assert_eq!(ansi_c(r"a\'b\n").as_deref(), Some("a'b\n"));
        for unknown in [r"\xff", r"\q", r"\c", "\\", r"\0"] {
            assert_eq!(ansi_c(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_word_is_spelled_so_that_a_shell_reads_it_back() {
        assert_eq!(Value::known("it's").quoted(), r"'it'\''s'");
        assert_eq!(Value::unknown().quoted(), "$_");
    }

    #[test]
    fn blanks_divide_what_an_unquoted_variable_holds() {
        let mut builder = Builder::default();
        builder.text("a", true);
        builder.split("b  c d");
        builder.text("e", true);
        let words: Vec<Option<String>> = builder.finish().iter().map(Value::text).collect();
        assert_eq!(words, [Some("ab".into()), Some("c".into()), Some("de".into())]);
    }
}
