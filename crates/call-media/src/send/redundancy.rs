//! How often sound is sent: what a path loses flows in, the number of copies that go with each packet flows out.
//!
//! ```text
//! fates of our packets ─► LossMeter ─► Redundancy ─► copies for the RED packer; what they leave is for Opus' own FEC
//! ```
//!
//! One of each a path. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::rtp::red::MAX_COPIES;

/// What one packet weighs in the measure of loss: 1/256, that is 5 s of sound.
const SLOW: f32 = 1.0 / 256.0;
/// And in the measure that sees a sudden loss: half a second.
const FAST: f32 = 1.0 / 24.0;
/// A path begins as if so many packets had arrived, lest the first loss count for a catastrophe.
const PRIOR_PACKETS: u32 = 64;

/// Which part of our packets a path loses.
#[derive(Clone, Copy, Debug)]
pub struct LossMeter {
    slow: f32,
    fast: f32,
    packets: u32,
}

impl Default for LossMeter {
    fn default() -> Self {
        Self {
            slow: 0.0,
            fast: 0.0,
            packets: PRIOR_PACKETS,
        }
    }
}

impl LossMeter {
    /// Takes in the fate of one packet.
    pub fn packet(&mut self, lost: bool) {
        self.packets(if lost { 1.0 } else { 0.0 }, 1);
    }

    /// Takes in that of `packets` (bounded here) a part was lost: 0 to 1.
    pub fn packets(&mut self, fraction: f32, packets: u32) {
        let packets = packets.min(1_000);
        self.packets = self.packets.saturating_add(packets);
        let weigh = |one: f32| 1.0 - (1.0 - one).powi(packets as i32);
        let fraction = fraction.clamp(0.0, 1.0);
        // A plain average until there is a past worth forgetting.
        let slow = SLOW.max(1.0 / self.packets as f32);
        self.slow += (fraction - self.slow) * weigh(slow);
        self.fast += (fraction - self.fast) * weigh(FAST);
    }

    /// The part that is lost, 0 to 1: steady, but with a sudden loss at once.
    #[must_use]
    pub fn loss(&self) -> f32 {
        // What the last half second shows for certain: two standard deviations below its mean.
        let deviation = (self.fast * (1.0 - self.fast) * FAST / 2.0).max(0.0).sqrt();
        self.slow.max(self.fast - 2.0 * deviation)
    }
}

/// Loss from which on each packet carries one, two, three copies. Alone they leave 0.01 %, 0.05 % and 0.2 %.
const STEPS: [f32; MAX_COPIES] = [0.01, 0.08, 0.20];
/// Below this part of its step a copy is no longer needed,
const CALM: f32 = 0.7;
/// once it has been so for this long.
const CALM_FOR: Duration = Duration::from_secs(5);
/// Of what the path carries, copies may take this part.
const SHARE: f32 = 0.25;
/// Header of a copy.
const COPY_HEADER_BYTES: f32 = 4.0;
const PACKETS_PER_SECOND: f32 = 50.0;

/// Decides how many copies of earlier packets go with each.
#[derive(Debug)]
pub struct Redundancy {
    wanted: usize,
    calm_since: Option<Instant>,
    /// Smoothed size of a packet, over words and the pauses between them.
    packet_bytes: f32,
    copies: usize,
}

impl Default for Redundancy {
    fn default() -> Self {
        Self {
            wanted: 0,
            calm_since: None,
            // 32 kbit/s.
            packet_bytes: 80.0,
            copies: 0,
        }
    }
}

impl Redundancy {
    /// The number of copies that go with the next packet, of `bytes`, on a path that loses the part `loss` and carries
    /// `room_bps` in all. More at once, fewer in time; no more than there is room for.
    pub fn next(&mut self, now: Instant, bytes: usize, loss: f32, room_bps: u32) -> usize {
        self.packet_bytes += (bytes as f32 - self.packet_bytes) * SLOW;
        self.want(now, loss);
        let affordable = room_bps as f32 * SHARE / self.copy_bps();
        self.copies = self.wanted.min(affordable as usize);
        self.copies
    }

    /// What the copies cost at present, bit/s.
    #[must_use]
    pub fn bitrate_bps(&self) -> u32 {
        (self.copies as f32 * self.copy_bps()) as u32
    }

    fn copy_bps(&self) -> f32 {
        (self.packet_bytes + COPY_HEADER_BYTES) * 8.0 * PACKETS_PER_SECOND
    }

