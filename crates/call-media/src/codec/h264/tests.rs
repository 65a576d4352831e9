use std::time::Instant;

use super::nal;
use super::sps::Sps;
use super::{H264Decoder, H264Encoder};
use crate::codec::test_pictures::scene;
use crate::codec::{Encoded, PictureRequest, VideoCodecError, VideoDecoder, VideoEncoder, VideoRate};
use crate::frame::{Colour, ColourMatrix, ColourRange, FramePool, VideoKind};
use crate::quality::psnr_y;
use crate::stamp;

fn rate(bitrate_bps: u32) -> VideoRate {
    VideoRate { bitrate_bps, fps: 30.0 }
}

fn kinds(annex_b: &[u8]) -> Vec<u8> {
    nal::units(annex_b).map(|unit| unit[0] & 0x1f).collect()
}

#[test]
fn units_are_found_behind_both_start_codes() {
    let stream = [
        0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 0, 0, 3, 0, 0, 0, 1,
    ];
    let units: Vec<&[u8]> = nal::units(&stream).collect();
    assert_eq!(units, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 0, 3]]);
    assert_eq!(nal::units(&[1, 2, 3]).count(), 0);
    assert_eq!(nal::units(&[]).count(), 0);
}

#[test]
fn the_stream_is_constrained_baseline_and_says_its_size_and_colour() {
    let pool = FramePool::new();
    for (matrix, range) in [
        (ColourMatrix::Bt601, ColourRange::Limited),
        (ColourMatrix::Bt709, ColourRange::Full),
    ] {
        let mut frame = scene(&pool, 640, 360, 0);
        frame.colour = Colour { matrix, range };
        let mut encoder = H264Encoder::new(VideoKind::Camera, rate(500_000));
        let mut bytes = Vec::new();
        let encoded = encoder.encode(&frame, PictureRequest::Any, &mut bytes).unwrap();
        assert_eq!(encoded, Encoded::KeyFrame, "the first picture is one");
        assert_eq!(kinds(&bytes), [7, 8, 5]);
        let first = nal::units(&bytes).next().unwrap();
        assert_eq!(
            (first[1], first[2] & 0xc0),
            (0x42, 0xc0),
            "profile 66 with constraint sets 0 and 1"
        );
        let sps = Sps::parse(first).unwrap();
        assert_eq!((sps.width, sps.height, sps.colour), (640, 360, frame.colour));
        let decoded = H264Decoder::new()
            .unwrap()
            .decode(&bytes, &pool, Instant::now())
            .unwrap()
            .unwrap();
        assert_eq!(decoded.colour, frame.colour);
    }
}

/// Encodes `count` pictures and gives (bytes, skipped, mean PSNR).
fn run(
    encoder: &mut H264Encoder,
    decoder: &mut H264Decoder,
    size: (usize, usize),
    count: usize,
) -> (usize, usize, f64) {
    let pool = FramePool::new();
    let mut unit = Vec::new();
    let (mut bytes, mut skipped, mut psnr) = (0, 0, 0.0);
    for number in 0..count {
        let frame = scene(&pool, size.0, size.1, number);
        match encoder.encode(&frame, PictureRequest::Any, &mut unit).unwrap() {
            Encoded::Skipped => skipped += 1,
            Encoded::Delta | Encoded::KeyFrame => {
                bytes += unit.len();
                let decoded = decoder.decode(&unit, &pool, Instant::now()).unwrap().unwrap();
                psnr += psnr_y(&frame, &decoded);
            }
        }
    }
    (bytes, skipped, psnr / (count - skipped) as f64)
}

#[test]
fn the_bitrate_is_held_and_follows_both_ways_without_skips() {
    let mut encoder = H264Encoder::new(VideoKind::Camera, rate(400_000));
    let mut decoder = H264Decoder::new().unwrap();
    run(&mut encoder, &mut decoder, (640, 360), 30);
    for (bps, tolerance) in [(400_000_u32, 0.15), (1_500_000, 0.15), (500_000, 0.25)] {
        encoder.set_rate(rate(bps));
        run(&mut encoder, &mut decoder, (640, 360), 15);
        let (bytes, skipped, _) = run(&mut encoder, &mut decoder, (640, 360), 60);
        let measured = bytes as f64 * 8.0 * 30.0 / 60.0;
        assert!(
            (measured / f64::from(bps) - 1.0).abs() < tolerance,
            "{measured} for {bps}"
        );
        assert!(skipped <= 1, "{skipped} skipped at {bps}");
    }
}

