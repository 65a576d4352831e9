//! How much of the picture arrives: PSNR of luma between what the far side was shown and the clip.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail, ensure};

/// Where the stamp is drawn: these rows are no part of the clip.
const STAMP_ROWS: usize = 24;
/// A codec or a scaler smears the stamp a little beyond them.
const COMPARED_FROM: usize = 32;
const STAMP_BLOCKS: usize = 48;
/// The 20 bits of its time.
const STAMP_TIME: u64 = (1 << 20) - 1;
/// Pictures of the beginning, while the rate still grows, are not the steady picture.
const WARM_UP_FRAMES: usize = 150;
/// Pictures that are looked at to find where the counter began.
const PLACED_BY: usize = 8;
/// Fractions of a pixel in scaling.
const STEPS: u32 = 256;
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

/// Luma of all pictures of a y4m stream, one at a time.
pub struct Luma<R> {
    stream: R,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Luma<BufReader<File>> {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("{} is missing", path.display()))?;
        Self::read(BufReader::new(file)).with_context(|| format!("{} cannot be read", path.display()))
    }
}

impl<R: BufRead> Luma<R> {
    /// Reads the header.
    pub fn read(mut stream: R) -> anyhow::Result<Self> {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        ensure!(header.starts_with("YUV4MPEG2 "), "this is no y4m");
        let size = |letter| {
            let word = header.split_whitespace().find(|word| word.starts_with(letter));
            word.and_then(|word| word[1..].parse::<usize>().ok())
        };
        let (width, height) = (size('W').context("no width")?, size('H').context("no height")?);
        Ok(Self { stream, width, height })
    }

