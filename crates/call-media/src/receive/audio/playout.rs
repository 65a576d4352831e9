//! One stream of one sender, in order and in time.
//!
//! All times are samples at 48 kHz: arrivals count from the first packet's arrival, media time is the RTP timestamp
//! without its wrap-around. `end` is the media time after the last decoded sample, so the sample that is played next has
//! the media time `end - pcm.len()`, whatever was concealed or stretched: the delay follows from that alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::PlayoutStatistics;
use super::delay::DelayEstimator;
use super::seen::Seen;
use super::stretch;
use crate::codec::opus::{MAX_PACKET_SAMPLES, OpusDecoder, announces_silence, carries_copy_of_previous};
use crate::frame::{AudioBlock, BLOCK_SAMPLES};
use crate::rtp::red::MAX_COPIES;

const MS: i64 = 48;
/// Packets waiting at most: 2 s of usual ones. When it is full the oldest one goes.
const MAX_PACKETS: usize = 100;
/// Added to the 97 % quantile: scheduling on this machine, and part of the remaining 3 %.
const MARGIN: i64 = 5 * MS;
/// The least delay that is aimed at.
const MIN_TARGET: i64 = 8 * MS;
/// The least one while little is known.
const FIRST_TARGET: i64 = 15 * MS;
const FIRST_PACKETS: u32 = 50;
/// The delay may be this much over or under its target before the speed changes.
const TOO_LONG: i64 = 12 * MS;
const TOO_SHORT: i64 = -5 * MS;
/// So much over the target is jumped over instead of being played fast.
const HOPELESS: i64 = 500 * MS;
/// Over this the speed changes without pauses and the ear has to bear it.
const URGENT: i64 = 60 * MS;
/// Blocks between two changes of speed otherwise: 50 ms.
const PAUSE_BLOCKS: u32 = 5;
/// Made-up sound begins to fade here and is silence there.
const FADE: std::ops::Range<i64> = 80 * MS..240 * MS;
/// After so long without a packet the sender counts as gone.
const GONE: i64 = 1_000 * MS;
/// Length of the ramp that hides a cut: 2.5 ms.
const RAMP_SAMPLES: usize = 120;
/// Loss above this makes waiting for the next packet's copy worth its delay.
const LOSS_WORTH_WAITING: f32 = 0.01;
/// And so does a part of packets above this that only such a copy can bring.
const COPIES_WORTH_WAITING: f32 = 0.004;
/// What one packet weighs in the measures of loss: they forget within 128 packets, 2.5 s.
const LOSS_WEIGHT: f32 = 1.0 / 128.0;
/// And in that of the copies: the delay must not go up and down with chance.
const COPIES_WEIGHT: f32 = 1.0 / 256.0;
/// Time from a packet to the next one.
const PACKET_SPACING: i64 = 20 * MS;

/// Where a packet stands relative to what came before.
pub struct Arrival {
    sequence: i64,
    timestamp: i64,
    at: i64,
    /// Packets after the newest one.
    pub sequence_step: i64,
    /// Change of arrival minus media time against the newest packet, in samples.
    pub transit_step: i64,
}

