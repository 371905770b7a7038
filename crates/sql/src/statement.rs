//! The front of SQL: one text in, single classified statements out, or a refusal before anything runs.
//!
//! The gateway splits by a real SQLite grammar and hands every engine call exactly one statement, so text that the
//! grammar and SQLite could divide differently is refused instead of interpreted. What a statement *touches* is not
//! decided here: SQLite itself is asked that, by `EXPLAIN` in the shadow.

use serde::{Deserialize, Serialize};
use turso_parser::ast::{Cmd, QualifiedName, Stmt};
use turso_parser::lexer::Lexer;
use turso_parser::parser::Parser;
use turso_parser::token::TokenType;

use super::arguments::few_arguments;
use super::limits::{MAX_NESTING, MAX_STATEMENT_BYTES, MAX_STATEMENTS};
use super::named::Named;
use super::pragma::{self, Setting};
use super::{Reason, Refusal};

/// What a statement does, as far as the gate is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A single SELECT: it cannot write.
    Read,
    /// It changes rows.
    Write,
    /// It changes the schema.
    Schema,
}

/// One statement, ready to be bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Its text, without what stood around it.
    pub text: String,
    /// What it does.
    pub kind: Kind,
    /// Its first keywords, for the journal: `SELECT`, `INSERT`, `CREATE TABLE` …
    pub verb: String,
    /// The table, view or index that it names as its object, if it has one.
    pub target: Option<String>,
    /// An UPDATE or DELETE without a WHERE.
    pub unbounded: bool,
    /// Whether it names a part of SQLite that describes the schema.
    pub describes_schema: bool,
}

impl Statement {
    pub(super) fn plain(text: &str, kind: Kind, verb: &str, target: Option<String>) -> Self {
        Self { text: text.to_owned(), kind, verb: verb.to_owned(), target, unbounded: false, describes_schema: false }
    }

    /// A SELECT that the gateway itself wrote: it names what agents may not.
    pub fn of_the_gateway(text: &str) -> Self {
        Self { describes_schema: Named::of(text).describes_schema(), ..Self::plain(text, Kind::Read, "SELECT", None) }
    }

    /// Whether it only tells how another would run. It reads no rows, but is no SELECT either.
    pub fn is_explain(&self) -> bool {
        self.verb == "EXPLAIN"
    }

    /// What it sets, if it is a PRAGMA that does more than answer.
    pub fn setting(&self) -> Option<Setting> {
        Setting::of(&self.text)
    }

    /// Whether it only says when foreign keys are checked.
    pub fn defers_foreign_keys(&self) -> bool {
        self.setting() == Some(Setting::DeferForeignKeys)
    }

    /// Whether it looks at the rows of every table.
    pub fn checks_every_table(&self) -> bool {
        self.describes_schema && Named::of(&self.text).checks_every_table()
    }
}

/// Splits a text into its statements.
///
/// # Errors
/// Refuses text that is too long, too deeply nested, not understood, divisible in two ways, or that holds a statement
/// which agents may not run.
pub fn split(sql: &str) -> Result<Vec<Statement>, Refusal> {
    scan(sql)?;
    let mut parser = Parser::new(sql.as_bytes());
    let mut statements = Vec::new();
    let mut start = 0;
    loop {
        let command = match parser.next_cmd() {
            Ok(Some(command)) => command,
            Ok(None) => break,
            Err(error) => return Err(not_parsed(&error.to_string())),
        };
        let end = parser.offset();
        let fragment = sql.get(start..end).ok_or_else(|| not_parsed("the end of a statement is inside a character"))?;
        start = end;
        if statements.len() == MAX_STATEMENTS {
            return Err(Refusal::new(
                Reason::TooLong,
                format!("The text holds more than {MAX_STATEMENTS} statements; nothing was run."),
                "Send them in several requests; split a migration into several files.",
            ));
        }
        let text = significant(fragment)?;
        few_arguments(text)?;
        // The body of a trigger has semicolons in it, so its pieces say nothing of the whole.
        if text.len() > MAX_STATEMENT_BYTES {
            return Err(too_long());
        }
        statements.push(classify(command, text)?);
    }
    if statements.is_empty() {
        return Err(Refusal::new(
            Reason::NoStatement,
            "The SQL contains no statement; nothing was run.",
            "Send at least one statement in \"sql\".",
        ));
    }
    Ok(statements)
}

