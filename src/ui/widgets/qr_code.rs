//! A text as a QR code: black on white in both themes, with the white border that readers need.
//!
//! The code is one texture of one texel a module, made once a text, and drawn as one quad.

use egui::{Color32, ColorImage, Id, Rect, Response, Role, Sense, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo};
use qrcode::{Color, EcLevel, QrCode};

use crate::ui::theme::tokens::{QR_INK, QR_PAPER};

/// White modules around the code (ISO/IEC 18004, 5.3.8).
const QUIET_ZONE: usize = 4;

#[derive(Clone)]
struct Drawn {
    text: String,
    /// None: longer than a QR code can hold.
    texture: Option<TextureHandle>,
}

/// Draws the code into a square of at most `most` points, each module as large as whole pixels allow. Returns `None`
/// for a text that no code can hold.
pub fn show(ui: &mut Ui, text: &str, most: f32, label: &str) -> Option<Response> {
    let texture = texture(ui, text)?;
    let modules = texture.size()[0] as f32;
    let pixel = 1.0 / ui.pixels_per_point();
    let module = ((most / modules / pixel).floor()).max(1.0) * pixel;
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(module * modules), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
    let corner = (rect.min / pixel).round() * pixel;
    let rect = Rect::from_min_size(corner, rect.size());
    let whole = Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, whole, Color32::WHITE);
    Some(response)
}

/// The texture of this text; the one of another text is dropped.
fn texture(ui: &Ui, text: &str) -> Option<TextureHandle> {
    let id = Id::unique("qr_texture");
    let known: Option<Drawn> = ui.data(|data| data.get_temp(id));
    if let Some(drawn) = known.filter(|drawn| drawn.text == text) {
        return drawn.texture;
    }
    let load = |image| ui.ctx().load_texture("qr", image, TextureOptions::NEAREST);
    let texture = image(text).map(load);
    let drawn = Drawn {
        text: text.to_owned(),
        texture: texture.clone(),
    };
    ui.data_mut(|data| data.insert_temp(id, drawn));
    texture
}

/// One pixel a module, with the border.
fn image(text: &str) -> Option<ColorImage> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let side = code.width() + 2 * QUIET_ZONE;
    let mut image = ColorImage::filled([side, side], QR_PAPER);
    let width = code.width();
    for (index, colour) in code.into_colors().into_iter().enumerate() {
        if colour == Color::Dark {
            image[(index % width + QUIET_ZONE, index / width + QUIET_ZONE)] = QR_INK;
        }
    }
    Some(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_white_modules_surround_the_code() {
        let image = image("visavis://192.168.1.20:47113/j#1.abc").unwrap();
        let side = image.width();
        let edge = |at: usize| at < QUIET_ZONE || at >= side - QUIET_ZONE;
        for y in 0..side {
            for x in 0..side {
                assert!(!(edge(x) || edge(y)) || image[(x, y)] == QR_PAPER, "{x}, {y}");
            }
        }
        // The corner of the finder pattern.
        assert_eq!(image[(QUIET_ZONE, QUIET_ZONE)], QR_INK);
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        assert!(image(&"x".repeat(4_000)).is_none());
    }
}
