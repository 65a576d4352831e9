//! Asks for lost pictures' packets again (generic NACK, RFC 4585, section 6.2.1).
//!
//! The crate's generator asks every 100 ms, for ever, for everything at once. This one asks as soon as reordering is
//! unlikely, again after a round trip, seldom once that did not help, and gives up what nobody waits for any more. Where
//! a round trip is long enough to be seen and the path loses requests and repairs as well, it asks two or three times
//! before an answer can come. Stands behind [`super::rtx`], so that a repaired packet counts as arrived.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::interceptor::{Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};

use super::chain::{Handler, Outputs, rtcp};
use super::streams::Shared;

/// Packets that overtake each other on the path do so by less.
const REORDERING: Duration = Duration::from_millis(4);
/// Shortest time between two requests for one packet.
const RETRY_MIN: Duration = Duration::from_millis(15);
/// Requests for one packet.
const REQUESTS_PER_PACKET: u8 = 24;
/// What was asked for longer than this is asked for more seldom by [`SELDOM`]: a full queue on the path holds up repairs as
/// well, and asking at a steady pace would fill it with copies.
const PATIENCE: Duration = Duration::from_millis(300);
const SELDOM: u32 = 4;
/// From this round trip on a second one is a visible halt.
const LONG_RTT: Duration = Duration::from_millis(40);
/// Between the requests of one round: losses come in bursts.
const SPREAD: Duration = Duration::from_millis(10);
/// Requests of one round at most.
const REQUESTS_PER_ROUND: u8 = 3;
/// A picture has about so many packets, and may miss one after a round this seldom.
const PACKETS_PER_PICTURE: f64 = 10.0;
const UNREPAIRED: f64 = 0.001;
/// Packets over which losses are averaged.
const LOSS_MEMORY: f64 = 256.0;
/// A picture this late has been given up and a key frame asked for.
const GIVE_UP_AFTER: Duration = Duration::from_secs(1);
/// Missing packets remembered of one stream; a longer gap is an outage, and a key frame mends it sooner.
const MISSING_LIMIT: usize = 400;
/// Round trip assumed before the first measurement.
const INITIAL_RTT: Duration = Duration::from_millis(60);
/// Streams the peer may announce; two are used.
const STREAMS_LIMIT: usize = 8;

/// A number that did not come.
#[derive(Clone, Copy, Debug)]
struct Missing {
    since: Instant,
    ask_at: Instant,
    requests: u8,
}

/// What one stream misses. Pure.
#[derive(Debug, Default)]
struct Gaps {
    /// Extended by the wraps seen so far.
    highest: Option<u64>,
    missing: BTreeMap<u64, Missing>,
    /// Part of the packets that did not come at first, smoothed.
    loss: f64,
}

impl Gaps {
    fn arrived(&mut self, sequence_number: u16, now: Instant) {
        let Some(highest) = self.highest else {
            // One turn ahead, so that earlier ones do not go below zero.
            self.highest = Some(u64::from(sequence_number) + 0x1_0000);
            return;
        };
        let distance = sequence_number.wrapping_sub(highest as u16) as i16;
        let Ok(ahead) = u64::try_from(distance) else {
            self.missing
                .remove(&highest.saturating_sub(u64::from(distance.unsigned_abs())));
            return;
        };
        self.highest = Some(highest + ahead);
        if ahead as usize > MISSING_LIMIT {
            self.missing.clear();
            return;
        }
        for number in highest + 1..highest + ahead {
            let missing = Missing {
                since: now,
                ask_at: now + REORDERING,
                requests: 0,
            };
            self.missing.insert(number, missing);
            self.loss += (1.0 - self.loss) / LOSS_MEMORY;
        }
        if ahead > 0 {
            self.loss -= self.loss / LOSS_MEMORY;
        }
        while self.missing.len() > MISSING_LIMIT {
            self.missing.pop_first();
        }
    }

    /// What to ask for now.
    fn due(&mut self, now: Instant, rtt: Duration) -> Vec<u16> {
        self.missing.retain(|_, missing| {
            let spent = missing.requests >= REQUESTS_PER_PACKET && missing.ask_at <= now;
            !spent && now.saturating_duration_since(missing.since) < GIVE_UP_AFTER
        });
        let retry = RETRY_MIN.max(rtt + rtt / 4);
        let round = self.requests_per_round(rtt);
        let mut due = Vec::new();
        for (number, missing) in &mut self.missing {
            if missing.ask_at <= now {
                missing.requests += 1;
                missing.ask_at = if !missing.requests.is_multiple_of(round) {
                    now + SPREAD
                } else if now.saturating_duration_since(missing.since) < PATIENCE {
                    now + retry
                } else {
                    now + retry * SELDOM
                };
                due.push(*number as u16);
            }
        }
        due
    }

    /// How often to ask before an answer can come: requests get lost as repairs do.
    fn requests_per_round(&self, rtt: Duration) -> u8 {
        if rtt < LONG_RTT {
            return 1;
        }
        let fails = 1.0 - (1.0 - self.loss) * (1.0 - self.loss);
        let mut unrepaired = self.loss * PACKETS_PER_PICTURE;
        (1..REQUESTS_PER_ROUND)
            .find(|_| {
                unrepaired *= fails;
                unrepaired < UNREPAIRED
            })
            .unwrap_or(REQUESTS_PER_ROUND)
    }

