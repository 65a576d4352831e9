//! The test camera: a moving picture that costs a codec about what a person in a room does.
//!
//! Fractal texture (detail falls with frequency as it does in photographs), of which the upper part
//! pans and the lower part stands still, coloured areas, and a checkerboard that wanders about. The
//! texture is computed once; a frame is then little more than one copied row after the other.

use super::{Outlet, StampMode, generated};
use crate::frame::VideoFrame;
use crate::spec::VideoMode;

/// What it calls itself.
pub const NAME: &str = "Test pattern";

/// After so many columns the texture repeats: a multiple of its coarsest cell, so that there is no seam.
const PERIOD: usize = 512;
/// Columns the upper part moves from one frame to the next.
const PAN_PIXELS: u64 = 2;
/// Side of one field of the checkerboard.
const CHECK_PIXELS: usize = 16;

/// The picture of every moment, ready to be copied out.
pub struct TestPattern {
    width: usize,
    height: usize,
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

impl TestPattern {
    /// Computes the texture: some 10 ms for 1280x720.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width & !1, height & !1);
        let luma = Texture {
            seed: 1,
            cells: &[(128, 44.0), (64, 26.0), (32, 15.0), (16, 9.0), (8, 5.0), (4, 3.0)],
            mean: 118.0,
        };
        let blue = Texture {
            seed: 2,
            cells: &[(64, 26.0), (16, 5.0)],
            mean: 124.0,
        };
        let red = Texture {
            seed: 3,
            cells: &[(64, 26.0), (16, 5.0)],
            mean: 132.0,
        };
        Self {
            width,
            height,
            luma: luma.render(PERIOD, width + PERIOD, height),
            blue: blue.render(PERIOD / 2, (width + PERIOD) / 2, height / 2),
            red: red.render(PERIOD / 2, (width + PERIOD) / 2, height / 2),
        }
    }

    /// Draws moment `number` into a frame of this pattern's size.
    pub fn draw(&self, number: u64, frame: &mut VideoFrame) {
        let offset = (number * PAN_PIXELS) as usize % PERIOD;
        let (width, height) = (self.width, self.height);
        let (y, u, v) = frame.planes_mut();
        // The lower two fifths stand still, as the wall behind a person does.
        let moving = (height * 3 / 5) & !1;
        copy_rows(y, &self.luma, width, PERIOD, moving, offset);
        copy_rows(u, &self.blue, width / 2, PERIOD / 2, moving / 2, offset / 2);
        copy_rows(v, &self.red, width / 2, PERIOD / 2, moving / 2, offset / 2);
        self.draw_colours(u, v);
        self.draw_checkerboard(number, y, u, v);
    }

    /// Four plain areas along the lower edge: skin, blue, green and red.
    fn draw_colours(&self, u: &mut [u8], v: &mut [u8]) {
        const AREAS: [(u8, u8); 4] = [(108, 152), (190, 110), (90, 80), (100, 200)];
        let (width, height) = (self.width / 2, self.height / 2);
        let side = height / 6;
        for row in height - 2 * side..height - side {
            for (area, (blue, red)) in AREAS.into_iter().enumerate() {
                let left = row * width + width * (2 * area + 1) / 9;
                let right = (left + side).min((row + 1) * width);
                u[left..right].fill(blue);
                v[left..right].fill(red);
            }
        }
    }

    fn draw_checkerboard(&self, number: u64, y: &mut [u8], u: &mut [u8], v: &mut [u8]) {
        let side = (self.height / 5).min(self.width) & !1;
        // Below the row of the stamp.
        let top = self.height / 30 + bounce(number * 2, self.height - side - self.height / 30);
        let left = bounce(number * 4, self.width - side);
        let (top, left) = (top & !1, left & !1);
        for row in 0..side {
            let start = (top + row) * self.width + left;
            for (field, pixels) in y[start..start + side].chunks_mut(CHECK_PIXELS).enumerate() {
                let light = (field + row / CHECK_PIXELS).is_multiple_of(2);
                pixels.fill(if light { 210 } else { 50 });
            }
        }
        for row in top / 2..(top + side) / 2 {
            let start = (row * self.width + left) / 2;
            u[start..start + side / 2].fill(128);
            v[start..start + side / 2].fill(128);
        }
    }
}

/// Back and forth between 0 and `span`.
fn bounce(position: u64, span: usize) -> usize {
    let span = span.max(1);
    let position = (position % (2 * span as u64)) as usize;
    position.min(2 * span - position)
}

