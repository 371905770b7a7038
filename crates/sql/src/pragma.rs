//! PRAGMAs, each decided by its name: answered as D1 answers it, taken for what it does on D1, or refused with what to
//! write instead.
//!
//! D1 allows the PRAGMAs that describe the schema, a few switches of the connection, `quick_check` and `optimize`, and
//! answers "not authorized" for every other (<https://developers.cloudflare.com/d1/sql-api/sql-statements/>). A
//! connection serves many requests, so a switch would stay on for those that come after.

use turso_parser::ast::{Expr, Literal, Name, PragmaBody, QualifiedName, UnaryOperator};

use super::Refusal;
use super::named::{READING_PRAGMAS, is_reserved};
use super::statement::{Kind, Statement, not_allowed, reserved_name};
use dryrun_text::cut_with_count;

/// A PRAGMA that does more than answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Foreign keys are checked at the end of the batch.
    DeferForeignKeys,
    /// Nothing: on D1 foreign keys are always on.
    ForeignKeys {
        /// What it asks for.
        on: bool,
    },
    /// SQLite looks again at how queries are planned.
    Optimize,
}

const DEFER_FOREIGN_KEYS: &str = "PRAGMA defer_foreign_keys = ";
const FOREIGN_KEYS: &str = "PRAGMA foreign_keys = ";
const OPTIMIZE: &str = "PRAGMA optimize";

impl Setting {
    /// The setting that a statement is, by its text: the front writes each of them in one way.
    pub fn of(text: &str) -> Option<Self> {
        if text.starts_with(DEFER_FOREIGN_KEYS) {
            return Some(Self::DeferForeignKeys);
        }
        if let Some(value) = text.strip_prefix(FOREIGN_KEYS) {
            return Some(Self::ForeignKeys { on: value == "on" });
        }
        text.starts_with(OPTIMIZE).then_some(Self::Optimize)
    }
}

/// What the argument of a PRAGMA that reads is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Argument {
    None,
    Optional,
    Required,
}

/// What a PRAGMA becomes: a SELECT from its twin, a setting, or a refusal.
pub(super) fn statement(name: &QualifiedName, body: Option<&PragmaBody>) -> Result<Statement, Refusal> {
    let asked = name.name.as_str().to_ascii_lowercase();
    if name.db_name.as_ref().is_some_and(|database| !database.as_str().eq_ignore_ascii_case("main")) {
        return Err(refused(&asked, "Leave the database's name out: D1 has no other than main."));
    }
    let value = match body {
        None => None,
        Some(PragmaBody::Equals(value) | PragmaBody::Call(value)) => Some(argument(&asked, value)?),
    };
    match (asked.as_str(), value) {
        ("defer_foreign_keys", Some(value)) => Ok(setting(DEFER_FOREIGN_KEYS, switch(&asked, &value)?)),
        ("foreign_keys", Some(value)) => Ok(setting(FOREIGN_KEYS, switch(&asked, &value)?)),
        ("optimize", None) => Ok(setting(OPTIMIZE, "")),
        ("optimize", Some(mask)) => Ok(setting(OPTIMIZE, &format!("({})", number(&asked, &mask)?))),
        (_, value) => match (takes(&asked), value) {
            (None, _) | (Some(Argument::None), Some(_)) => Err(refused(&asked, instead(&asked))),
            (Some(Argument::Required), None) => Err(refused(&asked, "Name the table or index that it is about.")),
            (Some(_), value) => twin(&asked, value.as_deref()),
        },
    }
}

/// What a PRAGMA that reads takes; nothing for one that does something else.
fn takes(pragma: &str) -> Option<Argument> {
    if !READING_PRAGMAS.contains(&pragma) {
        return None;
    }
    Some(match pragma {
        "table_info" | "table_xinfo" | "index_list" | "index_info" | "index_xinfo" | "foreign_key_list" => {
            Argument::Required
        }
        "table_list" | "foreign_key_check" | "quick_check" => Argument::Optional,
        _ => Argument::None,
    })
}

/// The SELECT that answers what a PRAGMA answers, so that every read is a single SELECT.
fn twin(pragma: &str, argument: Option<&str>) -> Result<Statement, Refusal> {
    if argument.is_some_and(is_reserved) {
        return Err(reserved_name());
    }
    let argument = argument.map(|text| format!("'{}'", text.replace('\'', "''"))).unwrap_or_default();
    Ok(Statement {
        describes_schema: true,
        ..Statement::plain(&format!("SELECT * FROM pragma_{pragma}({argument})"), Kind::Read, "PRAGMA", None)
    })
}

