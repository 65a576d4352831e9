//! How Visavis behaves, and who we are: kept in the settings and told to the engine.

use call_engine::{CameraSpec, Command, Door, MicrophoneSpec, SpeakerSpec, Switch};

use super::{Desk, Effect, send};
use crate::args::parse_server;
use crate::i18n::Language;
use crate::identity_form::{IdentityForm, IdentityTask};
use crate::settings::{self, DoorChoice, InviteLifetime, ThemeChoice};
use crate::ui::fingerprint;
use crate::view_state::Notice;

/// What an exported identity is called unless the user says otherwise.
const IDENTITY_FILE: &str = "visavis-identity.age";

/// Uses another camera, in this call and the next ones.
pub fn choose_camera(desk: &mut Desk<'_>, spec: CameraSpec) -> Vec<Effect> {
    desk.settings.remember_camera(&spec);
    desk.view.devices.camera = spec.clone();
    send(desk, Command::SelectCamera(spec));
    vec![Effect::SaveSettings]
}

/// Uses another microphone, in this call and the next ones.
pub fn choose_microphone(desk: &mut Desk<'_>, spec: MicrophoneSpec) -> Vec<Effect> {
    desk.settings.remember_microphone(&spec);
    desk.view.devices.microphone = spec.clone();
    send(desk, Command::SelectMicrophone(spec));
    vec![Effect::SaveSettings]
}

/// Uses another speaker, in this call and the next ones.
pub fn choose_speaker(desk: &mut Desk<'_>, spec: SpeakerSpec) -> Vec<Effect> {
    desk.settings.remember_speaker(&spec);
    desk.view.devices.speaker = spec.clone();
    send(desk, Command::SelectSpeaker(spec));
    vec![Effect::SaveSettings]
}

/// Speaks another language; `None` is the system's.
pub fn choose_language(desk: &mut Desk<'_>, language: Option<Language>) -> Vec<Effect> {
    desk.settings.language = language;
    desk.view.language = language;
    vec![Effect::Language(language), Effect::SaveSettings]
}

/// Light, dark, or like the system.
pub fn choose_theme(desk: &mut Desk<'_>, theme: ThemeChoice) -> Vec<Effect> {
    desk.settings.theme = theme;
    desk.view.theme = theme;
    vec![Effect::Theme(theme), Effect::SaveSettings]
}

/// Nobody rings through, or everybody again.
pub fn do_not_disturb(desk: &mut Desk<'_>, switch: Switch) -> Vec<Effect> {
    desk.settings.do_not_disturb = switch;
    send(desk, Command::SetDoNotDisturb(switch));
    vec![Effect::SaveSettings]
}

/// Others on the network see us, or do not.
pub fn visible_nearby(desk: &mut Desk<'_>, switch: Switch) -> Vec<Effect> {
    desk.settings.visible_nearby = switch;
    send(desk, Command::SetVisibleNearby(switch));
    vec![Effect::SaveSettings]
}

/// Our address is hidden from those we call, or is not.
pub fn hide_address(desk: &mut Desk<'_>, switch: Switch) -> Vec<Effect> {
    desk.settings.hide_address = switch;
    send(desk, Command::SetHideAddress(switch));
    vec![Effect::SaveSettings]
}

/// Who may enter, in this call and the next ones.
pub fn choose_door(desk: &mut Desk<'_>, door: DoorChoice) -> Vec<Effect> {
    desk.settings.door = door;
    desk.view.door = door;
    send(desk, Command::SetDoor(Door::from(door)));
    vec![Effect::SaveSettings]
}

/// How long invites let new people in, from now on.
pub fn choose_invite_lifetime(desk: &mut Desk<'_>, lifetime: InviteLifetime) -> Vec<Effect> {
    desk.settings.invite_lifetime = lifetime;
    desk.view.invite_lifetime = lifetime;
    send(desk, Command::SetInviteExpiry(lifetime.duration()));
    vec![Effect::SaveSettings]
}

/// Remembers the server for the next start. Most people type a bare name, so that is completed.
pub fn keep_server(desk: &mut Desk<'_>) -> Vec<Effect> {
    let typed = desk.view.server.trim();
    let address = match typed {
        "" => None,
        with_scheme if with_scheme.contains("://") => Some(with_scheme.to_owned()),
        host => Some(format!("wss://{host}")),
    };
    let is_bad = |address: &String| parse_server(address).is_err() || address.contains(char::is_whitespace);
    if address.as_ref().is_some_and(is_bad) {
        desk.view.notice = Some(Notice::trouble(desk.i18n.text("settings-server-bad")));
        return Vec::new();
    }
    desk.view.server = address.clone().unwrap_or_default();
    desk.view.notice = None;
    if desk.settings.server == address {
        return Vec::new();
    }
    desk.settings.server = address;
    vec![Effect::SaveSettings]
}

/// Puts our fingerprint on the clipboard.
pub fn copy_fingerprint(desk: &mut Desk<'_>) -> Vec<Effect> {
    desk.view.fingerprint_copied_at_s = Some(desk.now_s);
    vec![Effect::CopyText(fingerprint::full(&desk.snapshot.people.own_key))]
}

/// Shows the fields, with a file where people look for their things.
pub fn open_identity_form(desk: &mut Desk<'_>, task: IdentityTask) {
    let path = settings::home_folder().map(|folder| folder.join(IDENTITY_FILE));
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    desk.view.identity_form = Some(IdentityForm::new(task, path));
}

/// Does what the fields say, or says what is wrong with them.
pub fn submit_identity_form(desk: &mut Desk<'_>) {
    let Some(form) = &mut desk.view.identity_form else {
        return;
    };
    let (path, passphrase) = match form.checked() {
        Ok(checked) => checked,
        Err(problem) => {
            form.problem = Some(problem);
            return;
        }
    };
    form.problem = None;
    let command = match form.task {
        IdentityTask::Export => Command::ExportIdentity { path, passphrase },
        IdentityTask::Import => Command::ImportIdentity { path, passphrase },
    };
    send(desk, command);
}
