//! Every kind of trouble as one sentence that says what happened and what to do.

use call_engine::{
    Blockage, DeviceProblem, DeviceStatus, EndReason, Event, InviteError, NotAdmitted, RingDirection, RingOutcome,
    SpokenCodeProblem,
};

use crate::i18n::I18n;
use crate::view_state::Notice;

/// Which device a sentence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The camera.
    Camera,
    /// The microphone.
    Microphone,
    /// The speaker.
    Speaker,
}

/// Why a call is over: what happened, and more about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndText {
    /// What happened, in a few words.
    pub title: String,
    /// More about it, and what to do.
    pub text: String,
}

/// What to say about the end of a call.
#[must_use]
pub fn end(reason: &EndReason, i18n: &I18n) -> EndText {
    let plain = |title, text| EndText {
        title: i18n.text(title),
        text: i18n.text(text),
    };
    match reason {
        EndReason::HungUp => plain("ended-hung-up", "ended-hung-up-text"),
        EndReason::EveryoneLeft => plain("ended-everyone-left", "ended-everyone-left-text"),
        EndReason::ServerUnreachable(_) => plain("ended-unreachable", "ended-unreachable-text"),
        EndReason::WrongServer(_) => plain("ended-wrong-server", "ended-wrong-server-text"),
        EndReason::Refused(words) => EndText {
            title: i18n.text("ended-refused"),
            text: i18n.text_with("ended-refused-text", &[("words", &sentence(words))]),
        },
        EndReason::NotAdmitted(NotAdmitted::Refused) => plain("ended-not-admitted", "ended-not-admitted-text"),
        EndReason::NotAdmitted(NotAdmitted::Locked) => plain("ended-locked", "ended-locked-text"),
        EndReason::NotAdmitted(NotAdmitted::Expired) => plain("ended-expired", "ended-expired-text"),
        EndReason::PeersUnreachable(None) => plain("ended-peers", "ended-peers-text"),
        EndReason::PeersUnreachable(Some(why)) => plain("ended-peers", blockage(*why)),
    }
}

/// The key of what to say about what is in the way of a call, and what to do.
#[must_use]
pub fn blockage(blockage: Blockage) -> &'static str {
    match blockage {
        Blockage::NoNetwork => "blocked-no-network",
        Blockage::NoRelaySet => "blocked-no-relay-set",
        Blockage::NoServerSet => "blocked-no-server-set",
        Blockage::UdpBlocked => "blocked-udp",
        Blockage::NothingAnswers => "blocked-nothing-answers",
        Blockage::RelayUnknown => "blocked-relay-unknown",
        Blockage::RelaySilent => "blocked-relay-silent",
        Blockage::RelayRefused => "blocked-relay-refused",
        Blockage::RelayFull => "blocked-relay-full",
        Blockage::RelayCertificate => "blocked-relay-certificate",
        Blockage::BothStrict => "blocked-both-strict",
        Blockage::TheirNetwork => "blocked-their-network",
        Blockage::BehindRelay => "blocked-behind-relay",
        Blockage::Handshake => "blocked-handshake",
    }
}

/// Whether an end is something that went wrong.
#[must_use]
pub fn is_failure(reason: &EndReason) -> bool {
    match reason {
        EndReason::HungUp | EndReason::EveryoneLeft => false,
        EndReason::ServerUnreachable(_)
        | EndReason::WrongServer(_)
        | EndReason::Refused(_)
        | EndReason::NotAdmitted(_)
        | EndReason::PeersUnreachable(_) => true,
    }
}

/// What to say about a piece of news. `None` for news that shows by itself.
#[must_use]
pub fn event(event: &Event, i18n: &I18n) -> Option<Notice> {
    let trouble = |key, words: &str| Some(Notice::trouble(i18n.text_with(key, &[("words", &sentence(words))])));
    match event {
        Event::LinkReady(_) => None,
        Event::RingEnded {
            direction,
            name,
            outcome,
        } => {
            let key = ring_outcome(*direction, *outcome)?;
            Some(Notice::news(i18n.text_with(key, &[("name", name)])))
        }
        Event::SpokenCodeFailed(problem) => Some(Notice::trouble(i18n.text(spoken_code(*problem)))),
        Event::Storage(words) => {
            let words = i18n.text_with("event-storage", &[("words", &sentence(words))]);
            Some(Notice::advice(words))
        }
        Event::IdentityExported(path) => {
            let path = path.display().to_string();
            Some(Notice::news(
                i18n.text_with("event-identity-exported", &[("path", &path)]),
            ))
        }
        Event::IdentityImported => Some(Notice::news(i18n.text("event-identity-imported"))),
        Event::IdentityFailed(words) => trouble("event-identity-failed", words),
        Event::BadLink(_) => Some(Notice::trouble(i18n.text("notice-bad-link"))),
        Event::ServerFailed(words) => trouble("notice-server-failed", words),
        Event::WriteFailed(words) => trouble("notice-write-failed", words),
    }
}

/// The key of what to say about a ring that led to no call. `None` for what the user did and knows.
fn ring_outcome(direction: RingDirection, outcome: RingOutcome) -> Option<&'static str> {
    use RingDirection::{Incoming, Outgoing};
    match (direction, outcome) {
        (Outgoing, RingOutcome::Declined) => Some("event-ring-declined"),
        (Outgoing, RingOutcome::Busy) => Some("event-ring-busy"),
        (Outgoing, RingOutcome::TimedOut) => Some("event-ring-no-answer"),
        (Outgoing, RingOutcome::Unreachable) => Some("event-ring-unreachable"),
        (Incoming, RingOutcome::Cancelled | RingOutcome::TimedOut | RingOutcome::Busy | RingOutcome::Unreachable) => {
            Some("event-ring-missed")
        }
        (Incoming | Outgoing, RingOutcome::AnsweredElsewhere) => Some("event-ring-elsewhere"),
        (Incoming, RingOutcome::Declined) | (Outgoing, RingOutcome::Cancelled) => None,
    }
}

