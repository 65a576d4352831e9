//! Whether the processor keeps up with the encoder. Pure: encoding times in, now and then a verdict out.

use std::time::Duration;

use super::ladder::Load;

/// Pictures in one measurement.
const WINDOW: u32 = 30;
/// Above this part of the time between pictures there is no room for anything else.
const TOO_HIGH: f64 = 0.8;
/// The next larger size has to fit in this part.
const LOW: f64 = 0.45;
/// Measurements in a row before a verdict: down soon, up late.
const HIGH_WINDOWS: u32 = 2;
/// See [`HIGH_WINDOWS`].
const LOW_WINDOWS: u32 = 10;

/// Compares encoding times with the time there is.
#[derive(Debug, Default)]
pub(crate) struct EncodeLoad {
    frames: u32,
    spent: Duration,
    high: u32,
    low: u32,
    #[cfg(test)]
    is_blind: bool,
}

impl EncodeLoad {
    /// Sees a processor that keeps up, for tests on one that may not.
    #[cfg(test)]
    pub(crate) fn blind() -> Self {
        Self {
            is_blind: true,
            ..Self::default()
        }
    }

    /// Takes one picture's encoding time at a rate; `larger` is how many times more pixels the next larger size
    /// has, where the processor holds it back.
    pub(crate) fn on_frame(&mut self, encode: Duration, fps: f32, larger: Option<f64>) -> Option<Load> {
        #[cfg(test)]
        if self.is_blind {
            return None;
        }
        self.frames += 1;
        self.spent += encode;
        if self.frames < WINDOW {
            return None;
        }
        let load = self.spent.as_secs_f64() / f64::from(self.frames) * f64::from(fps);
        self.frames = 0;
        self.spent = Duration::ZERO;
        self.high = if load > TOO_HIGH { self.high + 1 } else { 0 };
        self.low = if larger.is_some_and(|larger| load * larger < LOW) {
            self.low + 1
        } else {
            0
        };
        if self.high >= HIGH_WINDOWS {
            *self = Self::default();
            return Some(Load::TooHigh);
        }
        if self.low >= LOW_WINDOWS {
            *self = Self::default();
            return Some(Load::Low);
        }
        Some(Load::Fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(ms: u64, larger: Option<f64>, windows: u32) -> Vec<Load> {
        let mut load = EncodeLoad::default();
        (0..windows * WINDOW)
            .filter_map(|_| load.on_frame(Duration::from_millis(ms), 30.0, larger))
            .collect()
    }

    #[test]
    fn a_processor_that_keeps_up_is_left_alone() {
        assert!(verdicts(6, None, 20).iter().all(|&load| load == Load::Fits));
    }

    #[test]
    fn one_that_does_not_is_relieved_after_two_seconds_and_tried_again_late() {
        assert_eq!(verdicts(31, None, 2), [Load::Fits, Load::TooHigh]);
        assert_eq!(verdicts(6, Some(1.8), 10).last(), Some(&Load::Low));
        assert!(
            !verdicts(14, Some(1.8), 30).contains(&Load::Low),
            "the larger size would not fit"
        );
    }
}
