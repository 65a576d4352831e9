//! Packets into order, frames out as soon as they are complete.
//!
//! Nothing is delayed while packets come in order. Behind a hole, frames wait for a retransmission for a time that
//! depends on the round-trip time; then the hole is given up, and with it everything up to the next key frame. A
//! key frame that is complete ends any wait at once. Pure: time comes in with the packets and as `now`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::RtpPacket;
use super::sequence::Unwrapper;

/// Most packets held. More means that frames come faster than they are taken: the oldest go, counted.
pub const MAX_PACKETS: usize = 2_048;
/// Most payload bytes held, see [`MAX_PACKETS`].
pub const MAX_BYTES: usize = 4 << 20;
/// A packet this far behind is no straggler: two in a row mean that the sender counts from elsewhere now.
const RESTART_DISTANCE: u64 = 3_000;
/// Three requests for a retransmission are answered within this and three round trips: the first goes out within 30 ms
/// of the hole, the others 30 ms or a round trip apart.
const BASE_WAIT: Duration = Duration::from_millis(120);
/// Longer than this a key frame is the quicker way.
const LONGEST_WAIT: Duration = Duration::from_millis(600);

/// Where the next frame starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// At the next key frame, wherever that is.
    KeyFrame,
    /// At this packet.
    Packet(u64),
}

/// What [`ReorderBuffer::pop`] came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popped {
    /// The packets of one frame, in order, are in `out`.
    Frame,
    /// Packets were given up; a key frame is needed to go on.
    Lost,
    /// No frame is complete yet.
    Nothing,
}

/// What went wrong so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReorderCounts {
    /// Came twice.
    pub duplicate: u64,
    /// Came after their place was given up or played.
    pub late: u64,
    /// Dropped: incomplete frames that were given up, frames without the key frame before them, overflow.
    pub dropped: u64,
    /// Times that a hole was given up.
    pub gaps: u64,
}

/// Reorder buffer of one video stream.
#[derive(Debug)]
pub struct ReorderBuffer {
    starts_key_frame: fn(&[u8]) -> bool,
    unwrapper: Unwrapper,
    packets: BTreeMap<u64, RtpPacket>,
    key_starts: BTreeSet<u64>,
    bytes: usize,
    position: Position,
    wait: Duration,
    /// The packet after the last one that was far behind.
    restart_at: Option<u16>,
    counts: ReorderCounts,
}

impl ReorderBuffer {
    /// An empty buffer that starts with the first key frame. `starts_key_frame` tells by a payload whether one begins in it.
    #[must_use]
    pub fn new(starts_key_frame: fn(&[u8]) -> bool) -> Self {
        Self {
            starts_key_frame,
            unwrapper: Unwrapper::default(),
            packets: BTreeMap::new(),
            key_starts: BTreeSet::new(),
            bytes: 0,
            position: Position::KeyFrame,
            wait: BASE_WAIT,
            restart_at: None,
            counts: ReorderCounts::default(),
        }
    }

