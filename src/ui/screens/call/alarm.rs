//! Something is wrong with the way messages take: what, and what to do, in the strongest words the call has.

use call_engine::Alarm;
use egui::{CornerRadius, Frame, Margin, Stroke, Ui};

use crate::ui::Scene;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::widgets::chip::leading_icon;
use crate::ui::widgets::text::text;

/// What happened, and what to do.
#[must_use]
pub fn words(alarm: Alarm) -> (&'static str, &'static str) {
    match alarm {
        Alarm::SignalingDisturbed => ("call-alarm-disturbed", "call-alarm-disturbed-text"),
        Alarm::StrangerInRoom => ("call-alarm-stranger", "call-alarm-stranger-text"),
        Alarm::FingerprintMismatch => ("call-alarm-between", "call-alarm-between-text"),
    }
}

/// Draws the banner where the next thing of `ui` goes.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, alarm: Alarm) {
    let tokens = scene.tokens;
    let (what, then) = words(alarm);
    Frame::new()
        .fill(tokens.problem_surface)
        .stroke(Stroke::new(size::HAIRLINE, tokens.problem_text))
        .corner_radius(CornerRadius::same(radius::M))
        .inner_margin(Margin::symmetric(14, 10))
        .show(ui, |ui| {
            ui.set_max_width(size::NOTICE.min(ui.available_width()));
            ui.horizontal_top(|ui| {
                leading_icon(ui, Icon::Warning, size::ICON, tokens.problem_text);
                text(ui, scene.i18n.text(what), fonts::body(), tokens.problem_text);
            });
            ui.add_space(space::XS);
            text(ui, scene.i18n.text(then), fonts::small(), tokens.text);
        });
}
