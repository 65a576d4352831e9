//! A column in the middle of the window that scrolls when the window is too small for it.

use egui::{Align, Layout, Rect, ScrollArea, Ui, UiBuilder, pos2, vec2};

use crate::ui::theme::tokens::space;

/// Lays contents out in a column of at most `width`, in the middle of the free space both ways.
pub fn centred(ui: &mut Ui, name: &'static str, width: f32, contents: impl FnOnce(&mut Ui)) {
    let area = ui.available_rect_before_wrap();
    ScrollArea::vertical().id_salt(name).auto_shrink(false).show(ui, |ui| {
        let height_id = ui.scope_id().with("height");
        let known: Option<f32> = ui.data(|data| data.get_temp(height_id));
        let width = width.min(area.width() - 2.0 * space::L);
        let free = area.height() - known.unwrap_or(area.height());
        let top = ui.min_rect().top() + (free / 2.0).max(space::XL).round();
        let left = (area.center().x - width / 2.0).round();
        let rect = Rect::from_min_size(pos2(left, top), vec2(width, f32::INFINITY));
        let layout = Layout::top_down(Align::Min);
        let inner = ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), |ui| {
            ui.set_width(width);
            contents(ui);
        });
        let height = inner.response.rect.height();
        ui.add_space(space::XL);
        if known.is_none_or(|known| (known - height).abs() > 0.5) {
            ui.data_mut(|data| data.insert_temp(height_id, height));
            ui.ctx().request_discard("the height of the column is known now");
        }
    });
}
