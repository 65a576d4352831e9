//! Spreads packets over time, so that a key frame does not fill the bottleneck's queue in front of the sound.
//!
//! Sound leaves at once. Retransmissions come next, for somebody waits for them; then pictures. Both spend a budget
//! that refills at the pacing rate the congestion controller sets: many times the media's on a path that has shown no
//! congestion, 2.5 times on one that has. Repairs get a part of it only and no packet is repeated twice at once: on a
//! path that loses because it is full, repairs without a bound keep it full.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use call_media::frame::StreamKind;
use rtc::interceptor::{Attribute, Packet, TaggedPacket};
use rtc::shared::marshal::MarshalSize;

use super::chain::{Handler, Outputs};
use super::streams::{A_NUMBER, Role, Shared};

/// What may leave at once after a pause: a whole picture at the clean rate, one packet at a slow one.
const BURST: Duration = Duration::from_millis(5);
/// Smallest burst: below it the timer's grain of a millisecond would slow the stream down.
const BURST_MIN_BYTES: f64 = 2_600.0;
/// Waiting pictures: three seconds of them; the outbox stops earlier.
const PICTURE_QUEUE_PACKETS: usize = 1_024;
/// Waiting retransmissions; what is asked for beyond is asked for again.
const REPAIR_QUEUE_PACKETS: usize = 128;
/// Part of the pacing rate that repairs may take.
const REPAIR_SHARE: f64 = 0.2;
/// What repairs may take at once after a pause, and at most.
const REPAIR_BURST: Duration = Duration::from_millis(50);
const REPAIR_BURST_BYTES: f64 = 12_000.0;
/// A repair that waited longer has been given up by its receiver or asked for again.
const REPAIR_STALE_AFTER: Duration = Duration::from_millis(300);
/// Repairs remembered to tell repetitions.
const REPAIRS_REMEMBERED: usize = 256;
/// A packet asked for again within this is the same request: it stood in two messages.
const SAME_REQUEST: Duration = Duration::from_millis(6);
/// Sleep granularity of the runtime's clock.
const TICK: Duration = Duration::from_millis(1);

/// The order in which packets leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Priority {
    Sound,
    Repair,
    Picture,
}

struct Waiting<P> {
    packet: P,
    bytes: f64,
    since: Instant,
}

/// Two queues and a budget. Pure.
struct Pacer<P> {
    repairs: VecDeque<Waiting<P>>,
    pictures: VecDeque<Waiting<P>>,
    queued_bytes: f64,
    repair_budget_bytes: f64,
    /// Bytes that may leave now; negative after a packet that was larger than it.
    budget_bytes: f64,
    refilled_at: Option<Instant>,
    dropped: u64,
}

impl<P> Pacer<P> {
    fn new() -> Self {
        Self {
            repairs: VecDeque::new(),
            pictures: VecDeque::new(),
            queued_bytes: 0.0,
            repair_budget_bytes: REPAIR_BURST_BYTES,
            budget_bytes: 0.0,
            refilled_at: None,
            dropped: 0,
        }
    }

    /// Queues a packet; drops and counts it when its queue is full.
    fn push(&mut self, packet: P, bytes: f64, priority: Priority, now: Instant) {
        let (queue, limit) = match priority {
            Priority::Repair => (&mut self.repairs, REPAIR_QUEUE_PACKETS),
            Priority::Sound | Priority::Picture => (&mut self.pictures, PICTURE_QUEUE_PACKETS),
        };
        if queue.len() == limit {
            self.dropped += 1;
            return;
        }
        queue.push_back(Waiting {
            packet,
            bytes,
            since: now,
        });
        self.queued_bytes += bytes;
    }

    /// The next packet the budget allows.
    fn pop(&mut self, now: Instant, rate_bps: f64) -> Option<P> {
        self.refill(now, rate_bps);
        self.drop_stale_repairs(now);
        if self.budget_bytes <= 0.0 {
            return None;
        }
        let repair = if self.repair_budget_bytes > 0.0 {
            self.repairs.pop_front()
        } else {
            None
        };
        if let Some(repair) = &repair {
            self.repair_budget_bytes -= repair.bytes;
        }
        let next = repair.or_else(|| self.pictures.pop_front())?;
        self.budget_bytes -= next.bytes;
        self.forget(next.bytes);
        Some(next.packet)
    }

    fn drop_stale_repairs(&mut self, now: Instant) {
        while let Some(oldest) = self.repairs.front()
            && now.saturating_duration_since(oldest.since) > REPAIR_STALE_AFTER
        {
            let bytes = oldest.bytes;
            self.repairs.pop_front();
            self.forget(bytes);
            self.dropped += 1;
        }
    }

    fn forget(&mut self, bytes: f64) {
        self.queued_bytes = (self.queued_bytes - bytes).max(0.0);
    }

