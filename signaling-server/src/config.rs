//! What the server listens on and what it bears.

use std::net::SocketAddr;
use std::time::Duration;

use signaling_protocol::limits;

use crate::registry::RoomLimits;
use crate::topics::TopicLimits;

/// How to run a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Bounds; tests shorten them.
    pub limits: Limits,
}

impl Default for ServerConfig {
    /// Listens on a free port of the loopback interface.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            limits: Limits::default(),
        }
    }
}

/// Bounds of a server. The defaults of what clients rely on are those of [`signaling_protocol::limits`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Rooms, members and how long both are kept.
    pub rooms: RoomLimits,
    /// Topics and listeners.
    pub topics: TopicLimits,
    /// Connections at once; one more is answered with HTTP status 503.
    pub connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64 network; one more is answered with HTTP status 429.
    pub connections_per_address: usize,
    /// Time for the HTTP upgrade.
    pub upgrade_timeout: Duration,
    /// Time from the upgrade to a valid first message.
    pub first_message_timeout: Duration,
    /// How often the server pings.
    pub ping_interval: Duration,
    /// How long a pong may take.
    pub pong_timeout: Duration,
    /// Time for the last words on a connection that ends.
    pub closing_timeout: Duration,
    /// Messages waiting for one client; one more closes it as too slow.
    pub send_queue_messages: usize,
    /// Bytes waiting for one client; more closes it as too slow.
    pub send_queue_bytes: usize,
    /// Sustained messages a second from one client, control frames included.
    pub messages_per_second: u32,
    /// Messages a client may send at once after a pause.
    pub message_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: RoomLimits::default(),
            topics: TopicLimits::default(),
            connections: 2048,
            connections_per_address: 64,
            upgrade_timeout: limits::UPGRADE_TIMEOUT,
            first_message_timeout: limits::FIRST_MESSAGE_TIMEOUT,
            ping_interval: limits::PING_INTERVAL,
            pong_timeout: limits::PONG_TIMEOUT,
            closing_timeout: Duration::from_secs(2),
            send_queue_messages: limits::SEND_QUEUE_MESSAGES,
            send_queue_bytes: limits::SEND_QUEUE_BYTES,
            messages_per_second: limits::MESSAGES_PER_SECOND,
            message_burst: limits::MESSAGE_BURST,
        }
    }
}
