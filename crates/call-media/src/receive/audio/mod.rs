//! Playout of sound: packets of one sender flow in as the network brings them, blocks of 10 ms flow out on the beat.
//!
//! ```text
//! push(packet) ─► admission: is this our stream? ─► PlayoutStream: order, decode, conceal, stretch ─► pop(now)
//! ```
//!
//! Pure: time is an argument, and nothing here has a thread ([`crate::audio`] calls it on "audio"). What it does:
//!
//! * holds each packet as long as the network's jitter asks for ([`delay`]): about 10 ms on a good network;
//! * plays a copy where the packet itself was lost (RED), restores it from the coarse one in the next packet (Opus in-band
//!   FEC), or makes up its sound (PLC);
//! * waits for copies only while losses occur, and only as long as those copies that are needed take;
//! * plays slightly faster or slower without changing pitch ([`stretch`]) when the delay is not what it should be, which
//!   is also how the difference between the clocks of two sound cards is absorbed;
//! * plays comfort noise, and counts no loss, where the sender has announced a silence (DTX);
//! * starts over when the sender does, but not for a single odd packet.

pub mod delay;
mod playout;
mod seen;
pub mod stretch;
#[cfg(test)]
mod tests;

use std::time::Instant;

use crate::codec::opus::{OpusDecoder, OpusError, packet_samples};
use crate::frame::AudioBlock;
use crate::percentiles::Percentiles;
use crate::rtp::RtpPacket;

use playout::{Arrival, PlayoutStream};

/// What became of the packets and samples of one sender.
#[derive(Clone, Debug, Default)]
pub struct PlayoutStatistics {
    /// Samples given out for playing, all of those below included.
    pub played_samples: u64,
    /// Samples made up because a packet was not there in time.
    pub concealed_samples: u64,
    /// Samples of packets that were lost and brought by a full copy (RED).
    pub recovered_samples: u64,
    /// Samples restored from the coarse copy in the following packet (in-band FEC).
    pub fec_recovered_samples: u64,
    /// Samples of comfort noise in announced silences.
    pub comfort_samples: u64,
    /// Samples left out to shorten the delay.
    pub accelerated_samples: u64,
    /// Samples added to lengthen the delay.
    pub expanded_samples: u64,
    /// Packets that arrived, each counted once.
    pub packets_received: u64,
    /// Packets that never arrived, or not yet.
    pub packets_lost: u64,
    /// Packets that arrived after their time to be played, or did not fit into the buffer.
    pub packets_late: u64,
    /// Packets that are not Opus or belong to no stream.
    pub packets_malformed: u64,
    /// How long packets waited here.
    pub buffer: Percentiles,
}

/// A packet further than this from the last one, in sequence numbers, is not of the same stream: 20 s.
const MAX_SEQUENCE_STEP: i64 = 1_000;
/// Nor is one whose media time is so far off its arrival: 3 s.
const MAX_TRANSIT_STEP_SAMPLES: i64 = 3 * 48_000;

/// The playout buffer of one sender.
pub struct PlayoutBuffer {
    stream: Option<PlayoutStream>,
    /// A packet that does not fit in; with a second one like it, it begins a new stream (RFC 3550, A.1).
    stranger: Option<(u16, u32)>,
    statistics: PlayoutStatistics,
    /// Packets lost in streams that are over.
    lost_before: u64,
}

impl Default for PlayoutBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl PlayoutBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            stream: None,
            stranger: None,
            statistics: PlayoutStatistics::default(),
            lost_before: 0,
        }
    }

    /// Takes in one packet, whatever it is.
    ///
    /// # Errors
    /// Only when libopus has no memory for a decoder; the packet is gone then.
    pub fn push(&mut self, packet: RtpPacket) -> Result<(), OpusError> {
        let samples = match packet_samples(&packet.payload) {
            Some(samples) => samples,
            // Padding: a probe of the network that takes a sequence number and plays nothing.
            None if packet.payload.is_empty() => 0,
            None => {
                self.statistics.packets_malformed += 1;
                return Ok(());
            }
        };
        let is_copy = packet.copy_distance > 0;
        let Some(stream) = &mut self.stream else {
            // A copy comes with the packet that begins the stream.
            return if is_copy { Ok(()) } else { self.start(packet, samples) };
        };
        let arrival = stream.place(packet.sequence_number, packet.timestamp, packet.arrived_at);
        if is_copy {
            if is_of_this_stream(&arrival) && samples > 0 {
                stream.insert_copy(
                    arrival,
                    packet.payload,
                    samples,
                    packet.copy_distance,
                    &mut self.statistics,
                );
            }
            return Ok(());
        }
        if is_of_this_stream(&arrival) {
            self.stranger = None;
            stream.insert(arrival, packet.payload, samples, &mut self.statistics);
            return Ok(());
        }
        let here = (packet.sequence_number, packet.timestamp);
        match self.stranger.replace(here) {
            Some(before) if follows(before, here) => {
                self.lost_before += stream.lost();
                self.start(packet, samples)
            }
            Some(_) | None => {
                self.statistics.packets_malformed += 1;
                Ok(())
            }
        }
    }

    /// Writes the next 10 ms, of which the first sample will be heard at `now`, and returns the RTP timestamp of that
    /// sample; `None` while nothing of the sender is being played.
    pub fn pop(&mut self, now: Instant, block: &mut AudioBlock) -> Option<u32> {
        let Some(stream) = &mut self.stream else {
            block.fill(0.0);
            return None;
        };
        stream.play(now, block, &mut self.statistics)
    }

    /// The counts so far.
    #[must_use]
    pub fn statistics(&self) -> PlayoutStatistics {
        let mut statistics = self.statistics.clone();
        statistics.packets_lost = self.lost_before + self.stream.as_ref().map_or(0, PlayoutStream::lost);
        statistics
    }

    fn start(&mut self, packet: RtpPacket, samples: usize) -> Result<(), OpusError> {
        self.stranger = None;
        let mut stream = PlayoutStream::new(
            OpusDecoder::new()?,
            packet.sequence_number,
            packet.timestamp,
            packet.arrived_at,
        );
        let arrival = stream.place(packet.sequence_number, packet.timestamp, packet.arrived_at);
        stream.insert(arrival, packet.payload, samples, &mut self.statistics);
        self.stream = Some(stream);
        Ok(())
    }
}

fn is_of_this_stream(arrival: &Arrival) -> bool {
    arrival.sequence_step.abs() <= MAX_SEQUENCE_STEP && arrival.transit_step.abs() <= MAX_TRANSIT_STEP_SAMPLES
}

/// Whether two packets are neighbours in one stream.
fn follows(before: (u16, u32), here: (u16, u32)) -> bool {
    let packets = here.0.wrapping_sub(before.0);
    let samples = here.1.wrapping_sub(before.1);
    (1..=5).contains(&packets) && samples <= 48_000
}
