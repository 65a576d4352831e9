//! A melody over and over, outside a call: that somebody rings, or that ours rings elsewhere.
//!
//! In: samples and a speaker. Out: sound, until the [`Chime`] is dropped. All of it happens on a thread "chime", which
//! opens the device, and on the device's own: whoever holds the chime never waits for the sound system, and without a
//! device there is silence.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::clock::BlockClock;
use super::ends::{Output, Speaker};
use super::supervisor::{StatusCell, Supervisor};
use crate::frame::{AudioBlock, BLOCK_SAMPLES};
use crate::spec::SpeakerSpec;
use crate::stage::{Stage, StopFlag};

/// What the device still holds when the melody has faded is played before it is closed.
const TAIL: Duration = Duration::from_millis(60);

/// A melody that plays. Dropping it fades it out within 10 ms; the thread ends on its own time.
#[derive(Debug)]
pub struct Chime(Option<Stage>);

impl Chime {
    /// Begins to play `melody`, mono at [`crate::frame::SAMPLE_RATE_HZ`], from the first sample that the device takes.
    /// Nothing is played, and no file written, where the speaker is not a device.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn play(melody: Arc<[f32]>, speaker: SpeakerSpec) -> std::io::Result<Self> {
        match speaker {
            // A recording is of the call, not of what rings before it.
            SpeakerSpec::Null | SpeakerSpec::File(_) => return Ok(Self(None)),
            SpeakerSpec::Device(_) => {}
        }
        let stage = Stage::spawn("chime", move |stop| run(&melody, speaker, &stop))?;
        Ok(Self(Some(stage)))
    }
}

impl Drop for Chime {
    fn drop(&mut self) {
        if let Some(stage) = self.0.take() {
            stage.detach();
        }
    }
}

fn run(melody: &[f32], speaker: SpeakerSpec, stop: &StopFlag) {
    let status = StatusCell::new(Arc::new(Mutex::new(None)));
    let supervisor = match Supervisor::<Speaker>::start(speaker, status) {
        Ok(supervisor) => supervisor,
        Err(error) => {
            tracing::warn!(%error, "nothing can be heard of a ring");
            return;
        }
    };
    let slot = supervisor.slot();
    let mut output = Output::Null;
    let mut player = Player::new(melody);
    let mut clock = BlockClock::new(Instant::now());
    while !stop.is_set() {
        std::thread::sleep(clock.due().saturating_duration_since(Instant::now()));
        slot.refresh(&mut output);
        // The melody stands still until somebody can hear it.
        let block = match &output {
            Output::Device(_) => player.next(),
            Output::Null | Output::File(_) => SILENCE,
        };
        let period = output.write(&block);
        clock.advance(Instant::now(), period);
    }
    match &output {
        Output::Device(_) => {
            output.write(&player.fade());
            std::thread::sleep(output.delay() + TAIL);
        }
        Output::Null | Output::File(_) => {}
    }
}

const SILENCE: AudioBlock = [0.0; BLOCK_SAMPLES];

/// Cuts a melody into blocks.
struct Player<'a> {
    melody: &'a [f32],
    position: usize,
}

impl<'a> Player<'a> {
    fn new(melody: &'a [f32]) -> Self {
        Self { melody, position: 0 }
    }

    /// The next 10 ms.
    fn next(&mut self) -> AudioBlock {
        let mut block = SILENCE;
        if !self.melody.is_empty() {
            for sample in &mut block {
                *sample = self.melody[self.position];
                self.position = (self.position + 1) % self.melody.len();
            }
        }
        block
    }

    /// The next 10 ms, down to silence: a sound that breaks off clicks.
    fn fade(&mut self) -> AudioBlock {
        if self.position == 0 {
            return SILENCE;
        }
        let mut block = self.next();
        for (sample, left) in block.iter_mut().zip((0..BLOCK_SAMPLES).rev()) {
            *sample *= left as f32 / BLOCK_SAMPLES as f32;
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(length: usize) -> Vec<f32> {
        (0..length).map(|sample| sample as f32 / length as f32).collect()
    }

    #[test]
    fn a_melody_comes_again() {
        let melody = ramp(BLOCK_SAMPLES + 100);
        let mut player = Player::new(&melody);
        assert_eq!(player.next()[..], melody[..BLOCK_SAMPLES]);
        let second = player.next();
        assert_eq!(second[..100], melody[BLOCK_SAMPLES..]);
        assert_eq!(second[100..], melody[..BLOCK_SAMPLES - 100]);
    }

    #[test]
    fn the_end_is_silence_without_a_step() {
        let melody = vec![1.0; 4 * BLOCK_SAMPLES];
        let mut player = Player::new(&melody);
        player.next();
        let end = player.fade();
        assert!(end.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.01));
        assert_eq!(end.last(), Some(&0.0));
        assert_eq!(
            Player::new(&melody).fade(),
            SILENCE,
            "what was never heard does not begin at the end"
        );
        assert_eq!(Player::new(&[]).next(), SILENCE);
    }

    #[test]
    fn no_device_is_opened_and_no_file_written_for_what_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("call.wav");
        for speaker in [SpeakerSpec::Null, SpeakerSpec::File(path.clone())] {
            let chime = Chime::play(ramp(480).into(), speaker).expect("no thread is needed");
            assert!(chime.0.is_none());
        }
        assert!(!path.exists());
    }
}
