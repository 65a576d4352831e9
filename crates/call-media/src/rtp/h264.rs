//! H.264 in RTP payloads (RFC 6184, packetization-mode 1): Annex B access units to payloads and back.
//!
//! The packetizer copies an access unit once and slices payloads out of that copy. The depacketizer trusts
//! nothing: whatever comes in is bounded, and a payload that breaks the rules spoils its access unit alone.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::MAX_PAYLOAD_BYTES;
use crate::codec::h264::nal;

/// Single-time aggregation packet (section 5.7.1).
const STAP_A: u8 = 24;
/// Fragmentation unit (section 5.8).
const FU_A: u8 = 28;
const TYPE_MASK: u8 = 0x1f;
const FORBIDDEN_BIT: u8 = 0x80;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
const FU_HEADER_BYTES: usize = 2;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Largest access unit that is put together.
pub const MAX_ACCESS_UNIT_BYTES: usize = 2 << 20;

/// Cuts an access unit into payloads of at most [`MAX_PAYLOAD_BYTES`]: parameter sets together in a STAP-A, other
/// NAL units alone or, where too long, in FU-A fragments of nearly equal size. One copy for all of them.
#[must_use]
pub fn packetize(annex_b: &[u8]) -> Arc<[Bytes]> {
    // Worst case: each NAL unit gains a STAP-A header and length, each fragment two bytes.
    let fragments = annex_b.len().div_ceil(MAX_PAYLOAD_BYTES - FU_HEADER_BYTES) + 1;
    let mut copy = BytesMut::with_capacity(annex_b.len() + FU_HEADER_BYTES * fragments + 8);
    let mut ends = Vec::with_capacity(fragments + 1);
    let mut parameters: Vec<&[u8]> = Vec::new();
    for unit in nal::units(annex_b) {
        let is_parameters = matches!(unit[0] & TYPE_MASK, nal::SEQUENCE_PARAMETERS | nal::PICTURE_PARAMETERS);
        if is_parameters && aggregate_bytes(&parameters) + 2 + unit.len() <= MAX_PAYLOAD_BYTES {
            parameters.push(unit);
            continue;
        }
        write_parameters(&mut parameters, &mut copy, &mut ends);
        write_unit(unit, &mut copy, &mut ends);
    }
    write_parameters(&mut parameters, &mut copy, &mut ends);
    let copy = copy.freeze();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, &end)| copy.slice(start..end)).collect()
}

fn aggregate_bytes(units: &[&[u8]]) -> usize {
    1 + units.iter().map(|unit| 2 + unit.len()).sum::<usize>()
}

fn write_parameters(units: &mut Vec<&[u8]>, copy: &mut BytesMut, ends: &mut Vec<usize>) {
    match units.as_slice() {
        [] => return,
        [one] => write_unit(one, copy, ends),
        several => {
            // Section 5.7.1: the importance of the aggregate is the highest of its parts.
            let importance = several.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
            copy.put_u8(importance | STAP_A);
            for unit in several {
                copy.put_u16(unit.len() as u16);
                copy.put_slice(unit);
            }
            ends.push(copy.len());
        }
    }
    units.clear();
}

fn write_unit(unit: &[u8], copy: &mut BytesMut, ends: &mut Vec<usize>) {
    if unit.len() <= MAX_PAYLOAD_BYTES {
        copy.put_slice(unit);
        ends.push(copy.len());
        return;
    }
    let (header, body) = (unit[0], &unit[1..]);
    let count = body.len().div_ceil(MAX_PAYLOAD_BYTES - FU_HEADER_BYTES);
    let size = body.len().div_ceil(count);
    for (index, fragment) in body.chunks(size).enumerate() {
        let start = if index == 0 { FU_START } else { 0 };
        let end = if (index + 1) * size >= body.len() { FU_END } else { 0 };
        copy.put_u8(header & !TYPE_MASK | FU_A);
        copy.put_u8(start | end | header & TYPE_MASK);
        copy.put_slice(fragment);
        ends.push(copy.len());
    }
}

/// Whether a picture that a decoder can start with begins in this payload: it carries a sequence parameter set.
///
/// An IDR slice alone does not count: its parameter sets may be missing.
#[must_use]
pub fn starts_key_frame(payload: &[u8]) -> bool {
    match payload.first().map(|header| header & TYPE_MASK) {
        Some(nal::SEQUENCE_PARAMETERS) => true,
        Some(STAP_A) => AggregatedUnits(&payload[1..])
            .map_while(Result::ok)
            .any(|unit| unit[0] & TYPE_MASK == nal::SEQUENCE_PARAMETERS),
        _ => false,
    }
}

/// Why a payload was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its own headers say.
    #[error("an H.264 payload is cut short")]
    Truncated,
    /// A packet type that packetization-mode 1 does not have, or the forbidden bit.
    #[error("an H.264 payload has a type that packetization mode 1 does not have")]
    Type,
    /// A fragment without its start, or another start or unit before its end.
    #[error("an H.264 fragment does not continue what came before it")]
    Fragment,
    /// More than [`MAX_ACCESS_UNIT_BYTES`].
    #[error("an H.264 access unit is larger than agreed")]
    TooLarge,
}

