//! Trouble or news at the top of the window. Trouble stays until it is put away, news goes by itself.

use std::time::Duration;

use egui::accesskit::Live;
use egui::{Align2, Area, CornerRadius, Frame, Id, Margin, Order, Rect, Stroke, Ui, Vec2, vec2};

use crate::ui::Scene;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{IconButton, Look};
use crate::ui::widgets::text::text;
use crate::view_state::{NEWS_S, Notice, Tone};

/// Draws the notice over the screen.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, notice: &Notice, commands: &mut Vec<UiCommand>) {
    let tokens = scene.tokens;
    let (fill, icon, ink) = match notice.tone {
        Tone::Trouble => (tokens.problem_surface, Icon::Warning, tokens.problem_text),
        Tone::Advice => (tokens.surface, Icon::Warning, tokens.accent_text),
        Tone::News => (tokens.surface, Icon::People, tokens.accent_text),
    };
    if let (Tone::News, Some(since_s)) = (notice.tone, notice.shown_since_s) {
        let rest_s = (since_s + NEWS_S - ui.ctx().time()).max(0.0);
        ui.ctx().request_repaint_after(Duration::from_secs_f64(rest_s));
    }
    let width = size::NOTICE.min(ui.ctx().content_rect().width() - 2.0 * space::L);
    let frame = Frame::new()
        .fill(fill)
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
                    let square = Rect::from_center_size(place.center(), Vec2::splat(size::ICON_SMALL));
                    icon.paint(ui.painter(), square, ink);
                    let words_width = ui.available_width() - size::BUTTON_HEIGHT_SMALL - space::S;
                    ui.allocate_ui(vec2(words_width, 0.0), |ui| {
                        ui.set_width(words_width);
                        let response = text(ui, &notice.words, fonts::body(), tokens.text);
                        ui.ctx()
                            .accesskit_node_builder(response.id, |node| node.set_live(Live::Polite));
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
