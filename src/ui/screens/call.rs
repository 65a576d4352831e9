//! The call: others large, oneself small, a bar of controls.

mod alarm;
mod door;
mod key_changed;
mod knocking;
mod knocks;
mod person;
mod symbols;
mod tiles;

use std::time::Duration;

use call_engine::{
    Admission, CallPhase, CallSnapshot, DeviceStatus, Door, ParticipantSnapshot, PeerKey, RoomRole, Switch,
};
use egui::{Align, CornerRadius, Frame, Layout, Margin, Rect, ScrollArea, Theme, Ui, UiBuilder, pos2, vec2};

use super::call_words;
use crate::ui::Scene;
use crate::ui::call_command::{CallCommand, Card};
use crate::ui::pictures::{Fit, Mirror, PictureId};
use crate::ui::theme::tokens::{DARK, motion, radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::Look;
use crate::ui::widgets::chip::{self, Chip};
use crate::ui::widgets::control_bar::{self, command_button};
use crate::ui::widgets::text::text;
use crate::ui::widgets::video_tile::{self, Caption, Outline, Tile};
use crate::ui::widgets::{invite_panel, sheet};
use crate::view_state::ViewState;

/// The elapsed time changes once a second.
const TICK: Duration = Duration::from_secs(1);

/// Draws the screen. It is dark in both themes.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let Some(call) = &scene.snapshot.call else {
        return;
    };
    let scene = &Scene {
        tokens: &DARK,
        ..*scene
    };
    let dark = ui.ctx().style_of(Theme::Dark);
    ui.scope(|ui| {
        ui.set_style(dark);
        if call.phase == CallPhase::Knocking {
            knocking::show(ui, scene, view, call, commands);
            status(ui, scene, view, call, ui.max_rect(), commands);
        } else {
            stage(ui, scene, view, call, commands);
        }
    });
    if scene.snapshot.elapsed.is_some() {
        ui.ctx().request_repaint_after(TICK);
    }
}

/// Pictures, the row of controls, and what lies over them.
fn stage(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, call: &CallSnapshot, commands: &mut Vec<UiCommand>) {
    let area = ui.max_rect();
    tiles::show(ui, scene, call, area, commands);
    let bar = bar_rect(scene, call, area);
    if let Some(rect) = own_rect(scene, call, area, bar) {
        own(ui, scene, view, call, rect);
    }
    let below = status(ui, scene, view, call, area, commands);
    if call_words::present(call).next().is_none() && view.card.is_none() {
        let free = Rect::from_min_max(
            pos2(area.left(), below + space::S),
            pos2(area.right(), bar.top() - space::M),
        );
        waiting_card(ui, scene, view, call, free, commands);
    }
    controls(ui, scene, call, bar, commands);
    let above_bar = Rect::from_min_max(area.min, pos2(area.right(), bar.top()));
    match view.card {
        Some(card) => open_card(ui, scene, view, call, card, above_bar, commands),
        None => knocks::show(ui, scene, call, above_bar, below + space::S, commands),
    }
}

fn open_card(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &ViewState,
    call: &CallSnapshot,
    card: Card,
    area: Rect,
    commands: &mut Vec<UiCommand>,
) {
    let participant = |peer: PeerKey| call.participants.iter().find(|them| them.peer == peer);
    let about = |ui: &mut Ui, peer, commands: &mut Vec<UiCommand>, show: ShowAbout| {
        if let Some(them) = participant(peer) {
            show(ui, scene, them, area, commands);
        }
    };
    match card {
        Card::Person(peer) => {
            if let Some(them) = participant(peer) {
                person::show(ui, scene, call, them, area, commands);
            }
        }
        Card::Symbols(peer) => about(ui, peer, commands, symbols::show),
        Card::SymbolsDiffer(peer) => about(ui, peer, commands, symbols::differ),
        Card::Invite => {
            let title = scene.i18n.text("call-invite");
            sheet::show(ui, scene, area, size::CARD, &title, commands, |ui, commands| {
                invite_panel::show(ui, scene, view, commands);
            });
        }
        Card::Door => door::show(ui, scene, call, area, commands),
    }
}

