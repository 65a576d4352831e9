//! Recording received pictures as YUV4MPEG2, which every tool reads and nothing has to be encoded for.
//!
//! In: frames from any thread, which is never held up. Out: a file, written on a thread called "record-video". Each
//! frame is written once, in the order of arrival, at a nominal rate: what is recorded is the pictures, not their timing.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::frame::{Colour, ColourRange, VideoFrame, VideoSink};
use crate::stage::Stage;

/// The rate in the header of recordings, in frames a second.
pub const NOMINAL_FPS: u32 = 30;
/// Frames that may wait for the disk (6 MB at 1280x720). When they are full, the newest frame is dropped and counted.
const QUEUE_FRAMES: usize = 4;

/// Writes one file of pictures of one kind.
pub struct Y4mWriter {
    output: BufWriter<File>,
    fps: u32,
    kind: Option<Kind>,
}

/// What all pictures of one file have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    width: usize,
    height: usize,
    colour: Colour,
}

impl Kind {
    fn of(frame: &VideoFrame) -> Self {
        Self {
            width: frame.width(),
            height: frame.height(),
            colour: frame.colour,
        }
    }

    fn header(self, fps: u32) -> String {
        let Self { width, height, colour } = self;
        let range = match colour.range {
            ColourRange::Limited => "LIMITED",
            ColourRange::Full => "FULL",
        };
        format!("YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg XCOLORRANGE={range}\n")
    }
}

/// Whether a picture was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was.
    Yes,
    /// It has another size or other colours than the pictures before: it needs a file of its own.
    NeedsAnotherFile,
}

