//! Spans without any packet from a participant.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shorter spans are not gaps.
const GAP: Duration = Duration::from_millis(150);
/// Gaps remembered; a call with more of them has told its story.
const KEPT: usize = 1_000;

/// Notes spans of over 150 ms between packets.
#[derive(Debug, Default)]
pub(crate) struct GapMeter {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    gaps_ms: Vec<f64>,
}

impl GapMeter {
    /// A packet came.
    pub(crate) fn mark(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = state.last {
            let span = now.saturating_duration_since(last);
            if span > GAP && state.gaps_ms.len() < KEPT {
                state.gaps_ms.push(span.as_secs_f64() * 1e3);
            }
        }
        state.last = Some(now);
    }

    /// All gaps so far, milliseconds.
    pub(crate) fn gaps_ms(&self) -> Vec<f64> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .gaps_ms
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_spans_are_gaps() {
        let meter = GapMeter::default();
        let start = Instant::now();
        for ms in [0, 20, 170, 331] {
            meter.mark(start + Duration::from_millis(ms));
        }
        assert_eq!(meter.gaps_ms(), [161.0]);
    }
}
