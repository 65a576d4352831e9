//! Bounds both sides keep to. What exceeds them is refused, counted and, on the server, ends the connection.

use std::time::Duration;

/// Largest WebSocket message, bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Largest sealed blob, bytes, so that its base64 form fits a message with room to spare.
pub const MAX_BLOB_BYTES: usize = 45 * 1024;
/// Largest HTTP upgrade head, bytes.
pub const MAX_UPGRADE_HEAD_BYTES: usize = 8 * 1024;
/// Time for the HTTP upgrade.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time from the upgrade to the first message.
pub const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the server pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);
/// How long a pong may take.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(8);
/// Messages waiting for one client; one more closes it as too slow. When another device of the same person changes all
/// of its topics, two notices a topic come at once; this is twice as many.
pub const SEND_QUEUE_MESSAGES: usize = 4 * MAX_TOPICS;
/// Bytes waiting for one client; more closes it as too slow.
pub const SEND_QUEUE_BYTES: usize = 256 * 1024;
/// Sustained messages a second from one client.
pub const MESSAGES_PER_SECOND: u32 = 20;
/// Messages a client may send at once after a pause.
pub const MESSAGE_BURST: u32 = 100;
/// People in one room.
pub const MAX_ROOM_MEMBERS: usize = 8;
/// How long a room stays when nobody is connected to it.
pub const EMPTY_ROOM_LIFETIME: Duration = Duration::from_secs(60);
/// How long a dropped member's slot is kept for it.
pub const RESUME_LIFETIME: Duration = Duration::from_secs(120);
/// Topics one connection listens on; a `listen` that names more is refused.
pub const MAX_TOPICS: usize = 256;
/// Connections that listen on one topic: the devices of two people, and connections that broke without the server
/// knowing yet.
pub const MAX_LISTENERS: usize = 16;
/// Topics a client may enter at once after a pause: four times all it can hold. Entering one has a limit of its own
/// because it is told to all who listen there, which is more work than a message.
pub const TOPIC_BURST: u32 = 4 * MAX_TOPICS as u32;
/// Topics a second that one client may enter on average.
pub const TOPICS_PER_SECOND: u32 = 8;
