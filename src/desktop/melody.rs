//! What a ring sounds like, made here: soft bells, so that nobody is startled. No file, no licence.

use std::f32::consts::TAU;
use std::sync::Arc;

use call_engine::SAMPLE_RATE_HZ;

/// Loudest sample of the ring.
const RING_PEAK: f32 = 0.35;
/// Loudest sample of what we hear while ours rings elsewhere.
const RINGBACK_PEAK: f32 = 0.12;
/// A bell comes up in this time: a step would click.
const ATTACK_S: f32 = 0.012;

/// A bell: when, in seconds, and how high, in hertz.
type Bell = (f32, f32);

/// Two tones, twice, then a pause: E5 and B4, a falling fourth as door bells have it, answered by D5 and A4.
const RING: [Bell; 4] = [(0.0, 659.26), (0.45, 493.88), (1.3, 587.33), (1.75, 440.0)];
/// Until the ring comes again.
const RING_S: f32 = 4.0;
/// One low tone.
const RINGBACK: [Bell; 1] = [(0.0, 392.0)];
/// Until it comes again.
const RINGBACK_S: f32 = 3.0;

/// Somebody rings us.
#[must_use]
pub fn ring() -> Arc<[f32]> {
    bells(&RING, RING_S, RING_PEAK)
}

/// Ours rings elsewhere.
#[must_use]
pub fn ringback() -> Arc<[f32]> {
    bells(&RINGBACK, RINGBACK_S, RINGBACK_PEAK)
}

/// Bells over `length_s`, silent at both ends, so that it can be played over and over.
fn bells(bells: &[Bell], length_s: f32, peak: f32) -> Arc<[f32]> {
    let rate = SAMPLE_RATE_HZ as f32;
    let count = (length_s * rate) as usize;
    let mut samples: Vec<f32> = (0..count)
        .map(|index| {
            let now_s = index as f32 / rate;
            let sum: f32 = bells.iter().map(|(from_s, hertz)| bell(now_s - from_s, *hertz)).sum();
            // The last tenth of a second fades whatever still sounds.
            sum * ((length_s - now_s) / 0.1).min(1.0)
        })
        .collect();
    let loudest = samples
        .iter()
        .fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
    for sample in &mut samples {
        *sample *= peak / loudest;
    }
    samples.into()
}

/// A struck bar: a base tone and two partials that die away faster.
fn bell(since_s: f32, hertz: f32) -> f32 {
    if since_s < 0.0 {
        return 0.0;
    }
    let attack = (since_s / ATTACK_S).min(1.0);
    let partials = [(1.0, 1.0, 0.55), (2.0, 0.35, 0.28), (3.0, 0.08, 0.12)];
    let sum: f32 = partials
        .iter()
        .map(|(times, share, decay_s)| (TAU * hertz * times * since_s).sin() * share * (-since_s / decay_s).exp())
        .sum();
    attack * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn melodies_are_calm_and_can_be_repeated() {
        for (melody, peak, length_s) in [(ring(), RING_PEAK, RING_S), (ringback(), RINGBACK_PEAK, RINGBACK_S)] {
            assert_eq!(melody.len(), (length_s * SAMPLE_RATE_HZ as f32) as usize);
            let loudest = melody.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
            assert!((loudest - peak).abs() < 1e-3, "{loudest}");
            assert!(melody.iter().all(|sample| sample.is_finite()));
            // No step, not even where the end meets the beginning.
            let seam = [melody[melody.len() - 1], melody[0]];
            let steps = melody.windows(2).map(|pair| (pair[1] - pair[0]).abs());
            let largest = steps.chain([(seam[1] - seam[0]).abs()]).fold(0.0_f32, f32::max);
            assert!(largest < 0.08, "{largest}");
        }
    }
}
