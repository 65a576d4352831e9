//! Makes pictures smaller, into frames of a pool.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::frame::{FramePool, VideoFrame};

/// Scales the planes of pictures one after the other, reusing its buffers.
#[derive(Debug, Default)]
pub(crate) struct Scaler {
    resizer: Resizer,
    pool: FramePool,
}

impl Scaler {
    /// The picture in another size. `None` when the resizer refuses, which it does for empty pictures only.
    pub(crate) fn scale(&mut self, frame: &VideoFrame, width: usize, height: usize) -> Option<VideoFrame> {
        let mut scaled = self.pool.frame(width, height, frame.captured_at);
        scaled.colour = frame.colour;
        // Whole factors: the mean of a block is exact and cheapest. Others: a triangle as wide as two target pixels.
        let whole = frame.width().is_multiple_of(width) && frame.height().is_multiple_of(height);
        let filter = if whole { FilterType::Box } else { FilterType::Bilinear };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        let (from, to) = (
            (frame.width() as u32, frame.height() as u32),
            (width as u32, height as u32),
        );
        let (y, u, v) = scaled.planes_mut();
        for (source, target, halved) in [(frame.y(), y, 1), (frame.u(), u, 2), (frame.v(), v, 2)] {
            let source = ImageRef::new(from.0 / halved, from.1 / halved, source, PixelType::U8).ok()?;
            let mut target = Image::from_slice_u8(to.0 / halved, to.1 / halved, target, PixelType::U8).ok()?;
            self.resizer.resize(&source, &mut target, &options).ok()?;
        }
        Some(scaled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn half_a_size_is_the_mean_of_four() {
        let mut frame = FramePool::new().frame(64, 32, Instant::now());
        let (y, u, v) = frame.planes_mut();
        for (index, luma) in y.iter_mut().enumerate() {
            *luma = if index % 2 == 0 { 100 } else { 120 };
        }
        u.fill(30);
        v.fill(200);
        let small = Scaler::default().scale(&frame, 32, 16).expect("not empty");
        assert_eq!((small.width(), small.height()), (32, 16));
        assert!(small.y().iter().all(|&luma| luma == 110));
        assert!(small.u().iter().all(|&u| u == 30) && small.v().iter().all(|&v| v == 200));
        assert_eq!(small.captured_at, frame.captured_at);
    }
}
