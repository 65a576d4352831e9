//! Who may enter a call: the host lets in, keeps out, locks, makes a new link; three words lead in.

mod common;

use common::process::{Process, Stream};
use common::server::Server;

const SMALL: [&str; 2] = ["--camera", "test:320x180@15"];

fn start(name: &str, words: &[&str]) -> Process {
    Process::headless(name, &[words, &SMALL].concat())
}

#[test]
fn who_knocks_is_let_in_or_kept_out_by_the_host() {
    let mut ann = start("Ann", &["--host", "--door", "knock", "--script", "-"]);
    let link = ann.link();
    let cleo = start("Cleo", &["--join", &link]);
    ann.says("Cleo knocks");
    ann.tell("0 refuse Cleo");
    cleo.says("The host did not let this side in.");
    cleo.ends_with(1);
    let bob = start("Bob", &["--join", &link]);
    ann.says("Bob knocks");
    bob.says("waiting to be let in");
    ann.tell("0 admit Bob");
    ann.says("Bob is connected");
    bob.says("Ann is connected");
    ann.tell("0 door locked");
    ann.says("The call is locked");
    let dan = start("Dan", &["--join", &link]);
    dan.says("The host has locked the call");
    dan.ends_with(1);
    for process in [bob, ann] {
        process.signal("INT");
        process.ends_with(0);
    }
}

#[test]
fn a_new_link_moves_the_call_and_closes_the_old_one() {
    let server = Server::start();
    let url = server.url();
    let mut ann = start("Ann", &["--host", "--server", &url, "--script", "-"]);
    let old = ann.link();
    let bob = start("Bob", &["--join", &old]);
    ann.says("Bob is connected");
    ann.tell("0 new-link");
    let new = ann.wait_for(Stream::Out, |line| line.starts_with("LINK ") && !line.ends_with(&old));
    let new = &new["LINK ".len()..];
    let cleo = start("Cleo", &["--join", new]);
    for earlier in [&ann, &bob] {
        earlier.says("Cleo is connected");
    }
    let late = start("Dan", &["--join", &old, "--seconds", "3"]);
    let late = late.ends_with(1);
    assert!(late.err.contains("The call never came up"), "{late:?}");
    for process in [cleo, bob, ann] {
        process.signal("INT");
        process.ends_with(0);
    }
}

#[test]
fn three_spoken_words_lead_into_the_call() {
    let server = Server::start();
    let url = server.url();
    let mut ann = start("Ann", &["--host", "--server", &url, "--script", "-"]);
    ann.link();
    ann.tell("0 code");
    let line = ann.wait_for(Stream::Out, |line| line.starts_with("CODE "));
    let words: Vec<&str> = line["CODE ".len()..].split(' ').collect();
    assert_eq!(words.len(), 3);
    // The first word leads to the host, the others must be right.
    let wrong = [words[0], words[0], words[0]].join(" ");
    let thief = start("Eve", &["--server", &url, "--join", &wrong]);
    thief.says("The words are not the right ones");
    thief.ends_with(1);
    let bob = start("Bob", &["--server", &url, "--join", &words.join(" ")]);
    ann.says("Bob is connected");
    bob.says("Ann is connected");
    for process in [bob, ann] {
        process.signal("INT");
        process.ends_with(0);
    }
}
