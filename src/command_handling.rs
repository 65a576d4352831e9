//! Performs what the user wants: changes the view, asks the engine, and returns what only the window can do.
//!
//! Runs on the main thread. No state of a call is kept here: what is sent to the engine comes back as a
//! snapshot, and only that is drawn.

use call_engine::{Command, EngineSnapshot, Event, Invite, Switch};

use crate::engine_door::EngineDoor;
use crate::i18n::{I18n, Language};
use crate::settings::{Settings, ThemeChoice};
use crate::ui::error_text;
use crate::ui::ui_command::UiCommand;
use crate::view_state::{CallPurpose, Entering, NAME_MAX_CHARS, Place, ViewState};

/// What the window has to do itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Put this on the clipboard.
    CopyText(String),
    /// Write the settings.
    SaveSettings,
    /// Speak this language; `None` is the system's.
    Language(Option<Language>),
    /// Use this theme.
    Theme(ThemeChoice),
    /// Close the window.
    Quit,
}

/// Everything a command works on.
pub struct Desk<'a> {
    /// The engine.
    pub engine: &'a dyn EngineDoor,
    /// Its state.
    pub snapshot: &'a EngineSnapshot,
    /// The window's own state.
    pub view: &'a mut ViewState,
    /// What is remembered.
    pub settings: &'a mut Settings,
    /// Words.
    pub i18n: &'a I18n,
    /// egui's time.
    pub now_s: f64,
}

/// Performs one command.
pub fn handle(command: UiCommand, desk: &mut Desk<'_>) -> Vec<Effect> {
    match command {
        UiCommand::StartCall => go_to_lobby(desk, CallPurpose::Host),
        UiCommand::JoinCall => join(desk),
        UiCommand::StartTestCall => begin(desk, CallPurpose::Test),
        UiCommand::EnterCall => enter(desk),
        UiCommand::Back => go_home(desk),
        UiCommand::Microphone(switch) => {
            desk.view.wanted_microphone = switch;
            send(desk, Command::Microphone(switch));
        }
        UiCommand::Camera(switch) => {
            desk.view.wanted_camera = switch;
            send(desk, Command::Camera(switch));
        }
        UiCommand::CopyLink => return copy_link(desk),
        UiCommand::HangUp => send(desk, Command::Leave),
        UiCommand::CallAgain => call_again(desk),
        UiCommand::GoHome => {
            send(desk, Command::CloseCall);
            go_home(desk);
        }
        UiCommand::DismissNotice => desk.view.notice = None,
        UiCommand::RefreshDevices => send(desk, Command::RefreshDevices),
        UiCommand::ChooseCamera(spec) => {
            desk.settings.remember_camera(&spec);
            desk.view.devices.camera = spec.clone();
            send(desk, Command::SelectCamera(spec));
            return vec![Effect::SaveSettings];
        }
        UiCommand::ChooseMicrophone(spec) => {
            desk.settings.remember_microphone(&spec);
            desk.view.devices.microphone = spec.clone();
            send(desk, Command::SelectMicrophone(spec));
            return vec![Effect::SaveSettings];
        }
        UiCommand::ChooseSpeaker(spec) => {
            desk.settings.remember_speaker(&spec);
            desk.view.devices.speaker = spec.clone();
            send(desk, Command::SelectSpeaker(spec));
            return vec![Effect::SaveSettings];
        }
        UiCommand::KeepName => return keep_name(desk),
        UiCommand::ChooseLanguage(language) => {
            desk.settings.language = language;
            desk.view.language = language;
            return vec![Effect::Language(language), Effect::SaveSettings];
        }
        UiCommand::ChooseTheme(theme) => {
            desk.settings.theme = theme;
            desk.view.theme = theme;
            return vec![Effect::Theme(theme), Effect::SaveSettings];
        }
        UiCommand::Quit => return vec![Effect::Quit],
    }
    Vec::new()
}

