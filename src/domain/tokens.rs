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
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        // The lexer knows square brackets as those of an array; in SQLite they quote a name, in which anything may stand.
        if let Some((name, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            tokens.push(Token { kind: TokenType::TK_ID, quote: Some('['), text: name.to_owned() });
            rest = after;
            continue;
        }
        let mut lexer = Lexer::new(rest.as_bytes());
        let read = lexer.next();
        match (read, rest.split_at_checked(rest.len() - lexer.remaining().len())) {
            (Some(Ok(token)), Some((raw, after))) if !raw.is_empty() => {
                if token.token_type != TokenType::TK_NONE {
                    tokens.push(said(token.token_type, raw));
                }
                rest = after;
            }
            // The lexer stands still at what it cannot read, so one character is stepped over.
            _ => rest = rest.get(first.len_utf8()..).unwrap_or_default(),
        }
    }
    tokens
}

fn said(kind: TokenType, raw: &str) -> Token {
    let quote = raw.chars().next().filter(|first| matches!(first, '\'' | '"' | '`'));
    let text = match quote {
        Some(quote) => raw.get(1..raw.len() - 1).unwrap_or_default().replace(&format!("{quote}{quote}"), &quote.to_string()),
        None if kind == TokenType::TK_BLOB => hex::decode(raw.trim_matches(['x', 'X', '\''])).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default(),
        None => raw.to_owned(),
    };
    Token { kind, quote, text }
}
