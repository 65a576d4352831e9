//! Which losses are our own doing: a full link loses less when less is sent, a bad radio does not.
//!
//! In: the fate of packets and the rate they were sent at. Out: the losses beyond what the path loses whatever is sent.
//! The question is put to the path itself: after a fall of the rate, a full link of capacity C would lose 1 - C/rate, a
//! path that just loses would lose as before; what is measured lies near one of the two. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets and time a judgement about loss needs.
const LEAST_PACKETS: usize = 50;
const WINDOW: Duration = Duration::from_millis(1_000);
/// Most packets looked at.
const PACKETS_LIMIT: usize = 4_096;
/// Packets over which losses are averaged: some two seconds.
const SMOOTHED_PACKETS: f64 = 512.0;
/// The two answers have to lie so far apart before one is believed.
const TELLING_DISTANCE: f64 = 0.10;
/// Packets since the fall that the belief needs.
const TELLING_PACKETS: usize = 100;
/// A path that loses less than it did keeps this part of the difference for another second.
const FORGET_PER_SECOND: f64 = 0.7;

/// What is known of why a packet was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A queue stood then.
    FullLink,
    Unknown,
}

/// Losses among the packets of the last second.
#[derive(Debug, Default)]
pub(super) struct Losses {
    fates: VecDeque<(Instant, bool)>,
    lost: usize,
    /// Of all packets but those that a full link lost, smoothed over some seconds.
    smoothed: f64,
    /// What the path loses whatever is sent.
    own: f64,
    forgotten_at: Option<Instant>,
    trial: Option<Trial>,
}

/// A fall of the rate because of loss, and what is to be learned from it.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// Before the fall.
    loss: f64,
    /// Before the fall, bit/s on the way.
    rate_bps: f64,
    /// The target before the first fall, to go back to.
    target_bps: f64,
    /// Since the last fall.
    packets: usize,
    lost: usize,
}

impl Trial {
    /// What a full link would lose at this rate.
    fn of_full_link(&self, rate_bps: f64) -> f64 {
        let capacity_bps = self.rate_bps * (1.0 - self.loss);
        (1.0 - capacity_bps / rate_bps.max(1.0)).max(0.0)
    }
}

impl Losses {
    pub(super) fn record(&mut self, now: Instant, lost: bool, cause: Cause) {
        self.fates.push_back((now, lost));
        self.lost += usize::from(lost);
        if let Some(trial) = &mut self.trial {
            trial.packets += 1;
            trial.lost += usize::from(lost);
        }
        if cause == Cause::Unknown {
            self.smoothed += (f64::from(u8::from(lost)) - self.smoothed) / SMOOTHED_PACKETS;
        }
        while let Some((at, lost)) = self.fates.front().copied()
            && (now.saturating_duration_since(at) > WINDOW && self.fates.len() > LEAST_PACKETS
                || self.fates.len() > PACKETS_LIMIT)
        {
            self.fates.pop_front();
            self.lost -= usize::from(lost);
        }
    }

    /// Part of the packets that did not arrive; `None` until there are enough to tell.
    pub(super) fn fraction(&self) -> Option<f64> {
        (self.fates.len() >= LEAST_PACKETS).then(|| self.lost as f64 / self.fates.len() as f64)
    }

    /// Part of the packets that the path lost in the last seconds, its queues aside: so much is sent twice.
    pub(super) fn smoothed(&self) -> f64 {
        self.smoothed
    }

    /// What of it may be our doing.
    pub(super) fn excess(&self) -> Option<f64> {
        self.fraction().map(|fraction| (fraction - self.own).max(0.0))
    }

    /// The rate falls because of loss: what comes from now on tells whose the loss was.
    pub(super) fn fell(&mut self, rate_bps: f64, target_bps: f64) {
        if let (None, Some(loss)) = (self.trial, self.fraction()) {
            self.trial = Some(Trial {
                loss,
                rate_bps,
                target_bps,
                packets: 0,
                lost: 0,
            });
        }
        if let Some(trial) = &mut self.trial {
            (trial.packets, trial.lost) = (0, 0);
        }
        self.fates.clear();
        self.lost = 0;
    }

    /// A queue was seen: a loss that comes with it tells nothing about the path.
    pub(super) fn queue_seen(&mut self) {
        self.trial = None;
    }

    /// Whether the last fall was deep enough to learn from, and what it shows has not come yet.
    pub(super) fn is_on_trial(&self, rate_bps: f64) -> bool {
        self.trial
            .is_some_and(|trial| trial.loss - trial.of_full_link(rate_bps) >= TELLING_DISTANCE)
    }

    /// What the last fall has shown, with the rate that is sent now; the target to go back to when it was in vain.
    pub(super) fn judge(&mut self, rate_bps: f64) -> Option<f64> {
        let shows = |trial: &Trial| trial.packets >= TELLING_PACKETS;
        if !self.trial.as_ref().is_some_and(shows) || !self.is_on_trial(rate_bps) {
            return None;
        }
        let trial = self.trial.take()?;
        let fraction = trial.lost as f64 / trial.packets as f64;
        if fraction <= (trial.loss + trial.of_full_link(rate_bps)) / 2.0 {
            return None;
        }
        self.own = (trial.loss + fraction) / 2.0;
        Some(trial.target_bps)
    }

    /// The path may have become better.
    pub(super) fn forget(&mut self, now: Instant) {
        let before = self.forgotten_at.replace(now).unwrap_or(now);
        if self.smoothed < self.own {
            let elapsed = now.saturating_duration_since(before);
            let kept = FORGET_PER_SECOND.powf(elapsed.as_secs_f64());
            self.own = self.smoothed + (self.own - self.smoothed) * kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 packets, of which every `period`-th is lost.
    fn feed(losses: &mut Losses, start: Instant, from_ms: u64, period: usize) {
        for packet in 0..200_usize {
            let at = start + Duration::from_millis(from_ms + packet as u64 * 4);
            losses.record(at, packet % period == 0, Cause::Unknown);
        }
    }

    #[test]
    fn loss_that_stays_when_less_is_sent_is_the_paths_own() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        feed(&mut losses, start, 0, 4);
        losses.fell(2e6, 2.3e6);
        assert_eq!(losses.judge(1.7e6), None, "nothing has come since");
        feed(&mut losses, start, 1_000, 4);
        assert_eq!(losses.judge(1.95e6), None, "too small a fall to tell");
        assert_eq!(losses.judge(1.6e6), Some(2.3e6));
        assert!(losses.excess().unwrap() < 0.01);
    }

    #[test]
    fn loss_that_goes_with_the_rate_is_ours() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        // 2 Mbit/s into 1.5.
        feed(&mut losses, start, 0, 4);
        losses.fell(2e6, 2.3e6);
        // 1.6 into 1.5.
        feed(&mut losses, start, 1_000, 16);
        assert_eq!(losses.judge(1.6e6), None);
        assert!(losses.excess().unwrap() > 0.05, "nothing is excused");
    }

    #[test]
    fn a_path_that_gets_better_is_believed_soon() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        feed(&mut losses, start, 0, 3);
        losses.fell(2e6, 2.3e6);
        feed(&mut losses, start, 1_000, 3);
        assert_eq!(losses.judge(1.2e6), Some(2.3e6));
        for second in 2..8 {
            feed(&mut losses, start, second * 1_000, 201);
        }
        losses.forget(start + Duration::from_millis(3_000));
        losses.forget(start + Duration::from_millis(8_000));
        feed(&mut losses, start, 9_000, 4);
        assert!(losses.excess().unwrap() > 0.15);
    }
}
