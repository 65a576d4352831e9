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

use snow::{Builder, HandshakeState, TransportState};
use zeroize::Zeroizing;

use crate::diffie_hellman::Resolver;
use crate::entropy::Entropy;
use crate::identity::{IdentityKey, KEY_BYTES, PublicKey};

/// The protocol.
pub const NOISE_PROTOCOL: &str = "Noise_XXpsk0_25519_AESGCM_SHA256";
/// Longest Noise message, bytes (section 3 of the specification).
pub const MAX_NOISE_BYTES: usize = 65_535;
/// Longest payload, bytes: what padding and tags leave of it.
pub const MAX_PAYLOAD_BYTES: usize = 60 * 1024;
/// What AES-GCM adds, bytes.
const TAG_BYTES: usize = 16;
/// Kind and session id in front of every message, bytes.
pub const HEADER_BYTES: usize = 1 + SESSION_ID_BYTES;
const SESSION_ID_BYTES: usize = 4;
/// The length in front of a padded payload, bytes.
const LENGTH_BYTES: usize = 2;

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

/// We have sent the first message.
pub struct Initiator {
    state: HandshakeState,
    id: SessionId,
}

/// The second message has come: we know who they are.
pub struct Answered {
    state: HandshakeState,
    id: SessionId,
    /// What they said with it.
    pub payload: Vec<u8>,
    /// Who they are.
    pub remote: PublicKey,
}

/// We have answered a first message.
pub struct Responder {
    state: HandshakeState,
    id: SessionId,
}

impl Initiator {
    /// Starts; gives the first message.
    pub fn start(terms: &Terms, identity: &IdentityKey, entropy: &mut Entropy) -> (Self, Vec<u8>) {
        let mut state = handshake(terms, identity, entropy, Role::Initiator);
        let mut blob = vec![0; HEADER_BYTES];
        write(&mut state, &[], &mut blob).expect("the first message needs nothing from the other side");
        let mut id = SessionId([0; SESSION_ID_BYTES]);
        id.0.copy_from_slice(&blob[HEADER_BYTES..HEADER_BYTES + SESSION_ID_BYTES]);
        put_header(&mut blob, MessageKind::First, id);
        (Self { state, id }, blob)
    }

    /// Which session this would be.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Takes the second message. On an error everything stays as it was: the true answer may still come.
    ///
    /// # Errors
    /// When it is not the answer to our first message.
    pub fn receive(mut self, blob: &[u8]) -> Result<Answered, (Self, SessionError)> {
        let noise = match check_header(blob, MessageKind::Second, self.id) {
            Ok(noise) => noise,
            Err(error) => return Err((self, error)),
        };
        let payload = match read(&mut self.state, noise) {
            Ok(payload) => payload,
            Err(error) => return Err((self, error)),
        };
        match remote_of(&self.state) {
            Some(remote) => Ok(Answered {
                state: self.state,
                id: self.id,
                payload,
                remote,
            }),
            None => Err((self, SessionError::Forged)),
        }
    }
}

impl Answered {
    /// Gives the third message and the session.
    ///
    /// # Errors
    /// When the payload is too large, or their key is weak.
    pub fn complete(mut self, payload: &[u8]) -> Result<(Vec<u8>, Session), SessionError> {
        let mut blob = vec![0; HEADER_BYTES];
        write(&mut self.state, &pad(payload, Padding::Small)?, &mut blob)?;
        put_header(&mut blob, MessageKind::Third, self.id);
        let session = Session::new(self.state, self.id, self.remote, Role::Initiator)?;
        Ok((blob, session))
    }
}

impl Responder {
    /// Takes a first message and gives the second.
    ///
    /// # Errors
    /// When it is not one, was made with another secret or for others, or our payload is too large.
    pub fn answer(
        terms: &Terms,
        identity: &IdentityKey,
        entropy: &mut Entropy,
        blob: &[u8],
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>), SessionError> {
        let (_, id) = inspect(blob)?;
        let noise = check_header(blob, MessageKind::First, id)?;
        if !noise.starts_with(&id.0) {
            return Err(SessionError::Malformed);
        }
        let mut state = handshake(terms, identity, entropy, Role::Responder);
        read_bare(&mut state, noise)?;
        let mut answer = vec![0; HEADER_BYTES];
        write(&mut state, &pad(payload, Padding::Small)?, &mut answer)?;
        put_header(&mut answer, MessageKind::Second, id);
        Ok((Self { state, id }, answer))
    }

