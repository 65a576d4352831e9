//! How loud sound is: for the meters of the window, and for RFC 6464.

/// What a meter shows as nothing, in dB under full scale.
const METER_FLOOR_DB: f32 = -60.0;
/// The meter falls by this much in a block of 10 ms: 30 dB a second, as programme meters do.
const FALL_A_BLOCK: f32 = 0.3 / METER_FLOOR_DB.abs();
/// RFC 6464: silence is 127.
const SILENCE_DBOV: f32 = 127.0;

/// A meter: rises at once, falls slowly.
#[derive(Clone, Copy, Debug, Default)]
pub struct LevelMeter {
    shown: f32,
}

impl LevelMeter {
    /// Takes in 10 ms and returns what to show: 0 (-60 dBFS or less) to 1 (full scale), linear in decibels.
    pub fn update(&mut self, samples: &[f32]) -> f32 {
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let level = (1.0 - 20.0 * peak.max(1e-6).log10() / METER_FLOOR_DB).clamp(0.0, 1.0);
        self.shown = level.max(self.shown - FALL_A_BLOCK);
        self.shown
    }
}

/// Level of a packet in -dBov (RFC 6464, section 3): 0 is the loudest, 127 is silence.
#[must_use]
pub fn rtp_audio_level(samples: &[f32]) -> u8 {
    let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32;
    (-10.0 * power.max(1e-13).log10()).round().clamp(0.0, SILENCE_DBOV) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_rises_at_once_and_falls_slowly() {
        let mut meter = LevelMeter::default();
        assert_eq!(meter.update(&[0.0; 480]), 0.0);
        assert_eq!(meter.update(&[1.0; 480]), 1.0);
        let falling = meter.update(&[0.0; 480]);
        assert!((0.99..1.0).contains(&falling), "{falling}");
        let half = LevelMeter::default().update(&[0.031_62; 480]);
        assert!((half - 0.5).abs() < 0.01, "{half}");
    }

    #[test]
    fn rtp_levels_are_those_of_the_rfc() {
        assert_eq!(rtp_audio_level(&[1.0; 960]), 0);
        assert_eq!(rtp_audio_level(&[0.1; 960]), 20);
        assert_eq!(rtp_audio_level(&[0.0; 960]), 127);
        assert_eq!(rtp_audio_level(&[]), 127);
    }
}
