//! How much a picture lost: the measure that benchmarks and tests compare encoders by.

use crate::frame::VideoFrame;

/// Peak signal-to-noise ratio of the luma in dB: 100 for equal pictures, 0 for pictures of different size.
#[must_use]
pub fn psnr_y(a: &VideoFrame, b: &VideoFrame) -> f64 {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return 0.0;
    }
    let squares: u64 = a
        .y()
        .iter()
        .zip(b.y())
        .map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2))
        .sum();
    if squares == 0 {
        return 100.0;
    }
    let mean = squares as f64 / a.y().len() as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FramePool;
    use std::time::Instant;

    fn flat(luma: u8) -> VideoFrame {
        let mut frame = FramePool::new().frame(16, 16, Instant::now());
        frame.planes_mut().0.fill(luma);
        frame
    }

    #[test]
    fn one_step_everywhere_is_48_db() {
        assert!((psnr_y(&flat(100), &flat(101)) - 48.13).abs() < 0.01);
        assert!((psnr_y(&flat(100), &flat(100)) - 100.0).abs() < 1e-9);
    }
}
