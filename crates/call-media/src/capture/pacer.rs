//! The clock of a source that has none of its own: absolute deadlines, so that nothing drifts.

use std::time::{Duration, Instant};

/// Frames a second as a fraction, `numerator / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameRate {
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

/// Counts frame periods from a start; frame `n` is due at `start + n / rate`.
#[derive(Debug)]
pub(crate) struct Pacer {
    start: Instant,
    rate: FrameRate,
    next: u64,
}

impl Pacer {
    /// The first frame is due at `start`. `rate` has neither a zero numerator nor a zero denominator.
    pub(crate) fn new(start: Instant, rate: FrameRate) -> Self {
        Self { start, rate, next: 0 }
    }

    fn due(&self, frame: u64) -> Instant {
        let nanoseconds = u128::from(frame) * 1_000_000_000 * u128::from(self.rate.denominator);
        let nanoseconds = nanoseconds / u128::from(self.rate.numerator);
        // 2^64 ns are 584 years.
        self.start + Duration::from_nanos(nanoseconds as u64)
    }

    /// When the next frame is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.due(self.next)
    }

    /// The frame was delivered at `now`: goes on to the next one that is not yet over. Periods that were
    /// missed (the machine slept, or was too busy) are left out, never caught up with in a burst.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.next += 1;
        while self.due(self.next + 1) <= now {
            let late = now - self.due(self.next);
            let periods =
                late.as_nanos() * u128::from(self.rate.numerator) / (u128::from(self.rate.denominator) * 1_000_000_000);
            self.next += (periods as u64).max(1);
        }
    }

    /// Which frame is due next, counting the ones left out.
    pub(crate) fn frame(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NTSC: FrameRate = FrameRate {
        numerator: 30_000,
        denominator: 1_001,
    };

    #[test]
    fn a_day_of_fractional_rate_does_not_drift() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, NTSC);
        for _ in 0..30_000 * 24 {
            let due = pacer.deadline();
            // Always half a period late: that must not add up.
            pacer.advance(due + Duration::from_millis(16));
        }
        assert_eq!(pacer.deadline() - start, Duration::from_secs(1_001 * 24));
    }

    #[test]
    fn missed_periods_are_left_out() {
        let start = Instant::now();
        let rate = FrameRate {
            numerator: 10,
            denominator: 1,
        };
        let mut pacer = Pacer::new(start, rate);
        pacer.advance(start + Duration::from_millis(1_050));
        assert_eq!(pacer.frame(), 10);
        assert_eq!(pacer.deadline(), start + Duration::from_secs(1));
        pacer.advance(start + Duration::from_secs(3_600));
        assert_eq!(pacer.frame(), 36_000);
    }
}
