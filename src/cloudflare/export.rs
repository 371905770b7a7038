//! A database written down as SQL: as the run sees it, exact for every value.

use serde::Deserialize;
use serde_json::json;

use super::ledger::Plan;
use super::overlay::{Body, Overlay, Writer};
use super::run_world::RunWorld;
use super::shadow::cells::{identifier, literal};
use super::transfers::Direction;
use super::wire::Content;
use super::{d1, js};
use crate::app::message::Answer;
use crate::app::ports::Done;
use crate::domain::limits::MAX_PAGE;
use crate::domain::operation::{BoundStatement, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::statement::split;

/// What an export is to hold.
pub struct Wanted<'a> {
    /// The statements that make tables, indexes, triggers and views.
    pub schema: bool,
    /// The rows.
    pub data: bool,
    /// Only these tables; all when empty.
    pub tables: &'a [String],
}

/// About so many bytes are asked for at once.
const PAGE_BYTES: usize = 1 << 20;
/// Rows of the first page: nothing is known of their length, and each may have 2 MB.
const FIRST_ROWS: usize = 8;

/// Rows of text or NULL, as the statements here select them.
type Rows = Vec<Vec<Option<String>>>;

#[derive(Deserialize)]
struct Answered {
    results: Arrays,
}

#[derive(Deserialize)]
struct Arrays {
    rows: Rows,
}

/// One line of `sqlite_master`.
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

impl Object {
    /// Whether it is SQLite's own and comes by itself.
    fn is_own(&self) -> bool {
        self.name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_"))
    }

    fn is_table(&self) -> bool {
        self.kind == "table"
    }

    fn is_virtual(&self) -> bool {
        self.sql.get(..14).is_some_and(|head| head.eq_ignore_ascii_case("CREATE VIRTUAL"))
    }
}

/// A table and how its rows are gone through.
struct Table {
    name: String,
    columns: Vec<String>,
    order: Order,
}

enum Order {
    /// By rowid, under a name that no column has.
    Rowid(&'static str),
    /// By these columns.
    Key(Vec<String>),
}

/// Where the last page ended.
enum After {
    Nothing,
    Rowid(String),
    Rows(usize),
}

/// One export on its way.
struct Export<'a> {
    world: &'a RunWorld,
    dry: bool,
    store: &'a str,
    plan: Vec<Plan>,
}

impl RunWorld {
    /// Writes a database down and keeps the file for whoever gets its address. In a dry run the caller has the turn.
    pub async fn export(&self, dry: bool, store: &str, wanted: &Wanted<'_>) -> Result<Done<Content, Plan>, Problem> {
        let overlay = Overlay::new(&self.database, self.settings.overlay_max_bytes);
        let mut file = overlay.begin_body()?;
        let mut export = Export { world: self, dry, store, plan: Vec::new() };
        if let Err(problem) = export.write(wanted, &mut file).await {
            file.discard()?;
            return Err(problem);
        }
        let size = file.size();
        let Body::Stored(body) = file.finish()? else { return Err(Problem::internal()) };
        let id = format!("{:032x}", js::entropy());
        self.keep_file(&id, store, Direction::Out, body)?;
        let answer = Answer::json(json!({ "file": id }).to_string());
        Ok(Done { answer, plan: export.plan, ..Done::read(json!({ "bytes": size })) })
    }
}

