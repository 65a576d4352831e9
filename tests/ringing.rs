//! Friends who met once ring each other: two processes with a profile each, and a server that knows nobody.

mod common;

use std::path::Path;

use common::process::{Process, Stream};
use common::server::Server;
use common::{camera, number, participant, report};

const SMALL: [&str; 2] = ["--camera", "test:640x360@30"];

/// One person with a folder of their own.
struct Person<'a> {
    name: &'static str,
    folder: String,
    server: &'a str,
}

impl<'a> Person<'a> {
    fn new(name: &'static str, folder: &Path, server: &'a str) -> Self {
        let folder = folder.join(format!("profile-{name}")).display().to_string();
        Self { name, folder, server }
    }

    fn start(&self, words: &[&str]) -> Process {
        let profile = [
            "--profile",
            &self.folder,
            "--key-store",
            "file",
            "--server",
            self.server,
        ];
        Process::headless(self.name, &[words, &profile, &SMALL].concat())
    }
}

/// They call each other by a link, once, and hang up.
fn meet(ann: &Person, bob: &Person) {
    let host = ann.start(&["--host"]);
    let guest = bob.start(&["--join", &host.link(), "--until-peers", "1", "--seconds", "1"]);
    host.says(&format!("{} is connected", bob.name));
    guest.ends_with(0);
    host.signal("INT");
    host.ends_with(0);
}

#[test]
fn a_contact_rings_and_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    let url = server.url();
    let [ann, bob] = ["Ann", "Bob"].map(|name| Person::new(name, folder.path(), &url));
    meet(&ann, &bob);

    let callee_report = folder.path().join("bob.json");
    let callee = bob.start(&[
        "--await-ring",
        "--seconds",
        "600",
        "--report",
        &callee_report.display().to_string(),
    ]);
    callee.wait_for(Stream::Out, |line| line == "LISTENING");
    let caller_report = folder.path().join("ann.json");
    let path = caller_report.display().to_string();
    let caller = ann.start(&[
        "--ring",
        "Bob",
        "--until-peers",
        "1",
        "--seconds",
        "2",
        "--report",
        &path,
    ]);
    callee.wait_for(Stream::Out, |line| line == "RING Ann");
    caller.says("Bob is connected");
    callee.says("Ann is connected");
    caller.ends_with(0);
    // The call of two is over when one has left.
    callee.ends_with(0);

    for (file, other) in [(&caller_report, "Bob"), (&callee_report, "Ann")] {
        let report = report(file);
        let other = participant(&report, other);
        assert!(number(camera(other), "frames") > 10.0, "{other:#}");
    }
}

#[test]
fn a_ring_that_is_declined_or_disturbs_leads_to_no_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    let url = server.url();
    let [ann, bob] = ["Ann", "Bob"].map(|name| Person::new(name, folder.path(), &url));
    meet(&ann, &bob);

    let callee = bob.start(&["--await-ring", "--answer", "decline"]);
    callee.wait_for(Stream::Out, |line| line == "LISTENING");
    let caller = ann.start(&["--ring", "Bob"]);
    caller.says("Bob declined the call.");
    caller.ends_with(1);
    callee.signal("INT");
    callee.wait();

    let callee = bob.start(&["--await-ring", "--do-not-disturb"]);
    callee.wait_for(Stream::Out, |line| line == "LISTENING");
    let caller = ann.start(&["--ring", "Bob"]);
    caller.says("Bob is busy.");
    caller.ends_with(1);
    assert!(!callee.has_written(Stream::Out, |line| line.starts_with("RING")));
    callee.signal("INT");
    callee.wait();
}

#[test]
fn who_is_no_contact_cannot_be_rung() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    let url = server.url();
    let ann = Person::new("Ann", folder.path(), &url);
    let caller = ann.start(&["--ring", "Nobody"]);
    caller.says("There is no contact called Nobody");
    caller.ends_with(2);
}

#[test]
fn who_will_be_somebody_else_next_time_does_not_become_a_contact() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    let url = server.url();
    let ann = Person::new("Ann", folder.path(), &url);
    let host = ann.start(&["--host"]);
    // Without a profile, a key for this run alone.
    let visitor = Process::headless(
        "Bob",
        &[
            &["--join", &host.link(), "--until-peers", "1", "--seconds", "1"],
            &SMALL[..],
        ]
        .concat(),
    );
    host.says("Bob is connected");
    visitor.ends_with(0);
    host.signal("INT");
    host.ends_with(0);
    let caller = ann.start(&["--ring", "Bob"]);
    caller.says("There is no contact called Bob: the profile has none yet.");
    caller.ends_with(2);
}
