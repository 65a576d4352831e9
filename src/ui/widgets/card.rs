//! A group of things that belong together: a heading, and a card below it.

use egui::{CornerRadius, Frame, Margin, Response, Stroke, Ui, vec2};

use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Tokens, fonts};
use crate::ui::widgets::text::text;

/// Draws a card as wide as the place.
pub fn show(ui: &mut Ui, tokens: &Tokens, contents: impl FnOnce(&mut Ui)) {
    let frame = Frame::new()
        .fill(tokens.surface)
        .stroke(Stroke::new(size::HAIRLINE, tokens.outline))
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::symmetric(16, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        contents(ui);
    });
}

/// Draws the heading of a card, with something at its right.
pub fn heading(ui: &mut Ui, tokens: &Tokens, words: &str, right: impl FnOnce(&mut Ui)) -> Response {
    ui.allocate_ui(vec2(ui.available_width(), size::BUTTON_HEIGHT_SMALL), |ui| {
        ui.horizontal(|ui| {
            let response = text(ui, words, fonts::small(), tokens.text_quiet);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), right);
            response
        })
        .inner
    })
    .inner
}

/// A thin line between two things in a card.
pub fn line(ui: &mut Ui, tokens: &Tokens) {
    let y = ui.cursor().top();
    let range = ui.max_rect().x_range();
    ui.painter()
        .hline(range, y, Stroke::new(size::HAIRLINE, tokens.outline));
    ui.add_space(space::XS / 4.0);
}
