//! Opus (RFC 6716) as RTP carries it (RFC 7587): one packet a payload, 48 kHz clock, mono.
//!
//! Blocks of 20 ms flow in and packets out of [`OpusEncoder`], and back through [`OpusDecoder`]. Both are plain objects
//! on whoever's thread calls them; in the application that is "audio".

use bytes::Bytes;
use opus::{Application, Bitrate, Channels};

use crate::frame::{BLOCK_SAMPLES, SAMPLE_RATE_HZ};

/// Samples in a packet we send: 20 ms.
pub const FRAME_SAMPLES: usize = 2 * BLOCK_SAMPLES;
/// Samples in the longest packet that RFC 6716 allows: 120 ms.
pub const MAX_PACKET_SAMPLES: usize = 5_760;
/// Rate an encoder starts with.
pub const START_BITRATE_BPS: u32 = 32_000;

/// Bounds of the rate: below 6 kbit/s Opus refuses, above 128 kbit/s mono speech gains nothing.
const BITRATE_BOUNDS_BPS: (u32, u32) = (6_000, 128_000);
/// 9 of 10: the last step costs a third more and is not heard.
const COMPLEXITY: i32 = 9;
/// Largest packet the encoder may give: at 128 kbit/s 20 ms are 320 bytes, so this never binds.
const PACKET_BUFFER_BYTES: usize = 1_000;
/// A packet of this size or less holds no sound: "need not be transmitted" (libopus, `opus_encode`).
const DTX_PACKET_BYTES: usize = 2;
/// Steps in which libopus wants concealment: 2.5 ms.
const CONCEAL_STEP_SAMPLES: usize = 120;

/// What libopus did not like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpusError {
    /// The payload is not an Opus packet.
    #[error("not an Opus packet")]
    Malformed,
    /// The codec could not be created or set up: out of memory, or a mistake of ours.
    #[error("libopus: {0}")]
    Codec(&'static str),
}

impl From<opus::Error> for OpusError {
    fn from(error: opus::Error) -> Self {
        match error.code() {
            opus::ErrorCode::InvalidPacket | opus::ErrorCode::BufferTooSmall => Self::Malformed,
            opus::ErrorCode::BadArg
            | opus::ErrorCode::InternalError
            | opus::ErrorCode::Unimplemented
            | opus::ErrorCode::InvalidState
            | opus::ErrorCode::AllocFail
            | opus::ErrorCode::Unknown => Self::Codec(error.description()),
        }
    }
}

/// Whether the encoder may stop sending while nothing is to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtx {
    /// After 200 ms of silence only a packet every 400 ms leaves.
    On,
    /// Silence is sent like speech.
    Off,
}

/// What became of 20 ms of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// A packet to send.
    Packet(Bytes),
    /// The silence goes on and the far end knows: nothing to send.
    Silent,
}

/// Encodes 20 ms at a time: mono, VOIP, in-band FEC.
pub struct OpusEncoder {
    inner: opus::Encoder,
    dtx: Dtx,
    silence: Silence,
    loss_percent: i32,
    bitrate_bps: u32,
}

/// Whether the far end has been told that we fell silent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silence {
    Announced,
    Over,
}

impl OpusEncoder {
    /// An encoder at [`START_BITRATE_BPS`], DTX off, no loss expected.
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn new() -> Result<Self, OpusError> {
        let mut inner = opus::Encoder::new(SAMPLE_RATE_HZ, Channels::Mono, Application::Voip)?;
        inner.set_complexity(COMPLEXITY)?;
        inner.set_bitrate(Bitrate::Bits(START_BITRATE_BPS as i32))?;
        inner.set_inband_fec(true)?;
        inner.set_dtx(false)?;
        Ok(Self {
            inner,
            dtx: Dtx::Off,
            silence: Silence::Over,
            loss_percent: 0,
            bitrate_bps: START_BITRATE_BPS,
        })
    }

    /// Changes the rate, kept within 6 and 128 kbit/s.
    ///
    /// # Errors
    /// When libopus refuses.
    pub fn set_bitrate_bps(&mut self, bitrate_bps: u32) -> Result<(), OpusError> {
        let bitrate_bps = bitrate_bps.clamp(BITRATE_BOUNDS_BPS.0, BITRATE_BOUNDS_BPS.1);
        if bitrate_bps != self.bitrate_bps {
            self.inner.set_bitrate(Bitrate::Bits(bitrate_bps as i32))?;
            self.bitrate_bps = bitrate_bps;
        }
        Ok(())
    }

    /// Says which part of the packets (0 to 1) is being lost: from about 5 % on each packet also carries a coarse copy of
    /// the one before.
    ///
    /// # Errors
    /// When libopus refuses.
    pub fn set_expected_loss(&mut self, fraction: f32) -> Result<(), OpusError> {
        let percent = (fraction.clamp(0.0, 1.0) * 100.0).round() as i32;
        if percent != self.loss_percent {
            self.inner.set_packet_loss_perc(percent)?;
            self.loss_percent = percent;
        }
        Ok(())
    }