#[test]
fn the_frame_rate_it_is_told_counts() {
    let mut encoder = H264Encoder::new(VideoKind::Camera, rate(600_000));
    let mut decoder = H264Decoder::new().unwrap();
    run(&mut encoder, &mut decoder, (640, 360), 30);
    encoder.set_rate(VideoRate {
        bitrate_bps: 600_000,
        fps: 15.0,
    });
    run(&mut encoder, &mut decoder, (640, 360), 15);
    let (bytes, _, _) = run(&mut encoder, &mut decoder, (640, 360), 60);
    let measured = bytes as f64 * 8.0 * 15.0 / 60.0;
    assert!((measured / 600_000.0 - 1.0).abs() < 0.15, "{measured}");
}

#[test]
fn key_frames_come_on_request_and_with_a_new_size_only() {
    let pool = FramePool::new();
    let mut encoder = H264Encoder::new(VideoKind::Camera, rate(600_000));
    let mut decoder = H264Decoder::new().unwrap();
    let mut unit = Vec::new();
    let mut keys = Vec::new();
    for number in 0..120 {
        let (width, height) = if number < 90 { (640, 360) } else { (320, 180) };
        // A cut to another scene is no reason for a key frame.
        let shown = if number < 60 { number } else { number + 5_000 };
        let request = if number == 40 {
            PictureRequest::KeyFrame
        } else {
            PictureRequest::Any
        };
        let frame = scene(&pool, width, height, shown);
        let encoded = encoder.encode(&frame, request, &mut unit).unwrap();
        if encoded == Encoded::Skipped {
            continue;
        }
        let decoded = decoder.decode(&unit, &pool, Instant::now()).unwrap().unwrap();
        assert_eq!((decoded.width(), decoded.height()), (width, height));
        if encoded == Encoded::KeyFrame {
            keys.push(number);
        }
    }
    assert_eq!(keys, [0, 40, 90]);
}

#[test]
fn after_a_lost_picture_there_are_errors_until_the_next_key_frame_and_never_drift() {
    let pool = FramePool::new();
    let mut encoder = H264Encoder::new(VideoKind::Camera, rate(1_000_000));
    let mut decoder = H264Decoder::new().unwrap();
    let mut unit = Vec::new();
    for number in 0..60 {
        let request = if number == 40 {
            PictureRequest::KeyFrame
        } else {
            PictureRequest::Any
        };
        let frame = scene(&pool, 640, 360, number);
        encoder.encode(&frame, request, &mut unit).unwrap();
        if number == 20 || unit.is_empty() {
            continue;
        }
        match decoder.decode(&unit, &pool, Instant::now()) {
            Ok(Some(decoded)) => {
                assert!(
                    !(20..40).contains(&number),
                    "{number} was decoded without its reference"
                );
                assert!(psnr_y(&frame, &decoded) > 28.0, "{number}");
            }
            Ok(None) => assert!((20..40).contains(&number)),
            Err(error) => assert!((20..40).contains(&number), "{number}: {error}"),
        }
    }
}

