//! The call: others large, oneself small, a bar of controls.

use std::time::Duration;

use call_engine::{CallPhase, CallSnapshot, DeviceStatus, LinkState, ParticipantSnapshot, Switch, VideoKind};
use egui::{Align, Align2, CornerRadius, Frame, Layout, Margin, Rect, TextEdit, Theme, Ui, UiBuilder, pos2, vec2};

use super::call_words;
use crate::ui::Scene;
use crate::ui::pictures::{Fit, Mirror, PictureId};
use crate::ui::theme::tokens::{DARK, motion, radius, size, space};
use crate::ui::theme::{Icon, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{Look, TextButton, Weight};
use crate::ui::widgets::control_bar::{self, command_button};
use crate::ui::widgets::text::text;
use crate::ui::widgets::video_tile::{self, Caption, Outline, Tile};
use crate::view_state::ViewState;

/// The elapsed time changes once a second.
const TICK: Duration = Duration::from_secs(1);

/// Up to this difference of shapes a face is cut to fill its tile.
const MOST_CUT: f32 = 1.35;

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
        let area = ui.max_rect();
        others(ui, scene, call, area);
        let bar = bar_rect(scene, area);
        own(ui, scene, view, call, area, bar);
        if call.participants.is_empty() {
            waiting_card(ui, scene, view, call, area, commands);
        }
        status(ui, scene, view, call, area);
        controls(ui, scene, view, call, bar, commands);
    });
    if scene.snapshot.elapsed.is_some() {
        ui.ctx().request_repaint_after(TICK);
    }
}

/// One person fills the window; several share it above the controls.
fn others(ui: &mut Ui, scene: &Scene<'_>, call: &CallSnapshot, area: Rect) {
    let pictures: Vec<_> = call
        .participants
        .iter()
        .flat_map(|them| pictures_of(scene, them))
        .collect();
    if let [(them, kind)] = pictures.as_slice() {
        other(ui, scene, them, *kind, area, Alone::Yes);
        return;
    }
    let top = space::L + size::BUTTON_HEIGHT_SMALL + space::S;
    let bottom = size::CONTROL + 2.0 * space::L;
    let inner = Rect::from_min_max(
        pos2(area.left() + space::L, area.top() + top),
        pos2(area.right() - space::L, area.bottom() - bottom),
    );
    for ((them, kind), rect) in pictures.iter().zip(video_tile::grid(inner, pictures.len(), space::M)) {
        other(ui, scene, them, *kind, rect, Alone::No);
    }
}

/// Whether a tile has the window to itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    Yes,
    No,
}

/// A shared screen comes before the face of the one who shares it.
fn pictures_of<'a>(
    scene: &Scene<'_>,
    them: &'a ParticipantSnapshot,
) -> impl Iterator<Item = (&'a ParticipantSnapshot, VideoKind)> {
    let shares = scene
        .snapshot
        .participants
        .iter()
        .any(|more| more.peer == them.peer && more.screen_flows);
    let screen = shares.then_some((them, VideoKind::Screen));
    screen.into_iter().chain([(them, VideoKind::Camera)])
}

fn other(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, kind: VideoKind, rect: Rect, alone: Alone) {
    let i18n = scene.i18n;
    let guest = i18n.text("call-nobody-name");
    let name = call_words::name(them, &guest);
    let flows = scene
        .snapshot
        .participants
        .iter()
        .any(|more| more.peer == them.peer && more.camera_flows);
    // While the connection is lost the last picture stays.
    let is_lost = matches!(them.link, LinkState::Reconnecting { .. });
    let (has_picture, label) = match kind {
        VideoKind::Camera => (them.media.camera == Switch::On && (flows || is_lost), "call-picture-of"),
        VideoKind::Screen => (true, "call-screen-of"),
    };
    let is_muted = kind == VideoKind::Camera && them.media.microphone == Switch::Off;
    let caption = match (is_muted, alone) {
        (true, _) => Some(Caption {
            icon: Some(Icon::MicrophoneOff),
            words: i18n.text_with("call-muted", &[("name", name)]),
        }),
        (false, Alone::No) => Some(Caption {
            icon: None,
            words: name.to_owned(),
        }),
        (false, Alone::Yes) => None,
    };
    let tile = Tile {
        picture: has_picture.then_some(PictureId::Remote(them.peer, kind)),
        mirror: Mirror::No,
        fit: fit(scene, PictureId::Remote(them.peer, kind), rect, alone),
        radius: if alone == Alone::Yes { 0 } else { radius::L },
        outline: Outline::None,
        name,
        seed: them.peer.0,
        label: i18n.text_with(label, &[("name", name)]),
        note: call_words::tile_note(them, i18n),
        caption,
    };
    video_tile::show(ui, scene, rect, &tile);
}

/// A face in a grid may lose a little of its edges; a shared screen nothing.
fn fit(scene: &Scene<'_>, id: PictureId, rect: Rect, alone: Alone) -> Fit {
    let is_near = scene.pictures.size(id).is_some_and(|size| {
        let ratio = (size.x / size.y) / (rect.width() / rect.height());
        ratio.max(1.0 / ratio) < MOST_CUT
    });
    match (id, alone) {
        (PictureId::Remote(_, VideoKind::Camera), Alone::No) if is_near => Fit::Cover,
        (PictureId::Remote(..) | PictureId::Own, Alone::Yes | Alone::No) => Fit::Contain,
    }
}

