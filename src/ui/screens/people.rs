//! The people part of the home screen: missed calls, contacts, and who is nearby.

use std::time::Duration;

use call_engine::{ContactPresence, ContactSnapshot, DoorbellState, MissedCall, NearbyPerson, PublicKey, Switch};
use egui::{Key, Popup, Response, Ui};

use super::home::{entered, field};
use crate::ui::theme::tokens::space;
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::card;
use crate::ui::widgets::person_row::{self, Line, Person};
use crate::ui::widgets::text::text;
use crate::ui::{Scene, people_words};
use crate::view_state::{Callee, ContactEdit, NAME_MAX_CHARS, ViewState};

/// Missed calls that are told one by one.
const MISSED_SHOWN: usize = 3;
/// "3 minutes ago" is looked at again this often.
const MINUTE: Duration = Duration::from_secs(60);

/// Whether there is anything to show.
#[must_use]
pub fn is_anybody_there(scene: &Scene<'_>) -> bool {
    let people = &scene.snapshot.people;
    !(people.contacts.is_empty() && people.nearby.is_empty() && people.missed.is_empty())
}

/// Draws the lists; an empty one is left out.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let people = &scene.snapshot.people;
    ui.spacing_mut().item_spacing.y = 0.0;
    if !people.missed.is_empty() {
        missed(ui, scene, view, commands);
        ui.add_space(space::L);
    }
    if !people.contacts.is_empty() {
        contacts(ui, scene, view, commands);
    }
    if !people.nearby.is_empty() {
        if !people.contacts.is_empty() {
            ui.add_space(space::L);
        }
        nearby(ui, scene, commands);
    }
}

fn missed(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    let calls = &scene.snapshot.people.missed;
    card::heading(ui, tokens, &i18n.text("people-missed"), |ui| {
        let label = i18n.text("people-clear");
        if ui.add(TextButton::new(tokens, &label, Weight::Quiet).small()).clicked() {
            commands.push(UiCommand::ClearMissedCalls);
        }
    });
    card::show(ui, tokens, |ui| {
        for (index, call) in calls.iter().take(MISSED_SHOWN).enumerate() {
            if index > 0 {
                card::line(ui, tokens);
            }
            ui.push_id(("missed", index), |ui| missed_row(ui, scene, view, call, commands));
        }
        if calls.len() > MISSED_SHOWN {
            let more = ("count", (calls.len() - MISSED_SHOWN) as u64);
            let words = i18n.text_counted("people-missed-more", more, &[]);
            text(ui, words, fonts::small(), tokens.text_quiet);
            ui.add_space(space::S);
        }
    });
    ui.ctx().request_repaint_after(MINUTE);
}

/// Who and when on one line: there are more important rows below.
fn missed_row(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, call: &MissedCall, commands: &mut Vec<UiCommand>) {
    let i18n = scene.i18n;
    let when = people_words::ago(call.at_unix_s, view.now_unix_s, i18n);
    let label = format!("{}: {}, {when}", i18n.text("people-missed"), call.name);
    // Only contacts listen where we could ring them.
    let contacts = &scene.snapshot.people.contacts;
    let contact = contacts.iter().find(|contact| contact.key == call.key);
    let line = Line {
        name: &call.name,
        detail: &when,
        label: &label,
    };
    person_row::line(ui, scene, &line, contact.map_or(0, |_| 1), |ui| {
        let Some(contact) = contact else {
            return;
        };
        let label = i18n.text_with("people-ring-back", &[("name", &contact.name)]);
        let button = |ui: &mut Ui| person_row::button(ui, scene, Icon::Phone, &label);
        if if_reachable(ui, scene, contact, button).clicked() {
            commands.push(ring(Callee::Contact(contact.key), Switch::Off));
        }
    });
}

fn ring(whom: Callee, video: Switch) -> UiCommand {
    UiCommand::Ring { whom, video }
}

