//! Text from data in Markdown and in a terminal: names and definitions are data, and must not become anything else.

use crate::text::plain;

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
        assert_eq!(code("a`b``c|d\n"), "```a`b``c\\|d⏎```");
        assert_eq!(code("`x`"), "`` `x` ``");
        assert_eq!(block("diff", "+ ```\n"), "````diff\n+ ```\n````");
    }
}
