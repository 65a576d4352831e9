//! A process is killed in mid-call: the other one says so, stays, and can be joined again with the same link.

mod common;

use std::time::{Duration, Instant};

use common::process::Process;
use common::{camera, number, participant, report, wait_for_report};

const SMALL: [&str; 2] = ["--camera", "test:640x360@30"];
/// What the product promises: its own timers, not the speed of the machine.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn a_killed_peer_is_noticed_and_the_call_can_be_joined_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ann.json");
    let ann = ["--host", "--report-every", "--report", &file.display().to_string()];
    let ann = Process::headless("Ann", &[&ann[..], &SMALL[..]].concat());
    let link = ann.link();
    let bob = Process::headless("Bob", &[&["--join", &link], &SMALL[..]].concat());
    ann.says("Bob is connected");
    wait_for_report(&file, |report| {
        let bobs = report["participants"][0]["video_received"][0]["frames"].as_f64();
        bobs.is_some_and(|frames| frames > 0.0)
    });

    let killed = Instant::now();
    bob.kill();
    ann.wait_for(common::process::Stream::Err, |line| {
        line.contains("The connection to Bob was lost") || line.contains("Bob left")
    });
    let told = killed.elapsed();
    assert!(told <= TOLD_WITHIN, "it took {told:?}");

    let cleo = ["--join", &link, "--until-peers", "1", "--seconds", "2"];
    let cleo = Process::headless("Cleo", &[&cleo[..], &SMALL[..]].concat());
    ann.says("Cleo is connected");
    cleo.ends_with(0);
    ann.says("Cleo left");
    ann.signal("INT");
    ann.ends_with(0);

    let report = report(&file);
    for name in ["Bob", "Cleo"] {
        assert!(number(camera(participant(&report, name)), "frames") > 0.0, "{name}");
    }
}
