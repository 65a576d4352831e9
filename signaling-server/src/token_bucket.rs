//! How fast a client may send: a bucket that fills steadily and is emptied by use.

use std::time::Duration;

/// A token bucket. Time is an argument: the time since any fixed moment.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: f64,
    capacity: f64,
    tokens: f64,
    filled_at: Duration,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32, capacity: u32, now: Duration) -> Self {
        let capacity = f64::from(capacity);
        Self {
            per_second: f64::from(per_second),
            capacity,
            tokens: capacity,
            filled_at: now,
        }
    }

    /// Takes `count` tokens when there are that many.
    pub(crate) fn take(&mut self, count: u32, now: Duration) -> bool {
        let elapsed = now.saturating_sub(self.filled_at);
        self.filled_at = now;
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.per_second).min(self.capacity);
        let is_enough = self.tokens >= f64::from(count);
        if is_enough {
            self.tokens -= f64::from(count);
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_sustained_rate() {
        let mut bucket = TokenBucket::new(20, 100, Duration::ZERO);
        let mut taken_at = |ms| (0..1000).filter(|_| bucket.take(1, Duration::from_millis(ms))).count();
        assert_eq!(taken_at(0), 100);
        assert_eq!(taken_at(0), 0);
        assert_eq!(taken_at(1000), 20);
        assert_eq!(taken_at(1049), 0);
        assert_eq!(taken_at(1051), 1);
        assert_eq!(taken_at(3_600_000), 100);
    }

    #[test]
    fn more_than_is_there_is_not_taken_in_part() {
        let mut bucket = TokenBucket::new(1, 10, Duration::ZERO);
        assert!(!bucket.take(11, Duration::from_secs(60)));
        assert!(bucket.take(10, Duration::from_secs(60)));
    }
}
