//! The two lock-free rings between a sound card's callbacks and the "audio" thread.
//!
//! The callback ends ([`CaptureEnd`], [`PlaybackEnd`]) run on threads of the sound system with hard deadlines: they do
//! arithmetic, ring moves and relaxed atomics, and never allocate, lock or log (`tests/audio_callbacks.rs` counts). Cards
//! call with any number of frames from 24 to 100 ms, in any sample format and with any number of channels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cpal::{FromSample, Sample};
use rtrb::{Consumer, Producer, RingBuffer};

/// Length of a ring: 400 ms, four of the largest callbacks seen. When the capture ring is full the newest samples are
/// dropped, when the playback ring is full the newest block is; both are counted.
const RING_MS: u32 = 400;
/// What a speaker's ring has to hold beyond the first callback before playing begins: 5 ms.
const START_RESERVE_MS: u32 = 5;
const BLOCKS_A_SECOND: usize = 100;
/// A missing sample is replaced by this much of the one before: silence without a crack.
const DECAY: f32 = 0.98;

/// What callbacks and the threads that look after them tell each other.
#[derive(Debug)]
pub struct StreamHealth {
    origin: Instant,
    calls: AtomicU64,
    errors: AtomicU32,
    glitches: AtomicU64,
    lost_samples: AtomicU64,
    shortfall: AtomicUsize,
    /// Least reserve in ns since it was last asked for; `u64::MAX` when the card has not come.
    reserve: AtomicU64,
    /// When the ring was last filled (by the microphone's callback, or by "audio" for a speaker), in ns since `origin`.
    filled_at: AtomicU64,
    largest_call: AtomicUsize,
}

impl StreamHealth {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            calls: AtomicU64::new(0),
            errors: AtomicU32::new(0),
            glitches: AtomicU64::new(0),
            lost_samples: AtomicU64::new(0),
            shortfall: AtomicUsize::new(0),
            reserve: AtomicU64::new(u64::MAX),
            filled_at: AtomicU64::new(0),
            largest_call: AtomicUsize::new(0),
        })
    }

    /// Notes that the ring was filled at `now`.
    pub fn note_filled(&self, now: Instant) {
        let at = now.saturating_duration_since(self.origin).as_nanos() as u64;
        self.filled_at.store(at, Ordering::Relaxed);
    }

    /// Time since the ring was filled.
    #[must_use]
    pub fn since_filled(&self, now: Instant) -> Duration {
        let at = Duration::from_nanos(self.filled_at.load(Ordering::Relaxed));
        now.saturating_duration_since(self.origin).saturating_sub(at)
    }

    /// Frames in the largest callback since the last call of this.
    pub fn take_largest_call(&self) -> usize {
        self.largest_call.swap(0, Ordering::Relaxed)
    }

    /// Data callbacks so far: a stream that does not call is dead.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Notes an error that ends the stream.
    pub fn note_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes an overrun or underrun in the sound system.
    pub fn note_glitch(&self) {
        self.glitches.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether an error was noted.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.errors.load(Ordering::Relaxed) > 0
    }

    /// Overruns and underruns in the sound system.
    #[must_use]
    pub fn glitches(&self) -> u64 {
        self.glitches.load(Ordering::Relaxed)
    }

    /// Captured samples for which the ring had no room.
    #[must_use]
    pub fn lost_samples(&self) -> u64 {
        self.lost_samples.load(Ordering::Relaxed)
    }

    /// Samples the speaker did not get since the last call of this.
    pub fn take_shortfall(&self) -> usize {
        self.shortfall.swap(0, Ordering::Relaxed)
    }

    /// By how much "audio" could have been later in filling a speaker's ring without a shortfall: the least since the
    /// last call of this, `None` when the card has not come.
    pub fn take_reserve(&self) -> Option<Duration> {
        let reserve = self.reserve.swap(u64::MAX, Ordering::Relaxed);
        (reserve != u64::MAX).then(|| Duration::from_nanos(reserve))
    }
}

/// By how much the side that fills a ring may be late, in seconds: it has to come before the other side takes what is not
/// there.
///
/// `left` samples are in the ring, `taken` go out and `filled` come in at a time, and the ring was last filled `since_s`
/// ago. The number of samples alone would not do: it jumps as the clocks of the two sides slide past each other.
#[must_use]
pub fn reserve_s(rate_hz: u32, left: usize, taken: usize, filled: usize, since_s: f64) -> f64 {
    let (taken, filled) = (taken.max(1), filled.max(1));
    let takes = left / taken + 1;
    let fills = (takes * taken - left).div_ceil(filled);
    let samples = (takes * taken) as f64 - (fills * filled) as f64;
    samples / f64::from(rate_hz) + since_s.min(filled as f64 / f64::from(rate_hz))
}

fn ring(rate_hz: u32) -> (Producer<f32>, Consumer<f32>) {
    RingBuffer::new((rate_hz * RING_MS / 1_000) as usize)
}

/// The microphone's callback.
pub struct CaptureEnd {
    samples: Producer<f32>,
    channels: usize,
    health: Arc<StreamHealth>,
}

/// A ring for a microphone: the end for its callback, the end for "audio", and what they share.
#[must_use]
pub fn capture(rate_hz: u32, channels: u16) -> (CaptureEnd, Consumer<f32>, Arc<StreamHealth>) {
    let (samples, consumer) = ring(rate_hz);
    let health = StreamHealth::new();
    let end = CaptureEnd {
        samples,
        channels: usize::from(channels.max(1)),
        health: Arc::clone(&health),
    };
    (end, consumer, health)
}