/// Without a server only those who are seen nearby can be rung.
fn if_reachable<R>(ui: &mut Ui, scene: &Scene<'_>, contact: &ContactSnapshot, add: impl FnOnce(&mut Ui) -> R) -> R {
    let has_way = scene.snapshot.people.doorbell != DoorbellState::NoServer;
    let can_ring = has_way || contact.presence == ContactPresence::Online;
    ui.add_enabled_ui(can_ring, add).inner
}

fn contacts(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let tokens = scene.tokens;
    card::heading(ui, tokens, &scene.i18n.text("people-title"), |_| {});
    card::show(ui, tokens, |ui| {
        for (index, contact) in scene.snapshot.people.contacts.iter().enumerate() {
            if index > 0 {
                card::line(ui, tokens);
            }
            ui.push_id(contact.key.0, |ui| match edit_of(view, &contact.key) {
                Editing::No => contact_row(ui, scene, view, contact, commands),
                Editing::Name => rename_row(ui, scene, view, contact, commands),
                Editing::Removal => remove_row(ui, scene, view, contact, commands),
            });
        }
    });
    doorbell(ui, scene, commands);
}

enum Editing {
    No,
    Name,
    Removal,
}

fn edit_of(view: &ViewState, key: &PublicKey) -> Editing {
    match &view.contact_edit {
        Some(ContactEdit::Renaming { contact, .. }) if contact == key => Editing::Name,
        Some(ContactEdit::Removing(contact)) if contact == key => Editing::Removal,
        Some(ContactEdit::Renaming { .. } | ContactEdit::Removing(_)) | None => Editing::No,
    }
}

fn contact_row(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &mut ViewState,
    contact: &ContactSnapshot,
    commands: &mut Vec<UiCommand>,
) {
    let i18n = scene.i18n;
    let badge = people_words::badge(contact, i18n);
    let presence = people_words::presence(contact.presence, i18n);
    let person = Person {
        name: &contact.name,
        detail: &badge,
        presence: Some(contact.presence),
        seed: contact.key.0[0],
        label: &format!("{}, {presence}, {badge}", contact.name),
    };
    person_row::show(ui, scene, &person, 3, |ui| {
        if_reachable(ui, scene, contact, |ui| {
            ring_buttons(ui, scene, &contact.name, || Callee::Contact(contact.key), commands);
        });
        let label = i18n.text_with("people-more", &[("name", &contact.name)]);
        let more = person_row::button(ui, scene, Icon::More, &label);
        contact_menu(scene, view, contact, &more);
    });
}

fn ring_buttons(ui: &mut Ui, scene: &Scene<'_>, name: &str, whom: impl Fn() -> Callee, commands: &mut Vec<UiCommand>) {
    for (icon, key, video) in [
        (Icon::Camera, "people-ring-video", Switch::On),
        (Icon::Phone, "people-ring-sound", Switch::Off),
    ] {
        let label = scene.i18n.text_with(key, &[("name", name)]);
        if person_row::button(ui, scene, icon, &label).clicked() {
            commands.push(ring(whom(), video));
        }
    }
}

fn contact_menu(scene: &Scene<'_>, view: &mut ViewState, contact: &ContactSnapshot, more: &Response) {
    Popup::menu(more).show(|ui| {
        if ui.button(scene.i18n.text("people-rename")).clicked() {
            view.contact_edit = Some(ContactEdit::Renaming {
                contact: contact.key,
                name: contact.name.clone(),
            });
        }
        if ui.button(scene.i18n.text("people-remove")).clicked() {
            view.contact_edit = Some(ContactEdit::Removing(contact.key));
        }
    });
}

