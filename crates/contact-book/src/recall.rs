//! What the book remembers of this device's key: where it is, and its public half. Never the key itself.

use rusqlite::{OptionalExtension, params};
use trust::PublicKey;

use crate::book::{BookError, ContactBook, public_key};

/// Where the key was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    File,
    /// In the keyring, under this name.
    Keyring(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    pub place: KeyPlace,
    pub public: PublicKey,
    /// Set while the key is being replaced by this one: after a crash, either may be found.
    pub next: Option<PublicKey>,
}

impl ContactBook {
    pub(crate) fn key_record(&self) -> Result<Option<KeyRecord>, BookError> {
        let sql = "SELECT keyring_name, public, next FROM device_key WHERE only = 0";
        let record = self.db.query_one(sql, [], |row| {
            Ok(KeyRecord {
                place: row
                    .get::<_, Option<String>>(0)?
                    .map_or(KeyPlace::File, KeyPlace::Keyring),
                public: public_key(row, 1)?,
                next: row.get::<_, Option<[u8; 32]>>(2)?.map(PublicKey),
            })
        });
        Ok(record.optional()?)
    }

    /// Remembers where the key is; nothing is being replaced any more.
    pub(crate) fn record_key(&self, place: &KeyPlace, public: &PublicKey) -> Result<(), BookError> {
        let name = match place {
            KeyPlace::File => None,
            KeyPlace::Keyring(name) => Some(name),
        };
        let sql = "INSERT OR REPLACE INTO device_key (only, keyring_name, public, next) VALUES (0, ?1, ?2, NULL)";
        self.db.execute(sql, params![name, public.0])?;
        Ok(())
    }

    /// Remembers that the key is about to be replaced.
    pub(crate) fn announce_key(&self, next: &PublicKey) -> Result<(), BookError> {
        self.db.execute("UPDATE device_key SET next = ?1", [next.0])?;
        Ok(())
    }
}
