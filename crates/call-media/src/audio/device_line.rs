//! The "audio" thread's ends of the rings: blocks out of a microphone's samples, samples for a speaker out of blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer};

use super::clock::{BLOCK, Reserve, SpeakerClock};
use super::resample::{FromBlocks, ToBlocks};
use super::ring::StreamHealth;
use crate::frame::{AudioBlock, BLOCK_SAMPLES, SAMPLE_RATE_HZ};
use crate::receive::audio::stretch::{NEEDED_SAMPLES, accelerate};

/// Blocks over which the least reserve of a microphone is taken: half a second.
const WINDOW_BLOCKS: u32 = 50;
/// Reserve that a microphone's ring is steered to: it grows with each shortfall and shrinks slowly.
const FIRST_TARGET_S: f64 = 0.002;
const MAX_TARGET_S: f64 = 0.060;
const TARGET_STEP_S: f64 = 0.002;
const TARGET_DECAY: f64 = 0.995;
/// An error of this much asks for the full correction of the speed.
const FULL_CORRECTION_S: f64 = 0.020;
const MAX_CORRECTION: f64 = 0.01;
/// More than this over the target is dropped at once.
const MAX_EXCESS_S: f64 = 0.050;

/// Waiting sound of a speaker over this is left out by whole blocks, less of it by pitch periods.
const HOPELESS: Duration = Duration::from_millis(150);
/// No pitch period is shorter.
const SHORTEST_CUT: Duration = Duration::from_micros(2_500);
/// How alike two pitch periods have to be for one of them to go.
const LIKENESS: f32 = 0.4;

/// A microphone's sound, block by block, on the beat of the call.
///
/// The microphone's clock is not the call's: the resampler runs up to 1 % faster or slower to hold a small reserve.
pub struct CaptureLine {
    samples: Consumer<f32>,
    resampler: ToBlocks,
    scratch: Vec<f32>,
    rate_hz: f64,
    state: CaptureState,
    target_s: f64,
    blocks: u32,
    least_s: f64,
    /// Frames in the microphone's largest callback, in the last and in this half second.
    callbacks: [usize; 2],
    shortfalls: u64,
    dropped_samples: u64,
    health: Arc<StreamHealth>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CaptureState {
    Filling,
    Running,
}

/// What a microphone gave for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Captured {
    /// Sound, of which the first sample was captured this long ago.
    Sound(Duration),
    /// Nothing yet: the block is silence.
    Nothing,
}

impl CaptureLine {
    /// For a microphone at `rate_hz`.
    ///
    /// # Errors
    /// A sentence, for rates beyond reason.
    pub fn new(samples: Consumer<f32>, rate_hz: u32, health: Arc<StreamHealth>) -> Result<Self, String> {
        let resampler = ToBlocks::new(rate_hz)?;
        Ok(Self {
            scratch: vec![0.0; resampler.needs_at_most()],
            resampler,
            samples,
            rate_hz: f64::from(rate_hz),
            state: CaptureState::Filling,
            target_s: FIRST_TARGET_S,
            blocks: 0,
            least_s: f64::MAX,
            callbacks: [0; 2],
            shortfalls: 0,
            dropped_samples: 0,
            health,
        })
    }

    /// The next block, at `now`.
    pub fn read(&mut self, now: Instant, block: &mut AudioBlock) -> Captured {
        let waiting = self.samples.slots();
        let needs = self.resampler.needs();
        self.callbacks[1] = self.callbacks[1].max(self.health.take_largest_call());
        let start_s = (self.target_s + self.until_filled_s(now)).max(0.0);
        let start = needs + (start_s * self.rate_hz) as usize;
        if waiting < needs || (self.state == CaptureState::Filling && waiting < start) {
            if self.state == CaptureState::Running {
                self.shortfalls += 1;
                self.target_s = (self.target_s + TARGET_STEP_S).min(MAX_TARGET_S);
                self.state = CaptureState::Filling;
            }
            block.fill(0.0);
            return Captured::Nothing;
        }
        if self.state == CaptureState::Filling {
            // What gathered while nobody listened is old.
            self.drop_oldest(waiting - start);
            self.state = CaptureState::Running;
        }
        let age = self.samples.slots() as f64 / self.rate_hz;
        // Cannot fail: `waiting` only grows under our eyes.
        if self.samples.pop_entire_slice(&mut self.scratch[..needs]).is_err() {
            block.fill(0.0);
            return Captured::Nothing;
        }
        self.resampler.convert(&self.scratch[..needs], block);
        self.steer(now);
        Captured::Sound(Duration::from_secs_f64(age))
    }

    /// Times the microphone did not have enough.
    #[must_use]
    pub fn shortfalls(&self) -> u64 {
        self.shortfalls
    }

    /// Samples thrown away here or in the callback because they came faster than they were used.
    #[must_use]
    pub fn dropped_samples(&self) -> u64 {
        self.dropped_samples + self.health.lost_samples()
    }