/// Takes note of news from the engine.
pub fn take_event(event: &Event, view: &mut ViewState, i18n: &I18n) {
    if let Some(words) = error_text::event(event, i18n) {
        view.notice = Some(words);
    }
    match event {
        // The call that was asked for does not come.
        Event::BadLink(_) | Event::ServerFailed(_) => view.entering = Entering::Idle,
        Event::LinkReady(_)
        | Event::WriteFailed(_)
        | Event::RingEnded { .. }
        | Event::SpokenCodeFailed(_)
        | Event::Storage(_)
        | Event::IdentityExported(_)
        | Event::IdentityImported
        | Event::IdentityFailed(_) => {}
    }
}

/// Goes to the lobby of a call and opens the devices for the preview.
fn go_to_lobby(desk: &mut Desk<'_>, purpose: CallPurpose) {
    desk.view.notice = None;
    desk.view.place = Place::Lobby(purpose);
    desk.view.entering = Entering::Idle;
    send(desk, Command::RefreshDevices);
    send(desk, Command::OpenDevices);
}

fn join(desk: &mut Desk<'_>) {
    let link = desk.view.link.trim().to_owned();
    match link.parse::<Invite>() {
        Ok(_) => go_to_lobby(desk, CallPurpose::Join { link }),
        Err(error) => desk.view.notice = Some(desk.i18n.text(error_text::invite(&error))),
    }
}

fn enter(desk: &mut Desk<'_>) {
    if let Place::Lobby(purpose) = desk.view.place.clone() {
        begin(desk, purpose);
    }
}

/// Asks the engine for a call, with microphone and camera as they were left: the switches go first, so that
/// not one block of sound slips through.
fn begin(desk: &mut Desk<'_>, purpose: CallPurpose) {
    if desk.view.entering == Entering::Asked {
        return;
    }
    desk.view.notice = None;
    desk.view.entering = Entering::Asked;
    desk.view.last_elapsed = None;
    desk.view.copied_at_s = None;
    desk.view.last_purpose = Some(purpose.clone());
    let name = clean_name(&desk.view.name);
    if !name.is_empty() {
        send(desk, Command::Rename(name));
    }
    let (microphone, camera) = (desk.view.wanted_microphone, desk.view.wanted_camera);
    send(desk, Command::Microphone(microphone));
    send(desk, Command::Camera(camera));
    send(
        desk,
        match purpose {
            CallPurpose::Host => Command::HostCall,
            CallPurpose::Join { link } => Command::JoinCall { link },
            CallPurpose::Test => Command::StartTestCall,
        },
    );
}

fn call_again(desk: &mut Desk<'_>) {
    let purpose = desk.view.last_purpose.clone().unwrap_or(CallPurpose::Host);
    send(desk, Command::CloseCall);
    // Where one is should the call not come.
    desk.view.place = match &purpose {
        CallPurpose::Host | CallPurpose::Join { .. } => Place::Lobby(purpose.clone()),
        CallPurpose::Test => Place::Home,
    };
    begin(desk, purpose);
}

fn go_home(desk: &mut Desk<'_>) {
    desk.view.place = Place::Home;
    desk.view.entering = Entering::Idle;
    desk.view.notice = None;
    desk.view.wanted_microphone = Switch::On;
    desk.view.wanted_camera = Switch::On;
    send(desk, Command::CloseDevices);
}

fn copy_link(desk: &mut Desk<'_>) -> Vec<Effect> {
    let Some(link) = desk.snapshot.invite_link.clone() else {
        return Vec::new();
    };
    desk.view.copied_at_s = Some(desk.now_s);
    vec![Effect::CopyText(link)]
}

fn keep_name(desk: &mut Desk<'_>) -> Vec<Effect> {
    let name = clean_name(&desk.view.name);
    desk.view.name.clone_from(&name);
    if name == desk.settings.name {
        return Vec::new();
    }
    desk.settings.name.clone_from(&name);
    if !name.is_empty() {
        send(desk, Command::Rename(name));
    }
    vec![Effect::SaveSettings]
}

/// Without control characters and surrounding space, not too long.
fn clean_name(name: &str) -> String {
    let printable = name.trim().chars().filter(|letter| !letter.is_control());
    printable.take(NAME_MAX_CHARS).collect()
}

fn send(desk: &mut Desk<'_>, command: Command) {
    if let Err(error) = desk.engine.send(command) {
        tracing::warn!(%error, "a command was refused");
        desk.view.notice = Some(desk.i18n.text("notice-engine-busy"));
    }
}
