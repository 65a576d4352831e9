//! Sound into a WAV file: 48 kHz, mono, 16 bit.
//!
//! Blocks flow in on "audio" and are written by a thread of their own, "wav-writer", ten at a time: a slow disk delays
//! nobody. What does not fit into the two seconds between them is counted and lost. The header is brought up to date
//! every second, so the file can be played even when the process dies.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::devices::{DeviceError, DeviceProblem};
use crate::frame::{AudioBlock, BLOCK_SAMPLES, SAMPLE_RATE_HZ};
use crate::stage::Stage;

/// Blocks that are handed over together: 100 ms.
const CHUNK_BLOCKS: usize = 10;
/// Chunks between the threads: 2 s. When it is full, the newest chunk is dropped and counted.
const QUEUE_CHUNKS: usize = 20;
/// Chunks between two updates of the header.
const FLUSH_CHUNKS: u64 = 10;
/// Six hours: a WAV file cannot be longer than 4 GiB, and players stumble over 2.
const MAX_CHUNKS: u64 = 6 * 3_600 * 10;

const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: SAMPLE_RATE_HZ,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// How a recording goes; stays valid after it.
#[derive(Clone, Debug, Default)]
pub struct RecordingHealth {
    problem: Arc<Mutex<Option<DeviceError>>>,
    dropped_blocks: Arc<AtomicU64>,
}

impl RecordingHealth {
    /// Why nothing is written any more.
    #[must_use]
    pub fn problem(&self) -> Option<DeviceError> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Blocks of 10 ms that the disk was too slow for.
    #[must_use]
    pub fn dropped_blocks(&self) -> u64 {
        self.dropped_blocks.load(Ordering::Relaxed)
    }

    fn fail(&self, detail: String) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(DeviceError {
            problem: DeviceProblem::Unusable,
            detail,
        });
    }
}

/// A recording. Dropping it writes what is left and closes the file.
pub struct WavRecorder {
    chunk: Vec<i16>,
    /// Fields are dropped in order: closing the channel ends the thread, which the stage then joins.
    chunks: SyncSender<Vec<i16>>,
    health: RecordingHealth,
    _writer: Stage,
}

impl WavRecorder {
    /// Creates (or empties) the file.
    ///
    /// # Errors
    /// When the file cannot be created, or the system has no more threads.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = WavWriter::new(BufWriter::new(File::create(path)?), SPEC).map_err(into_io)?;
        let (chunks, incoming) = sync_channel(QUEUE_CHUNKS);
        let health = RecordingHealth::default();
        let (reports, path) = (health.clone(), path.to_owned());
        let writer = Stage::spawn("wav-writer", move |_stop| write(file, &incoming, &reports, &path))?;
        Ok(Self {
            chunk: Vec::with_capacity(CHUNK_BLOCKS * BLOCK_SAMPLES),
            chunks,
            health,
            _writer: writer,
        })
    }

    /// How it goes.
    #[must_use]
    pub fn health(&self) -> RecordingHealth {
        self.health.clone()
    }

    /// Adds 10 ms. Never blocks.
    pub fn write(&mut self, block: &AudioBlock) {
        self.chunk.extend(
            block
                .iter()
                .map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16),
        );
        if self.chunk.len() >= CHUNK_BLOCKS * BLOCK_SAMPLES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let next = Vec::with_capacity(CHUNK_BLOCKS * BLOCK_SAMPLES);
        let chunk = std::mem::replace(&mut self.chunk, next);
        let blocks = (chunk.len() / BLOCK_SAMPLES) as u64;
        match self.chunks.try_send(chunk) {
            Ok(()) => {}
            // The writer has given up and said why, or the disk is slow.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.health.dropped_blocks.fetch_add(blocks, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for WavRecorder {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// The "wav-writer" thread: ends when the channel closes, or when the disk refuses.
fn write(mut file: WavWriter<BufWriter<File>>, chunks: &Receiver<Vec<i16>>, health: &RecordingHealth, path: &Path) {
    let mut written = 0_u64;
    let outcome = loop {
        let Ok(chunk) = chunks.recv() else {
            break file.finalize();
        };
        written += 1;
        let result = chunk.into_iter().try_for_each(|sample| file.write_sample(sample));
        let result = result.and_then(|()| {
            if written.is_multiple_of(FLUSH_CHUNKS) {
                file.flush()
            } else {
                Ok(())
            }
        });
        if let Err(error) = result {
            break Err(error);
        }
        if written >= MAX_CHUNKS {
            health.fail(format!(
                "{} has reached six hours, the longest recording",
                path.display()
            ));
            break file.finalize();
        }
    };
    if let Err(error) = outcome {
        health.fail(format!("{}: {}", path.display(), into_io(error)));
    }
}

fn into_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        hound::Error::FormatError(_)
        | hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_can_be_read() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a.wav");
        let mut recorder = WavRecorder::create(&path).expect("creates");
        for n in 0..25 {
            recorder.write(&[n as f32 / 100.0; BLOCK_SAMPLES]);
        }
        let health = recorder.health();
        drop(recorder);
        let mut reader = hound::WavReader::open(&path).expect("a WAV file");
        assert_eq!(reader.spec(), SPEC);
        let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("sample")).collect();
        assert_eq!(samples.len(), 25 * BLOCK_SAMPLES);
        assert_eq!(samples[24 * BLOCK_SAMPLES], 7_864);
        assert_eq!((health.problem(), health.dropped_blocks()), (None, 0));
    }

    #[test]
    fn a_path_that_cannot_be_is_an_error() {
        assert!(WavRecorder::create(Path::new("/nonexistent/a.wav")).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_reported_and_blocks_nobody() {
        let mut recorder = WavRecorder::create(Path::new("/dev/full")).expect("opens");
        let health = recorder.health();
        for _ in 0..1_000 {
            recorder.write(&[0.1; BLOCK_SAMPLES]);
        }
        drop(recorder);
        let problem = health.problem().expect("the disk is full");
        assert!(problem.detail.contains("No space left"), "{problem}");
        assert!(health.dropped_blocks() > 0);
    }
}
