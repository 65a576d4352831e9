//! Raises and lowers the target bitrate. Pure: fates of packets in, a number out, time as an argument.
//!
//! | what is seen | what is done |
//! |---|---|
//! | a queue grows or stands | fall to below what arrives; the deeper the queue the lower, so that it drains |
//! | it is gone sooner than it can have drained | it was a sway of the path's delay: go back |
//! | over 10 % lost | fall by half of the loss; go back if the path loses as much as before ([`Losses`]) |
//! | neither | rise: fast until the first congestion, then slowly near where it was |
//! | the encoder needs less than the target | stay: nothing is known about more |

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::delay::{DelayDetector, Usage, UsualWait};
use super::loss::{Cause, Losses};
use super::trains::{Shown, Trains};

/// A small picture to begin with: a key frame of it passes a path of 250 kbit/s in a quarter of a second, and on a wide one
/// its packets show within a report that there is room for a large one.
const START_BPS: f64 = 400_000.0;
/// So long one picture's packets decide, up and down.
const START_PHASE: Duration = Duration::from_millis(1_500);
/// Of a rate that packets have shown this part is used.
const SHOWN_SHARE: f64 = 0.8;
/// Packets show something where they leave so much faster than the target.
const SHOWN_LEAST: f64 = 1.3;
/// Packets that arrive at less than this part of the rate they left at were spread by the narrowest link.
const SPREAD: f64 = 0.8;
/// After a queue or losses, what packets show is not believed for so long.
const SHOWN_AFTER: Duration = Duration::from_millis(1_000);
/// Sound and a postage stamp.
const MIN_BPS: f64 = 60_000.0;
/// The target may exceed what arrives by so much: beyond it nothing is known.
const PROBE_FACTOR: f64 = 1.5;
const PROBE_MARGIN_BPS: f64 = 10_000.0;
/// Fall to this part of what arrives.
const BACK_OFF: f64 = 0.85;
/// Further down by this part for each second of standing queue, at most by [`DRAIN_MAX`].
const DRAIN_PER_SECOND: f64 = 1.2;
const DRAIN_MAX: f64 = 0.4;
/// A queue that stands higher than this is congestion whatever the trend says.
const STANDING_QUEUE_LIMIT: Duration = Duration::from_millis(80);
/// Above it nothing rises. Below it a fall is at most to half: jitter must not starve a stream that sends little.
const REAL_QUEUE: Duration = Duration::from_millis(40);
/// Between two falls: the path has to show what the last one did.
const FALL_SPACING: Duration = Duration::from_millis(150);
/// Rise a second before the first congestion, while far below the last, and beyond it.
const RISE_FRESH: f64 = 2.0;
const RISE_FAR: f64 = 1.3;
const RISE_BEYOND: f64 = 1.08;
/// Around the rate of the last congestion rise by one packet a response time.
const NEAR: (f64, f64) = (0.85, 1.3);
const PACKET_BITS: f64 = 1_200.0 * 8.0;
/// Where congestion was is forgotten after this.
const CAPACITY_MEMORY: Duration = Duration::from_secs(30);
/// Losses above the first part lower the target, above the second only keep it from rising; what the path loses whatever
/// is sent does not count.
const LOSS_FALL: f64 = 0.10;
const LOSS_HOLD: f64 = 0.07;
/// A path that loses without a queue is taken to carry so much: sound three times over is a quarter of it.
const ROOM_WITHOUT_QUEUE_BPS: f64 = 500_000.0;
/// Losses so soon after a queue are those of a full link.
const QUEUE_LOSSES: Duration = Duration::from_millis(1_000);
/// New media keep at least the other part of the target.
const LARGEST_REPAIR_SHARE: f64 = 0.4;
/// Without reports for so long the path is another one.
const SILENCE: Duration = Duration::from_secs(2);

/// Pacing on a path that has shown no congestion of late: a key frame of 40 kB leaves in 8 ms.
const CLEAN_PACING_BPS: f64 = 40_000_000.0;
/// And before anything is known of it.
const UNKNOWN_PACING_BPS: f64 = 20_000_000.0;
/// And otherwise, times the target.
const PACING_FACTOR: f64 = 2.5;
/// How long a path counts as congested.
const CONGESTION_MEMORY: Duration = Duration::from_secs(10);

/// What became of one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) departure: Instant,
    /// On the peer's clock; `None` when lost or unknown.
    pub(super) arrival: Option<Duration>,
    pub(super) lost: bool,
    pub(super) bytes: usize,
}

