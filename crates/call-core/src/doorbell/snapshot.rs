//! What the window draws of ringing.

use crate::input::Switch;
use crate::standing::PublicKey;

/// Whether a contact can be rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContactPresence {
    /// A device of theirs listens.
    Online,
    /// None does, or we cannot know.
    Offline,
}

/// Whether contacts can ring us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorbellState {
    /// There is no server to listen at: only people nearby can.
    NoServer,
    /// Connecting, or the connection was lost.
    Connecting,
    /// Yes.
    Listening,
}

/// A ring, ours or theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingSnapshot {
    /// Who rings whom.
    pub direction: RingDirection,
    /// Our name for them, or theirs when they are no contact.
    pub name: String,
    /// Who they proved to be; none for somebody nearby who has not answered yet.
    pub key: Option<PublicKey>,
    /// Whether we know the key.
    pub is_contact: bool,
    /// Whether the caller wants to be seen.
    pub video: Switch,
    /// How far it is.
    pub stage: RingStage,
}

/// Who rings whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingDirection {
    /// They ring us.
    Incoming,
    /// We ring them.
    Outgoing,
}

/// How far a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingStage {
    /// None of their devices has heard us yet.
    Reaching,
    /// It rings.
    Ringing,
    /// Accepted: the call is being set up.
    Accepted,
}

/// How a ring ended without a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingOutcome {
    /// They said no, or we did.
    Declined,
    /// The one who was rung is in another call, or does not want to be disturbed.
    Busy,
    /// Nobody answered for 60 s.
    TimedOut,
    /// The caller gave up, or has not been heard any more.
    Cancelled,
    /// Another device of the one who was rung has dealt with it.
    AnsweredElsewhere,
    /// No device of theirs could be reached.
    Unreachable,
}
