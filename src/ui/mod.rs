//! The screens: what the engine says and what the window remembers go in, intents of the user come out.
//!
//! Everything here runs on the main thread and draws; nothing here talks to the engine. That makes every
//! screen a function that a test can call with a snapshot made by hand.

pub mod badge;
pub mod call_command;
pub mod error_text;
pub mod fingerprint;
pub mod people_words;
pub mod pictures;
pub mod screens;
pub mod theme;
pub mod ui_command;
pub mod widgets;

use call_engine::{EngineSnapshot, RingDirection, RingStage, Switch};
use egui::Ui;

use crate::i18n::I18n;
use crate::view_state::{Entering, Notice, Screen, Tone, ViewState};
use call_command::CallCommand;
use pictures::Pictures;
use theme::Tokens;
use ui_command::{UiCommand, opposite, pressed};

/// What a screen draws from.
pub struct Scene<'a> {
    /// The state of the engine.
    pub snapshot: &'a EngineSnapshot,
    /// Words.
    pub i18n: &'a I18n,
    /// Colours.
    pub tokens: &'a Tokens,
    /// Moving pictures.
    pub pictures: &'a dyn Pictures,
}

/// Draws the window and returns what the user wants.
pub fn show(
    ui: &mut Ui,
    snapshot: &EngineSnapshot,
    view: &mut ViewState,
    i18n: &I18n,
    pictures: &dyn Pictures,
) -> Vec<UiCommand> {
    view.observe(snapshot, ui.ctx().time());
    let scene = Scene {
        snapshot,
        i18n,
        tokens: Tokens::of(ui.visuals()),
        pictures,
    };
    let screen = view.screen(snapshot);
    let mut commands = keyboard(ui.ctx(), screen, snapshot, view);
    match screen {
        Screen::Home => screens::home::show(ui, &scene, view, &mut commands),
        Screen::Lobby => screens::lobby::show(ui, &scene, view, &mut commands),
        Screen::Settings => screens::settings::show(ui, &scene, view, &mut commands),
        Screen::Ring => screens::ring::show(ui, &scene, view, &mut commands),
        Screen::Call => {
            screens::call::show(ui, &scene, view, &mut commands);
            screens::ring::banner(ui, &scene, view, &mut commands);
        }
        Screen::Ended => screens::ended::show(ui, &scene, view, &mut commands),
    }
    // A ring over a call has the same place, and is more urgent.
    let is_ringing = screen == Screen::Call && screens::ring::over_call(snapshot).is_some();
    let is_for_now = |notice: &&Notice| !is_ringing && (screen != Screen::Call || notice.tone != Tone::Advice);
    if let Some(notice) = view.notice.as_ref().filter(is_for_now) {
        widgets::notice::show(ui, &scene, notice, &mut commands);
    }
    commands
}

/// What the window is cleared with. Nothing is painted over all of it: where the processor draws, each such
/// layer costs as much as a picture.
#[must_use]
pub fn background(screen: Screen, visuals: &egui::Visuals) -> egui::Color32 {
    let tokens = Tokens::of(visuals);
    match screen {
        Screen::Home | Screen::Lobby | Screen::Settings | Screen::Ring | Screen::Ended => tokens.background,
        Screen::Call => tokens.stage.background,
    }
}

/// What was asked for by keys.
fn keyboard(ctx: &egui::Context, screen: Screen, snapshot: &EngineSnapshot, view: &ViewState) -> Vec<UiCommand> {
    let mut commands = Vec::new();
    let mut on = |keys, command| {
        if pressed(ctx, keys) {
            commands.push(command);
        }
    };
    let (microphone, camera) = local_switches(snapshot, view);
    match screen {
        Screen::Home => {}
        Screen::Lobby => {
            if view.entering == Entering::Idle && !ctx.any_popup_open() {
                on(&ui_command::BACK_KEY, UiCommand::Back);
            }
        }
        Screen::Call => {
            if snapshot.invite_link.is_some() {
                on(&ui_command::COPY_LINK_KEY, UiCommand::CopyLink);
            }
            on(&ui_command::HANG_UP_KEY, UiCommand::HangUp);
            if view.card.is_some() {
                on(&ui_command::BACK_KEY, UiCommand::InCall(CallCommand::Close));
            }
        }
        Screen::Settings => {
            if !ctx.any_popup_open() && !ctx.text_edit_focused() {
                on(&ui_command::BACK_KEY, UiCommand::Back);
            }
        }
        Screen::Ring => {
            if let Some(command) = ring_key(snapshot, view, ctx.time()) {
                on(&ui_command::BACK_KEY, command);
            }
        }
        Screen::Ended => on(&ui_command::BACK_KEY, UiCommand::GoHome),
    }
    if matches!(screen, Screen::Lobby | Screen::Call) {
        on(&ui_command::MICROPHONE_KEY, UiCommand::Microphone(opposite(microphone)));
        on(&ui_command::CAMERA_KEY, UiCommand::Camera(opposite(camera)));
    }
    on(&ui_command::QUIT_KEY, UiCommand::Quit);
    commands
}

/// What Escape does to a ring. Not in the first moment of somebody else's: it was meant for what was there before.
fn ring_key(snapshot: &EngineSnapshot, view: &ViewState, now_s: f64) -> Option<UiCommand> {
    let ring = snapshot.people.ring.as_ref()?;
    match (ring.direction, ring.stage) {
        (RingDirection::Outgoing, _) => Some(UiCommand::CancelRing),
        (RingDirection::Incoming, RingStage::Accepted) => None,
        (RingDirection::Incoming, RingStage::Reaching | RingStage::Ringing) => {
            let shown = view.ring.as_ref()?;
            screens::ring::takes_answers(shown, now_s).then_some(UiCommand::DeclineRing)
        }
    }
}

/// What we send: the call's own state, or before a call what is wanted for it.
#[must_use]
pub fn local_switches(snapshot: &EngineSnapshot, view: &ViewState) -> (Switch, Switch) {
    match &snapshot.call {
        Some(call) => (call.local.microphone, call.local.camera),
        None => (view.wanted_microphone, view.wanted_camera),
    }
}
