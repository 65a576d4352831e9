//! Opens `people.db` so that nothing in it is ever lost: a newer one is left alone, a damaged one moved aside, an
//! older one copied before it is migrated.
//!
//! In: the folder, under its lock. Out: a connection, and what a person should know.
//!
//! The journal is SQLite's rollback journal, not WAL: the book is one file that can be copied and moved aside, it
//! works on folders shared over a network, and a write a minute needs no speed. Every write is one transaction that
//! is on the disk when the call returns. Other processes may have the same book open: they wait for each other.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::folder;
use crate::notice::Notice;
use crate::schema;

const BOOK_FILE: &str = "people.db";
/// How long a statement waits for another process.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// A database that is not opened.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it is of a newer version")]
    Newer,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    Sqlite(rusqlite::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            Some(_) | None => Self::Sqlite(error),
        }
    }
}

/// The book's path in a folder.
pub(crate) fn path_in(folder: &Path) -> PathBuf {
    folder.join(BOOK_FILE)
}

/// Whether a damaged book was ever moved aside here.
pub(crate) fn was_damaged(folder: &Path) -> bool {
    folder::with_suffix(&path_in(folder), ".damaged-1").exists()
}

/// The book of a folder; none when it cannot be used now, with the reason among the notices.
pub(crate) fn open(folder: &Path, notices: &mut Vec<Notice>) -> Option<Connection> {
    let path = path_in(folder);
    let opened = match open_or_create(&path) {
        Err(Refusal::Damaged(why)) => {
            tracing::warn!(%why, "the contacts are damaged");
            start_over(&path, notices)
        }
        other => other,
    };
    match opened {
        Ok(db) => Some(db),
        Err(Refusal::Newer) => {
            notices.push(Notice::NewerBook);
            None
        }
        Err(refusal) => {
            let why = refusal.to_string();
            notices.push(Notice::BookUnavailable { path, why });
            None
        }
    }
}

/// A book that is gone with the process.
pub(crate) fn in_memory() -> rusqlite::Result<Connection> {
    let db = Connection::open_in_memory()?;
    configure(&db)?;
    schema::build(&db)?;
    Ok(db)
}

fn open_or_create(path: &Path) -> Result<Connection, Refusal> {
    match path.symlink_metadata() {
        Ok(_) => open_existing(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(error.into()),
    }
}

/// Built under another name, so that a file of the right name is always whole, and an empty one is damage.
fn create(path: &Path) -> Result<Connection, Refusal> {
    let new = folder::with_suffix(path, ".new");
    // A journal without its book is worth nothing, and would be played into the new one.
    for suffix in ["-journal", "-wal", "-shm"] {
        folder::remove_leftover(&folder::with_suffix(path, suffix))?;
        folder::remove_leftover(&folder::with_suffix(&new, suffix))?;
    }
    folder::remove_leftover(&new)?;
    // SQLite would make it readable for everybody; its journal takes over the mode of the file.
    folder::write_new(&new, &[])?;
    let db = connect(&new)?;
    schema::build(&db)?;
    db.close().map_err(|(_, error)| error)?;
    folder::rename(&new, path)?;
    connect(path)
}

fn open_existing(path: &Path) -> Result<Connection, Refusal> {
    if path.metadata()?.len() == 0 {
        // SQLite would take it for a new one.
        return Err(Refusal::Damaged("it is empty".to_owned()));
    }
    let db = connect(path)?;
    let version = schema::version(&db)?;
    if version == 0 {
        return Err(Refusal::Damaged("it is no contact book".to_owned()));
    }
    if version > schema::LATEST {
        return Err(Refusal::Newer);
    }
    let verdict: String = db.query_one("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Refusal::Damaged(verdict));
    }
    for from in version..schema::LATEST {
        keep_copy(&db, path, from)?;
        schema::step(&db, from)?;
    }
    schema::probe(&db).map_err(|error| Refusal::Damaged(error.to_string()))?;
    Ok(db)
}

fn connect(path: &Path) -> Result<Connection, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    configure(&db)?;
    Ok(db)
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_LIMIT)?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // Who was removed is gone from the file too.
    db.pragma_update(None, "secure_delete", true)?;
    db.pragma_update(None, "trusted_schema", false)
}

fn keep_copy(db: &Connection, path: &Path, version: usize) -> Result<(), Refusal> {
    let copy = folder::with_suffix(path, &format!(".version-{version}"));
    let new = folder::with_suffix(&copy, ".new");
    folder::remove_leftover(&new)?;
    folder::write_new(&new, &[])?;
    let name = new
        .to_str()
        .ok_or_else(|| io::Error::other("the folder's name is no text"))?;
    db.execute("VACUUM INTO ?1", [name])?;
    std::fs::OpenOptions::new().write(true).open(&new)?.sync_all()?;
    folder::rename(&new, &copy)?;
    Ok(())
}

fn start_over(path: &Path, notices: &mut Vec<Notice>) -> Result<Connection, Refusal> {
    let aside = folder::aside(path, "damaged")?;
    // The journals first: left behind, they would be played into the new book.
    for suffix in ["-journal", "-wal", "-shm"] {
        match folder::rename(&folder::with_suffix(path, suffix), &folder::with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    folder::rename(path, &aside)?;
    notices.push(Notice::DamagedBook(aside));
    create(path)
}