impl CaptureEnd {
    /// Takes in interleaved frames at `now`, mixed down to mono.
    pub fn take<T>(&mut self, data: &[T], now: Instant)
    where
        T: Copy,
        f32: FromSample<T>,
    {
        self.health.calls.fetch_add(1, Ordering::Relaxed);
        self.health.note_filled(now);
        let frames = data.len() / self.channels;
        self.health.largest_call.fetch_max(frames, Ordering::Relaxed);
        let room = frames.min(self.samples.slots());
        if room < frames {
            self.health
                .lost_samples
                .fetch_add((frames - room) as u64, Ordering::Relaxed);
        }
        let scale = 1.0 / self.channels as f32;
        let mono = data.chunks_exact(self.channels).take(room).map(|frame| {
            let sum: f32 = frame.iter().map(|sample| f32::from_sample(*sample)).sum();
            sum * scale
        });
        // Cannot fail: this end is the only one that fills the ring, and `room` was there.
        if let Ok(chunk) = self.samples.write_chunk_uninit(room) {
            chunk.fill_from_iter(mono);
        }
    }
}

/// The speaker's callback.
pub struct PlaybackEnd {
    samples: Consumer<f32>,
    channels: usize,
    rate_hz: u32,
    start_reserve: usize,
    state: PlaybackState,
    last: f32,
    health: Arc<StreamHealth>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PlaybackState {
    /// Silence until the ring holds a callback and a reserve.
    Filling,
    Playing,
}

/// A ring for a speaker: the end for its callback, the end for "audio", and what they share.
#[must_use]
pub fn playback(rate_hz: u32, channels: u16) -> (PlaybackEnd, Producer<f32>, Arc<StreamHealth>) {
    let (producer, samples) = ring(rate_hz);
    let health = StreamHealth::new();
    let end = PlaybackEnd {
        samples,
        channels: usize::from(channels.max(1)),
        rate_hz,
        start_reserve: (rate_hz * START_RESERVE_MS / 1_000) as usize,
        state: PlaybackState::Filling,
        last: 0.0,
        health: Arc::clone(&health),
    };
    (end, producer, health)
}

impl PlaybackEnd {
    /// Fills interleaved frames at `now`, the same sample on all channels.
    pub fn fill<T>(&mut self, data: &mut [T], now: Instant)
    where
        T: Sample + FromSample<f32>,
    {
        self.health.calls.fetch_add(1, Ordering::Relaxed);
        let frames = data.len() / self.channels;
        let waiting = self.samples.slots();
        if self.state == PlaybackState::Filling {
            if waiting < frames + self.start_reserve {
                data.fill(T::from_sample(0.0));
                return;
            }
            self.state = PlaybackState::Playing;
        }
        let given = frames.min(waiting);
        let block = self.rate_hz as usize / BLOCKS_A_SECOND;
        let since_s = self.health.since_filled(now).as_secs_f64();
        let reserve_s = reserve_s(self.rate_hz, waiting - given, frames, block, since_s);
        self.health
            .reserve
            .fetch_min((reserve_s.max(0.0) * 1e9) as u64, Ordering::Relaxed);
        if given < frames {
            self.health.shortfall.fetch_add(frames - given, Ordering::Relaxed);
        }
        let mut last = self.last;
        if let Ok(chunk) = self.samples.read_chunk(given) {
            let (first, second) = chunk.as_slices();
            let samples = first
                .iter()
                .chain(second)
                .copied()
                .map(Some)
                .chain(std::iter::repeat(None));
            for (frame, sample) in data.chunks_mut(self.channels).zip(samples) {
                last = sample.unwrap_or(last * DECAY);
                frame.fill(T::from_sample(last));
            }
            chunk.commit_all();
        }
        self.last = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_mixes_down_and_counts_what_does_not_fit() {
        let (mut end, mut samples, health) = capture(1_000, 2);
        let now = Instant::now();
        end.take(&[i16::MAX, 0, i16::MIN, i16::MIN], now);
        assert!((samples.pop().expect("sample") - 0.5).abs() < 1e-3);
        assert!((samples.pop().expect("sample") + 1.0).abs() < 1e-3);
        end.take(&[0.0_f32; 2 * 450], now);
        assert_eq!((samples.slots(), health.lost_samples(), health.calls()), (400, 50, 2));
        assert_eq!((health.take_largest_call(), health.take_largest_call()), (450, 0));
        assert_eq!(
            health.since_filled(now + Duration::from_millis(7)),
            Duration::from_millis(7)
        );
    }

    #[test]
    fn playback_waits_for_a_reserve_then_reports_it() {
        let (mut end, mut samples, health) = playback(48_000, 2);
        let start = Instant::now();
        let mut out = [1.0_f32; 960];
        end.fill(&mut out, start);
        assert!(out.iter().all(|sample| *sample == 0.0));
        assert_eq!((health.take_reserve(), health.take_shortfall()), (None, 0));
        samples.push_entire_slice(&[0.5; 960]).expect("room");
        health.note_filled(start);
        end.fill(&mut out, start + Duration::from_millis(3));
        assert!(out.iter().all(|sample| *sample == 0.5));
        assert_eq!(health.take_reserve().map(|reserve| reserve.as_millis()), Some(13));
        assert_eq!(health.take_shortfall(), 0);
    }

    #[test]
    fn a_speaker_that_gets_too_little_fades() {
        let (mut end, mut samples, health) = playback(48_000, 1);
        let now = Instant::now();
        samples.push_entire_slice(&[0.5; 960]).expect("room");
        health.note_filled(now);
        let mut out = [0_i16; 480];
        end.fill(&mut out, now);
        let mut out = [0_i16; 960];
        end.fill(&mut out, now);
        assert_eq!(
            (health.take_reserve(), health.take_shortfall()),
            (Some(Duration::ZERO), 480)
        );
        assert!(out[480] > 15_000 && out[480] < out[479] && out[959] < 10);
        assert!(out.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 500));
    }
}
