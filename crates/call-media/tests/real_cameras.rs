//! The path of a real camera, from nokhwa down to the system calls, against V4L2 cameras in user space
//! (`tests/lab/v4l2`): the C library is compiled here and preloaded into the example `camera_probe`.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tempfile::TempDir;

/// No test waits so long for anything unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// The preloaded library, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/lab/v4l2/v4l2_camera.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libv4l2_camera-{}.so", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O2", "-o"])
            .args([library.as_os_str(), source.as_ref()])
            .args(["-ldl", "-lpthread"])
            .status();
        match compiled {
            Ok(status) if status.success() => library,
            Ok(status) => panic!("cc could not compile {source}: {status}"),
            Err(error) => panic!("these tests need a C compiler (apt-get install gcc libc6-dev): cc: {error}"),
        }
    })
}

/// Cameras and their control files.
struct Lab {
    directory: TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Lab {
    fn new(settings: &[(&'static str, &str)]) -> Self {
        let settings = settings.iter().map(|&(name, value)| (name, value.to_owned()));
        Self {
            directory: tempfile::tempdir().expect("a temporary folder"),
            settings: settings.collect(),
        }
    }

    fn control_file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn tell(&self, what: &str) {
        fs::write(self.control_file(what), "").expect("room on the disk");
    }

    fn take_back(&self, what: &str) {
        fs::remove_file(self.control_file(what)).expect("it was told before");
    }

    /// Starts the probe within this lab.
    fn probe(&self, argument: &str) -> Probe {
        let tests = std::env::current_exe().expect("a test has a path");
        let release = tests.parent().and_then(Path::parent).expect("a test lies in deps/");
        let mut child = Command::new(release.join("examples/camera_probe"))
            .arg(argument)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .env("V4L2_CAMERA_DIR", self.directory.path())
            .env("LD_PRELOAD", library())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect(
                "the example is built by `cargo test` for the whole package, or by `cargo build --release --examples`",
            );
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, lines) = sync_channel(1_000);
        // Ends with the probe, which the test ends.
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| send.send(line))
        });
        Probe {
            commands: child.stdin.take(),
            child,
            lines,
            transcript: Vec::new(),
        }
    }
}

/// A running probe; killed when dropped.
struct Probe {
    child: Child,
    commands: Option<ChildStdin>,
    lines: Receiver<String>,
    transcript: Vec<String>,
}

impl Probe {
    /// Reads on until a line contains all of these.
    fn wait_for(&mut self, parts: &[&str]) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no line with {parts:?}; there were: {:#?}", self.transcript);
            };
            if !line.contains("\"frame\"") {
                self.transcript.push(line.clone());
            }
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    }

    fn wait_for_failure(&mut self, problem: &str) -> String {
        self.wait_for(&["Failed", &format!("\"problem\":\"{problem}\"")])
    }

    fn wait_until_running(&mut self) -> String {
        let line = self.wait_for(&["\"status\":\"Running\""]);
        self.wait_for(&["\"frame\""]);
        line
    }

    fn reopen(&mut self) {
        let commands = self.commands.as_mut().expect("not ended yet");
        commands.write_all(b"reopen\n").expect("the probe is alive");
    }

    /// Ends the probe in an orderly way.
    fn end(mut self) -> Vec<String> {
        self.commands = None;
        self.wait_for(&["closed"]);
        let status = self.child.wait().expect("it was started");
        assert!(status.success(), "{status}");
        std::mem::take(&mut self.transcript)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // It may have ended by itself.
        if self.child.kill().is_ok() {
            self.child.wait().expect("it was started");
        }
    }
}

const SMALL: (&str, &str) = ("V4L2_CAMERA_SIZES", "640x360");

/// The mean colours of a frame's line.
fn colours(line: &str, side: &str) -> Vec<i32> {
    let (_, rest) = line.split_once(&format!("\"{side}\":[")).expect("a frame's line");
    let (list, _) = rest.split_once(']').expect("a frame's line");
    list.split(", ")
        .map(|number| number.parse().expect("a number"))
        .collect()
}

fn assert_red_and_blue(line: &str) {
    for (side, wanted) in [("left", [81, 90, 240]), ("right", [41, 240, 110])] {
        let found = colours(line, side);
        let near = found
            .iter()
            .zip(wanted)
            .all(|(found, wanted)| (found - wanted).abs() <= 4);
        assert!(near, "{side} is {found:?} instead of {wanted:?}");
    }
}

/// A JPEG of the laboratory's picture.
fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let colour = |x| image::Rgb(if x < width / 2 { [255, 0, 0] } else { [0, 0, 255] });
    let picture = image::RgbImage::from_fn(width, height, |x, _| colour(x));
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
    encoder.encode_image(&picture).expect("an image can be encoded");
    bytes
}

