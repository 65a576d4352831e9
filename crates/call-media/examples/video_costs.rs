//! What a second of video costs and looks like: `cargo run --release -p call-media --example video_costs -- [CLIP.y4m] [BPS]`.
//!
//! Encodes and decodes a clip (or a drawn scene) with the parts that a call uses, and prints processor time a frame
//! for each step, the bitrate held, frames skipped, and PSNR. Processor time, not elapsed: other load hardly shows.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::io::BufReader;
use std::time::{Duration, Instant};

use call_media::capture::y4m::{FrameRead, Y4mReader};
use call_media::codec::h264::{H264Decoder, H264Encoder};
use call_media::codec::{Encoded, PictureRequest, VideoDecoder, VideoEncoder, VideoRate};
use call_media::frame::{FramePool, VideoFrame, VideoKind};
use call_media::quality::psnr_y;
use call_media::rtp::h264::{Depacketizer, packetize};
use call_media::stamp;

/// Frames held in memory; a longer clip is cut.
const MOST_FRAMES: usize = 180;
const FPS: f32 = 30.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let frames = match arguments.next() {
        Some(path) => clip(&path)?,
        None => scene(),
    };
    let bitrate_bps = arguments.next().map_or(Ok(2_600_000), |bps| bps.parse())?;
    measure(&frames, bitrate_bps)
}

fn clip(path: &str) -> Result<Vec<VideoFrame>, Box<dyn std::error::Error>> {
    let mut reader = Y4mReader::new(BufReader::new(std::fs::File::open(path)?))?;
    let pool = FramePool::new();
    let mut frames = Vec::new();
    while frames.len() < MOST_FRAMES {
        let mut frame = pool.frame(reader.width(), reader.height(), Instant::now());
        match reader.read_frame(&mut frame)? {
            FrameRead::Whole => frames.push(frame),
            FrameRead::End => break,
        }
    }
    Ok(frames)
}

/// 720p: waves that pan, with the noise of a sensor.
fn scene() -> Vec<VideoFrame> {
    let pool = FramePool::new();
    let mut seed = 1_u32;
    let draw = |number: usize| {
        let mut frame = pool.frame(1280, 720, Instant::now());
        let (y, u, v) = frame.planes_mut();
        for (index, luma) in y.iter_mut().enumerate() {
            let (column, row) = (index % 1280 + 2 * number, index / 1280);
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let waves = (column as f32 / 17.0).sin() * (row as f32 / 23.0).cos();
            *luma = (120.0 + 60.0 * waves) as u8 + (seed >> 30) as u8;
        }
        u.fill(118);
        v.fill(138);
        frame
    };
    (0..150).map(draw).collect()
}

#[derive(Default)]
struct Costs {
    encode: Duration,
    packetize: Duration,
    depacketize: Duration,
    decode: Duration,
    stamp: Duration,
}

fn measure(frames: &[VideoFrame], bitrate_bps: u32) -> Result<(), Box<dyn std::error::Error>> {
    let rate = VideoRate { bitrate_bps, fps: FPS };
    let mut encoder = H264Encoder::new(VideoKind::Camera, rate);
    let mut decoder = H264Decoder::new()?;
    let mut depacketizer = Depacketizer::default();
    let pool = FramePool::new();
    let mut unit = Vec::new();
    let mut costs = Costs::default();
    let (mut bytes, mut packets, mut skipped, mut psnr) = (0, 0, 0, 0.0);
    let (mut first_bytes, mut slowest) = (0, Duration::ZERO);
    for frame in frames {
        let start = processor_time()?;
        let encoded = encoder.encode(frame, PictureRequest::Any, &mut unit)?;
        let encode = processor_time()?.saturating_sub(start);
        costs.encode += encode;
        slowest = slowest.max(encode);
        if encoded == Encoded::Skipped {
            skipped += 1;
            continue;
        }
        let payloads = timed(&mut costs.packetize, || packetize(&unit))?;
        packets += payloads.len();
        bytes += unit.len();
        first_bytes = if first_bytes == 0 { unit.len() } else { first_bytes };
        let start = processor_time()?;
        for payload in payloads.iter() {
            depacketizer.push(payload)?;
        }
        let received = depacketizer.finish().ok_or("our own packets make a unit")?;
        costs.depacketize += processor_time()?.saturating_sub(start);
        let start = processor_time()?;
        let decoded = decoder.decode(received.annex_b, &pool, frame.captured_at)?;
        costs.decode += processor_time()?.saturating_sub(start);
        let decoded = decoded.ok_or("each unit is a picture")?;
        let (width, height) = (decoded.width(), decoded.height());
        let read = timed(&mut costs.stamp, || stamp::read(decoded.y(), width, width, height))?;
        std::hint::black_box(read);
        psnr += psnr_y(frame, &decoded);
    }
    let (count, sent) = (frames.len() as u32, (frames.len() - skipped) as u32);
    let ms = |cost: Duration, count: u32| cost.as_secs_f64() * 1e3 / f64::from(count.max(1));
    let first = frames.first().ok_or("the clip is empty")?;
    let kbps = bytes as f64 * 8.0 * f64::from(FPS) / f64::from(count) / 1e3;
    println!(
        "{}x{}, {count} frames, asked for {} kbit/s",
        first.width(),
        first.height(),
        bitrate_bps / 1_000
    );
    println!("got {kbps:.0} kbit/s, {skipped} skipped, first frame {first_bytes} bytes, {packets} packets");
    println!("PSNR-Y {:.2} dB", psnr / f64::from(sent.max(1)));
    println!(
        "encode      {:.3} ms a frame, slowest {:.3}",
        ms(costs.encode, count),
        slowest.as_secs_f64() * 1e3
    );
    println!("packetize   {:.3} ms", ms(costs.packetize, sent));
    println!("depacketize {:.3} ms", ms(costs.depacketize, sent));
    println!(
        "decode      {:.3} ms, the copy into a pooled frame included",
        ms(costs.decode, sent)
    );
    println!("stamp read  {:.3} ms", ms(costs.stamp, sent));
    Ok(())
}

fn timed<T>(cost: &mut Duration, work: impl FnOnce() -> T) -> std::io::Result<T> {
    let start = processor_time()?;
    let value = work();
    *cost += processor_time()?.saturating_sub(start);
    Ok(value)
}

/// Time this thread has run on a processor.
fn processor_time() -> std::io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that lives through the call, which writes to nothing else.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}
