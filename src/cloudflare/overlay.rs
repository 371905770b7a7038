//! The run's own view of keys and objects: what it planned to write, kept in the run's object.
//!
//! Small things are rows; bodies are kept in chunks under a cap for the whole run. A body over the cap is described by
//! its size and digest, and reading it is refused instead of faked.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::sql::{Database, Param, SqlError, unreadable};
use crate::domain::refusal::{Code, Problem};

/// The longest row of a Durable Object is 2 MB (<https://developers.cloudflare.com/durable-objects/platform/limits/>).
const CHUNK_BYTES: usize = 1 << 20;

/// The tables of the overlay. See STORAGE.md.
pub const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS overlay (store TEXT NOT NULL, key TEXT NOT NULL, form TEXT, bytes BLOB, body INTEGER, \
     PRIMARY KEY (store, key)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS body (id INTEGER PRIMARY KEY AUTOINCREMENT, bytes INTEGER NOT NULL, planned INTEGER \
     NOT NULL)",
    "CREATE TABLE IF NOT EXISTS body_chunk (body INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL, \
     PRIMARY KEY (body, number)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY CHECK (id = 1), bytes INTEGER NOT NULL)",
];

/// A planned body.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Bytes in memory, not stored yet.
    Bytes(Vec<u8>),
    /// Stored while it streamed in.
    Stored(u64),
    /// Over the cap.
    NotKept,
}

/// A piece of the run's own view, to be stored together with the journal's line.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The store's binding.
    pub store: String,
    /// The key.
    pub key: String,
    /// The description and the body; `None` when the key is gone.
    pub entry: Option<(String, Body)>,
}

/// What the overlay says about a key.
#[derive(Debug, Clone)]
pub enum Seen<T> {
    /// The run did not touch it: ask the base.
    Untouched,
    /// The run removed it.
    Removed,
    /// The run wrote it.
    Written(T, Kept),
}

/// What is kept of a planned body.
#[derive(Debug, Clone)]
pub enum Kept {
    /// It is small and stands in the row.
    Here(Vec<u8>),
    /// It is stored in pieces.
    InPieces(u64),
    /// It is over the cap.
    Not,
}

/// The overlay of a run.
pub struct Overlay<'a> {
    database: &'a Database,
    cap: u64,
}

impl<'a> Overlay<'a> {
    /// The overlay in this database, with the cap on its bodies in bytes.
    pub fn new(database: &'a Database, cap: u64) -> Self {
        Self { database, cap }
    }

    /// What the run sees of a key by itself.
    pub fn see<T: DeserializeOwned>(&self, store: &str, key: &str) -> Result<Seen<T>, Problem> {
        let rows = self
            .database
            .run("SELECT form, bytes, body FROM overlay WHERE store = ? AND key = ?", &[store.into(), key.into()])?;
        let Some(row) = rows.first() else { return Ok(Seen::Untouched) };
        let Some(form) = row.text(0) else { return Ok(Seen::Removed) };
        let form = serde_json::from_str(&form).map_err(|error| unreadable("view", error))?;
        let kept = match (row.bytes(1), row.number(2)) {
            (Some(bytes), _) => Kept::Here(bytes),
            (None, Some(_)) => Kept::InPieces(row.count(2)),
            (None, None) => Kept::Not,
        };
        Ok(Seen::Written(form, kept))
    }

    /// Everything that the run wrote or removed under a prefix.
    pub fn under<T: DeserializeOwned>(
        &self,
        store: &str,
        prefix: &str,
    ) -> Result<BTreeMap<String, Option<T>>, Problem> {
        let rows = self.database.run(
            "SELECT key, form FROM overlay WHERE store = ? AND key >= ? ORDER BY key",
            &[store.into(), prefix.into()],
        )?;
        let mut entries = BTreeMap::new();
        for row in rows.iter() {
            let key = row.text(0).unwrap_or_default();
            if !key.starts_with(prefix) {
                break;
            }
            let form = row
                .text(1)
                .map(|form| serde_json::from_str(&form).map_err(|error| unreadable("view", error)))
                .transpose()?;
            entries.insert(key, form);
        }
        Ok(entries)
    }

