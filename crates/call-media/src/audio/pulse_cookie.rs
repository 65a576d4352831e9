//! The cookie file of PulseAudio, made where there is none: without one nothing is heard.
//!
//! A client shows 256 bytes that only the user can read. The library of PulseAudio makes the file when it does not find it
//! (`pa_client_conf_load_cookie`), so whoever has used another program has it; the client below cpal sends nothing instead,
//! and PulseAudio refuses that as a fault of the protocol, even where it asks for no cookie. PipeWire does not care.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of a cookie (`PA_NATIVE_COOKIE_LENGTH`).
const LENGTH: usize = 256;

/// Makes the file if there is none. Trouble is only logged: the sound system may not want it.
pub(super) fn ensure() {
    let places = Places {
        named: std::env::var_os("PULSE_COOKIE").map(PathBuf::from),
        home: std::env::var_os("HOME").map(PathBuf::from),
    };
    if let Err(error) = places.ensure() {
        tracing::debug!(%error, "no cookie for PulseAudio could be made");
    }
}

/// Where the file may be.
struct Places {
    named: Option<PathBuf>,
    home: Option<PathBuf>,
}

impl Places {
    fn ensure(&self) -> std::io::Result<()> {
        let Some(home) = &self.home else { return Ok(()) };
        let usual = home.join(".config/pulse/cookie");
        let fallback = home.join(".pulse-cookie");
        let known = self.named.iter().chain([&usual, &fallback]);
        if known.into_iter().any(|path| path.exists()) {
            return Ok(());
        }
        make(&usual)
    }
}

fn make(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

    let mut cookie = [0; LENGTH];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut cookie)?;
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match file {
        Ok(mut file) => file.write_all(&cookie),
        // Another program was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn places(home: &Path) -> Places {
        Places {
            named: None,
            home: Some(home.to_owned()),
        }
    }

    #[test]
    fn a_new_user_gets_a_cookie_that_nobody_else_can_read() {
        let home = tempfile::tempdir().expect("a folder");
        places(home.path()).ensure().expect("made");
        let path = home.path().join(".config/pulse/cookie");
        let first = std::fs::read(&path).expect("a cookie");
        assert_eq!(first.len(), LENGTH);
        assert!(first.iter().any(|byte| *byte != 0));
        let mode = std::fs::metadata(&path).expect("a cookie").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        places(home.path()).ensure().expect("there");
        assert_eq!(std::fs::read(&path).expect("a cookie"), first, "it stays");
    }

    #[test]
    fn a_cookie_elsewhere_is_left_alone() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join(".pulse-cookie"), [1; LENGTH]).expect("written");
        places(home.path()).ensure().expect("there");
        assert!(!home.path().join(".config").exists());
    }
}
