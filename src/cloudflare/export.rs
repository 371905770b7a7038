//! A database written down as SQL: as the run sees it, exact for every value.

use serde::Deserialize;
use serde_json::json;

use super::ledger::Plan;
use super::overlay::{Body, Overlay, Writer};
use super::run_world::RunWorld;
use super::shadow::cells::{identifier, literal};
use super::wire::Content;
use super::{d1, js};
use crate::app::message::{Answer, Direction};
use crate::app::ports::Done;
use crate::domain::limits::MAX_PAGE;
use crate::domain::operation::{BoundStatement, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use crate::domain::statement::{Statement, split};

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

/// A longer value is not written as a literal in SQL, because a text there has at most 2,000,000 bytes (<https://developers.cloudflare.com/d1/platform/limits/>) and each byte may need two.
const MOST_BYTES: usize = 400_000;
/// It is fetched in pieces of this size.
const PIECE_BYTES: usize = 400_000;
/// What stands in its place; no literal begins so.
const TOO_LONG: &str = "?";

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

/// A row.
struct Row {
    rowid: Option<String>,
    /// What follows FROM to select it alone.
    place: String,
    /// Its values as literals.
    cells: Vec<String>,
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
    /// Writes a database down and keeps the file for whoever gets its address. The caller has the turn.
    pub async fn export(&self, dry: bool, store: &str, wanted: &Wanted<'_>) -> Result<Done<Content, Plan>, Problem> {
        let overlay = Overlay::new(&self.database, self.settings.overlay_max_bytes);
        self.drop_file(store, Direction::Out)?;
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
                put(file, &ended(&table.sql))?;
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
                put(file, &ended(&object.sql))?;
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
                let statement = format!("{head}{});\n", self.values(&table, row).await?.join(","));
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
        let (mut columns, mut key, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for row in found {
            let [Some(column), Some(place), Some(hidden)] = <[Option<String>; 3]>::try_from(row).unwrap_or_default() else { return Err(Problem::internal()) };
            if place != "0" {
                key.push((place.parse::<u32>().unwrap_or(u32::MAX), column.clone()));
            }
            all.push(column.to_ascii_lowercase());
            // A generated column makes its own value.
            if hidden == "0" {
                columns.push(column);
            }
        }
        key.sort();
        let free = ["rowid", "_rowid_", "oid"].into_iter().find(|alias| !all.iter().any(|column| column == alias));
        let is_without = without_rowid.first().and_then(|row| row.first()).is_some_and(|text| text.as_deref() == Some("1"));
        let order = match free {
            Some(alias) if !is_without => Order::Rowid(alias),
            // Without a name for the rowid, everything together orders the rows.
            None if !is_without => Order::Key(columns.clone()),
            _ => Order::Key(key.into_iter().map(|(_, column)| column).collect()),
        };
        Ok(Table { name: name.to_owned(), columns, order })
    }

    /// The values of a row as literals. Those that are too long for one are fetched in pieces.
    async fn values(&mut self, table: &Table, row: &Row) -> Result<Vec<String>, Problem> {
        let mut values = Vec::with_capacity(row.cells.len());
        for (cell, column) in row.cells.iter().zip(&table.columns) {
            let Some(kind) = cell.strip_prefix(TOO_LONG) else {
                values.push(cell.clone());
                continue;
            };
            let mut hex = String::new();
            loop {
                let start = hex.len() / 2 + 1;
                let sql = format!("SELECT hex(substr(CAST({} AS BLOB), {start}, {PIECE_BYTES})) FROM {} {}", identifier(column), identifier(&table.name), row.place);
                let piece = self.rows(&sql).await?.pop().and_then(|row| row.into_iter().next()).flatten().unwrap_or_default();
                hex.push_str(&piece);
                if piece.len() < PIECE_BYTES * 2 {
                    break;
                }
            }
            values.push(if kind == "text" { format!("CAST(X'{hex}' AS TEXT)") } else { format!("X'{hex}'") });
        }
        Ok(values)
    }

    /// A page of rows.
    async fn page(&mut self, table: &Table, after: &After, limit: usize) -> Result<Vec<Row>, Problem> {
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
        Ok(rows.into_iter().enumerate().map(|(at, cells)| Row::of(&table.order, after, at, cells)).collect())
    }

    /// Reads as the run itself would.
    async fn rows(&mut self, sql: &str) -> Result<Rows, Problem> {
        let statements = vec![BoundStatement { statement: Statement::of_the_gateway(sql), params: Vec::new() }];
        let call = SqlCall { statements, shape: RowShape::Arrays };
        let result = match self.world.read_base(self.dry, self.store, &call).await? {
            Some(Done { answer: Answer::Result { result, .. }, .. }) => result,
            Some(_) => return Err(Problem::internal()),
            None => {
                let (answer, record) = self.world.ask_shadow(self.store, &call).await?;
                self.plan = vec![Plan::Shadow(self.store.to_owned(), record)];
                if let Some(missing) = answer.missing.first() {
                    return Err(Problem::new(
                        Code::NotRehearsable,
                        format!("{missing} of the database is not part of the rehearsal, so an export would leave it out; nothing was exported."),
                        "Export from a run that has not written to this database.",
                    ));
                }
                answer.results
            }
        };
        let mut answers: Vec<Answered> = serde_json::from_str(&result).map_err(|_| d1::unread(self.store))?;
        Ok(answers.pop().map(|answer| answer.results.rows).unwrap_or_default())
    }
}

impl After {
    fn then(self, order: &Order, rows: &[Row]) -> Self {
        match (order, self) {
            (Order::Rowid(_), _) => rows.last().and_then(|row| row.rowid.clone()).map_or(Self::Nothing, Self::Rowid),
            (Order::Key(_), Self::Rows(count)) => Self::Rows(count + rows.len()),
            (Order::Key(_), _) => Self::Rows(rows.len()),
        }
    }
}

impl Row {
    fn of(order: &Order, after: &After, at: usize, cells: Vec<Option<String>>) -> Self {
        let mut cells: Vec<String> = cells.into_iter().map(Option::unwrap_or_default).collect();
        let Order::Rowid(alias) = order else {
            let before = if let After::Rows(count) = after { *count } else { 0 };
            return Self { rowid: None, place: format!("ORDER BY {} LIMIT 1 OFFSET {}", order.columns(), before + at), cells };
        };
        // A table of D1's most columns leaves no room for one more, so the rowid stands before the first value.
        let first = cells.first_mut().map(std::mem::take).unwrap_or_default();
        let (rowid, value) = first.split_once(' ').unwrap_or_default();
        if let Some(first) = cells.first_mut() {
            value.clone_into(first);
        }
        Self { rowid: Some(rowid.to_owned()), place: format!("WHERE {alias} = {rowid}"), cells }
    }
}

impl Order {
    fn columns(&self) -> String {
        match self {
            Self::Rowid(alias) => (*alias).to_owned(),
            Self::Key(columns) => columns.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", "),
        }
    }
}

fn select(table: &Table, after: &After, limit: usize, in_bytes: bool) -> String {
    let mut cells: Vec<String> = table.columns.iter().map(|column| written(&identifier(column), in_bytes)).collect();
    if let (Order::Rowid(alias), Some(first)) = (&table.order, cells.first_mut()) {
        *first = format!("{alias} || ' ' || {first}");
    }
    let order = table.order.columns();
    let (place, offset) = match after {
        After::Nothing => (String::new(), String::new()),
        After::Rowid(rowid) => (format!("WHERE {order} > {rowid}"), String::new()),
        After::Rows(count) => (String::new(), format!(" OFFSET {count}")),
    };
    format!("SELECT {} FROM {} {place} ORDER BY {order} LIMIT {limit}{offset}", cells.join(", "), identifier(&table.name))
}

/// A value as a literal. `quote` ends a text at its first NUL, and a byte order mark would be refused by an import.
fn written(column: &str, in_bytes: bool) -> String {
    let unfit = if in_bytes { String::new() } else { format!(" AND (instr({column}, char(0)) > 0 OR instr({column}, char(65279)) > 0)") };
    format!(
        "CASE WHEN typeof({column}) IN ('text', 'blob') AND octet_length({column}) > {MOST_BYTES} THEN '{TOO_LONG}' || typeof({column}) \
         WHEN typeof({column}) = 'text'{unfit} THEN 'CAST(X''' || hex({column}) || ''' AS TEXT)' ELSE quote({column}) END"
    )
}

/// A definition with an end that is its own: it may end in a comment.
fn ended(sql: &str) -> String {
    // A comment in asterisks may be open to the end of a definition.
    let open = matches!(split(sql), Err(problem) if problem.code == Code::AmbiguousText);
    let commented = sql.lines().next_back().is_some_and(|line| line.contains("--"));
    format!("{sql}{}{};\n", if open { "*/" } else { "" }, if commented { "\n" } else { "" })
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
