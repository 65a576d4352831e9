//! Changes of sample rate: whole files, and streams whose rate is corrected while they run.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use crate::frame::{AudioBlock, BLOCK_SAMPLES, SAMPLE_RATE_HZ};

/// Filter length for streams: 0.7 ms of delay, 13 us a block.
const STREAM_TAPS: usize = 64;
const FILE_TAPS: usize = 128;
/// How far a stream's rate may be corrected: 2 %, far more than any clock is off.
const MAX_CORRECTION: f64 = 1.02;
const FILE_CHUNK: usize = 4_096;

fn sinc(taps: usize) -> SincInterpolationParameters {
    SincInterpolationParameters::new(taps, WindowFunction::BlackmanHarris2)
        .oversampling_factor(128)
        .interpolation(SincInterpolationType::Quadratic)
}

/// Resamples a whole mono recording.
///
/// # Errors
/// A sentence, when the rates are beyond what the resampler can do.
pub fn resample_whole(samples: Vec<f32>, from_hz: u32, to_hz: u32) -> Result<Vec<f32>, String> {
    if from_hz == to_hz {
        return Ok(samples);
    }
    let ratio = f64::from(to_hz) / f64::from(from_hz);
    let mut resampler = Async::<f32>::new_sinc(ratio, 1.0, &sinc(FILE_TAPS), FILE_CHUNK, 1, FixedAsync::Input)
        .map_err(|error| error.to_string())?;
    let input = InterleavedSlice::new(&samples, 1, samples.len()).map_err(|error| error.to_string())?;
    let output = resampler
        .process_all(&input, samples.len(), None)
        .map_err(|error| error.to_string())?;
    Ok(output.take_data())
}

/// From a microphone's rate to blocks at 48 kHz, following its clock.
pub struct ToBlocks {
    resampler: Async<f32>,
}

impl ToBlocks {
    /// For a microphone at `from_hz`.
    ///
    /// # Errors
    /// A sentence, for rates beyond reason.
    pub fn new(from_hz: u32) -> Result<Self, String> {
        let ratio = f64::from(SAMPLE_RATE_HZ) / f64::from(from_hz);
        let resampler = Async::new_sinc(
            ratio,
            MAX_CORRECTION,
            &sinc(STREAM_TAPS),
            BLOCK_SAMPLES,
            1,
            FixedAsync::Output,
        );
        resampler
            .map(|resampler| Self { resampler })
            .map_err(|error| error.to_string())
    }

    /// Samples that the next block takes.
    #[must_use]
    pub fn needs(&self) -> usize {
        self.resampler.input_frames_next()
    }

    /// Samples that a block may ever take.
    #[must_use]
    pub fn needs_at_most(&self) -> usize {
        self.resampler.input_frames_max()
    }

    /// Makes a block of exactly [`Self::needs`] samples.
    pub fn convert(&mut self, samples: &[f32], block: &mut AudioBlock) {
        let frames = samples.len();
        let result = InterleavedSlice::new(samples, 1, frames).and_then(|input| {
            InterleavedSlice::new_mut(block.as_mut_slice(), 1, BLOCK_SAMPLES)
                .map(|mut output| self.resampler.process_into_buffer(&input, &mut output, None).is_ok())
        });
        if !matches!(result, Ok(true)) {
            block.fill(0.0);
        }
    }

    /// Consumes `faster` (1.0 = nominal) times as many samples a block from the next one on.
    pub fn set_speed(&mut self, faster: f64) {
        let ratio = (1.0 / faster).clamp(1.0 / MAX_CORRECTION, MAX_CORRECTION);
        if self.resampler.set_resample_ratio_relative(ratio, true).is_err() {
            tracing::warn!(faster, "the microphone's resampler refused a correction");
        }
    }
}

/// From blocks at 48 kHz to a speaker's rate.
pub struct FromBlocks {
    resampler: Async<f32>,
    output: Vec<f32>,
}

impl FromBlocks {
    /// For a speaker at `to_hz`.
    ///
    /// # Errors
    /// A sentence, for rates beyond reason.
    pub fn new(to_hz: u32) -> Result<Self, String> {
        let ratio = f64::from(to_hz) / f64::from(SAMPLE_RATE_HZ);
        let resampler = Async::new_sinc(ratio, 1.0, &sinc(STREAM_TAPS), BLOCK_SAMPLES, 1, FixedAsync::Input)
            .map_err(|error| error.to_string())?;
        let output = vec![0.0; resampler.output_frames_max()];
        Ok(Self { resampler, output })
    }

    /// A block at the speaker's rate.
    pub fn convert(&mut self, block: &AudioBlock) -> &[f32] {
        let capacity = self.output.len();
        let written = InterleavedSlice::new(block.as_slice(), 1, BLOCK_SAMPLES)
            .ok()
            .and_then(|input| {
                let mut output = InterleavedSlice::new_mut(self.output.as_mut_slice(), 1, capacity).ok()?;
                self.resampler.process_into_buffer(&input, &mut output, None).ok()
            });
        &self.output[..written.map_or(0, |(_, written)| written)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crossings(pcm: &[f32]) -> usize {
        pcm.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count()
    }

    #[test]
    fn a_stream_keeps_its_pitch_and_follows_corrections() {
        let mut converter = ToBlocks::new(44_100).expect("rate");
        let mut taken = 0;
        let mut pcm = Vec::new();
        let mut block = [0.0; BLOCK_SAMPLES];
        for _ in 0..200 {
            let needs = converter.needs();
            assert!(needs <= converter.needs_at_most());
            let samples: Vec<f32> = (taken..taken + needs)
                .map(|i| (i as f32 / 44_100.0 * 500.0 * std::f32::consts::TAU).sin())
                .collect();
            converter.convert(&samples, &mut block);
            pcm.extend_from_slice(&block);
            taken += needs;
        }
        assert!(taken.abs_diff(88_200) < 200, "{taken}");
        // The filter rings before the tone begins.
        assert!(crossings(&pcm[960..]).abs_diff(990) <= 2, "{}", crossings(&pcm[960..]));

        converter.set_speed(1.005);
        let faster: usize = (0..200)
            .map(|_| {
                let needs = converter.needs();
                converter.convert(&vec![0.0; needs], &mut block);
                needs
            })
            .sum();
        assert!((faster as f64 / 88_200.0 - 1.005).abs() < 0.001, "{faster}");
    }

    #[test]
    fn blocks_become_another_rate() {
        let mut converter = FromBlocks::new(44_100).expect("rate");
        let pcm: Vec<f32> = (0..200_usize)
            .flat_map(|n| {
                let block: AudioBlock = std::array::from_fn(|i| {
                    ((n * BLOCK_SAMPLES + i) as f32 / 48_000.0 * 500.0 * std::f32::consts::TAU).sin()
                });
                converter.convert(&block).to_vec()
            })
            .collect();
        assert!(pcm.len().abs_diff(88_200) < 500, "{}", pcm.len());
        assert!(crossings(&pcm[882..]).abs_diff(990) <= 2, "{}", crossings(&pcm[882..]));
    }
}
