//! In front of a call whose host lets people in: oneself as the others will see one, and the wait.

use call_engine::{CallSnapshot, DeviceStatus, Switch};
use egui::{Ui, UiBuilder, vec2};

use crate::ui::Scene;
use crate::ui::pictures::{Fit, Mirror, PictureId};
use crate::ui::theme::fonts;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::text::text;
use crate::ui::widgets::video_tile::{self, Caption, Outline, Tile};
use crate::ui::widgets::{column, control_bar};
use crate::view_state::ViewState;

/// Draws the screen.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, call: &CallSnapshot, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    column::centred(ui, "waiting", size::WAITING_CARD, |ui| {
        ui.vertical_centered(|ui| {
            text(ui, i18n.text("call-knocking"), fonts::title(), tokens.text);
            text(ui, i18n.text("knock-waiting-text"), fonts::body(), tokens.text_quiet);
        });
        ui.add_space(space::L);
        preview(ui, scene, view, call, commands);
        ui.add_space(space::L);
        let leave = i18n.text("call-leave");
        if ui
            .add(TextButton::new(tokens, &leave, Weight::Secondary).fill())
            .clicked()
        {
            commands.push(UiCommand::HangUp);
        }
    });
}

fn preview(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, call: &CallSnapshot, commands: &mut Vec<UiCommand>) {
    let width = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(vec2(width, (width * 9.0 / 16.0).round()), egui::Sense::hover());
    let you = scene.i18n.text("call-you");
    let name = view.name.trim();
    let name = if name.is_empty() { &you } else { name };
    let is_running = matches!(scene.snapshot.local.camera, DeviceStatus::Running { .. });
    let tile = Tile {
        picture: (call.local.camera == Switch::On && is_running).then_some(PictureId::Own),
        mirror: Mirror::Yes,
        fit: Fit::Cover,
        radius: radius::L,
        outline: Outline::None,
        name,
        seed: 0,
        label: scene.i18n.text("lobby-preview"),
        note: None,
        caption: Some(Caption {
            icon: None,
            words: name.to_owned(),
        }),
    };
    video_tile::show(ui, scene, rect, &tile);
    let diameter = size::CONTROL_SMALL;
    let row = control_bar::row_at_bottom(rect, &[diameter; 2], diameter, space::M, space::M);
    ui.scope_builder(UiBuilder::new().max_rect(row), |ui| {
        ui.spacing_mut().item_spacing.x = space::M;
        ui.horizontal(|ui| {
            control_bar::microphone(ui, scene, call.local.microphone, diameter, commands);
            control_bar::camera(ui, scene, call.local.camera, diameter, commands);
        });
    });
}
