//! Everything that brings somebody into our call: the link, its QR code, words to read over the phone, and who is let
//! in. For the host, while waiting or later.
//!
//! Call it in a column of at least 280 points, on `tokens.surface` or `stage.tile`:
//!
//! ```text
//! invite_panel::show(ui, scene, view, commands);
//! ```

use std::time::Duration;

use call_engine::{Door, RoomRole, ServerKind};
use egui::{Align2, Frame, Id, Margin, Modal, Role, TextEdit, Ui, Vec2, WidgetInfo, vec2};

use crate::ui::Scene;
use crate::ui::theme::tokens::{motion, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::text::text;
use crate::ui::widgets::{choice_menu, qr_code, spoken_code};
use crate::view_state::ViewState;

/// Draws the panel. Without a link it says that there will be one.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let Some(link) = &scene.snapshot.invite_link else {
        text(
            ui,
            scene.i18n.text("home-link-coming"),
            fonts::body(),
            scene.tokens.text_quiet,
        );
        return;
    };
    // Whoever asked for a code is on the phone just now.
    if let Some(code) = &scene.snapshot.people.spoken_code {
        spoken_code::show(ui, scene, code, commands);
        ui.add_space(space::XS);
    }
    copy_row(ui, scene, view, link, commands);
    ui.add_space(space::XS);
    other_ways(ui, scene, link, commands);
    if is_host(scene) {
        ui.add_space(space::S);
        rules(ui, scene, view, commands);
    }
}

fn is_host(scene: &Scene<'_>) -> bool {
    let call = scene.snapshot.call.as_ref();
    call.is_some_and(|call| call.room.role == RoomRole::Host)
}

fn copy_row(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, link: &str, commands: &mut Vec<UiCommand>) {
    let mut shown = link;
    let field = TextEdit::singleline(&mut shown)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(12, 0))
        .min_size(vec2(0.0, size::FIELD_HEIGHT))
        .align(Align2::LEFT_CENTER);
    ui.add(field).accessible_name(scene.i18n.text("call-link"));
    let (label, icon) = if was_just_copied(ui, view) {
        ("action-copied", Icon::Check)
    } else {
        ("action-copy-link", Icon::Copy)
    };
    let label = scene.i18n.text(label);
    let button = TextButton::new(scene.tokens, &label, Weight::Primary)
        .icon(Some(icon))
        .fill();
    if ui.add(button).clicked() {
        commands.push(UiCommand::CopyLink);
    }
}

/// Whether the link was put on the clipboard a moment ago.
pub fn was_just_copied(ui: &Ui, view: &ViewState) -> bool {
    let Some(at_s) = view.copied_at_s else {
        return false;
    };
    let left_s = at_s + motion::COPIED_S - ui.ctx().time();
    if left_s > 0.0 {
        ui.ctx().request_repaint_after(Duration::from_secs_f64(left_s));
    }
    left_s > 0.0
}

/// QR code and spoken code, side by side.
fn other_ways(ui: &mut Ui, scene: &Scene<'_>, link: &str, commands: &mut Vec<UiCommand>) {
    // Two people can only meet by words at a server that both know.
    let can_speak =
        is_host(scene) && scene.snapshot.server == ServerKind::Remote && scene.snapshot.people.spoken_code.is_none();
    let width = if can_speak {
        (ui.available_width() - space::S) / 2.0
    } else {
        ui.available_width()
    };
    ui.horizontal(|ui| {
        ui.allocate_ui(vec2(width, size::BUTTON_HEIGHT), |ui| qr_button(ui, scene, link));
        if can_speak {
            let label = scene.i18n.text("code-offer");
            let button = TextButton::new(scene.tokens, &label, Weight::Secondary)
                .icon(Some(Icon::Phone))
                .fill();
            if ui.add(button).clicked() {
                commands.push(UiCommand::OfferSpokenCode);
            }
        }
    });
}

/// The button, and the code over everything while it is shown: large and in the middle, for a camera held to the window.
fn qr_button(ui: &mut Ui, scene: &Scene<'_>, link: &str) {
    let label = scene.i18n.text("qr-show");
    let button = TextButton::new(scene.tokens, &label, Weight::Secondary)
        .icon(Some(Icon::QrCode))
        .fill();
    let button = ui.add(button);
    let id = button.id.with("shown");
    let was_shown = ui.data(|data| data.get_temp(id).unwrap_or(false));
    let is_shown = was_shown || button.clicked();
    let closes = is_shown && qr_dialog(ui, scene, link, &label);
    if is_shown != was_shown || closes {
        ui.data_mut(|data| data.insert_temp(id, is_shown && !closes));
    }
}

/// Draws the code over the window. Returns whether it is to be put away.
fn qr_dialog(ui: &Ui, scene: &Scene<'_>, link: &str, title: &str) -> bool {
    // In a call the panel is dark in both themes, and so is what belongs to it.
    let style = ui.style().clone();
    let frame = Frame::popup(&style).inner_margin(Margin::same(space::L as i8));
    let dialog = Modal::new(Id::unique("qr")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_style(style);
        let most = ui.ctx().content_rect().size() - Vec2::splat(2.0 * space::XXL);
        let side = size::QR_CODE.min(most.x).min(most.y - size::BUTTON_HEIGHT - space::XXL);
        ui.set_width(side);
        ui.vertical_centered(|ui| {
            if qr_code::show(ui, link, side, &scene.i18n.text("qr-label")).is_none() {
                text(ui, scene.i18n.text("qr-too-long"), fonts::body(), scene.tokens.text);
            }
            text(ui, scene.i18n.text("qr-text"), fonts::small(), scene.tokens.text_quiet);
        });
        ui.add_space(space::XS);
        let label = scene.i18n.text("action-dismiss");
        let button = TextButton::new(scene.tokens, &label, Weight::Secondary).small().fill();
        ui.add(button).clicked()
    });
    dialog
        .response
        .widget_info(|| WidgetInfo::labeled(Role::Dialog, true, title));
    dialog.inner || dialog.should_close()
}

/// Who is let in, for how long, and a new link.
fn rules(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    // What is remembered for the next calls does not hold in a call that is locked.
    let call = scene.snapshot.call.as_ref();
    if call.is_some_and(|call| call.room.door != Door::Locked) {
        choice_menu::door(ui, scene, view.door, commands);
    }
    choice_menu::invite_lifetime(ui, scene, view.invite_lifetime, commands);
    let label = scene.i18n.text("home-new-link");
    let button = TextButton::new(scene.tokens, &label, Weight::Quiet)
        .icon(Some(Icon::Again))
        .small()
        .fill();
    let hint = scene.i18n.text("home-new-link-hint");
    if ui.add(button).on_hover_text(hint).clicked() {
        commands.push(UiCommand::NewLink);
    }
}
