use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::rtp::h264::{Depacketizer, packetize, starts_key_frame};

const MS: Duration = Duration::from_millis(1);

/// Packets of frames that come every 33 ms; the first byte says whether one begins a key frame.
struct Stream {
    start: Instant,
    next: u16,
    timestamp: u32,
}

impl Stream {
    fn new(first: u16) -> Self {
        Self {
            start: Instant::now(),
            next: first,
            timestamp: 90_000,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// The packets of one frame, all of which arrive at `ms`.
    fn frame(&mut self, header: u8, count: u16, ms: u64) -> Vec<RtpPacket> {
        self.timestamp += 3_000;
        let packets = (0..count).map(|index| RtpPacket {
            sequence_number: self.next.wrapping_add(index),
            timestamp: self.timestamp,
            marker: index + 1 == count,
            payload: Bytes::from(vec![if index == 0 { header } else { 0x41 }, index as u8]),
            arrived_at: self.start + Duration::from_millis(ms),
            copy_distance: 0,
        });
        let packets = packets.collect();
        self.next = self.next.wrapping_add(count);
        packets
    }

    fn key(&mut self, count: u16, ms: u64) -> Vec<RtpPacket> {
        self.frame(0x67, count, ms)
    }

    fn delta(&mut self, count: u16, ms: u64) -> Vec<RtpPacket> {
        self.frame(0x41, count, ms)
    }
}

fn buffer() -> ReorderBuffer {
    ReorderBuffer::new(starts_key_frame)
}

fn push_all(buffer: &mut ReorderBuffer, packets: Vec<RtpPacket>) {
    for packet in packets {
        buffer.push(packet);
    }
}

/// Pops all there is: the sequence numbers of each frame, and how often something was lost.
fn pop_all(buffer: &mut ReorderBuffer, now: Instant) -> (Vec<Vec<u16>>, usize) {
    let (mut frames, mut lost, mut out) = (Vec::new(), 0, Vec::new());
    loop {
        match buffer.pop(now, &mut out) {
            Popped::Frame => frames.push(out.iter().map(|packet| packet.sequence_number).collect()),
            Popped::Lost => lost += 1,
            Popped::Nothing => return (frames, lost),
        }
    }
}

#[test]
fn in_order_frames_come_out_with_their_last_packet_even_over_the_wrap() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(65_533));
    for index in 0..4 {
        let mut packets = if index == 0 {
            stream.key(3, 0)
        } else {
            stream.delta(3, 33 * index)
        };
        let last = packets.pop().unwrap();
        push_all(&mut buffer, packets);
        assert_eq!(pop_all(&mut buffer, stream.at(33 * index)), (vec![], 0));
        let expected = vec![
            last.sequence_number.wrapping_sub(2),
            last.sequence_number.wrapping_sub(1),
            last.sequence_number,
        ];
        buffer.push(last);
        assert_eq!(pop_all(&mut buffer, stream.at(33 * index)), (vec![expected], 0));
    }
    assert_eq!(buffer.deadline(stream.at(99)), None);
    assert!(buffer.is_empty());
}

#[test]
fn a_retransmission_within_the_wait_loses_nothing() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(10));
    push_all(&mut buffer, stream.key(2, 0));
    let mut hurt = stream.delta(3, 33);
    let missing = hurt.remove(1);
    push_all(&mut buffer, hurt);
    push_all(&mut buffer, stream.delta(1, 66));
    assert_eq!(pop_all(&mut buffer, stream.at(66)), (vec![vec![10, 11]], 0));
    assert!(buffer.is_waiting());
    assert_eq!(buffer.deadline(stream.at(66)), Some(stream.at(33) + BASE_WAIT));
    buffer.push(missing);
    assert_eq!(
        pop_all(&mut buffer, stream.at(100)),
        (vec![vec![12, 13, 14], vec![15]], 0)
    );
    assert!(!buffer.needs_key_frame(stream.at(100)));
    assert_eq!(buffer.counts(), ReorderCounts::default());
}

