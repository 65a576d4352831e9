//! The three things that flow: raw pictures, raw sound, encoded media.
//!
//! Pictures are I420, tightly packed, in buffers that go back to a [`FramePool`] when the last
//! reader lets go: nothing is allocated per frame once a stream runs.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Samples a second of all sound inside the application.
pub const SAMPLE_RATE_HZ: u32 = 48_000;
/// Samples of one channel in an [`AudioBlock`]: 10 ms.
pub const BLOCK_SAMPLES: usize = 480;
/// RTP clock of video, in ticks a second (RFC 6184, section 8.2.1).
pub const VIDEO_CLOCK_HZ: u32 = 90_000;

/// How the luma and chroma values are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourRange {
    /// Luma 16 to 235 ("video", BT.601/709 limited).
    Limited,
    /// Luma 0 to 255 ("JPEG").
    Full,
}

/// The YCbCr matrix of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourMatrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
}

/// Colour interpretation of a picture, carried in the H.264 VUI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// The matrix.
    pub matrix: ColourMatrix,
    /// The range.
    pub range: ColourRange,
}

impl Default for Colour {
    fn default() -> Self {
        Self {
            matrix: ColourMatrix::Bt601,
            range: ColourRange::Limited,
        }
    }
}

/// Which of a participant's pictures this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VideoKind {
    /// The person.
    Camera,
    /// What the person shares.
    Screen,
}

/// One picture: I420, planes one after the other without padding, even width and height.
///
/// Y is `width * height` bytes, then U and V of a quarter of that each.
#[derive(Debug)]
pub struct VideoFrame {
    width: usize,
    height: usize,
    data: Vec<u8>,
    pool: Weak<PoolShelf>,
    /// When the picture was taken.
    pub captured_at: Instant,
    /// How to read its colours.
    pub colour: Colour,
}

impl VideoFrame {
    /// Width in pixels, even.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, even.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// All three planes.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Luma, stride = width.
    #[must_use]
    pub fn y(&self) -> &[u8] {
        &self.data[..self.width * self.height]
    }

    /// Blue difference, stride = width / 2.
    #[must_use]
    pub fn u(&self) -> &[u8] {
        let luma = self.width * self.height;
        &self.data[luma..luma + luma / 4]
    }

    /// Red difference, stride = width / 2.
    #[must_use]
    pub fn v(&self) -> &[u8] {
        let luma = self.width * self.height;
        &self.data[luma + luma / 4..]
    }

    /// The three planes for writing: Y, U, V.
    pub fn planes_mut(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let luma = self.width * self.height;
        let (y, chroma) = self.data.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(luma / 4);
        (y, u, v)
    }
}

impl Drop for VideoFrame {
    fn drop(&mut self) {
        if let Some(shelf) = self.pool.upgrade() {
            shelf.give_back(std::mem::take(&mut self.data));
        }
    }
}

#[derive(Debug)]
struct PoolShelf {
    free: Mutex<Vec<Vec<u8>>>,
}

/// Buffers kept for reuse. More than this would only be held after a burst.
const POOL_KEEPS: usize = 6;

impl PoolShelf {
    fn give_back(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < POOL_KEEPS {
            free.push(buffer);
        }
    }

    fn take(&self, bytes: usize) -> Vec<u8> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(buffer) = free.pop() {
            // A buffer of another size belongs to a mode that is over: let it go.
            if buffer.len() == bytes {
                return buffer;
            }
        }
        drop(free);
        vec![0; bytes]
    }
}

/// Where picture buffers come from and go back to. Cloning gives another handle on the same pool.
#[derive(Clone, Debug)]
pub struct FramePool {
    shelf: Arc<PoolShelf>,
}

impl Default for FramePool {
    fn default() -> Self {
        Self::new()
    }
}

impl FramePool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shelf: Arc::new(PoolShelf {
                free: Mutex::new(Vec::new()),
            }),
        }
    }

    /// A frame to write into; its content is whatever was there before. Odd sizes are rounded down to even.
    #[must_use]
    pub fn frame(&self, width: usize, height: usize, captured_at: Instant) -> VideoFrame {
        let (width, height) = (width & !1, height & !1);
        VideoFrame {
            width,
            height,
            data: self.shelf.take(width * height * 3 / 2),
            pool: Arc::downgrade(&self.shelf),
            captured_at,
            colour: Colour::default(),
        }
    }
}

/// 10 ms of mono sound at 48 kHz, -1.0 to 1.0.
pub type AudioBlock = [f32; BLOCK_SAMPLES];

/// What an encoded frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamKind {
    /// The microphone.
    Audio,
    /// A picture.
    Video(VideoKind),
}

/// Where the time before the network went, for one frame.
#[derive(Clone, Copy, Debug)]
pub struct SendTimings {
    /// From the moment of capture to the moment the encoder took it.
    pub capture: Duration,
    /// In the encoder.
    pub encode: Duration,
}

/// One encoded picture or 20 ms of sound, already cut into RTP payloads.
///
/// Payloads are the same for every peer: each peer adds its own RTP header.
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    /// Which stream.
    pub kind: StreamKind,
    /// RTP payloads in order, each at most [`crate::rtp::MAX_PAYLOAD_BYTES`]; the last one gets the marker for video.
    pub payloads: Arc<[bytes::Bytes]>,
    /// Media time in RTP ticks (90 kHz for video, 48 kHz for audio) from an arbitrary start.
    pub rtp_timestamp: u32,
    /// When the content was captured.
    pub captured_at: Instant,
    /// Whether a decoder can start here (always true for audio).
    pub key_frame: bool,
    /// Level of the sound, 0 (loudest) to 127 (silence) in -dBov (RFC 6464), for audio.
    pub audio_level: Option<u8>,
    /// Time spent so far.
    pub timings: SendTimings,
}

/// Takes raw pictures. Must not block.
pub trait VideoSink: Send + Sync {
    /// Hands over a picture; the newest wins.
    fn put(&self, frame: Arc<VideoFrame>);
}

/// The border to the network, outwards: the engine plugs its transports in here. Must not block.
pub trait EncodedSink: Send + Sync {
    /// Hands over one frame for every peer.
    fn send(&self, frame: &EncodedFrame);
}
