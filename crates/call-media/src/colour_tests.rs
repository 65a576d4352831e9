//! Each conversion against the arithmetic of its standard, on pictures whose answer is known.

use std::time::Instant;

use super::*;
use crate::frame::FramePool;

const SIZE: SourceSize = SourceSize { width: 64, height: 48 };

fn frame(size: SourceSize) -> VideoFrame {
    FramePool::new().frame(size.width, size.height, Instant::now())
}

/// Sizes that do not fill whole vectors, or more than one buffer of any step.
#[test]
fn yuyv_and_nv12_of_every_width_keep_every_byte() {
    for width in (2..140).step_by(2).chain([1_022, 1_024, 1_026, 1_280]) {
        let size = SourceSize { width, height: 2 };
        let luma = |index: usize| (index * 7 % 219 + 16) as u8;
        let chroma = |index: usize| (index * 13 % 224 + 16) as u8;
        let yuyv: Vec<u8> = (0..2 * width)
            .flat_map(|pixel| [luma(pixel), chroma(pixel % width)])
            .collect();
        let nv12: Vec<u8> = (0..2 * width).map(luma).chain((0..width).map(chroma)).collect();
        let (mut from_yuyv, mut from_nv12) = (frame(size), frame(size));
        yuyv_to_i420(&yuyv, size, &mut from_yuyv).unwrap();
        nv12_to_i420(&nv12, size, &mut from_nv12).unwrap();
        let wanted: Vec<u8> = (0..2 * width)
            .map(luma)
            .chain((0..width).step_by(2).map(chroma))
            .chain((1..width).step_by(2).map(chroma))
            .collect();
        assert_eq!(from_yuyv.data(), wanted, "YUYV {width}");
        assert_eq!(from_nv12.data(), wanted, "NV12 {width}");
    }
}

fn near(have: u8, want: u8) -> bool {
    have.abs_diff(want) <= 2
}

/// RGB of one colour, its bytes in the given order.
fn plain(order: ByteOrder, [red, green, blue]: [u8; 3]) -> Vec<u8> {
    let pixel = match order {
        ByteOrder::Rgb => [red, green, blue],
        ByteOrder::Bgr => [blue, green, red],
    };
    pixel.repeat(SIZE.width * SIZE.height)
}

#[test]
fn yuyv_keeps_luma_and_halves_chroma() {
    // Luma counts along the row; chroma differs between even and odd rows, so that the mean shows.
    let mut bytes = Vec::new();
    for row in 0..SIZE.height {
        for pair in 0..SIZE.width / 2 {
            let chroma = if row % 2 == 0 { 100 } else { 110 };
            bytes.extend([2 * pair as u8 + 16, chroma, 2 * pair as u8 + 17, 200]);
        }
    }
    let mut frame = frame(SIZE);
    yuyv_to_i420(&bytes, SIZE, &mut frame).unwrap();
    for row in frame.y().chunks(SIZE.width) {
        assert!(row.iter().enumerate().all(|(x, &y)| usize::from(y) == x + 16));
    }
    assert!(frame.u().iter().all(|&u| u == 105), "{:?}", &frame.u()[..8]);
    assert!(frame.v().iter().all(|&v| v == 200));
    assert_eq!(frame.colour, Colour::default());
}

#[test]
fn nv12_is_taken_apart_and_odd_sizes_are_cropped() {
    let size = SourceSize { width: 7, height: 5 };
    let mut bytes = (0..35).collect::<Vec<u8>>();
    bytes.extend((0..12).flat_map(|pair| [100 + pair, 200 + pair]));
    let mut frame = frame(size);
    nv12_to_i420(&bytes, size, &mut frame).unwrap();
    assert_eq!((frame.width(), frame.height()), (6, 4));
    assert_eq!(frame.y()[..8], [0, 1, 2, 3, 4, 5, 7, 8]);
    assert_eq!(frame.u(), [100, 101, 102, 104, 105, 106]);
    assert_eq!(frame.v(), [200, 201, 202, 204, 205, 206]);
}

