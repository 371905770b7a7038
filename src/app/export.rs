//! Writing a database down as SQL: exact for every value, in an order that imports.

use crate::domain::dump::{
    After, COUNTERS, FOREIGN_KEYS, KEYS, OBJECTS, Outline, Pieces, References, Row, Rows, Table, Value, Wanted,
};
use crate::domain::limits::MAX_PAGE;
use crate::domain::refusal::Problem;

/// The database, as the run sees it.
#[expect(async_fn_in_trait, reason = "a Worker has one thread, so no future needs to be Send")]
pub trait Source {
    /// The rows of one SELECT. Every value is text or NULL.
    async fn rows(&mut self, sql: &str) -> Result<Rows, Problem>;
}

/// Where the text goes.
pub trait Sink {
    /// Adds text, or says that there is no room for it.
    fn put(&mut self, text: &str) -> Result<(), Problem>;
}

/// About so many bytes are asked for at once.
const PAGE_BYTES: usize = 1 << 20;
/// Rows of the first page: nothing is known of their length, and each may have 2 MB.
const FIRST_ROWS: usize = 8;

/// Writes a database down.
///
/// # Errors
/// What the source or the sink says, and what an export cannot hold.
pub async fn write_down(source: &mut impl Source, wanted: &Wanted<'_>, sink: &mut impl Sink) -> Result<(), Problem> {
    let objects = source.rows(OBJECTS).await?;
    let references = if Outline::has_references(&objects) {
        References::read(source.rows(FOREIGN_KEYS).await?, source.rows(KEYS).await?)
    } else {
        References::default()
    };
    let outline = Outline::read(objects, &references, wanted)?;
    let mut pieces = outline.pieces();
    sink.put(&outline.before)?;
    for name in &outline.tables {
        table(source, name, &mut pieces, sink).await?;
    }
    if outline.counts() {
        sink.put(&outline.counters(&source.rows(COUNTERS).await?))?;
    }
    sink.put(&pieces.dropped())?;
    sink.put(&outline.after)
}

async fn table(source: &mut impl Source, name: &str, pieces: &mut Pieces, sink: &mut impl Sink) -> Result<(), Problem> {
    let [columns, kinds] = Table::questions(name);
    let table = Table::read(name, source.rows(&columns).await?, &source.rows(&kinds).await?)?;
    let (mut limit, mut after, mut last) = (FIRST_ROWS, After::Nothing, None);
    loop {
        let rows = page(source, &table, &after, limit).await?;
        let (count, mut bytes) = (rows.len(), 0);
        after = table.after(after, &rows);
        for row in rows {
            let values = values(source, &table, &row).await?;
            let text = table.insert(last.as_ref(), &row, values, pieces);
            bytes += text.len();
            sink.put(&text)?;
            last = Some(row);
        }
        if count < limit {
            return Ok(());
        }
        let fitting = PAGE_BYTES.saturating_mul(count) / bytes.max(1);
        limit = fitting.clamp(1, (limit * 8).min(usize::try_from(MAX_PAGE).unwrap_or(usize::MAX)));
    }
}

async fn page(source: &mut impl Source, table: &Table, after: &After, limit: usize) -> Result<Vec<Row>, Problem> {
    let mut rows = source.rows(&table.page(after, limit, false)).await?;
    // Text that is not UTF-8 arrives with its broken characters replaced.
    let is_replaced = |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains('\u{fffd}'));
    if rows.iter().flatten().any(is_replaced) {
        let in_bytes = source.rows(&table.page(after, limit, true)).await?;
        for (value, bytes) in rows.iter_mut().flatten().zip(in_bytes.into_iter().flatten()) {
            if is_replaced(value) {
                *value = bytes;
            }
        }
    }
    Ok(table.rows(after, rows))
}

async fn values(source: &mut impl Source, table: &Table, row: &Row) -> Result<Vec<Value>, Problem> {
    let mut values = Vec::with_capacity(row.cells.len());
    for value in table.values(row) {
        let mut bytes = Vec::new();
        while let Some(question) = value.question(bytes.len()) {
            let answer = source.rows(&question).await?.pop().and_then(|row| row.into_iter().next()).flatten();
            // A row that is gone meanwhile must not become an empty value.
            let piece = hex::decode(answer.ok_or_else(changed)?).map_err(Problem::broken)?;
            bytes.extend_from_slice(&piece);
            if Value::is_last(piece.len()) {
                break;
            }
        }
        values.push(value.with(bytes));
    }
    Ok(values)
}

fn changed() -> Problem {
    Problem::new(
        crate::domain::refusal::Code::StoreUnavailable,
        "Rows were removed while they were exported; nothing was exported.",
        "Export again.",
    )
}

#[cfg(test)]
mod tests;
