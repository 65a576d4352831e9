//! Which picture size and rate a bitrate is worth: fewer, better pixels when there are few bits.
//!
//! Pure: bitrate, source and time in, a [`Rung`] out. Going down is quick, going up takes a while of plenty, because
//! each change of size costs a key frame.

use std::time::{Duration, Instant};

use crate::frame::VideoKind;

/// Short sides of the pictures we send, in pixels, besides the source's own.
const SHORT_SIDES: [usize; 8] = [2_160, 1_440, 1_080, 720, 540, 360, 270, 180];
/// What 1280x720 needs, in bits a second, to look better than an enlarged 960x540.
const HD_BITRATE_BPS: f64 = 900_000.0;
const HD_PIXELS: f64 = 1280.0 * 720.0;
/// Larger pictures need fewer bits a pixel.
const BITS_EXPONENT: f64 = 0.9;
/// A size is kept until the bitrate falls below this part of what the size needs.
const KEEP_RATIO: f64 = 0.75;
/// How long the bitrate has to suffice before a larger size is tried.
const UP_AFTER: Duration = Duration::from_secs(3);
/// After the first picture and after a collapse the bitrate is being found out: so long a larger size is tried at once.
const FINDING: Duration = Duration::from_millis(1_500);
/// How long the bitrate may be short, where it is not short by half.
const DOWN_AFTER: Duration = Duration::from_millis(500);
/// Text of less than this is not readable: below it the screen is sent smaller all the same.
const SCREEN_LEAST_BITRATE_BPS: u32 = 120_000;
/// Rates of a shared screen by bitrate: sharp first, smooth second.
const SCREEN_RATES: [(u32, f32); 4] = [(1_200_000, 30.0), (600_000, 15.0), (250_000, 10.0), (0, 5.0)];
/// Rates of a camera by bitrate: smooth as long as there is anything to see.
const CAMERA_RATES: [(u32, f32); 3] = [(100_000, 60.0), (60_000, 15.0), (0, 8.0)];

/// What keeps the picture from being as good as its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitedBy {
    /// Nothing.
    #[default]
    None,
    /// The bitrate.
    Bandwidth,
    /// Encoding takes longer than the pictures are apart.
    Cpu,
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// Pixels, even.
    pub width: usize,
    /// Pixels, even.
    pub height: usize,
    /// At most this many pictures a second.
    pub max_fps: f32,
    /// Why it is not more.
    pub limited_by: LimitedBy,
}

/// What comes in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source {
    /// Pixels, even.
    pub width: usize,
    /// Pixels, even.
    pub height: usize,
    /// Pictures a second.
    pub fps: f32,
}

/// Decides on sizes for one stream.
#[derive(Debug)]
pub struct Ladder {
    kind: VideoKind,
    /// Index into the source's sizes, largest first; `None` before the first picture and after the source changed.
    size: Option<usize>,
    /// What the source can be sent in, largest first: its own size in front.
    sizes: Vec<(usize, usize)>,
    /// Sizes with a lower index are too much for the processor.
    cpu_floor: usize,
    /// Since when another size would have been right, and which way.
    pending: Option<(Direction, Instant)>,
    /// See [`FINDING`].
    finding_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Down,
    Up,
}

impl Ladder {
    /// A ladder that has not seen a picture.
    #[must_use]
    pub fn new(kind: VideoKind) -> Self {
        Self {
            kind,
            size: None,
            sizes: Vec::new(),
            cpu_floor: 0,
            pending: None,
            finding_since: None,
        }
    }

    /// What to make of the next picture.
    pub fn decide(&mut self, source: Source, bitrate_bps: u32, now: Instant) -> Rung {
        if self.sizes.first() != Some(&(source.width, source.height)) {
            self.sizes = sizes_of(source.width, source.height);
            self.size = None;
            self.cpu_floor = 0;
            self.pending = None;
        }
        let size = match self.size {
            // Nothing to be steady about yet: the first picture is the right one.
            None => {
                self.finding_since = Some(now);
                self.affordable(bitrate_bps, 1.0)
            }
            Some(size) => self.step(size, bitrate_bps, now),
        };
        let capped = size.max(self.cpu_floor).min(self.sizes.len() - 1);
        self.size = Some(size);
        let (width, height) = self.sizes[capped];
        let max_fps = self.rate(bitrate_bps);
        let limited_by = if size > 0 || max_fps < source.fps * 0.95 {
            LimitedBy::Bandwidth
        } else if capped > 0 {
            LimitedBy::Cpu
        } else {
            LimitedBy::None
        };
        Rung {
            width,
            height,
            max_fps,
            limited_by,
        }
    }

