//! Text in the styles of the theme.

use egui::{Color32, FontId, Label, Response, RichText, Ui};

/// Wrapped text.
pub fn text(ui: &mut Ui, words: impl Into<String>, font: FontId, colour: Color32) -> Response {
    ui.add(Label::new(RichText::new(words).font(font).color(colour)).wrap())
}