fn rename_row(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &mut ViewState,
    contact: &ContactSnapshot,
    commands: &mut Vec<UiCommand>,
) {
    let Some(ContactEdit::Renaming { name, .. }) = &mut view.contact_edit else {
        return;
    };
    let i18n = scene.i18n;
    ui.add_space(space::S);
    let label = i18n.text_with("people-rename-label", &[("name", &contact.name)]);
    let response = ui.add(field(name, "", NAME_MAX_CHARS).desired_width(f32::INFINITY));
    response.clone().accessible_name(label);
    let first_time = ui.data_mut(|data| !std::mem::replace(data.get_temp_mut_or_default(response.id), true));
    if first_time {
        response.request_focus();
    }
    let was_entered = entered(ui, &response);
    ui.add_space(space::S);
    let (kept, cancelled) = pair(ui, scene, &i18n.text("people-rename-keep"), Weight::Primary);
    ui.add_space(space::S);
    if kept || was_entered {
        commands.push(UiCommand::KeepContactName);
    } else if cancelled || ui.input(|input| input.key_pressed(Key::Escape)) {
        view.contact_edit = None;
    } else {
        return;
    }
    ui.data_mut(|data| data.remove::<bool>(response.id));
}

fn remove_row(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &mut ViewState,
    contact: &ContactSnapshot,
    commands: &mut Vec<UiCommand>,
) {
    let i18n = scene.i18n;
    let name = [("name", contact.name.as_str())];
    ui.add_space(space::S);
    text(
        ui,
        i18n.text_with("people-remove-ask", &name),
        fonts::body(),
        scene.tokens.text,
    );
    ui.add_space(space::S);
    let (removed, cancelled) = pair(ui, scene, &i18n.text_with("people-remove-yes", &name), Weight::Danger);
    ui.add_space(space::S);
    if removed {
        commands.push(UiCommand::RemoveContact(contact.key));
    } else if cancelled || ui.input(|input| input.key_pressed(Key::Escape)) {
        view.contact_edit = None;
    }
}

/// Do it, or leave it. Returns which was pressed.
fn pair(ui: &mut Ui, scene: &Scene<'_>, label: &str, weight: Weight) -> (bool, bool) {
    let cancel = scene.i18n.text("people-cancel");
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.y = space::S;
        let done = ui.add(TextButton::new(scene.tokens, label, weight).small()).clicked();
        let left = ui
            .add(TextButton::new(scene.tokens, &cancel, Weight::Secondary).small())
            .clicked();
        (done, left)
    })
    .inner
}

/// Whether ringing works, where it does not.
fn doorbell(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    let quiet = |ui: &mut Ui, key| text(ui, scene.i18n.text(key), fonts::small(), scene.tokens.text_quiet);
    match scene.snapshot.people.doorbell {
        DoorbellState::Listening => {}
        DoorbellState::Connecting => {
            ui.add_space(space::S);
            quiet(ui, "people-connecting");
        }
        DoorbellState::NoServer => {
            ui.add_space(space::S);
            quiet(ui, "people-no-server");
            let label = scene.i18n.text("people-set-server");
            ui.horizontal(|ui| {
                // Its words, not its edge, stand below the sentence.
                ui.add_space(-space::L);
                let button = TextButton::new(scene.tokens, &label, Weight::Quiet).small();
                if ui.add(button).clicked() {
                    commands.push(UiCommand::OpenSettings);
                }
            });
        }
    }
}

fn nearby(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    card::heading(ui, tokens, &i18n.text("people-nearby"), |_| {});
    card::show(ui, tokens, |ui| {
        for (index, person) in scene.snapshot.people.nearby.iter().enumerate() {
            if index > 0 {
                card::line(ui, tokens);
            }
            ui.push_id(("nearby", &person.id), |ui| nearby_row(ui, scene, person, commands));
        }
    });
    ui.add_space(space::S);
    text(ui, i18n.text("people-nearby-text"), fonts::small(), tokens.text_quiet);
}

fn nearby_row(ui: &mut Ui, scene: &Scene<'_>, person: &NearbyPerson, commands: &mut Vec<UiCommand>) {
    let where_ = scene.i18n.text("people-nearby");
    let row = Person {
        name: &person.name,
        detail: &where_,
        presence: None,
        seed: person.id.bytes().fold(0, u8::wrapping_add),
        label: &format!("{}, {where_}", person.name),
    };
    // A contact may be called the same.
    let name = format!("{} ({where_})", person.name);
    person_row::show(ui, scene, &row, 2, |ui| {
        ring_buttons(ui, scene, &name, || Callee::Nearby(person.id.clone()), commands);
    });
}