    /// Whether a body of this size will still be kept.
    pub fn has_room(&self, bytes: usize) -> Result<bool, Problem> {
        Ok(used(self.database)?.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)) <= self.cap)
    }

    /// A part of a planned body.
    pub fn read(&self, kept: &Kept, offset: u64, length: u64) -> Result<Vec<u8>, Problem> {
        let body = match kept {
            Kept::Here(bytes) => return Ok(part(bytes, 0, offset, offset.saturating_add(length)).to_vec()),
            Kept::InPieces(body) => *body,
            Kept::Not => {
                return Err(Problem::new(
                    Code::BodyNotKept,
                    "This value was planned but is larger than what a dry run keeps; its size and digest are in the \
                     report.",
                    "Raise OVERLAY_MAX_BYTES, or do not read the value back in this run.",
                ));
            }
        };
        let chunk = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
        let end = offset.saturating_add(length);
        let rows = self.database.run(
            "SELECT number, bytes FROM body_chunk WHERE body = ? AND number >= ? AND number <= ? ORDER BY number",
            &[body.into(), (offset / chunk).into(), (end / chunk).into()],
        )?;
        let mut bytes = Vec::new();
        for row in rows.iter() {
            bytes.extend_from_slice(part(&row.bytes(1).unwrap_or_default(), row.count(0) * chunk, offset, end));
        }
        Ok(bytes)
    }

    /// Begins a body that streams in.
    pub fn begin_body(&self) -> Result<Writer<'a>, Problem> {
        let used = used(self.database)?;
        let row = self.database.run("INSERT INTO body (bytes, planned) VALUES (0, 0) RETURNING id", &[])?.first();
        let id = row.map(|row| row.count(0)).ok_or_else(|| unreadable("view", "a body has no id"))?;
        Ok(Writer {
            database: self.database,
            id,
            size: 0,
            room: self.cap.saturating_sub(used),
            buffer: Vec::new(),
            number: 0,
            kept: true,
        })
    }
}

/// The part of a piece, which begins at `start`, that lies between `from` and `to`.
fn part(piece: &[u8], start: u64, from: u64, to: u64) -> &[u8] {
    let index = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).min(piece.len());
    piece.get(index(from)..index(to)).unwrap_or_default()
}

/// Bytes that the run keeps. Counted as they come and go, because adding them up would take longer with every one.
fn used(database: &Database) -> Result<u64, SqlError> {
    Ok(database.run("SELECT bytes FROM kept", &[])?.first().map_or(0, |row| row.count(0)))
}

fn add(database: &Database, sign: &str, bytes: u64) -> Result<(), SqlError> {
    database.execute(
        &format!(
            "INSERT INTO kept (id, bytes) VALUES (1, {sign} ?1) ON CONFLICT (id) DO UPDATE SET bytes = bytes {sign} ?1"
        ),
        &[bytes.into()],
    )?;
    Ok(())
}

/// A body that is being stored.
pub struct Writer<'a> {
    database: &'a Database,
    id: u64,
    size: u64,
    room: u64,
    buffer: Vec<u8>,
    number: u64,
    kept: bool,
}

impl Writer<'_> {
    /// Adds bytes; over the cap they are no longer kept.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if !self.kept || length > self.room {
            self.kept = false;
            self.buffer = Vec::new();
            return Ok(());
        }
        self.room -= length;
        self.size += length;
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= CHUNK_BYTES {
            let rest = self.buffer.split_off(CHUNK_BYTES);
            let chunk = std::mem::replace(&mut self.buffer, rest);
            self.store(&chunk)?;
        }
        Ok(())
    }

    /// Whether everything so far is kept.
    pub fn has_all(&self) -> bool {
        self.kept
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn store(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        self.database.execute(
            "INSERT INTO body_chunk (body, number, bytes) VALUES (?, ?, ?)",
            &[self.id.into(), self.number.into(), Param::Bytes(chunk)],
        )?;
        self.number += 1;
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.database.execute("UPDATE body SET bytes = bytes + ? WHERE id = ?", &[length.into(), self.id.into()])?;
        Ok(add(self.database, "+", length)?)
    }

    /// The body as it can be planned.
    pub fn finish(mut self) -> Result<Body, Problem> {
        if !self.kept {
            self.discard()?;
            return Ok(Body::NotKept);
        }
        let rest = std::mem::take(&mut self.buffer);
        if !rest.is_empty() {
            self.store(&rest)?;
        }
        Ok(Body::Stored(self.id))
    }

    /// Gives the body up.
    pub fn discard(&self) -> Result<(), Problem> {
        Ok(delete_body(self.database, self.id)?)
    }
}

