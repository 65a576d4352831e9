//! A friend rings, the real window shows it, and one key takes the call.

mod common;

use std::path::Path;

use common::display::{Display, Picture, window};
use common::process::{Process, Stream};
use common::server::Server;
use common::stamp::find_all;
use common::{number, participant, report};
use visavis::ui::theme::tokens::DARK;

/// Smaller regions of a button's colour are icons and letters.
const BUTTON_AREA: usize = 1_500;
const SMALL: [&str; 2] = ["--camera", "test:1280x720@30"];

fn profile<'a>(folder: &'a str, server: &'a str) -> [&'a str; 6] {
    ["--profile", folder, "--key-store", "file", "--server", server]
}

/// They call each other by a link, once, and hang up.
fn meet(ann: &[&str], bob: &[&str]) {
    let host = Process::headless("Ann", &[&["--host"], ann, &SMALL].concat());
    let link = host.link();
    let joining = ["--join", &link, "--until-peers", "1", "--seconds", "1"];
    let guest = Process::headless("Bob", &[&joining, bob, &SMALL].concat());
    host.says("Bob is connected");
    guest.ends_with(0);
    host.signal("INT");
    host.ends_with(0);
}

fn rgb(colour: egui::Color32) -> [u8; 3] {
    [colour.r(), colour.g(), colour.b()]
}

/// The button that says no stands beside the one that says yes while it rings, and nowhere at home.
fn declines(picture: &Picture) -> Option<()> {
    let colours = [DARK.danger, DARK.danger_hover];
    let buttons = colours.map(|colour| picture.regions(rgb(colour), BUTTON_AREA));
    buttons.iter().any(|regions| !regions.is_empty()).then_some(())
}

#[test]
fn a_friend_rings_and_one_key_takes_the_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name).display().to_string();
    let server = Server::start();
    let url = server.url();
    let (anns, bobs) = (place("ann"), place("bob"));
    let (ann, bob) = (profile(&anns, &url), profile(&bobs, &url));
    meet(&ann, &bob);

    let display = Display::start();
    let window = window(&display, folder.path(), &bob);
    let file = place("report");
    let ring = [
        "--ring",
        "Bob",
        "--until-peers",
        "1",
        "--seconds",
        "2",
        "--report",
        &file,
    ];
    let caller = Process::headless("Ann", &[&ring, &ann[..], &SMALL].concat());
    display.wait_to_see("the ring", declines);
    // A key that was meant for something else does not take a call: the first moment counts for nothing.
    display.wait_to_see("the call", |picture| {
        display.press("Return");
        (!find_all(&picture.grey()).is_empty()).then_some(())
    });
    caller.says("Bob is connected");
    caller.ends_with(0);
    let report = report(Path::new(&file));
    assert!(number(&report, "join_to_first_frame_ms") > 0.0);
    participant(&report, "Bob");
    assert!(!window_has_printed(&window), "a window prints nothing");
    display.press("alt+F4");
    window.ends_with(0);
}

fn window_has_printed(window: &Process) -> bool {
    window.has_written(Stream::Out, |_| true)
}
