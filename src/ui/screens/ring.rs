//! Somebody rings, or we ring somebody: a whole screen outside a call, a banner over the call inside one.

use std::time::Duration;

use call_engine::{DeviceStatus, EngineSnapshot, RingDirection, RingSnapshot, RingStage, Switch};
use egui::accesskit::Live;
use egui::{Align2, Area, CornerRadius, Frame, Id, Margin, Order, Response, Sense, Stroke, Ui, Vec2, vec2};

use crate::ui::pictures::{Fit, Mirror, PictureId};
use crate::ui::theme::fonts;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::buttons::{TextButton, Weight};
use crate::ui::widgets::text::text;
use crate::ui::widgets::video_tile::{self, Outline, Tile};
use crate::ui::widgets::{column, person_row};
use crate::ui::{Scene, people_words};
use crate::view_state::{RingFocus, RingView, ViewState};

/// For so long after somebody has begun to ring, in seconds, what is typed or clicked is taken to be meant for what was
/// there before: nothing accepts or declines.
pub const GRACE_S: f64 = 0.8;

/// Whether the user can be answering already.
#[must_use]
pub fn takes_answers(ring: &RingView, now_s: f64) -> bool {
    ring.direction == RingDirection::Outgoing || now_s >= ring.since_s + GRACE_S
}

/// Draws the screen.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, view: &mut ViewState, commands: &mut Vec<UiCommand>) {
    let Some(ring) = &scene.snapshot.people.ring else {
        return;
    };
    column::centred(ui, "ring", size::RING, |ui| {
        ui.vertical_centered(|ui| {
            portrait(ui, scene, view, ring);
            ui.add_space(space::L);
            announce(ui, scene, ring, fonts::title());
            for words in words_about(scene, ring) {
                text(ui, words, fonts::body(), scene.tokens.text_quiet);
            }
        });
        ui.add_space(space::XL);
        let first = buttons(ui, scene, view, Shape::Wide, commands);
        give_keyboard(ui, view, &first);
    });
}

/// The ring that stands over a call. One that was accepted does not: the call it leads to is about to begin.
#[must_use]
pub fn over_call(snapshot: &EngineSnapshot) -> Option<&RingSnapshot> {
    let ring = snapshot.people.ring.as_ref();
    ring.filter(|ring| ring.stage != RingStage::Accepted)
}

/// Draws a ring that comes during a call over it. It takes no keys but those of whoever goes to its buttons.
pub fn banner(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let Some(ring) = over_call(scene.snapshot) else {
        return;
    };
    let tokens = scene.tokens;
    let width = size::NOTICE.min(ui.ctx().content_rect().width() - 2.0 * space::L);
    let frame = Frame::new()
        .fill(tokens.surface)
        .stroke(Stroke::new(size::HAIRLINE, tokens.outline))
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::same(space::L as i8))
        .shadow(ui.visuals().popup_shadow);
    Area::new(Id::unique("ring"))
        .order(Order::Foreground)
        .anchor(Align2::CENTER_TOP, vec2(0.0, space::L))
        .fade_in(false)
        .show(ui.ctx(), |ui| {
            frame.show(ui, |ui| {
                ui.set_width(width - 2.0 * space::L);
                announce(ui, scene, ring, fonts::heading());
                let words = words_about(scene, ring).join("  ·  ");
                text(ui, words, fonts::small(), tokens.text_quiet);
                if ring.direction == RingDirection::Incoming {
                    let words = scene.i18n.text("ring-leaves-call");
                    text(ui, words, fonts::small(), tokens.text_quiet);
                }
                ui.add_space(space::S);
                buttons(ui, scene, view, Shape::Low, commands);
            });
        });
}

/// Our own picture while we ring somebody, so that we can still turn away; else a circle with their letter.
fn portrait(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, ring: &RingSnapshot) {
    let is_running = matches!(scene.snapshot.local.camera, DeviceStatus::Running { .. });
    let shows_us = ring.direction == RingDirection::Outgoing && ring.video == Switch::On && is_running;
    if !shows_us {
        let (circle, _) = ui.allocate_exact_size(Vec2::splat(size::AVATAR_LARGE), Sense::hover());
        person_row::avatar(ui, scene, circle, &ring.name, ring.key.map_or(0, |key| key.0[0]));
        return;
    }
    let width = size::RING_PREVIEW.min(ui.available_width());
    let (rect, _) = ui.allocate_exact_size(vec2(width, (width * 9.0 / 16.0).round()), Sense::hover());
    let tile = Tile {
        picture: Some(PictureId::Own),
        mirror: Mirror::Yes,
        fit: Fit::Cover,
        radius: radius::L,
        outline: Outline::None,
        name: view.name.trim(),
        seed: 0,
        label: scene.i18n.text("lobby-preview"),
        note: None,
        caption: None,
    };
    video_tile::show(ui, scene, rect, &tile);
}

