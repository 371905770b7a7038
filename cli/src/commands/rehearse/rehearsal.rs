//! The result of rehearsing migrations.

use super::keys::Keys;
use super::outcome::Rehearsed;
use crate::settings::Environment;

/// A whole rehearsal.
pub(super) struct Rehearsal {
    /// Where the rows are.
    pub environment: Environment,
    /// The database.
    pub database: String,
    /// The run in which the files ran.
    pub run: String,
    /// Files that were applied before.
    pub applied: Vec<String>,
    /// What is odd about the names of the files.
    pub notes: Vec<String>,
    /// The files, in their order.
    pub files: Vec<Rehearsed>,
    /// Whether the foreign keys hold afterwards.
    pub keys: Keys,
}

impl Rehearsal {
    /// Whether every file passes and no foreign key is broken.
    pub(super) fn passes(&self) -> bool {
        self.files.iter().all(Rehearsed::passes) && !matches!(self.keys, Keys::Broken(_))
    }
}
