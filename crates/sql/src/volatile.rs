//! What in a piece of SQL comes out differently each time it runs: random numbers and the current time.
//!
//! It is found by the tokens, not by a parse: SQLite writes a definition down as it was sent, and a definition that
//! only SQLite's own grammar takes must be read as well. Where the tokens leave a doubt (a column named `current_date`
//! without quotes), the answer is that it is volatile. A text that SQL puts together (`'no' || 'w'`) or finds in a row
//! is not seen.

use std::collections::BTreeSet;

use serde_json::Value;
use turso_parser::token::TokenType;

use super::tokens::{Token, tokens};

/// What is volatile in one statement or definition, sorted and spelled for people: `random()`, `CURRENT_DATE`,
/// `date('now')` …
pub fn volatile(sql: &str) -> Vec<String> {
    volatile_with(sql, &[])
}

/// The same for a statement with bound values: where a parameter stands for a time, any bound text `now` makes it the
/// current one.
pub fn volatile_with(sql: &str, params: &[Value]) -> Vec<String> {
    found(&tokens(sql), params.iter().any(binds_now))
}

/// The columns with a volatile DEFAULT in a table's definition, each with what is volatile in it. Nothing for any other
/// definition.
pub fn volatile_defaults(create_table_sql: &str) -> Vec<(String, Vec<String>)> {
    let tokens = tokens(create_table_sql);
    let head = tokens
        .iter()
        .position(|token| matches!(token.kind, TokenType::TK_LP | TokenType::TK_AS))
        .unwrap_or(tokens.len());
    let (head, body) = tokens.split_at(head);
    let [create, .., _] = head else { return Vec::new() };
    if create.kind != TokenType::TK_CREATE || !head.iter().take(3).any(|token| token.kind == TokenType::TK_TABLE) {
        return Vec::new();
    }
    arguments(body)
        .into_iter()
        .filter_map(|column| Some((column.first()?.text.clone(), found(default(column)?, false))))
        .filter(|(_, found)| !found.is_empty())
        .collect()
}

/// The columns that an INSERT or REPLACE supplies by name. `None` means every column (it names none), or no INSERT at
/// all; `DEFAULT VALUES` supplies none.
pub fn inserted_columns(insert_sql: &str) -> Option<Vec<String>> {
    let tokens = tokens(insert_sql);
    if !matches!(tokens.first()?.kind, TokenType::TK_INSERT | TokenType::TK_REPLACE | TokenType::TK_WITH) {
        return None;
    }
    let (into, _) = outermost(&tokens).find(|(_, token)| token.kind == TokenType::TK_INTO)?;
    let mut rest = tokens.get(into + 2..)?;
    // INTO main.t AS other (columns)
    while let [joint, _, after @ ..] = rest
        && matches!(joint.kind, TokenType::TK_DOT | TokenType::TK_AS)
    {
        rest = after;
    }
    match rest.first()?.kind {
        TokenType::TK_LP => {
            Some(arguments(rest).into_iter().filter_map(|column| Some(column.first()?.text.clone())).collect())
        }
        TokenType::TK_DEFAULT => Some(Vec::new()),
        _ => None,
    }
}

