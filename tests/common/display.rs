//! A display of our own, a window manager for it, and hands and eyes for a test: clicks, keys, screenshots.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::GUARD;
use super::process::{Process, visavis};
use super::stamp::Grey;

/// A running X server with a window manager; both end when this is dropped.
pub struct Display {
    server: Child,
    window_manager: Child,
    name: String,
}

/// A screenshot.
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue, row by row.
    pub rgb: Vec<u8>,
}

/// A rectangle that holds a connected region of one colour, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
    /// Pixels of the colour.
    pub area: usize,
}

impl Display {
    /// Starts both on a free display number.
    pub fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1280x900x24",
                "-nolisten",
                "tcp",
                "-extension",
                "Composite",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs the package xvfb");
        let mut number = String::new();
        let mut out = BufReader::new(server.stdout.take().expect("piped"));
        out.read_line(&mut number).expect("Xvfb says its number");
        let name = format!(":{}", number.trim());
        let window_manager = Command::new("openbox")
            .env("DISPLAY", &name)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs the package openbox");
        let display = Self {
            server,
            window_manager,
            name,
        };
        // It starts in the middle of the screen, where it would change the look of what it is on.
        display.park_pointer();
        display
    }

    fn park_pointer(&self) {
        self.xdotool(&["mousemove", "2", "2"]);
    }

    /// A command that finds this display and no other.
    pub fn on_display(&self, mut command: Command) -> Command {
        command
            .env("DISPLAY", &self.name)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET")
            // With the tray of whoever runs the test, closing a window would hide it.
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        command
    }

    /// What can be seen now.
    pub fn screenshot(&self) -> Picture {
        let mut command = Command::new("import");
        command.args(["-window", "root", "png:-"]);
        let shot = self
            .on_display(command)
            .output()
            .expect("this test needs the package imagemagick");
        let picture = image::load_from_memory(&shot.stdout)
            .expect("import gives a PNG")
            .to_rgb8();
        Picture {
            width: picture.width() as usize,
            height: picture.height() as usize,
            rgb: picture.into_raw(),
        }
    }

    /// Looks until something is there to be seen.
    pub fn wait_to_see<T>(&self, what: &str, look: impl Fn(&Picture) -> Option<T>) -> T {
        let deadline = Instant::now() + GUARD;
        loop {
            let picture = self.screenshot();
            if let Some(seen) = look(&picture) {
                return seen;
            }
            if Instant::now() > deadline {
                let path = std::env::temp_dir().join("visavis-window-test.png");
                self.keep(&path);
                panic!("{what} is never to be seen; a screenshot is at {}", path.display());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn keep(&self, path: &Path) {
        let mut command = Command::new("import");
        command.args(["-window", "root"]).arg(path);
        self.on_display(command).status().expect("import runs");
    }

    /// Clicks in the middle of a region, then takes the pointer away: what is under it looks different.
    pub fn click(&self, region: Region) {
        let (x, y) = ((region.left + region.right) / 2, (region.top + region.bottom) / 2);
        self.xdotool(&["mousemove", &x.to_string(), &y.to_string(), "click", "1"]);
        self.park_pointer();
    }

    /// Types a text into whatever has the keyboard.
    pub fn type_text(&self, text: &str) {
        self.xdotool(&["type", "--delay", "10", text]);
    }

    /// Presses a key or a combination like `alt+F4`.
    pub fn press(&self, key: &str) {
        self.xdotool(&["key", key]);
    }

    fn xdotool(&self, words: &[&str]) {
        let mut command = Command::new("xdotool");
        command.args(words);
        let done = self
            .on_display(command)
            .status()
            .expect("this test needs the package xdotool");
        assert!(done.success(), "xdotool {words:?}");
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        for child in [&mut self.window_manager, &mut self.server] {
            if child.kill().is_ok() && child.wait().is_err() {
                eprintln!("a part of the display could not be waited for");
            }
        }
    }
}

impl Picture {
    /// Luma as a camera would give it.
    pub fn grey(&self) -> Grey {
        let luma = |rgb: &[u8]| (u32::from(rgb[0]) * 299 + u32::from(rgb[1]) * 587 + u32::from(rgb[2]) * 114) / 1000;
        Grey {
            width: self.width,
            height: self.height,
            pixels: self.rgb.chunks_exact(3).map(|rgb| luma(rgb) as u8).collect(),
        }
    }

    /// Connected regions of a colour with at least this many pixels, from top to bottom.
    pub fn regions(&self, colour: [u8; 3], least_area: usize) -> Vec<Region> {
        let is_colour = |at: usize| {
            let pixel = &self.rgb[at * 3..at * 3 + 3];
            pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 2)
        };
        let mut wanted: Vec<bool> = (0..self.width * self.height).map(is_colour).collect();
        let mut regions = Vec::new();
        for start in 0..wanted.len() {
            if wanted[start] {
                regions.push(self.fill(start, &mut wanted));
            }
        }
        regions.retain(|region| region.area >= least_area);
        regions.sort_by_key(|region| (region.top, region.left));
        regions
    }

    /// Takes a connected region out of `wanted`.
    fn fill(&self, start: usize, wanted: &mut [bool]) -> Region {
        let (x, y) = (start % self.width, start / self.width);
        let mut region = Region {
            left: x,
            top: y,
            right: x,
            bottom: y,
            area: 0,
        };
        let mut open = vec![start];
        wanted[start] = false;
        while let Some(at) = open.pop() {
            let (x, y) = (at % self.width, at / self.width);
            region.area += 1;
            region.left = region.left.min(x);
            region.right = region.right.max(x);
            region.bottom = region.bottom.max(y);
            let neighbours = [
                (x > 0).then(|| at - 1),
                (x + 1 < self.width).then_some(at + 1),
                (y > 0).then(|| at - self.width),
                (y + 1 < self.height).then_some(at + self.width),
            ];
            for next in neighbours.into_iter().flatten() {
                if std::mem::take(&mut wanted[next]) {
                    open.push(next);
                }
            }
        }
        region
    }
}

/// The window with its own settings and identity, so that those of whoever runs the test do not matter.
pub fn window(display: &Display, folder: &Path, words: &[&str]) -> Process {
    let settings = folder.join("visavis");
    std::fs::create_dir_all(&settings).expect("made");
    let content = r#"{"theme": "dark", "language": "english"}"#;
    std::fs::write(settings.join("settings.json"), content).expect("written");
    let devices = ["--camera", "test", "--microphone", "test", "--speaker", "null"];
    let words = [&["--name", "Bob"], &devices[..], words].concat();
    let mut command = display.on_display(visavis(&words));
    command.env("XDG_CONFIG_HOME", folder).env("XDG_DATA_HOME", folder);
    Process::start("the window", command)
}
