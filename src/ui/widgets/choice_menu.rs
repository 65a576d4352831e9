//! Menus of a few choices, with what they are about beside or above them.

use egui::{Align, ComboBox, Layout, Response, Ui, vec2};

use crate::i18n::Language;
use crate::settings::{DoorChoice, InviteLifetime, ThemeChoice};
use crate::ui::Scene;
use crate::ui::theme::fonts;
use crate::ui::theme::tokens::{size, space};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::text::text;

/// Language of the window.
pub fn language(ui: &mut Ui, scene: &Scene<'_>, chosen: Option<Language>, commands: &mut Vec<UiCommand>) {
    let of_system = scene.i18n.text("language-system");
    let name = |language: Option<Language>| match language {
        Some(language) => language.own_name().to_owned(),
        None => of_system.clone(),
    };
    let all = std::iter::once(None).chain(Language::ALL.map(Some));
    if let Some(language) = menu(ui, scene, "home-language", all, chosen, name) {
        commands.push(UiCommand::ChooseLanguage(language));
    }
}

/// Light or dark.
pub fn theme(ui: &mut Ui, scene: &Scene<'_>, chosen: ThemeChoice, commands: &mut Vec<UiCommand>) {
    let name = |theme| {
        scene.i18n.text(match theme {
            ThemeChoice::System => "theme-system",
            ThemeChoice::Light => "theme-light",
            ThemeChoice::Dark => "theme-dark",
        })
    };
    let all = [ThemeChoice::System, ThemeChoice::Light, ThemeChoice::Dark];
    if let Some(theme) = menu(ui, scene, "home-theme", all, chosen, name) {
        commands.push(UiCommand::ChooseTheme(theme));
    }
}

/// Who may enter the calls we host.
pub fn door(ui: &mut Ui, scene: &Scene<'_>, chosen: DoorChoice, commands: &mut Vec<UiCommand>) {
    let name = |door| {
        scene.i18n.text(match door {
            DoorChoice::Open => "settings-door-open",
            DoorChoice::Knock => "settings-door-knock",
        })
    };
    if let Some(door) = menu(
        ui,
        scene,
        "settings-door",
        [DoorChoice::Open, DoorChoice::Knock],
        chosen,
        name,
    ) {
        commands.push(UiCommand::ChooseDoor(door));
    }
}

/// How long invites let new people in.
pub fn invite_lifetime(ui: &mut Ui, scene: &Scene<'_>, chosen: InviteLifetime, commands: &mut Vec<UiCommand>) {
    let name = |lifetime| {
        scene.i18n.text(match lifetime {
            InviteLifetime::Call => "settings-expiry-call",
            InviteLifetime::Hour => "settings-expiry-hour",
            InviteLifetime::Day => "settings-expiry-day",
        })
    };
    if let Some(lifetime) = menu(ui, scene, "settings-expiry", InviteLifetime::ALL, chosen, name) {
        commands.push(UiCommand::ChooseInviteLifetime(lifetime));
    }
}

/// One row: the label on the left, the menu on the right; one below the other where there is no room. Returns what was
/// picked anew.
fn menu<T: Copy + PartialEq>(
    ui: &mut Ui,
    scene: &Scene<'_>,
    key: &str,
    choices: impl IntoIterator<Item = T>,
    chosen: T,
    name: impl Fn(T) -> String,
) -> Option<T> {
    let mut picked = None;
    let label = scene.i18n.text(key);
    let menu = |ui: &mut Ui, width: f32, heading: &Response| {
        // A menu of a dark panel is dark, whatever the theme.
        let style = ui.style().as_ref().clone();
        let menu = ComboBox::from_id_salt(key)
            .width(width)
            .selected_text(name(chosen))
            .truncate()
            .popup_style(style.into())
            .show_ui(ui, |ui| {
                for choice in choices {
                    if ui.selectable_label(choice == chosen, name(choice)).clicked() {
                        picked = Some(choice);
                    }
                }
            });
        menu.response.labelled_by(heading.id);
    };
    let all = ui.available_width();
    if all < size::MENU_BREAKPOINT {
        let heading = text(ui, &label, fonts::small(), scene.tokens.text_quiet);
        ui.add_space(-space::XS);
        menu(ui, all, &heading);
    } else {
        ui.horizontal(|ui| {
            let label_width = (all - space::S) / 2.0;
            let place = vec2(label_width, size::BUTTON_HEIGHT_SMALL);
            let heading = ui.allocate_ui_with_layout(place, Layout::left_to_right(Align::Center), |ui| {
                ui.set_width(label_width);
                text(ui, &label, fonts::body(), scene.tokens.text)
            });
            let width = ui.available_width();
            menu(ui, width, &heading.inner);
        });
    }
    picked.filter(|picked| *picked != chosen)
}