fn setting(begin: &str, value: &str) -> Statement {
    Statement::plain(&format!("{begin}{value}"), Kind::Write, "PRAGMA", None)
}

fn switch(pragma: &str, value: &str) -> Result<&'static str, Refusal> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok("on"),
        "off" | "false" | "no" | "0" => Ok("off"),
        _ => Err(refused(&format!("{pragma} with this value"), "Use ON or OFF.")),
    }
}

/// A mask as D1 takes it: a whole number of 32 bits.
fn number(pragma: &str, value: &str) -> Result<i32, Refusal> {
    let digits = value.trim_start_matches('-');
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    };
    let signed = magnitude.map(|magnitude: i64| if value.starts_with('-') { -magnitude } else { magnitude });
    signed
        .and_then(|signed| i32::try_from(signed).ok())
        .ok_or_else(|| refused(&format!("{pragma} with this value"), "Use a whole number, or leave the value out."))
}

fn argument(pragma: &str, value: &Expr) -> Result<String, Refusal> {
    match value {
        Expr::Id(name) | Expr::Name(name) => Ok(Name::as_str(name).to_owned()),
        Expr::Literal(Literal::String(text)) => Ok(Name::from_string(text).as_str().to_owned()),
        Expr::Literal(Literal::Keyword(text) | Literal::Numeric(text)) => Ok(text.clone()),
        Expr::Literal(Literal::True) => Ok("true".into()),
        Expr::Literal(Literal::False) => Ok("false".into()),
        Expr::Unary(UnaryOperator::Positive, inner) => argument(pragma, inner),
        Expr::Unary(UnaryOperator::Negative, inner) => Ok(format!("-{}", argument(pragma, inner)?)),
        _ => Err(refused(&format!("{pragma} with this value"), "Use one word or number.")),
    }
}

fn refused(asked: &str, remedy: &str) -> Refusal {
    not_allowed(&format!("PRAGMA {}", cut_with_count(asked, 60)), remedy)
}

/// The refusal of a query that reads the twin of a PRAGMA that may do more than answer.
pub(super) fn twin_refused(pragma: &str) -> Refusal {
    not_allowed(
        &format!("Reading pragma_{}, which runs PRAGMA {},", cut_with_count(pragma, 60), cut_with_count(pragma, 60)),
        "Leave it out: only PRAGMAs that describe the schema can be read like tables.",
    )
}

