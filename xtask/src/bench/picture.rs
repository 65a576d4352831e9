//! How much of the picture arrives: PSNR of luma between what was recorded on the far side and the clip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail, ensure};

/// Where the stamp is drawn: these rows are no part of the clip.
const STAMP_ROWS: usize = 24;
const STAMP_BLOCKS: usize = 48;
/// Pictures of the beginning, while the rate still grows, are not the steady picture.
const WARM_UP_FRAMES: usize = 150;
/// Shrinks pictures for finding where in the clip one belongs.
const THUMB: usize = 16;

/// What a comparison found.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// PSNR of the mean squared error of all compared pictures, dB.
    pub psnr_y_db: f64,
    /// Pictures compared.
    pub frames: usize,
}

/// Luma of all pictures of a y4m file, one at a time.
pub struct Luma {
    file: BufReader<File>,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Luma {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut file = BufReader::new(File::open(path).with_context(|| format!("{} is missing", path.display()))?);
        let mut header = String::new();
        file.read_line(&mut header)?;
        ensure!(header.starts_with("YUV4MPEG2 "), "{} is no y4m file", path.display());
        let size = |letter| {
            let word = header.split_whitespace().find(|word| word.starts_with(letter));
            word.and_then(|word| word[1..].parse::<usize>().ok())
        };
        let (width, height) = (size('W').context("no width")?, size('H').context("no height")?);
        Ok(Self { file, width, height })
    }

    /// The next picture's luma; `None` at the end, also in the middle of a picture that was not finished.
    pub fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut marker = Vec::new();
        if self.file.read_until(b'\n', &mut marker)? == 0 {
            return Ok(None);
        }
        ensure!(marker.starts_with(b"FRAME"), "a y4m file is damaged");
        let mut picture = vec![0; self.width * self.height * 3 / 2];
        if let Err(error) = self.file.read_exact(&mut picture) {
            return if error.kind() == std::io::ErrorKind::UnexpectedEof {
                Ok(None)
            } else {
                Err(error.into())
            };
        }
        picture.truncate(self.width * self.height);
        Ok(Some(picture))
    }
}

/// Compares a recording with the clip it came from. The stamp's counter tells which picture of the clip each one is;
/// where the counter began is found by looking.
pub fn compare(clip: &Path, recording: &Path) -> anyhow::Result<Comparison> {
    let mut source = Luma::open(clip)?;
    let mut clip = Vec::new();
    while let Some(picture) = source.next()? {
        clip.push(picture);
    }
    let mut received = Luma::open(recording)?;
    let (width, height) = (source.width, source.height);
    ensure!(
        (received.width, received.height) == (width, height),
        "the recording has another size than the clip"
    );
    let thumbs: Vec<Vec<f32>> = clip.iter().map(|picture| thumb(picture, width)).collect();

    let (mut squares, mut frames, mut seen, mut beginning) = (0.0, 0_usize, 0_usize, None);
    while let Some(picture) = received.next()? {
        seen += 1;
        let Some(counter) = stamp_counter(&picture, width, height).filter(|_| seen > WARM_UP_FRAMES) else {
            continue;
        };
        let offset = *beginning.get_or_insert_with(|| {
            let place = nearest(&thumbs, &thumb(&picture, width));
            (place + clip.len() - counter % clip.len()) % clip.len()
        });
        let original = &clip[(counter + offset) % clip.len()];
        squares += mean_square(&original[STAMP_ROWS * width..], &picture[STAMP_ROWS * width..]);
        frames += 1;
    }
    if frames < WARM_UP_FRAMES {
        bail!("only {frames} of {seen} recorded pictures could be compared: record for longer");
    }
    Ok(Comparison {
        psnr_y_db: 10.0 * (255.0_f64.powi(2) * frames as f64 / squares).log10(),
        frames,
    })
}

fn mean_square(a: &[u8], b: &[u8]) -> f64 {
    let square = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
    a.iter().zip(b).map(square).sum::<u64>() as f64 / a.len() as f64
}