#[test]
fn every_format_arrives_in_its_colours() {
    for format in ["YUYV", "NV12", "RGB3", "BGR3", "MJPG"] {
        let lab = Lab::new(&[("V4L2_CAMERA_FORMATS", format)]);
        fs::write(lab.control_file("0.jpeg"), jpeg(1_280, 720)).expect("room on the disk");
        let mut probe = lab.probe("device");
        let running = probe.wait_for(&["Running"]);
        assert!(
            running.contains(r#""name":"Lab Camera 0","mode":"1280x720@30""#),
            "{format}: {running}"
        );
        let frame = probe.wait_for(&[r#""width":1280,"height":720"#]);
        assert_red_and_blue(&frame);
        assert!(frame.contains("\"refused\":0"), "{format}: {frame}");
        probe.end();
    }
}

#[test]
fn cameras_are_listed_with_their_modes_and_without_their_metadata_nodes() {
    let lab = Lab::new(&[
        ("V4L2_CAMERA_COUNT", "2"),
        ("V4L2_CAMERA_METADATA", "1"),
        ("V4L2_CAMERA_SIZES", "640x480,1280x720"),
        ("V4L2_CAMERA_RATES", "30,15,30000/1001"),
    ]);
    let mut list = lab.probe("list");
    let modes = r#""modes":["1280x720@30", "1280x720@15", "640x480@30", "640x480@15"]"#;
    list.wait_for(&[r#"{"camera":"Lab Camera 0","default":true"#, modes]);
    list.wait_for(&[r#"{"camera":"Lab Camera 1","default":false"#, modes]);
    assert!(list.lines.recv_timeout(PATIENCE).is_err(), "no third camera");
}

#[test]
fn a_camera_is_found_by_a_part_of_its_name() {
    let lab = Lab::new(&[("V4L2_CAMERA_COUNT", "2"), SMALL]);
    let mut probe = lab.probe("device:CAMERA 1");
    assert!(probe.wait_until_running().contains("Lab Camera 1"));
    let mut nobody = lab.probe("device:Webcam");
    let missing = nobody.wait_for_failure("Missing");
    assert!(missing.contains("Lab Camera 0, Lab Camera 1"), "{missing}");
}

#[test]
fn the_best_mode_is_chosen() {
    let sizes = ("V4L2_CAMERA_SIZES", "320x240,640x480,1920x1080");
    let lab = Lab::new(&[sizes, ("V4L2_CAMERA_RATES", "15,30")]);
    assert!(lab.probe("device").wait_until_running().contains("1920x1080@30"));
    let slow = Lab::new(&[("V4L2_CAMERA_RATES", "10"), SMALL]);
    assert!(slow.probe("device").wait_until_running().contains("640x360@10"));
}

#[test]
fn an_unplugged_camera_comes_back() {
    let lab = Lab::new(&[SMALL]);
    let mut probe = lab.probe("device");
    probe.wait_until_running();
    for _ in 0..2 {
        lab.tell("0.unplug");
        probe.wait_for_failure("Unplugged");
        lab.take_back("0.unplug");
        probe.wait_until_running();
    }
    let transcript = probe.end();
    assert!(
        !transcript.iter().any(|line| line.contains("Missing")),
        "{transcript:#?}"
    );
}

#[test]
fn a_missing_camera_is_waited_for() {
    let lab = Lab::new(&[SMALL]);
    lab.tell("0.unplug");
    let mut probe = lab.probe("device");
    let missing = probe.wait_for_failure("Missing");
    assert!(missing.contains("no camera is connected"), "{missing}");
    lab.take_back("0.unplug");
    probe.wait_until_running();
}

#[test]
fn a_stalled_camera_is_noticed_and_opened_again() {
    let lab = Lab::new(&[SMALL]);
    let mut probe = lab.probe("device");
    probe.wait_until_running();
    lab.tell("0.stall");
    let stalled = probe.wait_for_failure("Stalled");
    assert!(stalled.contains("stopped giving pictures"), "{stalled}");
    lab.take_back("0.stall");
    probe.wait_until_running();
    // And one that stalls does not hold up the end.
    lab.tell("0.stall");
    let transcript = probe.end();
    assert!(!transcript.iter().any(|line| line.contains("Busy")), "{transcript:#?}");
}

#[test]
fn a_busy_camera_is_waited_for() {
    let lab = Lab::new(&[SMALL]);
    lab.tell("0.busy");
    let mut probe = lab.probe("device");
    probe.wait_for_failure("Busy");
    lab.take_back("0.busy");
    probe.wait_until_running();
}

#[test]
fn a_forbidden_camera_is_waited_for_and_listed() {
    let lab = Lab::new(&[SMALL]);
    lab.tell("0.forbidden");
    lab.probe("list")
        .wait_for(&[r#""camera":"Lab Camera 0""#, "\"modes\":[]"]);
    let mut probe = lab.probe("device");
    probe.wait_for_failure("Forbidden");
    lab.take_back("0.forbidden");
    probe.wait_until_running();
}

#[test]
fn garbage_is_refused_until_pictures_come() {
    let lab = Lab::new(&[("V4L2_CAMERA_FORMATS", "MJPG"), SMALL]);
    fs::write(lab.control_file("0.jpeg"), jpeg(640, 360)).expect("room on the disk");
    lab.tell("0.garbage");
    let mut probe = lab.probe("device");
    let unusable = probe.wait_for_failure("Unusable");
    assert!(unusable.contains("the picture is not a JPEG"), "{unusable}");
    lab.take_back("0.garbage");
    probe.wait_for(&["Running"]);
    assert_red_and_blue(&probe.wait_for(&["\"frame\""]));
}

#[test]
fn a_camera_of_fractional_rates_alone_says_so() {
    let lab = Lab::new(&[("V4L2_CAMERA_RATES", "30000/1001"), SMALL]);
    lab.probe("list")
        .wait_for(&[r#""camera":"Lab Camera 0""#, "\"modes\":[]"]);
    let unusable = lab.probe("device").wait_for_failure("Unusable");
    assert!(unusable.contains("whole frame rate"), "{unusable}");
}

#[test]
fn a_camera_can_be_closed_and_opened_at_once() {
    let lab = Lab::new(&[SMALL]);
    let mut probe = lab.probe("device");
    probe.wait_until_running();
    for _ in 0..5 {
        probe.reopen();
        probe.wait_for(&["Starting"]);
        probe.wait_until_running();
    }
    let transcript = probe.end();
    assert!(
        !transcript.iter().any(|line| line.contains("Failed")),
        "{transcript:#?}"
    );
}
