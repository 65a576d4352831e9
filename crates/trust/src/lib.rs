//! Who somebody is, and what nobody else may read: identity keys, Noise sessions, symbols to compare.
//!
//! Pure: bytes in, bytes out. No clock, thread, socket or file. Randomness comes from an [`Entropy`] that the
//! caller seeds, so that the logic above it can be run again from the same seed.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod diffie_hellman;
pub mod doorbell;
pub mod entropy;
mod handshake;
mod hkdf;
pub mod identity;
pub mod identity_file;
mod padding;
pub mod room;
pub mod session;
pub mod spoken;
pub mod spoken_exchange;
pub mod symbols;
pub mod words;

pub use doorbell::DoorbellKeys;
pub use entropy::{Entropy, NoRandomness};
pub use identity::{IdentityKey, PublicKey, WeakKey};
pub use identity_file::IdentityFileError;
pub use room::RoomKeys;
pub use session::{Answered, Initiator, Padding, Psk, Responder, Role, Session, SessionError, SessionId, Terms};
pub use spoken::{SpokenCode, SpokenCodeError};
pub use spoken_exchange::{GuestStep, HostStep, SpokenError, SpokenGuest, SpokenHost};
pub use symbols::{SymbolError, SymbolExchange, SymbolMessage};
pub use words::Language;
