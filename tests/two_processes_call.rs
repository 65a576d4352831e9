//! Two processes call each other with real footage and sound, and both reports show it.

mod common;

use std::path::Path;

use common::footage::{read_wav, share_at, write_wav, write_y4m};
use common::process::Process;
use common::{camera, number, participant, report};
use serde_json::Value;

const ANNS_TONE_HZ: f64 = 440.0;
const BOBS_TONE_HZ: f64 = 1_000.0;
/// Long enough for figures that are sampled each second, short enough to wait for.
const SECONDS: &str = "6";

/// The words of one side: its own clip and sound, its speaker a file.
fn words(folder: &Path, name: &str) -> Vec<String> {
    let file = |ending: &str| folder.join(format!("{name}{ending}")).display().to_string();
    let words = [
        "--camera".into(),
        format!("file:{}", file(".y4m")),
        "--microphone".into(),
        format!("file:{}", file(".wav")),
        "--speaker".into(),
        format!("file:{}", file("-heard.wav")),
        "--report".into(),
        file(".json"),
    ];
    // A steady tone is what noise suppression is there to remove.
    let run = [
        "--stamp",
        "--audio-processing",
        "off",
        "--until-peers",
        "1",
        "--seconds",
        SECONDS,
    ];
    words.into_iter().chain(run.map(String::from)).collect()
}

fn start(name: &str, role: &[&str], folder: &Path) -> Process {
    let words = words(folder, name);
    let words: Vec<&str> = role.iter().copied().chain(words.iter().map(String::as_str)).collect();
    Process::headless(name, &words)
}

fn shows_pictures_and_sound(report: &Value, from: &str) {
    let peer = participant(report, from);
    assert_eq!(
        (&peer["connection"], &peer["protocol"]),
        (&"direct".into(), &"udp".into())
    );
    assert_eq!(peer["reconnects"], 0);
    let video = camera(peer);
    assert_eq!(video["stamps_unreadable"], 0, "{video:#}");
    assert_eq!((&video["width"], &video["height"]), (&640.into(), &360.into()));
    assert_eq!(video["codec"], "H264");
    // A machine that is busy shows fewer pictures, but it shows pictures.
    assert!(number(video, "frames") >= 30.0, "{video:#}");
    assert!(number(video, "bitrate_bps") > 0.0);
    assert!(number(&video["latency_ms"], "p50") > 0.0);
    let audio = &peer["audio_received"];
    assert!(number(audio, "bitrate_bps") > 0.0);
    assert!(number(audio, "concealed_ratio") < 0.5, "{audio:#}");
    assert!(number(&peer["sent"], "fps") > 0.0);
    assert!(number(report, "join_to_first_frame_ms") > 0.0);
    assert!(number(&report["process"], "cpu_s") > 0.0);
}

/// What was played is the other side's tone and not one's own.
fn heard(folder: &Path, name: &str, theirs_hz: f64, own_hz: f64) {
    let (rate_hz, samples) = read_wav(&folder.join(format!("{name}-heard.wav")));
    let (theirs, own) = (
        share_at(&samples, rate_hz, theirs_hz),
        share_at(&samples, rate_hz, own_hz),
    );
    assert!(
        theirs > 0.5 && own < 0.05,
        "{name} heard {theirs:.2} of the other's tone, {own:.2} of the own"
    );
}

#[test]
fn two_processes_see_and_hear_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for (name, tone) in [("Ann", ANNS_TONE_HZ), ("Bob", BOBS_TONE_HZ)] {
        write_y4m(&folder.join(format!("{name}.y4m")), 640, 360, 30, 45);
        write_wav(&folder.join(format!("{name}.wav")), tone, 3.0);
    }
    let ann = start("Ann", &["--host"], folder);
    let bob = start("Bob", &["--join", &ann.link()], folder);
    let ended = ann.ends_with(0);
    assert_eq!(
        ended.out.lines().count(),
        1,
        "only the link is for stdout: {}",
        ended.out
    );
    bob.ends_with(0);

    shows_pictures_and_sound(&report(&folder.join("Ann.json")), "Bob");
    shows_pictures_and_sound(&report(&folder.join("Bob.json")), "Ann");
    heard(folder, "Ann", BOBS_TONE_HZ, ANNS_TONE_HZ);
    heard(folder, "Bob", ANNS_TONE_HZ, BOBS_TONE_HZ);
}
