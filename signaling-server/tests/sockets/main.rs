//! The server over real sockets. Nothing here depends on how fast the machine is: tests wait for events.

#![allow(clippy::unwrap_used)]

mod client;
mod doorbells;
mod hostile;
mod rooms;
