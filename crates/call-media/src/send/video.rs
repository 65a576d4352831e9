//! A source's pictures, encoded once for every peer.
//!
//! In: raw pictures from a one-slot channel, the newest wins. Out: [`EncodedFrame`]s into an [`EncodedSink`].
//! All of it on the thread "video-encode" ("screen-encode" for a shared screen). Control goes past the queue, through
//! the atomics of [`VideoSendControl`].

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::encode_load::EncodeLoad;
use super::frame_rate::{FrameRateCap, FrameRateMeter};
use super::key_frames::KeyFrameLimit;
use super::ladder::{Ladder, LimitedBy, Rung, Source};
use super::scale::Scaler;
use crate::codec::h264::H264Encoder;
use crate::codec::{Encoded, PictureRequest, VideoCodecError, VideoEncoder, VideoRate};
use crate::frame::{EncodedFrame, EncodedSink, SendTimings, StreamKind, VideoFrame, VideoKind};
use crate::latest::{LatestFrame, Waited};
use crate::percentiles::Percentiles;
use crate::rtp::h264::packetize;
use crate::stage::{Stage, StopFlag};

/// What a camera of 1280x720 at 30 pictures a second is worth: more bits are not seen any more.
pub const DEFAULT_MAX_BITRATE_BPS: u32 = 2_600_000;
/// How long the thread sleeps at most before it looks at its stop flag.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// A change of the target by less than a fiftieth is not worth a call into the encoder.
const NOTABLE_BITRATE_CHANGE: u32 = 50;
/// Pictures a second are counted over this.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Whether pictures go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// They do; the first one after opening is a key frame.
    Open,
    /// They are dropped before the encoder.
    Closed,
}

/// What a [`VideoSender`] did so far.
#[derive(Clone, Debug, Default)]
pub struct VideoSendStatistics {
    /// Pixels of the last picture sent.
    pub width: usize,
    /// Pixels of the last picture sent.
    pub height: usize,
    /// Pictures sent in the last second.
    pub fps: f64,
    /// Pictures sent.
    pub frames: u64,
    /// Bytes of RTP payload sent.
    pub bytes: u64,
    /// Key frames sent.
    pub key_frames: u64,
    /// Pictures that the encoder left out to hold the bitrate.
    pub frames_skipped: u64,
    /// Pictures that the encoder refused.
    pub encode_errors: u64,
    /// From the moment of capture to the moment this thread took the picture.
    pub capture: Percentiles,
    /// Scaling, encoding and cutting into payloads.
    pub encode: Percentiles,
    /// What keeps the picture from being as good as the source.
    pub limited_by: LimitedBy,
    /// Bits a second that the encoder works towards.
    pub target_bitrate_bps: u32,
    sent_at: VecDeque<Instant>,
}

impl VideoSendStatistics {
    fn on_sent(&mut self, now: Instant, frame: &EncodedFrame, rung: Rung, bitrate_bps: u32) {
        self.width = rung.width;
        self.height = rung.height;
        self.limited_by = rung.limited_by;
        self.target_bitrate_bps = bitrate_bps;
        self.frames += 1;
        self.bytes += frame.payloads.iter().map(|payload| payload.len() as u64).sum::<u64>();
        self.key_frames += u64::from(frame.key_frame);
        self.capture.record(frame.timings.capture);
        self.encode.record(frame.timings.encode);
        self.sent_at.push_back(now);
        self.forget_before(now);
    }

    fn forget_before(&mut self, now: Instant) {
        while self
            .sent_at
            .front()
            .is_some_and(|&sent_at| now.saturating_duration_since(sent_at) > RATE_WINDOW)
        {
            self.sent_at.pop_front();
        }
    }
}

/// The levers of a [`VideoSender`]: set from any thread, they act with the next picture.
#[derive(Debug)]
pub struct VideoSendControl {
    max_bitrate_bps: u32,
    target_bitrate_bps: AtomicU32,
    key_frame: AtomicBool,
    gate: AtomicU8,
    statistics: Mutex<VideoSendStatistics>,
}

const OPEN: u8 = 0;
const CLOSED: u8 = 1;

impl VideoSendControl {
    /// Control with an open gate, whose target is `max_bitrate_bps` until another one is set.
    #[must_use]
    pub fn new(max_bitrate_bps: u32) -> Self {
        Self {
            max_bitrate_bps,
            target_bitrate_bps: AtomicU32::new(max_bitrate_bps),
            key_frame: AtomicBool::new(false),
            gate: AtomicU8::new(OPEN),
            statistics: Mutex::default(),
        }
    }

    /// Sets the bits of encoded video a second, packet headers not included; the maximum bounds it.
    pub fn set_target_bitrate_bps(&self, bps: u32) {
        self.target_bitrate_bps
            .store(bps.min(self.max_bitrate_bps), Ordering::Relaxed);
    }

