//! Everything that can happen to a call.

use serde::{Deserialize, Serialize};
use signaling_protocol::ServerMessage;

use crate::blockage::Blockage;
use crate::standing::Door;
use crate::time::Time;

/// A remote participant, for as long as this call knows of them. Local to this process, never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey(pub u32);

/// One peer connection of a participant. Each rebuild counts up; what belongs to an older one is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt(pub u32);

/// On or off, for microphone, camera and screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Sending.
    On,
    /// Not sending.
    Off,
}

/// Whether an offer keeps the path between the two or looks for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceMode {
    /// Keep.
    Keep,
    /// New credentials, new candidates (RFC 8445, section 9).
    Restart,
}

/// Offer or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescriptionKind {
    /// Asks.
    Offer,
    /// Replies.
    Answer,
}

/// A trickled candidate, as `RTCIceCandidateInit` has it (W3C WebRTC 1.0, section 4.8.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCandidate {
    /// The candidate line.
    pub candidate: String,
    /// Which media section, by identification tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// Which media section, by index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mline_index: Option<u16>,
    /// The ICE user fragment it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The user wants something.
    Local(LocalIntent),
    /// Something about the signaling server.
    Signaling(SignalingInput),
    /// Something about one peer connection.
    Peer {
        /// Whose.
        peer: PeerKey,
        /// Which of theirs.
        attempt: Attempt,
        /// What.
        event: PeerInput,
    },
    /// The machine's addresses changed, or it has slept: everything may be dead. Peer connections find out for
    /// themselves, and say `Silent` when they are.
    NetworkChanged,
}

/// What the user, or the engine on the user's behalf, wants.
#[derive(Clone, Debug, PartialEq)]
pub enum LocalIntent {
    /// Enter the room of the invite. One call a machine: a second one is ignored.
    Join,
    /// Hang up.
    Leave,
    /// Speak or be silent.
    Microphone(Switch),
    /// Be seen or not.
    Camera(Switch),
    /// Share the screen or not.
    Screen(Switch),
    /// Look for a new path to everybody.
    RestartIce,
    /// As host: let somebody in who knocks. As anybody: go on with somebody whose key has changed.
    Admit {
        /// Whom.
        peer: PeerKey,
    },
    /// As host: keep somebody out, or send them out. As anybody: have nothing to do with them in this call.
    Refuse {
        /// Whom.
        peer: PeerKey,
    },
    /// As host: who may enter.
    SetDoor(Door),
    /// As host: when the invite stops to let new people in.
    SetExpiry(Option<Time>),
    /// As host: a new secret. Everybody connected moves with us, the old link leads nowhere.
    NewLink {
        /// 16 random bytes.
        secret: [u8; 16],
    },
    /// The user compared the symbols, and they are the same.
    SymbolsMatch {
        /// With whom.
        peer: PeerKey,
    },
    /// Tell everybody connected what our pictures cost before they left; the engine sends this each second.
    SendTimings {
        /// Of which pictures.
        source: VideoSource,
        /// From the moment of capture until the encoder had the frame.
        capture_ms: f32,
        /// In the encoder.
        encode_ms: f32,
    },
}

/// Which of a participant's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoSource {
    /// The camera.
    Camera,
    /// The shared screen.
    Screen,
}

/// What happened between this process and the signaling server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalingInput {
    /// The WebSocket is open.
    Connected,
    /// A message came.
    Message(ServerMessage),
    /// The WebSocket is gone or could not be opened.
    Disconnected(SignalingLoss),
}

/// Why there is no connection to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalingLoss {
    /// Refused, timed out, reset: worth another try.
    Unreachable(String),
    /// What answered is not a Visavis server of a version we speak: not worth another try.
    WrongServer(String),
}

/// What happened to one peer connection.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerInput {
    /// The answer to `CreateOffer` or `AcceptOffer`: our description is set, send it.
    LocalDescription {
        /// Offer or answer.
        kind: DescriptionKind,
        /// The SDP.
        sdp: String,
    },
    /// `AcceptAnswer` is done.
    AnswerAccepted,
    /// A candidate of ours, to be sent.
    LocalCandidate(IceCandidate),
    /// A step of negotiation failed.
    Fault(NegotiationFault),
    /// ICE and DTLS.
    Transport(TransportState),
    /// The connection had time enough and is not up: what seems to be in the way.
    Blocked(Blockage),
    /// The control data channel is open both ways.
    ControlOpened,
    /// A message on the control data channel.
    Control(Vec<u8>),
}

/// What of a negotiation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NegotiationFault {
    /// The peer connection could not be made.
    Create(String),
    /// There is no way to the other side, and it is known why.
    Blocked(Blockage),
    /// The remote description was refused.
    RemoteDescription(String),
    /// Our own description could not be made or set.
    LocalDescription(String),
    /// Who answered does not have the certificate that the description promised (RFC 8122): somebody is in between.
    Fingerprint(String),
}

/// How the path to a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportState {
    /// Being set up.
    Connecting,
    /// ICE and DTLS are through.
    Connected,
    /// Nothing has come from the peer for a while (watchdog on received packets).
    Silent,
    /// Packets come again after `Silent`.
    Alive,
    /// ICE or DTLS gave up.
    Failed,
    /// The connection is closed.
    Closed,
}
