//! The estimator against links: a bottleneck with a queue, a delay and seeded losses, in virtual time.

use std::time::{Duration, Instant};

use super::estimator::{Estimator, Fate};

const PACKET_BYTES: usize = 1_200;
const REPORT_EVERY_MS: u64 = 50;
const FRAME_EVERY_MS: u64 = 33;

/// A bottleneck.
#[derive(Clone, Copy)]
struct Link {
    rate_bps: f64,
    one_way_ms: f64,
    queue_limit_ms: f64,
    loss: f64,
    jitter_ms: f64,
    /// Standard deviation of a delay that packets share without overtaking each other, as on a radio.
    sway_ms: f64,
}

const FAST: Link = Link {
    rate_bps: 20e6,
    one_way_ms: 20.0,
    queue_limit_ms: 300.0,
    loss: 0.0,
    jitter_ms: 0.0,
    sway_ms: 0.0,
};

/// One packet on its way: left, arrives unless lost, milliseconds.
struct Sent {
    departure_ms: f64,
    arrival_ms: Option<f64>,
    bytes: usize,
}

/// What one second of a call looked like.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    target_bps: f64,
    worst_queue_ms: f64,
    arrived_bits: f64,
}

/// A sender whose encoder follows the target at once, up to what it needs.
struct Call {
    estimator: Estimator,
    start: Instant,
    link: Link,
    needs_bps: f64,
    /// When the bottleneck has sent all it holds.
    free_at_ms: f64,
    last_arrival_ms: f64,
    sent: Vec<Sent>,
    reported: usize,
    random: u64,
    seconds: Vec<Second>,
}

impl Call {
    fn new(link: Link, seed: u64) -> Self {
        Self {
            estimator: Estimator::new(6e6),
            start: Instant::now(),
            link,
            needs_bps: f64::MAX,
            free_at_ms: 0.0,
            last_arrival_ms: 0.0,
            sent: Vec::new(),
            reported: 0,
            random: seed.wrapping_mul(2).wrapping_add(1),
            seconds: Vec::new(),
        }
    }

    /// Between 0 and 1 (Knuth's MMIX generator).
    fn random(&mut self) -> f64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Mean 0, deviation 1, by the sum of twelve (Irwin and Hall).
    fn gaussian(&mut self) -> f64 {
        (0..12).map(|_| self.random()).sum::<f64>() - 6.0
    }

    fn run(&mut self, seconds: usize) {
        for _ in 0..seconds {
            let begin = self.seconds.len() as u64 * 1_000;
            self.seconds.push(Second::default());
            for ms in begin..begin + 1_000 {
                if ms.is_multiple_of(FRAME_EVERY_MS) {
                    self.send_frame(ms as f64);
                }
                if ms.is_multiple_of(REPORT_EVERY_MS) {
                    self.report(ms as f64);
                }
            }
            let target = self.estimator.target_bps();
            self.second().target_bps = target;
        }
    }

    fn second(&mut self) -> &mut Second {
        self.seconds.last_mut().unwrap()
    }

    fn send_frame(&mut self, now_ms: f64) {
        let bps = self.estimator.target_bps().min(self.needs_bps);
        let mut bytes = bps / 8.0 * FRAME_EVERY_MS as f64 / 1_000.0 * (0.7 + 0.6 * self.random());
        if self.sent.is_empty() {
            // A key frame.
            bytes *= 5.0;
        }
        let pacing = self.estimator.pacing_bps(self.at(now_ms));
        let full = bytes as usize / PACKET_BYTES;
        let sizes = std::iter::repeat_n(PACKET_BYTES, full).chain([bytes as usize % PACKET_BYTES + 1]);
        for (index, bytes) in sizes.enumerate() {
            let departure_ms = now_ms + (index * PACKET_BYTES) as f64 * 8_000.0 / pacing;
            let queue_ms = (self.free_at_ms - departure_ms).max(0.0);
            let lost = queue_ms > self.link.queue_limit_ms || self.random() < self.link.loss;
            let arrival_ms = (!lost).then(|| {
                self.free_at_ms = self.free_at_ms.max(departure_ms) + bytes as f64 * 8_000.0 / self.link.rate_bps;
                let sway = self.gaussian() * self.link.sway_ms;
                let arrival = self.free_at_ms + (self.link.one_way_ms + sway).max(0.0);
                self.last_arrival_ms = self.last_arrival_ms.max(arrival);
                let in_order = if self.link.sway_ms > 0.0 {
                    self.last_arrival_ms
                } else {
                    arrival
                };
                in_order + self.random() * self.link.jitter_ms
            });
            let second = self.second();
            second.worst_queue_ms = second.worst_queue_ms.max(queue_ms);
            second.arrived_bits += if lost { 0.0 } else { bytes as f64 * 8.0 };
            self.sent.push(Sent {
                departure_ms,
                arrival_ms,
                bytes,
            });
        }
    }