    /// Holds the least reserve of half a second at the target.
    fn steer(&mut self, now: Instant) {
        self.least_s = self
            .least_s
            .min(self.samples.slots() as f64 / self.rate_hz - self.until_filled_s(now));
        self.blocks += 1;
        if self.blocks < WINDOW_BLOCKS {
            return;
        }
        let error_s = self.least_s - self.target_s;
        self.callbacks = [self.callbacks[1], 0];
        (self.blocks, self.least_s) = (0, f64::MAX);
        self.target_s = (self.target_s * TARGET_DECAY).max(FIRST_TARGET_S);
        if error_s > MAX_EXCESS_S {
            self.drop_oldest((error_s * self.rate_hz) as usize);
            return;
        }
        let correction = (error_s / FULL_CORRECTION_S).clamp(-1.0, 1.0) * MAX_CORRECTION;
        self.resampler.set_speed(1.0 + correction);
    }

    /// When the microphone will come again, if it keeps its beat. What is left after a block falls as this falls, so
    /// their difference changes with drift and lateness alone.
    fn until_filled_s(&self, now: Instant) -> f64 {
        let callback_s = self.callbacks[0].max(self.callbacks[1]) as f64 / self.rate_hz;
        callback_s - self.health.since_filled(now).as_secs_f64()
    }

    fn drop_oldest(&mut self, samples: usize) {
        let samples = samples.min(self.samples.slots());
        if let Ok(chunk) = self.samples.read_chunk(samples) {
            chunk.commit_all();
            self.dropped_samples += samples as u64;
        }
    }
}

/// Blocks on their way to a speaker; also the beat that keeps its ring short.
pub struct PlaybackLine {
    samples: Producer<f32>,
    resampler: Option<FromBlocks>,
    rate_hz: f64,
    clock: SpeakerClock,
    /// Sound to leave out, and blocks that are held back until there are enough to find a pitch period in.
    excess: Duration,
    held: Vec<f32>,
    shortfall_samples: u64,
    dropped_blocks: u64,
    shortened_samples: u64,
    health: Arc<StreamHealth>,
}

impl PlaybackLine {
    /// For a speaker at `rate_hz`.
    ///
    /// # Errors
    /// A sentence, for rates beyond reason.
    pub fn new(samples: Producer<f32>, rate_hz: u32, health: Arc<StreamHealth>) -> Result<Self, String> {
        let resampler = (rate_hz != SAMPLE_RATE_HZ)
            .then(|| FromBlocks::new(rate_hz))
            .transpose()?;
        Ok(Self {
            samples,
            resampler,
            rate_hz: f64::from(rate_hz),
            clock: SpeakerClock::default(),
            excess: Duration::ZERO,
            held: Vec::with_capacity(2 * NEEDED_SAMPLES),
            shortfall_samples: 0,
            dropped_blocks: 0,
            shortened_samples: 0,
            health,
        })
    }

    /// Time from now until the first sample of the next block leaves towards the card.
    #[must_use]
    pub fn delay(&self) -> Duration {
        let waiting = self.samples.buffer().capacity() - self.samples.slots();
        Duration::from_secs_f64(waiting as f64 / self.rate_hz)
    }

    /// Queues a block at `now` and returns when the next one is due after this one.
    pub fn write(&mut self, now: Instant, block: &AudioBlock) -> Duration {
        let at_48k = self.resampler.is_none();
        if self.excess >= HOPELESS || (self.excess >= BLOCK && !at_48k) {
            self.excess -= BLOCK;
            self.dropped_blocks += 1;
        } else if at_48k && (self.excess > SHORTEST_CUT || !self.held.is_empty()) {
            self.shorten(block);
        } else {
            self.push(block);
        }
        self.health.note_filled(now);
        let shortfall = self.health.take_shortfall();
        self.shortfall_samples += shortfall as u64;
        match self.clock.observe(self.health.take_reserve(), shortfall) {
            Reserve::Fine => {}
            Reserve::Excess(excess) => self.excess = excess,
        }
        self.clock.period()
    }

    fn push(&mut self, block: &AudioBlock) {
        let samples = match &mut self.resampler {
            Some(resampler) => resampler.convert(block),
            None => block.as_slice(),
        };
        if self.samples.push_entire_slice(samples).is_err() {
            self.dropped_blocks += 1;
        }
    }

    /// Gathers a few blocks and takes a pitch period out of them. There is enough in the ring to live on meanwhile, or
    /// nothing would have to go.
    fn shorten(&mut self, block: &AudioBlock) {
        self.held.extend_from_slice(block);
        if self.held.len() < NEEDED_SAMPLES {
            return;
        }
        let most = (self.excess.as_secs_f64() * f64::from(SAMPLE_RATE_HZ)) as usize;
        let gone = accelerate(&mut self.held, most, LIKENESS);
        self.shortened_samples += gone as u64;
        self.excess = self
            .excess
            .saturating_sub(Duration::from_micros(gone as u64 * 1_000 / 48));
        if self.samples.push_entire_slice(&self.held).is_err() {
            self.dropped_blocks += (self.held.len() / BLOCK_SAMPLES) as u64;
        }
        self.held.clear();
    }

