//! A WAV file as a microphone: any rate, up to eight channels and any usual depth, played over and over.
//!
//! The file is decoded and resampled when it is chosen (on "audio-devices"), not while it plays: 96 kB of memory for each
//! second. Of longer files the first five minutes are used.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use hound::{SampleFormat, WavReader};

use super::resample::resample_whole;
use crate::devices::{DeviceError, DeviceProblem};
use crate::frame::{AudioBlock, SAMPLE_RATE_HZ};

const MAX_SECONDS: usize = 300;
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=384_000;
const MAX_CHANNELS: u16 = 8;

/// The file's sound, 48 kHz mono, and where in it we are.
#[derive(Debug)]
pub struct WavLoop {
    samples: Vec<i16>,
    position: usize,
}

impl WavLoop {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DeviceProblem::Missing`] or [`DeviceProblem::Forbidden`] when it cannot be opened, [`DeviceProblem::BadFile`]
    /// when it is not a WAV file we can use.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let file = File::open(path).map_err(|error| DeviceError {
            problem: match error.kind() {
                std::io::ErrorKind::NotFound => DeviceProblem::Missing,
                std::io::ErrorKind::PermissionDenied => DeviceProblem::Forbidden,
                _ => DeviceProblem::BadFile,
            },
            detail: format!("{}: {error}", path.display()),
        })?;
        Self::read(BufReader::new(file)).map_err(|reason| DeviceError {
            problem: DeviceProblem::BadFile,
            detail: format!("{} cannot be used as a microphone: {reason}", path.display()),
        })
    }

    fn read(file: impl std::io::Read) -> Result<Self, String> {
        let reader = WavReader::new(file).map_err(|error| error.to_string())?;
        let spec = reader.spec();
        if !RATES_HZ.contains(&spec.sample_rate) || !(1..=MAX_CHANNELS).contains(&spec.channels) {
            return Err(format!("{} channels at {} Hz", spec.channels, spec.sample_rate));
        }
        let most = MAX_SECONDS * spec.sample_rate as usize * usize::from(spec.channels);
        // What is cut off in the middle still plays up to there.
        let samples: Vec<f32> = match spec.sample_format {
            SampleFormat::Float => reader.into_samples::<f32>().map_while(Result::ok).take(most).collect(),
            SampleFormat::Int => {
                let bits = u32::from(spec.bits_per_sample).clamp(1, 32);
                let full_scale = (1_u64 << (bits - 1)) as f32;
                let samples = reader.into_samples::<i32>().map_while(Result::ok).take(most);
                samples.map(|sample| sample as f32 / full_scale).collect()
            }
        };
        let channels = usize::from(spec.channels);
        let mono: Vec<f32> = samples
            .chunks_exact(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .map(|sample| {
                if sample.is_finite() {
                    sample.clamp(-1.0, 1.0)
                } else {
                    0.0
                }
            })
            .collect();
        if mono.is_empty() {
            return Err("there is no sound in it".into());
        }
        let mono = resample_whole(mono, spec.sample_rate, SAMPLE_RATE_HZ)?;
        Ok(Self {
            samples: mono
                .into_iter()
                .map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16)
                .collect(),
            position: 0,
        })
    }

    /// Writes the next 10 ms.
    pub fn fill(&mut self, block: &mut AudioBlock) {
        for sample in block {
            *sample = f32::from(self.samples[self.position]) / 32_768.0;
            self.position = (self.position + 1) % self.samples.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;

    use super::*;
    use crate::frame::BLOCK_SAMPLES;

    /// One second of 500 Hz in the given shape.
    fn file(rate: u32, channels: u16, bits: u16, format: SampleFormat) -> Vec<u8> {
        let spec = WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: bits,
            sample_format: format,
        };
        let mut bytes = Vec::new();
        let mut writer = WavWriter::new(Cursor::new(&mut bytes), spec).expect("spec");
        for i in 0..rate {
            let value = (i as f32 / rate as f32 * 500.0 * std::f32::consts::TAU).sin() * 0.5;
            for _ in 0..channels {
                match format {
                    SampleFormat::Float => writer.write_sample(value),
                    SampleFormat::Int => {
                        writer.write_sample((f64::from(value) * f64::from((1_u32 << (bits - 1)) - 1)) as i32)
                    }
                }
                .expect("writes");
            }
        }
        writer.finalize().expect("finalizes");
        bytes
    }

    #[test]
    fn all_usual_shapes_become_the_same_sound() {
        for (rate, channels, bits, format) in [
            (48_000, 1, 16, SampleFormat::Int),
            (44_100, 2, 16, SampleFormat::Int),
            (8_000, 1, 8, SampleFormat::Int),
            (96_000, 2, 24, SampleFormat::Int),
            (22_050, 1, 32, SampleFormat::Int),
            (16_000, 6, 32, SampleFormat::Float),
        ] {
            let mut sound = WavLoop::read(Cursor::new(file(rate, channels, bits, format))).expect("reads");
            assert!(
                sound.samples.len().abs_diff(48_000) <= 2,
                "{rate}: {}",
                sound.samples.len()
            );
            let mut pcm = Vec::new();
            let mut block = [0.0; BLOCK_SAMPLES];
            for _ in 0..150 {
                sound.fill(&mut block);
                pcm.extend_from_slice(&block);
            }
            let middle = &pcm[10_000..40_000];
            let peak = middle.iter().fold(0.0_f32, |peak, sample| peak.max(*sample));
            let crossings = middle.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
            assert!((peak - 0.5).abs() < 0.02, "{rate}: {peak}");
            assert!(crossings.abs_diff(312) <= 2, "{rate}: {crossings}");
        }
    }

    #[test]
    fn what_is_not_a_wav_file_is_said_to_be_none() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("x.wav");
        std::fs::write(&path, b"RIFF....WAVEnonsense").expect("writes");
        assert_eq!(
            WavLoop::open(&path).expect_err("nonsense").problem,
            DeviceProblem::BadFile
        );
        let missing = WavLoop::open(&directory.path().join("no.wav")).expect_err("missing");
        assert_eq!(missing.problem, DeviceProblem::Missing);
        assert!(WavLoop::open(directory.path()).is_err());
    }

    proptest! {
        /// A damaged file is refused or plays; nothing panics.
        #[test]
        fn damage_does_no_harm(at in 0_usize..80, value in any::<u8>(), cut in 0_usize..400) {
            let mut bytes = file(4_000, 1, 16, SampleFormat::Int);
            bytes[at] = value;
            bytes.truncate(bytes.len() - cut);
            if let Ok(mut sound) = WavLoop::read(Cursor::new(bytes)) {
                sound.fill(&mut [0.0; BLOCK_SAMPLES]);
            }
        }
    }
}
