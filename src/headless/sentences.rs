//! What a headless run tells a person: one sentence on what happened, one on what to do.
//!
//! English only: these lines go to stderr and into logs. The window has its own, in two languages.

use call_engine::{
    Alarm, Blockage, DeviceError, DeviceProblem, Door, EndReason, NotAdmitted, RingOutcome, SpokenCodeProblem,
};

use super::watch::{DeviceRole, NeverUp};
use crate::args::Role;

/// The call was up, and broke for good.
pub const LOST: &str = "The connection was lost and did not come back. Check the network of both sides.";

/// There is nothing to open a window on.
pub const NO_DISPLAY: &str = "There is no display to open a window on. Start Visavis in a desktop session, or take \
    part without a window: `visavis headless --host`, or `visavis headless --join LINK`.";

/// What to do without a window.
pub const WITHOUT_WINDOW: &str = "Check the display and its OpenGL driver, or take part without a window: \
    `visavis headless --host`, or `visavis headless --join LINK`.";

/// Why a call is over that we did not end ourselves.
#[must_use]
pub fn end_reason(reason: &EndReason) -> String {
    match reason {
        EndReason::HungUp => "The call was left.".into(),
        EndReason::EveryoneLeft => "Everybody else left the call.".into(),
        EndReason::ServerUnreachable(detail) => format!(
            "The signaling server could not be reached ({detail}). Check the network, and that the server in the \
             link or in --server is right and runs."
        ),
        EndReason::WrongServer(detail) => format!(
            "What answered is not a signaling server this version can talk to ({detail}). Check the address, and \
             use the same version of Visavis on both ends."
        ),
        EndReason::Refused(sentence) => format!("The signaling server refused: {}", full_stop(sentence)),
        EndReason::NotAdmitted(NotAdmitted::Refused) => "The host did not let this side in.".into(),
        EndReason::NotAdmitted(NotAdmitted::Locked) => {
            "The host has locked the call: nobody new is let in. Ask them to unlock it.".into()
        }
        EndReason::NotAdmitted(NotAdmitted::Expired) => "The link has expired: ask the host for a new one.".into(),
        EndReason::PeersUnreachable(why) => no_path(*why),
    }
}

/// What is in the way of a connection, and what to do.
#[must_use]
pub fn no_path(why: Option<Blockage>) -> String {
    let Some(why) = why else {
        return "The other side was found, but no path through the networks leads there. Try another network, or give \
                a TURN server with --ice-server."
            .into();
    };
    format!("The other side was found, but there is no path: {why}. {}", remedy(why))
}

fn remedy(why: Blockage) -> &'static str {
    match why {
        Blockage::NoNetwork => "Connect to a network.",
        Blockage::NoRelaySet | Blockage::BothStrict | Blockage::NoServerSet | Blockage::TheirNetwork => {
            "Give a TURN server with --ice-server, on either side."
        }
        Blockage::UdpBlocked => "Give one with --ice-server turns:HOST:443,USER,PASSWORD, or try another network.",
        Blockage::NothingAnswers => "Check the servers in --ice-server, or try another network.",
        Blockage::RelayUnknown | Blockage::RelaySilent => "Check its address in --ice-server, and that it runs.",
        Blockage::RelayRefused => "Check them in --ice-server; they may have expired.",
        Blockage::RelayFull => "Try again later, or give another one with --ice-server.",
        Blockage::RelayCertificate => {
            "Check its name in --ice-server, and the clock; for an authority of your own \
            give --ice-ca."
        }
        Blockage::BehindRelay => {
            "Check that the relay may send to the other side's network, and give the other side \
            a relay too."
        }
        Blockage::Handshake => "Try another network.",
    }
}

/// Who may enter, when it changed.
#[must_use]
pub fn door(door: Door) -> String {
    match door {
        Door::Open => "The call is open: whoever has the link comes in.",
        Door::Knock => "Whoever comes has to knock, and the host decides.",
        Door::Locked => "The call is locked: nobody new comes in.",
    }
    .into()
}

/// Something is wrong with the way messages take.
#[must_use]
pub fn alarm(alarm: Alarm) -> String {
    match alarm {
        Alarm::SignalingDisturbed => {
            "Messages through the signaling server arrive changed or not at all: the server, or somebody on the way \
             to it, disturbs them. They cannot be read there. Use another server."
        }
        Alarm::StrangerInRoom => {
            "Somebody is in the call who cannot prove that they have the link. They are kept out. Check that the link \
             is whole."
        }
        Alarm::FingerprintMismatch => {
            "A connection ended at somebody else than the one it was agreed on with, and was closed: somebody is in \
             between. Use another network."
        }
    }
    .into()
}

/// A ring that led to no call.
#[must_use]
pub fn ring_ended(name: &str, outcome: RingOutcome) -> String {
    match outcome {
        RingOutcome::Declined => format!("{name} declined the call."),
        RingOutcome::Busy => format!("{name} is busy."),
        RingOutcome::TimedOut => format!("{name} did not answer."),
        RingOutcome::Cancelled => format!("The ring with {name} was cancelled."),
        RingOutcome::AnsweredElsewhere => format!("The call of {name} was taken on another device."),
        RingOutcome::Unreachable => format!(
            "No device of {name} could be reached. They need Visavis open, and a signaling server that both can reach."
        ),
    }
}