/// Who rings whom: what a screen reader says at once, whatever it was reading.
fn announce(ui: &mut Ui, scene: &Scene<'_>, ring: &RingSnapshot, font: egui::FontId) {
    let key = match (ring.direction, ring.stage) {
        (_, RingStage::Accepted) => "ring-accepted",
        (RingDirection::Incoming, RingStage::Reaching | RingStage::Ringing) => "ring-incoming",
        (RingDirection::Outgoing, RingStage::Reaching) => "ring-reaching",
        (RingDirection::Outgoing, RingStage::Ringing) => "ring-ringing",
    };
    let words = scene.i18n.text_with(key, &[("name", &ring.name)]);
    let response = text(ui, words, font, scene.tokens.text);
    ui.ctx()
        .accesskit_node_builder(response.id, |node| node.set_live(Live::Assertive));
}

/// What kind of call it is, and how far they are known.
fn words_about(scene: &Scene<'_>, ring: &RingSnapshot) -> Vec<String> {
    let mut words = vec![scene.i18n.text(match ring.video {
        Switch::On => "ring-video",
        Switch::Off => "ring-sound",
    })];
    if ring.direction == RingDirection::Incoming {
        words.push(people_words::ring_badge(ring, scene.snapshot, scene.i18n));
    }
    words
}

/// How buttons are laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One below the other, as wide as the place.
    Wide,
    /// In a row as far as they fit.
    Low,
}

/// What can be done. Returns the button that gets the keyboard.
fn buttons(
    ui: &mut Ui,
    scene: &Scene<'_>,
    view: &ViewState,
    shape: Shape,
    commands: &mut Vec<UiCommand>,
) -> Option<Response> {
    let ring = scene.snapshot.people.ring.as_ref()?;
    let now_s = ui.ctx().time();
    let is_meant = view.ring.as_ref().is_some_and(|shown| takes_answers(shown, now_s));
    let choices: &[(UiCommand, Weight)] = match (ring.direction, ring.stage, ring.video) {
        (RingDirection::Incoming, RingStage::Accepted, _) => &[],
        (RingDirection::Incoming, _, Switch::On) => &[
            (UiCommand::AcceptRing(Switch::On), Weight::Primary),
            (UiCommand::AcceptRing(Switch::Off), Weight::Secondary),
            (UiCommand::DeclineRing, Weight::Danger),
        ],
        // Who wants to be heard only is answered the same way first.
        (RingDirection::Incoming, _, Switch::Off) => &[
            (UiCommand::AcceptRing(Switch::Off), Weight::Primary),
            (UiCommand::AcceptRing(Switch::On), Weight::Secondary),
            (UiCommand::DeclineRing, Weight::Danger),
        ],
        (RingDirection::Outgoing, ..) => &[(UiCommand::CancelRing, Weight::Danger)],
    };
    let mut first = None;
    let mut all = |ui: &mut Ui| {
        for (command, weight) in choices {
            let response = button(ui, scene, command, *weight, shape);
            if is_meant && response.as_ref().is_some_and(Response::clicked) {
                commands.push(command.clone());
            }
            first = first.take().or(response);
        }
    };
    match shape {
        Shape::Wide => all(ui),
        Shape::Low => {
            ui.horizontal_wrapped(all);
        }
    }
    first
}

fn button(ui: &mut Ui, scene: &Scene<'_>, command: &UiCommand, weight: Weight, shape: Shape) -> Option<Response> {
    let face = command.face()?;
    let label = scene.i18n.text(face.label);
    let button = TextButton::new(scene.tokens, &label, weight).icon(face.icon);
    let button = match shape {
        Shape::Wide => button.fill(),
        Shape::Low => button.small(),
    };
    Some(ui.add(button))
}

/// Once, when what was typed before has come to rest. Until then nothing here has the keyboard.
fn give_keyboard(ui: &Ui, view: &mut ViewState, button: &Option<Response>) {
    let (Some(ring), Some(button)) = (&mut view.ring, button) else {
        return;
    };
    if ring.focus == RingFocus::Given {
        return;
    }
    let now_s = ui.ctx().time();
    if takes_answers(ring, now_s) {
        button.request_focus();
        ring.focus = RingFocus::Given;
    } else {
        ui.memory_mut(|memory| {
            if let Some(focused) = memory.focused() {
                memory.surrender_focus(focused);
            }
        });
        let rest = Duration::from_secs_f64(ring.since_s + GRACE_S - now_s);
        ui.ctx().request_repaint_after(rest);
    }
}