struct Waiting {
    timestamp: i64,
    at: i64,
    samples: usize,
    payload: Bytes,
    /// See [`RtpPacket::copy_distance`](crate::rtp::RtpPacket::copy_distance).
    copy_distance: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Filler {
    Silence,
    ComfortNoise,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Nothing to play before the first waiting packet is due.
    Pausing(Filler),
    /// Packets follow each other. `debt`: samples made up without knowing what they stand for.
    Playing { debt: i64 },
}

/// The stream. See the module's text.
pub struct PlayoutStream {
    decoder: OpusDecoder,
    origin: Instant,
    delay: DelayEstimator,
    packets: BTreeMap<i64, Waiting>,
    first_sequence: i64,
    newest_sequence: i64,
    newest_timestamp: i64,
    newest_at: i64,
    received: u64,
    arrived: Seen,
    copied: Seen,
    next_sequence: i64,
    end: i64,
    pcm: Vec<f32>,
    phase: Phase,
    silence_announced: bool,
    /// Smoothed part of packets that were not there in time.
    loss: f32,
    /// Smoothed part of packets that were lost and brought by a copy so many packets later, by that number less one.
    copies: [f32; MAX_COPIES],
    last_sample: f32,
    /// Blocks until the speed may change again, and blocks in which no place for a change was found.
    pause: u32,
    waited: u32,
}

impl PlayoutStream {
    /// A stream that begins with this packet (which still has to be inserted).
    pub fn new(decoder: OpusDecoder, sequence_number: u16, timestamp: u32, arrived_at: Instant) -> Self {
        let (sequence, timestamp) = (i64::from(sequence_number), i64::from(timestamp));
        Self {
            decoder,
            origin: arrived_at,
            delay: DelayEstimator::new(-timestamp, 0),
            packets: BTreeMap::new(),
            first_sequence: sequence,
            newest_sequence: sequence,
            newest_timestamp: timestamp,
            newest_at: 0,
            received: 0,
            arrived: Seen::default(),
            copied: Seen::default(),
            next_sequence: sequence,
            end: timestamp,
            pcm: Vec::with_capacity(2 * MAX_PACKET_SAMPLES),
            phase: Phase::Pausing(Filler::Silence),
            silence_announced: false,
            loss: 0.0,
            copies: [0.0; MAX_COPIES],
            last_sample: 0.0,
            pause: 0,
            waited: 0,
        }
    }

    /// Undoes the wrap-around of a packet's numbers.
    pub fn place(&self, sequence_number: u16, timestamp: u32, arrived_at: Instant) -> Arrival {
        let sequence_step = i64::from(sequence_number.wrapping_sub(self.newest_sequence as u16) as i16);
        let timestamp_step = i64::from(timestamp.wrapping_sub(self.newest_timestamp as u32) as i32);
        let at = self.samples_at(arrived_at);
        Arrival {
            sequence: self.newest_sequence + sequence_step,
            timestamp: self.newest_timestamp + timestamp_step,
            at,
            sequence_step,
            transit_step: at - self.newest_at - timestamp_step,
        }
    }

    /// Puts a packet in its place, or counts why not.
    pub fn insert(&mut self, arrival: Arrival, payload: Bytes, samples: usize, statistics: &mut PlayoutStatistics) {
        if !self.arrived.mark(arrival.sequence) {
            return;
        }
        self.received += 1;
        statistics.packets_received += 1;
        if arrival.sequence >= self.newest_sequence {
            self.newest_sequence = arrival.sequence;
            self.newest_timestamp = arrival.timestamp;
            self.newest_at = arrival.at;
        }
        if samples > 0 {
            self.delay.record(arrival.at - arrival.timestamp, arrival.at);
        }
        if arrival.sequence < self.next_sequence {
            // Before anything was played an earlier packet simply moves the beginning.
            if !self.has_not_begun() {
                statistics.packets_late += 1;
                return;
            }
            self.next_sequence = arrival.sequence;
            self.first_sequence = self.first_sequence.min(arrival.sequence);
        }
        for part in &mut self.copies {
            *part -= *part * COPIES_WEIGHT;
        }
        self.keep(arrival, payload, samples, 0, statistics);
    }

    /// Puts a copy in the place of a packet that has not arrived. It counts neither as that packet nor as a late one, and
    /// says nothing about the network's delay; but how often copies are needed says how long they are worth waiting for.
    pub fn insert_copy(
        &mut self,
        arrival: Arrival,
        payload: Bytes,
        samples: usize,
        distance: u8,
        statistics: &mut PlayoutStatistics,
    ) {
        if self.arrived.contains(arrival.sequence) || !self.copied.mark(arrival.sequence) {
            return;
        }
        // Even when it is too late now: the next one need not be.
        if let Some(part) = self.copies.get_mut(usize::from(distance).saturating_sub(1)) {
            *part += COPIES_WEIGHT;
        }
        if arrival.sequence >= self.next_sequence {
            self.keep(arrival, payload, samples, distance, statistics);
        }
    }

    fn keep(
        &mut self,
        arrival: Arrival,
        payload: Bytes,
        samples: usize,
        copy_distance: u8,
        statistics: &mut PlayoutStatistics,
    ) {
        let packet = Waiting {
            timestamp: arrival.timestamp,
            at: arrival.at,
            samples,
            payload,
            copy_distance,
        };
        self.packets.insert(arrival.sequence, packet);
        if self.packets.len() > MAX_PACKETS {
            self.packets.pop_first();
            statistics.packets_late += 1;
        }
    }

