//! FTS5 tables: virtual tables, of which EXPLAIN does not tell the name and on which no trigger can stand.

use turso_parser::token::TokenType;

use super::catalog::virtual_tables;
use super::database::Database;
use super::failure::Failure;
use dryrun_sql::named::Named;
use dryrun_sql::tokens::tokens;

/// Where a virtual table has its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In itself.
    Own,
    /// In another table, of which it is an index.
    External(String),
    /// Nowhere: it is a view of the index of another one.
    Vocabulary(String),
}

/// A virtual table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Virtual {
    /// Its name.
    pub name: String,
    /// Where its rows are.
    pub content: Content,
}

impl Virtual {
    /// The table that it shows or indexes.
    pub fn of(&self) -> Option<&str> {
        match &self.content {
            Content::Own => None,
            Content::External(of) | Content::Vocabulary(of) => Some(of),
        }
    }
}

/// The virtual tables of the shadow.
pub fn known(database: &Database) -> Result<Vec<Virtual>, Failure> {
    let mut found = Vec::new();
    for name in virtual_tables(database)? {
        let rows =
            database.run("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", &[name.as_str().into()])?;
        let sql = rows.first().and_then(|row| row.text(0)).unwrap_or_default();
        found.push(Virtual { content: content(&sql).unwrap_or(Content::Own), name });
    }
    Ok(found)
}

/// Where the virtual table of a definition has its rows, or why it cannot be rehearsed.
pub fn content(sql: &str) -> Result<Content, String> {
    let tokens = tokens(sql);
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let using = tokens.iter().position(|token| token.is_keyword(TokenType::TK_USING));
    let module = using.and_then(|at| texts.get(at + 1)).copied().unwrap_or_default();
    if module.eq_ignore_ascii_case("fts5vocab") {
        let of =
            texts.iter().position(|text| *text == "(").and_then(|at| texts.get(at + 1)).copied().unwrap_or_default();
        return Ok(Content::Vocabulary(of.to_owned()));
    }
    if !module.eq_ignore_ascii_case("fts5") {
        return Err(format!("it is a virtual table of the module {module}"));
    }
    // FTS5 takes the beginning of an option's name for the option.
    let is_content = |name: &&str| "content".starts_with(&name.to_ascii_lowercase());
    let option = texts.windows(3).find(|three| three.first().is_some_and(is_content) && three.get(1) == Some(&"="));
    match option.and_then(|three| three.get(2)) {
        None => Ok(Content::Own),
        Some(&"") => Err("it keeps an index without the content, which cannot be copied".into()),
        Some(table) => Ok(Content::External((*table).to_owned())),
    }
}

/// Those that a statement, or any view or trigger, names: which of them it uses is not told otherwise.
pub fn named(database: &Database, known: &[Virtual], statement: &str) -> Result<Vec<Virtual>, Failure> {
    let definitions = database.run(
        "SELECT sql FROM sqlite_master WHERE type IN ('view', 'trigger') AND substr(name, 1, 8) <> '_dryrun_'",
        &[],
    )?;
    let mut texts: Vec<Named> = definitions.iter().filter_map(|row| row.text(0)).map(|text| Named::of(&text)).collect();
    texts.push(Named::of(statement));
    let names = |name: &str| texts.iter().any(|text| text.names(name));
    let mut found: Vec<Virtual> = known.iter().filter(|one| names(&one.name)).cloned().collect();
    // A vocabulary shows what another one holds.
    let of: Vec<String> = found.iter().filter_map(Virtual::of).map(str::to_owned).collect();
    let shown: Vec<Virtual> = known
        .iter()
        .filter(|one| !found.contains(one) && of.iter().any(|name| name.eq_ignore_ascii_case(&one.name)))
        .cloned()
        .collect();
    found.extend(shown);
    Ok(found)
}
