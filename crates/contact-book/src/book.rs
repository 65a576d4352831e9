//! People we were in a call with, and calls we missed.
//!
//! In: what happens in calls, with the time. Out: contacts, by name. Every change is one transaction and on the disk
//! when the call returns; another process with the same book sees it at once.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use trust::PublicKey;

use crate::contact::{
    Contact, MAX_CONTACTS, MAX_MISSED_CALLS, MAX_NAME_CHARS, MAX_SERVER_BYTES, MAX_SERVERS, MissedCall, Verification,
};
use crate::database;

const CONTACT: &str = "SELECT key, name, their_name, first_seen, last_seen, calls, verified, verified_at FROM contacts";

/// What a person is told when the book cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Removed meanwhile, or never met.
    #[error("This person is not among your contacts.")]
    NoSuchContact,
    /// Nobody may be dropped for somebody new.
    #[error(
        "Your contact list is full: {} people, all of them verified. Remove somebody to make room.",
        MAX_CONTACTS
    )]
    Full,
    /// The database says no: the disk is full or gone, or another process does not let go.
    #[error("Your contacts could not be read or saved: {0}")]
    Database(#[from] rusqlite::Error),
}

/// The contacts and missed calls of a profile.
#[derive(Debug)]
pub struct ContactBook {
    pub(crate) db: Connection,
}

impl ContactBook {
    pub(crate) fn new(db: Connection) -> Self {
        Self { db }
    }

    pub(crate) fn in_memory() -> Result<Self, BookError> {
        Ok(Self::new(database::in_memory()?))
    }

    /// Everybody, by our name for them (capital letters make no difference), at most [`MAX_CONTACTS`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn contacts(&self) -> Result<Vec<Contact>, BookError> {
        // One look at both tables, so that nobody changes one in between.
        let look = self.db.unchecked_transaction()?;
        let mut servers = HashMap::<PublicKey, Vec<String>>::new();
        let mut statement = look.prepare_cached("SELECT contact, address FROM servers ORDER BY contact, position")?;
        for pair in statement.query_map([], |row| Ok((public_key(row, 0)?, row.get(1)?)))? {
            let (key, address) = pair?;
            servers.entry(key).or_default().push(address);
        }
        let mut statement = look.prepare_cached(CONTACT)?;
        let read = statement.query_map([], |row| {
            let servers = servers.remove(&public_key(row, 0)?).unwrap_or_default();
            contact(row, servers)
        })?;
        let mut contacts = read.collect::<Result<Vec<_>, _>>()?;
        contacts.sort_by_cached_key(|contact| (contact.name.to_lowercase(), contact.key));
        Ok(contacts)
    }

    /// Somebody, if we have met.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn contact(&self, key: &PublicKey) -> Result<Option<Contact>, BookError> {
        let look = self.db.unchecked_transaction()?;
        find(&look, key)
    }

    /// A call with somebody: counts it, and makes them a contact if they are none. Our name for them is what they
    /// call themselves, but only then. Without servers, the ones we know stay. Gives the contact as it is now.
    ///
    /// # Errors
    /// When there is no room for somebody new ([`BookError::Full`]), or the database cannot be written.
    pub fn met(
        &self,
        key: &PublicKey,
        their_name: &str,
        servers: &[String],
        now_unix_s: u64,
    ) -> Result<Contact, BookError> {
        let name = bounded(their_name);
        let now = seconds(now_unix_s);
        let change = self.change()?;
        let known = change.execute(
            "UPDATE contacts SET their_name = ?2, last_seen = ?3, calls = min(calls + 1, 4294967295) WHERE key = ?1",
            params![key.0, name, now],
        )?;
        if known == 0 {
            make_room(&change)?;
            change.execute(
                "INSERT INTO contacts (key, name, their_name, first_seen, last_seen, calls, verified, verified_at)
                 VALUES (?1, ?2, ?2, ?3, ?3, 1, 0, 0)",
                params![key.0, name, now],
            )?;
        }
        replace_servers(&change, key, servers)?;
        let contact = find(&change, key)?.ok_or(BookError::NoSuchContact)?;
        change.commit()?;
        Ok(contact)
    }

    /// Notes how we made sure that the key is theirs. Never takes back what is worth more: a link changes nothing
    /// about compared symbols. The same again moves the date.
    ///
    /// # Errors
    /// When they are no contact, or the database cannot be written.
    pub fn mark_verified(&self, key: &PublicKey, verification: Verification) -> Result<(), BookError> {
        let change = self.change()?;
        find(&change, key)?.ok_or(BookError::NoSuchContact)?;
        change.execute(
            "UPDATE contacts SET verified = ?2, verified_at = ?3 WHERE key = ?1 AND verified <= ?2",
            params![key.0, verification.rank(), seconds(verification.at_unix_s())],
        )?;
        Ok(change.commit()?)
    }

    /// Gives somebody another name on this computer.
    ///
    /// # Errors
    /// When they are no contact, or the database cannot be written.
    pub fn rename(&self, key: &PublicKey, name: &str) -> Result<(), BookError> {
        let sql = "UPDATE contacts SET name = ?2 WHERE key = ?1";
        match self.db.execute(sql, params![key.0, bounded(name)])? {
            0 => Err(BookError::NoSuchContact),
            _ => Ok(()),
        }
    }

    /// Forgets somebody, and where they can be rung. Whoever is no contact already is gone.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn remove(&self, key: &PublicKey) -> Result<(), BookError> {
        self.db.execute("DELETE FROM contacts WHERE key = ?1", [key.0])?;
        Ok(())
    }

    /// Notes a call that nobody answered; beyond [`MAX_MISSED_CALLS`] the oldest goes.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn add_missed(&self, key: &PublicKey, name: &str, at_unix_s: u64) -> Result<(), BookError> {
        let change = self.change()?;
        change.execute(
            "INSERT INTO missed (key, name, at) VALUES (?1, ?2, ?3)",
            params![key.0, bounded(name), seconds(at_unix_s)],
        )?;
        let sql = "DELETE FROM missed WHERE id NOT IN (SELECT id FROM missed ORDER BY at DESC, id DESC LIMIT ?1)";
        change.execute(sql, [count(MAX_MISSED_CALLS)])?;
        Ok(change.commit()?)
    }

    /// Calls that nobody answered, newest first, at most [`MAX_MISSED_CALLS`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn missed(&self) -> Result<Vec<MissedCall>, BookError> {
        let mut statement = self
            .db
            .prepare_cached("SELECT key, name, at FROM missed ORDER BY at DESC, id DESC")?;
        let read = statement.query_map([], |row| {
            Ok(MissedCall {
                key: public_key(row, 0)?,
                name: row.get(1)?,
                at_unix_s: unix_s(row, 2)?,
            })
        })?;
        Ok(read.collect::<Result<_, _>>()?)
    }

    /// Forgets all missed calls.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn clear_missed(&self) -> Result<(), BookError> {
        self.db.execute("DELETE FROM missed", [])?;
        Ok(())
    }

    /// Takes the right to write at once: who reads first and writes later may be told to begin again.
    fn change(&self) -> Result<Transaction<'_>, BookError> {
        Ok(Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?)
    }
}

