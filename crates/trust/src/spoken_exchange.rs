//! How a spoken code is turned into an invite link, so that neither the server nor anybody who guesses learns it.
//!
//! Blobs of the other side go in, blobs for it come out, and in the end the link. The caller gives the guest only what
//! comes from the member that was in the room first, which is the host.
//!
//! ```text
//! guest  ── Offer: SPAKE2 ────────────────────────────────►  host     a try begins
//!        ◄─ Answer: SPAKE2 ────────────────────────────────
//!        ── Proof: NNpsk0, message 1 ─────────────────────►           it opens: the words were right
//!        ◄─ Link: NNpsk0, message 2 with the link ─────────
//!        ◄─ Refused: how many tries are left (not sealed) ─           it does not
//! ```
//!
//! SPAKE2 (crate `spake2`, Ed25519 group; RFC 9382 describes the protocol) turns the two secret words into a key, and a
//! guess can be checked only by an exchange of its own, with the host or with the guest. The key is the pre-shared key
//! of a Noise handshake, which confirms it and seals the link; no cipher is used in a way of our own. The guest proves
//! first, so whoever only listens or stops half way has nothing to check a guess against.
//!
//! Every blob has the same length unless the link is longer than a kilobyte.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;

use signaling_protocol::{Slot, invite};
use snow::{Builder, HandshakeState};
use spake2::{Ed25519Group, Identity, Password, Spake2};

use crate::diffie_hellman::Resolver;
use crate::entropy::Entropy;
use crate::hkdf::derive;
use crate::padding::{LENGTH_BYTES, Padding, pad, unpad};
use crate::session::Role;
use crate::spoken::SpokenCode;

/// The handshake that delivers the link.
pub const SPOKEN_PROTOCOL: &str = "Noise_NNpsk0_25519_AESGCM_SHA256";
/// Exchanges that may fail before a code is dead; also how many can be under way at once.
pub const MAX_TRIES: u8 = 3;
/// What a Noise message adds to its payload: an ephemeral key and a tag, bytes.
const NOISE_BYTES: usize = 32 + 16;
/// Length of every blob, bytes, with a link of at most 1022.
pub const SPOKEN_BYTES: usize = 1 + NOISE_BYTES + 1024;
/// Longest blob that is looked at, bytes.
const MAX_SPOKEN_BYTES: usize = 1 + NOISE_BYTES + (LENGTH_BYTES + invite::MAX_LINK_BYTES).next_multiple_of(1024);
/// A side and a point, bytes.
const SPAKE_BYTES: usize = 33;

const OFFER: u8 = 1;
const ANSWER: u8 = 2;
const PROOF: u8 = 3;
const LINK: u8 = 4;
const REFUSED: u8 = 5;

/// Why there is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpokenError {
    /// A message that makes no sense here. Nothing has changed.
    #[error("not a message of a spoken code")]
    Malformed,
    /// The host says that the words were wrong. Start again with the right ones.
    #[error("These are not your friend's words. Compare them once more; {left} more tries are left.")]
    WrongWords {
        /// How many tries are left.
        left: u8,
    },
    /// The host says that the code is no longer good.
    #[error("This code is no longer good. Ask your friend for a new one.")]
    Dead,
    /// What came was changed on the way, or is not from the host. This exchange is over; start again.
    #[error("The exchange was disturbed. Try once more.")]
    Disturbed,
    /// Longer than an invite link may be.
    #[error("The link is too long for a spoken code.")]
    LinkTooLong,
}

/// What the guest does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestStep {
    /// Send this to the host.
    Send(Vec<u8>),
    /// The invite link, as the host wrote it. The exchange is over.
    Link(String),
}

/// What the host does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostStep {
    /// Send this back.
    Send(Vec<u8>),
    /// The words were wrong, or a try was given up.
    WrongTry {
        /// How many more may be wrong.
        left: u8,
        /// Tells them: send it back.
        answer: Vec<u8>,
    },
    /// The words were right: send this back, which is the link. The code is used up.
    Delivered(Vec<u8>),
    /// Too many tries were wrong: send this back, and show a new code.
    Dead(Vec<u8>),
    /// Nothing to do.
    Ignored,
}

/// Whoever typed the words.
pub struct SpokenGuest {
    code: SpokenCode,
    entropy: Entropy,
    state: GuestState,
}

enum GuestState {
    AwaitingAnswer(Spake2<Ed25519Group>),
    AwaitingLink(Box<HandshakeState>),
    Over,
}