/// Means of squares of pixels below the stamp.
fn thumb(picture: &[u8], width: usize) -> Vec<f32> {
    let rows: Vec<&[u8]> = picture[STAMP_ROWS * width..].chunks_exact(width).collect();
    let mut thumb = Vec::new();
    for band in rows.chunks_exact(THUMB) {
        for column in (0..width / THUMB).map(|column| column * THUMB) {
            let sum: u32 = band
                .iter()
                .flat_map(|row| &row[column..column + THUMB])
                .map(|pixel| u32::from(*pixel))
                .sum();
            thumb.push(sum as f32 / (THUMB * THUMB) as f32);
        }
    }
    thumb
}

fn nearest(thumbs: &[Vec<f32>], wanted: &[f32]) -> usize {
    let distance = |thumb: &[f32]| thumb.iter().zip(wanted).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let distances = thumbs.iter().map(|thumb| distance(thumb)).enumerate();
    distances
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(index, _)| index)
}

/// The counter of the stamp; `None` when its check bits do not fit.
fn stamp_counter(picture: &[u8], width: usize, height: usize) -> Option<usize> {
    let side = height / 30;
    let left = (width - STAMP_BLOCKS * side) / 2;
    let bits = (0..STAMP_BLOCKS).fold(0_u64, |bits, block| {
        let light = picture[side / 2 * width + left + block * side + side / 2] > 120;
        bits << 1 | u64::from(light)
    });
    let (content, crc) = (bits >> 11 & ((1 << 34) - 1), bits >> 3 & 0xff);
    let finders = bits >> 45 == 0b101 && bits & 0b111 == 0b010;
    (finders && crc8(&content.to_be_bytes()[3..]) == crc).then_some((content >> 20) as usize)
}

fn crc8(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            (if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 }) & 0xff
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const WIDTH: usize = 1280;
    const HEIGHT: usize = 720;

    fn plain(index: usize) -> Vec<u8> {
        (0..WIDTH * HEIGHT)
            .map(|at| ((at % WIDTH + index * 9) / 8 % 200 + 20) as u8)
            .collect()
    }

    fn stamped(mut picture: Vec<u8>, counter: usize) -> Vec<u8> {
        let content = (counter as u64) << 20 | 12_345;
        let bits = 0b101 << 45 | content << 11 | crc8(&content.to_be_bytes()[3..]) << 3 | 0b010;
        for block in 0..STAMP_BLOCKS {
            let luma = if bits >> (STAMP_BLOCKS - 1 - block) & 1 == 1 {
                200
            } else {
                40
            };
            for row in 0..24 {
                picture[row * WIDTH + 64 + block * 24..][..24].fill(luma);
            }
        }
        picture
    }

    fn write(path: &Path, pictures: impl Iterator<Item = Vec<u8>>) {
        let mut file = std::io::BufWriter::new(File::create(path).expect("made"));
        writeln!(file, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 C420jpeg").expect("written");
        for picture in pictures {
            file.write_all(b"FRAME\n").expect("written");
            file.write_all(&picture).expect("written");
            file.write_all(&vec![128; WIDTH * HEIGHT / 2]).expect("written");
        }
    }

    #[test]
    fn an_error_of_one_step_everywhere_is_48_db_wherever_the_counter_began() {
        let folder = std::env::temp_dir().join(format!("visavis-picture-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        let (clip, recording) = (folder.join("clip.y4m"), folder.join("recording.y4m"));
        write(&clip, (0..7).map(plain));
        // The counter runs three ahead of the clip, and every tenth picture was lost on the way.
        let arrived = (0..2 * WARM_UP_FRAMES + 40).filter(|index| index % 10 != 0);
        write(
            &recording,
            arrived.map(|index| {
                let noisy = plain(index % 7).iter().map(|pixel| pixel + 1).collect();
                stamped(noisy, index + 3)
            }),
        );
        let comparison = compare(&clip, &recording).expect("compared");
        assert!((comparison.psnr_y_db - 48.13).abs() < 0.01, "{comparison:?}");
        assert!(comparison.frames >= WARM_UP_FRAMES);
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_damaged_stamp_has_no_counter() {
        let mut picture = stamped(plain(0), 9_999);
        assert_eq!(stamp_counter(&picture, WIDTH, HEIGHT), Some(9_999));
        for row in 0..24 {
            for pixel in &mut picture[row * WIDTH + 64 + 20 * 24..][..24] {
                *pixel = 240 - *pixel;
            }
        }
        assert_eq!(stamp_counter(&picture, WIDTH, HEIGHT), None);
    }
}