    fn deadline(&self) -> Option<Instant> {
        self.missing.values().map(|missing| missing.ask_at).min()
    }
}

/// The handler.
pub(super) struct NackSender {
    shared: Arc<Shared>,
    streams: HashMap<u32, Gaps>,
}

impl NackSender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            streams: HashMap::new(),
        }
    }
}

impl Handler for NackSender {
    fn read(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        if let Packet::Rtp(rtp) = &packet.message.packet
            && let Some(gaps) = self.streams.get_mut(&rtp.header.ssrc)
        {
            gaps.arrived(rtp.header.sequence_number, packet.now);
        }
        out.inbound.push_back(packet);
    }

    fn timeout(&mut self, now: Instant, out: &mut Outputs) {
        let rtt = self.shared.rtt().unwrap_or(INITIAL_RTT);
        for (media_ssrc, gaps) in &mut self.streams {
            let due = gaps.due(now, rtt);
            if due.is_empty() {
                continue;
            }
            let nack = TransportLayerNack {
                sender_ssrc: 0,
                media_ssrc: *media_ssrc,
                nacks: nack_pairs_from_sequence_numbers(&due),
            };
            out.outbound.push_back(rtcp(now, Box::new(nack)));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.streams.values().filter_map(Gaps::deadline).min()
    }

    fn bind_remote(&mut self, info: &StreamInfo) {
        let wanted = info
            .rtcp_feedback
            .iter()
            .any(|feedback| feedback.typ == "nack" && feedback.parameter.is_empty());
        // The crate binds the repair stream too; it repairs nothing of its own.
        if wanted && info.payload_type_rtx.is_some() && self.streams.len() < STREAMS_LIMIT {
            self.streams.entry(info.ssrc).or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_millis(100);

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn gaps(start: Instant, numbers: &[u16]) -> Gaps {
        let mut gaps = Gaps::default();
        for number in numbers {
            gaps.arrived(*number, start);
        }
        gaps
    }

    #[test]
    fn a_gap_is_asked_for_when_reordering_is_unlikely_and_again_after_a_round_trip() {
        let start = Instant::now();
        let mut gaps = gaps(start, &[65_534, 1]);
        assert!(gaps.due(at(start, 3), SHORT).is_empty());
        assert_eq!(gaps.deadline(), Some(at(start, 4)));
        assert_eq!(gaps.due(at(start, 4), SHORT), [65_535, 0]);
        assert!(gaps.due(at(start, 41), SHORT).is_empty());
        assert_eq!(gaps.due(at(start, 42), SHORT), [65_535, 0]);
    }

    #[test]
    fn what_arrives_late_is_not_asked_for() {
        let start = Instant::now();
        let mut gaps = gaps(start, &[10, 13, 11]);
        assert_eq!(gaps.due(at(start, 4), SHORT), [12]);
        gaps.arrived(12, at(start, 10));
        assert!(gaps.due(at(start, 500), SHORT).is_empty());
        assert_eq!(gaps.deadline(), None);
    }

    #[test]
    fn requests_become_seldom_and_end() {
        let start = Instant::now();
        let mut gaps = gaps(start, &[1, 3]);
        let asked: Vec<u64> = (0..3_000)
            .filter(|ms| !gaps.due(at(start, *ms), Duration::from_millis(1)).is_empty())
            .collect();
        assert_eq!(asked[..4], [4, 19, 34, 49]);
        assert_eq!(asked[20..], [304, 364, 424, 484], "not for ever");
        assert_eq!(gaps.deadline(), None);
    }

    #[test]
    fn a_long_way_is_asked_over_twice_where_answers_get_lost() {
        let start = Instant::now();
        let mut gaps = Gaps::default();
        // One in twenty is lost for a while, and then asked for.
        for number in (0..2_000_u16).filter(|number| number % 20 != 7) {
            gaps.arrived(number, start);
        }
        gaps.missing.clear();
        gaps.arrived(2_001, start);
        let asked: Vec<u64> = (0..300)
            .filter(|ms| !gaps.due(at(start, *ms), LONG).is_empty())
            .collect();
        assert_eq!(asked, [4, 14, 24, 149, 159, 169, 294]);
        assert_eq!(
            Gaps::default().requests_per_round(LONG),
            1,
            "nothing is known to get lost"
        );
        assert_eq!(gaps.requests_per_round(SHORT), 1, "there is time to see");
    }

    #[test]
    fn a_slow_path_gives_up_after_a_second() {
        let start = Instant::now();
        let mut gaps = gaps(start, &[1, 3]);
        let rtt = Duration::from_millis(400);
        let asked: Vec<u64> = (0..3_000)
            .filter(|ms| !gaps.due(at(start, *ms), rtt).is_empty())
            .collect();
        assert!(asked.len() <= 6 && asked.last() < Some(&1_000), "{asked:?}");
        assert!(gaps.missing.is_empty());
    }

    #[test]
    fn an_outage_is_not_asked_for_and_memory_stays_bounded() {
        let start = Instant::now();
        let mut outage = gaps(start, &[1, 3, 2_000]);
        assert!(outage.due(at(start, 10), SHORT).is_empty());
        let mut every_second = Gaps::default();
        for number in 0..4_000_u16 {
            every_second.arrived(number.wrapping_mul(2), start);
        }
        assert_eq!(every_second.missing.len(), MISSING_LIMIT);
    }
}