/// What to do instead of a PRAGMA that is refused.
fn instead(pragma: &str) -> &'static str {
    match pragma {
        "case_sensitive_like" => {
            "Remove the line: D1 would keep it on for later requests. Use GLOB or = to compare with regard to case."
        }
        "ignore_check_constraints" => {
            "Remove the line: D1 would keep it on for later requests. Send rows that fulfil their CHECK constraints."
        }
        "reverse_unordered_selects" => "Remove the line: D1 would keep it on for later requests. Use ORDER BY.",
        "legacy_alter_table" | "recursive_triggers" => {
            "Remove the line: D1 would keep it on for later requests. The gateway runs SQL with SQLite's default."
        }
        "integrity_check" => "Use PRAGMA quick_check: D1 does not allow integrity_check either.",
        "user_version" | "application_id" | "schema_version" => {
            "Keep the number in a table of your own: D1 does not allow this PRAGMA either."
        }
        "database_list" => "Remove the line: D1 does not allow this PRAGMA either. The database is always called main.",
        "page_count" | "page_size" | "freelist_count" => {
            "Remove the line: D1 does not allow this PRAGMA either. size_after in the meta of an answer is the size."
        }
        "writable_schema" => {
            "Use ALTER TABLE, or create a new table and copy the rows: D1 does not allow this PRAGMA either."
        }
        _ => "Remove the line: D1 does not allow this PRAGMA either, and does without it.",
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    fn show(sql: &str) -> String {
        match split(sql).as_deref() {
            Ok([only]) => format!("{:?} {}", only.kind, only.text),
            Ok(several) => format!("{} statements", several.len()),
            Err(problem) => format!("refused: {} | {}", problem.message, problem.remedy),
        }
    }

    fn check(sqls: &[&str], expected: &str) {
        for sql in sqls {
            assert_eq!(show(sql), expected, "{sql:?}");
        }
    }

    #[test]
    fn a_pragma_that_reads_becomes_the_select_that_says_the_same() {
        check(&["PRAGMA table_info(tickets)"], "Read SELECT * FROM pragma_table_info('tickets')");
        check(&["PRAGMA TABLE_INFO = \"it's\""], "Read SELECT * FROM pragma_table_info('it''s')");
        check(&["PRAGMA table_list", "PRAGMA main.table_list"], "Read SELECT * FROM pragma_table_list()");
        check(&["PRAGMA quick_check"], "Read SELECT * FROM pragma_quick_check()");
        check(&["PRAGMA quick_check(7)"], "Read SELECT * FROM pragma_quick_check('7')");
        check(&["PRAGMA foreign_keys", "pragma \"FOREIGN_KEYS\""], "Read SELECT * FROM pragma_foreign_keys()");
        check(&["PRAGMA defer_foreign_keys"], "Read SELECT * FROM pragma_defer_foreign_keys()");
    }

    #[test]
    fn foreign_keys_can_be_switched_in_every_spelling_that_d1_takes() {
        let off = ["OFF", "off", "false", "no", "0", "+0", "'off'", "\"OFF\"", "[off]"];
        let on = ["ON", "on", "true", "yes", "1", "+1", "'on'"];
        for (values, word) in [(off.as_slice(), "off"), (on.as_slice(), "on")] {
            for value in values {
                for pragma in ["foreign_keys", "defer_foreign_keys"] {
                    let forms = [
                        format!("PRAGMA {pragma} = {value}"),
                        format!("PRAGMA {pragma}({value})"),
                        format!("pragma/**/main.\"{pragma}\"\n=\n{value} ;"),
                        format!("PRAGMA 'main'.'{pragma}'={value}"),
                    ];
                    check(&forms.each_ref().map(String::as_str), &format!("Write PRAGMA {pragma} = {word}"));
                }
            }
        }
        check(&["PRAGMA optimize", "PRAGMA main.optimize"], "Write PRAGMA optimize");
        check(&["PRAGMA optimize(0x10002)", "PRAGMA optimize = 65538"], "Write PRAGMA optimize(65538)");
        check(&["PRAGMA optimize(-1)"], "Write PRAGMA optimize(-1)");
        for sql in
            ["PRAGMA foreign_keys = 2", "PRAGMA foreign_keys = -0", "PRAGMA optimize = x", "PRAGMA optimize(9e9)"]
        {
            assert!(show(sql).starts_with("refused"), "{sql}");
        }
        assert_eq!(Setting::of("PRAGMA foreign_keys = off"), Some(Setting::ForeignKeys { on: false }));
        assert_eq!(Setting::of("PRAGMA foreign_keys = on"), Some(Setting::ForeignKeys { on: true }));
        assert_eq!(Setting::of("PRAGMA defer_foreign_keys = on"), Some(Setting::DeferForeignKeys));
        assert_eq!(Setting::of("PRAGMA optimize(65538)"), Some(Setting::Optimize));
        assert_eq!(Setting::of("SELECT * FROM pragma_foreign_keys()"), None);
    }

    #[test]
    fn a_refused_pragma_says_what_to_do_with_the_line() {
        for pragma in [
            "journal_mode",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "busy_timeout = 5000",
            "cache_size = -2000",
            "temp_store = MEMORY",
            "encoding = 'UTF-8'",
            "mmap_size(0)",
            "locking_mode = EXCLUSIVE",
            "wal_checkpoint(TRUNCATE)",
            "some_pragma_of_tomorrow",
        ] {
            assert!(show(&format!("PRAGMA {pragma}")).contains("| Remove the line: D1 does not allow"), "{pragma}");
        }
        for switch in [
            "case_sensitive_like = on",
            "ignore_check_constraints = on",
            "recursive_triggers = on",
            "reverse_unordered_selects = on",
            "legacy_alter_table = on",
        ] {
            let refused = show(&format!("PRAGMA {switch}"));
            assert!(refused.contains("| Remove the line: D1 would keep it on for later requests."), "{refused}");
        }
        assert!(show("PRAGMA integrity_check").contains("Use PRAGMA quick_check"));
        assert!(show("PRAGMA user_version = 3").contains("in a table of your own"));
        assert!(show("PRAGMA temp.table_info(t)").contains("Leave the database's name out"));
        assert!(show("PRAGMA table_info").contains("Name the table or index"));
        assert!(show("PRAGMA table_info('_dryrun_state')").contains("reserved"));
        assert!(show("PRAGMA index_list([_cf_KV])").contains("reserved"));
    }

    #[test]
    fn switches_that_cannot_be_set_can_be_read() {
        for pragma in
            ["ignore_check_constraints", "recursive_triggers", "reverse_unordered_selects", "legacy_alter_table"]
        {
            check(&[&format!("PRAGMA {pragma}")], &format!("Read SELECT * FROM pragma_{pragma}()"));
        }
        check(&["PRAGMA data_version"], "Read SELECT * FROM pragma_data_version()");
    }
}
