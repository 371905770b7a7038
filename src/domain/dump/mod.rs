//! The text of an export: what a database written down as SQL consists of, and in which order.
//!
//! The order is the one that always imports: every table before any row, because a row may reference a table that was
//! made later; unique indexes before rows, because a foreign key may reference the columns of one; triggers after rows,
//! because they would fire. Foreign keys are checked at the end of the import, because parents may follow their
//! children.

mod references;
mod rows;
mod values;

pub use references::{FOREIGN_KEYS, KEYS, References};
pub use rows::{After, Row, Table};
pub use values::{Pieces, Value};

use super::refusal::{Code, Problem};
use dryrun_sql::quoting::literal;
use dryrun_sql::tokens::leaves_a_comment_open;

/// Rows of text or NULL, as the questions here select them.
pub type Rows = Vec<Vec<Option<String>>>;

/// What an export is to hold.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The statements that make tables, indexes, triggers and views.
    pub schema: bool,
    /// The rows.
    pub data: bool,
    /// Only these tables; all when empty.
    pub tables: &'a [String],
}

/// What there is, in the order in which it was made. Names of the platform's own are left out.
pub const OBJECTS: &str = "SELECT type, name, tbl_name, sql FROM sqlite_master \
                           WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY rowid";

/// The highest numbers that AUTOINCREMENT gave out.
pub const COUNTERS: &str = "SELECT name, quote(seq) FROM sqlite_sequence ORDER BY rowid";

/// The first line. Without it a row could not stand before its parent.
pub const HEAD: &str = "PRAGMA defer_foreign_keys=TRUE;\n";

/// One line of `sqlite_master`.
#[derive(Debug, Clone, Default)]
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

impl Object {
    fn read(row: Vec<Option<String>>) -> Self {
        let cells = <[Option<String>; 4]>::try_from(row).unwrap_or_default();
        let [kind, name, table, sql] = cells.map(Option::unwrap_or_default);
        Self { kind, name, table, sql }
    }

    /// Whether it is SQLite's own and comes by itself. What has no text was made by its table.
    fn is_own(&self) -> bool {
        let is_reserved = self.name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_"));
        is_reserved || self.sql.is_empty()
    }

    fn is_table(&self) -> bool {
        self.kind == "table"
    }

    fn begins(&self, words: &str) -> bool {
        self.sql.get(..words.len()).is_some_and(|head| head.eq_ignore_ascii_case(words))
    }

    fn is_virtual(&self) -> bool {
        self.is_table() && self.begins("CREATE VIRTUAL")
    }

    /// Whether FTS5 keeps it for a virtual table.
    fn is_inside(&self, owner: &Self) -> bool {
        let suffix = self.name.get(..owner.name.len()).filter(|head| head.eq_ignore_ascii_case(&owner.name));
        let suffix = suffix.and_then(|_| self.name.get(owner.name.len()..)).unwrap_or_default();
        ["_data", "_idx", "_content", "_docsize", "_config"].iter().any(|own| suffix.eq_ignore_ascii_case(own))
    }
}

/// What an export writes besides rows.
#[derive(Debug)]
pub struct Outline {
    /// Statements before the rows.
    pub before: String,
    /// The tables whose rows are written.
    pub tables: Vec<String>,
    /// Statements after the rows.
    pub after: String,
    /// Tables whose numbers are counted by AUTOINCREMENT.
    counted: Vec<String>,
    /// A name for a table that the import makes and drops again, if it needs one.
    pieces: String,
}

impl Outline {
    /// Whether [`FOREIGN_KEYS`] and [`KEYS`] are to be asked, by the answer to [`OBJECTS`].
    pub fn has_references(rows: &Rows) -> bool {
        let texts = rows.iter().filter_map(|row| row.last()?.as_deref());
        texts.into_iter().any(|sql| sql.to_ascii_uppercase().contains("REFERENCES"))
    }

