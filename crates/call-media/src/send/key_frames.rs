//! Keeps key-frame requests from many peers, or from a hostile one, from turning the stream into key frames.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::codec::PictureRequest;

/// Within this time [`BURST`] requests are granted; a further one waits.
const WINDOW: Duration = Duration::from_millis(600);
/// Two: the answer to a first request may be lost, and somebody may join right after another.
const BURST: usize = 2;

/// When requests were last granted.
#[derive(Debug, Default)]
pub(crate) struct KeyFrameLimit {
    granted: [Option<Instant>; BURST],
}

impl KeyFrameLimit {
    /// Takes the request out of `requested` where it may be granted now, and leaves it there otherwise.
    pub(crate) fn grant(&mut self, requested: &AtomicBool, now: Instant) -> PictureRequest {
        let oldest = self.granted[0];
        if oldest.is_some_and(|oldest| now.saturating_duration_since(oldest) < WINDOW) {
            return PictureRequest::Any;
        }
        if !requested.swap(false, Ordering::Relaxed) {
            return PictureRequest::Any;
        }
        self.granted = [self.granted[1], Some(now)];
        PictureRequest::KeyFrame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_then_the_third_waits_and_is_not_forgotten() {
        let (mut limit, requested, start) = (KeyFrameLimit::default(), AtomicBool::new(true), Instant::now());
        let mut granted = Vec::new();
        for ms in (0..2_000).step_by(100) {
            // A peer that asks all the time.
            requested.store(ms < 1_000, Ordering::Relaxed);
            if limit.grant(&requested, start + Duration::from_millis(ms)) == PictureRequest::KeyFrame {
                granted.push(ms);
            }
        }
        assert_eq!(granted, [0, 100, 600, 700]);
        requested.store(true, Ordering::Relaxed);
        limit.granted = [Some(start), Some(start)];
        assert_eq!(limit.grant(&requested, start), PictureRequest::Any);
        assert!(requested.load(Ordering::Relaxed), "it is still there for later");
    }
}
