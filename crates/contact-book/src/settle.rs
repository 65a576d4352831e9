//! Finds this device's identity key, or makes one: a file before the keyring, the keyring before a new key.
//!
//! In: the folder under its lock, the keyring, the book. Out: the key, where it is kept, notices. The one rule behind
//! all cases: while there may be a key that cannot be read now, no other one is put in its place.

use std::path::Path;

use trust::{Entropy, IdentityKey, PublicKey};

use crate::book::ContactBook;
use crate::database;
use crate::key_file::{self, KEY_FILE, KeyFile, Privacy};
use crate::key_keyring::{Keyring, KeyringTrouble};
use crate::notice::Notice;
use crate::profile::KeyStorage;
use crate::recall::{KeyPlace, KeyRecord};

pub(crate) struct Search<'a> {
    pub folder: &'a Path,
    /// None: only files are wanted.
    pub keyring: Option<&'a Keyring>,
    /// The book on the disk; none when it cannot be used.
    pub book: Option<&'a ContactBook>,
    pub entropy: &'a mut Entropy,
    pub notices: &'a mut Vec<Notice>,
}

/// What is known of the key before anybody looks for it.
enum Known {
    /// There never was one.
    Nothing,
    Recorded(KeyRecord),
    /// The book that knew is damaged, or cannot be read now.
    Forgotten,
}

/// The name of the key in the keyring: another one for every folder, so that two profiles do not clash.
pub(crate) fn keyring_name(folder: &Path) -> String {
    folder.to_string_lossy().into_owned()
}

