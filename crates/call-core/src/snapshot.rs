//! What the window draws: plain, immutable, cheap to clone.

use serde::{Deserialize, Serialize};

use crate::action::EndReason;
use crate::blockage::Blockage;
use crate::input::{PeerKey, Switch, VideoSource};
use crate::standing::{Admission, Alarm, Badge, IdentityLifetime, PublicKey, RoomRole, RoomState, Symbols};
use crate::time::Time;

/// The whole call at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSnapshot {
    /// Where the call stands.
    pub phase: CallPhase,
    /// The connection to the server.
    pub signaling: SignalingState,
    /// What we send.
    pub local: LocalMedia,
    /// Everybody else, in the order they came; those that left are not in it.
    pub participants: Vec<ParticipantSnapshot>,
    /// When the first participant was connected.
    pub connected_since: Option<Time>,
    /// Who may enter, and what we are.
    pub room: RoomState,
    /// Something is wrong with the way messages take.
    pub alarm: Option<Alarm>,
}

/// Where a call stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPhase {
    /// Not joined yet.
    Idle,
    /// Getting into the room.
    Joining,
    /// Alone in the room.
    Waiting,
    /// Somebody is there who has to let us in.
    Knocking,
    /// Somebody is there, nobody connected yet.
    Connecting,
    /// At least one participant is connected.
    Active,
    /// Somebody was connected, everybody present is being reconnected.
    Reconnecting,
    /// Over.
    Ended(EndReason),
}

/// The connection to the signaling server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalingState {
    /// Not wanted.
    Closed,
    /// Being opened for the first time.
    Connecting,
    /// Open, and in the room.
    Joined,
    /// Lost; the next try is at this time.
    Retrying {
        /// When.
        at: Time,
        /// How many tries have failed in a row.
        failures: u32,
    },
}

/// What we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalMedia {
    /// Sound.
    pub microphone: Switch,
    /// Picture.
    pub camera: Switch,
    /// Shared screen.
    pub screen: Switch,
}

impl Default for LocalMedia {
    fn default() -> Self {
        Self {
            microphone: Switch::On,
            camera: Switch::On,
            screen: Switch::Off,
        }
    }
}

/// One remote participant.
#[derive(Clone, Debug, PartialEq)]
pub struct ParticipantSnapshot {
    /// Their key.
    pub peer: PeerKey,
    /// What they call themselves; at most 64 characters, control characters removed. Empty until they said.
    pub name: String,
    /// How the connection to them is.
    pub link: LinkState,
    /// What seems to be in the way of a connection that does not come up.
    pub blockage: Option<Blockage>,
    /// What they say they send.
    pub media: LocalMedia,
    /// How often the connection was lost and came back.
    pub reconnects: u32,
    /// What their pictures cost them before they left: the latest of each source, at most one each.
    pub send_timings: Vec<SendTimings>,
    /// Who they proved to be; none before they greeted.
    pub key: Option<PublicKey>,
    /// Whether the invite names them as its host.
    pub role: RoomRole,
    /// How far they are known.
    pub badge: Badge,
    /// To be compared, once both have shown theirs.
    pub symbols: Option<Symbols>,
    /// Whether media may flow.
    pub admission: Admission,
    /// Address of the server where they can be rung, as they say.
    pub doorbell: Option<String>,
    /// Whether they can be known again.
    pub identity: IdentityLifetime,
}

/// What a sender's pictures cost before they reached the network, as means of the last second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SendTimings {
    /// Of which pictures.
    pub source: VideoSource,
    /// From the moment of capture until the encoder had the frame.
    pub capture_ms: f32,
    /// In the encoder.
    pub encode_ms: f32,
}

/// How the connection to a participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Saying hello through the server.
    Greeting,
    /// Offer, answer, ICE, DTLS.
    Negotiating,
    /// Up.
    Connected {
        /// Since when.
        since: Time,
    },
    /// Was up, is silent or being rebuilt.
    Reconnecting {
        /// Since when.
        since: Time,
    },
    /// In the room, but given up after all tries; tried again from time to time.
    Unreachable {
        /// Since when.
        since: Time,
    },
}
