//! The test microphone's signal, and finding it again in what is played.
//!
//! A click at each whole second of Unix time lets any listener on the same machine measure how long sound takes.

use std::f32::consts::TAU;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::frame::{AudioBlock, SAMPLE_RATE_HZ};

/// Frequency and length of the click: 15 whole periods.
const CLICK_HZ: f32 = 3_000.0;
const CLICK_SAMPLES: i64 = 240;
const CLICK_AMPLITUDE: f32 = 0.5;
/// The tone under it: quiet, so that the line is heard to be open.
const TONE_HZ: f32 = 440.0;
const TONE_AMPLITUDE: f32 = 0.02;

/// Unix time at `at`, by the clocks as they are now.
#[must_use]
pub fn unix_time(at: Instant) -> Duration {
    let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Instant::now();
    match at.checked_duration_since(now) {
        Some(ahead) => unix_now + ahead,
        None => unix_now.saturating_sub(now.duration_since(at)),
    }
}

/// The test microphone.
#[derive(Debug, Default)]
pub struct TestSignal {
    tone_phase: f32,
}

impl TestSignal {
    /// Writes the 10 ms of which the first sample sounds at Unix time `start`.
    pub fn fill(&mut self, start: Duration, block: &mut AudioBlock) {
        let into_second = i64::from(start.subsec_micros()) * 48 / 1_000;
        let a_second = i64::from(SAMPLE_RATE_HZ);
        for (i, sample) in block.iter_mut().enumerate() {
            let click = (into_second + i as i64) % a_second;
            *sample = TONE_AMPLITUDE * self.tone_phase.sin();
            if click < CLICK_SAMPLES {
                *sample += CLICK_AMPLITUDE * (click as f32 * CLICK_HZ / SAMPLE_RATE_HZ as f32 * TAU).sin();
            }
            self.tone_phase = (self.tone_phase + TONE_HZ / SAMPLE_RATE_HZ as f32 * TAU) % TAU;
        }
    }
}

/// Samples over which the click's energy is taken: 1 ms, three periods.
const SLICE: usize = 48;
/// A click lasts 5 ms; codecs smear it by up to as much again.
const CLICK_SLICES: std::ops::RangeInclusive<u32> = 3..=11;
/// Slices without the click's frequency before and after it.
const QUIET_SLICES: u32 = 20;
/// Amplitude at 3 kHz where a click begins, and under which it has ended.
const LOUD: f32 = 0.15;
const QUIET: f32 = 0.06;
/// Two clicks this close to a whole number of seconds apart (up to three) are ours; voices do not keep time like that.
const IN_STEP: Duration = Duration::from_millis(60);

/// Finds clicks in played sound and says how long they took.
#[derive(Debug, Default)]
pub struct ClickMeter {
    quiet: u32,
    quiet_before: u32,
    loud: u32,
    onset: Option<Duration>,
    candidate: Option<Duration>,
    last: Option<Duration>,
}

impl ClickMeter {
    /// Takes in 10 ms of which the first sample leaves at Unix time `start`; returns the delay of a click that has become
    /// certain: the time since the whole second, so delays over a second look short.
    pub fn listen(&mut self, start: Duration, block: &AudioBlock) -> Option<Duration> {
        let mut found = None;
        for (n, slice) in block.chunks_exact(SLICE).enumerate() {
            let at = start + Duration::from_millis(n as u64);
            found = self.slice(at, amplitude_at_click(slice)).or(found);
        }
        found
    }

    fn slice(&mut self, at: Duration, amplitude: f32) -> Option<Duration> {
        if amplitude >= QUIET {
            if self.loud == 0 {
                self.quiet_before = self.quiet;
            }
            if self.onset.is_none() && amplitude >= LOUD && self.quiet_before >= QUIET_SLICES {
                self.onset = Some(at);
            }
            self.loud += 1;
            self.quiet = 0;
            return None;
        }
        self.quiet += 1;
        if self.quiet == 1 {
            let length = std::mem::take(&mut self.loud);
            self.candidate = self.onset.take().filter(|_| CLICK_SLICES.contains(&length));
        }
        if self.quiet < QUIET_SLICES {
            return None;
        }
        let click = self.candidate.take()?;
        self.certain(click)
    }

