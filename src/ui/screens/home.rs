//! The first screen: start a call, or join one with a link.

use egui::{Align2, ComboBox, Key, Margin, Response, TextEdit, Ui, Vec2, vec2};

use crate::i18n::Language;
use crate::settings::ThemeChoice;
use crate::ui::Scene;
use crate::ui::theme::tokens::{size, space};
use crate::ui::theme::{Icon, fonts, icons};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::column;
use crate::ui::widgets::text::text;
use crate::view_state::{LINK_MAX_CHARS, NAME_MAX_CHARS, ViewState};

/// Draws the screen.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    column::centred(ui, "home", size::COLUMN, |ui| {
        wordmark(ui, scene);
        ui.add_space(space::XXL - space::S);
        name_field(ui, scene, view, commands);
        ui.add_space(space::L);
        start(ui, scene, commands);
        ui.add_space(space::XL);
        join(ui, scene, view, commands);
        ui.add_space(space::XL);
        test_call(ui, scene, commands);
        ui.add_space(space::XL);
        appearance(ui, scene, view, commands);
    });
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
fn entered(ui: &Ui, response: &Response) -> bool {
    response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

fn field<'t>(content: &'t mut String, hint: &str, max_chars: usize) -> TextEdit<'t> {
    TextEdit::singleline(content)
        .hint_text(hint.to_owned())
        .char_limit(max_chars)
        .margin(Margin::symmetric(12, 0))
        .min_size(vec2(0.0, size::FIELD_HEIGHT))
        .align(Align2::LEFT_CENTER)
}

fn test_call(ui: &mut Ui, scene: &Scene<'_>, commands: &mut Vec<UiCommand>) {
    ui.vertical_centered(|ui| {
        let label = scene.i18n.text("home-test-call");
        let button = TextButton::new(scene.tokens, &label, Weight::Quiet).small();
        if ui
            .add(button)
            .on_hover_text(scene.i18n.text("home-test-call-hint"))
            .clicked()
        {
            commands.push(UiCommand::StartTestCall);
        }
    });
}

/// Language and theme, small, at the bottom.
fn appearance(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    ui.style_mut().override_font_id = Some(fonts::small());
    ui.spacing_mut().button_padding = vec2(space::S, space::XS);
    let width = (ui.available_width() - space::S) / 2.0;
    ui.horizontal(|ui| {
        language_menu(ui, scene, view, width, commands);
        theme_menu(ui, scene, view, width, commands);
    });
}

fn language_menu(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, width: f32, commands: &mut Vec<UiCommand>) {
    let label = scene.i18n.text("home-language");
    let of_system = scene.i18n.text("language-system");
    let name = |language: Option<Language>| match language {
        Some(language) => language.own_name().to_owned(),
        None => of_system.clone(),
    };
    let menu = ComboBox::from_id_salt("language")
        .width(width)
        .selected_text(format!("{label}: {}", name(view.language)))
        .truncate()
        .show_ui(ui, |ui| {
            for language in std::iter::once(None).chain(Language::ALL.map(Some)) {
                if ui.selectable_label(view.language == language, name(language)).clicked() {
                    commands.push(UiCommand::ChooseLanguage(language));
                }
            }
        });
    menu.response.accessible_name(label);
}

fn theme_menu(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, width: f32, commands: &mut Vec<UiCommand>) {
    let label = scene.i18n.text("home-theme");
    let name = |theme: ThemeChoice| {
        scene.i18n.text(match theme {
            ThemeChoice::System => "theme-system",
            ThemeChoice::Light => "theme-light",
            ThemeChoice::Dark => "theme-dark",
        })
    };
    let menu = ComboBox::from_id_salt("theme")
        .width(width)
        .selected_text(format!("{label}: {}", name(view.theme)))
        .truncate()
        .show_ui(ui, |ui| {
            for theme in [ThemeChoice::System, ThemeChoice::Light, ThemeChoice::Dark] {
                if ui.selectable_label(view.theme == theme, name(theme)).clicked() {
                    commands.push(UiCommand::ChooseTheme(theme));
                }
            }
        });
    menu.response.accessible_name(label);
}
