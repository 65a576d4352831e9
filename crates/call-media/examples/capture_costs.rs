//! What a frame costs on its way from a camera to the encoder, and from the decoder to the window: the median and the
//! 95th percentile of many, in ms, at 1280x720 and 1920x1080.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

use call_media::capture::mjpeg::MjpegDecoder;
use call_media::capture::test_pattern::TestPattern;
use call_media::capture::test_screen::TestScreen;
use call_media::colour::{self, ByteOrder, SourceSize};
use call_media::frame::{FramePool, VideoFrame};
use image::codecs::jpeg::JpegEncoder;

const ROUNDS: usize = 300;

fn main() -> io::Result<()> {
    for (width, height) in [(1_280, 720), (1_920, 1_080)] {
        measure_all(SourceSize { width, height })?;
    }
    Ok(())
}

fn measure_all(size: SourceSize) -> io::Result<()> {
    let SourceSize { width, height } = size;
    let mut out = io::stdout().lock();
    writeln!(out, "{width}x{height}")?;
    let pattern = TestPattern::new(width, height);
    let screen = TestScreen::new(width, height);
    let mut frame = FramePool::new().frame(width, height, Instant::now());
    let mut report = |name: &str, work: &mut dyn FnMut(&mut VideoFrame, u64)| {
        let mut times_ms: Vec<f64> = (0..ROUNDS as u64)
            .map(|round| {
                let start = Instant::now();
                work(&mut frame, round);
                start.elapsed().as_secs_f64() * 1_000.0
            })
            .collect();
        times_ms.sort_by(f64::total_cmp);
        let (median, high) = (times_ms[ROUNDS / 2], times_ms[ROUNDS * 95 / 100]);
        writeln!(out, "  {name:<28}{median:7.3} {high:7.3}")
    };
    let bytes: Vec<u8> = (0..width * height * 3).map(|index| (index * 7 % 251) as u8).collect();
    let jpeg = picture_as_jpeg(&pattern, size)?;
    let mut mjpeg = MjpegDecoder::default();
    let mut rgba = Vec::new();
    report("test pattern", &mut |frame, round| pattern.draw(round, frame))?;
    report("test screen", &mut |frame, round| screen.draw(round, frame))?;
    report("YUYV to I420", &mut |frame, _| {
        expect(colour::yuyv_to_i420(black_box(&bytes), size, frame))
    })?;
    report("NV12 to I420", &mut |frame, _| {
        expect(colour::nv12_to_i420(black_box(&bytes), size, frame))
    })?;
    report("RGB to I420", &mut |frame, _| {
        expect(colour::rgb_to_i420(black_box(&bytes), ByteOrder::Rgb, size, frame));
    })?;
    report("MJPEG to I420", &mut |frame, _| {
        expect(mjpeg.decode(black_box(&jpeg), size, frame))
    })?;
    report("I420 to RGBA", &mut |frame, _| colour::i420_to_rgba(frame, &mut rgba))?;
    Ok(())
}

fn expect<E: std::fmt::Display>(result: Result<(), E>) {
    if let Err(error) = result {
        panic!("the buffers are large enough: {error}");
    }
}

/// The test pattern as a camera would send it.
fn picture_as_jpeg(pattern: &TestPattern, size: SourceSize) -> io::Result<Vec<u8>> {
    let mut frame = FramePool::new().frame(size.width, size.height, Instant::now());
    pattern.draw(0, &mut frame);
    let mut rgba = Vec::new();
    colour::i420_to_rgba(&frame, &mut rgba);
    let rgb: Vec<u8> = rgba
        .chunks_exact(4)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    let (width, height) = (size.width as u32, size.height as u32);
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 80);
    encoder
        .encode(&rgb, width, height, image::ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    Ok(jpeg)
}
