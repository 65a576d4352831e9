//! Whatever is wrong with what the application is given: a sentence that says what happened and what to do, the
//! right exit code, never a panic, and a call is never stopped by a device, a file or a disk.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use common::process::{Process, visavis};
use common::{camera, number, participant, report};

/// Well formed, with a secret nobody uses.
const FRAGMENT: &str = "#1.ApxnZULi2UEIw0aQ3v1DEQ.yJWUy2Zcgb4r0Up7kPp1KQ";
const SMALL: [&str; 2] = ["--camera", "test:640x360@30"];

/// Runs `visavis` with these words to its end: it must exit with this code and say all of these parts.
fn says(words: &[&str], code: i32, parts: &[&str]) {
    let ended = Process::start("visavis", visavis(words)).ends_with(code);
    for part in parts {
        assert!(ended.err.contains(part), "{words:?} was answered with:\n{}", ended.err);
    }
    assert_eq!(ended.out, "", "{words:?}: errors are for stderr");
}

#[test]
fn usage_errors_are_answered_with_what_would_be_right() {
    for (words, part) in [
        (&["headless"][..], "--host"),
        (
            &["headless", "--host", "--camera", "webcam"],
            "use test[:WxH@FPS], file:PATH.y4m, device[:NAME] or none",
        ),
        (&["headless", "--host", "--video-codec", "vp9"], "use h264"),
        (&["headless", "--host", "--seconds", "soon"], "a number of seconds"),
        (
            &["headless", "--host", "--ice-server", "turn:x"],
            "needs a user and a password",
        ),
        (&["headless", "--host", "--script", "/not/there"], "could not be read"),
        (&["--cemera", "test"], "--camera"),
    ] {
        says(words, 2, &[part]);
    }
}

#[test]
fn a_script_that_is_wrong_is_refused_with_the_number_of_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script");
    std::fs::write(&script, "1 mute\n2 dance\n").expect("written");
    says(
        &["headless", "--host", "--script", &script.display().to_string()],
        2,
        &["line 2", "'dance'", "use mute"],
    );
}

#[test]
fn a_link_that_is_not_one_is_a_usage_error() {
    let server = "https://example.invalid/j";
    for (link, part) in [
        ("nonsense".to_owned(), "This is not a Visavis link"),
        (String::new(), "There is no link"),
        (format!("{server}{}", &FRAGMENT[..20]), "The link was cut off"),
        (
            format!("{server}{}", FRAGMENT.replace("#1.", "#0.")),
            "an older Visavis",
        ),
        (format!("{server}{}", FRAGMENT.replace("#1.", "#9.")), "a newer Visavis"),
        (format!("https:///j{FRAGMENT}"), "no server"),
        ("x".repeat(100_000), "too long"),
    ] {
        says(&["headless", "--join", &link, "--seconds", "20"], 2, &[part]);
    }
}

#[test]
fn a_server_that_is_away_is_said_to_be() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("bound");
    let link = format!("visavis://{closed}/j{FRAGMENT}");
    says(
        &["headless", "--join", &link],
        1,
        &["could not be reached", "Check the network"],
    );
    let host = ["headless", "--host", "--server", &format!("ws://{closed}")];
    says(&host, 1, &["could not be reached", "--server"]);
}

/// A server that gives everybody this answer.
fn server_that_answers(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let body = move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            // Whatever it asks: the answer is the same.
            let heard = stream
                .read(&mut request)
                .and_then(|_| stream.write_all(answer.as_bytes()));
            if let Err(error) = heard {
                eprintln!("the false server was left: {error}");
            }
        }
    };
    std::thread::Builder::new()
        .name("false-server".into())
        .spawn(body)
        .expect("a thread");
    address
}