    /// Packets that have not arrived.
    pub fn lost(&self) -> u64 {
        let expected = self.newest_sequence - self.first_sequence + 1;
        u64::try_from(expected).unwrap_or(0).saturating_sub(self.received)
    }

    /// The next 10 ms; returns the RTP timestamp of the first sample.
    pub fn play(&mut self, now: Instant, block: &mut AudioBlock, statistics: &mut PlayoutStatistics) -> Option<u32> {
        let now = self.samples_at(now);
        self.jump_over_hopeless_delay(now);
        while self.pcm.len() < BLOCK_SAMPLES {
            self.produce(now, statistics);
        }
        self.correct_delay(now, statistics);
        let timestamp = match self.phase {
            Phase::Playing { .. } => Some((self.end - self.pcm.len() as i64) as u32),
            Phase::Pausing(_) => None,
        };
        if !matches!(self.phase, Phase::Pausing(Filler::Silence)) {
            statistics.played_samples += BLOCK_SAMPLES as u64;
        }
        block.copy_from_slice(&self.pcm[..BLOCK_SAMPLES]);
        self.pcm.drain(..BLOCK_SAMPLES);
        self.last_sample = block[BLOCK_SAMPLES - 1];
        timestamp
    }

    /// Adds some sound to `pcm`, or takes a step that leads there: each call uses up a packet or adds samples, except
    /// when it begins or ends a pause.
    fn produce(&mut self, now: i64, statistics: &mut PlayoutStatistics) {
        let first = self.packets.first_key_value().map(|(sequence, packet)| {
            let ahead = *sequence - self.next_sequence;
            (ahead, packet.timestamp - self.end, packet.samples)
        });
        match (self.phase, first) {
            (_, Some((0, _, 0))) => {
                self.packets.pop_first();
                self.next_sequence += 1;
            }
            (Phase::Pausing(filler), _) => self.pause_or_begin(filler, now, statistics),
            (Phase::Playing { .. }, Some((0, gap, _))) if gap > 0 => self.phase = Phase::Pausing(Filler::ComfortNoise),
            (Phase::Playing { .. }, Some((0, _, _))) => self.play_packet(now, statistics),
            (Phase::Playing { .. }, Some((ahead, gap, _))) => self.bridge(ahead, gap, now, statistics),
            (Phase::Playing { .. }, None) if self.silence_announced => {
                self.phase = Phase::Pausing(Filler::ComfortNoise)
            }
            (Phase::Playing { debt }, None) => self.starve(debt, statistics),
        }
    }

    /// Fills the time until the first packet is due, to the sample, so that it starts with exactly the target delay.
    fn pause_or_begin(&mut self, filler: Filler, now: i64, statistics: &mut PlayoutStatistics) {
        let due_in = |stream: &Self, packet: &Waiting| {
            packet.timestamp + stream.delay.fastest_transit() + stream.target() - now - stream.pcm.len() as i64
        };
        let mut wait = BLOCK_SAMPLES as i64;
        while let Some((&sequence, packet)) = self.packets.first_key_value() {
            wait = due_in(self, packet);
            if wait > 0 {
                break;
            }
            if packet.samples > 0 && (wait > -HOPELESS || self.packets.len() == 1) {
                self.next_sequence = sequence;
                self.end = packet.timestamp;
                self.phase = Phase::Playing { debt: 0 };
                return;
            }
            self.packets.pop_first();
            statistics.packets_late += u64::from(wait <= -HOPELESS);
            wait = BLOCK_SAMPLES as i64;
        }
        let samples = wait.clamp(1, BLOCK_SAMPLES as i64) as usize;
        match filler {
            Filler::Silence => self.pcm.resize(self.pcm.len() + samples, 0.0),
            Filler::ComfortNoise => {
                let before = self.pcm.len();
                self.conceal(samples.next_multiple_of(RAMP_SAMPLES));
                statistics.comfort_samples += (self.pcm.len() - before) as u64;
            }
        }
    }

