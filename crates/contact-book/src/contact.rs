//! What the book knows of somebody. Plain values; the bounds are enforced where they enter the book.

use trust::PublicKey;

/// Contacts kept. When one more comes, the unverified one not seen for longest goes, then the one verified by link
/// only; people whose symbols were compared are never dropped.
pub const MAX_CONTACTS: usize = 1_000;
/// Missed calls kept; the oldest go.
pub const MAX_MISSED_CALLS: usize = 100;
/// Characters of a name; the rest is cut off.
pub const MAX_NAME_CHARS: usize = 64;
/// Servers kept a contact; the rest is left out.
pub const MAX_SERVERS: usize = 4;
/// Bytes of a server's address; longer ones are left out.
pub const MAX_SERVER_BYTES: usize = 512;

/// Somebody we have been in a call with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who they are.
    pub key: PublicKey,
    /// What we call them. Theirs when we met, ours once renamed.
    pub name: String,
    /// What they called themselves last: a label, not to be trusted.
    pub their_name: String,
    /// The first call, Unix seconds.
    pub first_seen_unix_s: u64,
    /// The latest call, Unix seconds.
    pub last_seen_unix_s: u64,
    /// Calls we have had.
    pub calls: u32,
    /// How we know that the key is theirs.
    pub verified: Verification,
    /// Signaling servers where they can be rung, in their order.
    pub servers: Vec<String>,
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

impl Verification {
    /// The number in the database, and how much it is worth: symbols beat a link, a link beats nothing.
    pub(crate) fn rank(&self) -> i64 {
        match self {
            Self::No => 0,
            Self::Link { .. } => 1,
            Self::Symbols { .. } => 2,
        }
    }

    pub(crate) fn at_unix_s(&self) -> u64 {
        match *self {
            Self::No => 0,
            Self::Link { at_unix_s } | Self::Symbols { at_unix_s } => at_unix_s,
        }
    }

    /// The table's CHECK lets no other rank in.
    pub(crate) fn from_rank(rank: i64, at_unix_s: u64) -> Self {
        match rank {
            ..=0 => Self::No,
            1 => Self::Link { at_unix_s },
            2.. => Self::Symbols { at_unix_s },
        }
    }
}

/// Somebody rang and was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedCall {
    /// Who.
    pub key: PublicKey,
    /// Their name at the time.
    pub name: String,
    /// When, Unix seconds.
    pub at_unix_s: u64,
}
