//! The seam to peer connections: what the driver asks of one, and what comes back.
//!
//! [`webrtc`] is the real one and the only place that names the webrtc crate. [`ice_url`] reads the addresses of servers,
//! `relay_stream` speaks TURN over TCP and TLS beneath it.

pub mod ice_url;
pub(crate) mod relay_stream;
pub mod webrtc;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use call_core::{Attempt, Blockage, IceCandidate, IceMode, OfferAcceptance, PeerKey, TransportState};
use call_media::frame::{EncodedSink, StreamKind, VideoKind};
use call_media::rtp::PacketSink;
use serde::Serialize;
use tokio::sync::mpsc;

pub use relay_stream::tls::ExtraRoots;

/// Events of all peer connections waiting for the driver. When full, the connection's own tasks wait;
/// media does not pass through here.
pub const PEER_EVENT_CAPACITY: usize = 256;

/// A STUN or TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URL, as [`ice_url::IceUrl`] reads it.
    pub url: String,
    /// For TURN.
    pub username: Option<String>,
    /// For TURN.
    pub credential: Option<String>,
}

/// Without the credential: commands are logged.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credential = self.credential.as_ref().map(|_| "…");
        f.debug_struct("IceServer")
            .field("url", &self.url)
            .field("username", &self.username)
            .field("credential", &credential)
            .finish()
    }
}

/// Where what arrives goes. One set a peer connection.
#[derive(Clone)]
pub struct PeerReceivers {
    /// Opus packets.
    pub audio: Arc<dyn PacketSink>,
    /// H.264 packets of the camera.
    pub camera: Arc<dyn PacketSink>,
    /// H.264 packets of the shared screen.
    pub screen: Arc<dyn PacketSink>,
}

/// Everything a new peer connection has to know.
#[derive(Clone)]
pub struct PeerConfig {
    /// Whose connection this is; put on every event.
    pub peer: PeerKey,
    /// Which of theirs; put on every event.
    pub attempt: Attempt,
    /// Where what arrives goes.
    pub receivers: PeerReceivers,
    /// Called when the peer asks for a key frame of this picture. Must not block.
    pub on_key_frame_request: Arc<dyn Fn(VideoKind) + Send + Sync>,
    /// Called when the bitrate the path can carry changes, in bit/s of media in all. Must not block.
    pub on_target_bitrate: Arc<dyn Fn(u32) + Send + Sync>,
    /// Events for the driver.
    pub events: mpsc::Sender<PeerEventFrom>,
    /// Servers for gathering.
    pub ice_servers: Vec<IceServer>,
    /// Authorities that relays over TLS may have their certificates from, besides the web's.
    pub extra_roots: ExtraRoots,
    /// Relay candidates only: the peer does not learn our addresses.
    pub relay_only: bool,
    /// Offer loopback candidates too: for calls on one machine.
    pub loopback: bool,
    /// Upper bound for the bitrate estimate.
    pub max_bitrate_bps: u32,
}

/// An event of one connection.
#[derive(Clone, Debug)]
pub struct PeerEventFrom {
    /// Whose.
    pub peer: PeerKey,
    /// Which of theirs.
    pub attempt: Attempt,
    /// What.
    pub event: PeerEvent,
}

/// What a peer connection reports by itself.
#[derive(Clone, Debug)]
pub enum PeerEvent {
    /// A local candidate was gathered.
    LocalCandidate(IceCandidate),
    /// ICE, DTLS, or the watchdog on received packets.
    Transport(TransportState),
    /// The control data channel is open.
    ControlOpened,
    /// A message on it.
    Control(Bytes),
    /// The connection had time enough and is not up: what seems to be in the way. Said again when it changes.
    Blocked(Blockage),
    /// The connection is closed because it must not or cannot be used; nothing comes after it.
    Fault(PeerError),
}

/// Why a step failed, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The connection could not be made.
    #[error("the peer connection could not be created: {0}")]
    Create(String),
    /// There is no way to the other side, and it is known why.
    #[error("there is no path: {0}")]
    Blocked(Blockage),
    /// The other side's description was refused.
    #[error("the remote description was refused: {0}")]
    RemoteDescription(String),
    /// Who answers does not have the certificate that the description promises, or it promises none (RFC 8122).
    #[error("the encryption handshake did not succeed: {0}")]
    Fingerprint(String),
    /// Our own description could not be made or set.
    #[error("the local description could not be made: {0}")]
    LocalDescription(String),
    /// A candidate was refused.
    #[error("the candidate was refused: {0}")]
    Candidate(String),
    /// The control channel is not open or its queue is full.
    #[error("the control channel does not take the message: {0}")]
    Control(String),
}

