//! After a call: why it is over, how long it was, and what next.

use call_engine::{CallPhase, EndReason};
use egui::Ui;

use crate::i18n::clock;
use crate::ui::theme::tokens::{size, space};
use crate::ui::theme::{fonts, icons};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::column;
use crate::ui::widgets::text::text;
use crate::ui::{Scene, error_text};
use crate::view_state::ViewState;

/// Draws the screen.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let tokens = scene.tokens;
    let reason = match scene.snapshot.call.as_ref().map(|call| &call.phase) {
        Some(CallPhase::Ended(reason)) => reason,
        Some(_) | None => &EndReason::HungUp,
    };
    let words = error_text::end(reason, scene.i18n);
    column::centred(ui, "ended", size::COLUMN, |ui| {
        ui.vertical_centered(|ui| {
            let (place, _) = ui.allocate_exact_size(egui::Vec2::splat(size::WORDMARK), egui::Sense::hover());
            let apart = place.shrink(4.0);
            icons::paint_sign(ui.painter(), apart, tokens.text_quiet, tokens.text_quiet);
            ui.add_space(space::M);
            text(ui, words.title, fonts::title(), tokens.text);
            text(ui, words.text, fonts::body(), tokens.text_quiet);
            if let Some(duration) = scene.snapshot.elapsed.or(view.last_elapsed) {
                let duration = clock(duration);
                let sentence = scene.i18n.text_with("ended-duration", &[("duration", &duration)]);
                text(ui, sentence, fonts::body(), tokens.text_quiet);
            }
        });
        ui.add_space(space::XL);
        let again = scene.i18n.text("action-call-again");
        if ui
            .add(TextButton::new(tokens, &again, Weight::Primary).fill())
            .clicked()
        {
            commands.push(UiCommand::CallAgain);
        }
        ui.add_space(space::XS);
        let home = scene.i18n.text("action-home");
        if ui
            .add(TextButton::new(tokens, &home, Weight::Secondary).fill())
            .clicked()
        {
            commands.push(UiCommand::GoHome);
        }
    });
}