impl SpokenGuest {
    /// Starts; gives the first message.
    pub fn start(code: SpokenCode, entropy: &mut Entropy) -> (Self, Vec<u8>) {
        let mut entropy = entropy.fork();
        let (spake, offer) = start_spake(&code, Role::Initiator, &mut entropy);
        let guest = Self {
            code,
            entropy,
            state: GuestState::AwaitingAnswer(spake),
        };
        (guest, open_blob(OFFER, &offer))
    }

    /// Takes a message of the host.
    ///
    /// # Errors
    /// All but [`SpokenError::Malformed`] end the exchange.
    pub fn handle(&mut self, blob: &[u8]) -> Result<GuestStep, SpokenError> {
        let (kind, body) = split(blob)?;
        match (kind, mem::replace(&mut self.state, GuestState::Over)) {
            (REFUSED, GuestState::AwaitingLink(_) | GuestState::AwaitingAnswer(_)) => match body[0] {
                0 => Err(SpokenError::Dead),
                left => Err(SpokenError::WrongWords {
                    left: left.min(MAX_TRIES),
                }),
            },
            (ANSWER, GuestState::AwaitingAnswer(spake)) => self.prove(spake, body),
            (LINK, GuestState::AwaitingLink(mut noise)) => {
                let link = read(&mut noise, body).ok_or(SpokenError::Disturbed)?;
                let link = String::from_utf8(link).map_err(|_| SpokenError::Disturbed)?;
                Ok(GuestStep::Link(link))
            }
            (_, state) => {
                self.state = state;
                Err(SpokenError::Malformed)
            }
        }
    }

    fn prove(&mut self, spake: Spake2<Ed25519Group>, answer: &[u8]) -> Result<GuestStep, SpokenError> {
        let key = spake.finish(&answer[..SPAKE_BYTES]);
        let key = key.map_err(|_| SpokenError::Disturbed)?;
        let mut noise = start_noise(&self.code, &key, Role::Initiator, &mut self.entropy);
        let proof = sealed_blob(PROOF, &mut noise, b"").ok_or(SpokenError::Disturbed)?;
        self.state = GuestState::AwaitingLink(Box::new(noise));
        Ok(GuestStep::Send(proof))
    }
}

/// Whoever shows the words.
pub struct SpokenHost {
    code: SpokenCode,
    link: String,
    entropy: Entropy,
    /// Begun and neither confirmed nor failed; with `wrong` at most [`MAX_TRIES`].
    exchanges: BTreeMap<Slot, HandshakeState>,
    wrong: u8,
    delivered: bool,
}

impl SpokenHost {
    /// Waits for guests.
    ///
    /// # Errors
    /// [`SpokenError::LinkTooLong`], above [`invite::MAX_LINK_BYTES`].
    pub fn new(code: SpokenCode, link: String, entropy: &mut Entropy) -> Result<Self, SpokenError> {
        if link.len() > invite::MAX_LINK_BYTES {
            return Err(SpokenError::LinkTooLong);
        }
        Ok(Self {
            code,
            link,
            entropy: entropy.fork(),
            exchanges: BTreeMap::new(),
            wrong: 0,
            delivered: false,
        })
    }

    /// Takes a message of a guest. A try counts from its beginning until the words turn out to be right.
    pub fn handle(&mut self, from: Slot, blob: &[u8]) -> HostStep {
        let Ok((kind, body)) = split(blob) else {
            return HostStep::Ignored;
        };
        match kind {
            OFFER => self.answer(from, body),
            PROOF => self.check(from, body),
            _ => HostStep::Ignored,
        }
    }

    /// A guest has left the room: a try that it had begun was wrong. Nobody is there to be told.
    pub fn left(&mut self, from: Slot) -> HostStep {
        match self.exchanges.remove(&from) {
            Some(_) => self.wrong_try(),
            None => HostStep::Ignored,
        }
    }

    /// How many more tries may be wrong.
    pub fn tries_left(&self) -> u8 {
        MAX_TRIES - self.wrong
    }

    fn answer(&mut self, from: Slot, offer: &[u8]) -> HostStep {
        if self.delivered {
            return HostStep::Ignored;
        }
        if self.tries_left() == 0 {
            return HostStep::Dead(open_blob(REFUSED, &[0]));
        }
        let (spake, answer) = start_spake(&self.code, Role::Responder, &mut self.entropy);
        // Not a point: whoever sent it learns nothing by it.
        let Ok(key) = spake.finish(&offer[..SPAKE_BYTES]) else {
            return HostStep::Ignored;
        };
        // Beginning anew gives the last try up.
        if self.exchanges.remove(&from).is_some()
            && let dead @ HostStep::Dead(_) = self.wrong_try()
        {
            return dead;
        }
        if self.exchanges.len() >= usize::from(self.tries_left()) {
            return HostStep::Ignored;
        }
        let noise = start_noise(&self.code, &key, Role::Responder, &mut self.entropy);
        self.exchanges.insert(from, noise);
        HostStep::Send(open_blob(ANSWER, &answer))
    }