impl Export<'_> {
    async fn write(&mut self, wanted: &Wanted<'_>, file: &mut Writer<'_>) -> Result<(), Problem> {
        let objects = self.objects().await?;
        let named = |name: &str| objects.iter().any(|object| object.is_table() && object.name.eq_ignore_ascii_case(name));
        if let Some(missing) = wanted.tables.iter().find(|name| !named(name)) {
            return Err(Problem::from_store(Code::SqlError, format!("no such table: {missing}: SQLITE_ERROR")));
        }
        if let Some(object) = objects.iter().find(|object| object.is_virtual()) {
            return Err(Problem::not_offered(&format!("exports of databases with virtual tables (here {}), as D1 itself does not", object.name)));
        }
        let chosen = |table: &str| wanted.tables.is_empty() || wanted.tables.iter().any(|name| name.eq_ignore_ascii_case(table));
        put(file, "PRAGMA defer_foreign_keys=TRUE;\n")?;
        for table in objects.iter().filter(|object| object.is_table() && !object.is_own() && chosen(&object.name)) {
            if wanted.schema {
                put(file, &format!("{};\n", table.sql))?;
            }
            if wanted.data {
                self.table(&table.name, file).await?;
            }
        }
        if wanted.data && named("sqlite_sequence") {
            self.counters(&chosen, file).await?;
        }
        if wanted.schema {
            // What has no text was made by its table.
            for object in objects.iter().filter(|object| !object.is_table() && !object.is_own() && !object.sql.is_empty() && chosen(&object.table)) {
                put(file, &format!("{};\n", object.sql))?;
            }
        }
        Ok(())
    }

    async fn objects(&mut self) -> Result<Vec<Object>, Problem> {
        let rows = self.rows("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY rowid").await?;
        let objects = rows.into_iter().map(|row| {
            let [kind, name, table, sql] = <[Option<String>; 4]>::try_from(row).unwrap_or_default().map(Option::unwrap_or_default);
            Object { kind, name, table, sql }
        });
        Ok(objects.collect())
    }

    /// The highest numbers that AUTOINCREMENT gave out.
    async fn counters(&mut self, chosen: &impl Fn(&str) -> bool, file: &mut Writer<'_>) -> Result<(), Problem> {
        for row in self.rows("SELECT name, quote(seq) FROM sqlite_sequence ORDER BY rowid").await? {
            if let [Some(table), Some(number)] = row.as_slice()
                && chosen(table)
            {
                let table = literal(table);
                put(file, &format!("DELETE FROM sqlite_sequence WHERE name={table};\nINSERT INTO sqlite_sequence (name,seq) VALUES({table},{number});\n"))?;
            }
        }
        Ok(())
    }

    async fn table(&mut self, name: &str, file: &mut Writer<'_>) -> Result<(), Problem> {
        let table = self.describe(name).await?;
        let names: Vec<String> = table.columns.iter().map(|column| identifier(column)).collect();
        let head = format!("INSERT INTO {} ({}) VALUES(", identifier(&table.name), names.join(","));
        let (mut limit, mut after) = (FIRST_ROWS, After::Nothing);
        loop {
            let rows = self.page(&table, &after, limit).await?;
            let mut bytes = 0;
            for row in &rows {
                let values: Vec<&str> = row.iter().skip(1).map(|value| value.as_deref().unwrap_or("NULL")).collect();
                let statement = format!("{head}{});\n", values.join(","));
                bytes += statement.len();
                put(file, &statement)?;
            }
            if rows.len() < limit {
                return Ok(());
            }
            after = after.then(&table.order, &rows);
            let fitting = PAGE_BYTES.saturating_mul(rows.len()) / bytes.max(1);
            limit = fitting.clamp(1, (limit * 8).min(usize::try_from(MAX_PAGE).unwrap_or(usize::MAX)));
        }
    }

    async fn describe(&mut self, name: &str) -> Result<Table, Problem> {
        let asked = literal(name);
        let found = self.rows(&format!("SELECT name, CAST(pk AS TEXT), CAST(hidden AS TEXT) FROM pragma_table_xinfo({asked}) ORDER BY cid")).await?;
        let without_rowid = self.rows(&format!("SELECT CAST(wr AS TEXT) FROM pragma_table_list({asked}) WHERE schema = 'main'")).await?;
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        for row in found {
            let [Some(column), Some(place), Some(hidden)] = <[Option<String>; 3]>::try_from(row).unwrap_or_default() else { return Err(Problem::internal()) };
            if place != "0" {
                key.push((place.parse::<u32>().unwrap_or(u32::MAX), column.clone()));
            }
            // A generated column makes its own value.
            if hidden == "0" {
                columns.push(column);
            }
        }
        key.sort();
        let free = ["rowid", "_rowid_", "oid"].into_iter().find(|alias| !columns.iter().any(|column| column.eq_ignore_ascii_case(alias)));
        let is_without = without_rowid.first().and_then(|row| row.first()).is_some_and(|text| text.as_deref() == Some("1"));
        let order = match free {
            Some(alias) if !is_without => Order::Rowid(alias),
            // Without a name for the rowid, everything together orders the rows.
            None if !is_without => Order::Key(columns.clone()),
            _ => Order::Key(key.into_iter().map(|(_, column)| column).collect()),
        };
        Ok(Table { name: name.to_owned(), columns, order })
    }

    /// A page of rows: the rowid, then each value as a literal.
    async fn page(&mut self, table: &Table, after: &After, limit: usize) -> Result<Rows, Problem> {
        let mut rows = self.rows(&select(table, after, limit, false)).await?;
        // Text that is no UTF-8 comes with its broken characters replaced; then its bytes are asked for.
        let is_replaced = |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains('\u{fffd}'));
        if rows.iter().flatten().any(is_replaced) {
            let in_bytes = self.rows(&select(table, after, limit, true)).await?;
            for (value, bytes) in rows.iter_mut().flatten().zip(in_bytes.into_iter().flatten()) {
                if is_replaced(value) {
                    *value = bytes;
                }
            }
        }
        Ok(rows)
    }

    /// Reads as the run itself would.
    async fn rows(&mut self, sql: &str) -> Result<Rows, Problem> {
        let statements = split(sql)?.into_iter().map(|statement| BoundStatement { statement, params: Vec::new() }).collect();
        let call = SqlCall { statements, shape: RowShape::Arrays };
        let done = match self.world.read_base(self.dry, self.store, &call).await? {
            Some(done) => done,
            None => self.world.in_shadow(self.store, &call).await?,
        };
        if !done.plan.is_empty() {
            self.plan = done.plan;
        }
        let Answer::Result { result, .. } = done.answer else { return Err(Problem::internal()) };
        let mut answers: Vec<Answered> = serde_json::from_str(&result).map_err(|_| d1::unread(self.store))?;
        Ok(answers.pop().map(|answer| answer.results.rows).unwrap_or_default())
    }
}