/// Copies a plane out of its wider texture, the rows above `moving` from column `offset` on.
fn copy_rows(plane: &mut [u8], texture: &[u8], width: usize, period: usize, moving: usize, offset: usize) {
    let rows = plane.chunks_exact_mut(width).zip(texture.chunks_exact(width + period));
    for (row, (target, source)) in rows.enumerate() {
        let from = if row < moving { offset } else { 0 };
        target.copy_from_slice(&source[from..from + width]);
    }
}

/// Value noise: octaves of random lattices, interpolated, coarser ones stronger.
struct Texture {
    seed: u32,
    /// Cell size in pixels (a divisor of the period) and amplitude.
    cells: &'static [(usize, f32)],
    mean: f32,
}

impl Texture {
    /// `columns` wide, repeating each `period`.
    fn render(&self, period: usize, columns: usize, rows: usize) -> Vec<u8> {
        let mut plane = Vec::with_capacity(columns * rows);
        let mut sum = vec![0_f32; period];
        for row in 0..rows {
            sum.fill(self.mean);
            for (octave, &(cell, amplitude)) in self.cells.iter().enumerate() {
                self.add_octave(&mut sum, octave as u32, cell, amplitude, row);
            }
            let start = plane.len();
            plane.extend(sum.iter().map(|&value| value.clamp(16.0, 235.0) as u8));
            for column in period..columns {
                plane.push(plane[start + column - period]);
            }
        }
        plane
    }

    fn add_octave(&self, sum: &mut [f32], octave: u32, cell: usize, amplitude: f32, row: usize) {
        let across = sum.len() / cell;
        let (lattice_row, down) = (row / cell, smooth((row % cell) as f32 / cell as f32));
        let corner = |column: usize| {
            let column = (column % across) as u32;
            let above = noise(self.seed, octave, column, lattice_row as u32);
            let below = noise(self.seed, octave, column, lattice_row as u32 + 1);
            (above + (below - above) * down) * amplitude
        };
        for (column, values) in sum.chunks_exact_mut(cell).enumerate() {
            let (left, right) = (corner(column), corner(column + 1));
            for (at, value) in values.iter_mut().enumerate() {
                *value += left + (right - left) * smooth(at as f32 / cell as f32);
            }
        }
    }
}

fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// A number between -1 and 1 that depends on nothing but the arguments.
fn noise(seed: u32, octave: u32, x: u32, y: u32) -> f32 {
    let mut hash = seed.wrapping_mul(0x9E37_79B9) ^ octave.wrapping_mul(0x85EB_CA6B);
    hash ^= x.wrapping_mul(0xC2B2_AE35) ^ y.wrapping_mul(0x27D4_EB2F);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297A_2D39);
    hash ^= hash >> 15;
    (hash & 0xFFFF) as f32 / 32_767.5 - 1.0
}

/// The "camera" thread of a test camera. Always stamped: it is what latency is measured with.
pub(super) fn run(outlet: &Outlet, mode: VideoMode) {
    let pattern = TestPattern::new(mode.width as usize, mode.height as usize);
    generated::run(outlet, NAME, mode, StampMode::Draw, |number, frame| {
        pattern.draw(number, frame)
    });
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::frame::FramePool;

    #[test]
    fn every_size_of_the_contract_can_be_drawn_at_any_moment() {
        for (width, height) in [(64, 64), (3840, 64), (64, 2160), (1280, 720), (66, 98)] {
            let pattern = TestPattern::new(width, height);
            let mut frame = FramePool::new().frame(width, height, Instant::now());
            for number in [0, 1, 255, 256, 1_000_003, u64::MAX / 8] {
                pattern.draw(number, &mut frame);
            }
        }
    }

    #[test]
    fn the_picture_moves_and_has_detail_and_colour() {
        let pattern = TestPattern::new(320, 180);
        let pool = FramePool::new();
        let draw = |number| {
            let mut frame = pool.frame(320, 180, Instant::now());
            pattern.draw(number, &mut frame);
            frame
        };
        let (first, second) = (draw(10), draw(11));
        let differing = first.y().iter().zip(second.y()).filter(|(a, b)| a != b).count();
        assert!(differing > 320 * 180 / 3, "{differing} pixels changed");
        assert_eq!(first.data(), draw(10).data(), "the same moment is the same picture");
        let spread = |plane: &[u8]| plane.iter().max().zip(plane.iter().min()).map(|(a, b)| a - b);
        assert!(spread(first.y()) > Some(150));
        assert!(spread(first.u()) > Some(60));
        assert!(spread(first.v()) > Some(60));
    }
}