impl Y4mWriter {
    /// Creates the file. The header is written with the first picture, which decides the size.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, fps: u32) -> io::Result<Self> {
        Ok(Self {
            output: BufWriter::new(File::create(path)?),
            fps,
            kind: None,
        })
    }

    /// Appends a picture.
    ///
    /// # Errors
    /// When the disk is full, or gone.
    pub fn write(&mut self, frame: &VideoFrame) -> io::Result<Written> {
        let kind = Kind::of(frame);
        match self.kind {
            None => {
                self.output.write_all(kind.header(self.fps).as_bytes())?;
                self.kind = Some(kind);
            }
            Some(first) if first != kind => return Ok(Written::NeedsAnotherFile),
            Some(_) => {}
        }
        self.output.write_all(b"FRAME\n")?;
        self.output.write_all(frame.data())?;
        Ok(Written::Yes)
    }

    /// Writes out what is still buffered.
    ///
    /// # Errors
    /// When the disk is full, or gone.
    pub fn finish(mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Records every picture that is put into it, until the last handle is dropped.
///
/// When the size changes in the middle, the recording goes on in `NAME-2.y4m`, `NAME-3.y4m` and so on.
pub struct VideoRecorder {
    /// None once the recorder is being dropped.
    queue: Option<SyncSender<Arc<VideoFrame>>>,
    shared: Arc<Shared>,
    stage: Option<Stage>,
}

#[derive(Default)]
struct Shared {
    failure: Mutex<Option<String>>,
    written: AtomicU64,
    dropped: AtomicU64,
}

impl VideoRecorder {
    /// Creates the file and starts the thread that writes it.
    ///
    /// # Errors
    /// When the file cannot be created, or there is no thread to be had.
    pub fn start(path: &Path) -> io::Result<Arc<Self>> {
        let writer = Y4mWriter::create(path, NOMINAL_FPS)?;
        let (queue, frames) = sync_channel(QUEUE_FRAMES);
        let shared = Arc::new(Shared::default());
        let (path, in_thread) = (path.to_owned(), Arc::clone(&shared));
        let stage = Stage::spawn("record-video", move |_| {
            if let Err(error) = record(writer, &path, &frames, &in_thread.written) {
                let sentence = format!("the recording {} has stopped: {error}", path.display());
                tracing::warn!("{sentence}");
                *in_thread.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(sentence);
            }
        })?;
        Ok(Arc::new(Self {
            queue: Some(queue),
            shared,
            stage: Some(stage),
        }))
    }

    /// Why nothing is recorded any more, as a sentence.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let failure = self.shared.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Frames written so far.
    #[must_use]
    pub fn frames_written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Frames that were lost because the disk was too slow, or had failed.
    #[must_use]
    pub fn frames_dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl VideoSink for VideoRecorder {
    fn put(&self, frame: Arc<VideoFrame>) {
        let sent = self.queue.as_ref().map(|queue| queue.try_send(frame));
        if !matches!(sent, Some(Ok(()))) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for VideoRecorder {
    fn drop(&mut self) {
        // The thread writes what is queued, a handful of frames, and returns; then it is joined.
        self.queue = None;
        self.stage = None;
    }
}

/// The "record-video" thread: returns when the queue is closed and empty, or the disk fails.
fn record(
    mut writer: Y4mWriter,
    path: &Path,
    frames: &Receiver<Arc<VideoFrame>>,
    written: &AtomicU64,
) -> io::Result<()> {
    let mut files = 1;
    for frame in frames {
        if writer.write(&frame)? == Written::NeedsAnotherFile {
            writer.finish()?;
            files += 1;
            writer = Y4mWriter::create(&numbered(path, files), NOMINAL_FPS)?;
            writer.write(&frame)?;
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
    writer.finish()
}

/// `DIR/NAME.y4m` becomes `DIR/NAME-2.y4m`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::capture::y4m::{FrameRead, Y4mReader};
    use crate::frame::FramePool;

    fn frame(width: usize, height: usize, luma: u8) -> Arc<VideoFrame> {
        let mut frame = FramePool::new().frame(width, height, Instant::now());
        frame.planes_mut().0.fill(luma);
        Arc::new(frame)
    }

    /// Size of the pictures of a file, and the luma of each.
    fn read(path: &Path) -> (usize, usize, Vec<u8>) {
        let mut reader = Y4mReader::new(BufReader::new(File::open(path).unwrap())).unwrap();
        let mut lumas = Vec::new();
        let mut frame = FramePool::new().frame(reader.width(), reader.height(), Instant::now());
        while reader.read_frame(&mut frame).unwrap() == FrameRead::Whole {
            lumas.push(frame.y()[0]);
        }
        (reader.width(), reader.height(), lumas)
    }

    /// Waits for the recorder's thread to get so far.
    fn wait(until: impl Fn() -> bool) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !until() {
            assert!(Instant::now() < patience, "the recorder does not get on");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_is_recorded_can_be_played_and_another_size_starts_another_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("friend.camera.y4m");
        let recorder = VideoRecorder::start(&path).unwrap();
        let pictures = [(64, 48, 10), (64, 48, 20), (32, 24, 30), (64, 48, 40)];
        for (count, (width, height, luma)) in pictures.into_iter().enumerate() {
            recorder.put(frame(width, height, luma));
            wait(|| recorder.frames_written() > count as u64);
        }
        assert_eq!((recorder.frames_dropped(), recorder.failure()), (0, None));
        drop(recorder);
        assert_eq!(read(&path), (64, 48, vec![10, 20]));
        assert_eq!(read(&directory.path().join("friend.camera-2.y4m")), (32, 24, vec![30]));
        assert_eq!(read(&directory.path().join("friend.camera-3.y4m")), (64, 48, vec![40]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_frames_are_counted_as_dropped() {
        let recorder = VideoRecorder::start(Path::new("/dev/full")).unwrap();
        recorder.put(frame(640, 360, 1));
        wait(|| recorder.failure().is_some());
        let failure = recorder.failure().unwrap();
        assert!(
            failure.contains("/dev/full") && failure.contains("No space left"),
            "{failure}"
        );
        let before = recorder.frames_dropped();
        // The thread may still be on its way out, and the queue open until it is.
        wait(|| {
            recorder.put(frame(640, 360, 2));
            recorder.frames_dropped() > before
        });
    }

    #[test]
    fn a_file_that_cannot_be_created_is_refused_at_once() {
        assert!(VideoRecorder::start(Path::new("/nowhere/at/all.y4m")).is_err());
    }
}
