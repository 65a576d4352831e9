//! What packets that leave close together show of the path's capacity: each picture is a small probe.
//!
//! The pacer sends a picture's packets faster than the target. Where they arrive as close together as they left, the path
//! carries that rate; where they are spread, it carries the rate they are spread to (packet dispersion, Dovrolis et al.
//! 2001). Costs nothing, and shows a path that became wide without filling it first. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that left further apart are not neighbours.
const LARGEST_GAP: Duration = Duration::from_millis(12);
/// Smaller packets are sound: they leave when they are ready.
const LEAST_BYTES: usize = 250;
/// Pairs are looked at for this long …
const WINDOW: Duration = Duration::from_millis(600);
/// … and at most so many.
const PAIRS_LIMIT: usize = 64;
/// Pairs that tell something.
const LEAST_PAIRS: usize = 4;

/// What the neighbours of late have shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    /// How fast they left, bit/s.
    pub(super) departing_bps: f64,
    /// How fast they arrived, bit/s.
    pub(super) arriving_bps: f64,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    seen_at: Instant,
    bits: f64,
    departure_gap_s: f64,
    arrival_gap_s: f64,
}

/// The neighbours.
#[derive(Debug, Default)]
pub(super) struct Trains {
    before: Option<(Instant, Duration)>,
    pairs: VecDeque<Pair>,
}

impl Trains {
    /// One packet, in the order of departure; `arrival` is `None` when it was lost.
    pub(super) fn record(&mut self, now: Instant, departure: Instant, arrival: Option<Duration>, bytes: usize) {
        let Some(arrival) = arrival else {
            self.before = None;
            return;
        };
        let before = self.before.replace((departure, arrival));
        while self.pairs.len() >= PAIRS_LIMIT || self.is_front_old(now) {
            self.pairs.pop_front();
        }
        let Some((departure_before, arrival_before)) = before else {
            return;
        };
        let gap = departure.saturating_duration_since(departure_before);
        if bytes < LEAST_BYTES || gap > LARGEST_GAP {
            return;
        }
        self.pairs.push_back(Pair {
            seen_at: now,
            bits: bytes as f64 * 8.0,
            departure_gap_s: gap.as_secs_f64(),
            arrival_gap_s: arrival.saturating_sub(arrival_before).as_secs_f64(),
        });
    }

    fn is_front_old(&self, now: Instant) -> bool {
        self.pairs
            .front()
            .is_some_and(|pair| now.saturating_duration_since(pair.seen_at) > WINDOW)
    }

    /// Forgets: what was shown before is of another path.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    /// `None` while there are too few.
    pub(super) fn shown(&self) -> Option<Shown> {
        if self.pairs.len() < LEAST_PAIRS {
            return None;
        }
        let sum = |of: fn(&Pair) -> f64| self.pairs.iter().map(of).sum::<f64>();
        let bits = sum(|pair| pair.bits);
        let rate = |gap: f64| bits / gap.max(1e-6);
        Some(Shown {
            departing_bps: rate(sum(|pair| pair.departure_gap_s)),
            arriving_bps: rate(sum(|pair| pair.arrival_gap_s)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 1,200 bytes that leave 1 ms apart and arrive so far apart.
    fn shown(arrival_gap_us: u64) -> Option<Shown> {
        let (mut trains, start) = (Trains::default(), Instant::now());
        for packet in 0..10 {
            let departure = start + Duration::from_millis(packet);
            let arrival = Duration::from_micros(1_000_000 + packet * arrival_gap_us);
            trains.record(start, departure, Some(arrival), 1_200);
        }
        trains.shown()
    }

    #[test]
    fn a_narrow_path_shows_its_rate_and_a_wide_one_that_of_the_sender() {
        let narrow = shown(9_600).expect("enough packets");
        assert!((narrow.departing_bps - 9.6e6).abs() < 1.0);
        assert!((narrow.arriving_bps - 1e6).abs() < 1.0);
        let wide = shown(1_000).expect("enough packets");
        assert!((wide.arriving_bps - 9.6e6).abs() < 1.0);
    }

    #[test]
    fn sound_losses_and_single_packets_show_nothing() {
        let (mut trains, start) = (Trains::default(), Instant::now());
        for packet in 0..100 {
            let at = start + Duration::from_millis(packet * 20);
            trains.record(at, at, Some(Duration::from_millis(packet * 20)), 1_200);
            trains.record(at, at, Some(Duration::from_millis(packet * 20)), 100);
            trains.record(at, at, None, 1_200);
        }
        assert_eq!(trains.shown(), None);
    }

    #[test]
    fn what_was_shown_is_forgotten() {
        let (mut trains, start) = (Trains::default(), Instant::now());
        for packet in 0..200 {
            trains.record(start, start, Some(Duration::from_millis(packet)), 1_200);
        }
        assert_eq!(trains.pairs.len(), PAIRS_LIMIT);
        let later = start + Duration::from_secs(2);
        trains.record(later, later, Some(Duration::from_secs(9)), 1_200);
        assert_eq!(trains.shown(), None);
    }
}