/// The own picture: in the corner, above the controls where the window is narrow.
fn own(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, call: &CallSnapshot, area: Rect, bar: Rect) {
    let width = (area.width() * size::SELF_VIEW_SHARE).clamp(size::SELF_VIEW_MIN, size::SELF_VIEW_MAX);
    let picture = scene.pictures.size(PictureId::Own).unwrap_or(vec2(16.0, 9.0));
    let shape = (picture.y / picture.x).clamp(0.5, 1.5);
    let own_size = vec2(width, width * shape).round();
    let right = area.right() - space::L;
    let is_beside_bar = right - own_size.x - space::L > bar.right();
    let bottom = if is_beside_bar {
        area.bottom() - space::L
    } else {
        bar.top() - space::M
    };
    let rect = Rect::from_min_max(pos2(right - own_size.x, bottom - own_size.y), pos2(right, bottom));
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

/// While nobody else is there: the link to send them.
fn waiting_card(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &ViewState,
    call: &CallSnapshot,
    area: Rect,
    commands: &mut Vec<UiCommand>,
) {
    let tokens = scene.tokens;
    let width = size::WAITING_CARD.min(area.width() - 2.0 * space::L);
    let top = area.center().y - 120.0;
    let place = Rect::from_min_size(
        pos2(area.center().x - width / 2.0, top.max(area.top() + 72.0)),
        vec2(width, 200.0),
    );
    let frame = Frame::new()
        .fill(tokens.stage.tile)
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::same(24));
    ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
        frame.show(ui, |ui| {
            ui.set_width(width - 48.0);
            if scene.snapshot.is_test_call || call.phase != CallPhase::Waiting {
                let words = call_words::state(scene, call);
                ui.vertical_centered(|ui| text(ui, words, fonts::heading(), tokens.text));
                return;
            }
            text(ui, scene.i18n.text("call-waiting-title"), fonts::heading(), tokens.text);
            text(
                ui,
                scene.i18n.text("call-waiting-text"),
                fonts::body(),
                tokens.text_quiet,
            );
            ui.add_space(space::M);
            match &scene.snapshot.invite_link {
                Some(link) => link_row(ui, scene, view, link, commands),
                None => {
                    text(
                        ui,
                        scene.i18n.text("call-link-coming"),
                        fonts::body(),
                        tokens.text_quiet,
                    );
                }
            }
        });
    });
}

fn link_row(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, link: &str, commands: &mut Vec<UiCommand>) {
    let mut shown = link;
    let field = TextEdit::singleline(&mut shown)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(12, 0))
        .min_size(vec2(0.0, size::FIELD_HEIGHT))
        .align(Align2::LEFT_CENTER);
    ui.add(field).accessible_name(scene.i18n.text("call-link"));
    ui.add_space(space::XS);
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

/// Top left: who, how long, how; below it what is in the way.
fn status(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, call: &CallSnapshot, area: Rect) {
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
    ui.scope_builder(UiBuilder::new().max_rect(place).layout(layout), |ui| {
        let summary = call_words::summary(scene, call, &problems);
        if !summary.is_empty() {
            pill(ui, stage.label, |ui| text(ui, summary, fonts::small(), stage.text));
        }
        if scene.snapshot.is_test_call && call.phase == CallPhase::Active {
            let words = scene.i18n.text("call-test-text");
            pill(ui, stage.label, |ui| text(ui, words, fonts::small(), stage.text_quiet));
        }
        for line in problems.lines {
            pill(ui, stage.label, |ui| text(ui, line, fonts::small(), stage.problem_text));
        }
    });
}

fn pill<R>(ui: &mut Ui, fill: egui::Color32, contents: impl FnOnce(&mut Ui) -> R) {
    Frame::new()
        .fill(fill)
        .corner_radius(CornerRadius::same(radius::M))
        .inner_margin(Margin::symmetric(12, 7))
        .show(ui, contents);
}

fn copy_button(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let copy = ui.add_enabled_ui(scene.snapshot.invite_link.is_some(), |ui| {
        command_button(ui, scene, UiCommand::CopyLink, Look::Control, None, commands)
    });
    // While nobody is there the card with the link says it.
    let is_told_elsewhere = scene
        .snapshot
        .call
        .as_ref()
        .is_some_and(|call| call.participants.is_empty());
    if let Some(button) = copy.inner.filter(|_| !is_told_elsewhere && was_just_copied(ui, view)) {
        button.show_tooltip_text(scene.i18n.text("action-copied"));
    }
}

/// A test call has no link to copy.
fn bar_rect(scene: &Scene<'_>, area: Rect) -> Rect {
    let round = if scene.snapshot.is_test_call { 2 } else { 3 };
    let mut widths = vec![size::CONTROL; round];
    widths.push(size::HANG_UP_WIDTH);
    control_bar::row_at_bottom(area, &widths, size::CONTROL, space::M, space::L)
}

fn controls(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &ViewState,
    call: &CallSnapshot,
    bar: Rect,
    commands: &mut Vec<UiCommand>,
) {
    ui.scope_builder(UiBuilder::new().max_rect(bar), |ui| {
        ui.spacing_mut().item_spacing.x = space::M;
        ui.horizontal(|ui| {
            control_bar::microphone(ui, scene, call.local.microphone, size::CONTROL, commands);
            control_bar::camera(ui, scene, call.local.camera, size::CONTROL, commands);
            if !scene.snapshot.is_test_call {
                copy_button(ui, scene, view, commands);
            }
            command_button(ui, scene, UiCommand::HangUp, Look::HangUp, None, commands);
        });
    });
}