    /// Reads the answer to [`OBJECTS`].
    ///
    /// # Errors
    /// Refuses tables that there are not, and virtual ones.
    pub fn read(rows: Rows, references: &References, wanted: &Wanted<'_>) -> Result<Self, Problem> {
        let objects: Vec<Object> = rows.into_iter().map(Object::read).collect();
        let is_chosen =
            |table: &str| wanted.tables.is_empty() || wanted.tables.iter().any(|name| name.eq_ignore_ascii_case(table));
        let is_there =
            |name: &str| objects.iter().any(|object| object.is_table() && object.name.eq_ignore_ascii_case(name));
        if let Some(missing) = wanted.tables.iter().find(|name| !is_there(name)) {
            return Err(Problem::from_store(Code::SqlError, format!("no such table: {missing}: SQLITE_ERROR")));
        }
        let is_indexed = |object: &Object| objects.iter().any(|owner| owner.is_virtual() && object.is_inside(owner));
        let chosen: Vec<&Object> =
            objects.iter().filter(|object| !object.is_own() && is_chosen(&object.table)).collect();
        let tables: Vec<&Object> = chosen.iter().copied().filter(|object| object.is_table()).collect();
        if let Some(object) = tables.iter().find(|object| object.is_virtual() || is_indexed(object)) {
            let plain = objects
                .iter()
                .filter(|other| other.is_table() && !other.is_own() && !other.is_virtual() && !is_indexed(other));
            return Err(not_exported(&object.name, &plain.map(|other| other.name.as_str()).collect::<Vec<_>>()));
        }
        let is_unique = |object: &Object| object.kind == "index" && object.begins("CREATE UNIQUE");
        let others = |kind: &'static str| chosen.iter().filter(move |object| object.kind == kind && !is_unique(object));
        let (mut before, mut after) = (String::from(HEAD), String::new());
        let all: Vec<&str> =
            objects.iter().filter(|object| object.is_table()).map(|object| object.name.as_str()).collect();
        let (late, early): (Vec<&Object>, Vec<&Object>) =
            tables.iter().copied().partition(|object| references.is_mismatched(&object.name, &all));
        if wanted.schema {
            let children: Vec<&str> = early.iter().map(|object| object.name.as_str()).collect();
            let (made, dropped) = if wanted.data { references.stand_ins(&children, &all) } else { Default::default() };
            let is_late = |object: &Object| late.iter().any(|table| table.name.eq_ignore_ascii_case(&object.table));
            let (late_keys, keys): (Vec<&Object>, Vec<&Object>) =
                chosen.iter().copied().filter(|object| is_unique(object)).partition(|object| is_late(object));
            before.push_str(&made);
            early.iter().chain(&keys).for_each(|object| before.push_str(&ended(&object.sql)));
            after.push_str(&dropped);
            let last =
                late.iter().chain(&late_keys).chain(others("index")).chain(others("view")).chain(others("trigger"));
            last.for_each(|object| after.push_str(&ended(&object.sql)));
        }
        // No row can be written to a table of a foreign key that does not fit, and none was: it is made after all rows.
        let tables = if wanted.schema { early } else { tables };
        let names = |tables: &[&Object]| tables.iter().map(|object| object.name.clone()).collect::<Vec<_>>();
        let counts = |object: &&Object| object.sql.to_ascii_uppercase().contains("AUTOINCREMENT");
        let counted: Vec<&Object> = tables.iter().copied().filter(counts).collect();
        let mut pieces = String::from("export_pieces");
        while objects.iter().any(|object| object.name.eq_ignore_ascii_case(&pieces)) {
            pieces.push('_');
        }
        let (tables, counted) = if wanted.data { (names(&tables), names(&counted)) } else { (Vec::new(), Vec::new()) };
        Ok(Self { before, tables, after, counted, pieces })
    }

    /// Whether [`COUNTERS`] is to be asked. Without such a table there is nothing that could answer.
    pub fn counts(&self) -> bool {
        !self.counted.is_empty()
    }

    /// The statements that set the counters as they are, from the answer to [`COUNTERS`].
    pub fn counters(&self, rows: &Rows) -> String {
        let is_counted = |table: &&str| self.counted.iter().any(|name| name.eq_ignore_ascii_case(table));
        let deleted =
            self.counted.iter().map(|table| format!("DELETE FROM sqlite_sequence WHERE name={};\n", literal(table)));
        let set = rows.iter().filter_map(|row| {
            let [Some(table), Some(number)] = row.as_slice() else { return None };
            let table = Some(table.as_str()).filter(is_counted)?;
            Some(format!("INSERT INTO sqlite_sequence (name,seq) VALUES({},{number});\n", literal(table)))
        });
        deleted.chain(set).collect()
    }

    /// What takes in values that are too long for one statement.
    pub fn pieces(&self) -> Pieces {
        Pieces::named(&self.pieces)
    }
}

/// Most names that a refusal lists.
const MAX_NAMED: usize = 20;

fn not_exported(table: &str, others: &[&str]) -> Problem {
    let named = others.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = if others.len() > MAX_NAMED { " and others" } else { "" };
    Problem::new(
        Code::NotOffered,
        format!(
            "{table} is or belongs to a virtual table (FTS5), which an export cannot hold, as in D1 itself; nothing \
             was exported."
        ),
        if others.is_empty() {
            "Export a database without virtual tables: this one has no other tables.".to_owned()
        } else {
            format!(
                "Name the tables to export in dump_options.tables (wrangler d1 export --table <name>): {named}{more}. \
                 Then make the virtual table again where the file is imported."
            )
        },
    )
}

/// A definition with an end that is its own: it may end in a comment.
fn ended(sql: &str) -> String {
    let is_open = leaves_a_comment_open(sql);
    let is_commented = sql.lines().next_back().is_some_and(|line| line.contains("--"));
    format!("{sql}{}{};\n", if is_open { "*/" } else { "" }, if is_commented { "\n" } else { "" })
}
