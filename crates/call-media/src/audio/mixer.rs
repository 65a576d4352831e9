//! Adds up what everybody says, without clipping.

use crate::frame::AudioBlock;

/// Loudest peak that leaves here.
const CEILING: f32 = 0.98;
/// How much of the missing gain comes back in a block: about 200 ms in all.
const RELEASE: f32 = 0.05;

/// Sums blocks and turns the sum down while it is too loud.
#[derive(Debug)]
pub struct Mixer {
    gain: f32,
}

impl Default for Mixer {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Mixer {
    /// Adds one voice to the sum.
    pub fn add(sum: &mut AudioBlock, voice: &AudioBlock) {
        for (sum, sample) in sum.iter_mut().zip(voice) {
            *sum += sample;
        }
    }

    /// Brings a finished sum under the ceiling: the gain goes down within this block and comes back slowly.
    pub fn limit(&mut self, sum: &mut AudioBlock) {
        let peak = sum.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let released = self.gain + (1.0 - self.gain) * RELEASE;
        let wanted = if peak * released > CEILING {
            CEILING / peak
        } else {
            released
        };
        let (from, length) = (self.gain, sum.len() as f32);
        for (i, sample) in sum.iter_mut().enumerate() {
            let gain = from + (wanted - from) * (i + 1) as f32 / length;
            // The ramp may be late for a peak at the beginning: that one is cut.
            *sample = (*sample * gain).clamp(-1.0, 1.0);
        }
        self.gain = wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::BLOCK_SAMPLES;

    fn tone(amplitude: f32) -> AudioBlock {
        std::array::from_fn(|i| amplitude * (i as f32 * 0.1).sin())
    }

    #[test]
    fn quiet_sums_pass_unchanged() {
        let mut sum = [0.0; BLOCK_SAMPLES];
        Mixer::add(&mut sum, &tone(0.3));
        Mixer::add(&mut sum, &tone(0.3));
        let before = sum;
        Mixer::default().limit(&mut sum);
        assert_eq!(before, sum);
    }

    #[test]
    fn loud_sums_are_turned_down_and_come_back() {
        let mut mixer = Mixer::default();
        for _ in 0..3 {
            let mut sum = tone(3.0);
            mixer.limit(&mut sum);
            assert!(sum.iter().all(|sample| sample.abs() <= 1.0));
        }
        let mut sum = tone(3.0);
        mixer.limit(&mut sum);
        assert!(sum.iter().all(|sample| sample.abs() <= 0.99));
        let mut quiet = tone(0.1);
        for _ in 0..200 {
            quiet = tone(0.1);
            mixer.limit(&mut quiet);
        }
        assert!((quiet[10] - tone(0.1)[10]).abs() < 1e-3);
    }
}
