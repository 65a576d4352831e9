//! Pixel formats: what cameras give becomes I420 once, what the window shows becomes RGBA once.
//!
//! The only place that calls the `yuv` crate, which takes minutes to compile where it is instantiated:
//! one function for each direction, no more. Everything here writes into buffers the caller owns.

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImage, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use crate::frame::{Colour, ColourMatrix, ColourRange, VideoFrame};

/// Why a buffer could not be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColourError {
    /// The buffer does not hold a whole picture.
    #[error("the picture has {have} bytes where {need} are needed")]
    TooShort {
        /// Bytes given.
        have: usize,
        /// Bytes a picture of this size takes.
        need: usize,
    },
    /// The conversion refused the sizes.
    #[error("the picture cannot be converted: {0}")]
    Refused(String),
}

/// Order of the three bytes of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Width and height of a buffer that comes from outside; the frame it goes into may be one less in each, being even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSize {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

impl SourceSize {
    fn check(self, frame: &VideoFrame, have: usize, need: usize) -> Result<(), ColourError> {
        if have < need {
            return Err(ColourError::TooShort { have, need });
        }
        if (frame.width(), frame.height()) == (self.width & !1, self.height & !1) {
            return Ok(());
        }
        let (from, to) = ((self.width, self.height), (frame.width(), frame.height()));
        Err(ColourError::Refused(format!("{from:?} into {to:?}")))
    }
}

fn refused(error: yuv::YuvError) -> ColourError {
    ColourError::Refused(error.to_string())
}

fn planar_mut(frame: &mut VideoFrame) -> YuvPlanarImageMut<'_, u8> {
    let (width, height) = (frame.width() as u32, frame.height() as u32);
    let (y, u, v) = frame.planes_mut();
    YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(y),
        y_stride: width,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: width / 2,
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: width / 2,
        width,
        height,
    }
}

/// YUYV (4:2:2 packed, two bytes a pixel) to I420; two rows share the mean of their chroma (the `yuv` crate's own
/// conversion throws the chroma of every second row away).
///
/// # Errors
/// When `bytes` is shorter than a picture of that size. Bytes beyond it are ignored.
pub fn yuyv_to_i420(bytes: &[u8], size: SourceSize, frame: &mut VideoFrame) -> Result<(), ColourError> {
    let stride = size.width.next_multiple_of(2) * 2;
    size.check(frame, bytes.len(), stride * size.height)?;
    frame.colour = Colour::default();
    let width = frame.width();
    let (y, u, v) = frame.planes_mut();
    let luma = y.chunks_exact_mut(2 * width);
    let chroma = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
    for ((luma, (u, v)), rows) in luma.zip(chroma).zip(bytes.chunks_exact(2 * stride)) {
        let (upper, lower) = rows.split_at(stride);
        for (target, source) in luma.chunks_exact_mut(width).zip([upper, lower]) {
            take::<EVEN>(source, target);
        }
        mean_chroma(upper, lower, u, v);
    }
    Ok(())
}

