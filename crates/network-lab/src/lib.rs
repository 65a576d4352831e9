//! Hosts, NATs and bad links on one Linux machine: network namespaces joined by links that delay, lose and pace
//! packets as told. For tests and benchmarks only; the product never sees it. On other systems there is nothing in it.
//!
//! A plan goes in as text, a [`Lab`] comes out: commands run on its hosts, and its links are changed while they run.
//! What a link does to its packets is [`Pipe`], which holds no clock and no device. One thread, `network-lab`, moves
//! the packets of a lab; everything else happens on the caller's. Namespaces have no names: they end with the process,
//! however it ends.

#![cfg(target_os = "linux")]

mod error;
mod lab;
mod mover;
mod nat;
mod pipe;
mod plan;
mod profile;
mod random;
mod system;
mod world;

pub use error::LabError;
pub use lab::{Direction, Lab};
pub use pipe::{Counters, Pipe};
pub use profile::{Bursts, Profile};