fn find(db: &Connection, key: &PublicKey) -> Result<Option<Contact>, BookError> {
    let sql = "SELECT address FROM servers WHERE contact = ?1 ORDER BY position";
    let mut statement = db.prepare_cached(sql)?;
    let servers = statement
        .query_map([key.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut statement = db.prepare_cached(&format!("{CONTACT} WHERE key = ?1"))?;
    Ok(statement.query_one([key.0], |row| contact(row, servers)).optional()?)
}

/// Drops who is worth least, if one more would be too many.
fn make_room(change: &Connection) -> Result<(), BookError> {
    let contacts: i64 = change.query_one("SELECT count(*) FROM contacts", [], |row| row.get(0))?;
    if contacts < count(MAX_CONTACTS) {
        return Ok(());
    }
    let dropped = change.execute(
        "DELETE FROM contacts WHERE key =
         (SELECT key FROM contacts WHERE verified < 2 ORDER BY verified, last_seen, key LIMIT 1)",
        [],
    )?;
    if dropped == 0 { Err(BookError::Full) } else { Ok(()) }
}

fn replace_servers(change: &Connection, key: &PublicKey, servers: &[String]) -> Result<(), BookError> {
    let usable = servers.iter().filter(|server| server.len() <= MAX_SERVER_BYTES);
    let usable: Vec<_> = usable.take(MAX_SERVERS).collect();
    if usable.is_empty() {
        return Ok(());
    }
    change.execute("DELETE FROM servers WHERE contact = ?1", [key.0])?;
    for (position, server) in usable.into_iter().enumerate() {
        let sql = "INSERT INTO servers (contact, position, address) VALUES (?1, ?2, ?3)";
        change.execute(sql, params![key.0, count(position), server])?;
    }
    Ok(())
}

fn contact(row: &Row<'_>, servers: Vec<String>) -> rusqlite::Result<Contact> {
    Ok(Contact {
        key: public_key(row, 0)?,
        name: row.get(1)?,
        their_name: row.get(2)?,
        first_seen_unix_s: unix_s(row, 3)?,
        last_seen_unix_s: unix_s(row, 4)?,
        calls: row.get(5)?,
        verified: Verification::from_rank(row.get(6)?, unix_s(row, 7)?),
        servers,
    })
}

pub(crate) fn public_key(row: &Row<'_>, column: usize) -> rusqlite::Result<PublicKey> {
    row.get(column).map(PublicKey)
}

/// The table's CHECK lets no negative time in.
fn unix_s(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(i64::unsigned_abs)
}

/// SQLite's whole numbers end at 2^63: so does time.
fn seconds(unix_s: u64) -> i64 {
    i64::try_from(unix_s).unwrap_or(i64::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn bounded(name: &str) -> &str {
    name.char_indices()
        .nth(MAX_NAME_CHARS)
        .map_or(name, |(end, _)| &name[..end])
}
