//! Something that is on or off, with what it does and costs in plain words.

use call_engine::Switch;
use egui::{CornerRadius, Rect, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::ui::Scene;
use crate::ui::theme::fonts;
use crate::ui::theme::tokens::{motion, size, space};
use crate::ui::ui_command::opposite;

/// Draws the row; all of it can be clicked. Returns what the switch shall be, when it was.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, label: &str, explanation: &str, now: Switch) -> Option<Switch> {
    let tokens = scene.tokens;
    let [width, height] = size::SWITCH;
    let words_width = ui.available_width() - width - space::L;
    let title = ui
        .painter()
        .layout(label.to_owned(), fonts::body(), tokens.text, words_width);
    let more = ui
        .painter()
        .layout(explanation.to_owned(), fonts::small(), tokens.text_quiet, words_width);
    let row_height = title.size().y + space::XS + more.size().y + 2.0 * space::S;
    let (row, response) = ui.allocate_exact_size(vec2(ui.available_width(), row_height), Sense::click());
    let is_on = now == Switch::On;
    response.widget_info(|| WidgetInfo::selected(Role::Switch, ui.is_enabled(), is_on, label));
    ui.ctx()
        .accesskit_node_builder(response.id, |node| node.set_description(explanation));
    let top = row.top() + space::S;
    let below = top + title.size().y + space::XS;
    let switch_y = top + title.size().y / 2.0;
    ui.painter().galley(pos2(row.left(), top), title, tokens.text);
    ui.painter().galley(pos2(row.left(), below), more, tokens.text_quiet);
    let track = Rect::from_center_size(pos2(row.right() - width / 2.0, switch_y), vec2(width, height));
    paint(ui, scene, track, response.id, now);
    if response.has_focus() {
        let ring = Stroke::new(size::FOCUS_RING, tokens.focus);
        let corner = CornerRadius::same(u8::MAX);
        ui.painter()
            .rect_stroke(track.expand(3.0), corner, ring, StrokeKind::Middle);
    }
    response.clicked().then(|| opposite(now))
}

/// Off is an outline with its knob at the left, on is full with its knob at the right: position and fill both tell.
fn paint(ui: &Ui, scene: &Scene<'_>, track: Rect, id: egui::Id, now: Switch) {
    let tokens = scene.tokens;
    let share = ui.ctx().animate_bool_with_time(id, now == Switch::On, motion::HOVER_S);
    let corner = CornerRadius::same(u8::MAX);
    let fill = tokens.surface.lerp_to_gamma(tokens.accent, share);
    let ink = tokens.text_quiet.lerp_to_gamma(tokens.on_accent, share);
    let line = Stroke::new(1.5, tokens.text_quiet.lerp_to_gamma(tokens.accent, share));
    ui.painter().rect(track, corner, fill, line, StrokeKind::Inside);
    let inner = track.shrink2(Vec2::splat(track.height() / 2.0));
    let centre = pos2(egui::lerp(inner.left()..=inner.right(), share), track.center().y);
    ui.painter().circle_filled(centre, track.height() / 2.0 - 5.0, ink);
}
