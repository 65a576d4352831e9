//! The card about somebody: how far they are known, which way the connection takes and who sees which address.

use call_engine::{Badge, CallSnapshot, ParticipantSnapshot, RoomRole, Route, Switch};
use egui::{Rect, Ui};

use crate::ui::call_command::{CallCommand, Card};
use crate::ui::screens::call_words;
use crate::ui::theme::tokens::{size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{Enabled, TextButton, Weight};
use crate::ui::widgets::chip::leading_icon;
use crate::ui::widgets::sheet;
use crate::ui::widgets::text::text;
use crate::ui::{Scene, badge};

/// Draws the card.
pub fn show(
    ui: &mut Ui,
    scene: &Scene<'_>,
    call: &CallSnapshot,
    them: &ParticipantSnapshot,
    area: Rect,
    commands: &mut Vec<UiCommand>,
) {
    let guest = scene.i18n.text("call-nobody-name");
    let name = call_words::name(them, &guest);
    sheet::show(ui, scene, area, size::CARD, name, commands, |ui, commands| {
        if them.role == RoomRole::Host {
            let words = scene.i18n.text("call-is-host");
            text(ui, words, fonts::small(), scene.tokens.text_quiet);
        }
        known(ui, scene, them);
        ui.add_space(space::S);
        compare(ui, scene, them, commands);
        ui.add_space(space::M);
        ui.separator();
        ui.add_space(space::S);
        way(ui, scene, them, name);
        if call.room.role == RoomRole::Host {
            ui.add_space(space::M);
            send_out(ui, scene, them, name, commands);
        }
    });
}

fn known(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot) {
    let colour = badge::colour(&them.badge, scene.tokens);
    ui.horizontal_top(|ui| {
        leading_icon(ui, badge::icon(&them.badge), size::ICON, colour);
        let sentence = badge::sentence(&them.badge, scene.i18n);
        text(ui, sentence, fonts::body(), colour);
    });
}

fn compare(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, commands: &mut Vec<UiCommand>) {
    let command = CallCommand::Open(Card::Symbols(them.peer));
    let Some(face) = command.face() else {
        return;
    };
    // Who is verified already can be compared again, but need not.
    let weight = match them.badge {
        Badge::Unverified | Badge::SameDevice { .. } | Badge::KeyChanged { .. } => Weight::Primary,
        Badge::Verified { .. } => Weight::Secondary,
    };
    let enabled = match them.symbols {
        Some(_) => Enabled::Yes,
        None => Enabled::No,
    };
    let label = scene.i18n.text(face.label);
    let button = TextButton::new(scene.tokens, &label, weight)
        .icon(face.icon)
        .fill()
        .enabled(enabled);
    if ui.add(button).clicked() {
        commands.push(UiCommand::InCall(command));
    }
    if them.symbols.is_none() {
        let words = scene.i18n.text("symbols-not-yet");
        text(ui, words, fonts::small(), scene.tokens.text_quiet);
    }
}

/// Which way the connection takes. `hide` can have been switched during the call, while connections stay as they are.
fn way(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, name: &str) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    let mut more = scene.snapshot.participants.iter();
    let route = more.find(|more| more.peer == them.peer).and_then(|more| more.route);
    let hide = scene.snapshot.people.hide_address;
    let (icon, title, words) = match (route, hide) {
        (None, Switch::On | Switch::Off) => (Icon::Link, "call-route-none", None),
        (Some(Route::Direct), Switch::Off) => (Icon::Link, "call-route-direct", Some("call-route-direct-text")),
        (Some(Route::Direct), Switch::On) => (Icon::Link, "call-route-direct", Some("call-route-direct-late")),
        (Some(Route::Relayed), Switch::Off) => (Icon::Relay, "call-route-relay", Some("call-route-relay-text")),
        (Some(Route::Relayed), Switch::On) => (Icon::Relay, "call-route-relay", Some("call-route-relay-hidden")),
    };
    ui.horizontal_top(|ui| {
        leading_icon(ui, icon, size::ICON, tokens.text);
        text(ui, i18n.text(title), fonts::body(), tokens.text);
    });
    if let Some(words) = words {
        text(
            ui,
            i18n.text_with(words, &[("name", name)]),
            fonts::small(),
            tokens.text_quiet,
        );
    }
}

fn send_out(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, name: &str, commands: &mut Vec<UiCommand>) {
    let label = scene.i18n.text("call-send-out");
    let spoken = scene.i18n.text_with("call-send-out-name", &[("name", name)]);
    let button = TextButton::new(scene.tokens, &label, Weight::Secondary)
        .fill()
        .spoken(&spoken);
    if ui.add(button).clicked() {
        commands.push(UiCommand::InCall(CallCommand::Refuse(them.peer)));
    }
}
