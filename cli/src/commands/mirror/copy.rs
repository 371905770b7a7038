//! Rows on their way. Every write replaces what it wrote before, so that it can be repeated after any interruption: a
//! page first deletes its range of keys, in the same transaction.

use indicatif::ProgressBar;

use super::cell::{Cell, RowsDigest, identifier};
use super::inspect::{holds_unlisted, refuse_late};
use super::job::{Job, MAX_BATCH, MAX_BATCH_BYTES, size};
use super::pages::{Pages, Row};
use super::plan::{TablePlan, Written};
use super::statements::{delete_keys, delete_range, fill, inserts};
use super::wire::Statement;
use crate::failure::{Exit, Failure, Outcome};

/// A row that is ready: as the source has its key, as the target gets it, and what is written first.
struct Ready {
    source_key: Vec<Cell>,
    written: Written,
}

/// Which rows go away before others are written.
#[derive(Clone, Copy)]
struct Room<'a> {
    after: Option<&'a [Cell]>,
    /// Everything above goes, not only the range: an interrupted mirror may have got further than it remembers.
    all: bool,
}

impl Job {
    /// Copies every table that is not done.
    pub(super) fn copy(&mut self) -> Outcome<()> {
        for step in 0..self.steps.len() {
            let Some(plans) = self.steps.get(step).cloned() else { break };
            match plans.as_slice() {
                [plan] => self.copy_table(plan)?,
                plans => self.copy_together(plans)?,
            }
        }
        Ok(())
    }

    /// A bar for a table, already as far as its rows.
    fn bar(&self, table: &str, verb: &str, rows: u64, done: u64) -> ProgressBar {
        let bar = self.say.bar(rows);
        bar.set_message(dryrun_text::line(&format!("{verb} {table}")).into_owned());
        bar.set_position(done);
        bar
    }

    fn copy_table(&mut self, plan: &TablePlan) -> Outcome<()> {
        let name = &plan.table.name;
        let mut progress = self.state.table(name);
        if progress.copied || progress.expected == 0 {
            return self.copied(name);
        }
        if plan.scrubs_key() {
            // Ranges of the source's keys say nothing about the target's, so what was begun is begun anew.
            (progress.after, progress.late) = (None, false);
            progress.set_digest(RowsDigest::default());
            self.write(&[delete_range(&plan.table, None, None)])?;
        }
        let bar = self.bar(name, "copy", progress.expected, progress.rows);
        let mut all = true;
        let mut pages = Pages::new(&plan.table, progress.after.clone(), progress.bound.clone());
        while let Some((ready, upto)) = self.next_page(plan, &mut pages)? {
            let mut ready = ready.as_slice();
            while !ready.is_empty() {
                let room = Room { after: progress.after.as_deref(), all };
                let count = self.write_some(plan, ready, room)?;
                let (done, rest) = ready.split_at(count);
                let mut digest = progress.digest();
                for one in done {
                    digest.add(&one.written.row.cells);
                    progress.late |= one.written.first.is_some();
                }
                progress.set_digest(digest);
                progress.after = done.last().map(|one| one.source_key.clone()).or(progress.after);
                (ready, all) = (rest, false);
                self.remember(name, progress.clone())?;
                bar.set_position(progress.rows);
            }
            progress.after = Some(upto);
        }
        self.state.tables.insert(name.clone(), progress);
        bar.finish_and_clear();
        self.copied(name)
    }

    fn copied(&mut self, name: &str) -> Outcome<()> {
        let mut progress = self.state.table(name);
        progress.copied = true;
        self.remember(name, progress)
    }

    fn next_page(&self, plan: &TablePlan, pages: &mut Pages<'_>) -> Outcome<Option<(Vec<Ready>, Vec<Cell>)>> {
        let Some(page) = pages.next(&self.source)? else { return Ok(None) };
        Ok(Some((self.ready(plan, page.rows)?, page.upto)))
    }

    fn ready(&self, plan: &TablePlan, rows: Vec<Row>) -> Outcome<Vec<Ready>> {
        rows.into_iter()
            .map(|row| {
                let (source_key, before) = (row.key.clone(), row.cells.clone());
                let written = plan.write(&self.scrubber, row);
                if let Some(unlisted) = holds_unlisted(plan, &before, &written.row.cells) {
                    let column =
                        plan.table.columns.get(unlisted.place).map(|column| column.name.as_str()).unwrap_or_default();
                    return Err(refuse_late(
                        &plan.table.name,
                        column,
                        &describe(&source_key),
                        &self.rules_file,
                        unlisted,
                    ));
                }
                Ok(Ready { source_key, written })
            })
            .collect()
    }

    /// Writes as many of the rows as one transaction takes, and tells how many: half as many after each refusal, so
    /// that in the end a single row says what is wrong.
    fn write_some(&mut self, plan: &TablePlan, rows: &[Ready], room: Room<'_>) -> Outcome<usize> {
        let mut count = rows.len();
        loop {
            let Some(some) = rows.get(..count) else { return Ok(0) };
            let batch = batch(plan, some, room);
            let fits = batch.len() <= MAX_BATCH && size(&batch) <= MAX_BATCH_BYTES;
            if fits || count == 1 {
                match self.write(&batch) {
                    Ok(_) => return Ok(count),
                    Err(failure) if failure.exit != Exit::Refused || !splits(&failure) => return Err(failure),
                    Err(failure) if count == 1 => return Err(explain(plan, some, failure)),
                    Err(_) => {}
                }
            }
            count = count.div_ceil(2).min(count - 1).max(1);
        }
    }

