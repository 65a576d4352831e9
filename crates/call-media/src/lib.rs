//! Frames and samples: devices and their synthetic twins, codecs, packets, buffers.
//!
//! Nothing here knows of networks beyond RTP payloads, of tokio, or of the window.

pub mod devices;
pub mod frame;
pub mod latest;
pub mod rtp;
pub mod spec;
pub mod stage;
