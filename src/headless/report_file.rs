//! The report on disk: never half written, whatever happens to the disk or the process.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use call_engine::Report;

/// Writes the report as one JSON object.
///
/// A file is written beside its place and then renamed, so that a reader sees the old report or the new one.
/// A place that is not a file (`/dev/stdout`, a pipe) is written to directly: renaming would replace it.
///
/// # Errors
/// In the system's words, when the disk is full or the place cannot be written. What stood there before stays.
pub fn write(path: &Path, report: &Report) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(report)?;
    json.push(b'\n');
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => fs::OpenOptions::new().write(true).open(path)?.write_all(&json),
        Ok(_) | Err(_) => replace(path, &json),
    }
}

fn replace(path: &Path, json: &[u8]) -> io::Result<()> {
    let temporary = beside(path)?;
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(json).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() && temporary.exists() {
        // The first error is the one to report; a temporary file that stays behind is harmless.
        if let Err(error) = fs::remove_file(&temporary) {
            tracing::warn!(path = %temporary.display(), %error, "a temporary report was left behind");
        }
    }
    written
}

/// `.NAME.PID.part` in the same directory, so that the rename stays on one file system.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.part", std::process::id()));
    Ok(path.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str) -> Report {
        Report {
            name: name.into(),
            ..Report::default()
        }
    }

    fn files_in(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn a_report_replaces_the_one_before_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("call.json");
        write(&path, &report("first")).expect("written");
        write(&path, &report("second")).expect("written");
        let value: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
        assert_eq!(value["name"], "second");
        assert_eq!(files_in(directory.path()), ["call.json"]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_and_no_rubbish_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let missing = directory.path().join("not-there/call.json");
        assert_eq!(
            write(&missing, &report("x")).expect_err("no directory").kind(),
            io::ErrorKind::NotFound
        );
        let occupied = directory.path().join("occupied");
        fs::create_dir(&occupied).expect("made");
        assert!(write(&occupied, &report("x")).is_err());
        assert_eq!(files_in(directory.path()), ["occupied"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error_and_is_not_replaced_by_a_file() {
        use std::os::unix::fs::FileTypeExt;
        let error = write(Path::new("/dev/full"), &report("x")).expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(fs::metadata("/dev/full").expect("there").file_type().is_char_device());
    }
}
