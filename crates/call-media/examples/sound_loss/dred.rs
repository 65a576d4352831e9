//! Deep redundancy of libopus (DRED): each packet tells coarsely, for a neural vocoder, what the last fifth of a second was.
//!
//! Straight on libopus' own functions: the `opus` crate has no door to them.

use std::ptr;

use call_media::codec::opus::FRAME_SAMPLES;
use opusic_sys as sys;

use super::{Failure, Outcome, processor_time};

/// DRED at one bitrate.
#[derive(Clone, Copy)]
pub struct Way {
    pub name: &'static str,
    bitrate_bps: i32,
    fec: bool,
    /// From 5 on, what nothing tells is made up by a neural network too.
    decoder_complexity: i32,
    /// How far back packets tell, in units of 10 ms.
    duration: i32,
}

pub const WAYS: [Way; 5] = [
    Way {
        name: "deep-32",
        bitrate_bps: 32_000,
        fec: false,
        decoder_complexity: 5,
        duration: 0,
    },
    Way {
        name: "dred-32",
        bitrate_bps: 32_000,
        fec: false,
        decoder_complexity: 0,
        duration: 20,
    },
    Way {
        name: "dredf-40",
        bitrate_bps: 40_000,
        fec: true,
        decoder_complexity: 0,
        duration: 20,
    },
    Way {
        name: "dred-64",
        bitrate_bps: 64_000,
        fec: false,
        decoder_complexity: 0,
        duration: 20,
    },
    Way {
        name: "dredf-64",
        bitrate_bps: 64_000,
        fec: true,
        decoder_complexity: 5,
        duration: 20,
    },
];

fn check(code: i32) -> Result<i32, Failure> {
    if code < 0 {
        Err(format!("libopus says {code}").into())
    } else {
        Ok(code)
    }
}

fn encode(frames: &[[f32; FRAME_SAMPLES]], way: Way, percent: f64) -> Result<Vec<Vec<u8>>, Failure> {
    let mut error = 0;
    // SAFETY: plain values in, a pointer or null out, checked by `error`.
    let encoder = unsafe { sys::opus_encoder_create(48_000, 1, sys::OPUS_APPLICATION_VOIP, &raw mut error) };
    check(error)?;
    let settings = [
        (sys::OPUS_SET_COMPLEXITY_REQUEST, 9),
        (sys::OPUS_SET_BITRATE_REQUEST, way.bitrate_bps),
        (sys::OPUS_SET_INBAND_FEC_REQUEST, i32::from(way.fec)),
        (sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, percent as i32),
        (sys::OPUS_SET_DRED_DURATION_REQUEST, way.duration),
    ];
    for (request, value) in settings {
        // SAFETY: each of these requests takes one integer.
        check(unsafe { sys::opus_encoder_ctl(encoder, request, value) })?;
    }
    let mut packets = Vec::new();
    for frame in frames {
        let mut packet = vec![0; 1_500];
        // SAFETY: the lengths are those of the two buffers.
        let bytes = unsafe {
            sys::opus_encode_float(
                encoder,
                frame.as_ptr(),
                FRAME_SAMPLES as i32,
                packet.as_mut_ptr(),
                1_500,
            )
        };
        packet.truncate(check(bytes)? as usize);
        packets.push(packet);
    }
    // SAFETY: made above, used no more.
    unsafe { sys::opus_encoder_destroy(encoder) };
    Ok(packets)
}

pub fn repair(frames: &[[f32; FRAME_SAMPLES]], arrived: &[bool], way: Way, percent: f64) -> Result<Outcome, Failure> {
    let start = processor_time()?;
    let packets = encode(frames, way, percent)?;
    let encode = processor_time()?.saturating_sub(start);
    let mut error = 0;
    // SAFETY: as in `encode`.
    let decoder = unsafe { sys::opus_decoder_create(48_000, 1, &raw mut error) };
    check(error)?;
    // SAFETY: as above.
    let dred_decoder = unsafe { sys::opus_dred_decoder_create(&raw mut error) };
    check(error)?;
    // SAFETY: as above.
    let dred = unsafe { sys::opus_dred_alloc(&raw mut error) };
    check(error)?;
    // SAFETY: this request takes one integer.
    check(unsafe { sys::opus_decoder_ctl(decoder, sys::OPUS_SET_COMPLEXITY_REQUEST, way.decoder_complexity) })?;
    let mut pcm = Vec::new();
    let (mut concealed, samples) = (0, FRAME_SAMPLES as i32);
    let start = processor_time()?;
    for number in 0..packets.len() {
        let mut frame = [0.0_f32; FRAME_SAMPLES];
        let out = frame.as_mut_ptr();
        let next = (number + 1..packets.len()).find(|later| arrived[*later]);
        let told = match next.filter(|_| !arrived[number] && way.duration > 0) {
            Some(next) => {
                let back = ((next - number) as i32 * samples).min(48_000);
                let (packet, mut end) = (&packets[next], 0);
                // SAFETY: the length is that of the packet; both objects were made above.
                let told = check(unsafe {
                    let (data, bytes) = (packet.as_ptr(), packet.len() as i32);
                    sys::opus_dred_parse(dred_decoder, dred, data, bytes, back, 48_000, &raw mut end, 0)
                })?;
                (told > 0).then_some(back)
            }
            None => None,
        };
        let coarse = arrived.get(number + 1).copied().unwrap_or(false)
            && way.fec
            && call_media::codec::opus::carries_copy_of_previous(&packets[number + 1]);
        // SAFETY: `frame` has room for the samples asked for; packets come with their own length.
        check(unsafe {
            if arrived[number] {
                let packet = &packets[number];
                sys::opus_decode_float(decoder, packet.as_ptr(), packet.len() as i32, out, samples, 0)
            } else if coarse {
                let packet = &packets[number + 1];
                sys::opus_decode_float(decoder, packet.as_ptr(), packet.len() as i32, out, samples, 1)
            } else if let Some(back) = told {
                sys::opus_decoder_dred_decode_float(decoder, dred, back, out, samples)
            } else {
                concealed += 1;
                sys::opus_decode_float(decoder, ptr::null(), 0, out, samples, 0)
            }
        })?;
        pcm.extend_from_slice(&frame);
    }
    let decode = processor_time()?.saturating_sub(start);
    // SAFETY: made above, used no more.
    unsafe {
        sys::opus_dred_free(dred);
        sys::opus_dred_decoder_destroy(dred_decoder);
        sys::opus_decoder_destroy(decoder);
    }
    let bytes = packets.iter().map(Vec::len).sum();
    Ok(Outcome {
        pcm,
        bytes,
        concealed,
        encode,
        decode,
    })
}
