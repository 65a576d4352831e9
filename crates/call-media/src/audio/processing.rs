//! What is done to the microphone's sound before it is encoded.
//!
//! So far a high-pass at 80 Hz, which takes out rumble and the hum of the mains and leaves a voice alone, and the gate of
//! the mute button. There is no echo canceller, noise suppressor or gain control yet: with loudspeakers instead of a
//! headset the far end hears itself.

use crate::frame::{AudioBlock, SAMPLE_RATE_HZ};

/// Whether the microphone's sound is cleaned up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processing {
    /// High-pass.
    On,
    /// As it was captured.
    Off,
}

/// Whether the microphone is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MicGate {
    /// The call hears it.
    Live,
    /// The call hears silence.
    Muted,
}

const CORNER_HZ: f32 = 80.0;

/// Second-order Butterworth high-pass (Audio EQ Cookbook), transposed direct form II.
#[derive(Debug)]
pub struct HighPass {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Default for HighPass {
    fn default() -> Self {
        let omega = std::f32::consts::TAU * CORNER_HZ / SAMPLE_RATE_HZ as f32;
        let alpha = omega.sin() * std::f32::consts::FRAC_1_SQRT_2;
        let a0 = 1.0 + alpha;
        let b = (1.0 + omega.cos()) / 2.0 / a0;
        Self {
            b: [b, -2.0 * b, b],
            a: [-2.0 * omega.cos() / a0, (1.0 - alpha) / a0],
            state: [0.0; 2],
        }
    }
}

impl HighPass {
    /// Filters 10 ms in place.
    pub fn apply(&mut self, block: &mut AudioBlock) {
        for sample in block {
            let input = *sample;
            let output = self.b[0] * input + self.state[0];
            self.state[0] = self.b[1] * input - self.a[0] * output + self.state[1];
            self.state[1] = self.b[2] * input - self.a[1] * output;
            *sample = output;
        }
        // Denormal numbers in a decaying tail cost a hundred times as much as others.
        for state in &mut self.state {
            if state.abs() < 1e-20 {
                *state = 0.0;
            }
        }
    }
}

/// The mute button: fades within one block, so that it neither cracks nor lets a word through.
#[derive(Debug)]
pub struct Fader {
    open: MicGate,
}

impl Default for Fader {
    fn default() -> Self {
        Self { open: MicGate::Live }
    }
}

impl Fader {
    /// Applies the gate to 10 ms.
    pub fn apply(&mut self, gate: MicGate, block: &mut AudioBlock) {
        let length = block.len() as f32;
        match (self.open, gate) {
            (MicGate::Live, MicGate::Live) => {}
            (MicGate::Muted, MicGate::Muted) => block.fill(0.0),
            (MicGate::Live, MicGate::Muted) => {
                for (i, sample) in block.iter_mut().enumerate() {
                    *sample *= 1.0 - (i + 1) as f32 / length;
                }
            }
            (MicGate::Muted, MicGate::Live) => {
                for (i, sample) in block.iter_mut().enumerate() {
                    *sample *= (i + 1) as f32 / length;
                }
            }
        }
        self.open = gate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::BLOCK_SAMPLES;

    fn gain_at(hz: f32) -> f32 {
        let mut filter = HighPass::default();
        let mut last = [0.0; BLOCK_SAMPLES];
        for n in 0..100 {
            last = std::array::from_fn(|i| {
                ((n * BLOCK_SAMPLES + i) as f32 / SAMPLE_RATE_HZ as f32 * hz * std::f32::consts::TAU).sin()
            });
            filter.apply(&mut last);
        }
        last.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
    }

    #[test]
    fn rumble_goes_and_the_voice_stays() {
        assert!(gain_at(20.0) < 0.1);
        assert!((gain_at(150.0) - 1.0).abs() < 0.1);
        assert!((gain_at(1_000.0) - 1.0).abs() < 0.02);
    }

    #[test]
    fn muting_takes_one_block() {
        let mut fader = Fader::default();
        let mut block = [0.5; BLOCK_SAMPLES];
        fader.apply(MicGate::Muted, &mut block);
        assert!(block[0] > 0.49 && block[BLOCK_SAMPLES - 1] == 0.0);
        let mut block = [0.5; BLOCK_SAMPLES];
        fader.apply(MicGate::Muted, &mut block);
        assert!(block.iter().all(|sample| *sample == 0.0));
        let mut block = [0.5; BLOCK_SAMPLES];
        fader.apply(MicGate::Live, &mut block);
        assert!(block[0] < 0.01 && block[BLOCK_SAMPLES - 1] == 0.5);
    }
}
