//! How many pictures a second come in, and which of them to leave out. Pure: times of capture in.

use std::time::{Duration, Instant};

/// Weight of a new interval against the history: a change of rate is noticed within a second.
const WEIGHT: f64 = 1.0 / 16.0;
/// A longer interval is a pause, not a rate.
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);
/// A smaller change is not worth telling the encoder.
const NOTABLE_CHANGE: f64 = 0.1;
/// A source up to this much faster than wanted is left alone: its surplus would be a stutter.
const NEARLY: f32 = 1.1;
/// What a source is taken to deliver until it has shown better.
const ASSUMED_FPS: f32 = 30.0;

/// Measures the rate of a source.
#[derive(Debug, Default)]
pub(crate) struct FrameRateMeter {
    last: Option<Instant>,
    interval_s: Option<f64>,
    told: Option<f64>,
}

impl FrameRateMeter {
    /// Takes the time of the next picture; gives the rate, which stands still until it changes by a tenth.
    pub(crate) fn on_frame(&mut self, captured_at: Instant) -> f32 {
        let interval = self
            .last
            .replace(captured_at)
            .map(|last| captured_at.saturating_duration_since(last));
        if let Some(interval) = interval.filter(|interval| !interval.is_zero() && *interval <= LONGEST_INTERVAL) {
            let interval_s = interval.as_secs_f64();
            let smooth = self.interval_s.get_or_insert(1.0 / f64::from(ASSUMED_FPS));
            *smooth += (interval_s - *smooth) * WEIGHT;
            let fps = 1.0 / *smooth;
            let told = self.told.get_or_insert(f64::from(ASSUMED_FPS));
            if (fps - *told).abs() > *told * NOTABLE_CHANGE {
                *told = fps.round().max(1.0);
            }
        }
        self.told.map_or(ASSUMED_FPS, |fps| fps as f32)
    }
}

/// Leaves pictures out where a source is faster than wanted.
#[derive(Debug, Default)]
pub(crate) struct FrameRateCap {
    due: Option<Instant>,
}

impl FrameRateCap {
    /// Whether this picture is one to send.
    pub(crate) fn admits(&mut self, captured_at: Instant, source_fps: f32, max_fps: f32) -> bool {
        if source_fps <= max_fps * NEARLY {
            self.due = None;
            return true;
        }
        let interval = Duration::from_secs_f32(1.0 / max_fps.max(1.0));
        // A picture a little early is the one that was meant.
        let slack = interval / 4;
        let due = self.due.unwrap_or(captured_at);
        if captured_at + slack < due {
            return false;
        }
        // On the grid while the source keeps to it, from here on where it does not.
        let next = due + interval;
        self.due = Some(if next < captured_at {
            captured_at + interval
        } else {
            next
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn the_rate_follows_the_source_and_ignores_jitter_and_pauses() {
        let (mut meter, start) = (FrameRateMeter::default(), Instant::now());
        let mut now = 0;
        let mut run = |meter: &mut FrameRateMeter, count: u64, interval_ms: [u64; 2]| {
            (0..count).fold(0.0, |_, index| {
                now += interval_ms[index as usize % 2];
                meter.on_frame(ms(start, now))
            })
        };
        assert_eq!(run(&mut meter, 60, [33, 33]), 30.0);
        assert_eq!(run(&mut meter, 60, [25, 41]), 30.0, "jitter");
        assert_eq!(run(&mut meter, 1, [5_000, 5_000]), 30.0, "a pause");
        let slow = run(&mut meter, 60, [66, 67]);
        assert!((14.0..=16.0).contains(&slow), "{slow}");
    }

    #[test]
    fn the_cap_halves_a_rate_evenly_and_leaves_a_slow_source_alone() {
        let start = Instant::now();
        let mut cap = FrameRateCap::default();
        let sent: Vec<u64> = (0..12).filter(|n| cap.admits(ms(start, n * 33), 30.0, 15.0)).collect();
        assert_eq!(sent, [0, 2, 4, 6, 8, 10]);
        let mut cap = FrameRateCap::default();
        assert!((0..50).all(|n| cap.admits(ms(start, n * 33 + n % 3), 30.3, 30.0)));
        let mut cap = FrameRateCap::default();
        assert!((0..50).all(|n| cap.admits(ms(start, n * 100), 16.0, 10.0)));
    }
}
