//! Who we are: where the key is kept, its fingerprint, and the way into a file and out of one.

use std::time::Duration;

use call_engine::{KeyStorage, Passphrase};
use egui::widgets::text_edit::TextEditState;
use egui::{FontFamily, FontId, Response, TextEdit, Ui};

use super::home::{entered, field};
use crate::identity_form::{FormProblem, IdentityForm, IdentityTask, MAX_FIELD_CHARS};
use crate::ui::theme::tokens::{motion, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::person_row;
use crate::ui::widgets::text::text;
use crate::ui::{Scene, fingerprint};
use crate::view_state::ViewState;

/// Draws the contents of the card.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    ui.add_space(space::XS);
    text(ui, i18n.text("identity-text"), fonts::small(), tokens.text_quiet);
    key_storage(ui, scene);
    own_fingerprint(ui, scene, view, commands);
    match &mut view.identity_form {
        Some(form) => show_form(ui, scene, form, commands),
        None => tasks(ui, scene, commands),
    }
    ui.add_space(space::XS);
}

fn key_storage(ui: &mut Ui, scene: &Scene<'_>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    let (words, colour) = match &scene.snapshot.people.key_storage {
        KeyStorage::Keyring => (i18n.text("identity-in-keyring"), tokens.text_quiet),
        KeyStorage::File(path) => {
            let path = path.display().to_string();
            (i18n.text_with("identity-in-file", &[("path", &path)]), tokens.text)
        }
        KeyStorage::Memory => (i18n.text("identity-in-memory"), tokens.problem_text),
    };
    text(ui, words, fonts::small(), colour);
}

fn own_fingerprint(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    ui.horizontal(|ui| {
        text(ui, i18n.text("identity-fingerprint"), fonts::body(), tokens.text);
        let digits = FontId::new(fonts::small().size, FontFamily::Monospace);
        let short = fingerprint::short(&scene.snapshot.people.own_key);
        text(ui, short, digits, tokens.text).on_hover_text(i18n.text("identity-fingerprint-hint"));
        let copied_s = view
            .fingerprint_copied_at_s
            .map(|at_s| at_s + motion::COPIED_S - ui.ctx().time());
        let is_copied = copied_s.is_some_and(|left_s| left_s > 0.0);
        let (icon, key) = if is_copied {
            (Icon::Check, "action-copied")
        } else {
            (Icon::Copy, "identity-copy")
        };
        if let Some(left_s) = copied_s.filter(|left_s| *left_s > 0.0) {
            ui.ctx().request_repaint_after(Duration::from_secs_f64(left_s));
        }
        if person_row::button(ui, scene, icon, &i18n.text(key)).clicked() {
            commands.push(UiCommand::CopyFingerprint);
        }
    });
}

fn tasks(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    ui.horizontal_wrapped(|ui| {
        for (key, task) in [
            ("identity-export", IdentityTask::Export),
            ("identity-import", IdentityTask::Import),
        ] {
            let label = scene.i18n.text(key);
            let button = TextButton::new(scene.tokens, &label, Weight::Secondary).small();
            if ui.add(button).clicked() {
                commands.push(UiCommand::OpenIdentityForm(task));
            }
        }
    });
}

fn show_form(ui: &mut Ui, scene: &Scene<'_>, form: &mut IdentityForm, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    let (explanation, done) = match form.task {
        IdentityTask::Export => ("identity-export-text", "identity-export-now"),
        IdentityTask::Import => ("identity-import-text", "identity-import-now"),
    };
    ui.add_space(space::XS);
    text(ui, i18n.text(explanation), fonts::small(), tokens.text_quiet);
    labelled(ui, scene, "identity-path", field(&mut form.path, "", MAX_FIELD_CHARS));
    let mut was_entered = secret(ui, scene, "identity-passphrase", &mut form.passphrase);
    if form.task == IdentityTask::Export {
        was_entered = secret(ui, scene, "identity-repeat", &mut form.repeated);
    }
    if let Some(problem) = form.problem {
        text(ui, i18n.text(problem_key(problem)), fonts::small(), tokens.problem_text);
    }
    ui.add_space(space::XS);
    ui.horizontal_wrapped(|ui| {
        let label = i18n.text(done);
        let button = TextButton::new(tokens, &label, Weight::Primary).small();
        if ui.add(button).clicked() || was_entered {
            commands.push(UiCommand::SubmitIdentityForm);
        }
        let label = i18n.text("people-cancel");
        if ui
            .add(TextButton::new(tokens, &label, Weight::Secondary).small())
            .clicked()
        {
            commands.push(UiCommand::CloseIdentityForm);
        }
    });
}

/// A field for a passphrase. Returns whether it was left with Enter.
fn secret(ui: &mut Ui, scene: &Scene<'_>, key: &str, content: &mut Passphrase) -> bool {
    let field = field(&mut content.0, "", MAX_FIELD_CHARS).password(true);
    let response = labelled(ui, scene, key, field);
    // What was typed is not to outlive the field in its list of things to undo.
    if let Some(mut state) = TextEditState::load(ui.ctx(), response.id) {
        state.clear_undoer();
        state.store(ui.ctx(), response.id);
    }
    entered(ui, &response)
}

/// A field below its label.
fn labelled(ui: &mut Ui, scene: &Scene<'_>, key: &str, field: TextEdit<'_>) -> Response {
    let label = text(ui, scene.i18n.text(key), fonts::small(), scene.tokens.text_quiet);
    ui.add_space(-space::XS);
    let field = field
        .id_salt(key)
        .desired_width(f32::INFINITY)
        .min_size(egui::vec2(0.0, size::BUTTON_HEIGHT_SMALL));
    ui.add(field).labelled_by(label.id)
}

fn problem_key(problem: FormProblem) -> &'static str {
    match problem {
        FormProblem::NoPath => "identity-no-path",
        FormProblem::ShortPassphrase => "identity-short",
        FormProblem::DifferentPassphrases => "identity-different",
        FormProblem::NoPassphrase => "identity-no-passphrase",
    }
}
