//! A few words on a picture, with an icon before them: to be read, or to open more.

use egui::{Color32, CornerRadius, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::ui::theme::tokens::{Stage, radius, size, space};
use crate::ui::theme::{Icon, fonts};

/// Height of a chip, in points.
pub const HEIGHT: f32 = 30.0;

/// What stands on a chip. What does not fit into the place is cut off.
pub struct Chip<'a> {
    /// Before the words.
    pub icon: Option<Icon>,
    /// On one line.
    pub words: &'a str,
    /// Of both.
    pub colour: Color32,
}

/// Draws a chip that is only read.
pub fn label(ui: &mut Ui, stage: &Stage, chip: &Chip<'_>) {
    let response = paint(ui, stage, chip, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, chip.words));
}

/// Draws a chip that can be clicked; `spoken` is what assistive technology and the pointer read.
pub fn button(ui: &mut Ui, stage: &Stage, chip: &Chip<'_>, spoken: &str) -> bool {
    let response = paint(ui, stage, chip, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, spoken));
    response.on_hover_text(spoken).clicked()
}

fn paint(ui: &mut Ui, stage: &Stage, chip: &Chip<'_>, sense: Sense) -> Response {
    let lead = chip.icon.map_or(0.0, |_| size::ICON_SMALL + space::XS);
    let mut job = egui::text::LayoutJob::simple_singleline(chip.words.to_owned(), fonts::small(), chip.colour);
    let most = ui.max_rect().width() - lead - 2.0 * space::M;
    job.wrap = egui::text::TextWrapping::truncate_at_width(most.max(0.0));
    let galley = ui.painter().layout_job(job);
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + lead + 2.0 * space::M, HEIGHT), sense);
    let corner = CornerRadius::same(radius::M);
    ui.painter().rect_filled(rect, corner, stage.label);
    let line = if response.has_focus() {
        Stroke::new(size::FOCUS_RING, stage.focus)
    } else if sense.senses_click() && response.hovered() {
        Stroke::new(size::HAIRLINE, stage.text_quiet)
    } else {
        Stroke::NONE
    };
    ui.painter().rect_stroke(rect, corner, line, StrokeKind::Inside);
    let (left, middle) = (rect.left() + space::M, rect.center().y);
    if let Some(icon) = chip.icon {
        let centre = pos2(left + size::ICON_SMALL / 2.0, middle);
        let place = Rect::from_center_size(centre, Vec2::splat(size::ICON_SMALL));
        icon.paint(ui.painter(), place, chip.colour);
    }
    let at = pos2(left + lead, middle - galley.size().y / 2.0);
    ui.painter().galley(at, galley, chip.colour);
    response
}

/// An icon at the height of a line of text, as the first thing in a row.
pub fn leading_icon(ui: &mut Ui, icon: Icon, side: f32, colour: Color32) {
    let (place, _) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
    icon.paint(ui.painter(), place, colour);
}
