//! Sound: a microphone, a speaker, and everybody else in the call.
//!
//! In: specifications of the two ends, packets of each sender. Out: encoded frames for the network, and what is heard.
//!
//! ```text
//! microphone ─callback─► ring ─┐                    ┌─► EncodedSink
//!                              ├─ "audio", 10 ms ───┤
//! network ─► AudioReceiver ────┘                    └─► ring ─callback─► speaker
//! ```
//!
//! "audio" ([`pipeline`]) does all the work on one beat: the speaker's own clock where there is one ([`clock`]), a timer
//! otherwise. Two threads "audio-devices" ([`supervisor`]) open, watch and close the microphone and the speaker; a device
//! that is missing, busy, unplugged or hung costs the call nothing but its sound, and is tried again every second.
//! [`chime`] rings before there is a call.

pub mod chime;
pub mod clock;
pub mod device_line;
pub mod devices;
mod ends;
pub mod level;
pub mod mixer;
mod pipeline;
mod processing;
#[cfg(target_os = "linux")]
mod pulse_cookie;
mod receiver;
mod resample;
pub mod ring;
mod supervisor;
pub mod test_signal;
#[cfg(test)]
mod tests;
pub mod wav_loop;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::devices::DeviceStatus;
use crate::frame::EncodedSink;
use crate::spec::{MicrophoneSpec, SpeakerSpec};
use crate::stage::Stage;

use ends::{Microphone, Speaker};
pub use pipeline::AudioSendStatistics;
use pipeline::{Controls, Pipeline};
pub use processing::{MicGate, Processing};
pub use receiver::{AudioReceiveStatistics, AudioReceiver};
use supervisor::{StatusCell, Supervisor, Waker};

/// What an [`AudioPipeline`] starts with.
#[derive(Clone, Debug)]
pub struct AudioConfig {
    /// Where our sound comes from.
    pub microphone: MicrophoneSpec,
    /// Where everybody's goes.
    pub speaker: SpeakerSpec,
    /// Whether the microphone's sound is cleaned up.
    pub processing: Processing,
    /// Where media time begins: the RTP timestamp of a block is the time since then, counted by the capture clock.
    pub epoch: Instant,
}

/// All sound of a call. Dropping it ends its threads within a few blocks, whatever the sound system does.
pub struct AudioPipeline {
    // Dropped in this order: first the thread that uses the ends, then the ends.
    _stage: Stage,
    microphone: Supervisor<Microphone>,
    speaker: Supervisor<Speaker>,
    controls: Arc<Controls>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl AudioPipeline {
    /// Starts the threads. The devices open later, or never: see the statuses.
    ///
    /// # Errors
    /// When the system has no more threads or no memory.
    pub fn start(config: AudioConfig, sink: Arc<dyn EncodedSink>) -> std::io::Result<Self> {
        let waker = Arc::new(Mutex::new(None));
        let microphone = Supervisor::start(config.microphone, StatusCell::new(Arc::clone(&waker)))?;
        let speaker = Supervisor::start(config.speaker, StatusCell::new(Arc::clone(&waker)))?;
        let controls = Arc::new(Controls::default());
        let pipeline = Pipeline::new(
            Arc::clone(&controls),
            (microphone.slot(), speaker.slot()),
            sink,
            config.processing,
            config.epoch,
        )
        .map_err(std::io::Error::other)?;
        let stage = Stage::spawn("audio", move |stop| pipeline.run(&stop))?;
        Ok(Self {
            _stage: stage,
            microphone,
            speaker,
            controls,
            waker,
        })
    }

    /// Opens or closes the mute gate: it fades within one block of 10 ms. A muted microphone sends silence with DTX,
    /// some three packets a second, so that the far end knows that we are there.
    pub fn set_microphone(&self, gate: MicGate) {
        self.controls.set_gate(gate);
    }

    /// Takes another microphone. Silence until it is open.
    pub fn select_microphone(&self, spec: MicrophoneSpec) {
        self.microphone.select(spec);
    }

    /// Takes another speaker.
    pub fn select_speaker(&self, spec: SpeakerSpec) {
        self.speaker.select(spec);
    }

    /// How the microphone is doing.
    #[must_use]
    pub fn microphone_status(&self) -> DeviceStatus {
        self.microphone.status()
    }

    /// How the speaker is doing.
    #[must_use]
    pub fn speaker_status(&self) -> DeviceStatus {
        self.speaker.status()
    }

    /// Has `waker` called, on a thread of ours, when one of the statuses has changed. It must not block.
    pub fn set_status_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(waker));
    }

    /// How loud the microphone is, before the mute gate: 0 (-60 dBFS or less) to 1 (full scale), linear in decibels.
    #[must_use]
    pub fn input_level(&self) -> f32 {
        self.controls.input_level()
    }

    /// Part of our packets (0 to 1) that the worst path loses: from about 5 % on, packets carry copies of the ones before.
    pub fn set_expected_loss(&self, fraction: f32) {
        self.controls.set_expected_loss(fraction);
    }

    /// Rate of our sound, 6 to 128 kbit/s; 32 at first.
    pub fn set_bitrate_bps(&self, bitrate_bps: u32) {
        self.controls.set_bitrate_bps(bitrate_bps);
    }

    /// Begins to play a new sender; `label` is for the log.
    #[must_use]
    pub fn add_remote(&self, label: &str) -> Arc<AudioReceiver> {
        let receiver = AudioReceiver::new(label);
        self.controls
            .change_remotes(|remotes| remotes.push(Arc::clone(&receiver)));
        receiver
    }

    /// Plays a sender no more.
    pub fn remove_remote(&self, receiver: &Arc<AudioReceiver>) {
        self.controls
            .change_remotes(|remotes| remotes.retain(|remote| !Arc::ptr_eq(remote, receiver)));
    }

    /// What was sent.
    #[must_use]
    pub fn send_statistics(&self) -> AudioSendStatistics {
        self.controls.statistics()
    }
}

impl Drop for AudioPipeline {
    fn drop(&mut self) {
        // Both at once: each may need its time to close.
        self.microphone.request_stop();
        self.speaker.request_stop();
    }
}
