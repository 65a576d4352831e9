//! What two devices say to each other about a ring, and the bounds on it.
//!
//! JSON, one object a message, with a version; it travels sealed. Everything in it is hostile until it has been
//! checked here. The caller drives: it repeats `Ring`, and each answer says how the ring stands at that device.

use serde::{Deserialize, Serialize};

use super::id::RingId;
use crate::input::Switch;
use crate::peer_message::clean_name;

/// Version of these messages.
pub const RING_MESSAGE_VERSION: u16 = 1;
/// Longest link, bytes.
pub const MAX_LINK_BYTES: usize = 2_048;
/// Longest name on the wire, before it is cleaned, bytes.
const MAX_NAME_BYTES: usize = 1_024;
/// Longest message, bytes: a link and a name, each byte escaped, and the rest.
pub const MAX_RING_MESSAGE_BYTES: usize = 20 * 1024;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RingMessage {
    /// Caller: I ring you. Repeated while it lasts: who hears it no longer stops ringing.
    Ring {
        /// Which ring.
        id: RingId,
        /// Whether I want to be seen.
        video: Switch,
        /// Where the call will be.
        link: String,
        /// What I call myself.
        name: String,
    },
    /// Callee: it rings here.
    Ringing {
        /// Which ring.
        id: RingId,
    },
    /// Callee: I take it. The call begins for me when `Start` comes.
    Accept {
        /// Which ring.
        id: RingId,
        /// Whether I want to be seen.
        video: Switch,
        /// My own ring to you that I give up for yours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead_of: Option<RingId>,
    },
    /// Callee: no. After an `Accept`: no longer.
    Decline {
        /// Which ring.
        id: RingId,
    },
    /// Callee: not now. Says nothing about why.
    Busy {
        /// Which ring.
        id: RingId,
    },
    /// Caller: the ring is over, and there is no call.
    Cancel {
        /// Which ring.
        id: RingId,
    },
    /// Caller: another device of yours has answered.
    AnsweredElsewhere {
        /// Which ring.
        id: RingId,
    },
    /// Caller: your `Accept` was the first; I am in the call. Repeated until `Started` comes.
    Start {
        /// Which ring.
        id: RingId,
    },
    /// Callee: so am I.
    Started {
        /// Which ring.
        id: RingId,
    },
}

/// Why a message was refused.
#[derive(Debug, thiserror::Error)]
pub enum RingMessageError {
    /// Longer than any message.
    #[error("{0} bytes are more than a message may have")]
    TooLarge(usize),
    /// Not ours.
    #[error("version {0} is not one we speak")]
    Version(u16),
    /// Not one of the messages.
    #[error("not a message: {0}")]
    Json(#[from] serde_json::Error),
    /// A field is too long or not what it should be.
    #[error("the {0} is out of bounds")]
    OutOfBounds(&'static str),
}

#[derive(Serialize)]
struct Outgoing<'a> {
    v: u16,
    #[serde(flatten)]
    message: &'a RingMessage,
}

#[derive(Deserialize)]
struct Version {
    v: u16,
}

impl RingMessage {
    /// To JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let message = Outgoing {
            v: RING_MESSAGE_VERSION,
            message: self,
        };
        serde_json::to_vec(&message).expect("texts and numbers: JSON can hold them")
    }

    /// From JSON, every field checked and the name cleaned.
    ///
    /// # Errors
    /// When it is not one of the messages, of another version, or out of bounds.
    pub fn from_json(json: &[u8]) -> Result<Self, RingMessageError> {
        if json.len() > MAX_RING_MESSAGE_BYTES {
            return Err(RingMessageError::TooLarge(json.len()));
        }
        let Version { v } = serde_json::from_slice(json)?;
        if v != RING_MESSAGE_VERSION {
            return Err(RingMessageError::Version(v));
        }
        serde_json::from_slice::<Self>(json)?.checked()
    }

    /// Which ring it is about.
    pub fn id(&self) -> RingId {
        match self {
            Self::Ring { id, .. }
            | Self::Ringing { id }
            | Self::Accept { id, .. }
            | Self::Decline { id }
            | Self::Busy { id }
            | Self::Cancel { id }
            | Self::AnsweredElsewhere { id }
            | Self::Start { id }
            | Self::Started { id } => *id,
        }
    }

    fn checked(mut self) -> Result<Self, RingMessageError> {
        if let Self::Ring { link, name, .. } = &mut self {
            if !is_link(link) {
                return Err(RingMessageError::OutOfBounds("link"));
            }
            if name.len() > MAX_NAME_BYTES {
                return Err(RingMessageError::OutOfBounds("name"));
            }
            *name = clean_name(name);
        }
        Ok(self)
    }
}

/// Whether a text may stand where a link should: one line of visible ASCII. What it says is the invite's to judge.
pub fn is_link(text: &str) -> bool {
    (1..=MAX_LINK_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(link: &str, name: &str) -> RingMessage {
        RingMessage::Ring {
            id: RingId([7; 16]),
            video: Switch::On,
            link: link.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn every_message_survives_the_way() {
        let id = RingId([0xab; 16]);
        let messages = [
            ring("https://example.org/j#1.a.b", "Ann"),
            RingMessage::Ringing { id },
            RingMessage::Accept {
                id,
                video: Switch::Off,
                instead_of: Some(RingId([1; 16])),
            },
            RingMessage::Decline { id },
            RingMessage::Busy { id },
            RingMessage::Cancel { id },
            RingMessage::AnsweredElsewhere { id },
            RingMessage::Start { id },
            RingMessage::Started { id },
        ];
        for message in messages {
            assert_eq!(RingMessage::from_json(&message.to_json()).unwrap(), message);
        }
    }

    #[test]
    fn the_longest_ring_fits() {
        let message = ring(&"\"".repeat(MAX_LINK_BYTES), &"n".repeat(64));
        assert_eq!(RingMessage::from_json(&message.to_json()).unwrap(), message);
    }

    #[test]
    fn refuses_what_is_out_of_bounds() {
        let too_long = ring(&"l".repeat(MAX_LINK_BYTES + 1), "Ann");
        let two_lines = ring("https://example.org\n/j", "Ann");
        let no_link = ring("", "Ann");
        let long_name = ring("l", &"n".repeat(MAX_NAME_BYTES + 1));
        for message in [too_long, two_lines, no_link, long_name] {
            let refused = RingMessage::from_json(&message.to_json());
            assert!(matches!(refused, Err(RingMessageError::OutOfBounds(_))), "{refused:?}");
        }
        for text in [
            r#"{"v":2,"type":"cancel","id":"00"}"#,
            r#"{"v":1,"type":"cancel","id":"00"}"#,
            r#"{"v":1,"type":"cancel","id":"+0000000000000000000000000000000"}"#,
            r#"{"v":1,"type":"dance"}"#,
            r#"{"type":"cancel"}"#,
            "[]",
            "",
        ] {
            assert!(RingMessage::from_json(text.as_bytes()).is_err(), "{text}");
        }
        assert!(matches!(
            RingMessage::from_json(&vec![b' '; MAX_RING_MESSAGE_BYTES + 1]),
            Err(RingMessageError::TooLarge(_))
        ));
    }

    #[test]
    fn a_name_is_cleaned() {
        let heard = RingMessage::from_json(&ring("l", " A\u{202e}nn\u{7} ").to_json()).unwrap();
        assert_eq!(heard, ring("l", "Ann"));
    }
}
