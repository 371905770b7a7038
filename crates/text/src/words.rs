//! A sentence of ours with data in it.

use std::fmt;

use super::{line, markdown};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Own(&'static str),
    Number(u64),
    Data(String),
}

/// A sentence of ours with data in it, which is written as text or as Markdown.
///
/// Our own words are constants and data is not, so that the one cannot be taken for the other:
///
/// ```compile_fail
/// let name = String::from("**approved**");
/// dryrun_text::Words::default().say(&name);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(Vec<Part>);

impl Words {
    /// Begins with words of ours.
    pub fn new(own: &'static str) -> Self {
        Self::default().say(own)
    }

    /// Goes on with words of ours.
    #[must_use]
    pub fn say(mut self, own: &'static str) -> Self {
        self.0.push(Part::Own(own));
        self
    }

    /// Goes on with a number.
    #[must_use]
    pub fn number(mut self, number: usize) -> Self {
        self.0.push(Part::Number(u64::try_from(number).unwrap_or(u64::MAX)));
        self
    }

    /// Goes on with data.
    #[must_use]
    pub fn name(mut self, data: impl Into<String>) -> Self {
        self.0.push(Part::Data(data.into()));
        self
    }

    /// Goes on with other such words.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Goes on with several, and `between` between them.
    #[must_use]
    pub fn join(mut self, all: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        for (index, one) in all.into_iter().enumerate() {
            self = if index == 0 { self } else { self.say(between) }.and(one);
        }
        self
    }

    /// As Markdown, also in a table.
    pub fn markdown(&self) -> String {
        self.written(markdown::cell)
    }

    fn written(&self, write: impl Fn(&str) -> String) -> String {
        let part = |part: &Part| match part {
            Part::Own(own) => (*own).to_owned(),
            Part::Number(number) => number.to_string(),
            Part::Data(data) => write(data),
        };
        self.0.iter().map(part).collect()
    }
}

/// As text in one line. A name that is more than a plain word is quoted, so that it is not taken for words of ours.
impl fmt::Display for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written(quoted))
    }
}

fn quoted(data: &str) -> String {
    let plain = !data.is_empty() && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:$".contains(&byte));
    if plain { data.to_owned() } else { format!("\"{}\"", line(data).replace('\\', "\\\\").replace('"', "\\\"")) }
}
