//! H.264 constrained baseline by openh264.
//!
//! In: I420 pictures. Out: Annex B access units, one a picture, without delay.

mod decoder;
mod encoder;
mod sps;

pub use decoder::H264Decoder;
pub use encoder::H264Encoder;

/// `profile-level-id` of what we send and receive (RFC 6184, section 8.1): constrained baseline 3.1.
pub const PROFILE_LEVEL_ID: &str = "42e01f";

/// A symbol of openh264's assembler code: linking fails without it.
///
/// `build.rs` refuses to build where nasm is missing, but a library that was built before nasm was installed stays in the
/// target folder. If the linker does not find `WelsCPUIdVerify`: `cargo clean -p openh264-sys2`, and build again.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod assembler {
    unsafe extern "C" {
        fn WelsCPUIdVerify() -> i32;
    }

    #[used]
    static LINKED: unsafe extern "C" fn() -> i32 = WelsCPUIdVerify;
}

/// NAL unit types (ITU-T H.264, table 7-1).
pub(crate) mod nal {
    /// Slice of a picture that a decoder can start with.
    pub(crate) const IDR_SLICE: u8 = 5;
    /// Sequence parameter set: size and colour.
    pub(crate) const SEQUENCE_PARAMETERS: u8 = 7;
    /// Picture parameter set.
    pub(crate) const PICTURE_PARAMETERS: u8 = 8;

    /// The NAL units of an Annex B stream, without start codes and trailing zeros; empty ones are left out.
    pub(crate) fn units(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut rest = start_code(annex_b).map_or(&annex_b[annex_b.len()..], |(_, after)| &annex_b[after..]);
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let (end, next) = start_code(rest).unwrap_or((rest.len(), rest.len()));
                let unit = rest[..end].trim_suffix_zeros();
                rest = &rest[next..];
                if !unit.is_empty() {
                    return Some(unit);
                }
            }
            None
        })
    }

    /// The first `00 00 01` as `(its index, index after it)`.
    fn start_code(bytes: &[u8]) -> Option<(usize, usize)> {
        let mut at = 2;
        while at < bytes.len() {
            match bytes[at] {
                // A third byte above 1 cannot be part of a start code, nor can the two before it begin one.
                2.. => at += 3,
                1 if bytes[at - 1] == 0 && bytes[at - 2] == 0 => return Some((at - 2, at + 1)),
                _ => at += 1,
            }
        }
        None
    }

    trait TrimZeros {
        fn trim_suffix_zeros(&self) -> &[u8];
    }

    impl TrimZeros for [u8] {
        fn trim_suffix_zeros(&self) -> &[u8] {
            let length = self.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            &self[..length]
        }
    }
}

#[cfg(test)]
mod tests;
