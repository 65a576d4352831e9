//! Trouble that the user should know of, at the top of the window until it is put away.

use egui::{Align2, Area, CornerRadius, Frame, Id, Margin, Order, Rect, Stroke, Ui, Vec2, vec2};

use crate::ui::Scene;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{IconButton, Look};
use crate::ui::widgets::text::text;

/// Draws the notice over the screen.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, words: &str, commands: &mut Vec<UiCommand>) {
    let tokens = scene.tokens;
    let width = size::NOTICE.min(ui.ctx().content_rect().width() - 2.0 * space::L);
    let frame = Frame::new()
        .fill(tokens.problem_surface)
        .stroke(Stroke::new(size::HAIRLINE, tokens.outline))
        .corner_radius(CornerRadius::same(radius::M))
        .inner_margin(Margin::symmetric(14, 10))
        .shadow(ui.visuals().popup_shadow);
    Area::new(Id::unique("notice"))
        .order(Order::Foreground)
        .anchor(Align2::CENTER_TOP, vec2(0.0, space::L))
        .fade_in(false)
        .show(ui.ctx(), |ui| {
            frame.show(ui, |ui| {
                ui.set_width(width - 28.0);
                ui.horizontal_top(|ui| {
                    let (place, _) = ui.allocate_exact_size(Vec2::splat(size::ICON), egui::Sense::hover());
                    let icon = Rect::from_center_size(place.center(), Vec2::splat(size::ICON_SMALL));
                    Icon::Warning.paint(ui.painter(), icon, tokens.problem_text);
                    let words_width = ui.available_width() - size::BUTTON_HEIGHT_SMALL - space::S;
                    ui.allocate_ui(vec2(words_width, 0.0), |ui| {
                        ui.set_width(words_width);
                        text(ui, words, fonts::body(), tokens.text);
                    });
                    let label = scene.i18n.text("action-dismiss");
                    let button = IconButton::new(tokens, Icon::Close, &label, Look::Plain).diameter(28.0);
                    if ui.add(button).on_hover_text(&label).clicked() {
                        commands.push(UiCommand::DismissNotice);
                    }
                });
            });
        });
}