#[test]
fn a_hole_is_given_up_after_the_wait_and_only_a_key_frame_goes_on() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(0));
    buffer.set_rtt(50 * MS);
    push_all(&mut buffer, stream.key(1, 0));
    let mut hurt = stream.delta(2, 33);
    let late = hurt.remove(0);
    push_all(&mut buffer, hurt);
    push_all(&mut buffer, stream.delta(1, 66));
    let deadline = stream.at(33) + BASE_WAIT + 150 * MS;
    assert_eq!(pop_all(&mut buffer, deadline - MS), (vec![vec![0]], 0));
    assert_eq!(pop_all(&mut buffer, deadline), (vec![], 1));
    assert!(buffer.needs_key_frame(deadline));
    buffer.push(late);
    push_all(&mut buffer, stream.delta(1, 300));
    assert_eq!(
        pop_all(&mut buffer, stream.at(300)),
        (vec![], 0),
        "no picture can be decoded"
    );
    push_all(&mut buffer, stream.key(2, 333));
    push_all(&mut buffer, stream.delta(1, 366));
    assert_eq!(pop_all(&mut buffer, stream.at(366)), (vec![vec![5, 6], vec![7]], 0));
    assert_eq!(buffer.counts().gaps, 1);
    assert!(!buffer.needs_key_frame(stream.at(366)));
}

#[test]
fn a_complete_key_frame_ends_a_wait_at_once() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(0));
    push_all(&mut buffer, stream.key(1, 0));
    let hurt = stream.delta(3, 33);
    push_all(&mut buffer, hurt.into_iter().skip(1).collect());
    push_all(&mut buffer, stream.key(3, 40));
    assert_eq!(pop_all(&mut buffer, stream.at(40)), (vec![vec![4, 5, 6]], 0));
}

#[test]
fn a_key_frame_that_is_on_its_way_is_not_asked_for_again() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(0));
    assert!(buffer.needs_key_frame(stream.at(0)));
    let mut packets = stream.key(3, 0);
    packets.pop();
    push_all(&mut buffer, packets);
    assert!(!buffer.needs_key_frame(stream.at(50)));
    assert_eq!(buffer.deadline(stream.at(50)), Some(stream.at(0) + BASE_WAIT));
    assert!(buffer.needs_key_frame(stream.at(0) + BASE_WAIT), "its end never came");
    assert_eq!(buffer.deadline(stream.at(0) + BASE_WAIT), None, "no busy waiting");
}

#[test]
fn duplicates_and_latecomers_are_counted_and_change_nothing() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(0));
    let key = stream.key(2, 0);
    buffer.push(key[0].clone());
    push_all(&mut buffer, key.clone());
    assert_eq!(pop_all(&mut buffer, stream.at(0)), (vec![vec![0, 1]], 0));
    push_all(&mut buffer, key);
    assert_eq!(pop_all(&mut buffer, stream.at(0)), (vec![], 0));
    let counts = buffer.counts();
    assert_eq!((counts.duplicate, counts.late), (1, 2));
}

#[test]
fn padding_and_a_lost_marker_bit_do_not_stop_the_stream() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(0));
    push_all(&mut buffer, stream.key(1, 0));
    let mut padding = stream.delta(2, 10);
    for packet in &mut padding {
        packet.payload = Bytes::new();
        packet.marker = false;
    }
    push_all(&mut buffer, padding);
    let mut unmarked = stream.delta(2, 33);
    unmarked[1].marker = false;
    push_all(&mut buffer, unmarked);
    assert_eq!(pop_all(&mut buffer, stream.at(33)), (vec![vec![0]], 0));
    push_all(&mut buffer, stream.delta(1, 66));
    assert_eq!(
        pop_all(&mut buffer, stream.at(66)),
        (vec![vec![1, 2, 3, 4], vec![5]], 0)
    );
}

#[test]
fn a_sender_that_counts_anew_is_followed() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(40_000));
    push_all(&mut buffer, stream.key(2, 0));
    push_all(&mut buffer, stream.delta(1, 33));
    assert_eq!(pop_all(&mut buffer, stream.at(33)).0.len(), 2);
    stream.next = 20_000;
    let first = stream.key(3, 1_000);
    push_all(&mut buffer, first);
    push_all(&mut buffer, stream.key(2, 1_033));
    push_all(&mut buffer, stream.delta(1, 1_066));
    assert_eq!(
        pop_all(&mut buffer, stream.at(1_066)),
        (vec![vec![20_003, 20_004], vec![20_005]], 0)
    );
}

