//! The round buttons over pictures. Their icons show what the snapshot says, never what was clicked.

use call_engine::Switch;
use egui::{Rect, Response, Ui};

use crate::ui::Scene;
use crate::ui::theme::Icon;
use crate::ui::ui_command::{UiCommand, opposite, tooltip};
use crate::ui::widgets::buttons::{IconButton, Look};

/// The button that turns the microphone off or on.
pub fn microphone(ui: &mut Ui, scene: &Scene<'_>, now: Switch, diameter: f32, commands: &mut Vec<UiCommand>) {
    let command = UiCommand::Microphone(opposite(now));
    command_button(ui, scene, command, switch_look(now), Some(diameter), commands);
}

/// The button that turns the camera off or on.
pub fn camera(ui: &mut Ui, scene: &Scene<'_>, now: Switch, diameter: f32, commands: &mut Vec<UiCommand>) {
    let command = UiCommand::Camera(opposite(now));
    command_button(ui, scene, command, switch_look(now), Some(diameter), commands);
}

fn switch_look(now: Switch) -> Look {
    match now {
        Switch::On => Look::Control,
        Switch::Off => Look::ControlOff,
    }
}

/// A round button for a command, with its icon, name and keys.
pub fn command_button(
    ui: &mut Ui,
    scene: &Scene<'_>,
    command: UiCommand,
    look: Look,
    diameter: Option<f32>,
    commands: &mut Vec<UiCommand>,
) -> Option<Response> {
    let face = command.face()?;
    let label = scene.i18n.text(face.label);
    let mut button = IconButton::new(scene.tokens, face.icon.unwrap_or(Icon::Check), &label, look);
    if let Some(diameter) = diameter {
        button = button.diameter(diameter);
    }
    let response = ui.add(button).on_hover_text(tooltip(&face, scene.i18n, ui.ctx()));
    if response.clicked() {
        commands.push(command);
    }
    Some(response)
}

/// A row of `count` buttons with these widths, centred at the bottom of `area`.
#[must_use]
pub fn row_at_bottom(area: Rect, widths: &[f32], height: f32, gap: f32, margin: f32) -> Rect {
    let count = u16::try_from(widths.len()).unwrap_or(u16::MAX);
    let width = widths.iter().sum::<f32>() + gap * f32::from(count.saturating_sub(1));
    let left = (area.center().x - width / 2.0).round();
    let top = (area.bottom() - margin - height).round();
    Rect::from_min_size(egui::pos2(left, top), egui::vec2(width, height))
}
