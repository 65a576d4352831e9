//! The messages, one JSON object a WebSocket text frame.
//!
//! Unknown fields are ignored. A type the server does not know is answered with an error that names it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::id::{Blob, ResumeToken, RoomId, Slot};
use crate::limits::MAX_MESSAGE_BYTES;

/// Client to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Enter a room; must come first on a connection that does not listen. Creates the room when it does not exist.
    Join {
        /// The client's protocol version.
        v: u16,
        /// Which room.
        room: RoomId,
        /// A slot to take back after a drop.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
    },
    /// Pass a blob to a member of the same room.
    Relay {
        /// For whom.
        to: Slot,
        /// What.
        blob: Blob,
    },
    /// Go for good: the slot is given up at once.
    Leave,
    /// Listen on these topics, and on no others any more: the first message of a connection that enters no room, and
    /// again whenever the topics change. The answer is [`ServerMessage::Listening`], each time. A topic has the form of
    /// a room's id, is derived by two contacts from their keys and the day, and has nothing to do with the room of
    /// that id.
    ///
    /// There is no way back to a slot: who was cut off listens again, and is a new listener.
    Listen {
        /// The client's protocol version.
        v: u16,
        /// At most [`crate::limits::MAX_TOPICS`]; none at all is allowed. One that is named twice counts twice.
        topics: Vec<RoomId>,
    },
    /// Pass a blob to another listener of a topic one listens on. When there is no such listener (any more), the answer
    /// is [`ErrorCode::NoSuchMember`].
    Post {
        /// Which topic.
        topic: RoomId,
        /// For whom.
        to: Slot,
        /// What.
        blob: Blob,
    },
}

/// Proof that a slot is one's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The slot held before.
    pub slot: Slot,
    /// The token that came with it.
    pub token: ResumeToken,
}

/// Server to client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The answer to `Join`.
    Joined {
        /// The server's protocol version.
        v: u16,
        /// The client's own slot.
        slot: Slot,
        /// For taking the slot back after a drop.
        token: ResumeToken,
        /// Everybody else in the room, those that are away for the moment included.
        members: Vec<Slot>,
        /// Whether the slot asked for was taken back. When false, it is new.
        resumed: bool,
    },
    /// Somebody came in.
    PeerJoined {
        /// Their slot.
        slot: Slot,
    },
    /// Somebody's connection to the server dropped; the slot is kept for them.
    PeerAway {
        /// Their slot.
        slot: Slot,
    },
    /// Somebody took their slot back, on a new connection. Without a `PeerAway` before it when the new connection
    /// took over from one that looked alive.
    PeerBack {
        /// Their slot.
        slot: Slot,
    },
    /// Somebody is gone for good.
    PeerLeft {
        /// Their slot.
        slot: Slot,
        /// Why.
        reason: LeaveReason,
    },
    /// A blob from a member.
    Relay {
        /// From whom.
        from: Slot,
        /// What.
        blob: Blob,
    },
    /// The answer to `Listen`: only the topics that are new to this connection.
    ///
    /// A topic asked for and neither held before nor named here is not listened on: it has
    /// [`crate::limits::MAX_LISTENERS`] already, or the server has no place for more. That is no error, so that a
    /// contact who crowds the topic shared with us does not take the other topics from us. The next `Listen` that names
    /// it tries again; nothing is sent when a place becomes free.
    Listening {
        /// The server's protocol version.
        v: u16,
        /// Each new topic, with our slot in it and everybody else's.
        topics: Vec<TopicState>,
    },
    /// Somebody listens on one of our topics now. A device that changes all its topics brings the other devices of the
    /// same person two notices a topic at once.
    ListenerCame {
        /// Which topic.
        topic: RoomId,
        /// Their slot.
        slot: Slot,
    },
    /// Somebody does not listen any more. A connection that broke silently counts as listening until it misses a ping.
    ListenerWent {
        /// Which topic.
        topic: RoomId,
        /// Their slot.
        slot: Slot,
    },
    /// A blob from another listener.
    Posted {
        /// Which topic.
        topic: RoomId,
        /// From whom.
        from: Slot,
        /// What.
        blob: Blob,
    },
    /// Something was refused. Fatal ones are followed by a close frame.
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people: a sentence.
        message: String,
    },
}