    fn certain(&mut self, click: Duration) -> Option<Duration> {
        let before = self.last.replace(click)?;
        let apart = click.saturating_sub(before);
        let seconds = apart.as_secs_f64().round();
        let off = (apart.as_secs_f64() - seconds).abs();
        let ours = (1.0..=3.0).contains(&seconds) && off <= IN_STEP.as_secs_f64();
        ours.then(|| Duration::from_nanos(u64::from(click.subsec_nanos())))
    }
}

/// Amplitude of the part at 3 kHz (one bin of a Fourier transform; 48 samples hold three whole periods).
fn amplitude_at_click(slice: &[f32]) -> f32 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (i, sample) in slice.iter().enumerate() {
        let (sin, cos) = CLICK_TABLE_PHASES[i % 16];
        real += sample * cos;
        imaginary += sample * sin;
    }
    2.0 * (real * real + imaginary * imaginary).sqrt() / slice.len() as f32
}

/// Sine and cosine of one period at 3 kHz: 16 samples.
const CLICK_TABLE_PHASES: [(f32, f32); 16] = {
    const S1: f32 = 0.382_683_43;
    const S2: f32 = std::f32::consts::FRAC_1_SQRT_2;
    const S3: f32 = 0.923_879_5;
    [
        (0.0, 1.0),
        (S1, S3),
        (S2, S2),
        (S3, S1),
        (1.0, 0.0),
        (S3, -S1),
        (S2, -S2),
        (S1, -S3),
        (0.0, -1.0),
        (-S1, -S3),
        (-S2, -S2),
        (-S3, -S1),
        (-1.0, 0.0),
        (-S3, S1),
        (-S2, S2),
        (-S1, S3),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::BLOCK_SAMPLES;

    /// Plays `seconds` of the test signal, delayed, into a meter.
    fn measured(seconds: u64, delay: Duration) -> Vec<Duration> {
        let mut signal = TestSignal::default();
        let mut meter = ClickMeter::default();
        let mut block = [0.0; BLOCK_SAMPLES];
        (0..seconds * 100)
            .filter_map(|n| {
                let at = Duration::from_millis(1_700_000_000_503 + n * 10);
                signal.fill(at, &mut block);
                meter.listen(at + delay, &block)
            })
            .collect()
    }

    #[test]
    fn a_delay_is_found_to_a_millisecond() {
        for delay_ms in [0, 7, 45, 230, 700] {
            let found = measured(6, Duration::from_millis(delay_ms));
            assert_eq!(found.len(), 5, "{delay_ms}");
            for delay in found {
                assert!(
                    (delay.as_secs_f64() * 1e3 - delay_ms as f64).abs() <= 1.1,
                    "{delay:?} for {delay_ms}"
                );
            }
        }
    }

    #[test]
    fn other_sounds_are_not_clicks() {
        let mut meter = ClickMeter::default();
        let mut state = 1_u32;
        for n in 0..3_000_u64 {
            // Hissing bursts of 60 ms, several a second: a voice full of "s".
            let loud = n % 37 < 6;
            let block: AudioBlock = std::array::from_fn(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = state as f32 / u32::MAX as f32 - 0.5;
                let hiss = (i as f32 * CLICK_HZ / SAMPLE_RATE_HZ as f32 * TAU).sin() * 0.4 + noise * 0.3;
                if loud { hiss } else { 0.001 * noise }
            });
            assert_eq!(meter.listen(Duration::from_millis(n * 10), &block), None);
        }
    }

    #[test]
    fn unix_time_follows_the_instants() {
        let now = Instant::now();
        let apart = unix_time(now + Duration::from_secs(5)).saturating_sub(unix_time(now));
        assert!((apart.as_secs_f64() - 5.0).abs() < 0.5);
    }
}
