//! Redundant sound (RFC 2198, "RED"): a packet that carries the packets before it once more.
//!
//! ```text
//! 1 PT offset length │ ... │ 0 PT │ oldest copy ... youngest copy │ the packet itself
//!      4 bytes each           1 byte
//! ```
//!
//! Opus payloads in, RED payloads out of [`RedPacker`], and back through [`unpack`]. A copy has no sequence number of its
//! own: the n-th from the end is the packet n before this one, which holds as long as packets follow each other without
//! a pause. Both ends see to that, by the media times. Pure.

use bytes::{BufMut, Bytes, BytesMut};

use super::MAX_PAYLOAD_BYTES;
use crate::codec::opus::{announces_silence, packet_samples};

/// Copies that one packet carries at most.
pub const MAX_COPIES: usize = 3;
/// Blocks that are looked at in one packet; nobody sends more.
const MAX_BLOCKS: usize = 8;
/// Header of a copy, and of the packet itself.
const COPY_HEADER_BYTES: usize = 4;
const LAST_HEADER_BYTES: usize = 1;
/// The field for the media time has 14 bits, that for the length 10.
const MAX_OFFSET: u32 = (1 << 14) - 1;
const MAX_COPY_BYTES: usize = (1 << 10) - 1;

/// What a RED payload holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The packet itself.
    pub primary: Bytes,
    /// Copies of the packets before, nearest first; the first `count` are used.
    copies: [(u32, Bytes); MAX_COPIES],
    count: usize,
}

/// A copy of an earlier packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// How many packets before this one it was sent for the first time.
    pub distance: u8,
    /// How much earlier it plays, in RTP ticks.
    pub offset: u32,
    /// The payload.
    pub payload: Bytes,
}

impl Unpacked {
    /// The copies, oldest first.
    pub fn copies(&self) -> impl Iterator<Item = Copy> + '_ {
        let copies = self.copies[..self.count].iter().enumerate().rev();
        copies.map(|(index, (offset, payload))| Copy {
            distance: index as u8 + 1,
            offset: *offset,
            payload: payload.clone(),
        })
    }
}

/// Takes a RED payload of Opus apart, whatever it is; `opus` is Opus' payload type. `None` when there is no packet in it.
///
/// Copies of other formats, and those before a pause, are left out: nothing says where they belong.
#[must_use]
pub fn unpack(payload: &Bytes, opus: u8) -> Option<Unpacked> {
    // Offset and length of each copy, oldest first; an offset of `None` is another format.
    let mut headers = [(None, 0); MAX_BLOCKS];
    let mut blocks = 0;
    let mut at = 0;
    while payload.get(at)? & 0x80 != 0 {
        let header: [u8; COPY_HEADER_BYTES] = payload.get(at..at + COPY_HEADER_BYTES)?.try_into().ok()?;
        let word = u32::from_be_bytes(header);
        let offset = (word >> 10) & MAX_OFFSET;
        let length = (word as usize) & MAX_COPY_BYTES;
        *headers.get_mut(blocks)? = (((word >> 24) as u8 & 0x7f == opus).then_some(offset), length);
        blocks += 1;
        at += COPY_HEADER_BYTES;
    }
    if payload.get(at)? & 0x7f != opus {
        return None;
    }
    let copies_start = at + LAST_HEADER_BYTES;
    let headers = &headers[..blocks];
    let mut end = copies_start + headers.iter().map(|(_, length)| length).sum::<usize>();
    if end >= payload.len() {
        return None;
    }
    let mut unpacked = Unpacked {
        primary: payload.slice(end..),
        ..Unpacked::default()
    };
    let mut later_offset = 0;
    for (offset, length) in headers.iter().rev().take(MAX_COPIES) {
        let start = end - length;
        let copy = payload.slice(start..end);
        end = start;
        let samples = packet_samples(&copy).and_then(|samples| u32::try_from(samples).ok());
        let (Some(offset), Some(samples)) = (*offset, samples) else {
            break;
        };
        if offset != later_offset + samples {
            break;
        }
        later_offset = offset;
        unpacked.copies[unpacked.count] = (offset, copy);
        unpacked.count += 1;
    }
    Some(unpacked)
}

/// Remembers what was sent and sends it again.
#[derive(Debug, Default)]
pub struct RedPacker {
    /// Media time and payload of the last packets, newest first; the first `count` are used.
    sent: [(u32, Bytes); MAX_COPIES],
    count: usize,
}