    /// Tells the round-trip time, on which the wait for retransmissions depends.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.wait = BASE_WAIT.saturating_add(rtt.saturating_mul(3)).min(LONGEST_WAIT);
    }

    /// What went wrong so far.
    #[must_use]
    pub fn counts(&self) -> ReorderCounts {
        self.counts
    }

    /// Packets held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether no packet is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Goes on with the next key frame only: what a decoder needs after an error.
    pub fn seek_key_frame(&mut self) {
        self.position = Position::KeyFrame;
    }

    /// Forgets the stream so far, but not what went wrong in it: what comes next counts from elsewhere, and
    /// begins with a key frame.
    pub fn restart(&mut self) {
        self.unwrapper = Unwrapper::default();
        self.packets.clear();
        self.key_starts.clear();
        self.bytes = 0;
        self.position = Position::KeyFrame;
        self.restart_at = None;
    }

    /// Takes a packet in.
    pub fn push(&mut self, packet: RtpPacket) {
        let number = self.unwrapper.unwrap(packet.sequence_number);
        let reference = match self.position {
            Position::Packet(next) => next,
            Position::KeyFrame => self.packets.last_key_value().map_or(0, |(&last, _)| last),
        };
        if number + RESTART_DISTANCE < reference {
            if self.restart_at == Some(packet.sequence_number) {
                return self.restart_with(packet);
            }
            self.restart_at = Some(packet.sequence_number.wrapping_add(1));
            self.counts.late += 1;
            return;
        }
        if matches!(self.position, Position::Packet(next) if number < next) {
            self.counts.late += 1;
            return;
        }
        self.insert(number, packet);
        while self.packets.len() > MAX_PACKETS || self.bytes > MAX_BYTES {
            self.drop_first();
            self.position = Position::KeyFrame;
        }
    }

    fn restart_with(&mut self, packet: RtpPacket) {
        self.counts.dropped += self.packets.len() as u64;
        *self = Self {
            wait: self.wait,
            counts: self.counts,
            ..Self::new(self.starts_key_frame)
        };
        self.push(packet);
    }

    fn insert(&mut self, number: u64, packet: RtpPacket) {
        let is_key_start = (self.starts_key_frame)(&packet.payload);
        let bytes = packet.payload.len();
        if self.packets.contains_key(&number) {
            self.counts.duplicate += 1;
            return;
        }
        self.packets.insert(number, packet);
        self.bytes += bytes;
        if is_key_start {
            self.key_starts.insert(number);
        }
    }

    /// Takes the next frame out, if there is one: its packets replace what is in `out`.
    pub fn pop(&mut self, now: Instant, out: &mut Vec<RtpPacket>) -> Popped {
        out.clear();
        if let Position::Packet(next) = self.position {
            if let Some(end) = self.frame_end(next) {
                self.take(next, end, out);
                return Popped::Frame;
            }
            if self.hole_since().is_none() {
                return Popped::Nothing;
            }
        }
        if let Some((start, end)) = self.complete_key_frame() {
            self.drop_before(start);
            self.take(start, end, out);
            return Popped::Frame;
        }
        if self.hole_since().is_some_and(|since| now >= since + self.wait) {
            self.position = Position::KeyFrame;
            self.counts.gaps += 1;
            self.drop_useless(now);
            return Popped::Lost;
        }
        if self.position == Position::KeyFrame {
            self.drop_useless(now);
        }
        Popped::Nothing
    }

    /// Whether a hole holds frames up: the next packet may fill it, whatever its marker says.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        match self.position {
            Position::KeyFrame => !self.packets.is_empty(),
            Position::Packet(_) => self.hole_since().is_some(),
        }
    }

    /// When [`pop`](Self::pop) or [`needs_key_frame`](Self::needs_key_frame) will answer something else even if no
    /// packet comes.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let since = match self.position {
            Position::KeyFrame => self.newest_key_start(),
            Position::Packet(_) => self.hole_since(),
        };
        let deadline = since? + self.wait;
        (self.position != Position::KeyFrame || now < deadline).then_some(deadline)
    }

    /// Whether the next frame is complete as well.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        matches!(self.position, Position::Packet(next) if self.frame_end(next).is_some())
    }

    /// Whether a key frame has to be asked for: none can be decoded without, and none is on its way.
    #[must_use]
    pub fn needs_key_frame(&self, now: Instant) -> bool {
        let on_its_way = || self.newest_key_start().is_some_and(|since| now < since + self.wait);
        self.position == Position::KeyFrame && !on_its_way()
    }

    /// When the first packet of the newest key frame arrived.
    fn newest_key_start(&self) -> Option<Instant> {
        let start = self.key_starts.last()?;
        self.packets.get(start).map(|packet| packet.arrived_at)
    }

    /// When the hole that holds the next frame up was noticed: the arrival of the packet behind it.
    fn hole_since(&self) -> Option<Instant> {
        let Position::Packet(mut expected) = self.position else {
            return None;
        };
        for (&number, packet) in &self.packets {
            if number != expected {
                return Some(packet.arrived_at);
            }
            expected += 1;
        }
        None
    }

    /// The number after the last packet of the frame that starts at `start`, when all of it is here.
    ///
    /// Padding before a frame belongs to it.
    fn frame_end(&self, start: u64) -> Option<u64> {
        let mut timestamp = None;
        for (expected, (&number, packet)) in (start..).zip(self.packets.range(start..)) {
            if number != expected {
                return None;
            }
            if !packet.payload.is_empty() {
                // A new time without a marker ends the frame before it (RFC 6184, section 5.1).
                if *timestamp.get_or_insert(packet.timestamp) != packet.timestamp {
                    return Some(number);
                }
                if packet.marker {
                    return Some(number + 1);
                }
            }
        }
        None
    }

    /// The newest key frame that is complete, as (first packet, packet after the last).
    fn complete_key_frame(&self) -> Option<(u64, u64)> {
        self.key_starts.iter().rev().find_map(|&start| {
            let timestamp = self.packets.get(&start)?.timestamp;
            let before = start.checked_sub(1).and_then(|before| self.packets.get(&before));
            let begins = before.is_none_or(|before| before.payload.is_empty() || before.timestamp != timestamp);
            let end = begins.then(|| self.frame_end(start)).flatten()?;
            Some((start, end))
        })
    }

    fn take(&mut self, start: u64, end: u64, out: &mut Vec<RtpPacket>) {
        for number in start..end {
            out.extend(self.remove(number));
        }
        self.position = Position::Packet(end);
    }

    fn remove(&mut self, number: u64) -> Option<RtpPacket> {
        let packet = self.packets.remove(&number)?;
        self.bytes -= packet.payload.len();
        self.key_starts.remove(&number);
        Some(packet)
    }

    fn drop_first(&mut self) {
        if let Some((&number, _)) = self.packets.first_key_value() {
            self.remove(number);
            self.counts.dropped += 1;
        }
    }

    fn drop_before(&mut self, number: u64) {
        while self.packets.first_key_value().is_some_and(|(&first, _)| first < number) {
            self.drop_first();
        }
    }

    /// While a key frame is sought: nothing before it is of use, nor a packet that may belong to one whose start
    /// should have been sent again by now.
    fn drop_useless(&mut self, now: Instant) {
        if let Some(&first_key) = self.key_starts.first() {
            return self.drop_before(first_key);
        }
        let wait = self.wait;
        while self
            .packets
            .first_key_value()
            .is_some_and(|(_, packet)| now >= packet.arrived_at + wait)
        {
            self.drop_first();
        }
    }
}

#[cfg(test)]
mod tests;