/// Draws a card about somebody.
type ShowAbout = fn(&mut Ui, &Scene<'_>, &ParticipantSnapshot, Rect, &mut Vec<UiCommand>);

/// Where the own picture goes: into the corner, above the controls where the window is narrow. It never lies on a
/// choice about somebody whose key has changed.
fn own_rect(scene: &Scene<'_>, call: &CallSnapshot, area: Rect, bar: Rect) -> Option<Rect> {
    let has_wall = call_words::present(call).any(|them| them.admission == Admission::KeyChanged);
    let picture = scene.pictures.size(PictureId::Own).unwrap_or(vec2(16.0, 9.0));
    let shape = (picture.y / picture.x).clamp(0.5, 1.5);
    let widest = (area.width() * size::SELF_VIEW_SHARE).clamp(size::SELF_VIEW_MIN, size::SELF_VIEW_MAX);
    let width = if has_wall { bar.height() / shape } else { widest };
    let own_size = vec2(width, width * shape).round();
    let right = area.right() - space::L;
    let is_beside_bar = right - own_size.x - space::L > bar.right();
    let bottom = match (is_beside_bar, has_wall) {
        (true, true | false) => area.bottom() - space::L,
        (false, false) => bar.top() - space::M,
        (false, true) => return None,
    };
    let corner = pos2(right, bottom);
    Some(Rect::from_min_max(corner - own_size, corner))
}

fn own(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, call: &CallSnapshot, rect: Rect) {
    let you = scene.i18n.text("call-you");
    let is_running = matches!(scene.snapshot.local.camera, DeviceStatus::Running { .. });
    let caption = (call.local.microphone == Switch::Off).then(|| Caption {
        icon: Some(Icon::MicrophoneOff),
        words: you.clone(),
    });
    let name = view.name.trim();
    let tile = Tile {
        picture: (call.local.camera == Switch::On && is_running).then_some(PictureId::Own),
        mirror: Mirror::Yes,
        fit: Fit::Cover,
        radius: radius::M,
        outline: Outline::Thin,
        name: if name.is_empty() { &you } else { name },
        seed: 0,
        label: scene.i18n.text("lobby-preview"),
        note: None,
        caption,
    };
    video_tile::show(ui, scene, rect, &tile);
}

/// While nobody else is there: what brings them. Where there is no room for both, those who knock come first.
fn waiting_card(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &ViewState,
    call: &CallSnapshot,
    area: Rect,
    commands: &mut Vec<UiCommand>,
) {
    let is_narrow = area.width() < size::CARD_BREAKPOINT;
    if is_narrow && knocks::knocking(call).next().is_some() {
        return;
    }
    let tokens = scene.tokens;
    let width = size::WAITING_CARD.min(area.width() - 2.0 * space::L);
    let inner = width - 2.0 * WAITING_PADDING;
    let height_id = ui.scope_id().with("height");
    let known: f32 = ui.data(|data| data.get_temp(height_id)).unwrap_or_default();
    let top = (area.center().y - known / 2.0).max(area.top());
    let place = Rect::from_min_size(
        pos2(area.center().x - width / 2.0, top.round()),
        vec2(width, area.bottom() - top),
    );
    let frame = Frame::new()
        .fill(tokens.stage.tile)
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::same(WAITING_PADDING as i8));
    let drawn = ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
        let drawn = frame.show(ui, |ui| {
            ui.set_width(inner);
            let most = (area.height() - 2.0 * WAITING_PADDING).max(size::BUTTON_HEIGHT);
            ScrollArea::vertical()
                .id_salt("waiting")
                .max_height(most)
                .show(ui, |ui| {
                    ui.set_width(inner);
                    waiting_words(ui, scene, view, call, commands);
                });
        });
        drawn.response.rect.height()
    });
    if (drawn.inner - known).abs() > 0.5 {
        ui.data_mut(|data| data.insert_temp(height_id, drawn.inner));
        ui.ctx().request_discard("the height of the column is known now");
    }
}

/// Inside the card, in points.
const WAITING_PADDING: f32 = 22.0;

fn waiting_words(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, call: &CallSnapshot, commands: &mut Vec<UiCommand>) {
    let tokens = scene.tokens;
    if scene.snapshot.is_test_call || call.phase != CallPhase::Waiting {
        let words = call_words::state(scene, call);
        ui.vertical_centered(|ui| text(ui, words, fonts::heading(), tokens.text));
        return;
    }
    let (title, more) = match call.room.door {
        Door::Open => ("call-waiting-title", "call-waiting-text"),
        Door::Knock => ("call-waiting-title", "call-waiting-knock"),
        Door::Locked => ("call-waiting-title", "call-waiting-locked"),
    };
    text(ui, scene.i18n.text(title), fonts::heading(), tokens.text);
    text(ui, scene.i18n.text(more), fonts::body(), tokens.text_quiet);
    ui.add_space(space::S);
    invite_panel::show(ui, scene, view, commands);
}

fn was_just_copied(ui: &Ui, view: &ViewState) -> bool {
    let Some(at_s) = view.copied_at_s else {
        return false;
    };
    let left_s = at_s + motion::COPIED_S - ui.ctx().time();
    if left_s > 0.0 {
        ui.ctx().request_repaint_after(Duration::from_secs_f64(left_s));
    }
    left_s > 0.0
}

