//! Reads a sequence parameter set (ITU-T H.264, section 7.3.2.1.1 and annex E): the size before the decoder
//! allocates for it, and the colour, which the decoder does not tell.

use crate::codec::VideoCodecError;
use crate::frame::{Colour, ColourMatrix, ColourRange};

/// What a sequence parameter set announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sps {
    /// Pixels after cropping.
    pub(super) width: usize,
    /// Pixels after cropping.
    pub(super) height: usize,
    /// Pictures that a decoder keeps for reference.
    pub(super) references: u32,
    /// From the VUI, or what an unspecified stream is taken for.
    pub(super) colour: Colour,
}

/// Profiles that carry a chroma format and scaling lists.
const HIGH_PROFILES: [u32; 8] = [100, 110, 122, 244, 44, 83, 86, 118];
/// `aspect_ratio_idc` of an aspect ratio in plain numbers.
const EXTENDED_ASPECT_RATIO: u32 = 255;

impl Sps {
    /// Parses a NAL unit of type 7, header byte included.
    pub(super) fn parse(nal: &[u8]) -> Result<Self, VideoCodecError> {
        parse(&mut Bits::new(nal.get(1..).unwrap_or_default())).ok_or(VideoCodecError::ParameterSet)
    }
}

fn parse(bits: &mut Bits) -> Option<Sps> {
    let profile = bits.take(8)?;
    bits.take(16)?; // constraint flags and level
    bits.unsigned()?; // seq_parameter_set_id
    if HIGH_PROFILES.contains(&profile) {
        skip_high_profile(bits)?;
    }
    bits.unsigned()?; // log2_max_frame_num_minus4
    skip_picture_order(bits)?;
    let references = bits.unsigned()?;
    bits.flag()?; // gaps_in_frame_num_value_allowed_flag
    let macroblocks_wide = bits.unsigned()?.checked_add(1)?;
    let map_units_high = bits.unsigned()?.checked_add(1)?;
    let frames_only = bits.flag()?;
    if !frames_only {
        return None; // Interlaced: no call uses it, and the library cannot.
    }
    bits.flag()?; // direct_8x8_inference_flag
    let mut crop = [0; 4];
    if bits.flag()? {
        for edge in &mut crop {
            *edge = bits.unsigned()?.checked_mul(2)?; // 4:2:0 crops in pairs
        }
    }
    let size = |macroblocks: u32, crop: [u32; 2]| {
        let cropped = macroblocks
            .checked_mul(16)?
            .checked_sub(crop[0])?
            .checked_sub(crop[1])?;
        (cropped > 0).then_some(cropped as usize)
    };
    Some(Sps {
        width: size(macroblocks_wide, [crop[0], crop[1]])?,
        height: size(map_units_high, [crop[2], crop[3]])?,
        references,
        // A VUI that is cut short loses the colour, not the picture.
        colour: colour(bits).unwrap_or_default(),
    })
}

fn skip_high_profile(bits: &mut Bits) -> Option<()> {
    let chroma_format = bits.unsigned()?;
    let depths = (bits.unsigned()?, bits.unsigned()?);
    if chroma_format != 1 || depths != (0, 0) {
        return None; // not 4:2:0 of 8 bits
    }
    bits.flag()?; // qpprime_y_zero_transform_bypass_flag
    if bits.flag()? {
        for list in 0..8 {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(())
}

fn skip_scaling_list(bits: &mut Bits, entries: usize) -> Option<()> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..entries {
        if next != 0 {
            next = last.wrapping_add(bits.signed()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.flag()?;
            bits.signed()?;
            bits.signed()?;
            let cycle = bits.unsigned()?;
            for _ in 0..cycle.min(256) {
                bits.signed()?;
            }
        }
        2 => {}
        _ => return None,
    }
    Some(())
}

fn colour(bits: &mut Bits) -> Option<Colour> {
    if !bits.flag()? {
        return None;
    }
    if bits.flag()? && bits.take(8)? == EXTENDED_ASPECT_RATIO {
        bits.take(32)?;
    }
    if bits.flag()? {
        bits.flag()?; // overscan_appropriate_flag
    }
    if !bits.flag()? {
        return None; // no video_signal_type
    }
    bits.take(3)?; // video_format
    let range = if bits.flag()? {
        ColourRange::Full
    } else {
        ColourRange::Limited
    };
    let mut matrix = ColourMatrix::Bt601;
    if bits.flag()? {
        bits.take(16)?; // primaries and transfer
        if bits.take(8)? == 1 {
            matrix = ColourMatrix::Bt709;
        }
    }
    Some(Colour { matrix, range })
}

/// Bits of a NAL unit, most significant first, without its emulation prevention bytes.
struct Bits<'a> {
    rest: &'a [u8],
    zeros: u8,
    byte: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            zeros: 0,
            byte: 0,
            left: 0,
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        if self.zeros >= 2 && byte == 3 {
            self.zeros = 0;
            return self.next_byte();
        }
        self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        Some(byte)
    }

    fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.byte = self.next_byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1 == 1)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0_u32, |value, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    /// ue(v) of section 9.1.
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1_u32 << zeros) - 1 + self.take(zeros)?)
    }

    /// se(v) of section 9.1.
    fn signed(&mut self) -> Option<i32> {
        let code = i64::from(self.unsigned()?);
        let magnitude = (code + 1) / 2;
        i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_browsers_parameter_set_reads() {
        // Chromium, 42e01f, 640x360 with its 8 cropped rows.
        let nal = [
            0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x17, 0xfc, 0xb0, 0x0f, 0x08, 0x84, 0x6a,
        ];
        let sps = Sps::parse(&nal).expect("it is a whole parameter set");
        assert_eq!((sps.width, sps.height), (640, 360));
        assert_eq!(sps.colour, Colour::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(sps) = Sps::parse(&bytes) {
                prop_assert!(sps.width > 0 && sps.height > 0);
            }
        }
    }
}