impl RedPacker {
    /// Takes the next packet: what is to be sent in its place when `copies` of the packets before shall go with it, or
    /// `None` when it has to go alone. `opus` is the payload type inside.
    pub fn pack(&mut self, timestamp: u32, payload: &Bytes, copies: usize, opus: u8) -> Option<Bytes> {
        let packed = self.packed(timestamp, payload, copies, opus);
        self.remember(timestamp, payload);
        packed
    }

    fn packed(&self, timestamp: u32, payload: &Bytes, copies: usize, opus: u8) -> Option<Bytes> {
        let mut usable = 0;
        let mut bytes = LAST_HEADER_BYTES + payload.len();
        let mut later = timestamp;
        for (at, copy) in self.sent[..self.count].iter().take(copies) {
            bytes += COPY_HEADER_BYTES + copy.len();
            let follows = packet_samples(copy).is_some_and(|samples| later.wrapping_sub(*at) as usize == samples);
            let fits = bytes <= MAX_PAYLOAD_BYTES && copy.len() <= MAX_COPY_BYTES;
            if !follows || !fits || timestamp.wrapping_sub(*at) > MAX_OFFSET {
                bytes -= COPY_HEADER_BYTES + copy.len();
                break;
            }
            later = *at;
            usable += 1;
        }
        if usable == 0 {
            return None;
        }
        let mut packed = BytesMut::with_capacity(bytes);
        for (at, copy) in self.sent[..usable].iter().rev() {
            let fields = (timestamp.wrapping_sub(*at) << 10) | copy.len() as u32;
            packed.put_u32(0x8000_0000 | u32::from(opus & 0x7f) << 24 | fields);
        }
        packed.put_u8(opus & 0x7f);
        for (_, copy) in self.sent[..usable].iter().rev() {
            packed.put_slice(copy);
        }
        packed.put_slice(payload);
        Some(packed.freeze())
    }