#[test]
fn the_stamp_survives_few_bits_at_every_size() {
    let pool = FramePool::new();
    for (width, height) in [
        (320, 180),
        (480, 270),
        (640, 360),
        (960, 540),
        (1280, 720),
        (1920, 1080),
    ] {
        let mut encoder = H264Encoder::new(VideoKind::Camera, rate(300_000));
        let mut decoder = H264Decoder::new().unwrap();
        let mut unit = Vec::new();
        let mut read = 0;
        for number in 0..40_u16 {
            let mut frame = scene(&pool, width, height, usize::from(number));
            let unix_ms = 1_790_000_000_000 + 33 * u64::from(number);
            stamp::draw(&mut frame, number, unix_ms);
            if encoder.encode(&frame, PictureRequest::Any, &mut unit).unwrap() == Encoded::Skipped {
                continue;
            }
            let decoded = decoder.decode(&unit, &pool, Instant::now()).unwrap().unwrap();
            let stamp = stamp::read(decoded.y(), width, width, height)
                .unwrap_or_else(|| panic!("stamp {number} is unreadable at {width}x{height}"));
            assert_eq!(stamp.counter, number);
            assert!((stamp::latency_ms(stamp, unix_ms + 7) - 7.0).abs() < 1e-9);
            read += 1;
        }
        assert!(read >= 5, "{read} of 40 pictures were sent at {width}x{height}");
    }
}

#[test]
fn a_stream_of_giant_pictures_is_refused_before_the_library_sees_it() {
    let pool = FramePool::new();
    let mut encoder = H264Encoder::new(VideoKind::Camera, rate(600_000));
    let mut unit = Vec::new();
    encoder
        .encode(&scene(&pool, 640, 360, 0), PictureRequest::Any, &mut unit)
        .unwrap();
    // 8192x4320: 512 x 270 macroblocks, baseline level 6, one reference.
    let mut bits = String::from("0100001011000000");
    bits += "00111100"; // level
    for value in [0_u32, 0, 2, 1] {
        bits += &exp_golomb(value);
    }
    bits += "0"; // gaps
    bits += &exp_golomb(511);
    bits += &exp_golomb(269);
    bits += "1101"; // frames only, direct 8x8, no crop, VUI bit stands for the stop bit
    let sps: Vec<u8> = bits
        .as_bytes()
        .chunks(8)
        .map(|byte| byte.iter().fold(0, |value, bit| value << 1 | (bit - b'0')) << (8 - byte.len()))
        .collect();
    let mut hostile = vec![0, 0, 0, 1, 0x67];
    hostile.extend(sps);
    hostile.extend(&unit);
    let mut decoder = H264Decoder::new().unwrap();
    let refused = decoder.decode(&hostile, &pool, Instant::now()).unwrap_err();
    assert!(
        matches!(
            refused,
            VideoCodecError::PictureSize {
                width: 8192,
                height: 4320,
                ..
            }
        ),
        "{refused}"
    );
    assert!(
        decoder.decode(&unit, &pool, Instant::now()).unwrap().is_some(),
        "it goes on"
    );
}

fn exp_golomb(value: u32) -> String {
    let code = format!("{:b}", value + 1);
    "0".repeat(code.len() - 1) + &code
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Damage anywhere, and what is left of the stream: no panic, and a key frame makes it whole again.
        #[test]
        fn damaged_units_never_panic_and_a_key_frame_heals(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<prop::sample::Index>(), at in 0_usize..6) {
            let pool = FramePool::new();
            let mut encoder = H264Encoder::new(VideoKind::Camera, rate(200_000));
            let mut decoder = H264Decoder::new().unwrap();
            let mut unit = Vec::new();
            for number in 0..6 {
                encoder.encode(&scene(&pool, 160, 90, number), PictureRequest::Any, &mut unit).unwrap();
                if number == at && !unit.is_empty() {
                    for (index, value) in &damage {
                        let index = index.index(unit.len());
                        unit[index] ^= value;
                    }
                    unit.truncate(1 + cut.index(unit.len()));
                }
                // What becomes of it is up to the library; that it comes back is the point.
                if let Ok(Some(frame)) = decoder.decode(&unit, &pool, Instant::now()) {
                    prop_assert!(frame.width() <= 4_096 && frame.height() <= 2_304);
                }
            }
            let frame = scene(&pool, 160, 90, 6);
            encoder.encode(&frame, PictureRequest::KeyFrame, &mut unit).unwrap();
            if !unit.is_empty() {
                let decoded = decoder.decode(&unit, &pool, Instant::now()).unwrap().unwrap();
                prop_assert!(psnr_y(&frame, &decoded) > 20.0);
            }
        }
    }
}
