//! What a rate that drops and comes back does to a call, from what was seen of it. Pure.

use std::time::Duration;

use super::figures::{Figure, Figures};

/// Where the audio and the freezes after a drop are counted.
const SHOCK: Duration = Duration::from_secs(5);
/// What counts as being over something: a second without it.
const CALM: Duration = Duration::from_secs(1);
/// Before the drop, for the rate that should come back.
const STEADY: Duration = Duration::from_secs(5);
/// As in reports.
const FREEZE: Duration = Duration::from_millis(150);

/// A picture, by the time it was shown since the first one, and its latency; none when its stamp could not be read.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub at: Duration,
    pub latency: Option<Duration>,
}

/// Bytes that have come through the link, at a time since the first picture.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    pub at: Duration,
    pub bytes: u64,
}

/// Share of all sound so far that was made up, at a time since the first picture.
#[derive(Clone, Copy, Debug)]
pub struct Concealed {
    pub at: Duration,
    pub ratio: f64,
}

/// All that was seen of a call; times since the first picture.
#[derive(Debug)]
pub struct Course {
    pub shown: Vec<Shown>,
    pub passed: Vec<Passed>,
    pub concealed: Vec<Concealed>,
    pub drop: Duration,
    pub back: Duration,
}

impl Course {
    /// What can be said of it.
    pub fn figures(&self) -> Figures {
        let longest = self.gaps_until(self.back).into_iter().max().unwrap_or_default();
        let shock = self.gaps_until(self.drop + SHOCK);
        let freezes = shock.into_iter().filter(|gap| *gap > FREEZE).count();
        let highest = self
            .between(self.drop, self.back)
            .iter()
            .filter_map(|shown| shown.latency)
            .max();
        let ms = |span: Duration| span.as_secs_f64() * 1e3;
        let found = [
            (Figure::DropGap, Some(ms(longest))),
            (Figure::DropFreezes, Some(freezes as f64)),
            (Figure::DropLatency, highest.map(ms)),
            (Figure::DropUnder400, Some(self.calm_after(Duration::from_millis(400)))),
            (Figure::DropUnder150, Some(self.calm_after(Duration::from_millis(150)))),
            (Figure::DropConcealed, self.shock_concealed().map(|share| share * 100.0)),
            (Figure::BackAfter, self.back_after()),
        ];
        found
            .into_iter()
            .filter_map(|(figure, value)| Some((figure, value?)))
            .collect()
    }

    fn between(&self, from: Duration, to: Duration) -> Vec<Shown> {
        let shown = self.shown.iter().filter(|shown| (from..to).contains(&shown.at));
        shown.copied().collect()
    }