/// Top left: who, how long, how, how far they are known; below it what is in the way. Returns where it ends.
fn status(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &ViewState,
    call: &CallSnapshot,
    area: Rect,
    commands: &mut Vec<UiCommand>,
) -> f32 {
    let problems = call_words::problems(scene, view, call, ui.ctx().time());
    if let Some(seconds) = problems.look_again_in_s {
        ui.ctx().request_repaint_after(Duration::from_secs_f64(seconds));
    }
    let stage = &scene.tokens.stage;
    let place = Rect::from_min_max(
        area.min + vec2(space::L, space::L),
        pos2(area.right() - space::L, area.bottom()),
    );
    let layout = Layout::top_down(Align::Min);
    let drawn = ui.scope_builder(UiBuilder::new().max_rect(place).layout(layout), |ui| {
        ui.horizontal_wrapped(|ui| standing(ui, scene, view, call, &problems, commands));
        if let Some(alarm) = call.alarm {
            alarm::show(ui, scene, alarm);
        }
        if scene.snapshot.is_test_call && call.phase == CallPhase::Active {
            let words = scene.i18n.text("call-test-text");
            pill(ui, stage.label, |ui| text(ui, words, fonts::small(), stage.text_quiet));
        }
        for line in knocks::waiting_lines(scene, call) {
            icon_chip(ui, scene, Icon::Door, &line);
        }
        for line in problems.lines {
            pill(ui, stage.label, |ui| text(ui, line, fonts::small(), stage.problem_text));
        }
    });
    drawn.response.rect.bottom()
}

/// Beside each other: who and how long, the door, and how far the only other one is known, once there is something of
/// them to see or hear.
fn standing(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &ViewState,
    call: &CallSnapshot,
    problems: &call_words::Problems,
    commands: &mut Vec<UiCommand>,
) {
    ui.spacing_mut().interact_size.y = chip::HEIGHT;
    let stage = &scene.tokens.stage;
    let summary = call_words::summary(scene, call, problems);
    if !summary.is_empty() && call.phase != CallPhase::Knocking {
        let words = Chip {
            icon: None,
            words: &summary,
            colour: stage.text,
        };
        chip::label(ui, stage, &words);
    }
    if let Some(only) = call_words::only(call).filter(|only| only.admission == Admission::Admitted)
        && !scene.snapshot.is_test_call
    {
        tiles::badge_of(ui, scene, only, commands);
    }
    if let Some((icon, words)) = door::line(scene, call) {
        icon_chip(ui, scene, icon, &words);
    }
    if view.card.is_none() && call_words::present(call).next().is_some() && was_just_copied(ui, view) {
        icon_chip(ui, scene, Icon::Check, &scene.i18n.text("action-copied"));
    }
}

fn icon_chip(ui: &mut Ui, scene: &Scene<'_>, icon: Icon, words: &str) {
    let stage = &scene.tokens.stage;
    let chip = Chip {
        icon: Some(icon),
        words,
        colour: stage.text,
    };
    chip::label(ui, stage, &chip);
}

fn pill<R>(ui: &mut Ui, fill: egui::Color32, contents: impl FnOnce(&mut Ui) -> R) {
    Frame::new()
        .fill(fill)
        .corner_radius(CornerRadius::same(radius::M))
        .inner_margin(Margin::symmetric(12, 7))
        .show(ui, contents);
}

/// While nobody is there the card in the middle has the invite.
fn has_invite_button(scene: &Scene<'_>, call: &CallSnapshot) -> bool {
    !scene.snapshot.is_test_call && call_words::present(call).next().is_some()
}

fn invite_button(ui: &mut Ui, scene: &Scene<'_>, call: &CallSnapshot, commands: &mut Vec<UiCommand>) {
    if has_invite_button(scene, call) {
        let command = UiCommand::InCall(CallCommand::Open(Card::Invite));
        command_button(ui, scene, command, Look::Control, None, commands);
    }
}

/// A test call has nobody to invite, and only a host has a door.
fn bar_rect(scene: &Scene<'_>, call: &CallSnapshot, area: Rect) -> Rect {
    let has_door = !scene.snapshot.is_test_call && call.room.role == RoomRole::Host;
    let round = 2 + usize::from(has_invite_button(scene, call)) + usize::from(has_door);
    let mut widths = vec![size::CONTROL; round];
    widths.push(size::HANG_UP_WIDTH);
    control_bar::row_at_bottom(area, &widths, size::CONTROL, space::M, space::L)
}

fn controls(ui: &mut Ui, scene: &Scene<'_>, call: &CallSnapshot, bar: Rect, commands: &mut Vec<UiCommand>) {
    ui.scope_builder(UiBuilder::new().max_rect(bar), |ui| {
        ui.spacing_mut().item_spacing.x = space::M;
        ui.horizontal(|ui| {
            control_bar::microphone(ui, scene, call.local.microphone, size::CONTROL, commands);
            control_bar::camera(ui, scene, call.local.camera, size::CONTROL, commands);
            invite_button(ui, scene, call, commands);
            if !scene.snapshot.is_test_call {
                door::button(ui, scene, call, commands);
            }
            command_button(ui, scene, UiCommand::HangUp, Look::HangUp, None, commands);
        });
    });
}
