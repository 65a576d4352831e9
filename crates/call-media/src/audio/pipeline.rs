//! The "audio" thread: every 10 ms one block of the microphone goes out and one block of everybody comes in.
//!
//! ```text
//! Source ─► high-pass ─► level ─► mute gate ─► Opus (20 ms) ─► EncodedSink
//! AudioReceivers ─► Mixer ─► Output, whose card sets the beat
//! ```
//!
//! Nothing here waits for anybody: new ends come through slots, controls are atomics, and between blocks it sleeps.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock::BlockClock;
use super::ends::{Heard, Output, Source};
use super::level::{LevelMeter, rtp_audio_level};
use super::mixer::Mixer;
use super::processing::{Fader, HighPass, MicGate, Processing};
use super::receiver::AudioReceiver;
use super::supervisor::LineSlot;
use crate::codec::opus::{Dtx, Encoded, FRAME_SAMPLES, OpusEncoder, OpusError, START_BITRATE_BPS};
use crate::frame::{AudioBlock, BLOCK_SAMPLES, EncodedFrame, EncodedSink, SendTimings, StreamKind};
use crate::stage::StopFlag;

/// What was sent, and how the ends of the pipeline did.
#[derive(Clone, Debug, Default)]
pub struct AudioSendStatistics {
    /// Packets given to the network.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Packets that DTX spared: 20 ms of announced silence each.
    pub packets_spared: u64,
    /// Packets that the encoder failed to make.
    pub encode_errors: u64,
    /// Blocks of 10 ms that were never made because the machine stood still.
    pub blocks_left_out: u64,
    /// Times the microphone did not have a block in time.
    pub capture_shortfalls: u64,
    /// Samples of the microphone that were thrown away because they came too fast.
    pub capture_dropped_samples: u64,
    /// Samples the speaker asked for in vain.
    pub playback_shortfall_samples: u64,
    /// Blocks left out because too many were waiting for the speaker.
    pub playback_dropped_blocks: u64,
}

/// What other threads set and see.
pub struct Controls {
    muted: AtomicBool,
    expected_loss: AtomicU32,
    bitrate_bps: AtomicU32,
    input_level: AtomicU32,
    remotes: Mutex<Vec<Arc<AudioReceiver>>>,
    remotes_version: AtomicU64,
    statistics: Mutex<AudioSendStatistics>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            muted: AtomicBool::new(false),
            expected_loss: AtomicU32::new(0),
            bitrate_bps: AtomicU32::new(START_BITRATE_BPS),
            input_level: AtomicU32::new(0),
            remotes: Mutex::new(Vec::new()),
            remotes_version: AtomicU64::new(0),
            statistics: Mutex::new(AudioSendStatistics::default()),
        }
    }
}

impl Controls {
    pub(super) fn set_gate(&self, gate: MicGate) {
        self.muted.store(gate == MicGate::Muted, Ordering::Relaxed);
    }

    fn gate(&self) -> MicGate {
        if self.muted.load(Ordering::Relaxed) {
            MicGate::Muted
        } else {
            MicGate::Live
        }
    }

