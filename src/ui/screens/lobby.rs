//! In front of a call: see yourself, pick devices, go in.

use call_engine::{DeviceStatus, Switch};
use egui::{Rect, Ui, UiBuilder, pos2, vec2};

use crate::ui::Scene;
use crate::ui::pictures::{Fit, Mirror, PictureId};
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::{UiCommand, tooltip};
use crate::ui::widgets::buttons::{Enabled, IconButton, Look, TextButton, Weight};
use crate::ui::widgets::text::text;
use crate::ui::widgets::video_tile::{self, Caption, Outline, Tile};
use crate::ui::widgets::{column, control_bar, device_menu, level_meter};
use crate::view_state::{CallPurpose, Entering, Place, ViewState};

/// Draws the screen.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let is_wide = ui.available_width() >= size::LOBBY_BREAKPOINT;
    let width = if is_wide { size::LOBBY_WIDE } else { size::COLUMN };
    column::centred(ui, "lobby", width, |ui| {
        header(ui, scene, view, commands);
        ui.add_space(space::L);
        if is_wide {
            side_by_side(ui, scene, view, commands);
        } else {
            preview(ui, scene, view, commands);
            ui.add_space(space::S);
            enter(ui, scene, view, commands);
            ui.add_space(space::L);
            devices(ui, scene, view, commands);
        }
    });
}

fn side_by_side(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let whole = ui.available_rect_before_wrap();
    let split = whole.right() - size::LOBBY_DEVICES.min(whole.width() * 0.46);
    let left = Rect::from_min_max(whole.min, pos2(split - space::XL, whole.bottom()));
    let right = Rect::from_min_max(pos2(split, whole.top()), whole.max);
    let left = ui.scope_builder(UiBuilder::new().max_rect(left), |ui| {
        preview(ui, scene, view, commands);
        ui.add_space(space::M);
        enter(ui, scene, view, commands);
    });
    let right = ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
        devices(ui, scene, view, commands)
    });
    ui.advance_cursor_after_rect(left.response.rect.union(right.response.rect));
}

fn purpose(view: &ViewState) -> &CallPurpose {
    match &view.place {
        Place::Lobby(purpose) => purpose,
        Place::Home | Place::Settings => &CallPurpose::Host,
    }
}

fn header(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    ui.horizontal(|ui| {
        if let Some(face) = UiCommand::Back.face() {
            let label = scene.i18n.text(face.label);
            let button = IconButton::new(scene.tokens, Icon::Back, &label, Look::Plain).diameter(40.0);
            if ui
                .add(button)
                .on_hover_text(tooltip(&face, scene.i18n, ui.ctx()))
                .clicked()
            {
                commands.push(UiCommand::Back);
            }
        }
        let title = match purpose(view) {
            CallPurpose::Host | CallPurpose::Ring { .. } | CallPurpose::Test => "lobby-title-host",
            CallPurpose::Join { .. } => "lobby-title-join",
        };
        text(ui, scene.i18n.text(title), fonts::title(), scene.tokens.text);
    });
}

fn preview(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let width = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(vec2(width, (width * 9.0 / 16.0).round()), egui::Sense::hover());
    let camera = &scene.snapshot.local.camera;
    let shows_picture = view.wanted_camera == Switch::On && matches!(camera, DeviceStatus::Running { .. });
    let note = match (view.wanted_camera, camera) {
        (Switch::Off, _) => "lobby-camera-off",
        (Switch::On, DeviceStatus::Starting | DeviceStatus::Running { .. }) => "lobby-camera-starting",
        (Switch::On, DeviceStatus::Off | DeviceStatus::Failed(_)) => "lobby-camera-none",
    };
    let you = scene.i18n.text("call-you");
    let name = if view.name.trim().is_empty() {
        you.as_str()
    } else {
        view.name.trim()
    };
    let tile = Tile {
        picture: shows_picture.then_some(PictureId::Own),
        mirror: Mirror::Yes,
        fit: Fit::Cover,
        radius: radius::L,
        outline: Outline::None,
        name,
        seed: 0,
        label: scene.i18n.text("lobby-preview"),
        note: Some(scene.i18n.text(note)),
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
            control_bar::microphone(ui, scene, view.wanted_microphone, diameter, commands);
            control_bar::camera(ui, scene, view.wanted_camera, diameter, commands);
        });
    });
}

fn devices(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    device_menu::camera(ui, scene, view, commands);
    ui.add_space(space::M);
    device_menu::microphone(ui, scene, view, commands);
    level_meter::show(
        ui,
        scene.tokens,
        scene.snapshot.local.microphone_level,
        &scene.i18n.text("lobby-level"),
    );
    ui.add_space(space::M);
    device_menu::speaker(ui, scene, view, commands);
}

fn enter(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let (label, enabled) = match (view.entering, purpose(view)) {
        (Entering::Asked, _) => ("lobby-starting", Enabled::No),
        (Entering::Idle, CallPurpose::Host | CallPurpose::Ring { .. } | CallPurpose::Test) => {
            ("lobby-start", Enabled::Yes)
        }
        (Entering::Idle, CallPurpose::Join { .. }) => ("lobby-join", Enabled::Yes),
    };
    let label = scene.i18n.text(label);
    let button = TextButton::new(scene.tokens, &label, Weight::Primary)
        .fill()
        .enabled(enabled);
    if ui.add(button).clicked() {
        commands.push(UiCommand::EnterCall);
    }
}
