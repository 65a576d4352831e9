//! A third process joins a running call and leaves it: all three see each other, and the first two are not
//! disturbed.

mod common;

use common::process::Process;
use common::{camera, longest_gap_ms, number, participant, report};

const SMALL: [&str; 2] = ["--camera", "test:640x360@30"];
/// A call that was rebuilt would be silent for longer than this; a machine that is busy for less.
const UNDISTURBED_MS: f64 = 1_000.0;

#[test]
fn a_third_participant_comes_and_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let ann = Process::headless("Ann", &[&["--host", "--report", &file("ann")], &SMALL[..]].concat());
    let link = ann.link();
    let bob = Process::headless(
        "Bob",
        &[&["--join", &link, "--report", &file("bob")], &SMALL[..]].concat(),
    );
    ann.says("Bob is connected");
    bob.says("Ann is connected");

    let joining = [
        "--join",
        &link,
        "--until-peers",
        "2",
        "--seconds",
        "3",
        "--report",
        &file("cleo"),
    ];
    let cleo = Process::headless("Cleo", &[&joining[..], &SMALL[..]].concat());
    for earlier in [&ann, &bob] {
        earlier.says("Cleo is connected");
    }
    cleo.ends_with(0);
    for earlier in [&ann, &bob] {
        earlier.says("Cleo left");
    }
    bob.signal("INT");
    bob.ends_with(0);
    ann.says("Bob left");
    ann.signal("INT");
    ann.ends_with(0);

    for (own, others) in [
        ("ann", ["Bob", "Cleo"]),
        ("bob", ["Ann", "Cleo"]),
        ("cleo", ["Ann", "Bob"]),
    ] {
        let report = report(&folder.path().join(own));
        for other in others {
            let video = camera(participant(&report, other));
            assert!(number(video, "frames") > 10.0, "{own} saw of {other}: {video:#}");
            assert_eq!(video["stamps_unreadable"], 0, "{own} saw of {other}");
        }
    }
    for (own, other) in [("ann", "Bob"), ("bob", "Ann")] {
        let report = report(&folder.path().join(own));
        let gap_ms = longest_gap_ms(participant(&report, other));
        assert!(
            gap_ms < UNDISTURBED_MS,
            "{own} heard nothing of {other} for {gap_ms} ms"
        );
    }
}
