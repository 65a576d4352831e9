//! A script runs on the run's clock, and a run that is asked to end leaves the call properly.

mod common;

use common::process::Process;
use common::{participant, report};
use serde_json::Value;

const SMALL: [&str; 2] = ["--camera", "test:640x360@30"];

fn events(report: &Value) -> Vec<&str> {
    let timeline = report["timeline"].as_array().expect("a list");
    timeline
        .iter()
        .map(|entry| entry["event"].as_str().expect("a text"))
        .collect()
}

#[test]
fn a_script_mutes_and_leaves_and_the_timeline_tells() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script");
    std::fs::write(&script, "# a comment\n0.5 mute\n0.7 chat hello\n1 unmute\n6 leave\n").expect("written");
    let (script, file) = (script.display().to_string(), folder.path().join("ann"));
    let ann = ["--host", "--script", &script, "--report", &file.display().to_string()];
    let ann = Process::headless("Ann", &[&ann[..], &SMALL[..]].concat());
    let bob = Process::headless(
        "Bob",
        &[&["--join", &ann.link(), "--seconds", "60"], &SMALL[..]].concat(),
    );
    bob.says("Ann is connected");
    let ended = ann.ends_with(0);
    assert!(
        ended.err.contains("chat hello: not available in this version"),
        "{}",
        ended.err
    );
    // The one who stays is told at once, and everybody else having left ends nothing that was not asked for.
    bob.says("Ann left");
    bob.signal("INT");
    bob.ends_with(0);

    let report = report(&file);
    let events = events(&report);
    let scripted: Vec<&&str> = events.iter().filter(|event| event.starts_with("script: ")).collect();
    let expected = [
        "script: mute",
        "script: chat hello: not available in this version",
        "script: unmute",
        "script: leave",
    ];
    assert_eq!(scripted, expected.iter().collect::<Vec<_>>(), "{events:#?}");
    participant(&report, "Bob");
    let times: Vec<f64> = report["timeline"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["at_s"].as_f64().expect("a number"))
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn ctrl_c_and_sigterm_leave_the_call_and_write_the_report() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bob");
        let ann = Process::headless("Ann", &[&["--host"], &SMALL[..]].concat());
        let bob = ["--join", &ann.link(), "--report", &file.display().to_string()];
        let bob = Process::headless("Bob", &[&bob[..], &SMALL[..]].concat());
        ann.says("Bob is connected");
        bob.says("Ann is connected");
        bob.signal(signal);
        bob.ends_with(0);
        ann.says("Bob left");
        participant(&report(&file), "Ann");
    }
}

#[test]
fn a_run_that_is_stopped_before_anybody_came_never_came_up() {
    let ann = Process::headless("Ann", &["--host"]);
    ann.link();
    ann.signal("INT");
    let ended = ann.ends_with(1);
    assert!(ended.err.contains("nobody joined"), "{}", ended.err);
}
