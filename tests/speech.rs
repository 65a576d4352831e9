//! What is said into one person's microphone is what the other person's speaker plays: real speech, over a real
//! sound server, between two processes.

mod common;
#[path = "lab/audio/mod.rs"]
mod sound_lab;

use std::path::Path;
use std::time::{Duration, Instant};

use common::GUARD;
use common::footage::read_wav;
use common::process::{Process, visavis};
use sound_lab::{SoundLab, speech};

/// Envelopes are compared in steps of 20 ms.
const STEPS_PER_SECOND: usize = 50;
/// Speech that came through is this much like what was said; noise, silence and other speech are under 0.5.
const LEAST_LIKENESS: f64 = 0.8;

/// The loudness of each 20 ms.
fn envelope(path: &Path) -> Vec<f64> {
    let (rate_hz, samples) = read_wav(path);
    let step = (rate_hz as usize / STEPS_PER_SECOND).max(1);
    let loudness = |part: &[f32]| {
        let power: f64 = part.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (power / part.len() as f64).sqrt()
    };
    samples.chunks_exact(step).map(loudness).collect()
}

/// Correlation of `part` with the place in `whole` where it fits best, -1 to 1.
fn best_likeness(part: &[f64], whole: &[f64]) -> f64 {
    let places = whole.windows(part.len());
    places.map(|place| correlation(part, place)).fold(-1.0, f64::max)
}

/// Pearson's correlation coefficient.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 { a.iter().zip(b).map(|(a, b)| of(a - mean_a, b - mean_b)).sum() };
    let spread = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    if spread == 0.0 {
        0.0
    } else {
        sum(&|a, b| a * b) / spread
    }
}

fn start(lab: &SoundLab, name: &str, words: &[&str]) -> Process {
    let mut command = visavis(&[&["headless", "--name", name, "--camera", "none"], words].concat());
    command.envs(lab.environment());
    Process::start(name, command)
}

#[test]
fn speech_into_one_microphone_comes_out_of_the_other_speaker() {
    let lab = SoundLab::start().expect("a sound server");
    let said = lab.directory().join("said.wav");
    let played = lab.directory().join("played.wav");
    speech(
        "The quick brown fox jumps over the lazy dog. Nobody heard the cat.",
        &said,
    )
    .expect("speech");

    // Only one microphone is live, and only one speaker is recorded: what is found there came over the call.
    let ann = start(&lab, "Ann", &["--host", "--microphone", "device", "--speaker", "null"]);
    let joins = ["--join", &ann.link(), "--microphone", "none", "--speaker", "device"];
    let bob = start(&lab, "Bob", &joins);
    bob.says("Ann is connected");
    ann.says("Bob is connected");
    wait_for_streams(&lab);

    let recorder = lab.record("speaker.monitor", &played).expect("a recorder");
    let mut mouth = lab.speak(&said).expect("a player");
    mouth.wait();
    // The last word still has to travel: the recording is long enough when it holds as much as was said, and more.
    let wanted = std::fs::metadata(&said).expect("the speech").len() * 3;
    let deadline = Instant::now() + GUARD;
    while std::fs::metadata(&played).map_or(0, |file| file.len()) < wanted {
        assert!(Instant::now() < deadline, "nothing is recorded");
        std::thread::sleep(Duration::from_millis(100));
    }
    recorder.finish();

    let likeness = best_likeness(&envelope(&said), &envelope(&played));
    assert!(
        likeness >= LEAST_LIKENESS,
        "what was played is {likeness:.2} like what was said"
    );
    for process in [bob, ann] {
        process.signal("INT");
        process.ends_with(0);
    }
}

/// Both programs have opened their sound devices when the server has a stream for each.
fn wait_for_streams(lab: &SoundLab) {
    let deadline = Instant::now() + GUARD;
    let count = |kind: &str| lab.control(&["list", "short", kind]).expect("pactl").lines().count();
    while count("source-outputs") == 0 || count("sink-inputs") == 0 {
        assert!(Instant::now() < deadline, "a sound device was never opened");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn likeness_tells_speech_from_something_else() {
    let word = [0.0, 1.0, 3.0, 1.0, 0.0, 2.0, 2.0, 0.0];
    let other = [2.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 1.0];
    let around = [&[0.0; 5][..], &word.map(|loud| loud * 0.4), &[0.0; 3]].concat();
    assert!(best_likeness(&word, &around) > 0.99);
    assert!(best_likeness(&other, &around) < 0.8);
    assert!(best_likeness(&word, &[0.0; 20]).abs() < 0.01);
}
