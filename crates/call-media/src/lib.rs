//! Frames and samples: devices and their synthetic twins, codecs, packets, buffers.
//!
//! Nothing here knows of networks beyond RTP payloads, of tokio, or of the window.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audio;
pub mod capture;
pub mod codec;
pub mod colour;
pub mod devices;
pub mod frame;
pub mod latest;
pub mod percentiles;
pub mod quality;
pub mod receive;
pub mod record;
pub mod rtp;
pub mod send;
pub mod spec;
pub mod stage;
pub mod stamp;
