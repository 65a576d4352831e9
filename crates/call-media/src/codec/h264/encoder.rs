//! The encoder, with rate control that holds what it is told.

use std::ffi::c_void;

use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, MatrixCoefficients, Profile,
    RateControlMode, UsageType, VuiConfig,
};
use openh264::formats::YUVSource;
use openh264::{OpenH264API, Timestamp};
use openh264_sys2 as sys;

use crate::codec::{Encoded, PictureRequest, VideoCodecError, VideoEncoder, VideoRate};
use crate::frame::{Colour, ColourMatrix, ColourRange, VideoFrame, VideoKind};

/// Head-room over the target that the library's peak-rate window leaves before it skips pictures.
const PEAK_PER_TARGET: (u32, u32) = (3, 2);
/// The library works with less, but not towards anything a person would want to see.
const LEAST_BITRATE_BPS: u32 = 20_000;
/// The library's own bounds are 1 to 60.
const FPS_BOUNDS: (f32, f32) = (1.0, 60.0);

/// What the library was set up for; another mode needs another library object.
#[derive(Clone, Copy, PartialEq)]
struct Mode {
    width: usize,
    height: usize,
    colour: Colour,
}

struct Running {
    mode: Mode,
    /// What the library works towards now.
    rate: VideoRate,
    encoder: Encoder,
}

/// H.264 encoder for one stream: low complexity, one thread, one slice, key frames only on request or with a new size.
pub struct H264Encoder {
    kind: VideoKind,
    rate: VideoRate,
    running: Option<Running>,
}

impl H264Encoder {
    /// An encoder that works towards `rate`; it takes its memory when it sees the first picture.
    #[must_use]
    pub fn new(kind: VideoKind, rate: VideoRate) -> Self {
        Self {
            kind,
            rate: within_bounds(rate),
            running: None,
        }
    }

    /// The running library for this mode, new where the mode changed.
    ///
    /// The library could change size itself, but would then code the key frame at the rate of its configuration and
    /// not at the present one; a new object costs the same and starts right.
    fn running(&mut self, mode: Mode) -> Result<&mut Running, VideoCodecError> {
        if self.running.as_ref().is_none_or(|running| running.mode != mode) {
            self.running = None;
        }
        if self.running.is_none() {
            let config = configuration(self.kind, mode.colour, self.rate);
            let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
            self.running = Some(Running {
                mode,
                rate: VideoRate {
                    bitrate_bps: 0,
                    ..self.rate
                },
                encoder,
            });
        }
        Ok(self.running.as_mut().expect("it was put in above where it was missing"))
    }
}

impl VideoEncoder for H264Encoder {
    fn encode(
        &mut self,
        frame: &VideoFrame,
        request: PictureRequest,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, VideoCodecError> {
        out.clear();
        let mode = Mode {
            width: frame.width(),
            height: frame.height(),
            colour: frame.colour,
        };
        let rate = self.rate;
        let running = self.running(mode)?;
        // The library has no options before its first picture, which is coded by the configuration.
        let first = running.rate.bitrate_bps == 0;
        if !first {
            running.apply(rate);
            if request == PictureRequest::KeyFrame {
                running.encoder.force_intra_frame();
            }
        }
        let stream = running.encoder.encode_at(&Planes(frame), Timestamp::ZERO)?;
        let encoded = match stream.frame_type() {
            FrameType::IDR => Encoded::KeyFrame,
            FrameType::I | FrameType::P | FrameType::IPMixed => Encoded::Delta,
            FrameType::Skip | FrameType::Invalid => Encoded::Skipped,
        };
        if encoded != Encoded::Skipped {
            stream.write_vec(out);
        }
        if first {
            running.apply(rate);
        }
        Ok(if out.is_empty() { Encoded::Skipped } else { encoded })
    }

    fn set_rate(&mut self, rate: VideoRate) {
        self.rate = within_bounds(rate);
    }
}

impl Running {
    fn apply(&mut self, rate: VideoRate) {
        if rate.fps != self.rate.fps {
            let mut fps = rate.fps;
            self.set_option(sys::ENCODER_OPTION_FRAME_RATE, &mut fps);
        }
        if rate.bitrate_bps != self.rate.bitrate_bps {
            let peak = rate.bitrate_bps / PEAK_PER_TARGET.1 * PEAK_PER_TARGET.0;
            let mut steps = [
                (sys::ENCODER_OPTION_MAX_BITRATE, peak),
                (sys::ENCODER_OPTION_BITRATE, rate.bitrate_bps),
            ];
            // The target may at no moment exceed the peak, or the library drops the peak and skips pictures.
            if rate.bitrate_bps < self.rate.bitrate_bps {
                steps.reverse();
            }
            for (option, bps) in steps {
                let mut value = sys::SBitrateInfo {
                    iLayer: sys::SPATIAL_LAYER_0,
                    iBitrate: i32::try_from(bps).unwrap_or(i32::MAX),
                };
                self.set_option(option, &mut value);
            }
        }
        self.rate = rate;
    }

