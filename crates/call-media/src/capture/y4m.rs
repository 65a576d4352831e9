//! YUV4MPEG2 files: raw pictures with a line of text in front, as `ffmpeg` and `mjpegtools` write them.
//!
//! In: bytes that may be anything. Out: frames of a pool, on the thread of the caller. Sizes are bounded
//! before anything is allocated; progressive 8-bit 4:2:0, 4:2:2, 4:4:4 and grey are read, the rest is
//! refused with a sentence. The format is described in the manual page yuv4mpeg(5) of mjpegtools.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Instant;

use super::pacer::{FrameRate, Pacer};
use super::{Marker, Moment, Outlet, StampMode, Waited};
use crate::devices::{DeviceProblem, DeviceStatus};
use crate::frame::{Colour, ColourRange, FramePool, VideoFrame};

/// Pixels a side: beyond it no codec here could follow.
const MAX_SIDE: usize = 4_096;
/// Frames a second.
const MAX_RATE: u32 = 240;
/// Bytes of a line of parameters; real ones have about 60.
const MAX_LINE_BYTES: u64 = 1_024;
/// What is read ahead from the file; whole planes bypass it.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum Y4mError {
    /// The system refused.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("this is not a YUV4MPEG2 file (convert it with: ffmpeg -i INPUT -pix_fmt yuv420p OUTPUT.y4m)")]
    NotY4m,
    /// A parameter is missing, nonsense or out of bounds.
    #[error("the file's header has no usable {what} ({found})")]
    Header {
        /// Which.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// A kind of picture that is not supported.
    #[error(
        "the file's pictures are {0}, which is not supported (convert it with: ffmpeg -i INPUT -vf yadif -pix_fmt yuv420p OUTPUT.y4m)"
    )]
    Unsupported(String),
    /// Between two pictures stands something else.
    #[error("the file is damaged: there is no picture where one should begin")]
    Damaged,
    /// There is a header and nothing else.
    #[error("the file holds no whole picture")]
    Empty,
}

/// Whether [`Y4mReader::read_frame`] filled the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameRead {
    /// It did.
    Whole,
    /// The file is at its end, or cut off within this picture.
    End,
}

/// How the chroma planes are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chroma {
    /// Halved both ways: as we want it.
    Both,
    /// Halved across.
    Across,
    /// Whole.
    Whole,
    /// None: grey.
    Grey,
}

/// What the first line says.
#[derive(Clone, Copy, Debug)]
struct Header {
    width: usize,
    height: usize,
    rate: FrameRate,
    chroma: Chroma,
    colour: Colour,
}

/// Reads pictures one after the other.
pub struct Y4mReader<R> {
    input: R,
    header: Header,
    line: Vec<u8>,
    rows: [Vec<u8>; 2],
}

impl<R: BufRead> Y4mReader<R> {
    /// Reads and checks the first line.
    ///
    /// # Errors
    /// When it is not a YUV4MPEG2 file, or not one of the kind described above.
    pub fn new(mut input: R) -> Result<Self, Y4mError> {
        let mut line = Vec::new();
        read_line(&mut input, &mut line)?;
        let header = Header::parse(&line)?;
        Ok(Self {
            input,
            header,
            line,
            rows: [vec![0; header.width], vec![0; header.width]],
        })
    }

    /// Width of the frames it fills, in pixels, even.
    #[must_use]
    pub fn width(&self) -> usize {
        self.header.width & !1
    }

    /// Height of the frames it fills, in pixels, even.
    #[must_use]
    pub fn height(&self) -> usize {
        self.header.height & !1
    }

    fn rate(&self) -> FrameRate {
        self.header.rate
    }

    /// Reads the next picture into `frame`, which must be [`width`](Self::width) by [`height`](Self::height).
    ///
    /// # Errors
    /// When reading fails for another reason than the end of the file, or the file is damaged.
    pub fn read_frame(&mut self, frame: &mut VideoFrame) -> Result<FrameRead, Y4mError> {
        read_line(&mut self.input, &mut self.line)?;
        let Some(text) = self.line.strip_suffix(b"\n") else {
            let cut_off = (self.line.len() as u64) < MAX_LINE_BYTES;
            return if cut_off {
                Ok(FrameRead::End)
            } else {
                Err(Y4mError::Damaged)
            };
        };
        if text != b"FRAME" && !text.starts_with(b"FRAME ") {
            return Err(Y4mError::Damaged);
        }
        frame.colour = self.header.colour;
        match self.read_planes(frame) {
            Ok(()) => Ok(FrameRead::Whole),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(FrameRead::End),
            Err(error) => Err(error.into()),
        }
    }