    /// Samples that were taken out to shorten what waits for the card.
    #[must_use]
    pub fn shortened_samples(&self) -> u64 {
        self.shortened_samples
    }

    /// Samples that the card asked for and did not get.
    #[must_use]
    pub fn shortfall_samples(&self) -> u64 {
        self.shortfall_samples
    }

    /// Blocks that were left out because too many were waiting.
    #[must_use]
    pub fn dropped_blocks(&self) -> u64 {
        self.dropped_blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::ring;

    /// A microphone that delivers `chunk` frames at a time on a clock `ppm` fast, heard for `seconds`.
    fn listen(rate_hz: u32, chunk: usize, ppm: f64, seconds: f64) -> (CaptureLine, Vec<f64>, Vec<f32>) {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let (mut end, samples, health) = ring::capture(rate_hz, 1);
        let mut line = CaptureLine::new(samples, rate_hz, health).expect("rate");
        let period = chunk as f64 / f64::from(rate_hz) / (1.0 + ppm / 1e6);
        let (mut now, mut card, mut given) = (0.0, period, 0_usize);
        let (mut ages, mut pcm) = (Vec::new(), Vec::new());
        let mut block = [0.0; BLOCK_SAMPLES];
        while now < seconds {
            while card <= now {
                let tone: Vec<f32> = (given..given + chunk)
                    .map(|i| (i as f32 / rate_hz as f32 * 500.0 * std::f32::consts::TAU).sin() * 0.5)
                    .collect();
                end.take(&tone, at(card));
                given += chunk;
                card += period;
            }
            if let Captured::Sound(age) = line.read(at(now), &mut block)
                && now > seconds / 2.0
            {
                ages.push(age.as_secs_f64() * 1e3);
                pcm.extend_from_slice(&block);
            }
            now += 0.01;
        }
        (line, ages, pcm)
    }

    #[test]
    fn a_microphone_with_any_clock_stays_close() {
        for (rate_hz, chunk) in [
            (48_000, 480),
            (48_000, 128),
            (44_100, 441),
            (44_100, 1_024),
            (16_000, 160),
        ] {
            for ppm in [-200.0, 0.0, 200.0] {
                let (line, ages, pcm) = listen(rate_hz, chunk, ppm, 60.0);
                let chunk_ms = chunk as f64 * 1e3 / f64::from(rate_hz);
                let oldest = ages.iter().copied().fold(0.0, f64::max);
                assert!(
                    oldest < 10.0 + 2.0 * chunk_ms + 6.0,
                    "{rate_hz} {chunk} {ppm}: {oldest} ms"
                );
                assert!(line.shortfalls() <= 2, "{rate_hz} {chunk} {ppm}: {}", line.shortfalls());
                let roughest = pcm.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
                assert!(roughest < 0.05, "{rate_hz} {chunk} {ppm}: {roughest}");
            }
        }
    }

    #[test]
    fn what_gathered_while_nobody_listened_is_dropped() {
        let (mut end, samples, health) = ring::capture(48_000, 1);
        let mut line = CaptureLine::new(samples, 48_000, health).expect("rate");
        let now = Instant::now();
        (0..40).for_each(|_| end.take(&[0.1_f32; 480], now));
        let Captured::Sound(age) = line.read(now, &mut [0.0; BLOCK_SAMPLES]) else {
            panic!("there is sound");
        };
        assert!(age < Duration::from_millis(25), "{age:?}");
        assert!(line.dropped_samples() > 18_000);
    }

    #[test]
    fn a_speaker_gets_a_short_queue_and_a_full_ring_drops_blocks() {
        let (mut end, samples, health) = ring::playback(48_000, 2);
        let mut line = PlaybackLine::new(samples, 48_000, health).expect("rate");
        let block = [0.25; BLOCK_SAMPLES];
        let mut out = [0.0_f32; 960];
        let mut now = Instant::now();
        let mut turn = |line: &mut PlaybackLine, card: bool| {
            line.write(now, &block);
            if card {
                end.fill(&mut out, now + Duration::from_millis(5));
            }
            now += BLOCK;
        };
        (0..500).for_each(|_| turn(&mut line, true));
        assert!(line.delay() < Duration::from_millis(16), "{:?}", line.delay());
        assert_eq!(line.shortfall_samples(), 0);
        (0..100).for_each(|_| turn(&mut line, false));
        assert!(line.dropped_blocks() >= 50);
        assert_eq!(line.delay(), Duration::from_millis(400));
        // The card comes back: the old sound goes, the delay with it.
        (0..200).for_each(|_| turn(&mut line, true));
        assert!(line.delay() < Duration::from_millis(50), "{:?}", line.delay());
        assert!(line.shortened_samples() > 48 * 80);
    }
}