    /// What the encoder works towards.
    #[must_use]
    pub fn target_bitrate_bps(&self) -> u32 {
        self.target_bitrate_bps.load(Ordering::Relaxed)
    }

    /// Asks for a key frame: with the next picture, or with the last one again where a shared screen stands still.
    pub fn request_key_frame(&self) {
        self.key_frame.store(true, Ordering::Relaxed);
    }

    /// Opens or closes the gate.
    pub fn set_sending(&self, gate: Gate) {
        let value = match gate {
            Gate::Open => OPEN,
            Gate::Closed => CLOSED,
        };
        if self.gate.swap(value, Ordering::Relaxed) == CLOSED && value == OPEN {
            // Whoever listens now has none of the pictures before.
            self.request_key_frame();
        }
    }

    /// Where the gate stands.
    #[must_use]
    pub fn gate(&self) -> Gate {
        if self.gate.load(Ordering::Relaxed) == OPEN {
            Gate::Open
        } else {
            Gate::Closed
        }
    }

    /// What was sent so far.
    #[must_use]
    pub fn statistics(&self) -> VideoSendStatistics {
        let mut statistics = self.lock();
        statistics.forget_before(Instant::now());
        statistics.fps = statistics.sent_at.len() as f64 / RATE_WINDOW.as_secs_f64();
        statistics.clone()
    }

    fn lock(&self) -> MutexGuard<'_, VideoSendStatistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running encoder of one source. Dropping it stops the thread, within 100 ms.
#[derive(Debug)]
pub struct VideoSender {
    stage: Stage,
    control: Arc<VideoSendControl>,
}

impl VideoSender {
    /// Starts the thread. It ends when this is dropped or when `frames` is closed.
    ///
    /// # Errors
    /// When the system has no more threads to give.
    pub fn start(
        kind: VideoKind,
        frames: LatestFrame<Arc<VideoFrame>>,
        sink: Arc<dyn EncodedSink>,
        control: Arc<VideoSendControl>,
    ) -> std::io::Result<Self> {
        let name = match kind {
            VideoKind::Camera => "video-encode",
            VideoKind::Screen => "screen-encode",
        };
        let worker = Worker::new(kind, sink, Arc::clone(&control));
        let stage = Stage::spawn(name, move |stop| worker.run(&frames, &stop))?;
        Ok(Self { stage, control })
    }

    /// Asks the thread to end, without waiting for it.
    pub fn request_stop(&self) {
        self.stage.request_stop();
    }

    /// What was sent so far.
    #[must_use]
    pub fn statistics(&self) -> VideoSendStatistics {
        self.control.statistics()
    }
}

/// What the thread owns.
struct Worker {
    kind: VideoKind,
    sink: Arc<dyn EncodedSink>,
    control: Arc<VideoSendControl>,
    encoder: H264Encoder,
    /// What the encoder was last told.
    rate: VideoRate,
    meter: FrameRateMeter,
    cap: FrameRateCap,
    ladder: Ladder,
    load: EncodeLoad,
    key_frames: KeyFrameLimit,
    scaler: Scaler,
    clock: RtpClock,
    access_unit: Vec<u8>,
    /// The last picture of a screen: asked for a key frame, a page that stands still is sent again.
    last: Option<Arc<VideoFrame>>,
}

impl Worker {
    fn new(kind: VideoKind, sink: Arc<dyn EncodedSink>, control: Arc<VideoSendControl>) -> Self {
        let rate = VideoRate {
            bitrate_bps: control.target_bitrate_bps(),
            fps: 30.0,
        };
        Self {
            kind,
            sink,
            control,
            encoder: H264Encoder::new(kind, rate),
            rate,
            meter: FrameRateMeter::default(),
            cap: FrameRateCap::default(),
            ladder: Ladder::new(kind),
            load: EncodeLoad::default(),
            key_frames: KeyFrameLimit::default(),
            scaler: Scaler::default(),
            clock: RtpClock::new(Instant::now()),
            access_unit: Vec::new(),
            last: None,
        }
    }

    fn run(mut self, frames: &LatestFrame<Arc<VideoFrame>>, stop: &StopFlag) {
        while !stop.is_set() {
            let frame = match frames.wait(LONGEST_WAIT) {
                Waited::Value(frame) => Some(frame),
                Waited::TimedOut => None,
                Waited::Closed => return,
            };
            self.on_frame(frame, Instant::now());
        }
    }

    /// Takes a new picture, or the occasion to send the last one again.
    fn on_frame(&mut self, frame: Option<Arc<VideoFrame>>, now: Instant) {
        match self.control.gate() {
            Gate::Closed => {
                self.last = None;
                // The key frame that opening asks for is not one to wait with.
                self.key_frames = KeyFrameLimit::default();
            }
            Gate::Open => match frame {
                Some(frame) => self.on_new_frame(frame, now),
                None => self.repeat_for_key_frame(now),
            },
        }
    }

