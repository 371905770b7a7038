//! How many arguments functions have. D1 takes 32 (<https://developers.cloudflare.com/d1/platform/limits/>), its local
//! simulator more.

use turso_parser::token::TokenType;

use super::limits::MAX_ARGUMENTS;
use super::tokens::{Token, tokens};
use super::{Reason, Refusal};

/// The functions that take any number. Of all others SQLite itself counts the arguments.
const VARIADIC: &[&str] = &[
    "bm25",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "format",
    "if",
    "iif",
    "json_array",
    "json_array_insert",
    "json_extract",
    "json_insert",
    "json_object",
    "json_remove",
    "json_replace",
    "json_set",
    "jsonb_array",
    "jsonb_array_insert",
    "jsonb_extract",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "max",
    "min",
    "printf",
];

/// Refuses a statement with a function of more arguments than D1 takes.
pub fn few_arguments(sql: &str) -> Result<(), Refusal> {
    // More arguments than that have as many commas between them.
    if sql.bytes().filter(|byte| *byte == b',').count() < MAX_ARGUMENTS {
        return Ok(());
    }
    let tokens = tokens(sql);
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let Some(list) = tokens.get(at + 1..).filter(|_| is_function(token, before)) else { continue };
        let count = arguments(list);
        if count > MAX_ARGUMENTS {
            return Err(Refusal::new(
                Reason::TooLong,
                format!(
                    "{} has {count} arguments, a function in D1 takes at most {MAX_ARGUMENTS}; nothing was run.",
                    token.text.to_ascii_lowercase()
                ),
                "Divide it: nest the function, or put JSON objects together with json_patch().",
            ));
        }
    }
    Ok(())
}

/// Whether a name is that of such a function, and not of a table whose columns follow.
fn is_function(token: &Token, before: Option<&Token>) -> bool {
    use TokenType::{TK_EXISTS, TK_INTO, TK_RECURSIVE, TK_REFERENCES, TK_STRING, TK_TABLE, TK_VIEW, TK_WITH};
    let names_a_table = before.is_some_and(|before| {
        matches!(before.kind, TK_INTO | TK_TABLE | TK_EXISTS | TK_REFERENCES | TK_VIEW | TK_WITH | TK_RECURSIVE)
    });
    token.kind != TK_STRING && !names_a_table && VARIADIC.iter().any(|name| token.text.eq_ignore_ascii_case(name))
}

/// The number of arguments in the brackets that a text begins with; none when it begins otherwise.
fn arguments(tokens: &[Token]) -> usize {
    let (mut depth, mut commas) = (0usize, 0usize);
    for token in tokens {
        match token.kind {
            TokenType::TK_LP => depth += 1,
            TokenType::TK_RP => depth = depth.saturating_sub(1),
            TokenType::TK_COMMA if depth == 1 => commas += 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    if commas == 0 { 0 } else { commas + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize) -> String {
        (0..count).map(|n| format!("'k,{n}'")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn arguments_are_counted_wherever_the_function_stands() {
        for (form, name) in [
            ("SELECT json_object({})", "json_object"),
            ("SELECT a FROM t WHERE x = Coalesce ({}) AND y", "coalesce"),
            ("INSERT INTO t (a) VALUES (1), (max(/* the most */{}))", "max"),
            ("UPDATE t SET a = \"concat\"({})", "concat"),
            ("CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT json_set('{}', {}); END", "json_set"),
            ("SELECT * FROM a JOIN b ON min({})", "min"),
            ("SELECT abs(printf({}))", "printf"),
            ("CREATE INDEX i ON t (iif({}))", "iif"),
        ] {
            let with = |count: usize| {
                if name == "json_set" {
                    form.replacen("{}", "", 1).replace("{}", &list(count - 1))
                } else {
                    form.replace("{}", &list(count))
                }
            };
            assert!(few_arguments(&with(32)).is_ok(), "{form}");
            let problem = few_arguments(&with(33)).unwrap_err();
            assert!(problem.message.starts_with(&format!("{name} has 33 arguments")), "{problem:?}");
        }
    }

    #[test]
    fn lists_that_are_no_arguments_may_be_longer() {
        let columns = (0..100).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
        for form in [
            "INSERT INTO format ({}) VALUES ({})",
            "CREATE TABLE IF NOT EXISTS \"max\" ({})",
            "SELECT * FROM t WHERE a IN ({})",
            "WITH min ({}) AS (SELECT 1) SELECT json_object('a', 1), {}",
            "CREATE VIEW char ({}) AS SELECT {}",
            "SELECT max(a), {} FROM t WHERE 'max(' = ({})",
            "SELECT coalesce(a, (SELECT b FROM t WHERE c IN ({})), d)",
            "CREATE TABLE t ({}, FOREIGN KEY ({}) REFERENCES max ({}))",
        ] {
            assert!(few_arguments(&form.replace("{}", &columns)).is_ok(), "{form}");
        }
    }
}
