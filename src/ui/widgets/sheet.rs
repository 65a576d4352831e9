//! A card over a call: a title, something below it, and a button that puts it away. The call goes on behind it.

use egui::{Align, CornerRadius, Frame, Layout, Margin, Rect, ScrollArea, Sense, Stroke, Ui, UiBuilder, pos2, vec2};

use crate::ui::Scene;
use crate::ui::call_command::CallCommand;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{IconButton, Look};
use crate::ui::widgets::text::text;

/// Inside the card, in points.
const PADDING: i8 = 18;
/// The button that puts it away.
const CLOSE: f32 = 34.0;

/// Draws a card into the upper right of `area`, in the middle where the window is narrow. What does not fit scrolls.
pub fn show(
    ui: &mut Ui,
    scene: &Scene<'_>,
    area: Rect,
    width: f32,
    title: &str,
    commands: &mut Vec<UiCommand>,
    contents: impl FnOnce(&mut Ui, &mut Vec<UiCommand>),
) {
    let tokens = scene.tokens;
    let width = width.min(area.width() - 2.0 * space::M);
    let left = if area.width() < size::CARD_BREAKPOINT {
        area.center().x - width / 2.0
    } else {
        area.right() - space::L - width
    };
    let place = Rect::from_min_size(
        pos2(left.round(), area.top() + space::L),
        vec2(width, area.height() - 2.0 * space::L),
    );
    let frame = Frame::new()
        .fill(tokens.surface)
        .stroke(Stroke::new(size::HAIRLINE, tokens.outline))
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::same(PADDING))
        .shadow(ui.visuals().popup_shadow);
    let layout = Layout::top_down(Align::Min);
    ui.scope_builder(UiBuilder::new().max_rect(place).layout(layout), |ui| {
        let inner = width - 2.0 * f32::from(PADDING);
        let most = place.height() - 2.0 * f32::from(PADDING) - CLOSE - space::S;
        // Before the contents, so that they come first where both are under the pointer.
        let known: Option<Rect> = ui.data(|data| data.get_temp(ui.scope_id()));
        if let Some(known) = known {
            ui.interact(known, ui.scope_id().with("ground"), Sense::CLICK);
        }
        let drawn = frame.show(ui, |ui| {
            ui.set_width(inner);
            header(ui, scene, title, inner, commands);
            ui.add_space(space::XS);
            ScrollArea::vertical()
                .id_salt(title)
                .max_height(most.max(size::BUTTON_HEIGHT))
                .show(ui, |ui| {
                    ui.set_width(inner);
                    contents(ui, commands);
                });
        });
        let rect = drawn.response.rect;
        if known != Some(rect) {
            ui.data_mut(|data| data.insert_temp(ui.scope_id(), rect));
        }
    });
}

fn header(ui: &mut Ui, scene: &Scene<'_>, title: &str, width: f32, commands: &mut Vec<UiCommand>) {
    ui.horizontal_top(|ui| {
        let words = width - CLOSE - space::S;
        ui.vertical(|ui| {
            ui.set_width(words);
            ui.add_space(space::XS);
            text(ui, title, fonts::heading(), scene.tokens.text);
        });
        let label = scene.i18n.text("action-dismiss");
        let button = IconButton::new(scene.tokens, Icon::Close, &label, Look::Plain).diameter(CLOSE);
        if ui.add(button).on_hover_text(&label).clicked() {
            commands.push(UiCommand::InCall(CallCommand::Close));
        }
    });
}
