//! SQL text, cut into its statements by a real grammar of SQLite, with what each of them names; and definitions without
//! what means nothing in them.

use turso_parser::ast::{AlterTableBody, Cmd, ColumnConstraint, ColumnDefinition, Expr, Literal, QualifiedName, Stmt};
use turso_parser::lexer::Lexer;
use turso_parser::parser::Parser;
use turso_parser::token::TokenType;

/// What a statement does to the table that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// It reads, or says how the batch is checked.
    None,
    /// It writes rows and removes none by name.
    Write,
    /// It removes rows by name.
    Delete,
    /// It makes the table.
    Create,
    /// It removes the table.
    Drop,
    /// It gives the table another name.
    Rename(String),
    /// It gives a column another name.
    RenameColumn(String, String),
    /// It adds a column; `required` when the column is NOT NULL and has no default.
    AddColumn { column: String, required: bool },
    /// It removes a column, for which every row is written.
    DropColumn,
    /// It reads every row of the table, to index it.
    Index,
}

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its text, without what stands around it.
    pub text: String,
    /// Where it ends in the whole text.
    pub end: usize,
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// What it does.
    pub action: Action,
    /// The table that it names.
    pub table: Option<String>,
    /// An UPDATE or DELETE without a WHERE.
    pub unbounded: bool,
}

/// A text, cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cut {
    /// Its statements, as far as it could be read.
    pub statements: Vec<Statement>,
    /// What stands after them and could not be read: the gateway's own answer says why. Its action is unknown.
    pub unread: bool,
    /// Whether the last statement ends with a semicolon.
    pub closed: bool,
}

/// Cuts a text.
pub(crate) fn cut(sql: &str) -> Cut {
    let mut parser = Parser::new(sql.as_bytes());
    let mut cut = Cut::default();
    let mut start = 0;
    loop {
        let (end, action, table, unbounded) = match parser.next_cmd() {
            Ok(Some(command)) => {
                let (action, table, unbounded) = classify(&command);
                (parser.offset(), action, table, unbounded)
            }
            Ok(None) => break,
            Err(_) => {
                cut.unread = true;
                (sql.len(), Action::None, None, false)
            }
        };
        let Some(fragment) = sql.get(start..end) else { break };
        if let Some((first, last)) = significant(fragment) {
            let line = sql.get(..start + first).unwrap_or_default().matches('\n').count() + 1;
            let text = fragment.get(first..last).unwrap_or_default().to_owned();
            cut.statements.push(Statement { text, end, line, action, table, unbounded });
        }
        start = end;
        if cut.unread {
            break;
        }
    }
    cut.closed = words(sql).last().is_none_or(|last| last.kind == TokenType::TK_SEMI);
    cut
}

fn named(name: &QualifiedName) -> Option<String> {
    Some(name.name.as_str().to_owned())
}

fn classify(command: &Cmd) -> (Action, Option<String>, bool) {
    let Cmd::Stmt(statement) = command else { return (Action::None, None, false) };
    match statement {
        Stmt::Insert { tbl_name, .. } => (Action::Write, named(tbl_name), false),
        Stmt::Update(update) => (Action::Write, named(&update.tbl_name), update.where_clause.is_none()),
        Stmt::Delete { tbl_name, where_clause, .. } => (Action::Delete, named(tbl_name), where_clause.is_none()),
        Stmt::CreateTable { tbl_name, .. } => (Action::Create, named(tbl_name), false),
        Stmt::CreateVirtualTable(table) => (Action::Create, named(&table.tbl_name), false),
        Stmt::DropTable { tbl_name, .. } => (Action::Drop, named(tbl_name), false),
        Stmt::CreateIndex { tbl_name, .. } => (Action::Index, Some(tbl_name.as_str().to_owned()), false),
        Stmt::AlterTable(alter) => {
            let action = match &alter.body {
                AlterTableBody::RenameTo(new) => Action::Rename(new.as_str().to_owned()),
                AlterTableBody::RenameColumn { old, new } => {
                    Action::RenameColumn(old.as_str().to_owned(), new.as_str().to_owned())
                }
                AlterTableBody::AddColumn(column) => {
                    Action::AddColumn { column: column.col_name.as_str().to_owned(), required: is_required(column) }
                }
                AlterTableBody::DropColumn(_) | AlterTableBody::AlterColumn { .. } => Action::DropColumn,
            };
            (action, named(&alter.name), false)
        }
        _ => (Action::None, None, false),
    }
}

