//! Copying the schema of the base.

use std::collections::BTreeSet;

use js_sys::Array;
use turso_parser::token::TokenType;

use super::base::{Base, row};
use super::catalog::{Catalog, PREFIX};
use super::cells::identifier;
use super::copies::COUNTED;
use super::{capture, virtuals};
use crate::cloudflare::d1;
use crate::cloudflare::sql::Database;
use crate::domain::refusal::Problem;
use dryrun_sql::named::{Named, is_of_the_gateway};
use dryrun_sql::tokens::tokens;

/// The statements that make the base's schema: tables first, then indexes, views and triggers, each in the order in which they were made.
const SCHEMA: &str = "SELECT type, name, sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL AND substr(name, 1, 4) <> '_cf_' AND substr(name, 1, 12) <> '__miniflare_' AND substr(name, 1, 7) <> 'sqlite_' \
                      ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid";

/// Copies the schema.
pub async fn schema(base: &Base<'_>, database: &Database, catalog: &mut Catalog) -> Result<(), Problem> {
    let own =
        "SELECT name FROM sqlite_master WHERE name IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4')".to_owned();
    let (answers, _) = base.selects(&[(SCHEMA.to_owned(), Vec::new()), (own, Vec::new())]).await?;
    let rows = answers.first().cloned().unwrap_or_default();
    let own: Vec<String> = answers
        .get(1)
        .map(|rows| (0..rows.length()).filter_map(|index| row(rows, index).get(0).as_string()).collect())
        .unwrap_or_default();
    let has_counters = own.iter().any(|name| name == "sqlite_sequence");
    let counters = if has_counters { base.select(COUNTED).await? } else { Array::new() };
    let mut loaded = catalog.clone();
    database.transaction(|| {
        let mut virtuals = BTreeSet::new();
        for index in 0..rows.length() {
            let object = row(&rows, index);
            let text = |column| object.get(column).as_string().unwrap_or_default();
            let (kind, name, sql, of) = (text(0), text(1), text(2), text(3));
            if kind == "table"
                && virtuals.iter().any(|table: &String| name.starts_with(&format!("{table}_")))
                && database.execute(&format!("SELECT 1 FROM {} LIMIT 0", identifier(&name)), &[]).is_ok()
            {
                // It came with its virtual table.
                continue;
            }
            let is_virtual = tokens(&sql).get(1).is_some_and(|token| token.is_keyword(TokenType::TK_VIRTUAL));
            let named = Named::of(&sql);
            // The guard before reads of the base only finds the word, and stops them also where it is a value.
            loaded.hostile |= named.other_pragma().is_some()
                || ((kind == "view" || is_virtual) && sql.to_ascii_lowercase().contains(d1::GUARDED));
            let reason = if is_virtual && let Err(reason) = virtuals::content(&sql) {
                Some(reason)
            } else if is_of_the_gateway(&name) || named.reserved_by_the_gateway().is_some() {
                Some("it uses a name that is reserved for the gateway".to_owned())
            } else if named.rolls_back {
                Some("it can answer with ROLLBACK, which ends the transaction of the rehearsal".to_owned())
            } else if (kind != "table" || is_virtual) && named.describes_schema() {
                Some("it describes the schema".to_owned())
            } else {
                // An object that cannot be made here must not be silently absent.
                database.execute(&sql, &[]).err().map(|error| format!("it cannot be made in the shadow ({})", error.0))
            };
            if is_virtual {
                virtuals.insert(name.clone());
            }
            if let Some(reason) = reason {
                if matches!(kind.as_str(), "trigger" | "index") {
                    loaded.incomplete.insert(of, format!("its {kind} {name} is not part of the rehearsal: {reason}"));
                }
                loaded.missing.insert(name.to_ascii_lowercase(), reason);
            }
        }
        for statistics in own.iter().filter(|name| *name != "sqlite_sequence") {
            loaded.missing.insert(statistics.clone(), "it holds what ANALYZE found in the base".to_owned());
        }
        if has_counters {
            // It stays once there was a table that counts.
            let counting = format!("{PREFIX}counted");
            database.execute(&format!("CREATE TABLE {counting} (n INTEGER PRIMARY KEY AUTOINCREMENT)"), &[])?;
            database.execute(&format!("DROP TABLE {counting}"), &[])?;
        }
        for index in 0..counters.length() {
            database.execute(&row(&counters, index).get(0).as_string().unwrap_or_default(), &[])?;
        }
        capture::install(database, &loaded)?;
        loaded.loaded = true;
        loaded.save(database)
    })?;
    *catalog = loaded;
    Ok(())
}
