//! Codecs behind small traits: raw pictures and sound in, bytes out, and back.
//!
//! Nothing here has a thread of its own: `send` and `receive` call it on theirs.

pub mod h264;
pub mod opus;

#[cfg(test)]
pub(crate) mod test_pictures;

use std::time::Instant;

use crate::frame::{FramePool, VideoFrame};

/// What the next picture has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureRequest {
    /// Whatever costs least.
    Any,
    /// One that a decoder can start with.
    KeyFrame,
}

/// What an encoder made of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// Nothing: the encoder leaves this picture out to hold the bitrate.
    Skipped,
    /// A picture that needs those before it.
    Delta,
    /// A picture that a decoder can start with.
    KeyFrame,
}

/// Bits and pictures a second that an encoder works towards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VideoRate {
    /// Bits of encoded video a second, without packet headers.
    pub bitrate_bps: u32,
    /// Pictures a second that will be given to the encoder.
    pub fps: f32,
}

/// Turns pictures into a byte stream. Picture size may change from one picture to the next.
pub trait VideoEncoder: Send {
    /// Encodes one picture; `out` is cleared and then holds its bytes.
    ///
    /// # Errors
    /// When the codec refuses the picture. The next call may be tried with a key frame.
    fn encode(
        &mut self,
        frame: &VideoFrame,
        request: PictureRequest,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, VideoCodecError>;

    /// Changes the rate from the next picture on.
    fn set_rate(&mut self, rate: VideoRate);
}

/// Turns a byte stream back into pictures.
pub trait VideoDecoder: Send {
    /// Decodes one access unit into a frame of `pool`; `None` when it holds no picture.
    ///
    /// # Errors
    /// When the unit is broken, refers to a picture that was lost, or is beyond the limits. Go on with a key frame.
    fn decode(
        &mut self,
        unit: &[u8],
        pool: &FramePool,
        captured_at: Instant,
    ) -> Result<Option<VideoFrame>, VideoCodecError>;
}

/// Why a picture could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum VideoCodecError {
    /// The codec library said no.
    #[error("the H.264 codec failed: {0}")]
    Codec(#[from] openh264::Error),
    /// The stream announces pictures that are larger than we agree to hold in memory, or of an odd size.
    #[error(
        "the H.264 stream announces pictures of {width}x{height} with {references} references, which is beyond the limits"
    )]
    PictureSize {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Pictures that the decoder would have to keep.
        references: u32,
    },
    /// The sequence parameter set is cut short or of a kind that no call uses.
    #[error("the H.264 sequence parameter set is malformed")]
    ParameterSet,
}