    fn play_packet(&mut self, now: i64, statistics: &mut PlayoutStatistics) {
        let Some((sequence, packet)) = self.packets.pop_first() else {
            return;
        };
        let before = self.pcm.len();
        let is_copy = packet.copy_distance > 0;
        if !is_copy {
            statistics.buffer.record(duration(now + before as i64 - packet.at));
        }
        if self.decoder.decode(&packet.payload, &mut self.pcm).is_err() {
            statistics.packets_malformed += 1;
            self.conceal(packet.samples);
            statistics.concealed_samples += packet.samples as u64;
        } else if is_copy {
            statistics.recovered_samples += (self.pcm.len() - before) as u64;
        }
        self.next_sequence = sequence + 1;
        self.end = packet.timestamp + (self.pcm.len() - before) as i64;
        self.silence_announced = announces_silence(&packet.payload);
        if is_copy {
            self.loss += (1.0 - self.loss) * LOSS_WEIGHT;
        } else {
            self.loss -= self.loss * LOSS_WEIGHT;
        }
        self.repay(before, now, statistics);
    }

    /// Fills the place of the first of `missing` packets, `gap` samples long together: the next one is here already.
    fn bridge(&mut self, missing: i64, gap: i64, now: i64, statistics: &mut PlayoutStatistics) {
        if gap <= 0 {
            self.next_sequence += missing;
            return;
        }
        if gap > GONE || gap > missing.saturating_mul(MAX_PACKET_SAMPLES as i64) {
            self.phase = Phase::Pausing(Filler::ComfortNoise);
            return;
        }
        let before = self.pcm.len();
        let samples = (gap / missing).max(1) as usize;
        let copy = self
            .packets
            .first_key_value()
            .map(|(_, packet)| packet.payload.clone())
            .filter(|payload| missing == 1 && carries_copy_of_previous(payload));
        match copy.map(|payload| self.decoder.recover(&payload, samples, &mut self.pcm)) {
            Some(Ok(recovered)) => statistics.fec_recovered_samples += recovered as u64,
            Some(Err(_)) | None => {
                self.conceal(samples);
                statistics.concealed_samples += (self.pcm.len() - before) as u64;
            }
        }
        self.next_sequence += 1;
        self.end = if missing == 1 {
            self.end + gap
        } else {
            self.end + (self.pcm.len() - before) as i64
        };
        self.loss += (1.0 - self.loss) * LOSS_WEIGHT;
        self.repay(before, now, statistics);
    }

    /// Nothing is here. Whether it is late or lost shows later: the media time stands still meanwhile.
    fn starve(&mut self, debt: i64, statistics: &mut PlayoutStatistics) {
        if debt >= GONE {
            self.phase = Phase::Pausing(Filler::Silence);
            return;
        }
        let before = self.pcm.len();
        self.conceal(BLOCK_SAMPLES);
        for (i, sample) in self.pcm[before..].iter_mut().enumerate() {
            let left = (FADE.end - debt - i as i64) as f32 / (FADE.end - FADE.start) as f32;
            *sample *= left.clamp(0.0, 1.0);
        }
        statistics.concealed_samples += (self.pcm.len() - before) as u64;
        self.phase = Phase::Playing {
            debt: debt + (self.pcm.len() - before) as i64,
        };
    }

    /// After made-up sound: leaves out as much of what comes now as the delay is too long.
    fn repay(&mut self, before: usize, now: i64, statistics: &mut PlayoutStatistics) {
        let Phase::Playing { debt } = self.phase else { return };
        if debt <= 0 {
            return;
        }
        let fresh = self.pcm.len() - before;
        let excess = self.current_delay(now) - self.target() - TOO_LONG;
        let skip = excess.clamp(0, debt).min(fresh as i64) as usize;
        self.pcm.drain(before..before + skip);
        statistics.accelerated_samples += skip as u64;
        let settled = skip < fresh;
        self.phase = Phase::Playing {
            debt: if settled { 0 } else { debt - skip as i64 },
        };
        if settled && skip > 0 {
            self.hide_cut(before);
        }
    }

    /// Lets the step between two samples decay instead of cracking.
    fn hide_cut(&mut self, at: usize) {
        let last = match at.checked_sub(1) {
            Some(before) => self.pcm[before],
            None => self.last_sample,
        };
        let step = last - self.pcm[at];
        for (i, sample) in self.pcm[at..].iter_mut().take(RAMP_SAMPLES).enumerate() {
            *sample += step * (1.0 - i as f32 / RAMP_SAMPLES as f32);
        }
    }

