//! How loud the microphone hears us.

use egui::{CornerRadius, Rect, Response, Role, Sense, Ui, WidgetInfo, vec2};

use crate::ui::theme::Tokens;
use crate::ui::theme::tokens::{radius, size};

/// Quietest level that is shown, in dB below full scale.
const FLOOR_DB: f32 = -60.0;

/// Draws the level (0 to 1, linear) on a scale as ears have it.
pub fn show(ui: &mut Ui, tokens: &Tokens, level: f32, label: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::METER_HEIGHT), Sense::hover());
    let share = share(level);
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Meter, true, label);
        info.value = Some(f64::from((share * 100.0).round()));
        info
    });
    let corner = CornerRadius::same(radius::FULL);
    ui.painter().rect_filled(rect, corner, tokens.meter_track);
    if share > 0.0 {
        let width = (rect.width() * share).max(rect.height());
        let filled = Rect::from_min_size(rect.min, vec2(width, rect.height()));
        ui.painter().rect_filled(filled, corner, tokens.meter);
    }
    response
}

/// Share of the meter that is filled, 0 to 1.
fn share(level: f32) -> f32 {
    if level.is_finite() && level > 0.0 {
        (1.0 - 20.0 * level.min(1.0).log10() / FLOOR_DB).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_scale_is_in_decibels_and_bounded() {
        assert_eq!(share(0.0), 0.0);
        assert_eq!(share(f32::NAN), 0.0);
        assert_eq!(share(0.001), 0.0);
        assert!((share(0.1) - 2.0 / 3.0).abs() < 1e-3);
        assert_eq!(share(1.0), 1.0);
        assert_eq!(share(7.0), 1.0);
    }
}
