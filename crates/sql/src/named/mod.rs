//! What a piece of SQL names, by the grammar: tables, other objects and functions. A text that stands for a value is no
//! name, whatever it says, and a name is one, however it is quoted.
//!
//! SQLite takes `'x'` for a name wherever its grammar wants one (`FROM 'x'`, `IN 'x'`, `REFERENCES 'x'`), so the place
//! decides and not the quotes. A text that cannot be read with certainty (definitions of the base can be in SQLite's
//! own
//! dialect) is taken to name every word in it.

mod expressions;
mod walk;

use std::collections::BTreeSet;

use turso_parser::ast::{Cmd, Expr, Literal, ResolveType, Stmt};
use turso_parser::parser::Parser;
use turso_parser::token::TokenType;

use super::statement::is_plain;
use super::tokens::{Token, tokens};
use walk::Part;

/// What a statement or definition names, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// What stands where a table, a view or a table-valued function is looked up.
    tables: BTreeSet<String>,
    /// Other objects of the schema, and what stands for one as an argument.
    objects: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// Whether it can end the transaction: by ROLLBACK as the answer to a conflict, or raised.
    pub rolls_back: bool,
    /// Whether a row may be removed because another one takes its key.
    pub replaces: bool,
    /// Whether it is an INSERT that does something else on a conflict.
    pub upserts: bool,
}

/// The prefix of what the gateway makes in a shadow.
const GATEWAY: &str = "_dryrun_";

/// What Cloudflare calls its own tables, and what its local simulator does.
const PLATFORM: [&str; 2] = ["_cf_", "__miniflare_"];

/// SQLite's own names of the tables that hold the schema.
const SCHEMA_TABLES: [&str; 4] = ["sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"];

/// What the twin of a PRAGMA is called that can be read like a table.
const TWIN: &str = "pragma_";

/// PRAGMAs whose twins only read. The twin of a switch takes no argument, so it cannot set anything.
pub const READING_PRAGMAS: [&str; 16] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "quick_check",
    "data_version",
    "foreign_keys",
    "defer_foreign_keys",
    "ignore_check_constraints",
    "legacy_alter_table",
    "recursive_triggers",
    "reverse_unordered_selects",
];

/// Every other PRAGMA that SQLite has or had (<https://sqlite.org/pragma.html>). Reading the twin of one runs it, and
/// some of them write. A table may be called `pragma_` and anything else: SQLite has no twin of that name, and the
/// platform runs no PRAGMA that is not on its own list.
const OTHER_PRAGMAS: &str = "analysis_limit application_id auto_vacuum automatic_index busy_timeout cache_size \
    cache_spill case_sensitive_like cell_size_check checkpoint_fullfsync collation_list compile_options count_changes \
    data_store_directory database_list default_cache_size empty_result_callbacks \
    encoding freelist_count full_column_names fullfsync function_list hard_heap_limit \
    incremental_vacuum integrity_check journal_mode journal_size_limit key \
    legacy_file_format lock_proxy_file lock_status locking_mode max_page_count mmap_size module_list optimize \
    page_count page_list page_size parser_trace pragma_list query_only read_uncommitted \
    rekey schema_version secure_delete short_column_names shrink_memory \
    soft_heap_limit sql_trace stats synchronous temp_store temp_store_directory threads trusted_schema user_version \
    vdbe_addoptrace vdbe_debug vdbe_eqp vdbe_listing vdbe_trace wal_autocheckpoint wal_checkpoint writable_schema";

impl Named {
    /// What `sql` names, which is one statement or definition.
    pub fn of(sql: &str) -> Self {
        match parsed(sql) {
            Some(statement) => Self::in_statement(&statement, sql),
            None => Self::every_word(sql),
        }
    }

    /// What a statement names that was parsed from `sql`.
    pub fn in_statement(statement: &Stmt, sql: &str) -> Self {
        let mut named = Self::default();
        if walk::statement(statement, &mut |part| named.add(part)) { named } else { Self::every_word(sql) }
    }

    fn add(&mut self, part: Part<'_>) {
        match part {
            Part::Table(name, arguments) => {
                let name = name.as_str().to_ascii_lowercase();
                if name.starts_with(TWIN) {
                    self.objects.extend(arguments.iter().filter_map(|argument| text_of(argument)));
                }
                self.tables.insert(name);
            }
            Part::Object(name) => drop(self.objects.insert(name.as_str().to_ascii_lowercase())),
            Part::Function(name) => drop(self.functions.insert(name.as_str().to_ascii_lowercase())),
            Part::Answer(answer) => {
                self.rolls_back |= answer == ResolveType::Rollback;
                self.replaces |= answer == ResolveType::Replace;
            }
            // What a module makes of its arguments is its own business; FTS5 reads the table that `content` names.
            Part::ModuleArgument(argument) => self.tables.extend(words(&tokens(argument))),
            Part::Upsert => self.upserts = true,
        }
    }

