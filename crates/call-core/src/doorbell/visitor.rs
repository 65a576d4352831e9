//! Another listener of a topic: the handshake with it, and the session that follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use trust::{Initiator, Responder, Session};

use super::id::DeviceId;
use super::pace::Pace;
use super::ring::Device;
use crate::time::Time;

/// Handshakes with one listener: three at once, then three a minute.
const HANDSHAKES: u32 = 3;
const HANDSHAKE_INTERVAL: Duration = Duration::from_secs(20);
/// Each step of a handshake has to be answered within this.
pub(super) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Version of [`Hello`].
const HELLO_VERSION: u16 = 1;
/// Longest hello, bytes.
const MAX_HELLO_BYTES: usize = 1_024;

/// Somebody.
#[derive(Debug)]
pub(super) struct Visitor {
    /// The session, which lives on until another handshake has succeeded.
    pub(super) open: Option<Open>,
    pub(super) handshake: Handshake,
    pub(super) pace: Pace,
}

/// A session and whose it is.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) device: Device,
}

/// How far a handshake is.
#[derive(Debug, Default)]
pub(super) enum Handshake {
    /// It is theirs to begin, or done.
    #[default]
    None,
    /// Ours to begin, then.
    Due { at: Time },
    /// We began; the answer has to come until then.
    Asked { state: Initiator, until: Time },
    /// They began; the third message has to come until then.
    Answered { state: Responder, until: Time },
    /// We know who it is, and have nothing to say to them.
    Refused,
}

impl Handshake {
    pub(super) fn due(&self) -> Option<Time> {
        match self {
            Self::Due { at } => Some(*at),
            Self::None | Self::Asked { .. } | Self::Answered { .. } | Self::Refused => None,
        }
    }
}

impl Visitor {
    pub(super) fn new(handshake: Handshake) -> Self {
        Self {
            open: None,
            handshake,
            pace: Pace::new(HANDSHAKE_INTERVAL, HANDSHAKES),
        }
    }

    /// What they did last did not lead anywhere: once more when it may be.
    pub(super) fn begin_again(&mut self, now: Time) {
        let at = now.max(self.pace.ready_at());
        self.handshake = Handshake::Due { at };
    }
}

/// Whose door this is, as somebody in front of it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    /// Theirs.
    Inside,
    /// Not theirs: they want to ring, too.
    Outside,
}

/// What each says with the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    v: u16,
    pub(super) device: DeviceId,
    pub(super) side: Side,
}

impl Hello {
    pub(super) fn new(device: DeviceId, side: Side) -> Self {
        let v = HELLO_VERSION;
        Self { v, device, side }
    }

    pub(super) fn to_json(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("texts and a number: JSON can hold them")
    }

    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        let hello: Self = serde_json::from_slice(json.get(..json.len().min(MAX_HELLO_BYTES))?).ok()?;
        (hello.v == HELLO_VERSION).then_some(hello)
    }
}
