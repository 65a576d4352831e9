//! What rings and missed calls ask of the desktop around the window, and what closing the window ends. No desktop: snapshots
//! in, decisions out.

use call_engine::{
    CallPhase, EndReason, EngineSnapshot, MissedCall, PublicKey, RingDirection, RingSnapshot, RingStage, SpeakerSpec,
    Switch,
};
use egui::{RawInput, ViewportCommand, ViewportEvent, ViewportId};
use visavis::desktop::attention::{Attention, Change, Sound};
use visavis::desktop::{Desktop, Presence, Surroundings, TrayExplained, what_ends};
use visavis::i18n::{I18n, Language};
use visavis::ui::ui_command::UiCommand;

mod ui_support;

fn ring(name: &str, direction: RingDirection, stage: RingStage) -> EngineSnapshot {
    let mut snapshot = ui_support::idle();
    snapshot.people.ring = Some(RingSnapshot {
        direction,
        name: name.into(),
        key: Some(PublicKey([7; 32])),
        is_contact: true,
        video: Switch::On,
        stage,
    });
    snapshot
}

fn theirs(name: &str) -> EngineSnapshot {
    ring(name, RingDirection::Incoming, RingStage::Ringing)
}

/// The changes without what they carry.
fn words(changes: &[Change]) -> Vec<String> {
    let words = changes.iter().map(|change| match change {
        Change::Sound(sound) => format!("{sound:?}"),
        Change::RingBegan(caller) => format!("{} rings", caller.name),
        Change::RingEnded => "over".into(),
        Change::Missed(missed) => format!("missed {}", missed.name),
    });
    words.collect()
}

fn observe(attention: &mut Attention, snapshot: &EngineSnapshot) -> Vec<String> {
    words(&attention.observe(snapshot))
}

#[test]
fn a_ring_is_told_once_and_taken_back_when_it_ends() {
    let mut attention = Attention::default();
    assert!(observe(&mut attention, &ui_support::idle()).is_empty());
    assert_eq!(observe(&mut attention, &theirs("Anna")), ["Anna rings", "Ring"]);
    assert!(observe(&mut attention, &theirs("Anna")).is_empty());
    assert_eq!(observe(&mut attention, &theirs("Bo")), ["over", "Bo rings"]);
    let accepted = ring("Bo", RingDirection::Incoming, RingStage::Accepted);
    assert_eq!(observe(&mut attention, &accepted), ["over", "None"]);
    assert!(observe(&mut attention, &ui_support::idle()).is_empty());
}

#[test]
fn ours_is_heard_only_while_it_rings_there() {
    let mut attention = Attention::default();
    let ours = |stage| ring("Anna", RingDirection::Outgoing, stage);
    assert!(observe(&mut attention, &ours(RingStage::Reaching)).is_empty());
    assert_eq!(observe(&mut attention, &ours(RingStage::Ringing)), ["Ringback"]);
    assert_eq!(observe(&mut attention, &ours(RingStage::Accepted)), ["None"]);
}

#[test]
fn no_melody_is_played_into_a_call() {
    let mut attention = Attention::default();
    let mut snapshot = ui_support::connected(&["Bo"]);
    snapshot.people.ring = theirs("Anna").people.ring;
    assert_eq!(observe(&mut attention, &snapshot), ["Anna rings"]);
    // A call that is over is none.
    snapshot.call.as_mut().expect("a call").phase = CallPhase::Ended(EndReason::HungUp);
    assert_eq!(attention.observe(&snapshot), [Change::Sound(Sound::Ring)]);
}

#[test]
fn only_what_is_missed_from_now_on_is_news() {
    let missed = |names: &[(&str, u64)]| {
        let mut snapshot = ui_support::idle();
        let entry = |(name, at_unix_s): &(&str, u64)| MissedCall {
            key: PublicKey([name.len() as u8; 32]),
            name: (*name).into(),
            at_unix_s: *at_unix_s,
        };
        snapshot.people.missed = names.iter().map(entry).collect();
        snapshot
    };
    let mut attention = Attention::default();
    assert!(
        observe(&mut attention, &missed(&[("Bo", 100)])).is_empty(),
        "from the last time"
    );
    assert_eq!(
        observe(&mut attention, &missed(&[("Anna", 200), ("Bo", 100)])),
        ["missed Anna"]
    );
    assert_eq!(
        observe(&mut attention, &missed(&[("Anna", 260), ("Anna", 200), ("Bo", 100)])),
        ["missed Anna"],
        "the same person again"
    );
    assert!(
        observe(&mut attention, &missed(&[("Bo", 100)])).is_empty(),
        "an old entry comes first again"
    );
    assert!(observe(&mut attention, &missed(&[])).is_empty());
    assert_eq!(observe(&mut attention, &missed(&[("Eva", 300)])), ["missed Eva"]);
}

#[test]
fn who_closes_the_window_is_neither_seen_nor_heard_any_longer() {
    let ours = ring("Anna", RingDirection::Outgoing, RingStage::Ringing);
    let cases = [
        (ui_support::connected(&["Bo"]), UiCommand::HangUp),
        (ui_support::waiting(), UiCommand::HangUp),
        (ui_support::ended(EndReason::HungUp), UiCommand::GoHome),
        (ours, UiCommand::CancelRing),
        // The lobby's devices close with it; a ring of theirs goes on in its notification.
        (ui_support::previewing(), UiCommand::Back),
        (theirs("Anna"), UiCommand::Back),
    ];
    for (snapshot, command) in cases {
        assert_eq!(what_ends(&snapshot), command);
    }
}

#[test]
fn a_window_without_a_tray_closes_and_comes_forward_for_a_ring() {
    let (ctx, i18n) = (egui::Context::default(), I18n::new(Language::English));
    let mut desktop = Desktop::new(&ctx, &i18n, Presence::WindowOnly, TrayExplained::No);
    let speaker = SpeakerSpec::Device(None);
    let mut turn = |snapshot: &EngineSnapshot, events: Vec<ViewportEvent>| {
        let mut input = RawInput::default();
        input.viewports.entry(ViewportId::ROOT).or_default().events = events;
        let mut commands = Vec::new();
        let output = ctx.run_ui(input, |ui| {
            commands = desktop.follow(&Surroundings {
                ctx: ui.ctx(),
                snapshot,
                i18n: &i18n,
                speaker: &speaker,
            });
        });
        (commands, output.viewport_output[&ViewportId::ROOT].commands.clone())
    };
    let (commands, asked) = turn(&ui_support::idle(), vec![ViewportEvent::Close]);
    assert!(commands.is_empty() && !asked.contains(&ViewportCommand::CancelClose));
    let (commands, asked) = turn(&theirs("Anna"), Vec::new());
    assert!(commands.is_empty());
    for expected in [
        ViewportCommand::Visible(true),
        ViewportCommand::Minimized(false),
        ViewportCommand::Focus,
    ] {
        assert!(asked.contains(&expected), "{asked:?}");
    }
}
