//! The stamp: a frame counter and the time of capture, drawn into the picture itself.
//!
//! A row of 48 square blocks along the top edge, side B = height / 30, centred. Luma 40 is 0, luma 200 is 1, the
//! rest of the row is 40, chroma 128. It survives encoding and scaling, so whoever has the decoded picture
//! knows when it was taken. Tools outside the project read and write it too: the layout is a contract.
//!
//! | blocks | content |
//! |---|---|
//! | 0..2 | 1 0 1 |
//! | 3..16 | frame counter, 14 bits, most significant first |
//! | 17..36 | Unix time in ms mod 2^20, 20 bits |
//! | 37..44 | CRC-8 (polynomial 0x07) over the five bytes of the 34 bits above, left-padded with zeros |
//! | 45..47 | 0 1 0 |

use std::time::{SystemTime, UNIX_EPOCH};

use crate::frame::VideoFrame;

const BLOCKS: usize = 48;
const ZERO_LUMA: u8 = 40;
const ONE_LUMA: u8 = 200;
const COUNTER_BITS: u32 = 14;
const TIME_BITS: u32 = 20;
const TIME_MODULUS_MS: u64 = 1 << TIME_BITS;
/// Blocks that are 1 and 0 in every stamp: they give the threshold.
const LIGHT_FINDERS: [usize; 3] = [0, 2, 46];
const DARK_FINDERS: [usize; 3] = [1, 45, 47];
/// In smaller pictures a block is less than three pixels wide.
const LEAST_HEIGHT: usize = 90;
/// A smaller difference between light and dark is no stamp, in luma steps.
const LEAST_CONTRAST: u32 = 60;

/// What a stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Frame counter, 14 bits.
    pub counter: u16,
    /// Unix time of capture in ms, modulo 2^20 (17 minutes).
    pub unix_ms_mod: u32,
}

/// The wall clock, in whole ms since 1970.
#[must_use]
pub fn unix_ms_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// From capture to `now_unix_ms`, in ms; negative when the clocks disagree. Right within ±8.7 minutes.
#[must_use]
pub fn latency_ms(stamp: Stamp, now_unix_ms: u64) -> f64 {
    let half = TIME_MODULUS_MS / 2;
    let difference = (now_unix_ms + half).wrapping_sub(u64::from(stamp.unix_ms_mod)) % TIME_MODULUS_MS;
    difference as f64 - half as f64
}

/// Draws a stamp over the top of a picture. Pictures narrower than 1.6 times their height or lower than 90 pixels have
/// no room for one and stay as they are.
pub fn draw(frame: &mut VideoFrame, counter: u16, unix_ms: u64) {
    let (width, height) = (frame.width(), frame.height());
    let Some(layout) = Layout::of(width, height) else {
        return;
    };
    let bits = bits_of(counter, unix_ms);
    let rows = height.div_ceil(30);
    let (y, u, v) = frame.planes_mut();
    let (first, rest) = y[..rows * width].split_at_mut(width);
    first.fill(ZERO_LUMA);
    for block in (0..BLOCKS).filter(|block| bits >> (BLOCKS - 1 - block) & 1 == 1) {
        first[layout.edge(block, 0)..layout.edge(block, 4)].fill(ONE_LUMA);
    }
    for row in rest.chunks_exact_mut(width) {
        row.copy_from_slice(first);
    }
    let chroma = rows.div_ceil(2) * (width / 2);
    u[..chroma].fill(128);
    v[..chroma].fill(128);
}

/// Reads the stamp of a luma plane of any decoded size. `None` when there is none, or it is damaged.
#[must_use]
pub fn read(y: &[u8], stride: usize, width: usize, height: usize) -> Option<Stamp> {
    let layout = Layout::of(width, height)?;
    let bottom = layout.row(3).max(layout.row(1) + 1);
    if stride < width || y.len() < (bottom - 1) * stride + width {
        return None;
    }
    let mut mean = [0_u32; BLOCKS];
    for (block, mean) in mean.iter_mut().enumerate() {
        let left = layout.edge(block, 1);
        let right = layout.edge(block, 3).max(left + 1);
        let rows = layout.row(1)..bottom;
        let count = (rows.len() * (right - left)) as u32;
        let sum: u32 = rows
            .flat_map(|row| &y[row * stride + left..row * stride + right])
            .map(|&luma| u32::from(luma))
            .sum();
        *mean = sum / count;
    }
    let light = LIGHT_FINDERS.iter().map(|&block| mean[block]).sum::<u32>() / 3;
    let dark = DARK_FINDERS.iter().map(|&block| mean[block]).sum::<u32>() / 3;
    if light < dark + LEAST_CONTRAST {
        return None;
    }
    let threshold = u32::midpoint(light, dark);
    let bits = mean
        .iter()
        .fold(0_u64, |bits, &mean| bits << 1 | u64::from(mean > threshold));
    let counter = (bits >> 31 & 0x3fff) as u16;
    let unix_ms_mod = (bits >> 11) as u32 & (TIME_MODULUS_MS as u32 - 1);
    (bits == bits_of(counter, u64::from(unix_ms_mod))).then_some(Stamp { counter, unix_ms_mod })
}

