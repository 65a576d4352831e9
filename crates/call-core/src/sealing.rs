//! The envelope between participants: bytes to message and back, in one place, so that encryption between
//! participants (the Noise handshake of the trust design) changes this file and no other.

use signaling_protocol::limits::MAX_BLOB_BYTES;

use crate::peer_message::{MessageError, PeerMessage};

/// Puts a message into an envelope of at most [`MAX_BLOB_BYTES`].
pub(crate) fn seal(message: &PeerMessage) -> Result<Vec<u8>, MessageError> {
    let envelope = message.to_json()?;
    check_size(&envelope)?;
    Ok(envelope)
}

/// Takes a message out of an envelope; every field has been checked.
pub(crate) fn open(envelope: &[u8]) -> Result<PeerMessage, MessageError> {
    check_size(envelope)?;
    PeerMessage::from_json(envelope)
}

fn check_size(envelope: &[u8]) -> Result<(), MessageError> {
    match envelope.len() {
        0..=MAX_BLOB_BYTES => Ok(()),
        bytes => Err(MessageError::TooLarge(bytes)),
    }
}
