//! Paints every screen into PNG files, without a window, an engine or a graphics card: to look at them side by side.
//!
//!     cargo run --release --example screen_pictures -- FOLDER [PART OF A NAME]
#![allow(clippy::print_stdout, reason = "it says where its pictures are")]

use std::path::Path;

use call_engine::{DoorbellState, EngineSnapshot, KeyStorage, RingDirection, RingStage, Switch};
use egui::Theme;
use egui_kittest::kittest::Queryable as _;
use ui_support::people::{self, NOW_UNIX_S};
use ui_support::stage::{Looks, Stage, stage_with};
use visavis::i18n::Language;
use visavis::identity_form::{IdentityForm, IdentityTask};
use visavis::view_state::{ContactEdit, Notice, Place, ViewState};

#[path = "../tests/ui_support/mod.rs"]
mod ui_support;

/// A screen, and what is done to it before the picture is taken.
struct Scene {
    name: &'static str,
    snapshot: fn(Language) -> EngineSnapshot,
    view: fn(&mut ViewState),
    then: fn(&mut Stage),
}

const SCENES: &[Scene] = &[
    scene("home", |_| ui_support::idle(), |_| {}),
    scene("people", people::busy_home, |_| {}),
    scene("people-renaming", people::busy_home, |view| {
        view.contact_edit = Some(ContactEdit::Renaming {
            contact: people::key(1),
            name: "Anna".into(),
        });
    }),
    scene("people-removing", people::busy_home, |view| {
        view.contact_edit = Some(ContactEdit::Removing(people::key(1)));
    }),
    scene("people-no-server", no_server, |_| {}),
    Scene {
        name: "people-menu",
        snapshot: |_| people::busy_home(Language::English),
        view: |_| {},
        then: |stage| {
            if let Some(more) = stage.harness.query_all_by_label_contains("Anna Petrova").last() {
                more.click();
            }
            stage.harness.run_steps(4);
        },
    },
    scene("settings", settings_snapshot, |view| view.place = Place::Settings),
    scene("settings-export", settings_snapshot, |view| {
        view.place = Place::Settings;
        let mut form = IdentityForm::new(IdentityTask::Export, "/home/maria/visavis-identity.age".into());
        form.problem = form.checked().err();
        view.identity_form = Some(form);
    }),
    scene("incoming", |_| people::incoming(), |_| {}),
    scene("incoming-unknown", unknown_rings, |_| {}),
    scene("outgoing", |_| people::outgoing(), |_| {}),
    scene("outgoing-sound", outgoing_sound, |_| {}),
    scene("banner", ring_in_call, |_| {}),
    scene("waiting", |_| ui_support::waiting(), |_| {}),
    scene("code", |_| people::waiting_with_code(), |_| {}),
    Scene {
        name: "qr",
        snapshot: |_| ui_support::waiting(),
        view: |_| {},
        then: |stage| {
            if let Some(button) = stage.harness.query_by_label_contains("QR") {
                button.click();
            }
            stage.harness.run_steps(4);
        },
    },
    scene("news", people::busy_home, |view| {
        view.notice = Some(Notice::news("Anna Petrova did not answer.".into()));
    }),
];

const fn scene(name: &'static str, snapshot: fn(Language) -> EngineSnapshot, view: fn(&mut ViewState)) -> Scene {
    Scene {
        name,
        snapshot,
        view,
        then: |_| {},
    }
}

fn no_server(language: Language) -> EngineSnapshot {
    let mut snapshot = people::busy_home(language);
    snapshot.people.doorbell = DoorbellState::NoServer;
    snapshot.people.do_not_disturb = Switch::On;
    snapshot.people.missed.clear();
    snapshot
}

fn settings_snapshot(language: Language) -> EngineSnapshot {
    let mut snapshot = people::busy_home(language);
    snapshot.people.visible_nearby = Switch::On;
    snapshot.people.key_storage = KeyStorage::File("/home/maria/.local/share/visavis/identity.key".into());
    snapshot.people.doorbell = DoorbellState::NoServer;
    snapshot
}

fn unknown_rings(_language: Language) -> EngineSnapshot {
    let mut snapshot = people::incoming();
    if let Some(ring) = &mut snapshot.people.ring {
        ring.is_contact = false;
        ring.video = Switch::Off;
    }
    snapshot
}

fn outgoing_sound(_language: Language) -> EngineSnapshot {
    let mut snapshot = people::outgoing();
    snapshot.people.ring = Some(people::ring(RingDirection::Outgoing, "Bo", RingStage::Reaching));
    if let Some(ring) = &mut snapshot.people.ring {
        ring.video = Switch::Off;
    }
    snapshot
}

fn ring_in_call(_language: Language) -> EngineSnapshot {
    let mut snapshot = ui_support::connected(&["Bo"]);
    snapshot.people = people::incoming().people;
    snapshot
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("say which folder the pictures go to")?;
    let part = arguments.next().unwrap_or_default();
    std::fs::create_dir_all(&folder)?;
    for scene in SCENES {
        for (suffix, looks) in all_looks() {
            let name = format!("{}-{suffix}.png", scene.name);
            if name.contains(&part) {
                paint(scene, looks, &Path::new(&folder).join(name))?;
            }
        }
    }
    Ok(())
}

fn all_looks() -> Vec<(&'static str, Looks)> {
    let plain = Looks::default();
    let dark = Looks {
        theme: Theme::Dark,
        ..plain
    };
    let russian = Looks {
        language: Language::Russian,
        size: [640.0, 480.0],
        scale: 2.0,
        ..dark
    };
    let narrow = Looks {
        language: Language::Russian,
        size: [360.0, 640.0],
        ..plain
    };
    let tall = Looks {
        size: [600.0, 1500.0],
        ..plain
    };
    vec![
        ("light", plain),
        ("dark", dark),
        ("ru-200", russian),
        ("ru-narrow", narrow),
        ("tall", tall),
    ]
}

fn paint(scene: &Scene, looks: Looks, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let name = match looks.language {
        Language::English => "Maria",
        Language::Russian => "Мария",
    };
    let mut view = ui_support::view(name);
    view.now_unix_s = NOW_UNIX_S;
    (scene.view)(&mut view);
    let mut stage = stage_with(looks, (scene.snapshot)(looks.language), view);
    stage.harness.run_steps(8);
    (scene.then)(&mut stage);
    let picture = stage.picture();
    let [width, height] = picture.size.map(|side| side as u32);
    image::save_buffer(path, picture.as_raw(), width, height, image::ColorType::Rgba8)?;
    println!("{}", path.display());
    Ok(())
}
