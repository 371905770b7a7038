//! How much a run may copy, and what is said when it would be more.

use super::cells::shown;
use super::failure::Failure;
use crate::domain::refusal::{Code, Problem};

/// What may still be copied, and what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// A table with at most so many rows is copied whole.
    pub whole_rows: u64,
    /// Rows that may still be copied.
    pub rows_left: u64,
    /// Bytes that may still be copied.
    pub bytes_left: u64,
    /// Rows copied and not yet in the catalog.
    pub rows: u64,
    /// Bytes copied and not yet in the catalog.
    pub bytes: u64,
}

impl Budget {
    pub(super) fn take_bytes(&mut self, bytes: u64, table: &str) -> Result<(), Failure> {
        if bytes > self.bytes_left {
            return Err(exceeded(table, "more bytes", &format!("{} bytes", self.bytes_left)));
        }
        self.bytes_left -= bytes;
        self.bytes += bytes;
        Ok(())
    }

    pub(super) fn take_rows(&mut self, rows: u64) {
        self.rows_left -= rows.min(self.rows_left);
        self.rows += rows;
    }
}

/// The refusal of what is more than a run may copy.
pub(super) fn exceeded(table: &str, needed: &str, left: &str) -> Failure {
    Problem::new(
        Code::ShadowBudgetExceeded,
        format!(
            "Rehearsing this statement needs {needed} of {}, and this run may still copy {left}; nothing was run.",
            shown(table)
        ),
        "Narrow its WHERE to rows by a key or an indexed column, split the work over several runs, or raise \
         SHADOW_MAX_ROWS or SHADOW_MAX_BYTES.",
    )
    .into()
}

/// The refusal of a table that is needed whole and is too large. `unbounded`: why its rows cannot be looked up instead.
pub(super) fn too_many(table: &str, rows: u64, most: u64, unbounded: Option<&String>) -> Failure {
    match unbounded {
        None => exceeded(table, &format!("all {rows} rows"), &format!("{most} rows")),
        Some(why) => Problem::new(
            Code::ShadowBudgetExceeded,
            format!(
                "The database cannot look up the rows of {} that the statement reaches ({why}), \
                 and all {rows} rows are more than the {most} rows that this run may still copy; nothing was run.",
                shown(table)
            ),
            "Narrow its WHERE to rows by a key, or raise SHADOW_MAX_ROWS or SHADOW_MAX_BYTES.",
        )
        .into(),
    }
}
