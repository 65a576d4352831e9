//! The network of a guest goes away, becomes another one, or forgets: the call goes on by itself, on the connection it
//! had. Needs a network lab; without one, each test says so and passes.
#![cfg(target_os = "linux")]

mod common;

use common::process::{Process, visavis};
use common::{longest_gap_ms, participant, report, wait_for_report};
use network_lab::{Direction, Lab};
use serde_json::Value;

/// Two people in a lab, connected.
struct Call {
    ann: Process,
    bob: Process,
    folder: tempfile::TempDir,
    // After the processes.
    lab: Lab,
}

impl Call {
    /// `bob` is the plan of his part; Ann hosts. None where there can be no lab.
    fn start(bob: &str) -> Option<Self> {
        if let Some(why) = Lab::unavailable() {
            eprintln!("skipped: {why}");
            return None;
        }
        let lab = Lab::start(&format!("router net ipv4-only\nhost ann net\n{bob}")).expect("a lab");
        let folder = tempfile::tempdir().expect("a folder");
        let start = |node: &str, name: &str, words: &[&str]| {
            let file = folder.path().join(node).display().to_string();
            let common = [
                "headless",
                "--name",
                name,
                "--camera",
                "test:640x360@30",
                "--report-every",
            ];
            let plain = visavis(&[]);
            let program = plain.get_program().to_str().expect("a path");
            let mut command = lab.command(node, program).expect("a host");
            command.args([&common[..], &["--report", &file], words].concat());
            Process::start(name, command)
        };
        let listen = format!("{}:47000", lab.address("ann").expect("an address"));
        let ann = start("ann", "Ann", &["--host", "--listen", &listen]);
        let bob = start("bob", "Bob", &["--join", &ann.link()]);
        ann.says("Bob is connected");
        bob.says("Ann is connected");
        let call = Self { ann, bob, folder, lab };
        // An address is an old one a second after it was found.
        call.sees_more(60.0);
        Some(call)
    }

    fn frames(report: &Value) -> f64 {
        report["participants"][0]["video_received"][0]["frames"]
            .as_f64()
            .unwrap_or_default()
    }

    /// Waits until both have seen so many more pictures.
    fn sees_more(&self, more: f64) {
        for node in ["ann", "bob"] {
            let file = self.folder.path().join(node);
            let text = std::fs::read(&file).unwrap_or_default();
            let before = serde_json::from_slice(&text).map_or(0.0, |report| Self::frames(&report));
            wait_for_report(&file, |report| Self::frames(report) >= before + more);
        }
    }

    /// Ends the call, and gives what each had of the other.
    fn end(self) -> [Value; 2] {
        self.bob.signal("INT");
        self.bob.ends_with(0);
        self.ann.signal("INT");
        self.ann.ends_with(0);
        [("ann", "Bob"), ("bob", "Ann")].map(|(node, other)| {
            let report = report(&self.folder.path().join(node));
            assert_eq!(
                report["participants"].as_array().expect("a list").len(),
                1,
                "{report:#}"
            );
            let events: Vec<&str> = report["timeline"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|entry| entry["event"].as_str())
                .collect();
            assert!(!events.iter().any(|event| event.contains("rebuilt")), "{events:?}");
            participant(&report, other).clone()
        })
    }
}

#[test]
fn a_cut_ends_and_the_call_goes_on() {
    let Some(call) = Call::start("host bob net") else {
        return;
    };
    call.lab.set("bob", Direction::Both, "cut=on").expect("cut");
    call.ann.says("The connection to Bob was lost");
    call.bob.says("The connection to Ann was lost");
    call.lab.set("bob", Direction::Both, "cut=off").expect("mended");
    call.ann.says("Bob is connected again");
    call.bob.says("Ann is connected again");
    call.sees_more(30.0);
    for other in call.end() {
        assert_eq!(other["reconnects"], 1);
        assert!(longest_gap_ms(&other) >= 1_000.0, "{other:#}");
    }
}

#[test]
fn another_interface_takes_over() {
    let Some(call) = Call::start("host bob net if=wifi\nlink bob net if=lte") else {
        return;
    };
    call.lab.unplug("bob/wifi").expect("unplugged");
    call.sees_more(60.0);
    call.end();
}

#[test]
fn a_nat_that_forgets_is_followed() {
    let Some(call) = Call::start("nat home net type=symmetric\nhost bob home") else {
        return;
    };
    call.lab.forget("home").expect("forgotten");
    call.sees_more(60.0);
    call.end();
}
