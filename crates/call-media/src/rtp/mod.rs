//! RTP payloads: cutting encoded frames into packets and putting them together again.

pub mod h264;
pub mod red;
pub mod reorder;
pub mod sequence;

use std::time::Instant;

use bytes::Bytes;

/// Largest RTP payload we send: fits a 1280-byte IPv6 packet with SRTP, extensions and a TURN header.
pub const MAX_PAYLOAD_BYTES: usize = 1_160;

/// One packet as it came from the network, decrypted, RTX already undone.
#[derive(Clone, Debug)]
pub struct RtpPacket {
    /// Sequence number of the original stream.
    pub sequence_number: u16,
    /// Media time in ticks of the stream's clock.
    pub timestamp: u32,
    /// The marker bit: last packet of a picture.
    pub marker: bool,
    /// The payload; empty for padding.
    pub payload: Bytes,
    /// When it arrived.
    pub arrived_at: Instant,
    /// Zero for the packet itself. Otherwise this is a copy that came along with the packet so many numbers later, and its
    /// arrival says nothing about the network's delay.
    pub copy_distance: u8,
}

/// The border to the network, inwards: one a stream. Must not block and must not trust what it gets.
pub trait PacketSink: Send + Sync {
    /// Takes one packet.
    fn push(&self, packet: RtpPacket);
}
