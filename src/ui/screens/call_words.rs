//! What the call screen says: the state of the connection and everything that is in the way, in words.

use call_engine::{Admission, CallPhase, CallSnapshot, DeviceStatus, LinkState, ParticipantSnapshot, Route};
use call_engine::{SignalingState, Switch};

use crate::i18n::{I18n, clock};
use crate::ui::Scene;
use crate::ui::error_text::{self, DeviceKind, device_problem};
use crate::ui::theme::tokens::motion;
use crate::view_state::ViewState;

/// What to call a participant.
#[must_use]
pub fn name<'a>(participant: &'a ParticipantSnapshot, guest: &'a str) -> &'a str {
    let name = participant.name.trim();
    if name.is_empty() { guest } else { name }
}

/// Everybody who is in the call, let in by us or not; those who knock at the host's door are not.
pub fn present(call: &CallSnapshot) -> impl Iterator<Item = &ParticipantSnapshot> {
    call.participants.iter().filter(|them| match them.admission {
        Admission::Admitted | Admission::AwaitingThem | Admission::KeyChanged => true,
        Admission::Knocking | Admission::AwaitingHost => false,
    })
}

/// The only other one in the call.
#[must_use]
pub fn only(call: &CallSnapshot) -> Option<&ParticipantSnapshot> {
    let mut present = present(call);
    present.next().filter(|_| present.next().is_none())
}

/// Who, how long, how: the line in the corner. A lost connection is told by a line of its own.
#[must_use]
pub fn summary(scene: &Scene<'_>, call: &CallSnapshot, problems: &Problems) -> String {
    let i18n = scene.i18n;
    let guest = i18n.text("call-nobody-name");
    let mut parts = Vec::new();
    if scene.snapshot.is_test_call {
        parts.push(i18n.text("call-test"));
    } else if let Some(only) = only(call) {
        parts.push(name(only, &guest).to_owned());
    }
    if let Some(elapsed) = scene.snapshot.elapsed {
        parts.push(clock(elapsed));
    }
    if !problems.has_lost_connection {
        parts.push(state(scene, call));
    }
    parts.join("  ·  ")
}

/// The state of the connection.
#[must_use]
pub fn state(scene: &Scene<'_>, call: &CallSnapshot) -> String {
    let i18n = scene.i18n;
    match &call.phase {
        CallPhase::Idle | CallPhase::Joining => i18n.text("call-joining"),
        CallPhase::Waiting => i18n.text("call-waiting"),
        CallPhase::Knocking => i18n.text("call-knocking"),
        CallPhase::Connecting => i18n.text("call-connecting"),
        // A connection that was lost a moment ago is not mentioned yet; later the problem line tells.
        CallPhase::Active | CallPhase::Reconnecting | CallPhase::Ended(_) => {
            let is_relayed = scene
                .snapshot
                .participants
                .iter()
                .any(|them| them.route == Some(Route::Relayed));
            i18n.text(if is_relayed {
                "call-connected-relay"
            } else {
                "call-connected"
            })
        }
    }
}

/// What is in the way, most important first, and when the next line is due, in seconds from now.
pub struct Problems {
    /// Sentences.
    pub lines: Vec<String>,
    /// Whether one of them is about a connection to somebody.
    pub has_lost_connection: bool,
    /// When to look again even if nothing changes.
    pub look_again_in_s: Option<f64>,
}

/// Collects what is in the way at `now_s` of egui's time.
#[must_use]
pub fn problems(scene: &Scene<'_>, view: &ViewState, call: &CallSnapshot, now_s: f64) -> Problems {
    let i18n = scene.i18n;
    let mut lines = Vec::new();
    let mut look_again_in_s: Option<f64> = None;
    let guest = i18n.text("call-nobody-name");
    for them in &call.participants {
        let Some(since_s) = view.lost_since_s.get(&them.peer) else {
            continue;
        };
        let left_s = since_s + motion::RECONNECT_GRACE_S - now_s;
        if left_s > 0.0 {
            look_again_in_s = Some(look_again_in_s.map_or(left_s, |earlier| earlier.min(left_s)));
        } else if call.participants.len() == 1 {
            lines.push(i18n.text("call-reconnecting"));
        } else {
            lines.push(i18n.text_with("call-reconnecting-to", &[("name", name(them, &guest))]));
        }
    }
    let has_lost_connection = !lines.is_empty();
    lines.extend(server_problem(call, i18n));
    lines.extend(device_problems(scene, call));
    Problems {
        lines,
        has_lost_connection,
        look_again_in_s,
    }
}

fn server_problem(call: &CallSnapshot, i18n: &I18n) -> Option<String> {
    match call.signaling {
        SignalingState::Retrying { .. } => Some(match call.phase {
            CallPhase::Idle | CallPhase::Joining | CallPhase::Waiting | CallPhase::Knocking => {
                i18n.text("call-server-retrying")
            }
            CallPhase::Connecting | CallPhase::Active | CallPhase::Reconnecting | CallPhase::Ended(_) => {
                i18n.text("call-server-away")
            }
        }),
        SignalingState::Closed | SignalingState::Connecting | SignalingState::Joined => None,
    }
}

fn device_problems(scene: &Scene<'_>, call: &CallSnapshot) -> Vec<String> {
    let local = &scene.snapshot.local;
    let devices = [
        (
            DeviceKind::Microphone,
            &local.microphone,
            call.local.microphone,
            "call-microphone-failed",
        ),
        (
            DeviceKind::Camera,
            &local.camera,
            call.local.camera,
            "call-camera-failed",
        ),
        (DeviceKind::Speaker, &local.speaker, Switch::On, "call-speaker-failed"),
    ];
    let trouble = devices
        .into_iter()
        .filter_map(|(kind, status, switch, key)| match status {
            DeviceStatus::Failed(error) if switch == Switch::On => {
                let why = scene.i18n.text(device_problem(kind, error.problem));
                Some(scene.i18n.text_with(key, &[("why", &why)]))
            }
            DeviceStatus::Failed(_) | DeviceStatus::Off | DeviceStatus::Starting | DeviceStatus::Running { .. } => None,
        });
    trouble.collect()
}

/// What stands in a participant's place instead of a picture.
#[must_use]
pub fn tile_note(them: &ParticipantSnapshot, i18n: &I18n) -> Option<String> {
    let guest = i18n.text("call-nobody-name");
    if them.admission == Admission::AwaitingThem {
        return Some(i18n.text_with("knock-awaiting-them", &[("name", name(them, &guest))]));
    }
    match them.link {
        LinkState::Greeting | LinkState::Negotiating => {
            Some(i18n.text_with("call-connecting-to", &[("name", name(them, &guest))]))
        }
        LinkState::Unreachable { .. } => Some(match them.blockage {
            None => i18n.text_with("call-no-path-to", &[("name", name(them, &guest))]),
            Some(why) => {
                let why = i18n.text(error_text::blockage(why));
                i18n.text_with("call-no-path-because", &[("name", name(them, &guest)), ("why", &why)])
            }
        }),
        LinkState::Connected { .. } | LinkState::Reconnecting { .. } => match them.media.camera {
            Switch::Off => Some(i18n.text("call-camera-off")),
            Switch::On => None,
        },
    }
}
