//! One direction of one link: packets and the time go in, packets come out. No clock and no device, so that it is
//! tested with any time the caller makes up.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Add;
use std::time::Duration;

use crate::profile::Profile;
use crate::random::Random;

/// What happened to the packets of one direction so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came to the link.
    pub entered: u64,
    /// Packets that left it, second copies included.
    pub left: u64,
    /// Bytes that left it, IP headers included.
    pub left_bytes: u64,
    /// Lost by chance, alone or in bursts.
    pub lost: u64,
    /// Dropped because they would have waited too long for the rate.
    pub overflowed: u64,
    /// Vanished because the link was cut or they were too long.
    pub vanished: u64,
    /// Packets sent twice.
    pub duplicated: u64,
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            entered: self.entered + other.entered,
            left: self.left + other.left,
            left_bytes: self.left_bytes + other.left_bytes,
            lost: self.lost + other.lost,
            overflowed: self.overflowed + other.overflowed,
            vanished: self.vanished + other.vanished,
            duplicated: self.duplicated + other.duplicated,
        }
    }
}

/// One direction of a link. Times count from an origin of the caller's choice and never go backwards.
#[derive(Debug)]
pub struct Pipe {
    profile: Profile,
    counters: Counters,
    random: Random,
    /// Before the bottleneck, in order; the first is on its way through.
    queue: VecDeque<Vec<u8>>,
    /// Bytes of the queue behind the first.
    queued_bytes: usize,
    /// When the first of the queue is through.
    through_at: Duration,
    /// Behind the bottleneck, by the time they arrive and the order they came in.
    flying: BTreeMap<(Duration, u64), Vec<u8>>,
    flown: u64,
    last_arrival: Duration,
    last_jitter: f64,
    in_burst: bool,
}

impl Pipe {
    /// A pipe with nothing in it. The same seed, packets and times give the same results.
    #[must_use]
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self {
            profile,
            counters: Counters::default(),
            random: Random::new(seed),
            queue: VecDeque::new(),
            queued_bytes: 0,
            through_at: Duration::ZERO,
            flying: BTreeMap::new(),
            flown: 0,
            last_arrival: Duration::ZERO,
            last_jitter: 0.0,
            in_burst: false,
        }
    }

    /// What it does to packets now.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// From now on another profile. What waits for the bottleneck goes on at the new rate; what is behind it arrives
    /// as planned.
    pub fn set_profile(&mut self, now: Duration, profile: Profile) {
        self.advance(now);
        let before = std::mem::replace(&mut self.profile, profile).rate_bps;
        match (before, self.profile.rate_bps) {
            (Some(before), Some(after)) => {
                let rest = self.through_at.saturating_sub(now);
                self.through_at = now + rest.mul_f64(before / after);
            }
            (_, None) => {
                self.queued_bytes = 0;
                for packet in std::mem::take(&mut self.queue) {
                    self.fly(now, packet);
                }
            }
            (None, Some(_)) => {}
        }
    }

    /// A packet comes to the link.
    pub fn push(&mut self, now: Duration, packet: &[u8]) {
        self.advance(now);
        self.counters.entered += 1;
        if self.profile.cut || self.profile.mtu.is_some_and(|mtu| packet.len() > mtu) {
            self.counters.vanished += 1;
        } else if self.loses() {
            self.counters.lost += 1;
        } else if self.profile.rate_bps.is_none() {
            self.fly(now, packet.to_vec());
        } else if self.queue.is_empty() {
            self.through_at = now + self.duration_of(packet.len());
            self.queue.push_back(packet.to_vec());
        } else if self.wait(now) <= self.profile.queue {
            self.queued_bytes += packet.len();
            self.queue.push_back(packet.to_vec());
        } else {
            self.counters.overflowed += 1;
        }
    }

    /// The next packet that has arrived by now.
    pub fn pop(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.advance(now);
        let first = self.flying.first_entry().filter(|first| first.key().0 <= now)?;
        let packet = first.remove();
        self.counters.left += 1;
        self.counters.left_bytes += packet.len() as u64;
        Some(packet)
    }

    /// When it should be looked at again; nothing happens before.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let arrives = self.flying.first_key_value().map(|((at, _), _)| *at);
        let through = (!self.queue.is_empty()).then_some(self.through_at);
        arrives.into_iter().chain(through).min()
    }

    /// How long a packet that came now would wait for its turn.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Duration {
        if self.queue.is_empty() {
            return Duration::ZERO;
        }
        self.through_at.saturating_sub(now) + self.duration_of(self.queued_bytes)
    }

    /// Time these bytes take at the bottleneck.
    fn duration_of(&self, bytes: usize) -> Duration {
        match self.profile.rate_bps {
            Some(rate) => Duration::from_secs_f64(bytes as f64 * 8.0 / rate),
            None => Duration::ZERO,
        }
    }

    /// Takes from the queue what is through the bottleneck.
    fn advance(&mut self, now: Duration) {
        while self.through_at <= now
            && let Some(packet) = self.queue.pop_front()
        {
            let through_at = self.through_at;
            if let Some(next) = self.queue.front().map(Vec::len) {
                self.queued_bytes -= next;
                self.through_at += self.duration_of(next);
            }
            self.fly(through_at, packet);
        }
    }

    fn loses(&mut self) -> bool {
        if let Some(bursts) = self.profile.bursts {
            let turn = self.random.share();
            self.in_burst = if self.in_burst {
                turn >= bursts.end
            } else {
                turn < bursts.begin
            };
            if self.in_burst && self.random.share() < bursts.loss {
                return true;
            }
        }
        self.random.share() < self.profile.loss
    }

    fn fly(&mut self, from: Duration, packet: Vec<u8>) {
        let arrival = self.arrival(from);
        if self.profile.duplicates > 0.0 && self.random.share() < self.profile.duplicates {
            self.counters.duplicated += 1;
            self.flown += 1;
            self.flying.insert((arrival, self.flown), packet.clone());
        }
        self.flown += 1;
        self.flying.insert((arrival, self.flown), packet);
    }

    fn arrival(&mut self, from: Duration) -> Duration {
        if self.profile.reorders > 0.0 && self.random.share() < self.profile.reorders {
            return from;
        }
        let mut delay = self.profile.delay;
        if !self.profile.jitter.is_zero() {
            let kept = self.profile.jitter_correlation;
            // The part that is new is such that the deviation stays what it is.
            self.last_jitter = kept * self.last_jitter + (1.0 - kept * kept).sqrt() * self.random.normal();
            let jitter = self.profile.jitter.mul_f64(self.last_jitter.abs());
            delay = if self.last_jitter < 0.0 {
                delay.saturating_sub(jitter)
            } else {
                delay + jitter
            };
        }
        let mut arrival = from + delay;
        if !self.profile.jitter_reorders {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        arrival
    }
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