    fn refill(&mut self, now: Instant, rate_bps: f64) {
        let burst = (rate_bps / 8.0 * BURST.as_secs_f64()).max(BURST_MIN_BYTES);
        let earned = match self.refilled_at.replace(now) {
            Some(before) => rate_bps / 8.0 * now.saturating_duration_since(before).as_secs_f64(),
            None => burst,
        };
        self.budget_bytes = (self.budget_bytes + earned).min(burst);
        let repair_burst = (rate_bps / 8.0 * REPAIR_BURST.as_secs_f64()).clamp(BURST_MIN_BYTES, REPAIR_BURST_BYTES);
        self.repair_budget_bytes = (self.repair_budget_bytes + REPAIR_SHARE * earned).min(repair_burst);
    }

    /// Whether something waits.
    fn is_empty(&self) -> bool {
        self.repairs.is_empty() && self.pictures.is_empty()
    }

    /// When the next packet may leave.
    fn deadline(&self, rate_bps: f64) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let mut owed = (-self.budget_bytes).max(0.0) * 8.0 / rate_bps;
        if self.pictures.is_empty() {
            owed = owed.max((-self.repair_budget_bytes).max(0.0) * 8.0 / (rate_bps * REPAIR_SHARE));
        }
        self.refilled_at.map(|at| at + Duration::from_secs_f64(owed).max(TICK))
    }

    /// How long what waits will take.
    fn backlog(&self, rate_bps: f64) -> Duration {
        Duration::from_secs_f64(self.queued_bytes * 8.0 / rate_bps)
    }
}

/// The repairs made last, so that two requests for one loss are answered once.
#[derive(Default)]
struct RecentRepairs {
    made: VecDeque<(u32, u16, Instant)>,
}

impl RecentRepairs {
    /// Whether this packet was not repeated just now; if so, it counts as repeated now.
    fn admit(&mut self, ssrc: u32, sequence_number: u16, now: Instant) -> bool {
        let again = self.made.iter().any(|(other, number, at)| {
            (*other, *number) == (ssrc, sequence_number) && now.saturating_duration_since(*at) < SAME_REQUEST
        });
        if !again {
            if self.made.len() == REPAIRS_REMEMBERED {
                self.made.pop_front();
            }
            self.made.push_back((ssrc, sequence_number, now));
        }
        !again
    }
}

/// The number of the packet that an RTX packet repeats (RFC 4588, section 4).
fn repeated_number(rtp: &rtc::rtp::Packet) -> Option<u16> {
    let number = rtp.payload.get(..2)?;
    Some(u16::from_be_bytes([number[0], number[1]]))
}

/// Whether a packet stands before the last key frame, which begins at `key_frame_start` less [`A_NUMBER`].
fn is_replaced(number: u16, key_frame_start: u32) -> bool {
    let behind = (key_frame_start as u16).wrapping_sub(number) as i16;
    key_frame_start >= A_NUMBER && behind > 0
}

/// The handler.
pub(super) struct PacerHandler {
    shared: Arc<Shared>,
    pacer: Pacer<TaggedPacket>,
    recent: RecentRepairs,
}

impl PacerHandler {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            pacer: Pacer::new(),
            recent: RecentRepairs::default(),
        }
    }

    fn rate_bps(&self) -> f64 {
        f64::from(self.shared.pacing_bitrate_bps.load(Ordering::Relaxed).max(1))
    }

    /// Whether somebody waits for this repair: not twice for one request, and not for what a key frame has replaced.
    fn is_wanted(&mut self, rtp: &rtc::rtp::Packet, now: Instant) -> bool {
        let key_frame_start = self.shared.local_ssrc(rtp.header.ssrc).map_or(0, |stream| {
            self.shared.sent.of(stream.kind).key_frame_start.load(Ordering::Relaxed)
        });
        repeated_number(rtp).is_none_or(|number| {
            !is_replaced(number, key_frame_start) && self.recent.admit(rtp.header.ssrc, number, now)
        })
    }

    fn release(&mut self, now: Instant, out: &mut Outputs) {
        let rate = self.rate_bps();
        while let Some(mut packet) = self.pacer.pop(now, rate) {
            // The send history behind us must not charge our own queue to the path.
            packet.now = now;
            out.outbound.push_back(packet);
        }
        let backlog = u32::try_from(self.pacer.backlog(rate).as_micros()).unwrap_or(u32::MAX);
        self.shared.pacer_backlog_us.store(backlog, Ordering::Relaxed);
    }

    fn priority(&self, packet: &TaggedPacket, rtp: &rtc::rtp::Packet) -> Priority {
        if packet.message.has(&Attribute::Retransmission) {
            return Priority::Repair;
        }
        match self.shared.local_ssrc(rtp.header.ssrc) {
            Some(stream) if stream.role == Role::Repair => Priority::Repair,
            Some(stream) if stream.kind == StreamKind::Audio => Priority::Sound,
            Some(_) | None => Priority::Picture,
        }
    }
}

