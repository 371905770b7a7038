//! Reads both sides again and compares: how many rows, a digest of all their values as they should be, and whether a
//! value that was scrubbed is still anywhere.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

use super::cell::{Cell, RowsDigest};
use super::job::Job;
use super::pages::Pages;
use super::plan::TablePlan;
use crate::failure::{Failure, Outcome};

/// Of longer tables only so many rows give the values that are looked for.
const MAX_VALUES: usize = 200_000;

/// What came of a table.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    /// The table.
    pub table: String,
    /// What was written, and is there.
    pub digest: RowsDigest,
    /// The source has other rows by now than those that were copied.
    pub moved: bool,
    /// Columns whose values were replaced.
    pub scrubbed: Vec<String>,
}

impl Job {
    /// Compares every table.
    pub(super) fn verify(&self) -> Outcome<Vec<Verified>> {
        let mut wrong = Vec::new();
        let mut verified = Vec::new();
        for plan in self.tables() {
            match self.verify_table(plan)? {
                Ok(table) => verified.push(table),
                Err(why) => wrong.push(why),
            }
        }
        if wrong.is_empty() {
            return Ok(verified);
        }
        Err(Failure::found(
            "The mirror is not what it should be:",
            "Somebody or something else wrote to the target meanwhile, or this is a defect. Begin anew with --restart \
             while nobody works there.",
        )
        .with_reasons(wrong))
    }

    /// The inner error is a difference.
    fn verify_table(&self, plan: &TablePlan) -> Outcome<Result<Verified, String>> {
        let name = &plan.table.name;
        let progress = self.state.table(name);
        let bar = self.say.bar(progress.rows * 2);
        bar.set_message(dryrun_text::line(&format!("check {name}")).into_owned());
        let replaced: Vec<usize> =
            plan.scrubbed().filter(|(_, _, rule)| rule.makes_new_values()).map(|(place, ..)| place).collect();
        let mut known: HashSet<[u8; 16]> = HashSet::new();
        let mut source = RowsDigest::default();
        if progress.expected > 0 {
            let mut pages = Pages::new(&plan.table, None, progress.bound.clone());
            while let Some(page) = pages.next(&self.source)? {
                bar.inc(u64::try_from(page.rows.len()).unwrap_or_default());
                for row in page.rows {
                    if known.len() < MAX_VALUES {
                        known.extend(replaced.iter().filter_map(|place| fingerprint(row.cells.get(*place))));
                    }
                    source.add(&plan.write(&self.scrubber, row).row.cells);
                }
            }
        }
        let mut target = RowsDigest::default();
        let mut left: Option<usize> = None;
        let mut pages = Pages::new(&plan.table, None, None);
        while let Some(page) = pages.next(&self.target)? {
            bar.inc(u64::try_from(page.rows.len()).unwrap_or_default());
            for row in &page.rows {
                target.add(&row.cells);
                left = left.or_else(|| {
                    replaced
                        .iter()
                        .copied()
                        .find(|place| fingerprint(row.cells.get(*place)).is_some_and(|print| known.contains(&print)))
                });
            }
        }
        bar.finish_and_clear();
        let copied = progress.digest();
        if let Some(column) = left.and_then(|place| plan.table.columns.get(place)) {
            return Ok(Err(format!(
                "{name}: a value of the source is still in the column {}, which should have been scrubbed",
                column.name
            )));
        }
        // A reference that was filled in may be newer than the rest of its row; then the row is what the source has
        // now.
        if target != copied && target != source {
            let why =
                if target.rows == copied.rows { "other values".to_owned() } else { format!("{} rows", target.rows) };
            return Ok(Err(format!(
                "{name}: the target has {why} where {} rows were copied (digest {} instead of {})",
                copied.rows,
                short(target),
                short(copied)
            )));
        }
        let scrubbed = plan.scrubbed().map(|(_, column, _)| column.to_owned()).collect();
        Ok(Ok(Verified { table: name.clone(), digest: target, moved: source != target, scrubbed }))
    }
}

fn short(digest: RowsDigest) -> String {
    digest.hex().chars().take(12).collect()
}

/// A value that could be told from others: short ones are everywhere.
fn fingerprint(cell: Option<&Cell>) -> Option<[u8; 16]> {
    let bytes = match cell? {
        Cell::Text(bytes) | Cell::Blob(bytes) if bytes.len() >= 4 => bytes.clone(),
        Cell::Integer(number) if number.unsigned_abs() >= 1_000_000 => number.to_be_bytes().to_vec(),
        _ => return None,
    };
    Sha256::digest(&bytes).first_chunk::<16>().copied()
}
