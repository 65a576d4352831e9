//! How far a participant is known and trusted, and whether they are let in.

use serde::{Deserialize, Serialize};
pub use trust::PublicKey;

/// Somebody we have met before, from the contact book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownContact {
    /// Who.
    pub key: PublicKey,
    /// What we call them.
    pub name: String,
    /// Calls we had with them before this one.
    pub calls: u32,
    /// Whether and how we made sure that the key is theirs.
    pub verified: Verification,
}

/// How we made sure that a key belongs to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Not at all.
    No,
    /// They were the host of a link they gave us.
    Link {
        /// When, Unix seconds.
        at_unix_s: u64,
    },
    /// We compared the four symbols.
    Symbols {
        /// When, Unix seconds.
        at_unix_s: u64,
    },
}

/// What the window shows beside a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Badge {
    /// Grey: encrypted, not yet verified.
    Unverified,
    /// Blue: the same device as in the last calls.
    SameDevice {
        /// How many.
        calls: u32,
    },
    /// Green: the symbols were compared.
    Verified {
        /// When, Unix seconds; none: in this call.
        at_unix_s: Option<u64>,
    },
    /// Red: they call themselves like a contact whose key is another one, or are not who we rang.
    KeyChanged {
        /// The contact's name.
        contact: String,
    },
}

/// How long somebody stays who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityLifetime {
    /// Their key is kept: the next call knows them again.
    #[default]
    Kept,
    /// Their key is for this run of their program alone: there is nothing to know again.
    Passing,
}

impl IdentityLifetime {
    pub(crate) fn is_kept(&self) -> bool {
        *self == Self::Kept
    }
}

/// Whether media may flow between us and a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Admitted,
    /// They knock, and we are the one to decide: the host.
    Knocking,
    /// They, or the host for them, have not let us in yet.
    AwaitingThem,
    /// The host has not decided about them yet.
    AwaitingHost,
    /// Their key has changed: nothing until we have chosen.
    KeyChanged,
}

/// Who may enter a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// Whoever has the link.
    #[default]
    Open,
    /// Whoever has the link knocks, and the host decides.
    Knock,
    /// Nobody new.
    Locked,
}

/// What we are in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomRole {
    /// The invite names our key.
    Host,
    /// It names another.
    Guest,
}

/// The room as its host has set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// What we are in it.
    pub role: RoomRole,
    /// Who may enter.
    pub door: Door,
    /// From when on the invite lets nobody new in.
    pub expires_at: Option<crate::time::Time>,
}

/// Something is wrong with the way messages take, not with a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Messages arrive changed, out of order or not at all, three handshakes in a row: the server, or the way to it.
    SignalingDisturbed,
    /// Somebody is in the room who cannot prove that they have the link.
    StrangerInRoom,
    /// A connection ended at somebody else than the participant it was agreed on with: somebody is in between.
    FingerprintMismatch,
}

/// Four symbols of a list of 256: equal on both sides when nobody is in between.
pub type Symbols = [u8; 4];
