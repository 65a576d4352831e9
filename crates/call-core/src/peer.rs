//! One remote participant and the state of the connection to them.

use crate::input::{Attempt, PeerKey};
use crate::negotiation::{Negotiation, Politeness};
use crate::peer_message::ParticipantId;
use crate::snapshot::{LinkState, LocalMedia, ParticipantSnapshot, SendTimings};
use crate::standing::{Admission, Badge, RoomRole};
use crate::time::Time;

use signaling_protocol::Slot;

/// Whether the control data channel can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlChannel {
    NotOpen,
    Open,
}

/// What the transport last said of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaPath {
    /// Never up yet.
    Opening,
    Up,
    /// Was up; nothing comes any more.
    Silent,
}

/// One peer connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub attempt: Attempt,
    pub negotiation: Negotiation,
    pub control: ControlChannel,
    pub path: MediaPath,
}

impl Connection {
    pub(crate) fn new(attempt: Attempt, negotiation: Negotiation) -> Self {
        Self {
            attempt,
            negotiation,
            control: ControlChannel::NotOpen,
            path: MediaPath::Opening,
        }
    }

    /// Up only when both are: forged packets may bring up the one, never the other.
    pub(crate) fn is_up(&self) -> bool {
        self.control == ControlChannel::Open && self.path == MediaPath::Up
    }

    /// Whether it is up or has been.
    pub(crate) fn was_up(&self) -> bool {
        self.control == ControlChannel::Open && self.path != MediaPath::Opening
    }
}

/// How the connection to a participant is. One who left is not kept at all.
#[derive(Clone, Debug)]
pub(crate) enum PeerLink {
    /// They have not said who they are. A newcomer prepares its offer meanwhile.
    Greeting { connection: Option<Connection> },
    /// Being set up for the first time. No connection: no way to agree on one just now.
    Negotiating {
        connection: Option<Connection>,
        /// Connections that failed.
        failures: u32,
    },
    /// Up.
    Connected { connection: Connection, since: Time },
    /// Was up. The old connection may come back, find a new path, or be replaced.
    Reconnecting {
        connection: Option<Connection>,
        since: Time,
        /// Replacements that failed.
        failures: u32,
    },
    /// Given up after all tries.
    Unreachable { since: Time },
}

impl PeerLink {
    pub(crate) fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Greeting { connection }
            | Self::Negotiating { connection, .. }
            | Self::Reconnecting { connection, .. } => connection.as_ref(),
            Self::Connected { connection, .. } => Some(connection),
            Self::Unreachable { .. } => None,
        }
    }

    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Greeting { connection }
            | Self::Negotiating { connection, .. }
            | Self::Reconnecting { connection, .. } => connection.as_mut(),
            Self::Connected { connection, .. } => Some(connection),
            Self::Unreachable { .. } => None,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }

    fn state(&self) -> LinkState {
        match *self {
            Self::Greeting { .. } => LinkState::Greeting,
            Self::Negotiating { .. } => LinkState::Negotiating,
            Self::Connected { since, .. } => LinkState::Connected { since },
            Self::Reconnecting { since, .. } => LinkState::Reconnecting { since },
            Self::Unreachable { since } => LinkState::Unreachable { since },
        }
    }
}

/// Whether messages reach a participant through the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerPath {
    Open,
    Closed,
}

/// One remote participant.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Unknown until they greeted.
    pub participant: Option<ParticipantId>,
    /// Their place at the server; none while it does not know them.
    pub slot: Option<Slot>,
    /// As it was when last looked at.
    pub server_path: ServerPath,
    pub name: String,
    pub media: LocalMedia,
    pub media_revision: u32,
    pub timings: Vec<SendTimings>,
    pub reconnects: u32,
    /// When the connection was lost that has not come back since.
    pub lost_at: Option<Time>,
    /// Highest number of a connection of theirs that we heard of: lower ones are over.
    pub highest_remote: u32,
    pub replacements: Replacements,
    pub link: PeerLink,
}

impl Peer {
    pub(crate) fn new(slot: Slot) -> Self {
        Self {
            participant: None,
            slot: Some(slot),
            server_path: ServerPath::Open,
            name: String::new(),
            media: LocalMedia::default(),
            media_revision: 0,
            timings: Vec::new(),
            reconnects: 0,
            lost_at: None,
            highest_remote: 0,
            replacements: Replacements::default(),
            link: PeerLink::Greeting { connection: None },
        }
    }

    /// Our role towards them: the lower id gives way.
    pub(crate) fn politeness(&self, own: ParticipantId) -> Option<Politeness> {
        self.participant.map(|theirs| match own < theirs {
            true => Politeness::Polite,
            false => Politeness::Impolite,
        })
    }

    pub(crate) fn snapshot(&self, peer: PeerKey) -> ParticipantSnapshot {
        ParticipantSnapshot {
            peer,
            name: self.name.clone(),
            link: self.link.state(),
            media: self.media,
            reconnects: self.reconnects,
            send_timings: self.timings.clone(),
            key: None,
            role: RoomRole::Guest,
            badge: Badge::Unverified,
            symbols: None,
            admission: Admission::Admitted,
            doorbell: None,
        }
    }

    /// Keeps the latest timings of each source.
    pub(crate) fn note_timings(&mut self, timings: SendTimings) {
        self.timings.retain(|known| known.source != timings.source);
        self.timings.push(timings);
        self.timings.sort_by_key(|known| known.source);
    }
}

/// How often a peer made us replace a connection lately: each costs sockets and gathering.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replacements {
    minute_began: Time,
    count: u32,
}

/// Whether a peer may make us replace a connection again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    Granted,
    UsedUp,
}

/// Replacements a peer may cause a minute. Its own watchdog allows it six.
const REPLACEMENTS_A_MINUTE: u32 = 20;

impl Replacements {
    pub(crate) fn take(&mut self, now: Time) -> Allowance {
        if now - self.minute_began >= std::time::Duration::from_secs(60) {
            *self = Self {
                minute_began: now,
                count: 0,
            };
        }
        if self.count >= REPLACEMENTS_A_MINUTE {
            return Allowance::UsedUp;
        }
        self.count += 1;
        Allowance::Granted
    }
}
