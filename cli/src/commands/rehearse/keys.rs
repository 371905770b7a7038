//! Foreign keys in the end, next to how they were: rows that refer to nothing, and keys that no row could follow.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::plural;
use crate::dry::{DryRun, Rows};
use crate::failure::{Exit, Failure, Outcome};
use crate::statements::literal;

/// What the check came to.
pub(super) enum Keys {
    /// All is well, or as broken as it was.
    Good,
    /// What is broken now and was not before, for people.
    Broken(Vec<String>),
    /// The rows could not be looked at.
    Unknown(String),
}

/// How many rows of a table refer to rows of another that are not there.
type Violations = BTreeMap<(String, String), u64>;

/// Checks every table after the files.
pub(super) fn check(run: &DryRun, base: &DryRun) -> Outcome<Keys> {
    let unfit: BTreeSet<String> = unfit(run)?;
    // What did not fit before either is not this rehearsal's doing; then only the rows of other tables could be
    // checked, which no PRAGMA does.
    let new = if unfit.is_empty() { Vec::new() } else { unfit.difference(&self::unfit(base)?).cloned().collect() };
    if !new.is_empty() {
        return Ok(Keys::Broken(new));
    }
    let after = match violations(run)? {
        Ok(after) if after.is_empty() => return Ok(Keys::Good),
        Ok(after) => after,
        Err(failure) => return Ok(Keys::Unknown(format!("{} {}", failure.message, failure.remedy).trim().to_owned())),
    };
    let before = violations(base)?.unwrap_or_default();
    let broken: Vec<String> = after
        .iter()
        .map(|(place, count)| (place, count.saturating_sub(before.get(place).copied().unwrap_or_default())))
        .filter(|(_, more)| *more > 0)
        .map(|((table, parent), more)| {
            format!("{} of {table} refer to rows of {parent} that are not there.", plural(more))
        })
        .collect();
    Ok(if broken.is_empty() { Keys::Good } else { Keys::Broken(broken) })
}

/// Asks SQLite. What cannot be told is a refusal, with its reason.
fn violations(run: &DryRun) -> Outcome<Result<Violations, Failure>> {
    match run.batch("PRAGMA foreign_key_check") {
        Ok(answers) => {
            let mut violations = Violations::new();
            for row in answers.iter().flat_map(|answer| &answer.rows) {
                *violations.entry((Rows::text(row, 0), Rows::text(row, 2))).or_default() += 1;
            }
            Ok(Ok(violations))
        }
        Err(failure) if failure.exit == Exit::Refused => Ok(Err(failure)),
        Err(failure) => Err(failure),
    }
}

/// Foreign keys whose other side is no key, for people: a write to either table fails.
fn unfit(run: &DryRun) -> Outcome<BTreeSet<String>> {
    let definitions = run.definitions()?;
    let tables: Vec<&str> = definitions.iter().filter(|one| one.kind == "table").map(|one| one.name.as_str()).collect();
    let each = |question: fn(&str) -> String| {
        run.ask(&tables.iter().map(|table| question(&literal(table))).collect::<Vec<_>>())
    };
    let references = each(|table| {
        format!("SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list({table}) ORDER BY id, seq")
    })?;
    if references.iter().all(|answer| answer.rows.is_empty()) {
        return Ok(BTreeSet::new());
    }
    let primary = each(|table| format!("SELECT name FROM pragma_table_xinfo({table}) WHERE pk > 0"))?;
    let unique = each(|table| {
        format!(
            "SELECT l.name, i.name FROM pragma_index_list({table}) l, pragma_index_info(l.name) i WHERE l.\"unique\" = \
             1 AND l.partial = 0"
        )
    })?;
    let lower = |text: String| text.to_ascii_lowercase();
    let mut keys: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
    for ((table, primary), unique) in tables.iter().zip(&primary).zip(&unique) {
        let primary: BTreeSet<String> = primary.rows.iter().map(|row| lower(Rows::text(row, 0))).collect();
        let mut indexes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in &unique.rows {
            indexes.entry(Rows::text(row, 0)).or_default().insert(lower(Rows::text(row, 1)));
        }
        // The primary key comes first: it is what a key without columns refers to.
        keys.insert(lower((*table).to_owned()), std::iter::once(primary).chain(indexes.into_values()).collect());
    }
    let mut unfit = BTreeSet::new();
    for (table, answer) in tables.iter().zip(&references) {
        let mut foreign: BTreeMap<u64, (String, Vec<String>, Vec<String>)> = BTreeMap::new();
        for row in &answer.rows {
            let key =
                foreign.entry(Rows::number(row, 0)).or_insert_with(|| (Rows::text(row, 1), Vec::new(), Vec::new()));
            key.1.push(Rows::text(row, 2));
            key.2.extend(Some(lower(Rows::text(row, 3))).filter(|to| !to.is_empty()));
        }
        for (parent, from, to) in foreign.into_values() {
            if let Some(why) = misfit(keys.get(&lower(parent.clone())).map(Vec::as_slice), &from, &to) {
                unfit.insert(format!(
                    "{table} ({}) refers to {parent}{}, {why}: a write to {table} fails.",
                    from.join(", "),
                    if to.is_empty() { String::new() } else { format!(" ({})", to.join(", ")) }
                ));
            }
        }
    }
    Ok(unfit)
}

/// Why a foreign key fits nothing. `keys`: those of the parent, its primary key first; `None` when it is not there.
fn misfit(keys: Option<&[BTreeSet<String>]>, from: &[String], to: &[String]) -> Option<&'static str> {
    let Some(keys) = keys else { return Some("which is not there") };
    let wanted: BTreeSet<String> = to.iter().cloned().collect();
    let fits = if wanted.is_empty() {
        keys.first().is_some_and(|primary| primary.len() == from.len())
    } else {
        keys.contains(&wanted)
    };
    (!fits).then_some("which is neither its primary key nor unique")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_key_fits_the_primary_key_or_a_unique_index_of_just_its_columns() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let keys = [set(&["id"]), set(&["a", "b"])];
        let fits = |from: &[&str], to: &[&str]| misfit(Some(&keys), &list(from), &list(to)).is_none();
        assert!(fits(&["x"], &[]) && fits(&["x"], &["id"]) && fits(&["x", "y"], &["b", "a"]));
        assert!(!fits(&["x", "y"], &[]) && !fits(&["x"], &["a"]) && !fits(&["x"], &["name"]));
        assert_eq!(misfit(None, &list(&["x"]), &[]), Some("which is not there"));
    }
}
