//! The beat of the "audio" thread: one block every 10 ms, a little faster or slower when the speaker's clock says so.

use std::time::{Duration, Instant};

/// Length of a block at nominal speed.
pub const BLOCK: Duration = Duration::from_millis(10);
/// Blocks further behind than this are left out instead of being made up for: after a suspend, say.
const HOPELESS: Duration = Duration::from_millis(200);

/// Says when the next block is due. Pure; the caller sleeps.
#[derive(Debug)]
pub struct BlockClock {
    due: Instant,
    left_out: u64,
}

impl BlockClock {
    /// The first block is due 10 ms after `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            due: now + BLOCK,
            left_out: 0,
        }
    }

    /// When the current block is due. A thread that is late works through its blocks without sleeping.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Goes on to the next block, `period` after this one.
    pub fn advance(&mut self, now: Instant, period: Duration) {
        self.due += period;
        let behind = now.saturating_duration_since(self.due);
        if behind > HOPELESS {
            self.left_out += (behind.as_nanos() / BLOCK.as_nanos()) as u64;
            self.due = now;
        }
    }

    /// Blocks that were never made.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// Steers the beat so that a small reserve stays between us and a sound card.
///
/// The reserve is the time by which the thread may be late. Over a quarter of a second its least value is compared with a
/// target, and the speed changed by at most 0.5 %: no samples are added or left out here, the playout buffers and the microphone's resampler follow. So the clock
/// of the call is the clock of the speaker, and its drift cannot add up.
///
/// A shortfall corrects itself, since what was missing is played later: it only raises the target, which comes down
/// again slowly.
#[derive(Debug)]
pub struct SpeakerClock {
    target: Duration,
    blocks: u32,
    least: Option<Duration>,
    period: Duration,
}

/// What to do about a reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// It will be steered.
    Fine,
    /// There is so much (a card that stopped and started again) that this much should be left out.
    Excess(Duration),
}

const WINDOW_BLOCKS: u32 = 25;
const FIRST_TARGET: Duration = Duration::from_millis(4);
const MAX_TARGET: Duration = Duration::from_millis(40);
const TARGET_STEP: Duration = Duration::from_millis(2);
/// A target that was raised by one step is back after 20 s without a shortfall.
const TARGET_DECAY: Duration = Duration::from_micros(25);
const MAX_EXCESS: Duration = Duration::from_millis(30);
/// An error of this much asks for the full correction.
const FULL_CORRECTION: Duration = Duration::from_millis(10);
const MAX_CORRECTION: f64 = 0.01;

impl Default for SpeakerClock {
    fn default() -> Self {
        Self {
            target: FIRST_TARGET,
            blocks: 0,
            least: None,
            period: BLOCK,
        }
    }
}

impl SpeakerClock {
    /// Takes in what the card did since the last block: the least reserve (`None` if it did not come), and how many
    /// samples it did not get.
    pub fn observe(&mut self, reserve: Option<Duration>, shortfall: usize) -> Reserve {
        self.least = self.least.into_iter().chain(reserve).min();
        if shortfall > 0 {
            self.target = (self.target + TARGET_STEP).min(MAX_TARGET);
        }
        self.blocks += 1;
        if self.blocks < WINDOW_BLOCKS {
            return Reserve::Fine;
        }
        self.blocks = 0;
        self.target = self.target.saturating_sub(TARGET_DECAY).max(FIRST_TARGET);
        let Some(least) = self.least.take() else {
            self.period = BLOCK;
            return Reserve::Fine;
        };
        let error = least.as_secs_f64() - self.target.as_secs_f64();
        let correction = (error / FULL_CORRECTION.as_secs_f64()).clamp(-1.0, 1.0) * MAX_CORRECTION;
        self.period = BLOCK.mul_f64(1.0 + correction);
        match least.checked_sub(self.target) {
            Some(excess) if excess > MAX_EXCESS => Reserve::Excess(excess),
            Some(_) | None => Reserve::Fine,
        }
    }

    /// Time until the next block.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::ring::reserve_s;

    #[test]
    fn a_late_thread_makes_up_for_its_blocks_but_not_for_a_suspend() {
        let start = Instant::now();
        let mut clock = BlockClock::new(start);
        assert_eq!(clock.due(), start + BLOCK);
        clock.advance(start + Duration::from_millis(45), BLOCK);
        assert_eq!(clock.due(), start + 2 * BLOCK);
        let wake = start + Duration::from_secs(3_600);
        clock.advance(wake, BLOCK);
        assert_eq!(clock.due(), wake);
        assert!(clock.left_out() > 350_000);
    }

    /// A card that takes `chunk` samples at a time on a clock `ppm` fast; returns the largest reserve in ms and the
    /// samples it missed, over the second half.
    fn run(chunk: usize, ppm: f64, seconds: f64) -> (f64, usize) {
        let mut clock = SpeakerClock::default();
        let (mut before, mut ours, mut card) = (0.0, 0.0, 0.0);
        let card_period = chunk as f64 / 48_000.0 / (1.0 + ppm / 1e6);
        let mut ring = 2 * chunk;
        let (mut largest, mut missed) = (0.0_f64, 0);
        while ours < seconds {
            let (mut reserve, mut shortfall) = (None::<f64>, 0);
            while card <= ours {
                shortfall += chunk.saturating_sub(ring);
                ring = ring.saturating_sub(chunk);
                let left = reserve_s(48_000, ring, chunk, 480, card - before).max(0.0);
                reserve = Some(reserve.map_or(left, |reserve| reserve.min(left)));
                card += card_period;
            }
            if ours > seconds / 2.0 {
                missed += shortfall;
                largest = reserve.map_or(largest, |reserve| largest.max(reserve * 1e3));
            }
            if let Reserve::Excess(excess) = clock.observe(reserve.map(Duration::from_secs_f64), shortfall) {
                ring = ring.saturating_sub((excess.as_secs_f64() * 48_000.0) as usize);
            }
            ring += 480;
            before = ours;
            ours += clock.period().as_secs_f64();
        }
        (largest, missed)
    }

    #[test]
    fn drift_does_not_add_up_whatever_the_card_takes_at_a_time() {
        for chunk in [24, 128, 441, 480, 1_024, 4_800] {
            for ppm in [-300.0, 0.0, 300.0] {
                let (largest, missed) = run(chunk, ppm, 120.0);
                // Odd sizes show their worst case only now and then: a millisecond in a minute, which nobody hears.
                assert!(missed <= 48, "{chunk} {ppm}: {missed}");
                assert!(largest < 25.0, "{chunk} {ppm}: {largest} ms");
            }
        }
    }

    #[test]
    fn a_card_that_stopped_for_a_while_is_brought_back_at_once() {
        let mut clock = SpeakerClock::default();
        let verdicts: Vec<Reserve> = (0..25)
            .map(|_| clock.observe(Some(Duration::from_millis(200)), 0))
            .collect();
        assert_eq!(verdicts.last(), Some(&Reserve::Excess(Duration::from_millis(196))));
    }
}
