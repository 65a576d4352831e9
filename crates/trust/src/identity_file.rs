//! The identity as a file to keep or to take to another device: key, name and passphrase in, a file's bytes out, and
//! back.
//!
//! The file is a plain age file (age-encryption.org/v1) in its text form, locked by a passphrase: `age --decrypt` opens
//! it without us. Inside is one line of JSON. The age crate takes its random numbers from the system and not from an
//! [`crate::Entropy`], so the same identity gives another file each time.

use std::fmt;
use std::io::Read;
use std::iter;

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, scrypt};
use serde::{Deserialize, Serialize};
use signaling_protocol::Blob;
use zeroize::Zeroizing;

use crate::identity::{IdentityKey, KEY_BYTES};

/// Longest file that is looked at, bytes.
pub const MAX_FILE_BYTES: usize = 64 * 1024;
/// Shortest passphrase that a file is locked with, characters. The file may lie anywhere for years.
pub const MIN_PASSPHRASE_CHARACTERS: usize = 8;
/// What locking costs: 2 to this power rounds of scrypt, each a kilobyte of memory. Well below a second on a computer
/// of these years.
pub const WORK_FACTOR: u8 = 17;
/// What unlocking may cost at most: half a gigabyte and a few seconds. Other programs choose 18.
pub const MAX_WORK_FACTOR: u8 = 19;

/// What is kept of a name, characters.
pub const MAX_NAME_CHARACTERS: usize = 1024;

const FORMAT: &str = "visavis-identity";
const VERSION: u32 = 1;
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const BINARY: &[u8] = b"age-encryption.org/";

/// Why there is no file, or no identity in it. The sentences are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFileError {
    /// Some other file.
    #[error("This is not a Visavis identity file.")]
    NotAnIdentityFile,
    /// The passphrase does not open it; a file damaged in the wrong place looks the same.
    #[error("The passphrase does not open this file.")]
    WrongPassphrase,
    /// Made by a version that we do not know.
    #[error("This file was made by a newer Visavis: update yours, then import it again.")]
    Newer,
    /// It was a file of ours.
    #[error("This identity file is damaged: take another copy of it.")]
    Damaged,
    /// Unlocking it would take more than [`MAX_WORK_FACTOR`].
    #[error("This file takes so much work to open that it was not made by Visavis.")]
    TooMuchWork,
    /// Nothing to lock a file with.
    #[error("A passphrase has at least {MIN_PASSPHRASE_CHARACTERS} characters.")]
    PassphraseTooShort,
}

/// What is inside. The field `format` comes first, so that whoever opens the file by hand sees what it is.
#[derive(Serialize, Deserialize)]
struct Contents {
    format: String,
    version: u32,
    name: String,
    private_key: Blob,
}

/// What every version has, now and later.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

/// The file, with the name its owner goes by. Takes a good part of a second: not for the thread that draws.
///
/// # Errors
/// [`IdentityFileError::PassphraseTooShort`].
pub fn export(identity: &IdentityKey, name: &str, passphrase: &str) -> Result<Vec<u8>, IdentityFileError> {
    export_with_work(identity, name, passphrase, WORK_FACTOR)
}

/// The same with another work factor from 1 to [`MAX_WORK_FACTOR`], so that a test need not wait.
///
/// # Errors
/// As [`export`].
pub fn export_with_work(
    identity: &IdentityKey,
    name: &str,
    passphrase: &str,
    work_factor: u8,
) -> Result<Vec<u8>, IdentityFileError> {
    if passphrase.chars().count() < MIN_PASSPHRASE_CHARACTERS {
        return Err(IdentityFileError::PassphraseTooShort);
    }
    let contents = Contents {
        format: FORMAT.to_owned(),
        version: VERSION,
        name: name.chars().take(MAX_NAME_CHARACTERS).collect(),
        private_key: Blob(identity.to_bytes().to_vec()),
    };
    let plain = serde_json::to_vec(&contents).map(Zeroizing::new);
    let plain = plain.expect("strings and a number are always JSON");
    drop(Zeroizing::new(contents.private_key.0));
    let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase));
    recipient.set_work_factor(work_factor.clamp(1, MAX_WORK_FACTOR));
    let file = age::encrypt_and_armor(&recipient, &plain);
    Ok(file.expect("one passphrase, and memory to write to").into_bytes())
}

/// The identity in a file, and the name its owner went by, which is a label like every name. Takes as long as
/// [`export`], or a few seconds with a file that somebody else has made.
///
/// # Errors
/// Says what is wrong with the file. Nothing has happened then.
pub fn import(bytes: &[u8], passphrase: &str) -> Result<(IdentityKey, String), IdentityFileError> {
    import_with_work(bytes, passphrase, MAX_WORK_FACTOR)
}

fn import_with_work(
    bytes: &[u8],
    passphrase: &str,
    max_work_factor: u8,
) -> Result<(IdentityKey, String), IdentityFileError> {
    let file = clean(bytes)?;
    let decryptor =
        Decryptor::new_buffered(age::armor::ArmoredReader::new(file.as_slice())).map_err(|error| refusal(&error))?;
    if !decryptor.is_scrypt() {
        return Err(IdentityFileError::NotAnIdentityFile);
    }
    let mut identity = scrypt::Identity::new(SecretString::from(passphrase));
    identity.set_max_work_factor(max_work_factor);
    let mut reader = decryptor
        .decrypt(iter::once(&identity as &dyn age::Identity))
        .map_err(|error| refusal(&error))?;
    // What is inside is shorter than the file.
    let mut plain = Zeroizing::new(Vec::with_capacity(file.len()));
    reader.read_to_end(&mut plain).map_err(|_| IdentityFileError::Damaged)?;
    read_contents(&plain)
}

/// The file as it was before an editor, a chat or a mail program touched its ends of line.
fn clean(bytes: &[u8]) -> Result<Vec<u8>, IdentityFileError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(IdentityFileError::NotAnIdentityFile);
    }
    if bytes.starts_with(BINARY) {
        return Ok(bytes.to_vec());
    }
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii();
    if !text.starts_with(ARMOR) {
        return Err(IdentityFileError::NotAnIdentityFile);
    }
    Ok(text.iter().copied().filter(|byte| *byte != b'\r').collect())
}

fn read_contents(plain: &[u8]) -> Result<(IdentityKey, String), IdentityFileError> {
    let kind: Kind = serde_json::from_slice(plain).map_err(|_| IdentityFileError::NotAnIdentityFile)?;
    if kind.format != FORMAT {
        return Err(IdentityFileError::NotAnIdentityFile);
    }
    if kind.version > VERSION {
        return Err(IdentityFileError::Newer);
    }
    let contents: Contents = serde_json::from_slice(plain).map_err(|_| IdentityFileError::Damaged)?;
    let private = Zeroizing::new(contents.private_key.0);
    let private: &[u8; KEY_BYTES] = private.as_slice().try_into().map_err(|_| IdentityFileError::Damaged)?;
    Ok((IdentityKey::from_bytes(*private), contents.name))
}

fn refusal(error: &DecryptError) -> IdentityFileError {
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => IdentityFileError::WrongPassphrase,
        DecryptError::ExcessiveWork { .. } => IdentityFileError::TooMuchWork,
        DecryptError::NoMatchingKeys => IdentityFileError::NotAnIdentityFile,
        DecryptError::UnknownFormat => IdentityFileError::Newer,
        // The list of the age crate is open.
        _ => IdentityFileError::Damaged,
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contents(version {})", self.version)
    }
}

#[cfg(test)]
#[path = "identity_file_tests.rs"]
mod tests;