/// Looks at the tokens before any parsing: lengths, nesting, reserved names, and whatever two tokenizers could read
/// differently.
fn scan(sql: &str) -> Result<(), Refusal> {
    let ambiguous = |what: &str| {
        Err(Refusal::new(
            Reason::Ambiguous,
            format!("The SQL contains {what}, which two parsers could split differently; nothing was run."),
            "Send plain statements in UTF-8, closed quotes and comments, and bind unusual text as a parameter.",
        ))
    };
    if sql.contains('\0') {
        return ambiguous("a NUL character");
    }
    if sql.contains('\u{feff}') {
        return ambiguous("a byte order mark");
    }
    let mut lexer = Lexer::new(sql.as_bytes());
    let (mut depth, mut cases, mut statement_start) = (0usize, 0usize, 0usize);
    loop {
        let at = sql.len() - lexer.remaining().len();
        let Some(token) = lexer.next() else { break };
        let token = match token {
            Ok(token) => token,
            Err(error) => return Err(not_parsed(&error.to_string())),
        };
        let end = sql.len() - lexer.remaining().len();
        if end <= at {
            return Err(not_parsed("the tokenizer made no progress"));
        }
        match token.token_type {
            TokenType::TK_LP => depth += 1,
            TokenType::TK_RP => depth = depth.saturating_sub(1),
            TokenType::TK_CASE => cases += 1,
            TokenType::TK_END => cases = cases.saturating_sub(1),
            TokenType::TK_SEMI => {
                statement_start = end;
                cases = 0;
            }
            TokenType::TK_LBRACKET => {
                let inside = sql.get(end..).and_then(|rest| rest.split_once(']')).map(|(inside, _)| inside);
                let plain = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == ' ';
                match inside {
                    Some(inside) if inside.chars().all(plain) => {}
                    _ => return ambiguous("a name in square brackets with unusual characters"),
                }
            }
            TokenType::TK_ILLEGAL => return Err(not_parsed("an unrecognized token")),
            _ => {}
        }
        let raw = sql.get(at..end).unwrap_or_default();
        if raw.starts_with("/*") && !(raw.len() >= 4 && raw.ends_with("*/")) {
            return ambiguous("a comment that is not closed");
        }
        if depth + cases > MAX_NESTING {
            return Err(Refusal::new(
                Reason::TooNested,
                format!("A statement nests deeper than {MAX_NESTING} levels; nothing was run."),
                "Flatten it, for example with a WITH clause.",
            ));
        }
        if end - statement_start > MAX_STATEMENT_BYTES {
            return Err(too_long());
        }
    }
    Ok(())
}

fn too_long() -> Refusal {
    Refusal::new(
        Reason::TooLong,
        format!("A statement is longer than D1's {MAX_STATEMENT_BYTES} bytes; nothing was run."),
        "Bind long values as parameters, or split the statement.",
    )
}

/// Whether the parser and SQLite are sure to divide a text alike.
pub fn is_plain(sql: &str) -> bool {
    scan(sql).is_ok()
}

/// Refuses names that belong to somebody else, PRAGMAs that do more than answer, and whatever ends the transaction.
fn refuse_by_name(named: &Named) -> Result<(), Refusal> {
    if named.reserved().is_some() {
        return Err(reserved_name());
    }
    if let Some(pragma) = named.other_pragma() {
        return Err(pragma::twin_refused(pragma));
    }
    if named.rolls_back {
        return Err(not_allowed(
            "ROLLBACK as a conflict clause",
            "Use ABORT, FAIL, IGNORE or REPLACE: a batch is undone as a whole anyway.",
        ));
    }
    Ok(())
}

pub(super) fn reserved_name() -> Refusal {
    Refusal::new(
        Reason::ReservedName,
        "The SQL names an object whose prefix (_dryrun_, _cf_ or __miniflare_) is reserved; nothing was run.",
        "Use another name. The gateway's and the platform's own tables cannot be reached from here.",
    )
}

