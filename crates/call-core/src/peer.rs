//! One remote participant and the state of the connection to them.

use crate::blockage::Blockage;
use crate::budget::Budget;
use crate::input::{Attempt, PeerKey};
use crate::negotiation::{Negotiation, Politeness};
use crate::peer_message::ParticipantId;
use crate::snapshot::{LinkState, LocalMedia, ParticipantSnapshot, SendTimings};
use crate::standing::{Admission, Badge, IdentityLifetime, PublicKey, RoomRole, Symbols};
use crate::time::Time;

use signaling_protocol::Slot;

/// Whether the control data channel can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlChannel {
    NotOpen,
    Open,
}

/// Whether they have said on the control channel what only the other end of the session can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelloState {
    Awaited,
    Confirmed,
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

/// Whether the path in use has been given up for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// It has not: a restart of ICE would throw it away.
    NotBegun,
    /// One side has offered to look for another since this one fell silent.
    Begun,
}

/// One peer connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub attempt: Attempt,
    pub negotiation: Negotiation,
    pub control: ControlChannel,
    pub hello: HelloState,
    pub path: MediaPath,
    pub search: Search,
}

impl Connection {
    pub(crate) fn new(attempt: Attempt, negotiation: Negotiation) -> Self {
        Self {
            attempt,
            negotiation,
            control: ControlChannel::NotOpen,
            hello: HelloState::Awaited,
            path: MediaPath::Opening,
            search: Search::NotBegun,
        }
    }

    /// Silent, and nobody has given the path up yet.
    pub(crate) fn may_come_back(&self) -> bool {
        self.path == MediaPath::Silent && self.search == Search::NotBegun
    }

    /// Up only when all are: forged packets may bring up the path, and somebody in between even the channel, but not
    /// say the hello.
    pub(crate) fn is_up(&self) -> bool {
        self.is_bound() && self.path == MediaPath::Up
    }

    fn is_bound(&self) -> bool {
        self.control == ControlChannel::Open && self.hello == HelloState::Confirmed
    }

    /// Whether it is up or has been.
    pub(crate) fn was_up(&self) -> bool {
        self.is_bound() && self.path != MediaPath::Opening
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

/// What we have decided about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Come in.
    Open,
    /// The host has to decide.
    Knock,
    /// The user has to decide: the name is a contact's and the key is not, or it is not who was expected.
    KeyChanged,
    /// No.
    Refused,
    /// Nobody new comes in.
    Locked,
    /// Nobody new comes in any more.
    Expired,
}

/// What somebody has told us of their decision about us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Nothing yet.
    Unheard,
    /// Come in.
    Open,
    /// Not decided yet.
    Wait,
    /// The room is locked.
    Locked,
    /// The invite has expired.
    Expired,
}

/// Whether connections to somebody ended where they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// As far as we know.
    Sound,
    /// The last one that was tried did not.
    Mismatch,
}

/// What the server said last of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerWord {
    /// Nothing that matters.
    Silent,
    /// They left for good.
    Left,
}

/// One remote participant.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Unknown until they greeted.
    pub participant: Option<ParticipantId>,
    /// Who they proved to be; known when `participant` is.
    pub key: Option<PublicKey>,
    /// What they are in the room.
    pub role: RoomRole,
    pub badge: Badge,
    /// What we have decided about them.
    pub decision: Decision,
    /// What they have decided about us.
    pub word: Word,
    /// Numbers of the connections they said they hold.
    pub claimed: Vec<u32>,
    pub doorbell: Option<String>,
    pub identity: IdentityLifetime,
    pub symbols: Option<Symbols>,
    pub binding: Binding,
    /// What the last connection that did not come up found in its way.
    pub blockage: Option<Blockage>,
    /// Their place at the server; none while it does not know them.
    pub slot: Option<Slot>,
    /// As it was when last looked at.
    pub server_path: ServerPath,
    pub server_word: ServerWord,
    pub name: String,
    pub media: LocalMedia,
    pub media_revision: u32,
    pub timings: Vec<SendTimings>,
    pub reconnects: u32,
    /// When the connection was lost that has not come back since.
    pub lost_at: Option<Time>,
    /// Highest number of a connection of theirs that we heard of: lower ones are over.
    pub highest_remote: u32,
    pub replacements: Budget<REPLACEMENTS_A_MINUTE>,
    pub entries: Budget<ENTRIES_A_MINUTE>,
    pub link: PeerLink,
}

