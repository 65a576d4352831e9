//! The decoder, with a gate before it: nothing larger than agreed reaches the library.

use std::time::Instant;

use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use super::nal;
use super::sps::Sps;
use crate::codec::{VideoCodecError, VideoDecoder};
use crate::frame::{Colour, FramePool, VideoFrame};

/// Largest picture we decode, lying or standing: the 36,864 macroblocks of level 5.1.
const MAX_LONG_SIDE: usize = 4_096;
/// See [`MAX_LONG_SIDE`].
const MAX_SHORT_SIDE: usize = 2_304;
/// Most memory that a stream may make the decoder take for reference pictures: sixteen of 1080p, four of 2160p.
const MAX_REFERENCE_BYTES: usize = 64 << 20;

/// H.264 decoder for one stream. Error concealment is off: after a loss it says so until the next key frame.
pub struct H264Decoder {
    library: Decoder,
    colour: Colour,
}

impl H264Decoder {
    /// A decoder; it takes most of its memory when it sees the first parameter set.
    ///
    /// # Errors
    /// When the library cannot be set up.
    pub fn new() -> Result<Self, VideoCodecError> {
        // Flushing would add an error after each picture of a stream without reordering, and no picture.
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        Ok(Self {
            library: Decoder::with_api_config(OpenH264API::from_source(), config)?,
            colour: Colour::default(),
        })
    }
}

impl VideoDecoder for H264Decoder {
    fn decode(
        &mut self,
        unit: &[u8],
        pool: &FramePool,
        captured_at: Instant,
    ) -> Result<Option<VideoFrame>, VideoCodecError> {
        for nal in nal::units(unit).filter(|nal| nal[0] & 0x1f == nal::SEQUENCE_PARAMETERS) {
            let sps = Sps::parse(nal)?;
            within_limits(sps.width, sps.height, sps.references)?;
            self.colour = sps.colour;
        }
        let Some(picture) = self.library.decode(unit)? else {
            return Ok(None);
        };
        let (width, height) = picture.dimensions();
        within_limits(width, height, 1)?;
        let mut frame = pool.frame(width, height, captured_at);
        frame.colour = self.colour;
        copy_planes(&picture, &mut frame);
        Ok(Some(frame))
    }
}

fn within_limits(width: usize, height: usize, references: u32) -> Result<(), VideoCodecError> {
    let even = width.is_multiple_of(2) && height.is_multiple_of(2);
    let sized = width.max(height) <= MAX_LONG_SIDE && (1..=MAX_SHORT_SIDE).contains(&width.min(height));
    let bytes = (width * height * 3 / 2).saturating_mul(references as usize);
    if even && sized && bytes <= MAX_REFERENCE_BYTES {
        return Ok(());
    }
    Err(VideoCodecError::PictureSize {
        width,
        height,
        references,
    })
}

fn copy_planes(picture: &DecodedYUV, frame: &mut VideoFrame) {
    let width = frame.width();
    let (y_stride, u_stride, v_stride) = picture.strides();
    let (y, u, v) = frame.planes_mut();
    copy_plane(picture.y(), y_stride, y, width);
    copy_plane(picture.u(), u_stride, u, width / 2);
    copy_plane(picture.v(), v_stride, v, width / 2);
}

fn copy_plane(from: &[u8], stride: usize, to: &mut [u8], width: usize) {
    for (row, line) in from.chunks(stride.max(1)).zip(to.chunks_exact_mut(width)) {
        line.copy_from_slice(&row[..width]);
    }
}
