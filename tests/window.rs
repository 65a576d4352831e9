//! The real window on a real display: a person clicks into a call and sees the other one; and a window that runs
//! by itself is measured like a headless run.

mod common;

use std::path::Path;

use common::display::{Display, Picture, Region, window};
use common::process::Process;
use common::stamp::{Found, find_all};
use common::{camera, number, participant, report};
use visavis::ui::theme::tokens::DARK;

/// Smaller regions of a button's colour are icons and letters.
const BUTTON_AREA: usize = 1_500;
/// A block of the stamp in the large picture; the own small one and the preview are mirrored anyway.
const LARGE_BLOCK_PX: f64 = 10.0;

fn rgb(colour: egui::Color32) -> [u8; 3] {
    [colour.r(), colour.g(), colour.b()]
}

/// The largest region in one of these colours.
fn largest(picture: &Picture, colours: [egui::Color32; 2]) -> Option<Region> {
    let regions = colours.map(|colour| picture.regions(rgb(colour), BUTTON_AREA));
    regions.into_iter().flatten().max_by_key(|region| region.area)
}

/// The one button that is to be pressed, with or without the pointer on it.
fn main_button(picture: &Picture) -> Option<Region> {
    largest(picture, [DARK.accent, DARK.accent_hover])
}

/// The field for the link: the first field below the main button of the home screen.
fn link_field(picture: &Picture) -> Option<Region> {
    let start = main_button(picture)?;
    let fields = picture.regions(rgb(DARK.surface), BUTTON_AREA);
    fields
        .into_iter()
        .find(|field| field.top > start.bottom && field.right <= start.right)
}

/// The stamp of the other one's large picture.
fn large_stamp(picture: &Picture) -> Option<Found> {
    let stamps = find_all(&picture.grey());
    stamps.into_iter().find(|found| found.block > LARGE_BLOCK_PX)
}

#[test]
fn a_person_clicks_into_a_call_and_sees_the_other_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let display = Display::start();
    let ann = Process::headless("Ann", &["--host", "--camera", "test:1280x720@30"]);
    let window = window(&display, folder.path(), &[]);

    let field = display.wait_to_see("the field for the link", link_field);
    display.click(field);
    display.type_text(&ann.link());
    display.press("Return");

    // The lobby: its main button stands lower, and the field is gone.
    let join = display.wait_to_see("the lobby", |picture| {
        main_button(picture).filter(|button| link_field(picture).is_none() && button.top > field.bottom)
    });
    display.click(join);
    ann.says("Bob is connected");

    let first = display.wait_to_see("Ann's picture", large_stamp);
    let age_ms = first.age_ms();
    assert!(
        (-1_000..60_000).contains(&age_ms),
        "{first:?} was taken {age_ms} ms ago"
    );
    // Pictures, not one picture.
    display.wait_to_see("Ann's next picture", |picture| {
        large_stamp(picture).filter(|next| next.counter != first.counter)
    });

    let hang_up = display.wait_to_see("the button that hangs up", |picture| {
        largest(picture, [DARK.danger, DARK.danger_hover])
    });
    display.click(hang_up);
    ann.says("Bob left");
    display.wait_to_see("the end", |picture| {
        main_button(picture).filter(|_| large_stamp(picture).is_none())
    });
    display.press("alt+F4");
    window.ends_with(0);
    ann.signal("INT");
    ann.ends_with(0);
}

#[test]
fn a_window_that_runs_by_itself_is_measured_like_a_headless_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bob.json").display().to_string();
    let display = Display::start();
    let ann = Process::headless("Ann", &["--host", "--camera", "test:640x360@30"]);
    let link = ann.link();
    let run = [&link, "--until-peers", "1", "--seconds", "4", "--report", &file];
    let window = window(&display, folder.path(), &run);
    display.wait_to_see("Ann's picture", large_stamp);
    window.ends_with(0);
    ann.says("Bob left");
    ann.signal("INT");
    ann.ends_with(0);

    let report = report(Path::new(&file));
    let video = camera(participant(&report, "Ann"));
    assert_eq!(video["stamps_unreadable"], 0);
    assert!(number(video, "frames") > 10.0, "{video:#}");
    assert!(number(&video["latency_ms"], "p50") > 0.0);
}

#[test]
fn a_window_that_is_closed_during_its_run_writes_its_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bob.json").display().to_string();
    let display = Display::start();
    let ann = Process::headless("Ann", &["--host", "--camera", "test:640x360@30"]);
    let link = ann.link();
    let window = window(&display, folder.path(), &[&link, "--seconds", "600", "--report", &file]);
    display.wait_to_see("Ann's picture", large_stamp);
    display.press("alt+F4");
    window.ends_with(0);
    participant(&report(Path::new(&file)), "Ann");
    ann.signal("INT");
    ann.ends_with(0);
}
