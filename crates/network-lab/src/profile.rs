//! What one direction of a link does to its packets, and the words that say so.

use std::time::Duration;

use crate::error::LabError;

/// Queues that nobody described drop what would wait longer than this.
const DEFAULT_QUEUE: Duration = Duration::from_millis(200);

/// Names for links people know: what each stands for.
const PRESETS: [(&str, &str); 9] = [
    ("none", ""),
    ("lan", "delay=0.3ms,rate=1gbit"),
    ("fiber", "delay=4ms,jitter=0.3ms,rate=100mbit,queue=50ms"),
    ("dsl", "delay=15ms,jitter=1ms,rate=6mbit,queue=250ms"),
    (
        "wifi",
        "delay=5ms,jitter=4ms,jcorr=0.7,burst=0.5%:3,rate=30mbit,queue=150ms",
    ),
    (
        "badwifi",
        "delay=15ms,jitter=15ms,jcorr=0.8,burst=5%:6,rate=3mbit,queue=300ms",
    ),
    (
        "lte",
        "delay=25ms,jitter=6ms,jcorr=0.6,burst=0.3%:2,rate=8mbit,queue=400ms",
    ),
    (
        "edge",
        "delay=150ms,jitter=40ms,jcorr=0.8,loss=2%,rate=200kbit,queue=1000ms",
    ),
    ("satellite", "delay=280ms,jitter=8ms,loss=0.5%,rate=5mbit,queue=500ms"),
];

/// What one direction of a link does. The default does nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `delay=40ms`: of every packet.
    pub delay: Duration,
    /// `jitter=10ms`: standard deviation of the delay. Packets keep their order unless `jitter_reorders`.
    pub jitter: Duration,
    /// `jcorr=0.7`: how much a packet's jitter takes after that of the packet before, 0 to 1.
    pub jitter_correlation: f64,
    /// `jreorder=on`: a packet with less jitter overtakes.
    pub jitter_reorders: bool,
    /// `loss=5%`: of packets, each on its own, 0 to 1.
    pub loss: f64,
    /// `burst=4%:8` or `ge=1%:25%:90%`: losses that come together.
    pub bursts: Option<Bursts>,
    /// `rate=1mbit`: bits a second; none is without limit.
    pub rate_bps: Option<f64>,
    /// `queue=300ms`: a packet that would wait longer for its turn is dropped.
    pub queue: Duration,
    /// `dup=1%`: share of packets that arrive twice, 0 to 1.
    pub duplicates: f64,
    /// `reorder=1%`: share of packets that skip the delay, 0 to 1.
    pub reorders: f64,
    /// `mtu=1280`: longer packets vanish without a word.
    pub mtu: Option<usize>,
    /// `cut=on`: everything vanishes, and the interfaces stay up.
    pub cut: bool,
}

/// Gilbert and Elliott's model: a good state that loses nothing and a bad one that does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// Chance that a packet turns good into bad, 0 to 1.
    pub begin: f64,
    /// Chance that a packet turns bad into good, 0 to 1.
    pub end: f64,
    /// Loss while bad, 0 to 1.
    pub loss: f64,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            jitter_correlation: 0.0,
            jitter_reorders: false,
            loss: 0.0,
            bursts: None,
            rate_bps: None,
            queue: DEFAULT_QUEUE,
            duplicates: 0.0,
            reorders: 0.0,
            mtu: None,
            cut: false,
        }
    }
}

impl Profile {
    /// Reads `delay=80ms,loss=2%`, or the name of a preset, or a preset and what differs from it.
    ///
    /// # Errors
    /// At a word that is no preset, a key that does not exist, a value that cannot be.
    pub fn parse(text: &str) -> Result<Self, LabError> {
        Self::default().changed(text)
    }

    /// The same with some things changed; a preset starts afresh.
    ///
    /// # Errors
    /// Like [`Profile::parse`].
    pub fn changed(&self, text: &str) -> Result<Self, LabError> {
        let mut profile = self.clone();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item.split_once('=') {
                Some((key, value)) => profile
                    .set(key, value)
                    .ok_or_else(|| LabError::Profile(format!("no link can have {item}")))?,
                None => {
                    let preset = PRESETS.iter().find(|(name, _)| *name == item);
                    let (_, words) = preset.ok_or_else(|| LabError::Profile(format!("no kind of link is {item}")))?;
                    profile = Self::parse(words)?;
                }
            }
        }
        Ok(profile)
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "delay" => self.delay = time(value)?,
            "jitter" => self.jitter = time(value)?,
            "jcorr" => self.jitter_correlation = share(value)?.min(0.999),
            "jreorder" => self.jitter_reorders = switch(value)?,
            "loss" => self.loss = share(value)?,
            "burst" => self.bursts = unless_off(value, bursts_of_length)?,
            "ge" => self.bursts = unless_off(value, bursts_of_chances)?,
            "rate" => self.rate_bps = unless_off(value, rate)?,
            "queue" => self.queue = time(value)?,
            "dup" => self.duplicates = share(value)?,
            "reorder" => self.reorders = share(value)?,
            "mtu" => self.mtu = unless_off(value, |value| value.parse().ok())?,
            "cut" => self.cut = switch(value)?,
            _ => return None,
        }
        Some(())
    }
}

