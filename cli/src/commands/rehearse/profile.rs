//! What is counted of a table before and after a file: its rows, and the NULLs of each column.

use std::collections::BTreeMap;

use crate::dry::{DryRun, Rows};
use crate::failure::{Exit, Outcome};
use crate::statements::{identifier, literal};

use super::judge::Effect;

/// The figures of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Profile {
    /// How many rows it has.
    pub rows: u64,
    /// How many NULLs each column has.
    pub nulls: BTreeMap<String, u64>,
    /// The columns of its primary key, in order.
    pub key: Vec<String>,
}

/// Most columns that are counted in one statement: D1's results have at most 100.
const MOST_COLUMNS: usize = 90;

/// Counts a table as the run sees it; `None` when that would take more than the run may copy, or when there is no such
/// table.
pub(super) fn count(run: &DryRun, table: &str) -> Outcome<Option<Profile>> {
    let described = run.batch(&format!(
        "SELECT name, pk FROM pragma_table_xinfo({}) WHERE hidden <> 1 ORDER BY cid",
        literal(table)
    ))?;
    let columns: Vec<(String, u64)> = described
        .iter()
        .flat_map(|answer| &answer.rows)
        .map(|row| (Rows::text(row, 0), Rows::number(row, 1)))
        .collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let question = |part: &[&str]| {
        let counts: Vec<String> = part.iter().map(|column| format!(", count({})", identifier(column))).collect();
        format!("SELECT count(*){} FROM {}", counts.concat(), identifier(table))
    };
    let questions: Vec<String> = names.chunks(MOST_COLUMNS).map(question).collect();
    let answers = match run.ask(&questions) {
        Ok(answers) => answers,
        Err(failure)
            if failure.exit == Exit::Refused
                && matches!(failure.code.as_str(), "shadow_budget_exceeded" | "not_rehearsable" | "sql_error") =>
        {
            return Ok(None);
        }
        Err(failure) => return Err(failure),
    };
    let mut key: Vec<(u64, String)> = columns
        .iter()
        .filter(|(_, position)| *position > 0)
        .map(|(name, position)| (*position, name.clone()))
        .collect();
    key.sort();
    let mut profile = Profile { key: key.into_iter().map(|(_, name)| name).collect(), ..Profile::default() };
    for (part, answer) in names.chunks(MOST_COLUMNS).zip(&answers) {
        let Some(row) = answer.rows.first() else { return Ok(None) };
        profile.rows = Rows::number(row, 0);
        for (position, column) in (1..).zip(part) {
            profile.nulls.insert((*column).to_owned(), profile.rows.saturating_sub(Rows::number(row, position)));
        }
    }
    Ok(Some(profile))
}

impl Profile {
    /// What it becomes by changes of rows alone: for tables that are too large to be counted again.
    pub(super) fn after<'a>(&self, effects: impl Iterator<Item = &'a Effect>) -> Self {
        let mut after = self.clone();
        for effect in effects {
            let (was, is) = (u64::from(effect.before.is_some()), u64::from(effect.after.is_some()));
            after.rows = (after.rows + is).saturating_sub(was);
            for (column, nulls) in &mut after.nulls {
                let null = |image: &Option<serde_json::Map<String, serde_json::Value>>| {
                    u64::from(
                        image.as_ref().is_some_and(|image| image.get(column).is_some_and(serde_json::Value::is_null)),
                    )
                };
                *nulls = (*nulls + null(&effect.after)).saturating_sub(null(&effect.before));
            }
        }
        after
    }
}

/// NULLs where there were none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewNulls {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// How many.
    pub nulls: u64,
    /// Of how many rows.
    pub rows: u64,
    /// Whether no row had a value in it before: some were filled, and these were not.
    pub in_part: bool,
}

/// Compares a table with itself. `renamed`: columns by their new names. A column that is NULL in every row is only what
/// ADD COLUMN does; one that is filled in part was forgotten in part.
pub(super) fn new_nulls(
    table: &str,
    before: &Profile,
    after: &Profile,
    renamed: &BTreeMap<String, String>,
) -> Vec<NewNulls> {
    let found = after.nulls.iter().filter(|(_, nulls)| **nulls > 0).filter_map(|(column, nulls)| {
        let old = renamed.get(column).unwrap_or(column);
        let was = before.nulls.iter().find(|(name, _)| name.eq_ignore_ascii_case(old)).map(|(_, nulls)| *nulls);
        let in_part = was.is_none_or(|was| was == before.rows && was > 0);
        let tells = if in_part { *nulls < after.rows } else { was == Some(0) };
        tells.then(|| NewNulls {
            table: table.to_owned(),
            column: column.clone(),
            nulls: *nulls,
            rows: after.rows,
            in_part,
        })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn profile(rows: u64, nulls: &[(&str, u64)]) -> Profile {
        Profile {
            rows,
            nulls: nulls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            key: Vec::new(),
        }
    }

    #[test]
    fn only_nulls_where_there_were_none_are_new() {
        let before = profile(5, &[("a", 0), ("b", 2), ("c", 0), ("old", 0), ("later", 5), ("still", 5)]);
        let after = profile(
            5,
            &[("a", 1), ("b", 4), ("c", 0), ("new", 3), ("all", 5), ("part", 2), ("later", 1), ("still", 5)],
        );
        let renamed = BTreeMap::from([("new".to_owned(), "OLD".to_owned())]);
        let shown: Vec<String> = new_nulls("t", &before, &after, &renamed)
            .iter()
            .map(|one| format!("{} {} {}", one.column, one.nulls, one.in_part))
            .collect();
        assert_eq!(shown, ["a 1 false", "later 1 true", "new 3 false", "part 2 true"]);
    }

    #[test]
    fn changes_of_rows_are_added_up() {
        let effect = |before: Value, after: Value| Effect {
            statement: 1,
            subject: "t".into(),
            key: "1".into(),
            before: before.as_object().cloned(),
            after: after.as_object().cloned(),
        };
        let effects = [
            effect(json!({"a": 1}), json!({"a": null})),
            effect(json!({"a": null}), Value::Null),
            effect(json!({"a": null}), Value::Null),
            effect(Value::Null, json!({"a": 3})),
        ];
        assert_eq!(profile(10, &[("a", 2)]).after(effects.iter()), profile(9, &[("a", 1)]));
    }
}
