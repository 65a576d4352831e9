//! One person on one device: the identity key, and the book of contacts.
//!
//! In: a folder, and whether to use the system's keyring. Out: a [`Profile`] in any case in which the folder can be
//! used at all, with notices about what is not as it should be.

use std::io;
use std::path::{Path, PathBuf};

use trust::{Entropy, IdentityKey};

use crate::book::{BookError, ContactBook};
use crate::database;
use crate::folder::{self, FolderLock, LockFailure};
use crate::key_file::{self, KEY_FILE};
use crate::key_keyring::{Keyring, KeyringTrouble};
use crate::notice::Notice;
use crate::recall::KeyPlace;
use crate::settle::{Search, keyring_name};

/// Where a new identity key should be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStoreKind {
    /// In the system's keyring; in a file where there is none.
    #[default]
    Keyring,
    /// In a file. The keyring is never asked, so a key that is there already stays out of reach.
    File,
}

/// Where the identity key is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyStorage {
    /// In the system's keyring.
    Keyring,
    /// In this file, which only its owner may read.
    File(PathBuf),
    /// Nowhere: it is gone when Visavis is closed.
    Memory,
}

/// Why there is no profile, or the identity stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The folder cannot be made, read or written.
    #[error("The folder {} cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has been opening it for longer than that takes.
    #[error(
        "Another Visavis is busy with the folder {} and does not get on. Close it and try again.", .0.display()
    )]
    Busy(PathBuf),
    /// The key file cannot be written.
    #[error("The identity key could not be saved in {}: {source}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keyring does not help.
    #[error(transparent)]
    Keyring(#[from] KeyringTrouble),
    /// The keyring answers, but has no key of ours.
    #[error("The keyring holds no identity key of yours.")]
    NoKeyInKeyring,
    /// Without the book on the disk, nothing would remember where the new key is.
    #[error("Your contacts cannot be used now, so your identity stays as it is.")]
    NoBook,
    /// The book does not help.
    #[error(transparent)]
    Book(#[from] BookError),
}

/// Whether the book outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    OnDisk,
    ThisRun,
}

/// What stays on this computer of one person.
pub struct Profile {
    identity: IdentityKey,
    storage: KeyStorage,
    book: ContactBook,
    book_lifetime: Lifetime,
    folder: Option<PathBuf>,
    keyring: Option<Keyring>,
}

impl Profile {
    /// Opens the profile in a folder, which is made if need be; without a folder, one that is gone with the process.
    ///
    /// Waits up to 3 s for the keyring, and up to 20 s for another process that is opening the same folder. Several
    /// processes may have it open.
    ///
    /// # Errors
    /// When the folder cannot be used at all. Whatever is wrong inside it is a notice.
    pub fn open(
        folder: Option<&Path>,
        key_store: KeyStoreKind,
        entropy: &mut Entropy,
    ) -> Result<(Self, Vec<Notice>), ProfileError> {
        let keyring = match key_store {
            KeyStoreKind::Keyring => Some(Keyring::system()),
            KeyStoreKind::File => None,
        };
        match folder {
            Some(folder) => Self::open_folder(folder, keyring, entropy),
            None => Ok((Self::in_memory(entropy)?, Vec::new())),
        }
    }

    fn in_memory(entropy: &mut Entropy) -> Result<Self, ProfileError> {
        Ok(Self {
            identity: IdentityKey::generate(entropy),
            storage: KeyStorage::Memory,
            book: ContactBook::in_memory()?,
            book_lifetime: Lifetime::ThisRun,
            folder: None,
            keyring: None,
        })
    }

