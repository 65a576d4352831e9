//! What participants say to each other, and the bounds on what they may say.
//!
//! JSON, one object a message, with a version. Through the server it travels in the handshake and, sealed, in the
//! session made by it (`sealing.rs`); on the control data channel, which DTLS protects, as it is. Everything in it is
//! hostile until it has been checked here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trust::symbols::SymbolMessage;

use crate::hex::Hex;
use crate::input::{DescriptionKind, IceCandidate};
use crate::snapshot::{LocalMedia, SendTimings};
use crate::standing::Door;
use crate::standing::IdentityLifetime;

/// Version of these messages.
pub(crate) const PEER_MESSAGE_VERSION: u16 = 1;
/// Longest name, characters.
pub const MAX_NAME_CHARS: usize = 64;
/// Longest name on the wire, before it is cleaned, bytes.
const MAX_NAME_BYTES: usize = 1_024;
/// Longest session description, bytes.
pub const MAX_SDP_BYTES: usize = 32 * 1024;
/// Longest candidate line, bytes.
pub const MAX_CANDIDATE_BYTES: usize = 1_024;
/// Longest media section tag and ICE user fragment, bytes (RFC 8839, section 5.4: 256).
const MAX_TAG_BYTES: usize = 256;
/// Most connections a participant may claim to hold.
pub(crate) const MAX_CLAIMED_CONNECTIONS: usize = 16;
/// Most capabilities a participant may name, and the longest, bytes.
const MAX_CAPABILITIES: usize = 16;
const MAX_CAPABILITY_BYTES: usize = 64;
/// Most keys a host may tell of each kind.
pub(crate) const MAX_KEYS_TOLD: usize = 128;
/// Longest address of the server where somebody can be rung, bytes.
pub const MAX_DOORBELL_BYTES: usize = 256;
/// Longest stage a participant may report, ms.
const MAX_TIMING_MS: f32 = 60_000.0;

/// Who somebody is for the length of one call: 16 random bytes, drawn by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParticipantId(pub [u8; 16]);

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParticipantId({self})")
    }
}

impl Serialize for ParticipantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hex(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ParticipantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Hex::deserialize(deserializer).map(|Hex(bytes)| Self(bytes))
    }
}

/// Random, new for every connection, told only inside the session: who says it on the control channel is the one
/// the connection was agreed on with.
pub(crate) type Hello = Hex<16>;

/// Which connection a message is about. Each side numbers its own peer connections, counting up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectionTag {
    /// The sender's number of its connection.
    pub connection: u32,
    /// The receiver's, as far as the sender knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toward: Option<u32>,
    /// Counts the sender's messages about this connection from 1: what comes twice is dropped.
    pub sequence: u32,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum PeerMessage {
    /// I am here: the payload of the handshake's second and third message, and nowhere else.
    Greeting {
        participant: ParticipantId,
        name: String,
        /// What the sender can do beyond this version; unknown ones are ignored.
        #[serde(default)]
        capabilities: Vec<String>,
        entry: Entry,
    },
    /// What the sender has decided about the receiver since.
    Admission { entry: Entry },
    /// Are you still there? Sent while a connection is being agreed on: a server that drops the last message of a
    /// session leaves no gap by which it would show.
    Check,
    /// I am.
    Checked,
    /// The receiver's token: the first message on a control channel, and nowhere else.
    Hello { hello: Hello },
    /// An offer or an answer.
    Description {
        #[serde(flatten)]
        tag: ConnectionTag,
        kind: DescriptionKind,
        /// In an answer: the sequence of the offer it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<u32>,
        /// To be said back on the control channel of this connection.
        hello: Hello,
        sdp: String,
    },
    /// A trickled candidate.
    Candidate {
        #[serde(flatten)]
        tag: ConnectionTag,
        /// The sequence of the description it belongs to.
        description: u32,
        candidate: IceCandidate,
    },
    /// What the sender sends has changed.
    Media {
        media: LocalMedia,
        /// Counts changes; an older one that comes late is dropped.
        revision: u32,
    },
    /// I am leaving for good.
    Bye,
    /// What the sender's pictures cost it.
    Timings(SendTimings),
    /// Towards symbols to compare.
    Symbols { message: SymbolMessage },
    /// From the host: who may enter.
    Room {
        /// Counts changes: an older one may come late on another way.
        revision: u32,
        door: Door,
        /// Whether the invite lets nobody new in any more.
        has_expired: bool,
        /// Keys of those who may come in, and come back, whatever the door.
        admitted: Vec<Hex<32>>,
        /// Keys of those who may not.
        refused: Vec<Hex<32>>,
    },
    /// From the host: the room has moved to that of another secret.
    Moved { secret: Hex<16> },
}