/// Where the blocks lie. Edges are exact fractions, so that a picture scaled to any height reads back.
#[derive(Clone, Copy)]
struct Layout {
    width: usize,
    height: usize,
}

impl Layout {
    fn of(width: usize, height: usize) -> Option<Self> {
        let fits = height >= LEAST_HEIGHT && 30 * width >= BLOCKS * height;
        fits.then_some(Self { width, height })
    }

    /// Column at `quarters` quarters of a block, rounded to the nearest pixel.
    fn edge(self, block: usize, quarters: usize) -> usize {
        // x = (width - 48 B) / 2 + (block + quarters / 4) B with B = height / 30, over the denominator 120.
        let numerator = 60 * self.width - 96 * self.height + (4 * block + quarters) * self.height;
        (numerator + 60) / 120
    }

    /// Row at `quarters` quarters of a block.
    fn row(self, quarters: usize) -> usize {
        (quarters * self.height + 60) / 120
    }
}

/// All 48 bits, block 0 in the most significant place.
fn bits_of(counter: u16, unix_ms: u64) -> u64 {
    let counter = u64::from(counter) & ((1 << COUNTER_BITS) - 1);
    let content = (counter << TIME_BITS) | (unix_ms % TIME_MODULUS_MS);
    let crc = crc8(&content.to_be_bytes()[3..]);
    0b101 << 45 | content << 11 | u64::from(crc) << 3 | 0b010
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(
            crc ^ byte,
            |crc, _| if crc & 0x80 != 0 { crc << 1 ^ 0x07 } else { crc << 1 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FramePool;
    use proptest::prelude::*;
    use std::time::Instant;

    fn grey(width: usize, height: usize) -> VideoFrame {
        let mut frame = FramePool::new().frame(width, height, Instant::now());
        frame.planes_mut().0.fill(128);
        frame
    }

    fn read_frame(frame: &VideoFrame) -> Option<Stamp> {
        read(frame.y(), frame.width(), frame.width(), frame.height())
    }

    #[test]
    fn the_layout_is_the_contract_at_720p() {
        let mut frame = grey(1280, 720);
        draw(&mut frame, 1, 0);
        // First block at x = (1280 - 48 * 24) / 2 = 64; 1 0 1, then thirteen zeros and a one.
        let luma = |block: usize| frame.y()[12 * 1280 + 64 + 24 * block + 12];
        assert_eq!([luma(0), luma(1), luma(2)], [200, 40, 200]);
        assert_eq!([luma(15), luma(16), luma(17)], [40, 200, 40]);
        assert_eq!([luma(45), luma(46), luma(47)], [40, 200, 40]);
        assert_eq!(frame.y()[63], 40);
        assert_eq!(frame.y()[64], 200);
        assert_eq!(frame.y()[24 * 1280 + 64], 128, "row 24 belongs to the picture");
        assert_eq!(crc8(b"123456789"), 0xf4, "CRC-8 check value");
    }

    #[test]
    fn latency_wraps_with_the_clock_and_may_be_negative() {
        let at = |unix_ms: u64| Stamp {
            counter: 0,
            unix_ms_mod: (unix_ms % TIME_MODULUS_MS) as u32,
        };
        for captured in [5_u64, TIME_MODULUS_MS - 10, 1_790_000_000_123] {
            assert!((latency_ms(at(captured), captured + 42) - 42.0).abs() < 1e-9);
            assert!((latency_ms(at(captured), captured - 3) + 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn damage_and_absence_are_refused() {
        let mut frame = grey(1280, 720);
        assert_eq!(read_frame(&frame), None);
        draw(&mut frame, 77, 123_456);
        let block = 20;
        for row in 0..24 {
            for luma in &mut frame.planes_mut().0[row * 1280 + 64 + 24 * block..][..24] {
                *luma = 240 - *luma;
            }
        }
        assert_eq!(read_frame(&frame), None);
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_read(counter: u16, unix_ms in 0..u64::MAX / 2, height in 45_usize..600, extra in 0_usize..200) {
            let height = height * 2;
            let width = (height * 8).div_ceil(5).next_multiple_of(2) + 2 * extra;
            let mut frame = grey(width, height);
            draw(&mut frame, counter, unix_ms);
            let expected = Stamp { counter: counter & 0x3fff, unix_ms_mod: (unix_ms % TIME_MODULUS_MS) as u32 };
            prop_assert_eq!(read_frame(&frame), Some(expected));
        }

        #[test]
        fn no_plane_makes_the_reader_panic(y in proptest::collection::vec(any::<u8>(), 0..3_000), stride in 0_usize..200, width in 0_usize..200, height in 0_usize..200) {
            // 8 bits of CRC and 40 of pattern: noise is all but never a stamp; the point is that nothing panics.
            prop_assert!(read(&y, stride, width, height).is_none_or(|stamp| stamp.counter < 1 << 14));
        }
    }
}
