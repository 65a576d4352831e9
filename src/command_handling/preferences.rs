//! How Visavis behaves, and who we are: kept in the settings and told to the engine.

use call_engine::{Command, Door, Switch};

use super::{Desk, Effect, send};
use crate::args::parse_server;
use crate::identity_form::{IdentityForm, IdentityTask};
use crate::settings::{self, DoorChoice, InviteLifetime};
use crate::ui::fingerprint;
use crate::view_state::Notice;

/// What an exported identity is called unless the user says otherwise.
const IDENTITY_FILE: &str = "visavis-identity.age";

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
