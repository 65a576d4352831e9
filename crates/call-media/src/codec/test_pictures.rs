//! Pictures for tests: a textured scene that moves, with noise like a sensor's, so that an encoder has something to do.

use std::time::Instant;

use crate::frame::{FramePool, VideoFrame};

/// Draws picture `number` of a scene: a panning texture with noise and a square that crosses it.
pub(crate) fn scene(pool: &FramePool, width: usize, height: usize, number: usize) -> VideoFrame {
    let mut frame = pool.frame(width, height, Instant::now());
    let (y, u, v) = frame.planes_mut();
    for (row, line) in y.chunks_exact_mut(width).enumerate() {
        for (column, luma) in line.iter_mut().enumerate() {
            *luma = texture(column + 3 * number, row) + noise(column, row, number);
        }
    }
    let side = height / 6;
    let (left, top) = (7 * number % (width - side), 5 * number % (height - side));
    for line in y.chunks_exact_mut(width).skip(top).take(side) {
        line[left..left + side].fill(210);
    }
    u.fill(118);
    v.fill(138);
    frame
}

fn texture(column: usize, row: usize) -> u8 {
    let waves = (column as f32 / 17.0).sin() * (row as f32 / 23.0).cos();
    (120.0 + 60.0 * waves) as u8
}

/// 0 to 15, another in each picture.
fn noise(column: usize, row: usize, number: usize) -> u8 {
    let seed = (column as u32).wrapping_mul(0x9e37_79b1) ^ (row as u32).wrapping_mul(0x85eb_ca77) ^ number as u32;
    let mixed = (seed ^ seed >> 15).wrapping_mul(0xc2b2_ae35);
    (mixed >> 28) as u8
}
