//! Who may enter: a line for everybody, and as host the card to choose.

use call_engine::{CallSnapshot, Door, RoomRole};
use egui::{CornerRadius, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::settings::DoorChoice;
use crate::ui::Scene;
use crate::ui::call_command::{CallCommand, Card};
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{IconButton, Look};
use crate::ui::widgets::sheet;

/// The shape of a door.
#[must_use]
pub fn icon(door: Door) -> Icon {
    match door {
        Door::Open => Icon::LockOpen,
        Door::Knock => Icon::Door,
        Door::Locked => Icon::Lock,
    }
}

/// What it is called, and what it means.
fn words(door: Door) -> (&'static str, &'static str) {
    match door {
        Door::Open => ("call-door-open", "call-door-open-text"),
        Door::Knock => ("call-door-knock", "call-door-knock-text"),
        Door::Locked => ("call-door-locked", "call-door-locked-text"),
    }
}

/// What everybody sees of it; an open door is nothing to mention.
#[must_use]
pub fn line(scene: &Scene<'_>, call: &CallSnapshot) -> Option<(Icon, String)> {
    match call.room.door {
        Door::Open => None,
        door @ (Door::Knock | Door::Locked) => Some((icon(door), scene.i18n.text(words(door).0))),
    }
}

/// The host's button in the row of controls: it shows how the door is.
pub fn button(ui: &mut Ui, scene: &Scene<'_>, call: &CallSnapshot, commands: &mut Vec<UiCommand>) {
    if call.room.role != RoomRole::Host {
        return;
    }
    let state = scene.i18n.text(words(call.room.door).0);
    let label = scene.i18n.text_with("call-door-button", &[("state", &state)]);
    let look = match call.room.door {
        Door::Open => Look::Control,
        Door::Knock | Door::Locked => Look::ControlSet,
    };
    let button = IconButton::new(scene.tokens, icon(call.room.door), &label, look);
    if ui.add(button).on_hover_text(&label).clicked() {
        commands.push(UiCommand::InCall(CallCommand::Open(Card::Door)));
    }
}

/// Draws the card with the choice.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, call: &CallSnapshot, area: Rect, commands: &mut Vec<UiCommand>) {
    let title = scene.i18n.text("call-door-title");
    sheet::show(ui, scene, area, size::CARD, &title, commands, |ui, commands| {
        for door in [Door::Open, Door::Knock, Door::Locked] {
            if choice(ui, scene, door, call.room.door).clicked() && call.room.door != door {
                commands.push(chosen(door));
            }
        }
    });
}

/// Open and knock are remembered for the next calls; nobody wants those locked from the start.
fn chosen(door: Door) -> UiCommand {
    match door {
        Door::Open => UiCommand::ChooseDoor(DoorChoice::Open),
        Door::Knock => UiCommand::ChooseDoor(DoorChoice::Knock),
        Door::Locked => UiCommand::InCall(CallCommand::LockDoor),
    }
}

/// One kind of door: icon, name, what it means, and a ring around the one that is chosen.
fn choice(ui: &mut Ui, scene: &Scene<'_>, door: Door, chosen: Door) -> Response {
    let tokens = scene.tokens;
    let is_chosen = door == chosen;
    let (name, meaning) = words(door);
    let (name, meaning) = (scene.i18n.text(name), scene.i18n.text(meaning));
    let width = ui.available_width();
    let left = space::M + size::ICON + space::M;
    let inner = width - left - space::M;
    let name_galley = ui.painter().layout(name.clone(), fonts::body(), tokens.text, inner);
    let meaning = ui.painter().layout(meaning, fonts::small(), tokens.text_quiet, inner);
    let height = name_galley.size().y + meaning.size().y + space::XS + 2.0 * space::M;
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, &name));
    let corner = CornerRadius::same(radius::M);
    let fill = if is_chosen {
        tokens.selection
    } else if response.hovered() {
        tokens.raised_hover
    } else {
        tokens.raised
    };
    ui.painter().rect_filled(rect, corner, fill);
    if is_chosen || response.has_focus() {
        let colour = if response.has_focus() {
            tokens.focus
        } else {
            tokens.accent_text
        };
        let line = Stroke::new(size::FOCUS_RING, colour);
        ui.painter().rect_stroke(rect, corner, line, StrokeKind::Inside);
    }
    let centre = pos2(rect.left() + space::M + size::ICON / 2.0, rect.center().y);
    icon(door).paint(
        ui.painter(),
        Rect::from_center_size(centre, Vec2::splat(size::ICON)),
        tokens.text,
    );
    let at = rect.min + vec2(left, space::M);
    let below = at + vec2(0.0, name_galley.size().y + space::XS);
    ui.painter().galley(at, name_galley, tokens.text);
    ui.painter().galley(below, meaning, tokens.text_quiet);
    response
}
