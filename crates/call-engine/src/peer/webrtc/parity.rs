//! Mends single losses without asking: on a long way a picture must not wait for a repair.
//!
//! Behind a few packets of a picture goes the exclusive or of them. Whoever misses one of them has it back at once, and
//! learns at once that the last one is missing too. Between our own ends only (`a=x-visavis-parity`): a browser offers to
//! receive FlexFEC-03 alone, and its repairs do not protect what H.264 needs most here, the end of a picture, any
//! better. The sender adds parity where a round trip is long and the path loses; it takes a packet in five to twelve.
//!
//! Stands between the repair stream, whose packets fill gaps too, and the generator of requests, which then need not ask.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::interceptor::{Attribute, AttributedPacket, Packet, TaggedPacket};
use rtc::shared::TransportContext;

use super::chain::{Handler, Outputs};
use super::streams::{Role, Shared};

/// On the wire; no codec of ours has it.
const PAYLOAD_TYPE: u8 = 125;
/// Of the first packet's number, the count, the marks, the lengths and the times.
const HEADER_BYTES: usize = 10;
/// Packets under one parity.
const LARGEST_GROUP: usize = 16;
/// A picture's end closes a group of at least so many; smaller ones go on in the next picture.
const LEAST_GROUP: usize = 4;
/// Packets remembered of a stream: a third of a second of a good picture.
const REMEMBERED: usize = 256;
/// Parities that wait for a repair to make them useful.
const WAITING: usize = 16;
/// Streams of the peer that have parity; there are two.
const STREAMS_LIMIT: usize = 4;

/// From this round trip on, and from this loss on, parity is worth its bits; and until these.
const LONG_RTT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(40));
const LOSSY: (f64, f64) = (0.01, 0.004);
/// Below this target new pictures need the bits more.
const LEAST_TARGET_BPS: f64 = 400_000.0;

/// How many packets to put under one parity, 0 for none; `present` is what was said last.
pub(super) fn group_size(present: u8, rtt: Option<Duration>, loss: f64, target_bps: f64) -> u8 {
    let (rtt_limit, loss_limit) = match present {
        0 => (LONG_RTT.0, LOSSY.0),
        _ => (LONG_RTT.1, LOSSY.1),
    };
    if rtt.is_none_or(|rtt| rtt < rtt_limit) || loss < loss_limit || target_bps < LEAST_TARGET_BPS {
        return 0;
    }
    match loss {
        loss if loss < 0.03 => 12,
        loss if loss < 0.08 => 8,
        _ => 5,
    }
}

/// What is protected of a packet.
#[derive(Clone, Debug, PartialEq)]
struct Protected {
    number: u16,
    marker: bool,
    timestamp: u32,
    payload: Bytes,
}

/// The exclusive or of some packets.
#[derive(Clone, Debug, Default, PartialEq)]
struct Parity {
    base: u16,
    count: u8,
    markers: u8,
    lengths: u16,
    timestamps: u32,
    payload: Vec<u8>,
}

impl Parity {
    /// Takes a packet in, or out again.
    fn toggle(&mut self, packet: &Protected) {
        self.markers ^= u8::from(packet.marker);
        self.lengths ^= packet.payload.len() as u16;
        self.timestamps ^= packet.timestamp;
        if self.payload.len() < packet.payload.len() {
            self.payload.resize(packet.payload.len(), 0);
        }
        for (sum, byte) in self.payload.iter_mut().zip(&packet.payload) {
            *sum ^= byte;
        }
    }

    fn write(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        bytes.extend(self.base.to_be_bytes());
        bytes.extend([self.count, self.markers]);
        bytes.extend(self.lengths.to_be_bytes());
        bytes.extend(self.timestamps.to_be_bytes());
        bytes.extend(&self.payload);
        Bytes::from(bytes)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (header, payload) = bytes.split_at_checked(HEADER_BYTES)?;
        let count = header[2];
        (1..=LARGEST_GROUP as u8).contains(&count).then(|| Self {
            base: u16::from_be_bytes([header[0], header[1]]),
            count,
            markers: header[3],
            lengths: u16::from_be_bytes([header[4], header[5]]),
            timestamps: u32::from_be_bytes([header[6], header[7], header[8], header[9]]),
            payload: payload.to_vec(),
        })
    }

    fn numbers(&self) -> impl Iterator<Item = u16> {
        let base = self.base;
        (0..u16::from(self.count)).map(move |offset| base.wrapping_add(offset))
    }
}

/// Makes parity of what is sent of one stream.
#[derive(Debug, Default)]
struct Encoder {
    group: Parity,
    next_number: u16,
}

impl Encoder {
    /// A packet has left; the parity that goes behind it, if it closes a group.
    fn push(&mut self, packet: &Protected, group_size: u8) -> Option<Parity> {
        let follows = packet.number == self.group.base.wrapping_add(u16::from(self.group.count));
        if group_size == 0 || !follows {
            self.group = Parity::default();
        }
        if group_size == 0 {
            return None;
        }
        if self.group.count == 0 {
            self.group.base = packet.number;
        }
        self.group.toggle(packet);
        self.group.count += 1;
        let count = usize::from(self.group.count);
        let is_full = count >= usize::from(group_size).min(LARGEST_GROUP);
        (is_full || packet.marker && count >= LEAST_GROUP).then(|| std::mem::take(&mut self.group))
    }
}

