//! Cameras and screens without hardware, through the handle a call uses.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use call_media::capture::StampMode;
use call_media::capture::camera::{self, Camera};
use call_media::capture::screen::Screen;
use call_media::devices::{DeviceProblem, DeviceStatus};
use call_media::frame::{VideoFrame, VideoSink};
use call_media::spec::{CameraSpec, ScreenSpec};
use call_media::stamp;

/// No test waits so long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Collects frames; what nobody takes is dropped.
struct Collector(SyncSender<Arc<VideoFrame>>);

impl VideoSink for Collector {
    fn put(&self, frame: Arc<VideoFrame>) {
        drop(self.0.try_send(frame));
    }
}

fn collector() -> (Arc<dyn VideoSink>, Receiver<Arc<VideoFrame>>) {
    let (send, receive) = sync_channel(8);
    (Arc::new(Collector(send)), receive)
}

fn spec(text: &str) -> CameraSpec {
    text.parse().expect("a specification of the contract")
}

/// A y4m file of 64x64 pictures with these lumas.
fn y4m(rate: &str, lumas: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "YUV4MPEG2 W64 H64 F{rate}").expect("room on the disk");
    for &luma in lumas {
        file.write_all(b"FRAME\n").expect("room on the disk");
        file.write_all(&[luma; 64 * 64 * 3 / 2]).expect("room on the disk");
    }
    file
}

/// Waits until the status satisfies `wanted`, woken by the status waker.
fn wait_for_status(camera: &Camera, wanted: impl Fn(&DeviceStatus) -> bool) -> DeviceStatus {
    let (send, changed) = sync_channel(1);
    // When it is full, the news is on its way already.
    camera.set_status_waker(move || if send.try_send(()).is_err() {});
    loop {
        let status = camera.status();
        if wanted(&status) {
            return status;
        }
        changed.recv_timeout(PATIENCE).expect("the status changes");
    }
}

fn failure(camera: &Camera) -> (DeviceProblem, String) {
    let status = wait_for_status(camera, |status| matches!(status, DeviceStatus::Failed(_)));
    let DeviceStatus::Failed(error) = status else {
        unreachable!("it was waited for");
    };
    (error.problem, error.detail)
}

#[test]
fn the_test_camera_stamps_every_frame_and_counts_them() {
    let (sink, frames) = collector();
    let camera = Camera::open(spec("test:640x360@60"), StampMode::Off, sink);
    let mut last_captured = None;
    for expected in 0..20 {
        let frame = frames.recv_timeout(PATIENCE).expect("a frame");
        assert_eq!((frame.width(), frame.height()), (640, 360));
        let stamp = stamp::read(frame.y(), frame.width(), frame.width(), frame.height()).expect("a stamp");
        assert_eq!(stamp.counter, expected);
        assert!(last_captured < Some(frame.captured_at));
        last_captured = Some(frame.captured_at);
        let age = stamp::latency_ms(stamp, stamp::unix_ms_now());
        assert!((0.0..60_000.0).contains(&age), "{age}");
    }
    let running = DeviceStatus::Running {
        name: "Test pattern".into(),
        mode: Some("640x360@60".into()),
    };
    assert_eq!(camera.status(), running);
}

#[test]
fn dropping_a_camera_releases_its_sink() {
    for text in ["test:64x64@1", "device:a camera that does not exist", "none"] {
        let (sink, frames) = collector();
        drop(Camera::open(spec(text), StampMode::Off, sink));
        // The channel hangs up when the sink is gone; frames that were on their way come first.
        while frames.recv_timeout(PATIENCE).is_ok() {}
        let end = frames.recv_timeout(PATIENCE).map(drop);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected), "{text}");
    }
}

#[test]
fn no_camera_is_off_and_stays_off() {
    let (sink, frames) = collector();
    let camera = Camera::open(CameraSpec::None, StampMode::Draw, sink);
    assert_eq!(camera.status(), DeviceStatus::Off);
    drop(camera);
    assert!(frames.recv_timeout(PATIENCE).is_err());
}