#[test]
fn rgb_and_bgr_give_the_colours_of_bt601() {
    // Rec. ITU-R BT.601-7, 75 % and 100 % bars: (RGB, Y, Cb, Cr).
    let bars = [
        ([255, 255, 255], 235, 128, 128),
        ([0, 0, 0], 16, 128, 128),
        ([255, 0, 0], 81, 90, 240),
        ([0, 255, 0], 145, 54, 34),
        ([0, 0, 255], 41, 240, 110),
    ];
    for (rgb, y, cb, cr) in bars {
        for order in [ByteOrder::Rgb, ByteOrder::Bgr] {
            let mut frame = frame(SIZE);
            rgb_to_i420(&plain(order, rgb), order, SIZE, &mut frame).unwrap();
            let have = (frame.y()[70], frame.u()[70], frame.v()[70]);
            let right = near(have.0, y) && near(have.1, cb) && near(have.2, cr);
            assert!(right, "{rgb:?} as {order:?}: {have:?} instead of {:?}", (y, cb, cr));
        }
    }
}

#[test]
fn rgba_honours_the_colours_of_the_frame() {
    let mut rgba = Vec::new();
    let mut pixel = |y, cb, cr, matrix, range| {
        let mut frame = frame(SIZE);
        let (luma, u, v) = frame.planes_mut();
        luma.fill(y);
        u.fill(cb);
        v.fill(cr);
        frame.colour = Colour { matrix, range };
        i420_to_rgba(&frame, &mut rgba);
        assert_eq!(rgba.len(), SIZE.width * SIZE.height * 4);
        let last = rgba.len() - 4;
        assert_eq!(rgba[..4], rgba[last..]);
        [rgba[0], rgba[1], rgba[2], rgba[3]]
    };
    use ColourMatrix::{Bt601, Bt709};
    use ColourRange::{Full, Limited};
    // The same red in three writings.
    for (y, cb, cr, matrix, range) in [
        (81, 90, 240, Bt601, Limited),
        (63, 102, 240, Bt709, Limited),
        (76, 85, 255, Bt601, Full),
    ] {
        let [red, green, blue, alpha] = pixel(y, cb, cr, matrix, range);
        let right = near(red, 255) && near(green, 0) && near(blue, 0) && alpha == 255;
        assert!(right, "{matrix:?} {range:?}: {:?}", [red, green, blue, alpha]);
    }
    assert_eq!(pixel(235, 128, 128, Bt601, Limited), [255; 4]);
    assert_eq!(pixel(235, 128, 128, Bt601, Full), [235, 235, 235, 255]);
}

#[test]
fn what_is_too_short_is_refused() {
    let mut target = frame(SIZE);
    let luma = SIZE.width * SIZE.height;
    let bytes = vec![0; luma * 3];
    assert_eq!(
        yuyv_to_i420(&bytes[..luma * 2 - 1], SIZE, &mut target),
        Err(ColourError::TooShort {
            have: luma * 2 - 1,
            need: luma * 2
        })
    );
    assert!(nv12_to_i420(&bytes[..luma * 3 / 2 - 1], SIZE, &mut target).is_err());
    assert!(rgb_to_i420(&bytes[..luma * 3 - 1], ByteOrder::Rgb, SIZE, &mut target).is_err());
    let wider = SourceSize { width: 66, ..SIZE };
    let bytes = vec![0; 66 * 48 * 3];
    assert!(
        nv12_to_i420(&bytes, wider, &mut target).is_err(),
        "a frame of another size"
    );
}

#[test]
fn a_picture_without_pixels_is_not_a_problem() {
    let mut rgba = vec![1; 100];
    i420_to_rgba(&frame(SourceSize { width: 0, height: 0 }), &mut rgba);
    assert!(rgba.is_empty());
}
