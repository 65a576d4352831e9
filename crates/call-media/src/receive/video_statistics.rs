//! What a [`super::video::VideoReceiver`] counts and measures.

use std::time::{Duration, Instant};

use crate::frame::VideoFrame;
use crate::percentiles::Percentiles;
use crate::stamp;

/// A longer gap between two pictures is a freeze.
const FREEZE: Duration = Duration::from_millis(150);
/// Changes of size that are remembered.
const MAX_RESOLUTIONS: usize = 256;

/// What the sender said of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sending {
    #[default]
    Going,
    Paused,
}

/// Gaps over 150 ms between pictures, deliberate pauses not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freezes {
    /// How many.
    pub count: u64,
    /// All of them together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

/// What one incoming picture stream did so far.
#[derive(Clone, Debug, Default)]
pub struct VideoReceiveStatistics {
    /// Pictures presented.
    pub frames: u64,
    /// When the first was.
    pub first_frame_at: Option<Instant>,
    /// When the last was.
    pub last_frame_at: Option<Instant>,
    /// Pixels of the last one.
    pub width: usize,
    /// Pixels of the last one.
    pub height: usize,
    /// Each change of size: seconds since the engine's start, width, height. At most 256.
    pub resolutions: Vec<(f64, usize, usize)>,
    /// From capture to presentation, by the stamps.
    pub latency: Percentiles,
    /// From the arrival of a picture's first packet to the moment the decoder took it.
    pub buffer: Percentiles,
    /// In the decoder, the copy out of it included.
    pub decode: Percentiles,
    /// From the decoder to the end of the sink's call.
    pub present: Percentiles,
    /// Gaps between presented pictures.
    pub freezes: Freezes,
    /// Key frames decoded.
    pub key_frames: u64,
    /// Key frames asked for.
    pub key_frame_requests: u64,
    /// Pictures without a readable stamp, counted from the first stamp that was seen.
    pub stamps_unreadable: u64,
    /// Pictures decoded but not presented, because newer ones waited.
    pub frames_dropped: u64,
    /// Pictures that the decoder refused.
    pub decode_errors: u64,
    /// Packets and bytes of payload that came.
    pub packets: u64,
    /// Bytes of payload that came.
    pub bytes: u64,
    /// Payloads that broke RFC 6184.
    pub packets_malformed: u64,
    /// Packets that the bounded queue or the reorder buffer had to drop.
    pub packets_dropped: u64,
    /// Packets that came twice.
    pub packets_duplicate: u64,
    /// Packets that came after their picture was given up.
    pub packets_late: u64,
    stamp_seen: Option<u16>,
    gap_measured: bool,
    sending: Sending,
}

impl VideoReceiveStatistics {
    /// Counts a picture at the moment it is given to the sink.
    pub(super) fn on_presented(&mut self, frame: &VideoFrame, now: Instant, epoch: Instant) {
        self.frames += 1;
        self.first_frame_at.get_or_insert(now);
        if let Some(last) = self.last_frame_at.filter(|_| self.gap_measured) {
            self.on_gap(now.saturating_duration_since(last));
        }
        self.gap_measured = true;
        self.last_frame_at = Some(now);
        if (self.width, self.height) != (frame.width(), frame.height()) {
            (self.width, self.height) = (frame.width(), frame.height());
            if self.resolutions.len() < MAX_RESOLUTIONS {
                let at_s = now.saturating_duration_since(epoch).as_secs_f64();
                self.resolutions.push((at_s, self.width, self.height));
            }
        }
        self.read_stamp(frame, stamp::unix_ms_now());
    }

    /// The sender stops or goes on, as it said: the gap is deliberate. Saying again what is known changes nothing.
    pub(super) fn set_sending(&mut self, sending: Sending) {
        if self.sending != sending {
            self.sending = sending;
            self.gap_measured = false;
        }
    }

    fn on_gap(&mut self, gap: Duration) {
        if gap > FREEZE {
            self.freezes.count += 1;
            self.freezes.total += gap;
            self.freezes.longest = self.freezes.longest.max(gap);
        }
    }

    fn read_stamp(&mut self, frame: &VideoFrame, now_unix_ms: u64) {
        match stamp::read(frame.y(), frame.width(), frame.width(), frame.height()) {
            // A picture that stands still is sent again with the stamp it had: its age is no latency.
            Some(read) if self.stamp_seen == Some(read.counter) => {}
            Some(read) => {
                self.stamp_seen = Some(read.counter);
                let latency_ms = stamp::latency_ms(read, now_unix_ms).max(0.0);
                self.latency.record(Duration::from_secs_f64(latency_ms / 1e3));
            }
            None if self.stamp_seen.is_some() => self.stamps_unreadable += 1,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FramePool;

    fn frame(width: usize, height: usize) -> VideoFrame {
        FramePool::new().frame(width, height, Instant::now())
    }

    #[test]
    fn freezes_are_gaps_over_150_ms_and_pauses_are_not() {
        let (mut statistics, start) = (VideoReceiveStatistics::default(), Instant::now());
        let picture = frame(64, 36);
        for ms in [1_000, 1_033, 1_183, 1_500] {
            statistics.on_presented(&picture, start + Duration::from_millis(ms), start);
        }
        statistics.set_sending(Sending::Paused);
        statistics.set_sending(Sending::Going);
        statistics.on_presented(&picture, start + Duration::from_secs(60), start);
        statistics.set_sending(Sending::Going);
        statistics.on_presented(&picture, start + Duration::from_millis(60_300), start);
        let expected = Freezes {
            count: 2,
            total: Duration::from_millis(617),
            longest: Duration::from_millis(317),
        };
        assert_eq!(statistics.freezes, expected);
        assert_eq!(statistics.resolutions, [(1.0, 64, 36)]);
    }

    #[test]
    fn stamps_count_as_unreadable_only_where_there_were_stamps() {
        let mut statistics = VideoReceiveStatistics::default();
        let now = Instant::now();
        let plain = frame(320, 180);
        statistics.on_presented(&plain, now, now);
        assert_eq!(statistics.stamps_unreadable, 0);
        let mut stamped = frame(320, 180);
        stamp::draw(&mut stamped, 1, stamp::unix_ms_now());
        statistics.on_presented(&stamped, now, now);
        statistics.on_presented(&stamped, now, now);
        statistics.on_presented(&plain, now, now);
        assert_eq!(statistics.stamps_unreadable, 1);
        assert_eq!(statistics.latency.count(), 1, "a repeated picture is measured once");
    }
}
