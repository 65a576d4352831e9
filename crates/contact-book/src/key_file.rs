//! The identity key in a file: `identity.key`, which only its owner may read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use trust::IdentityKey;
use zeroize::Zeroizing;

use crate::folder;
use crate::key_text;

pub(crate) const KEY_FILE: &str = "identity.key";

/// What is in the place of the key.
pub(crate) enum KeyFile {
    Absent,
    Found(IdentityKey, Privacy),
    /// A file, but no key in it.
    Damaged,
    /// Nobody knows what is in it.
    Unreadable(io::Error),
}

/// Who could read the file when it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privacy {
    Owner,
    /// Others too; repaired.
    Others,
}

pub(crate) fn read(path: &Path) -> KeyFile {
    match read_existing(path) {
        Ok((text, privacy)) => {
            let key = std::str::from_utf8(&text).ok().and_then(key_text::read);
            key.map_or(KeyFile::Damaged, |key| KeyFile::Found(key, privacy))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => KeyFile::Absent,
        Err(error) => KeyFile::Unreadable(error),
    }
}

fn read_existing(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Privacy)> {
    /// More than a key and its end of line; whoever puts more here put no key.
    const LIMIT: usize = 2 * key_text::TEXT_BYTES;
    let file = File::open(path)?;
    let privacy = make_private(&file)?;
    let mut text = Zeroizing::new(Vec::with_capacity(LIMIT));
    file.take(LIMIT as u64).read_to_end(&mut text)?;
    Ok((text, privacy))
}

#[cfg(unix)]
fn make_private(file: &File) -> io::Result<Privacy> {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    if file.metadata()?.permissions().mode() & 0o077 == 0 {
        return Ok(Privacy::Owner);
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(Privacy::Others)
}

#[cfg(not(unix))]
fn make_private(_: &File) -> io::Result<Privacy> {
    Ok(Privacy::Owner)
}

/// Puts a key in the place of what is there. A crash leaves the old or the new.
pub(crate) fn write(path: &Path, key: &IdentityKey) -> io::Result<()> {
    let new = folder::with_suffix(path, ".new");
    folder::remove_leftover(&new)?;
    let mut line = Zeroizing::new(Vec::with_capacity(key_text::TEXT_BYTES + 1));
    line.extend_from_slice(key_text::write(key).as_bytes());
    line.push(b'\n');
    folder::write_new(&new, &line)?;
    folder::rename(&new, path)
}

/// Copies a key to where it stays after it is replaced.
pub(crate) fn keep_copy(path: &Path) -> io::Result<PathBuf> {
    let (text, _) = read_existing(path)?;
    let aside = folder::aside(path, "old")?;
    folder::write_new(&aside, &text)?;
    Ok(aside)
}

/// Moves away what is no key.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = folder::aside(path, "damaged")?;
    folder::rename(path, &aside)?;
    Ok(aside)
}
