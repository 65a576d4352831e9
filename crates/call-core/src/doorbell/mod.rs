//! Ringing contacts and people nearby, and being rung.
//!
//! * `bell.rs` – [`Doorbell`]: connections to servers, what the user wants, what becomes of it
//! * `doors.rs` – the topics of contacts, new ones every day, and the open ones of people nearby
//! * `server.rs` – one server, its topics and how fast one may speak there
//! * `visitor.rs`, `sessions.rs` – every other listener of a topic, the handshake with it, and what it says
//! * `ring` – [`RingMachine`]: who rings whom, free of all that
//!
//! The server sees topics that mean nothing to it and blobs. Who listens on a contact's topic proves with the handshake
//! to be that contact; at an open door whoever they prove to be.

mod bell;
mod doors;
mod id;
mod io;
mod pace;
pub mod ring;
pub mod ring_message;
mod server;
mod sessions;
pub mod snapshot;
mod visitor;

pub use bell::Doorbell;
pub use doors::{MAX_CONTACTS, MAX_SERVERS, MAX_SERVERS_OF_CONTACT};
pub use id::{DeviceId, RingId};
pub use io::{
    DoorbellAction, DoorbellConfig, DoorbellContact, DoorbellDropped, DoorbellInput, DoorbellIntent, DoorbellSnapshot,
    ServerEvent, Unreachable,
};
pub use ring::{CallRole, CallToStart, Device, Party, RingInput, RingIntent, RingMachine, RingOutput, RingView};
pub use ring_message::RingMessage;
pub use snapshot::{ContactPresence, DoorbellState, RingDirection, RingOutcome, RingSnapshot, RingStage};