/// Whether a token is nothing but what SQLite takes for a blank. Other blanks of Unicode are names to it.
fn is_blank(raw: &str) -> bool {
    raw.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// The part of a fragment from its first token to its last: what stands around it are blanks, comments and semicolons.
fn significant(fragment: &str) -> Result<&str, Refusal> {
    let mut lexer = Lexer::new(fragment.as_bytes());
    let (mut first, mut last) = (None, 0);
    loop {
        let at = fragment.len() - lexer.remaining().len();
        let Some(token) = lexer.next() else { break };
        let token = token.map_err(|error| not_parsed(&error.to_string()))?;
        let end = fragment.len() - lexer.remaining().len();
        let raw = fragment.get(at..end).unwrap_or_default();
        let around =
            token.token_type == TokenType::TK_SEMI || is_blank(raw) || raw.starts_with("--") || raw.starts_with("/*");
        if !around {
            first.get_or_insert(at);
            last = end;
        }
    }
    first.and_then(|first| fragment.get(first..last)).ok_or_else(|| not_parsed("an empty statement"))
}

fn classify(command: Cmd, text: &str) -> Result<Statement, Refusal> {
    let (statement, explained) = match command {
        Cmd::Stmt(statement) => (statement, false),
        Cmd::Explain(statement) | Cmd::ExplainQueryPlan { stmt: statement, .. } => (statement, true),
    };
    let named = Named::in_statement(&statement, text);
    refuse_by_name(&named)?;
    let plain = |text: &str, kind, verb: &str, target| Statement {
        describes_schema: named.describes_schema(),
        ..Statement::plain(text, kind, verb, target)
    };
    if explained {
        return match statement {
            Stmt::Select(_) => Ok(plain(text, Kind::Read, "EXPLAIN", None)),
            _ => {
                Err(not_allowed("EXPLAIN of anything but a SELECT", "EXPLAIN the SELECT that the statement contains."))
            }
        };
    }
    let statement = match statement {
        Stmt::Select(_) => plain(text, Kind::Read, "SELECT", None),
        Stmt::Insert { tbl_name, .. } => plain(text, Kind::Write, "INSERT", Some(rows_of(&tbl_name)?)),
        Stmt::Update(update) => Statement {
            unbounded: update.where_clause.is_none(),
            ..plain(text, Kind::Write, "UPDATE", Some(rows_of(&update.tbl_name)?))
        },
        Stmt::Delete { tbl_name, where_clause, .. } => Statement {
            unbounded: where_clause.is_none(),
            ..plain(text, Kind::Write, "DELETE", Some(rows_of(&tbl_name)?))
        },
        Stmt::CreateTable { temporary: false, tbl_name, .. } => {
            plain(text, Kind::Schema, "CREATE TABLE", Some(writable(&tbl_name)?))
        }
        Stmt::CreateIndex { idx_name, tbl_name, .. } => {
            writable(&idx_name)?;
            plain(text, Kind::Schema, "CREATE INDEX", Some(tbl_name.as_str().to_owned()))
        }
        Stmt::CreateView { temporary: false, view_name, .. } => {
            plain(text, Kind::Schema, "CREATE VIEW", Some(writable(&view_name)?))
        }
        Stmt::CreateTrigger { temporary: false, trigger_name, tbl_name, .. } => {
            writable(&trigger_name)?;
            plain(text, Kind::Schema, "CREATE TRIGGER", Some(writable(&tbl_name)?))
        }
        Stmt::CreateVirtualTable(table) => {
            plain(text, Kind::Schema, "CREATE VIRTUAL TABLE", Some(writable(&table.tbl_name)?))
        }
        Stmt::AlterTable(alter) => plain(text, Kind::Schema, "ALTER TABLE", Some(writable(&alter.name)?)),
        Stmt::DropTable { tbl_name, .. } => plain(text, Kind::Schema, "DROP TABLE", Some(writable(&tbl_name)?)),
        Stmt::DropIndex { idx_name, .. } => plain(text, Kind::Schema, "DROP INDEX", Some(writable(&idx_name)?)),
        Stmt::DropView { view_name, .. } => plain(text, Kind::Schema, "DROP VIEW", Some(writable(&view_name)?)),
        Stmt::DropTrigger { trigger_name, .. } => {
            plain(text, Kind::Schema, "DROP TRIGGER", Some(writable(&trigger_name)?))
        }
        Stmt::Reindex { .. } => plain(text, Kind::Schema, "REINDEX", None),
        Stmt::Analyze { .. } => plain(text, Kind::Schema, "ANALYZE", None),
        Stmt::Pragma { name, body } => return pragma::statement(&name, body.as_ref()),
        Stmt::CreateTable { .. } | Stmt::CreateView { .. } | Stmt::CreateTrigger { .. } => {
            return Err(not_allowed("A TEMP object", "Use a common table expression (WITH), or an ordinary table."));
        }
        Stmt::Begin { .. }
        | Stmt::Commit { .. }
        | Stmt::Rollback { .. }
        | Stmt::Savepoint { .. }
        | Stmt::Release { .. } => {
            return Err(not_allowed(
                "A transaction statement",
                "Send the statements as one batch: a batch is one transaction.",
            ));
        }
        Stmt::Attach { .. } | Stmt::Detach { .. } => {
            return Err(not_allowed(
                "ATTACH or DETACH",
                "Use the store that holds the other tables in a request of its own.",
            ));
        }
        Stmt::Vacuum { .. } => return Err(not_allowed("VACUUM", "Leave it out: D1 looks after its own space.")),
        Stmt::CreateMaterializedView { .. }
        | Stmt::CreateType { .. }
        | Stmt::CreateDomain { .. }
        | Stmt::DropType { .. }
        | Stmt::DropDomain { .. }
        | Stmt::Optimize { .. }
        | Stmt::CreateSequence { .. }
        | Stmt::DropSequence { .. } => return Err(not_parsed("a statement that SQLite does not support")),
    };
    Ok(statement)
}

/// The one table of SQLite's own whose rows may be written: how far AUTOINCREMENT has counted. Every dump of a database
/// that counts writes it.
pub const COUNTERS: &str = "sqlite_sequence";

/// The name of a table whose rows are written.
fn rows_of(name: &QualifiedName) -> Result<String, Refusal> {
    let is_counters = name.db_name.is_none() && name.name.as_str().eq_ignore_ascii_case(COUNTERS);
    if is_counters { Ok(COUNTERS.to_owned()) } else { writable(name) }
}

/// The name that a statement writes to: of the one database, and not one of SQLite's own tables.
fn writable(name: &QualifiedName) -> Result<String, Refusal> {
    if let Some(database) = &name.db_name
        && !database.as_str().eq_ignore_ascii_case("main")
    {
        return Err(not_allowed("Another database than main", "Leave the database's name out."));
    }
    let table = name.name.as_str();
    if table.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_")) {
        return Err(Refusal::new(
            Reason::ReservedName,
            format!("{table} belongs to SQLite, and agents cannot write it; nothing was run."),
            "Change the table that it belongs to.",
        ));
    }
    Ok(table.to_owned())
}

