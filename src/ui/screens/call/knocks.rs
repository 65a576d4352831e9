//! Who knocks: as host a list with a choice for each, as somebody else a line. At the edge, so that talking goes on.

use call_engine::{Admission, Badge, CallSnapshot, ParticipantSnapshot};
use egui::{Align, CornerRadius, Frame, Layout, Margin, Rect, ScrollArea, Stroke, Ui, UiBuilder, pos2};

use crate::ui::call_command::CallCommand;
use crate::ui::screens::call_words;
use crate::ui::theme::fonts;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::chip::leading_icon;
use crate::ui::widgets::text::text;
use crate::ui::{Scene, badge};

/// More rows than this scroll: a stranger with the link can knock as often as they like.
const ROWS: f32 = 2.5;
/// About the height of a row.
const ROW: f32 = 96.0;
/// More people than this who wait for the host are not named.
const MOST_LINES: usize = 3;

/// Everybody who waits for our decision.
pub fn knocking(call: &CallSnapshot) -> impl Iterator<Item = &ParticipantSnapshot> {
    call.participants
        .iter()
        .filter(|them| them.admission == Admission::Knocking)
}

/// Draws the list of a host below `top`, at the right edge; nothing when nobody knocks.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, call: &CallSnapshot, area: Rect, top: f32, commands: &mut Vec<UiCommand>) {
    if knocking(call).next().is_none() {
        return;
    }
    let tokens = scene.tokens;
    let width = size::CARD.min(area.width() - 2.0 * space::L);
    let is_wide = area.width() >= size::CARD_BREAKPOINT;
    let top = if is_wide { area.top() + space::L } else { top };
    let place = Rect::from_min_max(
        pos2(area.right() - space::L - width, top),
        pos2(area.right() - space::L, area.bottom()),
    );
    let frame = Frame::new()
        .fill(tokens.surface)
        .stroke(Stroke::new(size::HAIRLINE, tokens.outline))
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::same(14))
        .shadow(ui.visuals().popup_shadow);
    let layout = Layout::top_down(Align::Min);
    ui.scope_builder(UiBuilder::new().max_rect(place).layout(layout), |ui| {
        frame.show(ui, |ui| {
            ui.set_width(width - 28.0);
            let most = (ROW * ROWS).min(area.height() * 0.5);
            ScrollArea::vertical().id_salt("rows").max_height(most).show(ui, |ui| {
                ui.set_width(width - 28.0);
                for (index, them) in knocking(call).enumerate() {
                    if index > 0 {
                        ui.add_space(space::S);
                        ui.separator();
                        ui.add_space(space::XS);
                    }
                    row(ui, scene, them, commands);
                }
            });
        });
    });
}

fn row(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, commands: &mut Vec<UiCommand>) {
    let (tokens, i18n) = (scene.tokens, scene.i18n);
    let guest = i18n.text("call-nobody-name");
    let name = call_words::name(them, &guest);
    text(
        ui,
        i18n.text_with("knock-wants-in", &[("name", name)]),
        fonts::body(),
        tokens.text,
    );
    ui.add_space(-space::XS);
    let colour = badge::colour(&them.badge, tokens);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        leading_icon(ui, badge::icon(&them.badge), size::ICON_SMALL, colour);
        text(ui, standing(scene, them), fonts::small(), colour);
    });
    ui.horizontal(|ui| {
        // What is safe comes first where something is wrong.
        let (admit, refuse) = match them.badge {
            Badge::KeyChanged { .. } => (Weight::Quiet, Weight::Primary),
            Badge::Unverified | Badge::SameDevice { .. } | Badge::Verified { .. } => {
                (Weight::Primary, Weight::Secondary)
            }
        };
        let answers = [
            ("knock-admit", "knock-admit-name", admit, CallCommand::Admit(them.peer)),
            (
                "knock-refuse",
                "knock-refuse-name",
                refuse,
                CallCommand::Refuse(them.peer),
            ),
        ];
        for (label, spoken, weight, command) in answers {
            let label = i18n.text(label);
            let spoken = i18n.text_with(spoken, &[("name", name)]);
            let button = TextButton::new(tokens, &label, weight).small().spoken(&spoken);
            if ui.add(button).clicked() {
                commands.push(UiCommand::InCall(command));
            }
        }
    });
}

/// What the host should know of them before the choice.
fn standing(scene: &Scene<'_>, them: &ParticipantSnapshot) -> String {
    match &them.badge {
        Badge::Unverified => scene.i18n.text("knock-unknown"),
        Badge::SameDevice { .. } | Badge::Verified { .. } | Badge::KeyChanged { .. } => {
            badge::sentence(&them.badge, scene.i18n)
        }
    }
}

/// For everybody but the host: who waits, a line each.
pub fn waiting_lines(scene: &Scene<'_>, call: &CallSnapshot) -> Vec<String> {
    let guest = scene.i18n.text("call-nobody-name");
    let waiting = call
        .participants
        .iter()
        .filter(|them| them.admission == Admission::AwaitingHost);
    waiting
        .map(|them| {
            let name = call_words::name(them, &guest);
            scene.i18n.text_with("knock-waits", &[("name", name)])
        })
        .take(MOST_LINES)
        .collect()
}