    fn set_option<T>(&mut self, option: sys::ENCODER_OPTION, value: &mut T) {
        // SAFETY: the library is initialised, which `encode` has seen to before anything is applied; the option is
        // one of rate and frame rate, on which the safe wrapper relies for nothing; and `value` is of the type that
        // the option is documented with and outlives the call, in which the library copies it.
        let status = unsafe {
            self.encoder
                .raw_api()
                .set_option(option, std::ptr::from_mut(value).cast::<c_void>())
        };
        if status != 0 {
            tracing::warn!(option, status, "openh264 refused a rate");
        }
    }
}

fn within_bounds(rate: VideoRate) -> VideoRate {
    VideoRate {
        bitrate_bps: rate.bitrate_bps.max(LEAST_BITRATE_BPS),
        fps: rate.fps.clamp(FPS_BOUNDS.0, FPS_BOUNDS.1),
    }
}

fn configuration(kind: VideoKind, colour: Colour, rate: VideoRate) -> EncoderConfig {
    let config = EncoderConfig::new();
    let config = match kind {
        VideoKind::Camera => config
            .usage_type(UsageType::CameraVideoRealTime)
            // Key frames of several times the size, at moments of the library's choice, would be delay.
            .scene_change_detect(false),
        // Here the library chooses its references by scene changes, and has neither of the other two.
        VideoKind::Screen => config
            .usage_type(UsageType::ScreenContentRealTime)
            .scene_change_detect(true)
            .adaptive_quantization(false)
            .background_detection(false),
    };
    config
        .profile(Profile::Baseline)
        .rate_control_mode(RateControlMode::Bitrate)
        .bitrate(BitRate::from_bps(rate.bitrate_bps))
        .max_frame_rate(FrameRate::from_hz(rate.fps))
        .skip_frames(true)
        .intra_frame_period(IntraFramePeriod::from_num_frames(0))
        .complexity(Complexity::Low)
        .num_threads(1)
        .vui(signalled(colour))
}

fn signalled(colour: Colour) -> VuiConfig {
    let vui = match colour.matrix {
        ColourMatrix::Bt601 => VuiConfig::bt601().matrix_coefficients(MatrixCoefficients::Smpte170M),
        ColourMatrix::Bt709 => VuiConfig::bt709(),
    };
    vui.full_range(colour.range == ColourRange::Full)
}

/// Our planes as the library wants to see them.
struct Planes<'a>(&'a VideoFrame);

impl YUVSource for Planes<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.0.width(), self.0.height())
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.0.width(), self.0.width() / 2, self.0.width() / 2)
    }

    fn y(&self) -> &[u8] {
        self.0.y()
    }

    fn u(&self) -> &[u8] {
        self.0.u()
    }

    fn v(&self) -> &[u8] {
        self.0.v()
    }
}
