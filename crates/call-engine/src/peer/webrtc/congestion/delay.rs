//! Finds queues on the path from how the spacing of packets changes on the way.
//!
//! Two looks at the same thing: the trend of one-way delay (libwebrtc's trendline filter with its gain and count
//! scaling, and the adaptive threshold of draft-ietf-rmcat-gcc-02, section 5.4), which sees a queue grow, and delay
//! above the smallest of late, which sees one stand. Clocks of the two ends need not agree. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that left within this time of the first are one group: a picture, or a slice of one.
const GROUP_SPAN: Duration = Duration::from_millis(5);
/// Groups the trend is fitted to.
const WINDOW_GROUPS: usize = 20;
/// Fewer say nothing.
const WINDOW_MIN_GROUPS: usize = 8;
/// Weight of history in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// Scales the trend, a slope, to the threshold, milliseconds.
const TREND_GAIN: f64 = 4.0;
/// Groups after which the trend counts in full.
const FULL_COUNT: u32 = 60;
const THRESHOLD_START_MS: f64 = 12.5;
const THRESHOLD_RANGE_MS: (f64, f64) = (6.0, 600.0);
/// A trend further above the threshold than this is a leap of the path and does not move it.
const THRESHOLD_OUTLIER_MS: f64 = 15.0;
/// The threshold rises and falls towards the trend at these parts a millisecond.
const THRESHOLD_RISE: f64 = 0.0087;
const THRESHOLD_FALL: f64 = 0.039;
/// How long a trend has to be above the threshold.
const OVERUSE_AFTER: Duration = Duration::from_millis(10);
/// The smallest delay is remembered for one to two of these: long, or a queue that never empties becomes the measure.
const BASE_EPOCH: Duration = Duration::from_secs(30);

/// What the trend says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    Normal,
    /// A queue is growing.
    Over,
    /// A queue is draining.
    Under,
}

/// Packets that left together; times in milliseconds on either end's clock.
#[derive(Clone, Copy, Debug)]
struct Group {
    first_departure: f64,
    last_departure: f64,
    last_arrival: f64,
}

/// The detector.
#[derive(Debug)]
pub(super) struct DelayDetector {
    epoch: Option<Instant>,
    current: Option<Group>,
    previous: Option<Group>,
    accumulated_ms: f64,
    smoothed_ms: f64,
    points: VecDeque<(f64, f64)>,
    groups: u32,
    trend: f64,
    threshold_ms: f64,
    threshold_moved_at: Option<f64>,
    over_since: Option<f64>,
    usage: Usage,
    base: BaseDelay,
}

impl DelayDetector {
    pub(super) fn new() -> Self {
        Self {
            epoch: None,
            current: None,
            previous: None,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            points: VecDeque::with_capacity(WINDOW_GROUPS),
            groups: 0,
            trend: 0.0,
            threshold_ms: THRESHOLD_START_MS,
            threshold_moved_at: None,
            over_since: None,
            usage: Usage::Normal,
            base: BaseDelay::default(),
        }
    }

    /// One packet that arrived, in the order of departure. `arrival` is on the peer's clock.
    pub(super) fn arrived(&mut self, departure: Instant, arrival: Duration) {
        let epoch = *self.epoch.get_or_insert(departure);
        let departure = departure.saturating_duration_since(epoch).as_secs_f64() * 1_000.0;
        let arrival = arrival.as_secs_f64() * 1_000.0;
        self.base.record(departure, arrival - departure);
        let span = GROUP_SPAN.as_secs_f64() * 1_000.0;
        match &mut self.current {
            Some(group) if departure - group.first_departure <= span => {
                group.last_departure = group.last_departure.max(departure);
                group.last_arrival = group.last_arrival.max(arrival);
            }
            current => {
                let finished = current.replace(Group {
                    first_departure: departure,
                    last_departure: departure,
                    last_arrival: arrival,
                });
                if let Some(finished) = finished {
                    self.group_finished(finished);
                }
            }
        }
    }

    fn group_finished(&mut self, group: Group) {
        let Some(before) = self.previous.replace(group) else {
            return;
        };
        let delta = (group.last_arrival - before.last_arrival) - (group.last_departure - before.last_departure);
        self.groups = (self.groups + 1).min(FULL_COUNT);
        self.accumulated_ms += delta;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        if self.points.len() == WINDOW_GROUPS {
            self.points.pop_front();
        }
        self.points.push_back((group.last_arrival, self.smoothed_ms));
        let trend = if self.points.len() >= WINDOW_MIN_GROUPS {
            slope(&self.points).unwrap_or(self.trend)
        } else {
            0.0
        };
        self.judge(trend, group.last_arrival);
    }

    fn judge(&mut self, trend: f64, now_ms: f64) {
        let scaled = f64::from(self.groups) * trend * TREND_GAIN;
        self.usage = if scaled > self.threshold_ms {
            match self.over_since {
                None => {
                    self.over_since = Some(now_ms);
                    Usage::Normal
                }
                Some(since) => {
                    let long = now_ms - since > OVERUSE_AFTER.as_secs_f64() * 1_000.0;
                    if long && trend >= self.trend {
                        Usage::Over
                    } else {
                        Usage::Normal
                    }
                }
            }
        } else {
            self.over_since = None;
            if scaled < -self.threshold_ms {
                Usage::Under
            } else {
                Usage::Normal
            }
        };
        self.trend = trend;
        self.move_threshold(scaled.abs(), now_ms);
    }

