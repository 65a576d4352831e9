//! Pictures and sound for calls, made by the test.

use std::f64::consts::TAU;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Samples a second of the sound made here.
pub const WAV_RATE_HZ: u32 = 48_000;

/// Writes a YUV4MPEG2 clip of a soft moving pattern with a little grain: something an encoder has work with.
pub fn write_y4m(path: &Path, width: usize, height: usize, fps: usize, frames: usize) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    writeln!(file, "YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg").expect("written");
    let mut grain = 0x2545_f491_u32;
    for frame in 0..frames {
        file.write_all(b"FRAME\n").expect("written");
        let mut picture = Vec::with_capacity(width * height * 3 / 2);
        for y in 0..height {
            for x in 0..width {
                grain ^= grain << 13;
                grain ^= grain >> 17;
                grain ^= grain << 5;
                let wave = ((x + 3 * frame) as f64 / 37.0).sin() + ((2 * y + frame) as f64 / 53.0).cos();
                picture.push((128.0 + 45.0 * wave) as u8 + (grain & 3) as u8);
            }
        }
        for plane in 0..2 {
            for y in 0..height / 2 {
                for x in 0..width / 2 {
                    let wave = ((x + y + frame * (plane + 1)) as f64 / 61.0).sin();
                    picture.push((128.0 + 40.0 * wave) as u8);
                }
            }
        }
        file.write_all(&picture).expect("written");
    }
    file.flush().expect("written");
}

/// Writes a mono 16-bit WAV of a tone that swells like syllables, five a second.
pub fn write_wav(path: &Path, hertz: f64, seconds: f64) {
    let count = (seconds * f64::from(WAV_RATE_HZ)) as u32;
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let bytes = count * 2;
    let mut header = Vec::new();
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(36 + bytes).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes());
    header.extend_from_slice(&WAV_RATE_HZ.to_le_bytes());
    header.extend_from_slice(&(WAV_RATE_HZ * 2).to_le_bytes());
    header.extend_from_slice(&2_u16.to_le_bytes());
    header.extend_from_slice(&16_u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&bytes.to_le_bytes());
    file.write_all(&header).expect("written");
    for index in 0..count {
        let time = f64::from(index) / f64::from(WAV_RATE_HZ);
        let swell = 0.55 - 0.45 * (TAU * 5.0 * time).cos();
        let sample = 12_000.0 * swell * (TAU * hertz * time).sin();
        file.write_all(&(sample as i16).to_le_bytes()).expect("written");
    }
    file.flush().expect("written");
}

/// Samples of a 16-bit or 32-bit float WAV, channels averaged, -1 to 1, with its rate.
pub fn read_wav(path: &Path) -> (u32, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("no sound at {}: {error}", path.display()));
    assert_eq!(
        (&bytes[..4], &bytes[8..12]),
        (&b"RIFF"[..], &b"WAVE"[..]),
        "{}",
        path.display()
    );
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (mut at, mut format) = (12, (0_u16, 1_usize, 0_u32));
    while at + 8 <= bytes.len() {
        let (kind, length) = (&bytes[at..at + 4], number(at + 4) as usize);
        let body = &bytes[at + 8..bytes.len().min(at + 8 + length)];
        match kind {
            b"fmt " => format = (body[14].into(), body[2].into(), number(at + 12)),
            b"data" => return (format.2, mono(body, format.0, format.1)),
            _other_chunk => {}
        }
        at += 8 + length + length % 2;
    }
    panic!("{} has no sound", path.display());
}

fn mono(body: &[u8], bits: u16, channels: usize) -> Vec<f32> {
    let samples: Vec<f32> = match bits {
        16 => body
            .chunks_exact(2)
            .map(|s| f32::from(i16::from_le_bytes([s[0], s[1]])) / 32_768.0)
            .collect(),
        32 => body
            .chunks_exact(4)
            .map(|s| f32::from_le_bytes([s[0], s[1], s[2], s[3]]))
            .collect(),
        other => panic!("{other} bits a sample"),
    };
    samples
        .chunks_exact(channels)
        .map(|one| one.iter().sum::<f32>() / channels as f32)
        .collect()
}

/// Share of the power of `samples` that lies at this frequency, 0 to 1 (Goertzel, by blocks of 50 ms).
pub fn share_at(samples: &[f32], rate_hz: u32, hertz: f64) -> f64 {
    let block = rate_hz as usize / 20;
    let step = 2.0 * (TAU * hertz / f64::from(rate_hz)).cos();
    let (mut at, mut all) = (0.0, 0.0);
    for samples in samples.chunks_exact(block) {
        let (mut one, mut two) = (0.0, 0.0);
        for sample in samples {
            let sample = f64::from(*sample);
            (one, two) = (sample + step * one - two, one);
            all += sample * sample;
        }
        at += (one * one + two * two - step * one * two) * 2.0 / block as f64;
    }
    if all > 0.0 { at / all } else { 0.0 }
}