#[test]
fn a_file_plays_in_a_loop_and_is_stamped_only_when_asked() {
    let file = y4m("50:1", &[50, 100, 150]);
    let camera = |stamp| {
        let (sink, frames) = collector();
        (Camera::open(CameraSpec::File(file.path().into()), stamp, sink), frames)
    };
    let (playing, frames) = camera(StampMode::Off);
    for round in 0..3 {
        for luma in [50, 100, 150] {
            let frame = frames.recv_timeout(PATIENCE).expect("a frame");
            assert!(frame.data().iter().all(|&value| value == luma), "round {round}");
        }
    }
    let status = playing.status();
    assert!(matches!(status, DeviceStatus::Running { mode: Some(mode), .. } if mode == "64x64@50"));
    let wide = y4m_wide();
    let (sink, frames) = collector();
    let _stamped = Camera::open(CameraSpec::File(wide.path().into()), StampMode::Draw, sink);
    let frame = frames.recv_timeout(PATIENCE).expect("a frame");
    let stamp = stamp::read(frame.y(), frame.width(), frame.width(), frame.height());
    assert_eq!(stamp.expect("a stamp").counter, 0);
}

/// One picture wide enough for a stamp.
fn y4m_wide() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(b"YUV4MPEG2 W640 H360 F30:1\nFRAME\n")
        .expect("room on the disk");
    file.write_all(&vec![90; 640 * 360 * 3 / 2]).expect("room on the disk");
    file
}

#[test]
fn a_file_that_cannot_be_played_says_why() {
    let mut wav = tempfile::NamedTempFile::new().expect("a temporary file");
    wav.write_all(b"RIFF\0\0\0\0WAVEfmt ").expect("room on the disk");
    let empty = y4m("25:1", &[]);
    let cases = [
        (wav.path().into(), "not a YUV4MPEG2 file"),
        (empty.path().into(), "no whole picture"),
        ("/nowhere/clip.y4m".into(), "/nowhere/clip.y4m: the file cannot be read"),
        ("/".into(), "the file cannot be read"),
    ];
    for (path, sentence) in cases {
        let (sink, _frames) = collector();
        let camera = Camera::open(CameraSpec::File(path), StampMode::Off, sink);
        let (problem, detail) = failure(&camera);
        assert_eq!(problem, DeviceProblem::BadFile);
        assert!(detail.contains(sentence), "{detail}");
    }
}

#[test]
fn a_camera_that_is_not_there_is_missing() {
    let (sink, _frames) = collector();
    let camera = Camera::open(spec("device:a camera that does not exist"), StampMode::Off, sink);
    let (problem, detail) = failure(&camera);
    assert_eq!(problem, DeviceProblem::Missing);
    assert!(detail.contains("a camera that does not exist"), "{detail}");
}

#[test]
fn listing_cameras_works_whatever_there_is() {
    let cameras = camera::list();
    assert_eq!(
        cameras.iter().filter(|camera| camera.is_default).count(),
        cameras.len().min(1)
    );
}

#[test]
fn the_test_screen_scrolls_and_real_ones_come_later() {
    let open = |text: &str, stamp| {
        let (sink, frames) = collector();
        let spec: ScreenSpec = text.parse().expect("a specification of the contract");
        (Screen::open(spec, stamp, sink), frames)
    };
    let (_screen, frames) = open("test:640x360@60", StampMode::Draw);
    let first = frames.recv_timeout(PATIENCE).expect("a frame");
    let second = frames.recv_timeout(PATIENCE).expect("a frame");
    assert_ne!(first.y()[640 * 20..], second.y()[640 * 20..]);
    assert!(stamp::read(second.y(), 640, 640, 360).is_some());
    for text in ["monitor:0", "window:Editor"] {
        let (screen, _frames) = open(text, StampMode::Off);
        let DeviceStatus::Failed(error) = screen.status() else {
            panic!("{text}: {:?}", screen.status());
        };
        assert_eq!(error.problem, DeviceProblem::Unusable);
        assert!(error.detail.contains("later version"), "{}", error.detail);
    }
}