    /// Which session this would be.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Takes the third message; gives what they said with it, and the session.
    ///
    /// # Errors
    /// When it is not the third message of this handshake.
    pub fn complete(mut self, blob: &[u8]) -> Result<(Vec<u8>, Session), (Self, SessionError)> {
        let noise = match check_header(blob, MessageKind::Third, self.id) {
            Ok(noise) => noise,
            Err(error) => return Err((self, error)),
        };
        let payload = match read(&mut self.state, noise) {
            Ok(payload) => payload,
            Err(error) => return Err((self, error)),
        };
        let Some(remote) = remote_of(&self.state) else {
            return Err((self, SessionError::Forged));
        };
        // Only after the third message can the state be split.
        let session = Session::new(self.state, self.id, remote, Role::Responder);
        Ok((payload, session.expect("the handshake is complete")))
    }
}

/// Two people who know each other's keys, and nobody in between who has the secret unnoticed.
pub struct Session {
    transport: TransportState,
    id: SessionId,
    remote: PublicKey,
    hash: [u8; 32],
    role: Role,
}

impl Session {
    fn new(state: HandshakeState, id: SessionId, remote: PublicKey, role: Role) -> Result<Self, SessionError> {
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

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Initiator({:?})", self.id)
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Responder({:?})", self.id)
    }
}

fn handshake(terms: &Terms, identity: &IdentityKey, entropy: &mut Entropy, role: Role) -> HandshakeState {
    let parameters = NOISE_PROTOCOL.parse().expect("the name of the protocol is right");
    let private = identity.to_bytes();
    let builder = Builder::with_resolver(parameters, Box::new(Resolver(entropy.fork())))
        .local_private_key(&*private)
        .and_then(|builder| builder.prologue(&terms.prologue))
        .and_then(|builder| builder.psk(0, &terms.psk.0))
        .expect("each is set once");
    match role {
        Role::Initiator => builder.build_initiator(),
        Role::Responder => builder.build_responder(),
    }
    .expect("keys have the right lengths and the primitives are compiled in")
}

/// Writes a handshake message behind the header.
fn write(state: &mut HandshakeState, payload: &[u8], blob: &mut Vec<u8>) -> Result<(), SessionError> {
    // Two keys and two tags at most.
    blob.resize(HEADER_BYTES + payload.len() + 2 * (KEY_BYTES + TAG_BYTES), 0);
    let length = state
        .write_message(payload, &mut blob[HEADER_BYTES..])
        .map_err(|error| match error {
            snow::Error::Dh => SessionError::Forged,
            _ => SessionError::TooLarge(payload.len()),
        })?;
    blob.truncate(HEADER_BYTES + length);
    Ok(())
}

fn read_bare(state: &mut HandshakeState, noise: &[u8]) -> Result<Vec<u8>, SessionError> {
    let mut payload = vec![0; noise.len()];
    let length = state
        .read_message(noise, &mut payload)
        .map_err(|_| SessionError::Forged)?;
    payload.truncate(length);
    Ok(payload)
}

fn read(state: &mut HandshakeState, noise: &[u8]) -> Result<Vec<u8>, SessionError> {
    unpad(read_bare(state, noise)?)
}

fn remote_of(state: &HandshakeState) -> Option<PublicKey> {
    state.get_remote_static()?.try_into().ok().map(PublicKey)
}

fn put_header(blob: &mut [u8], kind: MessageKind, id: SessionId) {
    blob[0] = kind.byte();
    blob[1..HEADER_BYTES].copy_from_slice(&id.0);
}

fn check_header(blob: &[u8], kind: MessageKind, id: SessionId) -> Result<&[u8], SessionError> {
    if inspect(blob)? != (kind, id) {
        return Err(SessionError::NotOurs);
    }
    match blob.len() - HEADER_BYTES {
        0..=MAX_NOISE_BYTES => Ok(&blob[HEADER_BYTES..]),
        bytes => Err(SessionError::TooLarge(bytes)),
    }
}

/// Length, payload, zeros up to a multiple of the step.
fn pad(payload: &[u8], padding: Padding) -> Result<Vec<u8>, SessionError> {
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

fn unpad(mut padded: Vec<u8>) -> Result<Vec<u8>, SessionError> {
    let (length, rest) = padded.split_at_checked(LENGTH_BYTES).ok_or(SessionError::Forged)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > rest.len() {
        return Err(SessionError::Forged);
    }
    padded.drain(..LENGTH_BYTES);
    padded.truncate(length);
    Ok(padded)
}
