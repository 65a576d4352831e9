//! Everything a user can do, once: what it is called, which icon and which keys it has.
//!
//! Screens return [`UiCommand`]s; `command_handling` performs them. The same list serves buttons and keyboard,
//! so that both always do the same.

use call_engine::{CameraSpec, MicrophoneSpec, PublicKey, SpeakerSpec, Switch};
use egui::{Key, KeyboardShortcut, Modifiers};

use crate::i18n::{I18n, Language};
use crate::identity_form::IdentityTask;
use crate::settings::{DoorChoice, InviteLifetime, ThemeChoice};
use crate::ui::call_command::CallCommand;
use crate::ui::theme::Icon;
use crate::view_state::Callee;

/// One intent of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UiCommand {
    /// From home to the lobby of a call of one's own.
    StartCall,
    /// From home to the lobby of the call whose link was typed.
    JoinCall,
    /// Call the echo friend, at once.
    StartTestCall,
    /// From the lobby into the call.
    EnterCall,
    /// From the lobby to home.
    Back,
    /// Mute or not.
    Microphone(Switch),
    /// Camera off or on.
    Camera(Switch),
    /// Put the invite link on the clipboard.
    CopyLink,
    /// Leave the call.
    HangUp,
    /// After a call: the same again.
    CallAgain,
    /// After a call: home.
    GoHome,
    /// Put the notice away.
    DismissNotice,
    /// Look for devices again.
    RefreshDevices,
    /// Use another camera.
    ChooseCamera(CameraSpec),
    /// Use another microphone.
    ChooseMicrophone(MicrophoneSpec),
    /// Use another speaker.
    ChooseSpeaker(SpeakerSpec),
    /// The name field was left.
    KeepName,
    /// Speak another language; `None` is the system's.
    ChooseLanguage(Option<Language>),
    /// Light, dark, or like the system.
    ChooseTheme(ThemeChoice),
    /// About the people in the call, and its door.
    InCall(CallCommand),
    /// From home to the settings.
    OpenSettings,
    /// Ring somebody.
    Ring {
        /// Whom.
        whom: Callee,
        /// With our picture or without.
        video: Switch,
    },
    /// Stop ringing somebody.
    CancelRing,
    /// Take the call of somebody who rings, with our picture or without.
    AcceptRing(Switch),
    /// Do not take the call of somebody who rings.
    DeclineRing,
    /// Call a contact what was typed.
    KeepContactName,
    /// Forget a contact.
    RemoveContact(PublicKey),
    /// Empty the list of missed calls.
    ClearMissedCalls,
    /// Nobody rings through, or everybody again.
    DoNotDisturb(Switch),
    /// Be seen by others on the network, or not.
    VisibleNearby(Switch),
    /// Hide our address from those we call, or not.
    HideAddress(Switch),
    /// Who may enter the calls we host.
    ChooseDoor(DoorChoice),
    /// How long our invites let new people in.
    ChooseInviteLifetime(InviteLifetime),
    /// As host: a new link; the old one leads nowhere any more.
    NewLink,
    /// As host: make a code to read over the phone.
    OfferSpokenCode,
    /// Put the code away.
    WithdrawSpokenCode,
    /// The field for the server's address was left.
    KeepServer,
    /// Put our fingerprint on the clipboard.
    CopyFingerprint,
    /// Show the fields to export or import the identity.
    OpenIdentityForm(IdentityTask),
    /// Put them away.
    CloseIdentityForm,
    /// Do what they say.
    SubmitIdentityForm,
    /// The user was told that closing the window does not end the program.
    TrayExplained,
    /// End the program.
    Quit,
}

/// How an intent looks where it is a button.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// What it is called, as a key of the catalogue.
    pub label: &'static str,
    /// Its icon.
    pub icon: Option<Icon>,
    /// Keys that do the same.
    pub shortcut: Option<KeyboardShortcut>,
}

const CTRL_SHIFT: Modifiers = Modifiers {
    alt: false,
    ctrl: false,
    shift: true,
    mac_cmd: false,
    command: true,
};

/// Mute or not.
pub const MICROPHONE_KEY: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::M);
/// Camera off or on.
pub const CAMERA_KEY: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::V);
/// Copy the link.
pub const COPY_LINK_KEY: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::L);
/// Hang up. Two modifiers: nobody ends a call by a slip of the finger.
pub const HANG_UP_KEY: KeyboardShortcut = KeyboardShortcut::new(CTRL_SHIFT, Key::H);
/// Back, home.
pub const BACK_KEY: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::Escape);
/// Quit.
pub const QUIT_KEY: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Q);