    fn at(&self, ms: f64) -> Instant {
        self.start + Duration::from_secs_f64(ms / 1_000.0)
    }

    /// The peer's report of what had arrived one way ago reaches us.
    fn report(&mut self, now_ms: f64) {
        let seen_until = now_ms - self.link.one_way_ms;
        let rest = &self.sent[self.reported..];
        let Some(last) = rest
            .iter()
            .rposition(|sent| sent.arrival_ms.is_some_and(|at| at <= seen_until))
        else {
            return;
        };
        let fates: Vec<Fate> = rest[..=last]
            .iter()
            .map(|sent| Fate {
                departure: self.at(sent.departure_ms),
                // The peer's clock is some hours ahead.
                arrival: sent
                    .arrival_ms
                    .map(|at| Duration::from_secs_f64(9_000.0 + at / 1_000.0)),
                lost: sent.arrival_ms.is_none(),
                bytes: sent.bytes,
            })
            .collect();
        self.reported += last + 1;
        self.estimator.on_reports(self.at(now_ms), fates);
    }

    fn worst_queue_ms(&self, from: usize) -> f64 {
        self.seconds[from..]
            .iter()
            .map(|second| second.worst_queue_ms)
            .fold(0.0, f64::max)
    }

    fn mean_bps(&self, from: usize) -> f64 {
        let bits: f64 = self.seconds[from..].iter().map(|second| second.arrived_bits).sum();
        bits / (self.seconds.len() - from) as f64
    }

    fn lowest_target(&self, from: usize) -> f64 {
        self.seconds[from..]
            .iter()
            .map(|second| second.target_bps)
            .fold(f64::MAX, f64::min)
    }
}

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

#[test]
fn a_slow_link_is_used_and_its_queue_stays_short() {
    for seed in SEEDS {
        let mut call = Call::new(
            Link {
                rate_bps: 600e3,
                ..FAST
            },
            seed,
        );
        call.run(60);
        let queue = call.worst_queue_ms(5);
        assert!(queue < 120.0, "seed {seed}: {queue} ms of queue: {:#?}", call.seconds);
        let used = call.mean_bps(5) / 600e3;
        assert!(used > 0.7, "seed {seed}: used {used}: {:#?}", call.seconds);
    }
}

#[test]
fn a_clean_fast_link_reaches_the_maximum_within_three_seconds() {
    for seed in SEEDS {
        let mut call = Call::new(FAST, seed);
        call.run(60);
        assert!(
            call.seconds[2].target_bps >= 5.9e6,
            "seed {seed}: {:#?}",
            &call.seconds[..5]
        );
        assert!(call.lowest_target(3) >= 5.9e6, "seed {seed}");
    }
}

#[test]
fn a_fast_link_is_known_at_once_and_a_slow_one_is_not_flooded() {
    for seed in SEEDS {
        let mut fast = Call::new(FAST, seed);
        fast.run(1);
        assert!(fast.seconds[0].target_bps >= 2.3e6, "seed {seed}: {:#?}", fast.seconds);
        for rate_bps in [250e3, 500e3, 1e6] {
            let mut slow = Call::new(Link { rate_bps, ..FAST }, seed);
            slow.run(5);
            assert!(slow.worst_queue_ms(1) < 200.0, "seed {seed}: {:#?}", slow.seconds);
        }
    }
}

#[test]
fn a_link_that_becomes_fast_again_is_used_within_seconds() {
    for seed in SEEDS {
        let mut call = Call::new(Link { rate_bps: 3e6, ..FAST }, seed);
        call.needs_bps = 2.5e6;
        call.run(10);
        call.link.rate_bps = 500e3;
        call.run(20);
        call.link.rate_bps = 3e6;
        call.run(10);
        assert!(call.lowest_target(34) >= 2e6, "seed {seed}: {:#?}", call.seconds);
    }
}

#[test]
fn random_loss_of_five_percent_does_not_starve_the_call() {
    for seed in SEEDS {
        let mut call = Call::new(Link { loss: 0.05, ..FAST }, seed);
        call.run(60);
        assert!(call.lowest_target(3) >= 0.6 * 6e6, "seed {seed}: {:#?}", call.seconds);
    }
}

#[test]
fn jitter_is_not_mistaken_for_a_queue() {
    for seed in SEEDS {
        let mut call = Call::new(
            Link {
                jitter_ms: 15.0,
                ..FAST
            },
            seed,
        );
        call.run(60);
        assert!(call.mean_bps(5) >= 0.6 * 6e6, "seed {seed}: {:#?}", call.seconds);
    }
}