/// The estimator.
#[derive(Debug)]
pub(super) struct Estimator {
    target_bps: f64,
    max_bps: f64,
    delay: DelayDetector,
    usual: UsualWait,
    arrived: ArrivalRate,
    trains: Trains,
    began_at: Option<Instant>,
    /// Whether the first packets have shown something.
    has_begun: bool,
    losses: Losses,
    rtt: Duration,
    reported_at: Option<Instant>,
    changed_at: Option<Instant>,
    fell_at: Option<Instant>,
    /// What arrived when a queue was last seen, smoothed, and when that was.
    capacity: Option<(f64, Instant)>,
    congested_at: Option<Instant>,
    alarm: Option<Alarm>,
    queue_at: Option<Instant>,
}

/// What was before the last fall because of a queue.
#[derive(Clone, Copy, Debug)]
struct Alarm {
    /// Before this the queue cannot have drained.
    until: Instant,
    target_bps: f64,
    capacity: Option<(f64, Instant)>,
    congested_at: Option<Instant>,
}

impl Estimator {
    pub(super) fn new(max_bps: f64) -> Self {
        let max_bps = max_bps.max(MIN_BPS);
        Self {
            target_bps: START_BPS.min(max_bps),
            max_bps,
            delay: DelayDetector::new(),
            usual: UsualWait::default(),
            arrived: ArrivalRate::default(),
            trains: Trains::default(),
            began_at: None,
            has_begun: false,
            losses: Losses::default(),
            rtt: Duration::from_millis(100),
            reported_at: None,
            changed_at: None,
            fell_at: None,
            capacity: None,
            congested_at: None,
            alarm: None,
            queue_at: None,
        }
    }

    /// What the path carries, bit/s.
    pub(super) fn target_bps(&self) -> f64 {
        self.target_bps
    }

    /// What the path carries as far as repairs are concerned, bit/s. Losses lower the target, but say by themselves nothing
    /// about a path's width, and a path that loses is the one that needs repairs: without a queue of late it counts as
    /// wide. Should it not be, the first queue shows that.
    pub(super) fn room_bps(&self, now: Instant) -> f64 {
        let narrow = self
            .capacity
            .is_some_and(|(_, at)| now.saturating_duration_since(at) < CAPACITY_MEMORY);
        if narrow {
            self.target_bps
        } else {
            self.target_bps.max(ROOM_WITHOUT_QUEUE_BPS.min(self.max_bps))
        }
    }

    /// What new pictures and sound may take of it, bit/s: what gets lost is sent again.
    pub(super) fn media_bps(&self) -> f64 {
        self.target_bps * (1.0 - self.losses.smoothed().min(LARGEST_REPAIR_SHARE))
    }

    /// Part of the packets that did not arrive in the last seconds.
    pub(super) fn loss(&self) -> f64 {
        self.losses.smoothed()
    }

    /// How fast packets may leave, bit/s.
    pub(super) fn pacing_bps(&self, now: Instant) -> f64 {
        let paced = PACING_FACTOR * self.target_bps;
        let congested = self
            .congested_at
            .is_some_and(|at| now.saturating_duration_since(at) < CONGESTION_MEMORY);
        if congested {
            paced
        } else if self.reported_at.is_none() {
            paced.max(UNKNOWN_PACING_BPS)
        } else {
            paced.max(CLEAN_PACING_BPS)
        }
    }

    /// Packets the peer has reported on, in the order they left.
    pub(super) fn on_reports(&mut self, now: Instant, fates: impl IntoIterator<Item = Fate>) {
        let mut some = false;
        let silent = self
            .reported_at
            .is_some_and(|at| now.saturating_duration_since(at) > SILENCE);
        if silent {
            self.delay = DelayDetector::new();
            self.arrived = ArrivalRate::default();
            self.trains.clear();
        }
        let is_full = self
            .queue_at
            .is_some_and(|at| now.saturating_duration_since(at) < QUEUE_LOSSES);
        let cause = if is_full { Cause::FullLink } else { Cause::Unknown };
        for fate in fates {
            some = true;
            self.losses.record(now, fate.lost, cause);
            self.trains.record(now, fate.departure, fate.arrival, fate.bytes);
            if let Some(arrival) = fate.arrival {
                self.arrived.record(arrival, fate.bytes);
                self.delay.arrived(fate.departure, arrival);
                self.rtt = now.saturating_duration_since(fate.departure);
            }
        }
        if some {
            self.began_at.get_or_insert(now);
            self.reported_at = Some(now);
            self.decide(now);
        }
    }