impl After {
    fn then(self, order: &Order, rows: &Rows) -> Self {
        match (order, self) {
            (Order::Rowid(_), _) => rows.last().and_then(|row| row.first().cloned().flatten()).map_or(Self::Nothing, Self::Rowid),
            (Order::Key(_), Self::Rows(count)) => Self::Rows(count + rows.len()),
            (Order::Key(_), _) => Self::Rows(rows.len()),
        }
    }
}

fn select(table: &Table, after: &After, limit: usize, in_bytes: bool) -> String {
    let cells: Vec<String> = table.columns.iter().map(|column| written(&identifier(column), in_bytes)).collect();
    let (first, order) = match &table.order {
        Order::Rowid(alias) => (format!("CAST({alias} AS TEXT)"), (*alias).to_owned()),
        Order::Key(columns) => ("NULL".to_owned(), columns.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ")),
    };
    let (place, offset) = match after {
        After::Nothing => (String::new(), String::new()),
        After::Rowid(rowid) => (format!("WHERE {order} > {rowid}"), String::new()),
        After::Rows(count) => (String::new(), format!(" OFFSET {count}")),
    };
    format!("SELECT {first}, {} FROM {} {place} ORDER BY {order} LIMIT {limit}{offset}", cells.join(", "), identifier(&table.name))
}

/// A value as a literal. `quote` ends a text at its first NUL.
fn written(column: &str, in_bytes: bool) -> String {
    let unfit = if in_bytes { String::new() } else { format!(" AND instr({column}, char(0)) > 0") };
    format!("CASE WHEN typeof({column}) = 'text'{unfit} THEN 'CAST(X''' || hex({column}) || ''' AS TEXT)' ELSE quote({column}) END")
}

fn put(file: &mut Writer<'_>, text: &str) -> Result<(), Problem> {
    file.write(text.as_bytes())?;
    if file.has_all() {
        return Ok(());
    }
    Err(Problem::new(
        Code::BodyTooLarge,
        "The export is larger than what the run may still keep (OVERLAY_MAX_BYTES); nothing was exported.",
        "Export fewer tables at a time, or have an operator raise OVERLAY_MAX_BYTES.",
    ))
}
