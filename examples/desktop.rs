//! Opens the window without an engine, but with the desktop around it: to try the tray, notifications and the sound of a
//! ring. What the engine would be asked for is printed.
//!
//!     cargo run --release --example desktop
//!
//! Each line typed changes something: `ring`, `ours`, `end`, `missed`, `call`, `idle`.

use std::io::BufRead;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use call_engine::{
    CameraSpec, EngineSnapshot, MicrophoneSpec, MissedCall, RingDirection, RingSnapshot, RingStage, SpeakerSpec, Switch,
};
use ui_support::ScriptedEngine;
use visavis::app::{WindowCloser, WindowOptions, run_with};
use visavis::desktop::Presence;
use visavis::engine_door::EngineDoor;
use visavis::settings::SettingsFile;

#[path = "../tests/ui_support/mod.rs"]
mod ui_support;

/// How often the commands are printed.
const LOOK: Duration = Duration::from_millis(50);

fn main() -> Result<(), eframe::Error> {
    let engine = ScriptedEngine::new(ui_support::idle());
    let (told, printed) = (engine.clone(), engine.clone());
    std::thread::spawn(move || {
        for (minute, line) in (0..).zip(std::io::stdin().lock().lines().map_while(Result::ok)) {
            let mut shared = told.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            let mut next = EngineSnapshot::clone(&shared);
            change(&mut next, line.trim(), minute);
            *shared = Arc::new(next);
            drop(shared);
            told.wake();
        }
    });
    std::thread::spawn(move || {
        loop {
            for command in printed.take_commands() {
                eprintln!("{command:?}");
            }
            std::thread::sleep(LOOK);
        }
    });
    let options = WindowOptions {
        join_link: None,
        settings: SettingsFile::default(),
        name: "Maria".into(),
        camera: CameraSpec::Device(None),
        microphone: MicrophoneSpec::Device(None),
        speaker: SpeakerSpec::Device(None),
        closer: WindowCloser::default(),
        presence: Presence::Full,
    };
    run_with(Box::new(engine) as Box<dyn EngineDoor>, options)
}

fn change(snapshot: &mut EngineSnapshot, word: &str, minute: u64) {
    let ring = |direction, stage| RingSnapshot {
        direction,
        name: "Anna <b>Petrova</b>".into(),
        key: None,
        is_contact: true,
        video: Switch::On,
        stage,
    };
    match word {
        "ring" => snapshot.people.ring = Some(ring(RingDirection::Incoming, RingStage::Ringing)),
        "ours" => snapshot.people.ring = Some(ring(RingDirection::Outgoing, RingStage::Ringing)),
        "end" => snapshot.people.ring = None,
        "missed" => snapshot.people.missed.insert(
            0,
            MissedCall {
                key: snapshot.people.own_key,
                name: "Bo".into(),
                at_unix_s: 1_793_664_000 + minute * 60,
            },
        ),
        "call" => *snapshot = ui_support::connected(&["Anna"]),
        _ => *snapshot = ui_support::idle(),
    }
}
