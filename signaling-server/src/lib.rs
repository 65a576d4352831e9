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
//!   day: so the number of topics bounds the number of contacts from above, and two connections on one topic belong to
//!   contacts or to one person. An id names nobody, and that of tomorrow does not follow from that of today without the
//!   keys of the two.
//! * Of both: each client's own address, and who passes how large a blob to whom and when.
//!
//! It does not learn names, keys, what is said or whether a ring was answered. But ids that change hide little from a server
//! that watches: a connection that stays over midnight, or comes back from the same address with as many topics, is
//! the same person's.
//!
//! What it learns it keeps in memory for as long as the room or the topic lives. It writes nothing of it down: no line of
//! its log, at any level, has an address, an id or a payload. At the default level the log has the errors of the machine it
//! runs on, and one line when it stops.

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
