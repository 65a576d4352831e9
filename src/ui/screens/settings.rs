//! How Visavis behaves, and who we are.

use call_engine::{DoorbellState, Switch};
use egui::Ui;

use super::home::{entered, field};
use super::identity;
use crate::ui::Scene;
use crate::ui::theme::tokens::{size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::{UiCommand, tooltip};
use crate::ui::widgets::buttons::{IconButton, Look};
use crate::ui::widgets::text::text;
use crate::ui::widgets::{card, choice_menu, column, switch_row};
use crate::view_state::{SERVER_MAX_CHARS, ViewState};

/// Draws the screen.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    column::centred(ui, "settings", size::SETTINGS, |ui| {
        header(ui, scene, commands);
        ui.add_space(space::S);
        section(ui, scene, "settings-ringing", |ui| switches(ui, scene, commands));
        section(ui, scene, "settings-calls", |ui| {
            choice_menu::door(ui, scene, view.door, commands);
            choice_menu::invite_lifetime(ui, scene, view.invite_lifetime, commands);
        });
        section(ui, scene, "settings-server", |ui| server(ui, scene, view, commands));
        section(ui, scene, "identity-title", |ui| {
            identity::show(ui, scene, view, commands)
        });
        section(ui, scene, "settings-look", |ui| {
            choice_menu::language(ui, scene, view.language, commands);
            choice_menu::theme(ui, scene, view.theme, commands);
        });
    });
}

fn header(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    ui.horizontal(|ui| {
        if let Some(face) = UiCommand::Back.face() {
            let label = scene.i18n.text(face.label);
            let button = IconButton::new(scene.tokens, Icon::Back, &label, Look::Plain).diameter(40.0);
            let hint = tooltip(&face, scene.i18n, ui.ctx());
            if ui.add(button).on_hover_text(hint).clicked() {
                commands.push(UiCommand::Back);
            }
        }
        text(ui, scene.i18n.text("settings-open"), fonts::title(), scene.tokens.text);
    });
}

fn section(ui: &mut Ui, scene: &Scene<'_>, title: &str, contents: impl FnOnce(&mut Ui)) {
    card::heading(ui, scene.tokens, &scene.i18n.text(title), |_| {});
    ui.add_space(-space::XS);
    card::show(ui, scene.tokens, contents);
    ui.add_space(space::S);
}

fn switches(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    let people = &scene.snapshot.people;
    let i18n = scene.i18n;
    let mut row = |label, explanation, now, command: fn(Switch) -> UiCommand| {
        let wanted = switch_row::show(ui, scene, &i18n.text(label), &i18n.text(explanation), now);
        commands.extend(wanted.map(command));
    };
    row(
        "settings-undisturbed",
        "settings-undisturbed-text",
        people.do_not_disturb,
        UiCommand::DoNotDisturb,
    );
    row(
        "settings-nearby",
        "settings-nearby-text",
        people.visible_nearby,
        UiCommand::VisibleNearby,
    );
    row(
        "settings-hide",
        "settings-hide-text",
        people.hide_address,
        UiCommand::HideAddress,
    );
}

fn server(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    ui.add_space(space::XS);
    let hint = i18n.text("settings-server-hint");
    let field = field(&mut view.server, &hint, SERVER_MAX_CHARS).desired_width(f32::INFINITY);
    let response = ui.add(field).accessible_name(i18n.text("settings-server-label"));
    if response.lost_focus() || entered(ui, &response) {
        commands.push(UiCommand::KeepServer);
    }
    let is_editing = response.has_focus();
    let typed = Some(view.server.trim()).filter(|typed| !typed.is_empty());
    let key = if is_editing || typed == view.server_in_use.as_deref() {
        match scene.snapshot.people.doorbell {
            DoorbellState::NoServer => "settings-server-none",
            DoorbellState::Connecting => "settings-server-connecting",
            DoorbellState::Listening => "settings-server-listening",
        }
    } else {
        "settings-server-restart"
    };
    text(ui, i18n.text(key), fonts::small(), tokens.text_quiet);
    ui.add_space(space::XS);
}