/// A column that every row must have and that nothing fills.
fn is_required(column: &ColumnDefinition) -> bool {
    let has = |wanted: fn(&ColumnConstraint) -> bool| {
        column.constraints.iter().any(|constraint| wanted(&constraint.constraint))
    };
    has(|constraint| matches!(constraint, ColumnConstraint::NotNull { nullable: false, .. }))
        && !has(|constraint| match constraint {
            ColumnConstraint::Default(value) => !matches!(&**value, Expr::Literal(Literal::Null)),
            ColumnConstraint::Generated { .. } => true,
            _ => false,
        })
}

/// Where the first token of a fragment begins and the last one ends; semicolons do not count.
fn significant(fragment: &str) -> Option<(usize, usize)> {
    let words = words(fragment);
    let mut telling = words.iter().filter(|word| word.kind != TokenType::TK_SEMI);
    let first = telling.next()?;
    Some((first.start, telling.next_back().unwrap_or(first).end))
}

/// A token that is neither blank nor comment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    kind: TokenType,
    start: usize,
    end: usize,
    /// As it was written.
    raw: String,
}

fn words(sql: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = 0;
    while let Some(rest) = sql.get(start..) {
        let Some(first) = rest.chars().next() else { break };
        // The lexer knows square brackets as those of an array; in SQLite they quote a name.
        let bracketed = rest.strip_prefix('[').and_then(|inside| inside.find(']')).map(|at| at + 2);
        let (kind, length) = match bracketed {
            Some(length) => (TokenType::TK_ID, length),
            None => {
                let mut lexer = Lexer::new(rest.as_bytes());
                match lexer.next() {
                    Some(Ok(token)) if lexer.remaining().len() < rest.len() => {
                        (token.token_type, rest.len() - lexer.remaining().len())
                    }
                    // What it cannot read is a token of one character.
                    _ => (TokenType::TK_ILLEGAL, first.len_utf8()),
                }
            }
        };
        let raw = rest.get(..length).unwrap_or(rest);
        let silent = raw.chars().all(|character| character.is_ascii_whitespace())
            || raw.starts_with("--")
            || raw.starts_with("/*");
        if !silent {
            words.push(Word { kind, start, end: start + raw.len(), raw: raw.to_owned() });
        }
        start += raw.len().max(1);
    }
    words
}

/// A text as a list of words in which only meaning is left: no blanks, no comments, no quotes around names, no capitals
/// but in values.
pub(crate) fn meaning(sql: &str) -> Vec<String> {
    let mut meaning: Vec<String> = words(sql).iter().map(|word| plain(&word.raw)).collect();
    while meaning.last().is_some_and(|last| last == ";") {
        meaning.pop();
    }
    meaning
}

fn plain(raw: &str) -> String {
    let inner = |open: char, close: char| {
        raw.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .map(|name| name.replace(&format!("{close}{close}"), &close.to_string()))
    };
    if raw.starts_with('\'') {
        return raw.to_owned();
    }
    let name = inner('"', '"').or_else(|| inner('`', '`')).or_else(|| inner('[', ']'));
    name.unwrap_or_else(|| raw.to_owned()).to_lowercase()
}

/// A definition laid out for people to compare: one column, constraint, clause or inner statement a line, whatever the
/// text looked like.
pub(crate) fn layout(sql: &str) -> Vec<String> {
    const CLAUSES: [&str; 7] = ["select", "from", "where", "group", "order", "limit", "union"];
    let words = words(sql);
    let is = |word: &Word, names: &[&str]| names.iter().any(|name| word.raw.eq_ignore_ascii_case(name));
    let makes = |what: &str| words.iter().take(3).any(|word| is(word, &[what]));
    let (table, view) = (makes("table"), makes("view"));
    let mut lines = vec![String::new()];
    let mut depth = 0usize;
    for word in &words {
        let raw = word.raw.as_str();
        depth = if raw == ")" { depth.saturating_sub(1) } else { depth };
        if depth == 0 && (table && raw == ")" || view && is(word, &CLAUSES)) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            let calls = raw == "("
                && line.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | '"' | '`' | ']'));
            let tight =
                line.trim().is_empty() || line.ends_with(['(', '.']) || matches!(raw, ")" | "," | ";" | ".") || calls;
            line.push_str(if tight { "" } else { " " });
            line.push_str(raw);
        }
        depth += usize::from(raw == "(");
        if raw == ";" || is(word, &["begin"]) || (table && depth == 1 && matches!(raw, "(" | ",")) {
            lines.push("  ".to_owned());
        }
    }
    lines.retain(|line| !line.trim().is_empty());
    if let Some(last) = lines.last_mut().filter(|line| line.trim().eq_ignore_ascii_case("end")) {
        *last = last.trim().to_owned();
    }
    lines
}