impl Handler for PacerHandler {
    fn write(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        let Packet::Rtp(rtp) = &packet.message.packet else {
            // Feedback is worth something only while it is fresh.
            out.outbound.push_back(packet);
            return;
        };
        match self.priority(&packet, rtp) {
            Priority::Sound => out.outbound.push_back(packet),
            priority @ (Priority::Repair | Priority::Picture) => {
                let bytes = (rtp.header.marshal_size() + rtp.payload.len()) as f64;
                let now = packet.now;
                if priority == Priority::Picture || self.is_wanted(rtp, now) {
                    self.pacer.push(packet, bytes, priority, now);
                }
                self.release(now, out);
            }
        }
    }

    fn timeout(&mut self, now: Instant, out: &mut Outputs) {
        if !self.pacer.is_empty() {
            self.release(now, out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.pacer.deadline(self.rate_bps())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: f64 = 1_200.0;

    /// Runs the clock until the pacer is empty; what left, with the millisecond it left at.
    fn drain(pacer: &mut Pacer<u32>, start: Instant, rate_bps: f64) -> Vec<(u32, u64)> {
        let mut left = Vec::new();
        let mut now = start;
        loop {
            while let Some(packet) = pacer.pop(now, rate_bps) {
                left.push((packet, (now - start).as_millis() as u64));
            }
            match pacer.deadline(rate_bps) {
                Some(deadline) => {
                    assert!(deadline > now, "a deadline in the past spins");
                    now = deadline;
                }
                None => return left,
            }
        }
    }

    #[test]
    fn a_key_frame_leaves_a_clean_path_in_a_few_milliseconds() {
        let (mut pacer, start) = (Pacer::new(), Instant::now());
        for packet in 0..34 {
            pacer.push(packet, PACKET, Priority::Picture, start);
        }
        let left = drain(&mut pacer, start, 40e6);
        assert_eq!(left.len(), 34);
        // 40.8 kB: 25 kB at once, the rest in 3 ms.
        assert!(left.last().unwrap().1 <= 5, "{left:?}");
    }

    #[test]
    fn a_congested_path_gets_no_more_than_its_rate() {
        let (mut pacer, start) = (Pacer::new(), Instant::now());
        for packet in 0..100 {
            pacer.push(packet, PACKET, Priority::Picture, start);
        }
        let left = drain(&mut pacer, start, 1.5e6);
        // 120 kB at 1.5 Mbit/s are 640 ms, less the first burst.
        let last = left.last().unwrap().1;
        assert!((600..=640).contains(&last), "{last}");
    }

    #[test]
    fn repairs_overtake_pictures() {
        let mut pacer = Pacer::new();
        let start = Instant::now();
        for packet in 0..10 {
            pacer.push(packet, PACKET, Priority::Picture, start);
        }
        while pacer.pop(start, 1e6).is_some() {}
        pacer.push(99, PACKET, Priority::Repair, start);
        assert_eq!(drain(&mut pacer, start, 1e6)[0].0, 99);
    }

    #[test]
    fn the_queues_are_bounded_and_the_backlog_is_told() {
        let (mut pacer, start) = (Pacer::new(), Instant::now());
        for packet in 0..2_000 {
            pacer.push(packet, PACKET, Priority::Picture, start);
            pacer.push(packet, PACKET, Priority::Repair, start);
        }
        assert_eq!(
            pacer.dropped,
            4_000 - (PICTURE_QUEUE_PACKETS + REPAIR_QUEUE_PACKETS) as u64
        );
        let expected = (PICTURE_QUEUE_PACKETS + REPAIR_QUEUE_PACKETS) as f64 * PACKET * 8.0 / 10e6;
        assert!((pacer.backlog(10e6).as_secs_f64() - expected).abs() < 1e-6);
    }
    #[test]
    fn repairs_leave_most_of_a_congested_path_to_new_pictures() {
        let (mut pacer, start) = (Pacer::new(), Instant::now());
        for packet in 0..100 {
            pacer.push(packet, PACKET, Priority::Repair, start);
            pacer.push(1_000 + packet, PACKET, Priority::Picture, start);
        }
        let left = drain(&mut pacer, start, 1.5e6);
        let repairs = left.iter().filter(|(packet, _)| *packet < 1_000).count();
        // A burst of ten, a fifth of 1.5 Mbit/s for 0.3 s more, and the rest is stale.
        assert!((15..=25).contains(&repairs), "{repairs}");
        assert_eq!(left.len() - repairs, 100);
    }

    #[test]
    fn what_a_key_frame_replaces_is_not_repaired() {
        assert!(!is_replaced(7, 0), "there was none");
        let start = A_NUMBER + 3;
        assert!(is_replaced(2, start) && is_replaced(65_530, start));
        assert!(!is_replaced(3, start) && !is_replaced(4, start));
    }

    #[test]
    fn one_request_is_answered_once() {
        let (mut recent, start) = (RecentRepairs::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(recent.admit(1, 7, at(0)));
        assert!(!recent.admit(1, 7, at(5)));
        assert!(recent.admit(1, 8, at(5)) && recent.admit(2, 7, at(5)));
        assert!(recent.admit(1, 7, at(6)));
        for number in 0..1_000 {
            recent.admit(3, number, at(200));
        }
        assert_eq!(recent.made.len(), REPAIRS_REMEMBERED);
    }
}