#[test]
fn a_server_that_is_another_one_is_said_to_be() {
    let other_version = "HTTP/1.1 400 Bad Request\r\nContent-Length: 40\r\nConnection: close\r\n\r\n\
                         This server speaks version 9: update it.";
    let web_server = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let no_http = "220 mail.example ESMTP\r\n";
    for (answer, part) in [
        (other_version, "speaks version 9"),
        (web_server, "404"),
        (no_http, "not a signaling server"),
    ] {
        let link = format!("visavis://{}/j{FRAGMENT}", server_that_answers(answer));
        says(&["headless", "--join", &link], 1, &[part, "Check the address"]);
    }
}

#[test]
fn an_address_that_is_taken_is_said_to_be() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    says(
        &["headless", "--host", "--listen", &address],
        1,
        &["could not be started", "--listen"],
    );
}

#[test]
fn a_call_nobody_joins_never_came_up() {
    let ended = Process::headless("Ann", &["--host", "--seconds", "1"]).ends_with(1);
    assert!(ended.err.contains("nobody joined in time"), "{}", ended.err);
}

#[test]
fn a_window_without_a_display_says_how_to_do_without() {
    for display in ["", ":499"] {
        let mut command = visavis(&[]);
        command
            .env("DISPLAY", display)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET");
        let ended = Process::start("visavis", command).ends_with(1);
        assert!(
            ended.err.contains("visavis headless --host"),
            "'{display}': {}",
            ended.err
        );
    }
}

/// One side's device is in trouble: both come into the call, that side says what is wrong, the other is heard.
fn call_goes_on(troubled: &[&str], parts: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let run = ["--until-peers", "1", "--seconds", "3", "--report"];
    let anns_report = file("ann");
    let ann = Process::headless("Ann", &[&["--host"], &run[..], &[&anns_report], troubled].concat());
    let link = ann.link();
    let bob = Process::headless(
        "Bob",
        &[&["--join", &link], &run[..], &[&file("bob")], &SMALL[..]].concat(),
    );
    let ended = ann.ends_with(0);
    bob.ends_with(0);
    for part in parts {
        let times = ended.err.matches(part).count();
        assert_eq!(times, 1, "{troubled:?}: '{part}' was to be said once:\n{}", ended.err);
    }
    let report = report(&folder.path().join("ann"));
    assert!(
        number(camera(participant(&report, "Bob")), "frames") > 0.0,
        "{report:#}"
    );
}

#[test]
fn devices_that_are_missing_do_not_stop_a_call() {
    call_goes_on(
        &[
            "--camera",
            "device:No such camera",
            "--microphone",
            "device:No such microphone",
            "--speaker",
            "device:None",
        ],
        &[
            "The camera was not found",
            "The microphone was not found",
            "The speaker was not found",
        ],
    );
}

#[test]
fn files_that_are_not_what_they_should_be_do_not_stop_a_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("text");
    std::fs::write(&file, "neither pictures nor sound\n").expect("written");
    let bad = format!("file:{}", file.display());
    call_goes_on(
        &["--camera", &bad, "--microphone", &bad],
        &["The camera cannot use this file", "The microphone cannot use this file"],
    );
    let missing = format!("file:{}", folder.path().join("missing").display());
    call_goes_on(
        &["--camera", &missing, "--microphone", &missing],
        &["The camera ", "The microphone "],
    );
}

#[test]
fn a_recording_that_cannot_be_written_does_not_stop_a_call() {
    let record = ["--record", "/proc/no-such-place", "--camera", "test:640x360@30"];
    call_goes_on(&record, &["could not be recorded"]);
}

#[test]
fn a_disk_that_is_full_fails_the_run_and_not_the_call() {
    assert!(Path::new("/dev/full").exists(), "this test needs /dev/full");
    let run = ["--until-peers", "1", "--seconds", "3", "--camera", "test:640x360@30"];
    let ann = [&["--host", "--report", "/dev/full", "--report-every"], &run[..]].concat();
    let ann = Process::headless("Ann", &ann);
    let link = ann.link();
    let bob = Process::headless("Bob", &[&["--join", &link], &run[..]].concat());
    let ended = ann.ends_with(1);
    assert!(
        ended.err.contains("The report could not be written to /dev/full"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("choose another place"), "{}", ended.err);
    bob.ends_with(0);
}