    /// Between pictures from the drop on; the first is counted from the drop, the last to the end.
    fn gaps_until(&self, end: Duration) -> Vec<Duration> {
        let mut times = vec![self.drop];
        times.extend(self.between(self.drop, end).iter().map(|shown| shown.at));
        times.push(end);
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Seconds from the drop until latency stays under a limit for a second; infinite when it never does.
    fn calm_after(&self, limit: Duration) -> f64 {
        let during = self.between(self.drop, self.back);
        let Some(first_bad) = during.iter().position(|shown| shown.latency >= Some(limit)) else {
            return 0.0;
        };
        let calm_from = |index: usize| {
            let start = during[index].at;
            let window = during[index..].iter().take_while(|shown| shown.at < start + CALM);
            start + CALM <= self.back
                && window.clone().count() > 4
                && window.clone().all(|shown| shown.latency < Some(limit))
        };
        let calm = (first_bad..during.len()).find(|index| calm_from(*index));
        calm.map_or(f64::INFINITY, |index| (during[index].at - self.drop).as_secs_f64())
    }

    /// Share of the sound of the first seconds of the drop that was made up.
    fn shock_concealed(&self) -> Option<f64> {
        let before = self.concealed_until(self.drop)?;
        let after = self.concealed_until(self.drop + SHOCK)?;
        Some(((after - before) / SHOCK.as_secs_f64()).max(0.0))
    }

    /// Seconds of sound made up until then. Sound begins about when pictures do.
    fn concealed_until(&self, time: Duration) -> Option<f64> {
        let seconds = |known: &Concealed| known.ratio * known.at.as_secs_f64();
        let after = self.concealed.iter().position(|known| known.at > time)?;
        let (from, to) = (self.concealed.get(after.checked_sub(1)?)?, &self.concealed[after]);
        let part = (time - from.at).as_secs_f64() / (to.at - from.at).as_secs_f64();
        Some(seconds(from) + (seconds(to) - seconds(from)) * part)
    }

    /// Bytes a second between two times.
    fn rate(&self, from: Duration, to: Duration) -> Option<f64> {
        let at = |time: Duration| self.passed.iter().rfind(|passed| passed.at <= time);
        let (from, to) = (at(from)?, at(to)?);
        (to.at > from.at).then(|| (to.bytes - from.bytes) as f64 / (to.at - from.at).as_secs_f64())
    }

    /// Seconds from the return until a second has 80 % of the rate before the drop.
    fn back_after(&self) -> Option<f64> {
        let before = self.rate(self.drop.checked_sub(STEADY)?, self.drop)?;
        let is_back = |passed: &&Passed| {
            passed.at >= self.back + CALM && self.rate(passed.at - CALM, passed.at) >= Some(0.8 * before)
        };
        let back = self.passed.iter().find(is_back);
        Some(back.map_or(f64::INFINITY, |passed| (passed.at - self.back).as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// 30 pictures a second for a minute with the latency of their time, but for those in a gap.
    fn course(latency_ms: impl Fn(u32) -> u32, gap_ms: std::ops::Range<u32>, rate: impl Fn(u32) -> u64) -> Course {
        let times = (0..1800_u32)
            .map(|number| number * 100 / 3)
            .filter(|at| !gap_ms.contains(at));
        let shown = times.map(|at| Shown {
            at: MS * at,
            latency: Some(MS * latency_ms(at)),
        });
        let mut bytes = 0;
        let passed = (0..300_u32).map(|number| {
            bytes += rate(number * 200) / 5;
            Passed {
                at: MS * number * 200,
                bytes,
            }
        });
        // A tenth of everything from the drop on.
        let concealed = (1..60_u32).map(|second| Concealed {
            at: MS * second * 1000,
            ratio: 0.1 * f64::from(second.saturating_sub(15)) / f64::from(second),
        });
        Course {
            shown: shown.collect(),
            passed: passed.collect(),
            concealed: concealed.collect(),
            drop: MS * 15_000,
            back: MS * 35_000,
        }
    }

    fn steady(_: u32) -> u32 {
        40
    }

    #[test]
    fn a_drop_that_nobody_notices_costs_nothing() {
        let figures = course(steady, 0..0, |_| 300_000).figures();
        assert!(figures[&Figure::DropGap] < 40.0, "{figures:?}");
        assert_eq!(figures[&Figure::DropFreezes], 0.0);
        assert_eq!(
            (figures[&Figure::DropUnder400], figures[&Figure::DropUnder150]),
            (0.0, 0.0)
        );
        assert!((figures[&Figure::DropConcealed] - 10.0).abs() < 0.01, "{figures:?}");
        assert!((1.0..1.3).contains(&figures[&Figure::BackAfter]), "{figures:?}");
    }

    #[test]
    fn latency_counts_as_settled_from_where_it_stays() {
        // Rises 2 s after the drop, dips, falls under 400 ms after 6 s and under 150 ms after 12 s.
        let latency = |at| match at {
            17_000..18_000 | 18_500..21_000 => 1_000,
            21_000..27_000 => 300,
            _ => 40,
        };
        let figures = course(latency, 0..0, |_| 300_000).figures();
        assert_eq!(figures[&Figure::DropLatency], 1000.0);
        assert!((figures[&Figure::DropUnder400] - 6.0).abs() < 0.1, "{figures:?}");
        assert!((figures[&Figure::DropUnder150] - 12.0).abs() < 0.1, "{figures:?}");
        let never = course(|at| if at > 15_000 { 500 } else { 40 }, 0..0, |_| 300_000).figures();
        assert_eq!(never[&Figure::DropUnder400], f64::INFINITY);
    }

    #[test]
    fn a_gap_is_seen_from_the_drop_on() {
        let figures = course(steady, 14_990..17_000, |_| 300_000).figures();
        assert!((figures[&Figure::DropGap] - 2000.0).abs() < 40.0, "{figures:?}");
        assert_eq!(figures[&Figure::DropFreezes], 1.0);
        // Nothing at all until the rate is back.
        let figures = course(steady, 14_990..40_000, |_| 300_000).figures();
        assert_eq!(figures[&Figure::DropGap], 20_000.0);
    }

    #[test]
    fn the_rate_is_back_when_a_second_has_most_of_it() {
        let rate = |at| match at {
            15_000..39_000 => 60_000,
            _ => 300_000,
        };
        let figures = course(steady, 0..0, rate).figures();
        assert!((4.5..5.3).contains(&figures[&Figure::BackAfter]), "{figures:?}");
        let never = course(steady, 0..0, |at| if at < 15_000 { 300_000 } else { 60_000 }).figures();
        assert_eq!(never[&Figure::BackAfter], f64::INFINITY);
    }
}
