//! The handshake of a Noise session: three messages, each step a type of its own.
//!
//! Terms, our identity and a blob of the other side go in; the next blob comes out, and at the end a [`Session`].

use std::fmt;

use snow::{Builder, HandshakeState};

use crate::diffie_hellman::Resolver;
use crate::entropy::Entropy;
use crate::identity::{IdentityKey, KEY_BYTES, PublicKey};
use crate::padding::{Padding, pad, unpad};
use crate::session::{
    HEADER_BYTES, MessageKind, NOISE_PROTOCOL, Role, SESSION_ID_BYTES, Session, SessionError, SessionId, TAG_BYTES,
    Terms, check_header, inspect, put_header,
};

/// The first message has no payload: an ephemeral key and a tag, bytes.
const FIRST_NOISE_BYTES: usize = KEY_BYTES + TAG_BYTES;

/// We have sent the first message.
pub struct Initiator {
    start: Box<Start>,
    state: Box<HandshakeState>,
    id: SessionId,
}

/// The second message has come: we know who they are.
pub struct Answered {
    state: Box<HandshakeState>,
    id: SessionId,
    /// What they said with it.
    pub payload: Vec<u8>,
    /// Who they are.
    pub remote: PublicKey,
}

/// We have answered a first message.
pub struct Responder {
    start: Box<Start>,
    first: [u8; FIRST_NOISE_BYTES],
    second_padded: Vec<u8>,
    state: Box<HandshakeState>,
    id: SessionId,
}

/// All that a handshake is made from, kept so that it can be made again: a message that does not open leaves a
/// `HandshakeState` with another cipher key than before (snow 0.10 restores only the hashes).
struct Start {
    terms: Terms,
    identity: IdentityKey,
    entropy: Entropy,
    role: Role,
}

impl Initiator {
    /// Starts; gives the first message.
    pub fn start(terms: &Terms, identity: &IdentityKey, entropy: &mut Entropy) -> (Self, Vec<u8>) {
        Self::from_start(Box::new(Start::new(terms, identity, entropy, Role::Initiator)))
    }

    fn from_start(start: Box<Start>) -> (Self, Vec<u8>) {
        let mut state = Box::new(start.handshake());
        let mut blob = vec![0; HEADER_BYTES];
        write(&mut state, &[], &mut blob).expect("the first message needs nothing from the other side");
        let mut id = SessionId([0; SESSION_ID_BYTES]);
        id.0.copy_from_slice(&blob[HEADER_BYTES..HEADER_BYTES + SESSION_ID_BYTES]);
        put_header(&mut blob, MessageKind::First, id);
        (Self { start, state, id }, blob)
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
        match read(&mut self.state, noise) {
            Ok((payload, remote)) => Ok(Answered {
                state: self.state,
                id: self.id,
                payload,
                remote,
            }),
            Err(error) => Err((Self::from_start(self.start).0, error)),
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
        let session = Session::new(*self.state, self.id, self.remote, Role::Initiator)?;
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
        // It carries no payload, so it has one length; and it names itself.
        let first: [u8; FIRST_NOISE_BYTES] = noise.try_into().map_err(|_| SessionError::Malformed)?;
        if !first.starts_with(&id.0) {
            return Err(SessionError::Malformed);
        }
        let second_padded = pad(payload, Padding::Small)?;
        let start = Box::new(Start::new(terms, identity, entropy, Role::Responder));
        Self::from_start(start, first, second_padded, id)
    }

    fn from_start(
        start: Box<Start>,
        first: [u8; FIRST_NOISE_BYTES],
        second_padded: Vec<u8>,
        id: SessionId,
    ) -> Result<(Self, Vec<u8>), SessionError> {
        let mut state = Box::new(start.handshake());
        read_bare(&mut state, &first)?;
        let mut answer = vec![0; HEADER_BYTES];
        write(&mut state, &second_padded, &mut answer)?;
        put_header(&mut answer, MessageKind::Second, id);
        let responder = Self {
            start,
            first,
            second_padded,
            state,
            id,
        };
        Ok((responder, answer))
    }

    /// Which session this would be.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Takes the third message; gives what they said with it, and the session. On an error everything stays as it was:
    /// the true one may still come.
    ///
    /// # Errors
    /// When it is not the third message of this handshake.
    pub fn complete(mut self, blob: &[u8]) -> Result<(Vec<u8>, Session), (Self, SessionError)> {
        let noise = match check_header(blob, MessageKind::Third, self.id) {
            Ok(noise) => noise,
            Err(error) => return Err((self, error)),
        };
        match read(&mut self.state, noise) {
            Ok((payload, remote)) => {
                // Only after the third message can the state be split.
                let session = Session::new(*self.state, self.id, remote, Role::Responder);
                Ok((payload, session.expect("the handshake is complete")))
            }
            Err(error) => {
                let again = Self::from_start(self.start, self.first, self.second_padded, self.id);
                let (again, _) = again.expect("the same steps with the same bytes went well before");
                Err((again, error))
            }
        }
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Initiator({:?})", self.id)
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answered({:?} by {:?})", self.id, self.remote)
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Responder({:?})", self.id)
    }
}

impl Start {
    fn new(terms: &Terms, identity: &IdentityKey, entropy: &mut Entropy, role: Role) -> Self {
        Self {
            terms: terms.clone(),
            identity: identity.clone(),
            entropy: entropy.fork(),
            role,
        }
    }

    /// The same every time, down to the ephemeral key.
    fn handshake(&self) -> HandshakeState {
        let parameters = NOISE_PROTOCOL.parse().expect("the name of the protocol is right");
        let private = self.identity.to_bytes();
        let builder = Builder::with_resolver(parameters, Box::new(Resolver(self.entropy.clone())))
            .local_private_key(&*private)
            .and_then(|builder| builder.prologue(&self.terms.prologue))
            .and_then(|builder| builder.psk(0, &self.terms.psk.0))
            .expect("each is set once");
        match self.role {
            Role::Initiator => builder.build_initiator(),
            Role::Responder => builder.build_responder(),
        }
        .expect("keys have the right lengths and the primitives are compiled in")
    }
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

/// The payload of the second or third message, and who sent it.
fn read(state: &mut HandshakeState, noise: &[u8]) -> Result<(Vec<u8>, PublicKey), SessionError> {
    let payload = unpad(read_bare(state, noise)?)?;
    let remote = state.get_remote_static().ok_or(SessionError::Forged)?;
    let remote = remote.try_into().map_err(|_| SessionError::Forged)?;
    Ok((payload, PublicKey(remote)))
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
