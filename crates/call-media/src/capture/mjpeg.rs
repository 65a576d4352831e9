//! Motion JPEG, as cameras give it: each picture a JPEG of its own, often without Huffman tables, in a buffer longer
//! than the picture, and now and then cut off.
//!
//! In: a camera's buffer. Out: I420, BT.601 limited. The JPEG decoder of `zune-jpeg` fills what is missing of a
//! picture with grey and says nothing, hence the walk over the segments beforehand.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::colour::{self, ByteOrder, SourceSize};
use crate::frame::VideoFrame;

/// Why a buffer gives no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MjpegError {
    /// It does not begin like one.
    #[error("the picture is not a JPEG")]
    NotJpeg,
    /// The end is missing.
    #[error("the JPEG picture is cut off")]
    CutOff,
    /// The camera promised another size.
    #[error("the JPEG picture is {width}x{height}, not of the size that was agreed on")]
    Size {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
    },
    /// The decoder refused it.
    #[error("the JPEG picture cannot be decoded: {0}")]
    Damaged(String),
}

/// Decodes one picture after the other, in buffers it keeps.
#[derive(Default)]
pub struct MjpegDecoder {
    jpeg: Vec<u8>,
    pixels: Vec<u8>,
}

impl MjpegDecoder {
    /// Decodes the picture at the beginning of `bytes` into `frame`, which is `size` rounded down to even sides.
    ///
    /// # Errors
    /// When there is no whole picture of that size.
    pub fn decode(&mut self, bytes: &[u8], size: SourceSize, frame: &mut VideoFrame) -> Result<(), MjpegError> {
        let picture = Picture::find(bytes)?;
        let jpeg = match picture.tables {
            Tables::Own => picture.bytes,
            Tables::Missing => {
                self.jpeg.clear();
                self.jpeg.extend_from_slice(&picture.bytes[..SOI_BYTES]);
                self.jpeg.extend_from_slice(&STANDARD_TABLES);
                self.jpeg.extend_from_slice(&picture.bytes[SOI_BYTES..]);
                &self.jpeg
            }
        };
        // RGB, although the picture is YCbCr: the decoder's conversion and ours back are both vectorized, and
        // together quicker than taking its packed YCbCr apart byte by byte.
        let options = DecoderOptions::new_fast()
            .set_max_width(size.width)
            .set_max_height(size.height)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let damaged = |error: zune_jpeg::errors::DecodeErrors| MjpegError::Damaged(error.to_string());
        decoder.decode_headers().map_err(damaged)?;
        let dimensions = decoder
            .info()
            .map(|info| (usize::from(info.width), usize::from(info.height)));
        let (width, height) = dimensions.unwrap_or_default();
        if (width, height) != (size.width, size.height) {
            return Err(MjpegError::Size { width, height });
        }
        self.pixels.resize(width * height * 3, 0);
        decoder.decode_into(&mut self.pixels).map_err(damaged)?;
        let converted = colour::rgb_to_i420(&self.pixels, ByteOrder::Rgb, size, frame);
        converted.map_err(|error| MjpegError::Damaged(error.to_string()))
    }
}

/// Whether a picture brings its Huffman tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tables {
    Own,
    Missing,
}

/// One JPEG picture, from SOI to EOI, within a buffer.
#[derive(Debug, PartialEq, Eq)]
struct Picture<'a> {
    bytes: &'a [u8],
    tables: Tables,
}

/// Marker codes (ITU-T T.81, table B.1); each stands behind a byte 0xFF.
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const DHT: u8 = 0xC4;
const TEM: u8 = 0x01;
const SOI_BYTES: usize = 2;

impl<'a> Picture<'a> {
    /// Walks over the segments to the end of the picture.
    fn find(bytes: &'a [u8]) -> Result<Self, MjpegError> {
        if !bytes.starts_with(&[0xFF, SOI]) {
            return Err(MjpegError::NotJpeg);
        }
        let mut at = SOI_BYTES;
        let mut tables = Tables::Missing;
        loop {
            let (marker, behind) = next_marker(bytes, at).ok_or(MjpegError::CutOff)?;
            match marker {
                EOI => {
                    let bytes = &bytes[..behind];
                    return Ok(Self { bytes, tables });
                }
                // The next picture begins: the end of this one was lost.
                SOI => return Err(MjpegError::CutOff),
                // These have no length.
                0xD0..=0xD7 | TEM => at = behind,
                _ => {
                    if marker == DHT {
                        tables = Tables::Own;
                    }
                    // Behind SOS (0xDA) comes the scan; the search for the next marker runs over it.
                    at = behind + segment_bytes(bytes, behind).ok_or(MjpegError::CutOff)?;
                }
            }
        }
    }
}

/// The next marker at or behind `at`, and where what belongs to it begins. Within a scan 0xFF is followed by 0 or a
/// restart marker.
fn next_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let mut at = at;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|&byte| byte == 0xFF)?;
        let fill = bytes[at..].iter().take_while(|&&byte| byte == 0xFF).count();
        at += fill + 1;
        match *bytes.get(at - 1)? {
            0 => {}
            marker => return Some((marker, at)),
        }
    }
}

/// Length of a segment's content, which its first two bytes tell and are part of.
fn segment_bytes(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes.get(at..at + 2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    (length >= 2).then_some(length)
}

/// The Huffman tables that a JPEG without any means (ITU-T T.81, annex K.3): luma DC and AC, chroma DC and AC, as one DHT
/// segment with its marker.
#[rustfmt::skip]
const STANDARD_TABLES: [u8; 420] = [
    0xFF, 0xC4, 0x01, 0xA2, 0x00, 0x00, 0x01, 0x05, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x10, 0x00, 0x02, 0x01, 0x03, 0x03, 0x02,
    0x04, 0x03, 0x05, 0x05, 0x04, 0x04, 0x00, 0x00, 0x01, 0x7D, 0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31,
    0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52,
    0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A,
    0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57,
    0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
    0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7,
    0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8,
    0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0x01, 0x00, 0x03, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A,
    0x0B, 0x11, 0x00, 0x02, 0x01, 0x02, 0x04, 0x04, 0x03, 0x04, 0x07, 0x05, 0x04, 0x04, 0x00, 0x01, 0x02, 0x77, 0x00, 0x01,
    0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14,
    0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25,
    0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46,
    0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A,
    0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94,
    0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6,
    0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8,
    0xD9, 0xDA, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

#[cfg(test)]
#[path = "mjpeg_tests.rs"]
mod tests;