    /// Switches discontinuous transmission.
    ///
    /// # Errors
    /// When libopus refuses.
    pub fn set_dtx(&mut self, dtx: Dtx) -> Result<(), OpusError> {
        if dtx != self.dtx {
            self.inner.set_dtx(dtx == Dtx::On)?;
            self.dtx = dtx;
        }
        Ok(())
    }

    /// Encodes 20 ms.
    ///
    /// Of a silence the first empty packet is sent, as Chromium does, so that the far end can tell it from loss.
    ///
    /// # Errors
    /// When libopus fails; the next call may work.
    pub fn encode(&mut self, samples: &[f32; FRAME_SAMPLES]) -> Result<Encoded, OpusError> {
        let mut packet = [0; PACKET_BUFFER_BYTES];
        let bytes = self.inner.encode_float(samples, &mut packet)?;
        let silence_before = self.silence;
        self.silence = if bytes <= DTX_PACKET_BYTES {
            Silence::Announced
        } else {
            Silence::Over
        };
        Ok(match (silence_before, self.silence) {
            (Silence::Announced, Silence::Announced) => Encoded::Silent,
            (Silence::Over, _) | (_, Silence::Over) => Encoded::Packet(Bytes::copy_from_slice(&packet[..bytes])),
        })
    }
}

/// Decodes packets of any length and bandwidth to 48 kHz mono, and makes up for those that are missing.
pub struct OpusDecoder {
    inner: opus::Decoder,
}

