//! Opens the window on a snapshot made by hand, without an engine: to look at a screen.
//!
//!     cargo run --release --example screens -- SCREEN [LANG [THEME]]
//!
//! The screens are the names in [`snapshot`].
//!
//! `call` shows moving test pictures at 30 a second, which also serves to measure what painting costs.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use call_engine::{
    Alarm, Badge, CallPhase, CameraSpec, DeviceError, DeviceProblem, DeviceStatus, EndReason, EngineSnapshot,
    FramePool, LinkState, MicrophoneSpec, NotAdmitted, SpeakerSpec, Switch, Time, VideoFrame,
};
use visavis::app::{WindowCloser, WindowOptions, run_with};
use visavis::desktop::Presence;
use visavis::i18n::Language;
use visavis::settings::{SettingsFile, ThemeChoice};

#[path = "../tests/ui_support/mod.rs"]
mod ui_support;

use ui_support::trust;

/// Pictures until they repeat.
const LOOP: u32 = 24;

fn main() -> Result<(), eframe::Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize| arguments.get(index).map_or("", String::as_str);
    let mut settings = SettingsFile::default();
    settings.settings.language = Some(match word(1) {
        "ru" => Language::Russian,
        _ => Language::English,
    });
    settings.settings.theme = match word(2) {
        "dark" => ThemeChoice::Dark,
        _ => ThemeChoice::Light,
    };
    let engine = ui_support::ScriptedEngine::new(snapshot(word(0)));
    if !matches!(
        word(0),
        "home" | "people" | "incoming" | "ended" | "failed" | "refused" | "expired"
    ) {
        film(&engine);
    }
    let options = WindowOptions {
        join_link: (word(0) == "lobby").then(|| ui_support::LINK.into()),
        settings,
        name: if word(1) == "ru" {
            "Мария".into()
        } else {
            "Maria".into()
        },
        camera: CameraSpec::Device(None),
        microphone: MicrophoneSpec::Device(None),
        speaker: SpeakerSpec::Device(None),
        closer: WindowCloser::default(),
        presence: Presence::WindowOnly,
    };
    run_with(Box::new(engine), options)
}

fn snapshot(screen: &str) -> EngineSnapshot {
    match screen {
        "lobby" => {
            let mut snapshot = ui_support::previewing();
            snapshot.local.speaker = DeviceStatus::Failed(DeviceError {
                problem: DeviceProblem::Busy,
                detail: "busy".into(),
            });
            snapshot
        }
        "people" => ui_support::people::busy_home(Language::English),
        "incoming" => ui_support::people::incoming(),
        "outgoing" => ui_support::people::outgoing(),
        "code" => ui_support::people::waiting_with_code(),
        "waiting" => ui_support::waiting(),
        "call" => ui_support::connected(&["Anna Petrova"]),
        "group" => ui_support::connected(&["Anna", "Bo", "Chiara"]),
        "muted" => {
            let mut snapshot = ui_support::connected(&["Anna Petrova"]);
            ui_support::set_local(&mut snapshot, Switch::Off, Switch::Off);
            if let Some(call) = &mut snapshot.call {
                call.participants[0].media.microphone = Switch::Off;
                call.participants[0].media.camera = Switch::Off;
            }
            snapshot
        }
        "lost" => {
            let mut snapshot = ui_support::connected(&["Anna Petrova"]);
            if let Some(call) = &mut snapshot.call {
                call.phase = CallPhase::Reconnecting;
                call.participants[0].link = LinkState::Reconnecting {
                    since: Time(Duration::ZERO),
                };
            }
            snapshot
        }
        "badges" => trust::all_badges(),
        "unverified" => trust::one("Anna Petrova", Badge::Unverified),
        "changed" => trust::somebody_else(),
        "knock" => trust::knocked_at(&[("Dmitri", Badge::Unverified), ("Anna", trust::key_changed())]),
        "knocking" => trust::knocking(),
        "waits" => trust::somebody_waits(),
        "locked" => trust::locked(),
        "alarm" => trust::alarmed(Alarm::StrangerInRoom),
        "refused" => ui_support::ended(EndReason::NotAdmitted(NotAdmitted::Refused)),
        "expired" => ui_support::ended(EndReason::NotAdmitted(NotAdmitted::Expired)),
        "ended" => ui_support::ended(EndReason::EveryoneLeft),
        "failed" => ui_support::ended(EndReason::ServerUnreachable("connection refused".into())),
        _ => ui_support::idle(),
    }
}

/// Puts moving pictures into both slots, and lets the clock of the call run.
fn film(engine: &ui_support::ScriptedEngine) {
    let engine = engine.clone();
    std::thread::spawn(move || {
        let pool = FramePool::new();
        // Made before, so that a measurement is of painting alone.
        let reel = |tint| {
            (0..LOOP)
                .map(|tick| Arc::new(picture(&pool, tick, tint)))
                .collect::<Vec<_>>()
        };
        let (remote, own) = (reel([110, 150]), reel([150, 110]));
        let start = Instant::now();
        for tick in 0_u32.. {
            let due = start + tick * Duration::from_micros(33_333);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            engine.remote.put_value(Arc::clone(&remote[(tick % LOOP) as usize]));
            engine.own.put_value(Arc::clone(&own[(tick % LOOP) as usize]));
            if tick % 30 == 0 {
                let mut shared = engine.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
                let mut next = EngineSnapshot::clone(&shared);
                next.elapsed = next.elapsed.map(|elapsed| elapsed + Duration::from_secs(1));
                *shared = Arc::new(next);
                eprintln!("{} paints in the last second", engine.looks.swap(0, Ordering::Relaxed));
            }
        }
    });
}

/// A soft scene with something like a person in the middle; `tint` is the chroma of the background.
fn picture(pool: &FramePool, tick: u32, tint: [u8; 2]) -> VideoFrame {
    let mut frame = pool.frame(1280, 720, Instant::now());
    let (width, height) = (frame.width(), frame.height());
    let sway = (f64::from(tick) / f64::from(LOOP) * std::f64::consts::TAU).sin() * 40.0;
    let inside = |x: usize, y: usize, cx: f64, cy: f64, rx: f64, ry: f64| {
        let (dx, dy) = ((x as f64 - cx - sway) / rx, (y as f64 - cy) / ry);
        dx * dx + dy * dy < 1.0
    };
    let is_person =
        |x: usize, y: usize| inside(x, y, 640.0, 300.0, 120.0, 150.0) || inside(x, y, 640.0, 720.0, 300.0, 260.0);
    let (luma, blue, red) = frame.planes_mut();
    for (index, sample) in luma.iter_mut().enumerate() {
        let (x, y) = (index % width, index / width);
        *sample = if is_person(x, y) {
            150
        } else {
            60 + (y * 70 / height) as u8 + (x * 30 / width) as u8
        };
    }
    for (index, (blue, red)) in blue.iter_mut().zip(red).enumerate() {
        let (x, y) = (index % (width / 2) * 2, index / (width / 2) * 2);
        [*blue, *red] = if is_person(x, y) { [112, 150] } else { tint };
    }
    frame
}