fn spoken_code(problem: SpokenCodeProblem) -> &'static str {
    match problem {
        SpokenCodeProblem::NoServer => "event-code-no-server",
        SpokenCodeProblem::NobodyThere => "event-code-nobody",
        SpokenCodeProblem::WrongWords => "event-code-wrong",
        SpokenCodeProblem::Unreachable => "event-code-unreachable",
    }
}

/// The key of what to say about a text that is not an invite.
#[must_use]
pub fn invite(error: &InviteError) -> &'static str {
    match error {
        InviteError::Empty => "notice-no-link",
        InviteError::NotALink | InviteError::TooLong => "notice-bad-link",
        InviteError::NoServer | InviteError::Server(_) | InviteError::WrongCharacters => "notice-damaged-link",
        InviteError::Newer => "notice-newer-link",
        InviteError::Older => "notice-older-link",
        InviteError::CutOff => "notice-cut-off-link",
        InviteError::Extra => "notice-extended-link",
    }
}

/// The key of what to say about a device in trouble.
#[must_use]
pub fn device_problem(kind: DeviceKind, problem: DeviceProblem) -> &'static str {
    use DeviceKind::{Camera, Microphone, Speaker};
    match (kind, problem) {
        (Camera, DeviceProblem::Missing) => "problem-camera-missing",
        (Camera, DeviceProblem::Busy) => "problem-camera-busy",
        (Camera, DeviceProblem::Forbidden) => "problem-camera-forbidden",
        (Camera, DeviceProblem::Unplugged) => "problem-camera-unplugged",
        (Camera, DeviceProblem::Stalled) => "problem-camera-stalled",
        (Camera, DeviceProblem::Unusable) => "problem-camera-unusable",
        (Camera, DeviceProblem::BadFile) => "problem-camera-bad-file",
        (Microphone, DeviceProblem::Missing) => "problem-microphone-missing",
        (Microphone, DeviceProblem::Busy) => "problem-microphone-busy",
        (Microphone, DeviceProblem::Forbidden) => "problem-microphone-forbidden",
        (Microphone, DeviceProblem::Unplugged) => "problem-microphone-unplugged",
        (Microphone, DeviceProblem::Stalled) => "problem-microphone-stalled",
        (Microphone, DeviceProblem::Unusable) => "problem-microphone-unusable",
        (Microphone, DeviceProblem::BadFile) => "problem-microphone-bad-file",
        (Speaker, DeviceProblem::Missing) => "problem-speaker-missing",
        (Speaker, DeviceProblem::Busy) => "problem-speaker-busy",
        (Speaker, DeviceProblem::Forbidden) => "problem-speaker-forbidden",
        (Speaker, DeviceProblem::Unplugged) => "problem-speaker-unplugged",
        (Speaker, DeviceProblem::Stalled) => "problem-speaker-stalled",
        (Speaker, DeviceProblem::Unusable) => "problem-speaker-unusable",
        (Speaker, DeviceProblem::BadFile) => "problem-speaker-bad-file",
    }
}

/// How a device is doing, in plain words.
#[must_use]
pub fn device_status(kind: DeviceKind, status: &DeviceStatus, i18n: &I18n) -> String {
    match status {
        DeviceStatus::Off => i18n.text("device-off"),
        DeviceStatus::Starting => i18n.text("device-starting"),
        DeviceStatus::Running { mode: Some(mode), .. } => {
            i18n.text_with("device-works-mode", &[("mode", &camera_mode(mode, i18n))])
        }
        DeviceStatus::Running { mode: None, .. } => i18n.text("device-works"),
        DeviceStatus::Failed(error) => i18n.text(device_problem(kind, error.problem)),
    }
}

/// `1280x720@30` in words; anything else as it is.
fn camera_mode(mode: &str, i18n: &I18n) -> String {
    let parts = || {
        let (size, fps) = mode.split_once('@')?;
        let (width, height) = size.split_once('x')?;
        Some([("width", width), ("height", height), ("fps", fps)])
    };
    parts().map_or_else(|| mode.to_owned(), |parts| i18n.text_with("camera-mode", &parts))
}

/// Words of the system or the server as a sentence: trimmed, bounded, with a full stop.
fn sentence(words: &str) -> String {
    const MAX_CHARS: usize = 240;
    let mut text: String = words.trim().chars().take(MAX_CHARS).collect();
    if !text.ends_with(['.', '!', '?', '…']) {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Language;

    #[test]
    fn a_refusal_carries_the_servers_words_as_a_sentence() {
        let i18n = I18n::new(Language::English);
        let text = end(&EndReason::Refused("the room is full".into()), &i18n).text;
        assert!(text.contains("the room is full. "), "{text}");
    }

    #[test]
    fn a_camera_mode_is_told_in_words() {
        let i18n = I18n::new(Language::English);
        let running = |mode: &str| DeviceStatus::Running {
            name: "Cam".into(),
            mode: Some(mode.into()),
        };
        let text = device_status(DeviceKind::Camera, &running("1280x720@30"), &i18n);
        assert_eq!(text, "Works: 1280 × 720, 30 pictures a second");
        assert_eq!(device_status(DeviceKind::Camera, &running("odd"), &i18n), "Works: odd");
    }

    #[test]
    fn long_words_of_others_are_cut() {
        let long = "x".repeat(10_000);
        assert!(sentence(&long).len() < 300);
    }
}
