//! The Noise session between two participants: `Noise_XXpsk0_25519_AESGCM_SHA256` (Noise specification, revision 34).
//!
//! ```text
//! Initiator::start    ── message 1 ─────────────────►  Responder::answer
//! Initiator::receive  ◄─ message 2 (their payload) ──
//! Answered::complete  ── message 3 (our payload) ───►  Responder::complete
//!                     ◄─ Session::seal / open ──────►
//! ```
//!
//! Every message is one blob: a kind, the session's id, and what Noise made. Payloads are padded, so that their length
//! tells little. Messages must arrive whole and in order: the first that does not open ends the session.

use std::fmt;

use snow::{HandshakeState, TransportState};
use zeroize::Zeroizing;

pub use crate::handshake::{Answered, Initiator, Responder};
use crate::identity::PublicKey;
pub use crate::padding::Padding;
use crate::padding::{LENGTH_BYTES, pad, unpad};

/// The protocol.
pub const NOISE_PROTOCOL: &str = "Noise_XXpsk0_25519_AESGCM_SHA256";
/// Longest Noise message, bytes (section 3 of the specification).
pub const MAX_NOISE_BYTES: usize = 65_535;
/// Longest payload, bytes: fifteen of the largest padding steps, less the length in front. One step more would not fit
/// into a Noise message.
pub const MAX_PAYLOAD_BYTES: usize = 60 * 1024 - LENGTH_BYTES;
/// What AES-GCM adds, bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// Kind and session id in front of every message, bytes.
pub const HEADER_BYTES: usize = 1 + SESSION_ID_BYTES;
pub(crate) const SESSION_ID_BYTES: usize = 4;

/// Secret that both must have before they start; from the invite or from what two contacts share.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk(pub Zeroizing<[u8; 32]>);

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psk(…)")
    }
}

/// What both must agree on before they start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The secret.
    pub psk: Psk,
    /// Where and between whom: a message from elsewhere does not open.
    pub prologue: Vec<u8>,
}

/// Tells sessions between the same two apart: the first bytes of the initiator's ephemeral key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; SESSION_ID_BYTES]);

/// Who started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We did.
    Initiator,
    /// They did.
    Responder,
}

/// What a message is, from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// The initiator's first.
    First,
    /// The responder's answer.
    Second,
    /// The initiator's second.
    Third,
    /// After the handshake.
    Sealed,
}

impl MessageKind {
    const fn byte(self) -> u8 {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Third => 3,
            Self::Sealed => 4,
        }
    }
}

/// Why a message was refused, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Too short, or of no known kind.
    #[error("not a message of a session")]
    Malformed,
    /// Of another session or another step.
    #[error("a message of another session")]
    NotOurs,
    /// Changed, replayed, reordered, one missing before it, the wrong secret, or a weak key.
    #[error("the message does not open")]
    Forged,
    /// More than a message may carry.
    #[error("{0} bytes are more than a message may have")]
    TooLarge(usize),
}

/// What a blob says it is. Nothing is checked yet.
///
/// # Errors
/// [`SessionError::Malformed`].
pub fn inspect(blob: &[u8]) -> Result<(MessageKind, SessionId), SessionError> {
    let (header, _) = blob.split_at_checked(HEADER_BYTES).ok_or(SessionError::Malformed)?;
    let kind = match header[0] {
        1 => MessageKind::First,
        2 => MessageKind::Second,
        3 => MessageKind::Third,
        4 => MessageKind::Sealed,
        _ => return Err(SessionError::Malformed),
    };
    let mut id = SessionId([0; SESSION_ID_BYTES]);
    id.0.copy_from_slice(&header[1..]);
    Ok((kind, id))
}

/// An open session: both know the other's key, and nobody else can read or change what they send.
pub struct Session {
    transport: TransportState,
    id: SessionId,
    remote: PublicKey,
    hash: [u8; 32],
    role: Role,
}

impl Session {
    pub(crate) fn new(
        state: HandshakeState,
        id: SessionId,
        remote: PublicKey,
        role: Role,
    ) -> Result<Self, SessionError> {
        let mut hash = [0; 32];
        hash.copy_from_slice(state.get_handshake_hash());
        let transport = state.into_transport_mode().map_err(|_| SessionError::Forged)?;
        Ok(Self {
            transport,
            id,
            remote,
            hash,
            role,
        })
    }

    /// Which session.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Who they are.
    pub fn remote(&self) -> PublicKey {
        self.remote
    }

    /// The handshake's hash: equal on both sides, and different with anybody in between.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Who started.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Seals one message, to be sent in this order.
    ///
    /// # Errors
    /// When it is too large.
    pub fn seal(&mut self, payload: &[u8], padding: Padding) -> Result<Vec<u8>, SessionError> {
        let padded = pad(payload, padding)?;
        let mut blob = vec![0; HEADER_BYTES + padded.len() + TAG_BYTES];
        self.transport
            .write_message(&padded, &mut blob[HEADER_BYTES..])
            .map_err(|_| SessionError::TooLarge(payload.len()))?;
        put_header(&mut blob, MessageKind::Sealed, self.id);
        Ok(blob)
    }

    /// Opens the next message.
    ///
    /// # Errors
    /// [`SessionError::NotOurs`] leaves the session as it is. After [`SessionError::Forged`] it is worth nothing any
    /// more: shake hands anew.
    pub fn open(&mut self, blob: &[u8]) -> Result<Vec<u8>, SessionError> {
        let noise = check_header(blob, MessageKind::Sealed, self.id)?;
        let mut padded = vec![0; noise.len()];
        let length = self
            .transport
            .read_message(noise, &mut padded)
            .map_err(|_| SessionError::Forged)?;
        padded.truncate(length);
        unpad(padded)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?} with {:?})", self.id, self.remote)
    }
}

pub(crate) fn put_header(blob: &mut [u8], kind: MessageKind, id: SessionId) {
    blob[0] = kind.byte();
    blob[1..HEADER_BYTES].copy_from_slice(&id.0);
}

pub(crate) fn check_header(blob: &[u8], kind: MessageKind, id: SessionId) -> Result<&[u8], SessionError> {
    if inspect(blob)? != (kind, id) {
        return Err(SessionError::NotOurs);
    }
    match blob.len() - HEADER_BYTES {
        0..=MAX_NOISE_BYTES => Ok(&blob[HEADER_BYTES..]),
        bytes => Err(SessionError::TooLarge(bytes)),
    }
}