    fn move_threshold(&mut self, scaled: f64, now_ms: f64) {
        let elapsed = self
            .threshold_moved_at
            .replace(now_ms)
            .map_or(0.0, |before| (now_ms - before).clamp(0.0, 100.0));
        if scaled > self.threshold_ms + THRESHOLD_OUTLIER_MS {
            return;
        }
        let speed = if scaled < self.threshold_ms {
            THRESHOLD_FALL
        } else {
            THRESHOLD_RISE
        };
        let moved = self.threshold_ms + speed * (scaled - self.threshold_ms) * elapsed;
        self.threshold_ms = moved.clamp(THRESHOLD_RANGE_MS.0, THRESHOLD_RANGE_MS.1);
    }

    /// What the last groups said.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// The shortest wait in the path's queues among the packets since the last call: what stands there.
    pub(super) fn take_standing_queue(&mut self) -> Option<Duration> {
        self.base.take_excess().map(|ms| Duration::from_secs_f64(ms / 1_000.0))
    }
}

/// Slope of the least-squares line.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
    });
    (below > 0.0).then(|| above / below)
}

/// The smallest one-way delay of the last half to whole minute, and how far above it packets are.
#[derive(Debug, Default)]
struct BaseDelay {
    epoch_started: Option<f64>,
    this_epoch: Option<f64>,
    last_epoch: Option<f64>,
    smallest_since_taken: Option<f64>,
}

impl BaseDelay {
    fn record(&mut self, now_ms: f64, delay_ms: f64) {
        let started = *self.epoch_started.get_or_insert(now_ms);
        if now_ms - started > BASE_EPOCH.as_secs_f64() * 1_000.0 {
            self.epoch_started = Some(now_ms);
            self.last_epoch = self.this_epoch.take();
        }
        let smaller = |known: Option<f64>| Some(known.map_or(delay_ms, |known| known.min(delay_ms)));
        self.this_epoch = smaller(self.this_epoch);
        self.smallest_since_taken = smaller(self.smallest_since_taken);
    }

    fn take_excess(&mut self) -> Option<f64> {
        let base = match (self.this_epoch, self.last_epoch) {
            (Some(this), Some(last)) => this.min(last),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return None,
        };
        self.smallest_since_taken
            .take()
            .map(|smallest| (smallest - base).max(0.0))
    }
}

/// How long packets wait on this path without our doing: a radio delays them now and then.
///
/// Mean and mean deviation of the shortest wait of each report. What is above both by far is a queue.
#[derive(Debug, Default)]
pub(super) struct UsualWait {
    reports: f64,
    mean_ms: f64,
    deviation_ms: f64,
}

impl UsualWait {
    /// Forgets in some five seconds.
    const MEMORY_REPORTS: f64 = 100.0;
    /// Deviations above the mean that are still usual.
    const RANGE: f64 = 2.5;
    /// A queue that stands must not become usual: longer waits count as this.
    const LONGEST_MS: f64 = 60.0;

    /// Takes in what [`DelayDetector::take_standing_queue`] gave.
    pub(super) fn record(&mut self, wait: Duration) {
        let wait_ms = (wait.as_secs_f64() * 1_000.0).min(Self::LONGEST_MS);
        self.reports = (self.reports + 1.0).min(Self::MEMORY_REPORTS);
        self.mean_ms += (wait_ms - self.mean_ms) / self.reports;
        self.deviation_ms += ((wait_ms - self.mean_ms).abs() - self.deviation_ms) / self.reports;
    }

    /// Longer than this is not usual.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_secs_f64((self.mean_ms + Self::RANGE * self.deviation_ms).max(0.0) / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups 33 ms apart that each take `extra_ms` longer than the one before.
    fn feed(detector: &mut DelayDetector, start: Instant, groups: u32, extra_ms: f64) -> Vec<Usage> {
        (0..groups)
            .map(|group| {
                let departure = Duration::from_millis(u64::from(group) * 33);
                let delay = Duration::from_secs_f64((50.0 + f64::from(group) * extra_ms) / 1_000.0);
                detector.arrived(start + departure, departure + delay);
                detector.usage()
            })
            .collect()
    }

    #[test]
    fn a_growing_queue_is_overuse_within_half_a_second() {
        let usages = feed(&mut DelayDetector::new(), Instant::now(), 30, 10.0);
        let first = usages.iter().position(|usage| *usage == Usage::Over).unwrap();
        assert!(first <= 15, "only after {first} groups");
    }

    #[test]
    fn a_steady_path_is_normal_whatever_its_delay() {
        let usages = feed(&mut DelayDetector::new(), Instant::now(), 300, 0.0);
        assert!(usages.iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn clock_drift_is_no_queue() {
        // 50 ppm: 1.65 us a group.
        let usages = feed(&mut DelayDetector::new(), Instant::now(), 3_000, 0.001_65);
        assert!(usages.iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn a_standing_queue_is_measured_against_the_smallest_delay() {
        let start = Instant::now();
        let mut detector = DelayDetector::new();
        detector.arrived(start, Duration::from_millis(1_020));
        assert_eq!(detector.take_standing_queue(), Some(Duration::ZERO));
        detector.arrived(start + Duration::from_millis(33), Duration::from_millis(1_033 + 140));
        detector.arrived(start + Duration::from_millis(34), Duration::from_millis(1_034 + 160));
        let queue = detector.take_standing_queue().unwrap();
        assert!((119..=121).contains(&queue.as_millis()), "{queue:?}");
        assert_eq!(detector.take_standing_queue(), None);
    }
}