/// Mends what came of one stream.
#[derive(Debug, Default)]
struct Decoder {
    recent: VecDeque<Protected>,
    waiting: VecDeque<Parity>,
}

impl Decoder {
    fn find(&self, number: u16) -> Option<&Protected> {
        self.recent.iter().rev().find(|packet| packet.number == number)
    }

    /// A packet of the stream came, by itself or as a repair; one that can be made with it.
    fn on_packet(&mut self, packet: Protected) -> Option<Protected> {
        let number = packet.number;
        self.remember(packet);
        let covers = |parity: &Parity| number.wrapping_sub(parity.base) < u16::from(parity.count);
        let index = self.waiting.iter().position(covers)?;
        let parity = self.waiting.remove(index)?;
        self.on_parity(parity)
    }

    /// A parity came; the packet that it brings back.
    fn on_parity(&mut self, mut parity: Parity) -> Option<Protected> {
        let mut missing = parity.numbers().filter(|number| self.find(*number).is_none());
        let number = missing.next()?;
        if missing.next().is_some() {
            drop(missing);
            if self.waiting.len() == WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(parity);
            return None;
        }
        drop(missing);
        for other in parity.clone().numbers().filter(|other| *other != number) {
            if let Some(packet) = self.find(other) {
                parity.toggle(packet);
            }
        }
        parity.payload.truncate(usize::from(parity.lengths));
        let mended = Protected {
            number,
            marker: parity.markers & 1 == 1,
            timestamp: parity.timestamps,
            payload: Bytes::from(parity.payload),
        };
        self.remember(mended.clone());
        Some(mended)
    }

    fn remember(&mut self, packet: Protected) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(packet);
    }
}

/// The handler.
pub(super) struct ParityHandler {
    shared: Arc<Shared>,
    encoders: HashMap<u32, Encoder>,
    /// By the SSRC that is mended; none before its first parity.
    decoders: HashMap<u32, Decoder>,
}

impl ParityHandler {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            encoders: HashMap::new(),
            decoders: HashMap::new(),
        }
    }

    fn decoder(&mut self, primary: u32) -> Option<&mut Decoder> {
        if self.decoders.len() >= STREAMS_LIMIT && !self.decoders.contains_key(&primary) {
            return None;
        }
        Some(self.decoders.entry(primary).or_default())
    }

    fn read_parity(&mut self, rtp: &rtc::rtp::Packet) -> Option<(u32, Protected)> {
        let stream = self.shared.remote_ssrc(rtp.header.ssrc)?;
        let primary = self.shared.remote_primary(stream.kind)?;
        let parity = Parity::read(&rtp.payload)?;
        let mended = self.decoder(primary)?.on_parity(parity)?;
        Some((primary, mended))
    }
}

fn protected(rtp: &rtc::rtp::Packet) -> Protected {
    Protected {
        number: rtp.header.sequence_number,
        marker: rtp.header.marker,
        timestamp: rtp.header.timestamp,
        payload: rtp.payload.clone(),
    }
}

/// A packet that came back, as the stream's own.
fn mended_packet(now: Instant, ssrc: u32, mended: Protected) -> TaggedPacket {
    let mut rtp = rtc::rtp::Packet::default();
    rtp.header.version = 2;
    rtp.header.ssrc = ssrc;
    rtp.header.sequence_number = mended.number;
    rtp.header.marker = mended.marker;
    rtp.header.timestamp = mended.timestamp;
    rtp.payload = mended.payload;
    let mut message = AttributedPacket::new(Packet::Rtp(rtp));
    message.add(Attribute::Retransmission);
    TaggedPacket {
        now,
        transport: TransportContext::default(),
        message,
    }
}

impl Handler for ParityHandler {
    fn read(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        let Packet::Rtp(rtp) = &packet.message.packet else {
            out.inbound.push_back(packet);
            return;
        };
        let now = packet.now;
        let is_parity = |role: Option<Role>| role == Some(Role::Parity);
        if is_parity(self.shared.remote_ssrc(rtp.header.ssrc).map(|stream| stream.role)) {
            if let Some((ssrc, mended)) = self.read_parity(rtp) {
                out.inbound.push_back(mended_packet(now, ssrc, mended));
            }
            return;
        }
        let ssrc = rtp.header.ssrc;
        let mended = self
            .decoders
            .get_mut(&ssrc)
            .and_then(|decoder| decoder.on_packet(protected(rtp)));
        out.inbound.push_back(packet);
        if let Some(mended) = mended {
            out.inbound.push_back(mended_packet(now, ssrc, mended));
        }
    }