    fn check(&mut self, from: Slot, proof: &[u8]) -> HostStep {
        let Some(mut noise) = self.exchanges.remove(&from) else {
            return HostStep::Ignored;
        };
        if read(&mut noise, proof).is_none() {
            return self.wrong_try();
        }
        match sealed_blob(LINK, &mut noise, self.link.as_bytes()) {
            Some(link) => {
                self.delivered = true;
                self.exchanges.clear();
                HostStep::Delivered(link)
            }
            // Their ephemeral key is one of those that protect nothing.
            None => self.wrong_try(),
        }
    }

    fn wrong_try(&mut self) -> HostStep {
        self.wrong += 1;
        let answer = open_blob(REFUSED, &[self.tries_left()]);
        match self.tries_left() {
            0 => {
                self.exchanges.clear();
                HostStep::Dead(answer)
            }
            left => HostStep::WrongTry { left, answer },
        }
    }
}

/// The guest is side A, the host side B.
fn start_spake(code: &SpokenCode, role: Role, entropy: &mut Entropy) -> (Spake2<Ed25519Group>, Vec<u8>) {
    let password = Password::new(code.password());
    let [guest, host] = [b"visavis/1 spoken guest".as_slice(), b"visavis/1 spoken host"].map(Identity::new);
    match role {
        Role::Initiator => Spake2::start_a_with_rng(&password, &guest, &host, SpakeRandom(entropy)),
        Role::Responder => Spake2::start_b_with_rng(&password, &guest, &host, SpakeRandom(entropy)),
    }
}

fn start_noise(code: &SpokenCode, key: &[u8], role: Role, entropy: &mut Entropy) -> HandshakeState {
    let parameters = SPOKEN_PROTOCOL.parse().expect("the name of the protocol is right");
    let psk = derive(b"visavis/1 spoken", key, &[b"noise-psk"]);
    let prologue = [b"visavis/1 spoken".as_slice(), &code.topic().0].concat();
    let builder = Builder::with_resolver(parameters, Box::new(Resolver(entropy.fork())))
        .prologue(&prologue)
        .and_then(|builder| builder.psk(0, &psk))
        .expect("each is set once");
    match role {
        Role::Initiator => builder.build_initiator(),
        Role::Responder => builder.build_responder(),
    }
    .expect("the key has the right length and the primitives are compiled in")
}

/// A message that everybody may read, as long as the sealed ones.
fn open_blob(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut blob = vec![kind];
    blob.extend_from_slice(body);
    blob.resize(SPOKEN_BYTES, 0);
    blob
}

fn sealed_blob(kind: u8, noise: &mut HandshakeState, payload: &[u8]) -> Option<Vec<u8>> {
    let padded = pad(payload, Padding::Small).ok()?;
    let mut blob = vec![kind; 1 + NOISE_BYTES + padded.len()];
    noise.write_message(&padded, &mut blob[1..]).ok()?;
    Some(blob)
}

fn read(noise: &mut HandshakeState, body: &[u8]) -> Option<Vec<u8>> {
    let mut padded = vec![0; body.len()];
    let length = noise.read_message(body, &mut padded).ok()?;
    padded.truncate(length);
    unpad(padded).ok()
}

/// Kind and body of a blob. The body is long enough for whatever it may be.
fn split(blob: &[u8]) -> Result<(u8, &[u8]), SpokenError> {
    match (blob.len(), blob.split_first()) {
        (SPOKEN_BYTES..=MAX_SPOKEN_BYTES, Some((kind, body))) => Ok((*kind, body)),
        _ => Err(SpokenError::Malformed),
    }
}

/// Our randomness, by the traits of the version that spake2 is made with.
struct SpakeRandom<'a>(&'a mut Entropy);

impl rand_core_06::RngCore for SpakeRandom<'_> {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(self.0.bytes())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.0.bytes())
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for SpakeRandom<'_> {}

impl fmt::Debug for SpokenGuest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            GuestState::AwaitingAnswer(_) => "SpokenGuest(awaiting the answer)",
            GuestState::AwaitingLink(_) => "SpokenGuest(awaiting the link)",
            GuestState::Over => "SpokenGuest(over)",
        })
    }
}

impl fmt::Debug for SpokenHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SpokenHost({} under way, {} wrong)",
            self.exchanges.len(),
            self.wrong
        )
    }
}

#[cfg(test)]
#[path = "spoken_exchange_tests.rs"]
mod tests;
