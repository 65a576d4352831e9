//! How often something may be done.

use std::time::Duration;

use crate::time::Time;

/// Some at once after a pause, then one an interval (the generic cell rate algorithm, ITU-T I.371).
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// How far ahead of the interval one may be.
    tolerance: Duration,
    /// When all of the burst is there again.
    rested_at: Time,
}

impl Pace {
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            tolerance: interval * burst.saturating_sub(1),
            rested_at: Time::default(),
        }
    }

    /// When it may be done next.
    pub(super) fn ready_at(&self) -> Time {
        Time(self.rested_at.0.saturating_sub(self.tolerance))
    }

    /// Notes that it is done; false when it must not be.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let is_ready = now >= self.ready_at();
        if is_ready {
            self.rested_at = self.rested_at.max(now) + self.interval;
        }
        is_ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_an_interval() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(second, 3);
        let at = |seconds| Time(second * seconds);
        let given = [100, 100, 100, 100, 101, 101, 104, 104, 104, 104].map(|seconds| pace.take(at(seconds)));
        let expected = [true, true, true, false, true, false, true, true, true, false];
        assert_eq!(given, expected);
        assert_eq!(pace.ready_at(), at(105));
    }
}