/// One picture, put together.
#[derive(Debug, PartialEq, Eq)]
pub struct AccessUnit<'a> {
    /// NAL units behind four-byte start codes.
    pub annex_b: &'a [u8],
    /// Whether it holds an IDR slice.
    pub is_key: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fragment {
    /// No fragmented NAL unit is open.
    #[default]
    None,
    /// Fragments of a NAL unit of this type are coming in.
    Open(u8),
}

/// Puts access units together: [`push`](Self::push) the payloads of one in order, then [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct Depacketizer {
    unit: Vec<u8>,
    fragment: Fragment,
    is_key: bool,
    spoilt: bool,
    /// The unit was handed out: the next payload begins another.
    finished: bool,
    malformed: u64,
}

impl Depacketizer {
    /// Adds the next payload of the access unit. Empty payloads are padding and change nothing.
    ///
    /// # Errors
    /// When the payload breaks RFC 6184 or the size limit: it is counted, and the access unit is spoilt.
    pub fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let Some(&header) = payload.first() else {
            return Ok(());
        };
        self.begin();
        let result = match header & TYPE_MASK {
            _ if header & FORBIDDEN_BIT != 0 => Err(Malformed::Type),
            1..=23 => self.whole(payload),
            STAP_A => self.aggregate(&payload[1..]),
            FU_A => self.fragment(header, &payload[1..]),
            _ => Err(Malformed::Type),
        };
        if result.is_err() {
            self.malformed += 1;
            self.spoilt = true;
        }
        result
    }

    /// Says that payloads are missing between the last one and the next: the access unit is spoilt.
    pub fn gap(&mut self) {
        self.begin();
        self.spoilt = true;
        self.fragment = Fragment::None;
    }

    /// Ends the access unit with its last payload. `None` when it is empty or spoilt.
    pub fn finish(&mut self) -> Option<AccessUnit<'_>> {
        self.begin();
        self.finished = true;
        if self.fragment != Fragment::None && !self.spoilt {
            // The end of a fragmented unit never came.
            self.malformed += 1;
            self.spoilt = true;
        }
        (!self.spoilt && !self.unit.is_empty()).then_some(AccessUnit {
            annex_b: &self.unit,
            is_key: self.is_key,
        })
    }

    /// Starts afresh when the last access unit was handed out.
    fn begin(&mut self) {
        if std::mem::take(&mut self.finished) {
            self.unit.clear();
            self.fragment = Fragment::None;
            self.spoilt = false;
            self.is_key = false;
        }
    }

    /// How many payloads were refused.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    fn whole(&mut self, unit: &[u8]) -> Result<(), Malformed> {
        if std::mem::take(&mut self.fragment) != Fragment::None {
            return Err(Malformed::Fragment);
        }
        self.append(&[&START_CODE, unit])?;
        self.is_key |= unit[0] & TYPE_MASK == nal::IDR_SLICE;
        Ok(())
    }

    fn aggregate(&mut self, units: &[u8]) -> Result<(), Malformed> {
        if units.is_empty() {
            return Err(Malformed::Truncated);
        }
        for unit in AggregatedUnits(units) {
            let unit = unit?;
            if !(1..=23).contains(&(unit[0] & TYPE_MASK)) || unit[0] & FORBIDDEN_BIT != 0 {
                return Err(Malformed::Type);
            }
            self.whole(unit)?;
        }
        Ok(())
    }

    fn fragment(&mut self, indicator: u8, rest: &[u8]) -> Result<(), Malformed> {
        let [fu_header, body @ ..] = rest else {
            self.fragment = Fragment::None;
            return Err(Malformed::Truncated);
        };
        let kind = fu_header & TYPE_MASK;
        let open = std::mem::take(&mut self.fragment);
        let (starts, ends) = (fu_header & FU_START != 0, fu_header & FU_END != 0);
        if !(1..=23).contains(&kind) {
            return Err(Malformed::Type);
        }
        if starts && ends || starts != (open == Fragment::None) || !starts && open != Fragment::Open(kind) {
            return Err(Malformed::Fragment);
        }
        if starts {
            self.append(&[&START_CODE, &[indicator & !TYPE_MASK | kind], body])?;
            self.is_key |= kind == nal::IDR_SLICE;
        } else {
            self.append(&[body])?;
        }
        if !ends {
            self.fragment = Fragment::Open(kind);
        }
        Ok(())
    }

    fn append(&mut self, parts: &[&[u8]]) -> Result<(), Malformed> {
        let more: usize = parts.iter().map(|part| part.len()).sum();
        if self.unit.len() + more > MAX_ACCESS_UNIT_BYTES {
            return Err(Malformed::TooLarge);
        }
        for part in parts {
            self.unit.extend_from_slice(part);
        }
        Ok(())
    }
}

/// The NAL units of a STAP-A behind its header byte; ends after the first error.
struct AggregatedUnits<'a>(&'a [u8]);

impl<'a> Iterator for AggregatedUnits<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let unit = match std::mem::take(&mut self.0) {
            [] => return None,
            [high, low, rest @ ..] => match rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))) {
                Some(([], _)) | None => Err(Malformed::Truncated),
                Some((unit, rest)) => {
                    self.0 = rest;
                    Ok(unit)
                }
            },
            [_] => Err(Malformed::Truncated),
        };
        Some(unit)
    }
}

#[cfg(test)]
mod tests;