    fn decide(&mut self, now: Instant) {
        let queue = self.delay.take_standing_queue().unwrap_or_default();
        let usual = self.usual.limit();
        self.usual.record(queue);
        if queue < REAL_QUEUE / 2 {
            self.check_alarm(now);
        }
        if let Some(shown) = self.trains.shown() {
            self.follow_shown(now, shown, queue);
        }
        self.losses.forget(now);
        if let Some(target) = self.losses.judge(self.sent_bps()) {
            self.target_bps = self.target_bps.max(target);
        }
        let loss = self.losses.excess();
        match self.delay.usage() {
            Usage::Over if queue > usual => self.queue_seen(now, queue),
            Usage::Normal | Usage::Under if queue > STANDING_QUEUE_LIMIT.max(usual) => self.queue_seen(now, queue),
            // A trend of what is usual here.
            Usage::Over => self.changed_at = Some(now),
            // It drains: let it.
            Usage::Under => self.changed_at = Some(now),
            Usage::Normal if queue > REAL_QUEUE.max(usual) => self.changed_at = Some(now),
            Usage::Normal => match loss {
                Some(loss) if loss > LOSS_FALL => self.loss_seen(now, loss),
                Some(loss) if loss > LOSS_HOLD => self.changed_at = Some(now),
                Some(_) | None => self.rise(now),
            },
        }
        self.target_bps = self.target_bps.clamp(MIN_BPS, self.max_bps);
    }

    /// Goes where packets that left together have shown the way.
    fn follow_shown(&mut self, now: Instant, shown: Shown, queue: Duration) {
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let starts = since(self.began_at).is_none_or(|since| since < START_PHASE);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let rate = SHOWN_SHARE * shown.arriving_bps.min(shown.departing_bps);
        if is_first && shown.arriving_bps < self.target_bps {
            self.target_bps = rate;
            self.capacity = Some((shown.arriving_bps, now));
            self.congested_at = Some(now);
            self.changed_at = Some(now);
            self.trains.clear();
            return;
        }
        if shown.arriving_bps < SPREAD * shown.departing_bps && shown.arriving_bps > 0.9 * self.target_bps {
            self.capacity = Some((shown.arriving_bps, now));
        }
        let calm = queue < REAL_QUEUE && since(self.congested_at).is_none_or(|since| since > SHOWN_AFTER);
        let telling = shown.departing_bps > SHOWN_LEAST * self.target_bps && rate > self.target_bps;
        if !calm || !telling {
            return;
        }
        let limit = match self.arrived.bps() {
            _ if starts => f64::MAX,
            Some(arriving) => arriving * PROBE_FACTOR + PROBE_MARGIN_BPS,
            None => return,
        };
        if rate.min(limit) > self.target_bps {
            self.target_bps = rate.min(limit);
            self.changed_at = Some(now);
            self.capacity = None;
            // At the new rate they leave faster, and show more.
            self.trains.clear();
        }
    }

    /// Whether the path has had the time to answer the last fall.
    fn may_fall(&self, now: Instant) -> bool {
        self.fell_at.is_none_or(|at| {
            now.saturating_duration_since(at) >= FALL_SPACING + self.rtt.min(Duration::from_millis(300))
        })
    }

    fn queue_seen(&mut self, now: Instant, queue: Duration) {
        self.changed_at = Some(now);
        let congested_before = self.congested_at.replace(now);
        self.queue_at = Some(now);
        self.losses.queue_seen();
        if !self.may_fall(now) {
            return;
        }
        // Behind a queue packets arrive at the rate of the narrowest link; half a second ago that may have been another.
        let recent = self.arrived.recent_bps().filter(|_| queue > REAL_QUEUE);
        let arriving = recent.or(self.arrived.bps()).unwrap_or(self.target_bps);
        let drain = (queue.as_secs_f64() * DRAIN_PER_SECOND).min(DRAIN_MAX);
        let mut fallen = arriving * (BACK_OFF - drain);
        // At the rate it fell to, and no answer before a round trip.
        let drains_in = queue.as_secs_f64() / (1.0 - BACK_OFF + drain);
        self.alarm = Some(Alarm {
            until: now + self.rtt + Duration::from_secs_f64(drains_in / 2.0),
            target_bps: self.target_bps,
            capacity: self.capacity,
            congested_at: congested_before,
        });
        if queue < REAL_QUEUE {
            fallen = fallen.max(self.target_bps / 2.0);
        }
        if fallen < self.target_bps {
            self.target_bps = fallen;
            self.fell_at = Some(now);
        }
        self.capacity = Some(match self.capacity {
            Some((known, _)) if arriving < 1.5 * known && known < 1.5 * arriving => (0.8 * known + 0.2 * arriving, now),
            Some(_) | None => (arriving, now),
        });
    }

    /// The queue is gone.
    fn check_alarm(&mut self, now: Instant) {
        if let Some(alarm) = self.alarm.take().filter(|alarm| now < alarm.until) {
            self.target_bps = self.target_bps.max(alarm.target_bps);
            self.capacity = alarm.capacity;
            self.congested_at = alarm.congested_at;
            self.fell_at = None;
        }
    }