    pub(super) fn set_expected_loss(&self, fraction: f32) {
        self.expected_loss.store(fraction.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn set_bitrate_bps(&self, bitrate_bps: u32) {
        self.bitrate_bps.store(bitrate_bps, Ordering::Relaxed);
    }

    pub(super) fn input_level(&self) -> f32 {
        f32::from_bits(self.input_level.load(Ordering::Relaxed))
    }

    pub(super) fn statistics(&self) -> AudioSendStatistics {
        locked(&self.statistics).clone()
    }

    pub(super) fn change_remotes(&self, change: impl FnOnce(&mut Vec<Arc<AudioReceiver>>)) {
        change(&mut locked(&self.remotes));
        self.remotes_version.fetch_add(1, Ordering::Release);
    }
}

/// The thread's state.
pub struct Pipeline {
    controls: Arc<Controls>,
    source_slot: Arc<LineSlot<Source>>,
    output_slot: Arc<LineSlot<Output>>,
    source: Source,
    output: Output,
    outgoing: Outgoing,
    remotes: Vec<Arc<AudioReceiver>>,
    remotes_version: u64,
    mixer: Mixer,
}

impl Pipeline {
    /// Prepares everything but the clock.
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn new(
        controls: Arc<Controls>,
        slots: (Arc<LineSlot<Source>>, Arc<LineSlot<Output>>),
        sink: Arc<dyn EncodedSink>,
        processing: Processing,
        epoch: Instant,
    ) -> Result<Self, OpusError> {
        Ok(Self {
            outgoing: Outgoing::new(sink, processing, epoch)?,
            controls,
            source_slot: slots.0,
            output_slot: slots.1,
            source: Source::Absent,
            output: Output::Null,
            remotes: Vec::new(),
            remotes_version: 0,
            mixer: Mixer::default(),
        })
    }

    /// The body of the thread.
    pub fn run(mut self, stop: &StopFlag) {
        let mut clock = BlockClock::new(Instant::now());
        while !stop.is_set() {
            std::thread::sleep(clock.due().saturating_duration_since(Instant::now()));
            let period = self.block(clock.due());
            let left_out = clock.left_out();
            clock.advance(Instant::now(), period);
            self.outgoing.skip_blocks(clock.left_out() - left_out);
        }
    }

    /// One block: in, then out, so that an echo canceller will find what is about to be played.
    fn block(&mut self, due: Instant) -> Duration {
        self.source_slot.refresh(&mut self.source);
        self.output_slot.refresh(&mut self.output);
        self.refresh_remotes();
        let mut sum: AudioBlock = [0.0; BLOCK_SAMPLES];
        let delay = self.output.delay();
        for remote in &self.remotes {
            let mut voice: AudioBlock = [0.0; BLOCK_SAMPLES];
            remote.play(due, delay, &mut voice);
            Mixer::add(&mut sum, &voice);
        }
        self.mixer.limit(&mut sum);
        let period = self.output.write(&sum);
        self.outgoing.block(&mut self.source, due, &self.controls);
        self.note_ends();
        period
    }

    fn refresh_remotes(&mut self) {
        let version = self.controls.remotes_version.load(Ordering::Acquire);
        if version != self.remotes_version {
            self.remotes.clone_from(&locked(&self.controls.remotes));
            self.remotes_version = version;
        }
    }

    fn note_ends(&self) {
        let mut statistics = locked(&self.controls.statistics);
        if let Source::Device(line) = &self.source {
            statistics.capture_shortfalls = line.shortfalls();
            statistics.capture_dropped_samples = line.dropped_samples();
        }
        if let Output::Device(line) = &self.output {
            statistics.playback_shortfall_samples = line.shortfall_samples();
            statistics.playback_dropped_blocks = line.dropped_blocks();
        }
    }
}

/// The way of the microphone's sound.
struct Outgoing {
    sink: Arc<dyn EncodedSink>,
    processing: Processing,
    high_pass: HighPass,
    meter: LevelMeter,
    fader: Fader,
    encoder: OpusEncoder,
    /// Media time of the next block: RTP ticks of the capture clock since `epoch`. It runs on while nothing is sent.
    rtp_timestamp: u32,
    half: Option<Half>,
}

/// The first 10 ms of a packet.
struct Half {
    block: AudioBlock,
    rtp_timestamp: u32,
    captured_at: Instant,
}

impl Outgoing {
    fn new(sink: Arc<dyn EncodedSink>, processing: Processing, epoch: Instant) -> Result<Self, OpusError> {
        let since_epoch = Instant::now().saturating_duration_since(epoch);
        Ok(Self {
            sink,
            processing,
            high_pass: HighPass::default(),
            meter: LevelMeter::default(),
            fader: Fader::default(),
            encoder: OpusEncoder::new()?,
            rtp_timestamp: (since_epoch.as_micros() * 48 / 1_000) as u32,
            half: None,
        })
    }

    fn skip_blocks(&mut self, blocks: u64) {
        self.rtp_timestamp = self
            .rtp_timestamp
            .wrapping_add((blocks as u32).wrapping_mul(BLOCK_SAMPLES as u32));
    }

    fn block(&mut self, source: &mut Source, due: Instant, controls: &Controls) {
        let mut block: AudioBlock = [0.0; BLOCK_SAMPLES];
        let heard = source.read(due, &mut block);
        let rtp_timestamp = self.rtp_timestamp;
        self.skip_blocks(1);
        if self.processing == Processing::On {
            self.high_pass.apply(&mut block);
        }
        let level = self.meter.update(&block);
        controls.input_level.store(level.to_bits(), Ordering::Relaxed);
        let gate = controls.gate();
        self.fader.apply(gate, &mut block);
        let (captured_at, dtx) = match (heard, gate) {
            (Heard::Off, _) => {
                self.half = None;
                return;
            }
            // A muted or missing microphone is silence that the far end knows about: some three packets a second.
            (Heard::Sound(at), MicGate::Muted) | (Heard::Absent(at), _) => (at, Dtx::On),
            (Heard::Sound(at), MicGate::Live) => (at, Dtx::Off),
        };
        let Some(half) = self.half.take() else {
            self.half = Some(Half {
                block,
                rtp_timestamp,
                captured_at,
            });
            return;
        };
        self.send(&half, &block, dtx, controls);
    }

    fn send(&mut self, half: &Half, block: &AudioBlock, dtx: Dtx, controls: &Controls) {
        let mut samples = [0.0; FRAME_SAMPLES];
        samples[..BLOCK_SAMPLES].copy_from_slice(&half.block);
        samples[BLOCK_SAMPLES..].copy_from_slice(block);
        let started = Instant::now();
        let encoded = self.encode(&samples, dtx, controls);
        let encode = started.elapsed();
        let mut statistics = locked(&controls.statistics);
        let payload = match encoded {
            Ok(Encoded::Packet(payload)) => payload,
            Ok(Encoded::Silent) => {
                statistics.packets_spared += 1;
                return;
            }
            Err(error) => {
                if statistics.encode_errors == 0 {
                    tracing::error!(%error, "the microphone's sound could not be encoded");
                }
                statistics.encode_errors += 1;
                return;
            }
        };
        statistics.packets += 1;
        statistics.bytes += payload.len() as u64;
        drop(statistics);
        self.sink.send(&EncodedFrame {
            kind: StreamKind::Audio,
            payloads: Arc::from([payload]),
            rtp_timestamp: half.rtp_timestamp,
            captured_at: half.captured_at,
            key_frame: true,
            audio_level: Some(rtp_audio_level(&samples)),
            timings: SendTimings {
                capture: started.saturating_duration_since(half.captured_at),
                encode,
            },
        });
    }

    fn encode(&mut self, samples: &[f32; FRAME_SAMPLES], dtx: Dtx, controls: &Controls) -> Result<Encoded, OpusError> {
        self.encoder
            .set_expected_loss(f32::from_bits(controls.expected_loss.load(Ordering::Relaxed)))?;
        self.encoder
            .set_bitrate_bps(controls.bitrate_bps.load(Ordering::Relaxed))?;
        self.encoder.set_dtx(dtx)?;
        self.encoder.encode(samples)
    }
}