/// A number in one of these units.
fn number(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let (_, factor) = units.iter().find(|(unit, _)| *unit == &text[digits.len()..])?;
    let value = digits.parse::<f64>().ok()? * factor;
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// At most an hour, so that sums of times are never too large.
fn time(text: &str) -> Option<Duration> {
    let seconds = number(text, &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0)])?;
    (seconds <= 3600.0).then(|| Duration::from_secs_f64(seconds))
}

/// At least 1 kbit/s, so that no packet takes for ever.
fn rate(text: &str) -> Option<f64> {
    let bps = number(text, &[("bit", 1.0), ("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9)])?;
    (bps >= 1000.0).then_some(bps)
}

/// `2%` or `0.02`.
fn share(text: &str) -> Option<f64> {
    number(text, &[("", 1.0), ("%", 0.01)]).filter(|share| *share <= 1.0)
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn unless_off<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text == "off" {
        Some(None)
    } else {
        read(text).map(Some)
    }
}

/// `4%:8`: lost on the whole, and how many in a row on average.
fn bursts_of_length(text: &str) -> Option<Bursts> {
    let (loss, length) = text.split_once(':')?;
    let (loss, length) = (share(loss)?, number(length, &[("", 1.0)])?);
    let end = 1.0 / length;
    // As many packets begin a burst as end one.
    let begin = end * loss / (1.0 - loss);
    (length >= 1.0 && begin <= 1.0).then_some(Bursts { begin, end, loss: 1.0 })
}

/// `1%:25%` or `1%:25%:90%`: the chances to begin and to end, and the loss meanwhile.
fn bursts_of_chances(text: &str) -> Option<Bursts> {
    let shares: Option<Vec<f64>> = text.split(':').map(share).collect();
    match shares?[..] {
        [begin, end] => Some(Bursts { begin, end, loss: 1.0 }),
        [begin, end, loss] => Some(Bursts { begin, end, loss }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_read() {
        for (name, _) in PRESETS {
            assert!(Profile::parse(name).is_ok(), "{name}");
        }
        assert_eq!(Profile::parse("none").expect("a preset"), Profile::default());
    }

    #[test]
    fn words_change_what_they_name_and_a_preset_starts_afresh() {
        let profile = Profile::parse("dsl,delay=80ms,loss=2%").expect("read");
        assert_eq!(profile.delay, Duration::from_millis(80));
        assert_eq!((profile.loss, profile.rate_bps), (0.02, Some(6e6)));
        let slower = profile.changed("rate=250kbit,queue=0.3s").expect("read");
        assert_eq!(
            (slower.rate_bps, slower.queue, slower.loss),
            (Some(250e3), Duration::from_millis(300), 0.02)
        );
        assert_eq!(slower.changed("rate=off").expect("read").rate_bps, None);
        assert_eq!(slower.changed("none").expect("read"), Profile::default());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bad in [
            "delay=",
            "delay=5",
            "delay=-1ms",
            "delay=2h",
            "loss=101%",
            "rate=2mbps",
            "rate=0bit",
            "nothing",
            "x=1",
            "burst=5%",
            "burst=50%:0.5",
            "ge=1%",
            "cut=yes",
            "mtu=-1",
            "delay=NaNms",
        ] {
            assert!(Profile::parse(&format!("delay=1ms,{bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn bursts_are_told_by_length_or_by_chances() {
        let bursts = Profile::parse("burst=20%:4").expect("read").bursts.expect("some");
        assert_eq!((bursts.begin, bursts.end, bursts.loss), (0.0625, 0.25, 1.0));
        let bursts = Profile::parse("ge=1%:25%:90%").expect("read").bursts.expect("some");
        assert_eq!((bursts.begin, bursts.end, bursts.loss), (0.01, 0.25, 0.9));
        assert_eq!(Profile::parse("burst=4%:8,burst=off").expect("read").bursts, None);
    }
}