    fn read_planes(&mut self, frame: &mut VideoFrame) -> io::Result<()> {
        let (width, height) = (self.header.width, self.header.height);
        let chroma = self.header.chroma;
        let (y, u, v) = frame.planes_mut();
        self.read_plane(y, Source::plain(width, height), width & !1)?;
        for plane in [u, v] {
            let source = match chroma {
                Chroma::Both => Source::plain(width.div_ceil(2), height.div_ceil(2)),
                Chroma::Across => Source {
                    halve: Halve::Down,
                    ..Source::plain(width.div_ceil(2), height)
                },
                Chroma::Whole => Source {
                    halve: Halve::BothWays,
                    ..Source::plain(width, height)
                },
                Chroma::Grey => {
                    plane.fill(128);
                    continue;
                }
            };
            self.read_plane(plane, source, width / 2)?;
        }
        Ok(())
    }

    /// One plane of the file into one of the frame, whose rows are `width` long.
    fn read_plane(&mut self, plane: &mut [u8], source: Source, width: usize) -> io::Result<()> {
        if source.halve == Halve::No && source.width == width && source.height * width == plane.len() {
            return self.input.read_exact(plane);
        }
        let [upper, lower] = &mut self.rows;
        let mut rows = plane.chunks_exact_mut(width);
        let mut left = source.height;
        while left > 0 {
            let upper = &mut upper[..source.width];
            self.input.read_exact(upper)?;
            left -= 1;
            let lower = match source.halve {
                Halve::No => &*upper,
                Halve::Down | Halve::BothWays if left == 0 => &*upper,
                Halve::Down | Halve::BothWays => {
                    self.input.read_exact(&mut lower[..source.width])?;
                    left -= 1;
                    &lower[..source.width]
                }
            };
            // Rows beyond an even height are read and left out.
            if let Some(row) = rows.next() {
                source.halve.reduce(upper, lower, row);
            }
        }
        Ok(())
    }
}

/// A plane as it is in the file.
#[derive(Clone, Copy)]
struct Source {
    width: usize,
    height: usize,
    halve: Halve,
}

impl Source {
    fn plain(width: usize, height: usize) -> Self {
        let halve = Halve::No;
        Self { width, height, halve }
    }
}

/// Which way a plane has to shrink.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Halve {
    No,
    Down,
    BothWays,
}

impl Halve {
    fn reduce(self, upper: &[u8], lower: &[u8], out: &mut [u8]) {
        let mean = |values: &[u8]| (values.iter().map(|&v| u32::from(v)).sum::<u32>() / values.len() as u32) as u8;
        match self {
            Self::No => out.copy_from_slice(&upper[..out.len()]),
            Self::Down => {
                for ((out, &a), &b) in out.iter_mut().zip(upper).zip(lower) {
                    *out = mean(&[a, b]);
                }
            }
            Self::BothWays => {
                for ((out, a), b) in out.iter_mut().zip(upper.chunks_exact(2)).zip(lower.chunks_exact(2)) {
                    *out = mean(&[a[0], a[1], b[0], b[1]]);
                }
            }
        }
    }
}

/// Reads up to and including the end of a line, at most [`MAX_LINE_BYTES`].
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    line.clear();
    input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', line).map(drop)
}

impl Header {
    fn parse(line: &[u8]) -> Result<Self, Y4mError> {
        let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        let mut words = text.ok_or(Y4mError::NotY4m)?.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err(Y4mError::NotY4m);
        }
        let (mut width, mut height, mut rate) = ("", "", "");
        let (mut chroma, mut interlacing, mut colour) = ("420", "p", Colour::default());
        for word in words.filter(|word| !word.is_empty()) {
            // The first character is ASCII in every tag there is; others are extensions to be ignored.
            let Some((tag, value)) = word.split_at_checked(1) else {
                continue;
            };
            match tag {
                "W" => width = value,
                "H" => height = value,
                "F" => rate = value,
                "C" => chroma = value,
                "I" => interlacing = value,
                "X" if value == "COLORRANGE=FULL" => colour.range = ColourRange::Full,
                _ => {}
            }
        }
        if !matches!(interlacing, "p" | "?") {
            return Err(Y4mError::Unsupported("interlaced".into()));
        }
        Ok(Self {
            width: side("width", width)?,
            height: side("height", height)?,
            rate: frame_rate(rate)?,
            chroma: Chroma::parse(chroma)?,
            colour,
        })
    }
}

