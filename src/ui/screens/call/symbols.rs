//! The card with the four symbols, and the one that says what to do when they differ.

use call_engine::{ParticipantSnapshot, Symbols};
use egui::{Align2, CornerRadius, Rect, Role, Sense, Ui, Vec2, WidgetInfo, vec2};

use crate::symbols::Symbol;
use crate::ui::Scene;
use crate::ui::call_command::{CallCommand, Card};
use crate::ui::screens::call_words;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::chip::leading_icon;
use crate::ui::widgets::sheet;
use crate::ui::widgets::text::text;

/// Draws the card to compare; nothing while there are no symbols.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, area: Rect, commands: &mut Vec<UiCommand>) {
    let Some(symbols) = them.symbols else {
        return;
    };
    let guest = scene.i18n.text("call-nobody-name");
    let title = scene
        .i18n
        .text_with("symbols-title", &[("name", call_words::name(them, &guest))]);
    sheet::show(ui, scene, area, size::SYMBOLS_CARD, &title, commands, |ui, commands| {
        four(ui, scene, symbols);
        ui.add_space(space::S);
        let words = scene.i18n.text("symbols-text");
        text(ui, words, fonts::body(), scene.tokens.text);
        ui.add_space(space::S);
        // Neither is the one thing to do: whoever has not compared should not be led to an answer.
        let answers = [
            (CallCommand::SymbolsMatch(them.peer), Weight::Secondary),
            (CallCommand::Open(Card::SymbolsDiffer(them.peer)), Weight::Secondary),
        ];
        for (command, weight) in answers {
            if let Some(face) = command.face() {
                let label = scene.i18n.text(face.label);
                let button = TextButton::new(scene.tokens, &label, weight).icon(face.icon).fill();
                if ui.add(button).clicked() {
                    commands.push(UiCommand::InCall(command));
                }
            }
        }
    });
}

/// Four boxes beside each other; two by two where they would be too narrow to read.
fn four(ui: &mut Ui, scene: &Scene<'_>, symbols: Symbols) {
    let beside = if ui.available_width() < 3.2 * size::SYMBOL_BOX {
        2
    } else {
        4
    };
    let gaps = space::S * (beside - 1) as f32;
    let width = ((ui.available_width() - gaps) / beside as f32).floor();
    let height = if beside == 4 {
        size::SYMBOL_BOX
    } else {
        size::SYMBOL_BOX_LOW
    };
    for row in symbols.chunks(beside) {
        ui.horizontal(|ui| {
            for symbol in row {
                one(ui, scene, Symbol::of(*symbol), vec2(width, height));
            }
        });
    }
}

/// The picture over its name; the name is what is read aloud, by people and by assistive technology.
fn one(ui: &mut Ui, scene: &Scene<'_>, symbol: Symbol, size: Vec2) {
    let tokens = scene.tokens;
    let name = symbol.name(scene.i18n.language());
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, name));
    ui.painter()
        .rect_filled(rect, CornerRadius::same(radius::M), tokens.raised);
    let middle = rect.center() - vec2(0.0, space::M);
    ui.painter().text(
        middle,
        Align2::CENTER_CENTER,
        symbol.picture,
        fonts::symbol(),
        tokens.text,
    );
    let mut font = fonts::body();
    let words = |font| ui.painter().layout_no_wrap(name.to_owned(), font, tokens.text);
    let most = size.x - space::S;
    let natural = words(font.clone()).size().x;
    if natural > most {
        font.size *= most / natural;
    }
    let galley = words(font);
    let at = rect.center_bottom() - vec2(galley.size().x / 2.0, galley.size().y + space::S);
    ui.painter().galley(at, galley, tokens.text);
}

/// Draws the card that says what differing symbols mean and what to do.
pub fn differ(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, area: Rect, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    let guest = i18n.text("call-nobody-name");
    let name = call_words::name(them, &guest);
    let title = i18n.text("symbols-differ-title");
    sheet::show(ui, scene, area, size::CARD, &title, commands, |ui, commands| {
        ui.horizontal_top(|ui| {
            leading_icon(ui, Icon::Warning, size::ICON_LARGE, tokens.problem_text);
            let words = i18n.text_with("symbols-differ-meaning", &[("name", name)]);
            text(ui, words, fonts::body(), tokens.problem_text);
        });
        ui.add_space(space::XS);
        text(ui, i18n.text("symbols-differ-do"), fonts::body(), tokens.text);
        ui.add_space(space::M);
        let answers = [
            ("call-leave", Weight::Danger, UiCommand::HangUp),
            (
                "badge-changed-refuse",
                Weight::Secondary,
                UiCommand::InCall(CallCommand::Refuse(them.peer)),
            ),
            (
                "symbols-again",
                Weight::Quiet,
                UiCommand::InCall(CallCommand::Open(Card::Symbols(them.peer))),
            ),
        ];
        for (label, weight, command) in answers {
            let label = i18n.text(label);
            if ui.add(TextButton::new(tokens, &label, weight).fill()).clicked() {
                commands.push(command);
            }
        }
    });
}
