//! The signaling server dies in mid-call and comes back with nothing remembered: the call does not notice, and
//! the link is good again.

mod common;

use std::time::Duration;

use common::process::Process;
use common::server::Server;
use common::{camera, longest_gap_ms, number, participant, report};

const SMALL: [&str; 2] = ["--camera", "test:640x360@30"];
/// How long the server stays away. Media that depended on it would be silent for most of this time.
const OUTAGE: Duration = Duration::from_secs(3);

#[test]
fn a_call_survives_the_death_of_the_server_and_its_link_works_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let mut server = Server::start();
    let url = server.url();

    let ann = Process::headless(
        "Ann",
        &[&["--host", "--server", &url, "--report", &file("ann")], &SMALL[..]].concat(),
    );
    let link = ann.link();
    let bob = Process::headless(
        "Bob",
        &[&["--join", &link, "--report", &file("bob")], &SMALL[..]].concat(),
    );
    ann.says("Bob is connected");
    bob.says("Ann is connected");

    server.kill();
    // Not a wait for something: the outage itself has to last.
    std::thread::sleep(OUTAGE);
    server.start_again();

    // Whoever has the link meets both again: they have returned to the room of their own accord.
    let joining = ["--join", &link, "--until-peers", "2", "--seconds", "2"];
    let cleo = Process::headless("Cleo", &[&joining[..], &SMALL[..]].concat());
    ann.says("Cleo is connected");
    bob.says("Cleo is connected");
    cleo.ends_with(0);

    bob.signal("INT");
    let bob = bob.ends_with(0);
    ann.says("Bob left");
    ann.signal("TERM");
    let ann = ann.ends_with(0);
    assert!(!(ann.err.clone() + &bob.err).contains("lost"), "{}{}", ann.err, bob.err);

    for (own, other) in [("ann", "Bob"), ("bob", "Ann")] {
        let report = report(&folder.path().join(own));
        let peer = participant(&report, other);
        let gap_ms = longest_gap_ms(peer);
        assert!(
            gap_ms < OUTAGE.as_secs_f64() * 1000.0 / 2.0,
            "{own}: silent for {gap_ms} ms: {peer:#}"
        );
        assert_eq!(peer["reconnects"], 0);
        assert!(number(camera(peer), "frames") > 60.0, "{peer:#}");
        assert_eq!(camera(peer)["stamps_unreadable"], 0);
    }
}
