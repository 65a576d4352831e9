//! Pictures as cameras give them: without tables, in buffers that are too long, cut off, damaged.

use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use proptest::prelude::*;

use super::*;
use crate::frame::FramePool;

const SIZE: SourceSize = SourceSize { width: 64, height: 48 };

/// A JPEG of a picture whose colours are known: red left, blue right.
fn jpeg() -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = image::RgbImage::from_fn(64, 48, |x, _| {
        image::Rgb(if x < 32 { [255, 0, 0] } else { [0, 0, 255] })
    });
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode_image(&picture)
        .unwrap();
    bytes
}

fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    while let Some(at) = bytes.windows(2).position(|pair| pair == [0xFF, DHT]) {
        let length = 2 + segment_bytes(&bytes, at + 2).unwrap();
        bytes.drain(at..at + length);
    }
    assert!(bytes.len() + 400 < jpeg.len(), "the encoder brings all four tables");
    bytes
}

fn decode(bytes: &[u8]) -> Result<VideoFrame, MjpegError> {
    let mut frame = FramePool::new().frame(SIZE.width, SIZE.height, Instant::now());
    MjpegDecoder::default().decode(bytes, SIZE, &mut frame).map(|()| frame)
}

fn assert_red_and_blue(frame: &VideoFrame) {
    let sample = |x: usize| {
        (
            frame.y()[20 * 64 + x],
            frame.u()[10 * 32 + x / 2],
            frame.v()[10 * 32 + x / 2],
        )
    };
    for (x, want) in [(10, (81, 90, 240)), (50, (41, 240, 110))] {
        let have = sample(x);
        let near = have.0.abs_diff(want.0) < 6 && have.1.abs_diff(want.1) < 6 && have.2.abs_diff(want.2) < 6;
        assert!(near, "{have:?} instead of {want:?}");
    }
}

#[test]
fn a_picture_is_decoded_with_and_without_its_tables() {
    assert_red_and_blue(&decode(&jpeg()).unwrap());
    assert_red_and_blue(&decode(&without_tables(&jpeg())).unwrap());
}

#[test]
fn what_stands_behind_the_picture_is_ignored() {
    let picture = jpeg();
    // The rest of the longer picture that was in the buffer before.
    let buffer = [&picture[..], &picture[300..], &[0; 5_000]].concat();
    assert_eq!(Picture::find(&buffer).unwrap().bytes, picture);
    assert_red_and_blue(&decode(&buffer).unwrap());
}

#[test]
fn a_picture_that_is_cut_off_is_refused_wherever_the_cut_is() {
    let picture = jpeg();
    for length in 0..picture.len() {
        let expected = if length < 2 {
            MjpegError::NotJpeg
        } else {
            MjpegError::CutOff
        };
        assert_eq!(decode(&picture[..length]).err(), Some(expected), "cut at {length}");
    }
    let within_the_scan = picture.len() - 20;
    let into_the_next = [&picture[..within_the_scan], &picture[..]].concat();
    assert_eq!(decode(&into_the_next).err(), Some(MjpegError::CutOff));
}

#[test]
fn another_size_is_refused_before_it_is_decoded() {
    let mut bytes = Vec::new();
    let picture = image::RgbImage::new(32, 48);
    JpegEncoder::new(&mut bytes).encode_image(&picture).unwrap();
    assert_eq!(decode(&bytes).err(), Some(MjpegError::Size { width: 32, height: 48 }));
}

proptest! {
    #[test]
    fn damage_is_survived(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = jpeg();
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        // Whether it can still be decoded depends on what was hit; it must only come back.
        if let Ok(frame) = decode(&bytes) {
            prop_assert_eq!(frame.width(), SIZE.width);
        }
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(decode(&bytes).is_err());
        let framed = [&[0xFF, SOI][..], &bytes, &[0xFF, EOI]].concat();
        prop_assert!(decode(&framed).is_err());
    }
}
