//! Everything a call can ask of the world.

use signaling_protocol::ClientMessage;

use crate::blockage::Blockage;
use crate::input::{Attempt, IceCandidate, IceMode, PeerKey};
use crate::snapshot::LocalMedia;

/// One thing to do. Results come back as [`crate::Input`]s of the same peer and attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a WebSocket to the server, ending one that is open. Comes back as `Connected` or `Disconnected`.
    ConnectSignaling,
    /// Ask the server whether it is there. When nothing at all comes from it within 1.5 s, the WebSocket is given up,
    /// which comes back as `Disconnected`.
    ProbeSignaling,
    /// Send a message on the open WebSocket; without one, drop it.
    Signal(ClientMessage),
    /// Close the WebSocket, after what was to be sent on it. Nothing comes back.
    CloseSignaling,
    /// Make a peer connection and start gathering candidates as soon as there is a description.
    CreatePeer {
        /// For whom.
        peer: PeerKey,
        /// Which one of theirs.
        attempt: Attempt,
    },
    /// Throw a peer connection away, after what was to be sent on its control channel. Nothing comes back.
    ClosePeer {
        /// Whose.
        peer: PeerKey,
        /// Which.
        attempt: Attempt,
    },
    /// The participant is gone: forget their pictures and sound.
    ForgetPeer {
        /// Who.
        peer: PeerKey,
    },
    /// Make an offer and set it locally. Comes back as `LocalDescription` or `Fault`.
    CreateOffer {
        /// For whom.
        peer: PeerKey,
        /// Which connection.
        attempt: Attempt,
        /// Same path or new.
        ice: IceMode,
    },
    /// Set the remote offer, make an answer, set it locally. Comes back as `LocalDescription` or `Fault`.
    AcceptOffer {
        /// From whom.
        peer: PeerKey,
        /// Which connection.
        attempt: Attempt,
        /// The offer's SDP.
        sdp: String,
        /// What to do with an offer of our own.
        acceptance: OfferAcceptance,
    },
    /// Set the remote answer. Comes back as `AnswerAccepted` or `Fault`.
    AcceptAnswer {
        /// From whom.
        peer: PeerKey,
        /// Which connection.
        attempt: Attempt,
        /// The answer's SDP.
        sdp: String,
    },
    /// Add a remote candidate; only ever after a remote description.
    AddCandidate {
        /// From whom.
        peer: PeerKey,
        /// Which connection.
        attempt: Attempt,
        /// The candidate.
        candidate: IceCandidate,
    },
    /// Send on the control data channel.
    SendControl {
        /// To whom.
        peer: PeerKey,
        /// Which connection.
        attempt: Attempt,
        /// The message.
        payload: Vec<u8>,
    },
    /// Open or close the gates of microphone, camera and screen.
    ApplyLocalMedia(LocalMedia),
    /// The host has made a new link, and everybody let in has moved: this is its secret. The host stays the same.
    InviteChanged {
        /// 16 random bytes.
        secret: [u8; 16],
    },
    /// The call is over; nothing follows.
    Finished(EndReason),
}

/// What happens to our own offer when we accept theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferAcceptance {
    /// There is none.
    Plain,
    /// Roll it back first: we are the polite one.
    RollbackFirst,
}

/// Why a call is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// We hung up.
    HungUp,
    /// Everybody else left.
    EveryoneLeft,
    /// The server could not be reached and nobody was connected.
    ServerUnreachable(String),
    /// What answered is not a server we can talk to.
    WrongServer(String),
    /// The server refused us; its sentence.
    Refused(String),
    /// The others could not be reached, after all tries; what seems to be in the way, if that is known.
    PeersUnreachable(Option<Blockage>),
    /// The host, or the room's rules, kept us out.
    NotAdmitted(NotAdmitted),
}

/// Why we were not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The host said no.
    Refused,
    /// The room is locked.
    Locked,
    /// The invite has expired.
    Expired,
}
