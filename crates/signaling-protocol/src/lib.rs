//! What the application and the signaling server say to each other.
//!
//! The server learns a room's id, how many are in it and when; everything else travels in opaque [`Blob`]s.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod id;
pub mod invite;
pub mod limits;
pub mod message;
mod server_address;

pub use id::{Blob, ResumeToken, RoomId, Slot};
pub use message::{ClientMessage, ErrorCode, LeaveReason, MessageError, Resume, ServerMessage, TopicState};

/// Version of the messages. Both sides say theirs; a mismatch is answered in words.
pub const PROTOCOL_VERSION: u16 = 1;
/// WebSocket sub-protocol both sides ask for.
pub const SUBPROTOCOL: &str = "visavis.1";
/// Path of the WebSocket on the server.
pub const WEBSOCKET_PATH: &str = "/ws";
