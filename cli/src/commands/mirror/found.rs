//! What is known before anything is written.

use std::collections::BTreeMap;

use super::cell::Cell;
use super::plan::TablePlan;
use super::prepare::Changes;
use super::schema::Schema;

/// What was found out before anything is written.
pub(super) struct Found {
    /// The schema of the side that is read.
    pub source: Schema,
    /// The schema of the side that is written.
    pub target: Schema,
    /// What the target needs before rows are copied.
    pub changes: Changes,
    /// The tables, in the order in which they are copied.
    pub steps: Vec<Vec<TablePlan>>,
    /// How many rows each table has, and its last key.
    pub bounds: BTreeMap<String, (u64, Option<Vec<Cell>>)>,
}