    /// The processor cannot keep up with the present size, or could with a larger one.
    pub fn on_load(&mut self, load: Load) {
        let present = self.size.unwrap_or(0).max(self.cpu_floor);
        self.cpu_floor = match load {
            Load::TooHigh => (present + 1).min(self.sizes.len().saturating_sub(1)),
            Load::Fits => self.cpu_floor,
            Load::Low => self.cpu_floor.saturating_sub(1),
        };
    }

    /// How many times more pixels the next larger size has, where the processor holds it back.
    #[must_use]
    pub fn held_back_by_cpu(&self) -> Option<f64> {
        if self.cpu_floor == 0 || self.size? >= self.cpu_floor {
            return None;
        }
        let pixels = |index: usize| self.sizes.get(index).map(|&(width, height)| (width * height) as f64);
        Some(pixels(self.cpu_floor - 1)? / pixels(self.cpu_floor)?)
    }

    fn step(&mut self, size: usize, bitrate_bps: u32, now: Instant) -> usize {
        let down_to = self.affordable(bitrate_bps, KEEP_RATIO);
        let up_to = self.affordable(bitrate_bps, 1.0);
        let (direction, to, after) = if down_to > size {
            let half = self.affordable(bitrate_bps, KEEP_RATIO / 2.0) > size;
            if half {
                self.finding_since = Some(now);
            }
            (Direction::Down, down_to, if half { Duration::ZERO } else { DOWN_AFTER })
        } else if up_to < size {
            let finding = self
                .finding_since
                .is_some_and(|since| now.saturating_duration_since(since) < FINDING);
            (Direction::Up, up_to, if finding { Duration::ZERO } else { UP_AFTER })
        } else {
            self.pending = None;
            return size;
        };
        let since = match self.pending {
            Some((pending, since)) if pending == direction => since,
            _ => now,
        };
        if now.saturating_duration_since(since) < after {
            self.pending = Some((direction, since));
            return size;
        }
        self.pending = None;
        to
    }

    /// The largest size of which the bitrate is at least `ratio` of what it needs.
    fn affordable(&self, bitrate_bps: u32, ratio: f64) -> usize {
        let sizes = &self.sizes;
        let needs = |&(width, height): &(usize, usize)| match self.kind {
            VideoKind::Camera => HD_BITRATE_BPS * ((width * height) as f64 / HD_PIXELS).powf(BITS_EXPONENT),
            // A screen keeps its size and gives up smoothness, until even that is not enough.
            VideoKind::Screen if (width, height) == sizes[0] => f64::from(SCREEN_LEAST_BITRATE_BPS),
            VideoKind::Screen => 0.0,
        };
        sizes
            .iter()
            .position(|size| f64::from(bitrate_bps) >= needs(size) * ratio)
            .unwrap_or(sizes.len() - 1)
    }

    fn rate(&self, bitrate_bps: u32) -> f32 {
        let rates: &[(u32, f32)] = match self.kind {
            VideoKind::Camera => &CAMERA_RATES,
            VideoKind::Screen => &SCREEN_RATES,
        };
        rates
            .iter()
            .find(|(least, _)| bitrate_bps >= *least)
            .map_or(5.0, |(_, fps)| *fps)
    }
}

/// How the encoder's time compares with the time between pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Pictures come faster than they can be encoded.
    TooHigh,
    /// As it should be.
    Fits,
    /// The next larger size would fit as well.
    Low,
}

