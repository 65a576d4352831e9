//! The first screen: start a call, join one with a link or three words, or ring somebody.

use call_engine::Switch;
use egui::{Align2, Key, Margin, Rect, Response, TextEdit, Ui, UiBuilder, Vec2, vec2};

use super::people;
use crate::ui::Scene;
use crate::ui::theme::tokens::{size, space};
use crate::ui::theme::{Icon, fonts, icons};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::column;
use crate::ui::widgets::text::text;
use crate::view_state::{LINK_MAX_CHARS, NAME_MAX_CHARS, ViewState};

/// Draws the screen. Who knows nobody yet sees nothing of people.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let has_people = people::is_anybody_there(scene);
    let is_wide = has_people && ui.available_width() >= size::HOME_BREAKPOINT;
    let width = if is_wide { size::HOME_WIDE } else { size::COLUMN };
    // The height is remembered by name: it is another one with people.
    let name = match (is_wide, has_people) {
        (true, _) => "home_wide",
        (false, true) => "home_people",
        (false, false) => "home",
    };
    column::centred(ui, name, width, |ui| {
        if is_wide {
            side_by_side(ui, scene, view, commands);
        } else {
            calls(ui, scene, view, commands);
            if has_people {
                ui.add_space(space::XL);
                people::show(ui, scene, view, commands);
            }
            ui.add_space(space::XL);
            more(ui, scene, commands);
        }
    });
}

fn side_by_side(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let whole = ui.available_rect_before_wrap();
    let column = (whole.width() - space::XXL) / 2.0;
    let left = Rect::from_min_size(whole.min, vec2(column, whole.height()));
    let right = left.translate(vec2(column + space::XXL, 0.0));
    let left = ui.scope_builder(UiBuilder::new().max_rect(left), |ui| {
        calls(ui, scene, view, commands);
        ui.add_space(space::XL);
        more(ui, scene, commands);
    });
    let right = ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
        people::show(ui, scene, view, commands)
    });
    ui.advance_cursor_after_rect(left.response.rect.union(right.response.rect));
}

/// Start a call, or join one.
fn calls(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    wordmark(ui, scene);
    ui.add_space(space::XXL - space::S);
    name_field(ui, scene, view, commands);
    ui.add_space(space::L);
    start(ui, scene, commands);
    ui.add_space(space::XL);
    join(ui, scene, view, commands);
}

fn wordmark(ui: &mut Ui, scene: &Scene<'_>) {
    let tokens = scene.tokens;
    let word = ui
        .painter()
        .layout_no_wrap("Visavis".to_owned(), fonts::display(), tokens.text);
    let width = size::WORDMARK + space::M + word.size().x;
    let (row, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::WORDMARK), egui::Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Heading, true, "Visavis"));
    let left = row.center().x - width / 2.0;
    let sign = egui::Rect::from_min_size(egui::pos2(left, row.top()), Vec2::splat(size::WORDMARK));
    icons::paint_sign(ui.painter(), sign.shrink(4.0), tokens.accent, tokens.text);
    let at = egui::pos2(sign.right() + space::M, row.center().y - word.size().y / 2.0);
    ui.painter().galley(at, word, tokens.text);
    ui.vertical_centered(|ui| {
        text(ui, scene.i18n.text("home-tagline"), fonts::body(), tokens.text_quiet);
    });
}

fn name_field(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let label = text(
        ui,
        scene.i18n.text("home-name"),
        fonts::small(),
        scene.tokens.text_quiet,
    );
    ui.add_space(-space::XS);
    let hint = scene.i18n.text("home-name-hint");
    let field = field(&mut view.name, &hint, NAME_MAX_CHARS).desired_width(f32::INFINITY);
    if ui.add(field).labelled_by(label.id).lost_focus() {
        commands.push(UiCommand::KeepName);
    }
}

fn start(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    let label = scene.i18n.text("home-start");
    let button = TextButton::new(scene.tokens, &label, Weight::Primary)
        .icon(Some(Icon::Camera))
        .fill();
    if ui.add(button).clicked() {
        commands.push(UiCommand::StartCall);
    }
    ui.vertical_centered(|ui| {
        text(
            ui,
            scene.i18n.text("home-start-hint"),
            fonts::small(),
            scene.tokens.text_quiet,
        );
    });
}

fn join(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let label = text(
        ui,
        scene.i18n.text("home-join-label"),
        fonts::small(),
        scene.tokens.text_quiet,
    );
    ui.add_space(-space::XS);
    ui.horizontal(|ui| {
        let words = scene.i18n.text("home-join");
        let button_width = ui
            .painter()
            .layout_no_wrap(words.clone(), fonts::body(), scene.tokens.text)
            .size()
            .x;
        let field_width = ui.available_width() - button_width - 2.0 * space::L - space::S;
        let hint = scene.i18n.text("home-join-hint");
        let field = field(&mut view.link, &hint, LINK_MAX_CHARS).desired_width(field_width);
        let response = ui.add(field).labelled_by(label.id);
        let button = TextButton::new(scene.tokens, &words, Weight::Secondary);
        if ui.add(button).clicked() || entered(ui, &response) {
            commands.push(UiCommand::JoinCall);
        }
    });
}

/// Whether the field was left with Enter.
pub fn entered(ui: &Ui, response: &Response) -> bool {
    response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

/// A field of one line.
pub fn field<'t>(content: &'t mut String, hint: &str, max_chars: usize) -> TextEdit<'t> {
    TextEdit::singleline(content)
        .hint_text(hint.to_owned())
        .char_limit(max_chars)
        .margin(Margin::symmetric(12, 0))
        .min_size(vec2(0.0, size::FIELD_HEIGHT))
        .align(Align2::LEFT_CENTER)
}

/// What is seldom needed, small, in the middle.
fn more(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    let (test, settings) = (scene.i18n.text("home-test-call"), scene.i18n.text("settings-open"));
    let width = |label: &str| TextButton::new(scene.tokens, label, Weight::Quiet).words_width(ui);
    let both = width(&test) + width(&settings) + space::S;
    let fits = both <= ui.available_width();
    let buttons = |ui: &mut Ui, commands: &mut Vec<UiCommand>| {
        let button = TextButton::new(scene.tokens, &test, Weight::Quiet).small();
        let hint = scene.i18n.text("home-test-call-hint");
        if ui.add(button).on_hover_text(hint).clicked() {
            commands.push(UiCommand::StartTestCall);
        }
        let button = TextButton::new(scene.tokens, &settings, Weight::Quiet).small();
        if ui.add(button).clicked() {
            commands.push(UiCommand::OpenSettings);
        }
    };
    if fits {
        ui.horizontal(|ui| {
            ui.add_space((ui.available_width() - both) / 2.0);
            buttons(ui, commands);
        });
    } else {
        ui.vertical_centered(|ui| buttons(ui, commands));
    }
    undisturbed(ui, scene, commands);
}

/// Who has asked not to be disturbed should not forget it.
fn undisturbed(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    if scene.snapshot.people.do_not_disturb == Switch::Off {
        return;
    }
    ui.add_space(space::S);
    ui.vertical_centered(|ui| {
        let words = scene.i18n.text("people-undisturbed");
        text(ui, words, fonts::small(), scene.tokens.text_quiet);
        let label = scene.i18n.text("people-disturb");
        let button = TextButton::new(scene.tokens, &label, Weight::Quiet).small();
        if ui.add(button).clicked() {
            commands.push(UiCommand::DoNotDisturb(Switch::Off));
        }
    });
}