#[test]
fn a_flood_stays_within_the_limits() {
    let (mut buffer, mut stream) = (buffer(), Stream::new(0));
    push_all(&mut buffer, stream.key(1, 0));
    assert_eq!(pop_all(&mut buffer, stream.at(0)).0.len(), 1);
    stream.next = 2;
    let mut endless = stream.delta(9_000, 33);
    for packet in &mut endless {
        packet.payload = Bytes::from(vec![0x41; 1_000]);
    }
    for packet in endless {
        buffer.push(packet);
        assert!(buffer.len() <= MAX_PACKETS && buffer.bytes <= MAX_BYTES);
    }
    assert!(buffer.counts().dropped >= 9_000 - MAX_PACKETS as u64);
    push_all(&mut buffer, stream.key(2, 66));
    assert_eq!(pop_all(&mut buffer, stream.at(66)).0.len(), 1, "a key frame goes on");
}

/// Five packets every 33 ms, each lost with 5 %, each loss repaired by requests of the same fate.
#[test]
fn five_percent_loss_with_retransmissions_holds_nothing_up_for_long() {
    for rtt_ms in [0, 20, 100] {
        let (mut buffer, mut stream) = (buffer(), Stream::new(9));
        buffer.set_rtt(rtt_ms * MS);
        let mut seed = 7_u32;
        let mut arrivals = Vec::new();
        for index in 0..3_000 {
            let sent = 33 * index;
            let frame = if index == 0 {
                stream.key(5, sent)
            } else {
                stream.delta(5, sent)
            };
            for packet in frame {
                let mut ms = sent;
                let mut wait = 30 + u64::from(rtt_ms);
                while {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    seed >> 16 < 65_536 / 20
                } {
                    ms += wait;
                    wait = u64::from(rtt_ms).max(30);
                }
                let arrived_at = stream.at(ms);
                arrivals.push((ms, RtpPacket { arrived_at, ..packet }));
            }
        }
        arrivals.sort_by_key(|(ms, _)| *ms);
        let (mut shown, mut longest_ms, mut last_ms) = (0, 0, 0);
        for (ms, packet) in arrivals {
            buffer.push(packet);
            let (frames, lost) = pop_all(&mut buffer, stream.at(ms));
            assert_eq!(lost, 0, "nothing is given up, rtt {rtt_ms}");
            if !frames.is_empty() {
                shown += frames.len();
                longest_ms = longest_ms.max(ms - last_ms);
                last_ms = ms;
            }
        }
        assert_eq!(shown, 3_000);
        assert!(
            longest_ms < 150 + 3 * u64::from(rtt_ms),
            "{longest_ms} ms without a picture, rtt {rtt_ms}"
        );
    }
}