    fn loss_seen(&mut self, now: Instant, loss: f64) {
        self.changed_at = Some(now);
        self.congested_at = Some(now);
        if self.may_fall(now) && !self.losses.is_on_trial(self.sent_bps()) {
            self.losses.fell(self.sent_bps(), self.target_bps);
            self.target_bps *= 1.0 - 0.5 * loss;
            self.fell_at = Some(now);
        }
    }

    /// What is sent, by what arrives and what is lost of it.
    fn sent_bps(&self) -> f64 {
        let arriving = self.arrived.bps().unwrap_or(self.target_bps);
        arriving / (1.0 - self.losses.fraction().unwrap_or(0.0)).max(0.05)
    }

    fn rise(&mut self, now: Instant) {
        let elapsed = self
            .changed_at
            .replace(now)
            .map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64().min(0.5));
        // Sending less than the target proves nothing about more.
        let Some(arriving) = self.arrived.bps() else {
            return;
        };
        let proven = arriving * PROBE_FACTOR + PROBE_MARGIN_BPS;
        if self.target_bps >= proven {
            return;
        }
        let risen = match self.known_capacity(now, arriving) {
            None => self.target_bps * self.fresh_rise().powf(elapsed),
            Some(capacity) if self.target_bps < NEAR.0 * capacity => self.target_bps * RISE_FAR.powf(elapsed),
            Some(capacity) if self.target_bps < NEAR.1 * capacity => {
                let response = self.rtt.as_secs_f64() + 0.1;
                self.target_bps + PACKET_BITS / response * elapsed
            }
            Some(_) => self.target_bps * RISE_BEYOND.powf(elapsed),
        };
        self.target_bps = risen.min(proven);
    }

    fn fresh_rise(&self) -> f64 {
        if self.fell_at.is_none() { RISE_FRESH } else { RISE_FAR }
    }

    /// Where congestion was, unless it is long ago or the path carries much more by now.
    fn known_capacity(&mut self, now: Instant, arriving: f64) -> Option<f64> {
        self.capacity = self.capacity.filter(|(capacity, at)| {
            now.saturating_duration_since(*at) < CAPACITY_MEMORY && arriving < NEAR.1 * capacity
        });
        self.capacity.map(|(capacity, _)| capacity)
    }
}

/// What arrived in the last half second, by the peer's clock.
#[derive(Debug, Default)]
struct ArrivalRate {
    packets: VecDeque<(Duration, usize)>,
    bytes: usize,
}

impl ArrivalRate {
    const WINDOW: Duration = Duration::from_millis(500);
    const MIN_SPAN: Duration = Duration::from_millis(150);
    const RECENT: Duration = Duration::from_millis(150);
    const RECENT_PACKETS: usize = 4;
    /// 80 Mbit/s in small packets; beyond it the window shrinks.
    const PACKETS_LIMIT: usize = 8_192;

    fn record(&mut self, arrival: Duration, bytes: usize) {
        self.packets.push_back((arrival, bytes));
        self.bytes += bytes;
        while let Some((first, bytes)) = self.packets.front().copied()
            && (arrival.saturating_sub(first) > Self::WINDOW || self.packets.len() > Self::PACKETS_LIMIT)
        {
            self.packets.pop_front();
            self.bytes -= bytes;
        }
    }

    /// What arrived in the last moments; `None` until there is enough to tell.
    fn recent_bps(&self) -> Option<f64> {
        let (last, _) = self.packets.back()?;
        let recent = |(arrival, _): &&(Duration, usize)| last.saturating_sub(*arrival) <= Self::RECENT;
        let packets = self.packets.iter().rev().take_while(recent);
        let (count, bytes, first) = packets.fold((0, 0, (*last, 0)), |(count, bytes, _), (arrival, size)| {
            (count + 1, bytes + size, (*arrival, *size))
        });
        let (first, first_bytes) = first;
        let span = last.saturating_sub(first);
        (count >= Self::RECENT_PACKETS && span >= Self::RECENT / 3)
            .then(|| (bytes - first_bytes) as f64 * 8.0 / span.as_secs_f64())
    }

    /// `None` until there is enough to tell.
    fn bps(&self) -> Option<f64> {
        let (first, first_bytes) = self.packets.front()?;
        let (last, _) = self.packets.back()?;
        let span = last.saturating_sub(*first);
        // The first packet's time on the wire lies before the span.
        (span >= Self::MIN_SPAN).then(|| (self.bytes - first_bytes) as f64 * 8.0 / span.as_secs_f64())
    }
}
