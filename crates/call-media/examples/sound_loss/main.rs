//! What is left of speech on a network that loses packets, by the ways to repair it:
//! `cargo run --release -p call-media --example sound_loss -- SPEECH.wav FOLDER [WAY]` (48 kHz, mono; a
//! part of the ways' names), then
//! `python3 crates/call-media/examples/sound_loss/score.py SPEECH.wav FOLDER` for PESQ and STOI.
//!
//! Every way sees the same seeded losses, and a playout that waits as long as its copies take: what is compared is the
//! repair, not the buffer. With `--features dred` libopus is built with its neural networks, and DRED takes part.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

#[cfg(feature = "dred")]
mod dred;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use call_media::codec::opus::{Encoded, FRAME_SAMPLES, OpusDecoder, OpusEncoder, carries_copy_of_previous};

type Failure = Box<dyn std::error::Error>;

/// Samples by which Opus is late: half of a short window and the look-ahead of SILK.
const CODEC_DELAY: usize = 312;

/// A way to repair.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    bitrate_bps: u32,
    /// Whether Opus puts a coarse copy of the packet before into each.
    fec: bool,
    /// Full copies of the packets before.
    copies: usize,
}

const fn way(name: &'static str, bitrate_bps: u32, fec: bool, copies: usize) -> Way {
    Way {
        name,
        bitrate_bps,
        fec,
        copies,
    }
}

const WAYS: [Way; 8] = [
    way("plc-32", 32_000, false, 0),
    way("fec-32", 32_000, true, 0),
    way("fec-64", 64_000, true, 0),
    way("red1-16", 16_000, false, 1),
    way("red1-32", 32_000, false, 1),
    way("red2-16", 16_000, false, 2),
    way("red2-32", 32_000, false, 2),
    way("red3-32", 32_000, false, 3),
];

/// Losses in percent, and packets lost in a row on average (1: independent of each other).
const PATTERNS: [(f64, f64); 8] = [
    (5.0, 1.0),
    (10.0, 1.0),
    (20.0, 1.0),
    (30.0, 1.0),
    (40.0, 1.0),
    (10.0, 3.0),
    (10.0, 6.0),
    (20.0, 6.0),
];

/// Seeded (Knuth's MMIX constants).
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Which packets arrive: a chain of two states (Gilbert) when they are lost in rows.
fn arrivals(packets: usize, (percent, row): (f64, f64)) -> Vec<bool> {
    let mut chance = Chance(percent as u64 * 100 + row as u64);
    let loss = percent / 100.0;
    let (enter, leave) = if row > 1.0 {
        (loss / (row * (1.0 - loss)), 1.0 / row)
    } else {
        (loss, 1.0 - loss)
    };
    let mut lost = false;
    let step = |_| {
        let drawn = chance.unit();
        lost = if lost { drawn >= leave } else { drawn < enter };
        !lost
    };
    (0..packets).map(step).collect()
}

/// What one way made of one pattern.
struct Outcome {
    pcm: Vec<f32>,
    bytes: usize,
    concealed: usize,
    encode: Duration,
    decode: Duration,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(speech), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("give a WAV file of 48 kHz, mono, and a folder for what is heard".into());
    };
    let chosen = arguments.next().unwrap_or_default();
    let frames = read(Path::new(&speech))?;
    std::fs::create_dir_all(&folder)?;
    println!("pattern   way       kbit/s  made up %  encode us  decode us a packet");
    for pattern in PATTERNS {
        let arrived = arrivals(frames.len(), pattern);
        for way in WAYS.into_iter().filter(|way| way.name.contains(&chosen)) {
            let outcome = repair(&frames, &arrived, way, pattern.0)?;
            report(Path::new(&folder), pattern, way.name, frames.len(), &outcome)?;
        }
        #[cfg(feature = "dred")]
        for way in dred::WAYS.into_iter().filter(|way| way.name.contains(&chosen)) {
            let outcome = dred::repair(&frames, &arrived, way, pattern.0)?;
            report(Path::new(&folder), pattern, way.name, frames.len(), &outcome)?;
        }
    }
    Ok(())
}

fn repair(frames: &[[f32; FRAME_SAMPLES]], arrived: &[bool], way: Way, percent: f64) -> Result<Outcome, Failure> {
    let mut encoder = OpusEncoder::new()?;
    encoder.set_bitrate_bps(way.bitrate_bps)?;
    if way.fec {
        encoder.set_expected_loss(percent as f32 / 100.0)?;
    }
    let start = processor_time()?;
    let mut packets: Vec<Bytes> = Vec::new();
    for frame in frames {
        match encoder.encode(frame)? {
            Encoded::Packet(packet) => packets.push(packet),
            Encoded::Silent => return Err("silence is sent here".into()),
        }
    }
    let encode = processor_time()?.saturating_sub(start);
    let plain: usize = packets.iter().map(Bytes::len).sum();
    let mut decoder = OpusDecoder::new()?;
    let (mut pcm, mut concealed) = (Vec::new(), 0);
    let start = processor_time()?;
    for number in 0..packets.len() {
        let has_come = |later: usize| arrived.get(number + later).copied().unwrap_or(false);
        let next = packets.get(number + 1).filter(|_| has_come(1));
        if (0..=way.copies).any(has_come) {
            decoder.decode(&packets[number], &mut pcm)?;
        } else if let Some(next) = next.filter(|next| carries_copy_of_previous(next)) {
            decoder.recover(next, FRAME_SAMPLES, &mut pcm)?;
        } else {
            concealed += 1;
            decoder.conceal(FRAME_SAMPLES, &mut pcm)?;
        }
    }
    Ok(Outcome {
        pcm,
        bytes: plain * (1 + way.copies) + way.copies * packets.len() * 4,
        concealed,
        encode,
        decode: processor_time()?.saturating_sub(start),
    })
}

fn report(folder: &Path, pattern: (f64, f64), name: &str, packets: usize, outcome: &Outcome) -> Result<(), Failure> {
    let pattern = match pattern {
        (percent, 1.0) => format!("{percent}%"),
        (percent, row) => format!("{percent}%x{row}"),
    };
    let count = packets as f64;
    let us = |time: Duration| time.as_secs_f64() * 1e6 / count;
    println!(
        "{pattern:9} {name:9} {:6.1} {:10.2} {:10.0} {:10.0}",
        outcome.bytes as f64 * 8.0 * 50.0 / count / 1e3,
        outcome.concealed as f64 * 100.0 / count,
        us(outcome.encode),
        us(outcome.decode)
    );
    let mut writer = hound::WavWriter::create(
        folder.join(format!("{pattern}-{name}.wav")),
        hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        },
    )?;
    for sample in outcome.pcm.iter().skip(CODEC_DELAY) {
        writer.write_sample((sample * 32_767.0) as i16)?;
    }
    Ok(writer.finalize()?)
}

fn read(path: &Path) -> Result<Vec<[f32; FRAME_SAMPLES]>, Failure> {
    let mut reader = hound::WavReader::open(path)?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, 48_000, 16) {
        return Err(format!("{spec:?} is not 48 kHz, mono, 16 bit").into());
    }
    let samples: Result<Vec<i16>, _> = reader.samples().collect();
    let samples = samples?;
    let (frames, _) = samples.as_chunks::<FRAME_SAMPLES>();
    Ok(frames
        .iter()
        .map(|frame| frame.map(|sample| f32::from(sample) / 32_768.0))
        .collect())
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
