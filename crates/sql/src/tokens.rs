//! The tokens of a text that SQLite took once, also where the parser's lexer would not.

use turso_parser::lexer::Lexer;
use turso_parser::token::TokenType;

/// A token that says something. Of a quoted one, `text` is what stands inside; of a blob, the text that its bytes are.
pub struct Token {
    /// Its kind.
    pub kind: TokenType,
    /// What it is quoted with.
    pub quote: Option<char>,
    /// What it says.
    pub text: String,
}

impl Token {
    /// Whether it is a word of the grammar, and not a name or a text that says the same.
    pub fn is_keyword(&self, kind: TokenType) -> bool {
        self.kind == kind && self.quote.is_none()
    }

    /// Whether it is a text or a BLOB. SQLite takes a text for a name where its grammar wants one.
    pub fn is_literal(&self) -> bool {
        matches!(self.kind, TokenType::TK_STRING | TokenType::TK_BLOB)
    }

    /// Whether it is a text, or a name in double quotes, which SQLite takes for a text where no column is called so.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, TokenType::TK_STRING | TokenType::TK_BLOB) || self.quote == Some('"')
    }
}

/// The tokens of a text; blanks and comments are none.
pub fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    walk(sql, |kind, raw| match raw.strip_prefix('[').and_then(|raw| raw.strip_suffix(']')) {
        Some(name) => tokens.push(Token { kind, quote: Some('['), text: name.to_owned() }),
        None if kind != TokenType::TK_NONE => tokens.push(said(kind, raw)),
        None => {}
    });
    tokens
}

/// Whether a text ends inside a comment: SQLite takes one in asterisks that is not closed.
pub fn leaves_a_comment_open(sql: &str) -> bool {
    let mut open = false;
    walk(sql, |_, raw| open = raw.starts_with("/*") && !(raw.len() >= 4 && raw.ends_with("*/")));
    open
}

/// Goes through a text, blanks and comments included.
fn walk<'s>(sql: &'s str, mut each: impl FnMut(TokenType, &'s str)) {
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        // The lexer knows square brackets as those of an array; in SQLite they quote a name, in which anything may
        // stand.
        if let Some((name, after)) =
            rest.find(']').filter(|_| first == '[').and_then(|end| rest.split_at_checked(end + 1))
        {
            each(TokenType::TK_ID, name);
            rest = after;
            continue;
        }
        let mut lexer = Lexer::new(rest.as_bytes());
        let read = lexer.next();
        match (read, rest.split_at_checked(rest.len() - lexer.remaining().len())) {
            (Some(Ok(token)), Some((raw, after))) if !raw.is_empty() => {
                each(token.token_type, raw);
                rest = after;
            }
            // The lexer stands still at what it cannot read, so one character is stepped over.
            _ => rest = rest.get(first.len_utf8()..).unwrap_or_default(),
        }
    }
}

fn said(kind: TokenType, raw: &str) -> Token {
    let quote = raw.chars().next().filter(|first| matches!(first, '\'' | '"' | '`'));
    let text = match quote {
        Some(quote) => {
            raw.get(1..raw.len() - 1).unwrap_or_default().replace(&format!("{quote}{quote}"), &quote.to_string())
        }
        None if kind == TokenType::TK_BLOB => hex::decode(raw.trim_matches(['x', 'X', '\'']))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default(),
        None => raw.to_owned(),
    };
    Token { kind, quote, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_open_only_where_nothing_closes_it() {
        for sql in ["a /*", "a /* b", "a /*/", "[a-b] /* '", "\u{feff}a /* [", "'/*' /*"] {
            assert!(leaves_a_comment_open(sql), "{sql}");
        }
        for sql in [
            "a",
            "[first-name] TEXT",
            "[/*]",
            "'/*'",
            "\"/*\"",
            "a /**/",
            "a /* b */",
            "a -- /*",
            "\u{feff}a",
            "[Größe",
        ] {
            assert!(!leaves_a_comment_open(sql), "{sql}");
        }
    }
}
