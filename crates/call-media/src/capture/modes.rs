//! Which of a camera's modes to ask for: pure, so that the preferences can be read and tested.

use std::fmt;

/// Pixel formats we can turn into I420.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PixelFormat {
    Yuyv,
    Nv12,
    Mjpeg,
    Rgb,
    Bgr,
}

/// One mode of a real camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: u32,
    pub(crate) format: PixelFormat,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}@{}", self.width, self.height, self.fps)
    }
}

/// Pixels a side, and frames a second, beyond which a mode is a misunderstanding: nokhwa reads the interval
/// 1001/30000 as 30000 frames a second.
const SIDES: std::ops::RangeInclusive<u32> = 16..=4_096;
const RATES: std::ops::RangeInclusive<u32> = 1..=240;

/// What we want unless the camera is poorer or richer than that.
const WANTED_PIXELS: f64 = 1_280.0 * 720.0;
const WANTED_FPS: f64 = 30.0;

impl Mode {
    fn is_sane(&self) -> bool {
        SIDES.contains(&self.width) && SIDES.contains(&self.height) && RATES.contains(&self.fps)
    }

    /// How far this is from 1280x720@30 without compression; 0 is exactly that.
    fn cost(&self) -> f64 {
        let pixels = f64::from(self.width) * f64::from(self.height);
        // A size twice as large or half as large is one step away.
        let size = (pixels / WANTED_PIXELS).log2().abs();
        // A face at 10 frames a second is worse than a small one: half the rate is one and a half steps.
        let rate = (WANTED_FPS / f64::from(self.fps)).log2();
        let rate = if rate > 0.0 { 1.5 * rate } else { -0.1 * rate };
        // The picture would be cut or squeezed by whoever shows it.
        let widescreen = if self.width * 9 == self.height * 16 { 0.0 } else { 0.1 };
        // Decoding JPEG takes several ms a frame, RGB is a third larger on the bus than YUYV.
        let format = match self.format {
            PixelFormat::Yuyv | PixelFormat::Nv12 => 0.0,
            PixelFormat::Rgb | PixelFormat::Bgr => 0.1,
            PixelFormat::Mjpeg => 0.2,
        };
        size + rate + widescreen + format
    }
}

/// The modes worth asking for, best first: 1280x720 at 30 frames a second, uncompressed where the bus is fast enough for
/// it, as MJPEG where it is not, then what is nearest.
pub(crate) fn by_preference(mut modes: Vec<Mode>) -> Vec<Mode> {
    modes.retain(Mode::is_sane);
    modes.sort_by(|a, b| a.cost().total_cmp(&b.cost()));
    modes.dedup();
    modes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(width: u32, height: u32, fps: u32, format: PixelFormat) -> Mode {
        Mode {
            width,
            height,
            fps,
            format,
        }
    }

    fn best(modes: &[Mode]) -> Mode {
        by_preference(modes.to_vec())[0]
    }

    use PixelFormat::{Mjpeg, Nv12, Yuyv};

    #[test]
    fn a_usual_usb_camera_is_asked_for_mjpeg_at_720p30() {
        let modes = [
            mode(640, 480, 30, Yuyv),
            mode(1_280, 720, 10, Yuyv),
            mode(1_920, 1_080, 5, Yuyv),
            mode(1_920, 1_080, 30, Mjpeg),
            mode(1_280, 720, 30, Mjpeg),
            mode(1_280, 720, 60, Mjpeg),
        ];
        assert_eq!(best(&modes), mode(1_280, 720, 30, Mjpeg));
    }

    #[test]
    fn a_fast_bus_means_no_compression() {
        let modes = [mode(1_280, 720, 30, Mjpeg), mode(1_280, 720, 30, Nv12)];
        assert_eq!(best(&modes), mode(1_280, 720, 30, Nv12));
    }

    #[test]
    fn a_smooth_small_picture_beats_a_large_slow_one() {
        let modes = [mode(1_280, 720, 10, Yuyv), mode(640, 480, 30, Yuyv)];
        assert_eq!(best(&modes), mode(640, 480, 30, Yuyv));
    }

    #[test]
    fn rates_that_are_a_misunderstanding_are_left_out() {
        let modes = vec![mode(1_280, 720, 30_000, Yuyv), mode(1_280, 720, 0, Yuyv)];
        assert_eq!(by_preference(modes), []);
    }
}
