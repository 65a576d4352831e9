//! What follows from a message: the answer of both registries, and the refusals they have in common.

use signaling_protocol::limits::MAX_BLOB_BYTES;
use signaling_protocol::{Blob, ErrorCode, PROTOCOL_VERSION, ServerMessage};

/// A connection to the server. Never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What follows from one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// To be sent, in this order.
    pub messages: Vec<(ConnectionId, ServerMessage)>,
    /// To be ended, after the messages.
    pub disconnects: Vec<(ConnectionId, Goodbye)>,
}

/// Why the server ends a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// The client asked for it.
    Left,
    /// The member came back on another connection.
    TakenOver,
    /// Something is wrong; the client is told by an error message.
    Refused {
        /// For programs.
        code: ErrorCode,
        /// For people: a sentence.
        message: String,
    },
}

impl Goodbye {
    pub(crate) fn refused(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Refused { code, message }
    }
}

impl Outcome {
    /// One message.
    pub(crate) fn message(connection: ConnectionId, message: ServerMessage) -> Self {
        Self {
            messages: vec![(connection, message)],
            disconnects: Vec::new(),
        }
    }

    /// One connection ends.
    pub(crate) fn goodbye(connection: ConnectionId, goodbye: Goodbye) -> Self {
        Self {
            messages: Vec::new(),
            disconnects: vec![(connection, goodbye)],
        }
    }

    /// One connection ends because something is wrong.
    pub(crate) fn refused(connection: ConnectionId, code: ErrorCode, message: impl Into<String>) -> Self {
        Self::goodbye(connection, Goodbye::refused(code, message))
    }

    /// The answer to a message that needs another one before it.
    pub(crate) fn not_joined(connection: ConnectionId) -> Self {
        let message = "The first message on a connection must be `join` or `listen`.";
        Self::refused(connection, ErrorCode::NotJoined, message)
    }

    /// The answer to a blob that has no receiver.
    pub(crate) fn no_such_member(connection: ConnectionId, message: String) -> Self {
        let code = ErrorCode::NoSuchMember;
        Self::message(connection, ServerMessage::Error { code, message })
    }
}

/// Fails when the client's version of the protocol is not ours.
pub(crate) fn check_version(v: u16) -> Result<(), Goodbye> {
    match v.cmp(&PROTOCOL_VERSION) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(Goodbye::refused(
            ErrorCode::ClientTooOld,
            format!(
                "This server needs version {PROTOCOL_VERSION} of the protocol and your Visavis speaks {v}: update Visavis."
            ),
        )),
        std::cmp::Ordering::Greater => Err(Goodbye::refused(
            ErrorCode::ClientTooNew,
            format!(
                "This server speaks version {PROTOCOL_VERSION} of the protocol and your Visavis {v}: the server must be updated."
            ),
        )),
    }
}

/// Fails when a blob is larger than its receiver could be sent.
pub(crate) fn check_blob(blob: &Blob) -> Result<(), Goodbye> {
    let bytes = blob.0.len();
    if bytes > MAX_BLOB_BYTES {
        let message = format!("A blob has {bytes} bytes, more than the {MAX_BLOB_BYTES} allowed.");
        return Err(Goodbye::refused(ErrorCode::TooLarge, message));
    }
    Ok(())
}
