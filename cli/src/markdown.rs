//! Text from data in Markdown and in a terminal: names and definitions are data, and must not become anything else.

/// In one line, without characters that move the cursor or turn the text around.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\r' | '\t' => ' ',
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => '�',
            character if character.is_control() => '�',
            character => character,
        })
        .collect()
}

/// A code span that nothing in it can leave, also in a table.
pub fn code(text: &str) -> String {
    let line = plain(text).replace('|', "\\|");
    let fence = "`".repeat(longest_fence(&line) + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// A block of code that nothing in it can leave.
pub fn block(language: &str, lines: &str) -> String {
    let fence = "`".repeat(longest_fence(lines).max(2) + 1);
    format!("{fence}{language}\n{lines}{fence}")
}

fn longest_fence(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_code_span_or_block() {
        assert_eq!(code("a`b``c|d\n"), "```a`b``c\\|d ```");
        assert_eq!(code("`x`"), "`` `x` ``");
        assert_eq!(block("diff", "+ ```\n"), "````diff\n+ ```\n````");
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c"), "a�[2Jb�c");
    }
}
