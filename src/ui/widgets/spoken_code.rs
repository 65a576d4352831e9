//! Three words to read over the phone, and how long they are good for.

use std::time::Duration;

use call_engine::{SpokenCodeSnapshot, spoken_words};
use egui::{CornerRadius, Frame, Margin, Role, Sense, Stroke, Ui, WidgetInfo, vec2};

use crate::i18n::clock;
use crate::ui::Scene;
use crate::ui::theme::fonts;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::text::text;

/// Draws the code with what to do with it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, code: &SpokenCodeSnapshot, commands: &mut Vec<UiCommand>) {
    let tokens = scene.tokens;
    let frame = Frame::new()
        .fill(tokens.background)
        .stroke(Stroke::new(size::HAIRLINE, tokens.outline))
        .corner_radius(CornerRadius::same(radius::M))
        .inner_margin(Margin::same(space::L as i8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.vertical_centered(|ui| {
            text(
                ui,
                scene.i18n.text("code-read-aloud"),
                fonts::small(),
                tokens.text_quiet,
            );
            three_words(ui, scene, code);
            let left = clock(Duration::from_secs(u64::from(code.expires_in_s)));
            let tries = ("tries", u64::from(code.tries_left));
            let words = scene.i18n.text_counted("code-good-for", tries, &[("time", &left)]);
            text(ui, words, fonts::small(), tokens.text_quiet);
            let label = scene.i18n.text("code-withdraw");
            if ui.add(TextButton::new(tokens, &label, Weight::Quiet).small()).clicked() {
                commands.push(UiCommand::WithdrawSpokenCode);
            }
        });
    });
}

/// Side by side, or one below the other where they do not fit.
fn three_words(ui: &mut Ui, scene: &Scene<'_>, code: &SpokenCodeSnapshot) {
    let words = spoken_words(scene.i18n.language().code(), code.words);
    let whole = words.join(" ");
    let line = |font| ui.painter().layout_no_wrap(words.join("   "), font, scene.tokens.text);
    let galley = [fonts::title(), fonts::heading()]
        .into_iter()
        .map(line)
        .find(|galley| galley.size().x <= ui.available_width())
        .unwrap_or_else(|| {
            let centred = words.join("\n");
            ui.painter()
                .layout_no_wrap(centred, fonts::heading(), scene.tokens.text)
        });
    let (rect, response) = ui.allocate_exact_size(galley.size() + vec2(0.0, space::S), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &whole));
    let at = rect.center() - galley.size() / 2.0;
    ui.painter().galley(at, galley, scene.tokens.text);
}