    /// The next picture's luma; `None` at the end, also in the middle of a picture that was not finished.
    pub fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut marker = Vec::new();
        if self.stream.read_until(b'\n', &mut marker)? == 0 {
            return Ok(None);
        }
        ensure!(marker.starts_with(b"FRAME"), "y4m is damaged");
        let mut picture = vec![0; self.width * self.height * 3 / 2];
        if let Err(error) = self.stream.read_exact(&mut picture) {
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

/// Compares a recording with the clip it came from.
pub fn compare(clip: &Path, recording: &Path) -> anyhow::Result<Comparison> {
    let mut comparer = Comparer::new(clip)?;
    let mut received = Luma::open(recording)?;
    let (width, height) = (received.width, received.height);
    ensure!(
        (width, height) == (comparer.width, comparer.height),
        "the recording has another size than the clip"
    );
    while let Some(picture) = received.next()? {
        comparer.add(picture, width, height);
    }
    comparer.finish()
}

/// Compares pictures with the clip they came from, as they come. The stamp's counter tells which picture of the clip
/// each one is; where the counter began is found by looking. Smaller pictures are scaled up first, as they are shown.
pub struct Comparer {
    clip: Vec<Vec<u8>>,
    thumbs: Vec<Vec<f32>>,
    width: usize,
    height: usize,
    /// Counter and picture of the first ones, until there are enough to tell where the counter began.
    unplaced: Vec<(usize, Vec<u8>)>,
    offset: usize,
    squares: f64,
    frames: usize,
    seen: usize,
}

impl Comparer {
    /// Reads the whole clip.
    pub fn new(clip: &Path) -> anyhow::Result<Self> {
        let mut source = Luma::open(clip)?;
        let (width, height) = (source.width, source.height);
        let mut clip = Vec::new();
        while let Some(picture) = source.next()? {
            clip.push(picture);
        }
        Ok(Self {
            thumbs: clip.iter().map(|picture| thumb(picture, width)).collect(),
            clip,
            width,
            height,
            unplaced: Vec::new(),
            offset: 0,
            squares: 0.0,
            frames: 0,
            seen: 0,
        })
    }

    /// The next picture, of any size.
    pub fn add(&mut self, picture: Vec<u8>, width: usize, height: usize) {
        self.seen += 1;
        let stamp = Stamp::read(&picture, width, height).filter(|_| self.seen > WARM_UP_FRAMES);
        let Some(Stamp { counter, .. }) = stamp else {
            return;
        };
        let picture = if (width, height) == (self.width, self.height) {
            picture
        } else {
            scaled(&picture, (width, height), (self.width, self.height))
        };
        if self.frames > 0 {
            self.count(counter, &picture);
            return;
        }
        self.unplaced.push((counter, picture));
        if self.unplaced.len() == PLACED_BY {
            self.place();
        }
    }

    /// All together.
    pub fn finish(self) -> anyhow::Result<Comparison> {
        let Self { frames, seen, .. } = self;
        if frames < WARM_UP_FRAMES {
            bail!("only {frames} of {seen} pictures could be compared: look for longer");
        }
        Ok(Comparison {
            psnr_y_db: 10.0 * (255.0_f64.powi(2) * frames as f64 / self.squares).log10(),
            frames,
        })
    }

    fn original(&self, counter: usize, offset: usize) -> &[u8] {
        &self.clip[(counter + offset) % self.clip.len()]
    }

    fn count(&mut self, counter: usize, picture: &[u8]) {
        self.squares += mean_square(self.original(counter, self.offset), picture, self.width);
        self.frames += 1;
    }

    /// A coarse look at the first picture, then a close look at all that wait: neighbours in a clip are much alike.
    fn place(&mut self) {
        let length = self.clip.len();
        let waiting = std::mem::take(&mut self.unplaced);
        let Some((counter, first)) = waiting.first() else {
            return;
        };
        let guess = nearest(&self.thumbs, &thumb(first, self.width)) + length - counter % length;
        let error = |offset: usize| -> f64 {
            let errors = waiting
                .iter()
                .map(|(counter, picture)| mean_square(self.original(*counter, offset), picture, self.width));
            errors.sum()
        };
        let offsets = (length - 2..=length + 2).map(|near| (guess + near) % length);
        let best = offsets
            .map(|offset| (error(offset), offset))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        self.offset = best.map_or(0, |(_, offset)| offset);
        for (counter, picture) in waiting {
            self.count(counter, &picture);
        }
    }
}

/// Of two pictures of this width, below the stamp.
fn mean_square(a: &[u8], b: &[u8], width: usize) -> f64 {
    let (a, b) = (&a[COMPARED_FROM * width..], &b[COMPARED_FROM * width..]);
    // A row at a time fits 32 bits, which is quicker.
    let row = |(a, b): (&[u8], &[u8])| {
        let square = |(a, b): (&u8, &u8)| u32::from(a.abs_diff(*b)).pow(2);
        u64::from(a.iter().zip(b).map(square).sum::<u32>())
    };
    a.chunks(width).zip(b.chunks(width)).map(row).sum::<u64>() as f64 / a.len() as f64
}

/// A picture in another size, each pixel between the four nearest.
fn scaled(picture: &[u8], (width, height): (usize, usize), (new_width, new_height): (usize, usize)) -> Vec<u8> {
    let columns = places(width, new_width);
    let mut result = Vec::with_capacity(new_width * new_height);
    for (upper, lower, down) in places(height, new_height) {
        let (upper, lower) = (&picture[upper * width..][..width], &picture[lower * width..][..width]);
        result.extend(columns.iter().map(|&(left, right, across)| {
            let line = |row: &[u8]| u32::from(row[left]) * (STEPS - across) + u32::from(row[right]) * across;
            let sum = line(upper) * (STEPS - down) + line(lower) * down;
            // The mean of bytes is a byte.
            ((sum + STEPS * STEPS / 2) / (STEPS * STEPS)) as u8
        }));
    }
    result
}

/// For each of the new pixels, the two old ones it lies between, and how far from the first, in `STEPS`.
fn places(old: usize, new: usize) -> Vec<(usize, usize, u32)> {
    let place = |index: usize| {
        let at = ((index as f64 + 0.5) * old as f64 / new as f64 - 0.5).clamp(0.0, (old - 1) as f64);
        let first = at as usize;
        (
            first,
            (first + 1).min(old - 1),
            ((at - first as f64) * f64::from(STEPS)).round() as u32,
        )
    };
    (0..new).map(place).collect()
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

/// What a stamp says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    /// Of pictures since the camera was started, modulo 2^14.
    pub counter: usize,
    /// Unix time of capture in ms, modulo 2^20.
    pub captured_ms: u64,
}

impl Stamp {
    /// Of a picture of any size; `None` when its check bits do not fit.
    pub fn read(picture: &[u8], width: usize, height: usize) -> Option<Self> {
        let side = height / 30;
        let left = width.checked_sub(STAMP_BLOCKS * side)? / 2;
        let (from, to) = (side / 4, side - side / 4);
        // The middle of a block: its edges are blurred.
        let light = |block: usize| -> usize {
            let row = |y: usize| &picture[y * width + left + block * side..][from..to];
            (from..to).flat_map(row).map(|pixel| usize::from(*pixel)).sum::<usize>()
        };
        let finders = |blocks: [usize; 3]| blocks.map(light).iter().sum::<usize>();
        let threshold = (finders([0, 2, 46]) + finders([1, 45, 47])) / 6;
        let bits = (0..STAMP_BLOCKS).fold(0_u64, |bits, block| bits << 1 | u64::from(light(block) > threshold));
        let (content, crc) = (bits >> 11 & ((1 << 34) - 1), bits >> 3 & 0xff);
        let finders = bits >> 45 == 0b101 && bits & 0b111 == 0b010;
        (finders && crc8(&content.to_be_bytes()[3..]) == crc).then_some(Self {
            counter: (content >> 20) as usize,
            captured_ms: content & STAMP_TIME,
        })
    }

    /// How long ago that was, for whoever looks within minutes.
    pub fn age_ms(&self, unix_ms: u64) -> u64 {
        unix_ms.wrapping_sub(self.captured_ms) & STAMP_TIME
    }
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
    fn a_stamp_is_read_and_a_damaged_one_is_not() {
        let mut picture = stamped(plain(0), 9_999);
        let stamp = Stamp::read(&picture, WIDTH, HEIGHT).expect("a stamp");
        assert_eq!((stamp.counter, stamp.captured_ms), (9_999, 12_345));
        // Whoever looks after the time has begun anew counts on.
        assert_eq!(stamp.age_ms(12_345 + 80), 80);
        assert_eq!(stamp.age_ms((1 << 20) + 5), (1 << 20) + 5 - 12_345);
        for row in 0..24 {
            for pixel in &mut picture[row * WIDTH + 64 + 20 * 24..][..24] {
                *pixel = 240 - *pixel;
            }
        }
        assert_eq!(Stamp::read(&picture, WIDTH, HEIGHT), None);
    }

    #[test]
    fn a_smaller_picture_is_scaled_up_before_it_is_compared() {
        // A slope stays a slope, except at the rim.
        let slope: Vec<u8> = (0..64 * 36).map(|at| (at % 64 * 2) as u8).collect();
        let large = scaled(&slope, (64, 36), (128, 72));
        assert_eq!(large.len(), 128 * 72);
        assert!(
            large[..128].iter().zip(0..).all(|(pixel, x)| pixel.abs_diff(x) <= 1),
            "{:?}",
            &large[..128]
        );
        assert_eq!(scaled(&slope, (64, 36), (64, 36)), slope);

        let folder = std::env::temp_dir().join(format!("visavis-scaled-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        let clip = folder.join("clip.y4m");
        write(&clip, (0..7).map(plain));
        let mut comparer = Comparer::new(&clip).expect("a clip");
        for index in 0..2 * WARM_UP_FRAMES + 40 {
            let half = scaled(
                &stamped(plain(index % 7), index),
                (WIDTH, HEIGHT),
                (WIDTH / 2, HEIGHT / 2),
            );
            comparer.add(half, WIDTH / 2, HEIGHT / 2);
        }
        let comparison = comparer.finish().expect("compared");
        assert!(comparison.psnr_y_db > 30.0, "{comparison:?}");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
