//! A histogram of durations in fixed bins: any number of measurements in 6 KiB.
//!
//! Bins are 0.25 ms wide up to 128 ms, 2 ms up to 1.15 s, 16 ms up to 9.3 s; longer ones share the last bin.

use std::time::Duration;

/// A stretch of bins of one width, each `(first µs, width in µs, how many)`.
const SEGMENTS: [(u64, u64, usize); 3] = [(0, 250, 512), (128_000, 2_000, 512), (1_152_000, 16_000, 512)];
const BINS: usize = 512 * 3 + 1;

/// Durations, counted in bins.
#[derive(Clone, Debug)]
pub struct Percentiles {
    bins: Box<[u32]>,
    count: u64,
    max: Duration,
}

impl Default for Percentiles {
    fn default() -> Self {
        Self {
            bins: vec![0; BINS].into(),
            count: 0,
            max: Duration::ZERO,
        }
    }
}

impl Percentiles {
    /// Counts one measurement.
    pub fn record(&mut self, duration: Duration) {
        let bin = &mut self.bins[bin_of(duration)];
        *bin = bin.saturating_add(1);
        self.count += 1;
        self.max = self.max.max(duration);
    }

    /// The value in ms that a part `quantile` (0.0 to 1.0) of the measurements does not exceed: the
    /// upper edge of its bin. `None` before the first measurement.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = (quantile.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bin = self.bins.iter().position(|&bin| {
            seen += u64::from(bin);
            seen >= rank
        });
        let upper_ms = bin.map_or(f64::INFINITY, upper_edge_ms);
        Some(upper_ms.min(self.max.as_secs_f64() * 1e3))
    }

    /// The longest measurement in ms, exactly. `None` before the first.
    #[must_use]
    pub fn max_ms(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max.as_secs_f64() * 1e3)
    }

    /// How many measurements there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

fn bin_of(duration: Duration) -> usize {
    let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut base = 0;
    for (first, width, bins) in SEGMENTS {
        let offset = us.saturating_sub(first) / width;
        if offset < bins as u64 {
            return base + offset as usize;
        }
        base += bins;
    }
    BINS - 1
}

fn upper_edge_ms(bin: usize) -> f64 {
    let mut base = 0;
    for (first, width, bins) in SEGMENTS {
        if bin < base + bins {
            return (first + width * (bin - base + 1) as u64) as f64 / 1e3;
        }
        base += bins;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_measured_is_none_not_zero() {
        let empty = Percentiles::default();
        assert_eq!(empty.quantile_ms(0.5), None);
        assert_eq!(empty.max_ms(), None);
    }

    #[test]
    fn quantiles_of_a_ramp_are_within_a_bin() {
        let mut ramp = Percentiles::default();
        for ms in 1..=100 {
            ramp.record(Duration::from_millis(ms));
        }
        assert_eq!(ramp.count(), 100);
        assert_eq!(ramp.max_ms(), Some(100.0));
        for (quantile, exact) in [(0.0, 1.0), (0.5, 50.0), (0.95, 95.0), (1.0, 100.0)] {
            let got = ramp.quantile_ms(quantile).expect("something was recorded");
            assert!((0.0..=0.25).contains(&(got - exact)), "{quantile}: {got} for {exact}");
        }
    }

    proptest! {
        #[test]
        fn every_duration_has_a_bin_at_most_its_width_above(us in 0_u64..20_000_000) {
            let mut one = Percentiles::default();
            one.record(Duration::from_micros(us));
            one.record(Duration::from_secs(3_600));
            let ms = us as f64 / 1e3;
            let got = one.quantile_ms(0.5).expect("something was recorded");
            prop_assert!(got >= ms);
            let tolerance = if ms < 128.0 { 0.25 } else if ms < 1_152.0 { 2.0 } else { 16.0 };
            prop_assert!(ms >= 9_344.0 || got - ms <= tolerance + 1e-9, "{got} for {ms}");
        }
    }
}
