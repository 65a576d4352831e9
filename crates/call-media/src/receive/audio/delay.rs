//! How long the network may take: the delay that the playout buffer has to bear.
//!
//! Arrival and media times of packets flow in, the target delay flows out. Pure arithmetic in samples at 48 kHz.
//!
//! The delay of a packet is counted from the fastest one of the last two seconds, so no clock has to agree with another
//! one and slow drift cancels out. The target is the 97 % quantile of a histogram that forgets with a time constant of
//! five seconds (the method of WebRTC's NetEq, which forgets more slowly).

/// Width of a class of the histogram: 2 ms.
const CLASS_SAMPLES: i64 = 96;
/// 500 ms: later than this is lost for a conversation.
const CLASSES: usize = 250;
/// What one packet keeps of the past: 0.996 forgets 250 packets, 5 s.
const MEMORY: f32 = 0.996;
/// A stream begins as if it had seen so many packets without delay, lest one early hiccup fill the whole histogram.
const PRIOR_PACKETS: u32 = 100;
/// Part of the packets that the target has to cover.
const QUANTILE: f32 = 0.97;

/// Length of a part of the window for the fastest packet, and their number: 2 s in all.
const SLICE_SAMPLES: i64 = 12_000;
const SLICES: usize = 8;

/// Fastest transit within the last two seconds.
#[derive(Debug)]
struct Fastest {
    slices: [i64; SLICES],
    current: i64,
}

impl Fastest {
    fn new(transit: i64, at: i64) -> Self {
        Self {
            slices: [transit; SLICES],
            current: at.div_euclid(SLICE_SAMPLES),
        }
    }

    fn record(&mut self, transit: i64, at: i64) {
        let slice = at.div_euclid(SLICE_SAMPLES);
        // After a long pause (DTX, a stall) only the last slices are still of interest.
        let begun = slice.saturating_sub(self.current).clamp(0, SLICES as i64);
        for back in 0..begun {
            self.slices[(slice - back).rem_euclid(SLICES as i64) as usize] = i64::MAX;
        }
        self.current = self.current.max(slice);
        let here = &mut self.slices[slice.rem_euclid(SLICES as i64) as usize];
        *here = transit.min(*here);
    }

    fn transit(&self) -> i64 {
        self.slices.iter().copied().min().unwrap_or(i64::MAX)
    }
}

/// Learns the target delay from arrivals.
#[derive(Debug)]
pub struct DelayEstimator {
    fastest: Fastest,
    histogram: [f32; CLASSES],
    packets: u32,
}

impl DelayEstimator {
    /// Starts with the first packet: `transit` is arrival minus media time, `at` the arrival, both in samples.
    #[must_use]
    pub fn new(transit: i64, at: i64) -> Self {
        let mut histogram = [0.0; CLASSES];
        histogram[0] = 1.0;
        Self {
            fastest: Fastest::new(transit, at),
            histogram,
            packets: PRIOR_PACKETS,
        }
    }

    /// Takes in one arrival.
    pub fn record(&mut self, transit: i64, at: i64) {
        self.fastest.record(transit, at);
        let delay = transit.saturating_sub(self.fastest.transit()).max(0);
        let class = usize::try_from(delay / CLASS_SAMPLES).map_or(CLASSES - 1, |class| class.min(CLASSES - 1));
        self.packets = self.packets.saturating_add(1);
        // A plain average until there is a past worth forgetting.
        let memory = MEMORY.min(1.0 - 1.0 / self.packets as f32);
        for weight in &mut self.histogram {
            *weight *= memory;
        }
        self.histogram[class] += 1.0 - memory;
    }

    /// Transit of the fastest packet of the last two seconds, in samples.
    #[must_use]
    pub fn fastest_transit(&self) -> i64 {
        self.fastest.transit()
    }

    /// Delay over the fastest packet that 97 % of the packets keep, in samples.
    #[must_use]
    pub fn quantile(&self) -> i64 {
        let mut covered = 0.0;
        for (class, weight) in self.histogram.iter().enumerate() {
            covered += weight;
            if covered >= QUANTILE {
                return (class as i64 + 1) * CLASS_SAMPLES;
            }
        }
        CLASSES as i64 * CLASS_SAMPLES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(estimator: &mut DelayEstimator, packets: std::ops::Range<i64>, delay_ms: impl Fn(i64) -> i64) {
        for packet in packets {
            let transit = delay_ms(packet) * 48;
            estimator.record(transit, packet * 960 + transit);
        }
    }

    #[test]
    fn a_steady_network_needs_next_to_nothing() {
        let mut estimator = DelayEstimator::new(40 * 48, 0);
        feed(&mut estimator, 0..200, |_| 40);
        assert_eq!(estimator.quantile(), CLASS_SAMPLES);
    }

    #[test]
    fn the_target_covers_the_tail_and_forgets_it() {
        let mut estimator = DelayEstimator::new(40 * 48, 0);
        feed(&mut estimator, 0..500, |packet| if packet % 10 == 0 { 100 } else { 40 });
        assert_eq!(estimator.quantile() / 48, 62);
        feed(&mut estimator, 500..2_000, |_| 40);
        assert_eq!(estimator.quantile(), CLASS_SAMPLES);
    }

    #[test]
    fn drift_and_a_longer_path_cancel_out() {
        let mut estimator = DelayEstimator::new(0, 0);
        // 200 ppm: 4 us a packet.
        for packet in 0..5_000_i64 {
            let transit = packet / 5;
            estimator.record(transit, packet * 960 + transit);
        }
        assert!(estimator.quantile() <= 2 * CLASS_SAMPLES, "{}", estimator.quantile());
        feed(&mut estimator, 5_000..8_000, |_| 120);
        assert!(estimator.quantile() <= CLASS_SAMPLES, "{}", estimator.quantile());
    }

    #[test]
    fn absurd_times_stay_within_bounds() {
        let mut estimator = DelayEstimator::new(i64::MAX / 4, 0);
        estimator.record(i64::MIN / 4, i64::MAX / 4);
        estimator.record(i64::MAX / 4, i64::MIN / 4);
        assert!(estimator.quantile() <= CLASSES as i64 * CLASS_SAMPLES);
    }
}