fn not_parsed(why: &str) -> Refusal {
    let why: String = why.chars().take(300).collect();
    Refusal::new(
        Reason::NotParsed,
        format!("The SQL cannot be parsed ({why}); nothing was run."),
        "Send statements in SQLite's dialect.",
    )
}

pub(super) fn not_allowed(what: &str, remedy: &str) -> Refusal {
    Refusal::new(Reason::NotAllowed, format!("{what} is not allowed through the gateway; nothing was run."), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(sql: &str) -> String {
        match split(sql) {
            Ok(statements) => statements
                .iter()
                .map(|one| {
                    format!(
                        "{:?} {} {}{}: {}",
                        one.kind,
                        one.verb,
                        one.target.as_deref().unwrap_or("-"),
                        if one.unbounded { " all rows" } else { "" },
                        one.text
                    )
                })
                .collect::<Vec<_>>()
                .join("\n"),
            Err(problem) => format!("refused {}", problem.reason.as_str()),
        }
    }

    fn check(sql: &str, expected: &str) {
        assert_eq!(show(sql), expected, "{sql:?}");
    }

    #[test]
    fn one_text_becomes_single_statements_without_what_stands_around_them() {
        check(
            " -- first\nSELECT 1 ; /* two */ INSERT INTO t VALUES (';') ;;\n UPDATE t SET a = 1 -- all\n",
            "Read SELECT -: SELECT 1\nWrite INSERT t: INSERT INTO t VALUES (';')\nWrite UPDATE t all rows: UPDATE t \
             SET a = 1",
        );
        check("DELETE FROM [t] WHERE a = 1", "Write DELETE t: DELETE FROM [t] WHERE a = 1");
        check("WITH x AS (SELECT 1) DELETE FROM t", "Write DELETE t all rows: WITH x AS (SELECT 1) DELETE FROM t");
        check("REPLACE INTO t VALUES (1)", "Write INSERT t: REPLACE INTO t VALUES (1)");
    }

    #[test]
    fn a_trigger_with_several_statements_is_one_statement() {
        let trigger = "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = 1; DELETE FROM u; END";
        check(
            &format!("{trigger}; SELECT 2;"),
            &format!("Schema CREATE TRIGGER t: {trigger}\nRead SELECT -: SELECT 2"),
        );
    }

    #[test]
    fn text_that_could_be_divided_in_two_ways_is_refused() {
        for sql in [
            "SELECT 1\0; DELETE FROM t",
            "\u{feff}SELECT 1",
            "SELECT 1 /* ; DELETE FROM t",
            "SELECT [a'; DELETE FROM t; --']",
            "SELECT [a",
        ] {
            check(sql, "refused ambiguous_text");
        }
        for sql in ["SELECT 'a", "SELECT \"a", "SELECT `a", "SELEC 1", "SELECT 1 SELECT 2", "TRUNCATE t"] {
            check(sql, "refused sql_not_parsed");
        }
    }

    #[test]
    fn a_backslash_does_not_escape_a_quote() {
        check(
            r"SELECT 'a\'; DELETE FROM t; --'",
            "Read SELECT -: SELECT 'a\\'\nWrite DELETE t all rows: DELETE FROM t",
        );
    }

    #[test]
    fn statements_that_agents_may_not_run_are_refused() {
        for sql in [
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT a",
            "RELEASE a",
            "ATTACH 'x' AS y",
            "DETACH y",
            "VACUUM",
            "PRAGMA case_sensitive_like(1)",
            "PRAGMA ignore_check_constraints = on",
            "PRAGMA writable_schema=1",
            "CREATE TEMP TABLE a (b)",
            "CREATE TEMP VIEW a AS SELECT 1",
            "INSERT INTO temp.a VALUES (1)",
            "EXPLAIN DELETE FROM t",
        ] {
            check(sql, "refused statement_not_allowed");
        }
        check("", "refused no_statement");
        check(" -- nothing\n;", "refused no_statement");
    }

    #[test]
    fn names_that_belong_to_somebody_else_are_refused_in_every_quoting() {
        for name in [
            "_dryrun_touched",
            "\"_dryrun_touched\"",
            "'_DRYRUN_touched'",
            "`_Dryrun_touched`",
            "[_dryrun_touched]",
            "_cf_KV",
            "\"_CF_kv\"",
            "[_cf_kv]",
            "__miniflare_do_name",
        ] {
            check(&format!("SELECT * FROM {name}"), "refused reserved_name");
            check(&format!("DELETE FROM main.{name}"), "refused reserved_name");
        }
        check(
            "UPDATE sqlite_sequence SET seq = 0",
            "Write UPDATE sqlite_sequence all rows: UPDATE sqlite_sequence SET seq = 0",
        );
        check("DROP TABLE sqlite_sequence", "refused reserved_name");
        check("UPDATE sqlite_master SET sql = ''", "refused reserved_name");
        check(
            "INSERT INTO notes VALUES ('_cf_bm is a cookie')",
            "Write INSERT notes: INSERT INTO notes VALUES ('_cf_bm is a cookie')",
        );
    }

    #[test]
    fn depth_and_length_are_bounded_before_parsing() {
        check(&format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)), "refused statement_too_nested");
        check(&format!("SELECT {}1{}", "SELECT * FROM (".repeat(900), ")".repeat(900)), "refused statement_too_nested");
        check(
            &format!("SELECT {} 1 {}", "CASE WHEN 1 THEN ".repeat(200), "END ".repeat(200)),
            "refused statement_too_nested",
        );
        check(&format!("SELECT '{}'", "x".repeat(100_000)), "refused statement_too_long");
        check(&format!("SELECT 1{}", " AND 1".repeat(5_000)), "refused sql_not_parsed");
        assert_eq!(split(&"SELECT 1;".repeat(5_001)).unwrap_err().reason, Reason::TooLong);
        assert_eq!(split(&"SELECT 1;".repeat(5_000)).unwrap().len(), 5_000);
        check(
            &format!("CREATE TRIGGER g AFTER INSERT ON t BEGIN {} END", "DELETE FROM t;".repeat(8_000)),
            "refused statement_too_long",
        );
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_a_panic(text in "\\PC{0,60}") {
            let _ = split(&text);
        }

        #[test]
        fn any_row_of_sql_pieces_is_answered_without_a_panic(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "SELECT", "INSERT INTO", "DELETE FROM", "WITH", "AS", "(", ")", "'", "\"", "`", "[", "]", ";", "--", "/*", "*/", "\n", "t", "x'00'", "x'0", "?1", ":a", "$a::b(c)", "@", "#", "1e", "0x", "NULL",
            "CREATE TRIGGER", "BEGIN", "END", "CASE", "PRAGMA", "table_info", "=", ",", ".", "*", "VALUES", "_dryrun_", "\u{0}", "é", "::", "[1:2]", "{", "}", "||", "->>", "!",
        ]), 0..14)) {
            let _ = split(&pieces.join(" "));
            let _ = split(&pieces.concat());
        }
    }
}