/// Makes peer connections.
#[async_trait]
pub trait PeerConnector: Send + Sync {
    /// Makes one.
    async fn connect(&self, config: PeerConfig) -> Result<Arc<dyn PeerTransport>, PeerError>;
}

/// One peer connection with fixed media sections: audio, camera, screen, control channel.
///
/// As an [`EncodedSink`] it takes encoded frames at any time and drops what cannot be sent yet.
#[async_trait]
pub trait PeerTransport: EncodedSink {
    /// Makes an offer and sets it locally.
    async fn create_offer(&self, ice: IceMode) -> Result<String, PeerError>;
    /// Sets a remote offer, makes an answer and sets it locally.
    async fn accept_offer(&self, sdp: String, acceptance: OfferAcceptance) -> Result<String, PeerError>;
    /// Sets a remote answer.
    async fn accept_answer(&self, sdp: String) -> Result<(), PeerError>;
    /// Adds a remote candidate.
    async fn add_candidate(&self, candidate: IceCandidate) -> Result<(), PeerError>;
    /// Sends on the control channel.
    async fn send_control(&self, payload: Bytes) -> Result<(), PeerError>;
    /// Uses these servers from the next search for a path on: relays whose credentials expire are replaced in time.
    async fn set_ice_servers(&self, servers: Vec<IceServer>) -> Result<(), PeerError>;
    /// This machine has other addresses now: looks for another way at once where the one in use is gone. Must not block.
    fn addresses_changed(&self);
    /// Asks the peer for a key frame (PLI). At most one in 300 ms leaves. Must not block.
    fn request_key_frame(&self, kind: VideoKind);
    /// Counters and estimates at this moment.
    fn statistics(&self) -> PeerStatistics;
    /// Ends the connection; the peer notices at once where the protocol allows.
    async fn close(&self);
}

/// Direct or through a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// Straight to the peer.
    Direct,
    /// By a TURN server.
    Relayed,
}

/// Counters of one connection since it began, and its present estimates.
#[derive(Clone, Debug, Default)]
pub struct PeerStatistics {
    /// How packets travel, once known.
    pub route: Option<Route>,
    /// `udp`, `tcp` or `tls`: of the path, or of our way to our relay.
    pub protocol: Option<&'static str>,
    /// Round trip, from STUN or receiver reports.
    pub rtt: Option<Duration>,
    /// What the congestion controller allows, bit/s.
    pub target_bitrate_bps: Option<u32>,
    /// Part of our sound packets that the path loses, 0 to 1, smoothed.
    pub sound_loss: f32,
    /// How many earlier packets each of our sound packets carries once more.
    pub sound_copies: usize,
    /// From creation to the first checked candidate pair.
    pub ice_connected_after: Option<Duration>,
    /// From creation to finished DTLS.
    pub dtls_connected_after: Option<Duration>,
    /// What was sent, by stream.
    pub sent: Vec<(StreamKind, SentStatistics)>,
    /// What was received, by stream.
    pub received: Vec<(StreamKind, ReceivedStatistics)>,
}

/// Of one stream to the peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentStatistics {
    /// First transmissions.
    pub packets: u64,
    /// Bytes with RTP headers, retransmissions included.
    pub bytes: u64,
    /// Sent again on request.
    pub retransmitted_packets: u64,
    /// Of the last receiver report, 0 to 1.
    pub remote_fraction_lost: Option<f32>,
    /// Key frames the peer asked for.
    pub key_frame_requests: u64,
}

/// Of one stream from the peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceivedStatistics {
    /// Packets, without duplicates and repairs.
    pub packets: u64,
    /// Bytes with RTP headers, repairs included.
    pub bytes: u64,
    /// Numbers that never came, by sequence (RFC 3550, appendix A.3).
    pub packets_lost: u64,
    /// Lost, then brought by RTX.
    pub packets_recovered: u64,
    /// Dropped because they made no sense.
    pub packets_malformed: u64,
    /// Key frames we asked for.
    pub key_frame_requests: u64,
}
