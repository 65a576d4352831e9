//! The folder of a profile: private to its owner, opened by one process at a time, written so that a crash leaves the
//! old or the new.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::patience::{NoResult, within};

const LOCK_FILE: &str = "profile.lock";
/// Longer than another process can take over opening: its keyring and its database have limits of their own.
const LOCK_LIMIT: Duration = Duration::from_secs(20);

/// Held while a profile is opened or its identity replaced. The system gives it back when the process ends, however
/// it ends.
pub(crate) struct FolderLock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// Why the folder cannot be had.
#[derive(Debug)]
pub(crate) enum LockFailure {
    /// Another process has it and does not get on.
    Busy,
    /// The system says no.
    Io(io::Error),
}

impl FolderLock {
    pub(crate) fn take(folder: &Path) -> Result<Self, LockFailure> {
        let mut options = private();
        options.write(true).create(true);
        let file = options.open(folder.join(LOCK_FILE)).map_err(LockFailure::Io)?;
        match within(LOCK_LIMIT, "profile-lock", move || file.lock().map(|()| file)) {
            Ok(Ok(file)) => Ok(Self(file)),
            Ok(Err(error)) | Err(NoResult::NoThread(error)) => Err(LockFailure::Io(error)),
            Err(NoResult::Late | NoResult::Panicked) => Err(LockFailure::Busy),
        }
    }
}

/// Makes the folder if need be, for its owner only, and gives its one true path.
pub(crate) fn make(folder: &Path) -> io::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    folder.canonicalize()
}

/// Options that make a file which only its owner may read, from the start.
/// On Windows the folder of the user is private already.
pub(crate) fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes a new private file; it is on the disk when this returns.
///
/// # Errors
/// Also when the file exists.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Renames, and makes sure that the new name is on the disk too.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)
}

#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Windows has no such thing, and does not need it.
#[cfg(not(unix))]
fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes what may or may not be there.
pub(crate) fn remove_leftover(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The path with something behind its name: `people.db` and `-journal` give `people.db-journal`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The first of `PATH.why-1`, `PATH.why-2` … that is free. Call it under the lock.
pub(crate) fn aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let candidate = with_suffix(path, &format!(".{why}-{number}"));
        // Not `exists`, which follows links: a dangling one would be overwritten.
        match candidate.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(candidate),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Err(io::Error::other("no name is free"))
}