/// Three words that led to no call.
#[must_use]
pub fn spoken_code_failed(problem: SpokenCodeProblem) -> String {
    match problem {
        SpokenCodeProblem::NoServer => "A spoken code needs a signaling server that both use: give it with --server.",
        SpokenCodeProblem::NobodyThere => {
            "Nobody waits with these words: they were misheard, used up, or are older than ten minutes."
        }
        SpokenCodeProblem::WrongWords => "The words are not the right ones: ask for them again.",
        SpokenCodeProblem::Unreachable => "The signaling server of the spoken code could not be reached.",
    }
    .into()
}

/// One participant is there and no path leads to them; the call goes on.
#[must_use]
pub fn unreachable(name: &str, why: Option<Blockage>) -> String {
    if let Some(why) = why {
        let remedy = remedy(why);
        return format!("{name} could not be reached after several tries: {why}. {remedy} Visavis keeps trying.");
    }
    format!(
        "{name} could not be reached after several tries. Another network or a TURN server (--ice-server) may help; \
         Visavis keeps trying."
    )
}

/// The time is up and nobody was ever connected.
#[must_use]
pub fn never_up(state: NeverUp, role: &Role) -> String {
    match (state, role) {
        (NeverUp::NotInRoom, _) => "The call never came up: the signaling server did not let us in in time. Check \
             the network and the server's address, or give more --seconds."
            .into(),
        (NeverUp::Alone, Role::Host) => "The call never came up: nobody joined in time. Pass on the link that \
             --host prints, or give more --seconds."
            .into(),
        (NeverUp::Alone, Role::Join(_)) => "The call never came up: nobody else was there. Ask whether the call \
             still runs, or for a new link."
            .into(),
        (NeverUp::Alone, Role::Ring(_) | Role::AwaitRing(_)) => {
            "The call never came up: after the ring the other side did not come. Ring again.".into()
        }
        (NeverUp::NotConnected, _) => "The call never came up: the other side was found, but no connection was \
             made in time. Try another network, give a TURN server with --ice-server, or give more --seconds."
            .into(),
    }
}

/// A device is in trouble; the call goes on without it.
#[must_use]
pub fn device(role: DeviceRole, error: &DeviceError) -> String {
    let (what, remedy) = match error.problem {
        DeviceProblem::Missing => (
            "was not found",
            "Plug it in, or choose one that `visavis devices` lists.",
        ),
        DeviceProblem::Busy => (
            "is used by another program",
            "Close that program, or choose another device.",
        ),
        DeviceProblem::Forbidden => (
            "may not be used",
            "Allow it in the system's privacy settings or permissions.",
        ),
        DeviceProblem::Unplugged => ("is gone", "Plug it in again."),
        DeviceProblem::Stalled => (
            "has stopped working",
            "Unplug it and plug it in again, or choose another.",
        ),
        DeviceProblem::Unusable => ("cannot be used", "Choose one that `visavis devices` lists."),
        DeviceProblem::BadFile => (
            "cannot use this file",
            "Give a .y4m file (4:2:0) or a .wav file that can be read.",
        ),
    };
    format!(
        "The {role} {what} ({}). {remedy} The call goes on without it.",
        error.detail.trim_end_matches('.')
    )
}

/// The embedded server did not start.
#[must_use]
pub fn server_failed(detail: &str) -> String {
    format!(
        "The built-in signaling server could not be started ({detail}). Choose another address with --listen, or a \
         server with --server."
    )
}

/// A recording could not be written.
#[must_use]
pub fn write_failed(detail: &str) -> String {
    format!(
        "Something that is received could not be recorded ({detail}). Free some space or choose another directory \
         with --record; the call goes on."
    )
}

/// The report could not be written.
#[must_use]
pub fn report_failed(path: &std::path::Path, error: &std::io::Error) -> String {
    format!(
        "The report could not be written to {} ({error}). Free some space or choose another place with --report.",
        path.display()
    )
}

fn full_stop(sentence: &str) -> String {
    let sentence = sentence.trim();
    if sentence.ends_with(['.', '!', '?']) {
        sentence.into()
    } else {
        format!("{sentence}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_says_what_to_do_and_ends() {
        let problems = [
            DeviceProblem::Missing,
            DeviceProblem::Busy,
            DeviceProblem::Forbidden,
            DeviceProblem::Unplugged,
            DeviceProblem::Stalled,
            DeviceProblem::Unusable,
            DeviceProblem::BadFile,
        ];
        let mut all: Vec<String> = problems
            .into_iter()
            .map(|problem| {
                let detail = "no /dev/video0.".into();
                device(DeviceRole::Camera, &DeviceError { problem, detail })
            })
            .collect();
        all.push(end_reason(&EndReason::ServerUnreachable("refused".into())));
        all.push(end_reason(&EndReason::WrongServer("version 9".into())));
        all.push(end_reason(&EndReason::PeersUnreachable(None)));
        all.push(end_reason(&EndReason::PeersUnreachable(Some(Blockage::UdpBlocked))));
        all.push(end_reason(&EndReason::PeersUnreachable(Some(Blockage::RelayRefused))));
        for state in [NeverUp::NotInRoom, NeverUp::Alone, NeverUp::NotConnected] {
            all.push(never_up(state, &Role::Host));
            all.push(never_up(state, &Role::Join("L".into())));
        }
        for sentence in &all {
            let stops = sentence.matches(". ").count() + sentence.matches(": ").count();
            assert!(stops >= 1 && sentence.ends_with('.'), "{sentence}");
            assert!(!sentence.contains("  ") && !sentence.contains(".)"), "{sentence}");
        }
        all.sort();
        all.dedup();
        assert!(
            all.len() == problems.len() + 9,
            "sentences must tell the cases apart: {all:#?}"
        );
    }
}
