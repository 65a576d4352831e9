//! The test screen: a page of program text that scrolls, which is what screens are shared for.
//!
//! The page is drawn once, as a luma image taller than the screen; a frame is that image from another row on.

use super::font;
use super::{Outlet, StampMode, generated};
use crate::frame::VideoFrame;
use crate::spec::VideoMode;

/// What it calls itself.
pub const NAME: &str = "Test screen";

/// Screen pixels for each pixel of the font: letters of 14 rows, as on a common desktop.
const SCALE: usize = 2;
/// Pixels from one character, and from one line, to the next.
const CELL_WIDTH: usize = (font::WIDTH + 1) * SCALE;
const LINE_HEIGHT: usize = (font::HEIGHT + 3) * SCALE;
/// Rows the page moves from one frame to the next: a line in a third of a second at 30 frames.
const SCROLL_ROWS: u64 = 2;
/// Luma of the paper, of text, and of the line numbers.
const PAPER: u8 = 228;
const INK: u8 = 28;
const FAINT_INK: u8 = 150;

/// The page.
pub struct TestScreen {
    width: usize,
    page: Vec<u8>,
}

impl TestScreen {
    /// Writes the page: twice as tall as the screen and a whole number of lines.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width & !1, height & !1);
        let lines = (2 * height).div_ceil(LINE_HEIGHT);
        let mut page = vec![PAPER; width * lines * LINE_HEIGHT];
        let mut text = Text::new();
        for (number, rows) in page.chunks_exact_mut(width * LINE_HEIGHT).enumerate() {
            write_text(rows, width, 0, FAINT_INK, format!("{:>4}", number + 1).as_bytes());
            write_text(rows, width, 6, INK, text.next_line().as_bytes());
        }
        Self { width, page }
    }

    /// Draws moment `number` into a frame of this screen's size.
    pub fn draw(&self, number: u64, frame: &mut VideoFrame) {
        let rows = self.page.len() / self.width;
        let first = (number * SCROLL_ROWS % rows as u64) as usize * self.width;
        let (y, u, v) = frame.planes_mut();
        let until_seam = y.len().min(self.page.len() - first);
        let (above, below) = y.split_at_mut(until_seam);
        above.copy_from_slice(&self.page[first..first + until_seam]);
        below.copy_from_slice(&self.page[..below.len()]);
        u.fill(128);
        v.fill(128);
    }
}

/// Writes one line of text from character cell `cell` on; what does not fit is cut off.
fn write_text(rows: &mut [u8], width: usize, cell: usize, ink: u8, text: &[u8]) {
    let room = (width / CELL_WIDTH).saturating_sub(cell);
    for (index, &character) in text.iter().take(room).enumerate() {
        let left = (cell + index) * CELL_WIDTH;
        for (glyph_row, bits) in font::glyph(character).into_iter().enumerate() {
            for column in (0..font::WIDTH).filter(|column| bits >> (font::WIDTH - 1 - column) & 1 == 1) {
                for row in 0..SCALE {
                    let at = ((glyph_row + 1) * SCALE + row) * width + left + column * SCALE;
                    rows[at..at + SCALE].fill(ink);
                }
            }
        }
    }
}

/// Something that looks like a program, the same each time.
struct Text {
    random: u32,
    depth: usize,
}

impl Text {
    const WORDS: [&str; 16] = [
        "frame", "packet", "sender", "let", "window", "buffer", "call", "peer", "latency", "if", "match", "codec",
        "offer", "clock", "rate", "sample",
    ];

    fn new() -> Self {
        Self { random: 2026, depth: 0 }
    }

    /// Below `bound`, by the generator of Numerical Recipes.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.random >> 16) as usize % bound
    }

    fn word(&mut self) -> &'static str {
        Self::WORDS[self.below(Self::WORDS.len())]
    }

    fn next_line(&mut self) -> String {
        let (a, b, c) = (self.word(), self.word(), self.word());
        let number = self.below(1_000);
        let indent = "    ".repeat(self.depth);
        match self.below(8) {
            0 => String::new(),
            1 | 2 if self.depth < 5 => {
                self.depth += 1;
                format!("{indent}{a}_{b}({c}: {number}) {{")
            }
            3 if self.depth > 0 => {
                self.depth -= 1;
                format!("{}}}", "    ".repeat(self.depth))
            }
            4 => format!("{indent}// the {a} waits for the {b}, never for the {c} of {number}"),
            _ => format!("{indent}{a} = {b}.{c}({number}, {a} + {b} * {}) / {c};", number / 7),
        }
    }
}

/// The "screen" thread of a test screen.
pub(super) fn run(outlet: &Outlet, mode: VideoMode, stamp: StampMode) {
    let screen = TestScreen::new(mode.width as usize, mode.height as usize);
    generated::run(outlet, NAME, mode, stamp, |number, frame| screen.draw(number, frame));
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::frame::FramePool;

    fn draw(screen: &TestScreen, height: usize, number: u64) -> VideoFrame {
        let mut frame = FramePool::new().frame(screen.width, height, Instant::now());
        screen.draw(number, &mut frame);
        frame
    }

    #[test]
    fn the_page_scrolls_without_a_seam() {
        let screen = TestScreen::new(320, 180);
        let rows = (screen.page.len() / screen.width) as u64;
        for number in 0..2 * rows {
            let (now, next) = (draw(&screen, 180, number), draw(&screen, 180, number + 1));
            assert_eq!(now.y()[2 * 320..], next.y()[..320 * 178], "at {number}");
        }
        assert_eq!(
            draw(&screen, 180, 3).y(),
            draw(&screen, 180, 3 + rows / SCROLL_ROWS).y()
        );
    }

    #[test]
    fn there_is_text_on_it() {
        let screen = TestScreen::new(1_920, 1_080);
        let frame = draw(&screen, 1_080, 0);
        let ink = frame.y().iter().filter(|&&luma| luma == INK).count();
        assert!((60_000..600_000).contains(&ink), "{ink} dark pixels");
    }

    #[test]
    fn the_smallest_screen_has_room_for_a_number() {
        draw(&TestScreen::new(64, 64), 64, 1_000_000_007);
    }
}