    /// Tables that need each other: all their rows in one transaction.
    fn copy_together(&mut self, plans: &[TablePlan]) -> Outcome<()> {
        if plans.iter().all(|plan| self.state.table(&plan.table.name).copied) {
            return Ok(());
        }
        let names: Vec<&str> = plans.iter().map(|plan| plan.table.name.as_str()).collect();
        let mut statements = vec![defer()];
        statements.extend(plans.iter().map(|plan| delete_range(&plan.table, None, None)));
        let mut ends = Vec::new();
        for plan in plans {
            let mut progress = self.state.table(&plan.table.name);
            let (mut digest, mut after) = (RowsDigest::default(), None);
            let mut pages = Pages::new(&plan.table, None, progress.bound.clone());
            while progress.expected > 0
                && let Some((ready, upto)) = self.next_page(plan, &mut pages)?
            {
                ready.iter().for_each(|one| digest.add(&one.written.row.cells));
                statements
                    .extend(inserts(&plan.table, &ready.into_iter().map(|one| one.written.row).collect::<Vec<_>>()));
                after = Some(upto);
                if statements.len() > MAX_BATCH || size(&statements) > MAX_BATCH_BYTES * 2 {
                    return Err(Failure::new(
                        Exit::Refused,
                        "cycle_too_large",
                        format!(
                            "The rows of {} can only be written in one transaction, because they refer to each other \
                             and may not be NULL, and they are too many for one.",
                            names.join(" and ")
                        ),
                        "Make one of the references nullable, or leave these tables out with --tables.",
                    ));
                }
            }
            progress.set_digest(digest);
            (progress.after, progress.copied, progress.filled) = (after, true, true);
            ends.push((plan.table.name.clone(), progress));
        }
        self.write(&statements).map_err(|failure| Failure {
            message: format!("{}: {}", names.join(" and "), failure.message),
            ..failure
        })?;
        self.state.tables.extend(ends);
        self.state.save()
    }

    /// Writes the references that had to wait for other rows.
    pub(super) fn fill(&mut self) -> Outcome<()> {
        let plans: Vec<TablePlan> = self.tables().filter(|plan| !plan.late.is_empty()).cloned().collect();
        for plan in plans {
            let name = &plan.table.name;
            let mut progress = self.state.table(name);
            if progress.filled || !progress.late {
                continue;
            }
            let bar = self.bar(name, "link", progress.expected, 0);
            let columns = plan.late_columns();
            let mut pages = Pages::new(&plan.table, progress.filled_after.clone(), progress.bound.clone());
            while let Some((ready, upto)) = self.next_page(&plan, &mut pages)? {
                bar.inc(u64::try_from(ready.len()).unwrap_or_default());
                let rows: Vec<(Vec<Cell>, Vec<Cell>)> = ready
                    .into_iter()
                    .filter(|one| one.written.first.is_some())
                    .map(|one| {
                        (
                            one.written.row.key,
                            columns.iter().filter_map(|place| one.written.row.cells.get(*place).cloned()).collect(),
                        )
                    })
                    .collect();
                self.write_all(fill(&plan.table, &columns, &rows))
                    .map_err(|failure| Failure { message: format!("{name}: {}", failure.message), ..failure })?;
                progress.filled_after = Some(upto);
                self.remember(name, progress.clone())?;
            }
            progress.filled = true;
            self.remember(name, progress)?;
            bar.finish_and_clear();
        }
        Ok(())
    }
}

fn defer() -> Statement {
    Statement::plain("PRAGMA defer_foreign_keys = on")
}

fn batch(plan: &TablePlan, rows: &[Ready], room: Room<'_>) -> Vec<Statement> {
    let mut batch = vec![defer()];
    if plan.scrubs_key() {
        batch.extend(delete_keys(&plan.table, &rows.iter().map(|one| one.written.row.key.clone()).collect::<Vec<_>>()));
    } else {
        let upto = rows.last().filter(|_| !room.all).map(|one| one.source_key.as_slice());
        batch.push(delete_range(&plan.table, room.after, upto));
    }
    let rows: Vec<Row> = rows
        .iter()
        .map(|one| Row {
            key: one.written.row.key.clone(),
            cells: one.written.first.clone().unwrap_or_else(|| one.written.row.cells.clone()),
        })
        .collect();
    batch.extend(inserts(&plan.table, &rows));
    batch
}

/// Whether fewer rows could be taken where more were refused, or would at least tell which one it is.
fn splits(failure: &Failure) -> bool {
    matches!(
        failure.code.as_str(),
        "sql_error"
            | "body_too_large"
            | "statement_too_long"
            | "invalid_request"
            | "statement_too_nested"
            | "sql_not_parsed"
            | "ambiguous_text"
    )
}

fn describe(key: &[Cell]) -> String {
    key.iter().map(Cell::describe).collect::<Vec<_>>().join(", ")
}

/// Says which row it is, and what may be the matter with it.
fn explain(plan: &TablePlan, rows: &[Ready], failure: Failure) -> Failure {
    let key = rows.first().map(|one| describe(&one.source_key)).unwrap_or_default();
    let remedy = if failure.message.contains("FOREIGN KEY") {
        "It refers to a row that is not there: one that came, or was referred to, while the mirror ran. Begin anew \
         with --restart, at a quieter time."
            .to_owned()
    } else if failure.message.contains("UNIQUE") && plan.scrubbed().next().is_some() {
        "Two values that were different may have become the same. Take hash or email for a unique column, and begin \
         anew with --restart."
            .to_owned()
    } else if failure.message.contains("CHECK") {
        "A CHECK of the table does not hold for what the rules make of the row. Take other rules, and begin anew with \
         --restart."
            .to_owned()
    } else {
        failure.remedy.clone()
    };
    Failure {
        message: format!(
            "The row of {} with the key {key} could not be written: {}.",
            identifier(&plan.table.name),
            failure.message.trim_end_matches('.')
        ),
        remedy,
        ..failure
    }
}
