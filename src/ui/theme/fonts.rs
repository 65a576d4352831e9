//! Text styles. The font is the one that comes with egui (Ubuntu Light: Latin, Greek and Cyrillic).

use std::collections::BTreeMap;

use egui::{FontFamily, FontId, TextStyle};

use super::tokens::text;

/// The name of the application.
#[must_use]
pub fn display() -> FontId {
    FontId::new(text::DISPLAY, FontFamily::Proportional)
}

/// What a screen is about.
#[must_use]
pub fn title() -> FontId {
    FontId::new(text::TITLE, FontFamily::Proportional)
}

/// What a card is about.
#[must_use]
pub fn heading() -> FontId {
    FontId::new(text::HEADING, FontFamily::Proportional)
}

/// Everything else.
#[must_use]
pub fn body() -> FontId {
    FontId::new(text::BODY, FontFamily::Proportional)
}

/// Remarks.
#[must_use]
pub fn small() -> FontId {
    FontId::new(text::SMALL, FontFamily::Proportional)
}

/// The pictures people compare; the emoji font is the one that comes with egui.
#[must_use]
pub fn symbol() -> FontId {
    FontId::new(text::SYMBOL, FontFamily::Proportional)
}

/// What egui's own widgets use.
#[must_use]
pub fn text_styles() -> BTreeMap<TextStyle, FontId> {
    BTreeMap::from([
        (TextStyle::Small, small()),
        (TextStyle::Body, body()),
        (TextStyle::Button, body()),
        (TextStyle::Heading, title()),
        (TextStyle::Monospace, FontId::new(text::SMALL, FontFamily::Monospace)),
    ])
}
