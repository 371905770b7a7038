//! Copying the schema of the base.

use std::collections::BTreeSet;

use turso_parser::token::TokenType;

use super::catalog::{Catalog, PREFIX};
use super::cells::identifier;
use super::copies::COUNTED;
use super::database::Database;
use super::failure::Failure;
use super::port::Base;
use super::selection::selects;
use super::{GUARDED, capture, virtuals};
use dryrun_sql::named::{Named, is_of_the_gateway};
use dryrun_sql::tokens::tokens;

/// The statements that make the base's schema: tables first, then indexes, views and triggers, each in the order in
/// which they were made.
const SCHEMA: &str = "SELECT type, name, sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL AND substr(name, 1, 4) <> '_cf_' AND substr(name, 1, 12) <> '__miniflare_' AND substr(name, 1, 7) <> 'sqlite_' \
                      ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid";

/// Copies the schema.
pub async fn schema(base: &dyn Base, database: &Database, catalog: &mut Catalog) -> Result<(), Failure> {
    let own =
        "SELECT name FROM sqlite_master WHERE name IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4')".to_owned();
    let (answers, _) = selects(base, &[(SCHEMA.to_owned(), Vec::new()), (own, Vec::new())]).await?;
    let mut answers = answers.into_iter();
    let rows = answers.next().unwrap_or_default();
    let own: Vec<String> =
        answers.next().unwrap_or_default().iter().filter_map(|row| row.text(0)).map(str::to_owned).collect();
    let has_counters = own.iter().any(|name| name == "sqlite_sequence");
    let (counters, _) =
        if has_counters { selects(base, &[(COUNTED.to_owned(), Vec::new())]).await? } else { (Vec::new(), 0) };
    let mut loaded = catalog.clone();
    database.transaction(|| -> Result<(), Failure> {
        let mut virtuals = BTreeSet::new();
        for object in &rows {
            let text = |column| object.text(column).unwrap_or_default().to_owned();
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
                || ((kind == "view" || is_virtual) && sql.to_ascii_lowercase().contains(GUARDED));
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
        for counter in counters.iter().flatten().filter_map(|row| row.text(0)) {
            database.execute(counter, &[])?;
        }
        capture::install(database, &loaded)?;
        loaded.loaded = true;
        loaded.save(database)
    })?;
    *catalog = loaded;
    Ok(())
}
