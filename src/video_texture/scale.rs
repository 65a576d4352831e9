//! Makes a picture smaller by a whole factor, before it is uploaded.

use call_engine::{FramePool, VideoFrame};
use egui::Vec2;

/// Smaller than this makes no sense to anybody.
const MAX_FACTOR: usize = 16;

/// By how much a picture of this size can be made smaller when it is shown at `shown_px`, and has to be to fit
/// into a texture. 1 is "not at all".
#[must_use]
pub fn factor(width: usize, height: usize, shown_px: Vec2, max_side_px: usize) -> usize {
    let must = width.max(height).div_ceil(max_side_px.max(1));
    if shown_px.x < 1.0 || shown_px.y < 1.0 {
        return must.clamp(1, MAX_FACTOR);
    }
    let may = (width as f32 / shown_px.x).min(height as f32 / shown_px.y);
    // Half a pixel of rounding must not keep a picture of exactly double size from being halved.
    let may = (may + 0.02).floor() as usize;
    // The chroma planes need two luma samples a side.
    let least = width.min(height) / 2;
    may.max(must).clamp(1, MAX_FACTOR.min(least.max(1)))
}

/// The picture, smaller by `factor`, into a frame of the pool. Each sample is the mean of four that lie evenly
/// in the square it stands for.
#[must_use]
pub fn down(frame: &VideoFrame, factor: usize, pool: &FramePool) -> VideoFrame {
    let mut small = pool.frame(frame.width() / factor, frame.height() / factor, frame.captured_at);
    small.colour = frame.colour;
    let (width, height) = (small.width(), small.height());
    let (y, u, v) = small.planes_mut();
    plane(frame.y(), frame.width(), y, width, height, factor);
    plane(frame.u(), frame.width() / 2, u, width / 2, height / 2, factor);
    plane(frame.v(), frame.width() / 2, v, width / 2, height / 2, factor);
    small
}

fn plane(from: &[u8], from_stride: usize, to: &mut [u8], width: usize, height: usize, factor: usize) {
    let (near, far) = (factor / 4, factor - 1 - factor / 4);
    for (row, line) in to.chunks_exact_mut(width.max(1)).take(height).enumerate() {
        let upper = &from[(row * factor + near) * from_stride..][..width * factor];
        let lower = &from[(row * factor + far) * from_stride..][..width * factor];
        if factor == 2 {
            // The usual case, in a shape that compilers turn into SIMD.
            for ((out, a), b) in line
                .iter_mut()
                .zip(upper.as_chunks::<2>().0)
                .zip(lower.as_chunks::<2>().0)
            {
                *out = mean([a[0], a[1], b[0], b[1]]);
            }
        } else {
            let cells = upper.chunks_exact(factor).zip(lower.chunks_exact(factor));
            for (out, (a, b)) in line.iter_mut().zip(cells) {
                *out = mean([a[near], a[far], b[near], b[far]]);
            }
        }
    }
}

fn mean(samples: [u8; 4]) -> u8 {
    let sum: u16 = samples.iter().map(|sample| u16::from(*sample)).sum();
    ((sum + 2) / 4) as u8
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use egui::vec2;

    use super::*;

    #[test]
    fn pictures_shown_small_are_made_small() {
        assert_eq!(factor(1280, 720, vec2(1280.0, 720.0), 8192), 1);
        assert_eq!(factor(1280, 720, vec2(800.0, 450.0), 8192), 1);
        assert_eq!(factor(1280, 720, vec2(640.0, 360.0), 8192), 2);
        assert_eq!(factor(1280, 720, vec2(641.0, 360.0), 8192), 2);
        assert_eq!(factor(1280, 720, vec2(240.0, 135.0), 8192), 5);
        assert_eq!(factor(1280, 720, Vec2::ZERO, 8192), 1);
        assert_eq!(factor(4, 4, vec2(1.0, 1.0), 8192), 2);
    }

    #[test]
    fn pictures_larger_than_a_texture_are_made_to_fit() {
        assert_eq!(factor(3840, 2160, vec2(3840.0, 2160.0), 2048), 2);
        assert_eq!(factor(3840, 2160, Vec2::ZERO, 2048), 2);
    }

    #[test]
    fn samples_are_means_of_their_square() {
        let pool = FramePool::new();
        let mut frame = pool.frame(12, 8, Instant::now());
        let (y, u, v) = frame.planes_mut();
        for (index, sample) in y.iter_mut().enumerate() {
            *sample = if index % 12 < 6 { 40 } else { 200 };
        }
        u.fill(90);
        v.fill(160);
        for by in [2, 3] {
            let small = down(&frame, by, &pool);
            assert_eq!((small.width(), small.height()), ((12 / by) & !1, (8 / by) & !1));
            let row = &small.y()[..small.width()];
            assert!(row[..row.len() / 2].iter().all(|sample| *sample == 40), "{row:?}");
            assert!(row[row.len() / 2..].iter().all(|sample| *sample == 200), "{row:?}");
            assert!(small.u().iter().all(|sample| *sample == 90));
            assert!(small.v().iter().all(|sample| *sample == 160));
        }
    }

    #[test]
    fn every_factor_stays_inside_the_picture() {
        let pool = FramePool::new();
        for (width, height) in [(2, 2), (64, 64), (350, 198), (1280, 720)] {
            let frame = pool.frame(width, height, Instant::now());
            for by in 1..=factor(width, height, vec2(1.0, 1.0), 8192) {
                let small = down(&frame, by, &pool);
                assert!(small.width() <= width / by && small.height() <= height / by);
            }
        }
    }
}
