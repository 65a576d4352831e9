//! Everybody who is in the call, as large as it goes: their pictures, their badges, and a wall before whose key changed.

use call_engine::{Admission, CallSnapshot, LinkState, ParticipantSnapshot, Switch, VideoKind};
use egui::{Rect, Ui, UiBuilder, Vec2, pos2, vec2};

use super::key_changed;
use crate::ui::call_command::{CallCommand, Card};
use crate::ui::pictures::{Fit, Mirror, PictureId};
use crate::ui::screens::call_words;
use crate::ui::theme::Icon;
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::chip::{self, Chip};
use crate::ui::widgets::video_tile::{self, Caption, Outline, Tile};
use crate::ui::{Scene, badge};

/// Up to this difference of shapes a face is cut to fill its tile.
const MOST_CUT: f32 = 1.35;

/// Whether a tile has the window to itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    Yes,
    No,
}

/// One person fills the window; several share it above the controls.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, call: &CallSnapshot, area: Rect, commands: &mut Vec<UiCommand>) {
    let pictures: Vec<_> = call_words::present(call)
        .flat_map(|them| pictures_of(scene, them))
        .collect();
    if let [(them, kind)] = pictures.as_slice() {
        one(ui, scene, them, *kind, area, Alone::Yes, commands);
        return;
    }
    let inner = between_the_edges(area, space::L);
    for ((them, kind), rect) in pictures.iter().zip(video_tile::grid(inner, pictures.len(), space::M)) {
        one(ui, scene, them, *kind, rect, Alone::No, commands);
    }
}

/// What the line at the top and the controls at the bottom leave free.
fn between_the_edges(area: Rect, beside: f32) -> Rect {
    let top = space::L + size::BUTTON_HEIGHT_SMALL + space::S;
    let bottom = size::CONTROL + 2.0 * space::L;
    Rect::from_min_max(
        pos2(area.left() + beside, area.top() + top),
        pos2(area.right() - beside, area.bottom() - bottom),
    )
}

/// A shared screen comes before the face of the one who shares it.
fn pictures_of<'a>(
    scene: &Scene<'_>,
    them: &'a ParticipantSnapshot,
) -> impl Iterator<Item = (&'a ParticipantSnapshot, VideoKind)> {
    let shares = them.admission == Admission::Admitted
        && scene
            .snapshot
            .participants
            .iter()
            .any(|more| more.peer == them.peer && more.screen_flows);
    let screen = shares.then_some((them, VideoKind::Screen));
    screen.into_iter().chain([(them, VideoKind::Camera)])
}

fn one(
    ui: &mut Ui,
    scene: &Scene<'_>,
    them: &ParticipantSnapshot,
    kind: VideoKind,
    rect: Rect,
    alone: Alone,
    commands: &mut Vec<UiCommand>,
) {
    if them.admission == Admission::KeyChanged {
        let free = match alone {
            Alone::Yes => between_the_edges(rect, 0.0),
            Alone::No => rect,
        };
        key_changed::show(ui, scene, them, rect, free, commands);
        return;
    }
    picture(ui, scene, them, kind, rect, alone);
    // Whoever has the window to themselves has the badge below their name, in the corner of the window.
    if alone == Alone::No && kind == VideoKind::Camera && !scene.snapshot.is_test_call {
        let place = Rect::from_min_size(
            rect.min + Vec2::splat(space::S),
            vec2(rect.width() - 2.0 * space::S, chip::HEIGHT),
        );
        ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
            badge_of(ui, scene, them, commands)
        });
    }
}

/// The badge of a participant, which opens what is known of them.
pub fn badge_of(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, commands: &mut Vec<UiCommand>) {
    let guest = scene.i18n.text("call-nobody-name");
    let sentence = badge::sentence(&them.badge, scene.i18n);
    let spoken = format!("{name}: {sentence}", name = call_words::name(them, &guest));
    let chip = Chip {
        icon: Some(badge::icon(&them.badge)),
        words: &badge::short(&them.badge, scene.i18n),
        colour: badge::colour(&them.badge, scene.tokens),
    };
    if chip::button(ui, &scene.tokens.stage, &chip, &spoken) {
        commands.push(UiCommand::InCall(CallCommand::Open(Card::Person(them.peer))));
    }
}

fn picture(ui: &mut Ui, scene: &Scene<'_>, them: &ParticipantSnapshot, kind: VideoKind, rect: Rect, alone: Alone) {
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
    let may_flow = them.admission == Admission::Admitted;
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
    let id = PictureId::Remote(them.peer, kind);
    let tile = Tile {
        picture: (has_picture && may_flow).then_some(id),
        mirror: Mirror::No,
        fit: fit(scene, id, rect, alone),
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
