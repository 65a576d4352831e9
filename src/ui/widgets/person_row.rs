//! One person in a list: a circle with their letter, their name, a few words, and what can be done.

use std::sync::Arc;

use call_engine::ContactPresence;
use egui::text::{LayoutJob, TextWrapping};
use egui::{Align2, Color32, FontId, Galley, Rect, Response, Role, Sense, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2};

use crate::ui::Scene;
use crate::ui::theme::tokens::{size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::widgets::buttons::{IconButton, Look};
use crate::ui::widgets::video_tile::initial;

/// Whom a row is about.
pub struct Person<'a> {
    /// Their name.
    pub name: &'a str,
    /// A few words below it.
    pub detail: &'a str,
    /// The dot beside the circle; none where it means nothing.
    pub presence: Option<ContactPresence>,
    /// Chooses the colour of the circle.
    pub seed: u8,
    /// What assistive technology reads.
    pub label: &'a str,
}

/// Draws a row with `buttons` round buttons, which `actions` adds from left to right.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, person: &Person<'_>, buttons: u8, actions: impl FnOnce(&mut Ui)) {
    let (row, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::PERSON_ROW), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, person.label));
    let circle = Rect::from_center_size(
        pos2(row.left() + size::AVATAR / 2.0, row.center().y),
        Vec2::splat(size::AVATAR),
    );
    avatar(ui, scene, circle, person.name, person.seed);
    if let Some(presence) = person.presence {
        dot(ui, scene, circle, presence);
    }
    let place = actions_place(row, buttons);
    let left = circle.right() + space::M;
    let words_width = (place.left() - space::S - left).max(0.0);
    let tokens = scene.tokens;
    let middle = row.center().y;
    let name = one_line(ui, person.name, fonts::body(), tokens.text, words_width);
    let at = pos2(left, middle + 1.0 - name.size().y);
    ui.painter().galley(at, name, tokens.text);
    let detail = one_line(ui, person.detail, fonts::small(), tokens.text_quiet, words_width);
    ui.painter().galley(pos2(left, middle + 1.0), detail, tokens.text_quiet);
    in_place(ui, place, actions);
}

/// Somebody on a single line.
pub struct Line<'a> {
    /// Their name.
    pub name: &'a str,
    /// A few words beside it.
    pub detail: &'a str,
    /// What assistive technology reads.
    pub label: &'a str,
}

/// Draws a line with `buttons` round buttons, which `actions` adds from left to right. Where there is little room, the
/// name is cut rather than the words beside it.
pub fn line(ui: &mut Ui, scene: &Scene<'_>, line: &Line<'_>, buttons: u8, actions: impl FnOnce(&mut Ui)) {
    let (row, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::MISSED_ROW), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, line.label));
    let tokens = scene.tokens;
    let place = actions_place(row, buttons.max(1));
    let detail = one_line(ui, line.detail, fonts::small(), tokens.text_quiet, row.width() / 2.0);
    let detail_left = place.left() - space::S - detail.size().x;
    let name_width = (detail_left - space::M - row.left()).max(0.0);
    let name = one_line(ui, line.name, fonts::body(), tokens.text, name_width);
    let middle = row.center().y;
    let name_at = pos2(row.left(), middle - name.size().y / 2.0);
    let detail_at = pos2(detail_left, middle - detail.size().y / 2.0);
    ui.painter().galley(name_at, name, tokens.text);
    ui.painter().galley(detail_at, detail, tokens.text_quiet);
    in_place(ui, place, actions);
}

/// Where the buttons of a row are.
fn actions_place(row: Rect, buttons: u8) -> Rect {
    let width = f32::from(buttons) * size::ROW_BUTTON + f32::from(buttons.saturating_sub(1)) * space::XS;
    let middle = row.center().y;
    Rect::from_min_max(
        pos2(row.right() - width, middle - size::ROW_BUTTON / 2.0),
        pos2(row.right(), middle + size::ROW_BUTTON / 2.0),
    )
}

fn in_place(ui: &mut Ui, place: Rect, actions: impl FnOnce(&mut Ui)) {
    ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        ui.horizontal(actions);
    });
}

fn one_line(ui: &Ui, words: &str, font: FontId, colour: Color32, most: f32) -> Arc<Galley> {
    let mut job = LayoutJob::simple_singleline(words.to_owned(), font, colour);
    job.wrap = TextWrapping::truncate_at_width(most);
    ui.painter().layout_job(job)
}

/// A round button of a row.
pub fn button(ui: &mut Ui, scene: &Scene<'_>, icon: Icon, label: &str) -> Response {
    let button = IconButton::new(scene.tokens, icon, label, Look::Plain).diameter(size::ROW_BUTTON);
    ui.add(button).on_hover_text(label)
}

/// A circle with the first letter of a name.
pub fn avatar(ui: &Ui, scene: &Scene<'_>, circle: Rect, name: &str, seed: u8) {
    let stage = &scene.tokens.stage;
    let colour = stage.avatars[usize::from(seed) % stage.avatars.len()];
    let diameter = circle.width();
    ui.painter().circle_filled(circle.center(), diameter / 2.0, colour);
    let font = FontId::proportional(diameter * 0.46);
    ui.painter().text(
        circle.center(),
        Align2::CENTER_CENTER,
        initial(name),
        font,
        stage.on_avatar,
    );
}

/// At the lower right of the circle: full for online, an empty ring otherwise, so that it can be told without colour.
fn dot(ui: &Ui, scene: &Scene<'_>, circle: Rect, presence: ContactPresence) {
    let tokens = scene.tokens;
    let radius = size::PRESENCE_DOT / 2.0;
    let centre = circle.right_bottom() - Vec2::splat(radius + 0.5);
    ui.painter().circle_filled(centre, radius + 2.0, tokens.surface);
    match presence {
        ContactPresence::Online => ui.painter().circle_filled(centre, radius, tokens.online),
        ContactPresence::Offline => {
            let line = egui::Stroke::new(size::FOCUS_RING, tokens.text_quiet);
            ui.painter().circle_stroke(centre, radius - 1.0, line)
        }
    };
}
