//! After a call: why it is over, how long it was, and what next.

use call_engine::{CallPhase, EndReason, NotAdmitted};
use egui::Ui;

use crate::i18n::clock;
use crate::ui::theme::tokens::{size, space};
use crate::ui::theme::{Icon, fonts, icons};
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
            sign(ui, scene, reason);
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
        next(ui, scene, reason, commands);
    });
}

/// What to do now; the main button comes first.
fn next(ui: &mut Ui, scene: &Scene<'_>, reason: &EndReason, commands: &mut Vec<UiCommand>) {
    let home = ("action-home", UiCommand::GoHome);
    let answers = match reason {
        // The link leads nowhere any more.
        EndReason::NotAdmitted(NotAdmitted::Expired) => vec![home],
        EndReason::NotAdmitted(NotAdmitted::Refused | NotAdmitted::Locked) => {
            vec![("call-try-again", UiCommand::CallAgain), home]
        }
        EndReason::HungUp
        | EndReason::EveryoneLeft
        | EndReason::ServerUnreachable(_)
        | EndReason::WrongServer(_)
        | EndReason::Refused(_)
        | EndReason::PeersUnreachable(_) => vec![("action-call-again", UiCommand::CallAgain), home],
    };
    let weights = [Weight::Primary, Weight::Secondary];
    for ((label, command), weight) in answers.into_iter().zip(weights) {
        let label = scene.i18n.text(label);
        if ui.add(TextButton::new(scene.tokens, &label, weight).fill()).clicked() {
            commands.push(command);
        }
        ui.add_space(space::XS);
    }
}

/// A closed door for those who were not let in, the sign of the application for everybody else.
fn sign(ui: &mut Ui, scene: &Scene<'_>, reason: &EndReason) {
    let colour = scene.tokens.text_quiet;
    let (place, _) = ui.allocate_exact_size(egui::Vec2::splat(size::WORDMARK), egui::Sense::hover());
    let apart = place.shrink(4.0);
    match reason {
        EndReason::NotAdmitted(NotAdmitted::Refused) => Icon::Door.paint(ui.painter(), apart, colour),
        EndReason::NotAdmitted(NotAdmitted::Locked | NotAdmitted::Expired) => {
            Icon::Lock.paint(ui.painter(), apart, colour);
        }
        EndReason::HungUp
        | EndReason::EveryoneLeft
        | EndReason::ServerUnreachable(_)
        | EndReason::WrongServer(_)
        | EndReason::Refused(_)
        | EndReason::PeersUnreachable(_) => icons::paint_sign(ui.painter(), apart, colour, colour),
    }
}
