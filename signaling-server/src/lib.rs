//! The Visavis signaling server: brings the members of a call together, lets contacts ring each other, and passes
//! sealed blobs between them.
//!
//! The binary `visavis-signaling` runs it on its own, the application runs it in its own process.
//!
//! ```text
//! TCP ─► admission ─► upgrade (HTTP) ─► connection ─► hub ─► registry, topics (pure) ─► outboxes ─► connections
//! ```
//!
//! Each connection is one task on the caller's tokio runtime. [`Server::run`] owns them all.
//!
//! # What it learns
//!
//! * Of a call: the room's id, how many are in it, and when each came and went.
//! * Of a doorbell, the connection on which a client waits to be called: the ids of the topics it listens on, how many
//!   others listen on each, and when they came and went. Two contacts have a topic of their own, with a new id every
//!   day. So the number of topics tells about how many contacts somebody has, and two connections on one topic belong
//!   to contacts or to one person: within a day, the server sees who is in touch with whom, by addresses.
//! * Of both: each client's own address, and who passes how large a blob to whom and when.
//!
//! It is not told names, keys, what is said, or whether a ring was answered; the last it can guess from what follows.
//! The id of a topic names nobody, and the next day's does not follow from it without the keys of the two. That hides
//! little from a server that watches all the same: a connection that stays over midnight, or an address that comes
//! back, is the same person's.
//!
//! What it learns it keeps in memory, for as long as the room or the topic lives, and writes nothing of it down. At the
//! default level the log of `visavis-signaling` has the faults of the machine it runs on and a line when it stops; at
//! finer levels it numbers connections and says why each ended. No line, at any level, has a client's address, an id or
//! a payload.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admission;
mod config;
mod connection;
mod hub;
mod metered_stream;
mod outbox;
pub mod outcome;
pub mod registry;
mod server;
mod token_bucket;
pub mod topics;
mod upgrade;

pub use config::{Limits, ServerConfig};
pub use registry::RoomLimits;
pub use server::{Server, ServerError};
pub use topics::TopicLimits;