    fn open_folder(
        folder: &Path,
        keyring: Option<Keyring>,
        entropy: &mut Entropy,
    ) -> Result<(Self, Vec<Notice>), ProfileError> {
        let folder = folder::make(folder).map_err(|source| ProfileError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let lock = lock(&folder)?;
        let mut notices = Vec::new();
        let (book, book_lifetime) = match database::open(&folder, &mut notices) {
            Some(db) => (ContactBook::new(db), Lifetime::OnDisk),
            None => (ContactBook::in_memory()?, Lifetime::ThisRun),
        };
        let search = Search {
            folder: &folder,
            keyring: keyring.as_ref(),
            book: (book_lifetime == Lifetime::OnDisk).then_some(&book),
            entropy,
            notices: &mut notices,
        };
        let (identity, storage) = search.settle();
        drop(lock);
        let folder = Some(folder);
        let profile = Self {
            identity,
            storage,
            book,
            book_lifetime,
            folder,
            keyring,
        };
        Ok((profile, notices))
    }

    /// Who we are.
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// Where the identity key is kept.
    pub fn storage(&self) -> &KeyStorage {
        &self.storage
    }

    /// Whom we know.
    pub fn book(&self) -> &ContactBook {
        &self.book
    }

    /// Becomes somebody else: an imported identity, or a new one. The old key stays aside, in `identity.key.old-N` or
    /// under another name in the keyring. A crash at any point leaves the old or the new.
    ///
    /// It goes where the old one is; a temporary identity is replaced by one in a file, because the keyring that
    /// cannot be read may hold another one.
    ///
    /// # Errors
    /// When it cannot be kept; the old one stays in force. Only after [`ProfileError::Keyring`] may the new one be in
    /// force at the next start, because a keyring that was late may still do what it was asked.
    pub fn replace_identity(&mut self, new: IdentityKey) -> Result<(), ProfileError> {
        if let Some(folder) = &self.folder {
            if self.book_lifetime == Lifetime::ThisRun {
                return Err(ProfileError::NoBook);
            }
            let _lock = lock(folder)?;
            self.storage = match &self.storage {
                KeyStorage::Keyring => self.replace_in_keyring(&new)?,
                KeyStorage::File(_) | KeyStorage::Memory => self.replace_file(folder, &new)?,
            };
        }
        self.identity = new;
        Ok(())
    }

    fn replace_in_keyring(&self, new: &IdentityKey) -> Result<KeyStorage, ProfileError> {
        let (Some(keyring), Some(name)) = (&self.keyring, self.keyring_name()?) else {
            return Err(ProfileError::NoKeyInKeyring);
        };
        keyring.keep(&format!("{name} (old, {:?})", self.identity.public()), &self.identity)?;
        self.book.announce_key(&new.public())?;
        keyring.keep(&name, new)?;
        self.confirm(&KeyPlace::Keyring(name), new);
        Ok(KeyStorage::Keyring)
    }

    fn replace_file(&self, folder: &Path, new: &IdentityKey) -> Result<KeyStorage, ProfileError> {
        let path = folder.join(KEY_FILE);
        let failed = |source| ProfileError::KeyFile {
            path: path.clone(),
            source,
        };
        if path.symlink_metadata().is_ok() {
            let aside = key_file::keep_copy(&path).map_err(failed)?;
            tracing::info!(path = %aside.display(), "the identity before is kept");
        }
        self.book.announce_key(&new.public())?;
        key_file::write(&path, new).map_err(failed)?;
        self.confirm(&KeyPlace::File, new);
        Ok(KeyStorage::File(path))
    }

    /// The key is in its place already and was announced: should this fail, the next start puts it right.
    fn confirm(&self, place: &KeyPlace, key: &IdentityKey) {
        if let Err(error) = self.book.record_key(place, &key.public()) {
            tracing::warn!(%error, "the new identity is not recorded yet");
        }
    }

    /// Asks the keyring once more for the key that it did not give at the start, and waits up to a minute: the system
    /// may ask for a password. Does nothing unless the identity is a temporary one.
    ///
    /// # Errors
    /// When the key cannot be had; the identity stays as it was.
    pub fn ask_keyring_again(&mut self) -> Result<(), ProfileError> {
        if self.storage != KeyStorage::Memory || self.folder.is_none() {
            return Ok(());
        }
        let (Some(keyring), Some(name)) = (&self.keyring, self.keyring_name()?) else {
            return Err(ProfileError::NoKeyInKeyring);
        };
        let key = keyring.read_with_person(&name)?.ok_or(ProfileError::NoKeyInKeyring)?;
        if self.book_lifetime == Lifetime::OnDisk {
            self.book.record_key(&KeyPlace::Keyring(name), &key.public())?;
        }
        self.identity = key;
        self.storage = KeyStorage::Keyring;
        Ok(())
    }

    /// The recorded one: a folder that was moved still finds its key. None when the key is in a file.
    fn keyring_name(&self) -> Result<Option<String>, BookError> {
        Ok(match self.book.key_record()?.map(|record| record.place) {
            Some(KeyPlace::Keyring(name)) => Some(name),
            Some(KeyPlace::File) => None,
            None => self.folder.as_deref().map(keyring_name),
        })
    }
}

fn lock(folder: &Path) -> Result<FolderLock, ProfileError> {
    let path = folder.to_owned();
    FolderLock::take(folder).map_err(|failure| match failure {
        LockFailure::Busy => ProfileError::Busy(path),
        LockFailure::Io(source) => ProfileError::Folder { path, source },
    })
}

#[cfg(test)]
mod keyring_tests;