/// In one line, at most so many characters.
pub(crate) fn brief(sql: &str, most: usize) -> String {
    let line = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ");
    dryrun_text::cut(&dryrun_text::line(&line), most).into_owned()
}

/// A name as SQL takes it, whatever is in it.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL takes it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(sql: &str) -> Vec<String> {
        cut(sql)
            .statements
            .iter()
            .map(|one| format!("{} {:?} {} {}", one.line, one.action, one.table.as_deref().unwrap_or("-"), one.text))
            .collect()
    }

    #[test]
    fn a_text_is_cut_at_the_semicolons_that_end_statements_and_at_no_other() {
        let text = "-- first; really\nCREATE TABLE a (x TEXT DEFAULT ';');\n\n/* ; */ CREATE TRIGGER t AFTER INSERT ON \
                    a BEGIN DELETE FROM b; UPDATE c SET x = 1; END;\nDELETE FROM \"a;b\"";
        assert_eq!(
            show(text),
            [
                "2 Create a CREATE TABLE a (x TEXT DEFAULT ';')",
                "4 None - CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; UPDATE c SET x = 1; END",
                "5 Delete a;b DELETE FROM \"a;b\""
            ]
        );
        assert!(!cut(text).closed && cut("SELECT 1; -- done\n").closed && cut("").closed);
    }

    #[test]
    fn the_text_up_to_the_end_of_a_statement_is_just_the_statements_so_far() {
        let text = "INSERT INTO a VALUES (1); UPDATE a SET x = 2;\nDROP TABLE a;";
        let ends: Vec<&str> = cut(text).statements.iter().map(|one| text.get(..one.end).unwrap()).collect();
        assert_eq!(ends.iter().map(|part| cut(part).statements.len()).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn what_cannot_be_read_is_the_last_statement() {
        let cut = cut("SELECT 1; FOO BAR; SELECT 2");
        assert!(cut.unread);
        assert_eq!(cut.statements.last().unwrap().text, "FOO BAR; SELECT 2");
        assert_eq!(cut.statements.len(), 2);
    }

    #[test]
    fn a_required_column_is_one_that_nothing_fills() {
        let required =
            |definition: &str| match &cut(&format!("ALTER TABLE t ADD COLUMN {definition}")).statements[0].action {
                Action::AddColumn { required, .. } => *required,
                other => panic!("{other:?}"),
            };
        assert!(required("a TEXT NOT NULL") && required("a TEXT NOT NULL DEFAULT NULL"));
        assert!(!required("a TEXT") && !required("a TEXT NOT NULL DEFAULT ''") && !required("a NOT NULL AS (b)"));
    }

    #[test]
    fn whitespace_quoting_comments_and_capitals_mean_nothing_and_values_do() {
        let one = "create table \"Users\" (\n  [id] integer PRIMARY KEY, -- the id\n  name TEXT DEFAULT 'Ada'\n);";
        assert_eq!(meaning(one), meaning("CREATE TABLE users(id INTEGER primary key,`name` text default 'Ada')"));
        assert_ne!(meaning(one), meaning("CREATE TABLE users(id INTEGER primary key,name text default 'ada')"));
        assert_ne!(meaning("SELECT 'a  b'"), meaning("SELECT 'a b'"));
    }

    #[test]
    fn a_definition_is_laid_out_by_columns_clauses_and_inner_statements() {
        let shown = |sql: &str| layout(sql).join("\n");
        assert_eq!(
            shown("CREATE TABLE t (a INTEGER PRIMARY KEY,b TEXT CHECK (b IN ('x','y')), UNIQUE(a,b)) STRICT"),
            "CREATE TABLE t(\n  a INTEGER PRIMARY KEY,\n  b TEXT CHECK(b IN('x', 'y')),\n  UNIQUE(a, b)\n) STRICT"
        );
        assert_eq!(
            shown("CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET b = 1; DELETE FROM u; END"),
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN\n  UPDATE t SET b = 1;\n  DELETE FROM u;\nEND"
        );
        assert_eq!(
            shown("CREATE VIEW v AS SELECT t.a FROM t WHERE b > 1"),
            "CREATE VIEW v AS\nSELECT t.a\nFROM t\nWHERE b > 1"
        );
    }
}