impl OpusDecoder {
    /// A decoder without history.
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self {
            inner: opus::Decoder::new(SAMPLE_RATE_HZ, Channels::Mono)?,
        })
    }

    /// Decodes one packet to the end of `pcm` and returns how many samples that were.
    ///
    /// # Errors
    /// [`OpusError::Malformed`] for what is not Opus; `pcm` is unchanged then.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<f32>) -> Result<usize, OpusError> {
        let samples = packet_samples(payload).ok_or(OpusError::Malformed)?;
        self.append(payload, samples, pcm, Recover::No)
    }

    /// Decodes the copy of the packet before `next` that `next` carries: `samples` long.
    ///
    /// # Errors
    /// As [`Self::decode`]. Without a copy in it the result is that of [`Self::conceal`].
    pub fn recover(&mut self, next: &[u8], samples: usize, pcm: &mut Vec<f32>) -> Result<usize, OpusError> {
        packet_samples(next).ok_or(OpusError::Malformed)?;
        self.append(next, whole_steps(samples), pcm, Recover::Yes)
    }

    /// Makes up sound where a packet is missing; after the announcement of a silence this is comfort noise.
    ///
    /// # Errors
    /// When libopus fails.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<f32>) -> Result<usize, OpusError> {
        self.append(&[], whole_steps(samples), pcm, Recover::No)
    }

    fn append(
        &mut self,
        payload: &[u8],
        samples: usize,
        pcm: &mut Vec<f32>,
        recover: Recover,
    ) -> Result<usize, OpusError> {
        let start = pcm.len();
        pcm.resize(start + samples, 0.0);
        match self
            .inner
            .decode_float(payload, &mut pcm[start..], recover == Recover::Yes)
        {
            Ok(decoded) => {
                pcm.truncate(start + decoded);
                Ok(decoded)
            }
            Err(error) => {
                pcm.truncate(start);
                Err(error.into())
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Recover {
    Yes,
    No,
}

/// The nearest length that libopus can conceal, within its bounds.
fn whole_steps(samples: usize) -> usize {
    (samples / CONCEAL_STEP_SAMPLES * CONCEAL_STEP_SAMPLES).clamp(CONCEAL_STEP_SAMPLES, MAX_PACKET_SAMPLES)
}

/// How long a packet plays, in samples at 48 kHz; `None` for what is not an Opus packet.
#[must_use]
pub fn packet_samples(payload: &[u8]) -> Option<usize> {
    if payload.is_empty() {
        return None;
    }
    opus::packet::get_nb_samples(payload, SAMPLE_RATE_HZ)
        .ok()
        .filter(|samples| (CONCEAL_STEP_SAMPLES..=MAX_PACKET_SAMPLES).contains(samples))
}

/// Whether a packet announces silence (DTX).
#[must_use]
pub fn announces_silence(payload: &[u8]) -> bool {
    payload.len() <= DTX_PACKET_BYTES
}

/// Whether a packet carries a copy of the one before it (LBRR, RFC 6716 section 4.2.4).
#[must_use]
pub fn carries_copy_of_previous(payload: &[u8]) -> bool {
    let Some(&toc) = payload.first() else { return false };
    // Configurations from 16 on are CELT only (RFC 6716, table 2): no SILK layer, no copy.
    if toc >> 3 >= 16 {
        return false;
    }
    let Ok(packet) = opus::packet::parse(payload) else {
        return false;
    };
    let Some(&header) = packet.frames.first().and_then(|frame| frame.first()) else {
        return false;
    };
    // The SILK header begins with one voice-activity bit for each 20 ms, then the LBRR flag, for each channel.
    let silk_frames = opus::packet::get_samples_per_frame(payload, SAMPLE_RATE_HZ).map_or(1, |s| (s / 960).max(1));
    let flag = |bit: usize| header >> (7 - bit) & 1 == 1;
    let stereo = toc & 0b100 != 0;
    flag(silk_frames) || (stereo && 2 * silk_frames < 7 && flag(2 * silk_frames + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A harmonic tone in syllables: enough like a voice for SILK to code it.
    fn voice(frame: usize) -> [f32; FRAME_SAMPLES] {
        std::array::from_fn(|i| {
            let t = (frame * FRAME_SAMPLES + i) as f32 / SAMPLE_RATE_HZ as f32;
            let envelope = ((t * 3.0 * std::f32::consts::TAU).sin() + 0.5).clamp(0.0, 1.0);
            (1..12)
                .map(|harmonic| (t * 150.0 * harmonic as f32 * std::f32::consts::TAU).sin() * 0.08)
                .sum::<f32>()
                * envelope
        })
    }

    fn packet(encoder: &mut OpusEncoder, samples: &[f32; FRAME_SAMPLES]) -> Option<Bytes> {
        match encoder.encode(samples).expect("encodes") {
            Encoded::Packet(packet) => Some(packet),
            Encoded::Silent => None,
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let mut encoder = OpusEncoder::new().expect("encoder");
        let mut decoder = OpusDecoder::new().expect("decoder");
        let mut pcm = Vec::new();
        let mut bytes = 0;
        for frame in 0..50 {
            let packet = packet(&mut encoder, &voice(frame)).expect("speech is sent");
            bytes += packet.len();
            assert_eq!(packet_samples(&packet), Some(FRAME_SAMPLES));
            decoder.decode(&packet, &mut pcm).expect("decodes");
        }
        assert_eq!(pcm.len(), 48_000);
        assert!(
            (2_000..5_000).contains(&bytes),
            "up to 32 kbit/s, got {bytes} bytes in a second"
        );
        let power = |pcm: &[f32]| pcm.iter().map(|s| s * s).sum::<f32>() / pcm.len() as f32;
        let sent: Vec<f32> = (10..50).flat_map(voice).collect();
        let ratio = power(&pcm[9_600..]) / power(&sent);
        assert!((0.7..1.3).contains(&ratio), "{ratio}");
    }

    #[test]
    fn copies_of_the_previous_packet_come_with_expected_loss() {
        let mut encoder = OpusEncoder::new().expect("encoder");
        let copies = |encoder: &mut OpusEncoder| {
            (0..50)
                .filter_map(|frame| packet(encoder, &voice(frame)))
                .filter(|packet| carries_copy_of_previous(packet))
                .count()
        };
        assert_eq!(copies(&mut encoder), 0);
        encoder.set_expected_loss(0.15).expect("accepted");
        let copies = copies(&mut encoder);
        assert!(copies > 25, "{copies} of 50");
    }

    #[test]
    fn silence_is_announced_once_and_refreshed() {
        let mut encoder = OpusEncoder::new().expect("encoder");
        encoder.set_dtx(Dtx::On).expect("accepted");
        let quiet = [0.0; FRAME_SAMPLES];
        let sent: Vec<Bytes> = (0..250).filter_map(|_| packet(&mut encoder, &quiet)).collect();
        assert!(sent.iter().any(|packet| announces_silence(packet)));
        assert!(sent.len() < 50, "5 s of silence took {} packets", sent.len());
    }

    proptest! {
        #[test]
        fn no_payload_breaks_the_decoder(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..20)) {
            let mut decoder = OpusDecoder::new().expect("decoder");
            let mut pcm = Vec::new();
            for payload in payloads {
                let before = pcm.len();
                let length = packet_samples(&payload);
                let _has_copy = carries_copy_of_previous(&payload);
                match decoder.decode(&payload, &mut pcm) {
                    Ok(samples) => prop_assert_eq!((Some(samples), pcm.len()), (length, before + samples)),
                    Err(_) => prop_assert_eq!(pcm.len(), before),
                }
                pcm.clear();
                if decoder.recover(&payload, 960, &mut pcm).is_ok() {
                    prop_assert!(pcm.len() <= MAX_PACKET_SAMPLES);
                }
                pcm.clear();
            }
        }
    }
}
