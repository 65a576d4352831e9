//! The Visavis signaling server: brings the members of a call together and passes sealed blobs between them.
//!
//! The binary `visavis-signaling` runs it on its own, the application runs it in its own process. It learns a room's id,
//! how many are in it and when; it logs none of that, no addresses and no payload.
//!
//! ```text
//! TCP ─► admission ─► upgrade (HTTP) ─► connection ─► hub ─► registry (pure) ─► outboxes ─► connections
//! ```
//!
//! Each connection is one task on the caller's tokio runtime. [`Server::run`] owns them all.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admission;
mod config;
mod connection;
mod hub;
mod metered_stream;
mod outbox;
pub mod registry;
mod server;
mod token_bucket;
mod upgrade;

pub use config::{Limits, ServerConfig};
pub use registry::RoomLimits;
pub use server::{Server, ServerError};
