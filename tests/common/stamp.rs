//! Finds and reads the stamp in any grey picture that shows a video, at whatever place and size: written from
//! the contract alone, so that it also checks the stamp the application draws.

const BLOCKS: usize = 48;
const LIGHT_FINDERS: [usize; 3] = [0, 2, 46];
const DARK_FINDERS: [usize; 3] = [1, 45, 47];
/// A smaller difference between light and dark is no stamp.
const LEAST_CONTRAST: f64 = 60.0;
/// Between the light and the dark of a stamp, on any of the usual ranges.
const MIDDLE: u8 = 120;
/// Sizes of a block that are looked for, in pixels.
const BLOCK_PX: std::ops::RangeInclusive<usize> = 4..=80;

/// A picture in grey, row by row without padding.
pub struct Grey {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Luma.
    pub pixels: Vec<u8>,
}

/// A stamp, and where it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Frame counter, 14 bits.
    pub counter: u16,
    /// Unix time of capture in ms, modulo 2^20.
    pub unix_ms_mod: u32,
    /// Left edge of the first block, pixels.
    pub x: usize,
    /// Top edge of the blocks, pixels.
    pub y: usize,
    /// Side of a block, pixels.
    pub block: f64,
}

impl Found {
    /// From capture to now by the wall clock, in ms; right within eight minutes.
    pub fn age_ms(&self) -> i64 {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let modulus = 1_i64 << 20;
        let now = i64::try_from(now.as_millis()).expect("before the year 292 million") % modulus;
        let age = (now - i64::from(self.unix_ms_mod)).rem_euclid(modulus);
        if age < modulus / 2 { age } else { age - modulus }
    }
}

/// All stamps in a picture, from top to bottom.
pub fn find_all(picture: &Grey) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for y in 0..picture.height {
        for (x, side) in candidates(picture.row(y)) {
            let inside = |known: &&Found| x.abs_diff(known.x) < 8 && y.abs_diff(known.y) as f64 <= known.block * 1.5;
            if found.iter().any(|known| inside(&known)) {
                continue;
            }
            found.extend(read_near(picture, x, y, side));
        }
    }
    found
}

impl Grey {
    fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Mean of the middle half of a block; `None` outside the picture.
    fn block_mean(&self, left: f64, top: usize, side: f64) -> Option<f64> {
        let span = |from: f64| {
            (
                (from + side * 0.25).round() as usize,
                (from + side * 0.75).round() as usize,
            )
        };
        let ((x0, x1), (y0, y1)) = (span(left), span(top as f64));
        if x1 <= x0 || y1 <= y0 || x1 > self.width || y1 > self.height {
            return None;
        }
        let rows = (y0..y1).flat_map(|y| &self.row(y)[x0..x1]);
        let sum: u64 = rows.map(|pixel| u64::from(*pixel)).sum();
        Some(sum as f64 / ((x1 - x0) * (y1 - y0)) as f64)
    }
}

/// Places in a row where a light, a dark and another light run begin as the first blocks of a stamp do.
fn candidates(row: &[u8]) -> Vec<(usize, f64)> {
    let mut edges = vec![0];
    edges.extend((1..row.len()).filter(|x| (row[*x] > MIDDLE) != (row[x - 1] > MIDDLE)));
    let mut list = Vec::new();
    for three in edges.windows(3) {
        let (light, dark) = (three[1] - three[0], three[2] - three[1]);
        let alike = light.abs_diff(dark) <= 2.max(light / 6);
        if row[three[0]] > MIDDLE && alike && BLOCK_PX.contains(&light) {
            list.push((three[0], (light + dark) as f64 / 2.0));
        }
    }
    list
}

/// Reads with sides and places around the measured ones: half a pixel in a side is a block at the end of the row.
fn read_near(picture: &Grey, x: usize, y: usize, side: f64) -> Option<Found> {
    let steps = 60_i32;
    let sides = (-steps..=steps).map(|step| side + f64::from(step) * 0.025);
    sides
        .filter(|side| *side >= 3.0)
        .find_map(|side| read_at(picture, x, y, side))
}

fn read_at(picture: &Grey, x: usize, y: usize, side: f64) -> Option<Found> {
    let mean = |block: usize| picture.block_mean(x as f64 + block as f64 * side, y, side);
    let mean_of = |[a, b, c]: [usize; 3]| Some((mean(a)? + mean(b)? + mean(c)?) / 3.0);
    let (light, dark) = (mean_of(LIGHT_FINDERS)?, mean_of(DARK_FINDERS)?);
    if light - dark < LEAST_CONTRAST {
        return None;
    }
    let mut means = [0.0; BLOCKS];
    for (block, slot) in means.iter_mut().enumerate() {
        *slot = mean(block)?;
    }
    // Every block of a stamp is clearly one or the other; half-way values mean that the grid is off.
    let clear = |mean: f64| (mean - (light + dark) / 2.0).abs() > (light - dark) * 0.3;
    if !means.iter().copied().all(clear) {
        return None;
    }
    let bits = means
        .iter()
        .fold(0_u64, |bits, mean| bits << 1 | u64::from(*mean > (light + dark) / 2.0));
    let finders = bits >> 45 == 0b101 && bits & 0b111 == 0b010;
    let (content, crc) = (bits >> 11 & ((1 << 34) - 1), (bits >> 3) as u8);
    (finders && crc8(&content.to_be_bytes()[3..]) == crc).then_some(Found {
        counter: (content >> 20) as u16,
        unix_ms_mod: (content & ((1 << 20) - 1)) as u32,
        x,
        y,
        block: side,
    })
}

/// Polynomial 0x07, start 0, no reflection.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ byte,
            |crc: u8, _bit| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 },
        )
    })
}

/// A stamp drawn into a grey picture with a dark block on either side, for the tests of this reader.
pub fn draw(picture: &mut Grey, x: usize, y: usize, side: f64, counter: u16, unix_ms_mod: u32) {
    let content = u64::from(counter) << 20 | u64::from(unix_ms_mod);
    let crc = u64::from(crc8(&content.to_be_bytes()[3..]));
    let bits = 0b101 << 45 | content << 11 | crc << 3 | 0b010;
    let (left, right) = (x - side as usize, x + ((BLOCKS + 1) as f64 * side) as usize);
    for row in y..y + side.round() as usize {
        picture.pixels[row * picture.width..][left..right].fill(40);
    }
    for block in 0..BLOCKS {
        let luma = if bits >> (BLOCKS - 1 - block) & 1 == 1 { 200 } else { 40 };
        let edge = |block: usize| x + (block as f64 * side).round() as usize;
        for row in y..y + side.round() as usize {
            picture.pixels[row * picture.width..][edge(block)..edge(block + 1)].fill(luma);
        }
    }
}
