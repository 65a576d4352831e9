//! In place of somebody's picture when a contact's key has changed: what that means, and a choice. Nothing of them is
//! shown or heard before it is made, and the safe choice is the large button.

use call_engine::{Badge, ParticipantSnapshot};
use egui::{CornerRadius, FontId, Rect, ScrollArea, Stroke, StrokeKind, Ui, UiBuilder, pos2, vec2};

use crate::ui::Scene;
use crate::ui::call_command::CallCommand;
use crate::ui::screens::call_words;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::chip::leading_icon;
use crate::ui::widgets::column;
use crate::ui::widgets::text::text;

/// Draws the wall over the whole tile; its words lie in `free`, where nothing else is.
pub fn show(
    ui: &mut Ui,
    scene: &Scene<'_>,
    them: &ParticipantSnapshot,
    rect: Rect,
    free: Rect,
    commands: &mut Vec<UiCommand>,
) {
    let tokens = scene.tokens;
    // Who has the window to themselves has no corners.
    let corner = CornerRadius::same(if rect == free { radius::L } else { 0 });
    ui.painter().rect_filled(rect, corner, tokens.problem_surface);
    let line = Stroke::new(size::FOCUS_RING, tokens.problem_text);
    ui.painter().rect_stroke(rect, corner, line, StrokeKind::Inside);
    let inner = free.shrink(space::S);
    let is_roomy = inner.height() >= ROOMY.y && inner.width() >= ROOMY.x;
    ui.scope_builder(UiBuilder::new().max_rect(inner).id_salt(them.peer), |ui| {
        if is_roomy {
            column::centred(ui, "wall", size::COLUMN, |ui| {
                words(ui, scene, them, fonts::title(), fonts::body());
                ui.add_space(space::L);
                choice(ui, scene, them, size::BUTTON_HEIGHT, commands);
            });
        } else {
            compact(ui, scene, them, inner.shrink(space::S), commands);
        }
    });
}

/// Less room than this, in points, and the choice is held at the lower edge while the words above it scroll.
const ROOMY: egui::Vec2 = vec2(440.0, 380.0);

fn compact(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, inner: Rect, commands: &mut Vec<UiCommand>) {
    let buttons = 2.0 * size::BUTTON_HEIGHT_SMALL + space::S;
    let above = Rect::from_min_max(inner.min, pos2(inner.right(), inner.bottom() - buttons - space::S));
    ui.scope_builder(UiBuilder::new().max_rect(above), |ui| {
        ScrollArea::vertical()
            .id_salt("wall")
            .auto_shrink(false)
            .show(ui, |ui| {
                words(ui, scene, them, fonts::heading(), fonts::small());
            });
    });
    let below = Rect::from_min_max(pos2(inner.left(), inner.bottom() - buttons), inner.max);
    ui.scope_builder(UiBuilder::new().max_rect(below), |ui| {
        choice(ui, scene, them, size::BUTTON_HEIGHT_SMALL, commands);
    });
}

fn words(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, title: FontId, body: FontId) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    let guest = i18n.text("call-nobody-name");
    let name = call_words::name(them, &guest);
    let contact = match &them.badge {
        Badge::KeyChanged { contact } => contact,
        Badge::Unverified | Badge::SameDevice { .. } | Badge::Verified { .. } => name,
    };
    ui.horizontal_top(|ui| {
        leading_icon(ui, Icon::Warning, title.size * 1.2, tokens.problem_text);
        text(ui, i18n.text("badge-changed-title"), title, tokens.problem_text);
    });
    let (who, meaning) = (
        i18n.text_with("badge-changed-who", &[("name", name), ("contact", contact)]),
        i18n.text_with("badge-changed-meaning", &[("contact", contact)]),
    );
    for sentences in [who, meaning] {
        ui.add_space(space::XS);
        text(ui, sentences, body.clone(), tokens.text);
    }
}

fn choice(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, height: f32, commands: &mut Vec<UiCommand>) {
    let answers = [
        ("badge-changed-refuse", Weight::Primary, CallCommand::Refuse(them.peer)),
        ("badge-changed-continue", Weight::Quiet, CallCommand::Admit(them.peer)),
    ];
    for (label, weight, command) in answers {
        let label = scene.i18n.text(label);
        let button = TextButton::new(scene.tokens, &label, weight).height(height).fill();
        if ui.add(button).clicked() {
            commands.push(UiCommand::InCall(command));
        }
    }
}
