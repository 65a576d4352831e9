//! What the statistics of a call are made of: when what happened, and what was dropped.

use std::fmt;

use crate::action::{EndReason, NotAdmitted};
use crate::blockage::Blockage;
use crate::input::PeerKey;
use crate::time::Time;

/// Milestones waiting to be drained; further ones are dropped and counted.
pub(crate) const MILESTONES_KEPT: usize = 1_024;

/// Something worth a line in the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// When.
    pub at: Time,
    /// Whose; none for what concerns the call as a whole.
    pub peer: Option<PeerKey>,
    /// What.
    pub kind: MilestoneKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MilestoneKind {
    /// In the room, for the first time or again.
    JoinedRoom,
    /// The connection to the server is gone.
    ServerLost,
    /// The participant said who they are.
    Greeted,
    /// Up for the first time.
    Connected,
    /// Silent, failed, or being rebuilt by the participant.
    Reconnecting,
    /// Up again.
    Reconnected,
    /// A connection did not come up and was replaced by a new one.
    Rebuilt,
    /// The connection ended at somebody else than the participant: it was thrown away.
    WrongHello,
    /// The certificate was not the one that the participant's description promised: the connection was thrown away.
    WrongFingerprint,
    /// Messages through the server arrived changed, out of order or not at all: a new handshake was begun.
    SessionBroken,
    /// Given up after all tries; what seems to be in the way, if that is known.
    Unreachable(Option<Blockage>),
    /// Not part of the call any more.
    Left(Departure),
    /// The call is over.
    Ended(EndReason),
}

/// Why a participant is not part of the call any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// They hung up.
    HungUp,
    /// Silent, and away from the server, for too long.
    Lost,
    /// Nobody ever answered in that slot.
    NeverAnswered,
    /// They turned out to be somebody we know already.
    KnownAlready,
    /// Not let in, or sent out: by us, by the host, or we by them.
    KeptOut,
}

impl fmt::Display for MilestoneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JoinedRoom => "joined room",
            Self::ServerLost => "server lost",
            Self::Greeted => "greeted",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Reconnected => "reconnected",
            Self::Rebuilt => "connection rebuilt",
            Self::WrongHello => "wrong hello",
            Self::WrongFingerprint => "wrong fingerprint",
            Self::SessionBroken => "session broken",
            Self::Unreachable(None) => "unreachable",
            Self::Unreachable(Some(why)) => return write!(f, "unreachable: {why}"),
            Self::Left(Departure::HungUp) => "left",
            Self::Left(Departure::Lost) => "lost",
            Self::Left(Departure::NeverAnswered) => "never answered",
            Self::Left(Departure::KnownAlready) => "known already",
            Self::Left(Departure::KeptOut) => "kept out",
            Self::Ended(reason) => return write!(f, "call ended: {reason}"),
        })
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HungUp => f.write_str("hung up"),
            Self::EveryoneLeft => f.write_str("everybody left"),
            Self::ServerUnreachable(why) => write!(f, "server unreachable: {why}"),
            Self::WrongServer(why) => write!(f, "wrong server: {why}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::PeersUnreachable(None) => f.write_str("nobody could be reached"),
            Self::PeersUnreachable(Some(why)) => write!(f, "nobody could be reached: {why}"),
            Self::NotAdmitted(NotAdmitted::Refused) => f.write_str("not let in by the host"),
            Self::NotAdmitted(NotAdmitted::Locked) => f.write_str("the room is locked"),
            Self::NotAdmitted(NotAdmitted::Expired) => f.write_str("the invite has expired"),
        }
    }
}

/// What came in and was not used. Nothing of it is an error of ours; all of it is worth a look when a call fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Not a message we understand, or with fields out of bounds.
    pub malformed: u64,
    /// From a slot that is not in the room, or has not said who it is.
    pub unknown_sender: u64,
    /// A participant id that belongs to somebody else, or to us.
    pub impostor: u64,
    /// Belongs to a connection, offer or state that is over.
    pub stale: u64,
    /// Came twice.
    pub duplicate: u64,
    /// Does not open: changed, replayed, out of order, or made without the invite's secret.
    pub forged: u64,
    /// Sealed for another session.
    pub foreign: u64,
    /// From somebody who is not let in, or what only the host may say from somebody else.
    pub unentitled: u64,
    /// Did not fit a queue, a table or a message.
    pub overflow: u64,
}
