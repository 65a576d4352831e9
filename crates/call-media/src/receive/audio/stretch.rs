//! Plays speech a little faster or slower without changing its pitch (WSOLA).
//!
//! One pitch period is taken out of, or put into, decoded samples by a crossfade at the lag where the signal resembles
//! itself most. Pure functions on a buffer; they run on "audio".

/// Shortest and longest period that is looked for: 2.5 ms (400 Hz) and 12.5 ms (80 Hz).
const LAG_BOUNDS: std::ops::RangeInclusive<usize> = 120..=600;
/// Length of signal that is compared: 7.5 ms.
const WINDOW: usize = 360;
/// The first search looks at every fourth sample.
const COARSE: usize = 4;
/// Mean power under which nobody hears a cut: -60 dBFS.
const QUIET_POWER: f32 = 1e-6;

/// Samples from the current position that a change needs to find any period.
pub const NEEDED_SAMPLES: usize = 2 * *LAG_BOUNDS.end();

/// Takes one period of at most `most` samples out of the beginning of `pcm`; returns how many samples are gone.
///
/// `likeness` (0 to 1) is how alike two periods have to be.
pub fn accelerate(pcm: &mut Vec<f32>, most: usize, likeness: f32) -> usize {
    let Some(lag) = period(pcm, most, likeness) else {
        return 0;
    };
    for i in 0..lag {
        let late = (i as f32 + 0.5) / lag as f32;
        pcm[i] = pcm[i] * (1.0 - late) + pcm[i + lag] * late;
    }
    pcm.drain(lag..2 * lag);
    lag
}

/// Plays the first period of `pcm`, at most `most` samples, once more; returns how many samples were added.
pub fn expand(pcm: &mut Vec<f32>, most: usize, likeness: f32) -> usize {
    let Some(lag) = period(pcm, most, likeness) else {
        return 0;
    };
    let bridge: Vec<f32> = (0..lag)
        .map(|i| {
            let late = (i as f32 + 0.5) / lag as f32;
            pcm[i + lag] * (1.0 - late) + pcm[i] * late
        })
        .collect();
    pcm.splice(lag..lag, bridge);
    lag
}

/// The lag at which the beginning of `pcm` repeats itself, if it does so well enough.
fn period(pcm: &[f32], most: usize, likeness: f32) -> Option<usize> {
    let longest = most
        .min(*LAG_BOUNDS.end())
        .min(pcm.len() / 2)
        .min(pcm.len().checked_sub(WINDOW)?);
    let shortest = *LAG_BOUNDS.start();
    if longest < shortest {
        return None;
    }
    let power = pcm[..longest + WINDOW].iter().map(|s| s * s).sum::<f32>() / (longest + WINDOW) as f32;
    if power < QUIET_POWER {
        return Some(longest);
    }
    let coarse = best(pcm, (shortest..=longest).step_by(COARSE), COARSE)?.0;
    let around = coarse.saturating_sub(COARSE - 1).max(shortest)..=(coarse + COARSE - 1).min(longest);
    let (lag, found) = best(pcm, around, 1)?;
    (found >= likeness).then_some(lag)
}

/// The lag with the highest normalized correlation, looking at every `step`-th sample.
fn best(pcm: &[f32], lags: impl Iterator<Item = usize>, step: usize) -> Option<(usize, f32)> {
    lags.map(|lag| (lag, correlation(pcm, lag, step)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

fn correlation(pcm: &[f32], lag: usize, step: usize) -> f32 {
    let (mut product, mut here, mut there) = (0.0, f32::MIN_POSITIVE, f32::MIN_POSITIVE);
    for i in (0..WINDOW).step_by(step) {
        let (a, b) = (pcm[i], pcm[i + lag]);
        product += a * b;
        here += a * a;
        there += b * b;
    }
    product / (here * there).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: usize, period: f32) -> Vec<f32> {
        (0..samples)
            .map(|i| (i as f32 / period * std::f32::consts::TAU).sin() * 0.5)
            .collect()
    }

    /// Largest step from one sample to the next: a crack shows here.
    fn roughness(pcm: &[f32]) -> f32 {
        pcm.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_loses_and_gains_whole_periods_without_a_crack() {
        let original = tone(NEEDED_SAMPLES, 200.0);
        let mut shorter = original.clone();
        let gone = accelerate(&mut shorter, 600, 0.9);
        assert!(gone.is_multiple_of(200) && gone > 0, "{gone}");
        assert_eq!(shorter.len(), original.len() - gone);
        assert!(roughness(&shorter) < roughness(&original) * 1.1);

        let mut longer = original.clone();
        let added = expand(&mut longer, 600, 0.9);
        assert!(added.is_multiple_of(200) && added > 0, "{added}");
        assert_eq!(longer.len(), original.len() + added);
        assert!(roughness(&longer) < roughness(&original) * 1.1);
        // The pitch stays: zero crossings a sample are those of the original.
        let crossings = |pcm: &[f32]| pcm.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert!(crossings(&longer).abs_diff(longer.len() / 200) <= 1);
    }

    #[test]
    fn noise_is_left_alone_unless_it_has_to_give() {
        let mut state = 1_u32;
        let noise: Vec<f32> = (0..NEEDED_SAMPLES)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state as f32 / u32::MAX as f32 - 0.5
            })
            .collect();
        assert_eq!(accelerate(&mut noise.clone(), 600, 0.9), 0);
        assert!(accelerate(&mut noise.clone(), 600, 0.0) > 0);
    }

    #[test]
    fn silence_gives_as_much_as_is_asked() {
        assert_eq!(accelerate(&mut vec![0.0; NEEDED_SAMPLES], 480, 0.9), 480);
    }

    #[test]
    fn too_little_sound_changes_nothing() {
        for samples in [0, 1, 119, 360, 479] {
            assert_eq!(accelerate(&mut tone(samples, 200.0), 600, 0.0), 0);
            assert_eq!(expand(&mut tone(samples, 200.0), 600, 0.0), 0);
        }
    }
}
