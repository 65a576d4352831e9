//! Opens a camera and says in JSON lines how it goes: for tests, and for finding out what a camera does.
//!
//!     camera_probe list            one line for each camera
//!     camera_probe SPEC            a line for each status and each frame, until standard input ends;
//!                                  the line `reopen` there drops the camera and opens it again
//!
//! A frame's line holds the mean Y, Cb and Cr of its upper left and upper right quarter.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use call_media::capture::StampMode;
use call_media::capture::camera::{self, Camera};
use call_media::devices::DeviceStatus;
use call_media::frame::VideoFrame;
use call_media::latest::LatestFrame;
use call_media::spec::CameraSpec;

/// What the main thread is woken for.
enum Event {
    /// A frame or a status may be new.
    News,
    Reopen,
    Quit,
}

fn main() -> ExitCode {
    let Some(argument) = std::env::args().nth(1) else {
        eprintln!("camera_probe list, or camera_probe SPEC");
        return ExitCode::from(2);
    };
    let result = if argument == "list" { list() } else { probe(&argument) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn list() -> io::Result<()> {
    for info in camera::list() {
        let (name, modes, is_default) = (info.name, info.modes, info.is_default);
        say(&format!(
            r#"{{"camera":{name:?},"default":{is_default},"modes":{modes:?}}}"#
        ))?;
    }
    Ok(())
}

fn probe(spec: &str) -> io::Result<()> {
    let spec: CameraSpec = spec.parse().map_err(io::Error::other)?;
    let (send, events) = sync_channel(8);
    let slot = LatestFrame::<Arc<VideoFrame>>::new();
    slot.set_waker(news(&send));
    read_commands(send.clone())?;
    let mut camera = open(&spec, &slot, &send);
    let (mut last, mut number) = (None, 0_u64);
    for event in events {
        match event {
            Event::News => {}
            Event::Reopen => {
                drop(camera);
                camera = open(&spec, &slot, &send);
            }
            Event::Quit => break,
        }
        let status = camera.status();
        if last.as_ref() != Some(&status) {
            say(&describe_status(&status))?;
            last = Some(status);
        }
        if let Some(frame) = slot.take() {
            number += 1;
            say(&describe_frame(number, &frame, camera.frames_refused()))?;
        }
    }
    drop(camera);
    say(r#"{"closed":true}"#)
}

fn open(spec: &CameraSpec, slot: &LatestFrame<Arc<VideoFrame>>, send: &SyncSender<Event>) -> Camera {
    let camera = Camera::open(spec.clone(), StampMode::Off, Arc::new(slot.clone()));
    camera.set_status_waker(news(send));
    // What happened before the waker was set.
    news(send)();
    camera
}

/// Wakes the main thread; when the channel is full, it is awake already.
fn news(send: &SyncSender<Event>) -> impl Fn() + Send + Sync + 'static {
    let send = send.clone();
    move || if send.try_send(Event::News).is_err() {}
}

fn read_commands(send: SyncSender<Event>) -> io::Result<()> {
    let read = move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if line == "reopen" && send.send(Event::Reopen).is_err() {
                return;
            }
        }
        // Nobody listens any more when this fails.
        if send.send(Event::Quit).is_err() {}
    };
    std::thread::Builder::new().name("commands".into()).spawn(read)?;
    Ok(())
}

fn describe_status(status: &DeviceStatus) -> String {
    match status {
        DeviceStatus::Off => r#"{"status":"Off"}"#.into(),
        DeviceStatus::Starting => r#"{"status":"Starting"}"#.into(),
        DeviceStatus::Running { name, mode } => {
            let mode = mode.as_deref().unwrap_or_default();
            format!(r#"{{"status":"Running","name":{name:?},"mode":{mode:?}}}"#)
        }
        DeviceStatus::Failed(error) => {
            let (problem, detail) = (error.problem, &error.detail);
            format!(r#"{{"status":"Failed","problem":"{problem:?}","detail":{detail:?}}}"#)
        }
    }
}

fn describe_frame(number: u64, frame: &VideoFrame, refused: u64) -> String {
    let (width, height) = (frame.width(), frame.height());
    let means = |half| {
        let planes = [(frame.y(), width), (frame.u(), width / 2), (frame.v(), width / 2)];
        planes.map(|(plane, stride)| mean(plane, stride, half))
    };
    let (left, right) = (means(Half::Left), means(Half::Right));
    format!(
        r#"{{"frame":{number},"width":{width},"height":{height},"left":{left:?},"right":{right:?},"refused":{refused}}}"#
    )
}

#[derive(Clone, Copy)]
enum Half {
    Left,
    Right,
}

/// Mean of one half of the upper half of a plane.
fn mean(plane: &[u8], stride: usize, half: Half) -> u64 {
    let middle = stride / 2;
    let upper = plane.chunks_exact(stride).take(plane.len() / stride / 2);
    let part = upper.flat_map(|row| match half {
        Half::Left => &row[..middle],
        Half::Right => &row[middle..],
    });
    let (sum, count) = part.fold((0, 0), |(sum, count), &value| (sum + u64::from(value), count + 1));
    sum / u64::max(count, 1)
}