    fn remember(&mut self, timestamp: u32, payload: &Bytes) {
        // What announces a silence begins a pause, and nothing behind it could be placed.
        if announces_silence(payload) {
            self.count = 0;
            return;
        }
        self.sent.rotate_right(1);
        self.sent[0] = (timestamp, payload.clone());
        self.count = (self.count + 1).min(MAX_COPIES);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPUS: u8 = 111;

    /// 20 ms of CELT (configuration 31, one frame), told apart by the bytes behind the first.
    fn packet(number: u8, bytes: usize) -> Bytes {
        let mut payload = vec![number; bytes];
        payload[0] = 31 << 3;
        payload.into()
    }

    fn unpacked(packed: &Bytes) -> (Bytes, Vec<(u8, u32, Bytes)>) {
        let unpacked = unpack(packed, OPUS).unwrap();
        let copies = unpacked.copies().map(|copy| (copy.distance, copy.offset, copy.payload));
        (unpacked.primary.clone(), copies.collect())
    }

    #[test]
    fn the_packets_before_come_along_oldest_first() {
        let mut packer = RedPacker::default();
        // Over the wrap of the media time.
        let at = |number: u32| (u32::MAX - 1_500).wrapping_add(number * 960);
        assert_eq!(packer.pack(at(0), &packet(0, 40), 3, OPUS), None);
        let first = packer.pack(at(1), &packet(1, 50), 3, OPUS).unwrap();
        assert_eq!(unpacked(&first), (packet(1, 50), vec![(1, 960, packet(0, 40))]));
        packer.pack(at(2), &packet(2, 60), 1, OPUS).unwrap();
        packer.pack(at(3), &packet(3, 70), 0, OPUS);
        let full = packer.pack(at(4), &packet(4, 80), 3, OPUS).unwrap();
        let copies = vec![
            (3, 2_880, packet(1, 50)),
            (2, 1_920, packet(2, 60)),
            (1, 960, packet(3, 70)),
        ];
        assert_eq!(unpacked(&full), (packet(4, 80), copies));
        assert_eq!(full.len(), 50 + 60 + 70 + 80 + 3 * 4 + 1);
    }

    #[test]
    fn the_form_is_that_of_the_standard() {
        let mut packer = RedPacker::default();
        packer.pack(0, &packet(7, 3), 1, OPUS);
        let packed = packer.pack(960, &packet(8, 2), 1, OPUS).unwrap();
        // Follow bit and 111; 960 in 14 bits and 3 in 10; 111; both payloads.
        assert_eq!(packed[..], [0xef, 0x0f, 0x00, 0x03, 0x6f, 0xf8, 7, 7, 0xf8, 8]);
    }

    #[test]
    fn nothing_is_repeated_over_a_pause() {
        let mut packer = RedPacker::default();
        packer.pack(0, &packet(0, 40), 3, OPUS);
        assert_eq!(
            packer.pack(9_600, &packet(1, 40), 3, OPUS),
            None,
            "packets were left out"
        );
        assert!(packer.pack(10_560, &packet(2, 40), 3, OPUS).is_some());
        packer.pack(11_520, &packet(3, 1), 3, OPUS);
        assert_eq!(
            packer.pack(12_480, &packet(4, 40), 3, OPUS),
            None,
            "a silence was announced"
        );
    }

    #[test]
    fn a_packet_never_outgrows_the_path() {
        let mut packer = RedPacker::default();
        for number in 0..4_u32 {
            if let Some(packed) = packer.pack(number * 960, &packet(1, 400), 3, OPUS) {
                assert!(packed.len() <= MAX_PAYLOAD_BYTES);
                assert_eq!(unpacked(&packed).1.len(), 1);
            }
        }
    }

    #[test]
    fn what_cannot_be_placed_is_left_out() {
        let block = |follow: u8, format: u8, offset: u32, copy: &[u8]| {
            let word = u32::from(follow | format) << 24 | offset << 10 | copy.len() as u32;
            word.to_be_bytes().to_vec()
        };
        let copy = packet(1, 10);
        for (format, offset) in [(13, 960), (OPUS, 1_920), (OPUS, 0), (OPUS, 480)] {
            let mut payload = block(0x80, format, offset, &copy);
            payload.push(OPUS);
            payload.extend_from_slice(&copy);
            payload.extend_from_slice(&packet(2, 5));
            assert_eq!(
                unpacked(&payload.into()),
                (packet(2, 5), vec![]),
                "format {format}, offset {offset}"
            );
        }
    }

    #[test]
    fn what_holds_no_packet_is_refused() {
        let nine_copies = [[0xef, 0x0f, 0, 0]; 9].concat();
        for payload in [
            &[][..],
            &[OPUS],
            &[0x80 | OPUS],
            &[0x80 | OPUS, 0, 0],
            &[0x80 | OPUS, 0x0f, 0, 1, OPUS, 0xf8],
            &[13, 0xf8, 1],
            &[&nine_copies[..], &[OPUS, 0xf8, 1]].concat(),
        ] {
            assert_eq!(unpack(&Bytes::copy_from_slice(payload), OPUS), None, "{payload:?}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_breaks_it(payload in proptest::collection::vec(any::<u8>(), 0..1_500), opus in 0_u8..128) {
            let payload = Bytes::from(payload);
            if let Some(unpacked) = unpack(&payload, opus) {
                prop_assert!(!unpacked.primary.is_empty());
                let copies: usize = unpacked.copies().map(|copy| copy.payload.len()).sum();
                prop_assert!(copies + unpacked.primary.len() < payload.len());
            }
        }

        /// As above, but nearer to what is sent, so that the inner paths are reached.
        #[test]
        fn nearly_right_payloads_do_not_break_it(
            headers in proptest::collection::vec((0_u32..4, 0_u32..40, any::<bool>()), 0..10),
            body in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut payload = Vec::new();
            for (steps, length, ours) in headers {
                let format = if ours { OPUS } else { 13 };
                payload.extend(((0x80 | u32::from(format)) << 24 | (steps * 960) << 10 | length).to_be_bytes());
            }
            payload.push(OPUS);
            payload.extend(body);
            if let Some(unpacked) = unpack(&payload.into(), OPUS) {
                for copy in unpacked.copies() {
                    prop_assert!((1..=3).contains(&copy.distance) && copy.offset <= MAX_OFFSET);
                    prop_assert!(packet_samples(&copy.payload).is_some());
                }
            }
        }

        #[test]
        fn what_is_packed_comes_out(lengths in proptest::collection::vec(3_usize..300, 1..20), copies in 0_usize..6) {
            let mut packer = RedPacker::default();
            for (number, length) in lengths.iter().enumerate() {
                let payload = packet(number as u8, *length);
                if let Some(packed) = packer.pack(number as u32 * 960, &payload, copies, OPUS) {
                    prop_assert!(packed.len() <= MAX_PAYLOAD_BYTES);
                    let (primary, found) = unpacked(&packed);
                    prop_assert_eq!(primary, payload);
                    prop_assert!(!found.is_empty() && found.len() <= copies.min(MAX_COPIES));
                    for (distance, offset, copy) in found {
                        let earlier = number - usize::from(distance);
                        prop_assert_eq!(copy, packet(earlier as u8, lengths[earlier]));
                        prop_assert_eq!(offset, u32::from(distance) * 960);
                    }
                }
            }
        }
    }
}
