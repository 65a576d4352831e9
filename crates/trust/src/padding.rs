//! Padding: a payload in, bytes of a length that tells little of it out, and back.

use crate::session::{MAX_PAYLOAD_BYTES, SessionError};

/// The length in front of a padded payload, bytes.
pub(crate) const LENGTH_BYTES: usize = 2;

/// How far a payload is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// To multiples of 1 KiB.
    Small,
    /// To multiples of 4 KiB: session descriptions.
    Description,
}

impl Padding {
    const fn step(self) -> usize {
        match self {
            Self::Small => 1024,
            Self::Description => 4096,
        }
    }
}

/// Length, payload, zeros up to a multiple of the step.
pub(crate) fn pad(payload: &[u8], padding: Padding) -> Result<Vec<u8>, SessionError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(SessionError::TooLarge(payload.len()));
    }
    let length = u16::try_from(payload.len()).map_err(|_| SessionError::TooLarge(payload.len()))?;
    let mut padded = Vec::with_capacity((LENGTH_BYTES + payload.len()).next_multiple_of(padding.step()));
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(payload);
    padded.resize(padded.len().next_multiple_of(padding.step()), 0);
    Ok(padded)
}

pub(crate) fn unpad(mut padded: Vec<u8>) -> Result<Vec<u8>, SessionError> {
    let (length, rest) = padded.split_at_checked(LENGTH_BYTES).ok_or(SessionError::Forged)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > rest.len() {
        return Err(SessionError::Forged);
    }
    padded.drain(..LENGTH_BYTES);
    padded.truncate(length);
    Ok(padded)
}
