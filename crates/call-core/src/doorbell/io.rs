//! What goes into a [`super::Doorbell`] and what comes out.

use signaling_protocol::{ClientMessage, ServerMessage};
use trust::{Entropy, IdentityKey, PublicKey};

use super::RingId;
use super::ring::CallToStart;
use super::snapshot::{ContactPresence, DoorbellState, RingDirection, RingOutcome, RingSnapshot};
use crate::input::Switch;

/// What a doorbell starts with.
#[derive(Clone, Debug)]
pub struct DoorbellConfig {
    /// Who we are.
    pub identity: IdentityKey,
    /// Where ring ids, our device's id and handshakes come from.
    pub entropy: Entropy,
    /// What we call ourselves.
    pub name: String,
    /// The WebSocket address of our own server, if we have one.
    pub home: Option<String>,
    /// The time of day, Unix seconds.
    pub unix_now_s: u64,
}

/// Somebody who may ring us and whom we may ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorbellContact {
    /// Who.
    pub key: PublicKey,
    /// Our name for them.
    pub name: String,
    /// WebSocket addresses of the servers they may listen at, apart from ours. The first
    /// [`super::MAX_SERVERS_OF_CONTACT`] count.
    pub servers: Vec<String>,
}

/// Everything that can happen.
#[derive(Clone, Debug)]
pub enum DoorbellInput {
    /// All contacts, those first who matter most: a connection listens for so many only.
    Contacts(Vec<DoorbellContact>),
    /// Our own server is another one, or there is none.
    Home(Option<String>),
    /// The time of day. Say it every minute: a computer that slept does not notice otherwise.
    WallClock {
        /// Unix seconds.
        unix_s: u64,
    },
    /// Our addresses have changed: connections from an old one are dead, but would take half a minute to say so.
    NetworkChanged,
    /// A server that [`DoorbellAction::Connect`] named, until [`DoorbellAction::Disconnect`] names it.
    Server {
        /// Which.
        server: String,
        /// What happened.
        event: ServerEvent,
    },
    /// The user, or the call.
    Local(DoorbellIntent),
}

/// What happens to a connection.
#[derive(Clone, Debug)]
pub enum ServerEvent {
    /// The WebSocket is open.
    Connected,
    /// The server said something.
    Message(ServerMessage),
    /// It could not be opened, or is closed.
    Disconnected,
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoorbellIntent {
    /// Ring a contact. Taken as `Accept` when it is they who ring; ignored in a call and while something else rings.
    Ring {
        /// Whom.
        contact: PublicKey,
        /// Whether we want to be seen.
        video: Switch,
        /// Where the call will be. Not used if we end up in theirs: see [`CallToStart::link`].
        link: String,
    },
    /// Ring somebody nearby at their own server.
    RingNearby {
        /// The WebSocket address of their server.
        server: String,
        /// The secret they announce.
        secret: [u8; 16],
        /// What they call themselves.
        name: String,
        /// Whether we want to be seen.
        video: Switch,
        /// Where the call will be.
        link: String,
    },
    /// Let people nearby ring at our own embedded server.
    ListenOpen {
        /// Its WebSocket address, as we reach it.
        server: String,
        /// The secret we announce.
        secret: [u8; 16],
    },
    /// No longer.
    StopOpen,
    /// Stop ringing somebody.
    Cancel,
    /// Take the call that rings.
    Accept {
        /// Whether we want to be seen.
        video: Switch,
    },
    /// Do not take it.
    Decline,
    /// Nobody rings through, or everybody again.
    DoNotDisturb(Switch),
    /// Whether we are in a call. [`DoorbellAction::StartCall`] counts as `On`; `Off` must follow when that is over.
    InCall(Switch),
    /// What we call ourselves.
    Rename(String),
}

/// What to do, or what has become of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoorbellAction {
    /// Open a WebSocket; answer with [`ServerEvent`]s.
    Connect {
        /// Where.
        server: String,
    },
    /// Send this on it.
    Send {
        /// Where.
        server: String,
        /// What.
        message: ClientMessage,
    },
    /// Close it, once what was to be sent is out. Nothing of it may be handed in any more.
    Disconnect {
        /// Where.
        server: String,
    },
    /// There is a call.
    StartCall(CallToStart),
    /// There is no call after all: leave it, unless somebody is connected in it.
    CallOff(RingId),
    /// A ring ended without a call.
    Ended {
        /// Who rang whom.
        direction: RingDirection,
        /// Our name for them, or theirs.
        name: String,
        /// How.
        outcome: RingOutcome,
        /// Why, when the outcome is [`RingOutcome::Unreachable`] and the ring was ours.
        unreachable: Option<Unreachable>,
    },
    /// A call we did not take.
    Missed {
        /// Who rang.
        key: PublicKey,
        /// Our name for them, or theirs.
        name: String,
        /// When, Unix seconds.
        at_unix_s: u64,
    },
}

/// Why nobody could be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// We know no server where they could be.
    NoServer,
    /// None of the servers where they could be answers.
    ServerSilent,
    /// They are not there.
    NotThere,
}

/// What the window draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorbellSnapshot {
    /// Whether contacts can ring us.
    pub state: DoorbellState,
    /// Somebody rings, or we ring somebody.
    pub ring: Option<RingSnapshot>,
    /// Each contact, in the order given.
    pub presence: Vec<(PublicKey, ContactPresence)>,
}

/// What came in and was not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoorbellDropped {
    /// Events of a server, a topic, a slot or a session that is not there (any more).
    pub stale: u64,
    /// Blobs that are no message, do not open, or hold none of ours.
    pub malformed: u64,
    /// Who proved another key than the one who lives there.
    pub impostors: u64,
    /// What was beyond a bound.
    pub overflow: u64,
}
