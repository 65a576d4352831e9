//! One person in a list: a circle with their letter, their name, a few words, and what can be done.

use call_engine::ContactPresence;
use egui::{Align2, Color32, FontId, Rect, Response, Role, Sense, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2};

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
    let actions_width = f32::from(buttons) * size::ROW_BUTTON + f32::from(buttons.saturating_sub(1)) * space::XS;
    let left = circle.right() + space::M;
    let words_width = (row.right() - actions_width - space::S - left).max(0.0);
    let tokens = scene.tokens;
    let line = |words: &str, font: FontId, colour: Color32, align: Align2, y: f32| {
        let mut job = egui::text::LayoutJob::simple_singleline(words.to_owned(), font, colour);
        job.wrap = egui::text::TextWrapping::truncate_at_width(words_width);
        let galley = ui.painter().layout_job(job);
        let place = align.anchor_size(pos2(left, y), galley.size());
        ui.painter().galley(place.min, galley, colour);
    };
    let middle = row.center().y;
    line(
        person.name,
        fonts::body(),
        tokens.text,
        Align2::LEFT_BOTTOM,
        middle + 1.0,
    );
    line(
        person.detail,
        fonts::small(),
        tokens.text_quiet,
        Align2::LEFT_TOP,
        middle + 1.0,
    );
    let place = Rect::from_min_max(
        pos2(row.right() - actions_width, middle - size::ROW_BUTTON / 2.0),
        pos2(row.right(), middle + size::ROW_BUTTON / 2.0),
    );
    ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        ui.horizontal(actions);
    });
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