/// The sizes a source can be sent in, largest first: its own and the standard ones below it, in its own shape.
fn sizes_of(width: usize, height: usize) -> Vec<(usize, usize)> {
    let short = width.min(height).max(1);
    let scaled = |length: usize, side: usize| ((length * side + short / 2) / short).next_multiple_of(2);
    let smaller = SHORT_SIDES.iter().filter(|&&side| side < short);
    std::iter::once((width, height))
        .chain(smaller.map(|&side| (scaled(width, side), scaled(height, side))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: Source = Source {
        width: 1280,
        height: 720,
        fps: 30.0,
    };

    fn first(source: Source, bitrate_bps: u32) -> Rung {
        Ladder::new(VideoKind::Camera).decide(source, bitrate_bps, Instant::now())
    }

    #[test]
    fn a_start_at_two_megabits_is_full_size_from_the_first_picture() {
        let rung = first(HD, 2_000_000);
        assert_eq!((rung.width, rung.height), (1280, 720));
        assert_eq!(rung.limited_by, LimitedBy::None);
    }

    #[test]
    fn sizes_keep_the_shape_of_the_source() {
        assert_eq!(
            sizes_of(1280, 720),
            [(1280, 720), (960, 540), (640, 360), (480, 270), (320, 180)]
        );
        assert_eq!(sizes_of(720, 1280)[1], (540, 960));
        assert_eq!(sizes_of(64, 64), [(64, 64)]);
    }

    #[test]
    fn a_dip_changes_nothing_and_a_fall_goes_down_once() {
        let (mut ladder, start) = (Ladder::new(VideoKind::Camera), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(ladder.decide(HD, 2_000_000, at(0)).height, 720);
        assert_eq!(ladder.decide(HD, 600_000, at(100)).height, 720, "a dip");
        assert_eq!(ladder.decide(HD, 2_000_000, at(400)).height, 720);
        assert_eq!(ladder.decide(HD, 600_000, at(500)).height, 720);
        assert_eq!(ladder.decide(HD, 600_000, at(1_000)).height, 540, "it lasted");
        assert_eq!(
            ladder.decide(HD, 700_000, at(9_000)).height,
            540,
            "between the thresholds"
        );
        assert_eq!(ladder.decide(HD, 950_000, at(10_000)).height, 540);
        assert_eq!(
            ladder.decide(HD, 950_000, at(13_000)).height,
            720,
            "three seconds of plenty"
        );
        assert_eq!(
            ladder.decide(HD, 100_000, at(13_033)).height,
            180,
            "a collapse is followed at once"
        );
    }

    #[test]
    fn a_beginning_follows_what_is_found_out_at_once() {
        let (mut ladder, start) = (Ladder::new(VideoKind::Camera), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(
            ladder.decide(HD, 2_500_000, at(0)).height,
            720,
            "before anything is sent"
        );
        assert_eq!(ladder.decide(HD, 320_000, at(5_000)).height, 360, "a beginning");
        assert_eq!(ladder.decide(HD, 2_500_000, at(5_100)).height, 720, "it is a wide path");
        assert_eq!(ladder.decide(HD, 320_000, at(9_000)).height, 360);
        assert_eq!(
            ladder.decide(HD, 2_500_000, at(11_000)).height,
            360,
            "this time it lasted"
        );
    }

    #[test]
    fn a_screen_keeps_its_size_and_gives_up_its_rate() {
        let mut ladder = Ladder::new(VideoKind::Screen);
        let page = Source {
            width: 1920,
            height: 1080,
            fps: 30.0,
        };
        let rung = ladder.decide(page, 300_000, Instant::now());
        assert_eq!(
            (rung.height, rung.max_fps, rung.limited_by),
            (1080, 10.0, LimitedBy::Bandwidth)
        );
    }

    #[test]
    fn a_slow_processor_gets_a_smaller_picture_and_says_so() {
        let (mut ladder, now) = (Ladder::new(VideoKind::Camera), Instant::now());
        ladder.decide(HD, 2_600_000, now);
        ladder.on_load(Load::TooHigh);
        let rung = ladder.decide(HD, 2_600_000, now);
        assert_eq!((rung.height, rung.limited_by), (540, LimitedBy::Cpu));
        let ratio = ladder.held_back_by_cpu().expect("the processor holds it back");
        assert!((ratio - 16.0 / 9.0).abs() < 0.01);
        ladder.on_load(Load::Low);
        assert_eq!(ladder.decide(HD, 2_600_000, now).height, 720);
        assert_eq!(ladder.held_back_by_cpu(), None);
    }

    proptest! {
        #[test]
        fn more_bits_never_mean_a_smaller_or_slower_picture(a in 10_000_u32..8_000_000, b in 10_000_u32..8_000_000, width in 32_usize..2_000, height in 32_usize..2_000) {
            let source = Source { width: width * 2, height: height * 2, fps: 30.0 };
            let (few, many) = (first(source, a.min(b)), first(source, a.max(b)));
            prop_assert!(few.width <= many.width && few.height <= many.height && few.max_fps <= many.max_fps);
            prop_assert!(many.width <= source.width && many.height <= source.height);
            prop_assert!(few.width.is_multiple_of(2) && few.height.is_multiple_of(2) && few.width > 0 && few.height > 0);
        }

        #[test]
        fn a_bitrate_that_wobbles_by_a_tenth_settles(bitrate in 60_000_u32..3_000_000, wobble in proptest::collection::vec(-100_i64..100, 900)) {
            let (mut ladder, start) = (Ladder::new(VideoKind::Camera), Instant::now());
            let mut changes = 0;
            let mut last = None;
            for (index, permille) in wobble.into_iter().enumerate() {
                let bps = (i64::from(bitrate) * (1_000 + permille) / 1_000) as u32;
                let rung = ladder.decide(HD, bps, start + Duration::from_millis(33 * index as u64));
                changes += usize::from(last.is_some_and(|last| last != rung.height));
                last = Some(rung.height);
            }
            prop_assert!(changes <= 1, "{changes} changes of size in 30 s");
        }
    }
}
