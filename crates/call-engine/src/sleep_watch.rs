//! Notices that the machine has slept: the calendar has gone on and the process has not.

use std::time::{Duration, Instant, SystemTime};

/// A difference that no busy machine makes.
const SLEPT: Duration = Duration::from_secs(3);

/// Compares the process's clock, which stands still in sleep or is not asked, with the calendar.
#[derive(Debug, Default)]
pub(crate) struct SleepWatch {
    last: Option<(Instant, SystemTime)>,
}

impl SleepWatch {
    /// Whether the machine has slept since this was asked last: ask each second. A calendar that was set says so too,
    /// which costs a look at the network.
    pub(crate) fn has_slept(&mut self) -> bool {
        self.look(Instant::now(), SystemTime::now())
    }

    fn look(&mut self, now: Instant, today: SystemTime) -> bool {
        let last = self.last.replace((now, today));
        last.is_some_and(|(then, day)| {
            let awake = now.saturating_duration_since(then);
            let passed = today.duration_since(day).unwrap_or_default();
            // Where the process's clock goes on in sleep, the time between two looks tells.
            passed > awake + SLEPT || awake > 2 * SLEPT
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_noticed_by_either_clock() {
        let (start, day) = (Instant::now(), SystemTime::now());
        let second = Duration::from_secs(1);
        let mut watch = SleepWatch::default();
        assert!(!watch.look(start, day));
        assert!(!watch.look(start + second, day + second));
        assert!(watch.look(start + 2 * second, day + 60 * second));
        assert!(!watch.look(start + 3 * second, day + 61 * second));
        assert!(watch.look(start + 63 * second, day + 121 * second));
        assert!(
            !watch.look(start + 64 * second, day + 100 * second),
            "a calendar that was set back"
        );
    }
}
