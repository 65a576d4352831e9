//! What a person should be told after a profile was opened. None of it keeps Visavis from starting.

use std::path::PathBuf;

use trust::PublicKey;

/// Something that is not as it should be, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// There is no keyring, or it is locked or late, so a new key was put in a file. Said once, when the file is made.
    #[error(
        "Visavis could not use a keyring on this computer. Your identity key is kept in the file {}, which only you can read.", .0.display()
    )]
    KeyInFile(PathBuf),
    /// Others could read the key file; now they cannot.
    #[error(
        "Other users of this computer could read your identity key in {}. That is repaired, but they may have copied it.", .0.display()
    )]
    KeyFileWasOpen(PathBuf),
    /// The key file holds no key. It was moved to this path and there is a new identity.
    #[error(
        "The file with your identity key was damaged. It is kept as {}; you have a new identity.", .0.display()
    )]
    DamagedKey(PathBuf),
    /// The key file cannot be read or written. The identity lasts until Visavis is closed.
    #[error("Your identity key in {} cannot be used ({why}). Until Visavis is closed you have a temporary identity.", path.display())]
    KeyFileTrouble {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The key is in a keyring that is locked, late or not there. The identity lasts until Visavis is closed;
    /// nothing was overwritten.
    #[error(
        "Your identity key is in the keyring, which is locked or does not answer. Until it does, you have a temporary identity."
    )]
    KeyringLocked,
    /// The keyring answers, and does not have the key that it should have. The identity lasts until Visavis is closed.
    #[error(
        "Your identity key is not in the keyring. Until it is back, or you import another one, you have a temporary identity."
    )]
    KeyMissing,
    /// The key is another one than last time.
    #[error("Your identity is not the one of last time. Your contacts will be told that your key has changed.")]
    IdentityChanged {
        /// The one of last time.
        was: PublicKey,
    },
    /// The contacts were written by a newer Visavis. They are left as they are; what is met now is forgotten.
    #[error("Your contacts were saved by a newer Visavis. They are left as they are; please update.")]
    NewerBook,
    /// The contacts could not be read. The database was moved to this path and a new one begun.
    #[error("Your contacts could not be read. They are kept as {}; a new list was begun.", .0.display())]
    DamagedBook(PathBuf),
    /// The contacts cannot be read or written now, and may well be later. What is met now is forgotten.
    #[error("Your contacts in {} cannot be used now ({why}). They are left as they are.", path.display())]
    BookUnavailable {
        /// The database.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}