    fn want(&mut self, now: Instant, loss: f32) {
        let copies_at = |loss: f32| STEPS.iter().filter(|step| loss >= **step).count();
        if copies_at(loss) >= self.wanted {
            self.wanted = copies_at(loss);
        }
        if copies_at(loss / CALM) >= self.wanted {
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= CALM_FOR {
            self.wanted -= 1;
            self.calm_since = None;
        }
    }
}

/// The part of the packets that is lost in spite of their copies, when losses do not depend on each other.
#[must_use]
pub fn unrepaired(loss: f32, copies: usize) -> f32 {
    loss.clamp(0.0, 1.0).powi(copies.min(MAX_COPIES) as i32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeded (Knuth's MMIX constants).
    struct Chance(u64);

    impl Chance {
        fn unit(&mut self) -> f32 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1_u64 << 24) as f32
        }
    }

    #[test]
    fn the_meter_settles_at_the_loss() {
        for loss in [0.0, 0.02, 0.05, 0.1, 0.3] {
            let (mut meter, mut chance) = (LossMeter::default(), Chance(3));
            let mut sum = 0.0;
            for packet in 0..5_000 {
                meter.packet(chance.unit() < loss);
                if packet >= 1_000 {
                    sum += meter.loss();
                }
            }
            let mean = sum / 4_000.0;
            assert!((mean - loss).abs() <= 0.15 * loss, "{mean} of {loss}");
        }
    }

    #[test]
    fn a_single_loss_is_no_loss_worth_mentioning_and_a_sudden_one_is_seen_within_half_a_second() {
        let mut meter = LossMeter::default();
        meter.packets(0.0, 500);
        meter.packet(true);
        assert!(meter.loss() < STEPS[0], "{}", meter.loss());
        let mut chance = Chance(5);
        for _ in 0..25 {
            meter.packet(chance.unit() < 0.35);
        }
        assert!(meter.loss() > STEPS[1], "{}", meter.loss());
    }

    #[test]
    fn reports_count_like_the_packets_they_tell_of() {
        let (mut one, mut many) = (LossMeter::default(), LossMeter::default());
        for second in 0..20 {
            one.packets(0.1, 50);
            for packet in 0..50 {
                many.packet((packet + second) % 10 == 0);
            }
        }
        assert!(
            (one.loss() - many.loss()).abs() < 0.01,
            "{} {}",
            one.loss(),
            many.loss()
        );
        one.packets(f32::NAN.max(7.0), u32::MAX);
        assert!(one.loss() <= 1.0);
    }

    #[test]
    fn copies_follow_the_loss_up_at_once_and_down_in_time() {
        let start = Instant::now();
        let mut redundancy = Redundancy::default();
        // Seconds, loss, copies.
        let table = [
            (0, 0.0, 0),
            (1, 0.009, 0),
            (2, 0.01, 1),
            (3, 0.05, 1),
            (4, 0.08, 2),
            (5, 0.30, 3),
            // Still near its step.
            (6, 0.15, 3),
            (30, 0.15, 3),
            // One step in five seconds.
            (31, 0.0, 3),
            (35, 0.0, 3),
            (36, 0.0, 2),
            (37, 0.0, 2),
            (42, 0.0, 1),
            (43, 0.0, 1),
            // Nearly rid of the last one.
            (47, 0.009, 1),
            (48, 0.0, 1),
            (52, 0.0, 1),
            (53, 0.0, 0),
            (60, 0.5, 3),
        ];
        for (seconds, loss, copies) in table {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(
                redundancy.next(now, 80, loss, 2_000_000),
                copies,
                "second {seconds}, loss {loss}"
            );
        }
    }

    #[test]
    fn copies_take_a_quarter_of_the_path_at_most() {
        // Of 33.6 kbit/s each.
        for (room_bps, copies) in [(60_000, 0), (130_000, 0), (140_000, 1), (270_000, 2), (410_000, 3)] {
            let mut redundancy = Redundancy::default();
            assert_eq!(redundancy.next(Instant::now(), 80, 0.3, room_bps), copies, "{room_bps}");
            assert_eq!(redundancy.bitrate_bps(), copies as u32 * 33_600);
        }
    }

    #[test]
    fn what_copies_leave_is_the_loss_of_all_of_them() {
        assert!((unrepaired(0.1, 0) - 0.1).abs() < 1e-6);
        assert!((unrepaired(0.3, 3) - 0.0081).abs() < 1e-6);
    }
}
