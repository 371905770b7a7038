//! A second reader of SQL, after SQLite's own tokenizer and independent of the gateway's: just enough to see words and
//! names.

/// The words, names and semicolons of a text, without blanks, comments, numbers, parameters and other signs. Quoted
/// names and texts keep their
/// opening quote.
pub(crate) fn words(sql: &str) -> Vec<String> {
    let characters: Vec<char> = sql.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let part = |from: usize, to: usize| {
        characters.get(from..to.min(characters.len())).unwrap_or_default().iter().collect::<String>()
    };
    let is_name = |character: char| {
        character.is_ascii_alphanumeric() || character == '_' || character == '$' || !character.is_ascii()
    };
    let run = |from: usize, holds: &dyn Fn(char) -> bool| {
        (from..characters.len()).find(|index| !holds(at(*index))).unwrap_or(characters.len())
    };
    let mut words = Vec::new();
    let mut here = 0;
    while here < characters.len() {
        let start = here;
        here = match (at(here), at(here + 1)) {
            ('-', '-') => run(here, &|character| character != '\n'),
            ('/', '*') => (here + 2..characters.len())
                .find(|index| at(*index) == '*' && at(*index + 1) == '/')
                .map_or(characters.len(), |index| index + 2),
            (quote @ ('\'' | '"' | '`'), _) => {
                let mut end = here + 1;
                while end < characters.len() && (at(end) != quote || at(end + 1) == quote) {
                    end += if at(end) == quote { 2 } else { 1 };
                }
                words.push(part(start, end));
                end + 1
            }
            ('[', _) => {
                let end = run(here, &|character| character != ']');
                words.push(part(start, end));
                end + 1
            }
            ('?' | ':' | '@' | '#' | '$', _) => {
                // `$name::name(anything)` is one parameter; what is in the brackets ends with them or with a blank.
                let end = run(here + 1, &|character| is_name(character) || character == ':');
                let inside = run(end, &|character| character != ')' && !character.is_ascii_whitespace());
                if at(here) != '?' && end > here + 1 && at(end) == '(' { inside + 1 } else { end }
            }
            (';', _) => {
                words.push(";".into());
                here + 1
            }
            (digit, _) if digit.is_ascii_digit() => run(here, &is_name),
            (letter, _) if is_name(letter) => {
                let end = run(here, &is_name);
                words.push(part(start, end));
                end
            }
            _ => here + 1,
        };
    }
    words
}