/// The tokens that stand in no brackets, with their positions.
fn outermost(tokens: &[Token]) -> impl Iterator<Item = (usize, &Token)> {
    let mut depth = 0usize;
    tokens.iter().enumerate().filter(move |(_, token)| {
        match token.kind {
            TokenType::TK_LP => depth += 1,
            TokenType::TK_RP => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

/// What stands in the brackets that `tokens` begins with.
fn bracketed(tokens: &[Token]) -> &[Token] {
    let end = outermost(tokens).next().map_or(tokens.len(), |(end, _)| end);
    tokens.get(1..end).unwrap_or_default()
}

/// The same, divided at the commas.
fn arguments(tokens: &[Token]) -> Vec<&[Token]> {
    let mut rest = bracketed(tokens);
    let mut arguments = Vec::new();
    while !rest.is_empty() {
        let end =
            outermost(rest).find(|(_, token)| token.kind == TokenType::TK_COMMA).map_or(rest.len(), |(end, _)| end);
        let (argument, after) = rest.split_at(end);
        arguments.push(argument);
        rest = after.get(1..).unwrap_or_default();
    }
    arguments
}

/// The value of a column's DEFAULT; of several, the last one counts. `ON DELETE SET DEFAULT` is none.
fn default(column: &[Token]) -> Option<&[Token]> {
    let after_set = |at: usize| {
        at.checked_sub(1).and_then(|before| column.get(before)).is_some_and(|before| before.kind == TokenType::TK_SET)
    };
    let (at, _) =
        outermost(column).filter(|(at, token)| token.kind == TokenType::TK_DEFAULT && !after_set(*at)).last()?;
    let value = column.get(at + 1..)?;
    if value.first()?.kind == TokenType::TK_LP { Some(bracketed(value)) } else { value.get(..1) }
}

fn found(tokens: &[Token], now_is_bound: bool) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before)).map(|token| token.kind);
        let after = tokens.get(at + 1..).unwrap_or_default();
        match (token.kind, after.first().map(|token| token.kind)) {
            (TokenType::TK_CTIME_KW, after)
                if !names(before) && after != Some(TokenType::TK_DOT) && !ends_a_value(before) =>
            {
                found.insert(token.text.to_ascii_uppercase());
            }
            (TokenType::TK_ID, Some(TokenType::TK_LP)) if !names(before) => {
                found.extend(called(&token.text.to_ascii_lowercase(), after, now_is_bound))
            }
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// Whether what follows such a token is the name of something, also where it reads like a call or a keyword.
fn names(before: Option<TokenType>) -> bool {
    use TokenType::{
        TK_AS, TK_COLUMNKW, TK_DOT, TK_EXISTS, TK_INTO, TK_RECURSIVE, TK_REFERENCES, TK_SET, TK_TABLE, TK_UPDATE,
        TK_WITH,
    };
    before.is_some_and(|kind| {
        matches!(
            kind,
            TK_AS
                | TK_COLUMNKW
                | TK_DOT
                | TK_EXISTS
                | TK_INTO
                | TK_RECURSIVE
                | TK_REFERENCES
                | TK_SET
                | TK_TABLE
                | TK_UPDATE
                | TK_WITH
        )
    })
}

/// Whether a value ends there: a keyword that follows one directly is its name (`SELECT 1 current_date`).
fn ends_a_value(before: Option<TokenType>) -> bool {
    use TokenType::{TK_BLOB, TK_FLOAT, TK_ID, TK_INTEGER, TK_NULL, TK_RP, TK_STRING, TK_VARIABLE};
    before.is_some_and(|kind| {
        matches!(kind, TK_BLOB | TK_FLOAT | TK_ID | TK_INTEGER | TK_NULL | TK_RP | TK_STRING | TK_VARIABLE)
    })
}

/// A call, if it is volatile. A time that is left out is the current one (<https://sqlite.org/lang_datefunc.html>).
fn called(function: &str, brackets: &[Token], now_is_bound: bool) -> Option<String> {
    let arguments = arguments(brackets);
    let now = |argument: &&[Token]| is_now(argument, now_is_bound);
    let volatile = match function {
        "random" => {
            return arguments
                .iter()
                .all(|argument| matches!(argument, [token] if token.kind == TokenType::TK_DISTINCT))
                .then(|| "random()".to_owned());
        }
        "randomblob" => return (!arguments.is_empty()).then(|| "randomblob()".to_owned()),
        "date" | "time" | "datetime" | "julianday" | "unixepoch" => arguments.first().is_none_or(now),
        "strftime" => arguments.len() == 1 || arguments.get(1).is_some_and(now),
        "timediff" => arguments.iter().take(2).any(now),
        _ => false,
    };
    volatile.then(|| format!("{function}('now')"))
}

/// Whether an argument may be the current time. `'subsec'` is it only where it stands for the time itself: elsewhere it
/// says how exact to be.
fn is_now(argument: &[Token], now_is_bound: bool) -> bool {
    let mut values = argument.iter().filter(|token| !matches!(token.kind, TokenType::TK_LP | TokenType::TK_RP));
    let alone =
        matches!((values.next(), values.next()), (Some(value), None) if value.is_text() && says_now(&value.text));
    alone
        || argument.iter().any(|token| {
            if token.kind == TokenType::TK_VARIABLE {
                now_is_bound
            } else {
                token.is_text() && token.text.eq_ignore_ascii_case("now")
            }
        })
}

/// Whether SQLite takes a text for the current time. It reads up to the first NUL, in either case, and knows no blanks
/// around it.
fn says_now(text: &str) -> bool {
    let text = text.split('\0').next().unwrap_or_default();
    ["now", "subsec", "subsecond"].iter().any(|now| text.eq_ignore_ascii_case(now))
}

/// Whether a bound value, a scalar or an array of bytes, says so.
fn binds_now(value: &Value) -> bool {
    match value {
        Value::String(text) => says_now(text),
        Value::Array(bytes) => {
            let byte =
                |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()).map_or('\u{fffd}', char::from);
            says_now(&bytes.iter().map(byte).collect::<String>())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(cases: &[(&str, &str)]) {
        for (sql, expected) in cases {
            assert_eq!(volatile(sql).join(", "), *expected, "{sql:?}");
        }
    }

    #[test]
    fn random_numbers_are_found_however_the_call_is_written() {
        for call in [
            "random()",
            "RANDOM ( )",
            "random /* ( */ -- (\n ( )",
            "\"random\"()",
            "`Random` ()",
            "[random]()",
            "random(DISTINCT)",
            "abs(-random() % 6)",
        ] {
            check(&[
                (&format!("SELECT {call}"), "random()"),
                (&format!("INSERT INTO t(a) VALUES (1, {call})"), "random()"),
            ]);
        }
        check(&[
            ("UPDATE t SET a = hex(randomblob(16)), b = random()", "random(), randomblob()"),
            ("SELECT a FROM t ORDER BY random() LIMIT 1", "random()"),
            ("SELECT a FROM t WHERE a IS DISTINCT FROM random()", "random()"),
            ("WITH random AS (SELECT random() AS r) SELECT r FROM random", "random()"),
        ]);
    }

    #[test]
    fn the_current_time_is_found_in_every_form() {
        for function in ["date", "time", "datetime", "julianday", "unixepoch"] {
            let current = "|'now'|'NOW', '+1 day'|('now')|\"now\"|x'6e6f57'|coalesce(NULL, 'now')|(SELECT 'now')|'now' \
                           COLLATE nocase|'subsec'|('SUBSECOND'), 'utc'";
            for arguments in current.split('|') {
                check(&[(&format!("SELECT a, {function} ({arguments}) FROM t"), &format!("{function}('now')"))]);
            }
            let other = "created_at|'2020-01-01', 'now'|NULL, 'now'|' now '|'now '|now|[now]|`now`|12|a, \
                         'subsec'|substr(a, 'subsec')|?1|'it''s now'|x'00'";
            for arguments in other.split('|') {
                check(&[(&format!("SELECT {function}({arguments}), 'now' FROM t"), "")]);
            }
        }
        check(&[
            ("SELECT strftime('%s'), timediff(a, 'Now')", "strftime('now'), timediff('now')"),
            ("SELECT strftime('%Y-%m', 'now', 'utc'), timediff('subsec', a)", "strftime('now'), timediff('now')"),
            ("SELECT strftime('now', a), strftime(), strftime('%s', a, 'now'), timediff(a, b), timediff()", ""),
            ("SELECT date(date('now'), 'x')", "date('now')"),
            (
                "SELECT current_time, CURRENT_date, a + Current_Timestamp FROM t",
                "CURRENT_DATE, CURRENT_TIME, CURRENT_TIMESTAMP",
            ),
        ]);
        let places = "SELECT a,|SELECT DISTINCT|DELETE FROM t RETURNING|SELECT a FROM t ORDER BY|INSERT INTO t VALUES (|SELECT NOT|SELECT a IN (1) AND|SELECT CASE|SELECT CASE a WHEN|\
                      SELECT CASE a WHEN 1 THEN|SELECT CASE a WHEN 1 THEN 2 ELSE|SELECT a BETWEEN 1 AND|SELECT a \
                      LIKE|SELECT a IS NOT DISTINCT FROM|UPDATE t SET a =|SELECT f(|SELECT a ->>";
        for place in places.split('|') {
            check(&[(&format!("{place} current_date"), "CURRENT_DATE")]);
        }
    }

    #[test]
    fn names_texts_and_comments_that_only_look_volatile_are_none() {
        for sql in [
            "SELECT 'random()', \"random()\", [random()], `random()`, [it's random()] -- random()\n /* current_date \
             date('now') */",
            "SELECT 'it''s random()', x'72', random, \"it\"\"s random()\" FROM random",
            "SELECT \"current_timestamp\", [current_date], `current_time`, 'current_time' FROM \"current_timestamp\"",
            "SELECT t.current_date, current_date.a, a AS current_date, 1 current_time, (a) current_date, a \
             current_date FROM t",
            "WITH random(a) AS (SELECT 1) SELECT a FROM random",
            "WITH date(\"now\") AS (SELECT 1) SELECT \"now\" FROM date",
            "INSERT INTO random(a) VALUES (1)",
            "INSERT INTO main.date(\"now\") VALUES ('now')",
            "UPDATE t SET current_date = 1",
            "CREATE TABLE IF NOT EXISTS datetime(a DEFAULT 'now', b random(3), c REFERENCES current_date(d))",
            "SELECT changes(), last_insert_rowid(), total_changes(), sqlite_version(), not_random(), random_(), \
             'random'()",
            "",
        ] {
            check(&[(sql, "")]);
        }
    }

    #[test]
    fn definitions_and_text_that_does_not_parse_are_read_too() {
        check(&[
            (
                "CREATE TABLE t (a DEFAULT CURRENT_TIMESTAMP NOT NULL, b CHECK (b < unixepoch()), [it's] DEFAULT \
                 (random()))",
                "CURRENT_TIMESTAMP, random(), unixepoch('now')",
            ),
            (
                "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = datetime('now') WHERE id = new.id; SELECT \
                 random(); END",
                "datetime('now'), random()",
            ),
            ("CREATE VIEW v AS SELECT * FROM t WHERE due < date('now')", "date('now')"),
            ("CREATE INDEX i ON t (date(a)) WHERE a > 1", ""),
            ("random() \\ ) ) SELEC ' date('now'", "random()"),
            ("date('now'", "date('now')"),
            ("\u{feff}é € random()", "random()"),
        ]);
    }

    #[test]
    fn a_bound_time_is_volatile_when_a_bound_value_says_now() {
        let sql = "INSERT INTO t VALUES (?1, date(?2), strftime('%s', :a), time('12:00', ?))";
        for now in [json!("now"), json!("NOW"), json!("subsec"), json!("now\0x"), json!([110, 111, 119])] {
            assert_eq!(volatile_with(sql, &[json!(1), now]), ["date('now')", "strftime('now')"]);
        }
        for other in [
            json!(" now"),
            json!("2020-01-01"),
            json!(null),
            json!(1),
            json!([110, 111]),
            json!([110, 111, 375]),
            json!([[110]]),
        ] {
            assert!(volatile_with(sql, &[other]).is_empty());
        }
        assert!(volatile_with("INSERT INTO t VALUES (?1, date(a, ?2))", &[json!("now")]).is_empty());
    }

    #[test]
    fn the_columns_with_a_volatile_default_are_told() {
        let defaults = |sql: &str| {
            volatile_defaults(sql)
                .iter()
                .map(|(column, found)| format!("{column}: {}", found.join(" ")))
                .collect::<Vec<_>>()
                .join("; ")
        };
        let sql = r#"CREATE TABLE IF NOT EXISTS "a(b" (
            id INTEGER PRIMARY KEY DEFAULT (abs(random())), "we ""x" text DEFAULT current_timestamp COLLATE nocase, [c,d] numeric(1, 2) DEFAULT (date('now', '+1 day')) CHECK (d < date()),
            'e' DEFAULT (1) UNIQUE DEFAULT (random() || randomblob(2)), f DEFAULT (random()) DEFAULT 1, g CHECK (g < date()), h DEFAULT -1, i DEFAULT 'random()', j DEFAULT random,
            k DEFAULT [current_date], l DEFAULT "current_date", m DEFAULT (unixepoch()) REFERENCES t(x) ON DELETE SET DEFAULT, "default" AS (random()), n,
            CHECK (n < date()), FOREIGN KEY (n) REFERENCES t(x) ON UPDATE SET DEFAULT) STRICT"#;
        assert_eq!(
            defaults(sql),
            "id: random(); we \"x: CURRENT_TIMESTAMP; c,d: date('now'); e: random() randomblob(); m: unixepoch('now')"
        );
        assert_eq!(defaults("create temp table t(a default (strftime('%s'))"), "a: strftime('now')");
        for sql in "CREATE TABLE t AS SELECT random() AS a|CREATE INDEX i ON t(a)|CREATE TABLE t|CREATE TABLE \
             t(|CREATE||CREATE VIEW v(a) AS SELECT random()|CREATE TABLE t(a DEFAULT"
            .split('|')
        {
            assert_eq!(defaults(sql), "", "{sql:?}");
        }
    }

    #[test]
    fn the_columns_that_an_insert_supplies_are_told() {
        for (sql, expected) in [
            ("INSERT INTO t (a, \"b c\", [d], `e`, 'f') VALUES (1, 2, 3, 4, 5)", Some(vec!["a", "b c", "d", "e", "f"])),
            ("insert or replace into main.t as x(a) select a from u where (1) on conflict do nothing", Some(vec!["a"])),
            (
                "WITH replace(z) AS (SELECT 1), [into](y) AS (SELECT 2) REPLACE INTO t(key) SELECT z FROM replace",
                Some(vec!["key"]),
            ),
            ("INSERT INTO t DEFAULT VALUES RETURNING (a)", Some(vec![])),
            ("INSERT INTO t VALUES (1)", None),
            ("INSERT INTO t AS x SELECT a FROM u", None),
            ("INSERT INTO t WITH w(a) AS (SELECT 1) SELECT a FROM w", None),
            ("WITH w(a) AS (SELECT 1) UPDATE t SET a = 1", None),
            ("CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO u(a) VALUES (1); END", None),
            ("INSERT INTO", None),
            ("INSERT INTO t.", None),
            ("", None),
        ] {
            assert_eq!(
                inserted_columns(sql),
                expected.map(|columns| columns.into_iter().map(str::to_owned).collect()),
                "{sql:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_row_of_sql_pieces_is_answered_without_a_panic(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "SELECT", "INSERT INTO", "REPLACE INTO", "WITH", "AS", "(", ")", "((", "))", "'", "\"", "`", "[", "]", ";", "--", "/*", "*/", "\n", "t", "x'6e", "x'6e6f77'", "?1", ":a", "@", "#", "1e", "0x", "\\", "^", "CREATE TABLE",
            "DEFAULT", "VALUES", "SET", "random", "randomblob", "date", "strftime", "timediff", "'now'", "'subsec'", "current_date", ",", ".", "\u{0}", "\u{b}", "é", "€", "'é", "$", "!",
        ]), 0..16), text in "\\PC{0,40}") {
            for sql in [pieces.join(" "), pieces.concat(), format!("{}{text}", pieces.concat()), format!("{text}{}", pieces.join(&text))] {
                let _ = (volatile_with(&sql, &[json!("now")]), volatile_defaults(&sql), volatile_defaults(&format!("CREATE TABLE t({sql}")), inserted_columns(&sql), inserted_columns(&format!("INSERT INTO {sql}")));
            }
        }
    }
}