    /// Plays a little faster or slower when the delay is off its target for longer than a moment.
    fn correct_delay(&mut self, now: i64, statistics: &mut PlayoutStatistics) {
        let Phase::Playing { debt: 0 } = self.phase else { return };
        let excess = self.current_delay(now) - self.target();
        self.pause = self.pause.saturating_sub(1);
        if (TOO_SHORT..=TOO_LONG).contains(&excess) {
            self.waited = 0;
            return;
        }
        if self.pause > 0 && excess < URGENT {
            return;
        }
        self.decode_ahead(now, statistics);
        let likeness = if excess > URGENT {
            0.4
        } else {
            (0.9 - self.waited as f32 * 0.005).max(0.3)
        };
        let changed = if excess > 0 {
            let gone = stretch::accelerate(&mut self.pcm, excess as usize, likeness);
            statistics.accelerated_samples += gone as u64;
            gone
        } else {
            let added = stretch::expand(&mut self.pcm, BLOCK_SAMPLES, likeness);
            statistics.expanded_samples += added as u64;
            added
        };
        if changed > 0 {
            (self.pause, self.waited) = (PAUSE_BLOCKS, 0);
        } else {
            self.waited += 1;
        }
        while self.pcm.len() < BLOCK_SAMPLES {
            self.produce(now, statistics);
        }
    }

    /// Decodes what is here and follows directly, until there is enough to find a pitch period in.
    fn decode_ahead(&mut self, now: i64, statistics: &mut PlayoutStatistics) {
        while self.pcm.len() < stretch::NEEDED_SAMPLES {
            match self.packets.first_key_value() {
                Some((&sequence, packet))
                    if sequence == self.next_sequence && packet.timestamp <= self.end && packet.samples > 0 =>
                {
                    self.play_packet(now, statistics);
                }
                Some(_) | None => return,
            }
        }
    }

    fn jump_over_hopeless_delay(&mut self, now: i64) {
        let playing = matches!(self.phase, Phase::Playing { debt: 0 });
        if playing && self.current_delay(now) - self.target() > HOPELESS {
            self.pcm.clear();
            self.phase = Phase::Pausing(Filler::Silence);
        }
    }

    /// How much later the next sample is played than the fastest packet could have brought it.
    fn current_delay(&self, now: i64) -> i64 {
        now - (self.end - self.pcm.len() as i64) - self.delay.fastest_transit()
    }

    /// How much later it should be.
    fn target(&self) -> i64 {
        let jitter = self.delay.quantile() + MARGIN;
        let wait_for_copy = self.packets_worth_waiting() * PACKET_SPACING;
        let least = if self.received < u64::from(FIRST_PACKETS) {
            FIRST_TARGET
        } else {
            MIN_TARGET
        };
        (jitter + wait_for_copy).max(least)
    }

    /// How many packets later a copy may come and still be worth the delay: those of RED, of which some come with the
    /// second or third packet, or the one that Opus puts into the next.
    fn packets_worth_waiting(&self) -> i64 {
        let mut needed = 0.0;
        for (index, part) in self.copies.iter().enumerate().rev() {
            needed += part;
            if needed > COPIES_WORTH_WAITING {
                return index as i64 + 1;
            }
        }
        i64::from(self.loss > LOSS_WORTH_WAITING)
    }

    fn conceal(&mut self, samples: usize) {
        if self.decoder.conceal(samples, &mut self.pcm).is_err() {
            self.pcm.resize(self.pcm.len() + samples.max(1), 0.0);
        }
    }

    fn has_not_begun(&self) -> bool {
        matches!(self.phase, Phase::Pausing(Filler::Silence))
            && self.loss == 0.0
            && self.next_sequence == self.first_sequence
    }

    fn samples_at(&self, at: Instant) -> i64 {
        let samples = |duration: Duration| (duration.as_nanos() * 48 / 1_000_000).min(i64::MAX as u128 / 8) as i64;
        match at.checked_duration_since(self.origin) {
            Some(after) => samples(after),
            None => -samples(self.origin.duration_since(at)),
        }
    }
}

fn duration(samples: i64) -> Duration {
    Duration::from_nanos(u64::try_from(samples).unwrap_or(0).saturating_mul(1_000_000) / 48)
}
