//! Performs what the user wants: changes the view, asks the engine, and returns what only the window can do.
//!
//! Runs on the main thread. No state of a call is kept here: what is sent to the engine comes back as a
//! snapshot, and only that is drawn.

mod in_call;
mod people;
mod preferences;

use call_engine::{Command, EngineSnapshot, Event, Invite, KeyStorage, Switch};

use crate::engine_door::EngineDoor;
use crate::i18n::{I18n, Language};
use crate::settings::{Settings, ThemeChoice};
use crate::ui::error_text;
use crate::ui::ui_command::UiCommand;
use crate::view_state::{CallPurpose, Entering, NAME_MAX_CHARS, Notice, Place, ViewState};

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
        UiCommand::ChooseCamera(spec) => return preferences::choose_camera(desk, spec),
        UiCommand::ChooseMicrophone(spec) => return preferences::choose_microphone(desk, spec),
        UiCommand::ChooseSpeaker(spec) => return preferences::choose_speaker(desk, spec),
        UiCommand::KeepName => return keep_name(desk),
        UiCommand::ChooseLanguage(language) => return preferences::choose_language(desk, language),
        UiCommand::ChooseTheme(theme) => return preferences::choose_theme(desk, theme),
        UiCommand::InCall(command) => in_call::handle(command, desk),
        UiCommand::OpenSettings => desk.view.place = Place::Settings,
        UiCommand::Ring { whom, video } => people::ring(desk, whom, video),
        UiCommand::CancelRing => send(desk, Command::CancelRing),
        UiCommand::AcceptRing(video) => people::accept(desk, video),
        UiCommand::DeclineRing => send(desk, Command::DeclineRing),
        UiCommand::KeepContactName => people::keep_contact_name(desk),
        UiCommand::RemoveContact(contact) => {
            desk.view.contact_edit = None;
            send(desk, Command::RemoveContact(contact));
        }
        UiCommand::ClearMissedCalls => send(desk, Command::ClearMissedCalls),
        UiCommand::DoNotDisturb(switch) => return preferences::do_not_disturb(desk, switch),
        UiCommand::VisibleNearby(switch) => return preferences::visible_nearby(desk, switch),
        UiCommand::HideAddress(switch) => return preferences::hide_address(desk, switch),
        UiCommand::ChooseDoor(door) => return preferences::choose_door(desk, door),
        UiCommand::ChooseInviteLifetime(lifetime) => return preferences::choose_invite_lifetime(desk, lifetime),
        UiCommand::KeepServer => return preferences::keep_server(desk),
        UiCommand::NewLink => send(desk, Command::NewLink),
        UiCommand::OfferSpokenCode => send(desk, Command::OfferSpokenCode),
        UiCommand::WithdrawSpokenCode => send(desk, Command::WithdrawSpokenCode),
        UiCommand::CopyFingerprint => return preferences::copy_fingerprint(desk),
        UiCommand::OpenIdentityForm(task) => preferences::open_identity_form(desk, task),
        UiCommand::CloseIdentityForm => desk.view.identity_form = None,
        UiCommand::SubmitIdentityForm => preferences::submit_identity_form(desk),
        UiCommand::TrayExplained => {
            desk.settings.tray_explained = true;
            return vec![Effect::SaveSettings];
        }
        UiCommand::Quit => return vec![Effect::Quit],
    }
    Vec::new()
}

/// Takes note of news from the engine, and returns what to ask of it in turn.
pub fn take_event(event: &Event, view: &mut ViewState, i18n: &I18n) -> Option<Command> {
    if let Some(notice) = error_text::event(event, i18n) {
        view.notice = Some(notice);
    }
    match event {
        // The call that was asked for does not come.
        Event::BadLink(_) | Event::ServerFailed(_) | Event::SpokenCodeFailed(_) => view.entering = Entering::Idle,
        // What was typed is not needed any more, the passphrase least of all.
        Event::IdentityExported(_) | Event::IdentityImported => view.identity_form = None,
        // The devices were opened for a call that does not come.
        Event::RingEnded { .. } if matches!(view.place, Place::Home | Place::Settings) => {
            return Some(Command::CloseDevices);
        }
        Event::LinkReady(_)
        | Event::WriteFailed(_)
        | Event::RingEnded { .. }
        | Event::Storage(_)
        | Event::IdentityFailed(_) => {}
    }
    None
}

/// Says once that there is no keyring on this computer, and what that means.
pub fn announce_key_storage(desk: &mut Desk<'_>) -> Vec<Effect> {
    let KeyStorage::File(path) = &desk.snapshot.people.key_storage else {
        return Vec::new();
    };
    let path = path.display().to_string();
    // What the engine says of the same file, in English, gives way to this.
    let is_busy = desk
        .view
        .notice
        .as_ref()
        .is_some_and(|notice| !notice.words.contains(&path));
    if desk.settings.key_file_announced || is_busy {
        return Vec::new();
    }
    desk.settings.key_file_announced = true;
    desk.view.notice = Some(Notice::advice(
        desk.i18n.text_with("identity-in-file", &[("path", &path)]),
    ));
    vec![Effect::SaveSettings]
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
        Err(_) if looks_spoken(&link) => go_to_lobby(desk, CallPurpose::Join { link }),
        Err(error) => desk.view.notice = Some(Notice::trouble(desk.i18n.text(error_text::invite(&error)))),
    }
}

/// Whether a text is three words, which may have been typed with commas or hyphens between them. Which words there
/// are is the engine's to know.
fn looks_spoken(text: &str) -> bool {
    let mut words = text
        .split(|letter: char| letter.is_whitespace() || ",.-–".contains(letter))
        .filter(|word| !word.is_empty());
    let is_word = |word: Option<&str>| word.is_some_and(|word| word.chars().all(char::is_alphabetic));
    is_word(words.next()) && is_word(words.next()) && is_word(words.next()) && words.next().is_none()
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
    tell_how_we_come(desk);
    send(
        desk,
        match purpose {
            CallPurpose::Host => Command::HostCall,
            CallPurpose::Join { link } => Command::JoinCall { link },
            CallPurpose::Ring { whom, video } => people::ring_command(whom, video),
            CallPurpose::Test => Command::StartTestCall,
        },
    );
}

/// Our name, and what we send.
fn tell_how_we_come(desk: &mut Desk<'_>) {
    let name = clean_name(&desk.view.name);
    if !name.is_empty() {
        send(desk, Command::Rename(name));
    }
    let (microphone, camera) = (desk.view.wanted_microphone, desk.view.wanted_camera);
    send(desk, Command::Microphone(microphone));
    send(desk, Command::Camera(camera));
}

fn call_again(desk: &mut Desk<'_>) {
    let purpose = desk.view.last_purpose.clone().unwrap_or(CallPurpose::Host);
    send(desk, Command::CloseCall);
    if let CallPurpose::Ring { whom, video } = purpose {
        desk.view.place = Place::Home;
        people::ring(desk, whom, video);
        return;
    }
    // Where one is should the call not come.
    desk.view.place = match &purpose {
        CallPurpose::Host | CallPurpose::Join { .. } => Place::Lobby(purpose.clone()),
        CallPurpose::Ring { .. } | CallPurpose::Test => Place::Home,
    };
    begin(desk, purpose);
}

fn go_home(desk: &mut Desk<'_>) {
    desk.view.place = Place::Home;
    desk.view.entering = Entering::Idle;
    desk.view.notice = None;
    desk.view.identity_form = None;
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
        desk.view.notice = Some(Notice::trouble(desk.i18n.text("notice-engine-busy")));
    }
}
