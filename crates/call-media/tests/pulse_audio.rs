//! Sound through a real sound system: a private PulseAudio with a test microphone and a test speaker.
//!
//! `sound_probe` runs beside the test with its own packets looped back to it: what is spoken into the microphone goes
//! through card callbacks, Opus and the playout buffer, and has to come out of the speaker.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout)]

#[path = "../../../tests/lab/audio/mod.rs"]
mod sound_lab;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use sound_lab::{Freeze, SoundLab, speech};

/// Enough for any machine; nothing is expected to take this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The probe, and what it says about its devices.
struct Probe {
    process: Child,
    says: Receiver<String>,
}

fn probe_path() -> PathBuf {
    let test = std::env::current_exe().expect("path of this test");
    let target = test.ancestors().nth(2).expect("the test lies in target/PROFILE/deps");
    let probe = target.join("examples/sound_probe");
    assert!(
        probe.exists(),
        "{} is missing: cargo build --release -p call-media --examples",
        probe.display()
    );
    probe
}

impl Probe {
    fn start(lab: &SoundLab, microphone: &str, speaker: &str) -> Self {
        let mut process = lab
            .command(&probe_path().to_string_lossy())
            .args([microphone, speaker, "eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the probe starts");
        let says = lines(process.stderr.take().expect("piped"));
        Self { process, says }
    }

    /// Waits until the probe says something with all of these words.
    fn wait_for(&self, words: &[&str]) {
        let end = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.says.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("the probe never said {words:?}, only {heard:#?}"));
            if words.iter().all(|word| line.contains(word)) {
                return;
            }
            heard.push(line);
        }
    }

    /// Ends it and returns its figures.
    fn finish(mut self) -> String {
        drop(self.process.stdin.take());
        let end = Instant::now() + PATIENCE;
        while self.process.try_wait().expect("a child").is_none() {
            assert!(Instant::now() < end, "the probe does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut figures = String::new();
        let mut stdout = self.process.stdout.take().expect("piped");
        stdout.read_to_string(&mut figures).expect("reads");
        figures
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1_000);
    let reader = move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // The test may be over.
            sender.send(line).unwrap_or_default();
        }
    };
    std::thread::Builder::new()
        .name("probe-says".into())
        .spawn(reader)
        .expect("a thread");
    receiver
}

/// Energy of a WAV file in slices of 20 ms.
fn envelope(wav: &Path) -> Vec<f64> {
    let mut reader = hound::WavReader::open(wav).expect("a WAV file");
    let slice = reader.spec().sample_rate as usize / 50;
    // What was cut off while it was written plays up to there.
    let samples: Vec<f64> = reader.samples::<i16>().map_while(Result::ok).map(f64::from).collect();
    samples
        .chunks(slice)
        .map(|slice| (slice.iter().map(|sample| sample * sample).sum::<f64>() / slice.len() as f64).sqrt())
        .collect()
}

/// How well `wanted` is found in `heard`, at the best place: 1 is exactly, up to loudness.
fn likeness(wanted: &[f64], heard: &[f64]) -> f64 {
    let correlation = |place: &[f64]| {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (a, b) = (mean(wanted), mean(place));
        let (mut product, mut here, mut there) = (0.0, f64::MIN_POSITIVE, f64::MIN_POSITIVE);
        for (x, y) in wanted.iter().zip(place) {
            product += (x - a) * (y - b);
            here += (x - a).powi(2);
            there += (y - b).powi(2);
        }
        product / (here * there).sqrt()
    };
    heard.windows(wanted.len()).map(correlation).fold(0.0, f64::max)
}

fn started() -> SoundLab {
    SoundLab::start().unwrap_or_else(|problem| panic!("{problem}"))
}

#[test]
fn speech_goes_in_at_the_microphone_and_comes_out_of_the_speaker() {
    let lab = started();
    let (spoken, heard) = (lab.directory().join("spoken.wav"), lab.directory().join("heard.wav"));
    speech(
        "Can you hear me? One, two, three. This is a test of the whole way.",
        &spoken,
    )
    .unwrap_or_else(|problem| panic!("{problem}"));
    let probe = Probe::start(&lab, "device", "device:Test_Speaker");
    probe.wait_for(&["microphone running Test_Microphone", "speaker running Test_Speaker"]);
    let recording = lab.record("speaker.monitor", &heard).expect("records");
    let mut voice = lab.speak(&spoken).expect("speaks");
    voice.wait();
    let figures = probe.finish();
    recording.finish();
    let found = likeness(&envelope(&spoken), &envelope(&heard));
    println!("speech found with likeness {found:.3}; {figures}");
    assert!(
        found > 0.9,
        "the speech was found with likeness {found:.3} only; {figures}"
    );
}

#[test]
fn a_sound_server_that_dies_and_comes_back_is_used_again() {
    let mut lab = started();
    let probe = Probe::start(&lab, "device", "device");
    probe.wait_for(&["microphone running", "speaker running"]);
    lab.kill();
    probe.wait_for(&["microphone failed", "speaker failed"]);
    lab.restart().expect("starts again");
    probe.wait_for(&["microphone running", "speaker running"]);
    println!("{}", probe.finish());
}

/// PulseAudio moves streams of a card that goes to another one, so all of them have to go.
#[test]
fn unplugged_devices_are_noticed_and_found_again() {
    let lab = started();
    let probe = Probe::start(&lab, "device:Test_Microphone", "device:Test_Speaker");
    probe.wait_for(&["microphone running", "speaker running"]);
    lab.unplug().expect("unplugs");
    probe.wait_for(&["microphone failed", "speaker failed"]);
    lab.plug().expect("plugs");
    probe.wait_for(&["microphone running", "speaker running"]);
    println!("{}", probe.finish());
}

#[test]
fn a_sound_server_that_hangs_holds_up_nobody() {
    let lab = started();
    let probe = Probe::start(&lab, "device", "device");
    probe.wait_for(&["microphone running", "speaker running"]);
    lab.freeze(Freeze::On);
    probe.wait_for(&["microphone failed", "speaker failed"]);
    // The end of the process is the assertion: nothing waits for the server.
    println!("{}", probe.finish());
}