#[test]
fn a_swaying_delay_is_not_mistaken_for_a_queue() {
    for seed in SEEDS {
        let mut call = Call::new(
            Link {
                one_way_ms: 50.0,
                sway_ms: 30.0,
                ..FAST
            },
            seed,
        );
        call.needs_bps = 2.5e6;
        call.run(60);
        assert!(call.lowest_target(5) >= 0.8e6, "seed {seed}: {:#?}", call.seconds);
        assert!(call.mean_bps(5) >= 1.5e6, "seed {seed}: {:#?}", call.seconds);
    }
}

#[test]
fn an_encoder_that_needs_little_keeps_its_target() {
    for seed in SEEDS {
        let mut call = Call::new(FAST, seed);
        call.needs_bps = 300e3;
        call.run(30);
        // A key frame has shown that there is room; what is not used stays.
        assert!(call.lowest_target(0) >= 2.2e6, "seed {seed}: {:#?}", call.seconds);
    }
}

#[test]
fn a_link_that_becomes_slow_is_followed_within_two_seconds_and_used_again_when_it_recovers() {
    for seed in SEEDS {
        let mut call = Call::new(FAST, seed);
        call.run(10);
        call.link.rate_bps = 1e6;
        call.run(20);
        let queue = call.worst_queue_ms(13);
        assert!(queue < 220.0, "seed {seed}: {queue} ms of queue: {:#?}", call.seconds);
        assert!(call.mean_bps(13) > 0.65e6, "seed {seed}: {:#?}", call.seconds);
        call.link.rate_bps = 20e6;
        call.run(40);
        assert!(call.lowest_target(65) > 3e6, "seed {seed}: {:#?}", call.seconds);
    }
}

#[test]
fn loss_that_no_fall_cures_does_not_starve_the_call() {
    for (loss, seed) in [0.1, 0.2, 0.3]
        .into_iter()
        .flat_map(|loss| SEEDS.map(|seed| (loss, seed)))
    {
        let mut call = Call::new(Link { loss, ..FAST }, seed);
        call.run(60);
        let mean = call.seconds[5..].iter().map(|second| second.target_bps).sum::<f64>() / 55.0;
        assert!(mean >= 2e6, "loss {loss}, seed {seed}: {mean}: {:#?}", call.seconds);
        assert!(
            call.lowest_target(10) >= 1e6,
            "loss {loss}, seed {seed}: {:#?}",
            call.seconds
        );
    }
}

#[test]
fn a_full_link_without_a_queue_is_found_by_its_losses() {
    for seed in SEEDS {
        let mut call = Call::new(
            Link {
                rate_bps: 1e6,
                queue_limit_ms: 12.0,
                ..FAST
            },
            seed,
        );
        call.run(60);
        let mean = call.seconds[5..].iter().map(|second| second.target_bps).sum::<f64>() / 55.0;
        assert!(mean <= 1.3e6, "seed {seed}: {mean}: {:#?}", call.seconds);
        assert!(call.mean_bps(5) > 0.6e6, "seed {seed}: {:#?}", call.seconds);
    }
}

#[test]
fn losses_alone_do_not_take_the_room_for_repairs_and_a_queue_does() {
    for seed in SEEDS {
        let mut lossy = Call::new(Link { loss: 0.3, ..FAST }, seed);
        lossy.run(20);
        let (now, target) = (lossy.at(20_000.0), lossy.estimator.target_bps());
        assert!(lossy.estimator.room_bps(now) >= 500e3, "seed {seed}: {target}");
        let mut narrow = Call::new(
            Link {
                rate_bps: 150e3,
                ..FAST
            },
            seed,
        );
        narrow.run(20);
        let (now, target) = (narrow.at(20_000.0), narrow.estimator.target_bps());
        let room = narrow.estimator.room_bps(now);
        assert!(room == target && target < 200e3, "seed {seed}: {room} and {target}");
    }
}

#[test]
fn a_collapse_of_the_rate_is_followed_and_not_overdone() {
    for seed in SEEDS {
        let mut call = Call::new(Link { rate_bps: 3e6, ..FAST }, seed);
        call.needs_bps = 2.5e6;
        call.run(10);
        call.link.rate_bps = 500e3;
        call.run(10);
        assert!(call.lowest_target(10) >= 200e3, "seed {seed}: {:#?}", call.seconds);
        assert!(call.worst_queue_ms(12) < 200.0, "seed {seed}: {:#?}", call.seconds);
        assert!(call.mean_bps(11) > 350e3, "seed {seed}: {:#?}", call.seconds);
    }
}
