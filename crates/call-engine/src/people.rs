//! What the window draws of the people one knows, apart from calls: contacts, who is nearby, who rings.

use std::path::PathBuf;

pub use call_core::doorbell::{ContactPresence, DoorbellState, RingDirection, RingOutcome, RingSnapshot, RingStage};
use call_core::{PublicKey, Switch, Verification};

/// Everything about people that is not a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleSnapshot {
    /// Our own identity.
    pub own_key: PublicKey,
    /// Where our key is kept.
    pub key_storage: KeyStorage,
    /// Everybody we know, the ones who are online first, then by name.
    pub contacts: Vec<ContactSnapshot>,
    /// People on the same network who want to be seen; contacts among them carry their key.
    pub nearby: Vec<NearbyPerson>,
    /// Calls we did not take, newest first.
    pub missed: Vec<MissedCall>,
    /// Nobody rings through.
    pub do_not_disturb: Switch,
    /// Others on the network see us.
    pub visible_nearby: Switch,
    /// Our address is hidden from those we call: relay only.
    pub hide_address: Switch,
    /// Whether ringing works at all just now.
    pub doorbell: DoorbellState,
    /// Somebody rings, or we ring somebody.
    pub ring: Option<RingSnapshot>,
    /// A code to read over the phone, while it lives.
    pub spoken_code: Option<SpokenCodeSnapshot>,
}

/// Where the identity key is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyStorage {
    /// In the system's keyring.
    Keyring,
    /// In a file that only this user can read, because there is no keyring.
    File(PathBuf),
    /// Nowhere: it is gone when the program ends.
    Memory,
}

/// One contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactSnapshot {
    /// Who.
    pub key: PublicKey,
    /// Our name for them.
    pub name: String,
    /// Whether a device of theirs listens just now.
    pub presence: ContactPresence,
    /// Calls so far.
    pub calls: u32,
    /// Whether and how we made sure that the key is theirs.
    pub verified: Verification,
    /// The last call, Unix seconds.
    pub last_seen_unix_s: u64,
}

/// Somebody on the same network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearbyPerson {
    /// For [`crate::Command::RingNearby`]; means nothing else.
    pub id: String,
    /// What they call themselves: a label, not proof.
    pub name: String,
}

/// A call we did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedCall {
    /// Who rang.
    pub key: PublicKey,
    /// Our name for them, or theirs.
    pub name: String,
    /// When, Unix seconds.
    pub at_unix_s: u64,
}

/// A code to read over the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenCodeSnapshot {
    /// The numbers of its three words: [`crate::spoken_words`].
    pub words: [u16; 3],
    /// Wrong tries that are left.
    pub tries_left: u8,
    /// Whole seconds until it dies.
    pub expires_in_s: u32,
}