proptest! {
    /// Access units through packets, a shuffle and back.
    #[test]
    fn access_units_survive_a_shuffle(units in proptest::collection::vec(proptest::collection::vec(1_u8.., 1..9_000), 1..8), first: u16, jitter in proptest::collection::vec(0_usize..20, 80)) {
        let (mut buffer, start) = (buffer(), Instant::now());
        let mut sequence_number = first;
        let (mut packets, mut sent) = (Vec::new(), Vec::new());
        for (index, body) in units.iter().enumerate() {
            let mut unit = vec![0, 0, 0, 1, if index == 0 { 0x67 } else { 0x61 }, 0x80, 0, 0, 0, 1, 0x65];
            unit.extend(body);
            let payloads = packetize(&unit);
            for (place, payload) in payloads.iter().enumerate() {
                let order = packets.len() + jitter[packets.len() % jitter.len()];
                packets.push((order, RtpPacket {
                    sequence_number,
                    timestamp: index as u32,
                    marker: place + 1 == payloads.len(),
                    payload: payload.clone(),
                    arrived_at: start,
                    copy_distance: 0,
                }));
                sequence_number = sequence_number.wrapping_add(1);
            }
            sent.push(unit);
        }
        packets.sort_by_key(|(order, _)| *order);
        let (mut got, mut out, mut depacketizer) = (Vec::new(), Vec::new(), Depacketizer::default());
        for (_, packet) in packets {
            buffer.push(packet);
            while buffer.pop(start, &mut out) == Popped::Frame {
                for packet in &out {
                    prop_assert_eq!(depacketizer.push(&packet.payload), Ok(()));
                }
                let unit = depacketizer.finish().expect("a whole unit");
                prop_assert!(unit.is_key);
                got.push(unit.annex_b.to_vec());
            }
        }
        prop_assert_eq!(got, sent);
    }

    /// Shuffled within a window and partly doubled: every frame comes out, in order.
    #[test]
    fn reordering_alone_loses_nothing(first: u16, sizes in proptest::collection::vec(1_u16..6, 1..60), jitter in proptest::collection::vec(0_usize..12, 360), doubled in proptest::collection::vec(any::<bool>(), 360)) {
        let (mut buffer, mut stream) = (buffer(), Stream::new(first));
        let mut expected = Vec::new();
        let mut packets = Vec::new();
        for (index, &count) in sizes.iter().enumerate() {
            let frame = if index == 0 { stream.key(count, 0) } else { stream.delta(count, 0) };
            expected.push(frame.iter().map(|packet| packet.sequence_number).collect::<Vec<_>>());
            packets.extend(frame);
        }
        let mut order: Vec<(usize, RtpPacket)> = Vec::new();
        for (index, packet) in packets.into_iter().enumerate() {
            if doubled[index] {
                order.push((index + jitter[index] / 2, packet.clone()));
            }
            order.push((index + jitter[index], packet));
        }
        order.sort_by_key(|(place, _)| *place);
        let mut got = Vec::new();
        for (_, packet) in order {
            buffer.push(packet);
            let (frames, lost) = pop_all(&mut buffer, stream.at(50));
            prop_assert_eq!(lost, 0);
            got.extend(frames);
        }
        prop_assert_eq!(got, expected);
        prop_assert!(buffer.is_empty());
    }

    /// Loss, and repair of some of it: what comes out is whole frames in order, each run of them from a key frame on.
    #[test]
    fn loss_never_shows_a_frame_without_the_one_before(sizes in proptest::collection::vec((1_u16..6, 0_u8..6), 20..80), lost in proptest::collection::vec(0_u8..20, 480), first: u16) {
        let (mut buffer, mut stream) = (buffer(), Stream::new(first));
        let (mut frames, mut keys) = (Vec::new(), BTreeSet::new());
        let mut got = Vec::new();
        let mut total = 0;
        for (index, &(count, dice)) in sizes.iter().enumerate() {
            let ms = 33 * index as u64;
            let frame = if dice == 0 || index == 0 { stream.key(count, ms) } else { stream.delta(count, ms) };
            if dice == 0 || index == 0 {
                keys.insert(index);
            }
            frames.push(frame.iter().map(|packet| packet.sequence_number).collect::<Vec<_>>());
            for packet in frame {
                total += 1;
                if lost[total % lost.len()] != 0 {
                    buffer.push(packet);
                }
            }
            got.extend(pop_all(&mut buffer, stream.at(ms)).0);
        }
        got.extend(pop_all(&mut buffer, stream.at(100_000)).0);
        let mut last = None;
        for frame in got {
            let index = frames.iter().position(|sent| *sent == frame);
            let index = index.expect("only whole frames come out");
            prop_assert!(last.is_none_or(|last| index > last));
            prop_assert!(keys.contains(&index) || last == Some(index - 1), "frame {} after {:?}", index, last);
            last = Some(index);
        }
    }

    /// Anything at all: no panic, within the limits.
    #[test]
    fn arbitrary_packets_never_panic(packets in proptest::collection::vec((any::<u16>(), any::<u32>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40), 0_u64..2_000), 0..300)) {
        let start = Instant::now();
        let (mut buffer, mut out) = (buffer(), Vec::new());
        for (sequence_number, timestamp, marker, payload, ms) in packets {
            let now = start + Duration::from_millis(ms);
            buffer.push(RtpPacket { sequence_number, timestamp: timestamp % 4, marker, payload: Bytes::from(payload), arrived_at: now, copy_distance: 0 });
            let mut pops = 0;
            while buffer.pop(now, &mut out) != Popped::Nothing {
                pops += 1;
                prop_assert!(pops < 400, "popping comes to an end");
            }
            prop_assert!(buffer.len() <= MAX_PACKETS && buffer.bytes <= MAX_BYTES);
            if buffer.needs_key_frame(now) {
                prop_assert!(buffer.deadline(now).is_none());
            }
        }
    }
}

#[test]
fn a_new_connection_counts_from_elsewhere_however_near() {
    let mut buffer = buffer();
    let mut before = Stream::new(1_000);
    push_all(&mut buffer, before.key(2, 0));
    push_all(&mut buffer, before.delta(2, 33));
    assert_eq!(pop_all(&mut buffer, before.at(33)).0.len(), 2);
    // Behind what was played, and too near to be taken for a restart by distance.
    let mut after = Stream::new(900);
    buffer.restart();
    push_all(&mut buffer, after.delta(1, 66));
    push_all(&mut buffer, after.key(2, 99));
    let (frames, _) = pop_all(&mut buffer, after.at(99));
    assert_eq!(frames, [[901, 902]], "it begins with the key frame");
}