    fn on_new_frame(&mut self, frame: Arc<VideoFrame>, now: Instant) {
        let source = Source {
            width: frame.width(),
            height: frame.height(),
            fps: self.meter.on_frame(frame.captured_at),
        };
        let bitrate_bps = self.control.target_bitrate_bps();
        let rung = self.ladder.decide(source, bitrate_bps, now);
        if self.cap.admits(frame.captured_at, source.fps, rung.max_fps) {
            self.tell_rate(bitrate_bps, source.fps.min(rung.max_fps));
            self.send(&frame, rung, now);
        }
        self.last = match self.kind {
            VideoKind::Camera => None,
            VideoKind::Screen => Some(frame),
        };
    }

    fn repeat_for_key_frame(&mut self, now: Instant) {
        let Some(frame) = self
            .last
            .clone()
            .filter(|_| self.control.key_frame.load(Ordering::Relaxed))
        else {
            return;
        };
        let source = Source {
            width: frame.width(),
            height: frame.height(),
            fps: self.rate.fps,
        };
        let rung = self.ladder.decide(source, self.control.target_bitrate_bps(), now);
        self.send(&frame, rung, now);
    }

    fn tell_rate(&mut self, bitrate_bps: u32, fps: f32) {
        let notable = bitrate_bps.abs_diff(self.rate.bitrate_bps) > self.rate.bitrate_bps / NOTABLE_BITRATE_CHANGE;
        if notable || fps != self.rate.fps {
            self.rate = VideoRate { bitrate_bps, fps };
            self.encoder.set_rate(self.rate);
        }
    }

    fn send(&mut self, frame: &VideoFrame, rung: Rung, now: Instant) {
        let request = self.key_frames.grant(&self.control.key_frame, now);
        let encoded = match self.encode(frame, rung, request) {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::warn!(%error, "a picture could not be encoded");
                self.control.lock().encode_errors += 1;
                self.control.request_key_frame();
                return;
            }
        };
        let key_frame = match encoded {
            Encoded::Skipped => {
                self.control.lock().frames_skipped += 1;
                return;
            }
            Encoded::Delta => false,
            Encoded::KeyFrame => true,
        };
        let payloads = packetize(&self.access_unit);
        let done = Instant::now();
        let encoded = EncodedFrame {
            kind: StreamKind::Video(self.kind),
            payloads,
            rtp_timestamp: self.clock.timestamp(frame.captured_at),
            captured_at: frame.captured_at,
            key_frame,
            audio_level: None,
            timings: SendTimings {
                capture: now.saturating_duration_since(frame.captured_at),
                encode: done.saturating_duration_since(now),
            },
        };
        if key_frame {
            let bytes = self.access_unit.len();
            tracing::trace!(bytes, width = rung.width, height = rung.height, "a key frame leaves");
        }
        self.control.lock().on_sent(done, &encoded, rung, self.rate.bitrate_bps);
        self.sink.send(&encoded);
        if let Some(load) = self
            .load
            .on_frame(encoded.timings.encode, self.rate.fps, self.ladder.held_back_by_cpu())
        {
            self.ladder.on_load(load);
        }
    }

    fn encode(&mut self, frame: &VideoFrame, rung: Rung, request: PictureRequest) -> Result<Encoded, VideoCodecError> {
        if (rung.width, rung.height) == (frame.width(), frame.height()) {
            return self.encoder.encode(frame, request, &mut self.access_unit);
        }
        match self.scaler.scale(frame, rung.width, rung.height) {
            Some(scaled) => self.encoder.encode(&scaled, request, &mut self.access_unit),
            None => self.encoder.encode(frame, request, &mut self.access_unit),
        }
    }
}

/// Times of capture as RTP timestamps: 90 kHz from a random start (RFC 3550, section 5.1), never the same twice.
struct RtpClock {
    epoch: Instant,
    start: u32,
    last_ticks: u64,
}

impl RtpClock {
    fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            start: RandomState::new().hash_one(0_u8) as u32,
            last_ticks: 0,
        }
    }

    fn timestamp(&mut self, captured_at: Instant) -> u32 {
        let since = captured_at.saturating_duration_since(self.epoch);
        let ticks = since.as_secs() * 90_000 + u64::from(since.subsec_nanos()) * 9 / 100_000;
        // A picture sent again, or one from before the last, still is a picture of its own.
        self.last_ticks = ticks.max(self.last_ticks + 1);
        self.start.wrapping_add(self.last_ticks as u32)
    }
}

#[cfg(test)]
mod tests;
