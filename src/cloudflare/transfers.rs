//! Files of a run on their way into or out of a database. They share the room that the run has for planned bodies.

use crate::domain::stores::d1::MAX_IMPORT_BYTES;
use md5::Md5;
use sha2::Digest as _;

use super::overlay::{self, Body, Kept, Overlay};
use super::r2::drain;
use super::run_world::RunWorld;
use super::wire::Payload;
use crate::app::message::{Direction, FetchFile};
use crate::domain::refusal::{Code, Problem};

/// The table of the files. See STORAGE.md.
pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS transfer (id TEXT PRIMARY KEY, store TEXT NOT NULL, direction TEXT \
                         NOT NULL, body INTEGER NOT NULL) WITHOUT ROWID";

impl RunWorld {
    /// Keeps a stored body as a file. The last one of this database and direction makes room for it.
    pub fn keep_file(&self, id: &str, store: &str, direction: Direction, body: u64) -> Result<(), Problem> {
        self.database.transaction(|| {
            self.drop_file(store, direction)?;
            self.database.execute("DELETE FROM transfer WHERE id = ?", &[id.into()])?;
            self.database.execute("UPDATE body SET planned = 1 WHERE id = ?", &[body.into()])?;
            self.database.execute(
                "INSERT INTO transfer (id, store, direction, body) VALUES (?, ?, ?, ?)",
                &[id.into(), store.into(), direction.as_str().into(), body.into()],
            )?;
            Ok::<_, Problem>(())
        })
    }

    /// Makes room: the last file of a database and direction goes.
    pub fn drop_file(&self, store: &str, direction: Direction) -> Result<(), Problem> {
        let old = self.database.run(
            "DELETE FROM transfer WHERE store = ? AND direction = ? RETURNING body",
            &[store.into(), direction.as_str().into()],
        )?;
        Ok(old.iter().try_for_each(|row| overlay::delete_body(&self.database, row.count(0)))?)
    }

    /// Takes in a file that was announced by its MD5.
    pub async fn receive_file(&self, id: &str, store: &str, md5: &str, payload: Payload) -> Result<(), Problem> {
        let overlay = Overlay::new(&self.database, self.settings.overlay_max_bytes);
        let mut file = overlay.begin_body()?;
        let mut digest = Md5::new();
        let mut size = 0;
        let mut take = |bytes: &[u8]| {
            digest.update(bytes);
            size += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if size > MAX_IMPORT_BYTES { Err(too_large()) } else { file.write(bytes) }
        };
        let taken = match payload {
            Payload::Bytes(bytes) => take(&bytes),
            Payload::Stream(stream) => drain(&stream, &mut take).await,
        };
        let verdict = match taken {
            Ok(()) if !file.has_all() => Err(too_large()),
            Ok(()) if hex::encode(digest.finalize()) != md5 => Err(Problem::new(
                Code::BadDigest,
                "The file that arrived is not the one that was announced: its MD5 is another; nothing was imported.",
                "Send it again.",
            )),
            taken => taken,
        };
        if let Err(problem) = verdict {
            file.discard()?;
            return Err(problem);
        }
        let Body::Stored(body) = file.finish()? else { return Err(Problem::broken("a file was not stored")) };
        self.keep_file(id, store, Direction::In, body)
    }

    /// The bytes of a file; none when it was only looked for.
    pub fn file(&self, wanted: &FetchFile) -> Result<Vec<u8>, Problem> {
        let place = [wanted.file.as_str().into(), wanted.store.as_str().into(), wanted.direction.as_str().into()];
        let rows =
            self.database.run("SELECT body FROM transfer WHERE id = ? AND store = ? AND direction = ?", &place)?;
        let row = rows.first().ok_or_else(|| {
            Problem::new(
                Code::RouteNotFound,
                "The run does not have this file, or not any more; nothing was read or written.",
                "Begin the import or export again.",
            )
        })?;
        if wanted.look {
            return Ok(Vec::new());
        }
        Overlay::new(&self.database, u64::MAX).read(&Kept::InPieces(row.count(0)), 0, u64::MAX)
    }
}

fn too_large() -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!(
            "The file is larger than the {MAX_IMPORT_BYTES} bytes of an import, or than what the run may still keep; \
             nothing was imported."
        ),
        "Split the file.",
    )
}
