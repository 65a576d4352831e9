//! Looks on while a guest records: its files are named pipes, so pictures come here the moment they are shown, and
//! nothing fills a disk.
//!
//! In: y4m from the guest, one pipe for each stretch of pictures of one size. Out: each picture to a [`Viewer`], on a
//! thread called "watch".

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};

use super::super::picture::{Comparer, Luma, Stamp};

/// How often the size of a picture may change: a recording goes on in another file each time.
const PIPES: usize = 200;
/// A picture at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Takes pictures as they are shown.
pub trait Viewer: Send + 'static {
    /// The next one.
    fn picture(&mut self, seen: Seen, luma: Vec<u8>);
}

/// A picture that was shown.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Since it was captured; none when its stamp could not be read.
    pub latency_ms: Option<u64>,
}

/// Only when they came.
impl Viewer for Vec<Seen> {
    fn picture(&mut self, seen: Seen, _: Vec<u8>) {
        self.push(seen);
    }
}

/// When they came and what they look like.
impl Viewer for (Vec<Seen>, Comparer) {
    fn picture(&mut self, seen: Seen, luma: Vec<u8>) {
        self.0.push(seen);
        self.1.add(luma, seen.width, seen.height);
    }
}

/// Between two pictures, whatever the reason: reports leave out what was meant as a pause.
pub fn longest_gap(seen: &[Seen]) -> Option<Duration> {
    seen.windows(2).map(|pair| pair[1].at - pair[0].at).max()
}

/// Whoever looks on, until `finish`.
pub struct Watch<V> {
    pipes: Arc<Vec<PathBuf>>,
    stop: Arc<AtomicBool>,
    /// Whether anything was shown yet.
    began: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<V>>,
}

impl<V: Viewer> Watch<V> {
    /// Makes the pipes in a folder, as a guest would name its recordings of `host`.
    pub fn start(folder: &Path, host: &str, viewer: V) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let name = |number: usize| match number {
            1 => folder.join(format!("{host}-camera.y4m")),
            _ => folder.join(format!("{host}-camera-{number}.y4m")),
        };
        let pipes: Vec<PathBuf> = (1..=PIPES).map(name).collect();
        for pipe in &pipes {
            make_pipe(pipe)?;
        }
        let pipes = Arc::new(pipes);
        let (stop, began) = (Arc::default(), Arc::default());
        let theirs = (Arc::clone(&pipes), Arc::clone(&stop), Arc::clone(&began));
        let thread = std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || watch(&theirs.0, &theirs.1, &theirs.2, viewer))?;
        Ok(Self {
            pipes,
            stop,
            began,
            thread,
        })
    }

    /// Whether anything was shown yet.
    pub fn began(&self) -> bool {
        self.began.load(Ordering::Relaxed)
    }

    /// When the guest has ended: the viewer, with all it has seen.
    pub fn finish(self) -> anyhow::Result<V> {
        self.stop.store(true, Ordering::Relaxed);
        // It waits for somebody who writes.
        while !self.thread.is_finished() {
            for pipe in self.pipes.iter() {
                let opened = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(pipe);
                drop(opened);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread.join().map_err(|_| anyhow!("whoever looked on panicked"))?
    }
}

fn watch<V: Viewer>(pipes: &[PathBuf], stop: &AtomicBool, began: &AtomicBool, mut viewer: V) -> anyhow::Result<V> {
    for pipe in pipes {
        let file = File::open(pipe).with_context(|| format!("{} is gone", pipe.display()))?;
        let mut pictures = match Luma::read(BufReader::with_capacity(BUFFER_BYTES, file)) {
            Ok(pictures) => pictures,
            Err(_) if stop.load(Ordering::Relaxed) => return Ok(viewer),
            Err(error) => return Err(error),
        };
        let (width, height) = (pictures.width, pictures.height);
        while let Some(luma) = pictures.next()? {
            let stamp = Stamp::read(&luma, width, height);
            let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
            let seen = Seen {
                at: Instant::now(),
                width,
                height,
                latency_ms: stamp.map(|stamp| stamp.age_ms(now_ms)),
            };
            viewer.picture(seen, luma);
            began.store(true, Ordering::Relaxed);
        }
    }
    Err(anyhow!("the picture changed its size more than {PIPES} times"))
}

fn make_pipe(path: &Path) -> anyhow::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the name ends with a zero and lives through the call.
    let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
    if made == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error()).with_context(|| format!("{} cannot be made", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn pictures_are_seen_across_files_and_the_end_needs_nobody() {
        let folder = std::env::temp_dir().join(format!("visavis-watch-{}", std::process::id()));
        let watch = Watch::start(&folder, "Host", Vec::new()).expect("started");
        for (name, height) in [("Host-camera.y4m", 36), ("Host-camera-2.y4m", 18)] {
            let mut file = File::create(folder.join(name)).expect("opened");
            let size = 64 * height;
            writeln!(file, "YUV4MPEG2 W64 H{height} F30:1").expect("written");
            for _ in 0..3 {
                file.write_all(b"FRAME\n").expect("written");
                file.write_all(&vec![80; size * 3 / 2]).expect("written");
            }
        }
        let seen = watch.finish().expect("seen");
        let heights: Vec<usize> = seen.iter().map(|seen| seen.height).collect();
        assert_eq!(heights, [36, 36, 36, 18, 18, 18]);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
