//! Hands received RTP to the packet sinks and keeps RFC 3550's reception counts.
//!
//! Sound that carries copies of earlier packets (RED) is taken apart here, and copies of what was lost go on as packets.
//!
//! The member of the chain next to the application. Packets end here instead of in the crate's track queues: those
//! cost a task switch a packet and drop silently when full.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use call_media::frame::{StreamKind, VideoKind};
use call_media::rtp::RtpPacket;
use call_media::rtp::red::unpack;
use rtc::interceptor::{Attribute, Packet, TaggedPacket};
use rtc::shared::marshal::MarshalSize;

use super::chain::{Handler, Outputs};
use super::streams::{PerStream, Role, Shared};
use crate::peer::PeerReceivers;

/// Larger than any datagram a path carries without fragments; more is not ours.
const MAX_RECEIVED_PAYLOAD_BYTES: usize = 1_500;

/// The handler.
pub(super) struct Delivery {
    shared: Arc<Shared>,
    receivers: PeerReceivers,
    receptions: PerStream<Option<(u32, Reception)>>,
}

impl Delivery {
    pub(super) fn new(shared: Arc<Shared>, receivers: PeerReceivers) -> Self {
        Self {
            shared,
            receivers,
            receptions: PerStream::default(),
        }
    }

    fn deliver(&mut self, packet: TaggedPacket) {
        let repair = packet.message.has(&Attribute::Retransmission);
        let Packet::Rtp(rtp) = packet.message.packet else {
            return;
        };
        let Some(stream) = self.shared.remote_ssrc(rtp.header.ssrc) else {
            self.shared.unknown_packets.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let counters = self.shared.received.of(stream.kind);
        let bytes = (rtp.header.marshal_size() + rtp.payload.len()) as u64;
        counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        if stream.role != Role::Primary {
            // Still on the repair stream: padding that probes the path. Parity ended before.
            return;
        }
        if rtp.payload.len() > MAX_RECEIVED_PAYLOAD_BYTES {
            counters.packets_malformed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let formats = self.shared.sound.formats().filter(|_| stream.kind == StreamKind::Audio);
        let red = formats.filter(|formats| formats.red == Some(rtp.header.payload_type));
        let inside_red = red.map(|formats| formats.opus);
        let slot = self.receptions.of_mut(stream.kind);
        let fresh = slot.take().filter(|(ssrc, _)| *ssrc == rtp.header.ssrc);
        let (_, reception) = slot.insert(fresh.unwrap_or((rtp.header.ssrc, Reception::default())));
        match (reception.record(rtp.header.sequence_number), repair) {
            (Arrival::New, false) => counters.packets.fetch_add(1, Ordering::Relaxed),
            (Arrival::New, true) => counters.packets_recovered.fetch_add(1, Ordering::Relaxed),
            (Arrival::Duplicate, _) => return,
            (Arrival::Implausible, _) => {
                counters.packets_malformed.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let sink = match stream.kind {
            StreamKind::Audio => &self.receivers.audio,
            StreamKind::Video(VideoKind::Camera) => &self.receivers.camera,
            StreamKind::Video(VideoKind::Screen) => &self.receivers.screen,
        };
        let mut received = RtpPacket {
            sequence_number: rtp.header.sequence_number,
            timestamp: rtp.header.timestamp,
            marker: rtp.header.marker,
            payload: rtp.payload,
            arrived_at: packet.now,
            copy_distance: 0,
        };
        if let Some(opus) = inside_red {
            let Some(unpacked) = unpack(&received.payload, opus) else {
                counters.packets_malformed.fetch_add(1, Ordering::Relaxed);
                return;
            };
            // First, so that whoever plays finds them when the packet itself is there.
            for copy in unpacked.copies() {
                let number = received.sequence_number.wrapping_sub(u16::from(copy.distance));
                if reception.record(number) == Arrival::New {
                    counters.packets_recovered.fetch_add(1, Ordering::Relaxed);
                    sink.push(RtpPacket {
                        sequence_number: number,
                        timestamp: received.timestamp.wrapping_sub(copy.offset),
                        payload: copy.payload,
                        copy_distance: copy.distance,
                        ..received.clone()
                    });
                }
            }
            received.payload = unpacked.primary;
        }
        counters.packets_lost.store(reception.lost(), Ordering::Relaxed);
        sink.push(received);
    }
}

impl Handler for Delivery {
    fn read(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        if matches!(packet.message.packet, Packet::Rtp(_)) {
            self.deliver(packet);
        } else {
            out.inbound.push_back(packet);
        }
    }
}

/// What a sequence number means after those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    New,
    Duplicate,
    /// Far from all before: a stray or a forgery of an old packet.
    Implausible,
}

/// Numbers remembered to tell duplicates; a jump further than this is believed only when it goes on.
const WINDOW: u64 = 2_048;
/// How far ahead a number may jump (RFC 3550, appendix A.1: MAX_DROPOUT).
const MAX_DROPOUT: u64 = 3_000;

/// Sequence numbers of one stream: which came, and how many did not (RFC 3550, appendix A.1 and A.3).
#[derive(Default)]
struct Reception {
    state: Option<Counting>,
}

struct Counting {
    first: u64,
    highest: u64,
    unique: u64,
    seen: Box<[u64; (WINDOW / 64) as usize]>,
    /// Where the numbers would go on if the stream had jumped.
    jumped_to: Option<u16>,
}

impl Counting {
    fn start(sequence_number: u16) -> Self {
        // One turn ahead, so that a packet from before the first does not go below zero.
        let first = u64::from(sequence_number) + 0x1_0000;
        let mut counting = Self {
            first,
            highest: first,
            unique: 1,
            seen: Box::new([0; (WINDOW / 64) as usize]),
            jumped_to: None,
        };
        counting.mark(first);
        counting
    }

    fn mark(&mut self, number: u64) {
        let slot = number % WINDOW;
        self.seen[(slot / 64) as usize] |= 1 << (slot % 64);
    }

    fn unmark(&mut self, number: u64) {
        let slot = number % WINDOW;
        self.seen[(slot / 64) as usize] &= !(1 << (slot % 64));
    }

    fn is_marked(&self, number: u64) -> bool {
        let slot = number % WINDOW;
        self.seen[(slot / 64) as usize] & (1 << (slot % 64)) != 0
    }
}

impl Reception {
    fn record(&mut self, sequence_number: u16) -> Arrival {
        let Some(counting) = &mut self.state else {
            self.state = Some(Counting::start(sequence_number));
            return Arrival::New;
        };
        let ahead = u64::from(sequence_number.wrapping_sub(counting.highest as u16));
        let behind = 0x1_0000 - ahead;
        if (1..=MAX_DROPOUT).contains(&ahead) {
            for number in counting.highest + 1..=counting.highest + ahead {
                counting.unmark(number);
            }
            counting.highest += ahead;
            let highest = counting.highest;
            counting.mark(highest);
        } else if ahead == 0 {
            return Arrival::Duplicate;
        } else if behind < WINDOW {
            let number = counting.highest - behind;
            if counting.is_marked(number) {
                return Arrival::Duplicate;
            }
            counting.mark(number);
            counting.first = counting.first.min(number);
        } else if counting.jumped_to == Some(sequence_number) {
            // Two in a row from somewhere else: the sender restarted its numbers.
            self.state = Some(Counting::start(sequence_number));
            return Arrival::New;
        } else {
            counting.jumped_to = Some(sequence_number.wrapping_add(1));
            return Arrival::Implausible;
        }
        counting.unique += 1;
        counting.jumped_to = None;
        Arrival::New
    }

    /// Numbers between the first and the highest that have not come.
    fn lost(&self) -> u64 {
        self.state.as_ref().map_or(0, |counting| {
            (counting.highest - counting.first + 1).saturating_sub(counting.unique)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_all(numbers: impl IntoIterator<Item = u16>) -> (Reception, Vec<Arrival>) {
        let mut reception = Reception::default();
        let arrivals = numbers.into_iter().map(|number| reception.record(number)).collect();
        (reception, arrivals)
    }

    #[test]
    fn loss_is_what_lies_between_first_and_highest_and_shrinks_when_it_comes_late() {
        let (mut reception, _) = record_all([65_533, 65_534, 1, 2]);
        assert_eq!(reception.lost(), 2);
        assert_eq!(reception.record(0), Arrival::New);
        assert_eq!(reception.record(0), Arrival::Duplicate);
        assert_eq!(reception.record(65_535), Arrival::New);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn a_packet_from_before_the_first_counts() {
        let (reception, arrivals) = record_all([0, 65_535, 65_535]);
        assert_eq!(arrivals, [Arrival::New, Arrival::New, Arrival::Duplicate]);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn a_stray_number_changes_nothing_and_a_restart_is_followed() {
        let (mut reception, _) = record_all([100, 101]);
        assert_eq!(reception.record(30_000), Arrival::Implausible);
        assert_eq!(reception.record(102), Arrival::New);
        assert_eq!(reception.lost(), 0);
        assert_eq!(reception.record(30_000), Arrival::Implausible);
        assert_eq!(reception.record(30_001), Arrival::New);
        assert_eq!(reception.record(30_002), Arrival::New);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn the_window_forgets_numbers_a_whole_turn_ago() {
        let (reception, arrivals) = record_all((0..200_000_u32).map(|number| number as u16));
        assert!(arrivals.iter().all(|arrival| *arrival == Arrival::New));
        assert_eq!(reception.lost(), 0);
    }
}