/// What the sender has decided about the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// Come in. Only those learn the rest.
    Open {
        media: LocalMedia,
        /// Counts changes of `media`.
        media_revision: u32,
        /// Numbers of the peer connections the sender holds: the receiver finds the one they share, if it lives.
        connections: Vec<u32>,
        /// Address of the server where the sender can be rung.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doorbell: Option<String>,
        /// Whether the sender's key is kept.
        #[serde(default, skip_serializing_if = "IdentityLifetime::is_kept")]
        identity: IdentityLifetime,
    },
    /// Not decided yet.
    Wait,
    /// No.
    Refused,
    /// The room is locked.
    Locked,
    /// The invite has expired.
    Expired,
}

impl Entry {
    fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Open { connections, .. } if connections.len() > MAX_CLAIMED_CONNECTIONS => {
                Some("list of connections")
            }
            Self::Open {
                doorbell: Some(address),
                ..
            } if address.len() > MAX_DOORBELL_BYTES || address.chars().any(char::is_control) => Some("doorbell"),
            Self::Open { .. } | Self::Wait | Self::Refused | Self::Locked | Self::Expired => None,
        }
    }
}

/// Why a message was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("{0} bytes are more than a message may have")]
    TooLarge(usize),
    #[error("version {0} is not one we speak")]
    Version(u16),
    #[error("not a message: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the {0} is out of bounds")]
    OutOfBounds(&'static str),
}

#[derive(Serialize)]
struct Outgoing<'a> {
    v: u16,
    #[serde(flatten)]
    message: &'a PeerMessage,
}

#[derive(Deserialize)]
struct Version {
    v: u16,
}

impl PeerMessage {
    /// To JSON.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, MessageError> {
        let v = PEER_MESSAGE_VERSION;
        Ok(serde_json::to_vec(&Outgoing { v, message: self })?)
    }

    /// From JSON, every field checked and the name cleaned.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, MessageError> {
        let Version { v } = serde_json::from_slice(json)?;
        if v != PEER_MESSAGE_VERSION {
            return Err(MessageError::Version(v));
        }
        serde_json::from_slice::<Self>(json)?.checked()
    }

    fn checked(mut self) -> Result<Self, MessageError> {
        let problem = match &mut self {
            Self::Greeting {
                name,
                capabilities,
                entry,
                ..
            } => {
                let problem = (name.len() > MAX_NAME_BYTES).then_some("name");
                *name = clean_name(name);
                let fits = capabilities.len() <= MAX_CAPABILITIES
                    && capabilities.iter().all(|what| what.len() <= MAX_CAPABILITY_BYTES);
                problem
                    .or_else(|| (!fits).then_some("list of capabilities"))
                    .or_else(|| entry.problem())
            }
            Self::Admission { entry } => entry.problem(),
            Self::Room { admitted, refused, .. } => {
                (admitted.len() > MAX_KEYS_TOLD || refused.len() > MAX_KEYS_TOLD).then_some("list of keys")
            }
            Self::Description { sdp, kind, answers, .. } => {
                let answers_as_due = answers.is_some() == (*kind == DescriptionKind::Answer);
                let is_text = sdp.chars().all(|c| !c.is_control() || matches!(c, '\r' | '\n' | '\t'));
                let fits = !sdp.is_empty() && sdp.len() <= MAX_SDP_BYTES && is_text;
                (!fits)
                    .then_some("session description")
                    .or_else(|| (!answers_as_due).then_some("answered offer"))
            }
            Self::Candidate { candidate, .. } => (!is_sendable(candidate)).then_some("candidate"),
            Self::Timings(timings) => {
                let in_bounds = |ms: f32| (0.0..=MAX_TIMING_MS).contains(&ms);
                (!in_bounds(timings.capture_ms) || !in_bounds(timings.encode_ms)).then_some("timing")
            }
            Self::Check
            | Self::Checked
            | Self::Hello { .. }
            | Self::Media { .. }
            | Self::Bye
            | Self::Symbols { .. }
            | Self::Moved { .. } => None,
        };
        problem.map_or(Ok(self), |what| Err(MessageError::OutOfBounds(what)))
    }
}

/// Whether a candidate is within bounds: one line of text. An empty one only says that there are no more.
pub(crate) fn is_sendable(candidate: &IceCandidate) -> bool {
    let is_line = |text: &str, limit: usize| text.len() <= limit && !text.chars().any(char::is_control);
    let is_tag = |tag: &Option<String>| tag.as_deref().is_none_or(|tag| is_line(tag, MAX_TAG_BYTES));
    !candidate.candidate.is_empty()
        && is_line(&candidate.candidate, MAX_CANDIDATE_BYTES)
        && is_tag(&candidate.sdp_mid)
        && is_tag(&candidate.username_fragment)
}

/// A name fit to be shown: no control characters, nothing that turns the writing direction of what follows or
/// takes no space, at most [`MAX_NAME_CHARS`] characters, no spaces around.
pub fn clean_name(name: &str) -> String {
    let is_shown = |c: &char| {
        let is_invisible = matches!(*c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
        !c.is_control() && !is_invisible
    };
    let kept: String = name.trim().chars().filter(is_shown).take(MAX_NAME_CHARS).collect();
    kept.trim().to_owned()
}
