//! The badge of somebody on their picture: a shape and words, which open what is known of them.

use call_engine::Badge;
use egui::{CornerRadius, Pos2, Rect, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, vec2};

use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, Tokens, fonts};
use crate::ui::{Scene, badge};

/// Height of a chip, in points.
pub const HEIGHT: f32 = 28.0;

/// Draws the chip with its upper left corner here, at most this wide; returns whether it was clicked.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, at: Pos2, most: f32, known: &Badge, label: &str) -> bool {
    let tokens = scene.tokens;
    let colour = badge::colour(known, tokens);
    let lead = size::ICON_SMALL + space::XS;
    let mut job = egui::text::LayoutJob::simple_singleline(badge::short(known, scene.i18n), fonts::small(), colour);
    job.wrap = egui::text::TextWrapping::truncate_at_width((most - lead - 2.0 * space::M).max(0.0));
    let galley = ui.painter().layout_job(job);
    let rect = Rect::from_min_size(at, vec2(galley.size().x + lead + 2.0 * space::M, HEIGHT));
    let response = ui.allocate_rect(rect, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, label));
    let corner = CornerRadius::same(radius::M);
    ui.painter().rect_filled(rect, corner, tokens.stage.label);
    if response.hovered() || response.has_focus() {
        outline(ui, tokens, rect, corner, &response);
    }
    let middle = rect.center().y;
    let place = Rect::from_center_size(
        egui::pos2(rect.left() + space::M + size::ICON_SMALL / 2.0, middle),
        Vec2::splat(size::ICON_SMALL),
    );
    badge::icon(known).paint(ui.painter(), place, colour);
    let words = egui::pos2(rect.left() + space::M + lead, middle - galley.size().y / 2.0);
    ui.painter().galley(words, galley, colour);
    response.on_hover_text(label).clicked()
}

fn outline(ui: &Ui, tokens: &Tokens, rect: Rect, corner: CornerRadius, response: &egui::Response) {
    let line = if response.has_focus() {
        Stroke::new(size::FOCUS_RING, tokens.stage.focus)
    } else {
        Stroke::new(size::HAIRLINE, tokens.stage.text_quiet)
    };
    ui.painter().rect_stroke(rect, corner, line, StrokeKind::Inside);
}

/// An icon at the height of a line of text, as the first thing in a row.
pub fn leading_icon(ui: &mut Ui, icon: Icon, side: f32, colour: egui::Color32) {
    let (place, _) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
    icon.paint(ui.painter(), place, colour);
}
