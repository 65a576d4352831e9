//! What participants say to each other, and the bounds on what they may say.
//!
//! JSON, one object a message, with a version. It travels in the server's opaque blobs and on the control data
//! channel, in an envelope made by `sealing.rs`. Everything in it is hostile until it has been checked here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::input::{DescriptionKind, IceCandidate};
use crate::snapshot::{LocalMedia, SendTimings};

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
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ParticipantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let well_formed = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&text, 16) {
            Ok(value) if well_formed => Ok(Self(value.to_be_bytes())),
            _ => Err(de::Error::custom("expected 16 bytes in hexadecimal")),
        }
    }
}

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
    /// I am here. Asks for one back unless it is a reply.
    Greeting {
        participant: ParticipantId,
        name: String,
        media: LocalMedia,
        /// Counts changes of `media`.
        media_revision: u32,
        is_reply: bool,
        /// Numbers of the peer connections the sender holds: the receiver finds the one they share, if it lives.
        connections: Vec<u32>,
    },
    /// An offer or an answer.
    Description {
        #[serde(flatten)]
        tag: ConnectionTag,
        kind: DescriptionKind,
        /// In an answer: the sequence of the offer it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<u32>,
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
            Self::Greeting { name, connections, .. } => {
                let problem = (name.len() > MAX_NAME_BYTES).then_some("name");
                *name = clean_name(name);
                problem.or_else(|| (connections.len() > MAX_CLAIMED_CONNECTIONS).then_some("list of connections"))
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
            Self::Media { .. } | Self::Bye => None,
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
