//! When to ask for a key frame: at once, again when the answer should have come, and not for ever into silence.

use std::time::{Duration, Instant};

/// At most one request in this time …
const INTERVAL: Duration = Duration::from_millis(300);
/// … and none before an answer to the last can have come: a round trip and the time a key frame takes to arrive whole.
const ANSWER: Duration = Duration::from_millis(200);
/// However long the round trip.
const LONGEST_INTERVAL: Duration = Duration::from_millis(1_200);
/// Requests without a single packet coming in between: after these, nobody is sending.
const TRIES_INTO_SILENCE: u32 = 10;

/// Paces the requests of one stream.
#[derive(Debug, Default)]
pub(super) struct KeyFrameRequests {
    last: Option<Instant>,
    rtt: Duration,
    tries: u32,
    anything_came: bool,
}

impl KeyFrameRequests {
    /// Tells the round-trip time.
    pub(super) fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    fn interval(&self) -> Duration {
        self.rtt.saturating_add(ANSWER).clamp(INTERVAL, LONGEST_INTERVAL)
    }

    /// Packets came: somebody is sending.
    pub(super) fn on_packets(&mut self) {
        self.anything_came = true;
        self.tries = 0;
    }

    /// Whether to ask now, given that a key frame is needed.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let due = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= self.interval());
        let asks = due && self.anything_came && self.tries < TRIES_INTO_SILENCE;
        if asks {
            self.last = Some(now);
            self.tries += 1;
        }
        asks
    }

    /// When [`ask`](Self::ask) may be worth calling again.
    pub(super) fn deadline(&self, needs_key_frame: bool) -> Option<Instant> {
        let asks = needs_key_frame && self.anything_came && self.tries < TRIES_INTO_SILENCE;
        self.last.filter(|_| asks).map(|last| last + self.interval())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_in_300_ms_and_ten_times_into_silence() {
        let (mut requests, start) = (KeyFrameRequests::default(), Instant::now());
        let asked = |requests: &mut KeyFrameRequests, from: u64, to: u64| {
            (from..to)
                .step_by(10)
                .filter(|ms| requests.ask(start + Duration::from_millis(*ms)))
                .count()
        };
        assert_eq!(asked(&mut requests, 0, 1_000), 0, "nothing came yet");
        requests.on_packets();
        assert_eq!(asked(&mut requests, 1_000, 1_900), 3);
        assert_eq!(asked(&mut requests, 1_900, 60_000), 7);
        assert_eq!(requests.deadline(true), None);
        requests.on_packets();
        assert_eq!(asked(&mut requests, 60_000, 60_100), 1);
        assert!(requests.deadline(true).is_some());
        assert_eq!(requests.deadline(false), None);
        requests.set_rtt(Duration::from_millis(400));
        assert_eq!(asked(&mut requests, 61_000, 62_200), 2, "a long way is waited for");
    }
}