/// Mean chroma of two rows of YUYV, in steps over small buffers, because the compiler vectorizes each of them and not
/// all at once.
fn mean_chroma(upper: &[u8], lower: &[u8], u: &mut [u8], v: &mut [u8]) {
    const PIXELS: usize = 512;
    let sources = upper.chunks(2 * PIXELS).zip(lower.chunks(2 * PIXELS));
    let targets = u.chunks_mut(PIXELS / 2).zip(v.chunks_mut(PIXELS / 2));
    let (mut mean, mut chroma) = ([0; 2 * PIXELS], [0; PIXELS]);
    for ((upper, lower), (u, v)) in sources.zip(targets) {
        for ((mean, &a), &b) in mean.iter_mut().zip(upper).zip(lower) {
            // At most 255: the cast loses nothing.
            *mean = (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
        }
        take::<ODD>(&mean, &mut chroma);
        take::<EVEN>(&chroma, u);
        take::<ODD>(&chroma, v);
    }
}

/// Which byte of a pair: the bit it begins at in a little-endian word.
const EVEN: u32 = 0;
const ODD: u32 = 8;

/// Fills `out` with every second byte. By way of 16-bit words, which the compiler turns into vector instructions and
/// eight times the speed of picking single bytes.
fn take<const BIT: u32>(pairs: &[u8], out: &mut [u8]) {
    let (blocks, rest) = pairs[..2 * out.len()].as_chunks::<32>();
    let (targets, rest_of_out) = out.as_chunks_mut::<16>();
    for (target, block) in targets.iter_mut().zip(blocks) {
        let words: [u16; 16] = std::array::from_fn(|i| u16::from_le_bytes([block[2 * i], block[2 * i + 1]]));
        *target = words.map(|word| (word >> BIT) as u8);
    }
    for (target, pair) in rest_of_out.iter_mut().zip(rest.chunks_exact(2)) {
        *target = (u16::from_le_bytes([pair[0], pair[1]]) >> BIT) as u8;
    }
}

/// NV12 (luma, then interleaved chroma of half size) to I420.
///
/// # Errors
/// When `bytes` is shorter than a picture of that size.
pub fn nv12_to_i420(bytes: &[u8], size: SourceSize, frame: &mut VideoFrame) -> Result<(), ColourError> {
    let luma = size.width * size.height;
    let chroma_stride = size.width.next_multiple_of(2);
    size.check(frame, bytes.len(), luma + chroma_stride * size.height.div_ceil(2))?;
    frame.colour = Colour::default();
    let width = frame.width();
    let (y, u, v) = frame.planes_mut();
    let (source_y, source_uv) = bytes.split_at(luma);
    for (row, source) in y.chunks_exact_mut(width).zip(source_y.chunks_exact(size.width)) {
        row.copy_from_slice(&source[..width]);
    }
    let rows = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
    for ((u, v), source) in rows.zip(source_uv.chunks_exact(chroma_stride)) {
        take::<EVEN>(source, u);
        take::<ODD>(source, v);
    }
    Ok(())
}

/// RGB or BGR of three bytes a pixel to I420, BT.601 limited.
///
/// # Errors
/// When `bytes` is shorter than a picture of that size.
pub fn rgb_to_i420(
    bytes: &[u8],
    order: ByteOrder,
    size: SourceSize,
    frame: &mut VideoFrame,
) -> Result<(), ColourError> {
    let stride = size.width * 3;
    size.check(frame, bytes.len(), stride * size.height)?;
    frame.colour = Colour::default();
    let mut planar = planar_mut(frame);
    // Luma weights of red and blue (ITU-R BT.601). BGR is RGB with both the weights and the chroma planes
    // exchanged: that saves compiling the conversion a second time.
    let matrix = match order {
        ByteOrder::Rgb => YuvStandardMatrix::Bt601,
        ByteOrder::Bgr => {
            std::mem::swap(&mut planar.u_plane, &mut planar.v_plane);
            YuvStandardMatrix::Custom(0.114, 0.299)
        }
    };
    let mode = YuvConversionMode::Balanced;
    yuv::rgb_to_yuv420(&mut planar, bytes, stride as u32, YuvRange::Limited, matrix, mode).map_err(refused)
}

/// A picture to RGBA of four bytes a pixel, opaque, by the colours the frame says it has. `out` becomes
/// `width * height * 4` bytes long and is reused as it is when it already is.
pub fn i420_to_rgba(frame: &VideoFrame, out: &mut Vec<u8>) {
    out.resize(frame.width() * frame.height() * 4, 0);
    let (width, height) = (frame.width() as u32, frame.height() as u32);
    let planar = YuvPlanarImage {
        y_plane: frame.y(),
        y_stride: width,
        u_plane: frame.u(),
        u_stride: width / 2,
        v_plane: frame.v(),
        v_stride: width / 2,
        width,
        height,
    };
    let range = match frame.colour.range {
        ColourRange::Limited => YuvRange::Limited,
        ColourRange::Full => YuvRange::Full,
    };
    let matrix = match frame.colour.matrix {
        ColourMatrix::Bt601 => YuvStandardMatrix::Bt601,
        ColourMatrix::Bt709 => YuvStandardMatrix::Bt709,
    };
    if let Err(error) = yuv::yuv420_to_rgba(&planar, out, width * 4, range, matrix) {
        // Only a picture without pixels: then there is nothing to show either.
        tracing::debug!(%error, width, height, "a picture could not be converted for the window");
        out.fill(0);
    }
}

#[cfg(test)]
#[path = "colour_tests.rs"]
mod tests;