    fn write(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        let group_size = self.shared.parity_group.load(Ordering::Relaxed);
        let Packet::Rtp(rtp) = &packet.message.packet else {
            out.outbound.push_back(packet);
            return;
        };
        let is_repair = packet.message.has(&Attribute::Retransmission);
        let parity_ssrc = self
            .shared
            .local_ssrc(rtp.header.ssrc)
            .filter(|stream| stream.role == Role::Primary && !is_repair)
            .and_then(|stream| self.shared.local.of(stream.kind).ssrc_parity);
        let Some(parity_ssrc) = parity_ssrc.filter(|_| group_size > 0 || !self.encoders.is_empty()) else {
            out.outbound.push_back(packet);
            return;
        };
        let encoder = self.encoders.entry(parity_ssrc).or_default();
        let parity = encoder.push(&protected(rtp), group_size).map(|parity| {
            let mut header = rtc::rtp::Header {
                version: 2,
                payload_type: PAYLOAD_TYPE,
                sequence_number: encoder.next_number,
                timestamp: rtp.header.timestamp,
                ssrc: parity_ssrc,
                ..rtc::rtp::Header::default()
            };
            header.marker = false;
            encoder.next_number = encoder.next_number.wrapping_add(1);
            let payload = parity.write();
            TaggedPacket {
                now: packet.now,
                transport: packet.transport,
                message: AttributedPacket::new(Packet::Rtp(rtc::rtp::Packet { header, payload })),
            }
        });
        out.outbound.push_back(packet);
        out.outbound.extend(parity);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(number: u16, bytes: usize, marker: bool) -> Protected {
        Protected {
            number,
            marker,
            timestamp: 90_000 + u32::from(number),
            payload: Bytes::from(vec![number as u8; bytes]),
        }
    }

    /// Pictures of nine packets, the last one shorter, across the wrap of the numbers.
    fn pictures() -> Vec<Protected> {
        (0..90_u16)
            .map(|index| {
                let last = index % 9 == 8;
                packet(65_500_u16.wrapping_add(index), if last { 333 } else { 1_100 }, last)
            })
            .collect()
    }

    #[test]
    fn any_single_loss_of_a_group_comes_back_whole() {
        for lost in 0..90 {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            let mut mended = Vec::new();
            for (index, packet) in pictures().iter().enumerate() {
                let parity = encoder.push(packet, 8);
                if index != lost {
                    mended.extend(decoder.on_packet(packet.clone()));
                }
                if let Some(parity) = parity {
                    mended.extend(decoder.on_parity(Parity::read(&parity.write()).expect("ours")));
                }
            }
            // The very last packets may stand in a group that is still open.
            let wanted: Vec<_> = pictures()
                .get(lost)
                .filter(|_| lost < 88)
                .cloned()
                .into_iter()
                .collect();
            assert_eq!(mended, wanted, "lost {lost}");
        }
    }

    #[test]
    fn of_two_losses_one_comes_back_once_the_other_is_repaired() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let group: Vec<_> = pictures()[..8].to_vec();
        let parity = group
            .iter()
            .filter_map(|packet| encoder.push(packet, 8))
            .next()
            .expect("eight are a group");
        for packet in group.iter().filter(|packet| ![65_502, 65_505].contains(&packet.number)) {
            assert_eq!(decoder.on_packet(packet.clone()), None);
        }
        assert_eq!(decoder.on_parity(parity), None);
        assert_eq!(decoder.on_packet(group[2].clone()), Some(group[5].clone()));
        assert!(decoder.waiting.is_empty());
    }

    #[test]
    fn small_pictures_share_a_parity() {
        let mut encoder = Encoder::default();
        let made: Vec<bool> = (0..8)
            .map(|n| encoder.push(&packet(n, 500, true), 8).is_some())
            .collect();
        assert_eq!(made, [false, false, false, true, false, false, false, true]);
    }

    #[test]
    fn it_is_used_where_it_is_worth_it() {
        let size =
            |present, rtt_ms, loss, target| group_size(present, Some(Duration::from_millis(rtt_ms)), loss, target);
        assert_eq!(size(0, 100, 0.05, 2e6), 8);
        assert_eq!(size(0, 100, 0.02, 2e6), 12);
        assert_eq!(size(0, 100, 0.2, 2e6), 5);
        assert_eq!(size(0, 20, 0.05, 2e6), 0, "a repair is as quick");
        assert_eq!(size(0, 100, 0.005, 2e6), 0, "nothing gets lost");
        assert_eq!(size(12, 45, 0.005, 2e6), 12, "it does not flutter");
        assert_eq!(size(0, 100, 0.05, 2e5), 0, "no room");
        assert_eq!(group_size(0, None, 0.05, 2e6), 0);
    }

    proptest! {
        #[test]
        fn no_parity_of_a_stranger_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64), numbers in proptest::collection::vec(any::<u16>(), 0..40)) {
            let mut decoder = Decoder::default();
            for number in numbers {
                decoder.on_packet(packet(number, 20, false));
                if let Some(parity) = Parity::read(&bytes) {
                    let mended = decoder.on_parity(parity);
                    prop_assert!(mended.is_none_or(|mended| mended.payload.len() <= 64));
                }
            }
            prop_assert!(decoder.recent.len() <= REMEMBERED && decoder.waiting.len() <= WAITING);
        }
    }
}
