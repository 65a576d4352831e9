//! The four symbols that two people compare aloud, to know that nobody stands between them.
//!
//! Messages of the exchange go in and out, inside the Noise session; four bytes come out, each the number of a symbol.
//!
//! ```text
//! initiator  ── Commit: SHA-256("sas" || h || rI) ──►  responder
//!            ◄─ Share: rR ───────────────────────────
//!            ── Reveal: rI ──────────────────────────►
//! ```
//!
//! `symbols = Expand(HKDF(h, rI || rR), "sas", 4)`, where `h` is the hash of the handshake. Somebody in between has two
//! handshakes with two hashes, and must fix his part on each side before he learns the other's: he has one guess in
//! 2³². Without the commitment he could try random numbers until the symbols match.

use std::mem;

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;
use crate::hkdf::derive;
use crate::session::{Role, Session};

/// How many symbols are compared.
pub const SYMBOLS: usize = 4;
const RANDOM_BYTES: usize = 32;

/// What the two send each other inside their session, each once and in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymbolMessage {
    /// The initiator's random number, hashed.
    Commit(#[serde(with = "base64url")] [u8; 32]),
    /// The responder's random number.
    Share(#[serde(with = "base64url")] [u8; RANDOM_BYTES]),
    /// The initiator's random number.
    Reveal(#[serde(with = "base64url")] [u8; RANDOM_BYTES]),
}

/// Why the symbols cannot be found. Their side breaks the rules, or somebody else is it: end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// What was revealed is not what was committed to.
    #[error("they changed their random number after seeing ours")]
    ChangedMind,
    /// Not what comes next.
    #[error("a message of the symbols came out of turn")]
    OutOfTurn,
}

/// The exchange of one session. A session has one.
#[derive(Debug)]
pub struct SymbolExchange(Exchange<SYMBOLS>);

impl SymbolExchange {
    /// Nothing is sent yet.
    pub fn new(session: &Session, entropy: &mut Entropy) -> Self {
        Self(Exchange::new(*session.hash(), session.role(), entropy))
    }

    /// The initiator's first message; nothing for the responder, nor a second time.
    pub fn start(&mut self) -> Option<SymbolMessage> {
        self.0.start()
    }

    /// Takes their message; gives the answer, if one is due.
    ///
    /// # Errors
    /// When they break the rules. From then on there are no symbols, unless both already had them: those stay.
    pub fn handle(&mut self, message: SymbolMessage) -> Result<Option<SymbolMessage>, SymbolError> {
        self.0.handle(message)
    }

    /// The symbols, once all messages have been exchanged.
    pub fn symbols(&self) -> Option<[u8; SYMBOLS]> {
        self.0.symbols()
    }
}

/// The exchange with any number of symbols, so that a test can see what fewer would be worth.
#[derive(Debug)]
struct Exchange<const N: usize> {
    hash: [u8; 32],
    state: State<N>,
}

enum State<const N: usize> {
    BeforeCommit {
        own: [u8; RANDOM_BYTES],
    },
    AwaitingShare {
        own: [u8; RANDOM_BYTES],
    },
    AwaitingCommit {
        own: [u8; RANDOM_BYTES],
    },
    AwaitingReveal {
        own: [u8; RANDOM_BYTES],
        commitment: [u8; 32],
    },
    Done([u8; N]),
    Failed,
}

impl<const N: usize> Exchange<N> {
    fn new(hash: [u8; 32], role: Role, entropy: &mut Entropy) -> Self {
        let own = entropy.bytes();
        let state = match role {
            Role::Initiator => State::BeforeCommit { own },
            Role::Responder => State::AwaitingCommit { own },
        };
        Self { hash, state }
    }

    fn start(&mut self) -> Option<SymbolMessage> {
        let State::BeforeCommit { own } = self.state else {
            return None;
        };
        self.state = State::AwaitingShare { own };
        Some(SymbolMessage::Commit(commitment(&self.hash, &own)))
    }

    fn handle(&mut self, message: SymbolMessage) -> Result<Option<SymbolMessage>, SymbolError> {
        match mem::replace(&mut self.state, State::Failed) {
            State::AwaitingShare { own } => {
                let SymbolMessage::Share(theirs) = message else {
                    return Err(SymbolError::OutOfTurn);
                };
                self.state = State::Done(symbols(&self.hash, &own, &theirs));
                Ok(Some(SymbolMessage::Reveal(own)))
            }
            State::AwaitingCommit { own } => {
                let SymbolMessage::Commit(commitment) = message else {
                    return Err(SymbolError::OutOfTurn);
                };
                self.state = State::AwaitingReveal { own, commitment };
                Ok(Some(SymbolMessage::Share(own)))
            }
            State::AwaitingReveal {
                own,
                commitment: theirs,
            } => {
                let SymbolMessage::Reveal(revealed) = message else {
                    return Err(SymbolError::OutOfTurn);
                };
                if commitment(&self.hash, &revealed) != theirs {
                    return Err(SymbolError::ChangedMind);
                }
                self.state = State::Done(symbols(&self.hash, &revealed, &own));
                Ok(None)
            }
            State::Done(symbols) => {
                self.state = State::Done(symbols);
                Err(SymbolError::OutOfTurn)
            }
            State::BeforeCommit { .. } | State::Failed => Err(SymbolError::OutOfTurn),
        }
    }

    fn symbols(&self) -> Option<[u8; N]> {
        match self.state {
            State::Done(symbols) => Some(symbols),
            State::BeforeCommit { .. }
            | State::AwaitingShare { .. }
            | State::AwaitingCommit { .. }
            | State::AwaitingReveal { .. }
            | State::Failed => None,
        }
    }
}

impl<const N: usize> std::fmt::Debug for State<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BeforeCommit { .. } => "BeforeCommit",
            Self::AwaitingShare { .. } => "AwaitingShare",
            Self::AwaitingCommit { .. } => "AwaitingCommit",
            Self::AwaitingReveal { .. } => "AwaitingReveal",
            Self::Done(_) => "Done",
            Self::Failed => "Failed",
        })
    }
}

fn commitment(hash: &[u8; 32], random: &[u8; RANDOM_BYTES]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"sas");
    context.update(hash);
    context.update(random);
    let mut commitment = [0; 32];
    commitment.copy_from_slice(context.finish().as_ref());
    commitment
}

fn symbols<const N: usize>(
    hash: &[u8; 32],
    initiators: &[u8; RANDOM_BYTES],
    responders: &[u8; RANDOM_BYTES],
) -> [u8; N] {
    *derive(hash, &[*initiators, *responders].concat(), &[b"sas"])
}

/// Bytes as the wire format writes them everywhere else.
mod base64url {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
    use signaling_protocol::Blob;

    pub fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        Blob(bytes.to_vec()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let Blob(bytes) = Blob::deserialize(deserializer)?;
        bytes
            .try_into()
            .map_err(|_| de::Error::custom("expected 32 bytes in base64url"))
    }
}

#[cfg(test)]
#[path = "symbols_tests.rs"]
mod tests;