impl Peer {
    pub(crate) fn new(slot: Slot) -> Self {
        Self {
            participant: None,
            key: None,
            role: RoomRole::Guest,
            badge: Badge::Unverified,
            decision: Decision::Open,
            word: Word::Unheard,
            claimed: Vec::new(),
            doorbell: None,
            identity: IdentityLifetime::Kept,
            symbols: None,
            binding: Binding::Sound,
            blockage: None,
            slot: Some(slot),
            server_path: ServerPath::Open,
            server_word: ServerWord::Silent,
            name: String::new(),
            media: LocalMedia::default(),
            media_revision: 0,
            timings: Vec::new(),
            reconnects: 0,
            lost_at: None,
            highest_remote: 0,
            replacements: Budget::default(),
            entries: Budget::default(),
            link: PeerLink::Greeting { connection: None },
        }
    }

    /// Whether we have let them in.
    pub(crate) fn is_in(&self) -> bool {
        self.participant.is_some() && self.decision == Decision::Open
    }

    /// Whether both sides want to be connected.
    pub(crate) fn is_let_in(&self) -> bool {
        self.is_in() && self.word == Word::Open
    }

    /// Whether the call is with them: they greeted, and do not stand before a closed door.
    pub(crate) fn is_somebody(&self) -> bool {
        self.participant.is_some() && self.decision != Decision::Knock
    }

    /// Our role towards them: the lower id gives way.
    pub(crate) fn politeness(&self, own: ParticipantId) -> Option<Politeness> {
        self.participant.map(|theirs| match own < theirs {
            true => Politeness::Polite,
            false => Politeness::Impolite,
        })
    }

    fn admission(&self, own: RoomRole) -> Admission {
        match (self.decision, self.word) {
            (Decision::KeyChanged, _) => Admission::KeyChanged,
            (Decision::Knock, _) => match own {
                RoomRole::Host => Admission::Knocking,
                RoomRole::Guest => Admission::AwaitingHost,
            },
            (_, Word::Wait | Word::Locked | Word::Expired) => Admission::AwaitingThem,
            (Decision::Open | Decision::Refused | Decision::Locked | Decision::Expired, Word::Unheard | Word::Open) => {
                Admission::Admitted
            }
        }
    }

    /// As the window draws them; `own` is what we are in the room.
    pub(crate) fn snapshot(&self, peer: PeerKey, own: RoomRole) -> ParticipantSnapshot {
        ParticipantSnapshot {
            peer,
            name: self.name.clone(),
            link: self.link.state(),
            blockage: self.blockage,
            media: self.media,
            reconnects: self.reconnects,
            send_timings: self.timings.clone(),
            key: self.key,
            role: self.role,
            badge: self.badge.clone(),
            symbols: self.symbols,
            admission: self.admission(own),
            doorbell: self.doorbell.clone(),
            identity: self.identity,
        }
    }

    /// Keeps the latest timings of each source.
    pub(crate) fn note_timings(&mut self, timings: SendTimings) {
        self.timings.retain(|known| known.source != timings.source);
        self.timings.push(timings);
        self.timings.sort_by_key(|known| known.source);
    }
}

/// Connections that a peer may make us replace a minute: each costs sockets and gathering. Its own watchdog allows it
/// six.
const REPLACEMENTS_A_MINUTE: u32 = 20;
/// Times a minute that a peer may say that we may come in: each makes us send again what may have been lost.
const ENTRIES_A_MINUTE: u32 = 60;