impl Search<'_> {
    pub(crate) fn settle(mut self) -> (IdentityKey, KeyStorage) {
        let known = self.known();
        let path = self.folder.join(KEY_FILE);
        match key_file::read(&path) {
            KeyFile::Found(key, privacy) => {
                if privacy == Privacy::Others {
                    self.notices.push(Notice::KeyFileWasOpen(path));
                }
                self.found(&known, KeyPlace::File, key)
            }
            KeyFile::Absent => self.without_file(&known),
            KeyFile::Damaged => match key_file::set_aside(&path) {
                Ok(aside) => {
                    self.notices.push(Notice::DamagedKey(aside));
                    self.without_file(&known)
                }
                Err(error) => self.file_trouble(&error),
            },
            KeyFile::Unreadable(error) => self.file_trouble(&error),
        }
    }

    fn known(&mut self) -> Known {
        let Some(book) = self.book else {
            return Known::Forgotten;
        };
        match book.key_record() {
            Ok(Some(record)) => Known::Recorded(record),
            Ok(None) if database::was_damaged(self.folder) => Known::Forgotten,
            Ok(None) => Known::Nothing,
            Err(error) => {
                self.book_trouble(error.to_string());
                Known::Forgotten
            }
        }
    }

    fn without_file(&mut self, known: &Known) -> (IdentityKey, KeyStorage) {
        let name = keyring_name(self.folder);
        match known {
            Known::Recorded(KeyRecord {
                place: KeyPlace::Keyring(name),
                ..
            }) => self.read_keyring(known, name),
            Known::Recorded(KeyRecord {
                place: KeyPlace::File, ..
            })
            | Known::Nothing => self.new_key(known, &name),
            Known::Forgotten => self.after_loss(known, &name),
        }
    }

    /// The key is in the keyring, and nowhere else.
    fn read_keyring(&mut self, known: &Known, name: &str) -> (IdentityKey, KeyStorage) {
        match self.keyring.map(|keyring| keyring.read(name)) {
            Some(Ok(Some(key))) => self.found(known, KeyPlace::Keyring(name.to_owned()), key),
            Some(Ok(None)) => self.temporary(Notice::KeyMissing),
            Some(Err(trouble)) => self.locked(&trouble),
            None => self.temporary(Notice::KeyringLocked),
        }
    }

    /// Nobody knows whether there is a key; only a keyring that answers can tell.
    fn after_loss(&mut self, known: &Known, name: &str) -> (IdentityKey, KeyStorage) {
        match self.keyring.map(|keyring| keyring.read(name)) {
            Some(Ok(Some(key))) => self.found(known, KeyPlace::Keyring(name.to_owned()), key),
            Some(Err(trouble)) => self.locked(&trouble),
            // Without a book to remember it, a key that is made now could be lost from sight.
            Some(Ok(None)) if self.book.is_none() => self.temporary(Notice::KeyMissing),
            None if self.book.is_none() => self.temporary(Notice::KeyringLocked),
            Some(Ok(None)) | None => self.new_key(known, name),
        }
    }

    fn new_key(&mut self, known: &Known, name: &str) -> (IdentityKey, KeyStorage) {
        let new = self.generate();
        match self.keyring.map(|keyring| keyring.read_or_keep(name, &new)) {
            Some(Ok(key)) => self.found(known, KeyPlace::Keyring(name.to_owned()), key),
            Some(Err(trouble)) => {
                tracing::info!(%trouble, "no keyring, the key goes into a file");
                self.new_file(known, new, Some(Notice::KeyInFile(self.folder.join(KEY_FILE))))
            }
            None => self.new_file(known, new, None),
        }
    }

    /// The same key that a late keyring may still take: it must not become a second identity.
    fn new_file(&mut self, known: &Known, key: IdentityKey, notice: Option<Notice>) -> (IdentityKey, KeyStorage) {
        match key_file::write(&self.folder.join(KEY_FILE), &key) {
            Ok(()) => {
                self.notices.extend(notice);
                self.found(known, KeyPlace::File, key)
            }
            Err(error) => self.file_trouble(&error),
        }
    }

    fn found(&mut self, known: &Known, place: KeyPlace, key: IdentityKey) -> (IdentityKey, KeyStorage) {
        self.compare(known, &key.public());
        self.remember(known, &place, &key.public());
        let storage = match place {
            KeyPlace::File => KeyStorage::File(self.folder.join(KEY_FILE)),
            KeyPlace::Keyring(_) => KeyStorage::Keyring,
        };
        (key, storage)
    }

    fn compare(&mut self, known: &Known, public: &PublicKey) {
        let Known::Recorded(record) = known else {
            return;
        };
        if record.public != *public && record.next != Some(*public) {
            self.notices.push(Notice::IdentityChanged { was: record.public });
        }
    }

    fn remember(&mut self, known: &Known, place: &KeyPlace, public: &PublicKey) {
        let (Some(book), place, public) = (self.book, place.clone(), *public) else {
            return;
        };
        let record = KeyRecord {
            place,
            public,
            next: None,
        };
        if matches!(known, Known::Recorded(known) if *known == record) {
            return;
        }
        if let Err(error) = book.record_key(&record.place, &record.public) {
            self.book_trouble(error.to_string());
        }
    }

    fn generate(&mut self) -> IdentityKey {
        IdentityKey::generate(self.entropy)
    }

    fn temporary(&mut self, notice: Notice) -> (IdentityKey, KeyStorage) {
        self.notices.push(notice);
        (self.generate(), KeyStorage::Memory)
    }

    fn locked(&mut self, trouble: &KeyringTrouble) -> (IdentityKey, KeyStorage) {
        tracing::warn!(%trouble, "the identity key cannot be read");
        self.temporary(Notice::KeyringLocked)
    }

    fn file_trouble(&mut self, error: &std::io::Error) -> (IdentityKey, KeyStorage) {
        let (path, why) = (self.folder.join(KEY_FILE), error.to_string());
        self.temporary(Notice::KeyFileTrouble { path, why })
    }

    fn book_trouble(&mut self, why: String) {
        let path = database::path_in(self.folder);
        self.notices.push(Notice::BookUnavailable { path, why });
    }
}