impl Chroma {
    fn parse(text: &str) -> Result<Self, Y4mError> {
        match text {
            // They differ in where chroma is sampled, by less than a pixel.
            "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(Self::Both),
            "422" => Ok(Self::Across),
            "444" => Ok(Self::Whole),
            "mono" => Ok(Self::Grey),
            other => Err(Y4mError::Unsupported(format!("of the kind '{}'", shorten(other)))),
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(20).collect()
}

fn side(what: &'static str, text: &str) -> Result<usize, Y4mError> {
    let parsed = text.parse().ok().filter(|side| (2..=MAX_SIDE).contains(side));
    parsed.ok_or_else(|| Y4mError::Header {
        what,
        found: format!("'{}', allowed are 2 to {MAX_SIDE}", shorten(text)),
    })
}

fn frame_rate(text: &str) -> Result<FrameRate, Y4mError> {
    let parse = || {
        let (numerator, denominator) = text.split_once(':')?;
        let numerator: u32 = numerator.parse().ok()?;
        let denominator: u32 = denominator.parse().ok()?;
        let sane = numerator > 0 && denominator > 0 && numerator / denominator <= MAX_RATE;
        // A picture an hour would look like a hang.
        let often = denominator / numerator.max(1) <= 60;
        (sane && often).then_some(FrameRate { numerator, denominator })
    };
    parse().ok_or_else(|| Y4mError::Header {
        what: "frame rate",
        found: format!("'{}', it is written like 30:1", shorten(text)),
    })
}

/// The "camera" thread of a file camera: plays it in a loop at its own rate until the owner lets go.
pub(super) fn run(outlet: &Outlet, path: &Path, stamp: StampMode) {
    if let Err(error) = play(outlet, path, stamp) {
        outlet.fail(DeviceProblem::BadFile, format!("{}: {error}", path.display()));
    }
}

fn play(outlet: &Outlet, path: &Path, stamp: StampMode) -> Result<(), Y4mError> {
    let mut reader = Y4mReader::new(BufReader::with_capacity(READ_AHEAD_BYTES, File::open(path)?))?;
    let first_frame = reader.input.stream_position()?;
    let (width, height, rate) = (reader.width(), reader.height(), reader.rate());
    let pool = FramePool::new();
    let mut pacer = Pacer::new(Instant::now(), rate);
    let mut marker = Marker::new(stamp);
    let mut in_this_round = 0_u64;
    let mut running = Some(DeviceStatus::Running {
        name: path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
        mode: Some(format!("{width}x{height}@{}", describe(rate))),
    });
    loop {
        // Read ahead: only then wait for the moment the picture is due.
        let mut frame = pool.frame(width, height, Instant::now());
        match reader.read_frame(&mut frame)? {
            FrameRead::Whole => in_this_round += 1,
            FrameRead::End if in_this_round == 0 => return Err(Y4mError::Empty),
            FrameRead::End => {
                in_this_round = 0;
                reader.input.seek(SeekFrom::Start(first_frame))?;
                continue;
            }
        }
        if outlet.wait_until(pacer.deadline()) == Waited::Closed {
            return Ok(());
        }
        let moment = Moment::now();
        marker.mark(&mut frame, moment);
        pacer.advance(moment.at);
        if let Some(running) = running.take() {
            outlet.set_status(running);
        }
        outlet.put(frame);
    }
}

/// `30`, or `29.97` where it is not whole.
fn describe(rate: FrameRate) -> String {
    let value = f64::from(rate.numerator) / f64::from(rate.denominator);
    format!("{}", (value * 100.0).round() / 100.0)
}

#[cfg(test)]
#[path = "y4m_tests.rs"]
mod tests;
