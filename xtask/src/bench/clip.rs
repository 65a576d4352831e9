//! A clip of something like footage: a room out of focus, somebody moving in front of it, grain as of a webcam.
//!
//! Made by arithmetic from a seed, so that every machine encodes the same pictures. It comes back to where it began, so
//! that it can be played in a loop without a cut.

use std::f32::consts::TAU;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

pub const WIDTH: usize = 1280;
pub const HEIGHT: usize = 720;
const FPS: usize = 30;
const FRAMES: usize = 120;
/// Side of the texture that is panned over; a power of two, so that it wraps.
const TEXTURE: usize = 2048;

/// Writes the clip unless it is there.
pub fn ensure(path: &Path) -> anyhow::Result<()> {
    let frame_bytes = "FRAME\n".len() + WIDTH * HEIGHT * 3 / 2;
    let header = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n");
    let bytes = (header.len() + FRAMES * frame_bytes) as u64;
    if fs::metadata(path).is_ok_and(|there| there.len() == bytes) {
        return Ok(());
    }
    let mut file = BufWriter::new(File::create(path).with_context(|| format!("{} cannot be made", path.display()))?);
    file.write_all(header.as_bytes())?;
    let scene = Scene::new();
    let mut random = Random(0x9e37_79b9);
    let mut picture = vec![0; WIDTH * HEIGHT * 3 / 2];
    for frame in 0..FRAMES {
        scene.draw(frame, &mut random, &mut picture);
        file.write_all(b"FRAME\n")?;
        file.write_all(&picture)?;
    }
    file.flush()?;
    Ok(())
}

struct Scene {
    room: Vec<f32>,
    skin: Vec<f32>,
}

impl Scene {
    fn new() -> Self {
        Self {
            // Out of focus: coarse structures only.
            room: texture(1, &[(8, 38.0), (16, 26.0), (32, 16.0), (64, 7.0), (128, 3.0)]),
            // In focus: down to hairs.
            skin: texture(2, &[(16, 22.0), (64, 14.0), (128, 9.0), (256, 6.0), (512, 4.0)]),
        }
    }

    fn draw(&self, frame: usize, random: &mut Random, picture: &mut [u8]) {
        let turn = frame as f32 / FRAMES as f32 * TAU;
        let (pan_x, pan_y) = (200.0 + 24.0 * turn.sin(), 300.0 + 10.0 * (2.0 * turn).sin());
        let (head_x, head_y) = (640.0 + 70.0 * turn.sin(), 330.0 + 22.0 * (3.0 * turn).cos());
        let (luma, chroma) = picture.split_at_mut(WIDTH * HEIGHT);
        let (blue, red) = chroma.split_at_mut(WIDTH * HEIGHT / 4);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let (x_px, y_px) = (x as f32, y as f32);
                let inside = person(x_px - head_x, y_px - head_y);
                let room = 110.0 + sample(&self.room, x_px + pan_x, y_px + pan_y);
                let skin = 150.0 + sample(&self.skin, x_px - head_x + 900.0, y_px - head_y + 900.0);
                let grain = random.bell() * 1.6;
                luma[y * WIDTH + x] = (room + (skin - room) * inside + grain).clamp(16.0, 235.0) as u8;
                if x % 2 == 0 && y % 2 == 0 {
                    let at = y / 2 * (WIDTH / 2) + x / 2;
                    let tint = sample(&self.room, y_px + 500.0, x_px + pan_x) * 0.4;
                    blue[at] = (128.0 + tint * (1.0 - inside) - 14.0 * inside) as u8;
                    red[at] = (128.0 - tint * (1.0 - inside) + 22.0 * inside) as u8;
                }
            }
        }
    }
}

/// How much of a pixel at this offset from the middle of the face belongs to the person: head and shoulders.
fn person(dx: f32, dy: f32) -> f32 {
    let head = 1.0 - (dx / 130.0).hypot(dy / 170.0);
    let shoulders = 1.0 - (dx / 330.0).hypot((dy - 430.0) / 260.0);
    // An edge of a few pixels, as a lens gives it.
    (head.max(shoulders) * 40.0 + 0.5).clamp(0.0, 1.0)
}

/// Value noise: for each octave a grid of so many random heights, of this amplitude.
fn texture(seed: u32, octaves: &[(usize, f32)]) -> Vec<f32> {
    let mut random = Random(seed.wrapping_mul(0x85eb_ca6b) | 1);
    let mut sum = vec![0.0; TEXTURE * TEXTURE];
    for (cells, amplitude) in octaves {
        let grid: Vec<f32> = (0..cells * cells).map(|_| random.unit() * 2.0 - 1.0).collect();
        let scale = *cells as f32 / TEXTURE as f32;
        for y in 0..TEXTURE {
            for x in 0..TEXTURE {
                sum[y * TEXTURE + x] += amplitude * bilinear(&grid, *cells, x as f32 * scale, y as f32 * scale);
            }
        }
    }
    sum
}

fn sample(texture: &[f32], x: f32, y: f32) -> f32 {
    bilinear(texture, TEXTURE, x, y)
}

/// The value between the four nearest of a square that wraps around.
fn bilinear(square: &[f32], side: usize, x: f32, y: f32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let (right_part, lower_part) = (x - left, y - top);
    let column = |offset: usize| (left as usize + offset) % side;
    let row = |offset: usize| (top as usize + offset) % side * side;
    let upper = square[row(0) + column(0)] * (1.0 - right_part) + square[row(0) + column(1)] * right_part;
    let lower = square[row(1) + column(0)] * (1.0 - right_part) + square[row(1) + column(1)] * right_part;
    upper * (1.0 - lower_part) + lower * lower_part
}

/// Xorshift: enough for pictures.
struct Random(u32);

impl Random {
    fn unit(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) as f32 / (1 << 24) as f32
    }

    /// About normal, standard deviation 1.
    fn bell(&mut self) -> f32 {
        (self.unit() + self.unit() + self.unit() - 1.5) * 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_the_same_every_time_and_the_clip_closes() {
        let scene = Scene::new();
        let draw = |frame| {
            let mut picture = vec![0; WIDTH * HEIGHT * 3 / 2];
            scene.draw(frame, &mut Random(7), &mut picture);
            picture
        };
        assert_eq!(draw(3), draw(3));
        let difference = |a: &[u8], b: &[u8]| {
            let all = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
            all / a.len() as f64
        };
        let (step, seam) = (
            difference(&draw(60), &draw(61)),
            difference(&draw(FRAMES - 1), &draw(0)),
        );
        assert!(step > 0.1, "nothing moves: {step}");
        assert!(seam < 3.0 * step, "there is a cut: {seam} against {step}");
    }
}