    /// Everything that the words of a text could name.
    fn every_word(sql: &str) -> Self {
        let tokens = tokens(sql);
        let words: BTreeSet<String> = words(&tokens).collect();
        Self {
            rolls_back: answers_with_rollback(&tokens),
            // The function of that name removes nothing.
            replaces: tokens.iter().enumerate().any(|(at, token)| {
                token.text.eq_ignore_ascii_case("replace") && tokens.get(at + 1).is_none_or(|next| next.text != "(")
            }),
            upserts: words.contains("conflict"),
            tables: words.clone(),
            objects: words.clone(),
            functions: words,
        }
    }

    /// Whether it names a table or another object of the schema so.
    pub fn names(&self, object: &str) -> bool {
        let object = object.to_ascii_lowercase();
        self.tables.contains(&object) || self.objects.contains(&object)
    }

    /// Whether it calls a function, whose name is given in lower case.
    pub fn calls(&self, function: &str) -> bool {
        self.functions.contains(function)
    }

    /// A name that belongs to the gateway or to the platform.
    pub fn reserved(&self) -> Option<&str> {
        self.tables.iter().chain(&self.objects).map(String::as_str).find(|name| is_reserved(name))
    }

    /// A name that belongs to the gateway.
    pub fn reserved_by_the_gateway(&self) -> Option<&str> {
        self.tables.iter().chain(&self.objects).map(String::as_str).find(|name| is_of_the_gateway(name))
    }

    /// A PRAGMA that it runs by reading its twin, and that may do more than describe the schema.
    pub fn other_pragma(&self) -> Option<&str> {
        let other = |pragma: &&str| OTHER_PRAGMAS.split_ascii_whitespace().any(|known| known == *pragma);
        self.twins().find(other)
    }

    fn twins(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().filter_map(|table| table.strip_prefix(TWIN))
    }

    /// Whether it reads what describes the schema: SQLite's own tables, or the twins of PRAGMAs.
    pub fn describes_schema(&self) -> bool {
        SCHEMA_TABLES.iter().any(|table| self.tables.contains(*table))
            || self.twins().any(|pragma| READING_PRAGMAS.contains(&pragma))
            || self.other_pragma().is_some()
    }

    /// Whether it looks at the rows of every table: their foreign keys, or whether they are whole.
    pub fn checks_every_table(&self) -> bool {
        self.twins().any(|pragma| matches!(pragma, "foreign_key_check" | "quick_check"))
    }
}

/// Whether a name is one of the gateway's.
pub fn is_of_the_gateway(name: &str) -> bool {
    begins_with(name, GATEWAY)
}

/// Whether a name belongs to the gateway or to the platform.
pub fn is_reserved(name: &str) -> bool {
    is_of_the_gateway(name) || PLATFORM.iter().any(|prefix| begins_with(name, prefix))
}

fn begins_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// The only statement of a text, where the parser and SQLite are sure to read it alike.
fn parsed(sql: &str) -> Option<Stmt> {
    if !is_plain(sql) {
        return None;
    }
    let mut parser = Parser::new(sql.as_bytes());
    let Ok(Some(Cmd::Stmt(statement) | Cmd::Explain(statement) | Cmd::ExplainQueryPlan { stmt: statement, .. })) =
        parser.next_cmd()
    else {
        return None;
    };
    matches!(parser.next_cmd(), Ok(None)).then_some(statement)
}

/// The text that an argument is, in either quotes.
fn text_of(argument: &Expr) -> Option<String> {
    match argument {
        Expr::Literal(Literal::String(text)) => {
            Some(turso_parser::ast::Name::from_string(text).as_str().to_ascii_lowercase())
        }
        Expr::Id(name) | Expr::Name(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    }
}

fn words(tokens: &[Token]) -> impl Iterator<Item = String> + '_ {
    tokens.iter().map(|token| token.text.to_ascii_lowercase())
}

/// Whether ROLLBACK is what happens on a conflict, or what is raised. Elsewhere the word is the name of a column.
fn answers_with_rollback(tokens: &[Token]) -> bool {
    use TokenType::{TK_CONFLICT, TK_INSERT, TK_LP, TK_ON, TK_OR, TK_RAISE, TK_ROLLBACK, TK_UPDATE};
    tokens.windows(3).any(|three| {
        let kinds: Vec<TokenType> = three.iter().map(|token| token.kind).collect();
        three.iter().all(|token| token.quote.is_none())
            && matches!(
                kinds.as_slice(),
                [TK_INSERT | TK_UPDATE, TK_OR, TK_ROLLBACK]
                    | [TK_ON, TK_CONFLICT, TK_ROLLBACK]
                    | [TK_RAISE, TK_LP, TK_ROLLBACK]
            )
    })
}

#[cfg(test)]
mod tests;
