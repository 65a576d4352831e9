//! The tables of `people.db`, one step a version. What a step made is never changed here again: a new version is a
//! new step.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Step N makes version N + 1 of version N; the version stands in `user_version`.
const STEPS: &[&str] = &[PEOPLE, DEVICE_KEY];

/// The version this program writes.
pub(crate) const LATEST: usize = STEPS.len();

/// 1: contacts and missed calls. Times are Unix seconds, keys 32 bytes, `verified` is 0 no, 1 link, 2 symbols.
const PEOPLE: &str = "
CREATE TABLE contacts (
    key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),
    name TEXT NOT NULL,
    their_name TEXT NOT NULL,
    first_seen INTEGER NOT NULL CHECK (first_seen >= 0),
    last_seen INTEGER NOT NULL CHECK (last_seen >= 0),
    calls INTEGER NOT NULL CHECK (calls BETWEEN 0 AND 4294967295),
    verified INTEGER NOT NULL CHECK (verified BETWEEN 0 AND 2),
    verified_at INTEGER NOT NULL CHECK (verified_at >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE servers (
    contact BLOB NOT NULL REFERENCES contacts (key) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (contact, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE missed (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL CHECK (length(key) = 32),
    name TEXT NOT NULL,
    at INTEGER NOT NULL CHECK (at >= 0)
) STRICT;
";

/// 2: where this device's key is, so that a locked keyring is not taken for an empty one. `next` is set while the
/// key is being replaced.
const DEVICE_KEY: &str = "
CREATE TABLE device_key (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    keyring_name TEXT,
    public BLOB NOT NULL CHECK (length(public) = 32),
    next BLOB CHECK (length(next) = 32)
) STRICT;
";

/// Every table and column that this program uses.
const PROBES: &[&str] = &[
    "SELECT key, name, their_name, first_seen, last_seen, calls, verified, verified_at FROM contacts LIMIT 0",
    "SELECT contact, position, address FROM servers LIMIT 0",
    "SELECT id, key, name, at FROM missed LIMIT 0",
    "SELECT only, keyring_name, public, next FROM device_key LIMIT 0",
];

/// The version of a database; 0 for one that is not ours.
pub(crate) fn version(db: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(0))
}

/// Makes version `from + 1` of version `from`, whole or not at all.
pub(crate) fn step(db: &Connection, from: usize) -> rusqlite::Result<()> {
    apply(db, from, STEPS[from])
}

fn apply(db: &Connection, from: usize, step: &str) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "user_version", i64::try_from(from + 1).unwrap_or(i64::MAX))?;
    transaction.commit()
}

/// Whether everything that this program uses is there.
pub(crate) fn probe(db: &Connection) -> rusqlite::Result<()> {
    PROBES.iter().try_for_each(|sql| db.prepare(sql).map(drop))
}

/// All steps, for a database with nothing in it.
pub(crate) fn build(db: &Connection) -> rusqlite::Result<()> {
    (0..LATEST).try_for_each(|from| step(db, from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_half_way_leaves_nothing() {
        let db = Connection::open_in_memory().unwrap();
        build(&db).unwrap();
        apply(&db, LATEST, "CREATE TABLE half (x); CREATE TABLE contacts (x);").unwrap_err();
        assert_eq!(version(&db).unwrap(), LATEST);
        db.prepare("SELECT x FROM half").unwrap_err();
        apply(&db, LATEST, "CREATE TABLE whole (x);").unwrap();
        assert_eq!(version(&db).unwrap(), LATEST + 1);
    }
}