impl UiCommand {
    /// Label, icon and keys. `None` for what is a field or a menu rather than a button.
    #[must_use]
    pub fn face(&self) -> Option<Face> {
        let face = |label, icon, shortcut| Some(Face { label, icon, shortcut });
        match self {
            Self::StartCall => face("home-start", Some(Icon::Camera), None),
            Self::JoinCall => face("home-join", None, None),
            Self::StartTestCall => face("home-test-call", None, None),
            Self::Back => face("action-back", Some(Icon::Back), Some(BACK_KEY)),
            Self::Microphone(Switch::Off) => {
                face("action-microphone-off", Some(Icon::Microphone), Some(MICROPHONE_KEY))
            }
            Self::Microphone(Switch::On) => {
                face("action-microphone-on", Some(Icon::MicrophoneOff), Some(MICROPHONE_KEY))
            }
            Self::Camera(Switch::Off) => face("action-camera-off", Some(Icon::Camera), Some(CAMERA_KEY)),
            Self::Camera(Switch::On) => face("action-camera-on", Some(Icon::CameraOff), Some(CAMERA_KEY)),
            Self::CopyLink => face("action-copy-link", Some(Icon::Link), Some(COPY_LINK_KEY)),
            Self::HangUp => face("action-hang-up", Some(Icon::HangUp), Some(HANG_UP_KEY)),
            Self::CallAgain => face("action-call-again", None, None),
            Self::GoHome => face("action-home", None, Some(BACK_KEY)),
            Self::DismissNotice => face("action-dismiss", Some(Icon::Close), None),
            Self::RefreshDevices => face("lobby-look-again", Some(Icon::Again), None),
            Self::InCall(command) => command.face(),
            Self::OpenSettings => face("settings-open", Some(Icon::Gear), None),
            Self::CancelRing => face("ring-cancel", Some(Icon::HangUp), Some(BACK_KEY)),
            Self::AcceptRing(Switch::On) => face("ring-accept-video", Some(Icon::Camera), None),
            Self::AcceptRing(Switch::Off) => face("ring-accept-sound", Some(Icon::Phone), None),
            Self::DeclineRing => face("ring-decline", Some(Icon::HangUp), Some(BACK_KEY)),
            Self::ClearMissedCalls => face("people-clear", None, None),
            Self::NewLink => face("home-new-link", Some(Icon::Again), None),
            Self::OfferSpokenCode => face("code-offer", Some(Icon::Phone), None),
            Self::WithdrawSpokenCode => face("code-withdraw", None, None),
            Self::CopyFingerprint => face("identity-copy", Some(Icon::Copy), None),
            Self::Quit => face("action-quit", None, Some(QUIT_KEY)),
            // Its words depend on who calls: the lobby has them.
            Self::EnterCall
            | Self::ChooseCamera(_)
            | Self::ChooseMicrophone(_)
            | Self::ChooseSpeaker(_)
            | Self::KeepName
            | Self::ChooseLanguage(_)
            | Self::ChooseTheme(_)
            | Self::TrayExplained
            | Self::Ring { .. }
            | Self::KeepContactName
            | Self::RemoveContact(_)
            | Self::DoNotDisturb(_)
            | Self::VisibleNearby(_)
            | Self::HideAddress(_)
            | Self::ChooseDoor(_)
            | Self::ChooseInviteLifetime(_)
            | Self::KeepServer
            | Self::OpenIdentityForm(_)
            | Self::CloseIdentityForm
            | Self::SubmitIdentityForm => None,
        }
    }
}

/// What is read to the user when the pointer rests on a button: its label and its keys.
#[must_use]
pub fn tooltip(face: &Face, i18n: &I18n, ctx: &egui::Context) -> String {
    let label = i18n.text(face.label);
    match &face.shortcut {
        Some(keys) => format!("{label} ({})", ctx.format_shortcut(keys)),
        None => label,
    }
}

/// The other position.
#[must_use]
pub fn opposite(switch: Switch) -> Switch {
    match switch {
        Switch::On => Switch::Off,
        Switch::Off => Switch::On,
    }
}

/// Whether the keys of a command were pressed; takes the key press. Letters belong to a text field that has
/// the keyboard.
pub fn pressed(ctx: &egui::Context, keys: &KeyboardShortcut) -> bool {
    let types_text = keys.modifiers.is_none() && keys.logical_key != Key::Escape;
    if types_text && ctx.text_edit_focused() {
        return false;
    }
    ctx.input_mut(|input| input.consume_shortcut(keys))
}