/// Removes what streams left behind that were cut off by a crash: bodies that no plan names.
pub fn sweep(database: &Database) -> Result<(), SqlError> {
    let left = database.run("SELECT id FROM body WHERE planned = 0", &[])?;
    left.iter().try_for_each(|row| delete_body(database, row.count(0)))
}

/// Removes a body.
pub fn delete_body(database: &Database, body: u64) -> Result<(), SqlError> {
    database.execute("DELETE FROM body_chunk WHERE body = ?", &[body.into()])?;
    let deleted = database.run("DELETE FROM body WHERE id = ? RETURNING bytes", &[body.into()])?;
    add(database, "-", deleted.first().map_or(0, |row| row.count(0)))
}

/// Longest body that stands in the row of its key.
const MAX_HERE_BYTES: usize = 64 << 10;

/// Stores a piece of the plan; runs inside the transaction that writes the journal's line.
pub fn store(database: &Database, cap: u64, planned: &Planned) -> Result<(), Problem> {
    let (store, key) = (planned.store.as_str(), planned.key.as_str());
    if let Some(old) = database
        .run("SELECT length(bytes), body FROM overlay WHERE store = ? AND key = ?", &[store.into(), key.into()])?
        .first()
    {
        add(database, "-", old.count(0))?;
        if old.number(1).is_some() {
            delete_body(database, old.count(1))?;
        }
    }
    let mut form = None;
    let (mut here, mut body) = (None, None);
    if let Some((description, bytes)) = &planned.entry {
        form = Some(description.as_str());
        match bytes {
            Body::NotKept => {}
            Body::Stored(id) => body = Some(*id),
            Body::Bytes(bytes) if bytes.len() <= MAX_HERE_BYTES => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                if used(database)?.saturating_add(length) <= cap {
                    add(database, "+", length)?;
                    here = Some(bytes.as_slice());
                }
            }
            Body::Bytes(bytes) => {
                let mut writer = Overlay::new(database, cap).begin_body()?;
                writer.write(bytes)?;
                if let Body::Stored(id) = writer.finish()? {
                    body = Some(id);
                }
            }
        }
    }
    if let Some(id) = body {
        database.execute("UPDATE body SET planned = 1 WHERE id = ?", &[id.into()])?;
    }
    let here = here.map_or(Param::Null, Param::Bytes);
    database.execute(
        "INSERT INTO overlay (store, key, form, bytes, body) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (store, key) DO UPDATE SET form = excluded.form, bytes = excluded.bytes, body = excluded.body",
        &[store.into(), key.into(), form.into(), here, body.into()],
    )?;
    Ok(())
}

/// What the run knows of its shadow of one database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowRecord {
    /// Whether any table of it is dirty: then reads have to ask it.
    pub dirty: bool,
    /// How many of its changes are in the journal.
    pub serial: u64,
    /// Rows copied.
    pub rows: u64,
    /// Bytes copied.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shadow_record_format_unchanged() {
        let record = ShadowRecord { dirty: true, serial: 1, rows: 2, bytes: 3 };
        let text = serde_json::to_string(&record).unwrap();
        let pinned = expect_test::expect![[r#"{"dirty":true,"serial":1,"rows":2,"bytes":3}"#]];
        pinned.assert_eq(&text);
        assert_eq!(serde_json::from_str::<ShadowRecord>(&text).unwrap(), record);
    }
}
