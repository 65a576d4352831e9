//! One sender's sound on our side: packets in on a network task, blocks out on "audio".

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::level::LevelMeter;
use super::test_signal::{ClickMeter, unix_time};
use crate::frame::AudioBlock;
use crate::percentiles::Percentiles;
use crate::receive::audio::PlayoutBuffer;
use crate::record::wav::WavRecorder;
use crate::rtp::{PacketSink, RtpPacket};

/// Packets between the network and "audio", which empties it every 10 ms: 5 s of usual ones. When it is full, new ones
/// are dropped and counted as late.
const INBOX_PACKETS: usize = 256;

/// What was received and played of one sender.
#[derive(Clone, Debug, Default)]
pub struct AudioReceiveStatistics {
    /// Samples at 48 kHz given out for playing, all of those below included.
    pub played_samples: u64,
    /// Samples made up because a packet was not there in time.
    pub concealed_samples: u64,
    /// Samples of packets that were lost and brought by a full copy (RED).
    pub recovered_samples: u64,
    /// Samples restored by in-band FEC.
    pub fec_recovered_samples: u64,
    /// Samples of comfort noise in silences that the sender announced.
    pub comfort_samples: u64,
    /// Samples left out to shorten the delay.
    pub accelerated_samples: u64,
    /// Samples added to lengthen it.
    pub expanded_samples: u64,
    /// Packets that arrived.
    pub packets_received: u64,
    /// Packets that did not.
    pub packets_lost: u64,
    /// Packets that came too late to be played, or found no room.
    pub packets_late: u64,
    /// Packets that are not Opus or belong to no stream.
    pub packets_malformed: u64,
    /// How long packets waited in the playout buffer.
    pub buffer: Percentiles,
    /// From the whole second to the moment its click leaves towards the sound device: measured when the sender's
    /// microphone is the test signal, empty otherwise.
    pub mouth_to_ear: Percentiles,
    /// RTP timestamp of a sample and the moment it leaves towards the sound device: the latest block that was played.
    pub playout: Option<(u32, Instant)>,
}

/// One sender's sound. Made by [`super::AudioPipeline::add_remote`].
pub struct AudioReceiver {
    label: String,
    inbox: Mutex<VecDeque<RtpPacket>>,
    overflow: AtomicU64,
    level: AtomicU32,
    playback: Mutex<Playback>,
}

/// What only "audio" changes.
struct Playback {
    buffer: PlayoutBuffer,
    arrived: VecDeque<RtpPacket>,
    meter: LevelMeter,
    clicks: ClickMeter,
    mouth_to_ear: Percentiles,
    playout: Option<(u32, Instant)>,
    recorder: Option<WavRecorder>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AudioReceiver {
    /// A receiver that no pipeline plays yet; `label` is for the log.
    #[must_use]
    pub fn new(label: &str) -> Arc<Self> {
        Arc::new(Self {
            label: label.into(),
            inbox: Mutex::new(VecDeque::with_capacity(INBOX_PACKETS)),
            overflow: AtomicU64::new(0),
            level: AtomicU32::new(0),
            playback: Mutex::new(Playback {
                buffer: PlayoutBuffer::new(),
                arrived: VecDeque::with_capacity(INBOX_PACKETS),
                meter: LevelMeter::default(),
                clicks: ClickMeter::default(),
                mouth_to_ear: Percentiles::default(),
                playout: None,
                recorder: None,
            }),
        })
    }

    /// How loud the sender is: 0 (-60 dBFS or less) to 1 (full scale), linear in decibels.
    #[must_use]
    pub fn level(&self) -> f32 {
        f32::from_bits(self.level.load(Ordering::Relaxed))
    }

    /// The figures so far.
    #[must_use]
    pub fn statistics(&self) -> AudioReceiveStatistics {
        let playback = locked(&self.playback);
        let played = playback.buffer.statistics();
        AudioReceiveStatistics {
            played_samples: played.played_samples,
            concealed_samples: played.concealed_samples,
            recovered_samples: played.recovered_samples,
            fec_recovered_samples: played.fec_recovered_samples,
            comfort_samples: played.comfort_samples,
            accelerated_samples: played.accelerated_samples,
            expanded_samples: played.expanded_samples,
            packets_received: played.packets_received,
            packets_lost: played.packets_lost,
            packets_late: played.packets_late + self.overflow.load(Ordering::Relaxed),
            packets_malformed: played.packets_malformed,
            buffer: played.buffer,
            mouth_to_ear: playback.mouth_to_ear.clone(),
            playout: playback.playout,
        }
    }

    /// Records what is played from now on into a WAV file (48 kHz, mono), silences included.
    ///
    /// # Errors
    /// When the file cannot be created. A disk that fills up later ends the recording, not the call.
    pub fn record_to(&self, path: &Path) -> io::Result<()> {
        let recorder = WavRecorder::create(path)?;
        let before = locked(&self.playback).recorder.replace(recorder);
        // Closing the file it had may wait for the disk: not under the lock.
        drop(before);
        Ok(())
    }

    /// Stops recording and closes the file.
    pub fn stop_recording(&self) {
        let recorder = locked(&self.playback).recorder.take();
        drop(recorder);
    }

    /// The next 10 ms, on "audio": they leave towards the sound device `delay` from `now`.
    pub(super) fn play(&self, now: Instant, delay: Duration, block: &mut AudioBlock) {
        let mut guard = locked(&self.playback);
        let playback = &mut *guard;
        std::mem::swap(&mut *locked(&self.inbox), &mut playback.arrived);
        for packet in playback.arrived.drain(..) {
            if let Err(error) = playback.buffer.push(packet) {
                tracing::error!(sender = self.label, %error, "no decoder for received sound");
            }
        }
        let leaves = now + delay;
        let timestamp = playback.buffer.pop(now, block);
        playback.playout = timestamp.map(|timestamp| (timestamp, leaves)).or(playback.playout);
        if let Some(delay) = playback.clicks.listen(unix_time(leaves), block) {
            playback.mouth_to_ear.record(delay);
        }
        if let Some(recorder) = &mut playback.recorder {
            recorder.write(block);
        }
        let level = playback.meter.update(block);
        self.level.store(level.to_bits(), Ordering::Relaxed);
    }
}

impl PacketSink for AudioReceiver {
    fn push(&self, packet: RtpPacket) {
        let mut inbox = locked(&self.inbox);
        if inbox.len() < INBOX_PACKETS {
            inbox.push_back(packet);
        } else {
            self.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }
}