/// Who listens on a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicState {
    /// Which.
    pub topic: RoomId,
    /// Our own slot.
    pub slot: Slot,
    /// Everybody else.
    pub others: Vec<Slot>,
}

/// Why a member is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// It said so.
    Left,
    /// It dropped off and did not come back in time.
    Lost,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The client speaks an older version than the server accepts. Fatal.
    ClientTooOld,
    /// The client speaks a newer version than the server knows. Fatal.
    ClientTooNew,
    /// Not JSON, not one of the messages, or with wrong fields.
    Malformed,
    /// A message of a type the server does not know.
    UnknownType,
    /// The first message was neither `join` nor `listen`, `join` came twice, or a connection in a room was used for
    /// topics or the other way round. Fatal.
    NotJoined,
    /// The room has no place left. Fatal.
    RoomFull,
    /// The slot a blob was for is not in the room or topic, or the sender does not listen on that topic.
    NoSuchMember,
    /// Too many messages, or topics entered, in a short time. Fatal.
    TooFast,
    /// The client did not read what was sent to it. Fatal.
    TooSlow,
    /// A message, blob or list of topics over the limit. Fatal.
    TooLarge,
    /// Too many rooms or connections: try later. Fatal.
    Busy,
    /// A code this side does not know yet.
    #[serde(other)]
    Other,
}

/// Longest piece of the other side's text that an error repeats, characters.
const MAX_QUOTE_CHARACTERS: usize = 80;

/// Why a text is not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A newer version may know it: not a reason to end the connection.
    #[error("messages of type {0:?} are not known here")]
    UnknownType(String),
    /// Not JSON, no type, or wrong fields.
    #[error("not a message: {0}")]
    Malformed(String),
}

impl ClientMessage {
    /// The values of `type`.
    const TYPES: &[&str] = &["join", "relay", "leave", "listen", "post"];

    /// Reads one text frame.
    ///
    /// # Errors
    /// When it is not one of the messages.
    pub fn from_json(text: &str) -> Result<Self, MessageError> {
        from_json(text, Self::TYPES)
    }

    /// The text frame.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

impl ServerMessage {
    /// The values of `type`.
    const TYPES: &[&str] = &[
        "joined",
        "peer_joined",
        "peer_away",
        "peer_back",
        "peer_left",
        "relay",
        "listening",
        "listener_came",
        "listener_went",
        "posted",
        "error",
    ];

    /// Reads one text frame.
    ///
    /// # Errors
    /// When it is not one of the messages.
    pub fn from_json(text: &str) -> Result<Self, MessageError> {
        from_json(text, Self::TYPES)
    }

    /// The text frame.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

fn to_json(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("messages are numbers, texts and lists of them: JSON can hold them")
}

fn from_json<T: DeserializeOwned>(text: &str, types: &[&str]) -> Result<T, MessageError> {
    #[derive(Deserialize)]
    struct Tagged {
        r#type: String,
    }
    // What a message may cost to read is bounded before it is read: serde keeps all of it before it knows its type.
    if text.len() > MAX_MESSAGE_BYTES {
        let why = format!("it has {} bytes, more than the {MAX_MESSAGE_BYTES} allowed", text.len());
        return Err(MessageError::Malformed(why));
    }
    let error = match serde_json::from_str(text) {
        Ok(message) => return Ok(message),
        Err(error) => error,
    };
    match serde_json::from_str::<Tagged>(text) {
        Ok(tagged) if !types.contains(&tagged.r#type.as_str()) => Err(MessageError::UnknownType(quote(&tagged.r#type))),
        Ok(_) | Err(_) => Err(MessageError::Malformed(quote(&error.to_string()))),
    }
}

fn quote(text: &str) -> String {
    text.chars().take(MAX_QUOTE_CHARACTERS).collect()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
