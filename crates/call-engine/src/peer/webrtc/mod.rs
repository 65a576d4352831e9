//! Peer connections over the `webrtc` crate: the only module that names it or `rtc`.
//!
//! | file | what it does |
//! |---|---|
//! | `connection` | one peer connection: negotiation, control channel, frames to send |
//! | `assembly` | puts it together out of the crate's parts |
//! | `events` | what happens by itself, to the driver; the watch over the path |
//! | `setup` | codecs, timers, addresses, the chain of packet handlers |
//! | `exposure` | keeps our addresses from a peer who shall not learn them |
//! | `description` | refuses remote descriptions that are not of our form |
//! | `handshake` | whether who answers has the certificate that was announced |
//! | `handshake_repeats` | lets a handshake go on after losses |
//! | `streams` | who is who on the wire, and the counters |
//! | `send` | encoded frames to RTP |
//! | `sound` | what is known of the sound we send: loss, copies, formats |
//! | `chain` | the plumbing of our packet handlers |
//! | `wire_tap` | counters, round trip, key-frame requests |
//! | `source_filter` | refuses datagrams from strangers |
//! | `gated` | the sockets and names the crate gets to see; relays over TCP and TLS |
//! | `pulse` | keeps answers on relayed connections from waiting in the crate |
//! | `servers` | STUN and TURN servers, and what stands for them |
//! | `findings` | what servers answered, for the diagnosis of a path that is not found |
//! | `renewal` | keeps a place at a relay when its nonce changes |
//! | `stun` | reads STUN messages |
//! | `watchdog` | whether the peer is still there |
//! | `statistics` | the counters in the form of the seam |
//! | `congestion` | what bitrate the path can carry |
//! | `pacer` | spreads packets over time, sound first |
//! | `nack` | asks for lost packets again |
//! | `parity` | mends single losses on a long way without asking |
//! | `rtx` | undoes retransmission wrapping |
//! | `delivery` | received RTP to the packet sinks |
//!
//! The crate runs one task a connection, on a tokio worker; our handlers run inside it and never wait. It is pinned to
//! one exact release, and several handlers replace parts of it that were measured not to work: each says so.

mod assembly;
mod chain;
mod congestion;
mod connection;
mod delivery;
mod description;
mod events;
mod exposure;
mod findings;
mod gated;
mod handshake;
mod handshake_repeats;
#[cfg(test)]
mod identity_tests;
mod nack;
mod pacer;
mod parity;
mod pulse;
mod renewal;
mod roaming;
mod roaming_socket;
mod rtx;
mod send;
mod servers;
mod setup;
mod sound;
mod source_filter;
mod statistics;
mod streams;
mod stun;
mod watchdog;
mod wire_tap;

use std::sync::Arc;

use async_trait::async_trait;

use crate::peer::{PeerConfig, PeerConnector, PeerError, PeerTransport};

/// Makes real peer connections. Its methods must be called on a tokio runtime with time and IO.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebRtcConnector;

impl WebRtcConnector {
    /// A connector.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl PeerConnector for WebRtcConnector {
    async fn connect(&self, config: PeerConfig) -> Result<Arc<dyn PeerTransport>, PeerError> {
        let connection = connection::WebRtcConnection::open(config).await?;
        Ok(Arc::new(connection))
    }
}
